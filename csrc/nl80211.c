/*
 * nl80211.c - see nl80211.h.
 *
 * What an attribute is worth stands in tables (attributes.h); the code between them says what a
 * message must have, and what two attributes mean together.
 */
#include "nl80211.h"

#include "attributes.h"
#include "numbers.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <string.h>

#define BIT(n) (UINT64_C(1) << (n))

enum { MAX_ERRNO = 4095 }; /* the kernel's */

/* ---- bitrates ------------------------------------------------------------------------------- */

struct rate_attributes {
	uint32_t bitrate32; /* 100 kbit/s */
	uint16_t bitrate;   /* the same, absent when it does not fit */
	uint16_t width_mhz;
	uint8_t mcs;
	uint8_t nss;
	uint8_t dcm;
};

enum { /* presence; the first five in the order of enum mw_station_field */
	RATE_KBPS = 1 << 0,
	RATE_MCS = 1 << 1,
	RATE_NSS = 1 << 2,
	RATE_WIDTH = 1 << 3,
	RATE_FLAGS = 1 << 4,
	RATE_MEMBERS = RATE_KBPS | RATE_MCS | RATE_NSS | RATE_WIDTH | RATE_FLAGS,
	RATE_UNIT = 1 << 5,
	RATE_BITRATE32 = 1 << 6,
	RATE_FLAG_SHIFT = 8 /* from here on enum mw_rate_flag */
};

#define RATE(member, bits) FIELD(COPY, struct rate_attributes, member, bits)
#define RATE_FLAG(flag) ((uint64_t)(flag) << RATE_FLAG_SHIFT)
#define WIDTH(mhz)                                                                                \
	{ CONSTANT, sizeof(uint16_t), offsetof(struct rate_attributes, width_mhz), mhz, RATE_WIDTH }

static const struct field rate_fields[] = {
	[RATE_INFO_BITRATE] = RATE(bitrate, RATE_KBPS),
	[RATE_INFO_BITRATE32] = RATE(bitrate32, RATE_KBPS | RATE_BITRATE32),
	[RATE_INFO_MCS] = RATE(mcs, RATE_MCS | RATE_FLAG(MW_RATE_HT)),
	[RATE_INFO_VHT_MCS] = RATE(mcs, RATE_MCS | RATE_FLAG(MW_RATE_VHT)),
	[RATE_INFO_HE_MCS] = RATE(mcs, RATE_MCS | RATE_FLAG(MW_RATE_HE)),
	[RATE_INFO_EHT_MCS] = RATE(mcs, RATE_MCS | RATE_FLAG(MW_RATE_EHT)),
	[RATE_INFO_S1G_MCS] = RATE(mcs, RATE_MCS | RATE_FLAG(MW_RATE_S1G)),
	[RATE_INFO_VHT_NSS] = RATE(nss, RATE_NSS),
	[RATE_INFO_HE_NSS] = RATE(nss, RATE_NSS),
	[RATE_INFO_EHT_NSS] = RATE(nss, RATE_NSS),
	[RATE_INFO_S1G_NSS] = RATE(nss, RATE_NSS),
	[RATE_INFO_HE_DCM] = RATE(dcm, 0),
	[RATE_INFO_HE_RU_ALLOC] = { SKIP, 0, 0, 0, RATE_UNIT },
	[RATE_INFO_EHT_RU_ALLOC] = { SKIP, 0, 0, 0, RATE_UNIT },
	[RATE_INFO_SHORT_GI] = { CONSTANT, 0, 0, 0, RATE_FLAG(MW_RATE_SHORT_GI) },
	[RATE_INFO_1_MHZ_WIDTH] = WIDTH(1),
	[RATE_INFO_2_MHZ_WIDTH] = WIDTH(2),
	[RATE_INFO_4_MHZ_WIDTH] = WIDTH(4),
	[RATE_INFO_5_MHZ_WIDTH] = WIDTH(5),
	[RATE_INFO_8_MHZ_WIDTH] = WIDTH(8),
	[RATE_INFO_10_MHZ_WIDTH] = WIDTH(10),
	[RATE_INFO_16_MHZ_WIDTH] = WIDTH(16),
	[RATE_INFO_40_MHZ_WIDTH] = WIDTH(40),
	[RATE_INFO_80_MHZ_WIDTH] = WIDTH(80),
	[RATE_INFO_80P80_MHZ_WIDTH] = WIDTH(160),
	[RATE_INFO_160_MHZ_WIDTH] = WIDTH(160),
	[RATE_INFO_320_MHZ_WIDTH] = WIDTH(320),
};

