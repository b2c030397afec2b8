#include "config.h"

#include "launch/azure/azure_script.h"

#include <ctype.h>
#include <string.h>

#include "launch/azure/batch_command.h"

/* "AZ_BATCH_APP_PACKAGE_name_version", as Batch calls it on Linux: in small letters, '.' and '-' as
 * '_'. The application's name is the last part of its resource id. */
static void package_variable_put(struct buf *buf, const struct azure_start *start)
{
    const char *slash = strrchr(start->application, '/');
    const char *parts[] = {slash ? slash + 1 : start->application, start->version};
    buf_append_text(buf, "$AZ_BATCH_APP_PACKAGE");
    for (size_t i = 0; i < 2 && parts[i]; i++) {
        buf_append_text(buf, "_");
        for (const char *next = parts[i]; *next; next++) {
            char letter = (char)tolower((unsigned char)*next);
            if (letter == '.' || letter == '-')
                letter = '_';
            buf_append(buf, &letter, 1);
        }
    }
}

int azure_script_program_put(struct buf *buf, const struct azure_start *start,
                             const char *bundle, const char *program)
{
    if (*bundle) {
        buf_printf(buf, "$AZ_BATCH_NODE_SHARED_DIR/beofarm-%.16s/bin/", bundle);
    } else if (start->kind == AZURE_START_APPLICATION) {
        package_variable_put(buf, start);
        buf_append_text(buf, "/bin/");
    }
    buf_append_text(buf, program);
    return buf_failed(buf) ? -1 : 0;
}

/* `mv -T` of a folder onto one that is not empty fails: then another task was first. */
static void unpack_put(struct buf *buf, const char *bundle, const char *folder)
{
    buf_printf(buf,
               "d=\"$AZ_BATCH_NODE_SHARED_DIR/beofarm-%.16s\"; "
               "if [ ! -d \"$d\" ]; then t=\"$d.$$\"; mkdir -p \"$t\" && "
               "tar -xzf \"%s" AZURE_BUNDLE_FILE "\" -C \"$t\" && "
               "{ mv -T \"$t\" \"$d\" 2>/dev/null || { rm -rf \"$t\"; [ -d \"$d\" ]; }; } || "
               "{ echo \"beofarm: the bundle cannot be unpacked below "
               "$AZ_BATCH_NODE_SHARED_DIR\" >&2; exit 4; }; fi; rm -f \"%s" AZURE_BUNDLE_FILE
               "\"; ",
               bundle, folder, folder);
}

/* `script` for a shell, appended as a command line; frees it. */
static int line_put(struct buf *buf, struct buf *script)
{
    buf_append_text(buf, "/bin/sh -c ");
    const char *text = buf_text(script);
    int rc = text && !buf_failed(script) ? batch_quote(buf, text) : -1;
    buf_fini(script);
    return rc;
}

static void exec_put(struct buf *script, const struct azure_start *start, const char *bundle,
                     const char *program, const char *const *args)
{
    buf_append_text(script, "exec \"");
    azure_script_program_put(script, start, bundle, program);
    buf_append_text(script, "\"");
    for (size_t i = 0; args && args[i]; i++) {
        buf_append_text(script, " ");
        batch_quote(script, args[i]);
    }
}

int azure_script_task_put(struct buf *buf, const struct azure_start *start, const char *bundle,
                          const char *program, const char *const *args)
{
    struct buf script;
    buf_init(&script, 32768);
    if (*bundle)
        unpack_put(&script, bundle, "");
    exec_put(&script, start, bundle, program, args);
    return line_put(buf, &script);
}

int azure_script_gang_put(struct buf *buf, const struct azure_start *start, const char *bundle,
                          const char *program, const char *const *args)
{
    struct buf script;
    buf_init(&script, 32768);
    exec_put(&script, start, bundle, program, args);
    return line_put(buf, &script);
}

int azure_script_mate_put(struct buf *buf, const struct azure_start *start, const char *bundle)
{
    static const char *const args[] = {"--mate", NULL};
    struct buf script;
    buf_init(&script, 32768);
    if (*bundle)
        unpack_put(&script, bundle, "$AZ_BATCH_TASK_SHARED_DIR/");
    buf_append_text(&script,
                    "case \"$AZ_BATCH_IS_CURRENT_NODE_MASTER\" in [Tt]rue) exit 0;; esac; ");
    exec_put(&script, start, bundle, "beofarm-worker", args);
    return line_put(buf, &script);
}

int azure_script_options_put(struct buf *buf, const struct azure_start *start)
{
    const char *given = start->run_options ? start->run_options : "";
    if (!strstr(given, "--net=") && !strstr(given, "--net ") && !strstr(given, "--network"))
        buf_append_text(buf, "--network host");
    if (*given)
        buf_printf(buf, "%s%s", buf->size ? " " : "", given);
    return buf_failed(buf) ? -1 : 0;
}

/* Another package manager may hold dpkg's lock for some time after a node has started. */
static void packages_put(struct buf *buf, const struct azure_start *start)
{
    const cJSON *package;
    buf_append_text(buf, "want=\"openmpi-bin");
    cJSON_ArrayForEach(package, start->packages)
    {
        buf_printf(buf, " %s", package->valuestring);
    }
    buf_append_text(
        buf,
        "\"\n"
        "miss=\"\"\n"
        "for p in $want; do\n"
        "  dpkg-query -W -f '${db:Status-Status}' \"$p\" 2>/dev/null | grep -qx installed || "
        "miss=\"$miss $p\"\n"
        "done\n"
        "if [ -n \"$miss\" ]; then\n"
        "  command -v apt-get >/dev/null || { echo \"beofarm: no apt-get here to install$miss: "
        "choose a Debian or Ubuntu image, or another kind of pool.start\" >&2; exit 3; }\n"
        "  export DEBIAN_FRONTEND=noninteractive\n"
        "  n=0\n"
        "  until apt-get -q -o DPkg::Lock::Timeout=300 update && "
        "apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $miss; do\n"
        "    n=$((n+1)); [ $n -lt 5 ] || { echo \"beofarm: apt-get could not install$miss\" "
        ">&2; exit 4; }\n"
        "    sleep $((10*n))\n"
        "  done\n"
        "fi\n");
}

int azure_script_start_put(struct buf *buf, const struct azure_start *start)
{
    struct buf script;
    buf_init(&script, 32768);
    if (start->kind == AZURE_START_PACKAGES)
        packages_put(&script, start);
    if (start->command)
        buf_printf(&script,
                   "{ %s\n} || { echo \"beofarm: pool.start.command failed\" >&2; "
                   "exit 5; }\n",
                   start->command);
    int rc = buf_failed(&script) ? -1 : 0;
    if (rc == 0 && script.size > 0) {
        buf_append_text(buf, "/bin/sh -c ");
        const char *text = buf_text(&script);
        rc = text ? batch_quote(buf, text) : -1;
    }
    buf_fini(&script);
    return rc;
}
