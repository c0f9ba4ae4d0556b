/*
 * phusa station ask: a command over the broker, with the collector's rights, and its answer.
 *
 * The command is published again with the same id until it is answered, since nothing waits at
 * the broker for a station that is away (its session is clean); a station does the same id once.
 * Paho's thread leaves the newest answer and status in struct asking; the main thread takes
 * them from there.
 */
#include "cli/station_ask.h"

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/order.h"
#include "ingest/mqtt.h"
#include "phusa/number.h"
#include "phusa/topic.h"

#define WAIT_DEFAULT_S 30.0
#define WAIT_MAX_S     86400.0
#define REPEAT_NS      (INT64_C(10) * SECOND_NS)
#define TRIAL_REPEAT_NS                                                                            \
    (INT64_C(60) * SECOND_NS) /* its end comes by itself; this if it is lost                       \
                               */
#define PAUSE_NS  (50 * MILLI_NS)
#define STATE_MAX 16 /* bytes of a status's `state` */
#define WORDS_MAX 64 /* of the order */

struct options {
    const char *config, *station, *id;
    struct order order;
    const char *words[WORDS_MAX];
    double wait_s;
    bool json, no_wait;
};

struct asking {
    const struct options *options;
    const char *uri; /* of the broker */
    bool complained; /* that it is away */
    char id[ORDER_ID_MAX + 1];
    char command[ORDER_BYTES_MAX + 1];
    char cmd[PHUSA_TOPIC_MAX + 1], rsp[PHUSA_TOPIC_MAX + 1], status[PHUSA_TOPIC_MAX + 1];
    mono_time until, next;
    bool sent;
    int64_t trial_s; /* under way; 0 = none */

    pthread_mutex_t lock; /* of what follows */
    json_t *answer;       /* not taken yet; NULL = none */
    char payload[ORDER_ANSWER_MAX + 1];
    char state[STATE_MAX]; /* as its newest status says; "" = it has none */
};

void station_ask_help(void)
{
    (void)fputs(
        "usage: phusa station ask ID report\n"
        "       phusa station ask ID identify [--for SECONDS]\n"
        "       phusa station ask ID maintenance on|off [--minutes N]\n"
        "       phusa station ask ID lamp on|off|auto [--minutes N]\n"
        "       phusa station ask ID resend --from N --to N\n"
        "       phusa station ask ID reboot\n"
        "       phusa station ask ID set FILE|KEY=VALUE ... [--trial SECONDS] [--no-wait]\n"
        "       phusa station ask ID calibrate PARAMETER begin [--minutes N] [--by NAME]\n"
        "       phusa station ask ID calibrate PARAMETER point VALUE [--by NAME]\n"
        "       phusa station ask ID calibrate PARAMETER end|cancel [--by NAME]\n"
        "       phusa station ask ID calibrate PARAMETER set [C0 C1 [C2 [C3]]] [--by NAME]\n"
        "       phusa station ask ID calibrate [PARAMETER] show\n"
        "\n"
        "Has a station do something, over the broker of the configuration and with phusad's\n"
        "rights there, and prints what it answers. FILE holds the settings as a JSON object;\n"
        "keys are such as every=900, salinity.low=0, broker.port=8883.\n"
        "      --for SECONDS      identify: how long its light is on\n"
        "      --minutes N        maintenance, lamp, calibrate begin: for how long\n"
        "      --from N, --to N   resend: numbers of reports\n"
        "      --trial SECONDS    set: without a receipt in that time all is as before\n"
        "      --no-wait          set: do not wait for the end of the trial\n"
        "      --by NAME          calibrate: who does it (default: $USER)\n"
        "      --wait SECONDS     how long for an answer (default 30)\n"
        "      --id ID            of the command: asks again for the answer to that one\n"
        "  -j, --json             the answer as it came\n"
        "  -c, --config FILE      phusad's configuration (default: the shipped one)\n"
        "  -h, --help             print this\n",
        stdout);
}

/* --- what comes in, in Paho's thread -------------------------------------------------------- */

static void take_rsp(struct asking *asking, struct phusa_text payload)
{
    json_t *answer = order_answer_read(payload, asking->id);
    if (answer == NULL) {
        return; /* to somebody else's command */
    }
    (void)pthread_mutex_lock(&asking->lock);
    json_decref(asking->answer);
    asking->answer = answer;
    memcpy(asking->payload, payload.data, payload.length);
    asking->payload[payload.length] = '\0';
    (void)pthread_mutex_unlock(&asking->lock);
}

static void take_status(struct asking *asking, struct phusa_text payload)
{
    if (payload.length > ORDER_ANSWER_MAX) {
        return;
    }
    json_t *status = json_loadb(payload.data, payload.length, 0, NULL);
    const char *state = json_string_value(json_object_get(status, "state"));
    (void)pthread_mutex_lock(&asking->lock);
    (void)snprintf(asking->state, sizeof asking->state, "%s", state == NULL ? "" : state);
    (void)pthread_mutex_unlock(&asking->lock);
    json_decref(status);
}

