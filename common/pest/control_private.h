/*
 * control_private.h - what the parts of the control file's reader share.
 *
 * Reading goes in two steps. First every section's lines become records (control_classic.c,
 * control_rows.c, control_external.c, control_prior.c, control_options.c); names that point
 * elsewhere stay texts. When the file has been read, they are looked up (control_resolve.c), and
 * what concerns several records is checked (control_rules.c). So sections may stand in any order,
 * and a mistake in one section keeps none in another from being found.
 */
#ifndef BEOFARM_COMMON_PEST_CONTROL_PRIVATE_H
#define BEOFARM_COMMON_PEST_CONTROL_PRIVATE_H

#include "common/pest/control.h"

#define PEST_MISTAKES_MAX 100
#define PEST_NOTES_MAX    1000              /* warnings; and lines of what is unused */
#define PEST_SOURCE_MAX   ((size_t)1 << 30) /* bytes of a control file or an external table */
#define PEST_FIELDS_MAX   64                /* fields of a line that are looked at */

/* A file in memory, taken apart in place: fields of its lines are borrowed until the end. */
struct pest_source {
    char *path;
    char *bytes, *at, *end; /* *end is a NUL */
    int line;               /* the number of the line taken last, from 1 */
    bool keep_tabs;         /* tabs at a line's ends separate empty cells */
};

/* Where a record stands. */
struct pest_place {
    const struct pest_source *source;
    int line;
};

struct pest_fields {
    char *at[PEST_FIELDS_MAX];
    size_t count; /* at most PEST_FIELDS_MAX */
    size_t total; /* how many there are in the line */
};

/* What of a record waits until all names are known. */
struct pest_parameter_row {
    struct pest_place place;
    const char *pargp, *parent; /* NULL: not said */
    bool absolute;              /* absolute(N) */
};

struct pest_observation_row {
    struct pest_place place;
    const char *obgnme;
};

/* A line of the list of tied parameters. */
struct pest_tie {
    struct pest_place place;
    const char *name, *parent;
};

struct pest_prior_row {
    struct pest_place place;
    char *equation; /* owned: "label terms = value weight group", continuations joined; of an
                         * external table the equation alone */
    const char *label, *weight, *group; /* of an external table; else NULL */
};

struct pest_pair_row {
    struct pest_place place;
    char kind; /* 't' template, 'i' instructions, 'b' of a section for both */
    const char *pest_file, *model_file;
};

/* The dimensions that control data announces; INT_MIN where it does not. */
struct pest_counts {
    int npar, nobs, npargp, nprior, nobsgp, ntplfle, ninsfle;
};

struct pest_section;

struct pest_reader {
    struct pest_control *control;
    struct pest_source *source; /* the file being read */
    struct pest_source **sources;
    size_t source_count;

    void (*report)(void *context, const char *sentence); /* may be NULL */
    void *context;
    size_t mistakes;
    struct error first; /* the first mistake */
    bool no_memory;

    const struct pest_section *section; /* NULL before the first */
    int section_line;                   /* where it began */
    size_t nth;                         /* lines of the section so far */
    unsigned long long seen;            /* bit per section of the table */
    struct pest_counts counts;
    struct pest_place counted, counted_files; /* the lines of npar and ntplfle */

    struct pest_parameter_row *parameter_rows;
    struct pest_place *parameter_group_rows, *observation_group_rows;
    struct pest_observation_row *observation_rows;
    struct pest_tie *ties;
    size_t tie_count;
    struct pest_prior_row *prior_rows;
    size_t prior_row_count;
    struct pest_pair_row *pairs;
    size_t pair_count;
    bool extra_columns; /* said once per section */
};

/* control_source.c: files, lines, fields. */

/* Read a whole file; it joins reader->sources. NULL with a sentence. */
struct pest_source *pest_source_open(struct pest_reader *reader, const char *path,
                                     struct error *ret_error);
void pest_sources_close(struct pest_reader *reader);
/* The next line that holds something, without comment and outer blanks; NULL at the end. */
char *pest_source_next(struct pest_source *source);
struct pest_place pest_place_now(const struct pest_reader *reader);
/* Take a line apart at blanks and tabs, in place; quotes around a field are dropped, and commas
 * behind one. Where that gives fewer than `least` fields, commas separate, too. 0: a comma is a
 * character like others. */
void pest_fields_split(char *line, size_t least, struct pest_fields *ret_fields);
char *pest_text_lower(char *text); /* ASCII letters, in place; returns text */

/* control_report.c: what is said of the file. Memory that is short shows in reader->no_memory. */

