/* test_nl80211.c - every attribute, every refusal, on messages written for the purpose. */
#include "check.h"
#include "nl80211.h"
#include "numbers.h"
#include "writer.h"

#define BIT(n) (UINT64_C(1) << (n))

static const uint8_t peer[MW_ADDRESS_SIZE] = { 0x42, 0, 0, 0, 1, 0 };
static const uint8_t hop[MW_ADDRESS_SIZE] = { 0x42, 0, 0, 0, 2, 0 };

/* The only message of a datagram. */
static struct mw_message decode_one(const struct writer *w)
{
	struct mw_message records[2];
	size_t count = mw_decode(w->bytes, w->size, 0, FAMILY, records, 2);

	CHECK(count == 1);
	CHECK(records[0].end == w->size);
	return records[0];
}

static void add_event(struct writer *w, uint8_t command)
{
	begin_generic(w, FAMILY, 0, command);
	write_u32(w, ATTR_IFINDEX, 5);
	write_attribute(w, ATTR_MAC, peer, sizeof(peer));
}

/* A new datagram, and in it an event. */
static void begin_event(struct writer *w, uint8_t command)
{
	w->size = 0;
	add_event(w, command);
}

/* A NEW_STATION whose STA_INFO holds one attribute. */
static struct mw_message station_with(uint16_t number, const void *payload, size_t size)
{
	struct writer w = { .size = 0 };
	size_t info;

	begin_event(&w, CMD_NEW_STATION);
	info = begin_nest(&w, ATTR_STA_INFO);
	write_attribute(&w, number, payload, size);
	end_nest(&w, info);
	end_message(&w);
	return decode_one(&w);
}

/* ---- stations ------------------------------------------------------------------------------- */

#define PLACE(member) offsetof(struct mw_station, member), sizeof(((struct mw_station *)0)->member)

static const struct {
	uint16_t number;
	uint8_t size; /* of the attribute */
	size_t offset, place;
	unsigned bit;
} station_attributes[] = {
	{ STA_INFO_INACTIVE_TIME, 4, PLACE(inactive_ms), MW_INACTIVE_MS },
	{ STA_INFO_CONNECTED_TIME, 4, PLACE(connected_s), MW_CONNECTED_S },
	{ STA_INFO_RX_BYTES, 4, PLACE(rx_bytes), MW_RX_BYTES },
	{ STA_INFO_RX_BYTES64, 8, PLACE(rx_bytes), MW_RX_BYTES },
	{ STA_INFO_TX_BYTES, 4, PLACE(tx_bytes), MW_TX_BYTES },
	{ STA_INFO_TX_BYTES64, 8, PLACE(tx_bytes), MW_TX_BYTES },
	{ STA_INFO_RX_PACKETS, 4, PLACE(rx_packets), MW_RX_PACKETS },
	{ STA_INFO_TX_PACKETS, 4, PLACE(tx_packets), MW_TX_PACKETS },
	{ STA_INFO_TX_RETRIES, 4, PLACE(tx_retries), MW_TX_RETRIES },
	{ STA_INFO_TX_FAILED, 4, PLACE(tx_failed), MW_TX_FAILED },
	{ STA_INFO_RX_DROP_MISC, 8, PLACE(rx_drop_misc), MW_RX_DROP_MISC },
	{ STA_INFO_BEACON_RX, 8, PLACE(beacon_rx), MW_BEACON_RX },
	{ STA_INFO_BEACON_LOSS, 4, PLACE(beacon_loss), MW_BEACON_LOSS },
	{ STA_INFO_EXPECTED_THROUGHPUT, 4, PLACE(expected_throughput_kbps),
	  MW_EXPECTED_THROUGHPUT_KBPS },
	{ STA_INFO_AIRTIME_LINK_METRIC, 4, PLACE(airtime_metric), MW_AIRTIME_METRIC },
	{ STA_INFO_AIRTIME_WEIGHT, 2, PLACE(airtime_weight), MW_AIRTIME_WEIGHT },
	{ STA_INFO_RX_DURATION, 8, PLACE(rx_duration_us), MW_RX_DURATION_US },
	{ STA_INFO_TX_DURATION, 8, PLACE(tx_duration_us), MW_TX_DURATION_US },
	{ STA_INFO_T_OFFSET, 8, PLACE(t_offset_us), MW_T_OFFSET_US },
	{ STA_INFO_ASSOC_AT_BOOTTIME, 8, PLACE(assoc_at_boottime_ns), MW_ASSOC_AT_BOOTTIME_NS },
	{ STA_INFO_SIGNAL, 1, PLACE(signal_dbm), MW_SIGNAL_DBM },
	{ STA_INFO_SIGNAL_AVG, 1, PLACE(signal_avg_dbm), MW_SIGNAL_AVG_DBM },
	{ STA_INFO_BEACON_SIGNAL_AVG, 1, PLACE(beacon_signal_avg_dbm), MW_BEACON_SIGNAL_AVG_DBM },
	{ STA_INFO_ACK_SIGNAL, 1, PLACE(ack_signal_dbm), MW_ACK_SIGNAL_DBM },
	{ STA_INFO_ACK_SIGNAL_AVG, 1, PLACE(ack_signal_avg_dbm), MW_ACK_SIGNAL_AVG_DBM },
	{ STA_INFO_PLINK_STATE, 1, PLACE(plink), MW_PLINK },
	{ STA_INFO_LLID, 2, PLACE(llid), MW_LLID },
	{ STA_INFO_PLID, 2, PLACE(plid), MW_PLID },
	{ STA_INFO_LOCAL_PM, 4, PLACE(local_pm), MW_LOCAL_PM },
	{ STA_INFO_PEER_PM, 4, PLACE(peer_pm), MW_PEER_PM },
	{ STA_INFO_NONPEER_PM, 4, PLACE(nonpeer_pm), MW_NONPEER_PM },
	{ STA_INFO_CONNECTED_TO_GATE, 1, PLACE(connected_to_gate), MW_CONNECTED_TO_GATE },
	{ STA_INFO_CONNECTED_TO_AS, 1, PLACE(connected_to_as), MW_CONNECTED_TO_AS },
};

