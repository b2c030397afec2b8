/*
 * control.h - a PEST control file, read: classic format or "pcf version 2".
 *
 * Sources: the layout of the classic format, its defaults and ranges, the PEST manual, part I,
 * chapter 4 and appendix A; version 2 (keywords, external tables) and `++` options, the PEST++
 * manual, chapter 4. Field names are theirs, in lower case. Names of parameters, observations and
 * groups are kept in lower case, because PEST's are not case-sensitive (ASCII letters alone;
 * other bytes stay as they are); file names and commands are kept as written. All arrays are in
 * the order of the control file. Indices are 0-based; -1 means "none".
 *
 * The reader takes what real files hold: a byte order mark, CRLF, tabs, Ctrl-Z at the end, blank
 * lines and comments anywhere (`#` at the start of a line or after a blank), sections in any
 * order, case and spacing, `++` lines in any section, names in quotes, numbers as Fortran has
 * them (`1.0d-3`, `1.0-3`), the optional words of control data in any place of their line.
 *
 * A mistake is ERROR_CONFIG with "file:line: ..." that names the field and says what was
 * expected. Several mistakes in one file: the first is reported by pest_control_read; all of them
 * (up to 100) by pest_control_check. What can be read in one way only is read, and stands in
 * `warnings` if PEST or PEST++ would take offence: numbers of parameters, observations … that are
 * not those of control data; groups that no section names (they get PEST++'s defaults); values
 * outside of the range that the manual gives; an initial value outside of its bounds. What was
 * read but has no effect here stands in `unused`.
 */
#ifndef BEOFARM_COMMON_PEST_CONTROL_H
#define BEOFARM_COMMON_PEST_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/pest/index.h"
#include "common/pest/pair.h"

#define PEST_NAME_MAX 200 /* bytes of a parameter, observation or group name */

enum pest_mode { PEST_ESTIMATION, PEST_PREDICTION, PEST_REGULARISATION, PEST_PARETO };

enum pest_partrans { PEST_NONE, PEST_LOG, PEST_FIXED, PEST_TIED };
enum pest_parchglim { PEST_RELATIVE, PEST_FACTOR, PEST_ABSOLUTE /* absolute(N) */ };

enum pest_inctyp { PEST_INC_RELATIVE, PEST_INC_ABSOLUTE, PEST_INC_REL_TO_MAX };
enum pest_forcen {
    PEST_ALWAYS_2,
    PEST_ALWAYS_3,
    PEST_SWITCH, /* always_2 until the switch (phiredswh, noptswitch), then always_3 */
    PEST_ALWAYS_5,
    PEST_SWITCH_5
};
enum pest_dermthd {
    PEST_PARABOLIC,
    PEST_OUTSIDE_PTS,
    PEST_BEST_FIT,
    PEST_MINVAR,
    PEST_MAXPREC
};

struct pest_parameter_group {
    char *pargpnme;
    enum pest_inctyp inctyp;
    double derinc; /* >= 0; 0 (with a warning): derivatives cannot be had */
    double derinclb;
    enum pest_forcen forcen;
    double derincmul;
    enum pest_dermthd dermthd;
    double splitthresh, splitreldiff; /* splitthresh 0: no split-slope analysis */
    int splitaction;                  /* 0 smaller, 1 zero, 2 previous */
};

struct pest_parameter {
    char *parnme;
    enum pest_partrans partrans;
    enum pest_parchglim parchglim;
    /* Before scale and offset. parlbnd <= parubnd (unless noptmax is 0) and, of PEST_LOG, all > 0
     * (a parlbnd that is not is raised to DBL_MIN, with a warning), unless it is fixed or tied.
     * parval1 may be outside of the bounds (with a warning). */
    double parval1, parlbnd, parubnd;
    int pargp;            /* index of its group; -1 for "none", which is fixed or tied */
    double scale, offset; /* the model gets value * scale + offset */
    int dercom;           /* 1-based command line used for derivatives; 1 if absent */
    int absparmax;        /* N of absolute(N), 1-based; 0 otherwise */
    int tied_to; /* of a tied parameter: the index of its parent, which is adjustable */
    double
        tied_ratio; /* parval1 / parent's parval1 (PEST keeps this ratio); 1 where that is 0 */
};

