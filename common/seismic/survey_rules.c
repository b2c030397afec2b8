/*
 * The rules between keys, which JSON Schema could say only in ways that give bad sentences. What is
 * given and would have no effect is a mistake, too.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/seismic/survey_private.h"

static bool says(const cJSON *object, const char *key, const char *text)
{
    const cJSON *item = json_member(object, key);
    return cJSON_IsString(item) && !strcmp(item->valuestring, text);
}

static void check_operation(struct document_rules *rules, const cJSON *root)
{
    static const char *const need_data[] = {"rtm", "gradient", "fwi"};
    const cJSON *model = json_member(root, "model");
    for (size_t i = 0; i < sizeof(need_data) / sizeof(*need_data); i++) {
        if (says(root, "operation", need_data[i]) && !json_member(root, "data"))
            document_note(rules, "$.data", "is missing; this operation needs observed data");
    }
    bool born = says(root, "operation", "born");
    if (born && !json_member(model, "perturbation"))
        document_note(rules, "$.model.perturbation",
                      "is missing; \"born\" needs what it linearises");
    if (!born && json_member(model, "perturbation"))
        document_note(rules, "$.model.perturbation",
                      "has no effect but for the operation \"born\"");
    if (!json_member(root, "data") && !json_member(root, "geometry"))
        document_note(
            rules, "$.geometry",
            "is missing, and there are no data whose headers say where sources and receivers "
            "are");
}

/* Fields that the physics has not. */
static void check_physics(struct document_rules *rules, const cJSON *root)
{
    static const struct {
        const char *field, *physics[2];
    } table[] = {{"density", {"density", "density"}},
                 {"epsilon", {"vti", "tti"}},
                 {"delta", {"vti", "tti"}},
                 {"theta", {"tti", "tti"}},
                 {"phi", {"tti", "tti"}}};
    const cJSON *model = json_member(root, "model");
    const cJSON *said = json_member(root, "physics");
    bool chosen = cJSON_IsString(said) && strcmp(said->valuestring, "auto") != 0;
    bool anisotropic = json_member(model, "epsilon") || json_member(model, "delta") ||
                       json_member(model, "theta") || json_member(model, "phi");
    if (!chosen && anisotropic && json_member(model, "density"))
        document_note(rules, "$.model.density",
                      "the anisotropic equations here have a constant density; leave it out");
    if (chosen && says(root, "physics", "density") && !json_member(model, "density"))
        document_note(rules, "$.model.density", "is missing; this physics needs it");
    for (size_t i = 0; chosen && i < sizeof(table) / sizeof(*table); i++) {
        char path[64];
        snprintf(path, sizeof(path), "$.model.%s", table[i].field);
        if (json_member(model, table[i].field) && !says(root, "physics", table[i].physics[0]) &&
            !says(root, "physics", table[i].physics[1]))
            document_note(rules, path, "has no effect in this physics; leave out one of them");
    }
}

static void check_wavelet(struct document_rules *rules, const cJSON *wavelet)
{
    if (!says(wavelet, "kind", "sampled"))
        return;
    bool path = json_member(wavelet, "path"), values = json_member(wavelet, "values");
    if (path == values)
        document_note(rules, "$.wavelet",
                      path ? "give \"path\" or \"values\", not both"
                           : "give \"path\" or \"values\"");
    if (values && !json_member(wavelet, "interval_ms"))
        document_note(rules, "$.wavelet.interval_ms", "is missing");
}

static void check_memory(struct document_rules *rules, const cJSON *memory)
{
    bool fourier = says(memory, "method", "fourier");
    bool frequencies = json_member(memory, "frequencies_hz");
    if (fourier && !frequencies)
        document_note(rules, "$.memory.frequencies_hz", "is missing; \"fourier\" needs it");
    if (!fourier && frequencies)
        document_note(rules, "$.memory.frequencies_hz",
                      "has no effect without \"method\": \"fourier\"");
}

static void check_batch(struct document_rules *rules, const cJSON *batch)
{
    const cJSON *encoded = json_member(batch, "encoded");
    if (cJSON_IsNumber(encoded) && encoded->valuedouble > 1 &&
        cJSON_IsNumber(json_member(batch, "shots")))
        document_note(rules, "$.batch.shots",
                      "has no effect beside \"encoded\": leave out one of them");
}

static double number(const cJSON *object, const char *key, double fallback)
{
    const cJSON *item = json_member(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

static void check_inversion(struct document_rules *rules, const cJSON *inversion)
{
    int index = 0;
    const cJSON *band;
    if (number(inversion, "min_velocity_m_s", 0) >=
        number(inversion, "max_velocity_m_s", 1e300))
        document_note(rules, "$.inversion.min_velocity_m_s", "is not below max_velocity_m_s");
    cJSON_ArrayForEach(band, json_member(inversion, "bands"))
    {
        char path[64];
        snprintf(path, sizeof(path), "$.inversion.bands[%d]", index++);
        if (number(band, "min_hz", 0) >= number(band, "max_hz", 1e300))
            document_note(rules, path, "min_hz is not below max_hz");
    }
}

static void check_aperture(struct document_rules *rules, const cJSON *aperture)
{
    if (number(aperture, "min_offset_m", 0) >= number(aperture, "max_offset_m", 1e300))
        document_note(rules, "$.aperture.min_offset_m", "is not below max_offset_m");
}

/* Which operations have a use for it, a farm file says, too: see the driver of shots. */
static void check_mute(struct document_rules *rules, const cJSON *root)
{
    if (!json_member(root, "mute"))
        return;
    if (!json_member(root, "data"))
        document_note(rules, "$.mute", "has no effect without observed data ($.data)");
    if (json_member(root, "program"))
        document_note(
            rules, "$.mute",
            "is what beofarm-shot does, while another program mutes data itself; leave "
            "it or \"program\"");
    if (number(json_member(root, "batch"), "encoded", 1) > 1)
        document_note(
            rules, "$.mute",
            "has a line for each shot, but shots that are fired as one (\"encoded\" of "
            "$.batch) have their traces in common; leave out one of them");
}

static void check_geometry(struct document_rules *rules, const cJSON *geometry)
{
    const cJSON *sources = json_member(geometry, "sources");
    bool receivers = json_member(geometry, "receivers"), segy = json_member(geometry, "segy");
    if (geometry && segy && (sources || receivers))
        document_note(rules, "$.geometry.segy",
                      "stands in place of sources and receivers; leave it or them");
    if (geometry && !segy && !sources)
        document_note(rules, "$.geometry.sources", "is missing");
    if (geometry && !segy && !receivers)
        document_note(rules, "$.geometry.receivers", "is missing");
    if (json_member(sources, "streamer"))
        document_note(rules, "$.geometry.sources.streamer", "only receivers are towed");
}

static void check_record(struct document_rules *rules, const cJSON *root)
{
    const cJSON *geometry = json_member(root, "geometry");
    bool files = json_member(root, "data") || json_member(geometry, "segy");
    if (!files && !json_member(json_member(root, "record"), "length_s"))
        document_note(rules, "$.record.length_s",
                      "is missing, and there are no data from which to take it");
}

void survey_check_rules(struct document_rules *rules, const cJSON *root)
{
    check_operation(rules, root);
    check_physics(rules, root);
    check_wavelet(rules, json_member(root, "wavelet"));
    check_memory(rules, json_member(root, "memory"));
    check_batch(rules, json_member(root, "batch"));
    check_inversion(rules, json_member(root, "inversion"));
    check_aperture(rules, json_member(root, "aperture"));
    check_mute(rules, root);
    check_geometry(rules, json_member(root, "geometry"));
    check_record(rules, root);
}
