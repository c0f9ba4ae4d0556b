/*
 * The past, held in memory and judged by rules, as often as one likes: what phusa replay and phusa
 * rules test have in common. A recording is taken in order of reading time; each reading arrives at
 * the time it was taken.
 */
#ifndef CLI_PAST_H
#define CLI_PAST_H

#include "cli/csv.h"
#include "pipeline.h"

#define PAST_SAMPLES_MAX (1u << 28) /* readings held at once */

struct past;

/* Stations and parameters are those of the settings, which must outlive it. NULL when out of
 * memory.
 */
struct past *past_create(const struct settings *settings);
void past_free(struct past *past);

/* NULL if the reading was taken, otherwise what is wrong with it, valid until the next one. */
const char *past_add(struct past *past, const struct pipeline_sample *given);

/* Reads a CSV (csv.h) or a journal of phusad. False after saying what is wrong as `phusa
 * COMMAND`. */
bool past_read_csv(struct past *past, const char *path);
bool past_read_journal(struct past *past, const char *command, const char *path);

/* What rules make of it. */
struct verdicts {
    size_t count;
    struct notice *notices; /* by time, rule and station; events are not among them */
};

/*
 * Judges it by the rules of settings, which may be others than those it was read with, and must
 * outlive the verdicts: changes of state, and with `all` also what was only told, late. The first
 * value for a time wins. False when out of memory.
 */
bool past_judge(struct past *past, const struct settings *settings, bool all,
                struct verdicts *verdicts);
void verdicts_free(struct verdicts *verdicts);

/* Takes a journal through a pipeline, in its order of arrival. False after saying why not. */
bool past_take_journal(const char *command, const struct settings *settings, const char *path,
                       const struct pipeline_sink *sink);

#endif
