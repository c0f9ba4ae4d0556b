#include "cli/alarms.h"

#include <string.h>

#include "settings/display.h"

#define TIME_CHARS  16 /* "2026-03-01 06:00" */
#define VALUE_CHARS 64 /* a value with its unit */
#define VALUE_WIDTH 12

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* "2026-03-01 06:00" local, "-" for null. */
static const char *time_of(const json_t *object, const char *key, int32_t utc_offset_s,
                           char text[CLI_TIME_MAX])
{
    double seconds = number_of(object, key);
    if (seconds <= 0) {
        return "-";
    }
    cli_local_time((int64_t)seconds * SECOND_NS, utc_offset_s, text);
    text[TIME_CHARS] = '\0';
    char *mark = strchr(text, 'T');
    if (mark != NULL) {
        *mark = ' ';
    }
    return text;
}

/* "2092 s", "4.3", "-" for null. */
static const char *value_of(const json_t *object, char text[VALUE_CHARS])
{
    struct phusa_text unit = display_unit(phusa_text_of(text_of(object, "unit")));
    const json_t *value = json_object_get(object, "value");
    if (!json_is_number(value)) {
        return "-";
    }
    (void)snprintf(text, VALUE_CHARS, "%.6g%s%.*s", json_number_value(value),
                   unit.length > 0 ? " " : "", (int)unit.length, unit.data);
    return text;
}

/* Characters of UTF-8, for columns. */
static int characters(const char *text)
{
    int count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xC0) != 0x80 ? 1 : 0;
    }
    return count;
}

/* Counts are whole numbers. */
static bool is_one(double count)
{
    return count > 0.5 && count < 1.5;
}

/* "1 alarm", "2 alarms" */
static const char *plural(double count)
{
    return is_one(count) ? "" : "s";
}

static int width_of(const json_t *list, const char *key, int least)
{
    int width = least;
    for (size_t i = 0; i < json_array_size(list); i++) {
        int length = (int)strlen(text_of(json_array_get(list, i), key));
        width = length > width ? length : width;
    }
    return width;
}

static void print_more(const json_t *root)
{
    if (json_is_true(json_object_get(root, "more"))) {
        (void)fputs("phusa alarms: there is more: narrow it with --from, --rule or --station\n",
                    stderr);
    }
    if (json_is_false(json_object_get(root, "whole"))) {
        (void)fputs("phusa alarms: the list is not whole: it could not be read to its end\n",
                    stderr);
    }
}

void alarms_print_list(const json_t *root, int32_t utc_offset_s)
{
    const json_t *list = json_object_get(root, "alarms");
    int rule = width_of(list, "rule", 4), station = width_of(list, "station", 7);
    if (json_array_size(list) == 0) {
        (void)puts("no alarms");
        return;
    }
    (void)printf("%-5s  %-8s  %-*s  %-*s  %-16s  %*s\n", "STATE", "SEVERITY", rule, "RULE", station,
                 "STATION", "SINCE", VALUE_WIDTH, "VALUE");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *alarm = json_array_get(list, i);
        char since[CLI_TIME_MAX], until[CLI_TIME_MAX], text[VALUE_CHARS];
        const char *value = value_of(alarm, text);
        int blanks = VALUE_WIDTH - characters(value);
        (void)printf("%-5s  %-8s  %-*s  %-*s  %-16s  %*s%s%s", text_of(alarm, "state"),
                     text_of(alarm, "severity"), rule, text_of(alarm, "rule"), station,
                     text_of(alarm, "station"), time_of(alarm, "since", utc_offset_s, since),
                     blanks > 0 ? blanks : 0, "", value,
                     json_is_true(json_object_get(alarm, "flapping")) ? "  flapping" : "");
        if (number_of(alarm, "shelved_until") > 0) {
            (void)printf("  until %s", time_of(alarm, "shelved_until", utc_offset_s, until));
        }
        (void)putchar('\n');
    }
}

static void print_event(const json_t *event, int rule, int station, int32_t utc_offset_s)
{
    char time[CLI_TIME_MAX], until[CLI_TIME_MAX], value[VALUE_CHARS];
    const char *what = text_of(event, "event");
    (void)printf("%-16s  %-*s  %-*s  ", time_of(event, "time", utc_offset_s, time), rule,
                 text_of(event, "rule"), station, text_of(event, "station"));
    if (strcmp(what, "state") == 0) {
        (void)printf("%s -> %s  %s%s%s", text_of(event, "from"), text_of(event, "to"),
                     value_of(event, value),
                     json_is_true(json_object_get(event, "told")) ? "" : "  (not told)",
                     json_is_true(json_object_get(event, "historical")) ? "  (history)" : "");
    } else {
        (void)printf("%s", what);
    }
    if (number_of(event, "until") > 0) {
        (void)printf(" until %s", time_of(event, "until", utc_offset_s, until));
    }
    if (text_of(event, "who")[0] != '\0') {
        (void)fputs(" by ", stdout);
        cli_print_plain(stdout, phusa_text_of(text_of(event, "who")));
    }
    if (text_of(event, "text")[0] != '\0') {
        (void)fputs(": ", stdout);
        cli_print_plain(stdout, phusa_text_of(text_of(event, "text")));
    }
    (void)putchar('\n');
}