/* Decodes one rate; *present gets its five bits from bit number first on. */
static enum mw_reason decode_rate(struct span in, unsigned first, struct mw_rate *rate,
                                  uint64_t *present)
{
	struct rate_attributes raw = { 0 };
	uint64_t found = 0;
	enum mw_reason reason = decode_attributes(in, rate_fields, COUNT_OF(rate_fields), &raw, &found);

	if (reason != MW_OK)
		return reason;
	if (!(found & RATE_BITRATE32))
		raw.bitrate32 = raw.bitrate;
	if (raw.bitrate32 > UINT32_MAX / 100)
		return MW_VALUE;
	/* 20 MHz is said by saying nothing; a resource unit is a part of a channel. */
	if (!(found & (RATE_WIDTH | RATE_UNIT))) {
		raw.width_mhz = 20;
		found |= RATE_WIDTH;
	}
	rate->kbps = raw.bitrate32 * 100;
	rate->mcs = raw.mcs;
	rate->nss = raw.nss;
	rate->width_mhz = raw.width_mhz;
	rate->flags = (uint16_t)(found >> RATE_FLAG_SHIFT);
	if (raw.dcm)
		rate->flags |= MW_RATE_DCM;
	*present |= (RATE_FLAGS | (found & RATE_MEMBERS)) << first;
	return MW_OK;
}

/* ---- stations ------------------------------------------------------------------------------- */

struct station_attributes {
	struct mw_station station;
	struct span tx_rate;
	struct span rx_rate;
};

enum { /* presence beyond enum mw_station_field */
	STATION_TX_RATE = MW_GENERATION + 1,
	STATION_RX_RATE
};

/* The attribute goes into the member as it is, so both have one size. */
#define STA(member, bit) FIELD(COPY, struct station_attributes, station.member, BIT(bit))

static const struct field station_fields[] = {
	[STA_INFO_INACTIVE_TIME] = STA(inactive_ms, MW_INACTIVE_MS),
	[STA_INFO_CONNECTED_TIME] = STA(connected_s, MW_CONNECTED_S),
	[STA_INFO_RX_BYTES] =
		FIELD(FALLBACK, struct station_attributes, station.rx_bytes, BIT(MW_RX_BYTES)),
	[STA_INFO_TX_BYTES] =
		FIELD(FALLBACK, struct station_attributes, station.tx_bytes, BIT(MW_TX_BYTES)),
	[STA_INFO_RX_BYTES64] = STA(rx_bytes, MW_RX_BYTES),
	[STA_INFO_TX_BYTES64] = STA(tx_bytes, MW_TX_BYTES),
	[STA_INFO_RX_PACKETS] = STA(rx_packets, MW_RX_PACKETS),
	[STA_INFO_TX_PACKETS] = STA(tx_packets, MW_TX_PACKETS),
	[STA_INFO_TX_RETRIES] = STA(tx_retries, MW_TX_RETRIES),
	[STA_INFO_TX_FAILED] = STA(tx_failed, MW_TX_FAILED),
	[STA_INFO_RX_DROP_MISC] = STA(rx_drop_misc, MW_RX_DROP_MISC),
	[STA_INFO_BEACON_RX] = STA(beacon_rx, MW_BEACON_RX),
	[STA_INFO_BEACON_LOSS] = STA(beacon_loss, MW_BEACON_LOSS),
	[STA_INFO_EXPECTED_THROUGHPUT] = STA(expected_throughput_kbps, MW_EXPECTED_THROUGHPUT_KBPS),
	[STA_INFO_AIRTIME_LINK_METRIC] = STA(airtime_metric, MW_AIRTIME_METRIC),
	[STA_INFO_AIRTIME_WEIGHT] = STA(airtime_weight, MW_AIRTIME_WEIGHT),
	[STA_INFO_RX_DURATION] = STA(rx_duration_us, MW_RX_DURATION_US),
	[STA_INFO_TX_DURATION] = STA(tx_duration_us, MW_TX_DURATION_US),
	[STA_INFO_T_OFFSET] = STA(t_offset_us, MW_T_OFFSET_US),
	[STA_INFO_ASSOC_AT_BOOTTIME] = STA(assoc_at_boottime_ns, MW_ASSOC_AT_BOOTTIME_NS),
	[STA_INFO_SIGNAL] = STA(signal_dbm, MW_SIGNAL_DBM),
	[STA_INFO_SIGNAL_AVG] = STA(signal_avg_dbm, MW_SIGNAL_AVG_DBM),
	[STA_INFO_BEACON_SIGNAL_AVG] = STA(beacon_signal_avg_dbm, MW_BEACON_SIGNAL_AVG_DBM),
	[STA_INFO_ACK_SIGNAL] = STA(ack_signal_dbm, MW_ACK_SIGNAL_DBM),
	[STA_INFO_ACK_SIGNAL_AVG] = STA(ack_signal_avg_dbm, MW_ACK_SIGNAL_AVG_DBM),
	[STA_INFO_PLINK_STATE] = STA(plink, MW_PLINK),
	[STA_INFO_LLID] = STA(llid, MW_LLID),
	[STA_INFO_PLID] = STA(plid, MW_PLID),
	[STA_INFO_LOCAL_PM] = STA(local_pm, MW_LOCAL_PM),
	[STA_INFO_PEER_PM] = STA(peer_pm, MW_PEER_PM),
	[STA_INFO_NONPEER_PM] = STA(nonpeer_pm, MW_NONPEER_PM),
	[STA_INFO_CONNECTED_TO_GATE] = STA(connected_to_gate, MW_CONNECTED_TO_GATE),
	[STA_INFO_CONNECTED_TO_AS] = STA(connected_to_as, MW_CONNECTED_TO_AS),
	[STA_INFO_STA_FLAGS] = { COPY, 8, offsetof(struct station_attributes, station.flags_mask), 0,
	                         BIT(MW_FLAGS_MASK) | BIT(MW_FLAGS_SET) },
	[STA_INFO_TX_BITRATE] =
		FIELD(NEST, struct station_attributes, tx_rate, BIT(STATION_TX_RATE)),
	[STA_INFO_RX_BITRATE] =
		FIELD(NEST, struct station_attributes, rx_rate, BIT(STATION_RX_RATE)),
};

