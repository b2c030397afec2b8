#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/azure/http_private.h"
#include "common/azure/secret.h"
#include "common/clock.h"

enum retry_kind http_fault_kind(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return RETRY_UNRESOLVED;
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return RETRY_UNTOUCHED;
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_WEIRD_SERVER_REPLY:
        return RETRY_UNCERTAIN;
    default:
        return RETRY_SETTLED;
    }
}

static const char *fault_advice(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "Check the account's name and region in its URL, and this machine's network and "
               "DNS (a private endpoint resolves only inside its virtual network).";
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "Check https_proxy in the environment.";
    case CURLE_COULDNT_CONNECT:
        return "Check this machine's network, a firewall that blocks outbound port 443, and "
               "https_proxy in the environment.";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return "Install ca-certificates; if a proxy of your organisation signs anew, name its "
               "certificate in SSL_CERT_FILE.";
    case CURLE_OPERATION_TIMEDOUT:
        return "The network, or the service, is very slow or gone.";
    default:
        return NULL;
    }
}

void http_fault_describe(const struct http_request_state *state, CURLcode code,
                         struct error *ret_error)
{
    struct buf url, text;
    const char *advice = fault_advice(code);
    buf_init(&url, 64 << 10);
    buf_init(&text, 4096);
    secret_put_url(&url, state->request.url);
    const char *what = state->curl_text[0] ? state->curl_text : curl_easy_strerror(code);
    secret_put_text(&text, what, strlen(what));
    if (state->try.number > 1)
        buf_printf(&text, " (the last of %d tries in %.0f s)", state->try.number,
                   (double)(clock_monotonic_ns() - state->started_ns) / 1e9);
    error_set(ret_error, ERROR_NETWORK, "%s %s: %s%s%s", state->request.method, buf_text(&url),
              buf_text(&text), advice ? ". " : "", advice ? advice : "");
    buf_fini(&url);
    buf_fini(&text);
}
