/* A D-Bus client of the daemon: writes CLOCK_MONOTONIC in seconds, the neighbor's object path and
 * its presence, once for each PresenceChanged: in C, as the guest is slow, and whoever listens
 * should not delay whom it listens to.
 *
 *   presence BUS-ADDRESS
 */
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

static int on_presence(sd_bus_message *m, void *data, sd_bus_error *error)
{
    const char *path, *address, *was, *presence, *reason;
    struct timespec now;
    int r;

    (void)data, (void)error;
    clock_gettime(CLOCK_MONOTONIC, &now);
    r = sd_bus_message_read(m, "ossss", &path, &address, &was, &presence, &reason);
    if (r >= 0)
        printf("%lld.%06ld %s %s\n", (long long)now.tv_sec, now.tv_nsec / 1000, path,
               *presence ? presence : "gone");
    return r;
}

int main(int argc, char **argv)
{
    sd_bus *bus = NULL;
    int r;

    if (argc != 2) {
        fprintf(stderr, "usage: presence BUS-ADDRESS\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    r = sd_bus_new(&bus);
    if (r >= 0)
        r = sd_bus_set_address(bus, argv[1]);
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, 1);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r >= 0)
        r = sd_bus_match_signal(bus, NULL, "org.meshwatch", NULL, "org.meshwatch.Interface1",
                                "PresenceChanged", on_presence, NULL);
    while (r >= 0 && (r = sd_bus_process(bus, NULL)) >= 0)
        if (r == 0)
            r = sd_bus_wait(bus, UINT64_MAX);
    fprintf(stderr, "presence: %s\n", strerror(-r));
    return 1;
}
