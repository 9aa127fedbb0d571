"""The C decoder as seen from Python: what becomes of every message, and of any bytes."""

from __future__ import annotations

import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch._csrc import ffi
from meshwatch.observations import Station, StationField
from meshwatch.records import (
    CandidateInfo,
    FamilyInfo,
    InterfaceInfo,
    Kind,
    Message,
    PathInfo,
    ProxyInfo,
    decode,
    reason_text,
)
from tests.pure.kernel_bytes import (
    DEL_STATION,
    FAMILY,
    NEW_INTERFACE,
    NEW_PEER_CANDIDATE,
    NEW_STATION,
    A,
    B,
    attribute,
    candidate,
    done,
    mac,
    nl80211,
    refused,
    u32,
)

CORPUS = {
    path.name: path.read_bytes()
    for path in sorted((Path(__file__).resolve().parent.parent / "c/corpus").glob("*.bin"))
}
NEW_MPATH = 23
WIPHY, IFINDEX, IFNAME, IFTYPE, MAC, STA_INFO, NEXT_HOP, MPATH_INFO = 1, 3, 4, 5, 6, 21, 26, 27
FREQUENCY, GENERATION, WDEV = 38, 46, 153


def event(command: int, *attributes: bytes) -> bytes:
    """A message about peer A of interface 5."""
    return nl80211(command, u32(IFINDEX, 5), mac(A), *attributes, seq=7)


def only(data: bytes) -> Message:
    """The one message of a datagram."""
    (decoded,) = decode(data, FAMILY)
    return decoded


# ---- the contract with C -----------------------------------------------------------------------


def test_kinds_and_fields_are_those_of_the_headers() -> None:
    """The Python enumerations, in the order and with the values of the C ones."""
    kinds = ffi.typeof("enum mw_kind").relements
    assert {f"MW_{kind.name}": kind.value for kind in Kind} == kinds
    bits = ffi.typeof("enum mw_station_field").relements
    assert {f"MW_{field.name}": field.value.bit_length() - 1 for field in StationField} == bits


def test_station_has_the_members_of_the_struct() -> None:
    """Same names, same order; a struct mw_rate stands for five fields."""
    members = []
    for name, member in ffi.typeof("struct mw_station").fields:
        inner = member.type.fields if member.type.kind == "struct" else None
        members += [f"{name}_{part}" for part, _ in inner] if inner else [name]
    assert tuple(members) == Station._fields
    assert [name.lower() for name in StationField.__members__] == members[1:]


def test_every_reason_has_a_text() -> None:
    """And an unknown one has a text that says so."""
    reasons = ffi.typeof("enum mw_reason").relements.values()
    assert len({reason_text(reason) for reason in reasons}) == len(reasons)
    assert reason_text(max(reasons) + 1) == "unknown reason"


# ---- bodies ------------------------------------------------------------------------------------


def test_station_message() -> None:
    """The header's fields come through; what was not said is 0 and not present."""
    decoded = only(event(NEW_STATION, attribute(STA_INFO, u32(1, 116))))
    assert decoded[:-1] == (Kind.STATION, FAMILY, 0, 7, 0, NEW_STATION, 0, 5, A)
    assert isinstance(decoded.body, Station)
    assert decoded.body.present == StationField.INACTIVE_MS
    assert decoded.body.inactive_ms == 116
    assert sum(decoded.body) == StationField.INACTIVE_MS + 116
    assert only(event(DEL_STATION)).kind is Kind.STATION_DELETED


@pytest.mark.parametrize("command", [NEW_MPATH, NEW_STATION])
def test_paths(command: int) -> None:
    """A path, and the proxy's path that has nothing to say of itself."""
    hop = attribute(NEXT_HOP, bytes.fromhex(B.replace(":", "")))
    path = only(event(command, hop, attribute(MPATH_INFO, u32(3, 418) + attribute(8, b"\x02"))))
    assert path.kind is Kind.MPATH
    assert path.body == PathInfo(
        next_hop=B,
        frame_qlen=None,
        sn=None,
        metric=418,
        expiry_ms=None,
        discovery_timeout_ms=None,
        changes=None,
        generation=None,
        flags=None,
        discovery_retries=None,
        hop_count=2,
    )
    proxy = only(event(command, hop, attribute(MPATH_INFO, b"")))
    assert (proxy.kind, proxy.body) == (Kind.MPP, ProxyInfo(B, None))
    proxy = only(event(command, hop, attribute(MPATH_INFO, b""), u32(GENERATION, 9)))
    assert (proxy.kind, proxy.body) == (Kind.MPP, ProxyInfo(B, 9))


def test_candidates() -> None:
    """The signal is a signed number, and may be absent."""
    with_signal = only(candidate(A, -30))
    assert (with_signal.kind, with_signal.body) == (Kind.CANDIDATE, CandidateInfo(-30))
    assert only(event(NEW_PEER_CANDIDATE)).body == CandidateInfo(None)


