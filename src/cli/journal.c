/* phusa journal: looks into a journal's files; changes nothing. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "journal/journal.h"
#include "phusa/number.h"

#define SHOWN_BYTES 160 /* of a payload in a dump's line */

struct summary {
    uint64_t records, bytes, first, last, kinds[JOURNAL_SET_ASIDE + 1];
    int64_t first_ns, last_ns;
    uint64_t damaged;
};

static void print_usage(FILE *out)
{
    (void)fputs(
        "usage: phusa journal stat|verify|dump [--json] [--from POSITION] [--limit N] DIR\n"
        "  stat               how many records of which kind, from when to when\n"
        "  verify             reads every record; exit 1 if bytes are damaged\n"
        "  dump               one line for each record\n"
        "  -j, --json         for machines: one JSON object (stat, verify) or one a line (dump)\n"
        "  -f, --from N       begin at this position\n"
        "  -l, --limit N      end after N records\n"
        "  -h, --help         print this\n",
        out);
}

static const char *kind_name(unsigned kind)
{
    static const char *const names[] = { "?",    "message", "tick",     "configured",
                                         "link", "lines",   "set-aside" };
    return kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

static void print_seconds(FILE *out, int64_t ns)
{
    char text[PHUSA_DOUBLE_CHARS];
    (void)fwrite(text, 1, phusa_seconds_print(ns, text), out);
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

static void print_summary(const struct summary *summary, bool json)
{
    if (json) {
        (void)printf("{\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"first\":%" PRIu64
                     ",\"last\":%" PRIu64 ",\"first_time\":",
                     summary->records, summary->bytes, summary->first, summary->last);
        print_seconds(stdout, summary->first_ns);
        (void)fputs(",\"last_time\":", stdout);
        print_seconds(stdout, summary->last_ns);
        (void)fputs(",\"kinds\":{", stdout);
        for (unsigned kind = JOURNAL_MESSAGE; kind <= JOURNAL_SET_ASIDE; kind++) {
            (void)printf("%s\"%s\":%" PRIu64, kind == JOURNAL_MESSAGE ? "" : ",", kind_name(kind),
                         summary->kinds[kind]);
        }
        (void)printf("},\"damaged_bytes\":%" PRIu64 "}\n", summary->damaged);
        return;
    }
    (void)printf("records        %" PRIu64 "\nbytes          %" PRIu64 "\npositions      %" PRIu64
                 " to %" PRIu64 "\nreceive times  ",
                 summary->records, summary->bytes, summary->first, summary->last);
    print_seconds(stdout, summary->first_ns);
    (void)fputs(" to ", stdout);
    print_seconds(stdout, summary->last_ns);
    (void)putchar('\n');
    for (unsigned kind = JOURNAL_MESSAGE; kind <= JOURNAL_SET_ASIDE; kind++) {
        if (summary->kinds[kind] > 0) {
            (void)printf("  %-12s %" PRIu64 "\n", kind_name(kind), summary->kinds[kind]);
        }
    }
    (void)printf("damaged bytes  %" PRIu64 "\n", summary->damaged);
}

struct request {
    const char *verb, *path;
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

static int go_through(const struct request *request)
{
    struct journal_reader *reader;
    struct journal_record record;
    struct problem problem = { 0 };
    struct summary summary = { 0 };
    bool dump = strcmp(request->verb, "dump") == 0;
    if (journal_reader_open_path(request->path, NULL, request->from, &reader, &problem) !=
        JOURNAL_OK) {
        (void)fprintf(stderr, "phusa journal: %s\n", problem.text);
        return CLI_BAD;
    }
    if (!has_segments(request->path)) {
        (void)fprintf(stderr, "phusa journal: %s: no journal here (no *.seg files)\n",
                      request->path);
        journal_reader_close(reader);
        return CLI_BAD;
    }
    enum journal_status status = JOURNAL_END;
    while (summary.records < request->limit &&
           (status = journal_next(reader, &record)) == JOURNAL_OK) {
        add_up(&summary, &record);
        if (dump) {
            (request->json ? dump_json : dump_text)(&record);
        }
    }
    summary.damaged = journal_reader_damaged(reader);
    journal_reader_close(reader);
    if (!dump) {
        print_summary(&summary, request->json);
    }
    if (status == JOURNAL_FAILED) {
        (void)fprintf(stderr, "phusa journal: %s: cannot be read to its end\n", request->path);
        return CLI_BAD;
    }
    return summary.damaged > 0 && strcmp(request->verb, "verify") == 0 ? CLI_BAD : CLI_GOOD;
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end = NULL;
    *number = strtoull(text, &end, 10);
    return end != text && *end == '\0';
}

int cli_journal(int argc, char **argv)
{
    static const struct option known[] = {
        { "json", no_argument, NULL, 'j' },
        { "from", required_argument, NULL, 'f' },
        { "limit", required_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct request request = { .limit = UINT64_MAX };
    int option;
    while ((option = getopt_long(argc, argv, "jf:l:h", known, NULL)) != -1) {
        bool good = option == 'j';
        if (option == 'j') {
            request.json = true;
        } else if (option == 'f') {
            good = read_number(optarg, &request.from);
        } else if (option == 'l') {
            good = read_number(optarg, &request.limit);
        } else if (option == 'h') {
            print_usage(stdout);
            return CLI_GOOD;
        }
        if (!good) {
            print_usage(stderr);
            return CLI_USAGE;
        }
    }
    if (optind + 2 != argc ||
        (strcmp(argv[optind], "stat") != 0 && strcmp(argv[optind], "verify") != 0 &&
         strcmp(argv[optind], "dump") != 0)) {
        print_usage(stderr);
        return CLI_USAGE;
    }
    request.verb = argv[optind];
    request.path = argv[optind + 1];
    return go_through(&request);
}
