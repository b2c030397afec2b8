/*
 * Colours are interpolated between a few anchors. Viridis's are every 16th of the 256 of Smith and
 * van der Walt's table (matplotlib, CC0).
 */
#include "config.h"

#include "launch/plot/palette.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define NOT_A_NUMBER 0xb0a0a0u

static const uint32_t grey[] = {0xffffff, 0x000000};
static const uint32_t rwb[] = {0xb2182b, 0xef8a62, 0xfddbc7, 0xffffff,
                               0xd1e5f0, 0x67a9cf, 0x2166ac};
static const uint32_t viridis[] = {0x440154, 0x481a6c, 0x472f7d, 0x414487, 0x39568c, 0x31688e,
                                   0x2a788e, 0x23888e, 0x1f988b, 0x22a884, 0x35b779, 0x54c568,
                                   0x7ad151, 0xa5db36, 0xd2e21b, 0xfde725};

static const struct {
    const char *name;
    const uint32_t *anchors;
    size_t count;
} scales[PALETTES] = {
    [PALETTE_GREY] = {"grey", grey, sizeof(grey) / sizeof(*grey)},
    [PALETTE_RWB] = {"red-white-blue", rwb, sizeof(rwb) / sizeof(*rwb)},
    [PALETTE_VIRIDIS] = {"viridis", viridis, sizeof(viridis) / sizeof(*viridis)},
};

static uint32_t blend(uint32_t from, uint32_t to, double part)
{
    uint32_t colour = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
        double a = (from >> shift) & 0xff, b = (to >> shift) & 0xff;
        colour |= (uint32_t)lround(a + (b - a) * part) << shift;
    }
    return colour;
}

uint32_t palette_colour(enum palette palette, double value)
{
    if (isnan(value))
        return NOT_A_NUMBER;
    size_t steps = scales[palette].count - 1;
    double place = fmin(fmax(value, 0), 1) * (double)steps;
    size_t anchor = (size_t)place < steps ? (size_t)place : steps - 1;
    return blend(scales[palette].anchors[anchor], scales[palette].anchors[anchor + 1],
                 place - (double)anchor);
}

const char *palette_name(enum palette palette)
{
    return scales[palette].name;
}

int palette_find(const char *name, enum palette *ret_palette, struct error *ret_error)
{
    for (int i = 0; i < PALETTES; i++)
        if (strcmp(name, scales[i].name) == 0) {
            *ret_palette = (enum palette)i;
            return 0;
        }
    return error_set(ret_error, ERROR_USAGE,
                     "there is no colour scale \"%s\"; there are grey, red-white-blue and "
                     "viridis",
                     name);
}
