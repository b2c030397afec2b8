#include "config.h"

#include "launch/azure/azure_note.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/rand.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/tree.h"
#include "launch/disk.h"

#define NOTE_FILE "backend/azure.json"
#define NOTE_MAX  65536

void azure_note_stem(const char *farm, char text[AZURE_STEM_SIZE])
{
    size_t size = 0;
    for (; *farm && size < AZURE_STEM_SIZE - 2; farm++)
        text[size++] = (char)(isalnum((unsigned char)*farm) || *farm == '_' ? *farm : '-');
    text[size++] = '-';
    text[size] = '\0';
}

void azure_note_container(const char *farm, char text[AZURE_CONTAINER_SIZE])
{
    size_t size = (size_t)snprintf(text, AZURE_CONTAINER_SIZE, "beofarm-");
    for (; *farm && size < AZURE_CONTAINER_SIZE - 1; farm++)
        if (isalnum((unsigned char)*farm))
            text[size++] = (char)tolower((unsigned char)*farm);
        else if (text[size - 1] != '-')
            text[size++] = '-';
    while (text[size - 1] == '-') /* not at the end */
        size--;
    text[size] = '\0';
}

int azure_note_begin(struct azure_note *note, const char *farm, struct error *ret_error)
{
    char stem[AZURE_STEM_SIZE], when[16];
    unsigned char bytes[2];
    time_t now = (time_t)(clock_wall_ns() / CLOCK_SECOND_NS);
    struct tm parts;
    if (RAND_bytes(bytes, sizeof bytes) != 1 || !gmtime_r(&now, &parts))
        return error_set(ret_error, ERROR_SYSTEM, "no random numbers for the run's name");
    azure_note_stem(farm, stem);
    strftime(when, sizeof when, "%Y%m%d-%H%M%S", &parts);
    memset(note, 0, sizeof *note);
    snprintf(note->run, sizeof note->run, "%s%s-%02x%02x", stem, when, bytes[0], bytes[1]);
    note->begun_s = now;
    return 0;
}

char *azure_note_job(const struct azure_note *note, char text[BATCH_ID_MAX + 1])
{
    int size = snprintf(text, BATCH_ID_MAX + 1, "%s", note->run);
    if (note->job > 1 && size < BATCH_ID_MAX)
        snprintf(text + size, (size_t)(BATCH_ID_MAX + 1 - size), "-%d", note->job);
    return text;
}

char *azure_note_print(const struct azure_note *note)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "run", note->run);
    cJSON_AddStringToObject(root, "pool", note->pool);
    cJSON_AddBoolToObject(root, "pool_made", note->pool_made);
    cJSON_AddNumberToObject(root, "job", note->job);
    cJSON_AddNumberToObject(root, "begun_s", (double)note->begun_s);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    return text;
}

int azure_note_parse(const char *text, size_t size, const char *name,
                     struct azure_note *ret_note, struct error *ret_error)
{
    struct azure_note note = {0};
    const char *run, *pool;
    int64_t job;
    cJSON *root = NULL;
    int rc = json_parse(text, size, name, JSON_STRICT, &root, ret_error);
    if (rc == 0 &&
        (json_get_text(root, "$", "run", "", &run, ret_error) != 0 ||
         json_get_text(root, "$", "pool", "", &pool, ret_error) != 0 ||
         json_get_bool(root, "$", "pool_made", false, &note.pool_made, ret_error) != 0 ||
         json_get_integer(root, "$", "job", 0, &job, ret_error) != 0 ||
         json_get_integer(root, "$", "begun_s", 0, &note.begun_s, ret_error) != 0))
        rc = error_prefix(ret_error, "%s", name);
    else if (rc == 0 && (!batch_id_valid(run) || (*pool && !batch_id_valid(pool)) || job < 0 ||
                         job > 9999))
        rc = error_set(ret_error, ERROR_CONFIG, "%s: this is no note of a run on Azure", name);
    if (rc == 0) {
        snprintf(note.run, sizeof note.run, "%s", run);
        snprintf(note.pool, sizeof note.pool, "%s", pool);
        note.job = (int)job;
        *ret_note = note;
    }
    cJSON_Delete(root);
    return rc;
}

int azure_note_read(const char *run_dir, struct azure_note *ret_note, struct error *ret_error)
{
    char *text = NULL, *path = disk_join(run_dir, NOTE_FILE, ret_error);
    size_t size;
    int rc = path ? 0 : -1;
    memset(ret_note, 0, sizeof *ret_note);
    if (path && disk_exists(path)) {
        rc = json_read_text(path, NOTE_MAX, &text, &size, ret_error);
        if (rc == 0)
            rc = azure_note_parse(text, size, path, ret_note, ret_error);
    }
    free(text);
    free(path);
    return rc;
}

int azure_note_write(const char *run_dir, const struct azure_note *note,
                     struct error *ret_error)
{
    char *text = azure_note_print(note), *path = disk_join(run_dir, NOTE_FILE, ret_error);
    char *folder = disk_join(run_dir, "backend", ret_error);
    int rc = -1;
    if (!text)
        error_set(ret_error, ERROR_SYSTEM, "no memory for the run's note");
    else if (path && folder && tree_make(folder, ret_error) == 0)
        rc = disk_write(path, text, strlen(text), 0644, true, ret_error);
    free(text);
    free(path);
    free(folder);
    return rc;
}
