"""What a neighbor is asked, and what is made of answers: those of real responders, and bad ones."""

from __future__ import annotations

from ipaddress import IPv6Address

import msgspec
import pytest
import zeroconf
from hypothesis import example, given
from hypothesis import strategies as st

from meshwatch import names
from meshwatch.names import Facts, Service
from meshwatch.services import SERVICES, is_service_type

IP = "fe80::ff:fe00:1"
FINGERPRINT = "sha256:" + "ab" * 32

# To the question of test_question, with 0x4d57 for an identifier.
AVAHI = bytes.fromhex(  # avahi 0.8
    "4d5784000003000800000000095f70726573656e6365045f746370056c6f63616c00000c00010c5f786d7070"
    "2d736572766572c016000c000101310130013001300130013001650166016601660130013001300130013001"
    "3001300130013001300130013001300130013001300130013001300138016501660369703604617270610000"
    "0c0001c039000c00010000000a000603616e61c01bc026000c00010000000a000603616e61c026c0a5001000"
    "010000000a006819646f6d61696e3d616e612e6c6170746f702e6578616d706c654d746c7366703d73686132"
    "35363a6162616261626162616261626162616261626162616261626162616261626162616261626162616261"
    "6261626162616261626162616261626162616261626162c0a5002100010000000a0008000000001495c093c0"
    "93001c00010000000a0010fe80000000000000000000fffe000001c00c000c00010000000a000d0a616e6140"
    "6c6170746f70c00cc15b001000010000000a001d086e69636b3d416e61136a69643d616e6140616e612e6578"
    "616d706c65c15b002100010000000a00080000000014b2c093"
)
PYTHON_ZEROCONF = bytes.fromhex(  # 0.154
    "4d5784000003000200000006095f70726573656e6365045f746370056c6f63616c00000c00010c5f786d7070"
    "2d736572766572c016000c000101310130013001300130013001650166016601660130013001300130013001"
    "3001300130013001300130013001300130013001300130013001300138016501660369703604617270610000"
    "0c0001c00c000c000100001194000d0a616e61406c6170746f70c00cc026000c000100001194000603616e61"
    "c02603616e61c01b001c0001000000780010fe80000000000000000000fffe000001c0930010000100001194"
    "001d086e69636b3d416e61136a69643d616e6140616e612e6578616d706c65c0930021000100000078000800"
    "00000014b2c0b2c0b2002f0001000000780008c0b2000400000008c0ac002100010000007800080000000014"
    "95c0b2c0ac0010000100001194006819646f6d61696e3d616e612e6c6170746f702e6578616d706c654d746c"
    "7366703d7368613235363a616261626162616261626162616261626162616261626162616261626162616261"
    "62616261626162616261626162616261626162616261626162616261626162"
)

ANA = Facts(
    name="ana.local",
    nick="Ana",
    jid="ana@ana.example",
    fingerprint=FINGERPRINT,
    services=(
        Service(
            "_presence._tcp",
            "ana@laptop",
            "ana.local",
            5298,
            (("nick", "Ana"), ("jid", "ana@ana.example")),
        ),
        Service(
            "_xmpp-server._tcp",
            "ana",
            "ana.local",
            5269,
            (("domain", "ana.laptop.example"), ("tlsfp", FINGERPRINT)),
        ),
    ),
)


def facts(datagram: bytes, *services: str) -> Facts:
    records = names.read(datagram)
    assert records is not None
    return names.facts(records, services or SERVICES, IP)


def answer(*records: zeroconf.DNSRecord, flags: int = 0x8400) -> bytes:
    """What a responder sends that has these records."""
    message = zeroconf.DNSOutgoing(flags, multicast=False, id_=7)
    for record in records:
        message.add_answer_at_time(record, 0)
    (datagram,) = message.packets()
    return datagram


def pointer(type_: str, instance: str) -> zeroconf.DNSPointer:
    return zeroconf.DNSPointer(type_, 12, 1, 10, instance)


def server(instance: str, host: str, port: int) -> zeroconf.DNSService:
    return zeroconf.DNSService(instance, 33, 1, 10, 0, 0, port, host)


def text(instance: str, data: bytes) -> zeroconf.DNSText:
    return zeroconf.DNSText(instance, 16, 1, 10, data)


def txt(*pairs: bytes) -> bytes:
    return b"".join(bytes((len(pair),)) + pair for pair in pairs)


