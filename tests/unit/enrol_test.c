/*
 * A station that is to be, against the shipped configuration: what is refused and in which words,
 * what is made of it; and the broker's entry against numbers of another implementation (Python's
 * hashlib.pbkdf2_hmac). Runs from the project's root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/broker_entry.h"
#include "cli/credentials.h"
#include "cli/enrol.h"
#include "cli/put_file.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define DAY_NS   INT64_C(86400000000000)
#define LONG_33  "abcdefghijabcdefghijabcdefghijabc"

static struct settings *settings;
static char folder[] = "/tmp/enrol-test-XXXXXX";

static int set_up(void **state)
{
    struct settings_errors errors = { 0 };
    (void)state;
    enum settings_status status =
        settings_load("config/phusa.cfg", SETTINGS_ALL, &settings, &errors);
    settings_errors_print(&errors, stderr);
    settings_errors_clear(&errors);
    return status == SETTINGS_OK && mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    settings_free(settings);
    return rmdir(folder);
}

/* A wish with nothing wrong in what it leaves out. */
static struct enrolment complete(struct enrolment wish)
{
    wish.id = wish.id == NULL ? "my-tho-9" : wish.id;
    wish.site = wish.site == NULL ? "my-tho" : wish.site;
    wish.kind = wish.kind == NULL ? "water" : wish.kind;
    return wish;
}

/* --- what is refused -------------------------------------------------------------------------- */

static const struct {
    struct enrolment wish;
    const char *said;
} refused[] = {
    { { .id = "My-Tho" },
      "--id My-Tho: write 1 to 32 of a-z, 0-9 and '-', not beginning with '-'" },
    { { .id = "" }, "--id : write 1 to 32 of a-z, 0-9 and '-', not beginning with '-'" },
    { { .id = LONG_33 },
      "--id " LONG_33 ": write 1 to 32 of a-z, 0-9 and '-', not beginning with '-'" },
    { { .id = "board" }, "--id board: is reserved for display boards; choose another" },
    { { .id = "phusa" }, "--id phusa: is the collector's own; choose another" },
    { { .site = "my_tho" },
      "--site my_tho: write 1 to 32 of a-z, 0-9 and '-', not beginning with '-'" },
    { { .site = "my-toh" },
      "--site my-toh: no station is there; add --new-site if this is the first; did you mean "
      "\"my-tho\"?" },
    { { .site = "ca-mau" },
      "--site ca-mau: no station is there; add --new-site if this is the first" },
    { { .kind = "watr" },
      "--kind watr: no station is of it; add --new-kind if this is the first; did you mean "
      "\"water\"?" },
    { { .kind = "snow", .new_kind = true },
      "--kind snow: is new, so --every and --parameters are needed" },
    { { .kind = "Water", .new_kind = true },
      "--kind Water: write 1 to 32 of a-z, 0-9 and '_', beginning with a letter; not window, index "
      "or correction; did you mean \"water\"?" },
    { { .kind = "window", .new_kind = true },
      "--kind window: write 1 to 32 of a-z, 0-9 and '_', beginning with a letter; not window, "
      "index or correction" },
    { { .name = "" }, "--name: write one line of UTF-8, 1 to 128 bytes" },
    { { .name = "two\nlines" }, "--name: write one line of UTF-8, 1 to 128 bytes" },
    { { .name = "\xff" }, "--name: write one line of UTF-8, 1 to 128 bytes" },
    { { .lat = "10" }, "--lat and --lon belong together; write both or none" },
    { { .lat = "90.5", .lon = "106" }, "--lat 90.5: write degrees from -90 to 90, such as 10.35" },
    { { .lat = "10", .lon = "east" }, "--lon east: write degrees from -180 to 180, such as 10.35" },
    { { .every = "5" }, "--every 5: write whole seconds up to 366d, such as 30s, 5m or 1h" },
    { { .every = "1500ms" },
      "--every 1500ms: write whole seconds up to 366d, such as 30s, 5m or 1h" },
    { { .every = "0s" }, "--every 0s: write whole seconds up to 366d, such as 30s, 5m or 1h" },
    { { .every = "367d" }, "--every 367d: write whole seconds up to 366d, such as 30s, 5m or 1h" },
    { { .parameters = "salinty" },
      "--parameters: unknown parameter \"salinty\"; did you mean \"salinity\"?" },
    { { .parameters = "" }, "--parameters: unknown parameter \"\"" },
    { { .parameters = "level," }, "--parameters: unknown parameter \"\"" },
    { { .parameters = "_" }, "--parameters: unknown parameter \"_\"" },
    { { .kind = "trap", .parameters = "lamp_minutes,battery" },
      "--parameters: nothing that a trap counts, such as bph of trap-cai-be; its group `trap` "
      "could "
      "not be made" },
    { { .parameters = "level,temp,level" }, "--parameters: \"level\" stands there twice" },
    { { .broker = "mqtt.example.vn" },
      "--broker mqtt.example.vn: write HOST:PORT, such as mqtt.example.vn:8883" },
    { { .broker = "ssl://mqtt.example.vn:8883" },
      "--broker ssl://mqtt.example.vn:8883: write HOST:PORT, such as mqtt.example.vn:8883" },
    { { .broker = "h:0" }, "--broker h:0: write HOST:PORT, such as mqtt.example.vn:8883" },
    { { .broker = "h:65536" }, "--broker h:65536: write HOST:PORT, such as mqtt.example.vn:8883" },
    { { .broker = "h:12 " }, "--broker h:12 : write HOST:PORT, such as mqtt.example.vn:8883" },
};

