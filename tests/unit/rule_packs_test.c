/*
 * The shipped rules, as the loader takes them, against tests/data/limits.csv, which was typed from
 * the regulations and not from the rules: every limit, its window, since and until when it is in
 * force; that what nobody has verified is switched off; that messages say the limit in both
 * languages. Runs from the project's root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "settings/settings.h"

#define PATH_CHARS   512
#define FILE_MAX     (1 << 20)
#define ROWS_MAX     512
#define COLUMNS      9
#define LINE_CHARS   256
#define SECOND       INT64_C(1000000000)
#define LOCAL_OFFSET 25200 /* Vietnam, seconds east of UTC */
#define COUNT(a)     (sizeof(a) / sizeof *(a))

struct row {
    char line[LINE_CHARS]; /* the columns, ends of text between them */
    const char *rule, *parameter, *window, *where;
    double low, high; /* NaN: none */
    int64_t from_ns, until_ns;
    bool verified;
};

struct fixture {
    char folder[PATH_CHARS];
    struct row rows[ROWS_MAX];
    size_t row_count;
    struct settings *shipped, *all; /* as it is, and with nothing switched off */
};

/* ---- the table ---- */

/* "150*0.9*0.9"; NaN for "". */
static double parse_limit(const char *text)
{
    double product = 1;
    for (const char *at = text; *at != '\0';) {
        char *end;
        product *= strtod(at, &end);
        assert_true(end > at);
        at = *end == '*' ? end + 1 : end;
        assert_true(*end == '*' || *end == '\0');
    }
    return text[0] == '\0' ? (double)NAN : product;
}

/* The beginning of a local day; otherwise for "". */
static int64_t parse_day(const char *text, int64_t otherwise)
{
    struct tm day = { 0 };
    if (text[0] == '\0') {
        return otherwise;
    }
    const char *end = strptime(text, "%Y-%m-%d", &day);
    assert_true(end != NULL && *end == '\0');
    return ((int64_t)timegm(&day) - LOCAL_OFFSET) * SECOND;
}

static void parse_row(struct row *row)
{
    char *columns[COLUMNS];
    char *rest = row->line;
    row->line[strcspn(row->line, "\n")] = '\0';
    for (size_t i = 0; i < COLUMNS; i++) {
        columns[i] = strsep(&rest, ",");
        assert_non_null(columns[i]);
    }
    assert_null(rest);
    row->rule = columns[0];
    row->parameter = columns[1];
    row->low = parse_limit(columns[2]);
    row->high = parse_limit(columns[3]);
    row->window = columns[4];
    row->from_ns = parse_day(columns[5], INT64_MIN);
    row->until_ns = parse_day(columns[6], INT64_MAX);
    row->verified = strcmp(columns[7], "yes") == 0;
    assert_true(row->verified || strcmp(columns[7], "no") == 0);
    row->where = columns[8];
}

static void read_rows(struct fixture *fixture)
{
    FILE *file = fopen("tests/data/limits.csv", "r");
    char line[LINE_CHARS];
    bool header = true;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#' || header) {
            header = header && line[0] == '#';
            continue;
        }
        assert_true(fixture->row_count < ROWS_MAX);
        struct row *row = &fixture->rows[fixture->row_count++];
        memcpy(row->line, line, sizeof line);
        parse_row(row);
    }
    assert_int_equal(fclose(file), 0);
    assert_true(fixture->row_count > 100);
}

static const struct row *row_of(const struct fixture *fixture, const char *rule, size_t place)
{
    for (size_t i = 0; i < fixture->row_count; i++) {
        if (strcmp(fixture->rows[i].rule, rule) == 0 && place-- == 0) {
            return &fixture->rows[i];
        }
    }
    return NULL;
}

/* ---- the rules ---- */

static void switch_on(char *text)
{
    for (char *at = strstr(text, "enabled"); at != NULL; at = strstr(at + 1, "enabled")) {
        char *value = at + strlen("enabled");
        value += strspn(value, " ");
        if (*value == '=') {
            value += 1 + strspn(value + 1, " ");
            memcpy(value, "true ", strncmp(value, "false", 5) == 0 ? 5 : 0);
        }
    }
}

