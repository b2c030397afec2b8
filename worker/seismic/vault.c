#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/seismic/shot_cost.h"
#include "worker/seismic/vault.h"

/* Values that share a scale: a wavefield changes little over so many points. */
#define BLOCK SHOT_PACKED_VALUES
#define ALIGNMENT                                                                              \
    ((size_t)2 << 20) /* a huge page: gigabytes of small ones take long to fault in */
#define FULL 32767.0f

struct block {
    float scale; /* of the largest magnitude in it */
    int16_t values[BLOCK];
};

_Static_assert(sizeof(struct block) == SHOT_PACKED_BYTES,
               "costs are reckoned with these bytes");

static size_t blocks_of(size_t values)
{
    return (values + BLOCK - 1) / BLOCK;
}

uint64_t vault_item_bytes(size_t values, bool pack)
{
    return pack ? blocks_of(values) * sizeof(struct block) : values * sizeof(wave_real);
}

static void pack_block(struct block *block, const wave_real *values, size_t count)
{
    float most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf((float)values[i]));
    float factor = most > 0 && isfinite(FULL / most) ? FULL / most : 0;
    block->scale = most / FULL;
    for (size_t i = 0; i < count; i++)
        block->values[i] = (int16_t)lrintf((float)values[i] * factor);
    for (size_t i = count; i < BLOCK; i++)
        block->values[i] = 0;
}

static size_t count_in(size_t block, size_t values)
{
    size_t left = values - block * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

static void pack(const struct vault *vault, const wave_real *values, unsigned char *to)
{
    size_t size = vault->options.values, count = blocks_of(size);
    struct block *blocks = (struct block *)to;
#pragma omp parallel for num_threads(vault->options.threads)
    for (size_t i = 0; i < count; i++)
        pack_block(&blocks[i], values + i * BLOCK, count_in(i, size));
}

static void unpack(const struct vault *vault, const unsigned char *from, wave_real *values)
{
    size_t size = vault->options.values, count = blocks_of(size);
    const struct block *blocks = (const struct block *)from;
#pragma omp parallel for num_threads(vault->options.threads)
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count_in(i, size); j++)
            values[i * BLOCK + j] = (wave_real)(blocks[i].scale * (float)blocks[i].values[j]);
}

static int open_file(struct vault *vault, struct error *ret_error)
{
    uint64_t bytes = (uint64_t)(vault->options.count - vault->held) * vault->item_bytes;
    const char *dir = vault->options.dir;
    if (!dir)
        return error_set(
            ret_error, ERROR_CONFIG,
            "%.3g GB of wavefields do not fit into memory, and \"spill\" is not set",
            (double)bytes * 1e-9);
    vault->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (vault->fd < 0)
        return error_errno(ret_error, errno, "a file for wavefields cannot be made in %s", dir);
    int rc = posix_fallocate(vault->fd, 0, (off_t)bytes);
    if (rc != 0)
        return error_errno(ret_error, rc, "%.3g GB for wavefields cannot be had in %s",
                           (double)bytes * 1e-9, dir);
    if (vault->options.pack && !(vault->packed = malloc(vault->item_bytes)))
        return error_set(ret_error, ERROR_SYSTEM, "no memory to pack a wavefield");
    return 0;
}

/*
 * The last vault's memory is kept for the next one: the system takes longer to hand out fresh pages
 * than a run takes to fill them (measured: a gradient of 10 forward runs with them, 3.3 without).
 * One shot at a time is computed in a process.
 */
static struct {
    unsigned char *memory;
    size_t bytes;
} spare;

void vault_forget(void)
{
    free(spare.memory);
    spare.memory = NULL;
    spare.bytes = 0;
}

/* Whether items lie in a room on a device. */
static bool is_far(const struct vault *vault)
{
    const struct vault_options *options = &vault->options;
    return options->wave && options->wave->options.device && !options->pack;
}

static void take_memory(struct vault *vault, size_t bytes)
{
    if (is_far(vault)) {
        vault->memory = wave_room_create(vault->options.wave, vault->held, vault->item_bytes);
        return;
    }
    if (spare.memory && spare.bytes >= bytes && spare.bytes / 2 <= bytes) {
        vault->memory = spare.memory;
        vault->memory_bytes = spare.bytes;
        spare.memory = NULL;
        return;
    }
    vault_forget();
    /* Not touched here: pages go to the threads that first write them. */
    vault->memory = aligned_alloc(ALIGNMENT, bytes);
    vault->memory_bytes = bytes;
    if (vault->memory)
        madvise(vault->memory, bytes, MADV_HUGEPAGE); /* a wish; without it things are slower */
}

