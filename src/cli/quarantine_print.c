/* One item of the quarantine: a line, a JSON object, or everything. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/quarantine.h"
#include "phusa/number.h"

#define SHOWN_BYTES   100 /* of a message in a line */
#define HEX_IN_LINE   16  /* bytes in a line of a dump */
#define DUMP_BYTES    65536
#define PRETTY_INDENT 2

static const char *text_of(const struct book_item *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item->root, key));
    return text == NULL ? "" : text;
}

static bool has(const struct book_item *item, const char *key)
{
    return json_object_get(item->root, key) != NULL;
}

/* What stands under the key or, being no text, under key_hex. */
static const char *text_or_hex_of(const struct book_item *item, const char *key)
{
    char hex[32];
    (void)snprintf(hex, sizeof hex, "%s_hex", key);
    return text_of(item, has(item, key) ? key : hex);
}

static json_int_t integer_of(const struct book_item *item, const char *key)
{
    return json_integer_value(json_object_get(item->root, key));
}

static void print_plain(const char *text)
{
    cli_print_plain(stdout, phusa_text_of(text));
}

static void print_number(double value)
{
    char number[PHUSA_DOUBLE_CHARS];
    size_t length = phusa_double_print(value, number);
    (void)fwrite(number, 1, length, stdout);
}

static void print_seconds(int64_t ns)
{
    char text[PHUSA_DOUBLE_CHARS];
    size_t length = phusa_seconds_print(ns, text);
    (void)fwrite(text, 1, length, stdout);
}

static bool is_reading(const struct book_item *item)
{
    return has(item, "name") || has(item, "name_hex");
}

/* --- in one line ------------------------------------------------------------------------ */

/* A number or boolean, a text, or bytes. */
static void print_value(const struct book_item *item)
{
    const json_t *value = json_object_get(item->root, "value");
    if (json_is_number(value)) {
        print_number(json_number_value(value));
    } else if (json_is_boolean(value)) {
        (void)fputs(json_is_true(value) ? "true" : "false", stdout);
    } else {
        print_plain(text_or_hex_of(item, has(item, "data") ? "data" : "string"));
    }
}

static void print_reading(const struct book_item *item, int32_t utc_offset_s)
{
    char time[CLI_TIME_MAX];
    const char *unit = text_or_hex_of(item, "unit");
    print_plain(text_or_hex_of(item, "name"));
    (void)fputs(" = ", stdout);
    print_value(item);
    (void)fputs(unit[0] == '\0' ? "" : " ", stdout);
    print_plain(unit);
    if (has(item, "time_ns")) {
        cli_local_time(integer_of(item, "time_ns"), utc_offset_s, time);
        (void)printf(" of %s", time);
    }
}

static void print_lost(const struct book_item *item, int32_t utc_offset_s)
{
    char from[CLI_TIME_MAX], to[CLI_TIME_MAX];
    cli_local_time(integer_of(item, "from_ns"), utc_offset_s, from);
    cli_local_time(integer_of(item, "to_ns"), utc_offset_s, to);
    (void)printf("%" JSON_INTEGER_FORMAT " readings of %s to %s left the full spool",
                 integer_of(item, "readings"), from, to);
}

static void print_message(const struct book_item *item)
{
    const char *message = text_or_hex_of(item, "message");
    size_t length = strlen(message);
    print_plain(text_of(item, "detail"));
    (void)fputs(": ", stdout);
    cli_print_plain(stdout,
                    (struct phusa_text){ message, length < SHOWN_BYTES ? length : SHOWN_BYTES });
    (void)fputs(length > SHOWN_BYTES ? "..." : "", stdout);
}

void quarantine_print_what(const struct book_item *item, int32_t utc_offset_s)
{
    if (has(item, "line")) {
        print_plain(text_of(item, "detail"));
        (void)fputs(": ", stdout);
        print_plain(text_of(item, "line"));
    } else if (has(item, "readings")) {
        print_lost(item, utc_offset_s);
    } else if (is_reading(item)) {
        print_reading(item, utc_offset_s);
    } else {
        print_message(item);
    }
}

/* --- for machines ----------------------------------------------------------------------- */

void quarantine_print_json(const struct book_item *item)
{
    json_t *line = json_pack("{s:I, s:f, s:b, s:I}", "position", (json_int_t)item->position, "time",
                             (double)item->time_ns / 1e9, "put_back", item->put_back, "origin",
                             (json_int_t)item->origin);
    (void)json_object_set_new(line, "topic", json_stringn(item->topic.data, item->topic.length));
    (void)json_object_set_new(line, "station",
                              json_stringn(item->station.data, item->station.length));
    (void)json_object_update_missing(line, (json_t *)item->root);
    if (line == NULL || json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17)) != 0) {
        (void)fputs("null", stdout);
    }
    (void)putchar('\n');
    json_decref(line);
}

/* --- everything --------------------------------------------------------------------------- */

static void print_field(const char *name, struct phusa_text value)
{
    if (value.length > 0) {
        (void)printf("%-10s ", name);
        cli_print_plain(stdout, value);
        (void)putchar('\n');
    }
}

