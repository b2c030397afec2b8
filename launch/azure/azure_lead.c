#include "config.h"

#include "launch/azure/azure_lead.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/azure/blob_lease.h"
#include "common/azure/container.h"
#include "common/azure/secret.h"
#include "common/boot.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/thread.h"
#include "launch/interrupt.h"

#define LEASE_S     15 /* the shortest that there is */
#define RENEW_NS    (6 * CLOCK_SECOND_NS)
#define ASK_NS      (1 * CLOCK_SECOND_NS) /* between two tries to have it */
#define PATIENCE_S  (LEASE_S + 3)         /* a leader that is gone is out of the way by then */
#define LEADER_MAX  4096
#define WHO_MAX     400
#define MACHINE_MAX 160

struct azure_lead {
    struct container *container; /* the keeper's own */
    char *name;                  /* of the blob */
    char *text;                  /* that is in it */
    char lease[BLOB_LEASE_ID_SIZE];
    pthread_t keeper;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closing, lost; /* guarded by lock */
};

/* What RUN/leader.json says. */
struct leader {
    char who[WHO_MAX]; /* "henry@laptop, process 4242, since 2026-11-21 09:00 UTC" */
    char machine[MACHINE_MAX];
    pid_t process;
};

static struct blob_place leader_place(const struct azure *azure, char name[AZURE_NAME_MAX])
{
    snprintf(name, AZURE_NAME_MAX, "%s/leader.json", azure->note.run);
    return (struct blob_place){.container = azure->container, .name = name};
}

/* --- who leads ---------------------------------------------------------------------------- */

/* Where process numbers mean what they mean to us: since this start of this machine, in this
 * container. "" where that is not known. */
static void machine_name(char name[MACHINE_MAX])
{
    char boot[BOOT_MAX], processes[64] = "";
    bool known =
        boot_read(boot) && readlink("/proc/self/ns/pid", processes, sizeof processes - 1) > 0;
    snprintf(name, MACHINE_MAX, "%s%s", known ? boot : "", known ? processes : "");
}

static char *leader_print(void)
{
    char machine[MACHINE_MAX];
    char host[HOST_NAME_MAX + 1] = "?";
    const struct passwd *user = getpwuid(geteuid());
    cJSON *object = cJSON_CreateObject();
    gethostname(host, sizeof host - 1);
    cJSON_AddStringToObject(object, "user", user ? user->pw_name : "?");
    cJSON_AddStringToObject(object, "host", host);
    machine_name(machine);
    cJSON_AddStringToObject(object, "machine", machine);
    cJSON_AddNumberToObject(object, "process", (double)getpid());
    cJSON_AddNumberToObject(object, "since_s", (double)(clock_wall_ns() / CLOCK_SECOND_NS));
    char *text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return text;
}

static void leader_read(const char *text, size_t size, struct leader *ret_leader)
{
    struct error ignored;
    char when[64] = "?";
    cJSON *object = NULL;
    snprintf(ret_leader->who, WHO_MAX, "somebody");
    if (json_parse(text, size, "leader.json", JSON_STRICT, &object, &ignored) != 0)
        return;
    const char *user = cJSON_GetStringValue(json_member(object, "user"));
    const char *host = cJSON_GetStringValue(json_member(object, "host"));
    const char *machine = cJSON_GetStringValue(json_member(object, "machine"));
    const cJSON *process = json_member(object, "process"),
                *since = json_member(object, "since_s");
    if (user && host && cJSON_IsNumber(process) && cJSON_IsNumber(since)) {
        time_t since_s = (time_t)since->valuedouble;
        struct tm utc;
        if (gmtime_r(&since_s, &utc))
            strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &utc);
        ret_leader->process = (pid_t)process->valuedouble;
        snprintf(ret_leader->machine, MACHINE_MAX, "%s", machine ? machine : "");
        snprintf(ret_leader->who, WHO_MAX, "%.64s@%.200s, process %d, since %s", user, host,
                 (int)ret_leader->process, when);
    }
    cJSON_Delete(object);
}

static void leader_get(struct azure *azure, struct leader *ret_leader)
{
    char name[AZURE_NAME_MAX];
    struct blob_place place = leader_place(azure, name);
    struct error ignored;
    struct buf text;
    *ret_leader = (struct leader){.who = "somebody"};
    buf_init(&text, LEADER_MAX);
    if (blob_get(account_blobs(azure->account), &place, 0, LEADER_MAX - 1, &text, NULL,
                 &ignored) > 0)
        leader_read((const char *)text.data, text.size, ret_leader);
    buf_fini(&text);
}

