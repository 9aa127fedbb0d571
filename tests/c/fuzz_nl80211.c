/* fuzz_nl80211.c - libFuzzer target: any bytes as a datagram, as in test_corpus.c. */
#include "nl80211.h"

#include <stdlib.h>

enum { FAMILY = 32, RECORDS = 8 }; /* few, so that resuming is exercised */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_message records[RECORDS];
	uint64_t end = 0;

	while (end < size) {
		size_t count = mw_decode(data, size, (size_t)end, FAMILY, records, RECORDS);

		if (count == 0)
			abort();
		for (size_t i = 0; i < count; i++) {
			if (records[i].end <= end || records[i].end > size ||
			    (unsigned)records[i].kind > MW_OTHER)
				abort();
			if (records[i].kind == MW_MALFORMED &&
			    (records[i].error == MW_OK || records[i].error > MW_GROUPS))
				abort();
			end = records[i].end;
		}
	}
	return 0;
}