static void copy_pack(const struct fixture *fixture, const char *name)
{
    char path[PATH_CHARS + 300];
    char *text = calloc(1, FILE_MAX);
    assert_non_null(text);
    (void)snprintf(path, sizeof path, "config/rules/%s", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, FILE_MAX - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    switch_on(text);
    (void)snprintf(path, sizeof path, "%s/rules/%s", fixture->folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(text);
}

static void copy_packs(const struct fixture *fixture)
{
    DIR *folder = opendir("config/rules");
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strstr(entry->d_name, ".cfg") != NULL) {
            copy_pack(fixture, entry->d_name);
        }
    }
    assert_int_equal(closedir(folder), 0);
}

static struct settings *load(const char *path)
{
    struct settings *settings = NULL;
    struct settings_errors errors = { 0 };
    enum settings_status status = settings_load(path, SETTINGS_RULES, &settings, &errors);
    settings_errors_print(&errors, stderr);
    settings_errors_clear(&errors);
    assert_int_equal(status, SETTINGS_OK);
    settings_warnings_print(&settings->warnings, stderr);
    assert_int_equal(settings->warnings.count, 0);
    return settings;
}

static struct settings *load_all(const struct fixture *fixture)
{
    char path[PATH_CHARS + 64], here[PATH_CHARS];
    assert_non_null(getcwd(here, sizeof here));
    (void)snprintf(path, sizeof path, "%s/rules", fixture->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    copy_packs(fixture);
    (void)snprintf(path, sizeof path, "%s/phusa.cfg", fixture->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file,
                        "phusa : { parameters = \"%s/config/parameters.cfg\";"
                        " stations = \"%s/config/stations\"; rules = \"rules\";"
                        " messages = \"%s/config/messages\"; };",
                        here, here, here) > 0);
    assert_int_equal(fclose(file), 0);
    return load(path);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const char *base = getenv("TMPDIR");
    assert_non_null(fixture);
    (void)snprintf(fixture->folder, sizeof fixture->folder, "%s/phusa-packs-XXXXXX",
                   base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(fixture->folder));
    *state = fixture;
    read_rows(fixture);
    fixture->shipped = load("config/phusa.cfg");
    fixture->all = load_all(fixture);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[PATH_CHARS + 32];
    settings_free(fixture->shipped);
    settings_free(fixture->all);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", fixture->folder);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static const struct rule *find(const struct settings *settings, const char *id)
{
    for (size_t i = 0; i < settings->rulebook.count; i++) {
        if (strcmp(settings->rulebook.rules[i].id, id) == 0) {
            return &settings->rulebook.rules[i];
        }
    }
    return NULL;
}

/* ---- limits ---- */

/* The numbers of a product are rounded, those of a configuration are not. */
static bool near(double found, double wanted)
{
    return isnan(found) ? isnan(wanted) : fabs(found - wanted) <= fabs(wanted) * 1e-12;
}

static const char *window_name(const struct rule *rule)
{
    static const char *const names[] = { "1h", "8h", "24h", "day", "night", "year" };
    return rule->window.given ? names[rule->window.length] : "";
}

static void check_row(const struct rule *rule, const struct row *row,
                      const struct rule_level *level)
{
    enum rule_direction direction = isnan(row->low)    ? RULE_ABOVE
                                    : isnan(row->high) ? RULE_BELOW
                                                       : RULE_OUTSIDE;
    assert_true(phusa_text_equal(rule->parameter->name, phusa_text_of(row->parameter)));
    assert_int_equal(rule->direction, direction);
    assert_string_equal(window_name(rule), row->window);
    assert_true(!rule->window.given || rule->window.statistic == RULE_MEAN);
    assert_int_equal(rule->from_ns, row->from_ns);
    assert_int_equal(rule->until_ns, row->until_ns);
    if (!near(level->raise_low, row->low) || !near(level->raise_high, row->high)) {
        fail_msg("%s: %g, %g in the rules, %g, %g by %s", rule->id, level->raise_low,
                 level->raise_high, row->low, row->high, row->where);
    }
}

static void every_limit_is_the_regulations(void **state)
{
    const struct fixture *fixture = *state;
    const struct rulebook *rulebook = &fixture->all->rulebook;
    size_t checked = 0;
    for (size_t i = 0; i < rulebook->count; i++) {
        const struct rule *rule = &rulebook->rules[i];
        for (size_t j = 0; j < rule->level_count; j++) {
            const struct row *row = row_of(fixture, rule->id, j);
            if (row == NULL) {
                fail_msg("%s: level %zu is in no table", rule->id, j + 1);
            }
            check_row(rule, row, &rule->levels[j]);
            checked++;
        }
    }
    assert_int_equal(checked, fixture->row_count);
}

static void what_nobody_verified_is_switched_off(void **state)
{
    const struct fixture *fixture = *state;
    size_t off = 0;
    for (size_t i = 0; i < fixture->row_count; i++) {
        const struct row *row = &fixture->rows[i];
        bool on = find(fixture->shipped, row->rule) != NULL;
        if (on != row->verified) {
            fail_msg("%s is switched %s, but %s (%s)", row->rule, on ? "on" : "off",
                     row->verified ? "verified" : "not verified", row->where);
        }
        off += on ? 0 : 1;
    }
    assert_true(off > 0);
}

/* The 24 h limit of PM2.5 in force at a moment; fails unless there is exactly one. */
static double pm25_limit(const struct settings *settings, int64_t at_ns)
{
    double limit = NAN;
    for (size_t i = 0; i < settings->rulebook.count; i++) {
        const struct rule *rule = &settings->rulebook.rules[i];
        if (phusa_text_equal(rule->parameter->name, PHUSA_TEXT("pm25")) &&
            strcmp(window_name(rule), "24h") == 0 && rule->from_ns <= at_ns &&
            at_ns < rule->until_ns) {
            assert_true(isnan(limit));
            assert_int_equal(rule->level_count, 1);
            limit = rule->levels[0].raise_high;
        }
    }
    return limit;
}

static void the_limit_of_fine_dust_changes_with_the_year(void **state)
{
    const struct fixture *fixture = *state;
    const int64_t new_year = INT64_C(1767200400) * SECOND; /* 2026-01-01T00:00+07:00 */
    const int64_t in_force = INT64_C(1694451600) * SECOND; /* 2023-09-12T00:00+07:00 */
    assert_true(isnan(pm25_limit(fixture->shipped, in_force - 1)));
    assert_true(pm25_limit(fixture->shipped, in_force) == 50.0);
    assert_true(pm25_limit(fixture->shipped, new_year - 1) == 50.0);
    assert_true(pm25_limit(fixture->shipped, new_year) == 45.0);
    assert_true(pm25_limit(fixture->shipped, new_year + 10 * 366 * 86400 * SECOND) == 45.0);
}

/* ---- what people read ---- */

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80) {
        text++;
    }
    return *text == '\0';
}

