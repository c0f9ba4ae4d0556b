/*
 * Every allocation of ours fails in turn: once alone, and once with all that follow. What was asked
 * for is then refused or done, nothing crashes or leaks (the sanitizers see to that), and what
 * was promised before is kept. Linked with -Wl,--wrap for the functions that allocate, so that
 * those of the libraries we use do not count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/notify_sample.h"
#include "base/kept.h"
#include "journal/journal.h"
#include "notify/notify.h"
#include "pipeline.h"
#include "settings/settings.h"
#include "sweep.h"

#define ALLOCATIONS_MAX 20000 /* of one run; more, and the sweep would never end */

/* --- the allocator ---------------------------------------------------------------- */

static struct {
    bool armed, lasting;
    unsigned long count, at; /* allocations since it was armed; the one to fail, from 1 */
    bool struck;
} plan;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
int __real_vasprintf(char **text, const char *format, va_list arguments);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
int __wrap_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_vasprintf(char **text, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static bool refused(void)
{
    if (!plan.armed) {
        return false;
    }
    plan.count++;
    if (plan.count != plan.at && !(plan.lasting && plan.count > plan.at)) {
        return false;
    }
    plan.struck = true;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return refused() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
    return refused() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
    return refused() ? NULL : __real_strndup(text, length);
}

/* What is written to *text then is of no meaning. */
int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
    static char poison[] = "not to be looked at";
    *text = poison;
    return refused() ? -1 : __real_vasprintf(text, format, arguments);
}

int __wrap_asprintf(char **text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = __wrap_vasprintf(text, format, arguments);
    va_end(arguments);
    return length;
}

/* The part of a run between the two has memory trouble. */
static void trouble_begins(void)
{
    plan.armed = true;
}

static void trouble_ends(void)
{
    plan.armed = false;
}

/*
 * run gets true when all must work. It is called with every allocation between trouble_begins and
 * trouble_ends failing in turn, until there is none left to fail.
 */
static void sweep_allocations(const char *name, void (*run)(bool healthy))
{
    unsigned long failed = 0;
    for (int lasting = 0; lasting < 2; lasting++) {
        bool struck = true;
        for (unsigned long at = 1; struck; at++) {
            assert_true(at < ALLOCATIONS_MAX);
            sweep_stands_at("%s: allocation %lu fails%s", name, at,
                            lasting ? ", and all after it" : "");
            plan.at = at;
            plan.lasting = lasting != 0;
            plan.count = 0;
            plan.struck = false;
            run(false);
            trouble_ends();
            struck = plan.struck;
            failed += struck ? 1 : 0;
        }
    }
    sweep_stands_at("%s: nothing fails", name);
    plan.at = 0;
    plan.lasting = false;
    run(true);
    trouble_ends();
    print_message("# %s: %lu failed allocations\n", name, failed);
    assert_true(failed > 0);
}

static void must(bool good, bool healthy, const char *what)
{
    if (!good && healthy) {
        sweep_broken("%s though there is memory", what);
    }
}

/* --- the disk: its own memory is not in question --------------------------------------- */

static struct disk *disk;
static struct file_ops files; /* disk's, with the allocator at peace */

#define PEACEFUL(result, name, parameters, arguments)                                              \
    static result peaceful_##name parameters                                                       \
    {                                                                                              \
        bool armed = plan.armed;                                                                   \
        plan.armed = false;                                                                        \
        result done = disk_files(disk)->name arguments;                                            \
        plan.armed = armed;                                                                        \
        return done;                                                                               \
    }

PEACEFUL(int, open, (void *c, const char *path, int flags, unsigned mode), (c, path, flags, mode))
PEACEFUL(ssize_t, write, (void *c, int fd, const void *b, size_t length), (c, fd, b, length))
PEACEFUL(int, fdatasync, (void *c, int fd), (c, fd))
PEACEFUL(int, allocate, (void *c, int fd, int64_t length), (c, fd, length))
PEACEFUL(int, ftruncate, (void *c, int fd, int64_t length), (c, fd, length))

static void new_disk(void)
{
    disk = disk_create(1);
    files = *disk_files(disk);
    files.open = peaceful_open;
    files.write = peaceful_write;
    files.fdatasync = peaceful_fdatasync;
    files.allocate = peaceful_allocate;
    files.ftruncate = peaceful_ftruncate;
}

