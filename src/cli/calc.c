/*
 * phusa calc: the formulas of src/quality from the command line, for one set of values given as
 * options or for every row of a table on stdin.
 *
 * A value outside what a formula's source vouches for is computed with a remark on stderr; one
 * that means nothing to the formula (see quality/seawater.h) is refused: exit 1, and in a table
 * an empty cell.
 */
#include "cli/calc.h"

#include <getopt.h>
#include <string.h>

#include "cli/calc_csv.h"
#include "cli/cli.h"
#include "phusa/number.h"
#include "quality/seawater.h"

#define VARIABLES_MAX 4
#define MESSAGE_MAX   200
#define OPTION_FIRST  256 /* beyond the letters */

enum option_code {
    OPTION_CSV = OPTION_FIRST + VARIABLES_MAX,
    OPTION_PSS78,
    OPTION_INVERSE,
    OPTION_COEFFICIENT
};

struct variable {
    const char *name;   /* of the column */
    const char *option; /* of the same */
    const char *unit;
    const struct seawater_range *range;
    bool optional;
    double otherwise; /* its value when it is not given */
};

struct task;

struct formula {
    const char *name;
    const char *result; /* of the column */
    size_t count;
    struct variable variables[VARIABLES_MAX];
    enum seawater_status (*compute)(const struct task *task, const double *values, double *result);
};

struct task {
    const char *command; /* for messages, "calc salinity" */
    const struct formula *formula;
    bool csv;
    enum seawater_scale scale;
    double per_kelvin;
    bool given[VARIABLES_MAX];
    double values[VARIABLES_MAX];
};

/* --- the formulas ------------------------------------------------------------------------- */

static enum seawater_status salinity(const struct task *task, const double *values, double *result)
{
    return seawater_salinity(values[0], values[1], values[2], task->scale, result);
}

static enum seawater_status ec25(const struct task *task, const double *values, double *result)
{
    return seawater_ec25(values[0], values[1], task->per_kelvin, result);
}

static enum seawater_status ec_of_ec25(const struct task *task, const double *values,
                                       double *result)
{
    return seawater_ec_of_ec25(values[0], values[1], task->per_kelvin, result);
}

static enum seawater_status do_sat(const struct task *task, const double *values, double *result)
{
    (void)task;
    return seawater_do_saturation(values[0], values[1], values[2], result);
}

static enum seawater_status do_percent(const struct task *task, const double *values,
                                       double *result)
{
    (void)task;
    return seawater_do_percent(values[0], values[1], values[2], values[3], result);
}

static enum seawater_status nh3(const struct task *task, const double *values, double *result)
{
    (void)task;
    return seawater_nh3(values[0], values[1], values[2], result);
}

static const struct formula formulas[] = {
    { "salinity",
      "salinity",
      3,
      { { "ec", "ec", "mS/cm", &seawater_salinity_ec, false, 0 },
        { "temp", "temp", "°C", &seawater_salinity_temp, false, 0 },
        { "pressure", "pressure", "dbar", &seawater_salinity_pressure, true, 0 } },
      salinity },
    { "ec25",
      "ec25",
      2,
      { { "ec", "ec", "mS/cm", &seawater_ec25_ec, false, 0 },
        { "temp", "temp", "°C", &seawater_ec25_temp, false, 0 } },
      ec25 },
    { "do-sat",
      "do_sat",
      3,
      { { "temp", "temp", "°C", &seawater_do_temp, false, 0 },
        { "salinity", "salinity", "", &seawater_do_salinity, false, 0 },
        { "pressure_atm", "pressure-atm", "atm", &seawater_do_pressure, true, 1 } },
      do_sat },
    { "do-percent",
      "do_percent",
      4,
      { { "do", "do", "mg/L", &seawater_do_measured, false, 0 },
        { "temp", "temp", "°C", &seawater_do_temp, false, 0 },
        { "salinity", "salinity", "", &seawater_do_salinity, false, 0 },
        { "pressure_atm", "pressure-atm", "atm", &seawater_do_pressure, true, 1 } },
      do_percent },
    { "nh3",
      "nh3",
      3,
      { { "nh4", "nh4", "mg/L", &seawater_nh3_nh4, false, 0 },
        { "ph", "ph", "", &seawater_nh3_ph, false, 0 },
        { "temp", "temp", "°C", &seawater_nh3_temp, false, 0 } },
      nh3 },
};

