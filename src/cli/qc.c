/* phusa qc: the quality tests over one series, as a table. */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "cli/csv.h"
#include "phusa/number.h"
#include "quality/qartod.h"
#include "settings/load_qc.h"

#define ROWS_MAX        (1u << 26) /* of one table */
#define BAD_LINES_NAMED 20
#define QC_HEADER       "time,value,gross,spike,rate,flat_line,attenuated,aggregate"

/* What was read; texts are kept as they came, to be printed so. */
struct table {
    int64_t *times;
    double *values;
    char **texts; /* "TIME,VALUE", from the heap */
    size_t count, capacity;
    unsigned long line, bad, beyond; /* beyond: values that no double holds */
    bool failed;                     /* out of memory, more than ROWS_MAX, or not readable */
    int time_column, value_column;
};

static void print_usage(FILE *out)
{
    (void)fputs("usage: phusa qc --tests FILE < CSV\n"
                "  -t, --tests FILE  the tests' limits, as qc : { ... };\n"
                "  -h, --help        print this\n"
                "CSV has the header time,value; time in seconds since 1970 or ISO 8601 with an "
                "offset, not\n"
                "going down; an empty value or NaN is a missing one. Prints\n" QC_HEADER "\n"
                "with QARTOD's flags: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing.\n",
                out);
}

static void name_line(const struct table *table, unsigned long before, const char *what)
{
    if (before < BAD_LINES_NAMED) {
        (void)fprintf(stderr, "phusa qc: line %lu: %s\n", table->line, what);
    }
}

static void complain(struct table *table, const char *what)
{
    name_line(table, table->bad++, what);
}

/* ---- reading ---- */

static struct phusa_text trimmed(const char *begin, const char *end)
{
    while (begin < end && strchr(" \t\"", *begin) != NULL) {
        begin++;
    }
    while (end > begin && strchr(" \t\"\r\n", end[-1]) != NULL) {
        end--;
    }
    return (struct phusa_text){ begin, (size_t)(end - begin) };
}

/* The field of that number; false if the line ends before it. */
static bool field(const char *line, int number, struct phusa_text *text)
{
    for (int i = 0; i < number; i++) {
        line = strchr(line, ',');
        if (line == NULL) {
            return false;
        }
        line++;
    }
    *text = trimmed(line, line + strcspn(line, ","));
    return true;
}

static int find_column(const char *header, const char *name)
{
    struct phusa_text text;
    for (int i = 0; field(header, i, &text); i++) {
        if (phusa_text_equal(text, phusa_text_of(name))) {
            return i;
        }
    }
    return -1;
}

static bool read_header(struct table *table, const char *line)
{
    line = csv_after_mark(line);
    table->time_column = find_column(line, "time");
    table->value_column = find_column(line, "value");
    if (table->time_column < 0 || table->value_column < 0) {
        complain(table, "the header must be time,value");
        return false;
    }
    return true;
}

static bool is_word(struct phusa_text text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.data, word, text.length) == 0;
}

/* NaN for what is missing; infinities stay what they are, and are missing, too. */
static bool read_value(struct phusa_text text, double *value)
{
    if (csv_is_missing(text)) {
        *value = (double)NAN;
        return true;
    }
    bool minus = text.data[0] == '-';
    struct phusa_text bare = { text.data + minus, text.length - minus };
    if (is_word(bare, "inf") || is_word(bare, "infinity")) {
        *value = minus ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    return phusa_double_parse(text.data, text.length, value);
}

/* A number like 1e400. */
static bool is_beyond(struct phusa_text text)
{
    char *end;
    if (text.length == 0 || strspn(text.data, "+-.0123456789eE") < text.length) {
        return false;
    }
    return isinf(strtod(text.data, &end)) && end == text.data + text.length;
}

static bool make_room(struct table *table)
{
    if (table->count < table->capacity) {
        return true;
    }
    size_t capacity = table->capacity == 0 ? 4096 : table->capacity * 2;
    if (capacity > ROWS_MAX) {
        return false;
    }
    int64_t *times = realloc(table->times, capacity * sizeof *times);
    if (times == NULL) {
        return false;
    }
    table->times = times;
    double *values = realloc(table->values, capacity * sizeof *values);
    if (values == NULL) {
        return false;
    }
    table->values = values;
    char **texts = realloc(table->texts, capacity * sizeof *texts);
    if (texts == NULL) {
        return false;
    }
    table->texts = texts;
    table->capacity = capacity;
    return true;
}

static void read_row(struct table *table, const char *line)
{
    struct phusa_text time, value;
    int64_t ns;
    double number;
    if (!field(line, table->time_column, &time) || !field(line, table->value_column, &value)) {
        complain(table, "the line ends before its value");
        return;
    }
    if (!csv_time(time, &ns)) {
        complain(table, "the time is neither seconds since 1970 nor ISO 8601 with an offset");
        return;
    }
    if (is_beyond(value)) {
        number = NAN;
        name_line(table, table->beyond++, "the value is beyond all numbers; taken as missing");
    } else if (!read_value(value, &number)) {
        complain(table, "the value is no number");
        return;
    }
    if (table->count > 0 && ns < table->times[table->count - 1]) {
        complain(table, "the time is before that of the row above; sort the rows by time");
        return;
    }
    char *text = NULL;
    if (!make_room(table) || asprintf(&text, "%.*s,%.*s", (int)time.length, time.data,
                                      (int)value.length, value.data) < 0) {
        table->failed = true;
        return;
    }
    table->times[table->count] = ns;
    table->values[table->count] = number;
    table->texts[table->count++] = text;
}

static void pass_over_line(FILE *in, char *line, size_t size)
{
    while (fgets(line, (int)size, in) != NULL && strchr(line, '\n') == NULL) {
    }
}

static void read_table(struct table *table, FILE *in)
{
    char line[CSV_LINE_MAX];
    while (!table->failed && fgets(line, sizeof line, in) != NULL) {
        table->line++;
        if (strchr(line, '\n') == NULL && !feof(in)) {
            complain(table, "the line is too long");
            pass_over_line(in, line, sizeof line);
        } else if (table->line == 1) {
            if (!read_header(table, line)) {
                return;
            }
        } else if (line[strspn(line, " \r\n")] != '\0') {
            read_row(table, line);
        }
    }
    if (table->line == 0) {
        table->line = 1;
        complain(table, "the header must be time,value");
    }
    table->failed |= ferror(in) != 0;
}

static void free_table(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->texts[i]);
    }
    free(table->texts);
    free(table->times);
    free(table->values);
}

