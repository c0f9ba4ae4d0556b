/*
 * The settings: the smallest configuration, what is asked for and what not, each
 * configuration of tests/data/broken and tests/data/warned with exactly its expected messages,
 * and what is shipped under config/. Runs from the project's root.
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
#include <unistd.h>

#include "phusa/report.h"
#include "settings/schema.h"
#include "settings/settings.h"

#define PATH_CHARS 512
#define BROKEN     "tests/data/broken"
#define WARNED     "tests/data/warned"
#define MINUTE_NS  INT64_C(60000000000)
#define COUNT(a)   (sizeof(a) / sizeof *(a))

/* ---- a folder with a configuration ---- */

struct fixture {
    char folder[PATH_CHARS];
    struct settings *settings;
    struct settings_errors errors;
};

static const char contract_phusa[] =
    "phusa : {\n"
    "  parameters = \"parameters.cfg\";\n"
    "  stations   = \"stations\";\n"
    "  rules      = \"rules\";\n"
    "  utc_offset = \"+07:00\";\n"
    "  broker  : { uri = \"ssl://127.0.0.1:8883\"; client_id = \"phusa\"; user = \"phusad\";"
    " password_file = \"broker.secret\"; ca = \"ca.pem\"; };\n"
    "  journal : { path = \"/var/lib/phusa/journal\"; keep = \"30d\"; keep_bytes = \"20G\";"
    " reserve = \"64M\"; };\n"
    "  store   : { kind = \"victoria\"; url = \"http://127.0.0.1:8428\"; token_file = \"\"; };\n"
    "  http    : { listen = \"127.0.0.1:8080\"; };\n"
    "  channels : ( { id = \"ioc\"; kind = \"webhook\"; url = \"https://…\";"
    " secret_file = \"ioc.secret\"; } );\n"
    "};\n";

static const char some_parameters[] =
    "units : ( { unit = \"/1000\"; same = [\"psu\", \"g/L\"]; } );\n"
    "parameters : (\n"
    "  { name = \"temp\"; vi = \"Nhiệt độ\"; en = \"Temperature\"; unit = \"Cel\"; min = -5.0;"
    " max = 80; resolution = 0.01; units = ( { unit = \"K\"; offset = -273.15; },"
    " { unit = \"degF\"; multiply = 5.0; divide = 9; offset = -17.77777777777778; } ); },\n"
    "  { name = \"salinity\"; vi = \"Độ mặn\"; en = \"Salinity\"; unit = \"/1000\"; min = 0;"
    " max = 50.0; resolution = 0.01; units = ( { unit = \"g/L\"; multiply = 2.0; } ); },\n"
    "  { name = \"level\"; vi = \"Mực nước\"; en = \"Level\"; unit = \"m\"; min = -10.0;"
    " max = 20.0; resolution = 0.01; }\n"
    ");\n";

static const char contract_stations[] =
    "stations : ( { id = \"s1\"; site = \"my-tho\"; kind = \"water\"; name = \"Trạm 1\";"
    " lat = 10.35; lon = 106.37;\n"
    "               every = \"5m\"; parameters = [\"salinity\", \"temp\", \"level\"];"
    " tags = { river = \"tien\"; }; } );\n";

static const char some_rules[] =
    "rules : ( { id = \"r1\"; kind = \"water\"; parameter = \"salinity\"; direction = \"above\";\n"
    "  levels = ( { severity = \"severe\"; raise = 4; clear = 3.5; for = \"30m\"; },\n"
    "             { severity = \"minor\"; raise = 1.0; } );\n"
    "  max_gap = \"1h\"; accept = [1, 2, 3]; channels = [\"ioc\"]; message = \"salinity\"; },\n"
    "  { id = \"r2\"; kind = \"water\"; parameter = \"level\"; direction = \"outside\";\n"
    "    stations = [\"s1\"]; levels = ( { severity = \"extreme\"; raise = (-1, 3.5);"
    " clear = (-0.5, 3); } );\n"
    "    max_gap = \"2h\"; live_within = \"20m\"; message = { vi = \"Nước\"; en = \"Water\"; }; }\n"
    ");\n";

static void put(const struct fixture *fixture, const char *name, const char *text)
{
    char path[PATH_CHARS + 64];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_folder(const struct fixture *fixture, const char *name)
{
    char path[PATH_CHARS + 64];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const char *base = getenv("TMPDIR");
    assert_non_null(fixture);
    (void)snprintf(fixture->folder, sizeof fixture->folder, "%s/phusa-settings-XXXXXX",
                   base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(fixture->folder));
    make_folder(fixture, "stations");
    make_folder(fixture, "rules");
    put(fixture, "phusa.cfg", contract_phusa);
    put(fixture, "parameters.cfg", some_parameters);
    put(fixture, "stations/a.cfg", contract_stations);
    put(fixture, "rules/a.cfg", some_rules);
    put(fixture, "broker.secret", "hush hush\r\n");
    put(fixture, "ioc.secret", "no-line-end");
    put(fixture, "ca.pem", "");
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[PATH_CHARS + 32];
    settings_free(fixture->settings);
    settings_errors_clear(&fixture->errors);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", fixture->folder);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static enum settings_status load(struct fixture *fixture, unsigned need)
{
    char path[PATH_CHARS + 64];
    (void)snprintf(path, sizeof path, "%s/phusa.cfg", fixture->folder);
    settings_free(fixture->settings);
    return settings_load(path, need, &fixture->settings, &fixture->errors);
}

static void load_good(struct fixture *fixture, unsigned need)
{
    enum settings_status status = load(fixture, need);
    settings_errors_print(&fixture->errors, stderr);
    assert_int_equal(status, SETTINGS_OK);
    assert_int_equal(fixture->errors.count, 0);
    assert_non_null(fixture->settings);
    settings_warnings_print(&fixture->settings->warnings, stderr);
    assert_int_equal(fixture->settings->warnings.count, 0);
}

/* ---- what is read ---- */

static void the_contracts_smallest_configuration_loads(void **state)
{
    struct fixture *fixture = *state;
    load_good(fixture, SETTINGS_ALL);
    const struct settings *settings = fixture->settings;
    assert_int_equal(settings->utc_offset_s, 25200);
    assert_int_equal(settings->ahead_ns, 5 * MINUTE_NS);
    assert_string_equal(settings->broker.uri, "ssl://127.0.0.1:8883");
    assert_string_equal(settings->broker.user, "phusad");
    assert_string_equal(settings->broker.password, "hush hush");
    assert_non_null(strstr(settings->broker.ca, "/ca.pem"));
    assert_int_equal(settings->broker.keepalive_ns, MINUTE_NS / 2);
    assert_string_equal(settings->journal.path, "/var/lib/phusa/journal");
    assert_int_equal(settings->journal.keep_ns, 30 * 24 * 60 * MINUTE_NS);
    assert_int_equal(settings->journal.keep_bytes, INT64_C(20) << 30);
    assert_int_equal(settings->journal.segment_bytes, 64 << 20);
    assert_int_equal(settings->journal.sync_ns, 20000000);
    assert_false(settings->journal.strict);
    assert_int_equal(settings->journal.snapshot_ns, MINUTE_NS);
    assert_int_equal(settings->store.kind, STORE_VICTORIA);
    assert_string_equal(settings->store.token, "");
    assert_string_equal(settings->store.bucket, "phusa");
    assert_int_equal(settings->store.batch_lines, 5000);
    assert_int_equal(settings->store.batch_bytes, 1 << 20);
    assert_int_equal(settings->store.batch_age_ns, 200000000);
    assert_int_equal(settings->store.gzip, GZIP_AUTO);
    assert_int_equal(settings->store.margin_ns, 10 * (MINUTE_NS / 60));
    assert_string_equal(settings->http.listen, "127.0.0.1:8080");
    assert_string_equal(settings->http.token, "");
    assert_int_equal(settings->channel_count, 1);
    assert_string_equal(settings->channels[0].secret, "no-line-end");
    assert_int_equal(settings->channels[0].timeout_ns, 10 * (MINUTE_NS / 60));
}

static const struct phusa_parameter *parameter_named(const struct fixture *fixture,
                                                     const char *name)
{
    return phusa_catalogue_find(&fixture->settings->catalogue, phusa_text_of(name));
}

/* What a station lists as a statistic of a parameter is in the catalogue, too. */
static void statistics_follow_their_parameter(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "parameters.cfg",
        "units : ( { unit = \"Cel\"; other = ( { unit = \"K\"; offset = -273.15; } ); } );"
        "parameters : ( { name = \"temp\"; vi = \"Nhiệt độ\"; en = \"Temperature\"; unit = \"Cel\";"
        " min = -5.0; max = 60.0; resolution = 0.01; },"
        " { name = \"level\"; vi = \"Mực nước\"; en = \"Level\"; unit = \"m\"; min = -5.0;"
        " max = 5.0; resolution = 0.01; },"
        " { name = \"level_max\"; vi = \"Đỉnh\"; en = \"Peak\"; unit = \"m\"; min = 0.0; max = 9.0;"
        " resolution = 0.1; } );");
    put(fixture, "stations/a.cfg",
        "stations : ( { id = \"s1\"; site = \"x\"; kind = \"water\"; every = \"5m\";"
        " parameters = [\"temp\", \"temp_min\", \"temp_sd\", \"temp_n\", \"temp_check\","
        " \"temp_raw\", \"level\", \"level_max\"]; },"
        " { id = \"s2\"; site = \"x\"; kind = \"water\"; every = \"5m\";"
        " parameters = [\"temp\", \"temp_min\"]; } );");
    load_good(fixture, SETTINGS_STATIONS);
    assert_int_equal(fixture->settings->catalogue.count, 3 + 5 + 2);
    const struct phusa_parameter *found = parameter_named(fixture, "temp_min");
    double value = 300;
    assert_string_equal(found->label_vi, "Nhiệt độ, nhỏ nhất");
    assert_string_equal(found->label_en, "Temperature, minimum");
    assert_true(found->minimum == -5 && found->maximum == 60);
    assert_true(phusa_unit_convert(found, PHUSA_TEXT("K"), &value) && value < 27);
    found = parameter_named(fixture, "temp_sd");
    assert_true(found->minimum == 0 && found->maximum == 65);
    assert_true(phusa_text_equal(found->unit, PHUSA_TEXT("Cel")));
    assert_false(phusa_unit_convert(found, PHUSA_TEXT("K"), &value));
    found = parameter_named(fixture, "temp_n");
    assert_true(found->maximum == 86400 && found->unit.length == 0);
    assert_true(parameter_named(fixture, "temp_check")->maximum == 31);
    assert_true(parameter_named(fixture, "temp_raw")->maximum == 60);
    assert_true(parameter_named(fixture, "level_raw")->maximum == 5); /* not listed, but level is */
    assert_true(parameter_named(fixture, "level_check")->maximum == 31);
    assert_null(parameter_named(fixture, "level_max_raw"));
    assert_null(parameter_named(fixture, "level_max_check"));
    assert_string_equal(parameter_named(fixture, "level_max")->label_en, "Peak"); /* its own */
    assert_null(parameter_named(fixture, "level_min"));                           /* not listed */
    const struct station *s2 = registry_find(&fixture->settings->registry, PHUSA_TEXT("s2"));
    assert_ptr_equal(s2->parameters[1], parameter_named(fixture, "temp_min"));
}

static void stations_are_resolved(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "stations/b.cfg",
        "stations : ( { id = \"b\"; site = \"x\"; kind = \"air\"; every = \"1h\";"
        " parameters = (\"temp\"); names = [\"urn:dev:1\"]; backlog_rate = 20; } );");
    put(fixture, "stations/ignored.txt", "this is no configuration");
    put(fixture, "stations/.hidden.cfg", "nor this");
    load_good(fixture, SETTINGS_STATIONS);
    const struct registry *registry = &fixture->settings->registry;
    assert_int_equal(registry->count, 2);
    const struct station *b = registry_find(registry, PHUSA_TEXT("b"));
    const struct station *s1 = registry_find(registry, PHUSA_TEXT("s1"));
    assert_ptr_equal(b, &registry->stations[0]);
    assert_ptr_equal(s1, &registry->stations[1]);
    assert_null(registry_find(registry, PHUSA_TEXT("s")));
    assert_null(registry_find(registry, PHUSA_TEXT("s12")));
    assert_null(registry_find(registry, PHUSA_TEXT("")));
    assert_string_equal(s1->name, "Trạm 1");
    assert_true(s1->lat == 10.35 && s1->lon == 106.37);
    assert_int_equal(s1->every_ns, 5 * MINUTE_NS);
    assert_int_equal(s1->parameter_count, 3);
    assert_ptr_equal(s1->parameters[0],
                     phusa_catalogue_find(&fixture->settings->catalogue, PHUSA_TEXT("salinity")));
    assert_int_equal(s1->tag_count, 1);
    assert_string_equal(s1->tags[0].key, "river");
    assert_string_equal(s1->tags[0].value, "tien");
    assert_string_equal(b->name, "b"); /* the id when not given */
    assert_int_equal(b->backlog_rate, 20);
    assert_int_equal(s1->backlog_rate, 0);
    assert_true(isnan(b->lat) && isnan(b->lon));
    assert_int_equal(b->name_count, 1);
    assert_string_equal(b->names[0], "urn:dev:1");
}

