/*
 * Drawn with cairo. Each panel's values become an image of one pixel per value, which cairo brings
 * to the panel's size: averaged where there are more values than pixels, and shown as what they
 * are, cells, where there are fewer.
 */
#include "config.h"

#include "launch/plot/picture.h"

#include <cairo.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/whole.h"
#include "launch/plot/ticks.h"

/* Pixels */
#define WIDTH        1100
#define LEFT         80
#define RIGHT        130
#define TOP          46
#define GAP          62 /* below a panel: ticks, label */
#define PANEL_LEAST  170
#define PANEL_MOST   620
#define MAP_LEAST    12
#define PANEL_HEIGHT 460 /* of axes that are no lengths */
#define PANEL_TITLE  18
#define BAR_WIDTH    16
#define TEXT         13.0
#define CROWDED      70 /* between labels beside each other */
#define CROWDED_DOWN 45 /* below each other */

struct frame {
    double x, y, width, height;
};

static void text_put(cairo_t *cairo, double x, double y, double align, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    cairo_move_to(cairo, x - extents.x_advance * align, y);
    cairo_show_text(cairo, text);
}

/* As much of a text as there is room for. */
static void text_put_within(cairo_t *cairo, double x, double y, double width, const char *text)
{
    char part[sizeof(((struct picture *)NULL)->title) + 4];
    size_t size = strlen(text);
    cairo_text_extents_t extents;
    snprintf(part, sizeof part, "%s", text);
    for (;;) {
        cairo_text_extents(cairo, part, &extents);
        if (extents.x_advance <= width || size == 0)
            break;
        do
            size--;
        while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80);
        snprintf(part, sizeof part, "%.*s\u2026", (int)size, text);
    }
    cairo_move_to(cairo, x, y);
    cairo_show_text(cairo, part);
}

static cairo_surface_t *cells_draw(const struct picture *picture,
                                   const struct picture_panel *panel)
{
    cairo_surface_t *cells =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)panel->across, (int)panel->down);
    unsigned char *pixels = cairo_image_surface_get_data(cells);
    if (!pixels)
        return cells; /* its status says why */
    size_t stride = (size_t)cairo_image_surface_get_stride(cells);
    double range = picture->high - picture->low;
    for (size_t k = 0; k < panel->down; k++)
        for (size_t i = 0; i < panel->across; i++) {
            double value = (panel->values[i * panel->down + k] - picture->low) / range;
            uint32_t colour = palette_colour(picture->palette, value);
            memcpy(pixels + k * stride + i * sizeof colour, &colour, sizeof colour);
        }
    cairo_surface_mark_dirty(cells);
    return cells;
}

static void panel_fill(cairo_t *cairo, const struct picture *picture,
                       const struct picture_panel *panel, const struct frame *frame)
{
    cairo_surface_t *cells = cells_draw(picture, panel);
    bool fewer =
        (double)panel->across < frame->width / 2 && (double)panel->down < frame->height / 2;
    cairo_save(cairo);
    cairo_rectangle(cairo, frame->x, frame->y, frame->width, frame->height);
    cairo_clip(cairo);
    cairo_translate(cairo, frame->x, frame->y);
    cairo_scale(cairo, frame->width / (double)panel->across,
                frame->height / (double)panel->down);
    cairo_set_source_surface(cairo, cells, 0, 0);
    cairo_pattern_set_extend(cairo_get_source(cairo), CAIRO_EXTEND_PAD);
    cairo_pattern_set_filter(cairo_get_source(cairo),
                             fewer ? CAIRO_FILTER_NEAREST : CAIRO_FILTER_GOOD);
    cairo_paint(cairo);
    cairo_restore(cairo);
    cairo_surface_destroy(cells);
}

