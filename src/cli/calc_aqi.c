/*
 * phusa calc vn-aqi: the Vietnamese air quality index of each hour, or of each day, of a table of
 * hourly means on stdin; or of one hour, from options. See quality/vn_aqi.h.
 *
 * The rows of a table are in order of time, and hours that it lacks are missing. Only the hours
 * that NowCast or a day needs are kept, so a table may be of any length.
 */
#include <getopt.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "cli/calc.h"
#include "cli/calc_csv.h"
#include "cli/cli.h"
#include "cli/csv.h"
#include "phusa/number.h"
#include "quality/vn_aqi.h"

#define COMMAND        "calc vn-aqi"
#define HOUR_NS        (INT64_C(3600) * SECOND_NS)
#define LOCAL_OFFSET   "+07:00" /* of times without one, and of days */
#define LOCAL_OFFSET_H 7
#define DAYS_COVERAGE  0.75 /* ours: the Decision names no least number of hours */
#define COLUMN_TIME    VN_AQI_POLLUTANTS
#define COLUMNS        (VN_AQI_POLLUTANTS + 1)
#define TIME_CHARS     64
#define HOUR_RESULTS   (VN_AQI_PM + VN_AQI_POLLUTANTS + 2)

enum option_code { OPTION_CSV = 256, OPTION_NOWCAST, OPTION_DAILY, OPTION_COVERAGE, OPTION_VALUES };

struct task {
    bool csv, daily, any_value;
    enum vn_aqi_form form;
    double coverage;
    double values[VN_AQI_POLLUTANTS]; /* NowCasts and 1 h means */
};

/* --- printing -------------------------------------------------------------------------- */

/* Results of one row, each with its text. */
struct results {
    size_t count;
    struct phusa_text texts[HOUR_RESULTS];
    char numbers[HOUR_RESULTS][PHUSA_DOUBLE_CHARS];
};

static void add_text(struct results *results, const char *text)
{
    results->texts[results->count++] = phusa_text_of(text);
}

/* NaN is an empty cell. */
static void add_number(struct results *results, double value)
{
    char *number = results->numbers[results->count];
    size_t length = isfinite(value) ? phusa_double_print(value, number) : 0;
    results->texts[results->count++] = (struct phusa_text){ number, length };
}

static void add_index(struct results *results, int index)
{
    add_number(results, index == VN_AQI_NONE ? (double)NAN : (double)index);
}

static void add_aqi(struct results *results, const struct vn_aqi *aqi)
{
    for (int i = 0; i < VN_AQI_POLLUTANTS; i++) {
        add_index(results, aqi->sub[i]);
    }
    add_index(results, aqi->index);
    add_text(results, aqi->index == VN_AQI_NONE ? "" : vn_aqi_name(aqi->dominant));
}

static void hour_results(const double values[VN_AQI_POLLUTANTS], struct results *results)
{
    struct vn_aqi aqi = vn_aqi_of_hour(values);
    results->count = 0;
    add_number(results, values[VN_AQI_PM25]);
    add_number(results, values[VN_AQI_PM10]);
    add_aqi(results, &aqi);
}

static const char *const hour_names[HOUR_RESULTS] = { "nowcast_pm25", "nowcast_pm10", "aqi_pm25",
                                                      "aqi_pm10",     "aqi_o3",       "aqi_no2",
                                                      "aqi_so2",      "aqi_co",       "aqi_hour",
                                                      "dominant" };

/* --- rows ------------------------------------------------------------------------------ */

static const struct calc_csv_column columns[COLUMNS] = {
    [VN_AQI_PM25] = { "pm25", false }, [VN_AQI_PM10] = { "pm10", false },
    [VN_AQI_O3] = { "o3", false },     [VN_AQI_NO2] = { "no2", false },
    [VN_AQI_SO2] = { "so2", false },   [VN_AQI_CO] = { "co", false },
    [COLUMN_TIME] = { "time", true },
};

struct row {
    int64_t hour; /* since 1970, UTC */
    double values[VN_AQI_POLLUTANTS];
};

/* What was read so far. */
struct table {
    struct calc_csv *csv;
    bool any;
    int64_t hour; /* of the row before */
};

/* An ISO 8601 time without an offset is local. */
static bool read_time(struct phusa_text text, int64_t *ns)
{
    char local[TIME_CHARS];
    if (csv_time(text, ns)) {
        return true;
    }
    int length = text.length < TIME_CHARS ? snprintf(local, sizeof local, "%.*s" LOCAL_OFFSET,
                                                     (int)text.length, text.data)
                                          : TIME_CHARS;
    return length < TIME_CHARS && csv_time(phusa_text_of(local), ns);
}