/* A mistake; returns -1. `place` with source NULL: of the file as a whole. */
int pest_mistake(struct pest_reader *reader, struct pest_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void pest_warn(struct pest_reader *reader, struct pest_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void pest_unused(struct pest_reader *reader, struct pest_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Room for one more item in an array of `count`, which grows at powers of two. The array, or
 * NULL (no_memory; the old one stays as it is). */
void *pest_array_grow(struct pest_reader *reader, void *array, size_t count, size_t item);
char *pest_text_copy(struct pest_reader *reader, const char *text);
/* The same for a file's name, with Windows' backslashes as slashes. */
char *pest_name_copy(struct pest_reader *reader, const char *name);

/* control_fields.c: single values by name. */

enum pest_taken {
    PEST_TAKEN,   /* stored, or a mistake was told */
    PEST_UNKNOWN, /* there is no such field */
};
/* Store the number of a field ("noptmax"). */
enum pest_taken pest_field_store(struct pest_reader *reader, const char *name,
                                 const char *text);
/* Store what a word ("lamforgive") says. */
enum pest_taken pest_word_store(struct pest_reader *reader, const char *word);
/* absparmax(N)=x, in any spacing, from field `from` on; how many fields it took, 0 if it is
 * none. */
size_t pest_absparmax_store(struct pest_reader *reader, const struct pest_fields *fields,
                            size_t from);
void pest_fields_default(struct pest_control *control);

/* A cell as a number: 0, or -1 and a mistake that names the column. */
int pest_cell_real(struct pest_reader *reader, struct pest_place place, const char *column,
                   const char *text, double *ret);
int pest_cell_integer(struct pest_reader *reader, struct pest_place place, const char *column,
                      const char *text, int *ret);

/* control_rows.c: records of tables. */

#define PEST_COLUMNS_MAX 12

struct pest_column {
    const char *name, *alias; /* alias may be NULL */
    bool required;            /* in an external table */
};

struct pest_table {
    struct pest_column columns[PEST_COLUMNS_MAX];
    size_t column_count; /* in the order of the classic format */
    size_t least;        /* columns of a classic line */
    /* Take a record; cells are NULL where nothing is said. */
    void (*row)(struct pest_reader *reader, struct pest_place place, char **cells);
};

extern const struct pest_table pest_table_parameter_groups, pest_table_parameters,
    pest_table_observation_groups, pest_table_observations, pest_table_priors,
    pest_table_inputs, pest_table_outputs, pest_table_pairs;

/* A line of the classic format. */
void pest_table_line(struct pest_reader *reader, const struct pest_table *table, char *line);
void pest_parameter_line(struct pest_reader *reader, char *line);
/* Add a group with PEST++'s defaults; its index, or -1 (no memory). */
int pest_parameter_group_add(struct pest_reader *reader, const char *name,
                             struct pest_place place);
int pest_observation_group_add(struct pest_reader *reader, const char *name,
                               struct pest_place place);

/* control_classic.c: sections whose lines differ from each other. */
void pest_layout_line(struct pest_reader *reader, const char *const *layout, size_t lines,
                      char *line);
void pest_data_line(struct pest_reader *reader, char *line);
void pest_svd_line(struct pest_reader *reader, char *line);
void pest_lsqr_line(struct pest_reader *reader, char *line);
void pest_regularisation_line(struct pest_reader *reader, char *line);
void pest_command_line(struct pest_reader *reader, char *line);

/* control_external.c: version 2. */
void pest_keyword_line(struct pest_reader *reader, char *line);
/* A line of a section "... external": a file and its options. */
void pest_external_line(struct pest_reader *reader, const struct pest_table *table, char *line);

/* control_prior.c */
void pest_prior_line(struct pest_reader *reader, char *line);
void pest_priors_resolve(struct pest_reader *reader);

/* control_options.c */
void pest_options_line(struct pest_reader *reader, char *line);
void pest_option_add(struct pest_reader *reader, const char *name, const char *value);

/* control_resolve.c: names become indices. Nothing is looked up if an index cannot be made. */
void pest_names_resolve(struct pest_reader *reader);
/* An observation group by its name in lower case, also of those added since the index was made;
 * -1: there is none. */
int pest_observation_group_find(struct pest_reader *reader, const char *name);

/* control_pairs.c: which files are templates, and which instructions. */
void pest_pairs_sort(struct pest_reader *reader);

/* control_rules.c: what concerns several records, or none. */
void pest_rules_check(struct pest_reader *reader);

/* control_sections.c: the table of sections. */
struct pest_section {
    const char *name;                                     /* lower case, blanks single */
    void (*line)(struct pest_reader *reader, char *line); /* NULL: of no effect */
    const struct pest_table *table;                       /* classic rows of it */
    const struct pest_table *external;                    /* or files with its rows */
};

/* Begin the section whose header is `line` ("* control data"). */
void pest_section_begin(struct pest_reader *reader, char *line);
/* Give a line to the section that has begun. */
void pest_section_line(struct pest_reader *reader, char *line);
/* Whether a section of that name was there. */
bool pest_section_seen(const struct pest_reader *reader, const char *name);

#endif
