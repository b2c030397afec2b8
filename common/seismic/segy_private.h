/*
 * segy_private.h - shared by the segy*.c files alone.
 */
#ifndef BEOFARM_COMMON_SEISMIC_SEGY_PRIVATE_H
#define BEOFARM_COMMON_SEISMIC_SEGY_PRIVATE_H

#include "common/seismic/segy.h"

/* A piece of the file, as it was last read. */
struct segy_window {
    uint8_t *bytes; /* owned; `capacity` of them */
    size_t capacity, size;
    uint64_t offset;
};

struct segy {
    int fd;
    char *path;
    struct segy_options options;
    struct segy_format format;
    uint64_t base;         /* of the file headers: 0, or the size of a tape label */
    bool trailers_unknown; /* how many trailers there are */
    struct segy_window window, samples;
    uint64_t next_offset, next_number; /* of the scan */
    uint64_t odd_offset, odd_number; /* its first trace that is not as long as the binary header
                                          says; odd_offset 0: none */
    double last_shot, odd_shot; /* with options.shots: of the trace before, and of that one */
};

/* A sentence about a trace: "FILE: shot 2, trace 7 (header at byte 6864): ...", the shot only if
 * the options ask for it. A trace whose header is not there is one "behind shot 2". */
int segy_trace_mistake(const struct segy *segy, const struct segy_trace *trace,
                       struct error *ret_error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* `size` bytes at `offset`, of which up to `want` are read ahead; NULL with a sentence where the
 * file has not so many. Borrowed until the next call. */
const uint8_t *segy_window_get(struct segy *segy, struct segy_window *window, uint64_t offset,
                               size_t size, size_t want, struct error *ret_error);

/* Numbers in either order; `bytes` 1 to 8. */
uint64_t segy_get_unsigned(const uint8_t *at, unsigned bytes, enum segy_order order);
int64_t segy_get_signed(const uint8_t *at, unsigned bytes, enum segy_order order);
double segy_get_float64(const uint8_t *at, enum segy_order order);
float segy_get_float32(const uint8_t *at, enum segy_order order);

/* The beginning of the third line of the text that segy_write.h puts into files of models, and as
 * many ASCII characters in EBCDIC. */
#define SEGY_COLUMNS_TEXT "columns of a model"
#define SEGY_COLUMNS_AT   164
void segy_text_encode(const char *ascii, size_t size, uint8_t *ret_ebcdic);

/* What a word is called in the standard, with its byte: "receiver x (byte 81)". */
const char *segy_word_name(enum segy_word word);

/* Read the binary header into segy->format. */
int segy_binary_read(struct segy *segy, struct error *ret_error);

#endif
