/*
 * survey_bench.h - surveys in a folder of their own (tests/scratch.h), for tests of their reader.
 */
#ifndef BEOFARM_TESTS_COMMON_SEISMIC_SURVEY_BENCH_H
#define BEOFARM_TESTS_COMMON_SEISMIC_SURVEY_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/seismic/survey.h"

/* Members of a survey that tests are not about. */
#define MODEL   "\"model\": {\"velocity\": \"vp.json\"}"
#define WAVELET "\"wavelet\": {\"kind\": \"ricker\", \"peak_hz\": 10}"
#define RECORD  "\"record\": {\"length_s\": 0.5}"
#define LINES                                                                                  \
    "\"geometry\": {\"sources\": {\"line\": {\"start\": [100, 10], \"step\": [50, 0], "        \
    "\"count\": 5}}, \"receivers\": {\"line\": {\"start\": [0, 20], \"end\": [1000, 20], "     \
    "\"count\": 11}}}"

/* vp.json: a 101 x 51 model at 10 m, 1500 m/s but for one value. */
void bench_model(size_t at, float odd);

/* SEG-Y: `shots` shots at x = 100 + 50 i, of 4 receivers at 20 k, 25 samples every 4 ms. Sample j
 * of trace k of shot i is 100 i + 10 k + j. */
void bench_data(const char *path, int first, int shots, uint32_t samples, double receiver_y);

/* `text` as survey.json is refused, with a sentence that has this part. */
void bench_refused(const char *text, const char *part);

/* `text` as survey.json, opened, and one of its shots; the test fails, saying why, if it is not
 * good. */
void bench_open(const char *text, struct survey *survey);
void bench_shot(const struct survey *survey, size_t index, struct shot *shot);
/* Close both. */
void bench_close(struct survey *survey, struct shot *shot);

#endif