static void give_memory(struct vault *vault)
{
    if (is_far(vault)) {
        wave_room_destroy(vault->options.wave, vault->memory);
        return;
    }
    vault_forget();
    spare.memory = vault->memory;
    spare.bytes = vault->memory_bytes;
    /* Not counted as anybody's while no shot is computed, so the system may have it for shots of
     * other slots; what it does not take is written again as fast as ever. */
    madvise(spare.memory, spare.bytes, MADV_FREE);
}

int vault_open(struct vault *vault, const struct vault_options *options,
               struct error *ret_error)
{
    *vault = (struct vault){.options = *options, .fd = -1};
    vault->item_bytes = (size_t)vault_item_bytes(options->values, options->pack);
    uint64_t held = options->memory_bytes / (vault->item_bytes ? vault->item_bytes : 1);
    vault->held = held < options->count ? (size_t)held : options->count;
    size_t bytes = (vault->held * vault->item_bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    take_memory(vault, bytes);
    if (!vault->memory) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for %.3g GB of wavefields",
                  (double)bytes * 1e-9);
        vault_close(vault);
        return -1;
    }
    if (vault->held < options->count && open_file(vault, ret_error) < 0) {
        vault_close(vault);
        return -1;
    }
    return 0;
}

void vault_close(struct vault *vault)
{
    if (vault->memory && vault->fd >= 0)
        close(vault->fd);
    if (vault->memory)
        give_memory(vault);
    free(vault->packed);
    *vault = (struct vault){.fd = -1};
}

wave_real *vault_place(const struct vault *vault, size_t first, size_t count)
{
    if (vault->options.pack || first + count > vault->held)
        return NULL;
    return (wave_real *)vault->memory + first * vault->options.values;
}

/* All bytes of an item at its place in the file, to or from memory. */
static int transfer(const struct vault *vault, size_t item, unsigned char *bytes, bool out,
                    struct error *ret_error)
{
    off_t at = (off_t)((item - vault->held) * vault->item_bytes);
    for (size_t done = 0; done < vault->item_bytes;) {
        size_t left = vault->item_bytes - done;
        ssize_t moved = out ? pwrite(vault->fd, bytes + done, left, at + (off_t)done)
                            : pread(vault->fd, bytes + done, left, at + (off_t)done);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved <= 0)
            return error_errno(ret_error, moved < 0 ? errno : EIO,
                               "a wavefield cannot be %s disk",
                               out ? "written to" : "read from");
        done += (size_t)moved;
    }
    return 0;
}

static int put_one(struct vault *vault, size_t item, const wave_real *values,
                   struct error *ret_error)
{
    bool on_disk = item >= vault->held;
    unsigned char *place = on_disk ? vault->packed : vault->memory + item * vault->item_bytes;
    if (vault->options.pack)
        pack(vault, values, place);
    else if (!on_disk && is_far(vault))
        wave_room_write(vault->options.wave, place, values, vault->item_bytes);
    else if (!on_disk)
        memcpy(place, values, vault->item_bytes);
    if (!on_disk)
        return 0;
    /* pwrite only reads what it is given */
    unsigned char *bytes = vault->options.pack ? place : (unsigned char *)(uintptr_t)values;
    return transfer(vault, item, bytes, true, ret_error);
}

static int get_one(struct vault *vault, size_t item, wave_real *ret_values,
                   struct error *ret_error)
{
    bool on_disk = item >= vault->held, packed = vault->options.pack;
    unsigned char *place = on_disk ? vault->packed : vault->memory + item * vault->item_bytes;
    if (on_disk && transfer(vault, item, packed ? place : (unsigned char *)ret_values, false,
                            ret_error) < 0)
        return -1;
    if (packed)
        unpack(vault, place, ret_values);
    else if (!on_disk && is_far(vault))
        wave_room_read(vault->options.wave, place, ret_values, vault->item_bytes);
    else if (!on_disk)
        memcpy(ret_values, place, vault->item_bytes);
    return 0;
}

int vault_put(struct vault *vault, size_t first, size_t count, const wave_real *values,
              struct error *ret_error)
{
    for (size_t i = 0; i < count; i++)
        if (put_one(vault, first + i, values + i * vault->options.values, ret_error) < 0)
            return -1;
    return 0;
}

int vault_get(struct vault *vault, size_t first, size_t count, wave_real *ret_values,
              struct error *ret_error)
{
    for (size_t i = 0; i < count; i++)
        if (get_one(vault, first + i, ret_values + i * vault->options.values, ret_error) < 0)
            return -1;
    return 0;
}
