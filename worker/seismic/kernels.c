#include "config.h"

#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <xmmintrin.h>
#endif

#include "worker/seismic/kernels_private.h"

static bool allowed(const char *name)
{
    const char *asked = getenv("BEOFARM_SIMD");
    return !asked || !*asked || strcmp(asked, name) == 0;
}

struct kernels kernels_choose(int radius, bool flat)
{
#ifdef __x86_64__
    if (allowed("avx512") && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq"))
        return kernels_avx512(radius, flat);
    if (allowed("avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return kernels_avx2(radius, flat);
#else
    (void)allowed;
#endif
    return kernels_plain(radius, flat);
}

#if defined __x86_64__
unsigned long flush_begin(void)
{
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* flush to zero, denormals are zero */
    return before;
}

void flush_restore(unsigned long before)
{
    _mm_setcsr((unsigned)before);
}
#elif defined __aarch64__
unsigned long flush_begin(void)
{
    unsigned long before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | 1ul << 24)); /* FZ */
    return before;
}

void flush_restore(unsigned long before)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
}
#else
unsigned long flush_begin(void)
{
    return 0;
}

void flush_restore(unsigned long before)
{
    (void)before;
}
#endif