static void test_each_station_attribute(void)
{
	static const uint8_t value[16] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	for (size_t i = 0; i < sizeof(station_attributes) / sizeof(station_attributes[0]); i++) {
		uint16_t number = station_attributes[i].number;
		size_t size = station_attributes[i].size;
		size_t offset = station_attributes[i].offset;
		struct mw_message m = station_with(number, value, size);
		struct mw_station expected = { .present = BIT(station_attributes[i].bit) };

		CHECK(m.kind == MW_STATION);
		memcpy((uint8_t *)&expected + offset, value, size); /* little-endian where widened */
		CHECK(!memcmp(&m.body.station, &expected, sizeof(expected)));
		CHECK(station_attributes[i].place == size || station_attributes[i].place == 8);

		for (size_t wrong = 0; wrong <= sizeof(value); wrong++) {
			m = station_with(number, value, wrong);
			CHECK(wrong == size ||
			      (m.kind == MW_MALFORMED && m.error == MW_ATTRIBUTE_SIZE));
		}
	}
}

static void test_station_header(void)
{
	struct writer w = { .size = 0 };
	struct mw_message m;

	begin_event(&w, CMD_NEW_STATION);
	write_u32(&w, ATTR_GENERATION, 77);
	write_attribute(&w, 999, "unknown", 7);
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_STATION);
	CHECK(m.type == FAMILY && m.flags == 0 && m.seq == 7 && m.portid == 9);
	CHECK(m.command == CMD_NEW_STATION && m.error == 0 && m.ifindex == 5);
	CHECK(m.has_address && !memcmp(m.address, peer, sizeof(peer)));
	CHECK(m.body.station.present == BIT(MW_GENERATION) && m.body.station.generation == 77);

	begin_event(&w, CMD_DEL_STATION);
	end_message(&w);
	CHECK(decode_one(&w).kind == MW_STATION_DELETED);

	w.size = 0;
	begin_generic(&w, FAMILY, 0, CMD_NEW_STATION);
	write_u32(&w, ATTR_IFINDEX, 5);
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_MALFORMED && m.error == MW_ATTRIBUTE_ABSENT);
	CHECK(m.ifindex == 0 && !m.has_address && m.seq == 7);
}

