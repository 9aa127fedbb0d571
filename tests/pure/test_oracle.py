"""pyroute2's decoder is the oracle of ours: every station message, recorded or invented."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshwatch.observations import Station
from meshwatch.pcap import CaptureFile
from meshwatch.records import FamilyInfo, Kind, decode
from tests.pure.kernel_bytes import FAMILY, NEW_STATION, A, attribute, mac, nl80211, u32

TESTS = Path(__file__).resolve().parent.parent
CORPUS = sorted((TESTS / "c/corpus").glob("*.bin"))
CAPTURES = sorted((TESTS / "recordings").glob("*.pcap*"))
LINKTYPE_NETLINK = 253
IFINDEX, STA_INFO = 3, 21

# Field of Station: the oracle's name for the attribute, and its format on the wire.
SCALARS = {
    "inactive_ms": ("INACTIVE_TIME", "I"),
    "connected_s": ("CONNECTED_TIME", "I"),
    "rx_bytes": ("RX_BYTES64", "Q"),
    "tx_bytes": ("TX_BYTES64", "Q"),
    "rx_packets": ("RX_PACKETS", "I"),
    "tx_packets": ("TX_PACKETS", "I"),
    "tx_retries": ("TX_RETRIES", "I"),
    "tx_failed": ("TX_FAILED", "I"),
    "rx_drop_misc": ("RX_DROP_MISC", "Q"),
    "beacon_rx": ("BEACON_RX", "Q"),
    "beacon_loss": ("BEACON_LOSS", "I"),
    "expected_throughput_kbps": ("EXPECTED_THROUGHPUT", "I"),
    "airtime_metric": ("AIRTIME_LINK_METRIC", "I"),
    "airtime_weight": ("AIRTIME_WEIGHT", "H"),
    "rx_duration_us": ("RX_DURATION", "Q"),
    "tx_duration_us": ("TX_DURATION", "Q"),
    "t_offset_us": ("T_OFFSET", "q"),
    "assoc_at_boottime_ns": ("ASSOC_AT_BOOTTIME", "Q"),
    "signal_dbm": ("SIGNAL", "b"),
    "signal_avg_dbm": ("SIGNAL_AVG", "b"),
    "beacon_signal_avg_dbm": ("BEACON_SIGNAL_AVG", "b"),
    "ack_signal_dbm": ("ACK_SIGNAL", "b"),
    "ack_signal_avg_dbm": ("ACK_SIGNAL_AVG", "b"),
    "plink": ("PLINK_STATE", "B"),
    "llid": ("LLID", "H"),
    "plid": ("PLID", "H"),
    "connected_to_gate": ("CONNECTED_TO_GATE", "B"),
    "connected_to_as": ("CONNECTED_TO_AS", "B"),
}
POWER_MODES = {"local_pm": "LOCAL_PM", "peer_pm": "PEER_PM", "nonpeer_pm": "NONPEER_PM"}
POWER_MODE_NAMES = {"unknown": 0, "active": 1, "light_sleep": 2, "deep_sleep": 3}
STATION_FLAGS = (
    *("", "AUTHORIZED", "SHORT_PREAMBLE", "WME", "MFP", "AUTHENTICATED"),
    *("TDLS_PEER", "ASSOCIATED"),
)
WIDTHS = {
    f"{name}_MHZ_WIDTH": mhz
    for name, mhz in (
        *((str(mhz), mhz) for mhz in (1, 2, 4, 5, 8, 10, 16, 40, 80, 160, 320)),
        ("80P80", 160),
    )
}
RATE_GENERATIONS = (("", 1), ("VHT_", 2), ("HE_", 4), ("EHT_", 8), ("S1G_", 16))
SHORT_GI, DCM = 32, 64


def split(data: bytes) -> Iterator[bytes]:
    """The netlink messages of a datagram."""
    while data:
        length = struct.unpack_from("=I", data)[0]
        yield data[:length]
        data = data[length + 3 & ~3 :]


def oracle_rate(prefix: str, nest: Any) -> dict[str, int]:
    """The fields of one bitrate."""
    raw = {name.removeprefix("NL80211_RATE_INFO_"): value for name, value in nest["attrs"]}
    fields = {}
    if (bitrate := raw.get("BITRATE32", raw.get("BITRATE"))) is not None:
        fields["kbps"] = bitrate * 100
    flags = SHORT_GI if "SHORT_GI" in raw else 0
    for generation, flag in RATE_GENERATIONS:
        if f"{generation}MCS" in raw:
            fields["mcs"] = raw[f"{generation}MCS"]
            flags |= flag
        if f"{generation}NSS" in raw:
            fields["nss"] = raw[f"{generation}NSS"]
    if raw.get("HE_DCM"):
        flags |= DCM
    fields["flags"] = flags
    widths = [mhz for name, mhz in WIDTHS.items() if name in raw]
    if widths or not raw.keys() & {"HE_RU_ALLOC", "EHT_RU_ALLOC"}:
        fields["width_mhz"] = widths[0] if widths else 20
    return {f"{prefix}_{name}": value for name, value in fields.items()}


def oracle(data: bytes) -> dict[str, Any]:
    """What pyroute2 makes of a station message, in our words."""
    from pyroute2.netlink.nl80211 import nl80211cmd

    parsed = nl80211cmd(data)
    parsed.decode()
    top = dict(parsed["attrs"])
    nest = top.get("NL80211_ATTR_STA_INFO") or {"attrs": []}
    raw = {name.removeprefix("NL80211_STA_INFO_"): value for name, value in nest["attrs"]}
    fields = {field: raw[name] for field, (name, _) in SCALARS.items() if name in raw}
    for field, name in (("rx_bytes", "RX_BYTES"), ("tx_bytes", "TX_BYTES")):
        if name in raw:
            fields.setdefault(field, raw[name])
    for field, name in POWER_MODES.items():
        if name in raw:
            fields[field] = POWER_MODE_NAMES[raw[name]]
    for field, name in (("tx_rate", "TX_BITRATE"), ("rx_rate", "RX_BITRATE")):
        if name in raw:
            fields |= oracle_rate(field, raw[name])
    if "NL80211_ATTR_GENERATION" in top:
        fields["generation"] = top["NL80211_ATTR_GENERATION"]
    return fields | {"flags": raw.get("STA_FLAGS")}


def seen(station: Station) -> dict[str, Any]:
    """The fields that are present; flags as the oracle has them."""
    fields = {
        name: value
        for bit, (name, value) in enumerate(station._asdict().items(), start=-1)
        if bit >= 0 and station.present >> bit & 1
    }
    flags = None
    if "flags_mask" in fields:
        both = fields.pop("flags_mask") & fields.pop("flags_set")
        flags = {name: bool(both >> bit & 1) for bit, name in enumerate(STATION_FLAGS) if bit}
    return fields | {"flags": flags}


def captured(capture: Path) -> Iterator[bytes]:
    """The generic netlink datagrams of a capture."""
    with capture.open("rb") as file:
        for frame in CaptureFile(file):
            linktype = frame.interface.linktype
            if linktype == LINKTYPE_NETLINK and frame.data[14:16] == b"\x00\x10":
                yield frame.data[16:]


def compared(datagrams: Iterable[bytes]) -> int:
    """Compares every station message with the oracle; returns their number."""
    family, count = FAMILY, 0
    for data in datagrams:
        messages = decode(data, family)
        assert not [m for m in messages if m.kind is Kind.MALFORMED]
        for raw, decoded in zip(split(data), messages, strict=True):
            if isinstance(decoded.body, FamilyInfo) and decoded.body.name == "nl80211":
                family = decoded.body.id
            if isinstance(decoded.body, Station):
                assert seen(decoded.body) == oracle(raw)
                count += 1
    return count


def test_corpus() -> None:
    """Every sort of station message that was ever recorded."""
    assert compared(path.read_bytes() for path in CORPUS) >= 7


def test_captures() -> None:
    """Every station message of the recordings."""
    for capture in CAPTURES:
        compared(captured(capture))


def numbers() -> dict[str, int]:
    """The numbers of the station attributes, as the oracle knows them."""
    from pyroute2.netlink.nl80211 import nl80211cmd

    return {
        name.removeprefix("NL80211_STA_INFO_"): number
        for number, (name, _) in enumerate(nl80211cmd.STAInfo.nla_map)
    }


RATE_WIDTHS = (3, 8, 9, 10, 11, 12, 18, 25, 26, 27, 28, 29)
RATE_SIZES = dict.fromkeys(range(1, 30), 1) | dict.fromkeys((4, *RATE_WIDTHS), 0) | {1: 2, 5: 4}


def values(format_: str) -> st.SearchStrategy[bytes]:
    """Any value of a struct format."""
    return st.binary(min_size=struct.calcsize(format_), max_size=struct.calcsize(format_))


@st.composite
def rates(draw: st.DrawFn) -> bytes:
    """A bitrate as one generation of hardware would say it: at most one MCS, NSS and width."""
    numbers = draw(st.sets(st.sampled_from((1, 4, 5, 15, 16))))
    mcs, nss, unit = draw(
        st.sampled_from(((0, 0, 0), (2, 0, 0), (6, 7, 0), (13, 14, 17), (19, 20, 22), (23, 24, 0)))
    )
    numbers |= {number for number in (mcs, nss, unit) if number and draw(st.booleans())}
    numbers |= draw(st.sets(st.sampled_from(RATE_WIDTHS), max_size=1))
    payloads = {
        number: draw(st.binary(min_size=RATE_SIZES[number], max_size=RATE_SIZES[number]))
        for number in numbers
    }
    if 5 in payloads:  # what exceeds 4 Tbit/s is refused
        payloads[5] = struct.pack("=I", struct.unpack("=I", payloads[5])[0] // 100)
    return b"".join(
        attribute(number, payloads[number]) for number in draw(st.permutations(sorted(payloads)))
    )


@st.composite
def station_messages(draw: st.DrawFn) -> bytes:
    """A station with some of the attributes, in any order, with any values."""
    number_of = numbers()
    formats = {number_of[name]: format_ for name, format_ in SCALARS.values()}
    formats |= {
        number_of["RX_BYTES"]: "I",
        number_of["TX_BYTES"]: "I",
        number_of["STA_FLAGS"]: "II",
    }
    attributes = [
        attribute(number, draw(values(formats[number])))
        for number in draw(st.lists(st.sampled_from(sorted(formats)), unique=True))
    ]
    attributes += [
        u32(number_of[name], draw(st.integers(0, 3)))
        for name in draw(st.lists(st.sampled_from(sorted(POWER_MODES.values())), unique=True))
    ]
    attributes += [
        attribute(number_of[name], draw(rates()))
        for name in draw(st.lists(st.sampled_from(("TX_BITRATE", "RX_BITRATE")), unique=True))
    ]
    nest = attribute(STA_INFO, b"".join(draw(st.permutations(attributes))))
    return nl80211(NEW_STATION, u32(IFINDEX, 5), mac(A), nest)


@given(station_messages())
def test_any_station_agrees_with_the_oracle(data: bytes) -> None:
    """Whatever a kernel or a driver may combine."""
    assert compared([data]) == 1
