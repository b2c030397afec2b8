/*
 * Any bytes as a PEST control file: it is good exactly if no mistake is told, and what a good one
 * promises (control.h) holds.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/pest/control.h"
#include "tests/fuzz/target.h"

static void count(void *context, const char *sentence)
{
    FUZZ_CHECK(*sentence);
    ++*(size_t *)context;
}

static void check_name(const char *name)
{
    FUZZ_CHECK(*name && strlen(name) <= PEST_NAME_MAX);
}

static void check_parameter(const struct pest_control *control, size_t i)
{
    const struct pest_parameter *parameter = &control->parameters[i];
    bool adjustable = parameter->partrans == PEST_NONE || parameter->partrans == PEST_LOG;
    check_name(parameter->parnme);
    FUZZ_CHECK(pest_control_parameter(control, parameter->parnme) == (int)i);
    FUZZ_CHECK(parameter->pargp < (int)control->parameter_group_count);
    FUZZ_CHECK(parameter->pargp >= 0 || !adjustable);
    FUZZ_CHECK(!adjustable || parameter->parlbnd <= parameter->parubnd);
    FUZZ_CHECK(parameter->partrans != PEST_LOG ||
               (parameter->parval1 > 0 && parameter->parlbnd > 0));
    FUZZ_CHECK((parameter->partrans == PEST_TIED) == (parameter->tied_to >= 0));
    FUZZ_CHECK(parameter->scale != 0);
    if (parameter->tied_to >= 0)
        FUZZ_CHECK(control->parameters[parameter->tied_to].tied_to < 0);
}

static void check_good(const struct pest_control *control)
{
    FUZZ_CHECK(control->parameter_count > 0);
    if (control->observation_count > 0)
        FUZZ_CHECK(control->command_count > 0 && control->output_count > 0);
    for (size_t i = 0; i < control->parameter_count; i++)
        check_parameter(control, i);
    for (size_t i = 0; i < control->observation_count; i++) {
        const struct pest_observation *observation = &control->observations[i];
        check_name(observation->obsnme);
        FUZZ_CHECK(observation->weight >= 0);
        FUZZ_CHECK(observation->obgnme >= 0 &&
                   observation->obgnme < (int)control->observation_group_count);
    }
    for (size_t i = 0; i < control->prior_count; i++) {
        FUZZ_CHECK(control->priors[i].term_count > 0);
        FUZZ_CHECK(control->priors[i].obgnme < (int)control->observation_group_count);
        for (size_t j = 0; j < control->priors[i].term_count; j++)
            FUZZ_CHECK(control->priors[i].terms[j].parnme < (int)control->parameter_count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    size_t told = 0;
    char path[64];
    int fd = memfd_create("control", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    size_t mistakes = pest_control_check(path, count, &told);
    struct pest_control *control = pest_control_read(path, &error);
    FUZZ_CHECK(mistakes == told && (mistakes == 0) == (control != NULL));
    FUZZ_CHECK(control || (error.code == ERROR_CONFIG && *error.text));
    if (control)
        check_good(control);
    pest_control_free(control);
    close(fd);
    return 0;
}
