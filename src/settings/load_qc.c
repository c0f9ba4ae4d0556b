/* The group qc: limits of the quality tests. */
#include "settings/load_qc.h"

#include <math.h>
#include <stdlib.h>

#include "settings/mistakes.h"
#include "settings/schema.h"

/* ---- keys ---- */

struct file_read {
    const struct config_node *qc;
};

static const struct config_key file_keys[] = {
    { "qc", CONFIG_GROUP, offsetof(struct file_read, qc), .required = true,
      .example = "{ gross = { fail = [0.0, 14.0]; }; }" },
};
const struct config_schema schema_qc_file = SCHEMA("file of quality tests", file_keys);

struct qc_read {
    const struct config_node *gross, *spike, *rate, *flat_line, *attenuated;
};

#define AT(member) offsetof(struct qc_read, member)
static const struct config_key qc_keys[] = {
    { "gross", CONFIG_GROUP, AT(gross), .example = "{ fail = [0.0, 14.0]; }" },
    { "spike", CONFIG_GROUP, AT(spike), .example = "{ suspect = 0.3; fail = 0.8; }" },
    { "rate", CONFIG_GROUP, AT(rate), .example = "{ suspect = 0.0004; fail = 0.001; }" },
    { "flat_line", CONFIG_GROUP, AT(flat_line),
      .example = "{ tolerance = 0.05; suspect_s = 43200; fail_s = 86400; }" },
    { "attenuated", CONFIG_GROUP, AT(attenuated),
      .example = "{ method = \"std\"; period_s = 86400; suspect = 0.03; fail = 0.01; }" },
};
#undef AT
const struct config_schema schema_qc = SCHEMA("qc", qc_keys);

struct gross_read {
    struct config_limit fail, suspect;
};

static const struct config_key gross_keys[] = {
    { "fail", CONFIG_LIMIT, offsetof(struct gross_read, fail), .example = "[0.0, 14.0]" },
    { "suspect", CONFIG_LIMIT, offsetof(struct gross_read, suspect), .example = "[6.0, 9.0]" },
};
const struct config_schema schema_qc_gross = SCHEMA("gross", gross_keys);

static const char *const spike_methods[] = { "average", "differential", NULL };

static const struct config_key spike_keys[] = {
    { "method", CONFIG_CHOICE, offsetof(struct qc_spike, method), .fallback = "average",
      .choices = spike_methods },
    { "suspect", CONFIG_NUMBER, offsetof(struct qc_spike, suspect), .least = "0",
      .example = "0.3" },
    { "fail", CONFIG_NUMBER, offsetof(struct qc_spike, fail), .least = "0", .example = "0.8" },
};
const struct config_schema schema_qc_spike = SCHEMA("spike", spike_keys);

static const struct config_key rate_keys[] = {
    { "suspect", CONFIG_NUMBER, offsetof(struct qc_rate, suspect), .least = "0",
      .example = "0.0004" },
    { "fail", CONFIG_NUMBER, offsetof(struct qc_rate, fail), .least = "0", .example = "0.001" },
};
const struct config_schema schema_qc_rate = SCHEMA("rate", rate_keys);

#define SECONDS .least = "0", .most = "34560000" /* QC_SECONDS_MAX */
static const struct config_key flat_line_keys[] = {
    { "tolerance", CONFIG_NUMBER, offsetof(struct qc_flat_line, tolerance), .fallback = "0",
      .least = "0", .example = "0.05" },
    { "suspect_s", CONFIG_NUMBER, offsetof(struct qc_flat_line, suspect_s), SECONDS,
      .example = "43200" },
    { "fail_s", CONFIG_NUMBER, offsetof(struct qc_flat_line, fail_s), SECONDS, .example = "86400" },
};
const struct config_schema schema_qc_flat_line = SCHEMA("flat_line", flat_line_keys);

static const char *const spread_methods[] = { "std", "range", NULL };

#define AT(member) offsetof(struct qc_attenuated, member)
static const struct config_key attenuated_keys[] = {
    { "method", CONFIG_CHOICE, AT(method), .fallback = "std", .choices = spread_methods },
    { "period_s", CONFIG_NUMBER, AT(period_s), .fallback = "0", SECONDS, .example = "86400" },
    { "suspect", CONFIG_NUMBER, AT(suspect), .least = "0", .example = "0.03" },
    { "fail", CONFIG_NUMBER, AT(fail), .least = "0", .example = "0.01" },
    { "min_obs", CONFIG_INTEGER, AT(min_obs), .fallback = "0", .least = "0", .most = "1000000",
      .example = "24" },
    { "min_period_s", CONFIG_NUMBER, AT(min_period_s), .fallback = "0", SECONDS,
      .example = "43200" },
};
#undef AT
const struct config_schema schema_qc_attenuated = SCHEMA("attenuated", attenuated_keys);

