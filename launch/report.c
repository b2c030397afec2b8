#include "config.h"

#include "launch/report.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/tree.h"
#include "common/whole.h"
#include "launch/report_private.h"
#include "launch/screen.h"

#define FOLDER "report"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:1140px;margin:2em auto;padding:0 1em;"
    "color:#222}\nh1{margin-bottom:0}h2{margin-top:2em}\ntable{border-collapse:collapse}\n"
    "td,th{text-align:left;padding:.15em 1.5em .15em 0;vertical-align:top}\n"
    "figure{margin:1em 0 2em}img{max-width:100%}figcaption,.quiet{color:#666}\n"
    "svg{font-size:13px}.axis{fill:none;stroke:#444}.curve{fill:none;stroke:#2166ac;"
    "stroke-width:2}\n</style>\n";

static void row(FILE *html, const char *name, const char *text)
{
    fprintf(html, "<tr><th>%s</th><td>", name);
    report_text(html, text);
    fputs("</td></tr>\n", html);
}

static void summary(struct view *view, FILE *html)
{
    char text[2 * ERROR_TEXT_MAX];
    const struct progress *progress = &view->follow.progress;
    fputs("<table>\n", html);
    row(html, "State", view_state(view));
    if (progress->counted)
        row(html, "Tasks", screen_format_progress(progress, text, sizeof text));
    if (progress->host[0])
        row(html, "Master", progress->host);
    if (progress->ended && progress->sentence)
        row(html, "End", progress->sentence);
    snprintf(text, sizeof text, "%zu came, with %lld slots at the end", progress->worker_count,
             (long long)progress->slots);
    if (progress->worker_count)
        row(html, "Workers", text);
    row(html, "Folder", view->rundir.path);
    fputs("</table>\n", html);
    for (size_t i = 0; i < progress->failure_count; i++) {
        fprintf(html, "%s<p>Task %lld failed: ", i ? "" : "<h2>Failures</h2>\n",
                (long long)progress->failures[i].task);
        report_text(html, progress->failures[i].sentence);
        fputs("</p>\n", html);
    }
}

static int body(struct view *view, const char *out, const char *folder, FILE *html,
                struct error *ret_error)
{
    fputs(head, html);
    fputs("<title>", html);
    report_text(html, view->name);
    fputs("</title></head><body>\n<h1>", html);
    report_text(html, view->name);
    fputs("</h1>\n<p class=\"quiet\">A farm, as <code>beofarm report</code> saw it.</p>\n",
          html);
    summary(view, html);
    int rc = report_curve(view, html, ret_error);
    if (rc == 0)
        rc = report_pictures(out, folder, FOLDER, html, ret_error);
    fputs("</body></html>\n", html);
    return rc;
}

static int page(struct view *view, const char *path, const char *out, const char *folder,
                struct error *ret_error)
{
    struct whole whole;
    if (whole_open(&whole, path, ret_error) < 0)
        return -1;
    if (body(view, out, folder, whole.stream, ret_error) == 0)
        return whole_commit(&whole, ret_error);
    whole_abandon(&whole);
    return -1;
}

int report_write(struct view *view, struct error *ret_error)
{
    char *path = rundir_path(&view->rundir, "report.html", ret_error);
    char *out = path ? rundir_path(&view->rundir, "out", ret_error) : NULL;
    char *folder = out ? rundir_path(&view->rundir, FOLDER, ret_error) : NULL;
    int rc = -1;
    if (folder) {
        tree_remove(AT_FDCWD, folder);
        rc = tree_make(folder, ret_error);
    }
    if (rc == 0)
        rc = page(view, path, out, folder, ret_error);
    free(path);
    free(out);
    free(folder);
    return rc;
}