static void says_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct newcomer newcomer;
        struct problem problem = { "" };
        struct enrolment wish = complete(refused[i].wish);
        assert_false(enrol_check(&wish, settings, &newcomer, &problem));
        assert_string_equal(problem.text, refused[i].said);
    }
}

static void says_where_an_id_is_taken(void **state)
{
    const struct station *there = registry_find(&settings->registry, PHUSA_TEXT("my-tho-1"));
    struct enrolment wish = complete((struct enrolment){ 0 });
    struct newcomer newcomer;
    struct problem problem = { "" };
    char said[256];
    (void)state;
    assert_non_null(there);
    wish.id = there->id;
    assert_false(enrol_check(&wish, settings, &newcomer, &problem));
    (void)snprintf(said, sizeof said, "--id my-tho-1: is taken, at %s:%d; choose another",
                   there->file, there->line);
    assert_string_equal(problem.text, said);
}

/* 65 names that the catalogue's level makes possible: level_a, level_b, ... */
static void limits_parameters(void **state)
{
    char list[65 * 8], *at = list;
    struct enrolment wish = complete((struct enrolment){ .parameters = list });
    struct newcomer newcomer;
    struct problem problem = { "" };
    (void)state;
    for (int i = 0; i <= STATION_PARAMETERS_MAX; i++) {
        at += snprintf(at, sizeof list - (size_t)(at - list), "%slevel_%c", i == 0 ? "" : ",",
                       i < 26   ? 'a' + i
                       : i < 52 ? 'A' + i - 26
                       : i < 62 ? '0' + i - 52
                                : "!?*"[i - 62]);
    }
    assert_false(enrol_check(&wish, settings, &newcomer, &problem));
    assert_string_equal(problem.text, "--parameters: more than 64");
}

/* --- what is made of it ----------------------------------------------------------------------- */

static void is_like_its_neighbours(void **state)
{
    const struct enrolment wish = complete((struct enrolment){ 0 });
    struct newcomer newcomer;
    struct problem problem = { "" };
    (void)state;
    assert_true(enrol_check(&wish, settings, &newcomer, &problem));
    assert_string_equal(newcomer.like->site, "my-tho");
    assert_string_equal(newcomer.like->kind, "water");
    assert_true(newcomer.every_ns == newcomer.like->every_ns);
    assert_true(newcomer.parameter_count == newcomer.like->parameter_count);
    assert_true(phusa_text_equal(newcomer.parameters[0], newcomer.like->parameters[0]->name));
    assert_string_equal(newcomer.broker, "127.0.0.1:1883");
}

