/* radiotap.c - see radiotap.h. */
#include "radiotap.h"

#define BIT(n) (UINT32_C(1) << (n))
#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

/* Where a field lies depends on those before it, so the sizes of all must be known. */
static const struct {
	uint8_t align, size;
} fields[] = {
	{ 8, 8 },  /* TSFT */
	{ 1, 1 },  /* flags */
	{ 1, 1 },  /* rate */
	{ 2, 4 },  /* channel */
	{ 2, 2 },  /* FHSS */
	{ 1, 1 },  /* dBm antenna signal */
	{ 1, 1 },  /* dBm antenna noise */
	{ 2, 2 },  /* lock quality */
	{ 2, 2 },  /* tx attenuation */
	{ 2, 2 },  /* dB tx attenuation */
	{ 1, 1 },  /* dBm tx power */
	{ 1, 1 },  /* antenna */
	{ 1, 1 },  /* dB antenna signal */
	{ 1, 1 },  /* dB antenna noise */
	{ 2, 2 },  /* rx flags */
	{ 2, 2 },  /* tx flags */
	{ 1, 1 },  /* RTS retries */
	{ 1, 1 },  /* data retries */
	{ 4, 8 },  /* extended channel */
	{ 1, 3 },  /* MCS */
	{ 4, 8 },  /* A-MPDU */
	{ 2, 12 }, /* VHT */
	{ 8, 12 }, /* timestamp */
	{ 2, 12 }, /* HE */
	{ 2, 12 }, /* HE-MU */
	{ 2, 6 },  /* HE-MU, other user */
	{ 1, 1 },  /* PSDU of length 0 */
	{ 2, 4 },  /* L-SIG */
};

/* Where in the header we are. */
struct place {
	struct span data; /* fields not yet read, up to the header's end */
	size_t length;    /* of the header */
	bool lost;        /* behind a field that is not known: no telling where the next one is */
};

/* Fields are aligned relative to the header's beginning. */
static bool take_field(struct place *place, size_t align, size_t size, struct span *value)
{
	size_t at = place->length - place->data.left;

	return span_take(&place->data, -at & (align - 1), value) &&
	       span_take(&place->data, size, value);
}

static void keep_field(unsigned bit, struct span value, struct radiotap *out)
{
	if (out->present & BIT(bit))
		return;
	out->present |= BIT(bit);
	switch (bit) {
	case RADIOTAP_TSFT:
		out->tsft_us = span_little_endian(value);
		break;
	case RADIOTAP_FLAGS:
		out->flags = value.at[0];
		break;
	case RADIOTAP_DBM_ANTENNA_SIGNAL:
		out->signal_dbm = (int8_t)value.at[0];
		break;
	case RADIOTAP_TX_FLAGS:
		out->tx_flags = (uint16_t)span_little_endian(value);
		break;
	case RADIOTAP_DATA_RETRIES:
		out->data_retries = value.at[0];
		break;
	default:
		break;
	}
}

/* Reads the fields of one presence word. */
static bool take_fields(struct place *place, uint32_t word, struct radiotap *out)
{
	struct span value;

	for (unsigned bit = 0; bit < RADIOTAP_NAMESPACE; bit++) {
		if (!(word & BIT(bit)))
			continue;
		if (bit >= COUNT_OF(fields)) {
			place->lost = true;
			break;
		}
		if (!take_field(place, fields[bit].align, fields[bit].size, &value))
			return false;
		keep_field(bit, value, out);
	}
	return true;
}

/* A vendor's fields are skipped as a whole: OUI, selector, and how many bytes they have. */
static bool skip_vendor(struct place *place)
{
	struct span skipped;
	uint16_t size;

	return take_field(place, 2, 4, &skipped) && span_take_u16(&place->data, &size) &&
	       span_take(&place->data, size, &skipped);
}

bool radiotap_take(struct span *in, struct radiotap *out)
{
	struct place place = { .data = *in };
	struct span words, start;
	uint32_t word;
	uint16_t length;
	bool vendors = false;

	*out = (struct radiotap){ .present = 0 };
	if (!span_take(&place.data, 2, &start) || start.at[0] != 0 || /* the version */
	    !span_take_u16(&place.data, &length) || !span_take(in, length, &place.data) ||
	    !span_take(&place.data, 4, &start))
		return false;
	place.length = length;
	words = place.data;
	do { /* fields begin behind the last word */
		if (!span_take_u32(&place.data, &word))
			return false;
	} while (word & BIT(RADIOTAP_EXTENDED));
	do {
		if (!span_take_u32(&words, &word) ||
		    (!vendors && !take_fields(&place, word, out)))
			return false;
		if (word & BIT(RADIOTAP_VENDOR)) {
			vendors = true;
			if (!place.lost && !skip_vendor(&place))
				return false;
		} else if (word & BIT(RADIOTAP_NAMESPACE)) {
			vendors = false;
		} else if (!vendors) {
			place.lost = true; /* the next word's bits count from 32 on: none is defined */
		}
	} while (!place.lost && word & BIT(RADIOTAP_EXTENDED));
	return true;
}
