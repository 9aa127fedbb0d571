/*
 * radiotap.h - the header in front of a frame, in which the driver says how it was received or
 * what became of it when it was sent (radiotap.org; include/net/ieee80211_radiotap.h).
 */
#ifndef MESHWATCH_RADIOTAP_H
#define MESHWATCH_RADIOTAP_H

#include "span.h"

enum { /* bits of a presence word */
	RADIOTAP_TSFT = 0,
	RADIOTAP_FLAGS = 1,
	RADIOTAP_DBM_ANTENNA_SIGNAL = 5,
	RADIOTAP_TX_FLAGS = 15,
	RADIOTAP_DATA_RETRIES = 17,
	RADIOTAP_NAMESPACE = 29, /* the next word's bits mean all this again */
	RADIOTAP_VENDOR = 30,    /* the next word's bits are a vendor's */
	RADIOTAP_EXTENDED = 31   /* there is a next word */
};

enum { /* flags */
	RADIOTAP_FLAG_CHECKSUM = 0x10,    /* the frame ends with its checksum */
	RADIOTAP_FLAG_BAD_CHECKSUM = 0x40 /* which is wrong */
};

/* The fields of interest, each where it occurs first; 0 when not present. */
struct radiotap {
	uint32_t present; /* bits as in a presence word, of every field that was read */
	uint16_t tx_flags;
	uint64_t tsft_us;
	uint8_t flags;
	uint8_t data_retries;
	int8_t signal_dbm;
};

/*
 * Cuts the header off in. False when there is none or its fields are longer than itself; *out is
 * half written then. Fields behind one that is not known are not found.
 */
bool radiotap_take(struct span *in, struct radiotap *out);

#endif
