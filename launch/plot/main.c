/*
 * beofarm-plot - draw what a file holds into a PNG file.
 *
 *     beofarm-plot [--as model|gather] [--shot N] [--at AXIS=METRES]... [--clip PERCENT]
 *                  [--colours NAME] [--title TEXT] FILE PNG
 *
 * A program of its own, so that `beofarm` itself need not load libraries that draw.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "launch/plot/source.h"

#define CLIP_GATHER 98.0 /* a few strong arrivals would leave the rest pale */
#define CLIP_MODEL  100.0

struct request {
    struct source_options source;
    double clip; /* 0: as suits */
    bool has_palette;
    enum palette palette;
    const char *title, *file, *png;
};

static int number_read(const char *text, const char *option, double *ret_value,
                       struct error *ret_error)
{
    char *end;
    *ret_value = strtod(text, &end);
    if (end == text || *end || !isfinite(*ret_value))
        return error_set(ret_error, ERROR_USAGE, "%s: \"%s\" is no number", option, text);
    return 0;
}

static int at_read(const char *text, struct source_options *options, struct error *ret_error)
{
    static const char axes[] = "xyz";
    const char *axis = *text ? strchr(axes, *text) : NULL;
    if (!axis || text[1] != '=')
        return error_set(ret_error, ERROR_USAGE,
                         "--at: \"%s\" is not of the form y=1500 (x, y or z, in metres)", text);
    options->has_at[axis - axes] = true;
    return number_read(text + 2, "--at", &options->at[axis - axes], ret_error);
}

static int kind_read(const char *text, enum source_kind *ret_kind, struct error *ret_error)
{
    *ret_kind = strcmp(text, "model") == 0 ? SOURCE_MODEL : SOURCE_GATHER;
    if (*ret_kind == SOURCE_GATHER && strcmp(text, "gather") != 0)
        return error_set(ret_error, ERROR_USAGE, "--as: \"%s\" is neither model nor gather",
                         text);
    return 0;
}

static int option_read(struct request *request, int option, const char *text,
                       struct error *ret_error)
{
    double value;
    switch (option) {
    case 'k':
        return kind_read(text, &request->source.kind, ret_error);
    case 's':
        if (number_read(text, "--shot", &value, ret_error) < 0)
            return -1;
        if (value != floor(value) || fabs(value) > 1e15)
            return error_set(ret_error, ERROR_USAGE, "--shot: \"%s\" is no whole number", text);
        request->source.has_shot = true;
        request->source.shot = (int64_t)value;
        return 0;
    case 'x':
        return at_read(text, &request->source, ret_error);
    case 'c':
        if (number_read(text, "--clip", &request->clip, ret_error) < 0)
            return -1;
        return request->clip > 0 && request->clip <= 100
                   ? 0
                   : error_set(ret_error, ERROR_USAGE,
                               "--clip: %s is no percentage above 0 and up to 100", text);
    case 'p':
        request->has_palette = true;
        return palette_find(text, &request->palette, ret_error);
    case 't':
        request->title = text;
        return 0;
    default:
        return error_set(ret_error, ERROR_USAGE, "`beofarm plot --help` says what there is");
    }
}

static int arguments_read(struct request *request, int argc, char **argv,
                          struct error *ret_error)
{
    static const struct option options[] = {{"as", required_argument, NULL, 'k'},
                                            {"shot", required_argument, NULL, 's'},
                                            {"at", required_argument, NULL, 'x'},
                                            {"clip", required_argument, NULL, 'c'},
                                            {"colours", required_argument, NULL, 'p'},
                                            {"title", required_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (option_read(request, option, optarg, ret_error) < 0)
            return -1;
    if (argc - optind != 2)
        return error_set(ret_error, ERROR_USAGE, "give a file to draw, and one to draw into");
    request->file = argv[optind];
    request->png = argv[optind + 1];
    return 0;
}

/* What the colours stand for, in words: scale, unit, clip. */
static void scale_tell(struct picture *picture, double clip)
{
    char unit[41];
    snprintf(unit, sizeof unit, "%.40s", picture->scale);
    int used = snprintf(picture->scale, sizeof picture->scale, "%s%s%s, ",
                        palette_name(picture->palette), *unit ? ", " : "", unit);
    if (clip < 100)
        snprintf(picture->scale + used, sizeof picture->scale - (size_t)used,
                 "clipped to %g %% of the values", clip);
    else
        snprintf(picture->scale + used, sizeof picture->scale - (size_t)used, "not clipped");
}

static int draw(const struct request *request, struct error *ret_error)
{
    struct picture picture = {0};
    bool symmetric;
    if (source_read(request->file, &request->source, &picture, &symmetric, ret_error) < 0)
        return -1;
    double clip = request->clip > 0 ? request->clip : symmetric ? CLIP_GATHER : CLIP_MODEL;
    if (request->has_palette)
        picture.palette = request->palette;
    if (request->title)
        snprintf(picture.title, sizeof picture.title, "%s", request->title);
    int rc = picture_clip(&picture, clip, symmetric, ret_error);
    scale_tell(&picture, clip);
    if (rc == 0)
        rc = picture_write(&picture, request->png, ret_error);
    picture_fini(&picture);
    return rc;
}

int main(int argc, char **argv)
{
    struct request request = {0};
    struct error error;
    fd_open_standard();
    fd_signals_ignore();
    opterr = 0;
    if (arguments_read(&request, argc, argv, &error) == 0 && draw(&request, &error) == 0)
        return 0;
    fprintf(stderr, "beofarm plot: %s\n", error.text);
    return error.code;
}
