/* Topics of the contract: taken apart, put together, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "phusa/topic.h"

#define ID32 "abcdefghijklmnopqrstuvwxyz012345"

static const char id33[] = ID32 "6";
static const char too_long_site[] = "phusa/1/" ID32 "6/b/obs";
static const char longest[] = "phusa/1/" ID32 "/" ID32 "/alarm/" ID32;

static void ids_follow_their_grammar(void **state)
{
    (void)state;
    static const char *const good[] = { "a", "0", "my-tho", "s1", "a-", ID32 };
    static const char *const bad[] = { "",          "-a",  "A",  "my_tho", "a b", id33,
                                       "t\xc3\xa1", "a/b", "a+", "#",      " a" };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(phusa_id_valid(phusa_text_of(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(phusa_id_valid(phusa_text_of(bad[i])));
    }
    assert_false(phusa_id_valid(phusa_text_of(NULL)));
    assert_false(phusa_id_valid(PHUSA_TEXT("a\0b")));
}

static const struct {
    const char *topic, *site, *station, *rest;
    enum phusa_leaf leaf;
} good_topics[] = {
    { "phusa/1/my-tho/s1/obs", "my-tho", "s1", "", PHUSA_LEAF_OBS },
    { "phusa/1/my-tho/s1/status", "my-tho", "s1", "", PHUSA_LEAF_STATUS },
    { "phusa/1/my-tho/s1/ack", "my-tho", "s1", "", PHUSA_LEAF_ACK },
    { "phusa/1/my-tho/s1/cmd", "my-tho", "s1", "", PHUSA_LEAF_CMD },
    { "phusa/1/my-tho/s1/rsp", "my-tho", "s1", "", PHUSA_LEAF_RSP },
    { "phusa/1/my-tho/s1/alarm/salinity-fields", "my-tho", "s1", "salinity-fields",
      PHUSA_LEAF_ALARM },
    { "phusa/1/my-tho/board/gate-1", "my-tho", "board", "gate-1", PHUSA_LEAF_BOARD },
    { "phusa/1/my-tho/board/obs", "my-tho", "board", "obs", PHUSA_LEAF_BOARD },
    { longest, ID32, ID32, ID32, PHUSA_LEAF_ALARM },
};

static void assert_text(struct phusa_text found, const char *expected)
{
    assert_int_equal(found.length, strlen(expected));
    if (found.length > 0) {
        assert_memory_equal(found.data, expected, found.length);
    }
}

static void topics_come_apart_and_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good_topics) / sizeof(good_topics[0]); i++) {
        struct phusa_topic topic;
        char buffer[PHUSA_TOPIC_MAX + 1];
        size_t length = strlen(good_topics[i].topic);

        print_message("%s\n", good_topics[i].topic);
        assert_int_equal(phusa_topic_parse(phusa_text_of(good_topics[i].topic), &topic), PHUSA_OK);
        assert_int_equal(topic.leaf, good_topics[i].leaf);
        assert_text(topic.site, good_topics[i].site);
        assert_text(topic.station, good_topics[i].station);
        assert_text(topic.rest, good_topics[i].rest);
        assert_int_equal(phusa_topic_print(&topic, buffer, sizeof(buffer)), length);
        assert_string_equal(buffer, good_topics[i].topic);
        assert_int_equal(phusa_topic_print(&topic, buffer, length + 1), length);
        for (size_t capacity = 0; capacity <= length; capacity++) {
            assert_int_equal(phusa_topic_print(&topic, buffer, capacity), 0);
        }
    }
}

static void foreign_topics_are_refused(void **state)
{
    (void)state;
    static const char *const topics[] = {
        "",
        "phusa",
        "phusa/1",
        "phusa/1/",
        "phusa/1/a",
        "phusa/1/a/b",
        "phusa/1/a/b/",
        "phusa/2/a/b/obs",
        "Phusa/1/a/b/obs",
        "/phusa/1/a/b/obs",
        "phusa/1//b/obs",
        "phusa/1/a//obs",
        "phusa/1/a/b/obs/",
        "phusa/1/a/b/obs/x",
        "phusa/1/a/b/observation",
        "phusa/1/a/b/alarm",
        "phusa/1/a/b/alarm/",
        "phusa/1/a/b/alarm/x/y",
        "phusa/1/a/b/alarm/X",
        "phusa/1/A/b/obs",
        "phusa/1/a/B/obs",
        "phusa/1/a/b c/obs",
        "phusa/1/a/board",
        "phusa/1/a/board/",
        "phusa/1/a/board/x/y",
        too_long_site,
        "phusa/1/a/+/obs",
        "phusa/1/#",
    };
    char padded[PHUSA_TOPIC_MAX + 2];
    struct phusa_topic topic;

    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        print_message("%s\n", topics[i]);
        assert_int_equal(phusa_topic_parse(phusa_text_of(topics[i]), &topic), PHUSA_ERR_SYNTAX);
    }
    memset(padded, 'a', sizeof(padded));
    memcpy(padded, "phusa/1/", 8);
    assert_int_equal(phusa_topic_parse((struct phusa_text){ padded, sizeof(padded) }, &topic),
                     PHUSA_ERR_SYNTAX);
    assert_int_equal(phusa_topic_parse((struct phusa_text){ NULL, 0 }, &topic), PHUSA_ERR_SYNTAX);
}

static void wrong_parts_are_not_printed(void **state)
{
    (void)state;
    const struct phusa_text a = PHUSA_TEXT("a"), board = PHUSA_TEXT("board"), none = { NULL, 0 };
    const struct phusa_topic topics[] = {
        { none, a, none, PHUSA_LEAF_OBS },
        { a, none, none, PHUSA_LEAF_OBS },
        { a, PHUSA_TEXT("B"), none, PHUSA_LEAF_OBS },
        { a, board, none, PHUSA_LEAF_OBS },
        { a, a, a, PHUSA_LEAF_BOARD },
        { a, board, none, PHUSA_LEAF_BOARD },
        { a, a, none, PHUSA_LEAF_ALARM },
        { a, a, a, PHUSA_LEAF_OBS },
        { a, a, none, (enum phusa_leaf)99 },
    };
    char buffer[PHUSA_TOPIC_MAX + 1];

    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        assert_int_equal(phusa_topic_print(&topics[i], buffer, sizeof(buffer)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_follow_their_grammar),
        cmocka_unit_test(topics_come_apart_and_together),
        cmocka_unit_test(foreign_topics_are_refused),
        cmocka_unit_test(wrong_parts_are_not_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
