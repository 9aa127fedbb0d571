/* Writes standard input to standard output, each line behind CLOCK_MONOTONIC in seconds: in C, as
 * the guest is slow, and whoever listens should not delay whom it listens to. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    struct timespec now;

    while ((length = getline(&line, &size, stdin)) > 0) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        printf("%lld.%06ld ", (long long)now.tv_sec, now.tv_nsec / 1000);
        fwrite(line, 1, (size_t)length, stdout);
        fflush(stdout);
    }
    free(line);
    return 0;
}