/* struct nl80211_sta_flag_update is two numbers, and is copied over two members at once. */
_Static_assert(offsetof(struct mw_station, flags_set) ==
                       offsetof(struct mw_station, flags_mask) + sizeof(uint32_t),
               "flags_mask and flags_set are one attribute");

static enum mw_reason decode_station(struct span in, struct mw_station *station)
{
	struct station_attributes found = { 0 };
	uint64_t present = 0;
	enum mw_reason reason =
		decode_attributes(in, station_fields, COUNT_OF(station_fields), &found, &present);

	if (reason == MW_OK && present & BIT(STATION_TX_RATE))
		reason = decode_rate(found.tx_rate, MW_TX_RATE_KBPS, &found.station.tx_rate, &present);
	if (reason == MW_OK && present & BIT(STATION_RX_RATE))
		reason = decode_rate(found.rx_rate, MW_RX_RATE_KBPS, &found.station.rx_rate, &present);
	found.station.present = present & (BIT(STATION_TX_RATE) - 1);
	*station = found.station;
	return reason;
}

/* ---- messages of nl80211 -------------------------------------------------------------------- */

#define PATH(member, bit) FIELD(COPY, struct mw_path, member, BIT(bit))

static const struct field path_fields[] = {
	[MPATH_INFO_FRAME_QLEN] = PATH(frame_qlen, MW_PATH_FRAME_QLEN),
	[MPATH_INFO_SN] = PATH(sn, MW_PATH_SN),
	[MPATH_INFO_METRIC] = PATH(metric, MW_PATH_METRIC),
	[MPATH_INFO_EXPTIME] = PATH(expiry_ms, MW_PATH_EXPIRY_MS),
	[MPATH_INFO_FLAGS] = PATH(flags, MW_PATH_FLAGS),
	[MPATH_INFO_DISCOVERY_TIMEOUT] = PATH(discovery_timeout_ms, MW_PATH_DISCOVERY_TIMEOUT_MS),
	[MPATH_INFO_DISCOVERY_RETRIES] = PATH(discovery_retries, MW_PATH_DISCOVERY_RETRIES),
	[MPATH_INFO_HOP_COUNT] = PATH(hop_count, MW_PATH_HOP_COUNT),
	[MPATH_INFO_PATH_CHANGE] = PATH(changes, MW_PATH_CHANGES),
};