static void test_64_bit_counters_win(void)
{
	const uint32_t narrow = 7;
	const uint64_t wide = UINT64_C(1) << 40;

	for (int order = 0; order < 2; order++) {
		struct writer w = { .size = 0 };
		struct mw_message m;
		size_t info;

		begin_event(&w, CMD_NEW_STATION);
		info = begin_nest(&w, ATTR_STA_INFO | NLA_F_NESTED);
		if (order)
			write_attribute(&w, STA_INFO_RX_BYTES64, &wide, sizeof(wide));
		write_attribute(&w, STA_INFO_RX_BYTES, &narrow, sizeof(narrow));
		if (!order)
			write_attribute(&w, STA_INFO_RX_BYTES64, &wide, sizeof(wide));
		end_nest(&w, info);
		end_message(&w);
		m = decode_one(&w);
		CHECK(m.kind == MW_STATION && m.body.station.rx_bytes == wide);
	}
}

static void test_station_flags(void)
{
	static const uint32_t mask_and_set[2] = { 0xfe, 0xaa };
	struct mw_message m = station_with(STA_INFO_STA_FLAGS, mask_and_set, sizeof(mask_and_set));

	CHECK(m.body.station.present == (BIT(MW_FLAGS_MASK) | BIT(MW_FLAGS_SET)));
	CHECK(m.body.station.flags_mask == 0xfe && m.body.station.flags_set == 0xaa);
}

/* ---- bitrates ------------------------------------------------------------------------------- */

enum { KBPS = 1, MCS = 2, NSS = 4, WIDTH_MHZ = 8, FLAGS = 16 }; /* present >> MW_TX_RATE_KBPS */

static const struct {
	const char *attributes; /* number, size, payload; number, size, payload; ... */
	size_t size;
	unsigned present;
	struct mw_rate rate;
} rates[] = {
#define BYTES(text) text, sizeof(text) - 1
	{ BYTES(""), WIDTH_MHZ | FLAGS, { 0, 0, 0, 20, 0 } },
	{ BYTES("\x01\x02\x0a\x00"), KBPS | WIDTH_MHZ | FLAGS, { 1000, 0, 0, 20, 0 } },
	{ BYTES("\x05\x04\x00\x00\x01\x00\x01\x02\x0a\x00"), KBPS | WIDTH_MHZ | FLAGS,
	  { 6553600, 0, 0, 20, 0 } },
	{ BYTES("\x02\x01\x0f\x03\x00\x04\x00"), MCS | WIDTH_MHZ | FLAGS,
	  { 0, 15, 0, 40, MW_RATE_HT | MW_RATE_SHORT_GI } },
	{ BYTES("\x06\x01\x09\x07\x01\x02\x08\x00"), MCS | NSS | WIDTH_MHZ | FLAGS,
	  { 0, 9, 2, 80, MW_RATE_VHT } },
	{ BYTES("\x0d\x01\x0b\x0e\x01\x02\x10\x01\x01\x0a\x00\x0f\x01\x02"),
	  MCS | NSS | WIDTH_MHZ | FLAGS, { 0, 11, 2, 160, MW_RATE_HE | MW_RATE_DCM } },
	{ BYTES("\x0d\x01\x0b\x0e\x01\x02\x10\x01\x00\x11\x01\x02"), MCS | NSS | FLAGS,
	  { 0, 11, 2, 0, MW_RATE_HE } }, /* a resource unit is not a width */
	{ BYTES("\x13\x01\x0d\x14\x01\x04\x12\x00"), MCS | NSS | WIDTH_MHZ | FLAGS,
	  { 0, 13, 4, 320, MW_RATE_EHT } },
	{ BYTES("\x17\x01\x07\x18\x01\x01\x1c\x00"), MCS | NSS | WIDTH_MHZ | FLAGS,
	  { 0, 7, 1, 8, MW_RATE_S1G } },
	{ BYTES("\x0b\x00"), WIDTH_MHZ | FLAGS, { 0, 0, 0, 10, 0 } },
};

static struct mw_message station_with_rate(const char *attributes, size_t size)
{
	struct writer w = { .size = 0 };
	size_t info, rate;

	begin_event(&w, CMD_NEW_STATION);
	info = begin_nest(&w, ATTR_STA_INFO);
	for (uint16_t number = STA_INFO_TX_BITRATE; number <= STA_INFO_RX_BITRATE;
	     number += STA_INFO_RX_BITRATE - STA_INFO_TX_BITRATE) {
		rate = begin_nest(&w, number);
		for (size_t i = 0; i < size; i += 2U + (uint8_t)attributes[i + 1])
			write_attribute(&w, (uint8_t)attributes[i], attributes + i + 2,
			                (uint8_t)attributes[i + 1]);
		end_nest(&w, rate);
	}
	end_nest(&w, info);
	end_message(&w);
	return decode_one(&w);
}