/* Whether it was on this machine, and is no more. */
static bool leader_dead(const struct leader *leader)
{
    char machine[MACHINE_MAX];
    machine_name(machine);
    return leader->process > 0 && *machine && strcmp(machine, leader->machine) == 0 &&
           kill(leader->process, 0) != 0 && errno == ESRCH;
}

/* --- keeping the lease -------------------------------------------------------------------- */

/* Asked for under the same id, a lease is renewed; one that ran out is had again if nobody took it.
 * The blob is written anew: by that others see that we live. */
static void *keep(void *context)
{
    struct azure_lead *lead = context;
    struct error ignored;
    pthread_mutex_lock(&lead->lock);
    while (
        !thread_wait(&lead->changed, &lead->lock, &lead->closing, thread_deadline(RENEW_NS)) &&
        !lead->lost) {
        struct blob_place place = {.container = container_name(lead->container),
                                   .name = lead->name};
        pthread_mutex_unlock(&lead->lock);
        int rc = blob_lease_acquire(container_service(lead->container), &place, lead->lease,
                                    LEASE_S, &ignored);
        place.lease = lead->lease;
        if (rc == 0)
            blob_put(container_service(lead->container), &place, lead->text, strlen(lead->text),
                     BLOB_OVERWRITE, &ignored);
        pthread_mutex_lock(&lead->lock);
        lead->lost = rc == BLOB_ALREADY || rc == BLOB_MISSING;
    }
    pthread_mutex_unlock(&lead->lock);
    return NULL;
}

static int keeper_start(struct azure *azure, struct azure_lead *lead, struct error *ret_error)
{
    static const struct http_options brief = {.tries = 2, .patience_ms = 8000};
    struct buf store;
    buf_init(&store, 8192);
    int rc = azure_access_open(azure, ret_error);
    if (rc == 0)
        rc = azure_access_put_store(azure, &store, ret_error);
    if (rc == 0)
        lead->container = container_open(buf_text(&store), azure->note.run, &brief, ret_error);
    secret_buf_fini(&store);
    if (!lead->container)
        return -1;
    pthread_mutex_init(&lead->lock, NULL);
    thread_condition_init(&lead->changed);
    if (thread_start(&lead->keeper, keep, lead) == 0)
        return 0;
    pthread_cond_destroy(&lead->changed);
    pthread_mutex_destroy(&lead->lock);
    return error_set(ret_error, ERROR_SYSTEM, "no thread to be had to keep the lead");
}

static void lead_free(struct azure_lead *lead)
{
    container_close(lead->container);
    free(lead->name);
    free(lead->text);
    free(lead);
}

void azure_lead_end(struct azure_lead *lead)
{
    struct error ignored;
    if (!lead)
        return;
    pthread_mutex_lock(&lead->lock);
    lead->closing = true;
    pthread_cond_signal(&lead->changed);
    pthread_mutex_unlock(&lead->lock);
    pthread_join(lead->keeper, NULL);
    struct blob_place place = {.container = container_name(lead->container),
                               .name = lead->name};
    if (!lead->lost)
        blob_lease_release(container_service(lead->container), &place, lead->lease, &ignored);
    pthread_cond_destroy(&lead->changed);
    pthread_mutex_destroy(&lead->lock);
    lead_free(lead);
}

/* --- having it ---------------------------------------------------------------------------- */

/* Ask for the lease, once. 0, BLOB_ALREADY, or -1 with a sentence. */
static int lease_try(struct azure *azure, const char *lease, struct error *ret_error)
{
    char name[AZURE_NAME_MAX];
    struct blob_place place = leader_place(azure, name);
    struct blob_service *blobs = account_blobs(azure->account);
    int rc = blob_lease_acquire(blobs, &place, lease, LEASE_S, ret_error);
    if (rc != BLOB_MISSING)
        return rc;
    rc = blob_put(blobs, &place, "{}", 2, BLOB_UNLESS_EXISTS, ret_error);
    return rc == 0 || rc == BLOB_ALREADY
               ? blob_lease_acquire(blobs, &place, lease, LEASE_S, ret_error)
               : rc;
}

void azure_lead_break(struct azure *azure)
{
    char name[AZURE_NAME_MAX];
    struct blob_place place = leader_place(azure, name);
    struct error ignored;
    blob_lease_break(account_blobs(azure->account), &place, &ignored);
}

