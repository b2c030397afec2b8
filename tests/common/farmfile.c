#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/farmfile_private.h"
#include "common/json.h"
#include "common/schema.h"

#define AZURE(pool)                                                                            \
    "{\"name\": \"x\", \"work\": {" SWEEP                                                      \
    "}, \"backend\": {\"kind\": \"azure\", \"pool\": {" pool "}}}"
#define VM    "\"vm_size\": \"Standard_D2s_v5\""
#define SWEEP "\"kind\": \"sweep\", \"command\": [\"./m\"], \"params\": {\"csv\": \"p.csv\"}"
#define SHELL "\"kind\": \"sweep\", \"params\": {\"csv\": \"p.csv\"}, \"shell\": "
#define FOREIGN                                                                                \
    "\"kind\": \"external\", \"master\": {\"command\": [\"m\"]}, \"worker\": {\"command\": "   \
    "[\"w\"]}"

static void collect(void *context, const char *sentence)
{
    struct buf *buf = context;
    buf_printf(buf, "%s%s", buf->size ? "\n" : "", sentence);
}

static void mistakes_are_all_reported(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentences;
    } table[] = {
        {"{}",
         "f.json: $: the key \"name\" is missing\nf.json: $: the key \"work\" is missing"},
        {"{\"name\": \"x\", \"work\": {" SWEEP "}, \"limits\": {\"atempts\": 3}}",
         "f.json: $.limits.atempts: unknown key; did you mean \"attempts\"?"},
        {"{\"name\": \"-x\", \"work\": {" SWEEP "}}",
         "f.json: $.name: expected a name of letters, digits, '.', '_' and '-', up to 64, that "
         "begins with a letter or digit, found \"-x\""},
        {"{\"name\": \"x\", \"work\": {\"kind\": \"swep\"}, \"backend\": {\"kind\": "
         "\"slurm\"}, "
         "\"port\": 70000, \"worker\": {\"slots\": 0}}",
         "f.json: $.work.kind: \"swep\" is unknown; did you mean \"sweep\"? (known: \"sweep\", "
         "\"socket\", \"external\", \"pest\", \"shots\")\n"
         "f.json: $.backend.kind: \"slurm\" is unknown; known: \"local\", \"azure\"\n"
         "f.json: $.port: expected a whole number from 0 to 65535, found 70000\n"
         "f.json: $.worker.slots: expected \"auto\" or a whole number from 1 to 4096, found 0"},
        {"{\"name\": \"x\", \"work\": {" SWEEP "}, \"backend\": {\"kind\": \"azure\"}}",
         "f.json: $.backend: the key \"pool\" is missing"},
        {AZURE("\"start\": {\"kind\": \"none\"}"),
         "f.json: $.backend.pool: needs \"vm_size\", such as \"Standard_D4s_v5\"; or \"id\" "
         "and \"reuse\": true, for a pool that is there"},
        {AZURE("\"reuse\": true"),
         "f.json: $.backend.pool: \"reuse\" needs \"id\": which pool?"},
        {AZURE(VM ", \"min\": 0, \"formula\": \"x=1;\""),
         "f.json: $.backend.pool.formula: takes the place of \"min\": name one of them"},
        {AZURE(VM ", \"image\": {\"id\": \"/x\", \"sku\": \"s\"}"),
         "f.json: $.backend.pool.image: needs \"publisher\", \"offer\" and \"sku\"; or \"id\" "
         "alone, an image of your own\n"
         "f.json: $.backend.pool.image: an image of your own needs \"agent\": which node agent "
         "goes with it, such as \"batch.node.ubuntu 24.04\""},
        {AZURE(VM ", \"start\": {\"kind\": \"container\", \"packages\": [\"gdb\"]}"),
         "f.json: $.backend.pool.start: \"kind\": \"container\" needs \"image\"\n"
         "f.json: $.backend.pool.start.packages: is for \"kind\": \"packages\""},
        {AZURE(VM ", \"start\": {\"kind\": \"none\", \"image\": \"i\"}"),
         "f.json: $.backend.pool.start.image: is for \"kind\": \"container\""},
        {AZURE(VM ", \"public_ip\": false"),
         "f.json: $.backend.pool.public_ip: nodes without public addresses need \"subnet\", "
         "with a way out"},
        {"{\"name\": \"x\", \"work\": {" SHELL "false, \"command\": \"./m\"}}",
         "f.json: $.work.command: a command of one text needs \"shell\": true; or write an "
         "array, "
         "one text for each argument"},
        {"{\"name\": \"x\", \"work\": {" SHELL "true, \"command\": [\"./m\"]}}",
         "f.json: $.work.command: with \"shell\": true the command is one text, not an array"},
        {"{\"name\": \"x\", \"work\": {" SHELL "false, \"command\": [\"\", \"a\"]}}",
         "f.json: $.work.command: the first text, the program, is empty"},
        {"{\"name\": \"x\", \"work\": {" SHELL "false, \"command\": 3}}",
         "f.json: $.work.command: expected an array of texts or with \"shell\": true one text, "
         "found 3"},
        {"{\"name\": \"x\", \"work\": {" SWEEP
         ", \"values\": [{\"name\": \"h\"}, {\"name\": \"h\", "
         "\"path\": \"$.a\", \"regex\": \"a\"}], \"stall_s\": 3}}",
         "f.json: $.work.stall_s: is for \"runner\": \"persistent\"; limits.task_timeout_s "
         "bounds a "
         "process\n"
         "f.json: $.work.values[0]: needs \"regex\" or \"path\", to say where the number "
         "stands\n"
         "f.json: $.work.values[1]: may have \"regex\" or \"path\", not both"},
        {"{\"name\": \"x\", \"work\": {" SWEEP
         ", \"runner\": \"persistent\", \"stdin\": \"in\", "
         "\"values\": [{\"name\": \"h\", \"regex\": \"a\"}]}}",
         "f.json: $.work.stdin: a persistent runner reads its tasks from standard input; "
         "remove "
         "\"stdin\"\n"
         "f.json: $.work.values[0]: a persistent runner sends its values by name; \"from\", "
         "\"regex\" and \"path\" do not apply"},
        {"{\"name\": \"x\", \"port\": 4004, \"work\": {" FOREIGN "}}",
         "f.json: $.port: the foreign master wants this port (work.port); choose another, or "
         "leave "
         "it out"},
        {"{\"name\": \"x\", \"work\": {\"kind\": \"sweep\", \"command\": [\"m\"], \"params\": "
         "{\"csv\": \"a\", \"grid\": {\"K:\": [], \"S\": {\"from\": 1, \"count\": 2}}}}}",
         "f.json: $.work.params: may have only one of these keys: \"csv\", \"grid\", \"list\", "
         "\"random\"\n"
         "f.json: $.work.params.grid: expected a parameter's name (no braces, ':' or '='), "
         "found "
         "\"K:\"\n"
         "f.json: $.work.params.grid[\"K:\"]: may not be empty\n"
         "f.json: $.work.params.grid.S: the key \"to\" is missing"},
    };
    struct buf buf;
    buf_init(&buf, 100000);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct error error;
        buf_clear(&buf);
        int count = farmfile_check_text(table[i].text, strlen(table[i].text), "f.json", collect,
                                        &buf, &error);
        assert_true(count > 0);
        assert_string_equal(buf_text(&buf), table[i].sentences);
    }
    buf_fini(&buf);
}