struct pest_observation_group {
    char *obgnme;
    bool regularisation; /* its name starts with "regul" */
    double gtarg;        /* 0: none */
    char *covfle;        /* covariance (ASCII .cov/.mat, .unc, or binary) instead of weights, or
                          * NULL; as written */
    bool predict;        /* the group "predict" */
};

struct pest_observation {
    char *obsnme;
    double obsval;
    double weight; /* >= 0; 0: not used in phi */
    int obgnme;    /* index */
};

/* Sum of factor * (log10 of) parameter = pival. */
struct pest_prior_term {
    double pifac;
    int parnme; /* index */
    bool log;   /* log10(parameter) */
};

struct pest_prior {
    char *pilbl;
    struct pest_prior_term *terms;
    size_t term_count;
    double pival, weight;
    int obgnme;
};

/* A `++name(value)` option, or a keyword of version 2 that the classic format does not have. */
struct pest_option {
    char *name;  /* lower case */
    char *value; /* without the outer parentheses, trimmed; several are comma-separated */
    int line;
    bool used; /* somebody asked for it (pest_control_option…); the rest is listed as unused */
};

/* Something to be said of the file that is no mistake. */
struct pest_note {
    int line;   /* of the file that text names; 0: of no line */
    char *text; /* "case.pst:17: ..." */
};

struct pest_control {
    char *path;   /* as given */
    char *folder; /* of path: relative names start here */
    int version;  /* 1: classic, 2: pcf version 2 */

    /* control data; the value PEST assumes stands where a field is absent */
    bool restart; /* RSTFLE */
    enum pest_mode pestmode;
    double derzerolim;
    int maxcompdim;
    bool double_precision; /* PRECIS */
    bool point;            /* DPOINT: the decimal point is written */
    int numcom, jacfile, messfile;
    double rlambda1, rlamfac, phiratsuf, phiredlam;
    int numlam;
    int jacupdate;              /* Broyden updates per iteration; 0: none; 999 as many as pay */
    int lamforgive, derforgive; /* 1: said, 0: denied, -1: not a word of it */
    double relparmax, facparmax, facorig;
    double absparmax[10]; /* absolute(N), index N - 1 */
    int iboundstick, upvecbend;
    double phiredswh;
    int noptswitch;
    double splitswh;
    int doaui;       /* 0 off, 1 aui, 2 auid: read, not used */
    bool dosenreuse; /* SENREUSE: read, not used */
    bool boundscale;
    int noptmax; /* 0: one run; -1, -2: one Jacobian */
    double phiredstp;
    int nphistp, nphinored;
    double relparstp;
    int nrelpar;
    double phistopthresh; /* 0: none */
    int lastrun;
    double phiabandon; /* < 0: none */
    bool icov, icor, ieig, ires, jcosave, verboserec, jcosaveitn, reisaveitn, parsaveitn,
        parsaverun;

    /* singular value decomposition */
    int svdmode; /* 0: section absent or off */
    int maxsing; /* > 0 */
    double eigthresh;
    int eigwrite;

    /* lsqr */
    int lsqrmode;
    double lsqr_atol, lsqr_btol, lsqr_conlim;
    int lsqr_itnlim, lsqrwrite;

    /* regularisation */
    double phimlim, phimaccept, fracphim;
    double wfinit, wfmin, wfmax, wffac, wftol;
    bool linreg, regcontinue;
    int iregadj, noptregadj;
    double regweightrat, regsingthresh;

    struct pest_parameter_group *parameter_groups;
    size_t parameter_group_count;
    struct pest_parameter *parameters;
    size_t parameter_count;
    struct pest_observation_group *observation_groups;
    size_t observation_group_count;
    struct pest_observation *observations;
    size_t observation_count; /* 0 (with a warning) if control data says so: a part of a case,
                               * which may lack commands and files, too, and cannot run */
    struct pest_prior *priors;
    size_t prior_count;

