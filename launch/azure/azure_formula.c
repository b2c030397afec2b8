#include "config.h"

#include "launch/azure/azure_formula.h"

/* `tasks` is -1 where it is not known. Samples come every 30 s; those of the latest minutes may be
 * missing at the time of asking, so half of ten minutes' is enough. */
static const char tasks_known[] = "span = TimeInterval_Minute * 10;\n"
                                  "known = $PendingTasks.GetSamplePercent(span) >= 50;\n"
                                  "tasks = known ? max($PendingTasks.GetSample(span)) : -1;\n";

int azure_formula_put(struct buf *buf, const struct azure_nodes_wanted *wanted)
{
    int most = wanted->dedicated + wanted->spot;
    buf_append_text(buf, tasks_known);
    if (wanted->follow)
        buf_printf(buf, "total = tasks < 0 ? %d : (tasks < 1 ? 0 : min(%d, max(%d, tasks)));\n",
                   most, most, wanted->min + 1 < most ? wanted->min + 1 : most);
    else
        buf_printf(buf, "total = tasks < 0 ? %d : (tasks < 1 ? 0 : %d);\n", most, most);
    buf_printf(buf, "spot = max(0, min(%d, total - 1));\n", wanted->spot);
    buf_printf(buf,
               "$TargetDedicatedNodes = min(%d, total - spot);\n"
               "$TargetLowPriorityNodes = spot;\n"
               "$NodeDeallocationOption = taskcompletion;\n",
               wanted->dedicated);
    return buf_failed(buf) ? -1 : 0;
}

int azure_formula_zero_put(struct buf *buf, bool ours)
{
    buf_printf(buf,
               "$TargetDedicatedNodes = 0;\n"
               "$TargetLowPriorityNodes = 0;\n"
               "$NodeDeallocationOption = %s;\n",
               ours ? "terminate" : "taskcompletion");
    return buf_failed(buf) ? -1 : 0;
}
