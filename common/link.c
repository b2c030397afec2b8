#include "config.h"

#include "common/clock.h"
#include "common/link.h"
#include "common/message.h"

const char *link_transport(const struct link *link)
{
    return link->ops->transport;
}

int link_send(struct link *link, struct buf *message, struct error *ret_error)
{
    if (message->size == 0 || message->size > MESSAGE_MAX || buf_failed(message))
        return error_set(ret_error, ERROR_BUG,
                         "a message of %zu bytes cannot be sent (1 to %d)", message->size,
                         MESSAGE_MAX);
    link->spoke_ns = clock_monotonic_ns();
    return link->ops->send(link, message, ret_error);
}

int link_receive(struct link *link, struct buf *ret_message, struct error *ret_error)
{
    return link->ops->receive(link, ret_message, ret_error);
}

int link_progress(struct link *link, struct error *ret_error)
{
    return link->ops->progress(link, ret_error);
}

int link_fd(const struct link *link)
{
    return link->ops->fd(link);
}

bool link_wants_write(const struct link *link)
{
    return link->ops->wants_write(link);
}

bool link_busy(const struct link *link)
{
    return link->ops->busy(link);
}

size_t link_unsent_bytes(const struct link *link)
{
    return link->ops->unsent_bytes(link);
}

int link_pulse(struct link *link, struct error *ret_error)
{
    link->spoke_ns = clock_monotonic_ns();
    return link->ops->pulse(link, ret_error);
}

void link_close(struct link *link)
{
    if (link)
        link->ops->close(link);
}
