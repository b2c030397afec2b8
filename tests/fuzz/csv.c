/*
 * Any bytes: reading never crashes; the records that were read, written and read again are the
 * same.
 */
#include <string.h>

#include "common/csv.h"
#include "tests/fuzz/target.h"

/* Write every whole record of `data`; returns how many. */
static size_t rewrite(const uint8_t *data, size_t size, struct buf *buf)
{
    struct error error;
    struct csv_record record;
    struct csv_reader *reader = csv_open_memory(data, size, "fuzz", &error);
    FUZZ_CHECK(reader);
    size_t count = 0;
    while (csv_next(reader, &record, &error) > 0) {
        count++;
        for (size_t i = 0; i < record.count; i++) {
            FUZZ_CHECK(strlen(record.fields[i].text) == record.fields[i].size);
            if (i)
                buf_append(buf, ",", 1);
            if (record.count == 1 && !record.fields[i].size)
                buf_append(buf, "\"\"", 2); /* alone and bare it would be an empty line */
            else
                csv_put_field(buf, record.fields[i].text, record.fields[i].size);
        }
        buf_append(buf, "\n", 1);
    }
    csv_close(reader);
    FUZZ_CHECK(!buf_failed(buf));
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf once, twice;
    buf_init(&once, 1 << 24);
    buf_init(&twice, 1 << 24);
    size_t count = rewrite(data, size, &once);
    FUZZ_CHECK(rewrite(once.data ? once.data : (const uint8_t *)"", once.size, &twice) ==
               count);
    FUZZ_CHECK(once.size == twice.size);
    FUZZ_CHECK(!once.size || !memcmp(once.data, twice.data, once.size));
    buf_fini(&once);
    buf_fini(&twice);
    return 0;
}
