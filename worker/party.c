/*
 * What each variable is for:
 *
 * BEOFARM_HOSTFILE, BEOFARM_NODES, BEOFARM_RANKS, BEOFARM_RSH  for scripts, and other MPIs
 * AZ_BATCH_HOST_LIST                            as Batch has it, also where there is no Batch
 * *_default_hostfile                            so that a plain `mpirun ./program` uses all of it
 * plm_rsh_agent, plm_ssh_agent                  our way to other nodes (Open MPI 4, 5)
 * *_no_tree_spawn                               daemons would start others, from where no worker is
 * orte_leave_session_attached                   a daemon that leaves its parent looks like a
 * left-over *_if_include                                  the nodes' network, of all that a machine
 * has (docker0) oversubscribe, binding policy                 where there are more ranks than
 * cores, or the cores
 *                                               are shared with other workers of the machine
 * OMPI_ALLOW_RUN_AS_ROOT*                       in containers; who runs a worker as root means it
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/fd.h"
#include "common/tree.h"
#include "worker/party.h"
#include "worker/party_network.h"

size_t party_ranks(size_t ranks, size_t nodes, size_t index)
{
    return ranks / nodes + (index < ranks % nodes);
}

static int hosts_read(struct party *party, size_t nodes, const char *list,
                      struct error *ret_error)
{
    party->hosts = calloc(nodes + 1, sizeof *party->hosts);
    party->apart = list && *list;
    for (const char *next = party->apart ? list : ""; party->hosts && *next;) {
        size_t size = strcspn(next, ",");
        if (party->count == nodes || size == 0)
            return error_set(ret_error, ERROR_CONFIG,
                             "AZ_BATCH_HOST_LIST=\"%s\" does not name %zu nodes", list, nodes);
        party->hosts[party->count] = strndup(next, size);
        if (!party->hosts[party->count++])
            break;
        next += size + (next[size] == ',');
    }
    while (party->hosts && !party->apart && party->count < nodes &&
           (party->hosts[party->count] = strdup("localhost")))
        party->count++;
    if (!party->hosts || (party->count && !party->hosts[party->count - 1]))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the list of nodes");
    return party->count == nodes
               ? 0
               : error_set(ret_error, ERROR_CONFIG,
                           "the farm wants %zu nodes for a task, but AZ_BATCH_HOST_LIST "
                           "names %zu",
                           nodes, party->count);
}

/* A file of the folder. */
static int file_write(const struct party *party, const char *name, unsigned mode,
                      struct buf *text, struct error *ret_error)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", party->folder, name);
    FILE *file = buf_failed(text) ? NULL : fopen(path, "we");
    if (!file)
        return error_errno(ret_error, errno, "\"%s\" cannot be written", path);
    int rc = fd_write(fileno(file), text->data, text->size);
    if (rc == 0)
        rc = fchmod(fileno(file), mode);
    if (rc != 0)
        error_errno(ret_error, errno, "\"%s\" cannot be written", path);
    fclose(file);
    return rc;
}

static int hostfile_write(const struct party *party, size_t ranks, struct error *ret_error)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    if (party->apart)
        for (size_t i = 0; i < party->count; i++)
            buf_printf(&text, "%s slots=%zu\n", party->hosts[i],
                       party_ranks(ranks, party->count, i));
    else /* one line: Open MPI takes the last one that names a host */
        buf_printf(&text, "localhost slots=%zu\n", ranks);
    int rc = file_write(party, "hosts", 0644, &text, ret_error);
    buf_fini(&text);
    return rc;
}

static int rsh_write(const struct party *party, struct error *ret_error)
{
    struct buf text;
    char program[4096];
    ssize_t size = readlink("/proc/self/exe", program, sizeof program);
    buf_init(&text, 1 << 16);
    if (size < 0 || (size_t)size == sizeof program)
        return error_errno(ret_error, errno, "this program's own path is not known");
    buf_append_text(&text, "#!/bin/sh\nexec '");
    for (ssize_t i = 0; i < size; i++)
        if (program[i] == '\'')
            buf_append_text(&text, "'\\''");
        else
            buf_append(&text, &program[i], 1);
    buf_printf(&text, "' --remote '%s/socket' -- \"$@\"\n", party->folder);
    int rc = file_write(party, "rsh", 0755, &text, ret_error);
    buf_fini(&text);
    return rc;
}

static int list_put(const struct party *party, struct slot *slot)
{
    struct buf list;
    buf_init(&list, 1 << 20);
    for (size_t i = 0; i < party->count; i++)
        buf_printf(&list, "%s%s", i ? "," : "", party->hosts[i]);
    const char *text = buf_failed(&list) ? NULL : buf_text(&list);
    int rc = text ? slot_putenv(slot, "AZ_BATCH_HOST_LIST", "%s", text) : -1;
    buf_fini(&list);
    return rc;
}

