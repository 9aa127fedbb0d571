"""Follows org.meshwatch with GDBusObjectManagerClient, the mirror that desktops use.

Runs under the system's Python, which has GLib: `mirror_gdbus.py ADDRESS`. Each line of output is
{path: {interface: {property: value}}} as the mirror has it, after each change of it.
"""

import json
import sys

from gi.repository import Gio, GLib  # type: ignore[import-not-found]

CONNECTION = (
    Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
)


def main(address: str) -> None:
    connection = Gio.DBusConnection.new_for_address_sync(address, CONNECTION, None, None)
    manager = Gio.DBusObjectManagerClient.new_sync(
        connection,
        Gio.DBusObjectManagerClientFlags.DO_NOT_AUTO_START,
        "org.meshwatch",
        "/org/meshwatch",
        None,
        None,
        None,
    )

    def show(*_: object) -> None:
        objects = {
            each.get_object_path(): {
                proxy.get_interface_name(): {
                    name: proxy.get_cached_property(name).unpack()
                    for name in proxy.get_cached_property_names() or ()
                }
                for proxy in each.get_interfaces()
            }
            for each in manager.get_objects()
        }
        print(json.dumps(objects), flush=True)

    for signal in (
        "object-added",
        "object-removed",
        "interface-proxy-properties-changed",
        "notify::name-owner",
    ):
        manager.connect(signal, show)
    show()
    GLib.MainLoop().run()


main(sys.argv[1])
