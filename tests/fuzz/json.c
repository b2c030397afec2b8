/*
 * Any bytes: parsing never crashes; what was parsed differs in nothing from itself printed and
 * parsed again; any bytes printed as a text are one JSON text; a path never crashes.
 */
#include <string.h>

#include "common/json.h"
#include "tests/fuzz/target.h"

static void check_parse(const char *text, size_t size, unsigned flags)
{
    struct error error = {0};
    cJSON *root = NULL, *again = NULL;
    if (json_parse(text, size, "fuzz", flags, &root, &error) < 0) {
        FUZZ_CHECK(error.code == ERROR_CONFIG);
        return;
    }
    struct buf printed;
    buf_init(&printed, 1 << 24);
    FUZZ_CHECK(!json_put(&printed, root, flags ? 2 : 0));
    FUZZ_CHECK(
        !json_parse(buf_text(&printed), printed.size, "again", JSON_STRICT, &again, &error));
    FUZZ_CHECK(json_diff(root, again, NULL, NULL) == 0);
    buf_fini(&printed);
    cJSON_Delete(again);
    cJSON_Delete(root);
}

static void check_text(const void *bytes, size_t size)
{
    struct buf buf;
    cJSON *root = NULL;
    struct error error;
    buf_init(&buf, 1 << 20);
    FUZZ_CHECK(!json_put_text(&buf, bytes, size));
    /* A NUL is printed as \u0000, which is JSON, but no text of ours. */
    if (!memchr(bytes, 0, size)) {
        FUZZ_CHECK(!json_parse(buf_text(&buf), buf.size, "text", JSON_STRICT, &root, &error));
        FUZZ_CHECK(cJSON_IsString(root));
    }
    cJSON_Delete(root);
    buf_fini(&buf);
}

static void check_path(const uint8_t *data, size_t size)
{
    char text[256];
    struct error error;
    cJSON *root = NULL;
    static const char document[] = "{\"a\":[{\"b c\":1},[2]],\"d\":{\"e\":null}}";
    size_t length = size < sizeof(text) - 2 ? size : sizeof(text) - 2;
    text[0] = '$';
    memcpy(text + 1, data, length);
    text[1 + length] = 0;
    FUZZ_CHECK(!json_parse(document, strlen(document), "doc", JSON_STRICT, &root, &error));
    struct json_path *path = json_path_create(text, &error);
    if (path)
        json_path_find(path, root);
    json_path_destroy(path);
    cJSON_Delete(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_parse((const char *)data, size, JSON_STRICT);
    check_parse((const char *)data, size, JSON_COMMENTS);
    check_text(data, size);
    check_path(data, size);
    return 0;
}
