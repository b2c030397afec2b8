#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "worker/seismic/shot_cli.h"
#include "worker/seismic/shot_compute.h"
#include "worker/seismic/shot_serve.h"

#define REPLY_MAX (16 << 20)

const char shot_cli_help[] =
    "usage: beofarm-shot --survey FILE --shot NAME --operation OPERATION [options]\n"
    "       beofarm-shot --serve\n"
    "\n"
    "Computes one shot of a survey. With --serve it computes tasks that come as JSON lines on\n"
    "standard input, as beofarm-worker sends them.\n"
    "\n"
    "  --survey FILE        the survey, such as survey.json\n"
    "  --shot NAME          which shot: its number in the headers (7@2: the second of all, "
    "where\n"
    "                       several have number 7), or counted from 1 where they have none\n"
    "  --operation WORD     model, born, rtm, gradient, misfit or source\n"
    "  --output FILE        model, born: the shot's traces as SEG-Y; rtm, gradient: 32-bit\n"
    "                       floats, little-endian, of the whole model, z fastest, then y, then "
    "x\n"
    "  --illumination FILE  rtm, gradient: the source's illumination, as such floats\n"
    "  --band LOW:HIGH      frequencies that pass, Hz; either may be left out\n"
    "  --threads N          default: OMP_NUM_THREADS, or one per core\n"
    "  --memory BYTES       that it may use; K, M, G and T may follow\n"
    "  --spill-dir FOLDER   for wavefields on disk (\"spill\" of the survey); default: TMPDIR\n"
    "  --help, --version\n"
    "\n"
    "The answer is a JSON line on standard output: misfit, seconds, peak_bytes, and how the\n"
    "wavefield was kept.\n";

enum option_code {
    OPTION_SURVEY = 256,
    OPTION_SHOT,
    OPTION_OPERATION,
    OPTION_OUTPUT,
    OPTION_ILLUMINATION,
    OPTION_BAND,
    OPTION_THREADS,
    OPTION_MEMORY,
    OPTION_SPILL_DIR,
    OPTION_SERVE,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option options[] = {
    {"survey", required_argument, NULL, OPTION_SURVEY},
    {"shot", required_argument, NULL, OPTION_SHOT},
    {"operation", required_argument, NULL, OPTION_OPERATION},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"illumination", required_argument, NULL, OPTION_ILLUMINATION},
    {"band", required_argument, NULL, OPTION_BAND},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"spill-dir", required_argument, NULL, OPTION_SPILL_DIR},
    {"serve", no_argument, NULL, OPTION_SERVE},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {0},
};

static int usage(struct error *ret_error, const char *option, const char *text,
                 const char *need)
{
    return error_set(ret_error, ERROR_USAGE, "--%s \"%s\": %s", option, text, need);
}

static int parse_operation(struct shot_cli *cli, const char *text, struct error *ret_error)
{
    for (int i = 0; i < SHOT_COLLECT; i++)
        if (strcmp(text, shot_operation_name((enum shot_operation)i)) == 0) {
            cli->operation = (enum shot_operation)i;
            return 0;
        }
    return usage(ret_error, "operation", text,
                 "must be model, born, rtm, gradient, misfit or source");
}

static int parse_band(struct shot_cli *cli, const char *text, struct error *ret_error)
{
    const char *colon = strchr(text, ':');
    char *end;
    errno = 0;
    if (!colon)
        goto wrong;
    if (colon > text) {
        cli->min_hz = strtod(text, &end);
        if (end != colon)
            goto wrong;
    }
    if (colon[1]) {
        cli->max_hz = strtod(colon + 1, &end);
        if (*end)
            goto wrong;
    }
    if (cli->min_hz >= 0 && cli->max_hz > cli->min_hz)
        return 0;
wrong:
    return usage(ret_error, "band", text, "must be two frequencies such as 3:12, or 3: or :12");
}

