/* base/config: texts to values, what is found before parsing, groups read by their tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/config.h"

#define REPORTS_MAX  16
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- a sink that remembers, and a file of a given content ---- */

struct collected {
    size_t count;
    char texts[REPORTS_MAX][PROBLEM_TEXT_MAX];
    size_t kept_count;
    char *kept[REPORTS_MAX];
};

static void collect(void *context, const char *file, int line, const char *text)
{
    struct collected *collected = context;
    assert_non_null(file);
    assert_true(collected->count < REPORTS_MAX);
    (void)snprintf(collected->texts[collected->count++], PROBLEM_TEXT_MAX, "%d: %.500s", line,
                   text);
}

static const char *keep(void *context, const char *text)
{
    struct collected *collected = context;
    assert_true(collected->kept_count < REPORTS_MAX);
    char *copy = strdup(text);
    assert_non_null(copy);
    collected->kept[collected->kept_count++] = copy;
    return copy;
}

static void release(struct collected *collected)
{
    for (size_t i = 0; i < collected->kept_count; i++) {
        free(collected->kept[i]);
    }
}

static void write_file(char path[], const void *bytes, size_t length)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    assert_int_equal(close(fd), 0);
}

static enum config_status open_bytes(const void *bytes, size_t length,
                                     const struct config_sink *sink, struct config **config,
                                     struct problem *problem)
{
    char path[] = "/tmp/phusa-config-XXXXXX";
    write_file(path, bytes, length);
    enum config_status status = config_open(path, sink, config, problem);
    assert_int_equal(unlink(path), 0);
    return status;
}

/* ---- texts ---- */

static void durations_have_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns; /* -1: not one */
    } cases[] = {
        { "0s", 0 },
        { "20ms", 20000000 },
        { "30s", INT64_C(30000000000) },
        { "5m", INT64_C(300000000000) },
        { "1h", INT64_C(3600000000000) },
        { "30d", INT64_C(2592000000000000) },
        { "5", -1 },
        { "", -1 },
        { "s", -1 },
        { "-5s", -1 },
        { "1.5h", -1 },
        { " 5s", -1 },
        { "5 s", -1 },
        { "5S", -1 },
        { "106752d", -1 }, /* one beyond 64 bits of nanoseconds */
        { "106751d", INT64_C(9223286400000000000) },
        { "99999999999999999999s", -1 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t ns = -1;
        bool good = config_parse_duration(cases[i].text, &ns);
        if (good != (cases[i].ns >= 0) || (good && ns != cases[i].ns)) {
            fail_msg("\"%s\" gave %d, %lld", cases[i].text, good, (long long)ns);
        }
    }
}

static void sizes_are_powers_of_1024(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {
        { "0", 0 },
        { "512", 512 },
        { "1K", 1024 },
        { "64M", 67108864 },
        { "20G", INT64_C(21474836480) },
        { "1T", INT64_C(1099511627776) },
        { "8388607T", INT64_C(9223370937343148032) },
        { "8388608T", -1 },
        { "20GB", -1 },
        { "20g", -1 },
        { "-1", -1 },
        { "", -1 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t bytes = -1;
        bool good = config_parse_size(cases[i].text, &bytes);
        if (good != (cases[i].bytes >= 0) || (good && bytes != cases[i].bytes)) {
            fail_msg("\"%s\" gave %d, %lld", cases[i].text, good, (long long)bytes);
        }
    }
}

static void offsets_have_sign_hours_minutes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int32_t seconds;
    } cases[] = {
        { "+07:00", true, 25200 }, { "-03:30", true, -12600 }, { "+00:00", true, 0 },
        { "07:00", false, 0 },     { "+7:00", false, 0 },      { "+07.00", false, 0 },
        { "+07:60", false, 0 },    { "+24:00", false, 0 },     { "+07:000", false, 0 },
        { "", false, 0 },          { "+0a:00", false, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int32_t seconds = 0;
        bool good = config_parse_offset(cases[i].text, &seconds);
        if (good != cases[i].good || (good && seconds != cases[i].seconds)) {
            fail_msg("\"%s\" gave %d, %d", cases[i].text, good, seconds);
        }
    }
}

