/*
 * Configuration files: the only user of libconfig, which it hides.
 *
 * A caller describes each group by a table of its keys; config_read_group() walks the
 * group once and finds unknown keys, wrong types, missing keys and values out of
 * range. Every mistake goes to the file's sink with its file and line.
 *
 * What libconfig 1.5 does silently is found before it reads: whole numbers
 * beyond 32 bits (it wraps them), comments and strings that never end, @include.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"

#define CONFIG_FILE_MAX   (8L * 1024 * 1024) /* bytes of one file */
#define CONFIG_STRING_MAX 4096               /* bytes of one string, unless its key says less */
#define CONFIG_LIST_MAX   65536              /* elements of one list, unless its key says less */

/* Where mistakes and strings go. */
struct config_sink {
    void *context;
    /* One mistake; file and text are to be copied. */
    void (*report)(void *context, const char *file, int line, const char *text);
    /* A copy of text that outlives the file, or NULL when out of memory. */
    const char *(*keep)(void *context, const char *text);
};

/* An opened file, and a value in it (which lives as long as its file). */
struct config;
struct config_node;

enum config_status {
    CONFIG_OK = 0,
    CONFIG_UNREADABLE, /* nothing reported; the problem says why, the caller knows who named the
                          file */
    CONFIG_SYNTAX,     /* reported with its line; the file's rest cannot be known */
    CONFIG_NO_MEMORY
};

/* Reads and parses path. On CONFIG_OK *config is to be closed. sink must outlive it; problem may be
 * NULL. */
enum config_status config_open(const char *path, const struct config_sink *sink,
                               struct config **config, struct problem *problem);
void config_close(struct config *config);

/* The file's outermost group. */
const struct config_node *config_root(const struct config *config);

/* What a key holds, and the C type at its offset in the target. */
enum config_type {
    CONFIG_STRING,   /* const char *: kept by the sink */
    CONFIG_BOOL,     /* bool */
    CONFIG_INTEGER,  /* int64_t */
    CONFIG_NUMBER,   /* double; whole numbers are taken too */
    CONFIG_DURATION, /* int64_t, nanoseconds: "20ms", "0s", "30s", "5m", "1h", "30d" */
    CONFIG_SIZE,     /* int64_t, bytes: "512", "64M"; K, M, G, T are powers of 1024 */
    CONFIG_OFFSET,   /* int32_t, seconds east of UTC: "+07:00" */
    CONFIG_CHOICE,   /* unsigned (or an enum): index into the key's choices */
    CONFIG_LIMIT,    /* struct config_limit: a number, or two in a list */
    CONFIG_STRINGS,  /* struct config_list of strings */
    CONFIG_INTEGERS, /* struct config_list of whole numbers */
    CONFIG_GROUPS,   /* struct config_list of groups */
    CONFIG_GROUP,    /* const struct config_node *: a group */
    CONFIG_ANY,      /* const struct config_node *: the caller looks itself */
    CONFIG_LATER     /* known, but refused: `note` says why and what to do */
};

/* A list [ ] or ( ); node is NULL when it is not given. */
struct config_list {
    const struct config_node *node;
    size_t count;
};

/* count 0: not given; 1: values[0]; 2: both. */
struct config_limit {
    size_t count;
    double values[2];
};

/*
 * One key. Texts are in the file's own syntax, so that a table reads like the
 * man page. least and most limit the value, of a string its bytes, of a list
 * its elements.
 */
struct config_key {
    const char *name;
    enum config_type type;
    size_t offset;
    bool required;
    const char *fallback; /* NULL: the target is left as it is when the key is missing */
    const char *least, *most;
    const char *const *choices; /* NULL-terminated */
    const char *example;        /* what would be right, for messages; NULL = one by type */
    const char *note;
};

struct config_schema {
    const char *title; /* of the group, e.g. "broker" */
    const struct config_key *keys;
    size_t count;
};

/*
 * Reads a group into target: fallbacks first, then what is there. Reports each
 * mistake and goes on; false if there was any (such keys keep their fallback).
 */
bool config_read_group(const struct config_node *group, const struct config_schema *schema,
                       void *target);

/* Only the fallbacks: for a group that is not there. */
void config_read_fallbacks(const struct config_sink *sink, const struct config_schema *schema,
                           void *target);

/* Reports a mistake at a node. */
void config_complain(const struct config_node *node, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same at a group's key, at the group itself if it has no such key. */
void config_complain_at(const struct config_node *group, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

const char *config_file(const struct config_node *node);
int config_line(const struct config_node *node);

/* The element of a list or group, by place. */
const struct config_node *config_element(const struct config_node *node, size_t place);
size_t config_count(const struct config_node *node);

/* The group's member of that name, or the group itself if it has none: where to complain. */
const struct config_node *config_at(const struct config_node *group, const char *key);

/* The member's own name; NULL in a list. */
const char *config_name(const struct config_node *node);

/* The string of a node, NULL if it is none; it lives as long as the file. */
const char *config_string(const struct config_node *node);
/* True if a string is one line of UTF-8, as every string that config_read_group takes: it may
 * come to stand in logs, JSON, headers and line protocol. Otherwise complains about `name`. */
bool config_check_line(const struct config_node *node, const char *name);

/* True if all of a text is UTF-8 (RFC 3629). */
bool config_is_utf8(const char *text);

bool config_is_group(const struct config_node *node);
bool config_is_list(const struct config_node *node); /* [ ] or ( ) */

/* Elements of lists that config_read_group has checked; strings live as long as the file. */
const char *config_string_at(const struct config_list *list, size_t place);
int64_t config_integer_at(const struct config_list *list, size_t place);

/* Texts to values; false if text is not of the form or does not fit. */
bool config_parse_duration(const char *text, int64_t *ns);
bool config_parse_size(const char *text, int64_t *bytes);
bool config_parse_offset(const char *text, int32_t *seconds);

/* Finds the known word nearest to a misspelt one. Start with { .word = ... }, offer all, ask. */
struct config_nearest {
    const char *word;
    const char *best;
    size_t distance;
};
void config_nearest_offer(struct config_nearest *nearest, const char *candidate);

/* Writes `; did you mean "best"?`, or "" when nothing is near enough, into buffer. Returns buffer.
 */
const char *config_nearest_hint(const struct config_nearest *nearest, char *buffer,
                                size_t capacity);

#endif
