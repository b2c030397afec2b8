/*
 * reduction.h - which workers give their sums to which, so that few of them come to the master.
 *
 * Pure: those who hold a part go in, one level of the tree comes out. Groups of REDUCTION_FAN at
 * most are made, first of workers on the same host; and where every host has but one left, of
 * hosts. In each, all give to one. When they have, what is left is asked about again, until there
 * are REDUCTION_FAN at most: these the master collects. So with W workers it gets REDUCTION_FAN
 * sums rather than W, and each worker gets REDUCTION_FAN - 1 in each of the levels, of which there
 * are log W / log REDUCTION_FAN, less one.
 *
 * Four: with 64 workers the last of them has its sum at the master when 10 sums have gone one after
 * the other (3 in each of two levels, and 4 to the master), with two 7, but in five levels, each of
 * which costs a note and a round of tasks; with eight 15, and without any 64.
 */
#ifndef BEOFARM_MASTER_SHOTS_REDUCTION_H
#define BEOFARM_MASTER_SHOTS_REDUCTION_H

#include <stddef.h>
#include <stdint.h>

#define REDUCTION_FAN 4

struct reduction_holder {
    uint64_t instance; /* of the worker process */
    const char
        *host; /* where others reach it; "": not known, and it can receive alone. Borrowed */
    size_t attempts; /* that it holds */
};

/* One gives, one receives: indices of holders. */
struct reduction_gift {
    size_t giver, receiver;
};

/* The next level for these holders, which are sorted by host, and instance, on the way. Every
 * holder is in one gift at most as a giver, and no giver is a receiver. Who receives in a group is
 * who cannot give, or else who holds the most. ret_gifts has room for `count`. Returns how many; 0:
 * there are REDUCTION_FAN holders or fewer, or none can give. */
size_t reduction_plan(struct reduction_holder *holders, size_t count,
                      struct reduction_gift *ret_gifts);

#endif
