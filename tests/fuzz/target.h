/*
 * target.h - what every fuzz target has. The name is libFuzzer's.
 */
#ifndef BEOFARM_TESTS_FUZZ_TARGET_H
#define BEOFARM_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A broken promise of the code under test: ends the process as a crash would. */
#define FUZZ_CHECK(condition)                                                                  \
    do {                                                                                       \
        if (!(condition))                                                                      \
            __builtin_trap();                                                                  \
    } while (0)

#endif
