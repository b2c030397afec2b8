/*
 * blob_lease.h - leases: one holder at a time, for as long as it says so.
 *
 * While a blob is leased, only requests with the lease's id may write or delete it; whoever forgets
 * to renew loses it. So two `beofarm` on two machines can agree which of them leads a farm.
 */
#ifndef BEOFARM_COMMON_AZURE_BLOB_LEASE_H
#define BEOFARM_COMMON_AZURE_BLOB_LEASE_H

#include "common/azure/blob.h"

#define BLOB_LEASE_ID_SIZE HTTP_ID_SIZE

/* A new id for a lease, into id. 0, or -1 with a sentence. */
int blob_lease_id_make(char id[BLOB_LEASE_ID_SIZE], struct error *ret_error);

/* PUT ?comp=lease with x-ms-lease-action acquire, 201, under an id of our own: asking again with
 * the same id is a renewal. seconds: 15 to 60, or -1 for ever. BLOB_ALREADY: somebody holds it.
 * BLOB_MISSING. "leasing blob \"C/N\": ...". */
int blob_lease_acquire(struct blob_service *service, const struct blob_place *place,
                       const char *id, int seconds, struct error *ret_error);

/* The same with renew, 200. BLOB_ALREADY: it was lost to somebody else. */
int blob_lease_renew(struct blob_service *service, const struct blob_place *place,
                     const char *id, struct error *ret_error);

/* The same with release, 200. 0 also if it was lost or is free. */
int blob_lease_release(struct blob_service *service, const struct blob_place *place,
                       const char *id, struct error *ret_error);

/* The same with break and no time to go on, 202: whoever holds the lease has lost it. 0 also if it
 * is free; BLOB_MISSING. */
int blob_lease_break(struct blob_service *service, const struct blob_place *place,
                     struct error *ret_error);

#endif
