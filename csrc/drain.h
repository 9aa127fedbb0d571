/*
 * drain.h - everything a netlink socket has to say at the moment, without blocking.
 *
 * Like nl80211.h, also the declarations that cffi reads.
 */
#ifndef MESHWATCH_DRAIN_H
#define MESHWATCH_DRAIN_H

#include <stddef.h>
#include <stdint.h>

enum {
	MW_SLOTS_MAX = 64
};

/* What one call found. */
struct mw_drained {
	uint32_t slots;     /* slots used, also those of datagrams that were dropped */
	uint32_t overruns;  /* times the kernel said ENOBUFS: it threw messages away */
	uint32_t truncated; /* datagrams larger than a slot: dropped */
	uint32_t aliens;    /* datagrams from other programs: dropped */
	int32_t error;      /* errno that ended the call, 0 when the socket was empty */
	uint8_t more;       /* every slot is used: call again */
	uint32_t lengths[MW_SLOTS_MAX]; /* of the datagram in each slot, 0 = dropped */
};

/*
 * Receives from the netlink socket fd until it is empty or the slots are full. Slot i is
 * buffer[i * slot_size, (i + 1) * slot_size); 1 <= slots <= MW_SLOTS_MAX. What does not find a
 * slot stays in the socket. Never blocks.
 */
void mw_drain(int fd, uint8_t *buffer, size_t slot_size, uint32_t slots, struct mw_drained *out);

#endif
