#include "config.h"

#include "launch/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>

#include "common/clock.h"

static volatile sig_atomic_t caught;
static sigset_t sleep_mask; /* what was blocked before interrupt_open */

static void signal_catch(int number)
{
    (void)number;
    caught = caught + 1;
}

void interrupt_open(void)
{
    struct sigaction action = {.sa_handler = signal_catch};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, &sleep_mask);
    sigdelset(&sleep_mask, SIGINT);
    sigdelset(&sleep_mask, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int interrupt_count(void)
{
    return caught;
}

void interrupt_sleep(int64_t ns)
{
    struct timespec time = {.tv_sec = ns / CLOCK_SECOND_NS, .tv_nsec = ns % CLOCK_SECOND_NS};
    ppoll(NULL, 0, &time, &sleep_mask);
}
