#include "config.h"

#include <stdlib.h>

#include "common/clock.h"
#include "worker/shot_room.h"

/* A slot with the claims that it holds. */
struct place {
    struct shot_claim *holding;
    uint64_t most; /* bytes of the largest */
};

struct shot_room {
    uint64_t limit, used, claimed; /* claimed: the most of each slot, added up */
    struct loop_timer *pump;
    struct shot_claim *waiting, **last; /* oldest first */
    struct place *places;
    size_t place_count, held;
};

static double megabytes(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* The slot's place; NULL without memory. */
static struct place *place_of(struct shot_room *room, uint32_t slot)
{
    if (slot >= room->place_count) {
        struct place *places = reallocarray(room->places, slot + 1, sizeof(*places));
        if (!places)
            return NULL;
        for (size_t i = room->place_count; i <= slot; i++)
            places[i] = (struct place){0};
        room->places = places;
        room->place_count = (size_t)slot + 1;
    }
    return &room->places[slot];
}

static bool fits(const struct shot_room *room, const struct place *place,
                 const struct shot_claim *claim)
{
    if (room->limit == 0 || claim->bytes <= place->most)
        return true;
    uint64_t taken = room->used + room->claimed - place->most;
    return taken <= room->limit && claim->bytes <= room->limit - taken;
}

static void grant(struct shot_room *room, struct place *place, struct shot_claim *claim)
{
    if (claim->bytes > place->most) {
        room->claimed += claim->bytes - place->most;
        place->most = claim->bytes;
    }
    claim->waits = false;
    claim->holds = true;
    claim->next = place->holding;
    place->holding = claim;
    room->held++;
    claim->granted(claim->context, NULL);
}

static void refuse(struct shot_room *room, struct shot_claim *claim)
{
    struct error error;
    claim->waits = false;
    error_set(&error, ERROR_TASKS,
              "it needs %.1f MB of memory, but this worker has %.1f MB for shots%s; use a "
              "smaller budget for wavefields ($.memory of the survey), a smaller aperture, or "
              "larger nodes",
              megabytes(claim->bytes),
              megabytes(room->limit > room->used ? room->limit - room->used : 0),
              room->used ? " beside the sums" : "");
    claim->granted(claim->context, &error);
}

/* A claim's owner may do anything from `granted`, so look anew each time. */
static void pump(void *context)
{
    struct shot_room *room = context;
    for (struct shot_claim *claim; (claim = room->waiting);) {
        struct place *place = place_of(room, claim->slot);
        bool granted = place && fits(room, place, claim);
        if (!granted && room->held)
            return;
        room->waiting = claim->next;
        if (!room->waiting)
            room->last = &room->waiting;
        if (granted)
            grant(room, place, claim);
        else
            refuse(room, claim);
    }
}

struct shot_room *shot_room_create(struct loop *loop, uint64_t limit, struct error *ret_error)
{
    struct shot_room *room = calloc(1, sizeof(*room));
    if (room) {
        room->limit = limit;
        room->last = &room->waiting;
        room->pump = loop_timer_add(loop, pump, room);
    }
    if (room && room->pump)
        return room;
    free(room);
    error_set(ret_error, ERROR_SYSTEM, "no memory to divide memory");
    return NULL;
}

void shot_room_destroy(struct shot_room *room)
{
    if (!room)
        return;
    loop_timer_remove(room->pump);
    free(room->places);
    free(room);
}

static void look_again(struct shot_room *room)
{
    if (room->waiting)
        loop_timer_arm(room->pump, clock_monotonic_ns());
}

void shot_room_set_used(struct shot_room *room, uint64_t bytes)
{
    room->used = bytes;
    look_again(room);
}

void shot_room_claim(struct shot_room *room, struct shot_claim *claim)
{
    claim->waits = true;
    claim->holds = false;
    claim->next = NULL;
    *room->last = claim;
    room->last = &claim->next;
    look_again(room);
}

static void unlink_claim(struct shot_claim **link, struct shot_claim *claim)
{
    while (*link != claim)
        link = &(*link)->next;
    *link = claim->next;
}

static void give_back(struct shot_room *room, struct shot_claim *claim)
{
    struct place *place = &room->places[claim->slot];
    uint64_t most = 0;
    unlink_claim(&place->holding, claim);
    room->held--;
    if (claim->bytes < place->most)
        return;
    for (const struct shot_claim *other = place->holding; other; other = other->next)
        most = other->bytes > most ? other->bytes : most;
    room->claimed -= place->most - most;
    place->most = most;
}

void shot_room_release(struct shot_room *room, struct shot_claim *claim)
{
    if (claim->holds)
        give_back(room, claim);
    if (claim->waits) {
        unlink_claim(&room->waiting, claim);
        room->last = &room->waiting;
        while (*room->last)
            room->last = &(*room->last)->next;
    }
    claim->waits = claim->holds = false;
    look_again(room);
}
