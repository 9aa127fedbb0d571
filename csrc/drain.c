/* drain.c - see drain.h. */
#define _GNU_SOURCE /* recvmmsg */
#include "drain.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

/* Only the kernel has port 0, and any local user may send to our port. */
static int from_kernel(const struct msghdr *header, const struct sockaddr_nl *sender)
{
	return header->msg_namelen == sizeof(*sender) && sender->nl_family == AF_NETLINK &&
	       sender->nl_pid == 0;
}

static void take_datagram(const struct mmsghdr *datagram, const struct sockaddr_nl *sender,
                          struct mw_drained *out)
{
	uint32_t length = 0;

	if (!from_kernel(&datagram->msg_hdr, sender))
		out->aliens++;
	else if (datagram->msg_hdr.msg_flags & MSG_TRUNC)
		out->truncated++;
	else
		length = datagram->msg_len;
	out->lengths[out->slots++] = length;
}

void mw_drain(int fd, uint8_t *buffer, size_t slot_size, uint32_t slots, struct mw_drained *out)
{
	struct mmsghdr datagrams[MW_SLOTS_MAX];
	struct sockaddr_nl senders[MW_SLOTS_MAX];
	struct iovec places[MW_SLOTS_MAX];

	memset(out, 0, sizeof(*out));
	if (slots > MW_SLOTS_MAX)
		slots = MW_SLOTS_MAX;
	memset(datagrams, 0, sizeof(*datagrams) * slots);
	for (uint32_t i = 0; i < slots; i++) {
		places[i].iov_base = buffer + i * slot_size;
		places[i].iov_len = slot_size;
		datagrams[i].msg_hdr.msg_iov = &places[i];
		datagrams[i].msg_hdr.msg_iovlen = 1;
		datagrams[i].msg_hdr.msg_name = &senders[i];
		datagrams[i].msg_hdr.msg_namelen = sizeof(senders[i]);
	}

	while (out->slots < slots) {
		uint32_t first = out->slots;
		int received = recvmmsg(fd, &datagrams[first], slots - first, MSG_DONTWAIT, NULL);

		/* An error behind the first datagram is kept by the kernel for the next call, so
		 * only a call that received nothing tells why. */
		if (received < 0) {
			if (errno == EINTR)
				continue;
			if (errno == ENOBUFS) {
				out->overruns++; /* what was queued before the overrun is still there */
				continue;
			}
			if (errno != EAGAIN)
				out->error = errno;
			return;
		}
		for (uint32_t i = first; i < first + (uint32_t)received; i++)
			take_datagram(&datagrams[i], &senders[i], out);
	}
	out->more = 1;
}
