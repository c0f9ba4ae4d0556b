/*
 * The settings, fed with any bytes: as the configuration file, and as the file of
 * parameters, of quality tests, of stations, of rules, of messages and of subscribers beside good
 * others.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "settings/settings.h"

#define PATH_CHARS 64
#define INPUT_MAX  65536 /* bytes; more finds nothing new */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 does not free the string before a syntax error. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}

enum role { PARAMETERS, QUALITY, STATIONS, RULES, MESSAGES, SUBSCRIBERS, ROLES };

static const char good_parameters[] =
    "parameters : ( { name = \"temp\"; vi = \"Nhiệt độ\"; en = \"Temperature\"; unit = \"Cel\";"
    " min = -5.0; max = 80.0; resolution = 0.01; }"
#define ENTRY(name, unit)                                                                          \
    ", { name = \"" name "\"; vi = \"x\"; en = \"x\"; unit = \"" unit                              \
    "\"; min = 0.0; max = 100.0; resolution = 0.1; }"
    ENTRY("ec", "mS/cm") ENTRY("ec25", "mS/cm") ENTRY("salinity", "/1000") ENTRY("do", "mg/L")
        ENTRY("do_sat", "/100") ENTRY("nh4", "mg/L") ENTRY("ph", "pH") ENTRY("nh3_water", "mg/L")
            ENTRY("bph", "count") ENTRY("lamp", "/") ");";
static const char good_quality[] =
    "quality : ( { kind = \"water\"; parameter = \"temp\"; qc : { flat_line = { fail_s = 86400; };"
    " }; } ); stuck_bus : ( { kind = \"water\"; after = \"6h\"; } );";
static const char good_stations[] =
    "stations : ( { id = \"s1\"; site = \"x\"; kind = \"water\"; every = \"5m\";"
    " parameters = [\"temp\"]; } );";
static const char good_rules[] =
    "rules : ( { id = \"r1\"; kind = \"water\"; parameter = \"temp\"; direction = \"above\";"
    " use = \"rice\"; message = \"m1\"; channels = [\"sms\"];"
    " levels = ( { severity = \"minor\"; raise = 30.0; } ); max_gap = \"1h\"; } );";
static const char good_messages[] =
    "messages : ( { id = \"m1\"; hazard = \"Nóng\"; actions = { minor = \"Che mát.\"; }; } );";
static const char good_subscribers[] = "channel,address,station,use,threshold\n"
                                       "sms,0901234567,s1,rice,25\n";

/* A file in memory that holds bytes; its path stays good as long as the process lives. */
struct memory_file {
    int fd;
    char path[PATH_CHARS];
};

static void fill(struct memory_file *file, const void *bytes, size_t length)
{
    if (file->fd == 0) {
        file->fd = memfd_create("config_fuzz", MFD_CLOEXEC);
        (void)snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->fd);
    }
    if (file->fd < 0 || ftruncate(file->fd, 0) != 0 ||
        pwrite(file->fd, bytes, length, 0) != (ssize_t)length) {
        abort();
    }
}

static void load(const char *path)
{
    static struct settings_errors errors;
    struct settings *settings = NULL;
    enum settings_status status = settings_load(path, SETTINGS_ALL, &settings, &errors);
    if ((status == SETTINGS_OK) != (settings != NULL) ||
        (status == SETTINGS_BAD) != (errors.count > 0)) {
        abort();
    }
    settings_free(settings);
    settings_errors_clear(&errors);
}

/* A good configuration, but for the file that plays the role. */
static void load_as(enum role role, const struct memory_file *input)
{
    static struct memory_file top, good[ROLES];
    const char *const texts[ROLES] = { good_parameters, good_quality,  good_stations,
                                       good_rules,      good_messages, good_subscribers };
    const char *paths[ROLES];
    for (int i = 0; i < ROLES; i++) {
        if (good[i].fd == 0) {
            fill(&good[i], texts[i], strlen(texts[i]));
        }
        paths[i] = i == (int)role ? input->path : good[i].path;
    }
    char text[1024];
    int length = snprintf(text, sizeof text,
                          "phusa : { parameters = \"%s\"; quality = \"%s\"; stations = \"%s\";"
                          " rules = \"%s\"; messages = \"%s\"; subscribers = \"%s\";"
                          " broker : { uri = \"tcp://h:1\"; }; journal : { path = \"j\"; };"
                          " store : { url = \"http://h\"; };"
                          " channels : ( { id = \"ioc\"; kind = \"webhook\"; url = \"http://h\"; },"
                          " { id = \"sms\"; kind = \"sms\"; url = \"http://h/?to={to}&t={text}\";"
                          " subscribers = true; } ); };",
                          paths[PARAMETERS], paths[QUALITY], paths[STATIONS], paths[RULES],
                          paths[MESSAGES], paths[SUBSCRIBERS]);
    fill(&top, text, (size_t)length);
    load(top.path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct memory_file input;
    if (length > INPUT_MAX) {
        return 0;
    }
    fill(&input, bytes, length);
    load(input.path);
    for (int role = 0; role < ROLES; role++) {
        load_as((enum role)role, &input);
    }
    return 0;
}
