/* What a server answers: an error, a delegation key, a token; XML is walked to its end. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/azure/azure_error.h"
#include "common/azure/secret.h"
#include "common/azure/xml.h"
#include "launch/azure/sas.h"
#include "launch/azure/token.h"
#include "tests/fuzz/target.h"

static void check_error(const uint8_t *data, size_t size)
{
    static const int statuses[] = {400, 403, 409, 503};
    struct http_header header = {"content-type", "x"};
    struct http_response response = {
        .status = statuses[size % 4], .headers = &header, .headers_count = 1, .id = "id"};
    struct error error = {0};
    buf_init(&response.body, size + 1);
    buf_append(&response.body, data, size);
    FUZZ_CHECK(
        azure_error_refuse((enum azure_service)(size % 5), &response, "trying", &error) == -1);
    FUZZ_CHECK(strncmp(error.text, "trying: ", 8) == 0);
    FUZZ_CHECK(strstr(error.text, "[request "));
    buf_fini(&response.body);
}

static void check_xml(const char *text, size_t size)
{
    struct xml xml;
    struct buf value;
    enum xml_event event;
    size_t steps = 0;
    buf_init(&value, 1 << 16);
    xml_init(&xml, text, size);
    while ((event = xml_next(&xml)) > XML_END_OF_TEXT) {
        FUZZ_CHECK(steps++ <= 2 * size + 2);
        FUZZ_CHECK(xml.depth >= 0 && xml.depth <= XML_DEPTH_MAX);
        if (event == XML_START)
            xml_attribute(&xml, "Encoded", &value);
    }
    xml_fini(&xml);
    buf_clear(&value);
    xml_find(text, size, "EnumerationResults/Blobs/Blob/Name", &value);
    buf_fini(&value);
}

static void check_text(const char *text, size_t size)
{
    struct buf shown, again;
    buf_init(&shown, 4 * size + 64);
    buf_init(&again, 4 * size + 64);
    FUZZ_CHECK(secret_put_text(&shown, text, size) == 0);
    FUZZ_CHECK(secret_put_text(&again, (const char *)shown.data, shown.size) == 0);
    buf_fini(&shown);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct sas_delegation_key key;
    struct token token = {0};
    check_error(data, size);
    check_xml(text, size);
    check_text(text, size);
    if (sas_delegation_key_read(text, size, &key, NULL) == 0)
        sas_delegation_key_fini(&key);
    if (token_read(text, size, "issuer", &token, NULL) == 0)
        FUZZ_CHECK(token.text && *token.text);
    token_fini(&token);
    return 0;
}