static void rules_are_resolved(void **state)
{
    struct fixture *fixture = *state;
    load_good(fixture, SETTINGS_ALL);
    assert_int_equal(fixture->settings->rulebook.count, 2);
    const struct rule *r1 = &fixture->settings->rulebook.rules[0];
    assert_string_equal(r1->id, "r1");
    assert_string_equal(r1->kind, "water");
    assert_int_equal(r1->direction, RULE_ABOVE);
    assert_int_equal(r1->level_count, 2);
    assert_int_equal(r1->levels[0].severity, SEVERITY_MINOR); /* ascending, however written */
    assert_true(r1->levels[0].raise_high == 1.0 && r1->levels[0].clear_high == 1.0);
    assert_int_equal(r1->levels[0].for_ns, 0);
    assert_int_equal(r1->levels[1].severity, SEVERITY_SEVERE);
    assert_true(r1->levels[1].raise_high == 4.0 && r1->levels[1].clear_high == 3.5);
    assert_int_equal(r1->levels[1].for_ns, 30 * MINUTE_NS);
    assert_int_equal(r1->max_gap_ns, 60 * MINUTE_NS);
    assert_int_equal(r1->live_within_ns, 0);
    assert_int_equal(r1->accept, 1 << 1 | 1 << 2 | 1 << 3);
    assert_int_equal(r1->channel_count, 1);
    assert_int_equal(r1->channels[0], 0);
    assert_string_equal(r1->message_vi, "salinity");
    assert_string_equal(r1->message_en, "salinity");
    const struct rule *r2 = &fixture->settings->rulebook.rules[1];
    assert_int_equal(r2->direction, RULE_OUTSIDE);
    assert_true(r2->levels[0].raise_low == -1.0 && r2->levels[0].raise_high == 3.5);
    assert_true(r2->levels[0].clear_low == -0.5 && r2->levels[0].clear_high == 3.0);
    assert_int_equal(r2->live_within_ns, 20 * MINUTE_NS);
    assert_int_equal(r2->accept, 1 << 1 | 1 << 2);
    assert_int_equal(r2->station_count, 1);
    assert_string_equal(r2->stations[0], "s1");
    assert_string_equal(r2->message_vi, "Nước");
    assert_string_equal(r2->message_en, "Water");
    assert_int_equal(r2->line, 5);
}

static void rules_judge_windows_while_they_hold(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "rules/a.cfg",
        "rules : ( { id = \"r1\"; kind = \"water\"; parameter = \"salinity\"; direction ="
        " \"above\"; levels = ( { severity = \"minor\"; raise = 400.0; } ); max_gap = \"1d\";"
        " from = \"2026-01-01\"; until = \"2026-07-01T00:00:00.5Z\";"
        " window = { statistic = \"sum\"; length = \"night\"; coverage = 0.5; }; },\n"
        "{ id = \"r2\"; kind = \"water\"; parameter = \"temp\"; direction = \"above\";"
        " levels = ( { severity = \"minor\"; raise = 40.0; } ); max_gap = \"1h\";"
        " window = { statistic = \"mean\"; length = \"8h\"; }; },\n"
        "{ id = \"r3\"; kind = \"water\"; parameter = \"temp\"; direction = \"above\";"
        " levels = ( { severity = \"minor\"; raise = 40.0; } ); max_gap = \"1m\"; } );");
    load_good(fixture, SETTINGS_RULES);
    const struct rule *rules = fixture->settings->rulebook.rules;
    assert_true(rules[0].window.given); /* a sum may lie beyond the parameter's range */
    assert_int_equal(rules[0].window.statistic, RULE_SUM);
    assert_int_equal(rules[0].window.length, RULE_NIGHT);
    assert_true(rules[0].window.coverage == 0.5);
    assert_int_equal(rules[0].from_ns, INT64_C(1767200400000000000)); /* 17:00 UTC of the eve */
    assert_int_equal(rules[0].until_ns, INT64_C(1782864000500000000));
    assert_int_equal(rule_window_step_ns(&rules[0].window), 24 * 60 * MINUTE_NS);
    assert_int_equal(rules[1].window.statistic, RULE_MEAN);
    assert_int_equal(rules[1].window.length, RULE_8H);
    assert_true(rules[1].window.coverage == 0.75); /* that of windows */
    assert_int_equal(rule_window_step_ns(&rules[1].window), 60 * MINUTE_NS);
    assert_false(rules[2].window.given);
    assert_int_equal(rule_window_step_ns(&rules[2].window), 0);
    for (size_t i = 1; i < 3; i++) {
        assert_true(rules[i].from_ns == INT64_MIN && rules[i].until_ns == INT64_MAX);
    }
    for (size_t i = 0; i < MAINTENANCE_COUNT; i++) {
        const struct rule *rule = &fixture->settings->maintenance.rules[i];
        assert_true(rule->from_ns == INT64_MIN && rule->until_ns == INT64_MAX);
    }
}

/* What is switched off is gone once it has been checked; the order of the others stays. */
static void a_rule_can_be_switched_off(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "rules/b.cfg",
        "rules : ( { id = \"off\"; kind = \"water\"; parameter = \"temp\"; direction = \"above\";"
        " enabled = false; levels = ( { severity = \"minor\"; raise = 30.0; } );"
        " max_gap = \"1h\"; },\n"
        " { id = \"on\"; kind = \"water\"; parameter = \"temp\"; direction = \"above\";"
        " enabled = true; levels = ( { severity = \"minor\"; raise = 31.0; } );"
        " max_gap = \"1h\"; } );");
    load_good(fixture, SETTINGS_ALL);
    const struct rulebook *rulebook = &fixture->settings->rulebook;
    assert_int_equal(rulebook->count, 3);
    assert_string_equal(rulebook->rules[0].id, "r1");
    assert_string_equal(rulebook->rules[1].id, "r2");
    assert_string_equal(rulebook->rules[2].id, "on");
    assert_true(rulebook->rules[2].levels[0].raise_high == 31.0);
}

