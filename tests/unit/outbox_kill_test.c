/*
 * Killed (SIGKILL) at every step from transition to commit to sending to mark, and at random
 * times: nobody misses a message, and a kill repeats at most one delivery of a channel.
 *
 * A child process commits notices from where the outbox says it has come to, as the collector does
 * from its journal, while the notifier hands them to carriers that write each delivery to a file:
 * the other side's memory, which no kill takes away. It kills itself when it reaches the step.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/log.h"
#include "draws.h"
#include "notify_sample.h"

#define NOTICES      48
#define PATIENCE_NS  (60 * SECOND_NS)
#define LINE_MAX_LEN 8192
#define RANDOM_KILLS 60
#define TURNS        6 /* the step is reached so often, at most, before the kill */

enum step {
    STEP_NONE,
    STEP_TRANSITION, /* before the commit */
    STEP_COMMITTED,
    STEP_SENDING, /* the other side has not got it */
    STEP_SENT,    /* it has, and it is not marked */
    STEP_MARKED,  /* seen by the same courier's next delivery or wait */
    STEPS
};

static const char *const step_names[STEPS] = { "none",    "transition", "committed",
                                               "sending", "sent",       "marked" };

static const char *const officers[] = { "a@example.vn", "b@example.vn" };
static const struct channel_settings channels[] = {
    { .id = "ioc", .kind = CHANNEL_WEBHOOK },
    { .id = "mail",
      .kind = CHANNEL_EMAIL,
      .to = officers,
      .to_count = 2,
      .pace = { .burst = 2, .gather_ns = 20 * MILLI_NS } },
    { .id = "syslog", .kind = CHANNEL_SYSLOG },
};
#define CHANNELS 3
static const struct settings settings = { .channels = channels, .channel_count = CHANNELS };

/* Who must get each notice. */
static const struct {
    size_t channel;
    const char *address;
} ends[] = { { 0, "" }, { 1, "a@example.vn" }, { 1, "b@example.vn" }, { 2, "" } };
#define ENDS 4

static char log_path[128];
static struct station stations[NOTICES];
static char names[NOTICES][8];
static struct rule rule;

/* --- the child -------------------------------------------------------------------------- */

static enum step planned;
static atomic_int turns;

static void reach(enum step step)
{
    if (step == planned && atomic_fetch_sub(&turns, 1) == 1) {
        (void)kill(getpid(), SIGKILL);
    }
}

struct fake {
    const char *channel;
    atomic_bool delivered;
};

static enum delivery fake_deliver(void *self, const struct parcel *parcel, struct problem *problem)
{
    (void)problem;
    struct fake *fake = self;
    char line[LINE_MAX_LEN];
    if (atomic_load(&fake->delivered)) {
        reach(STEP_MARKED); /* the one before was marked: otherwise this would not have come */
    }
    reach(STEP_SENDING);
    int used = snprintf(line, sizeof line, "%s|%s|", fake->channel, parcel->recipient);
    for (size_t i = 0; i < parcel->count; i++) {
        used += snprintf(line + used, sizeof line - (size_t)used, "%s ", parcel->letters[i].key);
    }
    line[used - 1] = '\n';
    int fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)used) != used) {
        _exit(3);
    }
    (void)close(fd);
    reach(STEP_SENT);
    atomic_store(&fake->delivered, true);
    return DELIVERY_DONE;
}

static void fake_abort(void *self)
{
    (void)self;
}

static bool fake_open(struct carrier *carrier, const struct channel_settings *channel,
                      const struct carrier_means *means, struct problem *problem)
{
    (void)means;
    (void)problem;
    struct fake *fake = calloc(1, sizeof *fake);
    if (fake == NULL) {
        return false;
    }
    fake->channel = channel->id;
    *carrier = (struct carrier){ .self = fake,
                                 .deliver = fake_deliver,
                                 .abort = fake_abort,
                                 .free = free,
                                 .most = channel->kind == CHANNEL_EMAIL ? PARCEL_LETTERS_MAX : 1 };
    return true;
}

static bool publish(void *context, const char *topic, const char *payload, size_t length)
{
    (void)context;
    (void)topic;
    (void)payload;
    (void)length;
    return true;
}

static struct notice notice_at(size_t i)
{
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_SEVERE);
    notice.rule = &rule;
    notice.station = &stations[i];
    notice.position = i + 1;
    notice.transition = true;
    return notice;
}

static bool all_sent(struct outbox *outbox)
{
    struct outbox_counters counters;
    outbox_read_counters(outbox, &counters);
    return counters.waiting == 0;
}

/* Ends with 0 when all is told. */
static int work(void)
{
    static const struct carriers fakes = {
        .of = { [CHANNEL_WEBHOOK] = fake_open,
                [CHANNEL_EMAIL] = fake_open,
                [CHANNEL_SYSLOG] = fake_open },
        .retained = retained_open,
    };
    const struct notifier_publish nowhere = { NULL, publish };
    struct outbox *outbox = NULL;
    struct problem problem = { "" };
    uint64_t position = 0;
    int64_t end_ns = clock_mono().ns + PATIENCE_NS;
    if (outbox_open(sample_path, &outbox, &position, &problem) != OUTBOX_OK) {
        return 4; /* a kill is no damage */
    }
    struct notifier *notifier = notifier_create_with(outbox, &settings, &nowhere, 1, &fakes);
    for (size_t i = (size_t)position; i < NOTICES; i++) {
        struct notice notice = notice_at(i);
        reach(STEP_TRANSITION);
        if (outbox_commit(outbox, &notice, 1, &settings, i + 1, clock_real(), NULL) != OUTBOX_OK) {
            return 5;
        }
        reach(STEP_COMMITTED);
        notifier_wake(notifier);
    }
    while (!all_sent(outbox)) { /* marks have no signal of their own */
        if (clock_mono().ns > end_ns) {
            return 6;
        }
        clock_sleep_until((mono_time){ clock_mono().ns + MILLI_NS });
    }
    notifier_free(notifier);
    outbox_close(outbox);
    return 0;
}

