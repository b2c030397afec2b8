#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/buf.h"
#include "tests/worker/machines.h"

/* A file of tests/worker/topologies. */
static const char *recorded_path(const char *name)
{
    static char path[4096];
    const char *source = getenv("BEOFARM_SOURCE");
    snprintf(path, sizeof path, "%s/tests/worker/topologies/%s", source ? source : ".", name);
    return path;
}

struct topology_source machine(const char *name)
{
    struct topology_source source = {0};
    if (strstr(name, ".xml"))
        source.xml = recorded_path(name);
    else
        source.synthetic = name;
    return source;
}

char root_dir[64];

int make_root(void **state)
{
    (void)state;
    snprintf(root_dir, sizeof root_dir, "/tmp/beofarm-topology-XXXXXX");
    return mkdtemp(root_dir) ? 0 : -1;
}

int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root_dir);
    return system(command);
}

void write_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root_dir, name);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0777) < 0)
            assert_int_equal(errno, EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

struct topology *opened;
struct topology_plan *planned;

const struct topology_plan *plan_from(const struct topology_source *source,
                                      struct topology_request wanted)
{
    struct error error = {0};
    topology_plan_destroy(planned);
    topology_close(opened);
    planned = NULL;
    opened = topology_open(source, &error);
    if (!opened)
        fail_msg("%s", error.text);
    planned = topology_plan_create(opened, &wanted, &error);
    if (!planned)
        fail_msg("%s", error.text);
    return planned;
}

const struct topology_plan *plan(const char *name, struct topology_request wanted)
{
    struct topology_source source = machine(name);
    return plan_from(&source, wanted);
}

int forget_plan(void **state)
{
    (void)state;
    topology_plan_destroy(planned);
    topology_close(opened);
    planned = NULL;
    opened = NULL;
    return 0;
}

const char *variable(const struct topology_plan *made, size_t slot, const char *name)
{
    const char *value = slot_getenv(&made->slots[slot], name);
    return value ? value : "(unset)";
}

bool notes_say(const struct topology_plan *made, const char *words)
{
    for (size_t i = 0; i < made->note_count; i++)
        if (strstr(made->notes[i], words))
            return true;
    return false;
}

struct topology_request request(unsigned slots, unsigned threads)
{
    return (struct topology_request){
        .slots = slots, .threads_per_slot = threads, .pin = true, .gpus = true};
}

const char *describe(const struct topology_plan *made)
{
    static struct buf line;
    bool gpus = false;
    buf_fini(&line);
    buf_init(&line, 10000);
    for (size_t i = 0; i < made->slot_count; i++) {
        buf_printf(&line, "%s%s", i > 0 ? ";" : "", made->slots[i].cpus);
        gpus = gpus || made->slots[i].gpu_count > 0;
    }
    for (size_t i = 0; gpus && i < made->slot_count; i++) {
        buf_append_text(&line, i > 0 ? ";" : " |");
        for (size_t k = 0; k < made->slots[i].gpu_count; k++)
            buf_printf(&line, "%s%u", k > 0 ? "," : "", made->slots[i].gpus[k]);
    }
    return buf_text(&line);
}
