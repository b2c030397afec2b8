#include "config.h"

#include "launch/plot/picture.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

void picture_fini(struct picture *picture)
{
    for (size_t i = 0; i < picture->count; i++)
        free(picture->panels[i].values);
    picture->count = 0;
}

float *picture_panel_reserve(struct picture_panel *panel, size_t across, size_t down,
                             struct error *ret_error)
{
    if (across == 0 || down == 0 || across > SIZE_MAX / sizeof(float) / down ||
        !(panel->values = malloc(across * down * sizeof(float)))) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a picture of %zu by %zu values",
                  across, down);
        return NULL;
    }
    panel->across = across;
    panel->down = down;
    return panel->values;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* All finite values of all panels, or their magnitudes, in order. */
static float *values_sort(const struct picture *picture, bool magnitudes, size_t *ret_count)
{
    size_t most = 1;
    for (size_t i = 0; i < picture->count; i++)
        most += picture->panels[i].across * picture->panels[i].down;
    float *sorted = malloc(most * sizeof *sorted);
    *ret_count = 0;
    for (size_t i = 0; sorted && i < picture->count; i++) {
        const struct picture_panel *panel = &picture->panels[i];
        for (size_t k = 0; k < panel->across * panel->down; k++)
            if (isfinite(panel->values[k]))
                sorted[(*ret_count)++] =
                    magnitudes ? fabsf(panel->values[k]) : panel->values[k];
    }
    if (sorted)
        qsort(sorted, *ret_count, sizeof *sorted, compare);
    return sorted;
}

int picture_clip(struct picture *picture, double clip, bool symmetric, struct error *ret_error)
{
    size_t count;
    float *sorted = values_sort(picture, symmetric, &count);
    if (!sorted)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to look at the values' range");
    double outside = (100 - clip) / 100 * (double)(count ? count - 1 : 0);
    size_t below = symmetric ? 0 : (size_t)floor(outside / 2);
    size_t above = (size_t)floor(symmetric ? outside : outside / 2);
    picture->high = count ? sorted[count - 1 - above] : 1;
    picture->low = symmetric ? -picture->high : count ? sorted[below] : 0;
    if (!(picture->high > picture->low)) { /* all alike: their colour is in the middle */
        double about = fmax(fabs(picture->high) * 1e-3, 1e-30);
        picture->low -= about;
        picture->high += about;
    }
    free(sorted);
    return 0;
}