static bool on_message(void *context, struct phusa_text topic, struct phusa_text payload)
{
    struct asking *asking = context;
    if (phusa_text_equal(topic, phusa_text_of(asking->rsp))) {
        take_rsp(asking, payload);
    } else if (phusa_text_equal(topic, phusa_text_of(asking->status))) {
        take_status(asking, payload);
    }
    return true;
}

static void on_link(void *context, bool up, const char *why)
{
    struct asking *asking = context;
    if (!up && !asking->complained) {
        (void)fprintf(stderr, "broker %s: %s; trying again\n", asking->uri, why);
    }
    asking->complained = !up;
}

/* --- the conversation ----------------------------------------------------------------------- */

enum outcome { GOES_ON, GOOD, BAD };

static int64_t wait_ns(const struct asking *asking)
{
    return (int64_t)(asking->options->wait_s * SECOND_NS);
}

static void send_when_due(struct asking *asking, struct mqtt *mqtt, mono_time now)
{
    if (now.ns < asking->next.ns || !mqtt_connected(mqtt) ||
        !mqtt_publish(mqtt, asking->cmd, phusa_text_of(asking->command), false)) {
        return;
    }
    if (!asking->sent) {
        asking->until.ns = now.ns + wait_ns(asking); /* connecting does not count */
    }
    asking->sent = true;
    asking->next.ns = now.ns + (asking->trial_s > 0 ? TRIAL_REPEAT_NS : REPEAT_NS);
}

/* The newest answer since the last call, NULL = none; to be released. */
static json_t *take_answer(struct asking *asking, char payload[ORDER_ANSWER_MAX + 1])
{
    (void)pthread_mutex_lock(&asking->lock);
    json_t *answer = asking->answer;
    asking->answer = NULL;
    memcpy(payload, asking->payload, answer == NULL ? 0 : strlen(asking->payload) + 1);
    (void)pthread_mutex_unlock(&asking->lock);
    return answer;
}

static enum outcome begin_trial(struct asking *asking, int64_t trial_s, mono_time now)
{
    if (asking->options->no_wait) {
        return GOOD;
    }
    if (asking->trial_s == 0) {
        asking->trial_s = trial_s;
        asking->until.ns = now.ns + trial_s * SECOND_NS + wait_ns(asking);
        asking->next.ns = now.ns + TRIAL_REPEAT_NS;
        (void)fprintf(stderr,
                      "phusa station: %s: on trial for %" PRId64
                      " s; waiting for its end (--no-wait: do not)\n",
                      asking->options->station, trial_s);
    }
    return GOES_ON;
}

static void show(const struct asking *asking, json_t *answer, const char *payload, bool done)
{
    if (asking->options->json) {
        (void)puts(payload);
    } else if (done) {
        (void)printf("%s: done\n", asking->options->station);
        order_answer_print(stdout, answer);
    }
}

static enum outcome weigh(struct asking *asking, json_t *answer, const char *payload, mono_time now)
{
    int64_t trial_s = 0;
    enum order_outcome outcome = order_answer_judge(answer, &trial_s);
    if (outcome == ORDER_ON_TRIAL) {
        enum outcome result = begin_trial(asking, trial_s, now);
        if (result == GOOD) {
            show(asking, answer, payload, true);
        }
        return result;
    }
    show(asking, answer, payload, outcome == ORDER_DONE);
    if (outcome == ORDER_DONE) {
        return GOOD;
    }
    (void)fprintf(stderr, "phusa station: %s: ", asking->options->station);
    cli_print_plain(stderr, phusa_text_of(order_answer_error(answer)));
    (void)fputc('\n', stderr);
    return BAD;
}

static enum outcome complain_of_silence(struct asking *asking)
{
    const char *station = asking->options->station;
    char state[STATE_MAX];
    (void)pthread_mutex_lock(&asking->lock);
    memcpy(state, asking->state, sizeof state);
    (void)pthread_mutex_unlock(&asking->lock);
    if (!asking->sent) {
        (void)fprintf(stderr, "phusa station: the broker %s does not answer; nothing was sent\n",
                      asking->uri);
    } else if (asking->trial_s > 0) {
        (void)fprintf(
            stderr, "phusa station: %s: no word of the end of the trial; ask again with --id %s\n",
            station, asking->id);
    } else {
        (void)fprintf(stderr, "phusa station: %s: no answer in %g s; ", station,
                      asking->options->wait_s);
        if (state[0] == '\0') {
            (void)fputs("it was never seen at this broker", stderr);
        } else {
            (void)fputs("it is ", stderr);
            cli_print_plain(stderr, phusa_text_of(state));
        }
        (void)fprintf(stderr, ". Nothing waits for it; --id %s asks for the same again\n",
                      asking->id);
    }
    return BAD;
}