void alarms_print_history(const json_t *root, int32_t utc_offset_s)
{
    const json_t *list = json_object_get(root, "events");
    int rule = width_of(list, "rule", 4), station = width_of(list, "station", 7);
    if (json_array_size(list) == 0) {
        (void)puts("nothing happened");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        print_event(json_array_get(list, i), rule, station, utc_offset_s);
    }
    print_more(root);
}

static void print_top(const char *title, const json_t *list)
{
    int rule = width_of(list, "rule", 4), station = width_of(list, "station", 7);
    if (json_array_size(list) == 0) {
        return;
    }
    (void)printf("\n%s\n", title);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *series = json_array_get(list, i);
        (void)printf("  %-*s  %-*s  %6.0f alarm%s, active %.1f h at the longest%s\n", rule,
                     text_of(series, "rule"), station, text_of(series, "station"),
                     number_of(series, "raises"), plural(number_of(series, "raises")),
                     number_of(series, "longest_s") / 3600,
                     json_is_true(json_object_get(series, "active")) ? ", still" : "");
    }
}

void alarms_print_load(const json_t *root, int32_t utc_offset_s)
{
    char from[CLI_TIME_MAX], to[CLI_TIME_MAX], worst[CLI_TIME_MAX];
    const json_t *each = json_object_get(root, "per_operator_and_ten_minutes");
    const json_t *shares = json_object_get(root, "shares");
    (void)printf("%s to %s, %.0f operator%s\n", time_of(root, "from", utc_offset_s, from),
                 time_of(root, "to", utc_offset_s, to), number_of(root, "operators"),
                 plural(number_of(root, "operators")));
    (void)printf("alarms                          %8.0f\n", number_of(root, "alarms"));
    (void)printf("an operator in ten minutes      %8.3f   (EEMUA 191: manageable up to %.0f)\n",
                 number_of(each, "mean"), number_of(each, "manageable"));
    (void)printf("ten minutes with a flood        %8.0f   of %.0f (%.0f or more an operator)\n",
                 number_of(each, "flooded"), number_of(root, "ten_minutes"),
                 number_of(each, "flood"));
    (void)printf("worst ten minutes               %8.0f   at %s\n",
                 number_of(json_object_get(root, "worst"), "alarms"),
                 time_of(json_object_get(root, "worst"), "time", utc_offset_s, worst));
    (void)printf("high / medium / low priority    %4.0f / %.0f / %.0f %%   (EEMUA 191: about "
                 "5 / 15 / 80)\n",
                 100 * number_of(shares, "high"), 100 * number_of(shares, "medium"),
                 100 * number_of(shares, "low"));
    print_top("most frequent", json_object_get(root, "most_frequent"));
    print_top("longest standing", json_object_get(root, "longest_standing"));
}

/* What failed last, or else what its gateway said of it. */
static void print_outcome(const json_t *message)
{
    const json_t *report = json_object_get(message, "report");
    const char *problem = text_of(message, "problem");
    if (problem[0] != '\0') {
        (void)puts(problem);
    } else if (json_is_string(report)) {
        (void)printf("reported \"%s\"\n", json_string_value(report));
    } else {
        (void)puts(report == NULL ? "" : "no report yet");
    }
}

void alarms_print_messages(const json_t *root, int32_t utc_offset_s)
{
    const json_t *list = json_object_get(root, "messages");
    int rule = width_of(list, "rule", 4), station = width_of(list, "station", 7);
    int channel = width_of(list, "channel", 7), recipient = width_of(list, "recipient", 9);
    if (json_array_size(list) == 0) {
        (void)puts("no messages");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *message = json_array_get(list, i);
        char created[CLI_TIME_MAX];
        (void)printf("%8.0f  %-16s  %-*s  %-*s  %-9s  %-8s  %-*s  %-*s  %.0f %s  ",
                     number_of(message, "id"), time_of(message, "created", utc_offset_s, created),
                     channel, text_of(message, "channel"), recipient, text_of(message, "recipient"),
                     text_of(message, "state"), text_of(message, "to"), rule,
                     text_of(message, "rule"), station, text_of(message, "station"),
                     number_of(message, "tries"),
                     is_one(number_of(message, "tries")) ? "try" : "tries");
        print_outcome(message);
    }
    print_more(root);
}