static void end_disk(void)
{
    if (disk_open_files(disk) != 0) {
        sweep_broken("%zu descriptors are left open", disk_open_files(disk));
    }
    disk_free(disk);
    disk = NULL;
}

/* --- journal ------------------------------------------------------------------------------ */

#define JOURNAL_PATH "/d/journal"
#define RECORDS      12

static uint64_t promised[RECORDS]; /* by record: its position once it was synced, else 0 */

static struct journal_record sample_record(uint64_t number)
{
    static char payload[70000];
    memset(payload, (int)('a' + number), sizeof payload);
    size_t length = number % 5 == 4 ? sizeof payload : (size_t)(number * 40);
    return (struct journal_record){ .origin = number + 1,
                                    .time = { 1 },
                                    .kind = JOURNAL_MESSAGE,
                                    .topic = { "t", 1 },
                                    .payload = { payload, length } };
}

static void fill_journal(uint64_t first, uint64_t last, bool healthy)
{
    const struct journal_options options = {
        .path = JOURNAL_PATH, .files = &files, .segment_bytes = 400, .reserve_bytes = 1000
    };
    struct problem problem = { "" };
    struct journal *journal = NULL;
    struct journal_reader *reader = NULL;
    struct journal_record record;
    uint64_t positions[RECORDS] = { 0 };
    if (journal_open(&options, &journal, NULL, &problem) != JOURNAL_OK) {
        must(false, healthy, problem.text);
        return;
    }
    for (uint64_t number = first; number < last; number++) {
        record = sample_record(number);
        uint64_t position = 0;
        enum journal_status status = number % 2 == 0
                                         ? journal_append_later(journal, &record, &position)
                                         : journal_append(journal, &record, &position);
        if (status == JOURNAL_OK) {
            positions[number] = position;
        }
        must(positions[number] != 0, healthy, "a record is refused");
        (void)(number % 3 == 2 ? journal_sync(journal, NULL) : JOURNAL_OK);
    }
    must(journal_sync(journal, NULL) == JOURNAL_OK, healthy, "no sync");
    for (uint64_t number = first; number < last; number++) {
        promised[number] = positions[number] <= journal_synced(journal) ? positions[number] : 0;
    }
    if (journal_reader_open(journal, 0, &reader, &problem) == JOURNAL_OK) {
        while (journal_next(reader, &record) == JOURNAL_OK) {
        }
    }
    journal_reader_close(reader);
    journal_close(journal);
}

static void check_journal(unsigned may_be_lost)
{
    unsigned lost = 0;
    struct journal_reader *reader;
    struct journal_record record;
    uint64_t found[RECORDS] = { 0 };
    assert_int_equal(journal_reader_open_path(JOURNAL_PATH, &files, 0, &reader, NULL), JOURNAL_OK);
    while (journal_next(reader, &record) == JOURNAL_OK) {
        struct journal_record wanted = sample_record(record.origin - 1);
        if (record.origin == 0 || record.origin > RECORDS ||
            record.payload.length != wanted.payload.length ||
            memcmp(record.payload.data, wanted.payload.data, wanted.payload.length) != 0) {
            sweep_broken("a record was never appended");
        }
        found[record.origin - 1] = record.position;
    }
    for (uint64_t number = 0; number < RECORDS; number++) {
        if (promised[number] != 0 && promised[number] != found[number]) {
            lost++;
        }
    }
    if (lost > may_be_lost) {
        sweep_broken("%u records are lost", lost);
    }
    journal_reader_close(reader);
}

/* A byte of the last record in the oldest segment. */
static void damage_journal(void)
{
    size_t length = 0;
    uint8_t *bytes = disk_bytes(disk, JOURNAL_PATH "/0000000000000001.seg", &length);
    if (bytes != NULL && length > 120) {
        bytes[length - 20] ^= 0x55;
    }
}

static void run_journal(bool healthy)
{
    struct journal_repair repair;
    struct problem problem = { "" };
    memset(promised, 0, sizeof promised);
    new_disk();
    trouble_begins();
    fill_journal(0, RECORDS / 2, healthy);
    fill_journal(RECORDS / 2, RECORDS, healthy);
    trouble_ends();
    if (disk_files(disk)->sync_directory(disk, JOURNAL_PATH) == 0) { /* there is one */
        check_journal(0);
        damage_journal();
        trouble_begins();
        must(journal_repair(JOURNAL_PATH, &files, NULL, NULL, &repair, &problem) == JOURNAL_OK,
             healthy, "no repair");
        trouble_ends();
        check_journal(1);
    }
    end_disk();
}

