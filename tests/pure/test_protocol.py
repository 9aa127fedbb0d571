"""The laws of the lines: what is written is read back, bounded, and open to later versions."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch import model, protocol
from meshwatch.model import Change, Plink, PowerMode, Presence, Reason

OFFSET_NS = 1_790_000_000_000_000_000
NS = st.integers(0, 2**62)
COUNT = st.none() | st.integers(0, 2**64 - 1)
POWER = st.none() | st.sampled_from(PowerMode)
FLAG = st.none() | st.booleans()
LINK_ID = st.none() | st.integers(0, 2**16 - 1)
# What a kernel, a driver's author or a file system can call something: any bytes.
NAME = st.binary(min_size=1, max_size=15).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
ADDRESS = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))

READINGS = st.builds(
    model.Readings,
    last_heard_ns=NS,
    reach=st.integers(0, 2**16 - 1),
    **{
        name: POWER if name.endswith("_pm") else COUNT
        for name in model.Readings.__struct_fields__[2:]
    },
)
NEIGHBORS = st.builds(
    model.Neighbor,
    ifindex=st.integers(1, 2**31 - 1),
    interface=NAME,
    address=ADDRESS,
    presence=st.sampled_from(Presence),
    reason=st.sampled_from(Reason),
    since_ns=NS,
    first_heard_ns=NS,
    plink=st.none() | st.sampled_from(Plink),
    llid=LINK_ID,
    plid=LINK_ID,
    gate=FLAG,
    authentication_server=FLAG,
    authenticated=FLAG,
    mfp=FLAG,
    readings=READINGS,
)
INTERFACES = st.builds(
    model.Interface,
    ifindex=st.integers(1, 2**31 - 1),
    interface=NAME,
    type=st.sampled_from(model.InterfaceType),
    wiphy=st.integers(0, 2**32 - 1),
    address=ADDRESS,
    up=st.booleans(),
    running=st.booleans(),
    frequency_mhz=st.none() | st.integers(0, 2**32 - 1),
)
SOURCES = st.builds(
    model.Source, source=st.just("nl80211"), since_ns=NS, failure=st.none() | st.text(max_size=400)
)
ROWS = NEIGHBORS | INTERFACES | SOURCES

READ = model.Readings(last_heard_ns=2_000_000)
ANN = model.Neighbor(
    ifindex=3,
    interface="mesh0",
    address="02:00:00:00:01:00",
    presence=Presence.PRESENT,
    reason=Reason.ESTABLISHED,
    since_ns=1_999_999,
    first_heard_ns=0,
    plink=Plink.ESTAB,
    readings=READ,
)


def parsed(line: protocol.Line, seq: int = 1) -> dict[str, Any]:
    text = line.numbered(seq)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    value = json.loads(text)
    assert isinstance(value, dict)
    return value


def has_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(has_null(inner) for inner in value.values())
    if isinstance(value, list):
        return any(has_null(inner) for inner in value)
    return value is None


def wire_name(name: str) -> str:
    return name.removesuffix("_ns") + "_unix_ms" if name.endswith("_ns") else name


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (protocol.Neighbor, model.Neighbor),
        (protocol.Readings, model.Readings),
        (protocol.Interface, model.Interface),
        (protocol.Source, model.Source),
    ],
)
def test_wire_has_the_names_of_the_model(
    wire: type[msgspec.Struct], words: type[msgspec.Struct]
) -> None:
    assert wire.__struct_fields__ == tuple(wire_name(name) for name in words.__struct_fields__)


def test_was_has_the_keys_of_a_neighbor_that_are_news() -> None:
    identity_and_readings = {"ifindex", "address", "readings"}
    names = [n for n in protocol.Neighbor.__struct_fields__ if n not in identity_and_readings]
    assert list(protocol.Was.__struct_fields__) == names


def test_a_line_of_a_neighbor() -> None:
    assert parsed(protocol.change(Change(ANN.key, None, ANN), OFFSET_NS), seq=7) == {
        "class": "changed",
        "seq": 7,
        "neighbor": {
            "ifindex": 3,
            "interface": "mesh0",
            "address": "02:00:00:00:01:00",
            "presence": "present",
            "reason": "established",
            "since_unix_ms": 1_790_000_000_001,
            "first_heard_unix_ms": 1_790_000_000_000,
            "proximity": "direct",
            "plink": "estab",
            "readings": {"last_heard_unix_ms": 1_790_000_000_002, "reach": "0000"},
        },
    }


def test_was_names_what_differs_and_only_that() -> None:
    quiet = msgspec.structs.replace(
        ANN, presence=Presence.QUIET, reason=Reason.SILENT, since_ns=9_000_000, llid=5
    )
    line = parsed(protocol.change(Change(ANN.key, ANN, quiet), OFFSET_NS))
    assert line["was"] == {
        "presence": "present",
        "reason": "established",
        "since_unix_ms": 1_790_000_000_001,
    }


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (Change(ANN.key, ANN, ANN, news=False), "reading"),
        (Change(ANN.key, ANN, None, reason=Reason.DELETED), "removed"),
    ],
)
def test_classes_of_changes(change: Change, name: str) -> None:
    line = parsed(protocol.change(change, OFFSET_NS))
    assert line["class"] == name
    assert line["neighbor"]["address"] == ANN.address
    assert line.get("reason") == change.reason


@given(ROWS, ROWS, st.integers(1, 2**53))
def test_every_change_is_read_back(old: model.Row, new: model.Row, seq: int) -> None:
    pairs = [(None, new), (new, None)]
    if type(old) is type(new):
        pairs.append((old, new))
    for before, after in pairs:
        change = Change(new.key, before, after, reason=None if after else Reason.ABSENT)
        line = protocol.change(change, OFFSET_NS)
        text = line.numbered(seq)
        assert len(text) <= protocol.MAX_LINE
        assert not has_null(parsed(line))
        message = protocol.decode(text)
        assert message is not None
        assert message.seq == seq
        assert protocol.encode(message).numbered(seq) == text


@given(NEIGHBORS)
def test_a_neighbor_keeps_its_values(row: model.Neighbor) -> None:
    wire = protocol.neighbor(row, 0)
    for name in ("address", "presence", "reason", "llid", "plid", "gate", "mfp"):
        assert getattr(wire, name) == getattr(row, name)
    assert wire.since_unix_ms == row.since_ns // 10**6
    assert wire.plink == (None if row.plink is None else row.plink.name.lower())
    assert int(wire.readings.reach, 16) == row.readings.reach


@given(st.lists(ROWS, max_size=3), st.integers(0, 200))
def test_a_snapshot_is_everything_in_lines_that_say_more(rows: list[model.Row], times: int) -> None:
    everything = rows * times
    parts = [line.numbered(2**53) for line in protocol.snapshot(everything, OFFSET_NS)]
    assert max(map(len, parts)) <= protocol.MAX_LINE
    lines = [json.loads(part) for part in parts]
    assert [line.get("more", False) for line in lines] == [True] * (len(lines) - 1) + [False]
    for key, kind in (
        ("neighbors", model.Neighbor),
        ("interfaces", model.Interface),
        ("sources", model.Source),
    ):
        rows_of_kind = [row for row in everything if isinstance(row, kind)]
        assert sum(len(line[key]) for line in lines) == len(rows_of_kind)


def test_a_line_of_snapshot_holds_the_longest_rows_there_can_be() -> None:
    """Everything at its longest, and every character of a text written as six bytes."""
    largest = model.Neighbor(
        ifindex=2**31 - 1,
        interface="\x01" * 500,
        address="02:00:00:00:00:00",
        presence=Presence.PRESENT,
        reason=max(Reason, key=len),
        since_ns=2**63 - 1,
        first_heard_ns=2**63 - 1,
        plink=Plink.OPN_RCVD,
        llid=65535,
        plid=65535,
        gate=False,
        authentication_server=False,
        authenticated=False,
        mfp=False,
        readings=model.Readings(
            last_heard_ns=2**63 - 1,
            reach=65535,
            **{  # type: ignore[arg-type]
                name: PowerMode.LIGHT_SLEEP if name.endswith("_pm") else -(2**63)
                for name in model.Readings.__struct_fields__[2:]
            },
        ),
    )
    failed = model.Source(source="nl80211", since_ns=2**63 - 1, failure="\x01" * 5000)
    for row in (largest, failed):
        for line in protocol.snapshot([row] * 100, OFFSET_NS):
            assert len(line.numbered(2**53)) <= protocol.MAX_LINE


def test_an_empty_table_has_a_snapshot() -> None:
    (line,) = protocol.snapshot([], OFFSET_NS)
    assert parsed(line) == {
        "class": "snapshot",
        "seq": 1,
        "interfaces": [],
        "sources": [],
        "neighbors": [],
    }


def test_version_says_what_is_replayed() -> None:
    name = b"/tmp/\xff.pcapng".decode("utf-8", "surrogateescape")
    line = protocol.version(release="0.1", boot="b", started_unix_ms=1, replay=name)
    assert parsed(line)["replay"] == "/tmp/\\udcff.pcapng"
    plain = parsed(protocol.version(release="0.1", boot="b", started_unix_ms=1))
    assert plain == {
        "class": "version",
        "seq": 1,
        "protocol": {"major": protocol.MAJOR, "minor": protocol.MINOR},
        "release": "0.1",
        "boot": "b",
        "started_unix_ms": 1,
    }


# ---- lines of other versions, and of others -----------------------------------------------------


def test_a_later_minor_version_is_understood() -> None:
    line = parsed(protocol.change(Change(ANN.key, None, ANN), OFFSET_NS))
    line |= {"later": {"a": [1]}}
    line["neighbor"] |= {"mood": "good", "reason": "bored", "plink": "new_state"}
    shuffled = json.dumps(dict(reversed(line.items()))).encode()
    message = protocol.decode(shuffled)
    assert isinstance(message, protocol.Changed)
    assert (message.neighbor.reason, message.neighbor.plink) == ("bored", "new_state")
    assert protocol.decode(b'{"class":"path","seq":9,"path":[]}') is None


def test_another_major_version_is_refused_with_both_versions() -> None:
    line = b'{"class":"version","seq":1,"protocol":{"major":2,"minor":3},"speaks":"otherwise"}'
    with pytest.raises(protocol.ProtocolError, match=r"2\.3.*1\.0"):
        protocol.decode(line)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"class"',
        b"{}",
        b'{"class":7}',
        b'{"class":"changed","seq":1}',
        b'{"class":"snapshot","seq":1,"neighbors":[{}],"interfaces":[],"sources":[]}',
        b'{"class":"version","seq":1,"protocol":{"major":1,"minor":0}}',
        b'{"class":"\xff"}',
        b'{"class":"later","pad":"' + b"x" * protocol.MAX_LINE + b'"}',
    ],
)
def test_bad_lines_are_protocol_errors(line: bytes) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.decode(line)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(protocol.ProtocolError):
        protocol.decode(data)


@given(st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b" "))), st.data())
def test_lines_do_not_depend_on_where_the_stream_is_cut(
    lines: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(line + b"\n" for line in lines) + b"unfinished"
    cutter, out = protocol.Lines(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        out += cutter.feed(stream[:size])
        stream = stream[size:]
    assert out == lines


def test_a_line_without_end_is_refused() -> None:
    cutter = protocol.Lines()
    half = b"x" * (protocol.MAX_LINE // 2)
    cutter.feed(half)
    with pytest.raises(protocol.ProtocolError):
        cutter.feed(half)