static void rules_ask_for_tags(void **state)
{
    static const struct station_tag river_a[] = { { "river", "tien" }, { "class", "A" } };
    static const struct station_tag river_b[] = { { "class", "B" }, { "river", "tien" } };
    static const struct station_tag other_b[] = { { "class", "B" }, { "river", "hau" } };
    static const struct station_tag crossed[] = { { "class", "tien" }, { "river", "B" } };
    const struct station a = { .tags = river_a, .tag_count = 2 };
    const struct station b = { .tags = river_b, .tag_count = 2 };
    const struct station elsewhere = { .tags = other_b, .tag_count = 2 };
    const struct station wrong = { .tags = crossed, .tag_count = 2 };
    const struct station bare = { .tags = NULL };
    struct fixture *fixture = *state;
    put(fixture, "rules/a.cfg",
        "rules : ( { id = \"one\"; kind = \"water\"; parameter = \"temp\"; direction = \"above\";"
        " tags = { class = \"B\"; }; levels = ( { severity = \"minor\"; raise = 30.0; } );"
        " max_gap = \"1h\"; },\n"
        " { id = \"any\"; kind = \"water\"; parameter = \"temp\"; direction = \"above\";"
        " tags = { class = [\"B\", \"A\"]; river = \"tien\"; };"
        " levels = ( { severity = \"minor\"; raise = 31.0; } ); max_gap = \"1h\"; },\n"
        " { id = \"all\"; kind = \"water\"; parameter = \"temp\"; direction = \"above\";"
        " levels = ( { severity = \"minor\"; raise = 32.0; } ); max_gap = \"1h\"; } );");
    load_good(fixture, SETTINGS_ALL);
    const struct rule *one = &fixture->settings->rulebook.rules[0], *any = one + 1, *all = one + 2;
    assert_int_equal(one->tag_count, 1);
    assert_int_equal(any->tag_count, 3);
    assert_true(rule_tags_match(one, &b) && rule_tags_match(one, &elsewhere));
    assert_false(rule_tags_match(one, &a) || rule_tags_match(one, &bare));
    assert_true(rule_tags_match(any, &a) && rule_tags_match(any, &b));
    assert_false(rule_tags_match(any, &elsewhere) || rule_tags_match(any, &bare));
    assert_false(rule_tags_match(one, &wrong) || rule_tags_match(any, &wrong));
    assert_true(rule_tags_match(all, &a) && rule_tags_match(all, &bare));
}

/* A configuration of the contract's with other text at one place. */
static void put_with(const struct fixture *fixture, const char *before, const char *more)
{
    char text[sizeof contract_phusa + 512];
    const char *at = strstr(contract_phusa, before);
    assert_non_null(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - contract_phusa), contract_phusa, more,
                   at);
    put(fixture, "phusa.cfg", text);
}

#define BIT(length) (1u << (length))

static void windows_are_chosen(void **state)
{
    struct fixture *fixture = *state;
    load_good(fixture, SETTINGS_ALL);
    const struct window_choice *windows = &fixture->settings->windows;
    assert_int_equal(windows->kinds,
                     BIT(RULE_1H) | BIT(RULE_8H) | BIT(RULE_24H) | BIT(RULE_DAY) | BIT(RULE_YEAR));
    assert_true(windows->coverage == 0.75);
    assert_int_equal(windows->lateness_ns, 10 * MINUTE_NS);
    assert_false(windows->begins || windows->nowcast_normalised);
    assert_int_equal(fixture->settings->clock_wrong_ns, 24 * 60 * MINUTE_NS);

    put_with(fixture, "  channels",
             "  windows : { kinds = [\"year\", \"night\"]; coverage = 0; lateness = \"0s\";"
             " hour = \"begins\"; nowcast = \"normalised\"; }; clock_wrong = \"2h\";\n");
    load_good(fixture, SETTINGS_CATALOGUE);
    windows = &fixture->settings->windows;
    assert_int_equal(windows->kinds, BIT(RULE_YEAR) | BIT(RULE_NIGHT));
    assert_true(windows->coverage == 0);
    assert_int_equal(windows->lateness_ns, 0);
    assert_true(windows->begins && windows->nowcast_normalised);
    assert_int_equal(fixture->settings->clock_wrong_ns, 120 * MINUTE_NS);

    put_with(fixture, "  channels", "  windows : { kinds = []; };\n");
    load_good(fixture, SETTINGS_CATALOGUE);
    assert_int_equal(fixture->settings->windows.kinds, 0);
}

/* ---- quality tests, derived quantities and traps ---- */

static const char *const quality_parameters = "parameters : (\n"
#define ENTRY(name, unit, more)                                                                    \
    "{ name = \"" name "\"; vi = \"x\"; en = \"x\"; unit = \"" unit                                \
    "\"; min = 0.0; max = 100.0; resolution = 0.1; " more "}"
    ENTRY("temp", "Cel", "qc : { gross = { suspect = [0, 40]; }; rate = { fail = 1.0; }; };") "," ENTRY("salinity", "/1000", "") "," ENTRY(
        "ec", "mS/cm",
        "") "," ENTRY("ec25", "mS/cm",
                      "") "," ENTRY("do", "mg/L",
                                    "") "," ENTRY("do_sat", "/100",
                                                  "") "," ENTRY("nh4", "mg/L",
                                                                "") "," ENTRY("nh3_water", "mg/L",
                                                                              "") "," ENTRY("ph",
                                                                                            "pH",
                                                                                            "") "," ENTRY("level",
                                                                                                          "m",
                                                                                                          "") "," ENTRY("bph",
                                                                                                                        "count",
                                                                                                                        "") "," ENTRY("lamp",
                                                                                                                                      "/",
                                                                                                                                      "") ");\n";

static void put_quality(const struct fixture *fixture, const char *stations, const char *quality)
{
    put(fixture, "parameters.cfg", quality_parameters);
    put(fixture, "stations/a.cfg", stations);
    put(fixture, "quality.cfg", quality);
    put_with(fixture, "  channels", "  quality = \"quality.cfg\";\n");
}

static const struct station *find_station(const struct fixture *fixture, const char *id)
{
    const struct station *found = registry_find(&fixture->settings->registry, phusa_text_of(id));
    assert_non_null(found);
    return found;
}

static const struct qc_settings *find_qc(const struct station *station, const char *parameter)
{
    for (size_t i = 0; i < station->qc_count; i++) {
        if (phusa_text_equal(station->qc[i].parameter->name, phusa_text_of(parameter))) {
            return &station->qc[i].qc;
        }
    }
    return NULL;
}

#define STATION(id, kind, parameters, more)                                                        \
    "{ id = \"" id "\"; site = \"x\"; kind = \"" kind                                              \
    "\"; every = \"5m\"; parameters = [" parameters "]; " more " }"

static void tests_of_catalogue_kind_and_station_are_read_over_each_other(void **state)
{
    struct fixture *fixture = *state;
    put_quality(
        fixture,
        "stations : (" STATION("s1", "water", "\"temp\", \"level\"", "") "," STATION(
            "own", "water", "\"temp\", \"level\"",
            "qc = ( { parameter = \"temp\"; qc : { gross = { suspect = [2, 30]; };"
            " spike = { }; }; }, { parameter = \"level\"; qc : { rate = { suspect ="
            " 0.5; }; }; } ); stuck_bus = \"0s\"; index = false;") "," STATION("a1", "air",
                                                                               "\"temp\", "
                                                                               "\"level\"",
                                                                               "stuck_bus = "
                                                                               "\"1h\";") ");",
        "quality : ( { kind = \"water\"; parameter = \"temp\"; qc : { spike = { fail = 3.0;"
        " }; rate = { suspect = 0.2; }; }; }, { kind = \"air\"; parameter = \"salinity\";"
        " qc : { rate = { fail = 9.0; }; }; } );\n"
        "stuck_bus : ( { kind = \"water\"; after = \"6h\"; } );");
    load_good(fixture, SETTINGS_ALL);

    const struct station *s1 = find_station(fixture, "s1");
    assert_int_equal(s1->qc_count, 1); /* level has no test */
    const struct qc_settings *temp = find_qc(s1, "temp");
    assert_true(temp->gross.given && temp->gross.suspect.high == 40); /* of the catalogue */
    assert_true(temp->spike.given && temp->spike.fail == 3);          /* of the kind */
    assert_true(temp->rate.given && temp->rate.suspect == 0.2 && isnan(temp->rate.fail));
    assert_false(temp->flat_line.given || temp->attenuated.given);
    assert_int_equal(s1->stuck_ns, 360 * MINUTE_NS);
    assert_false(s1->indicative);

    const struct station *own = find_station(fixture, "own");
    assert_int_equal(own->qc_count, 2);
    temp = find_qc(own, "temp");
    assert_true(temp->gross.given && temp->gross.suspect.low == 2);
    assert_false(temp->spike.given); /* taken away */
    assert_true(temp->rate.suspect == 0.2);
    assert_true(find_qc(own, "level")->rate.suspect == 0.5);
    assert_int_equal(own->stuck_ns, 0);
    assert_true(own->indicative);

    const struct station *air = find_station(fixture, "a1");
    assert_int_equal(air->qc_count, 1);
    assert_true(find_qc(air, "temp")->rate.fail == 1);
    assert_false(find_qc(air, "temp")->spike.given);
    assert_int_equal(air->stuck_ns, 60 * MINUTE_NS);
}

static const struct derivation *find_derivation(const struct station *station,
                                                enum derivation_kind kind)
{
    for (size_t i = 0; i < station->derivation_count; i++) {
        if (station->derivations[i].kind == kind) {
            return &station->derivations[i];
        }
    }
    return NULL;
}

static void check_derivation(const struct derivation *derivation, const char *parameter,
                             const char *from)
{
    assert_non_null(derivation);
    assert_true(phusa_text_equal(derivation->parameter->name, phusa_text_of(parameter)));
    assert_true(phusa_text_equal(derivation->from->name, phusa_text_of(from)));
}

