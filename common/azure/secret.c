#include "config.h"

#include "common/azure/secret.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Query parameters whose values may be shown. What is not here is not shown. */
static const char *const harmless[] = {
    "api-version", "comp",          "restype",   "timeout",  "maxresults", "prefix",
    "delimiter",   "blockid",       "$select",   "$filter",  "$expand",    "include",
    "marker",      "blocklisttype", "recursive", "snapshot", "resource",   "client_id",
};

static bool is_harmless(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
        if (strlen(harmless[i]) == size && strncasecmp(harmless[i], name, size) == 0)
            return true;
    return false;
}

static void put_query(struct buf *buf, const char *query)
{
    while (*query) {
        size_t size = strcspn(query, "&"), name = strcspn(query, "=&");
        if (name == size || is_harmless(query, name)) {
            buf_append(buf, query, size);
        } else {
            buf_append(buf, query, name);
            buf_append_text(buf, "=...");
        }
        query += size;
        if (*query == '&')
            buf_append(buf, query++, 1);
    }
}

int secret_put_url(struct buf *buf, const char *url)
{
    size_t path = strcspn(url, "?");
    const char *host = strstr(url, "://");
    host = host && host < url + path ? host + 3 : url;
    size_t authority = strcspn(host, "/?");
    const char *at = memrchr(host, '@', authority);
    if (at) {
        buf_append(buf, url, (size_t)(host - url));
        host = at + 1;
    } else {
        host = url;
    }
    buf_append(buf, host, (size_t)(url + path - host));
    if (url[path] == '?') {
        buf_append_text(buf, "?");
        put_query(buf, url + path + 1);
    }
    return buf_failed(buf) ? -1 : 0;
}

/* What comes right before a secret, lower case; and which characters end it. */
static const struct mark {
    const char *before, *until;
} marks[] = {
    {"sig=", "& \t\r\n\"'<>;,"},
    {"sig%3d", "& \t\r\n\"'<>;,"},
    {"sharedaccesssignature=", " \t\r\n\"'<>;,"},
    {"accountkey=", "; \t\r\n\"'<>,"},
    {"client_secret=", "& \t\r\n\"'<>;,"},
    {"client_assertion=", "& \t\r\n\"'<>;,"},
    {"access_token=", "& \t\r\n\"'<>;,"},
    {"bearer ", " \t\r\n\"'<>;,"},
    {"\"access_token\":\"", "\""},
    {"\"accesstoken\":\"", "\""},
    {"\"access_token\": \"", "\""},
    {"\"accesstoken\": \"", "\""},
    {"\"client_secret\":\"", "\""},
    {"\"client_secret\": \"", "\""},
    {"http request '", "'"},
    {"password=", "& \t\r\n\"'<>;,"},
};

/* How many bytes before a secret that begins at text + that; 0 if none begins. The secret's size
 * goes to *ret_size. */
static size_t mark_match(const char *text, size_t size, size_t *ret_size)
{
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        size_t before = strlen(marks[i].before), end = before;
        if (size <= before || strncasecmp(text, marks[i].before, before) != 0)
            continue;
        while (end < size && text[end] && !strchr(marks[i].until, text[end]))
            end++;
        *ret_size = end - before;
        return before;
    }
    return 0;
}

/* "SharedKey ACCOUNT:SIGNATURE" and "SharedKeyLite ...": up to the colon. */
static size_t shared_key_match(const char *text, size_t size, size_t *ret_size)
{
    static const char word[] = "sharedkey";
    size_t at = sizeof(word) - 1, end;
    if (size <= at || strncasecmp(text, word, at) != 0)
        return 0;
    while (at < size && text[at] != ':' && !strchr("\r\n\"'<>", text[at]))
        at++;
    if (at == size || text[at++] != ':')
        return 0;
    for (end = at; end < size && text[end] && !strchr(" \t\r\n\"'<>,;", text[end]); end++)
        ;
    *ret_size = end - at;
    return at;
}

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.';
}

/* A JSON Web Token begins with the base64 of {" . */
static size_t token_match(const char *text, size_t size)
{
    size_t end = 0;
    if (size < 20 || memcmp(text, "eyJ", 3) != 0)
        return 0;
    while (end < size && is_token_char(text[end]))
        end++;
    return end >= 20 ? end : 0;
}

int secret_put_text(struct buf *buf, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t secret = 0, token = token_match(text + i, size - i);
        size_t before = mark_match(text + i, size - i, &secret);
        if (!before)
            before = shared_key_match(text + i, size - i, &secret);
        if (before || token) {
            buf_append(buf, text + i, before);
            buf_append_text(buf, "...");
            i += before ? before + secret : token;
        } else {
            char c = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
            buf_append(buf, &c, 1);
            i++;
        }
    }
    return buf_failed(buf) ? -1 : 0;
}

bool secret_is_header(const char *name)
{
    static const char *const names[] = {
        "authorization",       "x-ms-copy-source",  "x-ms-copy-source-authorization",
        "proxy-authorization", "x-identity-header", "cookie",
        "set-cookie"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

void secret_free(char *text)
{
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

void secret_buf_fini(struct buf *buf)
{
    if (buf->data)
        OPENSSL_cleanse(buf->data, buf->size);
    buf_fini(buf);
}
