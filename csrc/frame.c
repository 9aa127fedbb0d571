/* frame.c - see frame.h. */
#include "frame.h"

#include "radiotap.h"
#include "span.h"

#define BIT(n) (UINT32_C(1) << (n))

/* ---- elements ------------------------------------------------------------------------------- */

enum { /* element ids (table 9-92) */
	ELEMENT_MESH_CONFIGURATION = 113,
	ELEMENT_MESH_ID = 114,
	ELEMENT_PEERING_MANAGEMENT = 117,
	ELEMENT_MIC = 140
};

enum { ACTION_OPEN = 1, ACTION_CONFIRM = 2, ACTION_CLOSE = 3 };

enum { PEERING_MANAGEMENT_SIZE = 8, PMKID_SIZE = 16 };

_Static_assert(sizeof(struct mw_mesh_configuration) == 7, "the element as it is on the air");

/*
 * Protocol, the transmitter's link id, the receiver's (Confirm, and Close if it is known), reason
 * (Close), and in secured meshes the PMKID.
 */
static enum mw_frame_reason decode_peering_management(struct span in, struct mw_frame *frame)
{
	uint16_t protocol;

	if (in.left > PEERING_MANAGEMENT_SIZE)
		span_drop(&in, PMKID_SIZE);
	if (!span_take_u16(&in, &protocol) || !span_take_u16(&in, &frame->llid))
		return MW_FRAME_ELEMENT_SIZE;
	frame->present |= BIT(MW_HAS_LLID);
	if (frame->action == ACTION_CONFIRM || (frame->action == ACTION_CLOSE && in.left == 4)) {
		if (!span_take_u16(&in, &frame->plid))
			return MW_FRAME_ELEMENT_SIZE;
		frame->present |= BIT(MW_HAS_PLID);
	}
	if (frame->action == ACTION_CLOSE) {
		if (!span_take_u16(&in, &frame->reason))
			return MW_FRAME_ELEMENT_SIZE;
		frame->present |= BIT(MW_HAS_REASON);
	}
	return in.left == 0 ? MW_FRAME_OK : MW_FRAME_ELEMENT_SIZE;
}

static enum mw_frame_reason decode_element(uint8_t id, struct span in, struct mw_frame *frame)
{
	switch (id) {
	case ELEMENT_MESH_ID:
		if (frame->present & BIT(MW_HAS_MESH_ID))
			break;
		if (in.left > sizeof(frame->mesh_id))
			return MW_FRAME_ELEMENT_SIZE;
		frame->mesh_id_size = (uint8_t)in.left;
		memcpy(frame->mesh_id, in.at, in.left);
		frame->present |= BIT(MW_HAS_MESH_ID);
		break;
	case ELEMENT_MESH_CONFIGURATION:
		if (frame->present & BIT(MW_HAS_CONFIGURATION))
			break;
		/* More may follow some day: so mac80211 has it (_ieee802_11_parse_elems). */
		if (in.left < sizeof(frame->configuration))
			return MW_FRAME_ELEMENT_SIZE;
		memcpy(&frame->configuration, in.at, sizeof(frame->configuration));
		frame->present |= BIT(MW_HAS_CONFIGURATION);
		break;
	case ELEMENT_PEERING_MANAGEMENT:
		if (frame->kind == MW_FRAME_PEERING && !(frame->present & BIT(MW_HAS_LLID)))
			return decode_peering_management(in, frame);
		break;
	default:
		break;
	}
	return MW_FRAME_OK;
}

static enum mw_frame_reason decode_elements(struct span in, struct mw_frame *frame)
{
	while (in.left > 0) {
		uint8_t header[2]; /* id, size */
		struct span payload;
		enum mw_frame_reason reason;

		if (!span_take_into(&in, header, sizeof(header)) ||
		    !span_take(&in, header[1], &payload))
			return MW_FRAME_ELEMENT;
		if (header[0] == ELEMENT_MIC && frame->kind == MW_FRAME_PEERING)
			break; /* what follows it is encrypted (AMPE, 14.5) */
		reason = decode_element(header[0], payload, frame);
		if (reason != MW_FRAME_OK)
			return reason;
	}
	return MW_FRAME_OK;
}

/* ---- frames --------------------------------------------------------------------------------- */

enum { /* first byte of frame control: protocol version 0, type, subtype (table 9-1) */
	CONTROL_BEACON = 0x80,
	CONTROL_QOS_NULL = 0xc8,
	CONTROL_ACTION = 0xd0
};

enum { /* second byte */
	CONTROL_MORE_FRAGMENTS = 0x04,
	CONTROL_PROTECTED = 0x40
};

enum { QOS_CONTROL_SIZE = 2, TIMESTAMP_SIZE = 8, CHECKSUM_SIZE = 4 };
enum { FRAGMENT_NUMBER = 0x0f };
enum { CATEGORY_SELF_PROTECTED = 15 };

struct header {
	uint8_t control[2];
	uint8_t duration[2];
	uint8_t receiver[MW_ADDRESS_SIZE];
	uint8_t transmitter[MW_ADDRESS_SIZE];
	uint8_t address3[MW_ADDRESS_SIZE];
	uint8_t sequence_control[2];
};

static enum mw_frame_reason decode_beacon(struct span in, struct mw_frame *frame)
{
	struct span timestamp;
	enum mw_frame_reason reason;

