"""Values as people read them: durations, times of day, rates, reasons, evidence."""

from __future__ import annotations

from datetime import datetime

from meshwatch.protocol import Evidence

_TIME_UNIT_S = 1024e-6  # TU, IEEE 802.11-2020 3.1

NOTHING = "-"  # unknown, in a table

# What `reason` means, in the words of meshwatch-protocol(7).
REASONS = {
    "established": "peer link established",
    "returned": "heard again, same peer link",
    "restarted": "peer link established anew",
    "peering": "peering not completed",
    "candidate": "seen, not a peer yet",
    "closed": "peer link closed",
    "blocked": "blocked by the administrator",
    "other_mesh": "in another mesh",
    "incompatible": "its mesh protocols are not ours",
    "security": "its authentication is not ours",
    "full": "it accepts no further peers",
    "path": "reached through the mesh",
    "expired": "path not used for a while",
    "unreachable": "no path found",
    "silent": "silent for longer than usual",
    "deleted": "deleted by the kernel",
    "absent": "no longer known to the kernel",
    "interface_down": "our interface went down",
    "interface_removed": "our interface was removed",
    "family_removed": "nl80211 left the kernel",
}

ONE_SIDED = {
    "ours": "we have the link, it counts no peer",
    "theirs": "we lost the link, it counts as many peers as before",
}

CLASHES = {
    "channels": "its address is in range on two channels",
    "ours": "its address is one of our own",
}

SECURITY = {"open": "open", "sae": "SAE", "802.1x": "802.1X"}

# What decided, where the rest of the evidence does not say it.
_PROOFS = {
    "look": "the kernel's station entry",
    "event": "an event of the kernel",
    "beacon": "a beacon",
    "probe": "probes acknowledged",
    "poke": "pokes answered",
    "path": "the kernel's path table",
}
_NUMBERS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
)  # fmt: skip
_NO_SILENCE_MS = 100  # less is between any two frames


def printable(text: str) -> str:
    """Nothing that a terminal would obey: interface names may contain control characters."""
    return "".join(c if c.isprintable() else "?" for c in text)


def duration(milliseconds: int) -> str:
    """At most five characters: 0.4s, 12s, 3m05s, 25m, 2h10m, 14h, 3d04h, 25d."""
    tenths = max(milliseconds, 0) // 100
    seconds = tenths // 10
    if seconds < 10:
        return f"{tenths / 10:.1f}s"
    if seconds < 60:
        return f"{seconds}s"
    for unit, length, smaller, part in (("m", 60, "s", 1), ("h", 3600, "m", 60)):
        if seconds < length * 10:
            return f"{seconds // length}{unit}{seconds % length // part:02}{smaller}"
        if seconds < (3600 if unit == "m" else 86400):
            return f"{seconds // length}{unit}"
    days = seconds // 86400
    return f"{days}d{seconds % 86400 // 3600:02}h" if days < 10 else f"{days}d"


def span(milliseconds: int) -> str:
    """The same in a sentence: 0.4 s, 12 s, 3m05s."""
    shown = duration(milliseconds)
    return f"{shown[:-1]} s" if milliseconds < 60_000 else shown


def evidence(of: Evidence) -> str:
    """What a verdict rests on: three probes unanswered, silent for 1.4 s."""
    parts = []
    asked = {"probe": "probe", "poke": "poke"}.get(of.proof, "question")
    if of.unanswered:
        parts.append(f"{_number(of.unanswered, asked)} unanswered")
    if of.missed:
        parts.append(f"{_number(of.missed, 'beacon')} missed")
    told = (of.proof == "beacon" and of.missed) or (asked == of.proof and of.unanswered)
    if not told:
        parts.insert(0, _PROOFS.get(of.proof) or printable(of.proof))
    if of.silence_ms is not None and of.silence_ms >= _NO_SILENCE_MS:
        parts.append(f"silent for {span(of.silence_ms)}")
    return ", ".join(parts)


def _number(number: int, noun: str) -> str:
    shown = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{shown} {noun}" if number == 1 else f"{shown} {noun}s"


def moment(unix_ms: int, now_unix_ms: int) -> str:
    """The time of day; the date alone when that was on another day."""
    then = datetime.fromtimestamp(unix_ms / 1000)
    if then.date() == datetime.fromtimestamp(now_unix_ms / 1000).date():
        return then.strftime("%H:%M:%S")
    return then.strftime("%Y-%m-%d")


def timestamp(unix_ms: int) -> str:
    """Date and time of day with milliseconds, local time."""
    return datetime.fromtimestamp(unix_ms / 1000).isoformat(" ", timespec="milliseconds")


def interval(units: int) -> str:
    """A beacon interval: 1000 TU (1.02 s)."""
    return f"{units} TU ({units * _TIME_UNIT_S:.3g} s)"


def megabits(kbps: int | None) -> str:
    """A rate in Mbit/s with the precision that 802.11 rates have: 1, 5.5, 54, 866.7."""
    return NOTHING if kbps is None else f"{kbps / 1000:.1f}".removesuffix(".0")


def size(count: int) -> str:
    """Bytes with a decimal prefix: 712 B, 9.2 kB, 34 MB."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for prefix in ("k", "M", "G", "T"):
        value /= 1000
        if value < 999.5 or prefix == "T":
            break
    return f"{value:.{1 if value < 9.95 else 0}f} {prefix}B"


def reach(bits: int) -> str:
    """The last sixteen intervals, oldest first: * a sign of life, . none."""
    return f"{bits & 0xFFFF:016b}".replace("1", "*").replace("0", ".")


def count(number: int, noun: str) -> str:
    """1 neighbor, 2 neighbors."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
