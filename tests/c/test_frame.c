/*
 * test_frame.c - radiotap headers, elements and frames written for the purpose, and those of
 * frames/: recorded (named after the kernel) and made, whole, cut at every length, and with every
 * byte changed, in memory of exactly their size.
 */
#include "check.h"
#include "frame.h"
#include "writer.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>

#define BIT(n) (UINT32_C(1) << (n))
#define BYTES(text) text, sizeof(text) - 1
#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

enum { CLOSE = 3, CONFIRM = 2, OPEN = 1, FRAME_SIZE = 4096, UNTOUCHED = 0xa5 };
enum { SIGNAL = 5, RADIOTAP_NS = 29, VENDOR_NS = 30, EXTENDED = 31 }; /* bits of presence words */

static const uint8_t peer[MW_ADDRESS_SIZE] = { 0x42, 0, 0, 0, 1, 0 };
static const uint8_t own[MW_ADDRESS_SIZE] = { 0x42, 0, 0, 0, 0, 0 };

static struct mw_frame frame; /* of the last decode() */

/* Decodes a copy that has no byte too many, into something that must stay when it fails. */
static enum mw_frame_reason decode_bytes(const uint8_t *bytes, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);
	enum mw_frame_reason reason;
	const uint8_t *out = (const uint8_t *)&frame;

	memcpy(exact, bytes, size);
	memset(&frame, UNTOUCHED, sizeof(frame));
	reason = mw_frame_decode(exact, size, &frame);
	if (reason != MW_FRAME_OK) {
		for (size_t i = 0; i < sizeof(frame); i++)
			CHECK(out[i] == UNTOUCHED);
		CHECK(reason <= MW_FRAME_ELEMENT_ABSENT);
	} else {
		CHECK((unsigned)frame.kind <= MW_FRAME_STATUS);
		CHECK(frame.present < BIT(MW_HAS_REASON + 1));
	}
	free(exact);
	return reason;
}

