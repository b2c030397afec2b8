/*
 * fd.h - descriptors, where the plain call leaves something to do.
 */
#ifndef BEOFARM_COMMON_FD_H
#define BEOFARM_COMMON_FD_H

#include <stddef.h>
#include <stdint.h>

/* Open what of standard input, output and error the process was started without (`>&-`), as
 * /dev/null: else the next files that it opens would take their places, and get what is printed.
 * The first thing that a program does. */
void fd_open_standard(void);

/* Have what cannot be written fail with an errno value, which becomes a sentence, in place of a
 * signal that ends the process without a word: EPIPE where nobody reads any more, EFBIG beyond
 * `ulimit -f`. */
void fd_signals_ignore(void);

/* Set that back, for programs that expect the signals, between fork and exec. System calls
 * alone. */
void fd_signals_restore(void);

/* Write all bytes, however many calls that takes. For files, and descriptors that block. 0, or -1
 * with errno; some may have been written then. */
int fd_write(int fd, const void *bytes, size_t size);

/* Append what `from` has from where it stands, by the way that costs the kernel least. 0, or -1
 * with errno; some may have been written then. */
int fd_copy(int from, int to);

/* Sleep until fd is ready for `events` of poll, deadline_ns (clock_monotonic_ns) has passed, or
 * cancel_fd (not read; -1 for none) is readable. 1; 0; -1 with errno, which is ECANCELED for the
 * latter. */
int fd_wait(int fd, short events, int64_t deadline_ns, int cancel_fd);

#endif