	if (!span_take(&in, TIMESTAMP_SIZE, &timestamp) || !span_take_u16(&in, &frame->interval_tu) ||
	    !span_take_u16(&in, &frame->capability))
		return MW_FRAME_SHORT;
	frame->kind = MW_FRAME_BEACON;
	reason = decode_elements(in, frame);
	if (reason != MW_FRAME_OK)
		return reason;
	if (!(frame->present & BIT(MW_HAS_MESH_ID)) ||
	    !(frame->present & BIT(MW_HAS_CONFIGURATION)))
		frame->kind = MW_FRAME_FOREIGN;
	else if (frame->interval_tu == 0)
		return MW_FRAME_INTERVAL;
	return MW_FRAME_OK;
}

static enum mw_frame_reason decode_action(struct span in, struct mw_frame *frame)
{
	struct { uint8_t category, action; } which;
	uint16_t capability, aid;
	enum mw_frame_reason reason;

	if (!span_take_into(&in, &which, sizeof(which)))
		return MW_FRAME_SHORT;
	if (which.category != CATEGORY_SELF_PROTECTED || which.action < ACTION_OPEN ||
	    which.action > ACTION_CLOSE)
		return MW_FRAME_OK;
	frame->kind = MW_FRAME_PEERING;
	frame->action = which.action;
	if ((which.action != ACTION_CLOSE && !span_take_u16(&in, &capability)) ||
	    (which.action == ACTION_CONFIRM && !span_take_u16(&in, &aid)))
		return MW_FRAME_SHORT;
	reason = decode_elements(in, frame);
	if (reason != MW_FRAME_OK)
		return reason;
	return frame->present & BIT(MW_HAS_LLID) ? MW_FRAME_OK : MW_FRAME_ELEMENT_ABSENT;
}

static enum mw_frame_reason decode_qos_null(struct span in, struct mw_frame *frame)
{
	struct span qos_control;

	if (!span_take(&in, QOS_CONTROL_SIZE, &qos_control))
		return MW_FRAME_SHORT;
	if (frame->present & BIT(MW_HAS_TX_FLAGS))
		frame->kind = MW_FRAME_STATUS;
	return MW_FRAME_OK;
}

static bool is_station(const uint8_t address[MW_ADDRESS_SIZE])
{
	static const uint8_t nobody[MW_ADDRESS_SIZE];

	return !(address[0] & 1) && memcmp(address, nobody, sizeof(nobody)) != 0;
}

static enum mw_frame_reason decode_80211(struct span in, struct mw_frame *frame)
{
	struct span start = in;
	uint8_t control[2];
	struct header header;

	if (!span_take_into(&start, control, sizeof(control)))
		return MW_FRAME_SHORT;
	if ((control[0] != CONTROL_BEACON && control[0] != CONTROL_ACTION &&
	     control[0] != CONTROL_QOS_NULL) ||
	    control[1] & (CONTROL_PROTECTED | CONTROL_MORE_FRAGMENTS))
		return MW_FRAME_OK;
	if (!span_take_into(&in, &header, sizeof(header)))
		return MW_FRAME_SHORT;
	if (header.sequence_control[0] & FRAGMENT_NUMBER)
		return MW_FRAME_OK;
	if (!is_station(header.transmitter))
		return MW_FRAME_TRANSMITTER;
	memcpy(frame->receiver, header.receiver, sizeof(frame->receiver));
	memcpy(frame->transmitter, header.transmitter, sizeof(frame->transmitter));
	if (control[0] == CONTROL_QOS_NULL)
		return decode_qos_null(in, frame);
	/* An HT Control field would come here; mac80211 reads the body at once (net/mac80211/rx.c,
	 * struct ieee80211_mgmt), and so does the tap's filter. */
	return control[0] == CONTROL_BEACON ? decode_beacon(in, frame) : decode_action(in, frame);
}

/* Leaves in at the frame behind the radiotap header, without its checksum. */
static enum mw_frame_reason decode_radiotap(struct span *in, struct mw_frame *frame)
{
	struct radiotap radiotap;

	if (!radiotap_take(in, &radiotap))
		return MW_FRAME_RADIOTAP;
	if (radiotap.flags & RADIOTAP_FLAG_BAD_CHECKSUM)
		return MW_FRAME_CHECKSUM;
	if (radiotap.flags & RADIOTAP_FLAG_CHECKSUM && !span_drop(in, CHECKSUM_SIZE))
		return MW_FRAME_SHORT;
	frame->tsft_us = radiotap.tsft_us;
	frame->signal_dbm = radiotap.signal_dbm;
	frame->tx_flags = radiotap.tx_flags;
	frame->retries = radiotap.data_retries;
	frame->present |= (radiotap.present >> RADIOTAP_TSFT & 1) << MW_HAS_TSFT;
	frame->present |= (radiotap.present >> RADIOTAP_DBM_ANTENNA_SIGNAL & 1) << MW_HAS_SIGNAL;
	frame->present |= (radiotap.present >> RADIOTAP_TX_FLAGS & 1) << MW_HAS_TX_FLAGS;
	frame->present |= (radiotap.present >> RADIOTAP_DATA_RETRIES & 1) << MW_HAS_RETRIES;
	return MW_FRAME_OK;
}

enum mw_frame_reason mw_frame_decode(const uint8_t *data, size_t size, struct mw_frame *out)
{
	struct span in = { data, size };
	struct mw_frame frame = { .kind = MW_FRAME_OTHER };
	enum mw_frame_reason reason = decode_radiotap(&in, &frame);

	if (reason == MW_FRAME_OK)
		reason = decode_80211(in, &frame);
	if (reason == MW_FRAME_OK)
		*out = frame;
	return reason;
}
