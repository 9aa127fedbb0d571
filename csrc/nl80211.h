/*
 * nl80211.h - one generic netlink datagram in, fixed-size records out.
 *
 * Declarations only, in the C that cffi reads: the build strips the preprocessor lines and
 * gives the rest to cffi, so constants are enumerators and comments may stand anywhere.
 *
 * Numbers are in host byte order, as netlink's are; a datagram that was recorded on a machine
 * of the other byte order is out of scope.
 */
#ifndef MESHWATCH_NL80211_H
#define MESHWATCH_NL80211_H

#include <stddef.h>
#include <stdint.h>

enum {
	MW_ADDRESS_SIZE = 6,
	MW_NAME_SIZE = 16, /* IFNAMSIZ and GENL_NAMSIZ; the last byte is always 0 */
	MW_GROUPS_MAX = 16 /* nl80211 has seven */
};

/* What a message is. */
enum mw_kind {
	MW_STATION,           /* NEW_STATION: body.station */
	MW_STATION_DELETED,   /* DEL_STATION: body.station, its last statistics */
	MW_MPATH,             /* NEW_MPATH: body.path */
	MW_MPP,               /* answer to GET_MPP: body.path.next_hop is the proxy */
	MW_CANDIDATE,         /* NEW_PEER_CANDIDATE: body.candidate */
	MW_INTERFACE,         /* NEW_INTERFACE, SET_INTERFACE: body.interface */
	MW_INTERFACE_DELETED, /* DEL_INTERFACE: body.interface */
	MW_SCAN,              /* TRIGGER_SCAN, NEW_SCAN_RESULTS, SCAN_ABORTED: body.interface.wiphy */
	MW_FAMILY,            /* nlctrl NEWFAMILY: body.family */
	MW_FAMILY_DELETED,    /* nlctrl DELFAMILY: body.family */
	MW_REQUEST,           /* a program's message to nl80211: no body */
	MW_DONE,              /* end of a dump; error */
	MW_ERROR,             /* answer to a request; error, 0 = acknowledged */
	MW_OVERRUN,           /* NLMSG_OVERRUN: data was lost here */
	MW_MALFORMED,         /* error is a mw_reason */
	MW_OTHER              /* well-formed as far as looked at, of no interest */
};

/* Why a message is malformed. */
enum mw_reason {
	MW_OK,
	MW_MESSAGE_HEADER,   /* fewer bytes left than a netlink header has */
	MW_MESSAGE_LENGTH,   /* nlmsg_len below a header's size or past the end of the datagram */
	MW_MESSAGE_PAYLOAD,  /* too short for a generic netlink header or an errno */
	MW_ATTRIBUTE_HEADER, /* fewer bytes left than an attribute header has */
	MW_ATTRIBUTE_LENGTH, /* nla_len below a header's size or past the end */
	MW_ATTRIBUTE_SIZE,   /* payload of the wrong size for this attribute */
	MW_VALUE,            /* a bitrate or an errno out of range */
	MW_ATTRIBUTE_ABSENT, /* the command needs an attribute that is not there */
	MW_GROUPS            /* more multicast groups than MW_GROUPS_MAX */
};

/* Bits of mw_rate.flags. */
enum mw_rate_flag {
	MW_RATE_HT = 1,
	MW_RATE_VHT = 2,
	MW_RATE_HE = 4,
	MW_RATE_EHT = 8,
	MW_RATE_S1G = 16,
	MW_RATE_SHORT_GI = 32, /* 400 ns guard interval (HT, VHT) */
	MW_RATE_DCM = 64       /* dual carrier modulation (HE) */
};

/* enum nl80211_rate_info */
struct mw_rate {
	uint32_t kbps;
	uint8_t mcs; /* HT counts the streams in: nss = mcs / 8 + 1 */
	uint8_t nss; /* present for VHT and later */
	uint16_t width_mhz;
	uint16_t flags; /* enum mw_rate_flag */
};

/* Bit numbers of mw_station.present, in the order of the members. */
enum mw_station_field {
	MW_INACTIVE_MS,
	MW_CONNECTED_S,
	MW_RX_BYTES,
	MW_TX_BYTES,
	MW_RX_PACKETS,
	MW_TX_PACKETS,
	MW_TX_RETRIES,
	MW_TX_FAILED,
	MW_RX_DROP_MISC,
	MW_BEACON_RX,
	MW_BEACON_LOSS,
	MW_EXPECTED_THROUGHPUT_KBPS,
	MW_AIRTIME_METRIC,
	MW_AIRTIME_WEIGHT,
	MW_RX_DURATION_US,
	MW_TX_DURATION_US,
	MW_T_OFFSET_US,
	MW_ASSOC_AT_BOOTTIME_NS,
	MW_SIGNAL_DBM,
	MW_SIGNAL_AVG_DBM,
	MW_BEACON_SIGNAL_AVG_DBM,
	MW_ACK_SIGNAL_DBM,
	MW_ACK_SIGNAL_AVG_DBM,
	MW_PLINK,
	MW_LLID,
	MW_PLID,
	MW_LOCAL_PM,
	MW_PEER_PM,
	MW_NONPEER_PM,
	MW_CONNECTED_TO_GATE,
	MW_CONNECTED_TO_AS,
	MW_FLAGS_MASK,
	MW_FLAGS_SET,
	MW_TX_RATE_KBPS,
	MW_TX_RATE_MCS,
	MW_TX_RATE_NSS,
	MW_TX_RATE_WIDTH_MHZ,
	MW_TX_RATE_FLAGS,
	MW_RX_RATE_KBPS,
	MW_RX_RATE_MCS,
	MW_RX_RATE_NSS,
	MW_RX_RATE_WIDTH_MHZ,
	MW_RX_RATE_FLAGS,
	MW_GENERATION
};

