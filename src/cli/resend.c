/*
 * phusa resend: writes a past range to the store again, from the raw journal. The journal goes
 * through the pipeline with the configuration in force; what it makes of readings in the range is
 * put into a temporary spool, which a sender of its own carries to the store. phusad may run
 * meanwhile: nothing of its files is changed, and the same points again change nothing in a store
 * that knows a point by its series and time.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/http.h"
#include "cli/cli.h"
#include "journal/journal.h"
#include "pipeline.h"
#include "store/lineproto.h"
#include "store/sender.h"

#define BATCH_BYTES     (1u << 18) /* lines in one record of the temporary spool, about */
#define LINES_MAX       (1u << 20) /* bytes that the pipeline hands over at once, at most */
#define REFUSED_NAMED   20         /* refused lines that are named; the rest is counted */
#define PROGRESS_NS     (500 * MILLI_NS)
#define REMINDER_NS     (10 * SECOND_NS) /* between two words about what is waited for */
#define SIGNAL_PAUSE_NS (100 * MILLI_NS)

struct options {
    const char *config, *station;
    int64_t from_ns, to_ns;
    bool has_from, has_to, dry_run, no_wait;
};

struct resend {
    const struct options *options;
    const struct settings *settings;
    char folder[CLI_PATH_MAX]; /* of the temporary spool; "" = none */
    struct journal *spool;
    struct journal_reader *reader; /* the sender's */
    struct spool_source source;
    char *batch;
    size_t batch_used;
    uint32_t batch_readings;
    uint64_t records, lines, readings, refused_lines, refused_readings, last_position;
    struct problem problem; /* "" while all is well */
    bool terminal;
    mono_time next_progress, next_reminder;
    char complaint[PROBLEM_TEXT_MAX]; /* of the store, as last printed */
    bool written;                     /* and it was said that only the margin is left */
    pthread_t watcher;
    bool watching;
    atomic_bool done, interrupted;
    _Atomic(struct sender *) sender;
};

static int help(void)
{
    (void)fputs(
        "usage: phusa resend --from TIME --to TIME [--station ID] [--dry-run] [--no-wait] [-c "
        "FILE]\n"
        "  -f, --from TIME    readings taken from then on: seconds since 1970, or ISO 8601 with\n"
        "                     offset\n"
        "  -t, --to TIME      and before then\n"
        "  -i, --station ID   of this station only\n"
        "  -n, --dry-run      says how much it would write, and writes nothing\n"
        "  -w, --no-wait      ends as soon as the store has answered; without it, when what was\n"
        "                     answered has also outlived the store's margin\n"
        "  -c, --config FILE  phusad's configuration (default: the shipped one)\n"
        "  -h, --help         print this\n"
        "It waits until the store answers. phusad may run. Exit 1 if the store refused lines, or "
        "if not all was written.\n",
        stdout);
    return CLI_GOOD;
}

static bool is_well(const struct resend *resend)
{
    return resend->problem.text[0] == '\0' && !atomic_load(&resend->interrupted);
}

/* --- Ctrl-C --------------------------------------------------------------------------------- */

static void ending_signals(sigset_t *signals)
{
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGINT);
    (void)sigaddset(signals, SIGTERM);
}

/* A request under way in the other thread ends at once. */
static void *watch_signals(void *context)
{
    static const struct timespec pause = { .tv_nsec = SIGNAL_PAUSE_NS };
    struct resend *resend = context;
    sigset_t signals;
    ending_signals(&signals);
    while (!atomic_load(&resend->done)) {
        if (sigtimedwait(&signals, NULL, &pause) > 0) {
            atomic_store(&resend->interrupted, true);
        }
        struct sender *sender = atomic_load(&resend->sender);
        if (atomic_load(&resend->interrupted) && sender != NULL) {
            sender_abort(sender);
            break;
        }
    }
    return NULL;
}

