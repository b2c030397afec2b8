/*
 * "* model input/output" holds templates first and instructions behind them; NTPLFLE says how
 * many are templates. Where the numbers of control data do not fit the lines, the names' endings
 * decide.
 */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/pest/control_private.h"

static bool ends_with(const char *name, const char *ending)
{
    size_t size = strlen(name), more = strlen(ending);
    return size >= more && strcasecmp(name + size - more, ending) == 0;
}

static void pair_store(struct pest_reader *reader, const struct pest_pair_row *row, bool input)
{
    struct pest_control *control = reader->control;
    struct pest_file_pair **pairs = input ? &control->inputs : &control->outputs;
    size_t *count = input ? &control->input_count : &control->output_count;
    struct pest_file_pair *grown = pest_array_grow(reader, *pairs, *count, sizeof *grown);
    struct pest_file_pair pair = {pest_name_copy(reader, row->pest_file),
                                  pest_name_copy(reader, row->model_file)};
    if (grown)
        *pairs = grown;
    if (!grown || !pair.pest_file || !pair.model_file) {
        free(pair.pest_file);
        free(pair.model_file);
        return;
    }
    grown[(*count)++] = pair;
}

/* How many of the `total` pairs of the section for both are templates, when the numbers in
 * control data do not say; -1: the names do not say either. */
static int templates_count(const struct pest_reader *reader)
{
    int templates = 0;
    bool behind = false;
    for (size_t i = 0; i < reader->pair_count; i++) {
        const struct pest_pair_row *row = &reader->pairs[i];
        bool is_template = row->kind == 'b' && ends_with(row->pest_file, ".tpl");
        bool is_instructions = row->kind == 'b' && ends_with(row->pest_file, ".ins");
        if (row->kind == 'b' && !is_template && !is_instructions)
            return -1;
        if (is_template && behind)
            return -1;
        behind = behind || is_instructions;
        templates += is_template;
    }
    return templates;
}

void pest_pairs_sort(struct pest_reader *reader)
{
    int total = 0, templates = reader->counts.ntplfle, seen = 0;
    for (size_t i = 0; i < reader->pair_count; i++)
        total += reader->pairs[i].kind == 'b';
    bool fits = templates >= 0 && reader->counts.ninsfle >= 0 &&
                (long)templates + reader->counts.ninsfle == total;
    int named = templates_count(reader);
    if (!fits && named >= 0)
        templates = named;
    if (total > 0 && (templates < 0 || templates > total)) {
        pest_mistake(reader, reader->counted_files,
                     "ntplfle: %d lines in \"* model input/output\"; how many of them are "
                     "templates?",
                     total);
        return;
    }
    for (size_t i = 0; i < reader->pair_count; i++) {
        const struct pest_pair_row *row = &reader->pairs[i];
        pair_store(reader, row, row->kind == 't' || (row->kind == 'b' && seen < templates));
        seen += row->kind == 'b';
    }
}
