"""claims.sock: datagrams of local programs, taken in and never answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from meshwatch.claims import NOBODY, Claims, Drop, Sender
from meshwatch.observations import Observation
from meshwatch.protocol.claims import MAX_CLAIM
from meshwatch.server import ServerError

log = logging.getLogger(__name__)

DATAGRAMS_PER_TURN = 64  # before the rest of the daemon gets its turn
PAUSE_S = 0.1  # before more is read of what would be thrown away

_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid (unix(7))
# Room for the credentials and nothing else: descriptors that somebody passes are closed by the
# kernel instead of becoming ours (MSG_CTRUNC, recvmsg(2)).
_ANCILLARY_BYTES = socket.CMSG_SPACE(_CREDENTIALS.size)


class Letterbox:
    """The socket through which programs of permitted users say what they know of a neighbor.

    Permitted is who may write to the file: its owner, and the group of the runtime directory.
    """

    def __init__(
        self, claims: Claims, hand_on: Callable[[list[Observation]], None], *, mode: int = 0o660
    ) -> None:
        self._claims = claims
        self._hand_on = hand_on
        self._mode = mode
        self._socket: socket.socket | None = None
        self._file: tuple[Path, int] | None = None  # with its inode, to know it again
        self._pause: asyncio.TimerHandle | None = None

    def start(self, directory: Path) -> None:
        """Open the socket in a runtime directory that is ours already (:class:`Server` started).

        Raises ServerError, leaving nothing open.
        """
        path = directory / "claims.sock"
        box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            box.setblocking(False)
            box.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            _bind(box, path, self._mode)
            self._file = (path, path.stat().st_ino)
        except OSError as error:
            box.close()
            raise ServerError(f"{path}: {error.strerror or error}") from error
        self._socket = box
        self._listen()

    def close(self) -> None:
        """Stop listening and remove our own socket file; what was not read yet is forgotten."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._file is not None:
            path, inode = self._file
            self._file = None
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == inode:
                    path.unlink()

    def _listen(self) -> None:
        self._pause = None
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._read, self._socket)

    def _read(self, box: socket.socket) -> None:
        observations: list[Observation] = []
        excess = self._claims.dropped[Drop.TOO_MANY]
        now = time.monotonic_ns()
        for _ in range(DATAGRAMS_PER_TURN):
            try:
                # One byte more than is allowed, to tell what is too long from what just fits.
                data, ancillary, _, _ = box.recvmsg(MAX_CLAIM + 1, _ANCILLARY_BYTES)
            except BlockingIOError:
                break
            claim = self._claims.receive(data, _sender(ancillary), now)
            if claim is not None:
                observations.append(claim)
        if self._claims.dropped[Drop.TOO_MANY] > excess:
            # Whoever floods us waits for room in the socket's queue, instead of keeping us busy.
            loop = asyncio.get_running_loop()
            loop.remove_reader(box)
            self._pause = loop.call_later(PAUSE_S, self._listen)
        if complaint := self._claims.complaint(now):
            log.warning("claims %s", complaint)
        if observations:
            self._hand_on(observations)


def _sender(ancillary: list[tuple[int, int, bytes]]) -> Sender:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            pid, uid, _ = _CREDENTIALS.unpack(data)
            return Sender(pid, uid)
    return NOBODY


def _bind(box: socket.socket, path: Path, mode: int) -> None:
    """Bind to this path, in place of a socket that a dead daemon left."""
    if path.exists():
        if not path.is_socket():
            raise OSError("is in the way and is no socket")
        path.unlink()
    # Bound, it takes datagrams at once: the file is born with this mode, less the umask
    # (unix_bind() in net/unix/af_unix.c), and never more open than it is to be.
    os.fchmod(box.fileno(), mode)
    box.bind(str(path))
    group = path.parent.stat().st_gid
    if path.stat().st_gid != group:
        with contextlib.suppress(PermissionError):  # a user who is not in it keeps his own
            os.chown(path, -1, group)
    path.chmod(mode)
