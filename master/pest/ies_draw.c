#include "config.h"

#include "master/pest/ies_draw.h"
#include "master/sweep/random.h"

int ies_draw(const struct covariance *covariance, uint32_t seed, enum ies_stream stream,
             const size_t *address, size_t realisation, double *ret, struct error *ret_error)
{
    uint64_t key = (uint64_t)stream << 32 | seed;
    for (size_t k = 0; k < covariance->count; k++)
        ret[k] = random_normal_quantile(
            random_uniform(key, (uint32_t)address[k], (uint64_t)realisation));
    if (covariance_unwhiten(covariance, &ret, 1, NULL, ret_error) == 0)
        return 0;
    return error_prefix(ret_error, "drawing realisation %zu", realisation);
}