static sigset_t ending_signals(void)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    return signals;
}

/* Pauses; true if it was told to end. */
static bool interrupted(void)
{
    static const struct timespec pause = { .tv_nsec = PAUSE_NS };
    sigset_t signals = ending_signals();
    return sigtimedwait(&signals, NULL, &pause) > 0;
}

static enum outcome converse(struct asking *asking, struct mqtt *mqtt)
{
    char payload[ORDER_ANSWER_MAX + 1];
    enum outcome outcome = GOES_ON;
    asking->next = clock_mono();
    asking->until.ns = asking->next.ns + wait_ns(asking);
    while (outcome == GOES_ON) {
        mono_time now = clock_mono();
        mqtt_tend(mqtt, now);
        send_when_due(asking, mqtt, now);
        json_t *answer = take_answer(asking, payload);
        if (answer != NULL) {
            outcome = weigh(asking, answer, payload, now);
            json_decref(answer);
        } else if (now.ns >= asking->until.ns) {
            outcome = complain_of_silence(asking);
        } else if (interrupted()) {
            (void)fprintf(stderr, "phusa station: interrupted; --id %s asks for the same again\n",
                          asking->id);
            outcome = BAD;
        }
    }
    return outcome;
}

static bool name_topics(struct asking *asking, const struct station *station)
{
    struct phusa_topic topic = { .site = phusa_text_of(station->site),
                                 .station = phusa_text_of(station->id),
                                 .leaf = PHUSA_LEAF_CMD };
    bool good = phusa_topic_print(&topic, asking->cmd, sizeof asking->cmd) > 0;
    topic.leaf = PHUSA_LEAF_RSP;
    good = good && phusa_topic_print(&topic, asking->rsp, sizeof asking->rsp) > 0;
    topic.leaf = PHUSA_LEAF_STATUS;
    return good && phusa_topic_print(&topic, asking->status, sizeof asking->status) > 0;
}

static int connect_and_converse(struct asking *asking, const struct settings *settings)
{
    const char *const subscriptions[] = { asking->rsp, asking->status, NULL };
    struct broker_settings broker = settings->broker;
    char client_id[32];
    (void)snprintf(client_id, sizeof client_id, "phusa-ask-%ld", (long)getpid());
    broker.client_id = client_id;
    struct mqtt_handlers handlers = { .context = asking, .message = on_message, .link = on_link };
    struct problem problem = { "" };
    sigset_t signals = ending_signals();
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* Paho's threads inherit it */
    struct mqtt *mqtt = mqtt_create(&broker, false, subscriptions, &handlers, &problem);
    if (mqtt == NULL) {
        (void)fprintf(stderr, "phusa station: %s\n", problem.text);
        return CLI_BAD;
    }
    enum outcome outcome = converse(asking, mqtt);
    mqtt_free(mqtt);
    return outcome == GOOD ? CLI_GOOD : CLI_BAD;
}

static int ask(struct asking *asking, const struct settings *settings)
{
    const struct station *station =
        registry_find(&settings->registry, phusa_text_of(asking->options->station));
    if (station == NULL || !name_topics(asking, station)) {
        (void)fprintf(stderr, "phusa station: the registry has no station \"%s\"\n",
                      asking->options->station);
        return CLI_BAD;
    }
    asking->uri = settings->broker.uri;
    (void)pthread_mutex_init(&asking->lock, NULL);
    int result = connect_and_converse(asking, settings);
    (void)pthread_mutex_destroy(&asking->lock);
    json_decref(asking->answer);
    return result;
}

/* --- words ---------------------------------------------------------------------------------- */

static bool choose_id(const struct options *options, char id[ORDER_ID_MAX + 1])
{
    uint64_t random;
    if (options->id != NULL) {
        (void)snprintf(id, ORDER_ID_MAX + 1, "%s", options->id);
        return true;
    }
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        (void)fputs("phusa station: no random numbers\n", stderr);
        return false;
    }
    (void)snprintf(id, ORDER_ID_MAX + 1, "%016" PRIx64, random);
    return true;
}

static int build_and_ask(const struct options *options)
{
    struct problem problem = { "" };
    struct asking *asking = calloc(1, sizeof *asking);
    if (asking == NULL || !choose_id(options, asking->id)) {
        free(asking);
        return CLI_BAD;
    }
    asking->options = options;
    int result = (int)order_build(&options->order, asking->id, asking->command, &problem);
    struct settings *settings = NULL;
    if (result == CLI_USAGE) {
        (void)cli_misuse("station", "%s", problem.text);
    } else if (result == CLI_BAD) {
        (void)fprintf(stderr, "phusa station: %s\n", problem.text);
    } else {
        settings = cli_load_or_default("station", options->config, SETTINGS_ALL);
        result = settings == NULL ? CLI_BAD : ask(asking, settings);
    }
    settings_free(settings);
    free(asking);
    return result;
}