static void the_nearest_word_is_found(void **state)
{
    (void)state;
    static const char *const known[] = { "broker", "journal", "store", "http", "channels" };
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        { "brocker", "broker" },
        { "borker", "broker" },
        { "jurnal", "journal" },
        { "htpt", "http" },
        { "stores", "store" },
        { "zzzz", NULL },
        { "", NULL },
        { "x", NULL },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config_nearest nearest = { .word = cases[i].word };
        for (size_t j = 0; j < COUNT(known); j++) {
            config_nearest_offer(&nearest, known[j]);
        }
        if (cases[i].nearest == NULL) {
            assert_null(nearest.best);
        } else {
            assert_non_null(nearest.best);
            assert_string_equal(nearest.best, cases[i].nearest);
        }
    }
}

/* ---- files ---- */

static void files_that_libconfig_would_misread_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *report; /* NULL: good */
        size_t length;             /* 0 = of the text */
    } cases[] = {
        { "a = 2147483647; b = -2147483648;", NULL, 0 },
        { "a = 5000000000L;", NULL, 0 },
        { "a = 1.5e300; b = 12345678901.0;", NULL, 0 },
        { "# 5000000000\n// \"\n/* \" 5000000000 */ a5000000000 = \"5000000000 # \\\" @include\";",
          NULL, 0 },
        { "a = 1;\nb = 2147483648;", "2: 2147483648 is too large", 0 },
        { "a = -2147483649;", "1: -2147483649 is too large", 0 },
        { "a = 99999999999999999999;", "1: 99999999999999999999 is too large", 0 },
        { "\n\n/* x", "3: this comment never ends", 0 },
        { "a = \"x\ny", "1: this string never ends", 0 },
        { "a = \"x\\\"", "1: this string never ends", 0 },
        { "a = 1;\n @include \"x\"\n", "2: @include is not supported", 0 },
        { "a = 1;\n\0b = 2;", "2: the file holds a zero byte", 14 },
        { "a = [1, 2.0];", "1: a list in [ ] may not mix", 0 },
        { "a = 1;\na = 2;", "2: a key is given twice in one group near 'a = 2;'", 0 },
        { "a = 1;\nb = ;\n", "2: syntax error at or just before 'b = ;'", 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct collected collected = { 0 };
        struct config_sink sink = { &collected, collect, keep };
        struct config *config = NULL;
        size_t length = cases[i].length == 0 ? strlen(cases[i].text) : cases[i].length;
        enum config_status status = open_bytes(cases[i].text, length, &sink, &config, NULL);
        if (cases[i].report == NULL) {
            assert_int_equal(status, CONFIG_OK);
            assert_int_equal(collected.count, 0);
        } else {
            assert_int_equal(status, CONFIG_SYNTAX);
            assert_int_equal(collected.count, 1);
            if (strncmp(collected.texts[0], cases[i].report, strlen(cases[i].report)) != 0) {
                fail_msg("wanted \"%s\", found \"%s\"", cases[i].report, collected.texts[0]);
            }
        }
        config_close(config);
    }
}

static void a_file_too_large_is_not_read(void **state)
{
    (void)state;
    char *bytes = malloc(CONFIG_FILE_MAX + 1);
    assert_non_null(bytes);
    memset(bytes, ' ', CONFIG_FILE_MAX + 1);
    struct collected collected = { 0 };
    struct config_sink sink = { &collected, collect, keep };
    struct config *config = NULL;
    struct problem problem = { "" };
    assert_int_equal(open_bytes(bytes, CONFIG_FILE_MAX + 1, &sink, &config, &problem),
                     CONFIG_UNREADABLE);
    assert_string_equal(problem.text, "is larger than 8 MiB");
    assert_null(config);
    assert_int_equal(open_bytes(bytes, CONFIG_FILE_MAX, &sink, &config, &problem), CONFIG_OK);
    config_close(config);
    free(bytes);
}

