/* phusa journal: looks into a journal's files; only its repair changes them. */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "journal/journal.h"
#include "phusa/number.h"

#define SHOWN_BYTES 160  /* of a payload in a dump's line */
#define TOPIC_BYTES 1024 /* longer ones match nothing: ours are far shorter */

struct summary {
    uint64_t records, bytes, first, last, kinds[JOURNAL_KIND_LAST + 1];
    int64_t first_ns, last_ns;
    uint64_t damaged, places; /* bytes, and where such bytes or wrong names were found */
};

static int help(void)
{
    (void)fputs("usage: phusa journal stat|verify|dump [--json] [--from POSITION] [--limit N] DIR\n"
                "       phusa journal dump --topic PATTERN ...\n"
                "       phusa journal repair [--json] DIR\n"
                "  stat               how many records of which kind, from when to when\n"
                "  verify             reads every record and header; exit 1 if bytes are damaged\n"
                "  dump               one line for each record\n"
                "  repair             moves damaged bytes into side files; not while phusad runs\n"
                "  -j, --json         for machines: one JSON object, or one a line (dump)\n"
                "  -f, --from N       begin at this position\n"
                "  -l, --limit N      end after N records\n"
                "  -t, --topic PATTERN  dump: only records whose topic matches, such as\n"
                "                     '*/my-tho-1/rsp': the answers of that station\n"
                "  -h, --help         print this\n",
                stdout);
    return CLI_GOOD;
}

static const char *kind_name(unsigned kind)
{
    static const char *const names[JOURNAL_KIND_LAST + 1] = { "?",          "message",  "tick",
                                                              "configured", "link",     "lines",
                                                              "set-aside",  "requeued", "verb",
                                                              "condition" };
    return kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

static void print_seconds(FILE *out, int64_t ns)
{
    char text[PHUSA_DOUBLE_CHARS];
    (void)fwrite(text, 1, phusa_seconds_print(ns, text), out);
}

/* " (2026-11-21T06:53:18Z)" */
static void print_utc(FILE *out, int64_t ns)
{
    char text[32];
    time_t seconds = (time_t)(ns / SECOND_NS);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0) {
        (void)fprintf(out, " (%s)", text);
    }
}

static bool is_utf8(struct phusa_text text)
{
    json_t *string = json_stringn(text.data, text.length);
    json_decref(string);
    return string != NULL;
}

/* Payloads that are not text are shown in hex. */
static json_t *payload_json(struct phusa_text payload)
{
    json_t *string = json_stringn(payload.data, payload.length);
    if (string != NULL) {
        return string;
    }
    char *hex = malloc(payload.length * 2 + 1);
    if (hex == NULL) {
        return json_null();
    }
    for (size_t i = 0; i < payload.length; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", (unsigned)(unsigned char)payload.data[i]);
    }
    string = json_pack("{s:s}", "hex", hex);
    free(hex);
    return string;
}

static void dump_json(const struct journal_record *record)
{
    json_t *line =
        json_pack("{s:I,s:s,s:f,s:I,s:I,s:o,s:o}", "position", (json_int_t)record->position, "kind",
                  kind_name(record->kind), "time", (double)record->time.ns / 1e9, "origin",
                  (json_int_t)record->origin, "count", (json_int_t)record->count, "topic",
                  payload_json(record->topic), "payload", payload_json(record->payload));
    if (line != NULL) {
        (void)json_dumpf(line, stdout, JSON_COMPACT);
        (void)putchar('\n');
    }
    json_decref(line);
}

static void dump_text(const struct journal_record *record)
{
    size_t shown = record->payload.length < SHOWN_BYTES ? record->payload.length : SHOWN_BYTES;
    (void)printf("%" PRIu64 "\t", record->position);
    print_seconds(stdout, record->time.ns);
    (void)printf("\t%s\t", kind_name(record->kind));
    cli_print_plain(stdout, record->topic);
    (void)putchar('\t');
    bool text = is_utf8(record->payload);
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = (unsigned char)record->payload.data[i];
        if (text && byte >= 0x20 && byte != 0x7f) {
            (void)putchar(byte);
        } else {
            (void)printf("\\x%02x", (unsigned)byte);
        }
    }
    (void)fputs(shown < record->payload.length ? "...\n" : "\n", stdout);
}