/* The attributes on top of a message, whatever its command is. */
struct top {
	struct mw_interface interface;
	uint32_t ifindex;
	int32_t rx_signal_dbm;
	uint8_t address[MW_ADDRESS_SIZE];
	uint8_t next_hop[MW_ADDRESS_SIZE];
	struct span sta_info;
	struct span mpath_info;
};

enum { /* presence */
	TOP_IFINDEX = 1,
	TOP_ADDRESS = 2,
	TOP_NEXT_HOP = 4,
	TOP_RX_SIGNAL = 8,
	TOP_GENERATION = 16,
	TOP_MPATH_INFO = 32,
	TOP_WIPHY = 64,
	TOP_STATION = TOP_IFINDEX | TOP_ADDRESS,
	TOP_PATH = TOP_STATION | TOP_NEXT_HOP | TOP_MPATH_INFO
};

#define TOP(form, member, bits) FIELD(form, struct top, member, bits)

static const struct field top_fields[] = {
	[ATTR_WIPHY] = TOP(COPY, interface.wiphy, TOP_WIPHY),
	[ATTR_IFINDEX] = TOP(COPY, ifindex, TOP_IFINDEX),
	[ATTR_IFNAME] = TOP(NAME, interface.name, 0),
	[ATTR_IFTYPE] = TOP(COPY, interface.iftype, 0),
	[ATTR_MAC] = TOP(COPY, address, TOP_ADDRESS),
	[ATTR_STA_INFO] = TOP(NEST, sta_info, 0),
	[ATTR_MPATH_NEXT_HOP] = TOP(COPY, next_hop, TOP_NEXT_HOP),
	[ATTR_MPATH_INFO] = TOP(NEST, mpath_info, TOP_MPATH_INFO),
	[ATTR_WIPHY_FREQ] = TOP(COPY, interface.frequency_mhz, 0),
	[ATTR_GENERATION] = TOP(COPY, interface.generation, TOP_GENERATION),
	[ATTR_4ADDR] = TOP(COPY, interface.use_4addr, 0),
	[ATTR_RX_SIGNAL_DBM] = TOP(COPY, rx_signal_dbm, TOP_RX_SIGNAL),
	[ATTR_WDEV] = TOP(COPY, interface.wdev, 0),
};

static enum mw_kind kind_of(uint8_t command, uint64_t present)
{
	switch (command) {
	case CMD_NEW_STATION: /* also how old kernels answer GET_MPATH and GET_MPP */
		return present & TOP_MPATH_INFO ? MW_MPATH : MW_STATION;
	case CMD_NEW_MPATH:
		return MW_MPATH;
	case CMD_DEL_STATION:
		return MW_STATION_DELETED;
	case CMD_NEW_PEER_CANDIDATE:
		return MW_CANDIDATE;
	case CMD_NEW_INTERFACE:
	case CMD_SET_INTERFACE: /* the event of a change of type or address */
		return MW_INTERFACE;
	case CMD_DEL_INTERFACE:
		return MW_INTERFACE_DELETED;
	case CMD_TRIGGER_SCAN:
	case CMD_NEW_SCAN_RESULTS: /* also what is in a list of results, which names no radio */
	case CMD_SCAN_ABORTED:
		return present & TOP_WIPHY ? MW_SCAN : MW_OTHER;
	default:
		return MW_OTHER;
	}
}

static enum mw_reason decode_station_message(const struct top *top, uint64_t present,
                                             struct mw_message *message)
{
	struct mw_station *station = &message->body.station;
	enum mw_reason reason;

	if ((present & TOP_STATION) != TOP_STATION)
		return MW_ATTRIBUTE_ABSENT;
	reason = decode_station(top->sta_info, station);
	if (present & TOP_GENERATION) {
		station->generation = top->interface.generation;
		station->present |= BIT(MW_GENERATION);
	}
	return reason;
}

static enum mw_reason decode_path_message(const struct top *top, uint64_t present,
                                          struct mw_message *message)
{
	struct mw_path *path = &message->body.path;
	uint64_t found = 0;
	enum mw_reason reason;

