/*
 * Memory holds one time and the wanted columns for each row, NaN for "missing":
 * an empty field, NA, NaN, "-", or anything that is no number.
 */
#include "source_replay.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SECOND INT64_C(1000000000)

struct row {
    int64_t time_ns;
    size_t values; /* index of its first value */
};

struct replay_table {
    struct row *rows;
    size_t row_count, row_capacity;
    double *values;
    size_t value_count, value_capacity;
    char *names[REPLAY_COLUMNS_MAX];      /* of the columns kept */
    size_t positions[REPLAY_COLUMNS_MAX]; /* in the file */
    size_t column_count;
};

/* --- times --------------------------------------------------------------------- */

static bool take_digits(const char **at, int count, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (!isdigit((unsigned char)**at)) {
            return false;
        }
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

static bool take_offset(const char **at, int32_t *seconds)
{
    int hours = 0, minutes = 0;
    if (**at == 'Z' || **at == 'z') {
        (*at)++;
        *seconds = 0;
        return true;
    }
    if (**at != '+' && **at != '-') {
        return false;
    }
    int sign = *(*at)++ == '-' ? -1 : 1;
    if (!take_digits(at, 2, &hours)) {
        return false;
    }
    *at += **at == ':';
    if (**at != '\0' && !take_digits(at, 2, &minutes)) {
        return false;
    }
    *seconds = sign * (hours * 3600 + minutes * 60);
    return hours <= 18 && minutes < 60;
}

bool replay_parse_offset(const char *text, int32_t *seconds)
{
    return take_offset(&text, seconds) && *text == '\0';
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* The fraction of a second behind the point, to nanoseconds. */
static int64_t take_fraction(const char **at)
{
    int64_t nanos = 0, digit = SECOND / 10;
    if (**at != '.' && **at != ',') {
        return 0;
    }
    for ((*at)++; isdigit((unsigned char)**at); (*at)++, digit /= 10) {
        nanos += (**at - '0') * digit;
    }
    return nanos;
}

static bool take_clock(const char **at, int64_t *ns)
{
    int hour = 0, minute = 0, second = 0;
    if (!take_digits(at, 2, &hour) || *(*at)++ != ':' || !take_digits(at, 2, &minute)) {
        return false;
    }
    if (**at == ':') {
        (*at)++;
        if (!take_digits(at, 2, &second)) {
            return false;
        }
    }
    *ns = (hour * INT64_C(3600) + minute * INT64_C(60) + second) * SECOND + take_fraction(at);
    return hour < 24 && minute < 60 && second < 61;
}

static bool parse_iso(const char *at, int32_t utc_offset_s, int64_t *ns)
{
    int year = 0, month = 0, day = 0;
    int64_t clock = 0;
    if (!take_digits(&at, 4, &year) || *at++ != '-' || !take_digits(&at, 2, &month) ||
        *at++ != '-' || !take_digits(&at, 2, &day) || month < 1 || month > 12 || day < 1 ||
        day > 31 || (*at != 'T' && *at != ' ')) {
        return false;
    }
    at++;
    int32_t offset = utc_offset_s;
    if (!take_clock(&at, &clock) || (*at != '\0' && !take_offset(&at, &offset)) || *at != '\0') {
        return false;
    }
    *ns = (days_from_civil(year, month, day) * 86400 - offset) * SECOND + clock;
    return year >= 1970 && year < 2262;
}

static bool parse_epoch(const char *at, int64_t *ns)
{
    int64_t seconds = 0;
    const char *begin = at;
    for (; isdigit((unsigned char)*at) && at - begin < 11; at++) {
        seconds = seconds * 10 + (*at - '0');
    }
    if (at == begin || seconds > 9000000000) {
        return false;
    }
    *ns = seconds * SECOND + take_fraction(&at);
    return *at == '\0';
}

bool replay_parse_time(const char *text, int32_t utc_offset_s, int64_t *ns)
{
    return parse_epoch(text, ns) || parse_iso(text, utc_offset_s, ns);
}

/* --- lines --------------------------------------------------------------------- */

/* Cuts the next field off *line, in place, without quotes and outer blanks. NULL at the end. */
static char *next_field(char **line)
{
    char *field = *line;
    if (field == NULL) {
        return NULL;
    }
    while (*field == ' ' || *field == '\t') {
        field++;
    }
    char *end;
    if (*field == '"') {
        end = strchr(++field, '"');
        end = end == NULL ? field + strlen(field) : end;
        char *comma = strchr(end, ',');
        *line = comma == NULL ? NULL : comma + 1;
    } else {
        end = field + strcspn(field, ",");
        *line = *end == '\0' ? NULL : end + 1;
        while (end > field && isspace((unsigned char)end[-1])) {
            end--;
        }
    }
    *end = '\0';
    return field;
}

static double parse_value(const char *field)
{
    char *end = NULL;
    double value = strtod(field, &end);
    return end == field || *end != '\0' || !isfinite(value) ? NAN : value;
}

static bool is_wanted(const char *name, const char *const *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, columns[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool parse_header(struct replay_table *table, char *line, const char *const *columns,
                         size_t count, struct problem *problem)
{
    if (strncmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3; /* byte order mark */
    }
    size_t position = 0;
    (void)next_field(&line); /* the time, whatever its name */
    for (char *name = next_field(&line); name != NULL; name = next_field(&line)) {
        position++;
        if (!is_wanted(name, columns, count) || replay_has_column(table, name)) {
            continue;
        }
        if (table->column_count == REPLAY_COLUMNS_MAX) {
            problem_set(problem, "more than %d columns", REPLAY_COLUMNS_MAX);
            return false;
        }
        table->names[table->column_count] = strdup(name);
        if (table->names[table->column_count] == NULL) {
            problem_set(problem, "out of memory");
            return false;
        }
        table->positions[table->column_count++] = position;
    }
    return true;
}

/* Room for one more row; memory doubles. */
static bool grow(struct replay_table *table)
{
    if (table->row_count == table->row_capacity) {
        size_t capacity = table->row_capacity == 0 ? 1024 : table->row_capacity * 2;
        struct row *rows = realloc(table->rows, capacity * sizeof *rows);
        if (rows == NULL) {
            return false;
        }
        table->rows = rows;
        table->row_capacity = capacity;
    }
    if (table->value_count + table->column_count > table->value_capacity) {
        size_t capacity = table->value_capacity * 2 + table->column_count * 1024;
        double *values = realloc(table->values, capacity * sizeof *values);
        if (values == NULL) {
            return false;
        }
        table->values = values;
        table->value_capacity = capacity;
    }
    return true;
}

static void fill_row(struct replay_table *table, double *values, char *rest)
{
    size_t position = 0, column = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        values[i] = NAN;
    }
    while (column < table->column_count) {
        const char *field = next_field(&rest);
        if (field == NULL) {
            return;
        }
        if (++position == table->positions[column]) {
            values[column++] = parse_value(field);
        }
    }
}

static bool add_row(struct replay_table *table, char *line, int32_t utc_offset_s,
                    struct problem *problem)
{
    int64_t time_ns = 0;
    const char *time = next_field(&line);
    if (!replay_parse_time(time, utc_offset_s, &time_ns)) {
        problem_set(problem,
                    "\"%.40s\" is no time; write epoch seconds or 2012-01-31T00:15:00+07:00", time);
        return false;
    }
    if (table->value_count + table->column_count > REPLAY_CELLS_MAX ||
        table->row_count >= REPLAY_CELLS_MAX) {
        problem_set(problem, "more than %d values", REPLAY_CELLS_MAX);
        return false;
    }
    if (!grow(table)) {
        problem_set(problem, "out of memory");
        return false;
    }
    table->rows[table->row_count++] = (struct row){ time_ns, table->value_count };
    fill_row(table, table->values + table->value_count, line);
    table->value_count += table->column_count;
    return true;
}

/* --- the file ------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    if (left->time_ns != right->time_ns) {
        return left->time_ns < right->time_ns ? -1 : 1;
    }
    return left->values < right->values ? -1 : left->values > right->values;
}

static void sort_rows(struct replay_table *table)
{
    qsort(table->rows, table->row_count, sizeof table->rows[0], compare_rows);
    size_t kept = 0;
    for (size_t i = 0; i < table->row_count; i++) {
        if (kept == 0 || table->rows[i].time_ns != table->rows[kept - 1].time_ns) {
            table->rows[kept++] = table->rows[i];
        }
    }
    table->row_count = kept;
}

static bool read_lines(struct replay_table *table, gzFile file, int32_t utc_offset_s,
                       const char *const *columns, size_t count, size_t *number,
                       struct problem *problem)
{
    char line[REPLAY_LINE_MAX];
    for (*number = 1; gzgets(file, line, sizeof line) != NULL; ++*number) {
        size_t length = strlen(line);
        if (length == sizeof line - 1 && line[length - 1] != '\n') {
            problem_set(problem, "a line of more than %d bytes", REPLAY_LINE_MAX - 2);
            return false;
        }
        line[strcspn(line, "\r\n")] = '\0';
        bool good = *number == 1 ? parse_header(table, line, columns, count, problem)
                                 : line[0] == '\0' || add_row(table, line, utc_offset_s, problem);
        if (!good) {
            return false;
        }
    }
    int code = Z_OK;
    const char *why = gzerror(file, &code);
    if (code != Z_OK && code != Z_STREAM_END) {
        problem_set(problem, "%s", why);
        return false;
    }
    if (table->row_count == 0) {
        problem_set(problem, "no rows; the first line names the columns, the others are rows");
        return false;
    }
    return true;
}

struct replay_table *replay_load(const char *path, int32_t utc_offset_s, const char *const *columns,
                                 size_t column_count, struct problem *problem)
{
    struct replay_table *table = calloc(1, sizeof *table);
    gzFile file = gzopen(path, "rb");
    if (table == NULL || file == NULL) {
        problem_set(problem, "%s: cannot be opened", path);
        free(table);
        if (file != NULL) {
            (void)gzclose(file);
        }
        return NULL;
    }
    struct problem why = { 0 };
    size_t number = 0;
    bool good = read_lines(table, file, utc_offset_s, columns, column_count, &number, &why);
    (void)gzclose(file);
    if (!good) {
        problem_set(problem, "%s:%zu: %.400s", path, number, why.text);
        replay_free(table);
        return NULL;
    }
    sort_rows(table);
    return table;
}

void replay_free(struct replay_table *table)
{
    if (table != NULL) {
        for (size_t i = 0; i < table->column_count; i++) {
            free(table->names[i]);
        }
        free(table->rows);
        free(table->values);
        free(table);
    }
}

/* --- asking ---------------------------------------------------------------------- */

static size_t column_index(const struct replay_table *table, const char *column)
{
    for (size_t i = 0; i < table->column_count; i++) {
        if (strcmp(table->names[i], column) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool replay_has_column(const struct replay_table *table, const char *column)
{
    return column_index(table, column) != SIZE_MAX;
}

int64_t replay_first_ns(const struct replay_table *table)
{
    return table->rows[0].time_ns;
}

int64_t replay_last_ns(const struct replay_table *table)
{
    return table->rows[table->row_count - 1].time_ns;
}

static int compare_steps(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

int64_t replay_step_ns(const struct replay_table *table)
{
    size_t count = table->row_count - 1;
    int64_t *steps = count > 0 ? malloc(count * sizeof *steps) : NULL;
    if (steps == NULL) {
        return SECOND;
    }
    for (size_t i = 0; i < count; i++) {
        steps[i] = table->rows[i + 1].time_ns - table->rows[i].time_ns;
    }
    qsort(steps, count, sizeof *steps, compare_steps);
    int64_t median = steps[count / 2];
    free(steps);
    return median > SECOND ? median : SECOND;
}

/* The first row at or after a time, looked for near the hint first. */
static size_t find_row(const struct replay_table *table, size_t hint, int64_t time_ns)
{
    size_t low = 0, high = table->row_count;
    for (size_t i = hint; i < hint + 2 && i < table->row_count; i++) {
        if (table->rows[i].time_ns >= time_ns && (i == 0 || table->rows[i - 1].time_ns < time_ns)) {
            return i;
        }
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->rows[middle].time_ns < time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct hal_sample sample(void *context, size_t channel, int64_t at_ns)
{
    struct replay_source *source = context;
    const struct replay_table *table = source->table;
    struct hal_sample missing = { .kind = HAL_SAMPLE_MISSING };
    size_t column = source->columns[channel];
    if (column == SIZE_MAX) {
        return missing;
    }
    size_t row = find_row(table, source->hint, at_ns - REPLAY_MATCH_NS);
    if (row == table->row_count || table->rows[row].time_ns > at_ns + REPLAY_MATCH_NS) {
        return missing;
    }
    source->hint = row;
    double value = table->values[table->rows[row].values + column];
    return isnan(value) ? missing : (struct hal_sample){ .kind = HAL_SAMPLE_VALUE, .value = value };
}

void replay_source_init(struct replay_source *source, const struct replay_table *table,
                        const char *const *columns, size_t channel_count)
{
    *source = (struct replay_source){ .table = table };
    for (size_t i = 0; i < REPLAY_CHANNELS_MAX; i++) {
        source->columns[i] = i < channel_count ? column_index(table, columns[i]) : SIZE_MAX;
    }
}

struct hal_sensors replay_sensors(struct replay_source *source)
{
    return (struct hal_sensors){ .context = source, .sample = sample };
}
