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
from meshwatch.model import (
    AddressProof,
    AddressScope,
    Change,
    Clash,
    OneSided,
    Plink,
    PowerMode,
    Presence,
    Proof,
    Proximity,
    Reason,
)

OFFSET_NS = 1_790_000_000_000_000_000
NS = st.integers(0, 2**62)
COUNT = st.none() | st.integers(0, 2**64 - 1)
POWER = st.none() | st.sampled_from(PowerMode)
FLAG = st.none() | st.booleans()
LINK_ID = st.none() | st.integers(0, 2**16 - 1)
# What a kernel, a driver's author or a file system can call something: any bytes.
NAME = st.binary(min_size=1, max_size=15).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
ADDRESS = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))
# What a stranger can transmit, undecodable bytes escaped.
MESH_ID = st.binary(max_size=32).map(lambda raw: raw.decode("utf-8", "backslashreplace"))

EVIDENCE = st.builds(
    model.Evidence,
    proof=st.sampled_from(Proof),
    silence_ms=COUNT,
    missed=COUNT,
    unanswered=COUNT,
)

# What local programs may say, as claims.sock lets it in: printable and bounded.
CLAIMED = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=20)
SERVICES = st.builds(
    model.Service,
    type=CLAIMED,
    instance=CLAIMED,
    host=st.none() | CLAIMED,
    port=st.integers(0, 2**16 - 1),
    txt=st.dictionaries(CLAIMED, CLAIMED, max_size=2).map(lambda txt: tuple(txt.items())),
)
CLAIMS = st.builds(
    model.Claim,
    claimant=CLAIMED,
    uid=st.integers(0, 2**32 - 1),
    name=st.none() | CLAIMED,
    nick=st.none() | CLAIMED,
    jid=st.none() | CLAIMED,
    fingerprint=st.none() | CLAIMED,
    verified=st.booleans(),
    claimed_ns=NS,
    services=st.lists(SERVICES, max_size=2).map(tuple),
)
ADDRESSES = st.builds(
    model.Address,
    NAME.map(lambda name: f"fe80::1%{name}"),
    st.sampled_from(model.AddressScope),
    st.sampled_from(model.AddressProof),
)

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
    evidence=st.none() | EVIDENCE,
    proximity=st.sampled_from(Proximity),
    plink=st.none() | st.sampled_from(Plink),
    llid=LINK_ID,
    plid=LINK_ID,
    gate=FLAG,
    authentication_server=FLAG,
    authenticated=FLAG,
    mfp=FLAG,
    security=st.none() | st.sampled_from(["open", "sae", "802.1x"]),
    mesh_id=st.none() | MESH_ID,
    accepting=FLAG,
    one_sided=st.none() | st.sampled_from(OneSided),
    next_hop=st.none() | ADDRESS,
    hop_count=COUNT,
    proxy=st.none() | ADDRESS,
    addresses=st.lists(ADDRESSES, max_size=3).map(tuple),
    name=st.none() | CLAIMED,
    nick=st.none() | CLAIMED,
    jid=st.none() | CLAIMED,
    disputed=st.booleans(),
    claims=st.lists(CLAIMS, max_size=2).map(tuple),
    restarts=st.integers(0, 2**31),
    clash=st.none() | st.sampled_from(model.Clash),
    bouncing=st.booleans(),
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
    mesh_id=st.none() | MESH_ID,
    beacon_interval_tu=COUNT,
    gates=st.lists(ADDRESS, max_size=40).map(tuple),
    forged=st.booleans(),
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
        (protocol.Evidence, model.Evidence),
        (protocol.Address, model.Address),
        (protocol.Claim, model.Claim),
        (protocol.Service, model.Service),
        (protocol.Interface, model.Interface),
        (protocol.Source, model.Source),
    ],
)
def test_wire_has_the_names_of_the_model(
    wire: type[msgspec.Struct], words: type[msgspec.Struct]
) -> None:
    assert wire.__struct_fields__ == tuple(wire_name(name) for name in words.__struct_fields__)


def test_was_has_the_keys_of_a_neighbor_that_are_news() -> None:
    """But claims, of which there may be too many for a line to hold them twice."""
    others = {"ifindex", "address", "readings", "claims"}
    names = [n for n in protocol.Neighbor.__struct_fields__ if n not in others]
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
            "bouncing": False,
            "readings": {"last_heard_unix_ms": 1_790_000_000_002, "reach": "0000"},
        },
    }


