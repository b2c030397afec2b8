#include "config.h"

#include <stdlib.h>

#include "common/seismic/shot_cost.h"
#include "worker/seismic/operators.h"

static struct wave_run forward_run(const struct operators *operators, const wave_real *source,
                                   wave_real *data, wave_real *illumination)
{
    return (struct wave_run){
        .mode = WAVE_FORWARD,
        .steps = operators->steps,
        .inject = operators->sources,
        .injected = source,
        .sample = data ? operators->receivers : NULL,
        .sampled = data,
        .illumination = illumination,
    };
}

int operators_check(const struct operators *operators, struct error *ret_error)
{
    if (wave_check(operators->wave, ret_error) < 0)
        return -1;
    return operators->second ? wave_check(operators->second, ret_error) : 0;
}

void operators_forward(const struct operators *operators, const wave_real *source,
                       wave_real *ret_data, wave_real *illumination)
{
    struct wave_run run = forward_run(operators, source, ret_data, illumination);
    wave_clear(operators->wave);
    wave_run(operators->wave, &run);
}

void operators_adjoint(const struct operators *operators, const wave_real *data,
                       wave_real *ret_source)
{
    struct wave_run run = {
        .mode = WAVE_TRANSPOSED,
        .steps = operators->steps,
        .inject = operators->receivers,
        .injected = data,
        .sample = operators->sources,
        .sampled = ret_source,
    };
    wave_clear(operators->wave);
    wave_run(operators->wave, &run);
}

int operators_born(const struct operators *operators, const wave_real *source,
                   const wave_real *dm, wave_real *ret_data, wave_real *ret_data0,
                   struct error *ret_error)
{
    struct wave_run first = forward_run(operators, source, ret_data0, NULL);
    struct wave_run second = {
        .mode = WAVE_FORWARD, .sample = operators->receivers, .sampled = ret_data};
    struct wave *wave = operators->wave;
    size_t points = wave->points * sizeof(*dm), most = history_piece_steps(wave, 1);
    wave_real *piece = wave_room_create(wave, SHOT_PIECE, wave->snapshot_size * sizeof(*piece));
    wave_real *near = wave_room_create(wave, 1, points);
    if (!piece || !near) {
        wave_room_destroy(wave, piece);
        wave_room_destroy(wave, near);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a few wavefields");
    }
    wave_room_write(wave, near, dm, points);
    second.dm = near;
    wave_clear(operators->wave);
    wave_clear(operators->second);
    for (size_t at = 0; at < operators->steps; at += most) {
        size_t left = operators->steps - at, count = left < most ? left : most;
        struct wave_run part = history_part(&first, at, count);
        part.snapshots = piece;
        wave_run(operators->wave, &part);
        part = history_part(&second, at, count);
        part.scattered = piece;
        wave_run(operators->second, &part);
    }
    wave_room_destroy(wave, piece);
    wave_room_destroy(wave, near);
    return operators_check(operators, ret_error);
}

/* What the turns of operators_image share. */
struct imaging {
    const struct operators *operators;
    operators_residual residual;
    void *context;
    wave_real *data, *image; /* the image's room: its rows lie as the wave likes them */
    bool begun;
};

static int image_turn(void *context, size_t first, size_t count, const wave_real *snapshots,
                      const struct history_due *due, struct error *ret_error)
{
    struct imaging *imaging = context;
    const struct operators *operators = imaging->operators;
    struct wave_run all = {
        .mode = WAVE_TRANSPOSED,
        .inject = operators->receivers,
        .injected = imaging->data,
        .every = operators->history.every,
        .image = imaging->image + operators->second->image_at,
        .image_row = operators->second->image_row,
    };
    if (!imaging->begun && operators_check(operators, ret_error) < 0)
        return -1;
    if (!imaging->begun && imaging->residual(imaging->context, imaging->data, ret_error) < 0)
        return -1;
    imaging->begun = true;
    struct wave_run part = history_part(&all, first, count);
    part.scattered = snapshots;
    if (due)
        wave_run_both(due->wave, due->run, operators->second, &part);
    else
        wave_run(operators->second, &part);
    return 0;
}

int operators_image(const struct operators *operators, const wave_real *source,
                    operators_residual residual, void *context, wave_real *data,
                    wave_real *image, wave_real *illumination, struct error *ret_error)
{
    struct imaging imaging = {
        .operators = operators, .residual = residual, .context = context, .data = data};
    struct wave_run run = forward_run(operators, source, data, illumination);
    const struct wave *second = operators->second;
    size_t nz = second->grid.n[GRID_Z], row = second->image_row;
    size_t rows = second->points / nz, bytes = rows * row * sizeof(*imaging.image);
    wave_real *sum = malloc(bytes + 1);
    imaging.image = wave_room_create(operators->wave, 1, bytes);
    if (!sum || !imaging.image) {
        free(sum);
        wave_room_destroy(operators->wave, imaging.image);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for an image");
    }
    wave_clear(operators->second);
    int rc = history_walk(operators->wave, &run, &operators->history, image_turn, &imaging,
                          ret_error);
    wave_room_read(operators->wave, imaging.image, sum, bytes);
    if (rc == 0)
        rc = operators_check(operators, ret_error);
    for (size_t r = 0; rc == 0 && r < rows; r++)
        for (size_t i = 0; i < nz; i++)
            image[r * nz + i] +=
                (wave_real)operators->history.every * sum[r * row + second->image_at + i];
    wave_room_destroy(operators->wave, imaging.image);
    free(sum);
    return rc;
}
