/*
 * layout.c - fields in memory of their own pages.
 *
 * Pages come from mmap: zero, untouched (the threads that will work on them touch them first, which
 * places them on their NUMA node), and advised to be huge, for a 3-D stencil walks some forty rows
 * at once and would otherwise miss the TLB at every other one.
 */
#include "config.h"

#include <stdint.h>
#include <sys/mman.h>

#include "worker/seismic/layout.h"

#define HUGE_PAGE ((size_t)2 << 20)

static size_t round_up(size_t value, size_t to)
{
    return (value + to - 1) / to * to;
}

/* Strides that are multiples of a page map a point's neighbours to one cache set. */
static size_t stride_choose(size_t least)
{
    size_t stride = round_up(least, LAYOUT_ALIGN);
    while (stride * sizeof(wave_real) % 4096 == 0)
        stride += LAYOUT_ALIGN;
    return stride;
}

void layout_init(struct layout *layout, const struct grid *grid, int radius, int absorb,
                 bool free_surface)
{
    *layout = (struct layout){.radius = radius, .flat = grid->dims == 2};
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        bool absent = axis == GRID_Y && layout->flat;
        layout->pad[axis][0] = absent || (axis == GRID_Z && free_surface) ? 0 : absorb;
        layout->pad[axis][1] = absent ? 0 : absorb;
        layout->n[axis] = grid->n[axis] + (size_t)(layout->pad[axis][0] + layout->pad[axis][1]);
    }
    size_t reach = (size_t)radius, *n = layout->n;
    layout->row = round_up(n[GRID_Z], LAYOUT_ALIGN);
    layout->stride[GRID_Z] = 1;
    layout->stride[GRID_Y] = stride_choose(n[GRID_Z] + 2 * LAYOUT_MARGIN);
    layout->stride[GRID_X] = layout->stride[GRID_Y];
    if (!layout->flat) /* the rows of zeros after a plane are those before the next */
        layout->stride[GRID_X] = stride_choose((n[GRID_Y] + reach) * layout->stride[GRID_Y]);
    layout->base = reach * layout->stride[GRID_X] + LAYOUT_MARGIN;
    if (!layout->flat)
        layout->base += reach * layout->stride[GRID_Y];
    layout->size = layout->base + (n[GRID_X] + reach) * layout->stride[GRID_X] +
                   reach * layout->stride[GRID_Y];
}

static size_t skew_bytes(int skew)
{
    return (size_t)skew * 704; /* 11 cache lines: fields differ in their place in a page */
}

wave_real *layout_alloc(size_t count, int skew)
{
    if (count > SIZE_MAX / 4 / sizeof(wave_real))
        return NULL;
    size_t bytes = round_up(count * sizeof(wave_real) + skew_bytes(skew), HUGE_PAGE);
    char *pages = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    char *aligned = (char *)round_up((uintptr_t)pages, HUGE_PAGE);
    if (aligned > pages)
        munmap(pages, (size_t)(aligned - pages));
    if (aligned < pages + HUGE_PAGE)
        munmap(aligned + bytes, (size_t)(pages + HUGE_PAGE - aligned));
    if (bytes > HUGE_PAGE) /* below, half a page would be waste */
        madvise(aligned, bytes, MADV_HUGEPAGE);
    return (wave_real *)(aligned + skew_bytes(skew));
}

void layout_free(wave_real *memory, size_t count, int skew)
{
    if (!memory)
        return;
    size_t bytes = round_up(count * sizeof(wave_real) + skew_bytes(skew), HUGE_PAGE);
    munmap((char *)memory - skew_bytes(skew), bytes);
}
