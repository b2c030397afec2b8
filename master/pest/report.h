/*
 * report.h - what the members of glm_report.c share: their files, and their table.
 *
 * Files are called after view->output_base, with the extensions and layouts of PEST++'s
 * OutputFileWriter (usgs/pestpp, src/libs/pestpp_common/OutputFileWriter.cpp), so that what reads
 * those reads these.
 */
#ifndef BEOFARM_MASTER_PEST_REPORT_H
#define BEOFARM_MASTER_PEST_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "common/error.h"
#include "master/pest/glm_report.h"

extern const struct glm_report_member report_record;        /* .rec */
extern const struct glm_report_member report_parameters;    /* .par, .N.par */
extern const struct glm_report_member report_residuals;     /* .rei, .N.rei */
extern const struct glm_report_member report_sensitivities; /* .sen, .isen */
extern const struct glm_report_member report_tables;        /* .iobj, .ipar, .upg.csv */
extern const struct glm_report_member report_jacobian;      /* .jco */

/* output_base + "." + extension; with number >= 0 output_base.NUMBER.extension. Allocated; NULL
 * with a sentence. */
char *report_path(const struct glm_view *view, int number, const char *extension,
                  struct error *ret_error);

/* A file that grows as the estimation goes on, begun anew. */
struct report_stream {
    FILE *file;
    char *path;
};
int report_stream_open(struct report_stream *stream, const struct glm_view *view,
                       const char *extension, struct error *ret_error);
/* What was printed so far is in the file. -1 with a sentence if it is not. */
int report_stream_flush(struct report_stream *stream, struct error *ret_error);
void report_stream_close(struct report_stream *stream); /* a zeroed one is allowed */

/* A file of the best point: BASE.EXT, and BASE.N.EXT of iteration N (0: the initial values); with
 * `pest_names` BASE.EXT.N as well. Written where `event` calls for it; `write` writes one. */
int report_best(enum glm_event event, const struct glm_view *view, const char *extension,
                bool pest_names,
                int (*write)(const struct glm_view *view, const char *path,
                             struct error *ret_error),
                struct error *ret_error);

/* open and close of members that keep nothing between events. */
void *report_stateless_open(const struct glm_view *view, struct error *ret_error);
void report_stateless_close(void *state);

/* The control file's name without its folder, which on the master is not the user's. Borrowed. */
const char *report_control_name(const struct pest_control *control);

/* What the control file says without effect, under a heading; false: nothing. */
bool report_put_unused(FILE *file, const struct pest_control *control);

/* ",NAME" of every parameter of the control file, and a line end. */
void report_put_names(FILE *file, const struct pest_control *control);

#endif