/* Each language says its own, in one line; the limit where the reading says anything; and at every
 * level what to do. */
static void check_template(const struct rule *rule, bool limited)
{
    static const char *const limit[] = { "{limit}", "{value}", "{station}" };
    const char *vi = template_text_of(rule->message, TEMPLATE_RAISED, LANGUAGE_VI);
    const char *en = template_text_of(rule->message, TEMPLATE_RAISED, LANGUAGE_EN);
    for (size_t i = limited ? 0 : COUNT(limit) - 1; i < COUNT(limit); i++) {
        if (strstr(vi, limit[i]) == NULL || strstr(en, limit[i]) == NULL) {
            fail_msg("%s: the message does not say %s", rule->id, limit[i]);
        }
    }
    for (size_t i = 0; i < rule->level_count; i++) {
        enum severity severity = rule->levels[i].severity;
        const char *does_vi = template_action(rule->message, severity, LANGUAGE_VI);
        const char *does_en = template_action(rule->message, severity, LANGUAGE_EN);
        if (is_ascii(does_vi) || does_en[0] == '\0' || strcmp(does_vi, does_en) == 0) {
            fail_msg("%s: %s says not what to do in both languages", rule->id,
                     severity_name(severity));
        }
    }
}

static void messages_say_what_to_do_in_both_languages(void **state)
{
    const struct fixture *fixture = *state;
    const struct rulebook *rulebook = &fixture->all->rulebook;
    for (size_t i = 0; i < rulebook->count; i++) {
        const struct rule *rule = &rulebook->rules[i];
        if (rule->message == NULL) {
            fail_msg("%s names no template", rule->id);
        }
        assert_true(rule->message_vi[0] != '\0' && rule->message_en[0] != '\0');
        check_template(rule, row_of(fixture, rule->id, 0)->where[0] != '*');
    }
}