static void opening_a_bad_file_says_the_first_mistake_and_how_many(void **state)
{
    (void)state;
    struct farmfile farm = {0};
    struct error error;
    assert_int_equal(farmfile_parse("{}", 2, "f.json", &farm, &error), -1);
    assert_int_equal(error.code, ERROR_CONFIG);
    assert_string_equal(error.text,
                        "f.json: $: the key \"name\" is missing (and 1 more; `beofarm "
                        "check` lists them)");
    assert_int_equal(farmfile_parse("{", 1, "f.json", &farm, &error), -1);
    assert_string_equal(error.text,
                        "f.json:1:2: expected a key in quotes, found the end of the text");
    assert_int_equal(farmfile_open("/nonexistent/f.json", &farm, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_int_equal(farmfile_check("/nonexistent/f.json", collect, NULL, &error), -1);
    assert_null(farm.root);
    farmfile_close(&farm);
}

static struct farmfile parse(const char *text)
{
    struct farmfile farm;
    struct error error;
    if (farmfile_parse(text, strlen(text), "f.json", &farm, &error) < 0)
        fail_msg("%s", error.text);
    return farm;
}

static void what_is_not_said_has_its_default(void **state)
{
    (void)state;
    struct farmfile farm = parse("{\"name\": \"x\", \"work\": {" SWEEP "}}");
    assert_string_equal(farm.name, "x");
    assert_string_equal(farm.backend_kind, "local");
    assert_int_equal(json_member(farm.backend, "workers")->valueint, 1);
    assert_string_equal(farm.work_kind, "sweep");
    assert_string_equal(json_member(farm.work, "runner")->valuestring, "process");
    assert_true(cJSON_IsArray(json_member(farm.work, "outputs")));
    assert_int_equal(farm.workers.slots, 0);
    assert_int_equal(farm.workers.threads_per_slot, 0);
    assert_true(farm.workers.pin && farm.workers.gpus && !farm.workers.smt);
    assert_true(farm.workers.drain_s == 30 && farm.workers.rejoin_s == 60 &&
                farm.workers.disk_wait_s == 600);
    assert_null(farm.workers.dir);
    assert_int_equal(farm.limits.attempts, 0); /* the work says */
    assert_true(farm.limits.task_timeout_s == 0 && farm.limits.tasks == 0);
    assert_true(farm.limits.heartbeat_timeout_s == 15 && farm.limits.join_timeout_s == 10);
    assert_true(farm.limits.duplicates && farm.limits.idle_stop_s == 0);
    assert_int_equal(farm.limits.worker_restarts, 3);
    assert_int_equal(farm.file_count, 0);
    assert_int_equal(farm.transport, FARMFILE_AUTO);
    assert_null(farm.network);
    assert_true(cJSON_IsObject(farm.mpi_mca) && !farm.mpi_mca->child);
    assert_int_equal(farm.port, 4004);
    farmfile_close(&farm);
}

static void what_is_said_is_read(void **state)
{
    (void)state;
    struct farmfile farm = parse(
        "{ // all of it\n\"name\": \"a.b-c_1\", \"work\": {" FOREIGN
        "}, \"backend\": {\"kind\": "
        "\"local\", \"workers\": 0}, \"worker\": {\"slots\": 4, \"threads_per_slot\": "
        "\"auto\", "
        "\"pin\": false, \"smt\": true, \"gpus\": \"none\", \"drain_s\": 0, \"rejoin_s\": 1.5, "
        "\"disk_wait_s\": 2.5, \"dir\": \"/tmp\"}, \"files\": [\".\", {\"path\": \"b\", "
        "\"copy\": true}, {\"path\": "
        "\"c\"}], \"limits\": {\"attempts\": 1, \"task_timeout_s\": 0.25, \"tasks\": 9, "
        "\"heartbeat_timeout_s\": 1, \"join_timeout_s\": 2, \"duplicates\": false, "
        "\"worker_restarts\": 0, \"idle_stop_s\": 60}, \"transport\": \"tcp\", \"network\": "
        "\"lo\", \"mpi\": {\"mca\": {\"btl\": \"self\"}}, \"port\": 0}");
    assert_int_equal(farm.workers.slots, 4);
    assert_int_equal(farm.workers.threads_per_slot, 0);
    assert_true(!farm.workers.pin && !farm.workers.gpus && farm.workers.smt);
    assert_true(farm.workers.drain_s == 0 && farm.workers.rejoin_s == 1.5 &&
                farm.workers.disk_wait_s == 2.5);
    assert_string_equal(farm.workers.dir, "/tmp");
    assert_int_equal(farm.file_count, 3);
    assert_string_equal(farm.files[1].path, "b");
    assert_true(!farm.files[0].copy && farm.files[1].copy && !farm.files[2].copy);
    assert_int_equal(farm.limits.attempts, 1);
    assert_int_equal(farm.limits.tasks, 9);
    assert_true(farm.limits.task_timeout_s == 0.25 && farm.limits.heartbeat_timeout_s == 1);
    assert_true(farm.limits.join_timeout_s == 2 && farm.limits.idle_stop_s == 60);
    assert_true(!farm.limits.duplicates && farm.limits.worker_restarts == 0);
    assert_int_equal(farm.transport, FARMFILE_TCP);
    assert_string_equal(farm.network, "lo");
    assert_string_equal(json_member(farm.mpi_mca, "btl")->valuestring, "self");
    assert_int_equal(farm.port, 0);
    farmfile_close(&farm);
}

static void where_nodes_are_is_told_of_any_file(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool here, moves;
    } table[] = {
        {"{}", true, false},
        {"{\"backend\": {\"workers\": 3}}", true, false},
        {"{\"backend\": {\"kind\": \"local\"}}", true, false},
        {"{\"backend\": {\"kind\": \"azure\"}}", false, true},
        {"{\"backend\": {\"kind\": \"slurm\"}}", false, false},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        cJSON *root = cJSON_Parse(table[i].text);
        assert_int_equal(farmfile_nodes_are_here(root), table[i].here);
        assert_int_equal(farmfile_master_moves(root), table[i].moves);
        cJSON_Delete(root);
    }
    assert_true(farmfile_nodes_are_here(NULL));
}

static void the_foreign_master_has_port_4004_first(void **state)
{
    (void)state;
    struct farmfile farm = parse("{\"name\": \"x\", \"work\": {" FOREIGN "}}");
    assert_int_equal(farm.port, 0);
    farmfile_close(&farm);
    farm = parse("{\"name\": \"x\", \"work\": {" FOREIGN ", \"port\": 5000}}");
    assert_int_equal(farm.port, 4004);
    farmfile_close(&farm);
}

/* launch writes the farm file as run from the tree with its defaults; the master opens that. */
static void a_file_with_its_defaults_written_out_is_the_same_farm(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"name\": \"x\", \"work\": {" SWEEP
        ", \"runner\": \"persistent\", \"values\": [{\"name\": "
        "\"h\"}], \"templates\": [{\"from\": \"a\", \"to\": \"b\"}]}}",
        "{\"name\": \"x\", \"work\": {" FOREIGN "}}",
    };
    for (size_t i = 0; i < 2; i++) {
        struct farmfile farm = parse(texts[i]);
        struct buf buf;
        buf_init(&buf, 100000);
        assert_int_equal(json_put(&buf, farm.root, 2), 0);
        struct farmfile again = parse(buf_text(&buf));
        assert_int_equal(json_diff(farm.root, again.root, NULL, NULL), 0);
        assert_int_equal(farm.port, again.port);
        farmfile_close(&again);
        farmfile_close(&farm);
        buf_fini(&buf);
    }
}