def offer(instance: str, data: bytes, *, port: int = 5298, host: str = "ana.local.") -> bytes:
    """An answer with one presence."""
    whole = f"{instance}._presence._tcp.local."
    return answer(
        pointer("_presence._tcp.local.", whole), server(whole, host, port), text(whole, data)
    )


def test_question() -> None:
    """A standard query (RFC 1035) for three pointers; the last by the address of the host."""
    datagram = names.question(0x4D57, SERVICES, IP)
    head = bytes.fromhex("4d57 0000 0003 0000 0000 0000")
    local = b"\x04_tcp\x05local\x00"
    digits = b"100000efff" + b"0" * 19 + b"8ef"
    reverse = b"".join(b"\x01%c" % digit for digit in digits) + b"\x03ip6\x04arpa\x00"
    assert datagram == (
        head
        + (b"\x09_presence" + local + b"\x00\x0c\x00\x01")
        + (b"\x0c_xmpp-server\xc0\x16" + b"\x00\x0c\x00\x01")
        + (reverse + b"\x00\x0c\x00\x01")
    )
    assert names.identifier_of(datagram) == 0x4D57
    assert names.identifier_of(b"M") is None


@pytest.mark.parametrize("datagram", [AVAHI, PYTHON_ZEROCONF], ids=["avahi", "python-zeroconf"])
def test_what_responders_say(datagram: bytes) -> None:
    assert facts(datagram) == ANA
    assert names.identifier_of(datagram) == 0x4D57


def test_only_what_was_asked_for() -> None:
    assert facts(AVAHI, "_ipp._tcp") == Facts(name="ana.local")


def test_services_of_other_hosts_are_left_out() -> None:
    """The host at the address is known by its reverse record."""
    whole = "Paper._ipp._tcp.local."
    datagram = answer(
        pointer("1.0.0.0.0.0.e.f.f.f." + "0." * 19 + "8.e.f.ip6.arpa.", "ana.local."),
        pointer("_ipp._tcp.local.", whole),
        server(whole, "printer.local.", 631),
    )
    assert facts(datagram, "_ipp._tcp") == Facts(name="ana.local")


def test_the_host_with_the_address_is_the_one() -> None:
    one, two = "a._ipp._tcp.local.", "b._ipp._tcp.local."
    at = zeroconf.DNSAddress("ben.local.", 28, 1, 10, IPv6Address(IP).packed)
    datagram = answer(
        pointer("_ipp._tcp.local.", one),
        pointer("_ipp._tcp.local.", two),
        server(one, "printer.local.", 631),
        server(two, "ben.local.", 632),
        at,
    )
    found = facts(datagram, "_ipp._tcp")
    assert (found.name, [service.port for service in found.services]) == ("ben.local", [632])


def test_case_does_not_matter() -> None:
    whole = "Ana._PRESENCE._tcp.local."
    datagram = answer(
        pointer("_Presence._TCP.local.", whole), server(whole.lower(), "ANA.local.", 5298)
    )
    (service,) = facts(datagram).services
    assert (service.type, service.instance, service.host) == ("_presence._tcp", "Ana", "ANA.local")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ()),
        (b"\x00", ()),
        (txt(b"nick=Ana"), (("nick", "Ana"),)),
        (txt(b"NICK=Ana", b"nick=Eve"), (("nick", "Ana"),)),
        (txt(b"flag", b"empty="), (("flag", ""), ("empty", ""))),
        (txt(b"a=1=2"), (("a", "1=2"),)),
        (txt(b"=no key", b"bad=\xff", b"bell=\x07", b"\xff=x", b"a=1"), (("a", "1"),)),
        (b"\x40a=cut short", (("a", "cut short"),)),
        (txt(b"last=B", b"1st=A"), (("last", "B"), ("1st", "A"))),
    ],
)
def test_text_records(data: bytes, expected: tuple[tuple[str, str], ...]) -> None:
    (service,) = facts(offer("ana", data)).services
    assert service.txt == expected


def test_bounds() -> None:
    many = txt(*(f"k{number}=v".encode() for number in range(99)))
    (service,) = facts(offer("ana", many)).services
    assert len(service.txt) == 16
    assert facts(offer("ana", txt(b"nick=" + b"n" * 64))).nick is None
    assert facts(offer("ana", txt(b"1st=Ana", b"last=B"))).nick == "Ana B"
    assert facts(offer("ana", txt(b"jid=" + b"j" * 250))).jid == "j" * 250
    records = [pointer("_ipp._tcp.local.", f"{n}._ipp._tcp.local.") for n in range(20)]
    servers = [server(record.alias, "ana.local.", 631) for record in records]
    assert len(facts(answer(*records, *servers), "_ipp._tcp").services) == 16


