/* Credentials files of all three kinds. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "launch/azure/credentials_file.h"
#include "launch/azure/signing.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct credentials_fields fields = {0};
    struct error error = {0};
    struct signing_key key;
    int rc =
        credentials_text_read((const char *)data, size, "here/file", "henry", &fields, &error);
    FUZZ_CHECK(rc == 0 || error.text[0]);
    for (size_t i = 0; i < CREDENTIALS_FIELDS; i++)
        FUZZ_CHECK(!fields.text[i] || *fields.text[i]);
    const char *base64 = fields.text[FIELD_BATCH_KEY];
    if (base64 && signing_key_init(&key, "henry", base64, NULL) == 0) {
        FUZZ_CHECK(key.size <= strlen(base64));
        signing_key_fini(&key);
    }
    credentials_fields_fini(&fields);
    return 0;
}