static void test_journal(void **state)
{
    (void)state;
    sweep_allocations("journal", run_journal);
}

/* --- kept files ------------------------------------------------------------------------------ */

static void run_kept(bool healthy)
{
    void *body = NULL;
    size_t length = 0;
    new_disk();
    assert_int_equal(kept_write(&files, "/d/kept", "trial", 1, "old", 3), KEPT_OK);
    trouble_begins();
    bool written = kept_write(&files, "/d/kept", "trial", 1, "new", 3) == KEPT_OK;
    enum kept_status status = kept_read(&files, "/d/kept", "trial", 1, 100, &body, &length);
    trouble_ends();
    must(written && status == KEPT_OK, healthy, "no kept file");
    if (status != KEPT_OK && (status != KEPT_FAILED || errno != ENOMEM || body != NULL)) {
        sweep_broken("no memory, and reading says %d", (int)status);
    }
    free(body);
    assert_int_equal(kept_read(&files, "/d/kept", "trial", 1, 100, &body, &length), KEPT_OK);
    assert_memory_equal(body, written ? "new" : "old", 3);
    free(body);
    end_disk();
}

static void test_kept(void **state)
{
    (void)state;
    sweep_allocations("kept file", run_kept);
}

/* --- settings ------------------------------------------------------------------------------- */

static const char *settings_path;

static void run_settings(bool healthy)
{
    struct settings *settings = NULL;
    struct settings_errors errors = { 0 };
    trouble_begins();
    enum settings_status status = settings_load(settings_path, SETTINGS_ALL, &settings, &errors);
    trouble_ends();
    must(status == SETTINGS_OK, healthy, "the shipped configuration does not load");
    if (status == SETTINGS_BAD) {
        sweep_broken("no memory, and the file is blamed: %s",
                     errors.count > 0 ? errors.items[0].text : "without a word");
    }
    if ((status == SETTINGS_OK) != (settings != NULL)) {
        sweep_broken("status and settings do not agree");
    }
    if (settings != NULL && (settings->registry.count == 0 || settings->rulebook.count == 0)) {
        sweep_broken("it is called good and is not whole");
    }
    settings_free(settings);
    settings_errors_clear(&errors);
}

static void test_settings(void **state)
{
    (void)state;
    settings_path = "config/phusa.cfg";
    sweep_allocations("settings", run_settings);
}

/* Channels of all kinds, templates, subscribers, rules with everything they can have. */
static void test_settings_for_people(void **state)
{
    (void)state;
    settings_path = "config/channels-example.cfg";
    sweep_allocations("settings for people", run_settings);
}

/* --- pipeline ------------------------------------------------------------------------------- */

#define NOW          INT64_C(1700000000)
#define OBS(station) "phusa/1/my-tho/" station "/obs"

static struct settings *before, *after; /* two configurations to go over from one to the other */

struct world {
    struct pipeline *pipeline;
    uint64_t position, lines, aside, raised, done;
};

static void take_lines(void *context, struct phusa_text text, uint32_t readings, uint64_t position)
{
    struct world *world = context;
    (void)text;
    (void)position;
    world->lines += readings;
}

static void take_notice(void *context, const struct notice *notice)
{
    struct world *world = context;
    assert_non_null(notice->life);
    world->raised += notice->to != SEVERITY_NORMAL && notice->event == NULL ? 1 : 0;
    world->done += notice->who.length > 0 ? 1 : 0;
}

static void take_set_aside(void *context, const struct set_aside *item)
{
    struct world *world = context;
    assert_non_null(item->detail);
    world->aside++;
}

static void send(struct world *world, int64_t seconds, const char *topic, const char *payload)
{
    struct journal_record record = { .position = ++world->position,
                                     .time = { (NOW + seconds) * SECOND_NS },
                                     .kind = topic[0] == '\0' ? JOURNAL_TICK : JOURNAL_MESSAGE,
                                     .topic = phusa_text_of(topic),
                                     .payload = phusa_text_of(payload) };
    pipeline_take(world->pipeline, &record);
}

static void take(struct world *world, enum journal_kind kind, int64_t seconds, const char *what)
{
    struct journal_record record = { .position = ++world->position,
                                     .time = { (NOW + seconds) * SECOND_NS },
                                     .kind = (uint8_t)kind,
                                     .payload = phusa_text_of(what) };
    pipeline_take(world->pipeline, &record);
}

