/*
 * span.h - bytes not yet read: the only place where a length is compared with what is left.
 */
#ifndef MESHWATCH_SPAN_H
#define MESHWATCH_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes not yet read. */
struct span {
	const uint8_t *at;
	size_t left;
};

/* Cuts the first size bytes off in; false, and nothing done, when there are not that many. */
static inline bool span_take(struct span *in, size_t size, struct span *out)
{
	if (size > in->left)
		return false;
	out->at = in->at;
	out->left = size;
	in->at += size;
	in->left -= size;
	return true;
}

/* Moves the first size bytes of in to an object of that size; what is received is not aligned. */
static inline bool span_take_into(struct span *in, void *to, size_t size)
{
	struct span bytes;

	if (!span_take(in, size, &bytes))
		return false;
	memcpy(to, bytes.at, size);
	return true;
}

/* Cuts the last size bytes off; false, and nothing done, when there are not that many. */
static inline bool span_drop(struct span *in, size_t size)
{
	if (size > in->left)
		return false;
	in->left -= size;
	return true;
}

/* The bytes as one number, at most eight of them; the air's byte order, not the machine's. */
static inline uint64_t span_little_endian(struct span bytes)
{
	uint64_t value = 0;

	for (size_t i = bytes.left; i > 0; i--)
		value = value << 8 | bytes.at[i - 1];
	return value;
}

static inline bool span_take_u16(struct span *in, uint16_t *value)
{
	struct span bytes;

	if (!span_take(in, sizeof(*value), &bytes))
		return false;
	*value = (uint16_t)span_little_endian(bytes);
	return true;
}

static inline bool span_take_u32(struct span *in, uint32_t *value)
{
	struct span bytes;

	if (!span_take(in, sizeof(*value), &bytes))
		return false;
	*value = (uint32_t)span_little_endian(bytes);
	return true;
}

#endif
