#include "cli/calc_csv.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "phusa/number.h"

#define ABSENT SIZE_MAX

struct calc_csv {
    struct calc_csv_plan plan;
    size_t cell_of[CALC_CSV_COLUMNS_MAX]; /* the column's place in the table, or ABSENT */
    size_t width;                         /* columns of the table */
    unsigned long line, refused, messages;
    size_t count; /* cells of the row */
    struct phusa_text cells[CALC_CSV_CELLS_MAX];
    const char *ending; /* of the line, which is the results' too */
    size_t length;      /* of the line without its ending */
    bool cut;           /* the line goes on in the input */
    char text[CALC_CSV_LINE_MAX];
};

/* --- messages -------------------------------------------------------------------------- */

void calc_csv_remark(struct calc_csv *csv, const char *what)
{
    if (csv->messages++ < CALC_CSV_MESSAGES_MAX) {
        (void)fprintf(stderr, "phusa %s: line %lu: %s\n", csv->plan.command, csv->line, what);
    }
}

void calc_csv_refuse(struct calc_csv *csv, const char *why)
{
    csv->refused++;
    calc_csv_remark(csv, why);
}

/* --- lines ------------------------------------------------------------------------------ */

/* Reads a line, or of a longer one the first CALC_CSV_LINE_MAX bytes; false at the end. */
static bool take_line(struct calc_csv *csv)
{
    int byte = getc(csv->plan.in);
    if (byte == EOF) {
        return false;
    }
    csv->line++;
    for (csv->length = 0; byte != EOF && byte != '\n'; byte = getc(csv->plan.in)) {
        csv->text[csv->length++] = (char)byte;
        if (csv->length == CALC_CSV_LINE_MAX) {
            csv->cut = true;
            return true;
        }
    }
    csv->cut = false;
    csv->ending = "\n";
    if (csv->length > 0 && csv->text[csv->length - 1] == '\r') {
        csv->ending = "\r\n";
        csv->length--;
    }
    return true;
}

/* Passes the rest of a cut line through. */
static void finish_line(struct calc_csv *csv)
{
    int byte;
    while ((byte = getc(csv->plan.in)) != EOF && byte != '\n') {
        (void)putc(byte, csv->plan.out);
    }
    csv->cut = false;
    csv->ending = "\n";
}

static bool blank(const struct calc_csv *csv)
{
    for (size_t i = 0; i < csv->length; i++) {
        if (csv->text[i] != ' ' && csv->text[i] != '\t') {
            return false;
        }
    }
    return !csv->cut;
}

/* --- cells ------------------------------------------------------------------------------- */

static struct phusa_text trimmed(const char *begin, const char *end)
{
    while (begin < end && (*begin == ' ' || *begin == '\t')) {
        begin++;
    }
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return (struct phusa_text){ begin, (size_t)(end - begin) };
}

static struct phusa_text unquoted(struct phusa_text cell)
{
    const char *end = cell.data + cell.length;
    bool quoted = cell.length >= 2 && *cell.data == '"' && end[-1] == '"';
    return quoted ? trimmed(cell.data + 1, end - 1) : cell;
}

static void add_cell(struct calc_csv *csv, const char *begin, const char *end)
{
    if (csv->count < CALC_CSV_CELLS_MAX) {
        csv->cells[csv->count] = unquoted(trimmed(begin, end));
    }
    csv->count++;
}

/* A comma between double quotes parts nothing. False if a quote is not closed. */
static bool split(struct calc_csv *csv)
{
    const char *begin = csv->text, *end = csv->text + csv->length;
    bool quoted = false;
    csv->count = 0;
    for (const char *at = begin; at < end; at++) {
        if (*at == '"') {
            quoted = !quoted;
        } else if (*at == ',' && !quoted) {
            add_cell(csv, begin, at);
            begin = at + 1;
        }
    }
    add_cell(csv, begin, end);
    return !quoted;
}

/* --- the header ---------------------------------------------------------------------------- */

static bool complain(const struct calc_csv *csv, const char *what, const char *name)
{
    (void)fprintf(stderr, "phusa %s: the header %s \"%s\"\n", csv->plan.command, what, name);
    return false;
}

static bool find_column(struct calc_csv *csv, size_t column)
{
    const struct calc_csv_column *wanted = &csv->plan.columns[column];
    csv->cell_of[column] = ABSENT;
    for (size_t i = 0; i < csv->count; i++) {
        if (!phusa_text_equal(csv->cells[i], phusa_text_of(wanted->name))) {
            continue;
        }
        if (csv->cell_of[column] != ABSENT) {
            return complain(csv, "has twice the column", wanted->name);
        }
        csv->cell_of[column] = i;
    }
    return csv->cell_of[column] != ABSENT || !wanted->required ||
           complain(csv, "(names parted by commas) lacks the column", wanted->name);
}

/* A reader by name would take either. */
static void warn_of_namesakes(const struct calc_csv *csv)
{
    for (size_t r = 0; r < csv->plan.result_count; r++) {
        for (size_t i = 0; i < csv->count; i++) {
            if (phusa_text_equal(csv->cells[i], phusa_text_of(csv->plan.results[r]))) {
                (void)complain(csv, "already has the column; the result is the last one called",
                               csv->plan.results[r]);
            }
        }
    }
}

