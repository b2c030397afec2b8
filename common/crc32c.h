/*
 * crc32c.h - CRC-32C (Castagnoli; RFC 3720, appendix B.4): finds files that were cut off or damaged
 * on the way. It keeps nobody from changing them on purpose.
 */
#ifndef BEOFARM_COMMON_CRC32C_H
#define BEOFARM_COMMON_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of what had the CRC `before` (0: nothing), followed by these bytes. */
uint32_t crc32c(uint32_t before, const void *bytes, size_t size);

#endif
