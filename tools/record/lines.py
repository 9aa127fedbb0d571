"""What a reader of the news would have read while a recording was made."""

from __future__ import annotations

from collections.abc import Iterator

from meshwatch import protocol
from meshwatch.feed import Feed, Snapshot
from meshwatch.recording import Recording
from meshwatch.replay import Player, conversations
from meshwatch.table import Table


def news(recording: Recording) -> Iterator[bytes]:
    """The lines of news.sock to somebody who was there from the beginning.

    Without the first one, ``version``, which speaks of the daemon and not of the world.
    """
    return (line for _, line in stamped(recording))


def stamped(recording: Recording) -> Iterator[tuple[int, bytes]]:
    """The same, each behind its time on the recording's clock."""
    table = Table()
    feed = Feed(table.snapshot)
    reader = feed.subscribe(readings=False, wake=lambda: None)
    offset_ns = recording.wall_offset_ns
    number = 0
    for now, changes in Player(recording, conversations(recording), table):
        feed.publish(changes)
        if table.ready:
            feed.open()
        while (item := reader.take()) is not None:
            if isinstance(item, Snapshot):
                lines = protocol.snapshot(item.rows, offset_ns)
            else:
                lines = iter([protocol.change(item, offset_ns)])
            for line in lines:
                number += 1
                yield now, line.numbered(number)
