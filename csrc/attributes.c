/* attributes.c - see attributes.h. */
#include "attributes.h"

#include <linux/netlink.h>
#include <string.h>

void span_align(struct span *in, size_t size)
{
	struct span padding;

	if (!span_take(in, -size & 3, &padding))
		in->left = 0;
}

enum mw_reason next_attribute(struct span *in, struct attribute *attribute)
{
	struct nlattr header;

	if (!span_take_into(in, &header, sizeof(header)))
		return MW_ATTRIBUTE_HEADER;
	if (header.nla_len < sizeof(header) ||
	    !span_take(in, header.nla_len - sizeof(header), &attribute->payload))
		return MW_ATTRIBUTE_LENGTH;
	span_align(in, header.nla_len);
	attribute->number = header.nla_type & (uint16_t)NLA_TYPE_MASK;
	return MW_OK;
}

static enum mw_reason decode_name(struct span payload, uint8_t *to, size_t size)
{
	const uint8_t *end = memchr(payload.at, 0, payload.left);
	size_t length = end ? (size_t)(end - payload.at) : payload.left;

	if (length >= size)
		return MW_ATTRIBUTE_SIZE;
	memset(to, 0, size);
	return span_take_into(&payload, to, length) ? MW_OK : MW_ATTRIBUTE_SIZE;
}

static enum mw_reason decode_field(const struct field *field, struct span payload, uint8_t *to,
                                   uint64_t present)
{
	uint32_t counter32;
	uint64_t counter64;

	switch ((enum form)field->form) {
	case SKIP:
		break;
	case COPY:
		if (payload.left != field->size || !span_take_into(&payload, to, field->size))
			return MW_ATTRIBUTE_SIZE;
		break;
	case FALLBACK:
		if (payload.left != sizeof(counter32) ||
		    !span_take_into(&payload, &counter32, sizeof(counter32)))
			return MW_ATTRIBUTE_SIZE;
		counter64 = counter32;
		if (!(present & field->present))
			memcpy(to, &counter64, sizeof(counter64));
		break;
	case NAME:
		return decode_name(payload, to, field->size);
	case NEST:
		memcpy(to, &payload, sizeof(payload));
		break;
	case CONSTANT:
		if (payload.left != 0)
			return MW_ATTRIBUTE_SIZE;
		memcpy(to, &field->value, field->size);
		break;
	}
	return MW_OK;
}

enum mw_reason decode_attributes(struct span in, const struct field *table, size_t count,
                                 void *record, uint64_t *present)
{
	while (in.left > 0) {
		struct attribute attribute;
		enum mw_reason reason = next_attribute(&in, &attribute);

		if (reason != MW_OK)
			return reason;
		if (attribute.number >= count)
			continue;
		const struct field *field = &table[attribute.number];
		reason = decode_field(field, attribute.payload, (uint8_t *)record + field->offset,
		                      *present);
		if (reason != MW_OK)
			return reason;
		*present |= field->present;
	}
	return MW_OK;
}
