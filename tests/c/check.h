/* check.h - CHECK(condition) that says where and goes on, and the exit status of it all. */
#ifndef MESHWATCH_CHECK_H
#define MESHWATCH_CHECK_H

#include <stdio.h>

static unsigned checks_failed;

#define CHECK(condition)                                                                          \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			checks_failed++;                                                          \
			fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__,  \
			        #condition);                                                      \
		}                                                                                 \
	} while (0)

#define CHECKED (checks_failed != 0)

#endif
