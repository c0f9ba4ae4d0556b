/* phusa quarantine: what its verbs share. For quarantine*.c only. */
#ifndef CLI_QUARANTINE_H
#define CLI_QUARANTINE_H

#include "cli/book.h"
#include "cli/cli.h"

struct quarantine_options {
    const char *config, *path, *url, *token_file;
    bool json, all;
    uint64_t limit;
    struct book_filter filter;
    uint64_t *positions; /* ascending, none twice */
    size_t position_count;
    int32_t utc_offset_s;
};

/* Each returns the exit code. */
int quarantine_list(const struct book *book, const struct quarantine_options *options);
int quarantine_show(const struct book *book, const struct quarantine_options *options);

/* url and token are where phusad is and what it wants to hear; token "" = none. */
int quarantine_requeue(const struct book *book, const struct quarantine_options *options,
                       const char *url, const char *token);

/* One item as a JSON object a line. */
void quarantine_print_json(const struct book_item *item);

/* What an item is, in one line without its break: "salinity = 1.5 g/l of 2026-..". */
void quarantine_print_what(const struct book_item *item, int32_t utc_offset_s);

#endif
