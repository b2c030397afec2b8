/* workdir_private.h - what the three parts of work directories share: the workplace
 * (workplace.c), laying files (workdir.c) and finding outputs (workdir_output.c). */
#ifndef BEOFARM_WORKER_WORKDIR_PRIVATE_H
#define BEOFARM_WORKER_WORKDIR_PRIVATE_H

#include <sys/types.h>

#include "worker/sweeper.h"
#include "worker/workdir.h"

#define WORKDIR_NAME_MAX 64 /* with the NUL */

/* An empty directory in wait. */
struct spare {
    int fd; /* valid if name is not empty */
    ino_t inode;
    char name[WORKDIR_NAME_MAX];
};

struct workplace {
    char *root; /* absolute */
    int root_fd;
    struct cache *cache;
    const struct manifest *manifest;
    struct sweeper *sweeper;
    char **slot_dirs;
    struct spare *spares; /* one per slot */
    size_t slot_count;
    uint64_t made; /* work directories, ever */
    char **dirs;   /* to be made in each work directory, parents first */
    size_t dir_count;
    const struct manifest_file **common;  /* to be laid in each, ordered by path */
    uint8_t (*hashes)[MESSAGE_HASH_SIZE]; /* theirs */
    size_t common_count;
    int64_t full_ns;   /* when it was found full last, by clock_monotonic_ns; 0: never */
    unsigned dir_mode; /* of directories that are made here */
    bool *copied;      /* per file of the manifest: links to it were written into, so copy */
};

struct laid {
    char *path;                       /* owned */
    const struct manifest_file *file; /* NULL: written */
    bool linked;
};

struct workdir {
    struct workplace *place;
    struct attempt_id id;
    uint32_t slot;
    char name[WORKDIR_NAME_MAX]; /* below the root */
    int fd;
    ino_t inode;
    char *path;
    struct laid *laid; /* the task's own inputs */
    size_t laid_count;
    bool *linked; /* per common file, NULL if there are none */
    struct workdir_output *outputs;
    size_t output_count;
    bool sorted;
    size_t current; /* the output being read */
    int current_fd; /* -1: not open */
    uint64_t current_offset;
    char *piece;                 /* MESSAGE_CHUNK bytes, once needed */
    char link[MESSAGE_LINK_MAX]; /* workdir_link_next's name */
};

/* Before a directory goes: note whether the disk is full. */
void workplace_look(struct workplace *place);

/* Keep the directory for the slot's next task, if it is empty, and as and where it was made. True:
 * its fd is taken. */
bool workplace_keep_spare(struct workplace *place, const struct workdir *workdir);

/* Give workdir the name, fd and inode of its slot's spare. False if there is none. */
bool workplace_take_spare(struct workplace *place, struct workdir *workdir);

#endif
