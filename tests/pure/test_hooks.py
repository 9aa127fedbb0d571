"""Which event hooks are told of, by what a daemon tells; and that what they know last is true."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwatch.client import Interface, Neighbor, Readings
from meshwatch.hooks import EVENTS, MOST_AT_ONCE, Hooks, Run, variables
from meshwatch.model import Presence, Proximity
from meshwatch.protocol import Address, Claim, Service

HEARD, PRESENT, QUIET = Presence.HEARD, Presence.PRESENT, Presence.QUIET
SERVER = Service(
    type="_xmpp-server._tcp", instance="ana", port=5269, txt={"domain": "ana.laptop.example"}
)


def neighbor(presence: Presence = PRESENT, number: int = 1, **more: object) -> Neighbor:
    row = Neighbor(
        ifindex=3,
        interface="mesh0",
        address=f"02:00:00:00:00:{number:02x}",
        presence=presence,
        reason="established",
        since_unix_ms=5,
        first_heard_unix_ms=0,
        proximity=Proximity.DIRECT,
        bouncing=False,
        readings=Readings(last_heard_unix_ms=0, reach="0000"),
    )
    return msgspec.structs.replace(row, **more)


def named(name: str | None = "ana.local", **more: object) -> Neighbor:
    claim = Claim(claimant="names", uid=994, name=name, verified=False, claimed_unix_ms=1)
    claim = msgspec.structs.replace(claim, **more)
    return neighbor(name=name, claims=(claim,))


def interface(*gates: str) -> Interface:
    return Interface(
        ifindex=3,
        interface="mesh0",
        type="mesh",
        wiphy=0,
        address="02:00:00:00:00:ff",
        up=True,
        running=True,
        gates=gates,
    )


def events(hooks: Hooks) -> list[str]:
    """What is run now, and ended at once."""
    runs = hooks.due()
    for run in runs:
        hooks.ended(run.key)
    return [run.event for run in runs]


def one(hooks: Hooks) -> Run:
    """The only run that is due; it goes on."""
    (run,) = hooks.due()
    return run


def told(*rows: Neighbor) -> list[str]:
    """The events of a neighbor whose hooks end at once."""
    hooks = Hooks()
    said = []
    for row in rows:
        hooks.told(row)
        said += events(hooks)
    return said


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([neighbor(HEARD)], []),
        ([neighbor(HEARD), neighbor(PRESENT)], ["came"]),
        ([neighbor(PRESENT), neighbor(PRESENT)], ["came"]),
        ([neighbor(QUIET)], ["quiet"]),
        ([neighbor(), neighbor(QUIET), neighbor()], ["came", "quiet", "came"]),
        ([neighbor(), neighbor(HEARD)], ["came", "gone"]),
        ([neighbor(), neighbor(QUIET), neighbor(HEARD)], ["came", "quiet", "gone"]),
        ([neighbor(), neighbor(HEARD), neighbor(HEARD, gate=True)], ["came", "gone"]),
        ([neighbor(), neighbor(gate=True)], ["came", "changed"]),
        ([neighbor(), neighbor(reason="returned", since_unix_ms=9)], ["came"]),
        ([neighbor(plid=1), neighbor(plid=2)], ["came", "changed"]),
        ([neighbor(), named()], ["came", "named"]),
        ([named(), named("ben.local")], ["came", "named"]),
        ([named(), named(nick="Ana"), neighbor(), named()], ["came"]),
        ([named()], ["came"]),
        ([neighbor(), named(services=(SERVER,))], ["came", "named"]),
        ([named(), named(services=(SERVER,))], ["came", "named"]),
    ],
)
def test_events(rows: list[Neighbor], expected: list[str]) -> None:
    assert told(*rows) == expected


def test_a_removal() -> None:
    hooks = Hooks()
    hooks.told(named())
    was = one(hooks)
    hooks.ended(was.key)
    hooks.gone(named(), "silent")
    run = one(hooks)
    assert (run.interface, run.event) == ("mesh0", "gone")
    # As it was, but for the presence.
    changed = {"MESHWATCH_EVENT": "gone", "MESHWATCH_REASON": "silent"}
    changed |= {"MESHWATCH_WAS": "present", "MESHWATCH_WAS_REASON": "established"}
    kept = dict(was.variables)
    del kept["MESHWATCH_PRESENCE"]
    assert run.variables == kept | changed
    hooks.gone(named(), "silent")
    assert hooks.due() == []


def test_what_they_were_told_before() -> None:
    """The reason for a silence is told once more when it ends: by then it is another one."""
    hooks = Hooks()
    was = []
    for presence, reason in ((PRESENT, "path"), (QUIET, "expired"), (PRESENT, "path")):
        hooks.told(neighbor(presence, reason=reason))
        run = one(hooks)
        hooks.ended(run.key)
        was.append([run.variables.get(f"MESHWATCH_{word}") for word in ("WAS", "WAS_REASON")])
    assert was == [[None, None], ["present", "path"], ["quiet", "expired"]]
    hooks.gone(neighbor(), "unreachable")
    assert events(hooks) == ["gone"]
    hooks.told(neighbor())
    assert "MESHWATCH_WAS_REASON" not in one(hooks).variables


def test_who_was_there_at_the_start_is_known() -> None:
    hooks = Hooks()
    hooks.told(neighbor())
    hooks.interface(interface("02:00:00:00:00:01"), ("02:00:00:00:00:01",))
    hooks.begin()
    assert hooks.due() == []
    hooks.told(neighbor(QUIET))
    hooks.interface(interface(), ())
    assert events(hooks) == ["quiet", "no-uplink"]


def test_uplink() -> None:
    hooks = Hooks()
    hooks.interface(interface(), ())
    hooks.interface(interface(), ("02:00:00:00:00:01", "02:00:00:00:00:02"))
    run = one(hooks)
    assert (run.interface, run.event) == ("mesh0", "uplink")
    assert run.variables == {
        "MESHWATCH_EVENT": "uplink",
        "MESHWATCH_INTERFACE": "mesh0",
        "MESHWATCH_IFINDEX": "3",
        "MESHWATCH_GATES": "02:00:00:00:00:01 02:00:00:00:00:02",
    }
    hooks.ended(run.key)
    hooks.interface(interface(), ("02:00:00:00:00:02",))
    assert hooks.due() == []
    hooks.interface(interface(), ())
    assert events(hooks) == ["no-uplink"]


def test_one_after_the_other_and_only_what_is_true() -> None:
    hooks = Hooks()
    hooks.told(neighbor())
    came = one(hooks)
    hooks.told(neighbor(QUIET))
    hooks.told(neighbor())
    assert hooks.due() == []
    hooks.ended(came.key)
    assert hooks.due() == []  # it is present, as they know
    hooks.told(neighbor(QUIET))
    quiet = one(hooks)
    hooks.told(neighbor(HEARD))
    hooks.told(neighbor())
    hooks.told(named())
    hooks.ended(quiet.key)
    again = one(hooks)
    assert again.event == "came"  # with its name, so there is no other event
    assert again.variables["MESHWATCH_NAME"] == "ana.local"
    hooks.ended(again.key)
    assert hooks.due() == []


def test_who_left_and_returned_meanwhile_came() -> None:
    """What a hook did when it came may have failed for that."""
    hooks = Hooks()
    hooks.told(neighbor())
    came = one(hooks)
    hooks.gone(neighbor(), "silent")
    hooks.told(neighbor())
    hooks.ended(came.key)
    assert events(hooks) == ["came"]


def test_what_is_over_is_not_told_to_the_hooks_that_follow() -> None:
    hooks = Hooks()
    hooks.told(neighbor())
    came = one(hooks)
    hooks.told(neighbor(QUIET))
    hooks.told(named())
    assert hooks.stands(came)
    hooks.gone(neighbor(), "silent")
    assert not hooks.stands(came)
    hooks.told(neighbor())
    assert not hooks.stands(came)  # it came once more, and that is told next
    hooks.ended(came.key, all_told=False)
    assert one(hooks).event == "came"


def test_who_left_returned_and_left_is_gone_for_all() -> None:
    """Those that were not told the first time have been told that it came."""
    hooks = Hooks()
    hooks.told(neighbor())
    assert events(hooks) == ["came"]
    hooks.gone(neighbor(), "silent")
    gone = one(hooks)
    hooks.told(neighbor())
    assert not hooks.stands(gone)
    hooks.gone(neighbor(), "silent")
    hooks.ended(gone.key, all_told=False)
    assert events(hooks) == ["gone"]
    assert hooks.due() == []


def test_an_uplink_that_was_interrupted_is_told_to_all() -> None:
    hooks = Hooks()
    hooks.interface(interface("02:00:00:00:00:01"), ("02:00:00:00:00:01",))
    uplink = one(hooks)
    hooks.interface(interface(), ())
    assert not hooks.stands(uplink)
    hooks.interface(interface("02:00:00:00:00:01"), ("02:00:00:00:00:01",))
    hooks.ended(uplink.key, all_told=False)
    assert events(hooks) == ["uplink"]
    assert hooks.due() == []


def test_who_came_and_went_while_all_were_busy_is_not_told() -> None:
    hooks = Hooks()
    for number in range(MOST_AT_ONCE + 2):
        hooks.told(neighbor(number=number))
    runs = hooks.due()
    assert len(runs) == MOST_AT_ONCE
    hooks.gone(neighbor(number=MOST_AT_ONCE), "silent")
    assert hooks.due() == []
    hooks.ended(runs[0].key)
    assert one(hooks).key.address == f"02:00:00:00:00:{MOST_AT_ONCE + 1:02x}"


def test_variables() -> None:
    row = neighbor(
        addresses=(
            Address(address="fe80::1%mesh0", scope="link", proof="kernel"),
            Address(address="fd00::1", scope="unique_local", proof="kernel"),
        ),
        name="ana.local",
        nick="Ana",
        jid="ana@ana.laptop.example",
        claims=(
            Claim(
                claimant="names",
                uid=994,
                name="ana.local",
                fingerprint="sha256:aa",
                verified=False,
                claimed_unix_ms=2,
                services=(SERVER, Service(type="_ipp._tcp", instance="Paper", port=631)),
            ),
        ),
        disputed=True,
        gate=True,
        plid=7,
        security="sae",
        mesh_id="school",
        readings=Readings(last_heard_unix_ms=0, reach="0000", signal_dbm=-61),
    )
    assert variables(row) == {
        "MESHWATCH_INTERFACE": "mesh0",
        "MESHWATCH_IFINDEX": "3",
        "MESHWATCH_ADDRESS": "02:00:00:00:00:01",
        "MESHWATCH_PRESENCE": "present",
        "MESHWATCH_REASON": "established",
        "MESHWATCH_SINCE_UNIX_MS": "5",
        "MESHWATCH_PROXIMITY": "direct",
        "MESHWATCH_SECURITY": "sae",
        "MESHWATCH_MESH_ID": "school",
        "MESHWATCH_GATE": "1",
        "MESHWATCH_PLID": "7",
        "MESHWATCH_IP": "fe80::1%mesh0",
        "MESHWATCH_IPS": "fe80::1%mesh0 fd00::1",
        "MESHWATCH_NAME": "ana.local",
        "MESHWATCH_NICK": "Ana",
        "MESHWATCH_JID": "ana@ana.laptop.example",
        "MESHWATCH_DOMAIN": "ana.laptop.example",
        "MESHWATCH_SERVICES": "_xmpp-server._tcp:5269 _ipp._tcp:631",
        "MESHWATCH_FINGERPRINT": "sha256:aa",
        "MESHWATCH_DISPUTED": "1",
        "MESHWATCH_SIGNAL_DBM": "-61",
    }


def test_a_verified_claim_goes_first() -> None:
    verified = Claim(
        claimant="prosody",
        uid=1,
        name="ana.local",
        verified=True,
        claimed_unix_ms=1,
        services=(Service(type="_xmpp-server._tcp", instance="real.example", port=5269),),
    )
    other = msgspec.structs.replace(
        verified, claimant="names", verified=False, claimed_unix_ms=2, services=(SERVER,)
    )
    found = variables(neighbor(name="ana.local", claims=(other, verified)))
    assert found["MESHWATCH_DOMAIN"] == "real.example"
    assert found["MESHWATCH_VERIFIED"] == "1"


@pytest.mark.parametrize(
    "name", ["-Rff", "a b", "../etc", "a;b", "$(reboot)", "a\nb", ".", "a.", "x" * 254, "ä.local"]
)
def test_names_that_are_none_are_left_out(name: str) -> None:
    service = msgspec.structs.replace(SERVER, txt={"domain": name + ".example"})
    found = variables(named(name, services=(service,)))
    assert "MESHWATCH_NAME" not in found
    if not name.startswith(("a.", ".", "x")):
        assert "MESHWATCH_DOMAIN" not in found
    assert "MESHWATCH_JID" not in variables(neighbor(jid=f"{name}@"))


@given(st.text(), st.text(), st.text())
def test_whatever_they_call_themselves_is_one_harmless_word_or_line(
    name: str, nick: str, jid: str
) -> None:
    found = variables(neighbor(name=name, nick=nick, jid=jid, mesh_id=name))
    assert all(value.isprintable() and value for value in found.values())
    for key in ("MESHWATCH_NAME", "MESHWATCH_NICK", "MESHWATCH_JID"):
        assert not found.get(key, "x").startswith("-")
    for key in ("MESHWATCH_NAME", "MESHWATCH_JID"):
        assert len(found.get(key, "x").split()) == 1


SCRIPTS = 3
KNOWN_BY = {"came": PRESENT, "quiet": QUIET, "gone": None}


@given(
    st.lists(
        st.one_of(
            st.sampled_from([HEARD, PRESENT, QUIET]).map(lambda p: ("told", p)),
            st.just(("gone", HEARD)),
            st.just(("run", HEARD)),
        )
    )
)
def test_what_hooks_know_last_is_true(steps: list[tuple[str, Presence]]) -> None:
    """All of them; and never two runs at once for one neighbor, nor an event that is over; nor, if
    none was so far, one that says what they know."""
    hooks = Hooks()
    so: Presence | None = None
    known: list[Presence | None] = [None] * SCRIPTS
    running: Run | None = None
    waiting: list[int] = []
    interrupted = False

    def begin() -> None:
        nonlocal running
        runs = hooks.due()
        assert len(runs) <= (running is None)
        for running in runs:
            assert running.event in EVENTS
            news = running.event == "came" or set(known) != {KNOWN_BY[running.event]}
            assert news or interrupted
            waiting[:] = range(SCRIPTS)

    def run_one() -> None:
        nonlocal running, interrupted
        assert running is not None
        stands = hooks.stands(running)
        if stands:
            known[waiting.pop(0)] = KNOWN_BY[running.event]
            assert (so is None) == (running.event == "gone")
        if not stands or not waiting:
            hooks.ended(running.key, all_told=stands)
            interrupted |= not stands
            running = None

    for what, presence in steps:
        if what == "told":
            hooks.told(neighbor(presence))
            so = None if presence is HEARD else presence
        elif what == "gone":
            hooks.gone(neighbor(), "silent")
            so = None
        elif running is not None:
            run_one()
        begin()
    while running is not None:
        run_one()
        begin()
    assert known == [so] * SCRIPTS