static enum mw_frame_reason decode(const struct writer *w)
{
	return decode_bytes(w->bytes, w->size);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void write_word(struct writer *w, uint32_t word)
{
	const uint8_t bytes[] = { (uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16),
		                  (uint8_t)(word >> 24) };

	write_bytes(w, bytes, sizeof(bytes));
}

static void begin_radiotap(struct writer *w, uint32_t present)
{
	w->size = 0;
	write_bytes(w, "\0\0\0\0", 4);
	write_word(w, present);
}

static void end_radiotap(struct writer *w)
{
	w->bytes[2] = (uint8_t)w->size;
	w->bytes[3] = (uint8_t)(w->size >> 8);
}

static void begin_frame(struct writer *w, const char *control)
{
	write_bytes(w, control, 2);
	write_bytes(w, "\0\0", 2);
	write_bytes(w, own, sizeof(own));
	write_bytes(w, peer, sizeof(peer));
	write_bytes(w, peer, sizeof(peer));
	write_bytes(w, "\x10\0", 2); /* sequence number 1, fragment 0 */
}

/* A radiotap header without a field, and a frame of this kind. */
static void begin(struct writer *w, const char *control)
{
	begin_radiotap(w, 0);
	end_radiotap(w);
	begin_frame(w, control);
}

static void begin_beacon(struct writer *w)
{
	begin(w, "\x80\0");
	write_bytes(w, "timestam\xe8\x03\x10\0", 12);
}

static void write_element(struct writer *w, uint8_t id, const void *payload, size_t size)
{
	const uint8_t header[] = { id, (uint8_t)size };

	write_bytes(w, header, sizeof(header));
	write_bytes(w, payload, size);
}

static void write_mesh(struct writer *w)
{
	write_element(w, 114, BYTES("testmesh"));
	write_element(w, 113, BYTES("\1\2\3\4\5\6\7"));
}

static void begin_peering(struct writer *w, uint8_t action)
{
	begin(w, "\xd0\0");
	write_bytes(w, "\x0f", 1);
	write_bytes(w, &action, 1);
	write_bytes(w, "\0\0\1\0", action == OPEN ? 2 : action == CONFIRM ? 4 : 0);
}

/* A mesh beacon behind the radiotap header that was begun. */
static enum mw_frame_reason decode_with_beacon(struct writer *w)
{
	end_radiotap(w);
	begin_frame(w, "\x80\0");
	write_bytes(w, "timestam\xe8\x03\0\0", 12);
	write_mesh(w);
	return decode(w);
}

/* ---- radiotap ------------------------------------------------------------------------------- */

/* What include/net/ieee80211_radiotap.h and radiotap.org say of each field. */
static const struct {
	unsigned bit, align, size;
} radiotap_fields[] = {
	{ 0, 8, 8 },   { 1, 1, 1 },   { 2, 1, 1 },  { 3, 2, 4 },  { 4, 2, 2 },  { 5, 1, 1 },
	{ 6, 1, 1 },   { 7, 2, 2 },   { 8, 2, 2 },  { 9, 2, 2 },  { 10, 1, 1 }, { 11, 1, 1 },
	{ 12, 1, 1 },  { 13, 1, 1 },  { 14, 2, 2 }, { 15, 2, 2 }, { 16, 1, 1 }, { 17, 1, 1 },
	{ 18, 4, 8 },  { 19, 1, 3 },  { 20, 4, 8 }, { 21, 2, 12 }, { 22, 8, 12 }, { 23, 2, 12 },
	{ 24, 2, 12 }, { 25, 2, 6 },  { 26, 1, 1 }, { 27, 2, 4 },
};

/* A rate, then the field, then a signal, each in a namespace of its own. */
static void test_each_radiotap_field(void)
{
	for (size_t i = 0; i < COUNT_OF(radiotap_fields); i++) {
		struct writer w;

		if (radiotap_fields[i].bit == SIGNAL)
			continue;
		begin_radiotap(&w, BIT(2) | BIT(RADIOTAP_NS) | BIT(EXTENDED));
		write_word(&w, BIT(radiotap_fields[i].bit) | BIT(RADIOTAP_NS) | BIT(EXTENDED));
		write_word(&w, BIT(SIGNAL));
		write_bytes(&w, "\2", 1);
		while (w.size % radiotap_fields[i].align)
			write_bytes(&w, "\xee", 1);
		for (unsigned n = 0; n < radiotap_fields[i].size; n++)
			write_bytes(&w, "\x05", 1);
		write_bytes(&w, "\xe2", 1);
		CHECK(decode_with_beacon(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_BEACON);
		CHECK(frame.present & BIT(MW_HAS_SIGNAL) && frame.signal_dbm == -30);
	}
}

static void test_radiotap_values(void)
{
	struct writer w;

	begin_radiotap(&w, BIT(0) | BIT(1) | BIT(5) | BIT(15) | BIT(17));
	write_bytes(&w, "\1\2\3\4\5\6\7\x08", 8); /* TSFT */
	write_bytes(&w, "\0\xd5", 2);             /* flags, signal */
	write_bytes(&w, "\1\2", 2);               /* tx flags */
	write_bytes(&w, "\7", 1);                 /* retries */
	CHECK(decode_with_beacon(&w) == MW_FRAME_OK);
	CHECK(frame.tsft_us == UINT64_C(0x0807060504030201) && frame.signal_dbm == -43);
	CHECK(frame.tx_flags == 0x0201 && frame.retries == 7);
	CHECK(frame.present == (BIT(MW_HAS_TSFT) | BIT(MW_HAS_SIGNAL) | BIT(MW_HAS_TX_FLAGS) |
	                        BIT(MW_HAS_RETRIES) | BIT(MW_HAS_MESH_ID) |
	                        BIT(MW_HAS_CONFIGURATION)));
	begin_radiotap(&w, 0);
	CHECK(decode_with_beacon(&w) == MW_FRAME_OK);
	CHECK(frame.present == (BIT(MW_HAS_MESH_ID) | BIT(MW_HAS_CONFIGURATION)));
}

/* As mac80211 tells of each antenna: the signal of all, then antenna by antenna. */
static void test_first_antenna(void)
{
	struct writer w;

	begin_radiotap(&w, BIT(SIGNAL) | BIT(RADIOTAP_NS) | BIT(EXTENDED));
	write_word(&w, BIT(SIGNAL) | BIT(11) | BIT(RADIOTAP_NS) | BIT(EXTENDED));
	write_word(&w, BIT(SIGNAL) | BIT(11));
	write_bytes(&w, "\xe2\xd0\0\xc0\1", 5);
	CHECK(decode_with_beacon(&w) == MW_FRAME_OK && frame.signal_dbm == -30);
}

static void test_vendor_namespaces(void)
{
	struct writer w;

	begin_radiotap(&w, BIT(2) | BIT(VENDOR_NS) | BIT(EXTENDED));
	write_word(&w, BIT(17) | BIT(EXTENDED)); /* not retries, but the vendor's */
	write_word(&w, BIT(0) | BIT(RADIOTAP_NS) | BIT(EXTENDED));
	write_word(&w, BIT(SIGNAL));
	write_bytes(&w, "\2\0", 2); /* rate, padding */
	write_bytes(&w, "\0\1\2\0\3\0abc", 9);
	write_bytes(&w, "\xe2", 1);
	CHECK(decode_with_beacon(&w) == MW_FRAME_OK && frame.signal_dbm == -30);
	CHECK(!(frame.present & BIT(MW_HAS_TSFT)));

	begin_radiotap(&w, BIT(VENDOR_NS) | BIT(EXTENDED));
	write_word(&w, BIT(VENDOR_NS) | BIT(EXTENDED)); /* two vendors */
	write_word(&w, 0);
	write_bytes(&w, "\0\1\2\0\1\0a\0\0\1\2\0\0\0", 14);
	CHECK(decode_with_beacon(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_BEACON);
	w.bytes[20] = 9; /* bytes of the first vendor: more than there are */
	CHECK(decode(&w) == MW_FRAME_RADIOTAP);
}

static void test_unknown_radiotap_fields(void)
{
	struct writer w;

	begin_radiotap(&w, BIT(SIGNAL) | BIT(28) | BIT(RADIOTAP_NS) | BIT(EXTENDED)); /* TLVs */
	write_word(&w, BIT(15));
	write_bytes(&w, "\xe2\0\0\0\x20\0\0\0", 8);
	CHECK(decode_with_beacon(&w) == MW_FRAME_OK);
	CHECK(frame.signal_dbm == -30 && !(frame.present & BIT(MW_HAS_TX_FLAGS)));

	begin_radiotap(&w, BIT(1) | BIT(EXTENDED)); /* bit 32 + 15 is not bit 15 */
	write_word(&w, BIT(15));
	write_bytes(&w, "\0", 1);
	CHECK(decode_with_beacon(&w) == MW_FRAME_OK);
	CHECK(!(frame.present & BIT(MW_HAS_TX_FLAGS)));
}

static void test_malformed_radiotap(void)
{
	struct writer w;

	begin_radiotap(&w, BIT(SIGNAL));
	CHECK(decode_with_beacon(&w) == MW_FRAME_RADIOTAP); /* a signal, but no byte of it */
	begin_radiotap(&w, BIT(EXTENDED));
	CHECK(decode_with_beacon(&w) == MW_FRAME_RADIOTAP);
	begin_radiotap(&w, 0);
	w.bytes[0] = 1;
	CHECK(decode_with_beacon(&w) == MW_FRAME_RADIOTAP);
	begin_radiotap(&w, 0);
	CHECK(decode_with_beacon(&w) == MW_FRAME_OK);
	for (uint8_t length = 0; length < 8; length++) {
		w.bytes[2] = length;
		CHECK(decode(&w) == MW_FRAME_RADIOTAP);
	}
	w.bytes[3] = 0xff;
	CHECK(decode(&w) == MW_FRAME_RADIOTAP);
	CHECK(mw_frame_decode(NULL, 0, &frame) == MW_FRAME_RADIOTAP);
}

static void test_checksums(void)
{
	struct writer w;

	begin_radiotap(&w, BIT(1));
	write_bytes(&w, "\x10", 1);
	decode_with_beacon(&w);
	write_bytes(&w, "\1\3\3\4", 4); /* would be an element cut short */
	CHECK(decode(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_BEACON);
	w.bytes[8] = 0;
	CHECK(decode(&w) == MW_FRAME_ELEMENT);
	w.bytes[8] = 0x50;
	CHECK(decode(&w) == MW_FRAME_CHECKSUM);
	w.bytes[8] = 0x10;
	for (size_t left = 0; left < 4; left++)
		CHECK(decode_bytes(w.bytes, 9 + left) == MW_FRAME_SHORT);
}

/* ---- beacons -------------------------------------------------------------------------------- */

static void test_beacons(void)
{
	struct writer w;

	begin_beacon(&w);
	write_element(&w, 0, "", 0);
	write_mesh(&w);
	write_element(&w, 221, BYTES("vendor"));
	CHECK(decode(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_BEACON);
	CHECK(frame.interval_tu == 1000 && frame.capability == 0x10);
	CHECK(frame.mesh_id_size == 8 && !memcmp(frame.mesh_id, "testmesh\0", 9));
	CHECK(!memcmp(&frame.configuration, "\1\2\3\4\5\6\7", 7));
	CHECK(!memcmp(frame.transmitter, peer, sizeof(peer)));
	CHECK(!memcmp(frame.receiver, own, sizeof(own)));
	CHECK(frame.action == 0 && frame.llid == 0 && frame.plid == 0 && frame.reason == 0);
}

static void test_foreign_beacons(void)
{
	struct writer w;

	begin_beacon(&w);
	CHECK(decode(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_FOREIGN);
	write_element(&w, 114, BYTES("testmesh"));
	CHECK(decode(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_FOREIGN);
	begin_beacon(&w);
	write_element(&w, 113, BYTES("\1\2\3\4\5\6\7"));
	CHECK(decode(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_FOREIGN);
}

static void test_element_sizes(void)
{
	static const uint8_t bytes[255];

	for (size_t size = 0; size <= sizeof(bytes); size++) {
		struct writer w;

		begin_beacon(&w);
		write_element(&w, 114, bytes, size);
		write_element(&w, 113, bytes, 7);
		CHECK(decode(&w) == (size <= 32 ? MW_FRAME_OK : MW_FRAME_ELEMENT_SIZE));
		CHECK(size > 32 || (frame.kind == MW_FRAME_BEACON && frame.mesh_id_size == size));

		begin_beacon(&w);
		write_element(&w, 113, bytes, size);
		CHECK(decode(&w) == (size >= 7 ? MW_FRAME_OK : MW_FRAME_ELEMENT_SIZE));
	}
}

static void test_a_longer_configuration(void)
{
	struct writer w;

	begin_beacon(&w);
	write_element(&w, 113, BYTES("\1\2\3\4\5\6\7\xff\xff"));
	write_element(&w, 114, BYTES("testmesh"));
	CHECK(decode(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_BEACON);
	CHECK(!memcmp(&frame.configuration, "\1\2\3\4\5\6\7", 7));
	CHECK(frame.mesh_id_size == 8 && !memcmp(frame.mesh_id, "testmesh\0", 9));
}

static void test_first_element_counts(void)
{
	struct writer w;

	begin_beacon(&w);
	write_mesh(&w);
	write_element(&w, 114, BYTES("another"));
	write_element(&w, 113, BYTES("\7\7\7\7\7\7\7"));
	CHECK(decode(&w) == MW_FRAME_OK && !memcmp(frame.mesh_id, "testmesh\0", 9));
	CHECK(frame.configuration.path_protocol == 1 && frame.mesh_id_size == 8);

	begin_peering(&w, OPEN);
	write_element(&w, 117, BYTES("\0\0\1\2"));
	write_element(&w, 117, BYTES("\0\0\3\4"));
	CHECK(decode(&w) == MW_FRAME_OK && frame.llid == 0x0201);
}

static void test_malformed_beacons(void)
{
	struct writer w;

	begin_beacon(&w);
	write_mesh(&w);
	write_bytes(&w, "\x01", 1);
	CHECK(decode(&w) == MW_FRAME_ELEMENT);
	write_bytes(&w, "\x01", 1);
	CHECK(decode(&w) == MW_FRAME_ELEMENT);
	write_bytes(&w, "\x01", 1);
	CHECK(decode(&w) == MW_FRAME_OK);
	w.bytes[8 + 24 + 8] = 0; /* the beacon interval */
	w.bytes[8 + 24 + 9] = 0;
	CHECK(decode(&w) == MW_FRAME_INTERVAL);

	begin_beacon(&w);
	write_mesh(&w);
	w.bytes[8 + 10] |= 1;
	CHECK(decode(&w) == MW_FRAME_TRANSMITTER);
	memset(w.bytes + 8 + 10, 0, MW_ADDRESS_SIZE);
	CHECK(decode(&w) == MW_FRAME_TRANSMITTER);
	w.bytes[8 + 15] = 1;
	CHECK(decode(&w) == MW_FRAME_OK);
}

/* ---- peering frames ------------------------------------------------------------------------- */

static void test_peering_management(void)
{
	static const uint8_t bytes[32] = { 0, 0, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06 };

	for (uint8_t action = OPEN; action <= CLOSE; action++) {
		for (size_t size = 0; size <= sizeof(bytes); size++) {
			size_t ids = size >= 16 ? size - 16 : size; /* without PMKID */
			bool right = action == OPEN ? ids == 4 : action == CONFIRM ? ids == 6 :
			                                         ids == 6 || ids == 8;
			struct writer w;

			begin_peering(&w, action);
			write_mesh(&w);
			write_element(&w, 117, bytes, size);
			CHECK(decode(&w) == (right ? MW_FRAME_OK : MW_FRAME_ELEMENT_SIZE));
			if (!right)
				continue;
			CHECK(frame.kind == MW_FRAME_PEERING && frame.action == action);
			CHECK(frame.present & BIT(MW_HAS_LLID) && frame.llid == 0x0201);
			CHECK(!!(frame.present & BIT(MW_HAS_PLID)) == (action == CONFIRM || ids == 8));
			CHECK(!!(frame.present & BIT(MW_HAS_REASON)) == (action == CLOSE));
			if (frame.present & BIT(MW_HAS_PLID))
				CHECK(frame.plid == 0x0403);
			if (action == CLOSE)
				CHECK(frame.reason == (ids == 8 ? 0x0605 : 0x0403));
			CHECK(frame.mesh_id_size == 8 && frame.configuration.capability == 7);
		}
	}
}

static void test_peering_frames(void)
{
	struct writer w;

	begin_peering(&w, OPEN);
	CHECK(decode(&w) == MW_FRAME_ELEMENT_ABSENT);
	write_element(&w, 117, BYTES("\0\0\1\2"));
	CHECK(decode(&w) == MW_FRAME_OK);
	CHECK(!(frame.present & (BIT(MW_HAS_MESH_ID) | BIT(MW_HAS_CONFIGURATION))));
	CHECK(!memcmp(frame.transmitter, peer, sizeof(peer)));
	CHECK(!memcmp(frame.receiver, own, sizeof(own)));
	write_bytes(&w, "\x8c\x10sixteen bytes ..\xff\xff\xff", 21); /* MIC, then ciphertext */
	CHECK(decode(&w) == MW_FRAME_OK);
	begin_beacon(&w);
	write_mesh(&w);
	write_bytes(&w, "\x8c\0\xff\xff\xff", 5); /* in a beacon nothing is encrypted */
	CHECK(decode(&w) == MW_FRAME_ELEMENT);

	begin(&w, "\xd0\x80"); /* the bit of an HT Control field, which mac80211 does not look for */
	write_bytes(&w, "\x0f\3", 2);
	write_element(&w, 117, BYTES("\1\0\1\2\x34\0"));
	CHECK(decode(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_PEERING && frame.reason == 52);
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void test_status(void)
{
	static const struct {
		uint32_t present;
		enum mw_frame_kind kind;
	} headers[] = { { BIT(15), MW_FRAME_STATUS }, { BIT(14), MW_FRAME_OTHER } };

	for (size_t i = 0; i < COUNT_OF(headers); i++) {
		struct writer w;

		begin_radiotap(&w, headers[i].present);
		write_bytes(&w, "\1\0", 2);
		end_radiotap(&w);
		begin_frame(&w, "\xc8\0");
		CHECK(decode(&w) == MW_FRAME_SHORT);
		write_bytes(&w, "\0\0", 2);
		CHECK(decode(&w) == MW_FRAME_OK && frame.kind == headers[i].kind);
		CHECK(frame.tx_flags == (frame.kind == MW_FRAME_STATUS));
		CHECK(!memcmp(frame.receiver, own, sizeof(own)));
		CHECK(!memcmp(frame.transmitter, peer, sizeof(peer)));
	}
}

static void test_others(void)
{
	static const char *const actions[] = { "\x0f\0", "\x0f\x04", "\x0d\x01", "\x7f\x01" };
	static const char *const ends[] = { "\xd4\0", "\xb4\0", "\x48\0", "\x88\0", "\x81\0" };
	static const char *const closed[] = { "\xd0\x40", "\x80\x40", "\xc8\x40", "\xd0\x04" };
	struct writer w;

	for (size_t i = 0; i < COUNT_OF(actions); i++) { /* not of peering */
		begin(&w, "\xd0\0");
		write_bytes(&w, actions[i], 2);
		CHECK(decode(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_OTHER);
		w.size--;
		CHECK(decode(&w) == MW_FRAME_SHORT);
	}
	for (size_t i = 0; i < COUNT_OF(ends); i++) { /* whose header may be shorter */
		begin(&w, ends[i]);
		w.size = 8 + 2;
		CHECK(decode(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_OTHER);
		w.size--;
		CHECK(decode(&w) == MW_FRAME_SHORT);
	}
	for (size_t i = 0; i < COUNT_OF(closed); i++) { /* encrypted, or a part */
		begin(&w, closed[i]);
		CHECK(decode(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_OTHER);
	}
	begin(&w, "\xd0\0");
	w.bytes[8 + 22] |= 1; /* the second part */
	CHECK(decode(&w) == MW_FRAME_OK && frame.kind == MW_FRAME_OTHER);
}

/* ---- samples -------------------------------------------------------------------------------- */

static bool same(const struct mw_frame *a, const struct mw_frame *b)
{
	return !memcmp(a, b, offsetof(struct mw_frame, mesh_id) + sizeof(a->mesh_id));
}

/* What is cut is malformed, or nothing is missing that was looked at, or it looks less. */
static void test_cut(const uint8_t *data, size_t size)
{
	const struct mw_frame whole = frame;

	for (size_t length = 0; length < size; length++) {
		if (decode_bytes(data, length) == MW_FRAME_OK)
			CHECK(same(&frame, &whole) || frame.kind == MW_FRAME_FOREIGN);
	}
}

static void test_changed(uint8_t *data, size_t size)
{
	static const uint8_t values[] = { 0, 1, 3, 0x7f, 0x80, 0xff };

	for (size_t at = 0; at < size; at++) {
		uint8_t original = data[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			data[at] = values[i];
			decode_bytes(data, size);
		}
		data[at] = original;
	}
}

static void test_file(const char *path)
{
	uint8_t bytes[FRAME_SIZE];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		checks_failed++;
		return;
	}
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	CHECK(decode_bytes(bytes, size) == MW_FRAME_OK);
	test_cut(bytes, size);
	test_changed(bytes, size);
}

static void test_files(const char *directory)
{
	DIR *frames = opendir(directory);
	const struct dirent *entry;
	char path[4096];
	int files = 0;

	while (frames && (entry = readdir(frames))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		test_file(path);
		files++;
	}
	if (frames)
		closedir(frames);
	CHECK(files > 0);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: test_frame DIRECTORY\n");
		return 2;
	}
	test_each_radiotap_field();
	test_radiotap_values();
	test_first_antenna();
	test_vendor_namespaces();
	test_unknown_radiotap_fields();
	test_malformed_radiotap();
	test_checksums();
	test_beacons();
	test_foreign_beacons();
	test_element_sizes();
	test_a_longer_configuration();
	test_first_element_counts();
	test_malformed_beacons();
	test_peering_management();
	test_peering_frames();
	test_status();
	test_others();
	test_files(argv[1]);
	return CHECKED;
}