/* `PRTE_MCA_*` is Open MPI 5's. */
static int way_put(const struct party *party, struct slot *slot)
{
    char network[PARTY_NETWORK_MAX];
    const char *folder = party->folder;
    int rc = 0;
    if (!party->apart)
        return 0;
    rc |= slot_putenv(slot, "BEOFARM_RSH", "%s/rsh", folder);
    rc |= slot_putenv(slot, "OMPI_MCA_plm_rsh_agent", "/bin/sh %s/rsh", folder);
    rc |= slot_putenv(slot, "PRTE_MCA_plm_ssh_agent", "/bin/sh %s/rsh", folder);
    rc |= slot_putenv(slot, "OMPI_MCA_plm", "rsh");
    rc |= slot_putenv(slot, "OMPI_MCA_plm_rsh_no_tree_spawn", "1");
    rc |= slot_putenv(slot, "PRTE_MCA_plm_ssh_no_tree_spawn", "1");
    rc |= slot_putenv(slot, "OMPI_MCA_orte_leave_session_attached", "1");
    rc |= slot_putenv(slot, "PRTE_MCA_prte_leave_session_attached", "1");
    if (party_network_find(party->hosts[0], network)) {
        rc |= slot_putenv(slot, "OMPI_MCA_oob_tcp_if_include", "%s", network);
        rc |= slot_putenv(slot, "OMPI_MCA_btl_tcp_if_include", "%s", network);
        rc |= slot_putenv(slot, "PRTE_MCA_prte_if_include", "%s", network);
    }
    return rc;
}

static int room_put(const struct party *party, const struct party_request *request,
                    size_t ranks, struct slot *slot)
{
    size_t cores = request->cores * (party->apart ? party->count : 1), threads = cores / ranks;
    int rc = slot_putenv(slot, "OMP_NUM_THREADS", "%zu", threads ? threads : 1);
    rc |= slot_putenv(slot, "OMP_PROC_BIND", "false"); /* the slot's are one process's */
    if (!party->apart || ranks > cores) {
        rc |= slot_putenv(slot, "OMPI_MCA_rmaps_base_oversubscribe", "1");
        rc |= slot_putenv(slot, "PRTE_MCA_rmaps_default_mapping_policy", ":OVERSUBSCRIBE");
        rc |= slot_putenv(slot, "OMPI_MCA_hwloc_base_binding_policy", "none");
        rc |= slot_putenv(slot, "PRTE_MCA_hwloc_default_binding_policy", "none");
    }
    if (ranks >
        cores) /* the hostfile makes Open MPI believe that each rank has a core to spin on */
        rc |= slot_putenv(slot, "OMPI_MCA_mpi_yield_when_idle", "1");
    if (geteuid() == 0) {
        rc |= slot_putenv(slot, "OMPI_ALLOW_RUN_AS_ROOT", "1");
        rc |= slot_putenv(slot, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        rc |= slot_putenv(slot, "PRTE_ALLOW_RUN_AS_ROOT", "1");
        rc |= slot_putenv(slot, "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    }
    return rc;
}

static int variables_put(const struct party *party, const struct party_request *request,
                         size_t ranks, struct slot *slot, struct error *ret_error)
{
    int rc = slot_putenv(slot, "BEOFARM_HOSTFILE", "%s/hosts", party->folder);
    rc |= slot_putenv(slot, "BEOFARM_NODES", "%zu", party->count);
    rc |= slot_putenv(slot, "BEOFARM_RANKS", "%zu", ranks);
    rc |= slot_putenv(slot, "OMPI_MCA_orte_default_hostfile", "%s/hosts", party->folder);
    rc |= slot_putenv(slot, "PRTE_MCA_prte_default_hostfile", "%s/hosts", party->folder);
    if (rc || list_put(party, slot) || way_put(party, slot) ||
        room_put(party, request, ranks, slot))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the variables of a slot");
    return 0;
}

int party_open(struct party *ret_party, const struct party_request *request,
               const char *host_list, struct slot *slot, struct error *ret_error)
{
    *ret_party = (struct party){0};
    if (hosts_read(ret_party, request->nodes, host_list, ret_error) < 0)
        return -1;
    size_t ranks = request->cores * (ret_party->apart ? request->nodes : 1);
    if (ranks < request->nodes)
        ranks = request->nodes;
    if (request->ranks)
        ranks = request->ranks;
    char folder[] = "/tmp/beofarm-XXXXXX";
    if (!mkdtemp(folder))
        return error_errno(ret_error, errno, "no folder can be made in /tmp");
    memcpy(ret_party->folder, folder, sizeof folder);
    if (hostfile_write(ret_party, ranks, ret_error) < 0 ||
        (ret_party->apart && rsh_write(ret_party, ret_error) < 0))
        return -1;
    return variables_put(ret_party, request, ranks, slot, ret_error);
}

void party_close(struct party *party)
{
    if (party->folder[0])
        tree_remove(AT_FDCWD, party->folder);
    for (size_t i = 0; i < party->count; i++)
        free(party->hosts[i]);
    free(party->hosts);
    *party = (struct party){0};
}
