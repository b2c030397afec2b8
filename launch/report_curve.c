/*
 * A point for every estimate event with a phi; phi on a logarithmic axis where all are above 0 and
 * they span more than a factor of 10.
 */
#include "config.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "launch/report_private.h"

#define WIDTH  760.0
#define HEIGHT 300.0
#define LEFT   90.0
#define BOTTOM 44.0
#define TOP    16.0
#define READ   ((size_t)256 << 10)

struct point {
    double runs, phi; /* runs made before it was known */
};

struct curve {
    struct point *points;
    size_t count, capacity;
    bool short_of_memory;
};

static void event_take(void *context, const char *text, const cJSON *event)
{
    struct curve *curve = context;
    (void)text;
    const char *name = cJSON_GetStringValue(json_member(event, "event"));
    const cJSON *phi = json_member(event, "phi"), *first = json_member(event, "first");
    if (!name || strcmp(name, "estimate") != 0 || !cJSON_IsNumber(phi) ||
        !cJSON_IsNumber(first) || !isfinite(phi->valuedouble))
        return;
    if (curve->count == curve->capacity) {
        size_t wanted = curve->capacity * 2 + 64;
        void *grown = realloc(curve->points, wanted * sizeof *curve->points);
        curve->short_of_memory = curve->short_of_memory || !grown;
        if (!grown)
            return;
        curve->points = grown;
        curve->capacity = wanted;
    }
    struct point point = {first->valuedouble - 1, phi->valuedouble};
    /* A resumed master says again what it replays. */
    while (curve->count > 0 && curve->points[curve->count - 1].runs >= point.runs)
        curve->count--;
    curve->points[curve->count++] = point;
}

static int master_read(struct view *view, const char *id, struct curve *curve,
                       struct error *ret_error)
{
    struct progress progress;
    struct buf bytes;
    uint64_t offset = 0;
    int64_t got = 1;
    progress_init(&progress);
    buf_init(&bytes, 2 * READ);
    while (got > 0) {
        buf_clear(&bytes);
        got = view->backend->ops->task_read(view->backend, id, "stdout.txt", offset, READ,
                                            &bytes, ret_error);
        offset += got > 0 ? (uint64_t)got : 0;
        if (got > 0 &&
            progress_feed(&progress, bytes.data, bytes.size, event_take, curve, ret_error) < 0)
            got = -1;
    }
    buf_fini(&bytes);
    progress_fini(&progress);
    return got < 0 ? -1 : 0;
}

struct scale {
    double least, most;
    bool logarithmic;
};

static struct scale scale_of(const struct curve *curve)
{
    struct scale scale = {INFINITY, -INFINITY, false};
    for (size_t i = 0; i < curve->count; i++) {
        scale.least = fmin(scale.least, curve->points[i].phi);
        scale.most = fmax(scale.most, curve->points[i].phi);
    }
    scale.logarithmic = scale.least > 0 && scale.most > 10 * scale.least;
    if (!(scale.most > scale.least))
        scale.most = scale.least + fmax(fabs(scale.least) * 0.1, 1e-30);
    return scale;
}

static double height_of(const struct scale *scale, double phi)
{
    double part = scale->logarithmic ? log(phi / scale->least) / log(scale->most / scale->least)
                                     : (phi - scale->least) / (scale->most - scale->least);
    return HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP);
}

static void label(FILE *html, double x, double y, const char *anchor, const char *text)
{
    fprintf(html, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor,
            text);
}

/* What is drawn over what. */
struct words {
    const char *title, *work, *value;
};

static const struct words estimation = {"Objective function", "runs", "phi"};
static const struct words inversion = {"Misfit", "tasks", "misfit"};

static void curve_draw(const struct curve *curve, const struct words *words, FILE *html)
{
    const struct scale scale = scale_of(curve);
    double last = curve->points[curve->count - 1].runs, span = last > 0 ? last : 1;
    char text[64];
    fprintf(html,
            "<h2>%s</h2>\n<svg width=\"%.0f\" height=\"%.0f\" "
            "role=\"img\">\n<path class=\"axis\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n"
            "<path class=\"curve\" d=\"",
            words->title, WIDTH, HEIGHT, LEFT, TOP, HEIGHT - BOTTOM, WIDTH - 10);
    for (size_t i = 0; i < curve->count; i++)
        fprintf(html, "%s%.1f %.1f", i ? "L" : "M",
                LEFT + curve->points[i].runs / span * (WIDTH - 20 - LEFT),
                height_of(&scale, curve->points[i].phi));
    fputs("\"/>\n", html);
    for (int i = 0; i < 2; i++) {
        double phi = i ? scale.most : scale.least;
        snprintf(text, sizeof text, "%.6g", phi);
        label(html, LEFT - 8, height_of(&scale, phi) + 5, "end", text);
    }
    snprintf(text, sizeof text, "%.0f", last);
    label(html, LEFT, HEIGHT - BOTTOM + 18, "middle", "0");
    label(html, WIDTH - 20, HEIGHT - BOTTOM + 18, "middle", text);
    if (scale.logarithmic)
        snprintf(text, sizeof text, "%s (%s is logarithmic)", words->work, words->value);
    else
        snprintf(text, sizeof text, "%s", words->work);
    label(html, (LEFT + WIDTH) / 2, HEIGHT - BOTTOM + 36, "middle", text);
    fputs("</svg>\n", html);
}

int report_curve(struct view *view, FILE *html, struct error *ret_error)
{
    struct curve curve = {0};
    const cJSON *work = json_member(view->farm, "work");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < view->roster.count; i++)
        if (view->roster.tasks[i].master)
            rc = master_read(view, view->roster.tasks[i].id, &curve, ret_error);
    if (rc == 0 && curve.short_of_memory)
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for the curve of phi");
    if (rc == 0 && curve.count > 1)
        curve_draw(&curve, json_member(work, "survey") ? &inversion : &estimation, html);
    free(curve.points);
    return rc;
}