static const struct enrolment full = { .id = "ca-mau-1",
                                       .site = "ca-mau",
                                       .kind = "snow",
                                       .name = "Trạm \"mới\" \\",
                                       .lat = "-9.5",
                                       .lon = "105",
                                       .every = "90s",
                                       .parameters = "level,level_max",
                                       .broker = "mqtt.example.vn:8883",
                                       .new_site = true,
                                       .new_kind = true };

static void writes_an_entry(void **state)
{
    struct newcomer newcomer;
    struct problem problem = { "" };
    char text[ENROL_TEXT_MAX];
    (void)state;
    assert_true(enrol_check(&full, settings, &newcomer, &problem));
    assert_null(newcomer.like);
    size_t length = enrol_entry(&newcomer, true, text);
    assert_int_equal(length, strlen(text));
    assert_string_equal(text,
                        "# Made by `phusa station new`.\n"
                        "stations : (\n"
                        "  { id = \"ca-mau-1\"; site = \"ca-mau\"; kind = \"snow\"; name = \"Trạm "
                        "\\\"mới\\\" \\\\\";\n"
                        "    lat = -9.500000; lon = 105.000000;\n"
                        "    every = \"90s\";\n"
                        "    parameters = [\"level\", \"level_max\"]; }\n"
                        ");\n");
    assert_true(enrol_entry(&newcomer, false, text) > 0);
    assert_memory_equal(text, "  { id = ", 9);
    assert_string_equal(strstr(text, "]; }"), "]; }\n");
}

static void writes_a_provisioning(void **state)
{
    static const char lines[] = "station = ca-mau-1\n"
                                "site = ca-mau\n"
                                "broker = mqtt.example.vn:8883\n"
                                "user = ca-mau-1\n"
                                "password = secret\n"
                                "ca = MIIB\n"
                                "every = 90s\n"
                                "channel = level:m\n"
                                "channel = level_max\n";
    struct newcomer newcomer;
    struct problem problem = { "" };
    char text[ENROL_TEXT_MAX];
    (void)state;
    assert_true(enrol_check(&full, settings, &newcomer, &problem));
    size_t length = enrol_provisioning(&newcomer, "secret", "MIIB", text);
    assert_int_equal(length, strlen(text));
    assert_string_equal(strstr(text, "station = "), lines);
    assert_int_equal(text[0], '#');
    assert_true(enrol_provisioning(&newcomer, "secret", "", text) > 0);
    assert_null(strstr(text, "\nca = "));
}

/* What makes a trap of its model makes one of it. */
static void a_trap_is_one_like_its_model(void **state)
{
    static const char entry[] =
        "    every = \"1d\";\n"
        "    parameters = [\"bph\", \"wbph\", \"stem_borer\", \"leaf_folder\", \"glh\", "
        "\"gall_midge\", \"zigzag\", \"other_insects\", \"lamp_minutes\", \"battery\"];\n"
        "    trap : { species = [\"bph\", \"wbph\", \"stem_borer\", \"leaf_folder\", \"glh\", "
        "\"gall_midge\", \"zigzag\", \"other_insects\"]; hold = \"2h\"; lamp_minutes = "
        "\"lamp_minutes\"; }; }\n";
    struct enrolment wish = complete((struct enrolment){
        .site = "tien-giang", .kind = "trap", .lat = "10.337", .lon = "106.033" });
    struct newcomer newcomer;
    struct problem problem = { "" };
    char text[ENROL_TEXT_MAX];
    (void)state;
    assert_true(enrol_check(&wish, settings, &newcomer, &problem));
    assert_true(enrol_entry(&newcomer, false, text) > 0);
    assert_string_equal(strstr(text, "    every"), entry);
    assert_true(enrol_provisioning(&newcomer, "secret", "", text) > 0);
    assert_non_null(
        strstr(text, "\nplace = 10.337000,106.033000\nspecies = bph\nspecies = wbph\n"));
    wish.every = "1h"; /* nothing else is like it; and only what it reports */
    wish.parameters = "glh,lamp,bph";
    wish.lat = wish.lon = NULL;
    assert_true(enrol_check(&wish, settings, &newcomer, &problem));
    assert_null(newcomer.like);
    assert_true(enrol_entry(&newcomer, false, text) > 0);
    assert_string_equal(strstr(text, "    trap"),
                        "    trap : { species = [\"bph\", \"glh\"]; hold = \"2h\"; }; }\n");
    assert_true(enrol_provisioning(&newcomer, "secret", "", text) > 0);
    assert_string_equal(strstr(text, "channel = bph:count\n"),
                        "channel = bph:count\nspecies = bph\nspecies = glh\n");
}

