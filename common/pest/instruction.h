/*
 * instruction.h - a PEST instruction file: how to find observations in a model's output file.
 *
 * The first line is `pif x` (or `jif x`), where x is the marker delimiter. The lines below
 * hold, separated by blanks:
 *
 *   l3            go on 3 lines                 xtextx    a marker: go to behind `text`
 *   w             go to before the next word    t20       go to column 20
 *   [obs]5:12     columns 5 to 12 hold it (fixed)
 *   (obs)5:12     it overlaps columns 5 to 12 (semi-fixed)
 *   !obs!         the next word is it (free)    !dum!, [dum], (dum)   read and forget
 *   &             first in a line: goes on with the line above
 *
 * A line that does not go on begins with `l#` or with a marker, which then is a primary
 * marker: the lines of the output are searched from the next one on until one holds it. Any
 * other marker is a secondary one, looked for in the same line from where reading stands;
 * where it is not found, and only markers precede it in this instruction line, the search for
 * the primary marker goes on in the lines below; otherwise it is an error. Tabs of the output
 * file reach to the next multiple of 8 columns. Markers are case-sensitive; names are not.
 * (PEST manual part I, chapter on the instruction set.)
 *
 * Instructions are parsed once and do not change: threads may share them. The output file is
 * read as a stream, in memory bounded by its longest line. Mistakes are ERROR_CONFIG; those
 * of the output file name the instruction's FILE:LINE, the instruction, the output's
 * FILE:LINE, and what was found there.
 */
#ifndef BEOFARM_COMMON_PEST_INSTRUCTION_H
#define BEOFARM_COMMON_PEST_INSTRUCTION_H

#include <stddef.h>

#include "common/error.h"
#include "common/pest/index.h"

#define PEST_OUTPUT_LINE_MAX      ((size_t)64 << 20) /* bytes of one line of an output file */
#define PEST_INSTRUCTION_LINE_MAX ((size_t)16 << 20) /* and of an instruction file */

struct pest_instructions;

/* Read an instruction file. Observations are looked up in `observations` (borrowed until
 * destroy); one that is not there is refused, and one that is read twice. `delimiters` (NULL:
 * none) are more characters that end a free observation and separate words (PEST++'s
 * additional_ins_delimiters). NULL with a sentence. */
struct pest_instructions *pest_instructions_read(const char *path,
                                                 const struct pest_index *observations,
                                                 const char *delimiters,
                                                 struct error *ret_error);
/* The same from memory; errors call it `name`. */
struct pest_instructions *pest_instructions_parse(const char *bytes, size_t size,
                                                  const char *name,
                                                  const struct pest_index *observations,
                                                  const char *delimiters,
                                                  struct error *ret_error);
void pest_instructions_destroy(struct pest_instructions *instructions); /* NULL is allowed */

/* How many observations it reads (dum does not count), and which is read `number`-th: a place
 * in the index. */
size_t pest_instructions_count(const struct pest_instructions *instructions);
int pest_instructions_observation(const struct pest_instructions *instructions, size_t number);

/* The path with which it was read. Borrowed. */
const char *pest_instructions_path(const struct pest_instructions *instructions);

/* Read the output file `file` (relative names start at the folder `dirfd`, or AT_FDCWD).
 * `values` has one entry per observation of the index; those read here are written. 0, or -1
 * with a sentence. */
int pest_instructions_run(const struct pest_instructions *instructions, int dirfd,
                          const char *file, double *values, struct error *ret_error);

#endif
