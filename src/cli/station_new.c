/*
 * Four things are made: the registry's entry, the broker's, the provisioning file for the workshop
 * and, if asked, the password alone. Nothing that exists is changed but the broker's password
 * file, to which a line is added, last: until then whatever was made is removed again when
 * something fails.
 */
#include "cli/station_new.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/broker_entry.h"
#include "cli/cli.h"
#include "cli/credentials.h"
#include "cli/put_file.h"

#define MADE_MAX      3    /* registry's entry, provisioning, password */
#define MODE_OF_ENTRY 0644 /* the registry holds no secret */

/* What one run makes. */
struct making {
    const struct station_new *options;
    const struct settings *settings;
    struct newcomer newcomer;
    char password[CREDENTIALS_PASSWORD_CHARS + 1];
    char entry[CREDENTIALS_ENTRY_MAX]; /* the broker's */
    char ca[CREDENTIALS_CA_MAX];       /* "" = none */
    bool folder;                       /* the registry is one: the entry is a file of its own */
    char made[MADE_MAX][CLI_PATH_MAX]; /* removed again when something fails */
    size_t made_count;
};

static void complain(const char *text)
{
    (void)fprintf(stderr, "phusa station: %s\n", text);
}

/* --- files ------------------------------------------------------------------------------------ */

static bool write_text(void *context, FILE *file)
{
    return fputs(context, file) != EOF;
}

static bool make_file(struct making *making, const char *path, unsigned mode, char *text)
{
    struct problem problem = { "" };
    char *kept = making->made[making->made_count];
    if (snprintf(kept, CLI_PATH_MAX, "%s", path) >= CLI_PATH_MAX) {
        problem_set(&problem, "%s: the path is too long", path);
    } else if (put_file_new(path, mode, write_text, text, &problem)) {
        making->made_count++;
        return true;
    }
    complain(problem.text);
    return false;
}

static void unmake(struct making *making)
{
    while (making->made_count > 0) {
        (void)unlink(making->made[--making->made_count]);
    }
}

/* --- the registry's entry --------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* What phusad will say to it. */
static bool look_again(const struct making *making)
{
    struct settings *settings =
        cli_load_or_default("station", making->options->config, SETTINGS_ALL);
    bool good = settings != NULL &&
                registry_find(&settings->registry, phusa_text_of(making->newcomer.id)) != NULL;
    settings_free(settings);
    if (!good) {
        complain("the configuration would be wrong with it; nothing is left of it");
    }
    return good;
}

static bool enter(struct making *making)
{
    char path[CLI_PATH_MAX], text[ENROL_TEXT_MAX];
    if (!making->folder) {
        return true;
    }
    if (enrol_entry(&making->newcomer, true, text) == 0 ||
        snprintf(path, sizeof path, "%s/%s.cfg", making->settings->stations, making->newcomer.id) >=
            (int)sizeof path) {
        complain("its entry or the registry's path is too long");
        return false;
    }
    return make_file(making, path, MODE_OF_ENTRY, text) && look_again(making);
}

/* --- the provisioning file and the password --------------------------------------------------- */

static bool write_provisioning(struct making *making, char text[ENROL_TEXT_MAX])
{
    char path[PHUSA_ID_MAX + sizeof ".provision"];
    const char *out = making->options->out;
    if (enrol_provisioning(&making->newcomer, making->password, making->ca, text) == 0) {
        complain("its provisioning is too long");
        return false;
    }
    if (out == NULL) {
        (void)snprintf(path, sizeof path, "%s.provision", making->newcomer.id);
        out = path;
    }
    return strcmp(out, "-") == 0 || make_file(making, out, PUT_FILE_PRIVATE, text);
}

static bool write_password(struct making *making)
{
    char line[sizeof making->password + 1];
    if (making->options->password_file == NULL) {
        return true;
    }
    (void)snprintf(line, sizeof line, "%s\n", making->password);
    bool good = make_file(making, making->options->password_file, PUT_FILE_PRIVATE, line);
    explicit_bzero(line, sizeof line);
    return good;
}

/* --- new -------------------------------------------------------------------------------------- */

static bool tell_broker(const struct making *making)
{
    struct problem problem = { "" };
    const char *path = making->options->broker_passwords;
    if (path == NULL || broker_entry_add(path, making->entry, &problem)) {
        return true;
    }
    complain(problem.text);
    return false;
}