static void operate(struct world *world, int64_t seconds, const char *what)
{
    take(world, JOURNAL_VERB, seconds, what);
}

#define DO(verb, rule, more)                                                                       \
    "{\"do\":\"" verb "\",\"rule\":\"" rule "\",\"station\":\"s1\",\"who\":\"Lan\"" more "}"

/* Alarms that are held back, given back and told again. */
static void operate_some(struct world *world)
{
    operate(world, 831, DO("ack", "salinity-high", ""));
    operate(world, 832, DO("shelve", "salinity-rises", ",\"text\":\"x\",\"until\":1700001000"));
    operate(world, 833, DO("out-of-service", "station-quiet", ",\"text\":\"x\""));
    operate(world, 834, DO("comment", "salinity-missing", ",\"text\":\"x\""));
    operate(world, 835, DO("unshelve", "temp-high", ""));
    take(world, JOURNAL_CONDITION, 836, "disk-full on 12.5");
}

static void send_some(struct world *world)
{
    char payload[256];
    for (int i = 0; i < 12; i++) {
        (void)snprintf(payload, sizeof payload,
                       "[{\"bn\":\"s1:\",\"bt\":%lld,\"log\":\"%s\",\"seq\":%d,\"n\":\"salinity\","
                       "\"u\":\"g/L\",\"v\":%d},{\"n\":\"temp\",\"v\":%d}]",
                       (long long)(NOW + i * 60), i < 6 ? "5f3a09c1" : "0badcafe", 1 + i * 2, i,
                       20 + i);
        send(world, i * 60, OBS("s1"), payload);
        send(world, i * 60, "", "");
    }
    send(world, 800, OBS("s1"), "[{\"n\":\"nope\",\"v\":7}]");
    send(world, 801, OBS("s1"), "hello");
    /* A backlog; a trap; an air station; and the hour closes. */
    send(world, 810, OBS("s1"), "[{\"n\":\"temp\",\"t\":1699999000,\"v\":20}]");
    send(world, 820, OBS("s2"), "[{\"n\":\"bph\",\"v\":12}]");
    send(world, 830, OBS("s3"), "[{\"n\":\"pm25\",\"v\":40}]");
    operate_some(world);
    for (int64_t minute = 15; minute < 180; minute += 15) {
        send(world, minute * 60, "", "");
    }
}

static bool publish(void *context, const char *topic, struct phusa_text payload)
{
    (void)context;
    return topic[0] != '\0' && payload.length > 0;
}

/* Nothing that was received is neither stored nor set aside. */
static void check_counts(const struct world *world)
{
    struct pipeline_counters counters;
    pipeline_read_counters(world->pipeline, &counters);
    if (counters.received != counters.accepted + counters.duplicates + counters.quarantined ||
        counters.accepted != world->lines || counters.quarantined != world->aside) {
        sweep_broken("received %llu, accepted %llu (in lines %llu), duplicates %llu, quarantined "
                     "%llu (set aside %llu)",
                     (unsigned long long)counters.received, (unsigned long long)counters.accepted,
                     (unsigned long long)world->lines, (unsigned long long)counters.duplicates,
                     (unsigned long long)counters.quarantined, (unsigned long long)world->aside);
    }
}

/* Saved, restored and saved again: the same bytes, unless one of the three says it has no memory.
 */
static void save_and_restore(const struct world *world, bool healthy)
{
    struct state_writer first = { 0 }, second = { 0 };
    const struct pipeline_sink sink = { 0 };
    trouble_begins();
    pipeline_save(world->pipeline, &first);
    struct pipeline *copy = first.failed ? NULL : pipeline_create(before, &sink);
    trouble_ends();
    must(copy != NULL, healthy, "no copy");
    if (copy != NULL) {
        struct state_reader reader = state_reader_of(first.bytes, first.used);
        trouble_begins();
        enum pipeline_restored restored = pipeline_restore(copy, &reader);
        trouble_ends();
        must(restored == PIPELINE_RESTORED, healthy, "it is not restored");
        if (restored == PIPELINE_DAMAGED) {
            sweep_broken("no memory, and the snapshot is called damaged");
        }
        if (restored == PIPELINE_RESTORED) {
            pipeline_save(copy, &second);
            if (second.failed || second.used != first.used ||
                memcmp(second.bytes, first.bytes, first.used) != 0) {
                sweep_broken("it is called restored and is another");
            }
        }
    }
    pipeline_free(copy);
    state_writer_free(&first);
    state_writer_free(&second);
}

