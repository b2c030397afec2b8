#include "config.h"

#include "master/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/fd.h"

#define LINES_MAX ((size_t)256 << 20)

struct folders {
    int fd;
    struct buf lines;
};

static void line_put(struct buf *lines, const struct journal_row *row)
{
    if (row->ended && row->folder && *row->folder)
        buf_printf(lines, "%llu,%s,%u\n", (unsigned long long)row->result.id.task, row->folder,
                   row->result.output_files);
}

/* What cannot be written now is written with the next lines. */
static int lines_write(struct folders *folders)
{
    off_t before = lseek(folders->fd, 0, SEEK_END);
    if (folders->lines.size == 0)
        return 0;
    if (fd_write(folders->fd, folders->lines.data, folders->lines.size) < 0) {
        int saved = errno;
        if (before >= 0 && ftruncate(folders->fd, before) < 0)
            saved = errno;
        errno = saved;
        return -1;
    }
    buf_clear(&folders->lines);
    return 0;
}

static int row_see(void *context, const struct journal_row *row, struct error *ret_error)
{
    struct folders *folders = context;
    line_put(&folders->lines, row);
    return buf_failed(&folders->lines)
               ? error_set(ret_error, ERROR_SYSTEM, "no memory for outputs.csv")
               : 0;
}

struct folders *folders_open(const char *path, struct journal *journal, struct error *ret_error)
{
    struct folders *folders = calloc(1, sizeof(*folders));
    if (!folders) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for outputs.csv");
        return NULL;
    }
    buf_init(&folders->lines, LINES_MAX);
    buf_append_text(&folders->lines, "task,folder,files\n");
    folders->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (folders->fd < 0)
        error_errno(ret_error, errno, "\"%s\" cannot be written", path);
    else if (journal_replay(journal, row_see, folders, ret_error) == 0 &&
             (lines_write(folders) == 0 ||
              error_errno(ret_error, errno, "\"%s\" cannot be written", path) == 0))
        return folders;
    folders_close(folders);
    return NULL;
}

void folders_append(struct folders *folders, const struct journal_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        line_put(&folders->lines, &rows[i]);
    lines_write(folders); /* else with the next group, or by the next master */
}

void folders_close(struct folders *folders)
{
    if (!folders)
        return;
    if (folders->fd >= 0) {
        lines_write(folders);
        close(folders->fd);
    }
    buf_fini(&folders->lines);
    free(folders);
}
