/*
 * Large pieces by carry-less multiplication (Gopal and others, "Fast CRC Computation for Generic
 * Polynomials Using PCLMULQDQ Instruction", Intel 2009), the rest by tables.
 *
 * A message is a polynomial over GF(2), the first bit the highest power; "reflected" means that the
 * highest power is the lowest bit of a word. Sixteen bytes at x^D can be replaced by what has the
 * same remainder: first half times (x^(D+64) mod P) plus second half times (x^D mod P). Eight
 * registers of 16 bytes each step over the 128 bytes of all eight (D = 1024), which hides what a
 * multiplication takes; they are then folded into the last of them, whose 16 bytes the tables
 * finish. The product of two reflected words of 64 bits stands one bit too low in its 128, so
 * constants are one power lower.
 */
#include "config.h"

#include "common/azure/crc64.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define POLYNOMIAL UINT64_C(0x9a6c9329ac4bc9b5) /* reflected */
#define LANES      8
#define STEP       ((size_t)16 * LANES) /* bytes */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t tables[8][256];      /* tables[k][b]: of the byte b and k zeros behind it */
static uint64_t folds[LANES + 1][2]; /* over so many registers: of a first half, of a second */

/* x^power mod P. */
static uint64_t power_make(int power)
{
    uint64_t value = UINT64_C(1) << 63;
    for (int i = 0; i < power; i++)
        value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
    return value;
}

static void constants_make(void)
{
    for (uint64_t i = 0; i < 256; i++) {
        uint64_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        tables[0][i] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++)
            tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 0xff];
    for (int lanes = 1; lanes <= LANES; lanes++) {
        folds[lanes][0] = power_make(128 * lanes + 64 - 1);
        folds[lanes][1] = power_make(128 * lanes - 1);
    }
}

static uint64_t by_table(uint64_t crc, const uint8_t *bytes, size_t size)
{
    for (; size >= 8; bytes += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        word = le64toh(word) ^ crc;
        crc = tables[7][word & 0xff] ^ tables[6][word >> 8 & 0xff] ^
              tables[5][word >> 16 & 0xff] ^ tables[4][word >> 24 & 0xff] ^
              tables[3][word >> 32 & 0xff] ^ tables[2][word >> 40 & 0xff] ^
              tables[1][word >> 48 & 0xff] ^ tables[0][word >> 56];
    }
    for (; size; bytes++, size--)
        crc = crc >> 8 ^ tables[0][(crc ^ *bytes) & 0xff];
    return crc;
}

#if defined(__x86_64__)
/* `value` that many registers further on, and what stands there. */
__attribute__((target("pclmul"))) static inline __m128i fold(__m128i value, __m128i powers,
                                                             __m128i there)
{
    __m128i first = _mm_clmulepi64_si128(value, powers, 0x00);
    __m128i second = _mm_clmulepi64_si128(value, powers, 0x11);
    return _mm_xor_si128(_mm_xor_si128(first, second), there);
}

static __m128i load(const void *bytes)
{
    return _mm_loadu_si128(bytes);
}

/* At least STEP bytes, and a multiple of it. */
__attribute__((target("pclmul"))) static uint64_t
by_multiplication(uint64_t crc, const uint8_t *bytes, size_t size)
{
    const __m128i over = load(folds[LANES]);
    __m128i lanes[LANES];
    uint8_t last[16];
    for (int i = 0; i < LANES; i++)
        lanes[i] = load(bytes + 16 * i);
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi64_si128((long long)crc));
    for (bytes += STEP, size -= STEP; size; bytes += STEP, size -= STEP)
        for (int i = 0; i < LANES; i++)
            lanes[i] = fold(lanes[i], over, load(bytes + 16 * i));
    for (int i = 0; i < LANES - 1; i++)
        lanes[LANES - 1] = fold(lanes[i], load(folds[LANES - 1 - i]), lanes[LANES - 1]);
    _mm_storeu_si128((__m128i *)last, lanes[LANES - 1]);
    return by_table(0, last, sizeof(last));
}
#endif

uint64_t crc64(uint64_t before, const void *bytes, size_t size)
{
#if defined(__x86_64__)
    size_t large = size - size % STEP;
    if (large && __builtin_cpu_supports("pclmul")) {
        pthread_once(&once, constants_make);
        uint64_t crc = by_multiplication(~before, bytes, large);
        return ~by_table(crc, (const uint8_t *)bytes + large, size - large);
    }
#endif
    return crc64_plain(before, bytes, size);
}

uint64_t crc64_plain(uint64_t before, const void *bytes, size_t size)
{
    pthread_once(&once, constants_make);
    return ~by_table(~before, bytes, size);
}
