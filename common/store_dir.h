/* store_dir.h - a store that is a directory: one file per content, named by its hash in hex. */
#ifndef BEOFARM_COMMON_STORE_DIR_H
#define BEOFARM_COMMON_STORE_DIR_H

#include "common/store.h"

extern const struct store_ops store_dir_ops;

#endif