static void add_up(struct summary *summary, const struct journal_record *record)
{
    if (summary->records == 0) {
        summary->first = record->position;
        summary->first_ns = record->time.ns;
    }
    summary->records++;
    summary->bytes += record->topic.length + record->payload.length;
    summary->kinds[record->kind]++;
    summary->last = record->position;
    summary->last_ns = record->time.ns;
}

/* Positions in between that no record has: they were damaged, or passed over on purpose behind
 * damage. */
static uint64_t without_record(const struct summary *summary)
{
    return summary->records == 0 ? 0 : summary->last - summary->first + 1 - summary->records;
}

static void print_summary(const struct summary *summary, bool json)
{
    if (json) {
        (void)printf("{\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"first\":%" PRIu64
                     ",\"last\":%" PRIu64 ",\"without_record\":%" PRIu64 ",\"first_time\":",
                     summary->records, summary->bytes, summary->first, summary->last,
                     without_record(summary));
        print_seconds(stdout, summary->first_ns);
        (void)fputs(",\"last_time\":", stdout);
        print_seconds(stdout, summary->last_ns);
        (void)fputs(",\"kinds\":{", stdout);
        for (unsigned kind = JOURNAL_MESSAGE; kind <= JOURNAL_KIND_LAST; kind++) {
            (void)printf("%s\"%s\":%" PRIu64, kind == JOURNAL_MESSAGE ? "" : ",", kind_name(kind),
                         summary->kinds[kind]);
        }
        (void)printf("},\"damaged_bytes\":%" PRIu64 "}\n", summary->damaged);
        return;
    }
    (void)printf("records        %" PRIu64 "\nbytes          %" PRIu64 "\npositions      %" PRIu64
                 " to %" PRIu64 ", %" PRIu64 " without a record\nreceive times  ",
                 summary->records, summary->bytes, summary->first, summary->last,
                 without_record(summary));
    print_seconds(stdout, summary->first_ns);
    print_utc(stdout, summary->first_ns);
    (void)fputs(" to ", stdout);
    print_seconds(stdout, summary->last_ns);
    print_utc(stdout, summary->last_ns);
    (void)putchar('\n');
    for (unsigned kind = JOURNAL_MESSAGE; kind <= JOURNAL_KIND_LAST; kind++) {
        if (summary->kinds[kind] > 0) {
            (void)printf("  %-12s %" PRIu64 "\n", kind_name(kind), summary->kinds[kind]);
        }
    }
    (void)printf("damaged bytes  %" PRIu64 "\n", summary->damaged);
}

struct request {
    const char *verb, *path;
    const char *topic; /* a shell's pattern; NULL = any */
    bool json;
    uint64_t from, limit;
};

static void note_segment(void *visitor, const char *name)
{
    size_t length = strlen(name);
    bool *any = visitor;
    *any = *any || (length > 4 && strcmp(name + length - 4, ".seg") == 0);
}

/* An empty journal has a segment or none; a folder without any is most likely the wrong one. */
static bool has_segments(const char *path)
{
    bool any = false;
    return files_posix.list(files_posix.context, path, note_segment, &any) != 0 || any;
}

struct watch {
    const char *path;
    struct summary *summary;
};

static void report_damage(void *context, const struct journal_damage *damage)
{
    const struct watch *watch = context;
    watch->summary->places++;
    (void)fprintf(stderr, "phusa journal: %s/%016" PRIx64 ".seg: ", watch->path, damage->first);
    switch (damage->kind) {
    case JOURNAL_DAMAGED_BYTES:
        (void)fprintf(stderr, "%" PRIu64 " damaged bytes at offset %" PRIu64 "\n", damage->bytes,
                      damage->offset);
        break;
    case JOURNAL_DAMAGED_HEADER:
        (void)fprintf(stderr, "damaged header: none of its %" PRIu64 " bytes can be read\n",
                      damage->bytes);
        break;
    case JOURNAL_MISNAMED:
        (void)fputs("its header says another first position than its name\n", stderr);
        break;
    }
}

