/*
 * Nodes get one SAS for the container, in the environment of their tasks. Long farms outlive it:
 * then a new one is laid at RUN/sas, from where master and workers take it while theirs is still
 * good (common/azure/container.h).
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/azure/secret.h"
#include "common/clock.h"
#include "launch/azure/azure_private.h"

#define PERMISSIONS  "racwdl"
#define DELEGATION_H 168.0 /* what a user delegation key lasts at most */

static int64_t now_s(void)
{
    return clock_wall_ns() / CLOCK_SECOND_NS;
}

static double lifetime_s(const struct azure *azure)
{
    double hours = azure->settings.sas_h;
    bool key = credentials_key(account_credentials(azure->account), CREDENTIALS_STORAGE);
    /* A little less than the most, as clocks differ. */
    return 3600.0 * (key || hours < DELEGATION_H ? hours : DELEGATION_H - 0.5);
}

static int access_make(struct azure *azure, struct error *ret_error)
{
    char expiry[SAS_TIME_SIZE];
    int64_t expiry_s = now_s() + (int64_t)lifetime_s(azure);
    struct sas sas = {.permissions = PERMISSIONS,
                      .expiry = sas_time_format(expiry_s, expiry),
                      .container = azure->container};
    buf_clear(&azure->sas);
    if (account_put_sas(azure->account, &sas, &azure->sas, ret_error) != 0)
        return -1;
    azure->sas_expiry_s = expiry_s;
    return 0;
}

int azure_access_open(struct azure *azure, struct error *ret_error)
{
    if (!azure_account(azure, ret_error))
        return -1;
    if (azure->sas_expiry_s - now_s() > (int64_t)(lifetime_s(azure) / 2))
        return 0;
    return access_make(azure, ret_error);
}

static int sas_place(const struct azure *azure, char name[AZURE_NAME_MAX],
                     struct blob_place *ret_place)
{
    snprintf(name, AZURE_NAME_MAX, "%s/sas", azure->note.run);
    *ret_place = (struct blob_place){.container = azure->container, .name = name};
    return 0;
}

/* When the SAS that lies at RUN/sas, or with which the run began, was made. */
static int64_t renewed_s(struct azure *azure)
{
    char name[AZURE_NAME_MAX];
    struct blob_place place;
    struct blob_properties properties;
    struct error error;
    sas_place(azure, name, &place);
    if (blob_properties_get(account_blobs(azure->account), &place, &properties, &error) == 0 &&
        properties.changed_s)
        return properties.changed_s;
    return azure->note.begun_s;
}

int azure_access_renew(struct azure *azure, struct error *ret_error)
{
    char name[AZURE_NAME_MAX];
    struct blob_place place;
    if (!azure->note.run[0] || !azure_account(azure, ret_error))
        return azure->note.run[0] ? -1 : 0;
    if (now_s() - azure->note.begun_s < (int64_t)(lifetime_s(azure) / 2) ||
        now_s() - renewed_s(azure) < (int64_t)(lifetime_s(azure) / 2))
        return 0;
    if (access_make(azure, ret_error) != 0)
        return -1;
    sas_place(azure, name, &place);
    return blob_put(account_blobs(azure->account), &place, azure->sas.data, azure->sas.size,
                    BLOB_OVERWRITE, ret_error);
}

int azure_access_put_url(struct azure *azure, const char *name, struct buf *ret_url,
                         struct error *ret_error)
{
    const char *sas = buf_text(&azure->sas);
    if (!sas || blob_service_put_url(account_blobs(azure->account), azure->container, name, sas,
                                     ret_url) != 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a URL");
    return 0;
}

int azure_access_put_store(struct azure *azure, struct buf *ret_uri, struct error *ret_error)
{
    if (buf_append_text(ret_uri, "blob:") != 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a URL");
    return azure_access_put_url(azure, NULL, ret_uri, ret_error);
}
