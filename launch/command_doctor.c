/*
 * beofarm doctor: what this machine offers a farm, what is missing, and how to get it.
 *
 * Nothing is known here of MPI or hwloc: the master is asked whether workers can join, and the
 * worker what slots it would make, because they are the ones that will do it.
 */
#include "config.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/json.h"
#include "launch/command.h"
#include "launch/disk.h"
#include "launch/program.h"
#include "launch/screen.h"

#define ASK_LIMIT_S 60
#define DISK_LOW    ((uint64_t)1 << 30) /* bytes free below which we say so */

struct doctor_options {
    bool json;
};

static const struct command_option options[] = {
    {"json", 0, NULL, "print JSON", OPTION_FLAG, offsetof(struct doctor_options, json), 0},
};

struct checkup {
    cJSON *root;     /* what was found */
    cJSON *problems; /* {"fatal":…,"sentence":…}: what is missing and how to get it */
};

static void problem_add(struct checkup *checkup, bool fatal, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void problem_add(struct checkup *checkup, bool fatal, const char *format, ...)
{
    char text[2 * ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cJSON *problem = cJSON_CreateObject();
    cJSON_AddBoolToObject(problem, "fatal", fatal);
    cJSON_AddStringToObject(problem, "sentence", text);
    cJSON_AddItemToArray(checkup->problems, problem);
}

static void programs_check(struct checkup *checkup)
{
    static const char *const names[] = {"beofarm-master", "beofarm-worker"};
    cJSON *programs = cJSON_AddObjectToObject(checkup->root, "programs");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buf path;
        struct error error;
        buf_init(&path, PATH_MAX);
        if (program_find(names[i], &path, &error) == 0)
            cJSON_AddStringToObject(programs, names[i], buf_text(&path));
        else
            problem_add(checkup, true, "%s", error.text);
        buf_fini(&path);
    }
}

/* Ask a program of ours for a JSON object; NULL, with the problem noted, if it gives none. */
static cJSON *object_ask(struct checkup *checkup, const char *program, const char *const *args)
{
    struct program_answer answer;
    struct error error = {.code = ERROR_NONE};
    cJSON *object = NULL;
    int rc = program_ask(program, args, ASK_LIMIT_S, &answer, &error);
    if (rc == 0 && answer.exit_code != 0)
        rc = program_answer_refuse(program, &answer, &error);
    if (rc == 0)
        rc = json_parse((const char *)answer.output.data, answer.output.size, program,
                        JSON_STRICT, &object, &error);
    program_answer_fini(&answer);
    if (rc != 0)
        problem_add(checkup, true, "%s %s: %s", program, args[0], error.text);
    return object;
}

static void mpi_check(struct checkup *checkup)
{
    static const char *const args[] = {"--probe", NULL};
    struct buf path;
    cJSON *probe = object_ask(checkup, "beofarm-master", args);
    const cJSON *mpi = json_member(probe, "mpi");
    const char *sentence = cJSON_GetStringValue(json_member(mpi, "sentence"));
    buf_init(&path, PATH_MAX);
    if (probe && !cJSON_IsTrue(json_member(mpi, "works"))) {
        problem_add(checkup, false, "workers cannot join by MPI here, and will use TCP: %s",
                    sentence && *sentence ? sentence
                                          : "this beofarm was built without Open MPI");
        if (program_find("ompi-server", &path, NULL) != 0)
            problem_add(
                checkup, false,
                "the program ompi-server is missing; Debian's package openmpi-bin brings it");
    }
    buf_fini(&path);
    if (mpi)
        cJSON_AddItemToObject(checkup->root, "mpi", cJSON_Duplicate(mpi, true));
    cJSON_Delete(probe);
}

/* What is printed for people is measured when it is (node_print). */
static void node_check(struct checkup *checkup, bool measure)
{
    const char *const args[] = {"--topology", "--json", measure ? "--bandwidth" : NULL, NULL};
    cJSON *node = object_ask(checkup, "beofarm-worker", args);
    if (node)
        cJSON_AddItemToObject(checkup->root, "node", node);
}

static void address_format(const struct addrinfo *address, char *text, size_t size)
{
    if (getnameinfo(address->ai_addr, address->ai_addrlen, text, (socklen_t)size, NULL, 0,
                    NI_NUMERICHOST) != 0)
        snprintf(text, size, "?");
}

static void hostname_check(struct checkup *checkup)
{
    char name[HOST_NAME_MAX + 1] = "", text[INET6_ADDRSTRLEN + 32];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses = NULL;
    gethostname(name, sizeof name - 1);
    cJSON *host = cJSON_AddObjectToObject(checkup->root, "host");
    cJSON_AddStringToObject(host, "name", name);
    cJSON *list = cJSON_AddArrayToObject(host, "addresses");
    int failure = getaddrinfo(name, NULL, &hints, &addresses);
    if (failure != 0)
        problem_add(
            checkup, false,
            "the hostname \"%s\" does not resolve (%s); on one machine that does no harm, "
            "across machines workers use the master's address instead; a line in "
            "/etc/hosts mends it",
            name, gai_strerror(failure));
    for (const struct addrinfo *next = addresses; next; next = next->ai_next) {
        address_format(next, text, sizeof text);
        cJSON_AddItemToArray(list, cJSON_CreateString(text));
    }
    if (addresses)
        freeaddrinfo(addresses);
}

static void disk_check(struct checkup *checkup)
{
    struct statvfs status;
    char size[32];
    if (statvfs(".", &status) != 0) {
        problem_add(checkup, false, "the free space of this folder cannot be found out");
        return;
    }
    uint64_t left = (uint64_t)status.f_bavail * status.f_frsize;
    cJSON_AddNumberToObject(checkup->root, "disk_free_bytes", (double)left);
    if (left < DISK_LOW)
        problem_add(checkup, false, "only %s are free in this folder, where runs/ will be",
                    disk_format_size(left, size, sizeof size));
    if (access(".", W_OK) != 0)
        problem_add(checkup, false,
                    "this folder is not writable; run farms somewhere else, or with --run-dir");
}

static void mpi_print(const cJSON *mpi)
{
    const char *version = cJSON_GetStringValue(json_member(mpi, "version"));
    if (!mpi)
        return;
    printf("%-11s %s: %s\n", "Open MPI", version && *version ? version : "none",
           cJSON_IsTrue(json_member(mpi, "works")) ? "workers can join by MPI"
                                                   : "workers join by TCP");
}

static void host_print(const cJSON *host)
{
    const cJSON *address;
    const char *separator = "";
    printf("%-11s %s (", "host", json_member(host, "name")->valuestring);
    cJSON_ArrayForEach(address, json_member(host, "addresses"))
    {
        printf("%s%s", separator, address->valuestring);
        separator = ", ";
    }
    printf("%s)\n", *separator ? "" : "does not resolve");
}

/* The worker says it best itself. */
static void node_print(void)
{
    static const char *const args[] = {"--topology", "--bandwidth", NULL};
    struct program_answer answer;
    if (program_ask("beofarm-worker", args, ASK_LIMIT_S, &answer, NULL) == 0 &&
        answer.exit_code == 0 && buf_text(&answer.output))
        printf("\n%s", buf_text(&answer.output));
    program_answer_fini(&answer);
}

static void checkup_print(const struct checkup *checkup)
{
    char size[32];
    const cJSON *item, *left = json_member(checkup->root, "disk_free_bytes");
    printf("%-11s %s\n", "beofarm", PACKAGE_VERSION);
    cJSON_ArrayForEach(item, json_member(checkup->root, "programs"))
    {
        printf("%-11s %s\n", "program", item->valuestring);
    }
    mpi_print(json_member(checkup->root, "mpi"));
    host_print(json_member(checkup->root, "host"));
    if (left)
        printf("%-11s %s free in this folder\n", "disk",
               disk_format_size((uint64_t)left->valuedouble, size, sizeof size));
    if (json_member(checkup->root, "node"))
        node_print();
    printf("\n");
    cJSON_ArrayForEach(item, checkup->problems)
    {
        printf("%s: ", cJSON_IsTrue(json_member(item, "fatal")) ? "missing" : "note");
        screen_put_text(stdout, json_member(item, "sentence")->valuestring);
        printf("\n");
    }
    if (cJSON_GetArraySize(checkup->problems) == 0)
        printf("nothing is missing\n");
}

static int doctor_do(const void *values, char **arguments, size_t count,
                     struct error *ret_error)
{
    const struct doctor_options *given = values;
    struct checkup checkup = {.root = cJSON_CreateObject(), .problems = cJSON_CreateArray()};
    bool fatal = false;
    (void)arguments;
    (void)count;
    cJSON_AddStringToObject(checkup.root, "beofarm", PACKAGE_VERSION);
    programs_check(&checkup);
    mpi_check(&checkup);
    node_check(&checkup, given->json);
    hostname_check(&checkup);
    disk_check(&checkup);
    for (const cJSON *item = checkup.problems->child; item; item = item->next)
        fatal |= cJSON_IsTrue(json_member(item, "fatal"));
    if (!given->json)
        checkup_print(&checkup);
    cJSON_AddItemToObject(checkup.root, "problems", checkup.problems);
    char *text = given->json ? cJSON_PrintUnformatted(checkup.root) : NULL;
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(checkup.root);
    if (given->json && !text)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to print");
    return fatal ? ERROR_SYSTEM : 0;
}

const struct command command_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "Say what this machine offers a farm, and what is missing",
    .details = NULL,
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct doctor_options),
    .arguments_max = 0,
    .run = doctor_do,
};
