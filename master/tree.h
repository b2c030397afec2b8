/*
 * tree.h - a folder and everything under it. No symbolic link is followed.
 */
#ifndef BEOFARM_MASTER_TREE_H
#define BEOFARM_MASTER_TREE_H

#define TREE_DEPTH_MAX 128 /* folders inside each other; deeper ones are refused (ELOOP) */

/* Remove `name` of the folder dir_fd with all under it. 0 (also if there is none), or -1 with
 * errno. */
int tree_remove(int dir_fd, const char *name);

/* fsync every file and folder of it. 0, or -1 with errno. */
int tree_sync(int dir_fd, const char *name);

#endif
