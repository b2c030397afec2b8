/* kernels_private.h - what each kind of processor's file defines. */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_PRIVATE_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_PRIVATE_H

#include "worker/seismic/kernels.h"

struct kernels kernels_plain(int radius, bool flat);
#ifdef __x86_64__
struct kernels kernels_avx2(int radius, bool flat);
struct kernels kernels_avx512(int radius, bool flat);
#endif

#endif