/* From OF_ORDER on those of enum order_option. */
enum { WORD = 1, OF_ORDER = 256, WAIT = OF_ORDER + ORDER_OPTIONS, NO_WAIT, ID };

/* Like getopt_long, but what is no option comes in its place as WORD; so does "-0.5". */
static int next_option(int argc, char **argv)
{
    static const struct option known[] = {
        { "minutes", required_argument, NULL, OF_ORDER + ORDER_MINUTES },
        { "for", required_argument, NULL, OF_ORDER + ORDER_FOR },
        { "from", required_argument, NULL, OF_ORDER + ORDER_FROM },
        { "to", required_argument, NULL, OF_ORDER + ORDER_TO },
        { "trial", required_argument, NULL, OF_ORDER + ORDER_TRIAL },
        { "by", required_argument, NULL, OF_ORDER + ORDER_BY },
        { "wait", required_argument, NULL, WAIT },
        { "no-wait", no_argument, NULL, NO_WAIT },
        { "id", required_argument, NULL, ID },
        { "json", no_argument, NULL, 'j' },
        { "config", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    if (optind < argc && argv[optind][0] == '-' &&
        ((argv[optind][1] >= '0' && argv[optind][1] <= '9') || argv[optind][1] == '.')) {
        optarg = argv[optind++];
        return WORD;
    }
    int option = getopt_long(argc, argv, "-jc:h", known, NULL);
    if (option == -1 && optind < argc) { /* behind "--" */
        optarg = argv[optind++];
        return WORD;
    }
    return option;
}

/* The first word is the station. */
static bool take_word(struct options *options)
{
    if (options->station == NULL) {
        options->station = optarg;
        return true;
    }
    if (options->order.count == WORDS_MAX) {
        (void)fprintf(stderr, "phusa station: more than %d words; write settings into a file\n",
                      WORDS_MAX);
        return false;
    }
    options->words[options->order.count++] = optarg;
    return true;
}

static bool take_wait(struct options *options)
{
    if (phusa_double_parse(optarg, strlen(optarg), &options->wait_s) && options->wait_s > 0 &&
        options->wait_s <= WAIT_MAX_S) {
        return true;
    }
    (void)fprintf(stderr, "phusa station: --wait %s: write a number of seconds, at most %g\n",
                  optarg, WAIT_MAX_S);
    return false;
}

static bool take_id(struct options *options)
{
    options->id = optarg;
    if (order_id_valid(optarg)) {
        return true;
    }
    (void)fprintf(stderr,
                  "phusa station: --id: 1 to %d printable ASCII characters, no quote, no "
                  "backslash\n",
                  ORDER_ID_MAX);
    return false;
}

static bool take_option(struct options *options, int option)
{
    switch (option) {
    case WORD:
        return take_word(options);
    case WAIT:
        return take_wait(options);
    case ID:
        return take_id(options);
    case NO_WAIT:
        options->no_wait = true;
        return true;
    case 'j':
        options->json = true;
        return true;
    case 'c':
        options->config = optarg;
        return true;
    default:
        if (option < OF_ORDER || option >= OF_ORDER + ORDER_OPTIONS) {
            return false;
        }
        options->order.options[option - OF_ORDER] = optarg;
        return true;
    }
}

/* Who calibrates is asked for by the station; whoever is logged in, if nobody was named. */
static void name_operator(struct order *order)
{
    bool calibrates = strcmp(order->words[0], "calibrate") == 0;
    if (calibrates && order->options[ORDER_BY] == NULL) {
        order->options[ORDER_BY] = getenv("USER");
    }
}

int station_ask(int argc, char **argv)
{
    struct options options = { .wait_s = WAIT_DEFAULT_S };
    options.order.words = options.words;
    int option;
    optind = 2; /* behind "ask" */
    while ((option = next_option(argc, argv)) != -1) {
        if (option == 'h') {
            station_ask_help();
            return CLI_GOOD;
        }
        if (!take_option(&options, option)) {
            return cli_point_to_help("station");
        }
    }
    if (options.station == NULL || options.order.count == 0) {
        return cli_misuse("station", "ask whom for what? ID and report, identify, maintenance, "
                                     "lamp, resend, reboot, set or calibrate");
    }
    name_operator(&options.order);
    if (options.no_wait && strcmp(options.words[0], "set") != 0) {
        return cli_misuse("station", "--no-wait does not go with %s", options.words[0]);
    }
    return build_and_ask(&options);
}