static void use_pipeline(struct world *world, bool healthy)
{
    struct console_view view = { 0 };
    trouble_begins();
    send_some(world);
    trouble_ends();
    check_counts(world);
    must(world->raised > 0 && world->done > 0, healthy, "no alarm, or nothing done about it");
    trouble_begins();
    bool filled = pipeline_fill_view(world->pipeline, (NOW + 900) * SECOND_NS, &view);
    trouble_ends();
    must(filled, healthy, "no view");
    pipeline_view_free(&view);
    trouble_begins();
    (void)pipeline_receipts(world->pipeline, (mono_time){ 5 * SECOND_NS }, publish, NULL);
    trouble_ends();
    save_and_restore(world, healthy);
    trouble_begins();
    bool changed = pipeline_reconfigure(world->pipeline, after, (NOW + 1000) * SECOND_NS);
    send_some(world);
    trouble_ends();
    must(changed, healthy, "it does not go over to other settings");
    check_counts(world);
}

static void run_pipeline(bool healthy)
{
    struct world world = { 0 };
    const struct pipeline_sink sink = {
        .context = &world, .lines = take_lines, .notice = take_notice, .set_aside = take_set_aside
    };
    trouble_begins();
    world.pipeline = pipeline_create(before, &sink);
    trouble_ends();
    must(world.pipeline != NULL, healthy, "no pipeline");
    if (world.pipeline != NULL) {
        use_pipeline(&world, healthy);
    }
    pipeline_free(world.pipeline);
}

/* Two small configurations; the second lacks the first rule. */
static const struct phusa_unit salinity_units[] = { { { "g/L", 3 }, 1, 1, 0 } };
static const struct phusa_parameter parameters[] = {
    { { "bph", 3 }, { "", 0 }, "Rầy nâu", "Hoppers", 0, 1000, 1, NULL, 0 },
    { { "pm25", 4 }, { "ug/m3", 5 }, "Bụi mịn", "Fine dust", 0, 1000, 1, NULL, 0 },
    { { "salinity", 8 }, { "/1000", 5 }, "Độ mặn", "Salinity", 0, 45, 0.01, salinity_units, 1 },
    { { "temp", 4 }, { "Cel", 3 }, "Nhiệt độ", "Temperature", -5, 60, 0.1, NULL, 0 },
    { { "vn_aqi", 6 }, { "", 0 }, "Chỉ số", "Index", 0, 500, 1, NULL, 0 },
};
static const struct phusa_parameter *const species[] = { &parameters[0] };
static const struct station_qc tests_of_water[] = {
    { &parameters[2], { .rate = { true, 0.1, 0.2 } } },
    { &parameters[3],
      { .spike = { true, QC_SPIKE_AVERAGE, 1, 2 },
        .flat_line = { true, 0.1, 600, 1200 },
        .attenuated = { true, QC_SPREAD_STD, 600, 0.1, 0.05, 0, 0 } } },
};
static const struct station stations[] = {
    { .id = "s1",
      .site = "my-tho",
      .kind = "water",
      .name = "Trạm 1",
      .every_ns = 60 * SECOND_NS,
      .qc = tests_of_water,
      .qc_count = 2,
      .stuck_ns = 3600 * SECOND_NS },
    { .id = "s2",
      .site = "my-tho",
      .kind = "trap",
      .name = "Bẫy",
      .every_ns = 3600 * SECOND_NS,
      .trap = { .given = true, .hold_ns = 1, .species = species, .species_count = 1 } },
    { .id = "s3", .site = "my-tho", .kind = "air", .name = "Khí", .every_ns = 3600 * SECOND_NS },
};

#define RULE(name, which)                                                                          \
    {                                                                                              \
        .id = (name), .kind = "water", .parameter = &parameters[which], .direction = RULE_ABOVE,   \
        .levels = { { SEVERITY_SEVERE, 0, 4, 0, 3.5, 0, 0 } }, .level_count = 1,                   \
        .max_gap_ns = 3600 * SECOND_NS, .accept = 6, .message_vi = "Mặn", .message_en = "Salt"     \
    }

static struct rule rules[] = { RULE("salinity-high", 2), RULE("temp-high", 3),
                               RULE("salinity-rises", 2), RULE("salinity-missing", 2) };
#define RULES (sizeof rules / sizeof rules[0])