static bool draw_credentials(struct making *making)
{
    unsigned char salt[CREDENTIALS_SALT_BYTES];
    if (!credentials_password(making->password) || !credentials_salt(salt)) {
        (void)fprintf(stderr, "phusa station: no random numbers: %s\n", strerror(errno));
        return false;
    }
    if (!credentials_entry(making->newcomer.id, making->password, salt, making->entry)) {
        complain("out of memory");
        return false;
    }
    return true;
}

/* The authority that was named; without one phusad's, if the collector speaks TLS. */
static bool read_ca(struct making *making)
{
    struct problem problem = { "" };
    const char *path =
        making->options->ca != NULL ? making->options->ca : making->settings->broker.ca;
    if (path[0] == '\0' || credentials_ca(path, making->ca, &problem)) {
        return true;
    }
    complain(problem.text);
    return false;
}

static bool check(struct making *making)
{
    const struct station_new *options = making->options;
    struct problem problem = { "" };
    if (!enrol_check(&options->wish, making->settings, &making->newcomer, &problem)) {
        complain(problem.text);
        return false;
    }
    making->folder = is_folder(making->settings->stations);
    if (options->out != NULL && strcmp(options->out, "-") == 0 &&
        (!making->folder || options->broker_passwords == NULL)) {
        complain(
            making->folder
                ? "--out -: the broker's entry would be printed too; add --broker-passwords FILE"
                : "--out -: the registry's entry is printed; name a file");
        return false;
    }
    return true;
}

static void print_what_is_to_be_entered(const struct making *making)
{
    char text[ENROL_TEXT_MAX];
    if (!making->folder && enrol_entry(&making->newcomer, false, text) > 0) {
        (void)printf("# for the list `stations` in %s\n%s", making->settings->stations, text);
    }
    if (making->options->broker_passwords == NULL) {
        (void)printf("# for mosquitto's password file\n%s\n", making->entry);
    }
}

/* The first trap has none to take this from. */
static void say_what_a_trap_lacks(const struct newcomer *newcomer)
{
    char place[48] = "LAT,LON";
    if (strcmp(newcomer->kind, "trap") != 0 || newcomer->trap != NULL) {
        return;
    }
    if (!isnan(newcomer->lat)) {
        (void)snprintf(place, sizeof place, "%.6f,%.6f", newcomer->lat, newcomer->lon);
    }
    (void)fprintf(stderr,
                  "phusa station: no trap to take its group `trap` from: write trap : { species = "
                  "[\"bph\"]; }; or whatever it counts into its entry, and give tools/provision "
                  "--species PARAMETER for each and --place %s\n",
                  place);
}

static void say_what_was_made(const struct making *making)
{
    const struct newcomer *newcomer = &making->newcomer;
    if (newcomer->like != NULL) {
        (void)fprintf(stderr, "phusa station: what was not said is as at %s\n", newcomer->like->id);
    }
    say_what_a_trap_lacks(newcomer);
    for (size_t i = 0; i < making->made_count; i++) {
        (void)fprintf(stderr, "phusa station: made %s\n", making->made[i]);
    }
    if (strncmp(newcomer->broker, "127.", 4) == 0 ||
        strncmp(newcomer->broker, "localhost:", 10) == 0) {
        (void)fprintf(stderr,
                      "phusa station: the broker %s is this machine for itself alone; --broker "
                      "HOST:PORT names it for stations elsewhere\n",
                      newcomer->broker);
    }
    complain(
        "phusad goes by it after `systemctl reload phusad` (SIGHUP), mosquitto after `systemctl "
        "reload mosquitto`");
}

static bool make_all(struct making *making)
{
    char text[ENROL_TEXT_MAX];
    bool good = draw_credentials(making) && write_provisioning(making, text) &&
                write_password(making) && enter(making) && tell_broker(making);
    if (!good) {
        unmake(making);
    } else if (making->options->out != NULL && strcmp(making->options->out, "-") == 0) {
        (void)fputs(text, stdout);
    }
    explicit_bzero(text, sizeof text);
    return good;
}

int station_new(const struct station_new *options, const struct settings *settings)
{
    struct making making = { .options = options, .settings = settings };
    bool good = check(&making) && read_ca(&making) && make_all(&making);
    explicit_bzero(making.password, sizeof making.password);
    if (good) {
        print_what_is_to_be_entered(&making);
        say_what_was_made(&making);
    }
    return good ? CLI_GOOD : CLI_BAD;
}
