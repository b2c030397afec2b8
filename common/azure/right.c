#include "config.h"

#include "common/azure/right.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/secret.h"

#define RIGHTS_MAX 4 /* a process has one container, tests have some */

struct right {
    char *url, *name, *sas;
    int64_t expiry_s;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct right rights[RIGHTS_MAX];
static size_t next_dropped;

static void right_clear(struct right *right)
{
    free(right->url);
    free(right->name);
    secret_free(right->sas);
    *right = (struct right){0};
}

static struct right *right_find(const char *url, const char *name)
{
    for (size_t i = 0; i < RIGHTS_MAX; i++)
        if (rights[i].sas && strcmp(rights[i].url, url) == 0 &&
            strcmp(rights[i].name, name) == 0)
            return &rights[i];
    return NULL;
}

void right_note(const char *url, const char *name, const char *sas, int64_t expiry_s)
{
    pthread_mutex_lock(&lock);
    struct right *right = right_find(url, name);
    if (!right || right->expiry_s < expiry_s) {
        if (!right)
            right = &rights[next_dropped++ % RIGHTS_MAX];
        right_clear(right);
        *right = (struct right){strdup(url), strdup(name), strdup(sas), expiry_s};
        if (!right->url || !right->name || !right->sas)
            right_clear(right); /* each thread finds it by itself then */
    }
    pthread_mutex_unlock(&lock);
}

char *right_get(const char *url, const char *name, int64_t than_s)
{
    pthread_mutex_lock(&lock);
    const struct right *right = right_find(url, name);
    char *sas = right && right->expiry_s > than_s ? strdup(right->sas) : NULL;
    pthread_mutex_unlock(&lock);
    return sas;
}
