/*
 * frame.h - one frame of a monitor interface, radiotap header and all, into one record.
 *
 * Like nl80211.h, also the declarations that cffi reads. Numbers are in host byte order; elements
 * and frames are those of IEEE 802.11-2020.
 */
#ifndef MESHWATCH_FRAME_H
#define MESHWATCH_FRAME_H

#include "nl80211.h"

#include <stddef.h>
#include <stdint.h>

enum {
	MW_MESH_ID_SIZE = 32 /* at most */
};

/* What a frame is. */
enum mw_frame_kind {
	MW_FRAME_OTHER,   /* well-formed as far as looked at, of no interest */
	MW_FRAME_BEACON,  /* a mesh beacon */
	MW_FRAME_FOREIGN, /* a beacon of something else than a mesh */
	MW_FRAME_PEERING, /* Mesh Peering Open, Confirm or Close */
	MW_FRAME_STATUS   /* a QoS Null frame of ours, back from the driver: tx_flags tell its fate */
};

/* Why a frame is malformed. */
enum mw_frame_reason {
	MW_FRAME_OK,
	MW_FRAME_RADIOTAP,      /* a radiotap header that is none, or longer than the bytes */
	MW_FRAME_CHECKSUM,      /* the radio says that the frame arrived damaged */
	MW_FRAME_SHORT,         /* fewer bytes left than a header or fixed fields have */
	MW_FRAME_TRANSMITTER,   /* sent by a group or by nobody */
	MW_FRAME_INTERVAL,      /* a beacon interval of zero */
	MW_FRAME_ELEMENT,       /* an element cut short */
	MW_FRAME_ELEMENT_SIZE,  /* an element of the wrong size */
	MW_FRAME_ELEMENT_ABSENT /* a peering frame without Mesh Peering Management */
};

/* Bit numbers of mw_frame.present. */
enum mw_frame_field {
	MW_HAS_TSFT,
	MW_HAS_SIGNAL,
	MW_HAS_TX_FLAGS, /* we sent it: no received frame has them */
	MW_HAS_RETRIES,
	MW_HAS_MESH_ID,
	MW_HAS_CONFIGURATION,
	MW_HAS_LLID,
	MW_HAS_PLID,
	MW_HAS_REASON
};

/* Mesh Configuration element, as it is on the air. */
struct mw_mesh_configuration {
	uint8_t path_protocol;
	uint8_t path_metric;
	uint8_t congestion_control;
	uint8_t synchronization;
	uint8_t authentication;
	uint8_t formation;
	uint8_t capability;
};

/* One frame; what is not present, or not of its kind, is 0. */
struct mw_frame {
	uint64_t tsft_us; /* the radio's clock when the frame arrived */
	enum mw_frame_kind kind;
	uint32_t present; /* 1 << enum mw_frame_field */
	uint16_t tx_flags;
	uint16_t interval_tu; /* beacon */
	uint16_t capability;  /* beacon */
	uint16_t llid;        /* peering: link ids as the transmitter calls them */
	uint16_t plid;
	uint16_t reason;    /* Close: table 9-49 */
	int8_t signal_dbm;  /* of the first antenna, or of all together */
	uint8_t retries;    /* of ours */
	uint8_t action;     /* peering: 1 Open, 2 Confirm, 3 Close */
	uint8_t receiver[MW_ADDRESS_SIZE];
	uint8_t transmitter[MW_ADDRESS_SIZE];
	struct mw_mesh_configuration configuration;
	uint8_t mesh_id_size;
	uint8_t mesh_id[MW_MESH_ID_SIZE];
};

/*
 * Decodes the frame data[0, size), of link type IEEE802_11_RADIOTAP. Writes *out only when it
 * returns MW_FRAME_OK. Of two equal elements or radiotap fields the first counts; encrypted
 * frames are of no interest, and of the encrypted end of a peering frame nothing is looked at.
 */
enum mw_frame_reason mw_frame_decode(const uint8_t *data, size_t size, struct mw_frame *out);

#endif