static int same_rate(const struct mw_rate *a, const struct mw_rate *b)
{
	return a->kbps == b->kbps && a->mcs == b->mcs && a->nss == b->nss &&
	       a->width_mhz == b->width_mhz && a->flags == b->flags;
}

static void test_rates(void)
{
	struct mw_message m;

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		m = station_with_rate(rates[i].attributes, rates[i].size);
		CHECK(m.kind == MW_STATION);
		CHECK(same_rate(&m.body.station.tx_rate, &rates[i].rate));
		CHECK(same_rate(&m.body.station.rx_rate, &rates[i].rate));
		CHECK(m.body.station.present == ((uint64_t)rates[i].present << MW_TX_RATE_KBPS |
		                                 (uint64_t)rates[i].present << MW_RX_RATE_KBPS));
	}
	m = station_with_rate(BYTES("\x05\x04\xff\xff\xff\xff"));
	CHECK(m.kind == MW_MALFORMED && m.error == MW_VALUE);
	m = station_with_rate(BYTES("\x04\x01\x01"));
	CHECK(m.kind == MW_MALFORMED && m.error == MW_ATTRIBUTE_SIZE);
}

/* ---- paths, candidates, interfaces ---------------------------------------------------------- */

static void begin_path(struct writer *w, uint8_t command)
{
	begin_event(w, command);
	write_attribute(w, ATTR_MPATH_NEXT_HOP, hop, sizeof(hop));
	write_u32(w, ATTR_GENERATION, 3);
}

static void test_paths(uint8_t command)
{
	struct writer w = { .size = 0 };
	struct mw_message m;
	size_t info;

	begin_path(&w, command);
	info = begin_nest(&w, ATTR_MPATH_INFO);
	write_u32(&w, MPATH_INFO_FRAME_QLEN, 11);
	write_u32(&w, MPATH_INFO_SN, 12);
	write_u32(&w, MPATH_INFO_METRIC, 13);
	write_u32(&w, MPATH_INFO_EXPTIME, 14);
	write_attribute(&w, MPATH_INFO_FLAGS, "\x15", 1);
	write_u32(&w, MPATH_INFO_DISCOVERY_TIMEOUT, 16);
	write_attribute(&w, MPATH_INFO_DISCOVERY_RETRIES, "\x17", 1);
	write_attribute(&w, MPATH_INFO_HOP_COUNT, "\x18", 1);
	write_u32(&w, MPATH_INFO_PATH_CHANGE, 19);
	end_nest(&w, info);
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_MPATH && m.body.path.present == 0x3ff);
	CHECK(m.body.path.frame_qlen == 11 && m.body.path.sn == 12 && m.body.path.metric == 13);
	CHECK(m.body.path.expiry_ms == 14 && m.body.path.flags == 0x15);
	CHECK(m.body.path.discovery_timeout_ms == 16 && m.body.path.discovery_retries == 0x17);
	CHECK(m.body.path.hop_count == 0x18 && m.body.path.changes == 19);
	CHECK(m.body.path.generation == 3 && !memcmp(m.body.path.next_hop, hop, sizeof(hop)));

	begin_path(&w, command);
	end_nest(&w, begin_nest(&w, ATTR_MPATH_INFO));
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_MPP && !memcmp(m.body.path.next_hop, hop, sizeof(hop)));

	begin_event(&w, command);
	end_nest(&w, begin_nest(&w, ATTR_MPATH_INFO));
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_MALFORMED && m.error == MW_ATTRIBUTE_ABSENT);

	begin_path(&w, CMD_NEW_MPATH);
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_MALFORMED && m.error == MW_ATTRIBUTE_ABSENT);
}

static void test_candidates(void)
{
	const int32_t signal_dbm = -30;
	struct writer w = { .size = 0 };
	struct mw_message m;

	begin_event(&w, CMD_NEW_PEER_CANDIDATE);
	write_attribute(&w, ATTR_RX_SIGNAL_DBM, &signal_dbm, sizeof(signal_dbm));
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_CANDIDATE);
	CHECK(m.body.candidate.has_signal && m.body.candidate.signal_dbm == -30);

	begin_event(&w, CMD_NEW_PEER_CANDIDATE);
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_CANDIDATE && !m.body.candidate.has_signal);
}