/* --- the parent --------------------------------------------------------------------------- */

/* Runs a child; after_ns > 0: kills it then. True if it was killed. */
static bool run_child(enum step step, int turn, int64_t after_ns)
{
    pid_t child = fork();
    if (child == 0) {
        log_set_level(LOG_LEVEL_ERROR);
        planned = step;
        atomic_store(&turns, turn);
        _exit(work());
    }
    assert_true(child > 0);
    if (after_ns > 0) {
        clock_sleep_until((mono_time){ clock_mono().ns + after_ns });
        (void)kill(child, SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static char keys[NOTICES][NOTICE_KEY_CHARS + 1];

struct tally {
    size_t deliveries[CHANNELS], repeated[CHANNELS]; /* repeated: something in it was there */
    size_t got[ENDS][NOTICES];
};

static size_t notice_of(const char *key)
{
    for (size_t i = 0; i < NOTICES; i++) {
        if (strcmp(keys[i], key) == 0) {
            return i;
        }
    }
    fail_msg("an unknown key: %s", key);
    return 0;
}

static void count_line(char *line, struct tally *tally)
{
    const char *channel = strtok(line, "|");
    char *rest = line + strlen(channel) + 1, *bar = strchr(rest, '|');
    assert_non_null(bar);
    *bar = '\0';
    size_t end = 0;
    while (end < ENDS && (strcmp(channels[ends[end].channel].id, channel) != 0 ||
                          strcmp(ends[end].address, rest) != 0)) {
        end++;
    }
    assert_true(end < ENDS);
    bool again = false;
    for (char *key = strtok(bar + 1, " \n"); key != NULL; key = strtok(NULL, " \n")) {
        again = tally->got[end][notice_of(key)]++ > 0 || again;
    }
    tally->deliveries[ends[end].channel]++;
    tally->repeated[ends[end].channel] += again;
}

static struct tally count_deliveries(void)
{
    static char line[LINE_MAX_LEN];
    struct tally tally = { { 0 }, { 0 }, { { 0 } } };
    FILE *file = fopen(log_path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        count_line(line, &tally);
    }
    (void)fclose(file);
    return tally;
}

static size_t all_lost, all_repeated, all_kills, all_rounds;

/* After the kills all is told at last, and little twice. */
static void judge(size_t kills, const char *what)
{
    assert_false(run_child(STEP_NONE, 0, 0));
    struct tally tally = count_deliveries();
    size_t lost = 0;
    for (size_t end = 0; end < ENDS; end++) {
        for (size_t i = 0; i < NOTICES; i++) {
            lost += tally.got[end][i] == 0;
        }
    }
    if (lost > 0) {
        fail_msg("%s: %zu messages were lost", what, lost);
    }
    for (size_t i = 0; i < CHANNELS; i++) {
        if (tally.repeated[i] > kills) {
            fail_msg("%s, %s: %zu kills repeated %zu deliveries", what, channels[i].id, kills,
                     tally.repeated[i]);
        }
        all_repeated += tally.repeated[i];
    }
    all_lost += lost;
    all_kills += kills;
    all_rounds++;
}

static int make(void **state)
{
    (void)state;
    sample_make_folder();
    (void)snprintf(log_path, sizeof log_path, "%s/deliveries", sample_folder);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    (void)unlink(log_path);
    sample_remove_folder();
    return 0;
}

static void killed_at_every_step(void **state)
{
    for (enum step step = STEP_TRANSITION; step < STEPS; step++) {
        for (int turn = 1; turn <= TURNS; turn++) {
            size_t kills = 0;
            (void)clean(state);
            (void)make(state);
            for (int again = 0; again < 2; again++) { /* and once more on what the kill left */
                kills += run_child(step, turn, 0);
            }
            assert_true(kills > 0 || turn > 1);
            judge(kills, step_names[step]);
        }
    }
    print_message("figure: %zu rounds, %zu kills at %d steps: %zu lost, %zu deliveries repeated\n",
                  all_rounds, all_kills, STEPS - 1, all_lost, all_repeated);
}

static void killed_at_random(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    size_t kills = 0;
    all_rounds = all_kills = all_lost = all_repeated = 0;
    for (int i = 0; i < RANDOM_KILLS; i++) {
        kills += run_child(STEP_NONE, 0, (int64_t)(1 + draw_below(&draws, 60000)) * 1000);
    }
    judge(kills, "at random");
    print_message("figure: %zu kills at random: %zu lost, %zu deliveries repeated\n", all_kills,
                  all_lost, all_repeated);
}

static int begin(void **state)
{
    (void)state;
    rule = sample_rules[RULE_IOC];
    rule.channel_count = CHANNELS;
    for (size_t i = 0; i < CHANNELS; i++) {
        rule.channels[i] = i;
    }
    for (size_t i = 0; i < NOTICES; i++) {
        (void)snprintf(names[i], sizeof names[i], "s%zu", i);
        stations[i] = sample_stations[0];
        stations[i].id = names[i];
        struct notice notice = notice_at(i);
        assert_true(notice_key(&notice, keys[i]));
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_at_every_step, make, clean),
        cmocka_unit_test_setup_teardown(killed_at_random, make, clean),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
