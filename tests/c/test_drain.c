/*
 * test_drain.c - draining netlink sockets: what the kernel answers, and what others send.
 *
 * Only the kernel writes from port 0, so what must be kept are its acknowledgements of requests
 * that do nothing; what another program sends goes over a pair of NETLINK_USERSOCK.
 */
#define _GNU_SOURCE
#include "check.h"
#include "drain.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SLOT = 64,
	ACKNOWLEDGEMENT = NLMSG_HDRLEN + sizeof(struct nlmsgerr),
	NOTHING_TO_DO = NLMSG_MIN_TYPE - 1,  /* acknowledged by the kernel, which does nothing */
	UNKNOWN_FAMILY = NLMSG_MIN_TYPE + 15 /* refused; a refusal quotes the whole request */
};

static uint8_t buffer[(MW_SLOTS_MAX + 1) * SLOT];
static struct mw_drained drained;

static int open_netlink(int protocol)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0);
	return fd;
}

/* The answer lies in the queue when this returns, unless there was no room for it. */
static void ask(int fd, uint16_t type, uint32_t seq, size_t size)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	uint8_t request[2 * SLOT] = { 0 };
	struct nlmsghdr header = { .nlmsg_len = (uint32_t)size, .nlmsg_type = type,
		                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK, .nlmsg_seq = seq };

	memcpy(request, &header, sizeof(header));
	CHECK(sendto(fd, request, size, 0, (struct sockaddr *)&kernel, sizeof(kernel)) ==
	      (ssize_t)size);
}

static void ask_nothing(int fd, uint32_t seq)
{
	ask(fd, NOTHING_TO_DO, seq, NLMSG_HDRLEN);
}

/* A message that claims to be the kernel's, from one socket to another. */
static void forge(int from, int to, size_t size)
{
	struct sockaddr_nl address = { 0 };
	socklen_t length = sizeof(address);
	uint8_t message[2 * SLOT] = { 0 };

	CHECK(getsockname(to, (struct sockaddr *)&address, &length) == 0);
	CHECK(sendto(from, message, size, 0, (struct sockaddr *)&address, length) ==
	      (ssize_t)size);
}

static void drain(int fd, uint32_t slots)
{
	memset(buffer, 0xee, sizeof(buffer));
	memset(&drained, 0xee, sizeof(drained));
	mw_drain(fd, buffer, SLOT, slots, &drained);
}

/* The sequence number of the request that is answered in this slot; -1 if nothing is there. */
static int64_t answered(uint32_t slot)
{
	struct nlmsghdr header;

	if (slot >= drained.slots || drained.lengths[slot] != ACKNOWLEDGEMENT)
		return -1;
	memcpy(&header, buffer + slot * SLOT, sizeof(header));
	return header.nlmsg_seq;
}

static int nothing_wrong(void)
{
	return !drained.error && !drained.overruns && !drained.truncated && !drained.aliens;
}

static void nothing_there(void)
{
	int fd = open_netlink(NETLINK_GENERIC);

	drain(fd, 4);
	CHECK(drained.slots == 0 && !drained.more && nothing_wrong());
	CHECK(buffer[0] == 0xee);
	close(fd);
}

static void everything_in_order(void)
{
	int fd = open_netlink(NETLINK_GENERIC);

	for (uint32_t seq = 0; seq < 3; seq++)
		ask_nothing(fd, seq);
	drain(fd, 4);
	CHECK(drained.slots == 3 && !drained.more && nothing_wrong());
	for (uint32_t slot = 0; slot < 3; slot++) {
		CHECK(answered(slot) == slot);
		CHECK(buffer[slot * SLOT + ACKNOWLEDGEMENT] == 0xee);
	}
	CHECK(buffer[3 * SLOT] == 0xee);
	drain(fd, 4);
	CHECK(drained.slots == 0 && !drained.more && nothing_wrong());
	close(fd);
}

static void truncated(void)
{
	int fd = open_netlink(NETLINK_GENERIC);

	ask_nothing(fd, 0);
	ask(fd, UNKNOWN_FAMILY, 1, SLOT);
	ask_nothing(fd, 2);
	ask(fd, UNKNOWN_FAMILY, 3, SLOT);
	drain(fd, 4);
	CHECK(drained.slots == 4 && drained.truncated == 2);
	CHECK(drained.aliens == 0 && drained.error == 0);
	CHECK(answered(0) == 0 && answered(2) == 2);
	CHECK(drained.lengths[1] == 0 && drained.lengths[3] == 0);
	CHECK(buffer[4 * SLOT] == 0xee);
	close(fd);
}

