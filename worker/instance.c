#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/instance.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t number;
static char text[INSTANCE_TEXT];

static void make(void)
{
    /* Without random numbers (a kernel that has just booted): time and process id do. */
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
        number = (uint64_t)clock_wall_ns() ^ ((uint64_t)getpid() << 48);
    if (number == 0)
        number = 1;
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)number);
}

uint64_t instance_get(void)
{
    pthread_once(&once, make);
    return number;
}

const char *instance_text(void)
{
    pthread_once(&once, make);
    return text;
}
