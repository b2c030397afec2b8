/*
 * boot.h - which start of which machine this is.
 */
#ifndef BEOFARM_COMMON_BOOT_H
#define BEOFARM_COMMON_BOOT_H

#include <stdbool.h>

#define BOOT_MAX 40 /* bytes, with the NUL */

/* The kernel's boot id: a text that no other start of any machine has, and that containers share
 * with their machine. False, and "", where it is not known. */
bool boot_read(char boot[BOOT_MAX]);

#endif
