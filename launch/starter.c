/*
 * A starting point is itself JSON, kept below as text. Each of its keys is printed with the
 * schema's description above it. A key that begins with "//" is one that most people do not need:
 * it is printed as a comment. The last key of an object must not be such a one, so that taking
 * the slashes away leaves good JSON.
 */
#include "config.h"

#include "launch/starter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/farmfile.h"
#include "common/json.h"
#include "common/nearest.h"
#include "common/schema.h"
#include "common/seismic/survey.h"

#define WIDTH     96
#define INDENT    2
#define DEPTH_MAX 2 /* deeper objects stand on one line */

#define BACKEND "\"backend\":{\"kind\":\"local\",\"workers\":2}"
#define WORKER  "\"worker\":{\"slots\":\"auto\",\"threads_per_slot\":1,\"pin\":true},"
#define NET     "\"//network\":\"eth0\",\"//port\":4004,\"transport\":\"auto\""
#define REST                                                                                   \
    WORKER "\"limits\":{\"//task_timeout_s\":600,\"//tasks\":10,\"attempts\":3,"               \
           "\"worker_restarts\":3}," NET

static const struct {
    const char *kind, *text;
} starters[] = {
    {"sweep", "{\"name\":\"my-sweep\"," BACKEND ",\"work\":{\"kind\":\"sweep\","
              "\"command\":[\"sh\",\"-c\",\"echo area = $(( {length} * {width} ))\"],"
              "\"params\":{\"grid\":{\"length\":[1,2,3],\"width\":[10,20]}},"
              "\"//templates\":[{\"from\":\"model.in.tpl\",\"to\":\"model.in\"}],"
              "\"//inputs\":[{\"from\":\"fields/{field}.dat\",\"to\":\"field.dat\"}],"
              "\"//outputs\":[\"heads.csv\",\"plots/*.png\"],"
              "\"//env\":{\"LD_LIBRARY_PATH\":\"/opt/model/lib\"},"
              "\"values\":[{\"name\":\"area\",\"regex\":\"area = ([0-9]+)\"}]},"
              "\"files\":[]," REST "}"},
    {"socket", "{\"name\":\"my-calibration\"," BACKEND ",\"work\":{\"kind\":\"socket\","
               "\"path\":\"driver.sock\","
               "\"command\":[\"sh\",\"-c\",\"echo area = $(( {length} * {width} ))\"],"
               "\"params\":[\"length\",\"width\"],"
               "\"//templates\":[{\"from\":\"model.in.tpl\",\"to\":\"model.in\"}],"
               "\"//runner\":\"persistent\","
               "\"values\":[{\"name\":\"area\",\"regex\":\"area = ([0-9]+)\"}]},"
               "\"files\":[]," REST "}"},
    {"external",
     "{\"name\":\"my-case\"," BACKEND ",\"work\":{\"kind\":\"external\","
     "\"master\":{\"command\":[\"pestpp-ies\",\"case.pst\",\"/h\",\":4004\"]},"
     "\"worker\":{\"command\":\"exec pestpp-ies case.pst /h $MASTER_HOSTNAME:4004\","
     "\"shell\":true,\"per\":\"worker\"},\"port\":4004},"
     "\"files\":[\".\"]," REST "}"},
    {"pest", "{\"name\":\"my-case\"," BACKEND ",\"work\":{\"kind\":\"pest\",\"//mode\":\"glm\","
             "\"//noptmax\":0,\"//options\":{\"overdue_giveup_fac\":100},"
             "\"//env\":{\"LD_LIBRARY_PATH\":\"/opt/model/lib\"},"
             "\"control\":\"case.pst\"}," WORKER
             "\"limits\":{\"//task_timeout_s\":600,\"worker_restarts\":3}," NET "}"},
    {"shots", "{\"name\":\"my-survey\"," BACKEND ",\"work\":{\"kind\":\"shots\","
              "\"//operation\":\"gradient\",\"//sum\":\"exact\",\"//skip_ratio\":0.02,"
              "\"survey\":\"survey.json\"}," REST "}"},
};

static const char survey[] =
    "{\"//operation\":\"gradient\",\"model\":{\"//velocity\":\"vp.json\",\"velocity\":2000,"
    "\"grid\":{\"points\":[301,151],\"spacing_m\":[10,10]}},"
    "\"wavelet\":{\"kind\":\"ricker\",\"peak_hz\":12},"
    "\"numerics\":{\"space_order\":8,\"free_surface\":true},"
    "\"//data\":\"line-*.segy\",\"record\":{\"length_s\":1.6,\"interval_ms\":4},"
    "\"//aperture\":{\"limit_m\":true},\"//memory\":{\"budget_gib\":4},"
    "\"//inversion\":{\"iterations\":10,\"min_velocity_m_s\":1450,\"max_velocity_m_s\":4500},"
    "\"geometry\":{\"sources\":{\"line\":{\"start\":[300,40],\"step\":[300,0],\"count\":9}},"
    "\"receivers\":{\"line\":{\"start\":[0,700],\"step\":[20,0],\"count\":151}}}}";