static void test_interfaces(void)
{
	static const struct {
		const char *name;
		size_t size;
		const char *expected; /* NULL: refused */
	} names[] = {
		{ BYTES("mesh0\0"), "mesh0" },
		{ BYTES("mesh0"), "mesh0" },
		{ BYTES(""), "" },
		{ BYTES("fifteen-letters\0"), "fifteen-letters" },
		{ BYTES("sixteen-letters!\0"), NULL },
		{ BYTES("sixteen-letters!"), NULL },
	};
	const uint64_t wdev = 0x100000001;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct writer w = { .size = 0 };
		struct mw_message m;

		begin_event(&w, CMD_NEW_INTERFACE);
		write_attribute(&w, ATTR_IFNAME, names[i].name, names[i].size);
		write_u32(&w, ATTR_IFTYPE, 7);
		write_u32(&w, ATTR_WIPHY, 1);
		write_u32(&w, ATTR_WIPHY_FREQ, 2412);
		write_attribute(&w, ATTR_WDEV, &wdev, sizeof(wdev));
		write_attribute(&w, ATTR_4ADDR, "\x01", 1);
		write_u32(&w, ATTR_GENERATION, 4);
		end_message(&w);
		m = decode_one(&w);
		if (!names[i].expected) {
			CHECK(m.kind == MW_MALFORMED && m.error == MW_ATTRIBUTE_SIZE);
			continue;
		}
		CHECK(m.kind == MW_INTERFACE && !strcmp(m.body.interface.name, names[i].expected));
		CHECK(m.body.interface.iftype == 7 && m.body.interface.wiphy == 1);
		CHECK(m.body.interface.frequency_mhz == 2412 && m.body.interface.wdev == wdev);
		CHECK(m.body.interface.use_4addr == 1 && m.body.interface.generation == 4);
	}
}

/* A radio scans for any interface of its own, also for one without a network device. */
static void test_scans(void)
{
	static const uint8_t commands[] = { CMD_TRIGGER_SCAN, CMD_NEW_SCAN_RESULTS, CMD_SCAN_ABORTED };

	for (size_t i = 0; i < sizeof(commands); i++) {
		struct writer w = { .size = 0 };
		struct mw_message m;

		begin_generic(&w, FAMILY, 0, commands[i]);
		write_u32(&w, ATTR_WIPHY, 3);
		end_message(&w);
		m = decode_one(&w);
		CHECK(m.kind == MW_SCAN && m.command == commands[i]);
		CHECK(m.body.interface.wiphy == 3 && m.ifindex == 0);
		begin_event(&w, commands[i]);
		end_message(&w);
		CHECK(decode_one(&w).kind == MW_OTHER);
	}
}

/* ---- the family controller ------------------------------------------------------------------ */

static struct mw_message family_with_groups(uint8_t command, unsigned groups)
{
	const uint16_t id = FAMILY;
	struct writer w = { .size = 0 };
	size_t list, group;

	begin_generic(&w, GENL_ID_CTRL, 0, command);
	write_attribute(&w, CTRL_ATTR_FAMILY_NAME, "nl80211", sizeof("nl80211"));
	write_attribute(&w, CTRL_ATTR_FAMILY_ID, &id, sizeof(id));
	list = begin_nest(&w, CTRL_ATTR_MCAST_GROUPS);
	for (unsigned i = 0; i < groups; i++) {
		group = begin_nest(&w, (uint16_t)(i + 1));
		write_u32(&w, CTRL_ATTR_MCAST_GRP_ID, 100 + i);
		write_attribute(&w, CTRL_ATTR_MCAST_GRP_NAME, "mlme", sizeof("mlme"));
		end_nest(&w, group);
	}
	end_nest(&w, list);
	end_message(&w);
	return decode_one(&w);
}

