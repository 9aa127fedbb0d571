/* test_tap.c - draining, on datagrams of a socket pair in place of frames. */
#define _GNU_SOURCE
#include "check.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLOT = 64 };

static int writing, reading;
static uint8_t buffer[(MW_TAP_SLOTS_MAX + 1) * SLOT];
static struct mw_tapped tapped;

static void open_pair(int stamped)
{
	int pair[2] = { -1, -1 };

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	writing = pair[0];
	reading = pair[1];
	CHECK(setsockopt(reading, SOL_SOCKET, SO_TIMESTAMPNS_NEW, &stamped, sizeof(stamped)) == 0);
}

static void close_pair(void)
{
	close(writing);
	close(reading);
}

/* A frame of this length, each byte of which is its number. */
static void write_frame(uint8_t number, size_t length)
{
	uint8_t frame[2 * SLOT];

	memset(frame, number, sizeof(frame));
	CHECK(send(writing, frame, length, 0) == (ssize_t)length);
}

static void drain(uint32_t slots)
{
	memset(buffer, 0xee, sizeof(buffer));
	memset(&tapped, 0xee, sizeof(tapped));
	mw_tap_drain(reading, buffer, SLOT, slots, &tapped);
}

static int64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void nothing_there(void)
{
	open_pair(1);
	drain(4);
	CHECK(tapped.slots == 0 && tapped.error == 0 && !tapped.more);
	CHECK(tapped.drops == 0 && tapped.truncated == 0);
	CHECK(buffer[0] == 0xee);
	close_pair();
}

static void frames_with_their_times(void)
{
	int64_t before_ns = realtime_ns();
	int64_t after_ns;

	open_pair(1);
	write_frame(1, 10);
	write_frame(2, SLOT);
	after_ns = realtime_ns();
	drain(4);
	CHECK(tapped.slots == 2 && tapped.error == 0 && !tapped.more);
	CHECK(tapped.lengths[0] == 10 && tapped.lengths[1] == SLOT);
	CHECK(buffer[0] == 1 && buffer[9] == 1 && buffer[10] == 0xee);
	CHECK(buffer[SLOT] == 2 && buffer[2 * SLOT - 1] == 2 && buffer[2 * SLOT] == 0xee);
	CHECK(before_ns <= tapped.realtime_ns[0]);
	CHECK(tapped.realtime_ns[0] <= tapped.realtime_ns[1]);
	CHECK(tapped.realtime_ns[1] <= after_ns);
	close_pair();
}

static void unstamped(void)
{
	open_pair(0);
	write_frame(1, 10);
	drain(4);
	CHECK(tapped.slots == 1 && tapped.lengths[0] == 10);
	CHECK(tapped.realtime_ns[0] == 0);
	close_pair();
}

static void truncated(void)
{
	open_pair(1);
	write_frame(1, SLOT + 1);
	write_frame(2, 5);
	drain(4);
	CHECK(tapped.slots == 2 && tapped.truncated == 1);
	CHECK(tapped.lengths[0] == 0 && tapped.lengths[1] == 5);
	CHECK(buffer[SLOT] == 2);
	close_pair();
}

static void more_than_fits(void)
{
	open_pair(1);
	for (uint8_t i = 0; i < 7; i++)
		write_frame(i, 3);
	for (uint8_t i = 0; i < 6; i += 3) {
		drain(3);
		CHECK(tapped.slots == 3 && tapped.more);
		CHECK(buffer[0] == i && buffer[2 * SLOT] == i + 2);
		CHECK(buffer[3 * SLOT] == 0xee);
	}
	drain(3);
	CHECK(tapped.slots == 1 && !tapped.more && buffer[0] == 6);
	close_pair();
}

static void never_more_slots_than_there_are(void)
{
	open_pair(1);
	/* The queue of a pair holds fewer (net.unix.max_dgram_qlen) than all the slots. */
	for (uint8_t i = 0; i < 8; i++)
		write_frame(i, 3);
	drain(UINT32_MAX);
	CHECK(tapped.slots == 8 && !tapped.more);
	CHECK(buffer[MW_TAP_SLOTS_MAX * SLOT] == 0xee);
	drain(0);
	CHECK(tapped.slots == 0 && tapped.error == 0);
	close_pair();
}

static void errors(void)
{
	int file = open("/dev/null", O_RDONLY);

	mw_tap_drain(file, buffer, SLOT, 1, &tapped);
	CHECK(tapped.error == ENOTSOCK && tapped.slots == 0 && !tapped.more);
	close(file);
	mw_tap_drain(file, buffer, SLOT, 1, &tapped);
	CHECK(tapped.error == EBADF);
}

int main(void)
{
	nothing_there();
	frames_with_their_times();
	unstamped();
	truncated();
	more_than_fits();
	never_more_slots_than_there_are();
	errors();
	return CHECKED;
}