static void a_missing_file_and_a_folder_say_why(void **state)
{
    (void)state;
    struct config_sink sink = { NULL, collect, keep };
    struct config *config = NULL;
    struct problem problem = { "" };
    assert_int_equal(config_open("/nowhere/at/all", &sink, &config, &problem), CONFIG_UNREADABLE);
    assert_string_equal(problem.text, "cannot be read: No such file or directory");
    assert_int_equal(config_open("/", &sink, &config, &problem), CONFIG_UNREADABLE);
    assert_string_equal(problem.text, "cannot be read: Is a directory");
}

/* ---- groups ---- */

struct target {
    const char *text;
    bool flag;
    int64_t whole, time, size;
    double number;
    int32_t offset;
    unsigned choice;
    struct config_limit limit;
    struct config_list strings, integers, groups;
    const struct config_node *group;
};

#define AT(member) offsetof(struct target, member)
static const char *const choices[] = { "red", "green", NULL };
static const struct config_key keys[] = {
    { "text", CONFIG_STRING, AT(text), .fallback = "none", .most = "5" },
    { "flag", CONFIG_BOOL, AT(flag), .fallback = "true" },
    { "whole", CONFIG_INTEGER, AT(whole), .fallback = "7", .least = "1", .most = "65535",
      .example = "8080" },
    { "number", CONFIG_NUMBER, AT(number), .fallback = "0.5", .least = "-1", .most = "1" },
    { "time", CONFIG_DURATION, AT(time), .fallback = "1s", .most = "1h" },
    { "size", CONFIG_SIZE, AT(size), .fallback = "1K", .least = "1K" },
    { "offset", CONFIG_OFFSET, AT(offset), .fallback = "+07:00" },
    { "choice", CONFIG_CHOICE, AT(choice), .fallback = "green", .choices = choices },
    { "limit", CONFIG_LIMIT, AT(limit), .required = false },
    { "strings", CONFIG_STRINGS, AT(strings), .most = "2" },
    { "integers", CONFIG_INTEGERS, AT(integers), .required = false },
    { "groups", CONFIG_GROUPS, AT(groups), .required = false },
    { "group", CONFIG_GROUP, AT(group), .required = false },
    { "later", CONFIG_LATER, .note = "not yet" },
};
static const struct config_schema schema = { "thing", keys, COUNT(keys) };

static struct config *open_text(const char *text, struct config_sink *sink)
{
    struct config *config = NULL;
    assert_int_equal(open_bytes(text, strlen(text), sink, &config, NULL), CONFIG_OK);
    return config;
}

static void missing_keys_take_their_fallback(void **state)
{
    (void)state;
    struct collected collected = { 0 };
    struct config_sink sink = { &collected, collect, keep };
    struct config *config = open_text("", &sink);
    struct target target = { 0 };
    assert_true(config_read_group(config_root(config), &schema, &target));
    assert_string_equal(target.text, "none");
    assert_true(target.flag);
    assert_int_equal(target.whole, 7);
    assert_true(target.number == 0.5);
    assert_int_equal(target.time, 1000000000);
    assert_int_equal(target.size, 1024);
    assert_int_equal(target.offset, 25200);
    assert_int_equal(target.choice, 1);
    assert_int_equal(target.limit.count, 0);
    assert_null(target.strings.node);
    assert_null(target.group);
    config_close(config);
    release(&collected);
}