/* NULL, or why the row's time does not do. */
static const char *read_hour(struct table *table, int64_t *hour)
{
    int64_t ns;
    if (!read_time(calc_csv_cell(table->csv, COLUMN_TIME), &ns)) {
        return "the time is neither seconds since 1970 nor ISO 8601";
    }
    if (ns % HOUR_NS != 0) {
        return "the time is not a full hour";
    }
    *hour = ns / HOUR_NS;
    if (table->any && *hour <= table->hour) {
        return *hour == table->hour ? "this hour was there before"
                                    : "the hour is before that of an earlier line";
    }
    table->any = true;
    table->hour = *hour;
    return NULL;
}

/* The row's hour and values; false, having refused it, if it has none that can be used. */
static bool read_row(struct table *table, struct row *row)
{
    char message[80];
    const char *why = read_hour(table, &row->hour);
    for (unsigned i = 0; i < VN_AQI_POLLUTANTS && why == NULL; i++) {
        switch (calc_csv_number(table->csv, i, &row->values[i])) {
        case CALC_CELL_NUMBER:
            if (row->values[i] < 0) {
                (void)snprintf(message, sizeof message, "%s is negative: taken as missing",
                               columns[i].name);
                calc_csv_remark(table->csv, message);
            }
            break;
        case CALC_CELL_EMPTY:
            row->values[i] = NAN;
            break;
        case CALC_CELL_BAD:
            (void)snprintf(message, sizeof message, "%s is no finite number", columns[i].name);
            why = message;
            break;
        }
    }
    if (why != NULL) {
        calc_csv_refuse(table->csv, why);
    }
    return why == NULL;
}

static struct calc_csv *open_table(FILE *out)
{
    struct calc_csv_plan plan = { .command = COMMAND,
                                  .in = stdin,
                                  .out = out,
                                  .columns = columns,
                                  .column_count = COLUMNS,
                                  .results = hour_names,
                                  .result_count = HOUR_RESULTS };
    struct calc_csv *csv = calc_csv_open(&plan);
    if (csv != NULL && !calc_csv_has(csv, VN_AQI_PM25) && !calc_csv_has(csv, VN_AQI_PM10)) {
        (void)fputs("phusa " COMMAND ": the header names neither pm25 nor pm10, and without "
                    "either there is no index\n",
                    stderr);
        calc_csv_free(csv);
        return NULL;
    }
    return csv;
}

/* --- hours ----------------------------------------------------------------------------- */

static int calc_hours(const struct task *task)
{
    struct table table = { .csv = open_table(stdout) };
    struct vn_aqi_holder holder;
    struct results results;
    struct row row;
    if (table.csv == NULL) {
        return CLI_BAD;
    }
    vn_aqi_holder_begin(&holder);
    calc_csv_begin(table.csv);
    while (calc_csv_next(table.csv)) {
        if (!read_row(&table, &row)) {
            calc_csv_write(table.csv, NULL);
            continue;
        }
        for (unsigned i = 0; i < VN_AQI_PM; i++) {
            (void)vn_aqi_hold(&holder, i, row.hour, row.values[i]); /* never too old: in order */
            row.values[i] = vn_aqi_held(&holder, i, row.hour, task->form);
        }
        hour_results(row.values, &results);
        calc_csv_write(table.csv, results.texts);
    }
    int result = calc_csv_finish(table.csv);
    calc_csv_free(table.csv);
    return result;
}

/* --- days ------------------------------------------------------------------------------ */

struct day {
    bool any;
    int64_t number; /* since 1970, local */
    double hours[VN_AQI_POLLUTANTS][VN_AQI_DAY_SPAN];
};

/* Another day; if it is the next one, it begins with the last hours of the one before. */
static void begin_day(struct day *day, int64_t number)
{
    bool next = day->any && number == day->number + 1;
    for (int i = 0; i < VN_AQI_POLLUTANTS; i++) {
        for (int h = 0; h < VN_AQI_DAY_SPAN; h++) {
            bool kept = next && h < VN_AQI_O3_HOURS - 1;
            day->hours[i][h] = kept ? day->hours[i][h + VN_AQI_DAY_HOURS] : NAN;
        }
    }
    day->any = true;
    day->number = number;
}

static void print_cells(const struct results *results)
{
    for (size_t i = 0; i < results->count; i++) {
        (void)printf("%s%.*s", i == 0 ? "" : ",", (int)results->texts[i].length,
                     results->texts[i].data);
    }
}

