/* The azure backend's parts that ask nobody: names, notes, formulas, command lines, settings. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/azure/blob.h"
#include "launch/azure/azure_fetch.h"
#include "launch/azure/azure_formula.h"
#include "launch/azure/azure_note.h"
#include "launch/azure/azure_quota.h"
#include "launch/azure/azure_script.h"
#include "launch/azure/azure_settings.h"
#include "launch/backend.h"
#include "launch/disk.h"

static struct error error;

static void names_keep_to_azures_rules(void **state)
{
    (void)state;
    static const char *const farms[] = {
        "henry", "Henry.2", "a_b-", "x",
        "a.very.long.name.that.goes.on.and.on.and.on.until.it.is.64.long..."};
    for (size_t i = 0; i < sizeof farms / sizeof farms[0]; i++) {
        struct azure_note note;
        char container[AZURE_CONTAINER_SIZE], job[BATCH_ID_MAX + 1], stem[AZURE_STEM_SIZE];
        azure_note_container(farms[i], container);
        assert_true(blob_container_valid(container));
        assert_int_equal(azure_note_begin(&note, farms[i], &error), 0);
        assert_true(batch_id_valid(note.run));
        azure_note_stem(farms[i], stem);
        assert_memory_equal(note.run, stem, strlen(stem));
        note.job = 999;
        assert_string_equal(azure_note_job(&note, job) + strlen(note.run), "-999");
        note.job = 1;
        assert_string_equal(azure_note_job(&note, job), note.run);
    }
}

static void two_runs_have_two_names(void **state)
{
    (void)state;
    struct azure_note notes[8];
    int same = 0;
    for (int i = 0; i < 8; i++)
        assert_int_equal(azure_note_begin(&notes[i], "henry", &error), 0);
    for (int i = 1; i < 8; i++)
        same += strcmp(notes[0].run, notes[i].run) == 0;
    assert_true(same < 7); /* that all of them drew the same 16 bits has a chance of 2^-112 */
}

static void a_note_reads_back(void **state)
{
    (void)state;
    char folder[] = "/tmp/beofarm-note-XXXXXX";
    struct azure_note note, back;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(azure_note_read(folder, &back, &error), 0);
    assert_string_equal(back.run, ""); /* there is none */
    assert_int_equal(azure_note_begin(&note, "henry", &error), 0);
    snprintf(note.pool, sizeof note.pool, "henry-pool");
    note.pool_made = true;
    note.job = 3;
    assert_int_equal(azure_note_write(folder, &note, &error), 0);
    assert_int_equal(azure_note_read(folder, &back, &error), 0);
    assert_string_equal(back.run, note.run);
    assert_string_equal(back.pool, "henry-pool");
    assert_true(back.pool_made && back.job == 3 && back.begun_s == note.begun_s);
    disk_remove(folder, &error);
}

static void damaged_notes_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "[]x",
                                        "{\"run\": \"../../x\"}",
                                        "{\"run\": 3}",
                                        "{\"run\": \"a\", \"pool\": \"b/c\"}",
                                        "{\"run\": \"a\", \"job\": -1}",
                                        "{\"job\": 1}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct azure_note note;
        assert_int_equal(azure_note_parse(texts[i], strlen(texts[i]), "n", &note, &error), -1);
        assert_true(error.text[0]);
    }
}

static const char *formula(struct buf *buf, struct azure_nodes_wanted wanted)
{
    buf_init(buf, 8192);
    assert_int_equal(azure_formula_put(buf, &wanted), 0);
    return buf_text(buf);
}

static void formulas_reach_zero_and_keep_to_their_counts(void **state)
{
    (void)state;
    struct buf buf;
    const char *text = formula(&buf, (struct azure_nodes_wanted){.dedicated = 3, .spot = 20});
    assert_non_null(strstr(text, "total = tasks < 0 ? 23 : (tasks < 1 ? 0 : 23);"));
    assert_non_null(strstr(text, "spot = max(0, min(20, total - 1));"));
    assert_non_null(strstr(text, "$TargetDedicatedNodes = min(3, total - spot);"));
    assert_non_null(strstr(text, "$NodeDeallocationOption = taskcompletion;"));
    buf_fini(&buf);
    text = formula(
        &buf, (struct azure_nodes_wanted){.dedicated = 1, .spot = 9, .follow = true, .min = 2});
    assert_non_null(strstr(text, "min(10, max(3, tasks))"));
    buf_fini(&buf);
    text =
        formula(&buf, (struct azure_nodes_wanted){.dedicated = 1, .follow = true, .min = 50});
    assert_non_null(strstr(text, "min(1, max(1, tasks))"));
    buf_fini(&buf);
}

