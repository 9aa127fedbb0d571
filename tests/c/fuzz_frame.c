/* fuzz_frame.c - libFuzzer target: any bytes as a frame, as in test_frame.c. */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_frame frame, untouched;
	enum mw_frame_reason reason;

	memset(&frame, 0xa5, sizeof(frame));
	memcpy(&untouched, &frame, sizeof(frame));
	reason = mw_frame_decode(data, size, &frame);
	if (reason != MW_FRAME_OK) {
		if (reason > MW_FRAME_ELEMENT_ABSENT || memcmp(&frame, &untouched, sizeof(frame)))
			abort();
	} else if ((unsigned)frame.kind > MW_FRAME_STATUS || frame.mesh_id_size > MW_MESH_ID_SIZE) {
		abort();
	}
	return 0;
}
