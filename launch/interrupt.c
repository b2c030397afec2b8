#include "config.h"

#include "launch/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "common/clock.h"

static volatile sig_atomic_t caught;
static int slept; /* how many were caught when the last sleep ended */
static bool opened;
static sigset_t sleep_mask; /* what was blocked before interrupt_open */
static sigset_t wanted;

static void signal_catch(int number)
{
    (void)number;
    caught = caught + 1;
}

void interrupt_open(void)
{
    struct sigaction action = {.sa_handler = signal_catch};
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigprocmask(SIG_BLOCK, &wanted, &sleep_mask);
    sigdelset(&sleep_mask, SIGINT);
    sigdelset(&sleep_mask, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    opened = true;
}

/* One that came while something else was waited for is pending: blocked, not lost. */
int interrupt_count(void)
{
    const struct timespec at_once = {0};
    while (opened && sigtimedwait(&wanted, NULL, &at_once) > 0)
        caught = caught + 1;
    return caught;
}

bool interrupt_wait(int fd, int64_t ns)
{
    struct timespec time = {.tv_sec = ns / CLOCK_SECOND_NS, .tv_nsec = ns % CLOCK_SECOND_NS};
    struct pollfd poll = {.fd = fd, .events = POLLIN}; /* -1: poll looks at none */
    bool ready = interrupt_count() == slept && ppoll(&poll, 1, &time, &sleep_mask) > 0;
    slept = caught;
    return ready;
}

void interrupt_sleep(int64_t ns)
{
    interrupt_wait(-1, ns);
}
