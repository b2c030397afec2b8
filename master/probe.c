#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/mpi_world.h"
#include "master/probe.h"

int probe_print(struct error *ret_error)
{
    struct error why = {0};
    struct buf out;
    char host[256] = "";
    bool works = mpi_world_works(&why) == 0;
    gethostname(host, sizeof(host) - 1);
    buf_init(&out, 64 << 10);
    buf_printf(&out, "{\"mpi\":{\"works\":%s,\"version\":", works ? "true" : "false");
    json_put_text(&out, mpi_world_version(), strlen(mpi_world_version()));
    buf_append_text(&out, ",\"sentence\":");
    json_put_text(&out, why.text, works ? 0 : strlen(why.text));
    buf_append_text(&out, "},\"host\":");
    json_put_text(&out, host, strlen(host));
    buf_append_text(&out, "}");
    int rc = buf_text(&out) && puts(buf_text(&out)) >= 0
                 ? 0
                 : error_set(ret_error, ERROR_SYSTEM, "the answer cannot be printed");
    buf_fini(&out);
    return rc;
}
