/*
 * link_mpi_private.h - the parts of link_mpi: the doorbell (link_mpi.c, where the whole is
 * explained), sending (link_mpi_send.c), receiving (link_mpi_receive.c) and how much may be under
 * way (link_mpi_room.c).
 */
#ifndef BEOFARM_COMMON_LINK_MPI_PRIVATE_H
#define BEOFARM_COMMON_LINK_MPI_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <mpi.h>

#include "common/buf.h"
#include "common/link.h"

/* The tag of every packet: the bells say what each is. */
#define LINK_MPI_TAG 1

/* What the doorbell carries: a letter, and for the first five, four bytes of a size. */
enum {
    LINK_MPI_BATCH = 'b',     /* a packet was sent: small messages */
    LINK_MPI_BATCH_DUE = 'B', /* the same, and all that came is to be acknowledged */
    LINK_MPI_PART = 'c',      /* a packet was sent: a part of the large message */
    LINK_MPI_PART_DUE = 'C',
    LINK_MPI_LARGE = 'l', /* a large message of this size comes in the next parts */
    LINK_MPI_ACK = 'a',   /* a packet has been received */
    LINK_MPI_PULSE = 'p',
};
#define LINK_MPI_SIZED     "bBcCl"
#define LINK_MPI_BELL_SIZE 5

/* Bytes of the length before each message of a batch. */
#define LINK_MPI_HEAD 4

/* Packets under way, and bells of them: each may be the first part of a large message. */
#define LINK_MPI_FLIGHT 32
#define LINK_MPI_BELLS  (2 * LINK_MPI_FLIGHT)

/* Packets that MPI is asked for at once; divides LINK_MPI_BELLS. */
#define LINK_MPI_AHEAD 4

/* What may be under way to a peer without Open MPI having to keep any of it; link_mpi_room.c. */
struct link_mpi_room {
    size_t packet_max; /* bytes of a packet */
    size_t window;     /* bytes sent and not acknowledged, LINK_MPI_PACKET_COST included */
};

/* Memory of a large message is kept for the next if it has this many bytes. */
#define LINK_MPI_WORTH_KEEPING (64 << 10)

/* What a packet takes up in the kernel's buffer beyond its bytes: Open MPI's headers. */
#define LINK_MPI_PACKET_COST 128

/* A batch, or a large message. */
struct parcel {
    struct parcel *next;
    struct buf bytes;
    bool large;
    bool told;    /* large: its LINK_MPI_LARGE has been put on the doorbell */
    size_t given; /* bytes of it given to MPI */
};

/* A bell that was heard, and the packet that it stands for. */
struct bell {
    uint8_t letter;
    uint32_t size;
};

struct link_mpi {
    struct link base;
    int fd;
    MPI_Comm comm;

    struct parcel *waiting, **waiting_end; /* not wholly given to MPI */
    MPI_Request request;                   /* the one send that MPI holds */
    struct parcel *held;                   /* what it sends from; leaked with it if lost */
    bool held_last;                        /* it is the last packet of `held` */
    struct link_mpi_room room;
    uint32_t flight[LINK_MPI_FLIGHT]; /* ring: costs of packets not yet acknowledged */
    unsigned flight_first, flight_count;
    size_t flight_bytes;
    unsigned undue_count; /* packets and bytes since one that demands acknowledgement */
    size_t undue_bytes;
    size_t unsent;
    struct buf spare; /* memory of a large message that was sent, for one to be received */

    uint8_t
        unrung[LINK_MPI_BELLS * LINK_MPI_BELL_SIZE]; /* bells that the socket did not take */
    unsigned unrung_size;
    unsigned owed; /* acknowledgements that we owe */
    bool owed_due; /* and that the peer waits for */
    bool pulse_due;
    bool heard; /* the doorbell was read since link_receive last said 0 */

    uint8_t bell_part[LINK_MPI_BELL_SIZE]; /* the beginning of a bell */
    unsigned bell_part_size;
    struct bell bells[LINK_MPI_BELLS]; /* ring, in order */
    unsigned bell_first, bell_count;
    unsigned posted;                      /* the first of them, which MPI has been asked for */
    MPI_Request requests[LINK_MPI_AHEAD]; /* a bell's is at its place modulo LINK_MPI_AHEAD */
    size_t read_run;                      /* bytes received since link_receive last said 0 */
    struct buf batch;                     /* received; read from batch_next on */
    size_t batch_next;
    struct buf large;    /* being received, whole when it has large_size bytes */
    size_t large_size;   /* 0 if there is none */
    size_t large_posted; /* bytes of it that MPI has been asked for */

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

/* What Open MPI's settings and the kernel let be under way. */
struct link_mpi_room link_mpi_room(void);

/* Write the bells, acknowledgements and pulse that are due, as far as the doorbell takes them. */
void link_mpi_ring(struct link_mpi *mpi);

/* Read bells, acknowledgements and pulses. 0 or -1. */
int link_mpi_hear(struct link_mpi *mpi);

/* link_send. */
int link_mpi_send(struct link *link, struct buf *message, struct error *ret_error);

/* Whether MPI holds a send, or could be given one now. */
bool link_mpi_sending(const struct link_mpi *mpi);

/* Send what the window lets go. 0 or -1. */
int link_mpi_launch(struct link_mpi *mpi);

/* Free what waits to be sent, and the spare memory, but not what MPI holds. */
void link_mpi_send_fini(struct link_mpi *mpi);

/* link_receive. */
int link_mpi_receive(struct link *link, struct buf *ret_message, struct error *ret_error);

/* Whether a whole message waits for link_receive. */
bool link_mpi_whole_waits(const struct link_mpi *mpi);

/* Free memory that was kept for more of the same, if nothing is under way. */
void link_mpi_receive_trim(struct link_mpi *mpi);

/* Take back from MPI what it was asked to receive, and free what has come. What MPI will not
 * give back is leaked. */
void link_mpi_receive_fini(struct link_mpi *mpi);

#endif