/* Ticks and label of an axis whose cells' edges go from `low` to `high`. */
static void axis_draw(cairo_t *cairo, const struct picture_axis *axis, size_t cells,
                      const struct frame *frame, bool down)
{
    double low = axis->first - axis->step / 2, high = low + axis->step * (double)cells;
    double length = down ? frame->height : frame->width;
    struct ticks ticks;
    ticks_choose(&ticks, low, high,
                 (int)fmax(1, fmin(10, length / (down ? CROWDED_DOWN : CROWDED))));
    for (size_t i = 0; i < ticks.count; i++) {
        char label[32];
        if (axis->whole && fabs(ticks.at[i] - rint(ticks.at[i])) > 1e-6)
            continue;
        double at = (ticks.at[i] - low) / (high - low) * length;
        snprintf(label, sizeof label, "%.*f", axis->whole ? 0 : ticks.decimals, ticks.at[i]);
        if (down) {
            cairo_move_to(cairo, frame->x - 5, frame->y + at);
            cairo_rel_line_to(cairo, 5, 0);
            text_put(cairo, frame->x - 8, frame->y + at + TEXT * 0.36, 1, label);
        } else {
            cairo_move_to(cairo, frame->x + at, frame->y + frame->height);
            cairo_rel_line_to(cairo, 0, 5);
            text_put(cairo, frame->x + at, frame->y + frame->height + 20, 0.5, label);
        }
        cairo_stroke(cairo);
    }
    if (!down) {
        text_put(cairo, frame->x + frame->width / 2, frame->y + frame->height + 38, 0.5,
                 axis->label);
        return;
    }
    cairo_save(cairo);
    cairo_translate(cairo, frame->x - 58, frame->y + frame->height / 2);
    cairo_rotate(cairo, -M_PI / 2);
    text_put(cairo, 0, 0, 0.5, axis->label);
    cairo_restore(cairo);
}

/* How many times as high as to scale, or as low (below 1), a panel is drawn. */
static double panel_stretch(const struct picture_panel *panel, double height, double width)
{
    double across = fabs(panel->x.step * (double)panel->across) / width;
    double down = fabs(panel->y.step * (double)panel->down) / height;
    return panel->lengths ? across / down : 1;
}

static void stretch_put(cairo_t *cairo, const struct picture_panel *panel,
                        const struct frame *frame)
{
    double stretch = panel_stretch(panel, frame->height, frame->width);
    char text[80];
    if (fabs(stretch - 1) < 0.02) /* heights are whole pixels */
        return;
    snprintf(text, sizeof text, "not to scale: %s %.2g times",
             stretch > 1 ? "stretched" : "pressed", stretch > 1 ? stretch : 1 / stretch);
    text_put(cairo, frame->x + frame->width, frame->y - 7, 1, text);
}

static void panel_draw(cairo_t *cairo, const struct picture *picture,
                       const struct picture_panel *panel, const struct frame *frame)
{
    panel_fill(cairo, picture, panel, frame);
    cairo_set_source_rgb(cairo, 0.15, 0.15, 0.15);
    cairo_rectangle(cairo, frame->x, frame->y, frame->width, frame->height);
    cairo_stroke(cairo);
    axis_draw(cairo, &panel->x, panel->across, frame, false);
    axis_draw(cairo, &panel->y, panel->down, frame, true);
    text_put(cairo, frame->x, frame->y - 7, 0, panel->title);
    stretch_put(cairo, panel, frame);
}

/* A value of the scale: short, and another one than its neighbours'. */
static void value_print(const struct ticks *ticks, size_t i, char *text, size_t size)
{
    double most = fmax(fabs(ticks->at[0]), fabs(ticks->at[ticks->count - 1]));
    double step = ticks->count > 1 ? ticks->at[1] - ticks->at[0] : most;
    int digits = (int)fmin(15, floor(log10(most)) - floor(log10(step)) + 1);
    if (most >= 1e-3 && most < 1e6)
        snprintf(text, size, "%.*f", ticks->decimals, ticks->at[i]);
    else
        snprintf(text, size, "%.*g", digits > 1 ? digits : 1, ticks->at[i]);
}

static void bar_draw(cairo_t *cairo, const struct picture *picture, const struct frame *frame)
{
    struct ticks ticks;
    double range = picture->high - picture->low;
    for (int row = 0; row < (int)frame->height; row++) {
        uint32_t colour = palette_colour(picture->palette, 1 - (row + 0.5) / frame->height);
        cairo_set_source_rgb(cairo, (colour >> 16 & 0xff) / 255.0, (colour >> 8 & 0xff) / 255.0,
                             (colour & 0xff) / 255.0);
        cairo_rectangle(cairo, frame->x, frame->y + row, frame->width, 1);
        cairo_fill(cairo);
    }
    cairo_set_source_rgb(cairo, 0.15, 0.15, 0.15);
    cairo_rectangle(cairo, frame->x, frame->y, frame->width, frame->height);
    cairo_stroke(cairo);
    ticks_choose(&ticks, picture->low, picture->high, 5);
    for (size_t i = 0; i < ticks.count; i++) {
        char label[32];
        double at = frame->y + (picture->high - ticks.at[i]) / range * frame->height;
        value_print(&ticks, i, label, sizeof label);
        cairo_move_to(cairo, frame->x + frame->width, at);
        cairo_rel_line_to(cairo, 4, 0);
        cairo_stroke(cairo);
        text_put(cairo, frame->x + frame->width + 7, at + TEXT * 0.36, 0, label);
    }
}