/* ---- judging ---- */

/* The median of the differences between neighbours, for which the caller gives the room. */
static int64_t median_step(const struct table *table, int64_t *room)
{
    for (size_t i = 1; i < table->count; i++) {
        room[i - 1] = table->times[i] - table->times[i - 1];
    }
    return qartod_median(room, table->count == 0 ? 0 : table->count - 1);
}

static void print_flags(const struct table *table, const struct qartod_flags *flags)
{
    (void)puts(QC_HEADER);
    for (size_t i = 0; i < table->count; i++) {
        (void)printf("%s,%u,%u,%u,%u,%u,%u\n", table->texts[i], flags[i].gross, flags[i].spike,
                     flags[i].rate, flags[i].flat_line, flags[i].attenuated, flags[i].aggregate);
    }
}

static bool judge(const struct qc_settings *qc, const struct table *table)
{
    size_t room = table->count == 0 ? 1 : table->count;
    int64_t *steps = malloc(room * sizeof *steps);
    struct qartod_flags *flags = malloc(room * sizeof *flags);
    bool good = steps != NULL && flags != NULL;
    if (good) {
        qartod_batch(qc, median_step(table, steps), table->times, table->values, table->count,
                     flags);
        print_flags(table, flags);
    }
    free(flags);
    free(steps);
    return good;
}

static bool load_tests(const char *file, struct qc_settings *qc)
{
    struct settings_errors errors = { 0 };
    enum settings_status status = load_qc_file(file, qc, &errors);
    if (status == SETTINGS_NO_MEMORY) {
        (void)fputs("phusa qc: out of memory\n", stderr);
    }
    settings_errors_print(&errors, stderr);
    settings_errors_clear(&errors);
    return status == SETTINGS_OK;
}

static int run(const char *file)
{
    struct qc_settings qc;
    struct table table = { 0 };
    if (!load_tests(file, &qc)) {
        return CLI_BAD;
    }
    read_table(&table, stdin);
    if (table.bad > BAD_LINES_NAMED) {
        (void)fprintf(stderr, "phusa qc: %lu bad lines in all\n", table.bad);
    }
    if (table.beyond > BAD_LINES_NAMED) {
        (void)fprintf(stderr, "phusa qc: %lu values beyond all numbers in all\n", table.beyond);
    }
    bool good = table.bad == 0 && !table.failed;
    if (table.failed || (good && !judge(&qc, &table))) {
        (void)fprintf(stderr, "phusa qc: line %lu: not readable, or out of memory\n", table.line);
        good = false;
    }
    free_table(&table);
    return good && table.beyond == 0 ? CLI_GOOD : CLI_BAD;
}

int cli_qc(int argc, char **argv)
{
    static const struct option known[] = {
        { "tests", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *tests = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "t:h", known, NULL)) != -1) {
        if (option == 't') {
            tests = optarg;
        } else {
            print_usage(option == 'h' ? stdout : stderr);
            return option == 'h' ? CLI_GOOD : CLI_USAGE;
        }
    }
    if (tests == NULL || optind != argc) {
        print_usage(stderr);
        return CLI_USAGE;
    }
    return run(tests);
}
