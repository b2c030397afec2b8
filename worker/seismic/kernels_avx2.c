/* kernels_avx2.c - vectors of 32 bytes and fused multiply-add. */
#include "config.h"

#include "worker/seismic/kernels_private.h"

#ifdef __x86_64__
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define KERNELS_NAME  kernels_avx2
#define KERNELS_LABEL "avx2"
#define KERNELS_BYTES 32
#include "worker/seismic/kernels_body.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