#define STARTERS (sizeof starters / sizeof starters[0])

const char *starter_kinds(void)
{
    return "sweep, socket, external, pest, shots";
}

struct writer {
    struct buf *out;
    const struct schema *schema;
    const cJSON *document;
};

static void indent_put(struct buf *out, int depth)
{
    buf_printf(out, "%*s", depth * INDENT, "");
}

/* The description, in comment lines of bounded width. */
static void description_put(struct writer *writer, const char *path, int depth)
{
    const char *text = schema_describe(writer->schema, writer->document, path);
    size_t width = (size_t)(WIDTH - depth * INDENT - 3);
    while (text && *text) {
        size_t size = strlen(text);
        if (size > width) {
            size = width;
            while (size > 1 && text[size] != ' ')
                size--;
        }
        indent_put(writer->out, depth);
        buf_printf(writer->out, "// %.*s\n", (int)size, text);
        text += size;
        text += strspn(text, " ");
    }
}

static void value_put(struct buf *out, const cJSON *value)
{
    char *text = cJSON_PrintUnformatted(value);
    for (const char *next = text; next && *next; next++) {
        buf_append(out, next, 1);
        /* A blank after what separates, where it does not stand inside a text. */
        if (*next == '"')
            for (next++; *next != '"'; next++) {
                buf_append(out, next, 1);
                if (*next == '\\')
                    buf_append(out, ++next, 1);
            }
        if (*next == '"')
            buf_append(out, next, 1);
        if (*next == ',' || *next == ':')
            buf_append_text(out, " ");
    }
    free(text);
}

static void object_put(struct writer *writer, const cJSON *object, const char *path, int depth);

static void member_put(struct writer *writer, const cJSON *member, const char *path, int depth)
{
    bool comment = strncmp(member->string, "//", 2) == 0;
    const char *key = member->string + (comment ? 2 : 0);
    char inner[256];
    snprintf(inner, sizeof inner, "%s.%s", path, key);
    description_put(writer, inner, depth);
    indent_put(writer->out, depth);
    buf_printf(writer->out, "%s\"%s\": ", comment ? "// " : "", key);
    if (cJSON_IsObject(member) && depth < DEPTH_MAX && !comment)
        object_put(writer, member, inner, depth + 1);
    else
        value_put(writer->out, member);
    buf_append_text(writer->out, member->next ? ",\n" : "\n");
}

static void object_put(struct writer *writer, const cJSON *object, const char *path, int depth)
{
    const cJSON *member;
    buf_append_text(writer->out, "{\n");
    cJSON_ArrayForEach(member, object)
    {
        member_put(writer, member, path, depth);
        if (depth == 1 && member->next)
            buf_append_text(writer->out, "\n");
    }
    indent_put(writer->out, depth - 1);
    buf_append_text(writer->out, "}");
}

static const char *text_find(const char *kind, struct error *ret_error)
{
    const char *kinds[STARTERS];
    for (size_t i = 0; i < STARTERS; i++) {
        kinds[i] = starters[i].kind;
        if (strcmp(kind, kinds[i]) == 0)
            return starters[i].text;
    }
    const char *nearest = nearest_find(kind, kinds, STARTERS);
    error_set(ret_error, ERROR_USAGE, "there is no kind of work \"%s\"%s%s%s; there are: %s",
              kind, nearest ? " (did you mean \"" : "", nearest ? nearest : "",
              nearest ? "\"?)" : "", starter_kinds());
    return NULL;
}

/* `text` with the comments of `schema`, which may be NULL with a sentence and is destroyed. */
static int document_put(const char *text, struct schema *schema, struct buf *ret_text,
                        struct error *ret_error)
{
    cJSON *document = NULL;
    int rc = schema
                 ? json_parse(text, strlen(text), "starter", JSON_STRICT, &document, ret_error)
                 : -1;
    if (rc == 0) {
        struct writer writer = {.out = ret_text, .schema = schema, .document = document};
        object_put(&writer, document, "$", 1);
        buf_append_text(ret_text, "\n");
        if (buf_failed(ret_text))
            rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a file to start from");
    }
    schema_destroy(schema);
    cJSON_Delete(document);
    return rc;
}

int starter_write(const char *kind, struct buf *ret_text, struct error *ret_error)
{
    const char *text = text_find(kind, ret_error);
    if (!text)
        return -1;
    buf_printf(
        ret_text,
        "// A farm file for beofarm: %s. `beofarm check` checks it, `beofarm run` runs it,\n"
        "// `man 5 farm.json` explains every key. Comments like this one are allowed.\n",
        kind);
    return document_put(text, farmfile_schema_create(ret_error), ret_text, ret_error);
}

int starter_write_survey(struct buf *ret_text, struct error *ret_error)
{
    buf_append_text(
        ret_text,
        "// A survey for beofarm, which farm.json names: `beofarm run` models its shots\n"
        "// as it stands. `man survey.json` explains every key.\n");
    return document_put(survey, survey_schema_create(ret_error), ret_text, ret_error);
}
