/*
 * Both services share all but three things, which `struct dialect` names. Headers and query
 * parameters are gathered into an array of pairs, put in order, and written.
 *
 * The storage service orders its headers as .NET's culture-aware comparison does (seen in
 * Microsoft's own JavaScript client): punctuation before digits before letters, and '-' counts only
 * where two names are otherwise alike, where the one that has it earlier is the later. For names
 * that hold no '-' where another holds a letter that is plain byte order.
 */
#include "config.h"

#include "launch/azure/signing.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PAIRS_MAX 256
#define TEXT_MAX  ((size_t)256 << 10)

struct dialect {
    const char *prefix; /* of the headers that are signed by name */
    const char *date;   /* the one of them that replaces Date */
    bool zero_length;   /* a Content-Length of 0 is written as "0", else as nothing */
};

static const struct dialect batch = {"ocp-", "ocp-date", true};
static const struct dialect storage = {"x-ms-", "x-ms-date", false};

/* Owned texts. */
struct pair {
    char *name, *value;
};

struct pairs {
    struct pair items[PAIRS_MAX];
    size_t count;
    bool failed;
};

/* OpenSSL's decoder takes blanks, and '=' anywhere. */
static bool is_base64(const char *text, size_t size)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t plain = strspn(text, alphabet);
    size_t padding = strspn(text + plain, "=");
    return size > 0 && size % 4 == 0 && padding <= 2 && plain + padding == size;
}

int signing_key_init(struct signing_key *key, const char *account, const char *base64,
                     struct error *ret_error)
{
    size_t size = strlen(base64);
    memset(key, 0, sizeof(*key));
    if (!is_base64(base64, size) || size > 4096)
        return error_set(ret_error, ERROR_CONFIG,
                         "the key of account \"%s\" is not base64; copy it whole from \"Access "
                         "keys\" in the portal",
                         account);
    key->bytes = malloc(size / 4 * 3 + 1);
    key->account = strdup(account);
    int decoded = key->bytes && key->account
                      ? EVP_DecodeBlock(key->bytes, (const uint8_t *)base64, (int)size)
                      : -1;
    if (decoded < 0) {
        signing_key_fini(key);
        return error_set(ret_error, ERROR_CONFIG, "the key of account \"%s\" is not base64",
                         account);
    }
    /* EVP_DecodeBlock counts the padding. */
    key->size = (size_t)decoded - (base64[size - 1] == '=') - (base64[size - 2] == '=');
    return 0;
}

void signing_key_fini(struct signing_key *key)
{
    if (key->bytes)
        OPENSSL_cleanse(key->bytes, key->size);
    free(key->bytes);
    free(key->account);
    memset(key, 0, sizeof(*key));
}

static void pairs_fini(struct pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->items[i].name);
        free(pairs->items[i].value);
    }
}

static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

/* Takes name and value, either of which may be NULL for lack of memory. */
static void pairs_add(struct pairs *pairs, char *name, char *value)
{
    if (!name || !value || pairs->count == PAIRS_MAX) {
        free(name);
        free(value);
        pairs->failed = true;
        return;
    }
    lower(name);
    pairs->items[pairs->count++] = (struct pair){name, value};
}

/* 1 punctuation, 2 digits, 3 letters: then by their bytes. */
static int weight(char c)
{
    int kind = c >= '0' && c <= '9' ? 2 : c >= 'a' && c <= 'z' ? 3 : 1;
    return kind << 8 | (unsigned char)c;
}

static int header_compare(const void *a, const void *b)
{
    const char *left = ((const struct pair *)a)->name, *right = ((const struct pair *)b)->name;
    const char *l = left, *r = right;
    for (;; l++, r++) {
        while (*l == '-')
            l++;
        while (*r == '-')
            r++;
        if (!*l || !*r || *l != *r)
            break;
    }
    if (*l || *r)
        return !*l ? -1 : !*r ? 1 : weight(*l) - weight(*r);
    while (*left && *left == *right)
        left++, right++;
    return (*left == '-') - (*right == '-');
}

static int parameter_compare(const void *a, const void *b)
{
    const struct pair *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : strcmp(left->value, right->value);
}