static void a_worker_reads_its_settings_from_the_job(void **state)
{
    (void)state;
    struct error error;
    struct farmfile_worker worker;
    cJSON *item = cJSON_Parse("{\"slots\": 2, \"gpus\": \"none\"}");
    assert_int_equal(farmfile_read_worker(item, &worker, &error), 0);
    assert_int_equal(worker.slots, 2);
    assert_true(!worker.gpus && worker.pin && worker.drain_s == 30);
    cJSON_Delete(item);
    assert_int_equal(farmfile_read_worker(NULL, &worker, &error), 0);
    static const char *const bad[] = {"{\"slots\": 5000}", "{\"slots\": \"all\"}",
                                      "{\"pin\": 1}", "{\"slots\": -1}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        item = cJSON_Parse(bad[i]);
        assert_int_equal(farmfile_read_worker(item, &worker, &error), -1);
        cJSON_Delete(item);
    }
}

/* Every property of the schema, at any depth, is explained. */
static void expect_descriptions(const struct schema *schema, const cJSON *root,
                                const cJSON *node)
{
    const cJSON *child;
    cJSON_ArrayForEach(child, json_member(node, "properties"))
    {
        const cJSON *ref = json_member(child, "$ref");
        const cJSON *target =
            ref ? json_member(json_member(root, "$defs"), strrchr(ref->valuestring, '/') + 1)
                : NULL;
        if (!json_member(child, "description") && !json_member(target, "description"))
            fail_msg("\"%s\" has no description", child->string);
        bool shown = json_member(child, "default") || json_member(child, "examples") ||
                     json_member(target, "default") || json_member(target, "examples") ||
                     json_member(child, "const") || json_member(target, "properties");
        if (!shown)
            fail_msg("\"%s\" has neither a default nor an example", child->string);
    }
    cJSON_ArrayForEach(child, node) expect_descriptions(schema, root, child);
}

