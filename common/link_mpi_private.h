/*
 * link_mpi_private.h - the parts of link_mpi: the doorbell (link_mpi.c, where the whole is
 * explained), sending (link_mpi_send.c) and receiving (link_mpi_receive.c).
 */
#ifndef BEOFARM_COMMON_LINK_MPI_PRIVATE_H
#define BEOFARM_COMMON_LINK_MPI_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <mpi.h>

#include "common/buf.h"
#include "common/link.h"

/* What a packet is. */
#define LINK_MPI_TAG_BATCH 1
#define LINK_MPI_TAG_SIZE  2
#define LINK_MPI_TAG_PART  3

/* What a byte on the doorbell says. */
#define LINK_MPI_BELL  'm'
#define LINK_MPI_PULSE 'p'
#define LINK_MPI_ACK   'a'

/* Bytes of a length. */
#define LINK_MPI_HEAD 4

/* Bytes of a packet: with Open MPI's headers below its eager limit of 64 KiB. */
#define LINK_MPI_PACKET_MAX (60 << 10)

/* Bytes and packets under way: mpi_world asks for a send buffer into which they fit. */
#define LINK_MPI_WINDOW (4 * LINK_MPI_PACKET_MAX)
#define LINK_MPI_FLIGHT 64

/* A batch, or a large message. */
struct parcel {
    struct parcel *next;
    struct buf bytes;
    bool large;
    bool told;    /* large: its LINK_MPI_TAG_SIZE is under way */
    size_t given; /* bytes of it given to MPI */
};

struct link_mpi {
    struct link base;
    int fd;
    MPI_Comm comm;

    struct parcel *waiting, **waiting_end; /* not wholly given to MPI */
    MPI_Request request;                   /* the one send that MPI holds */
    struct parcel *held;                   /* what it sends from; leaked with it if lost */
    bool held_last;                        /* it is the last packet of `held` */
    uint8_t out_head[LINK_MPI_HEAD];
    uint32_t flight[LINK_MPI_FLIGHT]; /* ring: sizes of packets not yet acknowledged */
    unsigned flight_first, flight_count;
    size_t flight_bytes;
    size_t unsent;

    unsigned unrung; /* bells due: packets were sent, and the peer does not know */
    unsigned owed;   /* acknowledgements due */
    bool pulse_due;

    uint64_t rung;          /* bells heard for packets not yet received */
    size_t owed_bytes;      /* bytes that the acknowledgements due stand for */
    size_t read_run;        /* bytes received since link_receive last said 0 */
    MPI_Request in_request; /* a packet being received, of in_tag and in_size */
    int in_tag, in_size;
    uint8_t in_head[LINK_MPI_HEAD];
    struct buf batch; /* received; read from batch_next on */
    size_t batch_next;
    struct buf large; /* being received, whole when it has large_size bytes */
    size_t large_size;

    int64_t ended_ns; /* when end of file was seen on the socket; 0 if not */
    bool lost;
    struct error why;
};

/* The private struct behind the link. */
static inline struct link_mpi *link_mpi_of(struct link *link)
{
    return (struct link_mpi *)link;
}

/* Mark the link lost for the first reason given. Returns -1. */
int link_mpi_lose(struct link_mpi *mpi, const char *sentence);
int link_mpi_lose_code(struct link_mpi *mpi, int mpi_code, const char *what);
int link_mpi_lose_memory(struct link_mpi *mpi);

/* Hand up the reason. Returns -1. */
int link_mpi_report(const struct link_mpi *mpi, struct error *ret_error);

/* Write the bells, acknowledgements and pulse that are due, as far as the doorbell takes them. */
void link_mpi_ring(struct link_mpi *mpi);

/* Read bells, acknowledgements and pulses. 0 or -1. */
int link_mpi_hear(struct link_mpi *mpi);

/* link_send. */
int link_mpi_send(struct link *link, struct buf *message, struct error *ret_error);

/* Whether MPI holds a send, or could be given one now. */
bool link_mpi_sending(const struct link_mpi *mpi);

/* Send what the window lets go. 1: some headway; 0: none; -1. */
int link_mpi_launch(struct link_mpi *mpi);

/* Free what waits to be sent, but not what MPI holds. */
void link_mpi_send_fini(struct link_mpi *mpi);

/* link_receive. */
int link_mpi_receive(struct link *link, struct buf *ret_message, struct error *ret_error);

/* Whether a whole message waits for link_receive. */
bool link_mpi_whole_waits(const struct link_mpi *mpi);

#endif