static void print_day(struct day *day, double coverage)
{
    char date[CLI_TIME_MAX];
    struct vn_aqi_day values = vn_aqi_day_of(day->hours, coverage);
    struct vn_aqi aqi = vn_aqi_of_day(&values);
    struct results results = { .count = 0 };
    cli_local_time(day->number * VN_AQI_DAY_HOURS * HOUR_NS, 0, date);
    (void)printf("%.10s,", date); /* without the time of day */
    for (int i = 0; i < VN_AQI_POLLUTANTS; i++) {
        add_number(&results, values.concentration[i]);
    }
    add_number(&results, values.o3_8h);
    print_cells(&results);
    (void)putchar(',');
    results.count = 0;
    add_aqi(&results, &aqi);
    print_cells(&results);
    (void)putchar('\n');
}

static void read_days(struct table *table, double coverage)
{
    struct day day = { .any = false };
    struct row row;
    while (calc_csv_next(table->csv)) {
        if (!read_row(table, &row)) {
            continue;
        }
        int64_t hour = row.hour + LOCAL_OFFSET_H - 1; /* 01:00 is a day's first, 00:00 its last */
        int64_t number = hour / VN_AQI_DAY_HOURS - (hour % VN_AQI_DAY_HOURS < 0);
        if (!day.any || number != day.number) {
            if (day.any) {
                print_day(&day, coverage);
            }
            begin_day(&day, number);
        }
        for (int i = 0; i < VN_AQI_POLLUTANTS; i++) {
            day.hours[i][VN_AQI_O3_HOURS - 1 + hour - number * VN_AQI_DAY_HOURS] = row.values[i];
        }
    }
    if (day.any) {
        print_day(&day, coverage);
    }
}

static int calc_days(const struct task *task)
{
    FILE *nowhere = fopen("/dev/null", "we"); /* the table itself is not printed */
    if (nowhere == NULL) {
        perror("/dev/null");
        return CLI_BAD;
    }
    struct table table = { .csv = open_table(nowhere) };
    int result = CLI_BAD;
    if (table.csv != NULL) {
        (void)puts("day,pm25_24h,pm10_24h,o3_1h,no2_1h,so2_1h,co_1h,o3_8h,aqi_pm25,aqi_pm10,"
                   "aqi_o3,aqi_no2,aqi_so2,aqi_co,aqi_day,dominant");
        read_days(&table, task->coverage);
        result = calc_csv_finish(table.csv);
    }
    calc_csv_free(table.csv);
    (void)fclose(nowhere);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        perror("phusa " COMMAND);
        return CLI_BAD;
    }
    return result;
}

/* --- one hour -------------------------------------------------------------------------- */

static int calc_values(const struct task *task)
{
    struct results results;
    for (size_t i = 0; i < HOUR_RESULTS; i++) {
        (void)printf("%s%s", i == 0 ? "" : ",", hour_names[i]);
    }
    (void)putchar('\n');
    hour_results(task->values, &results);
    print_cells(&results);
    (void)putchar('\n');
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        perror("phusa " COMMAND);
        return CLI_BAD;
    }
    if (results.texts[HOUR_RESULTS - 1].length == 0) {
        (void)fputs("phusa " COMMAND ": without PM2.5 and PM10 there is no index\n", stderr);
        return CLI_BAD;
    }
    return CLI_GOOD;
}

/* --- options --------------------------------------------------------------------------- */

void calc_print_vn_aqi_usage(FILE *out)
{
    (void)fputs(
        "  vn-aqi      Vietnamese air quality index, Decision 1459/QĐ-TCMT; all in µg/m³\n"
        "      --csv               hourly means on stdin, time and any of pm25, pm10, o3, no2,\n"
        "                          so2, co; an empty cell and an hour left out are missing\n"
        "      --nowcast FORM      printed (default): at w = 1/2 the sum as the Decision prints\n"
        "                          it; normalised: divided by the sum of the weights\n"
        "      --daily             a row a day, 01:00 to 00:00 at UTC+7, instead\n"
        "      --coverage X        of the hours that a daily or 8-hour mean needs, 0 to 1 (0.75)\n"
        "      --pm25 C --pm10 C --o3 C --no2 C --so2 C --co C\n"
        "                          one hour without a table; of PM2.5 and PM10 the NowCast, or\n"
        "                          up to 12 hourly means parted by commas, the newest last\n",
        out);
}

/* Hourly means, newest last, to their NowCast; a single number is one already. */
static bool read_hours(const char *text, enum vn_aqi_form form, double *value)
{
    double newest_first[VN_AQI_NOWCAST_HOURS];
    int count = 0;
    for (const char *end = text + strlen(text);;) { /* from the end */
        const char *begin = end;
        while (begin > text && begin[-1] != ',') {
            begin--;
        }
        if (count == VN_AQI_NOWCAST_HOURS) {
            return false;
        }
        newest_first[count] = NAN;
        if (begin < end &&
            !phusa_double_parse(begin, (size_t)(end - begin), &newest_first[count])) {
            return false;
        }
        count++;
        if (begin == text) {
            break;
        }
        end = begin - 1;
    }
    *value = newest_first[0];
    if (count > 1) {
        while (count < VN_AQI_NOWCAST_HOURS) {
            newest_first[count++] = NAN;
        }
        *value = vn_aqi_nowcast(newest_first, form);
    }
    return true;
}

