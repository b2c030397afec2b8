#include "config.h"

#include <signal.h>

#include "common/clock.h"
#include "common/thread.h"

int thread_start(pthread_t *ret_thread, void *(*run)(void *context), void *context)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(ret_thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

void thread_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

struct timespec thread_deadline(int64_t after_ns)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    int64_t ns = deadline.tv_nsec + after_ns % CLOCK_SECOND_NS;
    deadline.tv_sec += after_ns / CLOCK_SECOND_NS + ns / CLOCK_SECOND_NS;
    deadline.tv_nsec = ns % CLOCK_SECOND_NS;
    return deadline;
}

bool thread_wait(pthread_cond_t *condition, pthread_mutex_t *lock, const bool *over,
                 struct timespec deadline)
{
    /* Anything but 0 is ETIMEDOUT; a signal that meant something else is waited through. */
    while (!*over && pthread_cond_timedwait(condition, lock, &deadline) == 0)
        ;
    return *over;
}