static void test_malformed_families(void)
{
	static const struct {
		const char *group;
		size_t size;
		enum mw_reason reason;
	} groups[] = {
		{ BYTES("\x04\0"), MW_ATTRIBUTE_HEADER },
		{ BYTES("\xff\0\x02\0"), MW_ATTRIBUTE_LENGTH },
		{ BYTES("\x05\0\x02\0\x01\0\0\0"), MW_ATTRIBUTE_SIZE }, /* an id of one byte */
		{ BYTES("\x08\0\x02\0\x01\0\0\0"), MW_ATTRIBUTE_ABSENT }, /* no name */
	};
	struct writer w = { .size = 0 };
	struct mw_message m;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		size_t list;

		w.size = 0;
		begin_generic(&w, GENL_ID_CTRL, 0, CTRL_CMD_NEWFAMILY);
		write_attribute(&w, CTRL_ATTR_FAMILY_NAME, "nl80211", sizeof("nl80211"));
		write_attribute(&w, CTRL_ATTR_FAMILY_ID, "\x20", 2);
		list = begin_nest(&w, CTRL_ATTR_MCAST_GROUPS);
		write_attribute(&w, 1, groups[i].group, groups[i].size);
		end_nest(&w, list);
		end_message(&w);
		m = decode_one(&w);
		CHECK(m.kind == MW_MALFORMED && m.error == groups[i].reason);
	}
	w.size = 0;
	begin_generic(&w, GENL_ID_CTRL, 0, CTRL_CMD_NEWFAMILY);
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_MALFORMED && m.error == MW_ATTRIBUTE_ABSENT);

	w.size = 0;
	begin_message(&w, GENL_ID_CTRL, 0);
	write_bytes(&w, "\x01\x02", 2);
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_MALFORMED && m.error == MW_MESSAGE_PAYLOAD);
}

static void test_families(void)
{
	struct mw_message m = family_with_groups(CTRL_CMD_NEWFAMILY, MW_GROUPS_MAX);

	CHECK(m.kind == MW_FAMILY && m.body.family.id == FAMILY);
	CHECK(!strcmp(m.body.family.name, "nl80211"));
	CHECK(m.body.family.group_count == MW_GROUPS_MAX);
	CHECK(m.body.family.groups[15].id == 115);
	CHECK(!strcmp(m.body.family.groups[15].name, "mlme"));

	m = family_with_groups(CTRL_CMD_NEWFAMILY, MW_GROUPS_MAX + 1);
	CHECK(m.kind == MW_MALFORMED && m.error == MW_GROUPS);
	CHECK(family_with_groups(CTRL_CMD_DELFAMILY, 0).kind == MW_FAMILY_DELETED);
	CHECK(family_with_groups(CTRL_CMD_NEWOPS, 0).kind == MW_OTHER);
}

/* ---- netlink itself ------------------------------------------------------------------------- */

static struct mw_message with_errno(uint16_t type, int32_t value, size_t size)
{
	struct writer w = { .size = 0 };

	begin_message(&w, type, NLM_F_MULTI);
	write_bytes(&w, &value, size);
	end_message(&w);
	return decode_one(&w);
}

static void test_errnos(void)
{
	struct mw_message m = with_errno(NLMSG_ERROR, -19, 4);

	CHECK(m.kind == MW_ERROR && m.error == 19 && m.flags == NLM_F_MULTI);
	m = with_errno(NLMSG_DONE, -4, 4);
	CHECK(m.kind == MW_DONE && m.error == 4);
	m = with_errno(NLMSG_DONE, 0, 0);
	CHECK(m.kind == MW_DONE && m.error == 0);
	m = with_errno(NLMSG_ERROR, 0, 0);
	CHECK(m.kind == MW_MALFORMED && m.error == MW_MESSAGE_PAYLOAD);
	m = with_errno(NLMSG_ERROR, 1, 4);
	CHECK(m.kind == MW_MALFORMED && m.error == MW_VALUE);
	m = with_errno(NLMSG_ERROR, INT32_MIN, 4);
	CHECK(m.kind == MW_MALFORMED && m.error == MW_VALUE);
	CHECK(with_errno(NLMSG_OVERRUN, 0, 0).kind == MW_OVERRUN);
	CHECK(with_errno(NLMSG_NOOP, 0, 0).kind == MW_OTHER);
}

static void test_requests(void)
{
	struct writer w = { .size = 0 };
	struct mw_message m;

	begin_generic(&w, FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 17);
	write_u32(&w, ATTR_IFINDEX, 8);
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_REQUEST && m.command == 17 && m.ifindex == 8 && !m.has_address);

	w.size = 0;
	begin_generic(&w, GENL_ID_CTRL, NLM_F_REQUEST, CTRL_CMD_GETFAMILY);
	end_message(&w);
	CHECK(decode_one(&w).kind == MW_OTHER);
}

