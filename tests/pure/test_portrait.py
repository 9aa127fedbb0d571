"""A row is drawn again whenever something that stands in it changed."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from meshwatch.hearing import Hearing
from meshwatch.link import Link
from meshwatch.model import InterfaceType, Plink
from meshwatch.observations import StationField
from meshwatch.portrait import features, neighbor
from meshwatch.who import NOBODY
from tests.pure.scenarios import SECOND, station, without_readings
from tests.pure.tapped import BEACON

EVERYTHING = sum(map(int, StationField))
GATES = int(StationField.CONNECTED_TO_GATE | StationField.CONNECTED_TO_AS)
FLAGS = st.sampled_from([0, 1 << 4, 1 << 5, 1 << 4 | 1 << 5])
FIELDS = {
    "plink": st.sampled_from(list(Plink)),
    "llid": st.integers(0, 2),
    "plid": st.integers(0, 2),
    "connected_to_gate": st.integers(0, 1),
    "connected_to_as": st.integers(0, 1),
    "flags_set": FLAGS,
    "flags_mask": FLAGS,
    "present": st.sampled_from([0, int(StationField.FLAGS_SET), EVERYTHING & ~GATES, EVERYTHING]),
}
BEGINNING = station(inactive_ms=0)._replace(present=EVERYTHING, flags_mask=3 << 4)
BEACONS = st.one_of(
    st.builds(lambda mesh_id: replace(BEACON, mesh_id=mesh_id), st.sampled_from([b"a", b"b"])),
    st.builds(lambda n: replace(BEACON, authentication=n), st.integers(0, 2)),
    st.builds(lambda n: replace(BEACON, peers=n), st.integers(0, 2)),
    *(
        st.just(replace(BEACON, **{name: not getattr(BEACON, name)}))
        for name in ("gate", "authentication_server", "accepting", "forwarding", "privacy")
    ),
)
WHO = st.sampled_from([NOBODY, NOBODY._replace(name="ana"), NOBODY._replace(disputed=True)])
# One thing at a time changes, so that nothing else gives it away.
CHANGES = st.one_of(
    *(st.tuples(st.just(name), values) for name, values in FIELDS.items()),
    st.tuples(st.just("beacon"), BEACONS),
    st.tuples(st.just("interface"), st.sampled_from(["mesh0", "mesh1"])),
    st.tuples(st.just("who"), WHO),
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(CHANGES, min_size=2))
def test_features(life: list[tuple[str, Any]]) -> None:
    link, hearing, now = Link(3, "02:00:00:00:00:01"), Hearing(), SECOND
    entry, interface, who = BEGINNING, "mesh0", NOBODY
    drawn: dict[tuple[object, ...], object] = {}
    for what, value in life:
        now += SECOND
        if what in FIELDS:
            entry = entry._replace(**{what: value})
        interface = value if what == "interface" else interface
        who = value if what == "who" else who
        if what == "beacon":
            link.hear(value, now, now, hearing, None)
        else:
            link.look(entry, InterfaceType.MESH, now, hearing)
        if link.presence is not None:
            row = without_readings(neighbor(link, interface, SECOND, who))
            assert drawn.setdefault(features(link, interface, who), row) == row
