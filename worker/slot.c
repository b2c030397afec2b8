#include "config.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/slot.h"

/* The kernel reads one bit less of a node mask than it is told (get_nodes in mm/mempolicy.c). */
#define NODE_BITS_EXTRA 1

/* Room for what is saved and put back by slot_try: more CPUs and nodes than Linux can have. */
#define SAVED_CPU_BYTES  8192
#define SAVED_NODE_BITS  4096
#define SAVED_NODE_LONGS (SAVED_NODE_BITS / (8 * sizeof(unsigned long)))

static int cpus_bind(const struct slot *slot)
{
    return syscall(SYS_sched_setaffinity, 0, slot->cpu_mask_size, slot->cpu_mask) < 0 ? errno
                                                                                      : 0;
}

static int memory_bind(const struct slot *slot)
{
    if (!slot->memory_mask)
        return 0;
    return syscall(SYS_set_mempolicy, MPOL_PREFERRED, slot->memory_mask,
                   slot->memory_bits + NODE_BITS_EXTRA) < 0
               ? errno
               : 0;
}

int slot_bind_child(const struct slot *slot)
{
    if (!slot->pin)
        return 0;
    int saved_errno = errno;
    int cpus = cpus_bind(slot);
    int memory = memory_bind(slot);
    errno = saved_errno;
    return cpus ? cpus : memory;
}

static int cpus_try(const struct slot *slot, struct error *ret_error)
{
    unsigned long saved[SAVED_CPU_BYTES / sizeof(unsigned long)];
    long size = syscall(SYS_sched_getaffinity, 0, sizeof saved, saved);
    int failure = size < 0 ? errno : cpus_bind(slot);
    if (failure)
        return error_errno(ret_error, failure,
                           "slot %u cannot be bound to CPUs %s, so its tasks run unbound",
                           slot->index, slot->cpus);
    (void)syscall(SYS_sched_setaffinity, 0, (size_t)size, saved);
    return 0;
}

static int memory_try(const struct slot *slot, struct error *ret_error)
{
    unsigned long saved[SAVED_NODE_LONGS] = {0};
    int mode = MPOL_DEFAULT;
    int failure = 0;
    if (!slot->memory_mask)
        return 0;
    if (syscall(SYS_get_mempolicy, &mode, saved, SAVED_NODE_BITS, NULL, 0) < 0)
        failure = errno;
    else
        failure = memory_bind(slot);
    if (failure)
        return error_errno(ret_error, failure,
                           "the memory of slot %u cannot be kept on NUMA node %s (containers "
                           "often forbid set_mempolicy), so pages come from where they are "
                           "first touched",
                           slot->index, slot->nodes);
    (void)syscall(SYS_set_mempolicy, mode, saved, SAVED_NODE_BITS + NODE_BITS_EXTRA);
    return 0;
}

int slot_try(const struct slot *slot, struct error *ret_error)
{
    if (!slot->pin)
        return 0;
    if (cpus_try(slot, ret_error) < 0)
        return -1;
    return memory_try(slot, ret_error);
}

/* The entry of `name`, NULL if there is none; *ret_count: how many entries there are. */
static char **entry_find(const struct slot *slot, const char *name, size_t *ret_count)
{
    size_t length = strlen(name);
    size_t i = 0;
    char **found = NULL;
    for (; slot->environment && slot->environment[i]; i++)
        if (strncmp(slot->environment[i], name, length) == 0 &&
            slot->environment[i][length] == '=')
            found = &slot->environment[i];
    *ret_count = i;
    return found;
}

const char *slot_getenv(const struct slot *slot, const char *name)
{
    size_t count = 0;
    char **entry = entry_find(slot, name, &count);
    return entry ? *entry + strlen(name) + 1 : NULL;
}

int slot_putenv(struct slot *slot, const char *name, const char *format, ...)
{
    char *value = NULL;
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&value, format, args);
    va_end(args);
    if (length < 0)
        return -1;
    length = asprintf(&text, "%s=%s", name, value);
    free(value);
    if (length < 0)
        return -1;

    size_t count = 0;
    char **entry = entry_find(slot, name, &count);
    if (entry) {
        free(*entry);
        *entry = text;
        return 0;
    }
    char **grown = realloc(slot->environment, (count + 2) * sizeof *grown);
    if (!grown) {
        free(text);
        return -1;
    }
    grown[count] = text;
    grown[count + 1] = NULL;
    slot->environment = grown;
    return 0;
}

void slot_fini(struct slot *slot)
{
    for (size_t i = 0; slot->environment && slot->environment[i]; i++)
        free(slot->environment[i]);
    free(slot->environment);
    free(slot->cpus);
    free(slot->nodes);
    free(slot->gpus);
    free(slot->cpu_mask);
    free(slot->memory_mask);
    *slot = (struct slot){0};
}
