/*
 * exchange.c - one request to an Azure account, as tests want it: credentials from the environment,
 * the answer's body on stdout, a refusal as a sentence on stderr with the exit code of its kind.
 *
 *     exchange [--auth METHOD] [--cache FILE] batch|storage METHOD TARGET [BODY]
 *     exchange [...] sas PERMISSIONS SECONDS METHOD CONTAINER [BLOB]
 *
 * TARGET is path and query as they go out (for batch without the api-version); a storage PUT of a
 * blob is a BlockBlob. A BODY of "-" comes from stdin. `sas` makes one for the container or blob,
 * and uses it.
 */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/azure_error.h"
#include "common/clock.h"
#include "launch/azure/account.h"

struct job {
    struct account *account;
    enum azure_service service;
    struct http_request request;
    struct buf url;
};

static const struct http_header json_type = {"Content-Type", ACCOUNT_BATCH_TYPE};
static const struct http_header block_blob = {"x-ms-blob-type", "BlockBlob"};

static int job_run(struct job *job, struct error *error)
{
    struct http_response response = {0};
    char doing[256];
    job->request.url = buf_text(&job->url);
    job->request.retry = HTTP_RETRY_ALWAYS;
    snprintf(doing, sizeof(doing), "%s", job->request.method);
    int rc = http_perform(account_http(job->account), &job->request, &response, error);
    if (rc == 0 && response.status / 100 == 2)
        fputs(buf_text(&response.body), stdout);
    else if (rc == 0)
        rc = azure_error_refuse(job->service, &response, doing, error);
    const char *warning = account_clock_warning(job->account);
    if (warning)
        fprintf(stderr, "%s\n", warning);
    http_response_fini(&response);
    return rc;
}

static void body_set(struct job *job, const char *body, const struct http_header *header)
{
    static char input[1 << 20];
    if (!body)
        return;
    if (strcmp(body, "-") == 0) {
        input[fread(input, 1, sizeof(input) - 1, stdin)] = 0;
        body = input;
    }
    job->request.body = body;
    job->request.body_size = strlen(body);
    job->request.headers = header;
    job->request.headers_count = 1;
}

static int plain_run(struct job *job, char **words, int count, struct error *error)
{
    const char *target = words[2], *query = strchr(target, '?');
    bool batch = strcmp(words[0], "batch") == 0;
    if (batch) {
        char path[4096];
        snprintf(path, sizeof(path), "%.*s", (int)strcspn(target, "?"), target);
        account_batch_request(job->account, words[1], &job->request);
        account_put_batch_url(job->account, path, query ? query + 1 : NULL, &job->url);
        job->service = AZURE_BATCH;
    } else {
        blob_service_request(account_blobs(job->account), words[1], &job->request);
        buf_printf(&job->url, "%s%s", credentials_blob_url(account_credentials(job->account)),
                   target);
        job->service = AZURE_STORAGE;
    }
    body_set(job, count > 3 ? words[3] : NULL, batch ? &json_type : &block_blob);
    return job_run(job, error);
}

static int sas_run(struct job *job, char **words, int count, struct error *error)
{
    char expiry[SAS_TIME_SIZE];
    struct buf query;
    buf_init(&query, 4096);
    int64_t end = clock_wall_ns() / CLOCK_SECOND_NS + atoi(words[2]);
    struct sas sas = {.permissions = words[1],
                      .expiry = sas_time_format(end, expiry),
                      .container = words[4],
                      .blob = count > 5 ? words[5] : NULL};
    int rc = account_put_sas(job->account, &sas, &query, error);
    if (rc == 0) {
        if (count <= 5)
            buf_append_text(&query, "&restype=container&comp=list");
        blob_service_sas_request(account_blobs(job->account), words[3], &job->request);
        blob_service_put_url(account_blobs(job->account), sas.container, sas.blob,
                             buf_text(&query), &job->url);
        job->service = AZURE_STORAGE;
        rc = job_run(job, error);
    }
    buf_fini(&query);
    return rc;
}

static int options_read(int argc, char **argv, struct account_options *options)
{
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        if (strcmp(argv[at], "--auth") == 0)
            credentials_method_find(argv[at + 1], &options->wishes.method);
        else if (strcmp(argv[at], "--cache") == 0)
            options->wishes.token_cache = argv[at + 1];
    }
    return at;
}

int main(int argc, char **argv)
{
    struct account_options options = {.http = {.backoff_base_ms = 5, .backoff_cap_ms = 50}};
    struct error error = {0};
    struct job job = {0};
    int at = options_read(argc, argv, &options), count = argc - at, rc = -1;
    buf_init(&job.url, 64 << 10);
    job.account = account_open(&options, &error);
    if (!job.account)
        rc = -1;
    else if (count >= 5 && strcmp(argv[at], "sas") == 0)
        rc = sas_run(&job, argv + at, count, &error);
    else if (count >= 3)
        rc = plain_run(&job, argv + at, count, &error);
    else
        error_set(&error, ERROR_USAGE, "usage: see the comment at the top of exchange.c");
    for (int i = 0; job.account && i < 2; i++) {
        struct buf text;
        buf_init(&text, 4096);
        credentials_describe(account_credentials(job.account), (enum credentials_audience)i,
                             &text);
        fprintf(stderr, "# %s\n", buf_text(&text));
        buf_fini(&text);
    }
    if (rc != 0)
        fprintf(stderr, "%s\n", error.text);
    account_close(job.account);
    buf_fini(&job.url);
    return rc == 0 ? 0 : (int)error.code;
}