def test_interfaces() -> None:
    """With a network device, off channel, and with a name that is no UTF-8."""
    attributes = (u32(IFTYPE, 7), u32(WIPHY, 0), attribute(WDEV, struct.pack("=Q", 1 << 32)))
    named = only(event(NEW_INTERFACE, attribute(IFNAME, b"mesh\xff0\0"), *attributes))
    assert named.kind is Kind.INTERFACE
    assert named.body == InterfaceInfo("mesh\\xff0", 7, 0, A, None)
    bare = only(nl80211(NEW_INTERFACE, *attributes, u32(FREQUENCY, 2412)))
    assert (bare.ifindex, bare.address) == (0, "")
    assert bare.body == InterfaceInfo("", 7, 0, "", 2412)


@pytest.mark.parametrize("command", [33, 34, 35])
def test_scans(command: int) -> None:
    """Of a radio; what is in a list of results names none."""
    scan = only(event(command, u32(WIPHY, 3)))
    assert scan.kind is Kind.SCAN
    assert isinstance(scan.body, InterfaceInfo)
    assert (scan.command, scan.ifindex, scan.body.wiphy) == (command, 5, 3)
    assert only(event(command)).kind is Kind.OTHER


def test_family() -> None:
    """The number and the groups of nl80211, as recorded from Linux 6.1."""
    family = decode(CORPUS["6.1-family-1.bin"], 0)[0]
    assert family.kind is Kind.FAMILY
    assert family.body == FamilyInfo(
        32,
        "nl80211",
        {"config": 9, "scan": 10, "regulatory": 11, "mlme": 12, "vendor": 13, "nan": 14},
    )


def test_unknown_family_leaves_nl80211_alone() -> None:
    """Before the number is known, and for another number."""
    data = event(NEW_STATION)
    assert [decode(data, family)[0].kind for family in (0, 33)] == [Kind.OTHER, Kind.OTHER]


def test_requests_are_told_by_their_flag() -> None:
    """Those of other programs, in a capture."""
    asked = only(nl80211(17, u32(IFINDEX, 8), flags=0x301))
    assert (asked.kind, asked.command, asked.ifindex, asked.body) == (Kind.REQUEST, 17, 8, None)


def test_errors_are_positive() -> None:
    """The kernel writes them negative."""
    assert (only(refused(7, 19)).kind, only(refused(7, 19)).error) == (Kind.ERROR, 19)
    assert (only(done(7, 4)).kind, only(done(7, 4)).error) == (Kind.DONE, 4)


# ---- any bytes ---------------------------------------------------------------------------------


def test_malformed_message_costs_itself_only() -> None:
    """The messages around it are decoded; its own header tells whose reply it was."""
    good, bad = event(NEW_STATION), nl80211(NEW_STATION, u32(MAC, 1), seq=7)
    kinds = [m.kind for m in decode(good + bad + good, FAMILY)]
    assert kinds == [Kind.STATION, Kind.MALFORMED, Kind.STATION]
    message = only(bad)
    assert (message.seq, message.ifindex, message.address, message.body) == (7, 0, "", None)
    assert reason_text(message.error) == "attribute payload of the wrong size"


def test_more_messages_than_one_call_takes() -> None:
    """All of them, in order."""
    data = b"".join(refused(seq, 0) for seq in range(1000))
    assert [m.seq for m in decode(data, FAMILY)] == list(range(1000))


def test_every_kind_of_buffer() -> None:
    """Also one that begins anywhere in memory."""
    data = CORPUS["6.1-station-2.bin"]
    expected = decode(data, FAMILY)
    assert decode(bytearray(data), FAMILY) == expected
    for shift in range(8):
        assert decode(memoryview(bytes(shift) + data)[shift:], FAMILY) == expected


def test_threads_do_not_disturb_each_other() -> None:
    """cffi lets the others run during a call."""
    data = [event(NEW_STATION, u32(GENERATION, i)) * 60 for i in range(4)]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(200):
            for m in decode(data[i], FAMILY):
                if not isinstance(m.body, Station) or m.body.generation != i:
                    wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def sane(data: bytes, family: int) -> None:
    """What is true of the decoding of any bytes."""
    messages = decode(data, family)
    assert bool(messages) == bool(data)
    for decoded in messages:
        assert isinstance(decoded.kind, Kind)
        if decoded.kind is Kind.MALFORMED:
            assert reason_text(decoded.error) not in ("well-formed", "unknown reason")
    assert len(messages) <= len(data)


@given(st.binary(max_size=512), st.sampled_from((0, 16, FAMILY, 0xFFFF)))
def test_random_bytes_never_raise(data: bytes, family: int) -> None:
    """Whatever arrives."""
    sane(data, family)


@given(
    st.lists(st.sampled_from(sorted(CORPUS.values())), min_size=1, max_size=3).map(b"".join),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=8),
    st.integers(0, 64),
)
def test_mutated_messages_never_raise(
    data: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    """Real messages with some bytes changed and the end cut off."""
    mutable = bytearray(data)
    for position, value in changes:
        mutable[position % len(mutable)] = value
    sane(bytes(mutable[: len(mutable) - cut]), FAMILY)
