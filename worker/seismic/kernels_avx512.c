/* kernels_avx512.c - vectors of 64 bytes. */
#include "config.h"

#include "worker/seismic/kernels_private.h"

#ifdef __x86_64__
#include <immintrin.h>
#ifdef __clang__
#pragma clang attribute push(                                                                  \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"))),                    \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,prefer-vector-width=512")
#endif

#define KERNELS_NAME  kernels_avx512
#define KERNELS_LABEL "avx512"
#define KERNELS_BYTES 64
#include "worker/seismic/kernels_body.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
