/* tap.c - see tap.h. */
#define _GNU_SOURCE /* recvmmsg */
#include "tap.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/time_types.h>
#include <string.h>
#include <sys/socket.h>

#define SECOND_NS INT64_C(1000000000)
#define CONTROL_SIZE CMSG_SPACE(sizeof(struct __kernel_timespec))

static int64_t time_of(struct msghdr *header)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		struct __kernel_timespec at;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS_NEW ||
		    c->cmsg_len < CMSG_LEN(sizeof(at)))
			continue;
		memcpy(&at, CMSG_DATA(c), sizeof(at));
		return at.tv_sec * SECOND_NS + at.tv_nsec;
	}
	return 0;
}

static void take_frame(struct mmsghdr *frame, struct mw_tapped *out)
{
	uint32_t length = 0;

	if (frame->msg_hdr.msg_flags & MSG_TRUNC)
		out->truncated++;
	else
		length = frame->msg_len;
	out->realtime_ns[out->slots] = time_of(&frame->msg_hdr);
	out->lengths[out->slots++] = length;
}

static void receive(int fd, uint8_t *buffer, size_t slot_size, uint32_t slots,
                    struct mw_tapped *out)
{
	struct mmsghdr frames[MW_TAP_SLOTS_MAX];
	_Alignas(struct cmsghdr) uint8_t controls[MW_TAP_SLOTS_MAX][CONTROL_SIZE];
	struct iovec places[MW_TAP_SLOTS_MAX];

	memset(frames, 0, sizeof(*frames) * slots);
	for (uint32_t i = 0; i < slots; i++) {
		places[i].iov_base = buffer + i * slot_size;
		places[i].iov_len = slot_size;
		frames[i].msg_hdr.msg_iov = &places[i];
		frames[i].msg_hdr.msg_iovlen = 1;
		frames[i].msg_hdr.msg_control = controls[i];
		frames[i].msg_hdr.msg_controllen = sizeof(controls[i]);
	}

	while (out->slots < slots) {
		uint32_t first = out->slots;
		int received = recvmmsg(fd, &frames[first], slots - first, MSG_DONTWAIT, NULL);

		/* An error behind the first frame is kept by the kernel for the next call, so only
		 * a call that received nothing tells why. */
		if (received < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				out->error = errno;
			return;
		}
		for (uint32_t i = first; i < first + (uint32_t)received; i++)
			take_frame(&frames[i], out);
	}
	out->more = 1;
}

/* Reading the count sets it back to 0 (packet_getsockopt, net/packet/af_packet.c). */
static uint32_t drops_of(int fd)
{
	struct tpacket_stats stats = { .tp_drops = 0 };
	socklen_t size = sizeof(stats);

	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) < 0)
		return 0; /* no packet socket */
	return stats.tp_drops;
}

void mw_tap_drain(int fd, uint8_t *buffer, size_t slot_size, uint32_t slots,
                  struct mw_tapped *out)
{
	memset(out, 0, sizeof(*out));
	receive(fd, buffer, slot_size, slots < MW_TAP_SLOTS_MAX ? slots : MW_TAP_SLOTS_MAX, out);
	out->drops = drops_of(fd);
}