/* One of change, one of silence; one that another explains, that flaps and must be acknowledged. */
static void complete_rules(void)
{
    static const char *const explained[] = { "salinity-high", "station-flat" };
    rules[1].inhibited_by = explained;
    rules[1].inhibit_count = 2;
    rules[2].subject = RULE_RATE;
    rules[2].rate_over_ns = 120 * SECOND_NS;
    rules[2].flapping = (struct rule_flapping){ 2, 3600 * SECOND_NS, 600 * SECOND_NS };
    rules[2].escalation =
        (struct rule_escalation){ .after_ns = 60 * SECOND_NS, .from = SEVERITY_MINOR };
    rules[3].subject = RULE_MISSING;
    rules[3].missing_every = 3;
    for (size_t i = 0; i < RULES; i++) {
        rules[i].from_ns = INT64_MIN;
        rules[i].until_ns = INT64_MAX;
    }
}

static void name_own(struct maintenance_settings *maintenance)
{
    maintenance->quiet_every = 3;
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        maintenance->rules[i] =
            (struct rule){ .id = i == MAINTENANCE_QUIET ? "station-quiet" : "station-flat",
                           .parameter = &parameters[3],
                           .enabled = true };
    }
}
static struct settings configurations[2];

static void test_pipeline(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        configurations[i] = (struct settings){ .file = "test",
                                               .ahead_ns = 300 * SECOND_NS,
                                               .utc_offset_s = 7 * 3600,
                                               .clock_wrong_ns = 86400 * SECOND_NS,
                                               .windows = { .kinds = 1u << RULE_1H | 1u << RULE_DAY,
                                                            .coverage = 0.1,
                                                            .lateness_ns = 300 * SECOND_NS },
                                               .catalogue = { parameters, 5 },
                                               .registry = { .stations = stations, .count = 3 },
                                               .rulebook = { rules + i, RULES - i } };
        name_own(&configurations[i].maintenance);
        configurations[i].alarms.shelve_most_ns = 86400 * SECOND_NS;
    }
    complete_rules();
    before = &configurations[0];
    after = &configurations[1];
    sweep_allocations("pipeline", run_pipeline);
}

/* --- outbox --------------------------------------------------------------------------------- */

static void run_outbox(bool healthy)
{
    static const struct channel_settings channels[] = { { .id = "ioc" }, { .id = "farmers" } };
    static const struct settings told = { .channels = channels, .channel_count = 2 };
    struct notice notices[3];
    struct outbox *outbox = NULL;
    struct problem problem = { "" };
    uint64_t position = 0;
    for (size_t i = 0; i < 3; i++) {
        notices[i] = sample_notice(RULE_BOTH, 0, (int64_t)i * 60, SEVERITY_NORMAL, SEVERITY_MINOR);
    }
    sample_make_folder();
    trouble_begins();
    enum outbox_status opened = outbox_open(sample_path, &outbox, &position, &problem);
    bool committed =
        opened == OUTBOX_OK && outbox_commit(outbox, notices, 3, &told, 200,
                                             (wall_time){ NOW * SECOND_NS }, &problem) == OUTBOX_OK;
    trouble_ends();
    must(committed, healthy, problem.text);
    outbox_close(opened == OUTBOX_OK ? outbox : NULL);
    assert_int_equal(outbox_open(sample_path, &outbox, &position, &problem), OUTBOX_OK);
    if (position != (committed ? 200u : 0u)) {
        sweep_broken("position %llu is committed", (unsigned long long)position);
    }
    outbox_close(outbox);
    sample_remove_folder();
}

static void test_outbox(void **state)
{
    (void)state;
    sweep_allocations("outbox", run_outbox);
}

/* --- people --------------------------------------------------------------------------------- */

#define NOTICES 4

static struct settings *people; /* the shipped example: templates, subscribers, all channels */
static const wall_time noon = { INT64_C(1763701200) * SECOND_NS }; /* 12:00 in UTC+7 */
static size_t expected_messages;                                   /* of a run with memory */

static const struct station *someone_for(const struct rule *rule)
{
    const struct registry *registry = &people->registry;
    for (size_t i = 0; i < registry->count; i++) {
        if (rule_concerns(rule, &registry->stations[i])) {
            return &registry->stations[i];
        }
    }
    fail_msg("rule %s concerns nobody", rule->id);
    return NULL;
}