static void start_watcher(struct resend *resend)
{
    sigset_t signals;
    ending_signals(&signals);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    resend->watching = pthread_create(&resend->watcher, NULL, watch_signals, resend) == 0;
    if (!resend->watching) {
        (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    }
}

static void stop_watcher(struct resend *resend)
{
    atomic_store(&resend->done, true);
    if (resend->watching) {
        (void)pthread_join(resend->watcher, NULL);
    }
}

/* --- progress --------------------------------------------------------------------------------- */

static bool progress_due(struct resend *resend)
{
    mono_time now = clock_mono();
    if (!resend->terminal || now.ns < resend->next_progress.ns) {
        return false;
    }
    resend->next_progress.ns = now.ns + PROGRESS_NS;
    return true;
}

static void end_progress(const struct resend *resend)
{
    if (resend->terminal) {
        (void)fputs("\r\033[K", stderr);
    }
}

/* --- the temporary spool -------------------------------------------------------------------- */

static void flush_batch(struct resend *resend)
{
    struct journal_record record = { .kind = JOURNAL_LINES,
                                     .count = resend->batch_readings,
                                     .payload = { resend->batch, resend->batch_used } };
    if (resend->batch_used == 0 || resend->spool == NULL) {
        return; /* a dry run */
    }
    if (journal_append(resend->spool, &record, &resend->last_position) != JOURNAL_OK) {
        problem_set(&resend->problem, "%s takes no more: TMPDIR may name a folder with more room",
                    resend->folder);
    }
    resend->batch_used = 0;
    resend->batch_readings = 0;
}

static bool is_meant(const struct options *options, struct phusa_text line)
{
    int64_t ns;
    return line_time(line, &ns) && ns >= options->from_ns && ns < options->to_ns &&
           (options->station == NULL ||
            phusa_text_equal(line_tag(line, "station"), phusa_text_of(options->station)));
}

static void keep_line(struct resend *resend, struct phusa_text line)
{
    uint32_t readings = line_readings(line, &resend->settings->registry);
    resend->lines++;
    resend->readings += readings;
    if (resend->spool == NULL) {
        return;
    }
    memcpy(resend->batch + resend->batch_used, line.data, line.length);
    resend->batch_used += line.length;
    resend->batch[resend->batch_used++] = '\n';
    resend->batch_readings += readings;
}

/* From within the pipeline. */
static void take_lines(void *context, struct phusa_text lines, uint32_t readings, uint64_t position)
{
    struct resend *resend = context;
    struct phusa_text line;
    (void)readings;
    (void)position;
    if (lines.length > LINES_MAX) {
        problem_set(&resend->problem, "a report makes more than %u bytes of lines", LINES_MAX);
        return;
    }
    while (text_next_line(&lines, &line)) {
        if (is_meant(resend->options, line)) {
            keep_line(resend, line);
        }
    }
    if (resend->batch_used >= BATCH_BYTES) {
        flush_batch(resend);
    }
}

static void read_records(struct resend *resend, struct pipeline *pipeline,
                         struct journal_reader *reader)
{
    struct journal_record record;
    enum journal_status status = JOURNAL_END;
    while (is_well(resend) && (status = journal_next(reader, &record)) == JOURNAL_OK) {
        pipeline_take(pipeline, &record);
        resend->records++;
        if (progress_due(resend)) {
            (void)fprintf(stderr, "\r%" PRIu64 " records read, %" PRIu64 " readings to write",
                          resend->records, resend->readings);
        }
    }
    flush_batch(resend);
    end_progress(resend);
    if (status == JOURNAL_FAILED) {
        problem_set(&resend->problem, "%s: cannot be read to its end",
                    resend->settings->journal.path);
    }
    if (journal_reader_damaged(reader) > 0) {
        (void)fprintf(stderr, "phusa resend: %" PRIu64 " damaged bytes were passed over\n",
                      journal_reader_damaged(reader));
    }
}

static void read_journal(struct resend *resend)
{
    struct pipeline_sink sink = { .context = resend, .lines = take_lines };
    struct pipeline *pipeline = pipeline_create(resend->settings, &sink);
    struct journal_reader *reader = NULL;
    if (pipeline == NULL) {
        problem_set(&resend->problem, "out of memory");
    } else if (journal_reader_open_path(resend->settings->journal.path, NULL, 0, &reader,
                                        &resend->problem) == JOURNAL_OK) {
        read_records(resend, pipeline, reader);
    }
    journal_reader_close(reader);
    pipeline_free(pipeline);
}

static void open_spool(struct resend *resend)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(resend->folder, sizeof resend->folder, "%s/phusa-resend-XXXXXX",
                   base == NULL || *base == '\0' ? "/tmp" : base);
    resend->batch = malloc(BATCH_BYTES + LINES_MAX + 1);
    if (mkdtemp(resend->folder) == NULL) {
        problem_set(&resend->problem, "%s: %s", resend->folder, strerror(errno));
        resend->folder[0] = '\0';
        return;
    }
    struct journal_options options = { .path = resend->folder };
    if (resend->batch == NULL) {
        problem_set(&resend->problem, "out of memory");
    } else {
        (void)journal_open(&options, &resend->spool, NULL, &resend->problem);
    }
}