/* All that a group can say is said again. */
static void a_trap_s_group_is_written_whole(void **state)
{
    static const struct phusa_parameter bph = { .name = { "bph", 3 } },
                                        lamp = { .name = { "l", 1 } },
                                        gate = { .name = { "g", 1 } };
    static const struct phusa_parameter *const species[] = { &bph };
    const struct station model = { .trap = { .given = true,
                                             .cumulative = true,
                                             .drop_corrects = true,
                                             .limit = 9999,
                                             .hold_ns = INT64_C(5400000000000),
                                             .species = species,
                                             .species_count = 1,
                                             .lamp = &lamp,
                                             .gate = &gate,
                                             .service = &bph } };
    struct newcomer newcomer = { .id = "x",
                                 .site = "x",
                                 .kind = "trap",
                                 .lat = NAN,
                                 .every_ns = DAY_NS,
                                 .parameters = { bph.name, lamp.name, gate.name },
                                 .parameter_count = 3,
                                 .trap = &model };
    char text[ENROL_TEXT_MAX];
    (void)state;
    assert_true(enrol_entry(&newcomer, false, text) > 0);
    assert_string_equal(
        strstr(text, "    trap"),
        "    trap : { species = [\"bph\"]; counts = \"cumulative\"; falls = "
        "\"correction\"; limit = 9999.0; hold = \"90m\"; lamp = \"l\"; gate = \"g\"; "
        "service = \"bph\"; }; }\n");
}

/* The longest of everything has room. */
static void has_room(void **state)
{
    struct newcomer newcomer = { .id = "abcdefghijabcdefghijabcdefghijab",
                                 .site = "abcdefghijabcdefghijabcdefghijab",
                                 .kind = "abcdefghijabcdefghijabcdefghijab",
                                 .lat = -90,
                                 .lon = -180,
                                 .every_ns = INT64_C(31622399000000000),
                                 .parameter_count = STATION_PARAMETERS_MAX };
    char name[129], ca[CREDENTIALS_CA_MAX], text[ENROL_TEXT_MAX];
    (void)state;
    memset(name, '"', 128);
    name[128] = '\0';
    newcomer.name = name;
    memset(ca, 'A', sizeof ca - 1);
    ca[sizeof ca - 1] = '\0';
    memset(newcomer.broker, 'a', sizeof newcomer.broker - 1);
    for (size_t i = 0; i < STATION_PARAMETERS_MAX; i++) {
        newcomer.parameters[i] = phusa_text_of(newcomer.id);
        newcomer.units[i] = phusa_text_of(newcomer.id); /* no unit is longer */
    }
    assert_true(enrol_entry(&newcomer, true, text) > 0);
    assert_true(enrol_provisioning(&newcomer, newcomer.id, ca, text) > 0);
}

static void names_spans(void **state)
{
    char buffer[24];
    (void)state;
    assert_string_equal(enrol_span(INT64_C(90000000000), buffer), "90s");
    assert_string_equal(enrol_span(INT64_C(300000000000), buffer), "5m");
    assert_string_equal(enrol_span(INT64_C(7200000000000), buffer), "2h");
    assert_string_equal(enrol_span(INT64_C(86400000000000), buffer), "1d");
}

/* --- credentials ------------------------------------------------------------------------------ */

