/*
 * crc64.h - CRC-64/NVME (polynomial 0xad93d23594c93659, reflected, begun and ended with all ones;
 * NVM Express, NVM Command Set, "64b CRC polynomials"): the checksum that Azure Storage takes and
 * gives as x-ms-content-crc64, there as its 8 bytes in base64, the lowest first. It finds damage at
 * the speed of memory; it keeps nobody from changing bytes on purpose.
 */
#ifndef BEOFARM_COMMON_AZURE_CRC64_H
#define BEOFARM_COMMON_AZURE_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of what had the CRC `before` (0: nothing), followed by these bytes. */
uint64_t crc64(uint64_t before, const void *bytes, size_t size);

/* The same on any processor, eight bytes at a time by tables. */
uint64_t crc64_plain(uint64_t before, const void *bytes, size_t size);

#endif
