/*
 * attributes.h - netlink attributes into C structs, through tables.
 *
 * A table says for an attribute's number what its payload looks like, where in a struct it
 * belongs and which bits tell that it was there.
 */
#ifndef MESHWATCH_ATTRIBUTES_H
#define MESHWATCH_ATTRIBUTES_H

#include "nl80211.h"
#include "span.h"

/* After something of size bytes: skips what aligns to four. The last padding may be missing. */
void span_align(struct span *in, size_t size);

struct attribute {
	uint16_t number;
	struct span payload;
};

/* Takes the first attribute of in. */
enum mw_reason next_attribute(struct span *in, struct attribute *attribute);

enum form {
	SKIP,     /* not of interest: the zero of a hole in a table */
	COPY,     /* size bytes, stored as they are */
	FALLBACK, /* a 32-bit counter for a 64-bit place, unless the 64-bit counter was there */
	NAME,     /* text of up to size - 1 bytes, with or without a final 0 */
	NEST,     /* attributes: their struct span is stored, for a decode_attributes() of its own */
	CONSTANT  /* no payload: value is stored, in a uint16_t place, or with size 0 nowhere */
};

struct field {
	uint8_t form;
	uint8_t size;
	uint16_t offset;
	uint16_t value;
	uint64_t present; /* bits to set */
};

#define FIELD(form, type, member, bits)                                                           \
	{ form, sizeof(((type *)0)->member), offsetof(type, member), 0, bits }
#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

/*
 * Decodes all of in into record as table[0, count) says, and adds the bits of what was there to
 * *present. Numbers beyond the table are skipped, of two attributes with one number the last one
 * counts. record is half written when this does not return MW_OK.
 */
enum mw_reason decode_attributes(struct span in, const struct field *table, size_t count,
                                 void *record, uint64_t *present);

#endif
