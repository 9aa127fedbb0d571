/* writer.h - writes netlink messages for the tests. */
#ifndef MESHWATCH_WRITER_H
#define MESHWATCH_WRITER_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FAMILY = 32, WRITER_SIZE = 4096 };

struct writer {
	uint8_t bytes[WRITER_SIZE];
	size_t size;
	size_t message; /* where the current message starts */
};

static inline void write_bytes(struct writer *w, const void *bytes, size_t size)
{
	memcpy(w->bytes + w->size, bytes, size);
	w->size += size;
}

static inline void write_padding(struct writer *w)
{
	while (w->size % 4)
		w->bytes[w->size++] = 0;
}

/* The current message ends where the datagram now ends. */
static inline void end_message(struct writer *w)
{
	uint32_t length = (uint32_t)(w->size - w->message);

	memcpy(w->bytes + w->message, &length, sizeof(length));
	write_padding(w);
}

static inline void begin_message(struct writer *w, uint16_t type, uint16_t flags)
{
	struct nlmsghdr header = { .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = 7,
		                   .nlmsg_pid = 9 };

	w->message = w->size;
	write_bytes(w, &header, sizeof(header));
}

static inline void begin_generic(struct writer *w, uint16_t type, uint16_t flags, uint8_t command)
{
	struct genlmsghdr header = { .cmd = command, .version = 1 };

	begin_message(w, type, flags);
	write_bytes(w, &header, sizeof(header));
}

static inline void write_attribute(struct writer *w, uint16_t number, const void *payload,
                                   size_t size)
{
	struct nlattr header = { .nla_len = (uint16_t)(sizeof(header) + size), .nla_type = number };

	write_bytes(w, &header, sizeof(header));
	write_bytes(w, payload, size);
	write_padding(w);
}

static inline void write_u32(struct writer *w, uint16_t number, uint32_t value)
{
	write_attribute(w, number, &value, sizeof(value));
}

/* Begins a nest; end_nest() wants what this returns. */
static inline size_t begin_nest(struct writer *w, uint16_t number)
{
	size_t start = w->size;

	write_attribute(w, number, "", 0);
	return start;
}

static inline void end_nest(struct writer *w, size_t start)
{
	uint16_t length = (uint16_t)(w->size - start);

	memcpy(w->bytes + start, &length, sizeof(length));
}

#endif