static struct journal_reader *open_reader(const struct request *request)
{
    struct journal_reader *reader;
    struct problem problem = { 0 };
    if (journal_reader_open_path(request->path, NULL, request->from, &reader, &problem) !=
        JOURNAL_OK) {
        (void)fprintf(stderr, "phusa journal: %s\n", problem.text);
        return NULL;
    }
    if (!has_segments(request->path)) {
        (void)fprintf(stderr, "phusa journal: %s: no journal here (no *.seg files)\n",
                      request->path);
        journal_reader_close(reader);
        return NULL;
    }
    return reader;
}

static bool is_wanted(const struct request *request, struct phusa_text topic)
{
    char text[TOPIC_BYTES];
    if (request->topic == NULL) {
        return true;
    }
    if (topic.length >= sizeof text) {
        return false;
    }
    if (topic.length > 0) {
        memcpy(text, topic.data, topic.length);
    }
    text[topic.length] = '\0';
    return fnmatch(request->topic, text, 0) == 0;
}

/* Takes the records up to the limit; what comes after the last one. */
static enum journal_status go_through(const struct request *request, struct journal_reader *reader,
                                      struct summary *summary)
{
    struct journal_record record;
    enum journal_status status = JOURNAL_END;
    bool dump = strcmp(request->verb, "dump") == 0;
    while (summary->records < request->limit &&
           (status = journal_next(reader, &record)) == JOURNAL_OK) {
        if (!is_wanted(request, record.topic)) {
            continue;
        }
        add_up(summary, &record);
        if (dump) {
            (request->json ? dump_json : dump_text)(&record);
        }
    }
    summary->damaged = journal_reader_damaged(reader);
    return status;
}

static int look(const struct request *request)
{
    struct summary summary = { 0 };
    struct watch watch = { request->path, &summary };
    bool verify = strcmp(request->verb, "verify") == 0;
    struct journal_reader *reader = open_reader(request);
    if (reader == NULL) {
        return CLI_BAD;
    }
    if (verify) {
        journal_reader_watch(reader, report_damage, &watch);
    }
    enum journal_status status = go_through(request, reader, &summary);
    journal_reader_close(reader);
    if (strcmp(request->verb, "dump") != 0) {
        print_summary(&summary, request->json);
    }
    if (status == JOURNAL_FAILED) {
        (void)fprintf(stderr, "phusa journal: %s: cannot be read to its end\n", request->path);
        return CLI_BAD;
    }
    if (summary.places == 0) {
        return CLI_GOOD;
    }
    (void)fprintf(stderr,
                  "phusa journal: all records outside of the damage can be read; \"phusa journal "
                  "repair %s\" moves damaged bytes into side files, while phusad is stopped\n",
                  request->path);
    return CLI_BAD;
}

/* --- repair ------------------------------------------------------------------------ */

/* The spool and the quarantine belong to whoever has the journal above them. */
static bool is_part(const char *path)
{
    char *real = realpath(path, NULL);
    const char *name = real != NULL ? strrchr(real, '/') : NULL;
    bool part = name != NULL && (strcmp(name, "/spool") == 0 || strcmp(name, "/quarantine") == 0);
    free(real);
    return part;
}

/* Holds a journal's lock until the process ends. A file that must exist is not made. */
static bool hold(const char *path, const char *lock, bool must_exist)
{
    char file[4096];
    if (snprintf(file, sizeof file, "%s/%s", path, lock) >= (int)sizeof file) {
        errno = ENAMETOOLONG;
    } else if ((must_exist && access(file, F_OK) != 0) || files_lock(file) >= 0) {
        return true;
    }
    (void)fprintf(stderr, "phusa journal: %s: %s\n", path,
                  errno == EWOULDBLOCK ? "another process has it open; stop phusad first"
                                       : strerror(errno));
    return false;
}

