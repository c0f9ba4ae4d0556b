/* phusa replay --diff: what other rules would have made of the past. */
#ifndef CLI_REPLAY_DIFF_H
#define CLI_REPLAY_DIFF_H

#include "cli/past.h"

/*
 * Prints, one JSON object a line:
 *   {"diff":"-"|"+", ...a transition}    by the first rules only, by the others only; by time
 *   {"minute":T,"before":N,"after":M}    messages to channels in each minute that has any
 *   {"channel":C,"recipient":R,"before":N,"after":M}  and to each recipient, its middle left out
 *   {"summary":{"transitions":{before,after,same},"messages":{before,after},"worst_minute":{...}}}
 * False when out of memory.
 */
bool replay_diff(struct past *past, const struct settings *before, const struct settings *after);

#endif
