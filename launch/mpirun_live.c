#include "config.h"

#include "launch/mpirun_live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/fd.h"
#include "launch/disk.h"
#include "launch/mpirun_farm.h"

#define PIECE_MAX ((size_t)1 << 20)

static const char *const files[2] = {MPIRUN_OUT, MPIRUN_ERR};

static void piece_show(struct mpirun_live *live, int i, const struct buf *piece)
{
    fd_write(i == 0 ? live->out : STDERR_FILENO, piece->data,
             piece->size); /* or it is closed */
    live->crc[i] = crc32c(live->crc[i], piece->data, piece->size);
    live->shown[i] += piece->size;
}

static void begin_anew(struct mpirun_live *live, const char *worker)
{
    if (live->shown[0] + live->shown[1] > 0)
        fprintf(stderr, "beofarm: the program is started again\n");
    snprintf(live->worker, sizeof live->worker, "%s", worker);
    memset(live->shown, 0, sizeof live->shown);
    memset(live->crc, 0, sizeof live->crc);
}

/* One piece of each file, so that whoever asks for other things is not kept waiting. That there is
 * nothing to be read, or not just now, is no news. */
static void live_poll(struct lead_watcher *watcher, struct backend *backend, const char *worker,
                      struct screen *screen)
{
    struct mpirun_live *live = (struct mpirun_live *)watcher;
    if (strcmp(live->worker, worker) != 0)
        begin_anew(live, worker);
    for (int i = 0; i < 2; i++) {
        char name[64];
        struct buf piece;
        struct error ignored;
        buf_init(&piece, PIECE_MAX);
        snprintf(name, sizeof name, "wd/%s", files[i]);
        if (backend->ops->task_read(backend, worker, name, live->shown[i], PIECE_MAX, &piece,
                                    &ignored) > 0) {
            screen_finish(screen);
            piece_show(live, i, &piece);
        }
        buf_fini(&piece);
    }
}

void mpirun_live_init(struct mpirun_live *live, int out)
{
    *live = (struct mpirun_live){.watcher = {.poll = live_poll}, .out = out};
}

/* The CRC of the first `size` bytes; of fewer, if there are not so many. */
static int begin_check(const char *path, uint64_t size, uint32_t *ret_crc,
                       struct error *ret_error)
{
    struct buf piece;
    uint64_t offset = 0;
    int64_t got = 1;
    *ret_crc = 0;
    buf_init(&piece, PIECE_MAX);
    while (offset < size && got > 0) {
        size_t want = size - offset < PIECE_MAX ? (size_t)(size - offset) : PIECE_MAX;
        buf_clear(&piece);
        got = disk_read_range(path, offset, want, &piece, ret_error);
        if (got > 0)
            *ret_crc = crc32c(*ret_crc, piece.data, piece.size);
        offset += got > 0 ? (uint64_t)got : 0;
    }
    buf_fini(&piece);
    return got < 0 ? -1 : offset == size ? 0 : 1;
}

static int rest_show(struct mpirun_live *live, int i, const char *path, struct error *ret_error)
{
    struct buf piece;
    uint32_t crc;
    int64_t got;
    int rc = begin_check(path, live->shown[i], &crc, ret_error);
    if (rc < 0)
        return -1;
    if (rc > 0 || crc != live->crc[i]) {
        fprintf(stderr, "beofarm: the program was run again; all that it printed there:\n");
        live->shown[i] = 0;
        live->crc[i] = 0;
    }
    buf_init(&piece, PIECE_MAX);
    while ((got = disk_read_range(path, live->shown[i], PIECE_MAX, &piece, ret_error)) > 0) {
        piece_show(live, i, &piece);
        buf_clear(&piece);
    }
    buf_fini(&piece);
    return got < 0 ? -1 : 0;
}

int mpirun_live_finish(struct mpirun_live *live, const char *folder, struct error *ret_error)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < 2; i++) {
        char *path = disk_join(folder, files[i], ret_error);
        rc = path ? rest_show(live, i, path, ret_error) : -1;
        free(path);
    }
    return rc;
}
