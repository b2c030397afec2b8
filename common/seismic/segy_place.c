/*
 * From the words of trace headers to places in the model.
 */
#include "config.h"

#include <math.h>

#include "common/seismic/segy_index.h"

void segy_geometry_init(struct segy_geometry *geometry)
{
    *geometry = (struct segy_geometry){
        .segy = {.shots = true}, .source_z = NAN, .receiver_z = NAN, .azimuth_deg = 90};
}

/* x along the azimuth, y to its left, as X and Y are where the azimuth is 90 degrees. */
static void project(const struct segy_geometry *geometry, struct point *point)
{
    double x = point->x - geometry->origin_x, y = point->y - geometry->origin_y;
    point->x = x;
    point->y = y;
    if (geometry->azimuth_deg == 90)
        return;
    double angle = (90 - geometry->azimuth_deg) * M_PI / 180, c = cos(angle), s = sin(angle);
    point->x = c * x + s * y;
    point->y = c * y - s * x;
}

/* Elevations count up from sea level, depths down from the surface. */
static double depth_of(const struct segy_geometry *geometry, double depth, double elevation)
{
    return depth + (geometry->down ? elevation : -elevation) + geometry->datum;
}

static int place(const struct segy *segy, const struct segy_trace *trace,
                 const struct segy_geometry *geometry, const enum segy_word words[4],
                 double told_z, struct point *ret_point, struct error *ret_error)
{
    struct point point;
    double depth, elevation;
    if (segy_length(segy, trace, words[0], &point.x, ret_error) < 0 ||
        segy_length(segy, trace, words[1], &point.y, ret_error) < 0 ||
        segy_length(segy, trace, words[2], &depth, ret_error) < 0 ||
        segy_length(segy, trace, words[3], &elevation, ret_error) < 0)
        return -1;
    point.z = isnan(told_z) ? depth_of(geometry, depth, elevation) : told_z;
    project(geometry, &point);
    *ret_point = point;
    return 0;
}

int segy_source_place(const struct segy *segy, const struct segy_trace *trace,
                      const struct segy_geometry *geometry, struct point *ret_point,
                      struct error *ret_error)
{
    static const enum segy_word words[] = {SEGY_SOURCE_X, SEGY_SOURCE_Y, SEGY_SOURCE_DEPTH,
                                           SEGY_SOURCE_ELEVATION};
    return place(segy, trace, geometry, words, geometry->source_z, ret_point, ret_error);
}

int segy_receiver_place(const struct segy *segy, const struct segy_trace *trace,
                        const struct segy_geometry *geometry, struct point *ret_point,
                        struct error *ret_error)
{
    static const enum segy_word words[] = {SEGY_RECEIVER_X, SEGY_RECEIVER_Y,
                                           SEGY_RECEIVER_DEPTH, SEGY_RECEIVER_ELEVATION};
    return place(segy, trace, geometry, words, geometry->receiver_z, ret_point, ret_error);
}