def test_a_line_of_a_neighbor_beyond_radio_range() -> None:
    """Words, not numbers or names of a language; an empty array is an array."""
    row = msgspec.structs.replace(
        ANN,
        evidence=model.Evidence(proof=Proof.PATH, silence_ms=0),
        proximity=Proximity.MESH,
        plink=None,
        one_sided=OneSided.OURS,
        next_hop="02:00:00:00:02:00",
        hop_count=3,
        bouncing=True,
        readings=model.Readings(last_heard_ns=0, measured_ns=5_000_000, loss_percent=0),
    )
    line = parsed(protocol.change(Change(row.key, None, row), OFFSET_NS))["neighbor"]
    assert line["readings"].pop("measured_unix_ms") == 1_790_000_000_005
    assert line["readings"].pop("loss_percent") == 0
    told = ("evidence", "proximity", "one_sided", "next_hop", "hop_count", "bouncing")
    assert [line[key] for key in told] == [
        {"proof": "path", "silence_ms": 0},
        "mesh",
        "ours",
        "02:00:00:00:02:00",
        3,
        True,
    ]
    mesh0 = model.Interface(
        ifindex=3,
        interface="mesh0",
        type=model.InterfaceType.MESH,
        wiphy=0,
        address="02:00:00:00:00:00",
        up=True,
        running=True,
    )
    line = parsed(protocol.change(Change(mesh0.key, None, mesh0), OFFSET_NS))
    assert line["interface"]["gates"] == []


def test_a_removal_says_on_what_it_rests() -> None:
    evidence = model.Evidence(proof=Proof.PROBE, silence_ms=1400, missed=1, unanswered=3)
    gone = Change(ANN.key, ANN, None, reason=Reason.SILENT, evidence=evidence)
    line = parsed(protocol.change(gone, OFFSET_NS))
    assert line["evidence"] == {"proof": "probe", "silence_ms": 1400, "missed": 1, "unanswered": 3}
    assert "evidence" not in line["neighbor"]