	if ((present & TOP_PATH) != TOP_PATH)
		return MW_ATTRIBUTE_ABSENT;
	memset(path, 0, sizeof(*path));
	reason = decode_attributes(top->mpath_info, path_fields, COUNT_OF(path_fields), path, &found);
	if (found == 0) /* only a proxy's path has nothing to say of itself */
		message->kind = MW_MPP;
	if (present & TOP_GENERATION) {
		path->generation = top->interface.generation;
		found |= BIT(MW_PATH_GENERATION);
	}
	memcpy(path->next_hop, top->next_hop, sizeof(path->next_hop));
	path->present = (uint32_t)found;
	return reason;
}

static enum mw_reason decode_nl80211(struct span in, struct mw_message *message)
{
	struct top top = { 0 };
	uint64_t present = 0;
	enum mw_reason reason =
		decode_attributes(in, top_fields, COUNT_OF(top_fields), &top, &present);

	if (reason != MW_OK)
		return reason;
	message->ifindex = top.ifindex;
	message->has_address = (present & TOP_ADDRESS) != 0;
	memcpy(message->address, top.address, sizeof(message->address));
	message->kind = message->flags & NLM_F_REQUEST ? MW_REQUEST
	                                               : kind_of(message->command, present);
	switch (message->kind) {
	case MW_STATION:
	case MW_STATION_DELETED:
		return decode_station_message(&top, present, message);
	case MW_MPATH:
		return decode_path_message(&top, present, message);
	case MW_CANDIDATE:
		message->body.candidate.signal_dbm = top.rx_signal_dbm;
		message->body.candidate.has_signal = (present & TOP_RX_SIGNAL) != 0;
		return (present & TOP_STATION) == TOP_STATION ? MW_OK : MW_ATTRIBUTE_ABSENT;
	case MW_INTERFACE:
	case MW_INTERFACE_DELETED:
	case MW_SCAN:
		message->body.interface = top.interface;
		return MW_OK;
	default:
		return MW_OK;
	}
}

/* ---- messages of nlctrl --------------------------------------------------------------------- */

struct control_attributes {
	uint16_t id;
	char name[MW_NAME_SIZE];
	struct span groups;
};

enum { CONTROL_ID = 1, CONTROL_NAME = 2, GROUP_ID = 1, GROUP_NAME = 2 }; /* presence */

static const struct field control_fields[] = {
	[CTRL_ATTR_FAMILY_ID] = FIELD(COPY, struct control_attributes, id, CONTROL_ID),
	[CTRL_ATTR_FAMILY_NAME] = FIELD(NAME, struct control_attributes, name, CONTROL_NAME),
	[CTRL_ATTR_MCAST_GROUPS] = FIELD(NEST, struct control_attributes, groups, 0),
};

static const struct field group_fields[] = {
	[CTRL_ATTR_MCAST_GRP_NAME] = FIELD(NAME, struct mw_group, name, GROUP_NAME),
	[CTRL_ATTR_MCAST_GRP_ID] = FIELD(COPY, struct mw_group, id, GROUP_ID),
};

static enum mw_reason decode_groups(struct span in, struct mw_family *family)
{
	while (in.left > 0) {
		struct attribute group;
		uint64_t found = 0;
		enum mw_reason reason = next_attribute(&in, &group);

		if (reason != MW_OK)
			return reason;
		if (family->group_count == MW_GROUPS_MAX)
			return MW_GROUPS;
		reason = decode_attributes(group.payload, group_fields, COUNT_OF(group_fields),
		                           &family->groups[family->group_count], &found);
		if (reason != MW_OK)
			return reason;
		if (found != (GROUP_ID | GROUP_NAME))
			return MW_ATTRIBUTE_ABSENT;
		family->group_count++;
	}
	return MW_OK;
}

static enum mw_reason decode_control(struct span in, struct mw_message *message)
{
	struct mw_family *family = &message->body.family;
	struct control_attributes found = { 0 };
	uint64_t present = 0;
	enum mw_reason reason;

	if (message->flags & NLM_F_REQUEST)
		return MW_OK;
	if (message->command == CTRL_CMD_NEWFAMILY)
		message->kind = MW_FAMILY;
	else if (message->command == CTRL_CMD_DELFAMILY)
		message->kind = MW_FAMILY_DELETED;
	else
		return MW_OK;
	reason = decode_attributes(in, control_fields, COUNT_OF(control_fields), &found, &present);
	if (reason != MW_OK)
		return reason;
	if (present != (CONTROL_ID | CONTROL_NAME))
		return MW_ATTRIBUTE_ABSENT;
	memset(family, 0, sizeof(*family));
	family->id = found.id;
	memcpy(family->name, found.name, sizeof(family->name));
	return decode_groups(found.groups, family);
}