static void the_schema_explains_every_key(void **state)
{
    (void)state;
    struct error error;
    struct schema *schema = farmfile_schema_create(&error);
    if (!schema)
        fail_msg("%s", error.text); /* a keyword that our checker does not know, for one */
    cJSON *root = cJSON_ParseWithLength((const char *)farm_schema_bytes, farm_schema_size);
    assert_non_null(root);
    expect_descriptions(schema, root, root);
    cJSON_Delete(root);
    root = cJSON_Parse("{\"name\": \"x\", \"work\": {" SWEEP "}}");
    assert_non_null(strstr(schema_describe(schema, root, "$.work.command"), "{NAME}"));
    assert_non_null(strstr(schema_describe(schema, root, "$.limits.attempts"), "tried"));
    cJSON_Delete(root);
    schema_destroy(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_all_reported),
        cmocka_unit_test(opening_a_bad_file_says_the_first_mistake_and_how_many),
        cmocka_unit_test(what_is_not_said_has_its_default),
        cmocka_unit_test(what_is_said_is_read),
        cmocka_unit_test(where_nodes_are_is_told_of_any_file),
        cmocka_unit_test(the_foreign_master_has_port_4004_first),
        cmocka_unit_test(a_file_with_its_defaults_written_out_is_the_same_farm),
        cmocka_unit_test(a_worker_reads_its_settings_from_the_job),
        cmocka_unit_test(the_schema_explains_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