@pytest.mark.parametrize(
    ("on_the_air", "told"),
    [
        ("school", "school"),
        ("Schüle 学校", "Schüle 学校"),
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("a\r\nb\x00\x7f\x85", r"a\r\nb\x00\x7f\x85"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        (b"\xff\xfe".decode("utf-8", "backslashreplace"), r"\xff\xfe"),
        ("\udcff", r"\udcff"),
        ("\x01" * 32, r"\x01" * 32),
        ((b"\xff" * 32).decode("utf-8", "backslashreplace"), r"\xff" * 32),
    ],
)
def test_a_mesh_id_is_inert(on_the_air: str, told: str) -> None:
    row = msgspec.structs.replace(ANN, mesh_id=on_the_air)
    assert parsed(protocol.change(Change(row.key, None, row), 0))["neighbor"]["mesh_id"] == told


@given(st.text())
def test_no_text_is_obeyed_or_without_bound(text: str) -> None:
    row = msgspec.structs.replace(ANN, interface=text, mesh_id=text)
    wire = protocol.neighbor(row, 0)
    for told, most in ((wire.mesh_id, 128), (wire.interface, 90)):
        assert told is not None
        assert told.isprintable()
        assert len(told.encode()) <= most
        if text.isprintable() and len(text.encode()) <= most:
            assert told == text


@given(MESH_ID, NAME)
def test_what_the_kernel_and_the_air_allow_is_told_whole(mesh_id: str, name: str) -> None:
    """However it is escaped: another character at the end makes another text."""
    row = msgspec.structs.replace(ANN, interface=name, mesh_id=mesh_id)
    other = msgspec.structs.replace(ANN, interface=name[:-1] + "_", mesh_id=mesh_id[:-1] + "_")
    wire = protocol.neighbor(row, 0)
    if name[-1:] != "_":
        assert wire.interface != protocol.neighbor(other, 0).interface
    if mesh_id[-1:] != "_":
        assert wire.mesh_id != protocol.neighbor(other, 0).mesh_id


def test_was_names_what_differs_and_only_that() -> None:
    before = msgspec.structs.replace(ANN, evidence=model.Evidence(proof=Proof.BEACON))
    quiet = msgspec.structs.replace(
        ANN,
        presence=Presence.QUIET,
        reason=Reason.SILENT,
        since_ns=9_000_000,
        llid=5,
        evidence=model.Evidence(proof=Proof.BEACON, missed=2),
        name="ana.local",
        disputed=True,
        addresses=(model.Address("10.0.0.1", AddressScope.PRIVATE, AddressProof.KERNEL),),
        bouncing=True,
    )
    line = parsed(protocol.change(Change(ANN.key, before, quiet), OFFSET_NS))
    assert line["was"] == {
        "presence": "present",
        "reason": "established",
        "since_unix_ms": 1_790_000_000_001,
        "evidence": {"proof": "beacon"},
        "bouncing": False,
    }
    line = parsed(protocol.change(Change(ANN.key, quiet, before), OFFSET_NS))
    assert line["was"] == {
        "presence": "quiet",
        "reason": "silent",
        "since_unix_ms": 1_790_000_000_009,
        "llid": 5,
        "evidence": {"proof": "beacon", "missed": 2},
        "addresses": [{"address": "10.0.0.1", "scope": "private", "proof": "kernel"}],
        "name": "ana.local",
        "disputed": True,
        "bouncing": True,
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
        change = Change(
            new.key,
            before,
            after,
            reason=None if after else Reason.ABSENT,
            evidence=None if after else getattr(old, "evidence", None),
        )
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


def test_a_line_holds_the_longest_rows_there_can_be() -> None:
    """Everything at its longest, and every character of a text written as two bytes or more."""
    texts = ("\x01" * 500, "\\" * 500, '"' * 500, "学" * 500, "\U0001f310" * 500, "\udcff" * 500)
    for text in texts:
        for row in longest_rows(text):
            lines = list(protocol.snapshot([row] * 100, OFFSET_NS))
            others = longest_rows(text[1:])
            lines += [
                protocol.change(Change(row.key, old, new), OFFSET_NS)
                for old, new in [(other, row) for other in others if type(other) is type(row)]
            ]
            for line in lines:
                assert len(line.numbered(2**53)) <= protocol.MAX_LINE


# A datagram of claims.sock is at most 4096 bytes, eight of them may be about one neighbor.
LONGEST_SERVICES = tuple(
    model.Service("_xmpp-server._tcp", "i", None, 65535, (("k", "v" * 212),)) for _ in range(14)
)
LONGEST_CLAIMS = tuple(
    model.Claim(
        claimant="c",
        uid=2**32 - 1,
        verified=False,
        claimed_ns=2**63 - 1,
        services=LONGEST_SERVICES,
    )
    for _ in range(8)
)


def test_the_longest_claims_are_as_long_as_datagrams() -> None:
    for claim in LONGEST_CLAIMS:
        row = msgspec.structs.replace(ANN, claims=(claim,))
        (told,) = parsed(protocol.change(Change(ANN.key, None, row), 0))["neighbor"]["claims"]
        assert len(json.dumps(told, separators=(",", ":"))) > 4000


def longest_rows(text: str) -> tuple[model.Row, ...]:
    largest = model.Neighbor(
        ifindex=2**31 - 1,
        interface=text,
        address="02:00:00:00:00:00",
        presence=Presence.PRESENT,
        reason=max(Reason, key=len),
        since_ns=2**63 - 1,
        first_heard_ns=2**63 - 1,
        evidence=model.Evidence(
            proof=max(Proof, key=len),
            silence_ms=-(2**63),
            missed=-(2**63),
            unanswered=-(2**63),
        ),
        proximity=max(Proximity, key=len),
        plink=Plink.OPN_RCVD,
        llid=65535,
        plid=65535,
        gate=False,
        authentication_server=False,
        authenticated=False,
        mfp=False,
        security="802.1x",
        mesh_id=text,
        accepting=False,
        one_sided=max(OneSided, key=len),
        next_hop="02:00:00:00:00:00",
        hop_count=-(2**63),
        proxy="02:00:00:00:00:00",
        addresses=(
            model.Address(
                "fe80::" + "1234:" * 8 + "%" + text,
                max(AddressScope, key=len),
                max(AddressProof, key=len),
            ),
        )
        * 17,
        name="\U0001f310" * 253,
        nick="\U0001f310" * 63,
        jid="\U0001f310" * 255,
        disputed=len(text) % 2 == 0,
        claims=LONGEST_CLAIMS,
        restarts=2**63 + len(text),
        clash=max(Clash, key=len),
        bouncing=False,
        readings=model.Readings(
            last_heard_ns=2**63 - 1,
            reach=65535,
            **{  # type: ignore[arg-type]
                name: PowerMode.LIGHT_SLEEP if name.endswith("_pm") else -(2**63)
                for name in model.Readings.__struct_fields__[2:]
            },
        ),
    )
    interface = model.Interface(
        ifindex=2**31 - 1,
        interface=text,
        type=model.InterfaceType.MESH,
        wiphy=2**32 - 1,
        address="02:00:00:00:00:00",
        up=False,
        running=False,
        frequency_mhz=2**32 - 1,
        mesh_id=text,
        beacon_interval_tu=-(2**63),
        gates=("02:00:00:00:00:00",) * 1000,
    )
    failed = model.Source(source="nl80211", since_ns=2**63 - 1, failure=text)
    return largest, interface, failed


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


def test_a_line_without_what_may_be_absent_is_read() -> None:
    changed = protocol.decode(
        b'{"class":"changed","seq":6,"neighbor":{"ifindex":4,"interface":"mesh0","address":'
        b'"02:00:00:00:02:00","presence":"present","reason":"established","since_unix_ms":'
        b'1795000004800,"first_heard_unix_ms":1795000004790,"proximity":"direct","bouncing":false,'
        b'"readings":{"last_heard_unix_ms":1795000095000,"reach":"ffff"}}}'
    )
    assert isinstance(changed, protocol.Changed)
    row = changed.neighbor
    assert (changed.was, row.plink, row.evidence, row.readings.peers) == (None, None, None, None)
    interface = protocol.decode(
        b'{"class":"interface","seq":7,"interface":{"ifindex":4,"interface":"mesh0","type":"mesh",'
        b'"wiphy":0,"address":"02:00:00:00:00:00","up":true,"running":false,"gates":[]}}'
    )
    assert isinstance(interface, protocol.InterfaceChanged)
    assert (interface.interface.mesh_id, interface.interface.forged) == (None, False)


# What a reader of 1.0 counts on: the keys that are always there, and what they hold.
ALWAYS_IN_1_0 = {
    "version": {
        "seq": int, "protocol": dict, "release": str, "boot": str, "started_unix_ms": int,
    },
    "snapshot": {"seq": int, "interfaces": list, "sources": list, "neighbors": list},
    "changed": {"seq": int, "neighbor": dict},
    "removed": {"seq": int, "neighbor": dict, "reason": str},
    "reading": {"seq": int, "neighbor": dict},
    "interface": {"seq": int, "interface": dict},
    "interface_removed": {"seq": int, "interface": dict, "reason": str},
    "source": {"seq": int, "source": dict},
}  # fmt: skip
NEIGHBOR_IN_1_0 = {
    "ifindex": int, "interface": str, "address": str, "presence": str, "reason": str,
    "since_unix_ms": int, "first_heard_unix_ms": int, "proximity": str, "bouncing": bool,
    "readings": dict,
}  # fmt: skip
READINGS_IN_1_0 = {"last_heard_unix_ms": int, "reach": str}
INTERFACE_IN_1_0 = {
    "ifindex": int, "interface": str, "type": str, "wiphy": int, "address": str, "up": bool,
    "running": bool, "gates": list,
}  # fmt: skip


def holds(told: dict[str, Any], wanted: dict[str, type]) -> bool:
    return wanted.items() <= {key: type(value) for key, value in told.items()}.items()


@given(NEIGHBORS, INTERFACES)
def test_a_reader_of_1_0_finds_what_it_knew(
    neighbor: model.Neighbor, interface: model.Interface
) -> None:
    hello = protocol.version(release="0.1", boot="b", started_unix_ms=1)
    lines = [hello, *protocol.snapshot([neighbor, interface], OFFSET_NS)]
    for row in (neighbor, interface):
        lines += [
            protocol.change(Change(row.key, None, row), OFFSET_NS),
            protocol.change(Change(row.key, row, row, news=False), OFFSET_NS),
            protocol.change(Change(row.key, row, None, reason=Reason.ABSENT), OFFSET_NS),
        ]
    for line in map(parsed, lines):
        assert holds(line, ALWAYS_IN_1_0[line["class"]])
        for told in [*line.get("neighbors", ()), *filter(None, [line.get("neighbor")])]:
            assert holds(told, NEIGHBOR_IN_1_0)
            assert told["presence"] in ("heard", "present", "quiet")
            assert holds(told["readings"], READINGS_IN_1_0)
        for told in [*line.get("interfaces", ()), *filter(None, [line.get("interface")])]:
            assert holds(told, INTERFACE_IN_1_0)


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
