/*
 * near.h - a folder of the master that workers of the same machine see, too.
 *
 * Into it they link their output files, which then need not be read, sent and written once more.
 * That they see the very same folder is known by the running kernel (its boot's number) and by the
 * folder's device and inode in it, whatever it is called there.
 */
#ifndef BEOFARM_COMMON_NEAR_H
#define BEOFARM_COMMON_NEAR_H

#include <cjson/cJSON.h>

/* Add "near" to the job: the folder at the absolute path `dir`, open at dir_fd. -1 if it cannot be
 * described: then there is none. */
int near_put(cJSON *job, const char *dir, int dir_fd);

/* The folder that the job names, if this process sees it and may write there as its owner: a
 * descriptor (CLOEXEC). Otherwise -1. */
int near_open(const cJSON *job);

#endif