static char *trimmed(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t size = strlen(text);
    while (size && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        size--;
    return strndup(text, size);
}

static void put_headers(const struct dialect *dialect, const struct signing_request *request,
                        struct buf *text)
{
    struct pairs pairs = {.count = 0};
    size_t prefix = strlen(dialect->prefix);
    for (size_t i = 0; i < request->headers_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (strncasecmp(header->name, dialect->prefix, prefix) == 0)
            pairs_add(&pairs, strdup(header->name), trimmed(header->value));
    }
    qsort(pairs.items, pairs.count, sizeof(*pairs.items), header_compare);
    for (size_t i = 0; i < pairs.count; i++)
        buf_printf(text, "%s:%s\n", pairs.items[i].name, pairs.items[i].value);
    text->failed |= pairs.failed;
    pairs_fini(&pairs);
}

static char *decoded(const char *text, size_t size)
{
    struct buf buf;
    buf_init(&buf, TEXT_MAX);
    http_decode(&buf, text, size);
    const char *plain = buf_failed(&buf) ? NULL : buf_text(&buf);
    char *copy = plain ? strdup(plain) : NULL;
    buf_fini(&buf);
    return copy;
}

static void put_query(const char *query, struct buf *text)
{
    struct pairs pairs = {.count = 0};
    while (*query) {
        size_t size = strcspn(query, "&"), name = strcspn(query, "=&");
        size_t value = name < size ? name + 1 : size;
        if (size)
            pairs_add(&pairs, decoded(query, name), decoded(query + value, size - value));
        query += size + (query[size] == '&');
    }
    qsort(pairs.items, pairs.count, sizeof(*pairs.items), parameter_compare);
    for (size_t i = 0; i < pairs.count; i++) {
        bool same = i > 0 && strcmp(pairs.items[i].name, pairs.items[i - 1].name) == 0;
        if (same)
            buf_printf(text, ",%s", pairs.items[i].value);
        else
            buf_printf(text, "\n%s:%s", pairs.items[i].name, pairs.items[i].value);
    }
    text->failed |= pairs.failed;
    pairs_fini(&pairs);
}

static void put_resource(const struct signing_key *key, const char *url, struct buf *text)
{
    const char *path = strstr(url, "://");
    path = path ? path + 3 : url;
    path += strcspn(path, "/?");
    size_t size = strcspn(path, "?");
    buf_printf(text, "/%s", key->account);
    buf_append(text, size ? path : "/", size ? size : 1);
    if (path[size] == '?')
        put_query(path + size + 1, text);
}

static int put_text(const struct dialect *dialect, const struct signing_key *key,
                    const struct signing_request *request, struct buf *text)
{
    static const char *const before[] = {"Content-Encoding", "Content-Language"};
    static const char *const after[] = {"Content-MD5",         "Content-Type", "Date",
                                        "If-Modified-Since",   "If-Match",     "If-None-Match",
                                        "If-Unmodified-Since", "Range"};
    const struct http_header *headers = request->headers;
    size_t count = request->headers_count;
    bool dated = http_header_find(headers, count, dialect->date) != NULL;
    buf_printf(text, "%s\n", request->method);
    for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
        const char *value = http_header_find(headers, count, before[i]);
        buf_printf(text, "%s\n", value ? value : "");
    }
    if (request->body_size > 0 || (request->body_size == 0 && dialect->zero_length))
        buf_printf(text, "%lld", (long long)request->body_size);
    buf_append_text(text, "\n");
    for (size_t i = 0; i < sizeof(after) / sizeof(*after); i++) {
        const char *value = http_header_find(headers, count, after[i]);
        bool hidden = dated && strcmp(after[i], "Date") == 0;
        buf_printf(text, "%s\n", value && !hidden ? value : "");
    }
    put_headers(dialect, request, text);
    put_resource(key, request->url, text);
    return buf_failed(text) ? -1 : 0;
}

int signing_batch_text(const struct signing_key *key, const struct signing_request *request,
                       struct buf *ret_text)
{
    return put_text(&batch, key, request, ret_text);
}

int signing_storage_text(const struct signing_key *key, const struct signing_request *request,
                         struct buf *ret_text)
{
    return put_text(&storage, key, request, ret_text);
}

int signing_hmac(const struct signing_key *key, const char *text, size_t size,
                 struct buf *ret_base64, struct error *ret_error)
{
    uint8_t mac[EVP_MAX_MD_SIZE], base64[EVP_MAX_MD_SIZE * 2];
    unsigned mac_size = 0;
    if (!HMAC(EVP_sha256(), key->bytes, (int)key->size, (const uint8_t *)text, size, mac,
              &mac_size))
        return error_set(ret_error, ERROR_SYSTEM, "OpenSSL cannot sign with HMAC-SHA256");
    EVP_EncodeBlock(base64, mac, (int)mac_size);
    if (buf_append_text(ret_base64, (const char *)base64) != 0)
        return error_set(ret_error, ERROR_SYSTEM, "no room for a signature");
    return 0;
}

int signing_authorization(const struct signing_key *key, const char *text, size_t size,
                          struct buf *ret_value, struct error *ret_error)
{
    buf_printf(ret_value, "SharedKey %s:", key->account);
    return signing_hmac(key, text, size, ret_value, ret_error);
}