static int part_visit(void *context, const struct blob_item *item)
{
    if (!item->prefix)
        snprintf(context, AZURE_NAME_MAX, "%s", item->name);
    return 0;
}

void azure_journal_free(struct azure *azure)
{
    char prefix[AZURE_NAME_MAX], last[AZURE_NAME_MAX] = "";
    struct blob_service *blobs = account_blobs(azure->account);
    struct error ignored;
    snprintf(prefix, sizeof prefix, "%s/journal/", azure->note.run);
    if (blob_list(blobs, azure->container, prefix, NULL, 0, part_visit, last, &ignored) != 0 ||
        !*last)
        return;
    struct blob_place place = {.container = azure->container, .name = last};
    blob_lease_break(blobs, &place, &ignored);
}

/* Whether the leader has written since `etag` was read, which becomes what it is now. */
static bool leader_lives(struct azure *azure, char etag[BLOB_ETAG_MAX])
{
    char name[AZURE_NAME_MAX];
    struct blob_place place = leader_place(azure, name);
    struct blob_properties properties;
    struct error ignored;
    if (blob_properties_get(account_blobs(azure->account), &place, &properties, &ignored) != 0)
        return false;
    bool lives = *etag && strcmp(etag, properties.etag) != 0;
    memcpy(etag, properties.etag, BLOB_ETAG_MAX);
    return lives;
}

static int lease_await(struct azure *azure, const char *lease, bool take_over,
                       const struct backend_listener *listener, struct error *ret_error)
{
    struct leader leader;
    char etag[BLOB_ETAG_MAX] = "";
    int64_t began_ns = clock_monotonic_ns();
    bool said = false;
    int rc;
    while ((rc = lease_try(azure, lease, ret_error)) == BLOB_ALREADY) {
        double waited_s = (double)(clock_monotonic_ns() - began_ns) / CLOCK_SECOND_NS;
        leader_get(azure, &leader);
        if ((take_over || leader_dead(&leader)) && !said)
            azure_lead_break(azure);
        else if (leader_lives(azure, etag) || waited_s > PATIENCE_S)
            return error_set(
                ret_error, ERROR_BACKEND,
                "this farm is being led by another beofarm (%s); `beofarm watch` "
                "follows it, and `beofarm run --resume --take-over` takes its place",
                leader.who);
        else if (!said)
            backend_say(listener,
                        "another beofarm leads this farm (%s): waiting up to %d s to see "
                        "whether it lives",
                        leader.who, PATIENCE_S);
        said = true;
        interrupt_sleep(ASK_NS);
    }
    return rc;
}

/* Say who we are, in the blob whose lease we have. */
static int leader_put(struct azure *azure, struct azure_lead *lead, struct error *ret_error)
{
    char name[AZURE_NAME_MAX];
    struct blob_place place = leader_place(azure, name);
    place.lease = lead->lease;
    lead->text = leader_print();
    int rc = lead->text ? blob_put(account_blobs(azure->account), &place, lead->text,
                                   strlen(lead->text), BLOB_OVERWRITE, ret_error)
                        : error_set(ret_error, ERROR_SYSTEM, "no memory to say who leads");
    return rc == 0 ? 0 : -1;
}

int azure_lead(struct backend *backend, bool take_over, const struct backend_listener *listener,
               struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    char name[AZURE_NAME_MAX];
    if (azure->lead || !azure->note.run[0])
        return 0;
    struct azure_lead *lead = calloc(1, sizeof *lead);
    leader_place(azure, name);
    if (!lead || !(lead->name = strdup(name))) {
        free(lead);
        return error_set(ret_error, ERROR_SYSTEM, "no memory to lead a farm");
    }
    if (!azure_account(azure, ret_error) || blob_lease_id_make(lead->lease, ret_error) != 0 ||
        lease_await(azure, lead->lease, take_over, listener, ret_error) != 0 ||
        leader_put(azure, lead, ret_error) != 0 || keeper_start(azure, lead, ret_error) != 0) {
        lead_free(lead);
        return -1;
    }
    azure->lead = lead;
    return 0;
}

int azure_lead_check(struct backend *backend, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct azure_lead *lead = azure->lead;
    struct leader leader;
    if (!lead)
        return 0;
    pthread_mutex_lock(&lead->lock);
    bool lost = lead->lost;
    pthread_mutex_unlock(&lead->lock);
    if (!lost)
        return 0;
    leader_get(azure, &leader);
    return error_set(ret_error, ERROR_BACKEND,
                     "another beofarm has taken our place (%s): leaving the farm to it",
                     leader.who);
}