static void test_unknown_family(void)
{
	struct mw_message m;
	struct writer w = { .size = 0 };

	begin_event(&w, CMD_NEW_STATION);
	end_message(&w);
	CHECK(mw_decode(w.bytes, w.size, 0, 0, &m, 1) == 1 && m.kind == MW_OTHER);
	CHECK(mw_decode(w.bytes, w.size, 0, FAMILY + 1, &m, 1) == 1 && m.kind == MW_OTHER);
}

/* A malformed message costs itself and nothing behind it; an impossible length costs the rest. */
static void test_going_on(void)
{
	struct mw_message m[4];
	struct writer w = { .size = 0 };
	size_t second;
	uint32_t length;

	begin_generic(&w, FAMILY, 0, CMD_NEW_STATION);
	write_u32(&w, ATTR_MAC, 1); /* four bytes are no address */
	end_message(&w);
	second = w.size;
	add_event(&w, CMD_DEL_STATION);
	end_message(&w);
	CHECK(mw_decode(w.bytes, w.size, 0, FAMILY, m, 4) == 2);
	CHECK(m[0].kind == MW_MALFORMED && m[0].error == MW_ATTRIBUTE_SIZE);
	CHECK(m[0].end == second && m[1].kind == MW_STATION_DELETED && m[1].end == w.size);

	write_bytes(&w, "\0\0\0", 3);
	CHECK(mw_decode(w.bytes, w.size, 0, FAMILY, m, 4) == 3);
	CHECK(m[2].kind == MW_MALFORMED && m[2].error == MW_MESSAGE_HEADER);

	for (length = 0; length < sizeof(struct nlmsghdr); length++) {
		memcpy(w.bytes, &length, sizeof(length));
		CHECK(mw_decode(w.bytes, w.size, 0, FAMILY, m, 4) == 1);
		CHECK(m[0].kind == MW_MALFORMED && m[0].error == MW_MESSAGE_LENGTH);
		CHECK(m[0].end == w.size);
	}
	length = UINT32_MAX;
	memcpy(w.bytes, &length, sizeof(length));
	CHECK(mw_decode(w.bytes, w.size, 0, FAMILY, m, 4) == 1);
	CHECK(m[0].kind == MW_MALFORMED && m[0].error == MW_MESSAGE_LENGTH);

	CHECK(mw_decode(w.bytes, 0, 0, FAMILY, m, 4) == 0);
	CHECK(mw_decode(w.bytes, w.size, w.size + 1, FAMILY, m, 4) == 0);
	CHECK(mw_decode(NULL, 0, 0, FAMILY, m, 4) == 0);
}

static void test_attribute_lengths(void)
{
	struct writer w = { .size = 0 };
	struct mw_message m;
	size_t attribute;

	for (uint16_t length = 0; length < 32; length++) {
		begin_event(&w, CMD_NEW_STATION);
		attribute = begin_nest(&w, 999);
		write_bytes(&w, "abcdefgh", 8);
		memcpy(w.bytes + attribute, &length, sizeof(length));
		end_message(&w);
		m = decode_one(&w);
		if (length < 4 || length > 12)
			CHECK(m.kind == MW_MALFORMED && m.error == MW_ATTRIBUTE_LENGTH);
		else if (length > 8) /* the last attribute needs no padding */
			CHECK(m.kind == MW_STATION);
	}
	begin_event(&w, CMD_NEW_STATION);
	write_bytes(&w, "\x04", 1);
	end_message(&w);
	m = decode_one(&w);
	CHECK(m.kind == MW_MALFORMED && m.error == MW_ATTRIBUTE_HEADER);
}

static void test_reason_texts(void)
{
	for (uint32_t reason = MW_OK; reason <= MW_GROUPS; reason++)
		CHECK(strcmp(mw_reason_text(reason), "unknown reason"));
	CHECK(!strcmp(mw_reason_text(MW_GROUPS + 1), "unknown reason"));
	CHECK(!strcmp(mw_reason_text(UINT32_MAX), "unknown reason"));
}

int main(void)
{
	test_each_station_attribute();
	test_station_header();
	test_64_bit_counters_win();
	test_station_flags();
	test_rates();
	test_paths(CMD_NEW_MPATH);
	test_paths(CMD_NEW_STATION);
	test_candidates();
	test_interfaces();
	test_scans();
	test_families();
	test_malformed_families();
	test_errnos();
	test_requests();
	test_unknown_family();
	test_going_on();
	test_attribute_lengths();
	test_reason_texts();
	return CHECKED;
}