static void print_time_field(const char *name, int64_t ns, int32_t utc_offset_s)
{
    char time[CLI_TIME_MAX];
    cli_local_time(ns, utc_offset_s, time);
    (void)printf("%-10s %s (", name, time);
    print_seconds(ns);
    (void)fputs(" s since 1970)\n", stdout);
}

/* Text with its line breaks; other control characters as \xNN. */
static void print_lines(const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        (void)fputs("  ", stdout);
        cli_print_plain(stdout, (struct phusa_text){ text, length });
        (void)putchar('\n');
        text += length + (text[length] != '\0');
    }
}

/* JSON is set out in lines. */
static void print_text_message(const char *message)
{
    json_t *root = json_loads(message, 0, NULL);
    char *pretty = root == NULL
                       ? NULL
                       : json_dumps(root, JSON_INDENT(PRETTY_INDENT) | JSON_REAL_PRECISION(15));
    print_lines(pretty == NULL ? message : pretty);
    free(pretty);
    json_decref(root);
}

static unsigned hex_digit(char digit)
{
    return (unsigned)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10) & 0xf;
}

static void print_dump_line(size_t offset, const unsigned char *bytes, size_t count)
{
    (void)printf("  %04zx ", offset);
    for (size_t i = 0; i < HEX_IN_LINE; i++) {
        (void)(i < count ? printf(" %02x", (unsigned)bytes[i]) : printf("   "));
    }
    (void)fputs("  ", stdout);
    for (size_t i = 0; i < count; i++) {
        (void)putchar(bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '.');
    }
    (void)putchar('\n');
}

static void print_hex_message(const char *hex)
{
    unsigned char bytes[HEX_IN_LINE];
    size_t length = strlen(hex) / 2, used = 0;
    length = length < DUMP_BYTES ? length : DUMP_BYTES;
    for (size_t i = 0; i < length; i++) {
        bytes[used++] = (unsigned char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
        if (used == HEX_IN_LINE || i + 1 == length) {
            print_dump_line(i + 1 - used, bytes, used);
            used = 0;
        }
    }
}

static void print_content(const struct book_item *item, int32_t utc_offset_s)
{
    if (has(item, "line")) {
        print_field("line", phusa_text_of(text_of(item, "line")));
    } else if (has(item, "readings") || is_reading(item)) {
        (void)printf("%-10s ", is_reading(item) ? "reading" : "readings");
        quarantine_print_what(item, utc_offset_s);
        (void)putchar('\n');
        if (has(item, "state")) {
            (void)printf("%-10s %" JSON_INTEGER_FORMAT "\n", "st", integer_of(item, "state"));
        }
        if (has(item, "time_ns")) {
            print_time_field("taken", integer_of(item, "time_ns"), utc_offset_s);
        }
    } else {
        (void)printf("%-10s noticed at byte %" JSON_INTEGER_FORMAT "%s\n", "message",
                     integer_of(item, "offset"),
                     json_is_true(json_object_get(item->root, "cut"))
                         ? "; cut, it was longer than a report may be"
                         : "");
        if (has(item, "message_hex")) {
            print_hex_message(text_of(item, "message_hex"));
        } else {
            print_text_message(text_of(item, "message"));
        }
    }
}

static void print_whole(const struct book_item *item, int32_t utc_offset_s)
{
    (void)printf("%-10s %" PRIu64 "%s\n", "position", item->position,
                 item->put_back ? " (put back)" : "");
    print_time_field("received", item->time_ns, utc_offset_s);
    print_field("reason", phusa_text_of(item->reason));
    print_field("detail", phusa_text_of(text_of(item, "detail")));
    print_field("station", item->station);
    print_field("topic", item->topic);
    if (item->origin > 0) {
        (void)printf("%-10s record %" PRIu64 "\n", "journal", item->origin);
    }
    print_content(item, utc_offset_s);
}

struct showing {
    const struct quarantine_options *options;
    size_t at; /* the next of the positions */
    bool missing;
};

static void miss(struct showing *showing)
{
    (void)fprintf(stderr, "phusa quarantine: position %" PRIu64 ": nothing was set aside there\n",
                  showing->options->positions[showing->at]);
    showing->at++;
    showing->missing = true;
}

static bool show(void *context, const struct book_item *item)
{
    struct showing *showing = context;
    const struct quarantine_options *options = showing->options;
    while (showing->at < options->position_count &&
           options->positions[showing->at] < item->position) {
        miss(showing);
    }
    if (showing->at < options->position_count &&
        options->positions[showing->at] == item->position) {
        if (options->json) {
            quarantine_print_json(item);
        } else {
            (void)fputs(showing->at > 0 ? "\n" : "", stdout);
            print_whole(item, options->utc_offset_s);
        }
        showing->at++;
    }
    return showing->at < options->position_count;
}

int quarantine_show(const struct book *book, const struct quarantine_options *options)
{
    struct showing showing = { .options = options };
    struct book_filter every = BOOK_FILTER_ALL;
    struct problem problem = { "" };
    every.put_back_too = true;
    if (!book_each(book, &every, options->positions[0], show, &showing, &problem)) {
        (void)fprintf(stderr, "phusa quarantine: %s\n", problem.text);
        return CLI_BAD;
    }
    while (showing.at < options->position_count) {
        miss(&showing);
    }
    return showing.missing ? CLI_BAD : CLI_GOOD;
}
