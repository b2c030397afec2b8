#include "config.h"

#include "master/shots/subset.h"

uint64_t subset_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void subset_draw(size_t all, size_t wanted, uint64_t seed, size_t *shots)
{
    uint64_t random = seed;
    size_t taken = 0;
    for (size_t i = 0; taken < wanted; i++) {
        double u = (double)(subset_random(&random) >> 11) * 0x1p-53;
        if ((double)(all - i) * u < (double)(wanted - taken))
            shots[taken++] = i;
    }
}
