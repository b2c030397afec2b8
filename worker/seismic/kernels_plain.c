/* kernels_plain.c - vectors of 16 bytes, which every 64-bit processor has (SSE2, NEON). */
#include "config.h"

#include "worker/seismic/kernels_private.h"

#define KERNELS_NAME  kernels_plain
#define KERNELS_LABEL "plain"
#define KERNELS_BYTES 16
#include "worker/seismic/kernels_body.h"