/* What --inverse makes of ec25. */
static const struct formula inverse_ec25 = {
    "ec25",
    "ec",
    2,
    { { "ec25", "ec25", "mS/cm", &seawater_ec25_ec, false, 0 },
      { "temp", "temp", "°C", &seawater_ec25_temp, false, 0 } },
    ec_of_ec25
};

void calc_print_usage(FILE *out)
{
    (void)fputs(
        "usage: phusa calc FORMULA VALUES\n"
        "       phusa calc FORMULA --csv < TABLE\n"
        "  salinity    practical salinity (PSS-78, below 2 with Hill's extension as TEOS-10)\n"
        "      --ec MS_PER_CM --temp CELSIUS [--pressure DBAR]\n"
        "      EC as measured, not compensated; of a probe that reports EC at 25 °C, --temp 25\n"
        "      --pss78             PSS-78 alone, without the extension\n"
        "  ec25        conductivity at 25 °C, linear\n"
        "      --ec MS_PER_CM --temp CELSIUS\n"
        "      --coefficient X     per kelvin instead of 0.0191\n"
        "      --inverse           back: --ec25 MS_PER_CM --temp CELSIUS\n"
        "  do-sat      dissolved oxygen at saturation, mg/L (Benson and Krause)\n"
        "      --temp CELSIUS --salinity S [--pressure-atm ATM]\n"
        "  do-percent  measured oxygen in percent of that\n"
        "      --do MG_PER_L --temp CELSIUS --salinity S [--pressure-atm ATM]\n"
        "  nh3         un-ionised ammonia, mg/L as N (Emerson and others)\n"
        "      --nh4 MG_PER_L_AS_N --ph PH --temp CELSIUS\n",
        out);
    calc_print_vn_aqi_usage(out);
    (void)fputs(
        "Options of all:\n"
        "      --csv   a table on stdin; its header names columns as the options above, but\n"
        "              pressure_atm; the result is appended as a column. A value given as an\n"
        "              option stands for a column that the table lacks\n"
        "  -h, --help  print this\n"
        "A value outside what the formula is valid for is computed and remarked upon; one that\n"
        "means nothing to it gives no result: exit 1, in a table an empty cell.\n",
        out);
}

/* --- one set of values ---------------------------------------------------------------------- */

/*
 * Computes; *message says why there is no result, or what to think of it, and is empty when
 * all is well.
 */
static enum seawater_status compute(const struct task *task, const double *values, double *result,
                                    char message[MESSAGE_MAX])
{
    const struct formula *formula = task->formula;
    enum seawater_status status = formula->compute(task, values, result);
    *message = '\0';
    for (size_t i = 0; i < formula->count && status != SEAWATER_GOOD; i++) {
        const struct variable *variable = &formula->variables[i];
        const struct seawater_range *range = variable->range;
        if (seawater_judge(range, values[i]) != status) {
            continue;
        }
        bool none = status == SEAWATER_NONE;
        (void)snprintf(message, MESSAGE_MAX, "%s is %g: %s %g to %g%s%s%s", variable->name,
                       values[i], none ? "must be" : "the formula is valid for",
                       none ? range->least : range->low, none ? range->most : range->high,
                       *variable->unit == '\0' ? "" : " ", variable->unit,
                       none ? "" : "; the result is extrapolated");
        return status;
    }
    if (status == SEAWATER_OUTSIDE) { /* not by its inputs: the salinity */
        (void)snprintf(message, MESSAGE_MAX,
                       "%s is %g: PSS-78 is valid for 2 to 42%s; the result is extrapolated",
                       formula->result, *result,
                       task->scale == SEAWATER_PSS78 ? "" : ", with the extension from 0");
    }
    return status;
}

