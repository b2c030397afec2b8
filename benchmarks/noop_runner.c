/* A persistent runner that does nothing: y = i. */
#include "config.h"

#include "worker/beofarm_runner.h"

int main(void)
{
    struct beofarm_runner runner;
    if (beofarm_runner_open(&runner) < 0)
        return 1;
    while (beofarm_runner_next(&runner) > 0) {
        beofarm_runner_value(&runner, "y", beofarm_runner_number(&runner, "i", 0));
        beofarm_runner_done(&runner);
    }
    return beofarm_runner_close(&runner);
}
