"""Two programs that show who offers serverless messaging (XEP-0174), and how to read them."""

from __future__ import annotations

from pathlib import Path

from tools.lab.unpacked import UNPACKED

TYPE = "_presence._tcp"
BROWSE = ("avahi-browse", "--parsable", "--no-db-lookup", TYPE)
# What finch, of libpurple as Pidgin is, tells its bus of its list.
MONITOR = ("stdbuf", "--output=L", "dbus-monitor", "--system", "type=signal")
MONITORS = "NameLost"  # what the monitor says when it listens

# It wants a terminal.
_FINCH = """
mount -t overlay overlay -o "lowerdir=$0/usr:/usr" /usr
export TERM=xterm HOME="$1"
exec script --quiet --command 'exec finch --config="$HOME"' /dev/null >/dev/null
"""
_ACCOUNT = """\
<?xml version='1.0' encoding='UTF-8' ?>
<account version='1.0'><account>
<protocol>prpl-bonjour</protocol><name>who@here</name>
<settings ui='gnt-purple'><setting name='auto-login' type='bool'>1</setting></settings>
</account></account>
"""


def finch(home: Path) -> tuple[str, ...]:
    """The words that start it as root, on the bus of system and session; its files are written
    into ``home``."""
    (home / "accounts.xml").write_text(_ACCOUNT)
    apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    return (*apart, "sh", "-ec", _FINCH, str(UNPACKED / "finch"), str(home))


def browsed(line: str, instance: str) -> str | None:
    """What avahi-browse says of it: "+" if it came, "-" if it went, None if nothing."""
    return line[0] if f";{instance}" in line else None


def listed(line: str) -> str | None:
    """The same of the only one who is ever on finch's list."""
    if "interface=im.pidgin.purple" not in line:
        return None
    if "member=BuddySignedOn" in line:
        return "+"
    return "-" if "member=BuddyRemoved" in line else None  # strangers are not shown as offline