static void hashes_as_mosquitto_does(void **state)
{
    static const unsigned char salt[CREDENTIALS_SALT_BYTES] = {
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    };
    char entry[CREDENTIALS_ENTRY_MAX];
    (void)state;
    assert_true(
        credentials_entry("my-tho-3", "0123456789abcdef0123456789abcdef01234567", salt, entry));
    assert_string_equal(entry,
                        "my-tho-3:$7$101$AAECAwQFBgcICQoL$fimj3M6KtIaFVWWavaH/"
                        "Mmgt3z1OpizdGjFcNMQJ691g7gUkIq2zwQX7/VBZ9f71uVxo1mLnUDW85eex02LSOQ==");
    assert_true(credentials_entry("abcdefghijabcdefghijabcdefghijab", "x", salt, entry));
    char user[CREDENTIALS_ENTRY_MAX];
    memset(user, 'a', sizeof user - 1);
    user[sizeof user - 1] = '\0';
    assert_false(credentials_entry(user, "x", salt, entry));
}

static void passwords_differ(void **state)
{
    char one[CREDENTIALS_PASSWORD_CHARS + 1], two[CREDENTIALS_PASSWORD_CHARS + 1];
    (void)state;
    assert_true(credentials_password(one) && credentials_password(two));
    assert_int_equal(strspn(one, "0123456789abcdef"), CREDENTIALS_PASSWORD_CHARS);
    assert_int_equal(strlen(one), CREDENTIALS_PASSWORD_CHARS);
    assert_string_not_equal(one, two);
}

/* --- files ------------------------------------------------------------------------------------ */

static const char *path_of(const char *name, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

static bool write_text(void *context, FILE *file)
{
    return fputs(context, file) != EOF;
}

static bool write_half(void *context, FILE *file)
{
    (void)context;
    (void)fputs("half", file);
    return false;
}

static void assert_holds(const char *path, unsigned mode, const char *expected)
{
    char text[512] = "";
    struct stat found;
    FILE *file = fopen(path, "rbe");
    assert_non_null(file);
    (void)fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    assert_string_equal(text, expected);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, mode);
}

static void overwrites_nothing(void **state)
{
    char path[128], said[256];
    struct problem problem = { "" };
    char first[] = "first\n", second[] = "second\n";
    (void)state;
    (void)path_of("new", path);
    assert_true(put_file_new(path, 0600, write_text, first, &problem));
    assert_holds(path, 0600, "first\n");
    assert_false(put_file_new(path, 0644, write_text, second, &problem));
    (void)snprintf(said, sizeof said, "%s: is there already; nothing is overwritten", path);
    assert_string_equal(problem.text, said);
    assert_holds(path, 0600, "first\n");
    assert_int_equal(unlink(path), 0);
    assert_false(put_file_new(path, 0600, write_half, NULL, &problem));
    assert_int_equal(access(path, F_OK), -1);
}

static void adds_a_user_once(void **state)
{
    char path[128], lock[160], said[256];
    struct problem problem = { "" };
    (void)state;
    (void)path_of("passwords", path);
    (void)snprintf(lock, sizeof lock, "%s.lock", path);
    assert_true(broker_entry_add(path, "s1:$7$a", &problem));
    assert_holds(path, 0600, "s1:$7$a\n");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(truncate(path, 7), 0); /* as an editor may leave it */
    assert_true(broker_entry_add(path, "s:$7$b", &problem));
    assert_holds(path, 0640, "s1:$7$a\ns:$7$b\n");
    assert_false(broker_entry_add(path, "s1:$7$c", &problem));
    (void)snprintf(said, sizeof said, "%s: has a user \"s1\" already; choose another id", path);
    assert_string_equal(problem.text, said);
    assert_holds(path, 0640, "s1:$7$a\ns:$7$b\n");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(lock), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(says_where_an_id_is_taken),
        cmocka_unit_test(limits_parameters),
        cmocka_unit_test(is_like_its_neighbours),
        cmocka_unit_test(writes_an_entry),
        cmocka_unit_test(writes_a_provisioning),
        cmocka_unit_test(a_trap_is_one_like_its_model),
        cmocka_unit_test(a_trap_s_group_is_written_whole),
        cmocka_unit_test(has_room),
        cmocka_unit_test(names_spans),
        cmocka_unit_test(hashes_as_mosquitto_does),
        cmocka_unit_test(passwords_differ),
        cmocka_unit_test(overwrites_nothing),
        cmocka_unit_test(adds_a_user_once),
    };
    return cmocka_run_group_tests_name("enrol", tests, set_up, tear_down);
}