static bool read_header(struct calc_csv *csv)
{
    static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8, as spreadsheets write it */
    if (!take_line(csv) || blank(csv)) {
        return complain(csv, "must be the first line and name", csv->plan.columns[0].name);
    }
    if (csv->cut || !split(csv) || csv->count > CALC_CSV_CELLS_MAX) {
        (void)fprintf(stderr,
                      "phusa %s: the header is longer than %d bytes or %d columns, or a quote "
                      "is not closed\n",
                      csv->plan.command, CALC_CSV_LINE_MAX, CALC_CSV_CELLS_MAX);
        return false;
    }
    if (csv->length >= 3 && memcmp(csv->text, mark, 3) == 0) {
        const char *end = csv->cells[0].data + csv->cells[0].length;
        csv->cells[0] = unquoted(trimmed(csv->text + 3, end));
    }
    csv->width = csv->count;
    for (size_t column = 0; column < csv->plan.column_count; column++) {
        if (!find_column(csv, column)) {
            return false;
        }
    }
    return true;
}

struct calc_csv *calc_csv_open(const struct calc_csv_plan *plan)
{
    struct calc_csv *csv = calloc(1, sizeof *csv);
    if (csv == NULL) {
        (void)fprintf(stderr, "phusa %s: out of memory\n", plan->command);
        return NULL;
    }
    csv->plan = *plan;
    if (!read_header(csv)) {
        free(csv);
        return NULL;
    }
    return csv;
}

void calc_csv_free(struct calc_csv *csv)
{
    free(csv);
}

void calc_csv_begin(struct calc_csv *csv)
{
    struct phusa_text names[CALC_CSV_COLUMNS_MAX];
    warn_of_namesakes(csv);
    for (size_t i = 0; i < csv->plan.result_count; i++) {
        names[i] = phusa_text_of(csv->plan.results[i]);
    }
    calc_csv_write(csv, names);
}

bool calc_csv_has(const struct calc_csv *csv, size_t column)
{
    return csv->cell_of[column] != ABSENT;
}

/* --- rows ----------------------------------------------------------------------------------- */

static const char *misfit(struct calc_csv *csv)
{
    if (csv->cut) {
        return "the line is too long";
    }
    if (!split(csv)) {
        return "a quote is not closed";
    }
    return csv->count > csv->width ? "more cells than the header has columns" : NULL;
}

bool calc_csv_next(struct calc_csv *csv)
{
    while (take_line(csv)) {
        if (blank(csv)) {
            (void)fprintf(csv->plan.out, "%.*s%s", (int)csv->length, csv->text, csv->ending);
            continue;
        }
        const char *why = misfit(csv);
        if (why == NULL) {
            return true;
        }
        calc_csv_refuse(csv, why);
        csv->count = csv->width; /* nothing to fill up */
        calc_csv_write(csv, NULL);
    }
    return false;
}

struct phusa_text calc_csv_cell(const struct calc_csv *csv, size_t column)
{
    size_t index = csv->cell_of[column]; /* ABSENT is beyond any count */
    return index < csv->count ? csv->cells[index] : (struct phusa_text){ "", 0 };
}

enum calc_cell calc_csv_number(const struct calc_csv *csv, size_t column, double *value)
{
    struct phusa_text cell = calc_csv_cell(csv, column);
    if (cell.length == 0) {
        return CALC_CELL_EMPTY;
    }
    return phusa_double_parse(cell.data, cell.length, value) ? CALC_CELL_NUMBER : CALC_CELL_BAD;
}

void calc_csv_write(struct calc_csv *csv, const struct phusa_text *results)
{
    FILE *out = csv->plan.out;
    (void)fwrite(csv->text, 1, csv->length, out);
    if (csv->cut) {
        finish_line(csv);
    }
    for (size_t i = csv->count; i < csv->width; i++) { /* a short row: results keep their column */
        (void)putc(',', out);
    }
    for (size_t i = 0; i < csv->plan.result_count; i++) {
        (void)putc(',', out);
        if (results != NULL) {
            (void)fwrite(results[i].data, 1, results[i].length, out);
        }
    }
    (void)fputs(csv->ending, out);
}

int calc_csv_finish(struct calc_csv *csv)
{
    const char *command = csv->plan.command;
    if (csv->messages > CALC_CSV_MESSAGES_MAX) {
        (void)fprintf(stderr, "phusa %s: %lu messages in all; %lu rows not computed\n", command,
                      csv->messages, csv->refused);
    }
    bool unread = ferror(csv->plan.in) != 0;
    bool unwritten = fflush(csv->plan.out) != 0 || ferror(csv->plan.out) != 0;
    if (unread || unwritten) {
        (void)fprintf(stderr, "phusa %s: %s failed\n", command, unread ? "reading" : "writing");
    }
    return unread || unwritten || csv->refused > 0 ? CLI_BAD : CLI_GOOD;
}