/* enum nl80211_sta_info; a member has the size of its attribute, and is 0 when not present. */
struct mw_station {
	uint64_t present; /* 1 << enum mw_station_field */
	uint32_t inactive_ms;
	uint32_t connected_s;
	uint64_t rx_bytes; /* the 64-bit counters where the kernel sends them */
	uint64_t tx_bytes;
	uint32_t rx_packets;
	uint32_t tx_packets;
	uint32_t tx_retries;
	uint32_t tx_failed;
	uint64_t rx_drop_misc;
	uint64_t beacon_rx;
	uint32_t beacon_loss;
	uint32_t expected_throughput_kbps;
	uint32_t airtime_metric; /* of the link, 0.01 TU */
	uint16_t airtime_weight;
	uint64_t rx_duration_us;
	uint64_t tx_duration_us;
	int64_t t_offset_us;
	uint64_t assoc_at_boottime_ns;
	int8_t signal_dbm;
	int8_t signal_avg_dbm;
	int8_t beacon_signal_avg_dbm;
	int8_t ack_signal_dbm;
	int8_t ack_signal_avg_dbm;
	uint8_t plink; /* enum nl80211_plink_state */
	uint16_t llid;
	uint16_t plid;
	uint32_t local_pm; /* enum nl80211_mesh_power_mode */
	uint32_t peer_pm;
	uint32_t nonpeer_pm;
	uint8_t connected_to_gate;
	uint8_t connected_to_as;
	uint32_t flags_mask; /* struct nl80211_sta_flag_update: 1 << enum nl80211_sta_flags */
	uint32_t flags_set;
	struct mw_rate tx_rate;
	struct mw_rate rx_rate;
	uint32_t generation; /* of the interface's station list: grows at insertion and removal */
};

/* Bit numbers of mw_path.present, in the order of the members. */
enum mw_path_field {
	MW_PATH_FRAME_QLEN,
	MW_PATH_SN,
	MW_PATH_METRIC,
	MW_PATH_EXPIRY_MS,
	MW_PATH_DISCOVERY_TIMEOUT_MS,
	MW_PATH_CHANGES,
	MW_PATH_GENERATION,
	MW_PATH_FLAGS,
	MW_PATH_DISCOVERY_RETRIES,
	MW_PATH_HOP_COUNT
};

/* enum nl80211_mpath_info: the way to the message's address. */
struct mw_path {
	uint32_t present; /* 1 << enum mw_path_field */
	uint32_t frame_qlen;
	uint32_t sn;
	uint32_t metric;
	uint32_t expiry_ms;
	uint32_t discovery_timeout_ms;
	uint32_t changes;
	uint32_t generation;
	uint8_t flags; /* enum nl80211_mpath_flags */
	uint8_t discovery_retries;
	uint8_t hop_count;
	uint8_t next_hop[MW_ADDRESS_SIZE]; /* all zero: no next hop yet */
};

struct mw_candidate {
	int32_t signal_dbm;
	uint8_t has_signal;
};

struct mw_interface {
	uint64_t wdev;
	uint32_t iftype; /* enum nl80211_iftype */
	uint32_t wiphy;
	uint32_t frequency_mhz; /* 0: not on a channel */
	uint32_t generation;
	uint8_t use_4addr;
	char name[MW_NAME_SIZE]; /* "": has no network device */
};

struct mw_group {
	uint32_t id;
	char name[MW_NAME_SIZE];
};

struct mw_family {
	uint16_t id;
	uint16_t group_count;
	char name[MW_NAME_SIZE];
	struct mw_group groups[MW_GROUPS_MAX];
};

/* One netlink message. Only the member of body that goes with kind means anything. */
struct mw_message {
	uint64_t end; /* offset in the datagram at which the next message starts */
	enum mw_kind kind;
	uint16_t type;
	uint16_t flags;
	uint32_t seq;
	uint32_t portid;
	uint32_t error;   /* MW_DONE, MW_ERROR: positive errno; MW_MALFORMED: enum mw_reason */
	uint32_t ifindex; /* 0: absent */
	uint8_t command;
	uint8_t has_address;
	uint8_t address[MW_ADDRESS_SIZE];
	union {
		struct mw_station station;
		struct mw_path path;
		struct mw_candidate candidate;
		struct mw_interface interface;
		struct mw_family family;
	} body;
};

/*
 * Decodes the messages of a NETLINK_GENERIC datagram from offset start on, in order, until the
 * datagram ends or capacity records are written. Returns the number of records; when that is
 * capacity and the last record's end is below size, there is more: call again from there.
 *
 * family is nl80211's number, 0 while unknown. A malformed message gives one MW_MALFORMED
 * record and decoding goes on behind it, unless its length itself cannot be trusted.
 * Reads nothing outside data[0, size); writes nothing but the records it returns.
 */
size_t mw_decode(const uint8_t *data, size_t size, size_t start, uint16_t family,
                 struct mw_message *records, size_t capacity);

/* A short English text for an enum mw_reason; never NULL. */
const char *mw_reason_text(uint32_t reason);

#endif