    char **commands; /* model command lines, in the order in which they run */
    size_t command_count;
    /* Names of templates and instructions as written: relative to the control file. */
    struct pest_file_pair *inputs; /* template -> model input */
    size_t input_count;
    struct pest_file_pair *outputs; /* instruction <- model output */
    size_t output_count;

    char **tables; /* external tables that it is made of, as written (version 2) */
    size_t table_count;

    struct pest_option *options;
    size_t option_count;
    struct pest_note *warnings; /* what PEST or PEST++ would not like */
    size_t warning_count;
    struct pest_note *unused; /* what has no effect; options are not among them (`used`) */
    size_t unused_count;

    /* parnme, obsnme, pargpnme and obgnme, in the order of the arrays above (whose texts they
     * borrow), and their indices. */
    const char **parameter_names, **observation_names, **parameter_group_names,
        **observation_group_names;
    struct pest_index *parameter_index, *observation_index, *parameter_group_index,
        *observation_group_index;
};

/* NULL with a sentence (ERROR_CONFIG, or ERROR_SYSTEM if it cannot be read). Checks the file for
 * itself: names unique and known, bounds in order, log parameters positive, ties without
 * circles. Opens the external tables of version 2, but no templates and instructions. */
struct pest_control *pest_control_read(const char *path, struct error *ret_error);
void pest_control_free(struct pest_control *control); /* NULL is allowed */

/* Every mistake (at most 100), one call of `report` each, with a sentence. Returns how many. For
 * `beofarm pest check`; what it reports includes what pest_control_read would refuse. */
size_t pest_control_check(const char *path, void (*report)(void *context, const char *sentence),
                          void *context);

/* Adjustable parameters: neither fixed nor tied. */
size_t pest_control_adjustable(const struct pest_control *control);

/* Index by name (any case), or -1. */
int pest_control_parameter(const struct pest_control *control, const char *name);
int pest_control_observation(const struct pest_control *control, const char *name);
int pest_control_observation_group(const struct pest_control *control, const char *name);

/* `++` options. The text of option `name` (any case), NULL if it is absent; marks it used. */
const char *pest_control_option(struct pest_control *control, const char *name);
/* Typed: the fallback if absent; -1 with "file:line: ++name(…) must be …" if malformed. `ret` is
 * always set. Lists: *ret_list is allocated (free it), *ret_count its length. Booleans accept
 * true/false/t/f/yes/no/1/0. */
int pest_control_option_integer(struct pest_control *control, const char *name, long fallback,
                                long *ret, struct error *ret_error);
int pest_control_option_real(struct pest_control *control, const char *name, double fallback,
                             double *ret, struct error *ret_error);
int pest_control_option_boolean(struct pest_control *control, const char *name, bool fallback,
                                bool *ret, struct error *ret_error);
int pest_control_option_reals(struct pest_control *control, const char *name, double **ret_list,
                              size_t *ret_count, struct error *ret_error);
int pest_control_option_names(struct pest_control *control, const char *name, char ***ret_list,
                              size_t *ret_count, struct error *ret_error);

/* Whether PEST++ (5.2) has an option of that name (any case). If not, *ret_nearest (may be NULL)
 * is the one probably meant, or NULL. */
bool pest_option_known(const char *name, const char **ret_nearest);

/* Whether some mode here heeds it (any case). A mode tells by pest_option's `used` what it
 * heeds. */
bool pest_option_has_effect(const char *name);

/* Give option `name` this value, as if the file said so (a farm file's word, control_override.c).
 * 0, or -1: no memory. */
int pest_control_option_set(struct pest_control *control, const char *name, const char *value,
                            struct error *ret_error);

/* The file's name for a path that the control file names: relative to its folder. Allocated. */
char *pest_control_path(const struct pest_control *control, const char *name);

/* The control file's path without its last extension ("case" of "dir/case.pst" is "dir/case"):
 * output files are called after it. Allocated. */
char *pest_control_base(const struct pest_control *control);

#endif
