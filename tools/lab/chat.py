"""A person at a messenger (slixmpp): orders in on standard input, what it shows out as JSON lines.

python -m tools.lab.chat JID PASSWORD
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import slixmpp


def show(event: str, **what: object) -> None:
    """One line: what happened, and when on the monotonic clock."""
    print(json.dumps({"event": event, "at": time.monotonic(), **what}), flush=True)


class Person(slixmpp.ClientXMPP):
    """Accepts every contact, and shows whatever comes."""

    def __init__(self, jid: str, password: str) -> None:
        super().__init__(jid, password)
        self["feature_mechanisms"].unencrypted_plain = True
        self.enable_starttls = self.enable_direct_tls = False
        self.enable_plaintext = True
        self.auto_authorize = self.auto_subscribe = True
        self.register_plugin("xep_0203")  # when a message was written
        self.register_plugin("xep_0334")  # how it may be kept
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("message", self.show_message)
        self.add_event_handler("message_error", self.show_message)
        self.add_event_handler("presence_available", self.show_presence)
        self.add_event_handler("presence_unavailable", self.show_presence)
        self.add_event_handler("presence_error", self.show_presence)
        self.add_event_handler("roster_update", self.show_roster)
        self.add_event_handler("disconnected", lambda _: show("disconnected"))

    async def begin(self, _: object) -> None:
        """Logged in: be online, and take orders."""
        await self.get_roster()
        self.send_presence()
        show("ready")
        self.orders_task = asyncio.create_task(self.orders())

    def show_message(self, message: Any) -> None:
        """A message, or the error that one came to."""
        text = message["error"]["text"] if message["type"] == "error" else ""
        show(
            "message",
            type=message["type"],
            by=message["from"].bare,
            body=message["body"],
            text=text,
            written=message["delay"]["stamp"].isoformat() if message["delay"]["stamp"] else None,
        )

    def show_presence(self, presence: Any) -> None:
        """Somebody else is there, or not."""
        if presence["from"].bare != self.boundjid.bare:
            show("presence", by=presence["from"].bare, type=presence["type"])

    def show_roster(self, _: object) -> None:
        """The contacts as they are now, with their groups."""
        contacts = {jid: list(self.client_roster[jid]["groups"]) for jid in self.client_roster}
        show("roster", contacts=contacts)

    def query(self, kind: str, payload: str) -> None:
        """Ask our own server for something, or to do it, and show what it answers."""
        iq: Any = self.make_iq()
        iq["type"] = kind
        iq.append(slixmpp.ET.fromstring(payload))
        iq.send(callback=lambda answer: show("answer", type=answer["type"], text=str(answer)))

    async def orders(self) -> None:
        """subscribe JID; say JID TEXT; or, with a hint how to keep it: say:no-store JID TEXT;
        presence: JID, or presence:TYPE JID; query:get XML; query:set XML; hesitate: about whom"""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := (await reader.readline()).decode().rstrip("\n"):
            order, jid, *text = line.split(" ", 2)
            if order == "subscribe":
                self.send_presence_subscription(pto=slixmpp.JID(jid))
            elif order.partition(":")[0] == "say":
                message = self.make_message(slixmpp.JID(jid), text[0], mtype="chat")
                if hint := order.partition(":")[2]:
                    message.enable(hint)
                message.send()
            elif order.startswith("presence:"):
                presence: Any = self.make_presence(pto=jid)
                presence["type"] = order.partition(":")[2] or "available"
                presence.send()
            elif order.startswith("query:"):
                self.query(order.partition(":")[2], line.partition(" ")[2])
            elif order == "hesitate:":  # accept nobody by ourselves any more
                self.auto_authorize, self.auto_subscribe = None, False
        self.disconnect()


def main() -> None:
    """Log in to the server on this machine, until standard input ends."""
    person = Person(sys.argv[1], sys.argv[2])
    person.connect(host="127.0.0.1", port=5222)
    person.loop.run_until_complete(person.disconnected)


if __name__ == "__main__":
    main()