/* ---- the datagram --------------------------------------------------------------------------- */

static enum mw_reason decode_generic(struct span in, uint16_t family, struct mw_message *message)
{
	struct genlmsghdr header;

	if (message->type != GENL_ID_CTRL && (family == 0 || message->type != family))
		return MW_OK;
	if (!span_take_into(&in, &header, sizeof(header)))
		return MW_MESSAGE_PAYLOAD;
	message->command = header.cmd;
	return message->type == GENL_ID_CTRL ? decode_control(in, message)
	                                     : decode_nl80211(in, message);
}

/* DONE and ERROR begin with zero or a negative errno; a DONE may be empty. */
static enum mw_reason decode_errno(struct span in, struct mw_message *message)
{
	int32_t value = 0;

	message->kind = message->type == NLMSG_DONE ? MW_DONE : MW_ERROR;
	if (message->kind == MW_DONE && in.left == 0)
		return MW_OK;
	if (!span_take_into(&in, &value, sizeof(value)))
		return MW_MESSAGE_PAYLOAD;
	if (value > 0 || value < -MAX_ERRNO)
		return MW_VALUE;
	message->error = (uint32_t)-value;
	return MW_OK;
}

static enum mw_reason decode_payload(struct span in, uint16_t family, struct mw_message *message)
{
	switch (message->type) {
	case NLMSG_DONE:
	case NLMSG_ERROR:
		return decode_errno(in, message);
	case NLMSG_OVERRUN:
		message->kind = MW_OVERRUN;
		return MW_OK;
	default:
		return decode_generic(in, family, message);
	}
}

/* Decodes the first message of in; leaves in empty when there is no telling where the next is. */
static enum mw_reason decode_message(struct span *in, uint16_t family, struct mw_message *message)
{
	struct nlmsghdr header;
	struct span payload;

	if (!span_take_into(in, &header, sizeof(header))) {
		in->left = 0;
		return MW_MESSAGE_HEADER;
	}
	message->type = header.nlmsg_type;
	message->flags = header.nlmsg_flags;
	message->seq = header.nlmsg_seq;
	message->portid = header.nlmsg_pid;
	if (header.nlmsg_len < sizeof(header) ||
	    !span_take(in, header.nlmsg_len - sizeof(header), &payload)) {
		in->left = 0;
		return MW_MESSAGE_LENGTH;
	}
	span_align(in, header.nlmsg_len);
	return decode_payload(payload, family, message);
}

static void refuse(struct mw_message *message, enum mw_reason reason)
{
	message->kind = MW_MALFORMED;
	message->error = reason;
	message->ifindex = 0;
	message->has_address = 0;
	memset(message->address, 0, sizeof(message->address));
	memset(&message->body, 0, sizeof(message->body));
}

size_t mw_decode(const uint8_t *data, size_t size, size_t start, uint16_t family,
                 struct mw_message *records, size_t capacity)
{
	size_t count = 0;

	while (start < size && count < capacity) {
		struct span in = { data + start, size - start };
		struct mw_message message = { .kind = MW_OTHER };
		enum mw_reason reason = decode_message(&in, family, &message);

		if (reason != MW_OK)
			refuse(&message, reason);
		start = size - in.left;
		message.end = start;
		records[count++] = message;
	}
	return count;
}

const char *mw_reason_text(uint32_t reason)
{
	static const char *const texts[] = {
		[MW_OK] = "well-formed",
		[MW_MESSAGE_HEADER] = "message header cut short",
		[MW_MESSAGE_LENGTH] = "message length impossible",
		[MW_MESSAGE_PAYLOAD] = "message payload cut short",
		[MW_ATTRIBUTE_HEADER] = "attribute header cut short",
		[MW_ATTRIBUTE_LENGTH] = "attribute length impossible",
		[MW_ATTRIBUTE_SIZE] = "attribute payload of the wrong size",
		[MW_VALUE] = "value out of range",
		[MW_ATTRIBUTE_ABSENT] = "required attribute absent",
		[MW_GROUPS] = "too many multicast groups",
	};

	return reason < COUNT_OF(texts) ? texts[reason] : "unknown reason";
}
