"""Laptops that send each other mail: exim4 and postfix as Debian has them, and meshwatch's hook."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Self

from meshwatch.cli.address import prefix
from meshwatch.eui64 import derived
from meshwatch.model import Neighbor
from tools.lab.listening import LOOK_INTERVAL_S, Listener, until
from tools.lab.mobile import Mobile
from tools.lab.person import ROOT
from tools.lab.told import Told, neighbor
from tools.lab.unpacked import DEADLINE_S, Machine

MESH = "school"
HOOKS_LOG = "hooks.log"
_MESHWATCH = (sys.executable, "-m", "meshwatch.cli")

# Who is there, as the packages' scripts would have it at their installation, and one who reads.
_PEOPLE = """
person() {
    grep -q "^$1:" /etc/passwd || echo "$1:x:$2:$2::$3:/bin/sh" >>/etc/passwd
    grep -q "^$1:" /etc/group || echo "$1:x:$2:" >>/etc/group
}
person $user 2000 /var/home
install -d -o $user -g $user /var/home
echo $domain >/etc/mailname
: >/etc/aliases
echo '::1 localhost' >/etc/hosts
cat >>/etc/hosts <<END
$hosts
END
"""
# As `dpkg-reconfigure exim4-config` writes it for a machine of its own, without a smarthost. A
# certificate, for exim4 makes itself one for each connection, of RSA, in up to some seconds.
_EXIM4 = """
person Debian-exim 2001 /var/spool/exim4
install -d -o Debian-exim -g Debian-exim /var/spool/exim4 /var/log/exim4 /run/exim4
cat >/etc/exim4/update-exim4.conf.conf <<END
dc_eximconfig_configtype='internet'
dc_other_hostnames='$domain'
dc_local_interfaces=''
dc_localdelivery='maildir_home'
dc_use_split_config='false'
CFILEMODE='644'
END
for name in $neighbors; do echo "$name: $name byname"; done >/etc/exim4/hubbed_hosts
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=$domain \\
    -keyout /etc/exim4/exim.key -out /etc/exim4/exim.crt 2>/dev/null
chown Debian-exim /etc/exim4/exim.key
echo 'MAIN_TLS_ENABLE = yes' >/etc/exim4/exim4.conf.localmacros
update-exim4.conf
sh -c 'exim4 -bd -q30m; :'  # as a child of the first process it would stay in the foreground
"""

# As the package's installation does it; a domain that is relayed is one that can be flushed
# (fast_flush_domains), and its host is looked up as all are, not in the DNS alone.
_POSTFIX = """
person postfix 2001 /var/spool/postfix
person postdrop 2002 /var/spool/postfix
cd /usr/share/postfix
cp dynamicmaps.cf makedefs.out /etc/postfix
cp main.cf.debian /etc/postfix/main.cf
cp main.cf.dist /etc/postfix/main.cf.proto
tee /etc/postfix/master.cf /etc/postfix/master.cf.proto <master.cf.dist >/dev/null
for name in $neighbors; do echo "$name smtp:[$name]"; done >/etc/postfix/transport
postconf "myhostname=$domain" "mydestination=$domain" "relay_domains=$neighbors" \\
    transport_maps=texthash:/etc/postfix/transport smtp_host_lookup=native \\
    home_mailbox=Maildir/ alias_maps= maillog_file=/var/log/postfix.log
