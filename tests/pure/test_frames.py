"""The conversation with the air: what is told of a frame, and of any bytes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.frames import Frames, decode
from meshwatch.model import InterfaceType
from meshwatch.observations import (
    Beacon,
    BeaconSeen,
    InterfaceDeleted,
    InterfaceSeen,
    InterfacesSwept,
    Monitor,
    PeeringAction,
    PeeringSeen,
)
from tests.pure import frame_bytes as f
from tests.pure.frame_bytes import OWN, A, B

SAMPLES = sorted((Path(__file__).resolve().parent.parent / "c/frames").glob("*.bin"))
MON0 = Monitor(9, "mon0", 0)
MESH0, MESH1 = 8, 10
OWN1 = "42:00:00:00:00:01"
MESH0_SEEN = InterfaceSeen(MESH0, "mesh0", InterfaceType.MESH, 0, OWN)
MESH1_SEEN = InterfaceSeen(MESH1, "mesh1", InterfaceType.MESH, 0, OWN1)
REAL = Beacon(
    interval_tu=1000,
    mesh_id=b"testmesh",
    path_protocol=1,
    path_metric=1,
    congestion_control=0,
    synchronization=1,
    authentication=0,
    peers=0,
    gate=False,
    authentication_server=False,
    accepting=True,
    forwarding=True,
    privacy=False,
)


def listening(*interfaces: InterfaceSeen) -> Frames:
    """A conversation that knows these interfaces."""
    frames = Frames(MON0)
    frames.begin(0)
    for interface in interfaces:
        frames.notice(interface, 0)
    return frames


def heard(frames: Frames, data: bytes, now: int = 7) -> list[object]:
    """What is told of one frame."""
    return list(frames.receive(data, now))


def beacon_of(*elements: bytes, **fixed: int) -> Beacon:
    """What is told of a received beacon of A."""
    (seen,) = heard(listening(MESH0_SEEN), f.heard(f.beacon(A, *elements, **fixed)))
    assert isinstance(seen, BeaconSeen)
    return seen.beacon


# ---- beacons ------------------------------------------------------------------------------------


def test_a_real_beacon_is_told_with_the_time_at_which_it_was_received() -> None:
    frames = listening(InterfaceSeen(MESH0, "mesh0", InterfaceType.MESH, 0, A))
    assert heard(frames, f.REAL_BEACON, 123) == [BeaconSeen(MESH0, OWN, 123, REAL)]


def test_everything_a_beacon_says_is_told() -> None:
    config = f.element(f.CONFIGURATION, bytes((1, 2, 3, 4, 2, 0x80 | 63 << 1 | 1, 0x01)))
    told = beacon_of(f.MESH, config, interval_tu=100, capability=0x0010)
    assert told == Beacon(
        interval_tu=100,
        mesh_id=b"testmesh",
        path_protocol=1,
        path_metric=2,
        congestion_control=3,
        synchronization=4,
        authentication=2,
        peers=63,
        gate=True,
        authentication_server=True,
        accepting=True,
        forwarding=False,
        privacy=True,
        signal_dbm=-30,
    )


@pytest.mark.parametrize(
    ("formation", "capability", "said"),
    [
        (0x00, 0x00, set()),
        (0x01, 0x00, {"gate"}),
        (0x80, 0x00, {"authentication_server"}),
        (0x00, 0x01, {"accepting"}),
        (0x00, 0x08, {"forwarding"}),
        (0x02, 0xF6, {"peers"}),
        (0x40, 0x00, {"peers"}),
    ],
)
def test_each_bit_of_mesh_configuration(formation: int, capability: int, said: set[str]) -> None:
    config = f.configuration(formation=formation, capability=capability)
    told = beacon_of(f.MESH, config)
    names = ("gate", "authentication_server", "accepting", "forwarding", "peers")
    assert {name for name in names if getattr(told, name)} == said


def test_only_one_bit_of_the_capability_means_privacy() -> None:
    assert not beacon_of(f.MESH, f.configuration(), capability=0xFFEF).privacy


def test_a_mesh_id_is_any_bytes_even_none() -> None:
    for mesh_id in (b"", b"\xff\x00 \xc3", bytes(32)):
        assert beacon_of(f.element(f.MESH_ID, mesh_id), f.configuration()).mesh_id == mesh_id


def test_our_own_beacon_says_how_the_interface_that_sent_it_is_set() -> None:
    frames = listening(MESH0_SEEN, MESH1_SEEN)
    assert heard(frames, f.reported(f.beacon(OWN1))) == [BeaconSeen(MESH1, OWN1, 7, REAL)]
    assert heard(frames, f.reported(f.beacon(B))) == []  # of an interface not known yet
    assert frames.forged == 0


def test_a_beacon_is_told_for_each_of_our_meshes() -> None:
    frames = listening(MESH0_SEEN, MESH1_SEEN)
    seen = heard(frames, f.heard(f.beacon(A), -71))
    assert [(o.ifindex, o.address) for o in seen if isinstance(o, BeaconSeen)] == [
        (MESH0, A),
        (MESH1, A),
    ]
    assert [o.beacon.signal_dbm for o in seen if isinstance(o, BeaconSeen)] == [-71, -71]


def test_beacons_of_other_networks_tell_nothing() -> None:
    frames = listening(MESH0_SEEN)
    assert heard(frames, f.heard(f.beacon(A, f.element(0, b"cafe"), f.RATES))) == []
    assert heard(frames, f.heard(f.beacon(A, f.MESH))) == []
    assert frames.summary() == ""


def test_malformed_frames_are_counted() -> None:
    frames = listening(MESH0_SEEN)
    for data in (b"", f.heard(f.beacon())[:-1], f.heard(f.beacon(A, f.MESH + b"\x71\x00"))):
        assert heard(frames, data) == []
    assert frames.summary() == "frames that could not be read: 3"


def test_a_frame_in_our_name_that_we_did_not_send_counts_for_nothing() -> None:
    frames = listening(MESH0_SEEN)
    assert heard(frames, f.heard(f.beacon(OWN))) == []
    assert heard(frames, f.heard(f.close(A, OWN))) == []
    assert frames.summary() == "frames in our name that we did not send: 2"


# ---- our interfaces -----------------------------------------------------------------------------


def test_without_an_interface_of_ours_nothing_is_told() -> None:
    assert heard(listening(), f.heard(f.beacon())) == []


@pytest.mark.parametrize(
    "other",
    [
        InterfaceSeen(MESH0, "mesh0", InterfaceType.MESH, 1, OWN),
        InterfaceSeen(MESH0, "mesh0", InterfaceType.IBSS, 0, OWN),
        InterfaceSeen(MESH0, "mesh0", None, 0, OWN),
        InterfaceDeleted(MESH0),
        InterfacesSwept(frozenset({MESH1})),
    ],
    ids=lambda other: type(other).__name__,
)
def test_an_interface_that_is_no_mesh_of_this_radio_is_not_ours(
    other: InterfaceSeen | InterfaceDeleted | InterfacesSwept,
) -> None:
    frames = listening()
    frames.notice(other, 0)
    assert heard(frames, f.heard(f.beacon())) == []
    frames = listening(MESH0_SEEN, MESH1_SEEN)
    frames.notice(other, 0)
    seen = heard(frames, f.heard(f.beacon()))
    assert [o.ifindex for o in seen if isinstance(o, BeaconSeen)] == [MESH1]


def test_a_sweep_keeps_what_it_names() -> None:
    frames = listening(MESH0_SEEN, MESH1_SEEN)
    frames.notice(InterfacesSwept(frozenset({MESH0, MESH1, MON0.ifindex})), 0)
    assert len(heard(frames, f.heard(f.beacon()))) == 2


def test_an_interface_may_change_its_address() -> None:
    frames = listening(MESH0_SEEN)
    frames.notice(InterfaceSeen(MESH0, "mesh0", InterfaceType.MESH, 0, OWN1), 0)
    assert len(heard(frames, f.heard(f.beacon(OWN)))) == 1  # somebody else's now
    assert heard(frames, f.heard(f.beacon(OWN1))) == []


def test_beginning_again_forgets_no_interface() -> None:
    frames = listening(MESH0_SEEN)
    frames.begin(1)
    assert len(heard(frames, f.heard(f.beacon()))) == 1


# ---- peering frames -----------------------------------------------------------------------------


def test_real_peering_frames() -> None:
    frames = listening(InterfaceSeen(MESH0, "mesh0", InterfaceType.MESH, 0, A))
    assert heard(frames, f.REAL_OPEN) == [PeeringSeen(MESH0, OWN, 7, PeeringAction.OPEN, False)]
    assert heard(frames, f.REAL_SHORT_CLOSE) == [
        PeeringSeen(MESH0, OWN, 7, PeeringAction.CLOSE, False, 52)
    ]
    frames = listening(MESH0_SEEN)
    assert heard(frames, f.REAL_CONFIRM) == [PeeringSeen(MESH0, A, 7, PeeringAction.CONFIRM, False)]
    assert heard(frames, f.REAL_CLOSE) == []  # A and B among themselves


def test_peering_frames_to_us_and_by_us() -> None:
    frames = listening(MESH1_SEEN, MESH0_SEEN)
    assert heard(frames, f.heard(f.close(OWN, A, 55), -48)) == [
        PeeringSeen(MESH0, A, 7, PeeringAction.CLOSE, False, 55, -48)
    ]
    assert heard(frames, f.reported(f.close(A, OWN, 52))) == [
        PeeringSeen(MESH0, A, 7, PeeringAction.CLOSE, True, 52)
    ]
    assert heard(frames, f.reported(f.close(A, B))) == []
    assert heard(frames, f.heard(f.close(B, A))) == []
    assert frames.forged == 0


def test_a_secured_mesh_peers_in_frames_whose_end_is_encrypted() -> None:
    pmkid = bytes(range(16))
    management = struct.pack("<HH", 1, 0x2390) + pmkid
    mic, ciphertext = f.element(f.MIC, bytes(16)), bytes(range(200, 255))
    data = f.heard(f.peering(f.OPEN, OWN, A, management, mic, ciphertext))
    assert heard(listening(MESH0_SEEN), data) == [
        PeeringSeen(MESH0, A, 7, PeeringAction.OPEN, False, None, -30)
    ]


# ---- any bytes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_every_truncation_tells_nothing_else(sample: Path) -> None:
    data = sample.read_bytes()
    for interface in (MESH0_SEEN, InterfaceSeen(MESH0, "mesh0", InterfaceType.MESH, 0, A)):
        whole = heard(listening(interface), data)
        for size in range(len(data)):
            assert heard(listening(interface), data[:size]) in ([], whole)


def test_a_frame_has_the_layout_of_the_struct() -> None:
    management = struct.pack("<4H", 0, 2, 3, 4)
    body = b"\x0f\x03" + f.element(f.CONFIGURATION, bytes(range(11, 18))) + f.MESH
    closed = f.header(0x00D0, OWN, A) + body + f.element(f.PEERING, management)
    tap = f.radiotap(1 << 0 | 1 << 5 | 1 << 15 | 1 << 17, struct.pack("<QbxHB", 1, -9, 7, 8))
    assert decode(tap + closed) == (
        *(1, 3, 0x1FF, 7, 0, 0, 2, 3, 4, -9, 8, 3, f.mac(OWN), f.mac(A)),
        *range(11, 18),
        b"testmesh",
    )
    seen = decode(f.heard(f.beacon(A, interval_tu=5, capability=6)))
    assert seen is not None
    assert (seen.interval_tu, seen.capability, seen.kind) == (5, 6, 1)


def headers() -> st.SearchStrategy[bytes]:
    """Radiotap headers that are none, and such as there are."""
    words = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3)
    made = st.builds(lambda w, data: f.radiotap(w[0], data, *w[1:]), words, st.binary(max_size=40))
    return st.one_of(st.binary(max_size=12), made, st.sampled_from([f.heard(b""), f.reported(b"")]))


def bodies() -> st.SearchStrategy[bytes]:
    """Frames, more or less."""
    control = st.sampled_from([0x80, 0xD0, 0xC8, 0x80D0, 0x40D0])
    address = st.sampled_from([OWN, A, f.EVERYBODY])
    elements = st.lists(
        st.builds(
            f.element,
            st.sampled_from([1, f.MESH_ID, f.CONFIGURATION, f.PEERING, f.MIC]),
            st.binary(max_size=40),
        )
    ).map(b"".join)
    fixed = st.sampled_from([b"", b"\x0f\x01", b"\x0f\x02", b"\x0f\x03", bytes(range(12))])
    whole = st.builds(f.header, control, address, address)
    return st.one_of(
        st.binary(),
        st.builds(
            lambda h, b, e, rest: h + b + e + rest, whole, fixed, elements, st.binary(max_size=8)
        ),
    )


@given(st.lists(st.tuples(headers(), bodies()), max_size=4))
def test_no_bytes_can_raise(on_the_air: list[tuple[bytes, bytes]]) -> None:
    frames = listening(MESH0_SEEN)
    for head, body in on_the_air:
        heard(frames, head + body)
        frames.sent(head + body, 0)
    assert frames.malformed <= len(on_the_air)
