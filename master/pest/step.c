/*
 * While a step is under way, what is said waits in a list, and an eventfd wakes the loop to tell
 * it. `busy` of the errand is set before the thread begins and unset after it has been joined, so
 * the thread may ask for it, too.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/errand.h"
#include "master/pest/step.h"

#define MOMENT_NS (10 * CLOCK_MS_NS)  /* how long the loop may stand still */
#define LEAVE_NS  (500 * CLOCK_MS_NS) /* how long the end of a farm may */

struct word {
    struct word *next;
    bool is_stand;
    struct estimator_stand stand;
    char sentence[]; /* of those that are not a stand */
};

struct step {
    struct step_events events;
    void *context;
    struct errand *errand; /* NULL: there is no loop */
    void (*work)(void *context);
    int fd; /* eventfd: there are words */
    struct loop_watch *watch;
    pthread_mutex_t mutex;
    struct word *first, **end; /* under the mutex */
};

static void tell(struct step *step)
{
    pthread_mutex_lock(&step->mutex);
    struct word *word = step->first;
    step->first = NULL;
    step->end = &step->first;
    pthread_mutex_unlock(&step->mutex);
    while (word) {
        struct word *next = word->next;
        if (word->is_stand)
            step->events.stand(step->context, &word->stand);
        else
            step->events.say(step->context, word->sentence);
        free(word);
        word = next;
    }
}

static void words_ready(unsigned events, void *context)
{
    struct step *step = context;
    uint64_t count;
    (void)events;
    if (read(step->fd, &count, sizeof count) > 0)
        tell(step);
}

static void work(void *context)
{
    struct step *step = context;
    step->work(step->context);
}

static void done(void *context)
{
    struct step *step = context;
    tell(step);
    step->events.done(step->context);
}

static int watch_words(struct step *step, struct loop *loop, struct error *ret_error)
{
    step->errand = errand_create(loop, ret_error);
    if (!step->errand)
        return -1;
    step->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (step->fd < 0)
        return error_errno(ret_error, errno, "cannot watch what an estimator says");
    step->watch = loop_watch_add(loop, step->fd, LOOP_READ, words_ready, step, ret_error);
    return step->watch ? 0 : -1;
}

struct step *step_create(struct loop *loop, const struct step_events *events, void *context,
                         struct error *ret_error)
{
    struct step *step = calloc(1, sizeof *step);
    if (!step) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for an estimator's steps");
        return NULL;
    }
    step->events = *events;
    step->context = context;
    step->fd = -1;
    step->end = &step->first;
    pthread_mutex_init(&step->mutex, NULL);
    if (!loop || watch_words(step, loop, ret_error) == 0)
        return step;
    step_destroy(step);
    return NULL;
}

bool step_destroy(struct step *step)
{
    if (!step)
        return true;
    loop_watch_remove(step->watch);
    if (step_is_busy(step) && !errand_wait(step->errand, LEAVE_NS)) {
        errand_abandon(step->errand);
        return false;
    }
    errand_destroy(step->errand);
    while (step->first) {
        struct word *next = step->first->next;
        free(step->first);
        step->first = next;
    }
    if (step->fd >= 0)
        close(step->fd);
    pthread_mutex_destroy(&step->mutex);
    free(step);
    return true;
}

bool step_start(struct step *step, void (*compute)(void *context))
{
    step->work = compute;
    if (!step->errand) {
        work(step);
        return true;
    }
    errand_start(step->errand, work, done, step);
    if (!errand_wait(step->errand, MOMENT_NS))
        return false;
    tell(step);
    return true;
}

bool step_is_busy(const struct step *step)
{
    return step->errand && errand_is_busy(step->errand);
}

static void leave_word(struct step *step, struct word *word)
{
    const uint64_t one = 1;
    pthread_mutex_lock(&step->mutex);
    *step->end = word;
    step->end = &word->next;
    pthread_mutex_unlock(&step->mutex);
    while (write(step->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void step_say(struct step *step, const char *sentence)
{
    if (!step_is_busy(step)) {
        step->events.say(step->context, sentence);
        return;
    }
    size_t size = strlen(sentence) + 1;
    struct word *word = calloc(1, sizeof *word + size);
    if (!word)
        return;
    memcpy(word->sentence, sentence, size);
    leave_word(step, word);
}

void step_stand(struct step *step, const struct estimator_stand *stand)
{
    if (!step_is_busy(step)) {
        step->events.stand(step->context, stand);
        return;
    }
    struct word *word = calloc(1, sizeof *word);
    if (!word)
        return;
    word->is_stand = true;
    word->stand = *stand;
    leave_word(step, word);
}