/* ---- tests ---- */

/* The ends in their order, whichever way they are written, as in the reference. */
static bool read_span(const struct config_node *group, const char *key,
                      const struct config_limit *limit, struct qc_span *span)
{
    if (limit->count == 1) {
        config_complain_at(group, key, "\"%s\" is one number; write two such as [0.0, 14.0]", key);
        return false;
    }
    if (limit->count == 2) {
        *span = (struct qc_span){ fmin(limit->values[0], limit->values[1]),
                                  fmax(limit->values[0], limit->values[1]) };
    }
    return true;
}

static bool read_gross(const struct config_node *group, struct qc_gross *gross)
{
    struct gross_read read = { .fail = { .count = 0 } };
    struct qc_gross found = qc_none().gross;
    bool good = config_read_group(group, &schema_qc_gross, &read);
    good = read_span(group, "fail", &read.fail, &found.fail) && good;
    good = read_span(group, "suspect", &read.suspect, &found.suspect) && good;
    if (found.suspect.low < found.fail.low || found.suspect.high > found.fail.high) {
        config_complain_at(group, "suspect",
                           "\"suspect\" is %g to %g; it must lie within \"fail\", %g to %g",
                           found.suspect.low, found.suspect.high, found.fail.low, found.fail.high);
        good = false;
    }
    found.given = true;
    if (good) {
        *gross = found;
    }
    return good;
}

static bool read_tests(const struct qc_read *read, struct qc_settings *qc)
{
    struct qc_settings found = qc_none();
    bool good = read->gross == NULL || read_gross(read->gross, &qc->gross);
    if (read->spike != NULL) {
        found.spike.given = config_read_group(read->spike, &schema_qc_spike, &found.spike);
        good = good && found.spike.given;
        qc->spike = found.spike.given ? found.spike : qc->spike;
    }
    if (read->rate != NULL) {
        found.rate.given = config_read_group(read->rate, &schema_qc_rate, &found.rate);
        good = good && found.rate.given;
        qc->rate = found.rate.given ? found.rate : qc->rate;
    }
    if (read->flat_line != NULL) {
        found.flat_line.given =
            config_read_group(read->flat_line, &schema_qc_flat_line, &found.flat_line);
        good = good && found.flat_line.given;
        qc->flat_line = found.flat_line.given ? found.flat_line : qc->flat_line;
    }
    if (read->attenuated != NULL) {
        found.attenuated.given =
            config_read_group(read->attenuated, &schema_qc_attenuated, &found.attenuated);
        good = good && found.attenuated.given;
        qc->attenuated = found.attenuated.given ? found.attenuated : qc->attenuated;
    }
    return good;
}

bool load_qc(const struct config_node *group, struct qc_settings *qc)
{
    struct qc_read read = { NULL };
    bool good = config_read_group(group, &schema_qc, &read);
    return read_tests(&read, qc) && good;
}

/* ---- a file of its own ---- */

static void report(void *context, const char *file, int line, const char *text)
{
    mistakes_add(context, file, line, text);
}

/* Nothing here is kept: no key holds a string. */
static const char *keep(void *context, const char *text)
{
    (void)context;
    (void)text;
    return "";
}

static enum config_status read_file(const char *file, struct mistakes *mistakes,
                                    struct qc_settings *qc)
{
    const struct config_sink sink = { mistakes, report, keep };
    struct config *config = NULL;
    struct problem problem = { "" };
    enum config_status status = config_open(file, &sink, &config, &problem);
    if (status == CONFIG_UNREADABLE) {
        mistakes_add(mistakes, file, 1, problem.text);
    }
    if (status == CONFIG_OK) {
        struct file_read read = { NULL };
        if (config_read_group(config_root(config), &schema_qc_file, &read)) {
            (void)load_qc(read.qc, qc);
        }
        config_close(config);
    }
    return status;
}

enum settings_status load_qc_file(const char *file, struct qc_settings *qc,
                                  struct settings_errors *errors)
{
    *qc = qc_none();
    struct mistakes *mistakes = calloc(1, sizeof *mistakes);
    if (mistakes == NULL) {
        return SETTINGS_NO_MEMORY;
    }
    mistakes->first_file = file;
    enum config_status status = read_file(file, mistakes, qc);
    bool no_memory = status == CONFIG_NO_MEMORY || mistakes->no_memory;
    bool bad = status != CONFIG_OK || mistakes->count > 0;
    mistakes_hand_over(mistakes, errors);
    free(mistakes);
    return no_memory ? SETTINGS_NO_MEMORY : bad ? SETTINGS_BAD : SETTINGS_OK;
}