def test_what_a_terminal_would_obey_is_left_out() -> None:
    assert facts(offer("an\x1b[2Ja", b"")).services == ()
    assert facts(offer("ana", b"", host="an\x07a.local.")) == Facts()


def test_what_cannot_be_reached_is_left_out() -> None:
    assert facts(offer("ana", b"", port=0)).services == ()
    whole = "ana._presence._tcp.local."
    assert facts(answer(pointer("_presence._tcp.local.", whole))).services == ()
    assert facts(answer(pointer("_presence._tcp.local.", "ana._ipp._tcp.local."))).services == ()


def test_a_hint_at_a_key_looks_like_one() -> None:
    whole = "ana._xmpp-server._tcp.local."

    def said(hint: bytes) -> str | None:
        return facts(
            answer(
                pointer("_xmpp-server._tcp.local.", whole),
                server(whole, "ana.local.", 5269),
                text(whole, txt(b"tlsfp=" + hint)),
            )
        ).fingerprint

    assert said(FINGERPRINT.encode()) == FINGERPRINT
    assert said(b"sha256:ab") is None
    assert said(b"md5:" + b"ab" * 32) is None


def test_no_answer() -> None:
    assert names.read(b"") is None
    assert names.read(AVAHI[:11]) is None
    assert names.read(names.question(7, SERVICES, IP)) is None  # a question
    assert names.read(answer()) is None  # nothing
    whole = pointer("_ipp._tcp.local.", "a._ipp._tcp.local.")
    assert names.read(answer(whole, flags=0x8403)) is None  # NXDOMAIN
    assert names.read(AVAHI + bytes(9000 - len(AVAHI))) is not None
    assert names.read(AVAHI + bytes(9001 - len(AVAHI))) is None


def test_a_farewell_says_nothing() -> None:
    """RFC 6762, 10.1: a time to live of zero."""
    bye = zeroconf.DNSPointer("_ipp._tcp.local.", 12, 1, 0, "a._ipp._tcp.local.")
    assert names.read(answer(bye)) is None


@pytest.mark.parametrize(
    ("service", "good"),
    [
        ("_ipp._tcp", True),
        ("_sleep-proxy._udp", True),
        ("_a._tcp", True),
        ("ipp._tcp", False),
        ("_ipp._sctp", False),
        ("_ipp._tcp.local", False),
        ("_" + "a" * 16 + "._tcp", False),
        ("_-a._tcp", False),
        ("_ipp._tcp\n", False),
    ],
)
def test_types(service: str, good: bool) -> None:
    assert is_service_type(service) is good


def within_bounds(found: Facts) -> None:
    strings = [found.name, found.nick, found.jid, found.fingerprint]
    for service in found.services:
        strings += [service.type, service.instance, service.host]
        strings += [part for pair in service.txt for part in pair]
        assert 0 < service.port < 65536
        assert len(service.txt) <= 16
    assert len(found.services) <= 16
    assert all(one.isprintable() and len(one) <= 255 for one in strings if one is not None)
    msgspec.json.encode(found)  # no surrogates


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An answer of a real responder with some bytes changed, and cut short."""
    datagram = bytearray(draw(st.sampled_from([AVAHI, PYTHON_ZEROCONF])))
    for _ in range(draw(st.integers(0, 8))):
        datagram[draw(st.integers(0, len(datagram) - 1))] = draw(st.integers(0, 255))
    del datagram[draw(st.integers(0, 1000)) or len(datagram) :]
    return bytes(datagram)


@given(damaged())
def test_damaged_answers_do_no_harm(datagram: bytes) -> None:
    if (records := names.read(datagram)) is not None:
        within_bounds(names.facts(records, SERVICES, IP))


@given(st.binary(max_size=300))
@example(bytes.fromhex("0000 8400 0000 ffff ffff ffff") + b"\xc0\x0c" * 100)
def test_anything_at_all_does_no_harm(datagram: bytes) -> None:
    if (records := names.read(datagram)) is not None:
        within_bounds(names.facts(records, SERVICES, IP))
