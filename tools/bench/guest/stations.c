/* Prints every change of a station's peer link as the kernel's own station dump shows it.
 *
 * Runs in the guest: `stations INTERVAL_MS INTERFACE...`. A line is CLOCK_MONOTONIC in seconds
 * before and after the dump that showed the change, the interface, the address, and the new state
 * (`ESTAB`, `LISTEN`, ..., `GONE`). It shares no code with meshwatch: a bench that measured the
 * product with the product's own decoder would find nothing. It is written in C because whatever
 * it takes of an emulated processor is missing to those who are measured.
 */

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/nl80211.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STATIONS_MAX 256

struct station {
	uint8_t address[6];
	uint8_t state;
	uint8_t seen;
};

struct mesh {
	const char *name;
	size_t count;
	struct station stations[STATIONS_MAX];
};

struct request {
	struct nlmsghdr head;
	struct genlmsghdr command;
	struct nlattr attribute;
	char value[16];
};

static const char *const STATES[] = {"LISTEN", "OPN_SNT", "OPN_RCVD", "CNF_RCVD",
				     "ESTAB",  "HOLDING", "BLOCKED"};
enum { GONE = 254, NONE = 255 };

static int netlink;
static uint32_t sequence;
static uint16_t family;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The value of an attribute, of at least so many bytes, or NULL. */
static const uint8_t *find(const uint8_t *data, size_t size, uint16_t type, size_t least,
			   size_t *length)
{
	while (size >= sizeof(struct nlattr)) {
		struct nlattr head;
		size_t taken;

		memcpy(&head, data, sizeof(head));
		if (head.nla_len < sizeof(head) || head.nla_len > size)
			return NULL;
		if ((head.nla_type & NLA_TYPE_MASK) == type &&
		    head.nla_len - sizeof(head) >= least) {
			*length = head.nla_len - sizeof(head);
			return data + sizeof(head);
		}
		taken = (size_t)NLA_ALIGN(head.nla_len);
		if (taken >= size)
			return NULL;
		data += taken;
		size -= taken;
	}
	return NULL;
}

static void ask(uint16_t type, uint16_t flags, uint8_t command, uint16_t attribute,
		const void *value, size_t size)
{
	struct request request = {0};

	request.attribute.nla_len = (uint16_t)(sizeof(request.attribute) + size);
	request.attribute.nla_type = attribute;
	memcpy(request.value, value, size);
	request.command.cmd = command;
	request.head.nlmsg_type = type;
	request.head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	request.head.nlmsg_seq = ++sequence;
	request.head.nlmsg_len =
	    (uint32_t)(offsetof(struct request, value) + NLA_ALIGN(size));
	if (send(netlink, &request, request.head.nlmsg_len, 0) < 0)
		fail("send");
}

/* Have every message of the answer handled. */
static void answers(void (*handle)(const uint8_t *data, size_t size, void *to), void *to,
		    int one)
{
	static union {
		struct nlmsghdr aligned;
		uint8_t bytes[1 << 16];
	} buffer;

	for (;;) {
		ssize_t got = recv(netlink, &buffer, sizeof(buffer), 0);
		int left = (int)got;

		if (got < 0)
			fail("recv");
		for (struct nlmsghdr *head = &buffer.aligned; NLMSG_OK(head, left);
		     head = NLMSG_NEXT(head, left)) {
			if (head->nlmsg_seq != sequence)
				continue;
			if (head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR)
				return;
			if (head->nlmsg_len > NLMSG_LENGTH(GENL_HDRLEN))
				handle((uint8_t *)NLMSG_DATA(head) + GENL_HDRLEN,
				       head->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN), to);
			if (one)
				return;
		}
	}
}

static void take_family(const uint8_t *data, size_t size, void *to)
{
	size_t length;
	const uint8_t *id = find(data, size, CTRL_ATTR_FAMILY_ID, sizeof(family), &length);

	if (id)
		memcpy(to, id, sizeof(family));
}

static void take_station(const uint8_t *data, size_t size, void *to)
{
	struct mesh *mesh = to;
	size_t length, unused;
	const uint8_t *address = find(data, size, NL80211_ATTR_MAC, 6, &unused);
	const uint8_t *info = find(data, size, NL80211_ATTR_STA_INFO, 0, &length);
	const uint8_t *plink = NULL;
	struct station *station = mesh->stations;
	struct station *end = mesh->stations + mesh->count;

	if (!address)
		return;
	if (info)
		plink = find(info, length, NL80211_STA_INFO_PLINK_STATE, 1, &unused);
	while (station < end && memcmp(station->address, address, 6))
		station++;
	if (station == end) {
		if (mesh->count == STATIONS_MAX)
			return;
		mesh->count++;
		memcpy(station->address, address, 6);
		station->state = GONE;
	}
	station->seen = plink ? *plink : NONE;
}

static const char *word(uint8_t state)
{
	if (state == GONE)
		return "GONE";
	return state < sizeof(STATES) / sizeof(*STATES) ? STATES[state] : "NONE";
}

static void look(struct mesh *mesh)
{
	double before = now_s(), after;
	uint32_t ifindex = if_nametoindex(mesh->name);

	for (size_t i = 0; i < mesh->count; i++)
		mesh->stations[i].seen = GONE;
	if (ifindex) {
		ask(family, NLM_F_DUMP, NL80211_CMD_GET_STATION, NL80211_ATTR_IFINDEX, &ifindex,
		    sizeof(ifindex));
		answers(take_station, mesh, 0);
	}
	after = now_s();
	for (size_t i = 0; i < mesh->count; i++) {
		struct station *station = &mesh->stations[i];
		const uint8_t *a = station->address;

		if (station->seen != station->state)
			printf("%.6f %.6f %s %02x:%02x:%02x:%02x:%02x:%02x %s\n", before, after,
			       mesh->name, a[0], a[1], a[2], a[3], a[4], a[5],
			       word(station->seen));
		station->state = station->seen;
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct mesh meshes[16];
	int count = argc - 2;
	useconds_t interval_us;

	if (count < 1 || count > 16) {
		fprintf(stderr, "usage: stations INTERVAL_MS INTERFACE...\n");
		return 2;
	}
	interval_us = (useconds_t)atoi(argv[1]) * 1000;
	netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	if (netlink < 0)
		fail("socket");
	ask(GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, NL80211_GENL_NAME,
	    sizeof(NL80211_GENL_NAME));
	answers(take_family, &family, 1);
	for (int i = 0; i < count; i++)
		meshes[i].name = argv[2 + i];
	for (;;) {
		for (int i = 0; i < count; i++)
			look(&meshes[i]);
		usleep(interval_us);
	}
}