/* A value that stays at a limit is one alarm: back is a little inside, or takes its time. */
static void no_limit_flutters(void **state)
{
    const struct fixture *fixture = *state;
    const struct rulebook *rulebook = &fixture->all->rulebook;
    for (size_t i = 0; i < rulebook->count; i++) {
        const struct rule *rule = &rulebook->rules[i];
        for (size_t j = 0; j < rule->level_count; j++) {
            const struct rule_level *level = &rule->levels[j];
            bool inside =
                level->clear_high < level->raise_high || level->clear_low > level->raise_low;
            bool whole = rule->parameter->resolution >= 1.0; /* 0 and 1: there is nothing between */
            if (!inside && level->clear_for_ns == 0 && !whole) {
                fail_msg("%s: level %zu clears where it is raised, at once", rule->id, j + 1);
            }
        }
    }
}

/* ---- whom they concern ---- */

static size_t rules_for(const struct settings *settings, const char *station, const char *parameter,
                        const char **id)
{
    const struct station *found = registry_find(&settings->registry, phusa_text_of(station));
    size_t count = 0;
    assert_non_null(found);
    for (size_t i = 0; i < settings->rulebook.count; i++) {
        const struct rule *rule = &settings->rulebook.rules[i];
        if (strcmp(rule->kind, found->kind) == 0 && rule_tags_match(rule, found) &&
            rule->station_count == 0 &&
            phusa_text_equal(rule->parameter->name, phusa_text_of(parameter))) {
            count++;
            *id = rule->id;
        }
    }
    return count;
}

static void a_station_is_judged_by_its_class(void **state)
{
    static const struct {
        const char *station, *parameter, *rule; /* NULL: none */
    } cases[] = {
        { "phu-quoc-water-1", "do", "river-b-do" },
        { "phu-quoc-water-1", "ph", "river-b-ph" },
        { "phu-quoc-water-1", "nh4", "river-nh4" },
        { "phu-quoc-water-1", "tss", NULL },      /* not verified */
        { "phu-quoc-water-1", "salinity", NULL }, /* no crop is named there */
        { "my-tho-1", "do", "river-b-do" },
        { "kg-cage-1", "nh4", "cage-nh4" },
        { "kg-pond-1", "nh4", NULL },
        { "kg-pond-1", "do", "farm-oxygen" },
        { "kg-shrimp-1", "temp", NULL },
        { "effluent-my-tho-ip", "cod", "effluent-b-kq09-kf09-cod" },
        { "effluent-tan-huong", "nh4", "effluent-b-kq09-kf10-nh4" },
        { "effluent-long-giang", "tss", "effluent-b-kq10-kf10-tss" },
        { "effluent-long-giang", "ph", "effluent-b-ph" },
        { "effluent-long-giang", "temp", "effluent-temperature" },
        { "gw-my-tho", "cl", "groundwater-cl" },
        { "phu-quoc-air-1", "vn_aqi", "air-index" },
    };
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *id = "";
        size_t count = rules_for(fixture->shipped, cases[i].station, cases[i].parameter, &id);
        if (count != (cases[i].rule == NULL ? 0 : 1) ||
            (cases[i].rule != NULL && strcmp(id, cases[i].rule) != 0)) {
            fail_msg("%s of %s: %zu rules, %s", cases[i].parameter, cases[i].station, count, id);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_limit_is_the_regulations),
        cmocka_unit_test(what_nobody_verified_is_switched_off),
        cmocka_unit_test(the_limit_of_fine_dust_changes_with_the_year),
        cmocka_unit_test(messages_say_what_to_do_in_both_languages),
        cmocka_unit_test(no_limit_flutters),
        cmocka_unit_test(a_station_is_judged_by_its_class),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
