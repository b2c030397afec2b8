#include "config.h"

#include "common/azure/blob_service.h"

#include "common/clock.h"

int blob_service_put_url(const struct blob_service *service, const char *container,
                         const char *blob, const char *query, struct buf *ret_url)
{
    buf_printf(ret_url, "%s/", service->url);
    if (container)
        http_encode(ret_url, container, "$");
    if (container && blob) {
        buf_append_text(ret_url, "/");
        http_encode(ret_url, blob, "/");
    }
    if (query && *query)
        buf_printf(ret_url, "?%s", query);
    return buf_failed(ret_url) ? -1 : 0;
}

static int sas_prepare(void *context, struct http_try *try, struct error *ret_error)
{
    char date[HTTP_DATE_SIZE];
    (void)context;
    http_date_format(clock_wall_ns() / CLOCK_SECOND_NS, date);
    if (http_try_add(try, "x-ms-date", date, ret_error) != 0 ||
        http_try_add(try, "x-ms-version", BLOB_SERVICE_VERSION, ret_error) != 0)
        return -1;
    return http_try_add(try, "x-ms-client-request-id", try->id, ret_error);
}

static int service_prepare(void *context, struct http_try *try, struct error *ret_error)
{
    struct blob_service *service = context;
    if (sas_prepare(NULL, try, ret_error) != 0)
        return -1;
    return service->authorize ? service->authorize(service->authorize_context, try, ret_error)
                              : 0;
}

void blob_service_request(struct blob_service *service, const char *method,
                          struct http_request *ret_request)
{
    *ret_request = (struct http_request){.method = method,
                                         .prepare = service_prepare,
                                         .prepare_context = service,
                                         .plain = service->plain};
}

void blob_service_sas_request(struct blob_service *service, const char *method,
                              struct http_request *ret_request)
{
    blob_service_request(service, method, ret_request);
    ret_request->prepare = sas_prepare;
}