static void derivations_know_what_goes_in_and_comes_out(void **state)
{
    struct fixture *fixture = *state;
    put_quality(
        fixture,
        "stations : (" STATION(
            "s1", "water", "\"temp\", \"ec\", \"do\", \"nh4\", \"ph\"",
            "derive = ( { parameter = \"do_sat\"; pressure = 0.9; }, { parameter ="
            " \"nh3_water\"; }, { parameter = \"ec25\"; }, { parameter = \"salinity\";"
            " scale = \"pure\"; } ); qc = ( { parameter = \"salinity\"; qc : { rate = {"
            " fail = 1; }; }; } );") "," STATION("s2", "water", "\"ec25\"",
                                                 "derive = ( { parameter = \"salinity\"; from = "
                                                 "\"ec25\"; } );") "," STATION("s3", "water",
                                                                               "\"temp\", \"do\", "
                                                                               "\"ec\"",
                                                                               "derive = ( { "
                                                                               "parameter = "
                                                                               "\"do_sat\"; "
                                                                               "salinity = 0.5; },"
                                                                               " { parameter = "
                                                                               "\"ec25\"; "
                                                                               "coefficient = "
                                                                               "0.02; } );") ");",
        "");
    load_good(fixture, SETTINGS_ALL);

    const struct station *s1 = find_station(fixture, "s1");
    assert_int_equal(s1->derivation_count, 4);
    check_derivation(find_derivation(s1, DERIVE_SALINITY), "salinity", "ec");
    assert_true(find_derivation(s1, DERIVE_SALINITY)->pure);
    check_derivation(find_derivation(s1, DERIVE_EC25), "ec25", "ec");
    assert_true(find_derivation(s1, DERIVE_EC25)->per_kelvin == 0.0191);
    check_derivation(find_derivation(s1, DERIVE_DO_SAT), "do_sat", "do");
    assert_true(isnan(find_derivation(s1, DERIVE_DO_SAT)->salinity));
    assert_true(find_derivation(s1, DERIVE_DO_SAT)->pressure_atm == 0.9);
    check_derivation(find_derivation(s1, DERIVE_NH3), "nh3_water", "nh4");
    assert_true(find_qc(s1, "salinity")->rate.fail == 1); /* what is derived is judged, too */

    const struct station *s2 = find_station(fixture, "s2");
    check_derivation(find_derivation(s2, DERIVE_SALINITY), "salinity", "ec25");
    assert_false(find_derivation(s2, DERIVE_SALINITY)->pure);
    const struct station *s3 = find_station(fixture, "s3");
    assert_true(find_derivation(s3, DERIVE_DO_SAT)->salinity == 0.5);
    assert_true(find_derivation(s3, DERIVE_DO_SAT)->pressure_atm == 1);
    assert_true(find_derivation(s3, DERIVE_EC25)->per_kelvin == 0.02);
    assert_null(find_derivation(s3, DERIVE_NH3));
}

static void traps_say_how_they_count(void **state)
{
    struct fixture *fixture = *state;
    put_quality(
        fixture,
        "stations : (" STATION("s1", "water", "\"bph\"", "trap : { species = [\"bph\"]; };") "," STATION(
            "s2", "water", "\"bph\", \"level\", \"lamp\", \"temp\"",
            "trap : { counts = \"cumulative\"; falls = \"correction\"; limit = 999;"
            " hold = \"1h\"; species = [\"bph\", \"level\"]; lamp = \"lamp\";"
            " service = \"temp\"; };") "," STATION("s3", "water", "\"bph\"", "") ");",
        "");
    load_good(fixture, SETTINGS_ALL);
    const struct station_trap *trap = &find_station(fixture, "s1")->trap;
    assert_true(trap->given && !trap->cumulative && !trap->drop_corrects && trap->limit == 0);
    assert_int_equal(trap->hold_ns, 120 * MINUTE_NS);
    assert_int_equal(trap->species_count, 1);
    assert_true(trap->lamp == NULL && trap->gate == NULL && trap->service == NULL);
    trap = &find_station(fixture, "s2")->trap;
    assert_true(trap->given && trap->cumulative && trap->drop_corrects && trap->limit == 999);
    assert_int_equal(trap->hold_ns, 60 * MINUTE_NS);
    assert_int_equal(trap->species_count, 2);
    const struct phusa_catalogue *catalogue = &fixture->settings->catalogue;
    assert_ptr_equal(trap->species[1], phusa_catalogue_find(catalogue, PHUSA_TEXT("level")));
    assert_ptr_equal(trap->lamp, phusa_catalogue_find(catalogue, PHUSA_TEXT("lamp")));
    assert_ptr_equal(trap->service, phusa_catalogue_find(catalogue, PHUSA_TEXT("temp")));
    assert_null(trap->gate);
    assert_false(find_station(fixture, "s3")->trap.given);
}

static void check_maintenance_rule(const struct rule *rule, const char *id, const char *parameter)
{
    assert_string_equal(rule->id, id);
    assert_true(phusa_text_equal(rule->parameter->name, phusa_text_of(parameter)));
    assert_true(rule->parameter->label_vi[0] != '\0' && rule->parameter->label_en[0] != '\0');
    assert_true(rule->parameter->resolution > 0);
    assert_true(rule->message_vi[0] != '\0' && rule->message_en[0] != '\0');
    assert_int_equal(rule->level_count, 0);
    assert_true(rule->max_gap_ns > 0);
    assert_non_null(rule->file);
}

static void the_collectors_own_alarms_are_rules_too(void **state)
{
    static const char *const expected[MAINTENANCE_COUNT][2] = {
        { "reports-missing", "reports_missing" },
        { "disk-full", "disk_free" },
        { "spool-full", "spool_lost" },
        { "broker-drops", "broker_dropped" },
        { "journal", "journal_damaged" },
        { "never-seen", "never_seen" },
        { "quiet", "quiet" },
        { "flat", "flat" },
        { "clock-wrong", "clock_wrong" },
        { "site-silent", "site_silent" },
        { "link-down", "link_down" },
    };
    struct fixture *fixture = *state;
    load_good(fixture, SETTINGS_ALL);
    const struct maintenance_settings *maintenance = &fixture->settings->maintenance;
    assert_int_equal(maintenance->gap_ns, 360 * MINUTE_NS);
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        const struct rule *rule = &maintenance->rules[i];
        check_maintenance_rule(rule, expected[i][0], expected[i][1]);
        assert_int_equal(maintenance_find(maintenance, expected[i][0]), i);
        assert_int_equal(rule->channel_count, 1); /* all, by default */
        assert_null(phusa_catalogue_find(&fixture->settings->catalogue, rule->parameter->name));
    }
    assert_int_equal(maintenance_find(maintenance, "salinity"), -1);
    assert_string_equal(maintenance->self.id, "phusa");
    assert_string_equal(maintenance->self.site, "collector");
    assert_true(maintenance->self.every_ns > 0);
}

static void the_collectors_own_alarms_are_configured(void **state)
{
    struct fixture *fixture = *state;
    const struct maintenance_settings *maintenance;
    put_with(fixture, "  channels", "  maintenance : { gap = \"90m\"; };\n");
    load_good(fixture, SETTINGS_ALL);
    maintenance = &fixture->settings->maintenance;
    assert_int_equal(maintenance->gap_ns, 90 * MINUTE_NS);
    assert_int_equal(maintenance->rules[MAINTENANCE_JOURNAL].channel_count, 1); /* all */

    put_with(fixture, "  channels", "  maintenance : { channels = [\"ioc\"]; };\n");
    load_good(fixture, SETTINGS_ALL);
    maintenance = &fixture->settings->maintenance;
    assert_int_equal(maintenance->rules[MAINTENANCE_DISK_FULL].channel_count, 1);

    put_with(fixture, "\"; user = ", "-1"); /* client_id = "phusa-1" */
    load_good(fixture, SETTINGS_ALL);
    assert_string_equal(fixture->settings->maintenance.self.id, "phusa-1");
    put_with(fixture, "\"; user = ", " at home"); /* no id */
    load_good(fixture, SETTINGS_ALL);
    assert_string_equal(fixture->settings->maintenance.self.id, "phusa");

    put_with(fixture, "  channels", "  maintenance : { channels = [\"gone\"]; };\n");
    load_good(fixture, SETTINGS_RULES); /* a replay looks up no channels */
    assert_int_equal(fixture->settings->maintenance.gap_ns, 360 * MINUTE_NS);
    assert_string_equal(fixture->settings->maintenance.self.id, "phusa");
}

static void what_changes_state_over_http_has_a_token(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "http.token", "open sesame, please\n");
    put_with(fixture, "listen = ", "token_file = \"http.token\"; ");
    load_good(fixture, SETTINGS_ALL);
    assert_string_equal(fixture->settings->http.token, "open sesame, please");
    assert_string_equal(fixture->settings->http.listen, "127.0.0.1:8080");
}

