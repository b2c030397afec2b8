/*
 * blob_transfer.c - one file to a container or from it, timed.
 *
 *     blob_transfer up|down PARALLEL URL FILE
 *
 * URL is a container's with its SAS; the blob is called "file". Prints the seconds that it took,
 * and the most KiB that this process ever had resident.
 *
 *     blob_transfer sums FILE
 *
 * Prints how files are cut on their way up, and down, in bytes, and the CRC-64 of each range.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/azure/blob_check.h"
#include "common/azure/blob_download.h"
#include "common/azure/blob_reader.h"
#include "common/azure/blob_upload.h"
#include "common/azure/container.h"
#include "common/clock.h"

static int transfer(struct container *container, const char *direction, int parallel,
                    const char *path, struct error *error)
{
    const struct blob_upload_options up = {.parallel = parallel};
    const struct blob_download_options down = {.parallel = parallel};
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    if (container_place_shared(container, name, &place, error, "file") != 0)
        return -1;
    return strcmp(direction, "up") == 0
               ? blob_upload(container_service(container), &place, path, &up, NULL, error)
               : blob_download(container_service(container), &place, path, &down, NULL, error);
}

static int sums_print(const char *path, struct error *error)
{
    struct blob_reader_block block;
    char text[BLOB_DIGEST_TEXT];
    struct blob_reader *reader =
        blob_reader_open(path, BLOB_RANGE_DEFAULT, 2, BLOB_CHECK_CRC64, false, error);
    int rc = reader ? 1 : -1;
    if (reader)
        printf("%llu %llu\n", (unsigned long long)blob_upload_block(blob_reader_size(reader)),
               (unsigned long long)BLOB_RANGE_DEFAULT);
    while (rc > 0 && (rc = blob_reader_next(reader, true, &block, error)) > 0) {
        blob_digest_format(BLOB_CHECK_CRC64, block.digest, text);
        printf("%s\n", text);
    }
    blob_reader_close(reader);
    return rc;
}

int main(int argc, char **argv)
{
    struct error error = {0};
    if (argc == 3 && strcmp(argv[1], "sums") == 0) {
        if (sums_print(argv[2], &error) == 0)
            return 0;
        fprintf(stderr, "%s\n", error.text);
        return ERROR_SYSTEM;
    }
    struct rusage usage;
    char store[8192];
    if (argc != 5) {
        fprintf(stderr, "usage: blob_transfer up|down PARALLEL URL FILE | sums FILE\n");
        return ERROR_USAGE;
    }
    snprintf(store, sizeof store, "blob:%s", argv[3]);
    struct container *container = container_open(store, NULL, NULL, &error);
    int64_t begun = clock_monotonic_ns();
    int rc = container
                 ? transfer(container, argv[1], (int)strtol(argv[2], NULL, 10), argv[4], &error)
                 : -1;
    int64_t ended = clock_monotonic_ns();
    container_close(container);
    if (rc != 0) {
        fprintf(stderr, "%s\n", error.text);
        return ERROR_BACKEND;
    }
    getrusage(RUSAGE_SELF, &usage);
    printf("%.6f %ld\n", (double)(ended - begun) / CLOCK_SECOND_NS, usage.ru_maxrss);
    return 0;
}