static void remove_file(void *visitor, const char *name)
{
    const struct resend *resend = visitor;
    char path[CLI_PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", resend->folder, name);
    if (length > 0 && (size_t)length < sizeof path) {
        (void)files_posix.unlink(files_posix.context, path);
    }
}

static void close_spool(struct resend *resend)
{
    journal_reader_close(resend->reader);
    journal_close(resend->spool);
    free(resend->batch);
    if (resend->folder[0] != '\0') {
        (void)files_posix.list(files_posix.context, resend->folder, remove_file, resend);
        if (rmdir(resend->folder) != 0) {
            (void)fprintf(stderr, "phusa resend: %s stays: %s\n", resend->folder, strerror(errno));
        }
    }
}

/* --- sending -------------------------------------------------------------------------------- */

static int spool_next(void *context, struct spool_item *item)
{
    struct resend *resend = context;
    struct journal_record record;
    switch (journal_next(resend->reader, &record)) {
    case JOURNAL_OK:
        *item = (struct spool_item){ record.position, record.count, record.payload };
        return 1;
    case JOURNAL_NOTHING_YET:
        return 0;
    default:
        return -1;
    }
}

static int spool_seek(void *context, uint64_t from)
{
    struct resend *resend = context;
    journal_reader_close(resend->reader);
    resend->reader = NULL;
    return journal_reader_open(resend->spool, from, &resend->reader, NULL) == JOURNAL_OK ? 0 : -1;
}

/* Nothing outlives this run. */
static int spool_remember(void *context, uint64_t safe, uint64_t sent)
{
    (void)context;
    (void)safe;
    (void)sent;
    return 0;
}

static void spool_refused(void *context, struct phusa_text line, const char *why)
{
    struct resend *resend = context;
    resend->refused_readings += line_readings(line, &resend->settings->registry);
    if (resend->refused_lines++ < REFUSED_NAMED) {
        end_progress(resend);
        (void)fprintf(stderr, "refused: %s: ", why);
        cli_print_plain(stderr, line);
        (void)fputc('\n', stderr);
    }
}

/* Says once what the store does not like, and no more until it is something else. */
static void complain(struct resend *resend, struct sender *sender)
{
    struct problem problem;
    sender_read_problem(sender, &problem);
    if (strcmp(problem.text, resend->complaint) != 0) {
        memcpy(resend->complaint, problem.text, sizeof resend->complaint);
        if (problem.text[0] != '\0' && !atomic_load(&resend->interrupted)) {
            end_progress(resend);
            (void)fprintf(stderr, "phusa resend: %s; trying again until the store answers\n",
                          problem.text);
            resend->next_reminder.ns = clock_mono().ns + REMINDER_NS;
        }
    }
}

/* Says once that only the store's margin is left, and from time to time that it goes on. */
static void remind(struct resend *resend, const struct sender_counters *counters)
{
    bool written = counters->position_sent >= resend->last_position;
    bool first = written && !resend->written;
    mono_time now = clock_mono();
    if (!first && now.ns < resend->next_reminder.ns) {
        return;
    }
    resend->written = written;
    resend->next_reminder.ns = now.ns + REMINDER_NS;
    end_progress(resend);
    if (written) {
        (void)fprintf(stderr,
                      "phusa resend: all is written; waiting for the store's margin of %" PRId64
                      " s, whether it has to be sent again\n",
                      resend->settings->store.margin_ns / SECOND_NS);
    } else {
        (void)fprintf(stderr, "phusa resend: %" PRIu64 " of %" PRIu64 " readings written%s%s\n",
                      counters->readings_sent, resend->readings,
                      resend->complaint[0] == '\0' ? "" : "; still waiting: ", resend->complaint);
    }
}

static void send_all(struct resend *resend, struct sender *sender)
{
    struct sender_counters counters = { 0 };
    bool no_wait = resend->options->no_wait;
    resend->next_reminder.ns = clock_mono().ns + REMINDER_NS;
    while (is_well(resend)) {
        mono_time next = sender_step(sender, clock_mono());
        sender_read_counters(sender, &counters);
        complain(resend, sender);
        if ((no_wait ? counters.position_sent : counters.position_safe) >= resend->last_position) {
            break;
        }
        remind(resend, &counters);
        if (progress_due(resend)) {
            (void)fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " readings written, %" PRIu64 " safe",
                          counters.readings_sent, resend->readings, counters.readings_safe);
        }
        int64_t soon = clock_mono().ns + SIGNAL_PAUSE_NS; /* to notice an interruption */
        clock_sleep_until((mono_time){ next.ns < soon ? next.ns : soon });
    }
    end_progress(resend);
}