/* Run a command line; that a shell splits it rather than Batch is the same for /bin/sh -c '...'. */
static int line_run(const char *line)
{
    int rc = system(line);
    return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static void a_task_unpacks_the_bundle_once_and_becomes_the_program(void **state)
{
    (void)state;
    char folder[] = "/tmp/beofarm-script-XXXXXX";
    static const char program[] = "#!/bin/sh\necho \"$1|$2\" >said\n";
    static const char *const args[] = {"it's", "$HOME", NULL};
    const struct azure_start start = {.kind = AZURE_START_NONE};
    struct buf line, said;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    setenv("AZ_BATCH_NODE_SHARED_DIR", folder, 1);
    assert_int_equal(mkdir("bin", 0777), 0);
    assert_int_equal(disk_write("bin/prog", program, strlen(program), 0755, false, &error), 0);
    assert_int_equal(line_run("tar -czf beofarm-bundle.tar.gz bin"), 0);
    buf_init(&line, 8192);
    assert_int_equal(azure_script_task_put(&line, &start, "0123456789abcdef0123", "prog", args),
                     0);
    assert_non_null(strstr(buf_text(&line), "/bin/sh -c '"));
    assert_int_equal(line_run(buf_text(&line)), 0);
    buf_init(&said, 256 << 10);
    if (disk_read("said", 4096, &said, &error) != 0)
        fail_msg("%s", error.text);
    assert_string_equal(buf_text(&said), "it's|$HOME\n");
    buf_fini(&said);
    assert_true(disk_exists("beofarm-0123456789abcdef/bin/prog"));
    assert_false(disk_exists("beofarm-bundle.tar.gz"));
    /* Again, with the folder there and no bundle at hand. */
    assert_int_equal(line_run(buf_text(&line)), 0);
    buf_fini(&line);
    buf_init(&line, 8192);
    assert_int_equal(azure_script_task_put(&line, &start, "ffff456789abcdef0123", "prog", NULL),
                     0);
    assert_int_equal(line_run(buf_text(&line)), 4); /* no archive: said, and no half folder */
    buf_fini(&line);
    assert_int_equal(chdir("/"), 0);
    disk_remove(folder, &error);
}

static void programs_come_from_the_bundle_the_package_or_the_path(void **state)
{
    (void)state;
    struct buf buf;
    struct azure_start start = {.kind = AZURE_START_APPLICATION,
                                .application = "/subscriptions/s/applications/Beo-Farm",
                                .version = "1.0-Rc"};
    buf_init(&buf, 1024);
    assert_int_equal(azure_script_program_put(&buf, &start, "", "p"), 0);
    assert_string_equal(buf_text(&buf), "$AZ_BATCH_APP_PACKAGE_beo_farm_1_0_rc/bin/p");
    buf_clear(&buf);
    azure_script_program_put(&buf, &start, "0123456789abcdefgh", "p");
    assert_string_equal(buf_text(&buf),
                        "$AZ_BATCH_NODE_SHARED_DIR/beofarm-0123456789abcdef/bin/p");
    buf_clear(&buf);
    start.kind = AZURE_START_CONTAINER;
    azure_script_program_put(&buf, &start, "", "p");
    assert_string_equal(buf_text(&buf), "p");
    buf_fini(&buf);
}

static void containers_have_their_nodes_network_unless_told_otherwise(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {NULL, "--network host"},
        {"--shm-size=2g", "--network host --shm-size=2g"},
        {"--rm --network=farm", "--rm --network=farm"},
        {"--net host", "--net host"},
    };
    struct buf buf;
    buf_init(&buf, 1024);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct azure_start start = {.kind = AZURE_START_CONTAINER, .run_options = table[i][0]};
        buf_clear(&buf);
        assert_int_equal(azure_script_options_put(&buf, &start), 0);
        assert_string_equal(buf_text(&buf), table[i][1]);
    }
    buf_fini(&buf);
}

static void a_start_task_installs_what_is_missing(void **state)
{
    (void)state;
    struct buf line;
    struct azure_start start = {.kind = AZURE_START_NONE};
    buf_init(&line, 65536);
    assert_int_equal(azure_script_start_put(&line, &start), 0);
    assert_int_equal(line.size, 0); /* none is needed */
    cJSON *packages = cJSON_Parse("[\"bash\"]");
    start = (struct azure_start){.kind = AZURE_START_PACKAGES,
                                 .packages = packages,
                                 .command = "echo it\\'s >&2; exit 7"};
    assert_int_equal(azure_script_start_put(&line, &start), 0);
    const char *text = buf_text(&line);
    assert_non_null(strstr(text, "want=\"openmpi-bin bash\""));
    assert_non_null(strstr(text, "apt-get -q"));
    buf_fini(&line);
    cJSON_Delete(packages);
}