static int parse_threads(struct shot_cli *cli, const char *text, struct error *ret_error)
{
    char *end;
    long threads = strtol(text, &end, 10);
    if (*end || end == text || threads < 1 || threads > 4096)
        return usage(ret_error, "threads", text, "must be a number from 1 to 4096");
    cli->threads = (int)threads;
    return 0;
}

static int parse_memory(struct shot_cli *cli, const char *text, struct error *ret_error)
{
    static const char units[] = "KMGT";
    char *end;
    double bytes = strtod(text, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (unit) {
        bytes *= pow(1024, (double)(unit - units) + 1);
        end++;
    }
    if (end == text || *end || !(bytes >= 1) || bytes > 1e18)
        return usage(ret_error, "memory", text, "must be bytes, such as 800M or 4G");
    cli->memory_bytes = (uint64_t)bytes;
    return 0;
}

static int parse_option(struct shot_cli *cli, int code, char *text, struct error *ret_error)
{
    switch (code) {
    case OPTION_SURVEY:
        cli->survey = text;
        return 0;
    case OPTION_SHOT:
        cli->shot = text;
        return 0;
    case OPTION_OPERATION:
        return parse_operation(cli, text, ret_error);
    case OPTION_OUTPUT:
        cli->output = text;
        return 0;
    case OPTION_ILLUMINATION:
        cli->illumination = text;
        return 0;
    case OPTION_BAND:
        return parse_band(cli, text, ret_error);
    case OPTION_THREADS:
        return parse_threads(cli, text, ret_error);
    case OPTION_MEMORY:
        return parse_memory(cli, text, ret_error);
    case OPTION_SPILL_DIR:
        cli->spill_dir = text;
        return 0;
    case OPTION_SERVE:
        cli->serve = true;
        return 0;
    case OPTION_HELP:
        cli->help = true;
        return 0;
    case OPTION_VERSION:
        cli->version = true;
        return 0;
    default:
        return error_set(ret_error, ERROR_USAGE,
                         "an option is not known or lacks its value; see beofarm-shot --help");
    }
}

/* What belongs together. */
static int check(const struct shot_cli *cli, bool has_operation, struct error *ret_error)
{
    bool traces = shot_makes_traces(cli->operation);
    bool arrays = cli->operation == SHOT_RTM || cli->operation == SHOT_GRADIENT;
    if (cli->serve || cli->help || cli->version)
        return 0;
    if (!cli->survey || !cli->shot || !has_operation)
        return error_set(
            ret_error, ERROR_USAGE,
            "--survey, --shot and --operation are needed; see beofarm-shot --help");
    if ((traces || arrays) && !cli->output)
        return error_set(ret_error, ERROR_USAGE, "--operation %s needs --output FILE",
                         shot_operation_name(cli->operation));
    if (!traces && !arrays && cli->output)
        return error_set(ret_error, ERROR_USAGE, "--operation %s writes no --output",
                         shot_operation_name(cli->operation));
    if (!arrays && cli->illumination)
        return error_set(ret_error, ERROR_USAGE, "--operation %s has no --illumination",
                         shot_operation_name(cli->operation));
    return 0;
}

int shot_cli_parse(struct shot_cli *ret_cli, int argc, char **argv, struct error *ret_error)
{
    const char *folder = getenv("TMPDIR");
    struct shot_cli cli = {.max_hz = INFINITY,
                           .spill_dir = folder && *folder ? folder : "/tmp"};
    bool has_operation = false;
    int code;
    optind = 1;
    opterr = 0;
    while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (parse_option(&cli, code, optarg, ret_error) < 0)
            return -1;
        has_operation = has_operation || code == OPTION_OPERATION;
    }
    if (optind < argc)
        return error_set(ret_error, ERROR_USAGE, "\"%s\" is no option; see beofarm-shot --help",
                         argv[optind]);
    if (check(&cli, has_operation, ret_error) < 0)
        return -1;
    *ret_cli = cli;
    return 0;
}