/* To scale, where that is neither a ribbon nor a tower; a map becomes as low or as narrow as it has
 * to be. */
static struct frame panel_frame(const struct picture_panel *panel, double y)
{
    struct frame frame = {LEFT, y, WIDTH - LEFT - RIGHT, PANEL_HEIGHT};
    if (!panel->lengths)
        return frame;
    double ratio =
        fabs(panel->y.step * (double)panel->down) / fabs(panel->x.step * (double)panel->across);
    double least = panel->map ? MAP_LEAST : PANEL_LEAST;
    frame.height = round(fmin(fmax(ratio * frame.width, least), PANEL_MOST));
    if (panel->map && ratio * frame.width > PANEL_MOST)
        frame.width = round(fmax(frame.height / ratio, MAP_LEAST));
    return frame;
}

static void picture_draw(cairo_t *cairo, const struct picture *picture)
{
    double y = TOP + PANEL_TITLE;
    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_paint(cairo);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_line_width(cairo, 1);
    cairo_set_source_rgb(cairo, 0.1, 0.1, 0.1);
    cairo_set_font_size(cairo, TEXT + 3);
    text_put_within(cairo, LEFT, 26, WIDTH - LEFT - 12, picture->title);
    cairo_set_font_size(cairo, TEXT);
    for (size_t i = 0; i < picture->count; i++) {
        struct frame frame = panel_frame(&picture->panels[i], y);
        panel_draw(cairo, picture, &picture->panels[i], &frame);
        if (i == 0) {
            struct frame bar = {WIDTH - RIGHT + 24, y, BAR_WIDTH,
                                floor(fmin(frame.height, PANEL_HEIGHT))};
            bar_draw(cairo, picture, &bar);
        }
        y += frame.height + GAP + PANEL_TITLE;
    }
    cairo_set_source_rgb(cairo, 0.35, 0.35, 0.35);
    text_put(cairo, WIDTH - 12, y - GAP - PANEL_TITLE + 38, 1, picture->scale);
}

static cairo_status_t bytes_write(void *context, const unsigned char *bytes, unsigned size)
{
    return fwrite(bytes, 1, size, context) == size ? CAIRO_STATUS_SUCCESS
                                                   : CAIRO_STATUS_WRITE_ERROR;
}

static int surface_save(cairo_surface_t *surface, const char *path, struct error *ret_error)
{
    struct whole whole;
    if (whole_open(&whole, path, ret_error) < 0)
        return -1;
    errno = 0;
    cairo_status_t status =
        cairo_surface_write_to_png_stream(surface, bytes_write, whole.stream);
    if (status == CAIRO_STATUS_SUCCESS)
        return whole_commit(&whole, ret_error);
    error_set(ret_error, ERROR_SYSTEM, "\"%s\" cannot be written: %s", path,
              errno ? strerror(errno) : cairo_status_to_string(status));
    whole_abandon(&whole);
    return -1;
}

int picture_write(const struct picture *picture, const char *path, struct error *ret_error)
{
    double height = TOP;
    for (size_t i = 0; i < picture->count; i++)
        height += PANEL_TITLE + panel_frame(&picture->panels[i], 0).height + GAP;
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, (int)height);
    cairo_t *cairo = cairo_create(surface);
    picture_draw(cairo, picture);
    cairo_status_t status = cairo_status(cairo);
    int rc = status == CAIRO_STATUS_SUCCESS
                 ? surface_save(surface, path, ret_error)
                 : error_set(ret_error, ERROR_SYSTEM, "the picture \"%s\" cannot be drawn: %s",
                             path, cairo_status_to_string(status));
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    cairo_debug_reset_static_data(); /* its caches of fonts */
    return rc;
}