static void units_are_inherited_and_overridden(void **state)
{
    struct fixture *fixture = *state;
    load_good(fixture, SETTINGS_CATALOGUE);
    static const struct {
        const char *parameter, *unit;
        double value, own;
    } cases[] = {
        { "temp", "", 25, 25 },       { "temp", "Cel", 25, 25 },   { "temp", "K", 300, 26.85 },
        { "temp", "degF", 212, 100 }, { "salinity", "psu", 3, 3 }, { "salinity", "/1000", 3, 3 },
        { "salinity", "g/L", 3, 6 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct phusa_parameter *parameter =
            phusa_catalogue_find(&fixture->settings->catalogue, phusa_text_of(cases[i].parameter));
        double value = cases[i].value;
        assert_non_null(parameter);
        assert_true(phusa_unit_convert(parameter, phusa_text_of(cases[i].unit), &value));
        assert_true(fabs(value - cases[i].own) < 1e-9);
    }
    double value = 1;
    const struct phusa_parameter *level =
        phusa_catalogue_find(&fixture->settings->catalogue, PHUSA_TEXT("level"));
    assert_false(phusa_unit_convert(level, PHUSA_TEXT("psu"), &value));
}

static void addresses_are_normalised(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *written, *kept; /* NULL: refused */
    } cases[] = {
        { "tcp://h:1", "tcp://h:1" },
        { "mqtt://broker.example", "tcp://broker.example:1883" },
        { "mqtts://[::1]/", "ssl://[::1]:8883" },
        { "ssl://h:8884", "ssl://h:8884" },
        { "ws://h:1", NULL },
        { "tcp://", NULL },
        { "tcp://h:0", NULL },
        { "tcp://h:65536", NULL },
        { "tcp://h:1x", NULL },
        { "tcp://h:", NULL },
        { "tcp://user:zyxwv@h:1", NULL },
        { "tcp://h:1/path", NULL },
        { "tcp://a b:1", NULL },
        { "tcp://[::1", NULL },
        { "h:1", NULL },
        { "", NULL },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[512];
        (void)snprintf(text, sizeof text,
                       "phusa : { parameters = \"parameters.cfg\"; broker : { uri = \"%s\"; };"
                       " journal : { path = \"j\"; }; store : { url = \"http://h\"; }; };",
                       cases[i].written);
        put(fixture, "phusa.cfg", text);
        enum settings_status status = load(fixture, SETTINGS_SERVICES);
        assert_int_equal(status, cases[i].kept == NULL ? SETTINGS_BAD : SETTINGS_OK);
        if (cases[i].kept != NULL) {
            assert_string_equal(fixture->settings->broker.uri, cases[i].kept);
        } else {
            assert_int_equal(fixture->errors.count, 1);
            assert_null(strstr(fixture->errors.items[0].text, "zyxwv"));
        }
    }
}

static void paths_count_from_the_configurations_folder(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "phusa.cfg",
        "phusa : { parameters = \"parameters.cfg\"; broker : { uri = \"tcp://h:1\"; };"
        " journal : { path = \"j\"; }; store : { url = \"http://h\"; }; };");
    load_good(fixture, SETTINGS_SERVICES);
    char wanted[PATH_CHARS + 8];
    (void)snprintf(wanted, sizeof wanted, "%s/j", fixture->folder);
    assert_string_equal(fixture->settings->journal.path, wanted);
    assert_string_equal(fixture->settings->http.listen, "127.0.0.1:8080"); /* no group: defaults */
}

/* ---- what is asked for ---- */

static void only_what_is_needed_is_checked(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "phusa.cfg",
        "phusa : { parameters = \"parameters.cfg\"; stations = \"stations\"; rules = \"rules\";"
        " store : { url = \"nonsense\"; }; };");
    load_good(fixture, SETTINGS_CATALOGUE);
    assert_int_equal(fixture->settings->catalogue.count, 3);
    assert_int_equal(fixture->settings->registry.count, 0);
    load_good(fixture, SETTINGS_STATIONS);
    assert_int_equal(fixture->settings->registry.count, 1);
    load_good(fixture, SETTINGS_RULES); /* its channel "ioc" is unknown here */
    assert_int_equal(fixture->settings->rulebook.count, 2);
    assert_int_equal(fixture->settings->rulebook.rules[0].channel_count, 0);
    assert_int_equal(load(fixture, SETTINGS_ALL), SETTINGS_BAD);
    assert_int_equal(fixture->errors.count, 4); /* broker, journal, the store's url, the channel */
    assert_null(fixture->settings);
}

static void a_mistake_hides_no_other_and_blames_no_other(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "stations/a.cfg", "stations : ( { id = \"s1\" = } );");
    put(fixture, "rules/b.cfg", "rules : ( { id = \"R\"; } );");
    assert_int_equal(load(fixture, SETTINGS_ALL), SETTINGS_BAD);
    size_t of_stations = 0, of_b = 0;
    for (size_t i = 0; i < fixture->errors.count; i++) {
        of_stations += strstr(fixture->errors.items[i].text, "stations/a.cfg:1: ") != NULL;
        of_b += strstr(fixture->errors.items[i].text, "rules/b.cfg:1: ") != NULL;
    }
    assert_int_equal(of_stations, 1);           /* the syntax error */
    assert_int_equal(of_b, 6);                  /* five missing keys and the id */
    assert_int_equal(fixture->errors.count, 7); /* rules/a.cfg is not blamed for s1 and water */
}

static void mistakes_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_CHARS + 64];
    (void)snprintf(path, sizeof path, "%s/stations/a.cfg", fixture->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("stations : (\n", file);
    for (int i = 0; i < 500; i++) {
        (void)fprintf(file, "{ idd = \"x%d\"; },\n", i);
    }
    (void)fputs("{ } );\n", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(load(fixture, SETTINGS_STATIONS), SETTINGS_BAD);
    assert_int_equal(fixture->errors.count, SETTINGS_ERRORS_MAX);
    assert_int_equal(fixture->errors.dropped, 500 * 6 + 5 - SETTINGS_ERRORS_MAX);
}

static void secrets_are_never_repeated(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "broker.secret", "hush\nhush\n");
    put(fixture, "ioc.secret", "hush\thush\n");
    assert_int_equal(load(fixture, SETTINGS_ALL), SETTINGS_BAD);
    assert_int_equal(fixture->errors.count, 2);
    for (size_t i = 0; i < fixture->errors.count; i++) {
        assert_null(strstr(fixture->errors.items[i].text, "hush"));
    }
}

static void twenty_thousand_stations_load(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_CHARS + 64];
    for (int file_number = 0; file_number < 10; file_number++) {
        (void)snprintf(path, sizeof path, "%s/stations/%d.cfg", fixture->folder, file_number);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        (void)fputs("stations : (\n", file);
        for (int i = 0; i < 2000; i++) {
            (void)fprintf(file,
                          "%s{ id = \"n%d\"; site = \"x\"; kind = \"water\"; name = \"Trạm\";"
                          " lat = 10.0; lon = 106.0; every = \"5m\";"
                          " parameters = [\"salinity\", \"temp\"]; tags = { a = \"b\"; }; }\n",
                          i == 0 ? "" : ",", (i * 7919 + file_number) % 2000 * 10 + file_number);
        }
        (void)fputs(");\n", file);
        assert_int_equal(fclose(file), 0);
    }
    (void)snprintf(path, sizeof path, "%s/stations/a.cfg", fixture->folder);
    assert_int_equal(unlink(path), 0);
    load_good(fixture, SETTINGS_STATIONS);
    const struct registry *registry = &fixture->settings->registry;
    assert_int_equal(registry->count, STATIONS_MAX);
    for (size_t i = 0; i < registry->count; i++) {
        const struct station *station = &registry->stations[i];
        assert_ptr_equal(registry_find(registry, phusa_text_of(station->id)), station);
    }
    put(fixture, "stations/z.cfg", contract_stations);
    assert_int_equal(load(fixture, SETTINGS_STATIONS), SETTINGS_BAD);
    assert_non_null(strstr(fixture->errors.items[0].text, "more than 20000 stations"));
}

/* ---- the broken ones ---- */

#define EXPECTED_MAX 16

struct expected {
    size_t count;
    char lines[EXPECTED_MAX][PROBLEM_TEXT_MAX];
};

/* The lines "# expect: ..." at the top of a file; those that begin with a digit mean the file
 * itself. */
static void read_expected(const char *name, struct expected *expected)
{
    static const char mark[] = "# expect: ";
    char line[PROBLEM_TEXT_MAX];
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    expected->count = 0;
    while (fgets(line, sizeof line, file) != NULL && strncmp(line, mark, sizeof mark - 1) == 0) {
        const char *text = line + sizeof mark - 1;
        bool own = text[0] >= '0' && text[0] <= '9';
        line[strcspn(line, "\n")] = '\0';
        assert_true(expected->count < EXPECTED_MAX);
        (void)snprintf(expected->lines[expected->count++], PROBLEM_TEXT_MAX, "%.100s%s%.400s",
                       own ? name : "", own ? ":" : "", text);
    }
    assert_int_equal(fclose(file), 0);
    assert_true(expected->count > 0);
}

static void check_broken(struct fixture *fixture, const char *name)
{
    struct expected expected;
    read_expected(name, &expected);
    assert_int_equal(settings_load(name, SETTINGS_ALL, &fixture->settings, &fixture->errors),
                     SETTINGS_BAD);
    for (size_t i = 0; i < fixture->errors.count && i < expected.count; i++) {
        assert_string_equal(fixture->errors.items[i].text, expected.lines[i]);
    }
    if (fixture->errors.count != expected.count) {
        fail_msg("%s: %zu messages, expected %zu", name, fixture->errors.count, expected.count);
    }
}

static void check_warned(struct fixture *fixture, const char *name)
{
    struct expected expected;
    read_expected(name, &expected);
    settings_free(fixture->settings);
    assert_int_equal(settings_load(name, SETTINGS_ALL, &fixture->settings, &fixture->errors),
                     SETTINGS_OK);
    const struct settings_warnings *warnings = &fixture->settings->warnings;
    for (size_t i = 0; i < warnings->count && i < expected.count; i++) {
        assert_string_equal(warnings->items[i], expected.lines[i]);
    }
    assert_int_equal(warnings->count, expected.count);
    assert_int_equal(warnings->dropped, 0);
}