static void values_are_read(void **state)
{
    (void)state;
    struct collected collected = { 0 };
    struct config_sink sink = { &collected, collect, keep };
    struct config *config =
        open_text("text = \"mặn\"; flag = false; whole = 8080; number = -1; time = \"5m\"; "
                  "size = \"2K\"; offset = \"-01:00\"; choice = \"red\"; limit = (6, 8.5); "
                  "strings = [\"a\", \"b\"]; integers = (1, 9); groups : ( { x = 1; } ); "
                  "group : { y = 2; };",
                  &sink);
    struct target target = { 0 };
    assert_true(config_read_group(config_root(config), &schema, &target));
    assert_int_equal(collected.count, 0);
    assert_string_equal(target.text, "mặn");
    assert_false(target.flag);
    assert_int_equal(target.whole, 8080);
    assert_true(target.number == -1.0);
    assert_int_equal(target.time, INT64_C(300000000000));
    assert_int_equal(target.size, 2048);
    assert_int_equal(target.offset, -3600);
    assert_int_equal(target.choice, 0);
    assert_int_equal(target.limit.count, 2);
    assert_true(target.limit.values[0] == 6.0 && target.limit.values[1] == 8.5);
    assert_int_equal(target.strings.count, 2);
    assert_string_equal(config_string_at(&target.strings, 1), "b");
    assert_int_equal(config_integer_at(&target.integers, 1), 9);
    assert_int_equal(target.groups.count, 1);
    assert_non_null(target.group);
    config_close(config);
    release(&collected);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *report;
    } cases[] = {
        { "whole = \"8080\";", "1: \"whole\" is a string; write a whole number such as 8080" },
        { "\nwhole = 70000;", "2: \"whole\" is 70000; it must lie between 1 and 65535" },
        { "whole = 1.5;",
          "1: \"whole\" is a number with a fraction; write a whole number such as 8080" },
        { "number = 1.01;", "1: \"number\" is 1.01; it must lie between -1 and 1" },
        { "size = \"1\";", "1: \"size\" is \"1\"; it must be at least 1K" },
        { "time = \"2h\";", "1: \"time\" is \"2h\"; it must be at most 1h" },
        { "flag = 1;", "1: \"flag\" is a number; write true or false" },
        { "choice = \"gren\";",
          "1: \"choice\" is \"gren\"; write \"red\" or \"green\"; did you mean \"green\"?" },
        { "text = \"longer\";", "1: \"text\" has 6 bytes; at most 5 are allowed" },
        { "text = \"a\\nb\";",
          "1: \"text\" holds a line break or control character; write one line" },
        { "text = \"\\xff\";", "1: \"text\" is not UTF-8; save the file as UTF-8" },
        { "text = \"\\xed\\xa0\\x80\";", "1: \"text\" is not UTF-8; save the file as UTF-8" },
        { "strings = [\"a\", \"b\", \"c\"];",
          "1: \"strings\" has 3 elements; at most 2 are allowed" },
        { "strings = (\"a\", 1);",
          "1: \"strings\" holds a number; write a list of strings such as [\"a\", \"b\"]" },
        { "limit = (1, 2, 3);",
          "1: \"limit\" is a list; write a number, or two in a list such as 4.0 or (6.5, 8.5)" },
        { "group = 1;", "1: \"group\" is a number; write a group such as { key = \"value\"; }" },
        { "later = 1;", "1: not yet" },
        { "wohle = 1;", "1: unknown key \"wohle\"; did you mean \"whole\"?" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct collected collected = { 0 };
        struct config_sink sink = { &collected, collect, keep };
        struct config *config = open_text(cases[i].text, &sink);
        struct target target = { 0 };
        assert_false(config_read_group(config_root(config), &schema, &target));
        assert_int_equal(collected.count, 1);
        assert_string_equal(collected.texts[0], cases[i].report);
        assert_int_equal(target.whole, 7); /* what is wrong keeps its fallback */
        config_close(config);
        release(&collected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_a_unit),
        cmocka_unit_test(sizes_are_powers_of_1024),
        cmocka_unit_test(offsets_have_sign_hours_minutes),
        cmocka_unit_test(the_nearest_word_is_found),
        cmocka_unit_test(files_that_libconfig_would_misread_are_refused),
        cmocka_unit_test(a_file_too_large_is_not_read),
        cmocka_unit_test(a_missing_file_and_a_folder_say_why),
        cmocka_unit_test(missing_keys_take_their_fallback),
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
