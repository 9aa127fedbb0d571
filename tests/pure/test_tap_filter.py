"""The tap's filters, run by an interpreter of classic BPF: on real frames, and as they are
meant."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshwatch.bpf import Instruction
from meshwatch.tap import MOST_OWN, SLOT_BYTES, beacon_filter, peering_filter

# As Linux 6.1 put them on the air of mac80211_hwsim: three stations peer, one leaves.
BEACON = bytes.fromhex(
    "80000000ffffffffffff4200000000004200000000000000652d74ffdc600600e803000000000108"
    "82040b160c12182403010105040102000032043048606c7208746573746d65736871070101000100"
    "0009"
)
OPEN = bytes.fromhex(
    "d0003a0142000000010042000000000042000000000050000f010000010882040b160c1218243204"
    "3048606c7208746573746d65736871070101000100000975040000bf0f"
)
CONFIRM = bytes.fromhex(
    "d0003a0142000000000042000000010042000000010030000f0200000100010882040b160c121824"
    "32043048606c7208746573746d657368710701010001000009750600002390bf0f"
)
CLOSE = bytes.fromhex(
    "d0003a0142000000020042000000010042000000010010010f037208746573746d657368750800002c44443b3400"
)
ACKNOWLEDGEMENT = bytes.fromhex("d4000000420000000000")
QOS_NULL = bytes.fromhex("c8033a0142000000010042000000000042000000010000004200000000001700")
MULTICAST_DATA = bytes.fromhex(
    "8802000033330000001642000000000042000000000000002001001f00000000aaaa0300000086dd"
    "600000000024000100000000000000000000000000000000ff020000000000000000000000000016"
    "3a000502000001008f006f8a0000000104000000ff0200000000000000000001ff000000"
)

# Radiotap headers: of hwsim0; of a frame that a monitor interface received (with signal and RX
# flags); of a transmit status (rate, TX flags, retries); and one longer than 255 bytes.
HWSIM = bytes.fromhex("000016000f000000082d74ffdc60060000026c09a000")
RECEIVED = bytes.fromhex("00001a002f480000082d74ffdc60060000026c09a000e2000000")
SENT = bytes.fromhex("00000d00048002000200010000")
LONG = bytes.fromhex("00002c0100000000") + bytes(0x12C - 8)
HEADERS = [HWSIM, RECEIVED, SENT, LONG]

# The three stations, as who of them we are decides what of their peering concerns us.
ZERO, ONE, TWO = (f"42:00:00:00:0{number}:00" for number in range(3))
PEERING = peering_filter([ZERO, TWO])
BEACONS = beacon_filter(beacons=True)
NO_BEACONS = beacon_filter(beacons=False)


def run(program: Sequence[Instruction], frame: bytes) -> int:
    """How many bytes of a frame a program keeps (linux/bpf_common.h, net/core/filter.c)."""
    a = x = at = 0
    while True:
        code, k, if_true, if_false = program[at]
        at += 1
        match code:
            case 0x30 | 0x50:  # BPF_LD | BPF_B, BPF_ABS or BPF_IND
                place = k + (x if code == 0x50 else 0)
                if place >= len(frame):
                    return 0
                a = frame[place]
            case 0x48 | 0x40:  # BPF_LD | BPF_H or BPF_W, BPF_IND
                size = 2 if code == 0x48 else 4
                if k + x + size > len(frame):
                    return 0
                a = int.from_bytes(frame[k + x : k + x + size])
            case 0x64:  # BPF_ALU | BPF_LSH | BPF_K
                a = a << k & 0xFFFFFFFF
            case 0x4C:  # BPF_ALU | BPF_OR | BPF_X
                a |= x
            case 0x07:  # BPF_MISC | BPF_TAX
                x = a
            case 0x15:  # BPF_JMP | BPF_JEQ | BPF_K
                at += if_true if a == k else if_false
            case 0x25:  # BPF_JGT
                at += if_true if a > k else if_false
            case 0x35:  # BPF_JGE
                at += if_true if a >= k else if_false
            case 0x45:  # BPF_JSET
                at += if_true if a & k else if_false
            case 0x06:  # BPF_RET | BPF_K
                return k
            case _:
                raise AssertionError(f"an instruction of unknown code {code:#x}")


def passes(frame: bytes) -> str:
    """Which of the filters; "" = none."""
    kept = {"peering": run(PEERING, frame), "beacons": run(BEACONS, frame)}
    assert set(kept.values()) <= {0, SLOT_BYTES + 1}
    return " ".join(name for name, size in kept.items() if size)


def changed(frame: bytes, place: int, octet: int) -> bytes:
    return frame[:place] + bytes([octet]) + frame[place + 1 :]


@pytest.mark.parametrize("header", HEADERS, ids=["hwsim", "received", "sent", "long"])
@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        (BEACON, "beacons"),
        (changed(BEACON, 34, 0x10), "beacons"),  # with privacy, as secured meshes
        (changed(BEACON, 34, 0x01), ""),  # of an access point
        (changed(BEACON, 34, 0x12), ""),  # of an IBSS
        (changed(BEACON, 0, 0x50), ""),  # a probe response
        (BEACON[:34], ""),
        (OPEN, "peering"),
        (CONFIRM, "peering"),
        (CLOSE, "peering"),
        (changed(CLOSE, 1, 0x08), "peering"),  # repeated
        (changed(CLOSE, 25, 0), ""),
        (changed(CLOSE, 25, 4), ""),  # mesh group key inform
        (changed(CLOSE, 25, 0xFF), ""),
        (changed(CLOSE, 24, 13), ""),  # mesh action: path selection
        (changed(CLOSE, 24, 4), ""),  # public action
        (changed(CLOSE, 0, 0xE0), ""),  # action without acknowledgement
        (CLOSE[:25], ""),
        (ACKNOWLEDGEMENT, ""),
        (MULTICAST_DATA, ""),
        (changed(QOS_NULL, 0, 0x48), ""),
        (b"", ""),
    ],
)
def test_real_frames_and_their_relatives(header: bytes, frame: bytes, wanted: str) -> None:
    assert passes(header + frame) == wanted


@pytest.mark.parametrize(
    ("header", "wanted"), [(HWSIM, ""), (RECEIVED, ""), (SENT, "beacons"), (LONG, "")]
)
def test_of_qos_null_frames_only_what_became_of_ours(header: bytes, wanted: str) -> None:
    assert passes(header + QOS_NULL) == wanted
    assert passes(header + changed(QOS_NULL, 1, 0x0B)) == wanted


def test_beacons_can_be_left_out() -> None:
    frames = [RECEIVED + frame for frame in (OPEN, CONFIRM, CLOSE, ACKNOWLEDGEMENT)]
    for frame in (*frames, SENT + QOS_NULL, RECEIVED + QOS_NULL, b""):
        assert run(NO_BEACONS, frame) == run(BEACONS, frame)
    for header in HEADERS:
        assert run(BEACONS, header + BEACON) > 0
        assert run(NO_BEACONS, header + BEACON) == 0


@pytest.mark.parametrize("frame", [OPEN, CONFIRM, CLOSE], ids=["open", "confirm", "close"])
def test_of_peering_frames_only_those_to_us_and_from_us(frame: bytes) -> None:
    parties = {frame[4:10].hex(":"), frame[10:16].hex(":")}
    for own in (ZERO, ONE, TWO):
        assert bool(run(peering_filter([own]), RECEIVED + frame)) is (own in parties)
    others = [f"42:00:00:00:{number:02x}:01" for number in range(MOST_OWN)]
    for own in parties:
        assert run(peering_filter([*others[1:], own]), RECEIVED + frame)
    assert not run(peering_filter(others), RECEIVED + frame)
    assert not run(peering_filter([]), RECEIVED + frame)
    too_many = [*others, "42:00:00:00:99:99"]
    assert run(peering_filter(too_many), RECEIVED + frame)


def test_no_jump_is_longer_than_the_kernel_has_it() -> None:
    longest = peering_filter([f"42:00:00:00:00:{n:02x}" for n in range(MOST_OWN)])
    assert all(0 <= jump < 256 for step in longest for jump in step[2:])


def is_wanted(frame: bytes) -> str:
    """What the filters are to let in, in other words."""
    header = int.from_bytes(frame[2:4], "little")
    sent = len(frame) > 5 and bool(frame[5] & 0x80)
    match tuple(frame[header:]) if len(frame) >= 4 else ():
        case (0x80, *rest) if len(rest) > 33 and not rest[33] & 3:
            return "beacons"
        case (0xD0, *rest) if tuple(rest[23:25]) in {(15, 1), (15, 2), (15, 3)}:
            own = {tuple(bytes.fromhex(each.replace(":", ""))) for each in (ZERO, TWO)}
            return "peering" if {tuple(rest[3:9]), tuple(rest[9:15])} & own else ""
        case (0xC8, *_) if sent:
            return "beacons"
    return ""


@given(
    st.binary(max_size=8)
    | st.builds(
        lambda header, frame, size: (header + frame)[:size],
        st.sampled_from(HEADERS) | st.binary(min_size=4, max_size=60),
        st.sampled_from([BEACON, OPEN, CONFIRM, CLOSE, QOS_NULL, ACKNOWLEDGEMENT])
        | st.binary(max_size=50),
        st.integers(0, 400),
    ),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=3),
)
@example(b"\x00\x00\x00\x00\x00\x80\xc8", [])
def test_the_filters_are_what_is_meant(frame: bytes, accidents: list[tuple[int, int]]) -> None:
    for place, octet in accidents:
        frame = changed(frame, place, octet) if place < len(frame) else frame
    assert passes(frame) == is_wanted(frame)
