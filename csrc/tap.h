/*
 * tap.h - every frame that waits in a packet socket, and when it came, without blocking.
 *
 * Like nl80211.h, also the declarations that cffi reads.
 */
#ifndef MESHWATCH_TAP_H
#define MESHWATCH_TAP_H

#include <stddef.h>
#include <stdint.h>

enum {
	MW_TAP_SLOTS_MAX = 64
};

/* What one call found. */
struct mw_tapped {
	uint32_t slots;     /* slots used, also those of frames that were dropped */
	uint32_t drops;     /* frames for which the socket had no room, since the last call */
	uint32_t truncated; /* frames larger than a slot: dropped */
	int32_t error;      /* errno that ended the call, 0 when the socket was empty */
	uint8_t more;       /* every slot is used: call again */
	uint32_t lengths[MW_TAP_SLOTS_MAX];  /* of the frame in each slot, 0 = dropped */
	int64_t realtime_ns[MW_TAP_SLOTS_MAX]; /* when it was received, CLOCK_REALTIME; 0 = unknown */
};

/*
 * Receives from the packet socket fd until it is empty or the slots are full. Slot i is
 * buffer[i * slot_size, (i + 1) * slot_size); 1 <= slots <= MW_TAP_SLOTS_MAX. What does not find
 * a slot stays in the socket. Times are known where SO_TIMESTAMPNS_NEW is set. Never blocks.
 */
void mw_tap_drain(int fd, uint8_t *buffer, size_t slot_size, uint32_t slots,
                  struct mw_tapped *out);

#endif