/* Checks each *.cfg file of a folder, from within; returns how many. */
static size_t check_each(struct fixture *fixture, const char *path,
                         void (*check)(struct fixture *, const char *))
{
    char here[PATH_CHARS];
    size_t count = 0;
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(path), 0);
    DIR *folder = opendir(".");
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, ".cfg") == 0) {
            check(fixture, entry->d_name);
            count++;
        }
    }
    assert_int_equal(closedir(folder), 0);
    assert_int_equal(chdir(here), 0);
    return count;
}

static void each_broken_configuration_gives_its_messages(void **state)
{
    assert_true(check_each(*state, BROKEN, check_broken) >= 30);
}

static void what_can_hardly_be_meant_is_loaded_and_told(void **state)
{
    assert_true(check_each(*state, WARNED, check_warned) >= 3);
}

static void warnings_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_CHARS + 64];
    (void)snprintf(path, sizeof path, "%s/rules/a.cfg", fixture->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("rules : (\n", file);
    for (int i = 0; i < SETTINGS_WARNINGS_MAX + 7; i++) {
        (void)fprintf(file,
                      "%s{ id = \"r%d\"; kind = \"water\"; parameter = \"salinity\"; direction ="
                      " \"above\"; max_gap = \"1h\"; levels = ( { severity = \"minor\";"
                      " raise = 99; } ); }\n",
                      i == 0 ? "" : ",", i);
    }
    (void)fputs(");\n", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(load(fixture, SETTINGS_RULES), SETTINGS_OK);
    assert_int_equal(fixture->settings->warnings.count, SETTINGS_WARNINGS_MAX);
    assert_int_equal(fixture->settings->warnings.dropped, 7);
    assert_int_equal(fixture->settings->rulebook.count, SETTINGS_WARNINGS_MAX + 7);
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* ---- channels, messages, rules and subscribers ---- */

static void load_file(struct fixture *fixture, const char *file)
{
    enum settings_status status =
        settings_load(file, SETTINGS_ALL, &fixture->settings, &fixture->errors);
    settings_errors_print(&fixture->errors, stderr);
    assert_int_equal(status, SETTINGS_OK);
    assert_int_equal(fixture->settings->warnings.count, 0);
}

static const struct channel_settings *find_channel(const struct fixture *fixture, const char *id)
{
    for (size_t i = 0; i < fixture->settings->channel_count; i++) {
        if (strcmp(fixture->settings->channels[i].id, id) == 0) {
            return &fixture->settings->channels[i];
        }
    }
    fail_msg("no channel %s", id);
    return NULL;
}

static void channels_have_what_their_kind_needs(void **state)
{
    struct fixture *fixture = *state;
    load_file(fixture, "config/channels-example.cfg");
    const struct channel_settings *mail = find_channel(fixture, "mail");
    assert_int_equal(mail->kind, CHANNEL_EMAIL);
    assert_string_equal(mail->url, "smtp://mail.example.vn:587");
    assert_true(mail->starttls && mail->subscribers);
    assert_int_equal(mail->to_count, 1);
    assert_int_equal(mail->pace.burst, 3);
    assert_int_equal(mail->pace.gather_ns, MINUTE_NS);
    assert_int_equal(mail->quiet.from_s, 21 * 3600);
    assert_int_equal(mail->quiet.until_s, 5 * 3600);
    assert_int_equal(mail->quiet.below, SEVERITY_SEVERE);
    const struct channel_settings *sms = find_channel(fixture, "sms");
    assert_string_equal(sms->method, "GET");
    assert_string_equal(sms->accepted, "Accepted for delivery");
    assert_int_equal(sms->pace.gather_ns, MINUTE_NS);
    assert_true(channel_reports(sms));
    assert_string_equal(sms->report_base, "http://127.0.0.1:8080");
    assert_int_equal(sms->report_failed_count, 2);
    assert_string_equal(sms->report_failed[1], "16");
    assert_int_equal(sms->report_done_count, 1);
    assert_string_equal(sms->report_done[0], "1");
    assert_int_equal(sms->report_within_ns, 10 * MINUTE_NS);
    const struct channel_settings *zalo = find_channel(fixture, "zalo");
    assert_false(channel_reports(zalo));
    assert_string_equal(zalo->method, "POST");
    assert_string_equal(zalo->content_type, "application/json");
    assert_string_equal(zalo->headers[0], "Authorization: Bearer {password}");
    assert_null(zalo->headers[1]);
    assert_true(zalo->quiet.from_s == zalo->quiet.until_s);
    const struct channel_settings *boards = find_channel(fixture, "boards");
    assert_null(boards->url);
    assert_int_equal(boards->board_count, 2);
    assert_int_equal(boards->boards[0].station_count, 2);
    assert_string_equal(boards->boards[1].calm, "BINH THUONG");
    assert_true(boards->boards[1].ascii && boards->boards[1].width == 16);
    assert_string_equal(find_channel(fixture, "cap")->status, "Exercise");
    const struct channel_settings *soc = find_channel(fixture, "soc");
    assert_int_equal(soc->facility, 16);
    assert_int_equal(soc->language, LANGUAGE_EN);
    const struct channel_settings *ioc = find_channel(fixture, "ioc");
    assert_int_equal(ioc->pace.gather_ns, 0);
    assert_string_equal(fixture->settings->alarms.source, "Chi cục Thủy lợi");
}

static void servers_of_channels_are_normalised(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *channel, *url;
        bool starttls;
    } cases[] = {
        { "kind = \"email\"; url = \"smtp://a\"; from = \"a@b\"; to = [\"a@b\"];", "smtp://a:25",
          true },
        { "kind = \"email\"; url = \"smtp://127.0.0.1:2525/\"; from = \"a@b\"; to = [\"a@b\"];",
          "smtp://127.0.0.1:2525", false },
        { "kind = \"email\"; url = \"smtps://a\"; from = \"a@b\"; to = [\"a@b\"];", "smtps://a:465",
          false },
        { "kind = \"email\"; url = \"smtp://a\"; starttls = false; from = \"a@b\"; to = [\"a@b\"];",
          "smtp://a:25", false },
        { "kind = \"syslog\"; url = \"udp://a\";", "udp://a:514", false },
        { "kind = \"syslog\"; url = \"tcp://a\";", "tcp://a:601", false },
        { "kind = \"syslog\"; url = \"tls://[::1]\";", "tls://[::1]:6514", false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[512];
        (void)snprintf(text, sizeof text,
                       "phusa : { parameters = \"parameters.cfg\"; broker : { uri ="
                       " \"tcp://h:1\"; }; journal : { path = \"j\"; }; store : { url ="
                       " \"http://h\"; }; channels : ( { id = \"c\"; %s } ); };",
                       cases[i].channel);
        put(fixture, "phusa.cfg", text);
        load_good(fixture, SETTINGS_SERVICES);
        assert_string_equal(fixture->settings->channels[0].url, cases[i].url);
        assert_int_equal(fixture->settings->channels[0].starttls, cases[i].starttls);
    }
}

static const struct rule *find_rule(const struct fixture *fixture, const char *id, size_t nth)
{
    const struct rulebook *rulebook = &fixture->settings->rulebook;
    for (size_t i = 0; i < rulebook->count; i++) {
        if (strcmp(rulebook->rules[i].id, id) == 0 && nth-- == 0) {
            return &rulebook->rules[i];
        }
    }
    fail_msg("no rule %s", id);
    return NULL;
}

static const struct station *station_of(const struct fixture *fixture, const char *id)
{
    return registry_find(&fixture->settings->registry, phusa_text_of(id));
}

static void rules_have_more_than_levels(void **state)
{
    struct fixture *fixture = *state;
    load_file(fixture, "config/channels-example.cfg");
    const struct rule *durian = find_rule(fixture, "salinity-durian", 0);
    assert_string_equal(durian->message->id, "salinity-durian");
    assert_string_equal(durian->message_vi, "Xâm nhập mặn");
    assert_string_equal(durian->use, "durian");
    assert_true(isnan(durian->threshold));
    assert_int_equal(durian->inhibit_count, 2);
    assert_string_equal(durian->inhibited_by[1], "clock-wrong");
    assert_int_equal(durian->flapping.changes, 6);
    assert_int_equal(durian->flapping.within_ns, 120 * MINUTE_NS);
    assert_int_equal(durian->escalation.after_ns, 30 * MINUTE_NS);
    assert_int_equal(durian->escalation.channel_count, 1);
    const struct rule *rises = find_rule(fixture, "salinity-rises", 0);
    assert_int_equal(rises->subject, RULE_RATE);
    assert_int_equal(rises->rate_over_ns, 180 * MINUTE_NS);
    assert_int_equal(rises->schedule.days, 0x1f);
    assert_int_equal(rises->schedule.until_s, 18 * 3600);
    assert_int_equal(rises->flapping.changes, 8); /* the common one */
    const struct rule *missing = find_rule(fixture, "salinity-missing", 0);
    assert_int_equal(missing->subject, RULE_MISSING);
    assert_true(missing->missing_every == 3 && missing->missing_ns == 0);
    assert_int_equal(missing->level_count, 2);
    assert_true(isnan(missing->levels[0].raise_high));
    assert_null(missing->message);
    assert_int_equal(missing->schedule.days, 0);
}

static void overrides_are_rules_of_the_same_id(void **state)
{
    struct fixture *fixture = *state;
    load_file(fixture, "config/channels-example.cfg");
    const struct rule *base = find_rule(fixture, "salinity-durian", 0);
    const struct rule *other = find_rule(fixture, "salinity-durian", 1);
    const struct station *one = station_of(fixture, "my-tho-1"),
                         *two = station_of(fixture, "my-tho-2");
    assert_null(base->base);
    assert_ptr_equal(other->base, base);
    assert_int_equal(base->level_count, 2);
    assert_int_equal(other->level_count, 1);
    assert_true(other->levels[0].raise_high == 0.8);
    assert_true(rule_concerns(base, one) && !rule_concerns(base, two));
    assert_true(rule_concerns(other, two) && !rule_concerns(other, one));
}

static void own_limits_make_rules(void **state)
{
    struct fixture *fixture = *state;
    load_file(fixture, "config/channels-example.cfg");
    const struct subscribers *subscribers = &fixture->settings->subscribers;
    assert_int_equal(subscribers->bad, 0);
    assert_int_equal(subscribers->count, 4);
    assert_string_equal(subscribers->items[0].address, "+84901234567");
    assert_string_equal(subscribers->items[1].name, "Trần Thị Bình, tổ 3");
    assert_string_equal(subscribers->items[2].site, "my-tho");
    assert_false(subscribers->items[3].active);
    const struct rule *own = find_rule(fixture, "salinity-durian-0-8", 0);
    assert_ptr_equal(own->base, find_rule(fixture, "salinity-durian", 0));
    assert_true(own->threshold == 0.8 && own->levels[0].raise_high == 0.8);
    assert_true(fabs(own->levels[0].clear_high - 0.64) < 1e-12); /* 0.4 of 0.5 */
    assert_int_equal(own->level_count, 2);
    assert_int_equal(own->levels[0].severity, SEVERITY_MODERATE);
    assert_int_equal(own->levels[1].severity, SEVERITY_SEVERE);
    assert_true(own->levels[1].raise_high == 1.0 && own->levels[1].clear_high == 0.8);
    assert_int_equal(own->station_count, 1);
    assert_string_equal(own->stations[0], "my-tho-1");
    assert_int_equal(own->channel_count, 1);
    assert_string_equal(fixture->settings->channels[own->channels[0]].id, "sms");
    assert_int_equal(own->escalation.after_ns, 0);
}

/* Puts `with` over a piece of text that is at least as long. */
static void replace(char *text, const char *piece, const char *with)
{
    char *at = strstr(text, piece);
    assert_non_null(at);
    memset(at, ' ', strlen(piece));
    memcpy(at, with, strlen(with));
}

/* Every template of the shipped rules fits, with the longest names, into one SMS. */
static void shipped_messages_fit(void **state)
{
    struct fixture *fixture = *state;
    char *text = read_text("config/channels-example.cfg");
    replace(text, "\"rules-example.cfg\"", "\"rules\"");
    replace(text, "\"subscribers-example.csv\"", "\"\"");
    static const char *const folders[] = { "parameters.cfg", "quality.cfg", "stations", "rules",
                                           "messages" };
    char here[PATH_CHARS], path[PATH_CHARS + 64], target[PATH_CHARS + 64];
    assert_non_null(getcwd(here, sizeof here));
    (void)snprintf(path, sizeof path, "%s/shipped", fixture->folder);
    make_folder(fixture, "shipped");
    for (size_t i = 0; i < COUNT(folders); i++) {
        (void)snprintf(target, sizeof target, "%s/config/%s", here, folders[i]);
        (void)snprintf(path, sizeof path, "%s/shipped/%s", fixture->folder, folders[i]);
        assert_int_equal(symlink(target, path), 0);
    }
    put(fixture, "shipped/phusa.cfg", text);
    free(text);
    (void)snprintf(path, sizeof path, "%s/shipped/phusa.cfg", fixture->folder);
    load_file(fixture, path);
    size_t named = 0;
    for (size_t i = 0; i < fixture->settings->rulebook.count; i++) {
        named += fixture->settings->rulebook.rules[i].message != NULL ? 1 : 0;
    }
    assert_int_equal(named, fixture->settings->rulebook.count);
    for (size_t i = 0; i < MAINTENANCE_COUNT; i++) {
        assert_non_null(fixture->settings->maintenance.rules[i].message);
    }
}

static const char subscribers_phusa[] =
    "phusa : { parameters = \"parameters.cfg\"; stations = \"stations\"; rules = \"rules\";"
    " subscribers = \"people.csv\"; broker : { uri = \"tcp://h:1\"; }; journal : { path = \"j\"; };"
    " store : { url = \"http://h\"; }; channels : (\n"
    "  { id = \"ioc\"; kind = \"webhook\"; url = \"http://h\"; },\n"
    "  { id = \"sms\"; kind = \"sms\"; url = \"http://h/?to={to}&t={text}\"; subscribers = true; "
    "},\n"
    "  { id = \"mail\"; kind = \"email\"; url = \"smtp://h\"; from = \"a@b\"; subscribers = true; "
    "} ); };";

static const char subscribers_rules[] =
    "rules : ( { id = \"salt\"; kind = \"water\"; parameter = \"salinity\"; direction = \"above\";"
    " use = \"rice\"; levels = ( { severity = \"severe\"; raise = 4.0; clear = 3.0; } );"
    " max_gap = \"1h\"; channels = [\"sms\"]; },\n"
    "{ id = \"low\"; kind = \"water\"; parameter = \"level\"; direction = \"below\"; use = "
    "\"boats\";"
    " levels = ( { severity = \"minor\"; raise = -1.0; clear = 0; } ); max_gap = \"1h\";"
    " channels = [\"sms\"]; },\n"
    "{ id = \"both\"; kind = \"water\"; parameter = \"level\"; direction = \"outside\";"
    " use = \"both\"; levels = ( { severity = \"minor\"; raise = (-1.0, 1.0); } );"
    " max_gap = \"1h\"; } );";

static void put_subscribers(const struct fixture *fixture, const char *csv)
{
    put(fixture, "phusa.cfg", subscribers_phusa);
    put(fixture, "rules/a.cfg", subscribers_rules);
    put(fixture, "people.csv", csv);
}

static void a_table_of_subscribers_is_read(void **state)
{
    struct fixture *fixture = *state;
    put_subscribers(fixture, "\xEF\xBB\xBFstation;use;address;channel;threshold;note\r\n"
                             "s1;rice;090 123.45-67;sms;2,5;\"a \"\"b\"\"; c\"\r\n"
                             "\r\n"
                             "s1;rice;84912345678;sms;2,5;x\r\n"
                             "s1;boats;0084912345678;sms;-2;x");
    load_good(fixture, SETTINGS_ALL);
    const struct subscribers *subscribers = &fixture->settings->subscribers;
    for (size_t i = 0; i < subscribers->mistake_count; i++) {
        (void)fprintf(stderr, "%s\n", subscribers->mistakes[i]);
    }
    assert_int_equal(subscribers->count, 3);
    assert_int_equal(subscribers->bad, 0);
    assert_string_equal(subscribers->items[0].address, "+84901234567");
    assert_int_equal(subscribers->items[1].line, 4);
    const struct rule *salt = find_rule(fixture, "salt-2-5", 0);
    assert_true(salt->levels[0].raise_high == 2.5 && salt->levels[0].clear_high == 1.875);
    const struct rule *low = find_rule(fixture, "low-m2", 0);
    assert_true(low->levels[0].raise_low == -2 && low->levels[0].clear_low == -1);
    assert_int_equal(fixture->settings->rulebook.count, 5);

    put_subscribers(fixture, "");
    load_good(fixture, SETTINGS_ALL);
    assert_int_equal(fixture->settings->subscribers.count, 0);
}

static void wrong_lines_of_subscribers_are_named_and_left_out(void **state)
{
    struct fixture *fixture = *state;
    static const char *const expected[] = {
        "people.csv:2: \"012***\" is no mobile number; write it such as \"0901234567\"",
        "people.csv:3: \"fax\" is no channel with subscribers = true; those are: sms, mail",
        "people.csv:4: \"ioc\" is no channel with subscribers = true; those are: sms, mail",
        "people.csv:5: unknown station \"s2\"; did you mean \"s1\"?",
        "people.csv:6: no rule has the use \"tea\"; there are: rice, boats, both",
        "people.csv:7: \"language\" is \"fr\"; write vi or en",
        "people.csv:8: \"threshold\" is \"much\"; write a number such as 0.8",
        "people.csv:9: quiet_from and quiet_until are times such as 21:00 and 05:00, or both empty",
        "people.csv:10: \"active\" is \"maybe\"; write yes or no",
        "people.csv:11: the line has not as many fields as the header",
        "people.csv:12: a quote stands inside a field without quotes; double it and quote the "
        "field",
        "people.csv:13: there is neither a site nor a station",
        "people.csv:14: \"***@x\" is no e-mail address; write it such as \"name@example.vn\"",
        "people.csv:15: no rule of this use is for this place and names the channel; nothing would "
        "ever be sent",
        "people.csv:16: the own limit 3 has no use; say which rules it stands for",
        "people.csv:21: a quote does not end",
        "people.csv:18: the same wish stands in line 17; keep one",
        "people.csv:19: an own limit cannot stand for rules with two limits",
        "people.csv:20: the own limit -5 lies outside the range of salinity, 0 to 50 g/L",
    };
    put_subscribers(
        fixture,
        "channel,address,site,station,use,language,threshold,quiet_from,quiet_until,active\n"
        "sms,0123456789,,s1,rice,,,,,\n"
        "fax,0901234567,,s1,rice,,,,,\n"
        "ioc,0901234567,,s1,rice,,,,,\n"
        "sms,0901234567,,s2,rice,,,,,\n"
        "sms,0901234567,,s1,tea,,,,,\n"
        "sms,0901234567,,s1,rice,fr,,,,\n"
        "sms,0901234567,,s1,rice,,much,,,\n"
        "sms,0901234567,,s1,rice,,,21:00,,\n"
        "sms,0901234567,,s1,rice,,,,,maybe\n"
        "sms,0901234567,,s1\n"
        "sms,09012\"34567,,s1,rice,,,,,\n"
        "sms,0901234567,,,rice,,,,,\n"
        "mail,@x,,s1,rice,,,,,\n"
        "mail,a@x,,s1,rice,,,,,\n"
        "mail,a@x,,s1,,,3,,,\n"
        "sms,0901234567,my-tho,,rice,,,,,\n"
        "sms,0901234567,my-tho,,rice,,,,,yes\n"
        "sms,0901234567,,s1,both,,3,,,\n"
        "sms,0907654321,,s1,rice,,-5,,,\n"
        "sms,\"0901234567,,s1,both,,,,,\n");
    load_good(fixture, SETTINGS_ALL);
    const struct subscribers *subscribers = &fixture->settings->subscribers;
    assert_int_equal(subscribers->mistake_count, COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++) {
        const char *mistake = strstr(subscribers->mistakes[i], "people.csv");
        assert_non_null(mistake);
        assert_string_equal(mistake, expected[i]);
    }
    assert_int_equal(subscribers->bad, COUNT(expected));
    put_subscribers(fixture, "name,address\nx,0901234567\n");
    load_good(fixture, SETTINGS_ALL);
    assert_non_null(strstr(fixture->settings->subscribers.mistakes[0],
                           "people.csv:1: the header must name channel, address, and site or"));
}

/* ---- what is shipped ---- */

static void the_shipped_configuration_is_right(void **state)
{
    struct fixture *fixture = *state;
    enum settings_status status =
        settings_load("config/phusa.cfg", SETTINGS_ALL, &fixture->settings, &fixture->errors);
    settings_errors_print(&fixture->errors, stderr);
    assert_int_equal(status, SETTINGS_OK);
    assert_int_equal(fixture->settings->warnings.count, 0);
    static const char *const names[] = {
        "salinity", "temp", "level", "ph",  "do",  "do_sat", "tss", "nh4",  "pm25",  "pm10",
        "o3",       "no2",  "so2",   "co",  "cod", "tp",     "tn",  "toc",  "cl",    "rh",
        "pressure", "no",   "o2",    "h2s", "nh3", "vhg",    "pm",  "flow", "color", "bph",
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        if (phusa_catalogue_find(&fixture->settings->catalogue, phusa_text_of(names[i])) == NULL) {
            fail_msg("the catalogue lacks %s", names[i]);
        }
    }
    static const char *const spellings[] = { "/1000", "‰", "g/L", "g/l", "psu", "" };
    const struct phusa_parameter *salinity =
        phusa_catalogue_find(&fixture->settings->catalogue, PHUSA_TEXT("salinity"));
    for (size_t i = 0; i < COUNT(spellings); i++) {
        double value = 3.21;
        assert_true(phusa_unit_convert(salinity, phusa_text_of(spellings[i]), &value));
        assert_true(value == 3.21);
    }
    static const struct {
        const char *kind, *site;
        size_t count;
    } systems[] = {
        { "water", "my-tho", 2 },        { "trap", "tien-giang", 6 },
        { "air", "phu-quoc", 4 },        { "water", "phu-quoc", 1 },
        { "farm", "kien-giang", 7 },     { "light", "my-tho", 26 },
        { "effluent", "tien-giang", 3 }, { "groundwater", "tien-giang", 3 },
    };
    const struct registry *registry = &fixture->settings->registry;
    for (size_t i = 0; i < COUNT(systems); i++) {
        size_t count = 0;
        for (size_t j = 0; j < registry->count; j++) {
            count += strcmp(registry->stations[j].kind, systems[i].kind) == 0 &&
                     strcmp(registry->stations[j].site, systems[i].site) == 0;
        }
        assert_int_equal(count, systems[i].count);
    }
    assert_true(fixture->settings->rulebook.count > 0);
}

/* ---- every key is documented ---- */

/* The man page has a comment "keys of a TITLE" for each table, and after it a line
 * ".It Ic KEY No (facts)" for each key, with its default and limits. */
static void check_manual(const char *manual, const struct config_schema *schema)
{
    char mark[128];
    (void)snprintf(mark, sizeof mark, "\n.\\\" keys of a %s\n", schema->title);
    const char *section = strstr(manual, mark);
    if (section == NULL) {
        fail_msg("phusa.cfg(5) lacks the keys of a %s", schema->title);
    }
    const char *end = strstr(section + 1, "\n.\\\" keys of a ");
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_key *key = &schema->keys[i];
        (void)snprintf(mark, sizeof mark, "\n.It Ic %s ", key->name);
        const char *item = strstr(section, mark);
        if (item == NULL || (end != NULL && item > end)) {
            fail_msg("phusa.cfg(5) lacks %s of a %s", key->name, schema->title);
        }
        const char *line_end = strchr(item + 1, '\n');
        const char *const facts[] = { key->fallback, key->least, key->most };
        for (size_t j = 0; j < COUNT(facts); j++) {
            const char *found = facts[j] == NULL ? NULL : strstr(item, facts[j]);
            if (facts[j] != NULL && facts[j][0] != '\0' && (found == NULL || found > line_end)) {
                fail_msg("phusa.cfg(5): %s of a %s does not say %s", key->name, schema->title,
                         facts[j]);
            }
        }
    }
}

static void every_key_is_in_the_manual(void **state)
{
    (void)state;
    char *manual = read_text("docs/phusa.cfg.5");
    for (size_t i = 0; schemas[i] != NULL; i++) {
        check_manual(manual, schemas[i]);
    }
    free(manual);
}

/* True if text sets the key: a word of its own, then '=' or ':'. */
static bool sets_key(const char *text, const char *key)
{
    for (const char *at = strstr(text, key); at != NULL; at = strstr(at + 1, key)) {
        const char *after = at + strlen(key);
        char before = at == text ? ' ' : at[-1];
        after += strspn(after, " ");
        if ((*after == '=' || *after == ':') && strchr(" \n{;", before) != NULL) {
            return true;
        }
    }
    return false;
}

/* The configuration itself, the catalogue, quality tests, and files of stations and rules. */
static void every_key_is_in_the_samples(void **state)
{
    (void)state;
    static const char *const files[] = { "config/phusa.cfg",
                                         "config/parameters.cfg",
                                         "config/quality.cfg",
                                         "config/stations/tien-river.cfg",
                                         "config/stations/phu-quoc.cfg",
                                         "config/stations/pest-traps-tien-giang.cfg",
                                         "config/rules/salinity.cfg",
                                         "config/rules-example.cfg",
                                         "config/channels-example.cfg",
                                         "config/messages/salinity.cfg",
                                         "config/messages/equipment.cfg",
                                         "config/messages/air.cfg" };
    char *texts[COUNT(files)];
    for (size_t i = 0; i < COUNT(files); i++) {
        texts[i] = read_text(files[i]);
    }
    for (size_t i = 0; schemas[i] != NULL; i++) {
        for (size_t j = 0; j < schemas[i]->count; j++) {
            const struct config_key *key = &schemas[i]->keys[j];
            bool found = key->type == CONFIG_LATER;
            for (size_t k = 0; !found && k < COUNT(files); k++) {
                found = sets_key(texts[k], key->name);
            }
            if (!found) {
                fail_msg("no sample shows %s of a %s", key->name, schemas[i]->title);
            }
        }
    }
    for (size_t i = 0; i < COUNT(files); i++) {
        free(texts[i]);
    }
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(the_contracts_smallest_configuration_loads),
        WITH_FOLDER(statistics_follow_their_parameter),
        WITH_FOLDER(stations_are_resolved),
        WITH_FOLDER(rules_are_resolved),
        WITH_FOLDER(rules_judge_windows_while_they_hold),
        WITH_FOLDER(windows_are_chosen),
        WITH_FOLDER(a_rule_can_be_switched_off),
        WITH_FOLDER(rules_ask_for_tags),
        WITH_FOLDER(tests_of_catalogue_kind_and_station_are_read_over_each_other),
        WITH_FOLDER(derivations_know_what_goes_in_and_comes_out),
        WITH_FOLDER(traps_say_how_they_count),
        WITH_FOLDER(the_collectors_own_alarms_are_rules_too),
        WITH_FOLDER(the_collectors_own_alarms_are_configured),
        WITH_FOLDER(what_changes_state_over_http_has_a_token),
        WITH_FOLDER(units_are_inherited_and_overridden),
        WITH_FOLDER(addresses_are_normalised),
        WITH_FOLDER(paths_count_from_the_configurations_folder),
        WITH_FOLDER(only_what_is_needed_is_checked),
        WITH_FOLDER(a_mistake_hides_no_other_and_blames_no_other),
        WITH_FOLDER(mistakes_are_bounded),
        WITH_FOLDER(secrets_are_never_repeated),
        WITH_FOLDER(twenty_thousand_stations_load),
        WITH_FOLDER(each_broken_configuration_gives_its_messages),
        WITH_FOLDER(what_can_hardly_be_meant_is_loaded_and_told),
        WITH_FOLDER(warnings_are_bounded),
        WITH_FOLDER(channels_have_what_their_kind_needs),
        WITH_FOLDER(servers_of_channels_are_normalised),
        WITH_FOLDER(rules_have_more_than_levels),
        WITH_FOLDER(overrides_are_rules_of_the_same_id),
        WITH_FOLDER(own_limits_make_rules),
        WITH_FOLDER(shipped_messages_fit),
        WITH_FOLDER(a_table_of_subscribers_is_read),
        WITH_FOLDER(wrong_lines_of_subscribers_are_named_and_left_out),
        WITH_FOLDER(the_shipped_configuration_is_right),
        cmocka_unit_test(every_key_is_in_the_manual),
        cmocka_unit_test(every_key_is_in_the_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
