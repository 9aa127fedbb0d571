"""What services are called in DNS-SD, and which of them messengers use."""

from __future__ import annotations

import re

PRESENCE = "_presence._tcp"  # XEP-0174, serverless messaging
XMPP_SERVER = "_xmpp-server._tcp"  # RFC 6120, 3.2.1
SERVICES = (PRESENCE, XMPP_SERVER)

_TYPE = re.compile(r"_[A-Za-z0-9]([A-Za-z0-9-]{0,13}[A-Za-z0-9])?\._(tcp|udp)\Z")


def is_service_type(text: str) -> bool:
    """Whether this is what services are called (RFC 6763, 7; RFC 6335, 5.1)."""
    return _TYPE.match(text) is not None