/* Raised, escalated, done something about, and normal again; of each rule one. */
static void make_notices(struct notice notices[NOTICES])
{
    for (size_t i = 0; i < NOTICES; i++) {
        const struct rule *rule = &people->rulebook.rules[i % people->rulebook.count];
        notices[i] = (struct notice){ .rule = rule,
                                      .station = someone_for(rule),
                                      .from = SEVERITY_NORMAL,
                                      .to = SEVERITY_SEVERE,
                                      .time_ns = noon.ns - (int64_t)i * SECOND_NS,
                                      .since_ns = noon.ns - (int64_t)i * SECOND_NS,
                                      .value = 4.25,
                                      .transition = i != 1,
                                      .tell = i != 2,
                                      .escalated = i == 1,
                                      .event = i == 1   ? "escalated"
                                               : i == 2 ? "ack"
                                                        : NULL,
                                      .who = i == 2 ? phusa_text_of("Lan") : phusa_text_of(""),
                                      .position = 10 + i,
                                      .life = "UNACK" };
    }
}

static void count_message(void *context, const struct outbox_message *message)
{
    size_t *count = context;
    assert_true(message->id > 0);
    (*count)++;
}

static bool count_event(void *context, const struct outbox_event *event)
{
    size_t *count = context;
    assert_non_null(event->who);
    (*count)++;
    return true;
}

static void count_letter(void *context, const struct letter *letter)
{
    size_t *count = context;
    assert_non_null(letter->text.in[LANGUAGE_VI]);
    (*count)++;
}

/* What lists say: all of it, or that they could not be read. */
static void list_all(struct outbox *outbox, bool healthy)
{
    static const struct outbox_filter any = { .channel = NULL };
    size_t messages = 0, events = 0, letters = 0;
    trouble_begins();
    bool listed = outbox_each_message(outbox, &any, count_message, &messages);
    bool told = outbox_each_event(outbox, NULL, NULL, 0, INT64_MAX, count_event, &events);
    bool active = outbox_each_active(outbox, people->channels[0].id, count_letter, &letters);
    trouble_ends();
    must(listed && told && active, healthy, "lists cannot be read");
    if ((listed && messages != expected_messages) || (told && events != NOTICES)) {
        sweep_broken("%zu messages and %zu events are called all", messages, events);
    }
}

/* What a channel is given is whole; it comes again until it is marked. */
static size_t deliver_one(struct outbox *outbox, const char *channel, bool *healthy)
{
    static struct outbox_parcel parcel;
    static const struct outbox_terms terms = { .digests = true, .most = PARCEL_LETTERS_MAX };
    struct problem problem = { "" };
    size_t done = 0;
    trouble_begins();
    enum outbox_status taken = outbox_take(outbox, channel, &terms, noon, &parcel, &problem);
    must(taken != OUTBOX_FAILED, *healthy, problem.text);
    for (size_t i = 0; taken == OUTBOX_OK && i < parcel.count; i++) {
        struct letter letter;
        struct letter_store *store = NULL;
        bool read = letter_read(phusa_text_of(parcel.letters[i].body),
                                phusa_text_of(parcel.letters[i].details), &letter, &store);
        must(read, *healthy, "a letter is not read");
        letter_store_free(read ? store : NULL);
    }
    if (taken == OUTBOX_OK &&
        outbox_mark(outbox, &parcel, &terms, OUTBOX_SENT, noon, &problem) == OUTBOX_OK) {
        done = parcel.messages > 0 ? parcel.messages : parcel.count;
    }
    outbox_parcel_clear(&parcel);
    trouble_ends();
    *healthy = *healthy || taken == OUTBOX_NONE; /* so that nothing is asked for ever */
    return done;
}

/* A way out is whole or it is none, and so is the copy of its settings. */
static void open_way(struct outbox *outbox, const struct channel_settings *channel, bool healthy)
{
    static carrier_open *const opens[CHANNEL_KINDS] = {
        [CHANNEL_WEBHOOK] = webhook_open, [CHANNEL_ALERTMANAGER] = alertmanager_open,
        [CHANNEL_EMAIL] = email_open,     [CHANNEL_SMS] = sms_open,
        [CHANNEL_SYSLOG] = syslog_open,
    };
    const struct carrier_means means = { .outbox = outbox, .utc_offset_s = 7 * 3600 };
    struct carrier carrier = { .self = NULL };
    struct problem problem = { "" };
    trouble_begins();
    struct channel_copy *copy = channel_copy_create(channel);
    bool open = copy != NULL && opens[channel->kind] != NULL &&
                opens[channel->kind](&carrier, channel_copy_get(copy), &means, &problem);
    trouble_ends();
    must(copy != NULL && (open || opens[channel->kind] == NULL), healthy, "a way out is not open");
    if (copy != NULL && !channel_same(channel, channel_copy_get(copy))) {
        sweep_broken("the copy of %s is called one and is another", channel->id);
    }
    if (!open && copy != NULL && opens[channel->kind] != NULL && problem.text[0] == '\0') {
        sweep_broken("%s does not open, without a word", channel->id);
    }
    if (open) {
        carrier.free(carrier.self);
    }
    channel_copy_free(copy);
}

