#include "cli/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/iso_time.h"
#include "phusa/number.h"

#define BAD_LINES_NAMED 20

enum column {
    COLUMN_TIME,
    COLUMN_STATION,
    COLUMN_PARAMETER,
    COLUMN_VALUE,
    COLUMN_STATUS,
    COLUMN_COUNT
};

static const char *const column_names[COLUMN_COUNT] = { "time", "station", "parameter", "value",
                                                        "status" };

struct reading_file {
    const char *path;
    unsigned long line, bad;
    int column_of[COLUMN_COUNT]; /* -1 = not there */
};

/* --- time -------------------------------------------------------------------------- */

bool csv_time(struct phusa_text text, int64_t *ns)
{
    struct phusa_decimal decimal;
    if (text.length > 0 && phusa_decimal_scan(text.data, text.length, &decimal) == text.length) {
        return phusa_decimal_to_nanos(&decimal, ns);
    }
    return iso_time_parse(text, ns);
}

/* --- what spreadsheets and programs add ------------------------------------------------ */

const char *csv_after_mark(const char *header)
{
    static const char mark[] = "\xef\xbb\xbf";
    return header + (strncmp(header, mark, 3) == 0 ? 3 : 0);
}

bool csv_is_missing(struct phusa_text value)
{
    size_t sign = value.length > 0 && value.data[0] == '-' ? 1 : 0;
    return value.length == 0 ||
           (value.length == sign + 3 && strncasecmp(value.data + sign, "nan", 3) == 0);
}

/* --- lines --------------------------------------------------------------------------- */

static struct phusa_text trimmed(const char *begin, const char *end)
{
    while (begin < end && (*begin == ' ' || *begin == '"')) {
        begin++;
    }
    while (end > begin &&
           (end[-1] == ' ' || end[-1] == '"' || end[-1] == '\r' || end[-1] == '\n')) {
        end--;
    }
    return (struct phusa_text){ begin, (size_t)(end - begin) };
}

static int split(const char *line, struct phusa_text fields[CSV_FIELDS_MAX])
{
    int count = 0;
    const char *begin = line;
    for (const char *at = line;; at++) {
        if (*at != ',' && *at != '\0') {
            continue;
        }
        if (count < CSV_FIELDS_MAX) {
            fields[count++] = trimmed(begin, at);
        }
        if (*at == '\0') {
            return count;
        }
        begin = at + 1;
    }
}

static void complain(struct reading_file *file, const char *what)
{
    if (file->bad++ < BAD_LINES_NAMED) {
        (void)fprintf(stderr, "%s:%lu: %s\n", file->path, file->line, what);
    }
}

static bool read_header(struct reading_file *file, const char *line)
{
    struct phusa_text fields[CSV_FIELDS_MAX];
    int count = split(csv_after_mark(line), fields);
    for (int column = 0; column < COLUMN_COUNT; column++) {
        file->column_of[column] = -1;
        for (int i = 0; i < count; i++) {
            if (phusa_text_equal(fields[i], phusa_text_of(column_names[column]))) {
                file->column_of[column] = i;
            }
        }
        if (file->column_of[column] < 0 && column != COLUMN_STATUS) {
            complain(file, "the header must be time,station,parameter,value[,status]");
            return false;
        }
    }
    return true;
}

static struct phusa_text field_of(const struct reading_file *file, const struct phusa_text *fields,
                                  int count, enum column column)
{
    int index = file->column_of[column];
    return index >= 0 && index < count ? fields[index] : (struct phusa_text){ "", 0 };
}

/* NULL, or what is wrong with the line. */
static const char *read_row(const struct reading_file *file, const char *line,
                            const char *(*take)(void *context, const struct csv_row *row),
                            void *context)
{
    struct phusa_text fields[CSV_FIELDS_MAX];
    int count = split(line, fields);
    struct csv_row row = { .sample = { .station = field_of(file, fields, count, COLUMN_STATION),
                                       .parameter =
                                           field_of(file, fields, count, COLUMN_PARAMETER) } };
    struct phusa_text value = field_of(file, fields, count, COLUMN_VALUE);
    struct phusa_text status = field_of(file, fields, count, COLUMN_STATUS);
    if (!csv_time(field_of(file, fields, count, COLUMN_TIME), &row.sample.time_ns)) {
        return "the time is neither seconds since 1970 nor ISO 8601 with an offset";
    }
    row.sample.received_ns = row.sample.time_ns;
    if (file->column_of[COLUMN_VALUE] >= count) {
        return "the line ends before its value";
    }
    if (csv_is_missing(value)) {
        return NULL;
    }
    if (!phusa_double_parse(value.data, value.length, &row.sample.value)) {
        return "the value is no finite number";
    }
    if (status.length > 2 || (status.length == 2 && status.data[0] != '0') ||
        (status.length > 0 &&
         (status.data[status.length - 1] < '0' || status.data[status.length - 1] > '2'))) {
        return "the status is 0, 1 or 2";
    }
    row.sample.state = status.length == 0
                           ? PHUSA_DEVICE_MEASURING
                           : (enum phusa_device_state)(status.data[status.length - 1] - '0');
    return take(context, &row);
}

static void read_lines(struct reading_file *file, FILE *in,
                       const char *(*take)(void *context, const struct csv_row *row), void *context)
{
    char line[CSV_LINE_MAX];
    while (fgets(line, sizeof line, in) != NULL) {
        file->line++;
        if (strchr(line, '\n') == NULL && !feof(in)) {
            complain(file, "the line is too long");
            while (fgets(line, sizeof line, in) != NULL && strchr(line, '\n') == NULL) {
            }
            continue;
        }
        if (file->line == 1) {
            if (!read_header(file, line)) {
                return;
            }
            continue;
        }
        if (line[strspn(line, " \r\n")] == '\0') {
            continue;
        }
        const char *wrong = read_row(file, line, take, context);
        if (wrong != NULL) {
            complain(file, wrong);
        }
    }
}

bool csv_read(const char *path, const char *(*take)(void *context, const struct csv_row *row),
              void *context)
{
    struct reading_file file = { .path = path };
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (in == NULL) {
        perror(path);
        return false;
    }
    read_lines(&file, in, take, context);
    bool failed = ferror(in) != 0;
    if (file.line == 0) {
        file.line = 1;
        complain(&file, "the header must be time,station,parameter,value[,status]");
    }
    if (in != stdin) {
        (void)fclose(in);
    }
    if (file.bad > BAD_LINES_NAMED) {
        (void)fprintf(stderr, "%s: %lu bad lines in all\n", path, file.bad);
    }
    return !failed && file.bad == 0;
}