static int calc_values(const struct task *task)
{
    char message[MESSAGE_MAX], text[PHUSA_DOUBLE_CHARS];
    double result;
    for (size_t i = 0; i < task->formula->count; i++) {
        if (!task->given[i] && !task->formula->variables[i].optional) {
            (void)fprintf(stderr, "phusa %s: --%s is missing; see `phusa calc --help`\n",
                          task->command, task->formula->variables[i].option);
            return CLI_USAGE;
        }
    }
    enum seawater_status status = compute(task, task->values, &result, message);
    if (*message != '\0') {
        (void)fprintf(stderr, "phusa %s: %s\n", task->command, message);
    }
    if (status == SEAWATER_NONE) {
        return CLI_BAD;
    }
    size_t length = phusa_double_print(result, text);
    (void)printf("%.*s\n", (int)length, text);
    if (fflush(stdout) != 0) {
        perror("phusa calc");
        return CLI_BAD;
    }
    return CLI_GOOD;
}

/* --- a table -------------------------------------------------------------------------------- */

/* The row's values; false, having refused it, if one is missing or no number. */
static bool row_values(const struct task *task, struct calc_csv *csv, double *values)
{
    char message[MESSAGE_MAX];
    for (size_t i = 0; i < task->formula->count; i++) {
        const struct variable *variable = &task->formula->variables[i];
        enum calc_cell cell = calc_csv_number(csv, i, &values[i]);
        if (cell == CALC_CELL_NUMBER) {
            continue;
        }
        values[i] = task->values[i]; /* as given, or what stands for it when it is not */
        bool stands_in = variable->optional || (task->given[i] && !calc_csv_has(csv, i));
        if (cell == CALC_CELL_BAD || !stands_in) {
            (void)snprintf(message, sizeof message, "%s is %s", variable->name,
                           cell == CALC_CELL_BAD ? "no finite number" : "missing");
            calc_csv_refuse(csv, message);
            return false;
        }
    }
    return true;
}

static void calc_row(const struct task *task, struct calc_csv *csv)
{
    char message[MESSAGE_MAX], number[PHUSA_DOUBLE_CHARS];
    double values[VARIABLES_MAX], result;
    struct phusa_text text = { number, 0 };
    if (row_values(task, csv, values)) {
        enum seawater_status status = compute(task, values, &result, message);
        if (status == SEAWATER_NONE) {
            calc_csv_refuse(csv, message);
        } else {
            text.length = phusa_double_print(result, number);
        }
        if (status == SEAWATER_OUTSIDE) {
            calc_csv_remark(csv, message);
        }
    }
    calc_csv_write(csv, &text);
}

static bool wants_twice(const struct task *task, const struct calc_csv *csv)
{
    for (size_t i = 0; i < task->formula->count; i++) {
        if (task->given[i] && calc_csv_has(csv, i)) {
            (void)fprintf(stderr, "phusa %s: --%s is given, and the table has the column\n",
                          task->command, task->formula->variables[i].option);
            return true;
        }
    }
    return false;
}

static int calc_table(const struct task *task)
{
    const struct formula *formula = task->formula;
    struct calc_csv_column columns[VARIABLES_MAX];
    for (size_t i = 0; i < formula->count; i++) {
        columns[i].name = formula->variables[i].name;
        columns[i].required = !formula->variables[i].optional && !task->given[i];
    }
    struct calc_csv_plan plan = { .command = task->command,
                                  .in = stdin,
                                  .out = stdout,
                                  .columns = columns,
                                  .column_count = formula->count,
                                  .results = &formula->result,
                                  .result_count = 1 };
    struct calc_csv *csv = calc_csv_open(&plan);
    if (csv == NULL) {
        return CLI_BAD;
    }
    if (wants_twice(task, csv)) {
        calc_csv_free(csv);
        return CLI_USAGE;
    }
    calc_csv_begin(csv);
    while (calc_csv_next(csv)) {
        calc_row(task, csv);
    }
    int result = calc_csv_finish(csv);
    calc_csv_free(csv);
    return result;
}

/* --- options -------------------------------------------------------------------------------- */

static bool read_value(const struct task *task, const char *option, double *value)
{
    if (phusa_double_parse(optarg, strlen(optarg), value)) {
        return true;
    }
    (void)fprintf(stderr, "phusa %s: --%s %s: write a number such as 28.5\n", task->command, option,
                  optarg);
    return false;
}

