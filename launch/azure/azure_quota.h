/*
 * azure_quota.h - what the account may have, from the management plane, which takes tokens alone.
 */
#ifndef BEOFARM_LAUNCH_AZURE_AZURE_QUOTA_H
#define BEOFARM_LAUNCH_AZURE_AZURE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "launch/azure/account.h"

#define AZURE_MANAGEMENT_URL     "https://management.azure.com"
#define AZURE_MANAGEMENT_VERSION "2024-02-01"

struct azure_quota {
    int dedicated, spot; /* cores; -1: not told */
    bool by_family;      /* dedicated cores are counted by family: `family` of this VM size */
    int family;          /* -1: not told */
    int pools;           /* -1: not told */
    bool keys;           /* the account takes SharedKey */
    char location[64];
    /* Of the VM size, where the service knows it. */
    bool size_listed; /* the list of sizes was read: size_known says something */
    bool size_known;
    int cores;      /* 0: not told */
    int64_t end_ns; /* Batch supports it until then; 0: no end is announced */
};

/* Ask for account and VM size. `url` without '/' at its end; NULL: AZURE_MANAGEMENT_URL. 1: nothing
 * was asked, because the subscription or the resource group is not known; -1 with a sentence. */
int azure_quota_get(struct account *account, const char *url, const char *vm_size,
                    struct azure_quota *ret_quota, struct error *ret_error);

/* Cores of a VM size, by its name: "Standard_D4s_v5" has 4, "Standard_HB120-16rs_v3" has 16. 0 if
 * the name does not say (the first versions of D, DS and A are counted otherwise). */
int azure_quota_cores(const char *vm_size);

#endif
