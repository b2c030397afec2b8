#include "config.h"

#include "launch/plan.h"

#include <string.h>

#include "common/json.h"
#include "launch/program.h"

#define PLAN_LIMIT_S 3600 /* headers of large data may be read for the first time */

static int plan_parse(struct buf *output, struct plan *plan, struct error *ret_error)
{
    const char *name = "the answer of beofarm-master --plan";
    if (json_parse((const char *)output->data, output->size, name, JSON_STRICT, &plan->root,
                   ret_error) != 0 ||
        json_get_integer(plan->root, "$", "tasks", -1, &plan->tasks, ret_error) != 0 ||
        json_get_text(plan->root, "$", "contents", NULL, &plan->contents, ret_error) != 0 ||
        json_get_array(plan->root, "$", "columns", &plan->columns, ret_error) != 0 ||
        json_get_array(plan->root, "$", "except", &plan->except, ret_error) != 0 ||
        json_get_array(plan->root, "$", "warnings", &plan->warnings, ret_error) != 0 ||
        json_get_text(plan->root, "$", "home", NULL, &plan->home, ret_error) != 0 ||
        json_get_array(plan->root, "$", "files", &plan->files, ret_error) != 0)
        return -1;
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

void plan_close(struct plan *plan)
{
    cJSON_Delete(plan->root);
    memset(plan, 0, sizeof *plan);
}