static void more_than_fits(void)
{
	int fd = open_netlink(NETLINK_GENERIC);

	for (uint32_t seq = 0; seq < 7; seq++)
		ask_nothing(fd, seq);
	for (uint32_t seq = 0; seq < 6; seq += 3) {
		drain(fd, 3);
		CHECK(drained.slots == 3 && drained.more && nothing_wrong());
		CHECK(answered(0) == seq && answered(2) == seq + 2);
		CHECK(buffer[3 * SLOT] == 0xee);
	}
	drain(fd, 3);
	CHECK(drained.slots == 1 && !drained.more && answered(0) == 6);
	close(fd);
}

static void never_more_slots_than_there_are(void)
{
	int fd = open_netlink(NETLINK_GENERIC);

	for (uint32_t seq = 0; seq < MW_SLOTS_MAX + 1; seq++)
		ask_nothing(fd, seq);
	drain(fd, UINT32_MAX);
	CHECK(drained.slots == MW_SLOTS_MAX && drained.more && nothing_wrong());
	CHECK(answered(MW_SLOTS_MAX - 1) == MW_SLOTS_MAX - 1);
	CHECK(buffer[MW_SLOTS_MAX * SLOT] == 0xee);
	drain(fd, UINT32_MAX);
	CHECK(drained.slots == 1 && !drained.more && answered(0) == MW_SLOTS_MAX);
	close(fd);
}

/* It is told before what was queued when the room ended: the drain begins a second time. */
static void overrun(void)
{
	int fd = open_netlink(NETLINK_GENERIC);
	int least = 1; /* the kernel grants its minimum */

	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)) == 0);
	for (uint32_t seq = 0; seq < MW_SLOTS_MAX; seq++)
		ask_nothing(fd, seq);
	drain(fd, MW_SLOTS_MAX);
	CHECK(drained.overruns == 1 && drained.error == 0);
	CHECK(drained.slots > 0 && drained.slots < MW_SLOTS_MAX && !drained.more);
	for (uint32_t slot = 0; slot < drained.slots; slot++)
		CHECK(answered(slot) == slot);
	ask_nothing(fd, MW_SLOTS_MAX);
	drain(fd, MW_SLOTS_MAX);
	CHECK(drained.slots == 1 && answered(0) == MW_SLOTS_MAX && nothing_wrong());
	close(fd);
}

static void strangers(void)
{
	int ours = open_netlink(NETLINK_USERSOCK), theirs = open_netlink(NETLINK_USERSOCK);

	forge(theirs, ours, NLMSG_HDRLEN);
	forge(theirs, ours, 2 * SLOT); /* whose it is comes before how long it is */
	forge(theirs, ours, NLMSG_HDRLEN);
	drain(ours, 2);
	CHECK(drained.slots == 2 && drained.more && drained.aliens == 2);
	CHECK(drained.truncated == 0 && drained.error == 0);
	CHECK(drained.lengths[0] == 0 && drained.lengths[1] == 0);
	drain(ours, 2);
	CHECK(drained.slots == 1 && !drained.more && drained.aliens == 1);
	close(theirs);
	close(ours);
}

static void stranger_among_the_kernels(void)
{
	int ours = open_netlink(NETLINK_GENERIC), theirs = open_netlink(NETLINK_GENERIC);

	ask_nothing(ours, 0);
	forge(theirs, ours, ACKNOWLEDGEMENT);
	ask_nothing(ours, 1);
	drain(ours, 4);
	CHECK(drained.slots == 3 && drained.aliens == 1 && drained.truncated == 0);
	CHECK(answered(0) == 0 && drained.lengths[1] == 0 && answered(2) == 1);
	close(theirs);
	close(ours);
}

/* A descriptor that is not netlink's gives no sender to look at. */
static void nobody(void)
{
	int pair[2] = { -1, -1 };

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	CHECK(send(pair[0], "nobody", 6, 0) == 6);
	drain(pair[1], 1);
	CHECK(drained.slots == 1 && drained.aliens == 1 && drained.lengths[0] == 0);
	close(pair[0]);
	close(pair[1]);
}

static void errors(void)
{
	int file = open("/dev/null", O_RDONLY);

	drain(file, 1);
	CHECK(drained.error == ENOTSOCK && drained.slots == 0 && !drained.more);
	close(file);
	drain(file, 1);
	CHECK(drained.error == EBADF && drained.slots == 0 && !drained.more);
}

int main(void)
{
	nothing_there();
	everything_in_order();
	truncated();
	more_than_fits();
	never_more_slots_than_there_are();
	overrun();
	strangers();
	stranger_among_the_kernels();
	nobody();
	errors();
	return CHECKED;
}
