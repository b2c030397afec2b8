#include "config.h"

#include "launch/plan.h"

#include <string.h>

#include "common/json.h"
#include "launch/program.h"

#define PLAN_LIMIT_S 3600 /* headers of large data may be read for the first time */
#define NODE_LIMIT_S 60

static int plan_parse(struct buf *output, struct plan *plan, struct error *ret_error)
{
    const char *name = "the answer of beofarm-master --plan";
    const cJSON *warnings;
    if (json_parse((const char *)output->data, output->size, name, JSON_STRICT, &plan->root,
                   ret_error) != 0 ||
        json_get_integer(plan->root, "$", "tasks", -1, &plan->tasks, ret_error) != 0 ||
        json_get_text(plan->root, "$", "contents", NULL, &plan->contents, ret_error) != 0 ||
        json_get_text(plan->root, "$", "takes", NULL, &plan->takes, ret_error) != 0 ||
        json_get_array(plan->root, "$", "columns", &plan->columns, ret_error) != 0 ||
        json_get_array(plan->root, "$", "except", &plan->except, ret_error) != 0 ||
        json_get_array(plan->root, "$", "warnings", &warnings, ret_error) != 0 ||
        json_get_text(plan->root, "$", "device", NULL, &plan->device, ret_error) != 0 ||
        json_get_text(plan->root, "$", "home", NULL, &plan->home, ret_error) != 0 ||
        json_get_array(plan->root, "$", "files", &plan->files, ret_error) != 0)
        return -1;
    plan->warnings = warnings ? cJSON_GetObjectItemCaseSensitive(plan->root, "warnings") : NULL;
    return 0;
}

int plan_ask(const char *path, struct plan *ret_plan, struct error *ret_error)
{
    struct program_answer answer;
    struct plan plan = {.tasks = -1};
    const char *const args[] = {"--plan", path, NULL};
    int rc = program_ask_patiently(
        "beofarm-master", args, PLAN_LIMIT_S,
        "looking at all of the work and its files: this takes a while", &answer, ret_error);
    if (rc == 0 && answer.exit_code != 0)
        rc = program_answer_refuse("beofarm-master", &answer, ret_error);
    if (rc == 0)
        rc = plan_parse(&answer.output, &plan, ret_error);
    program_answer_fini(&answer);
    if (rc == 0)
        *ret_plan = plan;
    else
        plan_close(&plan);
    return rc;
}

static bool has_device(const cJSON *node, const char *device)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(node, "opencl"))
    {
        if (strcmp(device, "gpu") != 0 || cJSON_IsTrue(json_member(one, "gpu")))
            return true;
    }
    return false;
}

void plan_look_at_devices(struct plan *plan)
{
    static const char *const args[] = {"--topology", "--json", NULL};
    struct program_answer answer;
    struct error text;
    cJSON *node = NULL;
    if (!plan->device || !plan->warnings)
        return;
    if (program_ask("beofarm-worker", args, NODE_LIMIT_S, &answer, NULL) == 0 &&
        answer.exit_code == 0)
        json_parse((const char *)answer.output.data, answer.output.size, "beofarm-worker",
                   JSON_STRICT, &node, NULL);
    program_answer_fini(&answer);
    if (node && !has_device(node, plan->device)) {
        error_set(&text, ERROR_NONE,
                  "\"device\" is \"%s\", and OpenCL has no %s on this machine: its tasks fail "
                  "(with \"auto\", processors take the place of a GPU that is not there); "
                  "`beofarm doctor` shows what there is",
                  plan->device, strcmp(plan->device, "gpu") == 0 ? "GPU" : "device");
        cJSON_AddItemToArray(plan->warnings, cJSON_CreateString(text.text));
    }
    cJSON_Delete(node);
}

void plan_close(struct plan *plan)
{
    cJSON_Delete(plan->root);
    memset(plan, 0, sizeof *plan);
}