static bool read_coefficient(struct task *task)
{
    if (!read_value(task, "coefficient", &task->per_kelvin)) {
        return false;
    }
    if (seawater_judge(&seawater_ec25_coefficient, task->per_kelvin) == SEAWATER_NONE) {
        (void)fprintf(stderr, "phusa %s: --coefficient is %g: must be 0 to %g per kelvin\n",
                      task->command, task->per_kelvin, seawater_ec25_coefficient.most);
        return false;
    }
    return true;
}

/* The formula's options: its variables, also spelt as columns, and those of its own. */
static void list_options(const struct formula *formula, struct option *known)
{
    *known++ = (struct option){ "help", no_argument, NULL, 'h' };
    *known++ = (struct option){ "csv", no_argument, NULL, OPTION_CSV };
    if (strcmp(formula->name, "salinity") == 0) {
        *known++ = (struct option){ "pss78", no_argument, NULL, OPTION_PSS78 };
    }
    if (strcmp(formula->name, "ec25") == 0) {
        *known++ = (struct option){ "inverse", no_argument, NULL, OPTION_INVERSE };
        *known++ = (struct option){ "coefficient", required_argument, NULL, OPTION_COEFFICIENT };
    }
    for (size_t i = 0; i < formula->count; i++) {
        const struct variable *variable = &formula->variables[i];
        int code = OPTION_FIRST + (int)i;
        *known++ = (struct option){ variable->option, required_argument, NULL, code };
        if (strcmp(variable->option, variable->name) != 0) {
            *known++ = (struct option){ variable->name, required_argument, NULL, code };
        }
    }
    *known = (struct option){ NULL, 0, NULL, 0 };
}

static bool take_option(struct task *task, int option)
{
    switch (option) {
    case OPTION_CSV:
        task->csv = true;
        return true;
    case OPTION_PSS78:
        task->scale = SEAWATER_PSS78;
        return true;
    case OPTION_INVERSE: /* chosen already */
        return true;
    case OPTION_COEFFICIENT:
        return read_coefficient(task);
    default:
        break;
    }
    size_t index = (size_t)(option - OPTION_FIRST);
    task->given[index] = true;
    return read_value(task, task->formula->variables[index].option, &task->values[index]);
}

static int calc(struct task *task, int argc, char **argv)
{
    struct option known[VARIABLES_MAX * 2 + 6];
    list_options(task->formula, known);
    for (size_t i = 0; i < task->formula->count; i++) {
        task->values[i] = task->formula->variables[i].otherwise;
    }
    int option;
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (option == 'h') {
            calc_print_usage(stdout);
            return CLI_GOOD;
        }
        if (option == '?') {
            (void)fputs("see `phusa calc --help`\n", stderr);
            return CLI_USAGE;
        }
        if (!take_option(task, option)) {
            return CLI_USAGE;
        }
    }
    if (optind != argc) {
        (void)fprintf(stderr, "phusa %s: what is \"%s\"? See `phusa calc --help`\n", task->command,
                      argv[optind]);
        return CLI_USAGE;
    }
    return task->csv ? calc_table(task) : calc_values(task);
}

/* --inverse changes which options there are, so it is looked for first. */
static bool wants_inverse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--inverse") == 0) {
            return true;
        }
    }
    return false;
}

int cli_calc(int argc, char **argv)
{
    if (argc < 2) {
        calc_print_usage(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        calc_print_usage(stdout);
        return CLI_GOOD;
    }
    if (strcmp(argv[1], "vn-aqi") == 0) {
        return cli_calc_vn_aqi(argc - 1, argv + 1);
    }
    for (size_t i = 0; i < sizeof formulas / sizeof formulas[0]; i++) {
        if (strcmp(argv[1], formulas[i].name) != 0) {
            continue;
        }
        char command[32];
        (void)snprintf(command, sizeof command, "calc %s", formulas[i].name);
        struct task task = { .command = command,
                             .formula = &formulas[i],
                             .per_kelvin = SEAWATER_EC25_PER_KELVIN };
        if (formulas[i].compute == ec25 && wants_inverse(argc, argv)) {
            task.formula = &inverse_ec25;
        }
        return calc(&task, argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "phusa calc: no formula \"%s\"\n", argv[1]);
    calc_print_usage(stderr);
    return CLI_USAGE;
}
