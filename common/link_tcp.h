/*
 * link_tcp.h - a link that carries messages over its authenticated TCP socket.
 *
 * Each message travels as u32 length (little-endian, 1 to MESSAGE_MAX) and its bytes; a length
 * of zero alone is a pulse. Sends are queued, so that many leave in one system call: they leave
 * in link_progress, or at once when LINK_TCP_EAGER bytes have gathered. So call link_progress
 * after the last link_send of a turn of the event loop, or wait for the socket to be writable
 * while link_wants_write. Reading is done by link_receive.
 *
 * Messages that arrived whole before the connection ended are still received: it is
 * link_receive that reports the loss, when it has given them all out.
 */
#ifndef BEOFARM_COMMON_LINK_TCP_H
#define BEOFARM_COMMON_LINK_TCP_H

#include "common/link.h"

#define LINK_TCP_EAGER (256 << 10) /* bytes */

/* A link over a connected stream socket, which is taken (also on failure) and made
 * non-blocking, with TCP_NODELAY and keepalive where it is TCP. NULL if memory is short. */
struct link *link_tcp_create(int fd, struct error *ret_error);

/* What link_tcp_create does to the socket; link_mpi wants the same for its doorbell. */
void link_tcp_prepare(int fd);

#endif