static void send_spool(struct resend *resend)
{
    resend->source =
        (struct spool_source){ resend, spool_next, spool_seek, spool_remember, spool_refused };
    if (journal_sync(resend->spool, &resend->problem) != JOURNAL_OK ||
        journal_reader_open(resend->spool, 0, &resend->reader, &resend->problem) != JOURNAL_OK) {
        return;
    }
    struct sender *sender =
        sender_create(&resend->settings->store, &resend->source, 0, 0, (uint64_t)clock_mono().ns);
    if (sender == NULL) {
        problem_set(&resend->problem, "out of memory for the sender");
        return;
    }
    atomic_store(&resend->sender, sender);
    send_all(resend, sender);
}

/* --- the command ---------------------------------------------------------------------------- */

static int print_result(const struct resend *resend)
{
    if (atomic_load(&resend->interrupted)) {
        (void)fputs("phusa resend: interrupted; what is written stays, and the same command again "
                    "does no harm\n",
                    stderr);
        return CLI_BAD;
    }
    if (resend->problem.text[0] != '\0') {
        (void)fprintf(stderr, "phusa resend: %s\n", resend->problem.text);
        return CLI_BAD;
    }
    (void)printf("%s %" PRIu64 " readings in %" PRIu64 " lines\n",
                 resend->options->dry_run ? "would write" : "wrote",
                 resend->readings - resend->refused_readings,
                 resend->lines - resend->refused_lines);
    if (resend->refused_lines > 0) {
        (void)fprintf(
            stderr, "phusa resend: the store refused %" PRIu64 " lines with %" PRIu64 " readings\n",
            resend->refused_lines, resend->refused_readings);
        return CLI_BAD;
    }
    return CLI_GOOD;
}

static int run(const struct options *options, const struct settings *settings)
{
    struct resend resend = { .options = options,
                             .settings = settings,
                             .terminal = isatty(STDERR_FILENO) == 1 };
    http_global_init();
    start_watcher(&resend);
    if (!options->dry_run) {
        open_spool(&resend);
    }
    if (is_well(&resend)) {
        read_journal(&resend);
    }
    if (is_well(&resend) && resend.last_position > 0) {
        send_spool(&resend);
    }
    stop_watcher(&resend); /* which knows the sender */
    sender_free(atomic_load(&resend.sender));
    close_spool(&resend);
    http_global_end();
    return print_result(&resend);
}

static bool take_option(struct options *options, int option)
{
    switch (option) {
    case 'f':
        options->has_from = cli_read_time("resend", "from", optarg, &options->from_ns);
        return options->has_from;
    case 't':
        options->has_to = cli_read_time("resend", "to", optarg, &options->to_ns);
        return options->has_to;
    case 'i':
        options->station = optarg;
        return true;
    case 'n':
        options->dry_run = true;
        return true;
    case 'w':
        options->no_wait = true;
        return true;
    case 'c':
        options->config = optarg;
        return true;
    default:
        return false;
    }
}

static int load_and_run(const struct options *options)
{
    struct settings *settings = cli_load_or_default("resend", options->config, SETTINGS_ALL);
    if (settings == NULL) {
        return CLI_BAD;
    }
    int result = CLI_BAD;
    if (options->station != NULL &&
        registry_find(&settings->registry, phusa_text_of(options->station)) == NULL) {
        (void)fprintf(stderr, "phusa resend: the registry has no station \"%s\"\n",
                      options->station);
    } else {
        result = run(options, settings);
    }
    settings_free(settings);
    return result;
}

int cli_resend(int argc, char **argv)
{
    static const struct option known[] = {
        { "from", required_argument, NULL, 'f' },    { "to", required_argument, NULL, 't' },
        { "station", required_argument, NULL, 'i' }, { "dry-run", no_argument, NULL, 'n' },
        { "no-wait", no_argument, NULL, 'w' },       { "config", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
    };
    struct options options = { 0 };
    int option;
    while ((option = getopt_long(argc, argv, "f:t:i:nwc:h", known, NULL)) != -1) {
        if (option == 'h') {
            return help();
        }
        if (!take_option(&options, option)) {
            return cli_point_to_help("resend");
        }
    }
    if (optind != argc) {
        return cli_misuse("resend", "\"%s\" is too much", argv[optind]);
    }
    if (!options.has_from || !options.has_to) {
        return cli_misuse("resend", "which range? --from TIME --to TIME");
    }
    if (options.from_ns >= options.to_ns) {
        return cli_misuse("resend", "--from is not before --to");
    }
    return load_and_run(&options);
}
