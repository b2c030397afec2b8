/*
 * azure_lead.h - one `beofarm` at a time leads a run, whatever machines they are on: it holds a
 * lease on the blob RUN/leader.json, which says who it is and since when.
 *
 * The lease lasts for a quarter of a minute and is renewed beside the work. So a leader that is
 * killed, or whose machine is gone, is out of the way soon; one that is only cut off goes on
 * leading when it comes back, unless another has begun meanwhile: then it leaves the farm to that.
 */
#ifndef BEOFARM_LAUNCH_AZURE_AZURE_LEAD_H
#define BEOFARM_LAUNCH_AZURE_AZURE_LEAD_H

#include "launch/azure/azure_private.h"

struct azure_lead;

/* Lead the run; nothing if we do. Waits for as long as a lease lasts where another one has it:
 * after that, it lives. `take_over`: take its place at once. -1 with a sentence that says who
 * leads. */
int azure_lead(struct backend *backend, bool take_over, const struct backend_listener *listener,
               struct error *ret_error);

/* Whether another one has taken our place: 0, or -1 with a sentence that says who. */
int azure_lead_check(struct backend *backend, struct error *ret_error);

/* Let others lead. NULL is allowed. */
void azure_lead_end(struct azure_lead *lead);

/* Break whatever lease stands in the way of deleting the run's blobs. */
void azure_lead_break(struct azure *azure);

/* Have the journal's lease broken: the master that held it has ended, as Batch says, and the next
 * one need not wait until its lease does. One that should live all the same finds it lost, or, if
 * it is faster, keeps it, and the next one waits. */
void azure_journal_free(struct azure *azure);

#endif