/* What must be told while the disk takes no more. */
static void be_urgent(bool healthy)
{
    static struct urgent_queue queue;
    static struct letter_draft draft;
    struct notice notices[NOTICES];
    make_notices(notices);
    trouble_begins();
    bool drawn = letter_draft(&notices[0], people, &draft);
    bool added = drawn && urgent_add(&queue, "phusa/1/a/b/alarm/c", &draft);
    trouble_ends();
    must(added, healthy, "nothing urgent can be told");
    if (queue.count != (added ? 1u : 0u)) {
        sweep_broken("%zu urgent messages", queue.count);
    }
    urgent_clear(&queue);
}

static void deliver_all(struct outbox *outbox, bool healthy)
{
    size_t delivered = 0;
    for (size_t i = 0; i <= people->channel_count; i++) {
        const char *channel = i < people->channel_count ? people->channels[i].id : CHANNEL_RETAINED;
        bool ended = healthy;
        for (size_t done = 1, tries = 0; done > 0 || !ended; tries++) {
            assert_true(tries < 1000);
            done = deliver_one(outbox, channel, &ended);
            delivered += done;
            ended = ended || done == 0;
        }
    }
    must(delivered > 0, healthy, "nothing is delivered");
}

/* Committed whole, or not at all and then on the second try. */
static void commit_all(struct outbox *outbox, bool healthy)
{
    struct notice notices[NOTICES];
    struct problem problem = { "" };
    size_t messages = 0;
    make_notices(notices);
    trouble_begins();
    bool good = outbox_configure(outbox, people) &&
                outbox_commit(outbox, notices, NOTICES, people, 13, noon, &problem) == OUTBOX_OK;
    trouble_ends();
    must(good, healthy, problem.text);
    if (!good && outbox_commit(outbox, notices, NOTICES, people, 13, noon, &problem) != OUTBOX_OK) {
        sweep_broken("there is memory again, and: %s", problem.text);
    }
    static const struct outbox_filter any = { .channel = NULL };
    assert_true(outbox_each_message(outbox, &any, count_message, &messages));
    expected_messages = expected_messages == 0 ? messages : expected_messages;
    if (messages != expected_messages || messages == 0) {
        sweep_broken("%zu messages, not %zu", messages, expected_messages);
    }
}

static void run_people(bool healthy)
{
    struct outbox *outbox = NULL;
    struct problem problem = { "" };
    uint64_t position = 0;
    sample_make_folder();
    trouble_begins();
    enum outbox_status opened = outbox_open(sample_path, &outbox, &position, &problem);
    trouble_ends();
    must(opened == OUTBOX_OK, healthy, problem.text);
    if (opened == OUTBOX_REPLACED) {
        sweep_broken("no memory, and the file is called damaged");
    }
    if (opened == OUTBOX_OK) {
        commit_all(outbox, healthy);
        list_all(outbox, healthy);
        for (size_t i = 0; i < people->channel_count; i++) {
            open_way(outbox, &people->channels[i], healthy);
        }
        be_urgent(healthy);
        deliver_all(outbox, healthy);
        outbox_close(outbox);
    } else if (problem.text[0] == '\0') {
        sweep_broken("it does not open, without a word");
    }
    sample_remove_folder();
}

static void test_people(void **state)
{
    (void)state;
    struct settings_errors errors = { 0 };
    assert_int_equal(settings_load("config/channels-example.cfg", SETTINGS_ALL, &people, &errors),
                     SETTINGS_OK);
    sweep_allocations("people", run_people);
    settings_free(people);
    settings_errors_clear(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal),  cmocka_unit_test(test_kept),
        cmocka_unit_test(test_settings), cmocka_unit_test(test_settings_for_people),
        cmocka_unit_test(test_pipeline), cmocka_unit_test(test_outbox),
        cmocka_unit_test(test_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