chown postfix /var/lib/postfix
chgrp postdrop /usr/sbin/postdrop /usr/sbin/postqueue
chmod g+s /usr/sbin/postdrop /usr/sbin/postqueue
/usr/lib/postfix/configure-instance.sh -  # its processes have files of their own (chroot)
postfix start >&2
"""


class MailSystem(NamedTuple):
    """What a laptop sends mail with: a Debian package, and how to begin with it."""

    package: str
    hook: str
    begin: str
    log: str
    deferred: str  # what the log says of a letter that has to wait


EXIM4 = MailSystem("exim4-daemon-light", "exim4", _EXIM4, "/var/log/exim4/mainlog", " == ")
POSTFIX = MailSystem("postfix", "postfix", _POSTFIX, "/var/log/postfix.log", "status=deferred")


def domain(user: str) -> str:
    """Where somebody has mail."""
    return f"{user}.laptop.example"


class Laptop(Machine):
    """A machine with a mail system, of somebody who knows those on the other stations."""

    def __init__(
        self,
        system: MailSystem,
        station: Mobile,
        home: Path,
        user: str,
        others: Mapping[str, Mobile],
    ) -> None:
        self.system = system
        self.user = user
        hosts = [f"{_address(other)} {domain(name)}" for name, other in others.items()]
        neighbors = [domain(name) for name in others if name != user]
        words = {
            "user": user,
            "domain": domain(user),
            "hosts": "\n".join(hosts),
            "neighbors": " ".join(neighbors),
        }
        begin = "".join(f"{key}='{value}'\n" for key, value in words.items())
        super().__init__(station, home, system.package, begin + _PEOPLE + system.begin)

    def write(self, to: str, subject: str, *options: str) -> float:
        """Hand a letter to the mail system; when, on the monotonic clock."""
        given = f"Subject: {subject}\n\nHello.\n"
        self.run("sendmail", *options, f"{to}@{domain(to)}", given=given)
        return time.monotonic()

    def has_to_wait(self, times: int = 1) -> None:
        """Wait until so many attempts at a delivery were in vain."""
        until(lambda: self.deferrals() >= times, DEADLINE_S)

    def deferrals(self) -> int:
        """How many were, so far."""
        return self.file(self.system.log).read_text().count(self.system.deferred)

    def letters(self) -> list[str]:
        """The subjects of what is in the mailbox, in no order."""
        return [_subject(letter) for letter in self._mailbox()]

    def has(self, *subjects: str) -> float:
        """Wait until these are in the mailbox; when that was seen, on the monotonic clock."""
        until(lambda: set(subjects) <= set(self.letters()), DEADLINE_S, 0.002)
        return time.monotonic()

    def mailbox(self) -> Listener:
        """Hears of each letter, by its subject, when it is there."""
        return Listener(
            f"the mailbox of {self.user}",
            self._arrivals(),
            lambda subject: {"at": time.monotonic(), "subject": subject},
        )

    def _arrivals(self) -> Iterator[str]:
        seen: set[Path] = set()
        pause = threading.Event()
        while self.goes_on():
            come = [letter for letter in self._mailbox() if letter not in seen]
            yield from map(_subject, come)
            seen.update(come)
            pause.wait(LOOK_INTERVAL_S)

    def _mailbox(self) -> list[Path]:
        return list(self.file("/var/home/Maildir/new").glob("*"))

    def unique_local_address(self) -> None:
        """As meshwatch-address@mesh0.service does it."""
        self.run(*_MESHWATCH, "address", "add", "--mesh", MESH, "mesh0")

    def begin_hooks(self, runtime_directory: Path) -> None:
        """The ready-made hook at each arrival, as meshwatch-hooks.service runs it."""
        hooks = self.home / "hooks"
        hooks.mkdir(mode=0o755)
        shutil.copy(ROOT / "hooks" / self.system.hook, hooks)
        words = ("--runtime-directory", str(runtime_directory), "agent")
        duties = ("--no-poke", "--no-names", "--hooks", str(hooks))
        self.begin(self.home / HOOKS_LOG, *_MESHWATCH, *words, *duties)

    def has_hooks(self, seconds: float = DEADLINE_S) -> None:
        """Wait until they are run."""
        log = self.home / HOOKS_LOG
        until(lambda: "following meshwatchd" in log.read_text(), seconds)


class Hooked:
    """Meshwatchd's lines at a laptop, and an agent with the ready-made hook of its mail system."""

    def __init__(self, laptop: Laptop) -> None:
        self.told = Told(laptop.home / "meshwatch")
        self._laptop = laptop

    def __enter__(self) -> Self:
        self.told.__enter__()
        self._laptop.begin_hooks(self.told.directory)
        self._laptop.has_hooks()
        return self

    def __exit__(self, *_: object) -> None:
        self.told.__exit__(None, None, None)

    def meets(self, other: Laptop) -> float:
        """The other is in range, and meshwatchd says so; when, on the monotonic clock."""
        other.station.enter()
        return self.told.say(self._row(other))

    def loses(self, other: Laptop) -> float:
        """Meshwatchd says that the other left; when, on the monotonic clock."""
        return self.told.gone(self._row(other))

    def _row(self, other: Laptop) -> Neighbor:
        return neighbor(other.station.address, other.station.link_local, domain(other.user))


def _subject(letter: Path) -> str:
    lines = letter.read_text().splitlines()
    return next(line[9:] for line in lines if line.startswith("Subject: "))


def _address(station: Mobile) -> str:
    return derived(prefix(MESH), station.address)
