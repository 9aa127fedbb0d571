"""The table seen through D-Bus: the only package that knows dbus-next."""

from meshwatch.bus.publisher import Bus

__all__ = ["Bus"]
