"""meshwatchd takes claims beside its other sockets, and outlives whatever is sent there."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from tests.process.test_daemon import PATIENCE_S, daemon, table

CLAIM = {
    "class": "claim",
    "interface": "mesh9",
    "address": "02:00:00:00:00:01",
    "claimant": "test",
    "name": "ana.local",
    "lifetime_s": 60,
}


@pytest.mark.parametrize(
    ("datagram", "why"),
    [
        (b"garbage", "malformed"),
        (json.dumps(CLAIM).encode(), "about an interface unknown here"),
        (json.dumps(CLAIM | {"name": "a\nb"}).encode(), "malformed"),
    ],
)
def test_claims(tmp_path: Path, datagram: bytes, why: str) -> None:
    box = tmp_path / "claims.sock"
    with daemon(tmp_path) as process, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        table(tmp_path)
        assert box.stat().st_mode & 0o777 == 0o660
        sender.sendto(datagram, str(box))
        assert process.stderr is not None
        for line in process.stderr:
            if "claims dropped" in line:
                break
        assert f"1 {why}; the last by process {os.getpid()} of user {os.getuid()}" in line
        table(tmp_path)
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert not box.exists()