static void show_progress(void *context, uint64_t done, uint64_t of)
{
    (void)context;
    (void)fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " segments%s", done, of,
                  done == of ? "\n" : "");
}

static void print_repair(const struct journal_repair *repair, bool json)
{
    if (json) {
        (void)printf("{\"segments\":%" PRIu64 ",\"segments_rewritten\":%" PRIu64
                     ",\"records\":%" PRIu64 ",\"damaged_bytes\":%" PRIu64 "}\n",
                     repair->segments, repair->segments_rewritten, repair->records,
                     repair->damaged_bytes);
        return;
    }
    (void)printf("segments       %" PRIu64 "\nrewritten      %" PRIu64 "\nrecords kept   %" PRIu64
                 "\ndamaged bytes  %" PRIu64 "\n",
                 repair->segments, repair->segments_rewritten, repair->records,
                 repair->damaged_bytes);
}

static int mend(const struct request *request)
{
    struct journal_repair repair;
    struct problem problem = { 0 };
    if (!has_segments(request->path)) {
        (void)fprintf(stderr, "phusa journal: %s: no journal here (no *.seg files)\n",
                      request->path);
        return CLI_BAD;
    }
    if (!hold(request->path, "lock", false) ||
        (is_part(request->path) && !hold(request->path, "../lock", true))) {
        return CLI_BAD;
    }
    if (journal_repair(request->path, NULL, isatty(STDERR_FILENO) ? show_progress : NULL, NULL,
                       &repair, &problem) != JOURNAL_OK) {
        (void)fprintf(stderr, "phusa journal: %s; nothing is lost, repair can be called again\n",
                      problem.text);
        return CLI_BAD;
    }
    print_repair(&repair, request->json);
    return CLI_GOOD;
}

/* --- the command ------------------------------------------------------------------------ */

static bool is_verb(const char *word)
{
    return strcmp(word, "stat") == 0 || strcmp(word, "verify") == 0 || strcmp(word, "dump") == 0 ||
           strcmp(word, "repair") == 0;
}

static int check_words(int count, char **words)
{
    if (count == 0) {
        return cli_misuse("journal", "what is to be done? stat, verify, dump or repair");
    }
    if (!is_verb(words[0])) {
        return cli_misuse("journal", "no verb \"%s\"; stat, verify, dump or repair", words[0]);
    }
    if (count == 1) {
        return cli_misuse("journal", "%s which journal? Name its folder", words[0]);
    }
    return count == 2 ? CLI_GOOD
                      : cli_misuse("journal", "\"%s\" is too much; one folder", words[2]);
}

int cli_journal(int argc, char **argv)
{
    static const struct option known[] = {
        { "json", no_argument, NULL, 'j' },        { "from", required_argument, NULL, 'f' },
        { "limit", required_argument, NULL, 'l' }, { "topic", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },        { NULL, 0, NULL, 0 },
    };
    struct request request = { .limit = UINT64_MAX };
    int option;
    while ((option = getopt_long(argc, argv, "jf:l:t:h", known, NULL)) != -1) {
        bool good = option == 'j' || option == 't';
        if (option == 'j') {
            request.json = true;
        } else if (option == 't') {
            request.topic = optarg;
        } else if (option == 'f') {
            good = cli_read_count("journal", "from", optarg, &request.from);
        } else if (option == 'l') {
            good = cli_read_count("journal", "limit", optarg, &request.limit);
        } else if (option == 'h') {
            return help();
        }
        if (!good) {
            return cli_point_to_help("journal");
        }
    }
    int misused = check_words(argc - optind, argv + optind);
    if (misused != CLI_GOOD) {
        return misused;
    }
    if (request.topic != NULL && strcmp(argv[optind], "dump") != 0) {
        return cli_misuse("journal", "--topic belongs to dump");
    }
    request.verb = argv[optind];
    request.path = argv[optind + 1];
    return strcmp(request.verb, "repair") == 0 ? mend(&request) : look(&request);
}