static void cores_are_read_off_names_that_tell_them(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int cores;
    } table[] = {{"Standard_D4s_v5", 4},
                 {"standard_d2s_v3", 2},
                 {"Standard_HB120-16rs_v3", 16},
                 {"Standard_F72s_v2", 72},
                 {"Standard_A2_v2", 2},
                 {"Standard_DS12_v2", 0},
                 {"Standard_D11", 0},
                 {"Standard_A8", 0},
                 {"Standard_M8-4ms", 4},
                 {"", 0},
                 {"Standard_", 0},
                 {"Standard_D99999999999s_v5", 0},
                 {"big", 0}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(azure_quota_cores(table[i].name), table[i].cores);
}

static void settings_have_their_defaults(void **state)
{
    (void)state;
    struct azure_settings settings;
    cJSON *json =
        cJSON_Parse("{\"kind\": \"azure\", \"pool\": {\"vm_size\": \"v\", \"spot\": -1}}");
    assert_int_equal(azure_settings_read(json, &settings, &error), 0);
    assert_string_equal(settings.pool.image.text, "ubuntu 24.04");
    assert_true(settings.poll_s == 1.0 && settings.pool.inter_node && !settings.pool.follow);
    assert_int_equal(azure_settings_spot(&settings, 7), 7);
    settings.pool.spot = 3;
    assert_int_equal(azure_settings_spot(&settings, 7), 3);
    assert_int_equal(azure_settings_spot(&settings, 2), 2);
    cJSON_Delete(json);
    json = cJSON_Parse("{\"auth\": \"magic\"}");
    assert_int_equal(azure_settings_read(json, &settings, &error), -1);
    cJSON_Delete(json);
}

static void blobs_become_no_files_outside_their_folder(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "..", "a/../b", "/etc/passwd", "a//b", "a/.", "a/"};
    struct azure_fetch fetch = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(azure_fetch_add(&fetch, "x", "/tmp/f", bad[i], 1, 1, &error), -1);
    assert_int_equal(fetch.count, 0);
    assert_int_equal(azure_fetch_add(&fetch, "x", "/tmp/f", "a/..b/c", 1, 1, &error), 0);
    assert_string_equal(fetch.items[0].path, "/tmp/f/a/..b/c");
    azure_fetch_fini(&fetch);
}

static void a_backend_opens_without_an_account_and_asks_nobody(void **state)
{
    (void)state;
    cJSON *json = cJSON_Parse("{\"kind\": \"azure\", \"pool\": {\"vm_size\": \"v\"}}");
    struct backend_context context = {
        .run_dir = "/nonexistent", .settings = json, .farm = "henry", .folder = "/"};
    unsetenv("AZURE_BATCH_ACCOUNT");
    setenv("HOME", "/nonexistent", 1);
    struct backend *backend = backend_open(&context, &error);
    assert_non_null(backend);
    assert_non_null(strstr(backend->ops->store_uri(backend), "/beofarm-henry?..."));
    /* Nothing was rented, so there is nothing to give back, and nobody to ask for that. */
    assert_int_equal(backend->ops->job_terminate(backend, &error), 0);
    assert_int_equal(backend->ops->pool_delete(backend, NULL, &error), 0);
    assert_int_equal(backend->ops->results_bring(backend, NULL, &error), 0);
    assert_int_equal(backend->ops->pool_create(backend, NULL, &error), -1);
    backend_close(backend);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_keep_to_azures_rules),
        cmocka_unit_test(two_runs_have_two_names),
        cmocka_unit_test(a_note_reads_back),
        cmocka_unit_test(damaged_notes_are_refused),
        cmocka_unit_test(formulas_reach_zero_and_keep_to_their_counts),
        cmocka_unit_test(a_task_unpacks_the_bundle_once_and_becomes_the_program),
        cmocka_unit_test(programs_come_from_the_bundle_the_package_or_the_path),
        cmocka_unit_test(containers_have_their_nodes_network_unless_told_otherwise),
        cmocka_unit_test(a_start_task_installs_what_is_missing),
        cmocka_unit_test(cores_are_read_off_names_that_tell_them),
        cmocka_unit_test(settings_have_their_defaults),
        cmocka_unit_test(blobs_become_no_files_outside_their_folder),
        cmocka_unit_test(a_backend_opens_without_an_account_and_asks_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