static bool take_values(struct task *task, const char *const given[VN_AQI_POLLUTANTS])
{
    for (unsigned i = 0; i < VN_AQI_POLLUTANTS; i++) {
        task->values[i] = NAN;
        if (given[i] == NULL) {
            continue;
        }
        task->any_value = true;
        bool good = i < VN_AQI_PM
                        ? read_hours(given[i], task->form, &task->values[i])
                        : phusa_double_parse(given[i], strlen(given[i]), &task->values[i]);
        if (!good) {
            (void)fprintf(stderr, "phusa " COMMAND ": --%s %s: write %s\n", columns[i].name,
                          given[i],
                          i < VN_AQI_PM ? "a number, or up to 12 parted by commas" : "a number");
            return false;
        }
        if (task->values[i] < 0) {
            (void)fprintf(stderr, "phusa " COMMAND ": %s is negative: taken as missing\n",
                          columns[i].name);
            task->values[i] = NAN;
        }
    }
    return true;
}

static bool take_option(struct task *task, int option)
{
    switch (option) {
    case OPTION_CSV:
        task->csv = true;
        return true;
    case OPTION_DAILY:
        task->daily = true;
        return true;
    case OPTION_NOWCAST:
        task->form = strcmp(optarg, "normalised") == 0 ? VN_AQI_NORMALISED : VN_AQI_PRINTED;
        if (task->form == VN_AQI_NORMALISED || strcmp(optarg, "printed") == 0) {
            return true;
        }
        (void)fprintf(stderr, "phusa " COMMAND ": --nowcast %s: printed or normalised\n", optarg);
        return false;
    case OPTION_COVERAGE:
        if (phusa_double_parse(optarg, strlen(optarg), &task->coverage) && task->coverage >= 0 &&
            task->coverage <= 1) {
            return true;
        }
        (void)fprintf(stderr, "phusa " COMMAND ": --coverage %s: write a number from 0 to 1\n",
                      optarg);
        return false;
    default:
        (void)fputs("see `phusa calc --help`\n", stderr);
        return false;
    }
}

static int run(const struct task *task)
{
    if (task->any_value && (task->csv || task->daily)) {
        (void)fputs("phusa " COMMAND ": values as options, or a table: not both\n", stderr);
        return CLI_USAGE;
    }
    if (task->any_value) {
        return calc_values(task);
    }
    return task->daily ? calc_days(task) : calc_hours(task);
}

int cli_calc_vn_aqi(int argc, char **argv)
{
    static const struct option known[] = {
        { "help", no_argument, NULL, 'h' },
        { "csv", no_argument, NULL, OPTION_CSV },
        { "nowcast", required_argument, NULL, OPTION_NOWCAST },
        { "daily", no_argument, NULL, OPTION_DAILY },
        { "coverage", required_argument, NULL, OPTION_COVERAGE },
        { "pm25", required_argument, NULL, OPTION_VALUES + VN_AQI_PM25 },
        { "pm10", required_argument, NULL, OPTION_VALUES + VN_AQI_PM10 },
        { "o3", required_argument, NULL, OPTION_VALUES + VN_AQI_O3 },
        { "no2", required_argument, NULL, OPTION_VALUES + VN_AQI_NO2 },
        { "so2", required_argument, NULL, OPTION_VALUES + VN_AQI_SO2 },
        { "co", required_argument, NULL, OPTION_VALUES + VN_AQI_CO },
        { NULL, 0, NULL, 0 },
    };
    struct task task = { .form = VN_AQI_PRINTED, .coverage = DAYS_COVERAGE };
    const char *given[VN_AQI_POLLUTANTS] = { NULL };
    int option;
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs("usage: phusa calc vn-aqi [OPTION ...] [< TABLE]\n", stdout);
            calc_print_vn_aqi_usage(stdout);
            return CLI_GOOD;
        }
        if (option >= OPTION_VALUES) {
            given[option - OPTION_VALUES] = optarg;
        } else if (!take_option(&task, option)) {
            return CLI_USAGE;
        }
    }
    if (optind != argc) {
        (void)fprintf(stderr, "phusa " COMMAND ": what is \"%s\"? See `phusa calc --help`\n",
                      argv[optind]);
        return CLI_USAGE;
    }
    return take_values(&task, given) ? run(&task) : CLI_USAGE;
}