static int find_shot(const struct survey *survey, const char *name, size_t *ret_index,
                     struct error *ret_error)
{
    char first[sizeof(((struct shot *)NULL)->name)] = "";
    for (size_t i = 0; i < survey->shot_count; i++) {
        struct shot shot;
        if (survey_shot_open(survey, i, &shot, ret_error) < 0)
            return -1;
        bool found = strcmp(shot.name, name) == 0;
        if (i == 0)
            memcpy(first, shot.name, sizeof(first));
        survey_shot_close(&shot);
        if (found) {
            *ret_index = i;
            return 0;
        }
    }
    return error_set(ret_error, ERROR_CONFIG,
                     "%s has no shot %s among its %zu, the first of which is called %s",
                     survey->path, name, survey->shot_count, first);
}

static int print_answer(const struct shot_answer *answer, struct error *ret_error)
{
    struct buf buf;
    buf_init(&buf, REPLY_MAX);
    buf_append_text(&buf, "{");
    if (isfinite(answer->misfit)) {
        buf_append_text(&buf, "\"misfit\":");
        json_put_real(&buf, answer->misfit);
        buf_append_text(&buf, ",\"norm\":");
        json_put_real(&buf, answer->norm);
        buf_append_text(&buf, ",");
    }
    buf_append_text(&buf, "\"seconds\":");
    json_put_real(&buf, answer->seconds);
    buf_printf(&buf,
               ",\"peak_bytes\":%llu,\"points\":", (unsigned long long)answer->peak_bytes);
    json_put_real(&buf, answer->points);
    buf_append_text(&buf, ",\"extra\":");
    buf_append(&buf, answer->extra.data, answer->extra.size);
    buf_append_text(&buf, "}\n");
    size_t put = buf_failed(&buf) ? 0 : fwrite(buf.data, 1, buf.size, stdout);
    bool good = put == buf.size && put > 0 && fflush(stdout) == 0;
    buf_fini(&buf);
    return good ? 0 : error_set(ret_error, ERROR_SYSTEM, "the answer cannot be written");
}

static int write_images(const struct shot_cli *cli, const struct survey *survey,
                        const struct shot_answer *answer, struct error *ret_error)
{
    if (!answer->has_pile)
        return 0;
    if (pile_write(&answer->pile, PILE_IMAGE, &survey->grid, cli->output, ret_error) < 0)
        return -1;
    if (!cli->illumination)
        return 0;
    return pile_write(&answer->pile, PILE_ILLUMINATION, &survey->grid, cli->illumination,
                      ret_error);
}

static int run(const struct shot_cli *cli, struct survey *survey, struct error *ret_error)
{
    struct shot_ref ref = {.weight = 1};
    struct shot_answer answer = {0};
    size_t index = 0;
    const struct shot_request request = {
        .operation = cli->operation,
        .shots = &ref,
        .shot_count = 1,
        .min_hz = cli->min_hz,
        .max_hz = cli->max_hz,
        .threads = cli->threads,
        .memory_bytes = cli->memory_bytes ? cli->memory_bytes : shot_serve_share(cli->threads),
        .spill_dir = cli->spill_dir,
        .traces_path = cli->output,
    };
    if (find_shot(survey, cli->shot, &index, ret_error) < 0)
        return -1;
    ref.index = index;
    if (survey->numerics.dt_s == 0 && survey_scan(survey, ret_error) < 0)
        return -1;
    if (shot_compute(survey, &request, &answer, ret_error) < 0)
        return -1;
    int rc = write_images(cli, survey, &answer, ret_error);
    if (rc == 0)
        rc = print_answer(&answer, ret_error);
    shot_answer_fini(&answer);
    return rc;
}

int shot_cli_run(const struct shot_cli *cli, struct error *ret_error)
{
    struct survey survey;
    if (survey_open(cli->survey, 0, NULL, &survey, ret_error) < 0)
        return -1;
    int rc = run(cli, &survey, ret_error);
    survey_close(&survey);
    return rc;
}
