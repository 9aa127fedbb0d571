"""Which radios of ours are away from their channel: they hear no neighbor meanwhile.

A channel switch is announced in a few beacons, which everybody counts down by its own beacons, so
that some neighbors move before us and some after; until we have moved, who is silent may be
there. That a channel is listened to for radar first is not among these: the kernel refuses it to
an interface that beacons (net/wireless/nl80211.c, nl80211_start_radar_detection), and no radio with
radar detection has several channels (net/mac80211/main.c, ieee80211_register_hw).
"""

from __future__ import annotations

from meshwatch.observations import AwaySeen
from meshwatch.pace import MS_NS

CMD_TRIGGER_SCAN = 33  # any other event about a scan is its end
CMD_CH_SWITCH_NOTIFY, CMD_CH_SWITCH_STARTED_NOTIFY = 88, 110
CHANNEL_SWITCHES = frozenset({CMD_CH_SWITCH_NOTIFY, CMD_CH_SWITCH_STARTED_NOTIFY})

# A scan of all channels takes some seconds, and a switch is announced in some beacons; that it is
# over may go by unheard, and that a switch failed is not told.
AWAY_MAX_NS = 30_000 * MS_NS


class Absences:
    """Scans and channel switches under way, of each radio at most one of each.

    The kernel refuses a second of either (net/wireless/nl80211.c, net/mac80211/cfg.c).
    """

    def __init__(self) -> None:
        self._until_ns: dict[tuple[int, bool], int] = {}  # by radio, and whether it is a switch

    def scan(self, command: int, wiphy: int, now: int) -> list[AwaySeen]:
        """An event about a scan of this radio."""
        return self._note((wiphy, False), command == CMD_TRIGGER_SCAN, now)

    def switch(self, command: int, wiphy: int, now: int) -> list[AwaySeen]:
        """An event about a switch of this radio to another channel."""
        return self._note((wiphy, True), command == CMD_CH_SWITCH_STARTED_NOTIFY, now)

    def due(self) -> int | None:
        """When an absence is given up."""
        return min(self._until_ns.values(), default=None)

    def take(self, now: int) -> list[AwaySeen]:
        """Absences whose end was not heard."""
        late = [which for which, until_ns in self._until_ns.items() if until_ns <= now]
        return [seen for which in late for seen in self._note(which, False, now)]

    def _note(self, which: tuple[int, bool], begins: bool, now: int) -> list[AwaySeen]:
        wiphy, _ = which
        was_away = self._is_away(wiphy)
        if begins:
            self._until_ns[which] = now + AWAY_MAX_NS
        else:
            self._until_ns.pop(which, None)
        away = self._is_away(wiphy)
        return [] if away is was_away else [AwaySeen(wiphy, away)]

    def _is_away(self, wiphy: int) -> bool:
        return (wiphy, False) in self._until_ns or (wiphy, True) in self._until_ns
