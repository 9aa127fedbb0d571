/*
 * test_corpus.c - recorded datagrams, whole, cut at every length, and with every byte changed.
 *
 * Every datagram lies in memory of exactly its size, so that a sanitizer or valgrind sees a
 * single byte read too many.
 */
#include "check.h"
#include "nl80211.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { FAMILY = 32, RECORDS = 64, DATAGRAM_SIZE = 65536 };

static struct mw_message whole[RECORDS];
static struct mw_message records[RECORDS];

static size_t body_size(const struct mw_message *message)
{
	switch (message->kind) {
	case MW_STATION:
	case MW_STATION_DELETED:
		return sizeof(message->body.station);
	case MW_MPATH:
	case MW_MPP:
		return sizeof(message->body.path);
	case MW_CANDIDATE:
		return sizeof(message->body.candidate);
	case MW_INTERFACE:
	case MW_INTERFACE_DELETED:
	case MW_SCAN:
		return sizeof(message->body.interface);
	case MW_FAMILY:
	case MW_FAMILY_DELETED:
		return sizeof(message->body.family);
	default:
		return 0;
	}
}

static int same(const struct mw_message *a, const struct mw_message *b)
{
	return a->kind == b->kind && a->type == b->type && a->seq == b->seq &&
	       a->command == b->command && a->ifindex == b->ifindex && a->error == b->error &&
	       a->end == b->end && !memcmp(a->address, b->address, sizeof(a->address)) &&
	       !memcmp(&a->body, &b->body, body_size(a));
}

/* What is true of any bytes; returns the number of records. */
static size_t decode_anything(const uint8_t *data, size_t size)
{
	size_t count = mw_decode(data, size, 0, FAMILY, records, RECORDS);
	uint64_t end = 0;

	CHECK(count > 0 || size == 0);
	for (size_t i = 0; i < count; i++) {
		CHECK((unsigned)records[i].kind <= MW_OTHER);
		CHECK(records[i].end > end && records[i].end <= size);
		end = records[i].end;
		CHECK(records[i].kind != MW_MALFORMED || records[i].error != MW_OK);
	}
	CHECK(count == RECORDS || end == size);
	return count;
}

static void test_cut(const uint8_t *data, size_t size, size_t whole_count)
{
	for (size_t length = 0; length < size; length++) {
		uint8_t *exact = malloc(length ? length : 1);
		size_t count;

		memcpy(exact, data, length);
		count = decode_anything(exact, length);
		for (size_t i = 0; i < count; i++) {
			if (whole[i].end <= length)
				CHECK(same(&records[i], &whole[i]));
			else if (i < whole_count && length + 3 < whole[i].end) /* not only padding */
				CHECK(records[i].kind == MW_MALFORMED);
		}
		free(exact);
	}
}

static void test_changed(uint8_t *data, size_t size)
{
	static const uint8_t values[] = { 0, 1, 3, 0x7f, 0x80, 0xff };

	for (size_t at = 0; at < size; at++) {
		uint8_t original = data[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			data[at] = values[i];
			decode_anything(data, size);
		}
		data[at] = original;
	}
}

/* Few records at a time give the same as many. */
static void test_resumed(const uint8_t *data, size_t size, size_t whole_count)
{
	uint64_t end = 0;
	size_t i = 0;

	while (mw_decode(data, size, (size_t)end, FAMILY, records, 1) == 1) {
		CHECK(i < whole_count && same(&records[0], &whole[i]));
		end = records[0].end;
		i++;
	}
	CHECK(i == whole_count && end == size);
}

static void test_file(const char *path)
{
	static uint8_t buffer[DATAGRAM_SIZE];
	FILE *file = fopen(path, "rb");
	size_t size, count;
	uint8_t *exact;

	if (!file) {
		perror(path);
		checks_failed++;
		return;
	}
	size = fread(buffer, 1, sizeof(buffer), file);
	fclose(file);
	exact = malloc(size);
	memcpy(exact, buffer, size);
	count = decode_anything(exact, size);
	memcpy(whole, records, sizeof(whole));
	for (size_t i = 0; i < count; i++)
		CHECK(whole[i].kind != MW_MALFORMED);
	test_cut(exact, size, count);
	test_changed(exact, size);
	test_resumed(exact, size, count);
	free(exact);
}

int main(int argc, char **argv)
{
	DIR *corpus = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry;
	char path[4096];
	int files = 0;

	if (!corpus) {
		fprintf(stderr, "usage: test_corpus DIRECTORY\n");
		return 2;
	}
	while ((entry = readdir(corpus))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		test_file(path);
		files++;
	}
	closedir(corpus);
	CHECK(files > 0);
	return CHECKED;
}
