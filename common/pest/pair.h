/*
 * pair.h - a file of PEST's and the model's file that belongs to it.
 */
#ifndef BEOFARM_COMMON_PEST_PAIR_H
#define BEOFARM_COMMON_PEST_PAIR_H

/* Names have slashes where a file from Windows has backslashes. */
struct pest_file_pair {
    char *pest_file;  /* template or instruction file */
    char *model_file; /* the file that the model reads or writes */
};

/* The path of a name in `folder` (with or without a slash at its end; "" and ".": here); of an
 * absolute one, itself. Allocated; NULL if memory is short. */
char *pest_pair_path(const char *folder, const char *name);

#endif
