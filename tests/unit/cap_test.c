/*
 * CAP messages as text, and the folder they are kept in. That they are valid by the standard's
 * schema, and that another reader finds its way through them: tests/system/cap_test.py.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "letter_sample.h"
#include "notify/cap_folder.h"

#define HOUR_NS   (3600 * SECOND_NS)
#define NOW_S     INT64_C(1763735710) /* 2025-11-21T21:35:10+07:00 */
#define SENDER    "canhbao@tiengiang.example"
#define KEYS      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc"
#define REFERENCE SENDER "," KEYS

static const struct cap_source source = {
    .sender = SENDER, .sender_name = "Chi cục Thủy lợi <Tiền Giang>", .status = "Actual", .link = ""
};

static char folder_path[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder_path, sizeof folder_path, "/tmp/phusa-cap-XXXXXX");
    return mkdtemp(folder_path) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    DIR *folder = opendir(folder_path);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    (void)closedir(folder);
    return rmdir(folder_path);
}

static wall_time at(int64_t after_s)
{
    return (wall_time){ (NOW_S + after_s) * SECOND_NS + 123 };
}

static const struct cap_folder_settings settings = { .path = folder_path,
                                                     .channel = "cap",
                                                     .source = { SENDER, "Chi cục", "Test", "" },
                                                     .expires_ns = 24 * HOUR_NS,
                                                     .utc_offset_s = 7 * 3600 };

static struct cap_folder *open_folder(int64_t after_s)
{
    struct problem problem = { "" };
    struct cap_folder *folder = cap_folder_open(&files_posix, &settings, at(after_s), &problem);
    assert_string_equal(problem.text, "");
    assert_non_null(folder);
    return folder;
}

/* The key of a number. */
static const char *key_of(unsigned number)
{
    static char keys[4][NOTICE_KEY_CHARS + 1];
    static size_t next;
    char *key = keys[next++ % 4];
    (void)snprintf(key, NOTICE_KEY_CHARS + 1, KEYS "%03x", number);
    return key;
}

/* Tells a change; false if there was nothing to write. */
static bool tell(struct cap_folder *folder, const struct letter *letter, int64_t after_s)
{
    struct problem problem = { "" };
    struct cap_draft *draft = NULL;
    assert_true(cap_folder_compose(folder, letter, at(after_s), &draft, &problem));
    bool made = draft != NULL;
    assert_true(!made || cap_folder_store(folder, draft, &problem));
    assert_true(cap_folder_finish(folder, at(after_s), &problem));
    free(draft);
    return made;
}

static bool change(struct cap_folder *folder, unsigned number, enum severity from, enum severity to,
                   int64_t after_s)
{
    struct letter letter = sample_letter(key_of(number), from, to, after_s);
    return tell(folder, &letter, after_s);
}

/* A file of the folder, or NULL; valid until the next call. */
static const char *read_file(const char *name)
{
    static char text[1 << 20];
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder_path, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return NULL;
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

static const char *message(unsigned number)
{
    char name[128];
    (void)snprintf(name, sizeof name, "%s.xml", key_of(number));
    return read_file(name);
}

static void assert_has(const char *text, const char *wanted)
{
    assert_non_null(text);
    if (strstr(text, wanted) == NULL) {
        fail_msg("not there: %s\nin: %s", wanted, text);
    }
}

static size_t times_in(const char *text, const char *wanted)
{
    size_t count = 0;
    for (const char *found = text; (found = strstr(found, wanted)) != NULL; found++) {
        count++;
    }
    return count;
}

/* --- the text ---------------------------------------------------------------------- */

static char text[CAP_MESSAGE_MAX];

static size_t write_message(const struct letter *letter, enum cap_type type, size_t capacity)
{
    const char *references[] = { "a,1,2025-11-21T21:00:00+07:00", "a,2,2025-11-21T21:30:00+07:00" };
    struct cap_message made = { .identifier = key_of(1),
                                .type = type,
                                .sent_ns = NOW_S * SECOND_NS,
                                .expires_ns = NOW_S * SECOND_NS + 24 * HOUR_NS,
                                .incident = "my-tho/s1/salinity-fields/salinity@1762000200",
                                .references = references,
                                .reference_count = type == CAP_ALERT ? 0 : 2 };
    return cap_write(letter, &made, &source, text, capacity);
}

static void a_message_says_all_there_is(void **state)
{
    static const char *const wanted[] = {
        "<identifier>" KEYS "001</identifier>",
        "<sender>" SENDER "</sender>",
        "<sent>2025-11-21T21:35:10+07:00</sent>",
        "<status>Actual</status>\n<msgType>Alert</msgType>\n<scope>Public</scope>\n<incidents>",
        "<info>\n<language>vi-VN</language>\n<category>Env</category>\n"
        "<event>Xâm nhập mặn</event>\n<responseType>Execute</responseType>\n"
        "<urgency>Expected</urgency>\n<severity>Severe</severity>\n"
        "<certainty>Observed</certainty>\n<effective>2025-11-21T21:35:10+07:00</effective>\n"
        "<onset>2025-11-01T19:30:00+07:00</onset>\n<expires>2025-11-22T21:35:10+07:00</expires>\n"
        "<senderName>Chi cục Thủy lợi &lt;Tiền Giang&gt;</senderName>\n"
        "<headline>Xâm nhập mặn – Cống Xuân Hòa: nghiêm trọng</headline>\n"
        "<description>Xâm nhập mặn – Cống Xuân Hòa: Độ mặn 4,25 g/L (≥ 4 g/L).</description>\n"
        "<instruction>Đóng cống, không lấy nước.</instruction>\n<parameter>",
        "<valueName>salinity</valueName>\n<value>4.25</value>",
        "<valueName>state</valueName>\n<value>severe</value>",
        "<areaDesc>Cống Xuân Hòa (my-tho)</areaDesc>\n<circle>10.35000,106.37000 0.5</circle>",
        "<language>en-US</language>\n<category>Env</category>\n<event>Salinity intrusion</event>",
        "<instruction>Close the sluice; take no water.</instruction>",
    };
    struct letter letter = sample_letter("", SEVERITY_NORMAL, SEVERITY_SEVERE, 0);
    (void)state;
    size_t length = write_message(&letter, CAP_ALERT, sizeof text);
    assert_int_equal(length, strlen(text));
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_has(text, wanted[i]);
    }
    assert_int_equal(times_in(text, "<info>"), 2);
}

static void what_is_over_is_past_and_all_clear(void **state)
{
    struct letter letter = sample_letter("", SEVERITY_EXTREME, SEVERITY_NORMAL, 0);
    (void)state;
    assert_true(write_message(&letter, CAP_CANCEL, sizeof text) > 0);
    assert_has(text, "<responseType>AllClear</responseType>\n<urgency>Past</urgency>\n"
                     "<severity>Extreme</severity>");
    assert_has(text, "<headline>Hết cảnh báo: Xâm nhập mặn – Cống Xuân Hòa</headline>");
    assert_has(text, "<references>a,1,2025-11-21T21:00:00+07:00 a,2,2025-11-21T21:30:00+07:00"
                     "</references>\n<incidents>");
}

static void unknown_places_and_values_are_left_out(void **state)
{
    struct letter letter = sample_letter("", SEVERITY_NORMAL, SEVERITY_MODERATE, 0);
    (void)state;
    letter.lat = letter.lon = letter.value = NAN;
    letter.action.in[LANGUAGE_VI] = "";
    letter.utc_offset_s = 0;
    assert_true(write_message(&letter, CAP_ALERT, sizeof text) > 0);
    assert_null(strstr(text, "<circle>"));
    assert_null(strstr(text, "<valueName>salinity"));
    assert_null(strstr(text, "<valueName>unit"));
    assert_int_equal(times_in(text, "<instruction>"), 1);
    assert_has(text, "<responseType>Monitor</responseType>"); /* vi: nothing to prepare is said */
    assert_has(text, "<responseType>Prepare</responseType>");
    assert_has(text, "<sent>2025-11-21T14:35:10-00:00</sent>"); /* CAP 1.2, section 3.3.2 */
}

static void what_xml_has_no_place_for(void **state)
{
    struct letter letter = sample_letter("", SEVERITY_NORMAL, SEVERITY_MINOR, 0);
    (void)state;
    letter.text.in[LANGUAGE_VI] = "a < b & c > \"d\" ]]>\x01\x1f\n\xEF\xBF\xBE\xEF\xBF\xBD\xEF\xBF";
    assert_true(write_message(&letter, CAP_ALERT, sizeof text) > 0);
    assert_has(text, "<description>a &lt; b &amp; c &gt; \"d\" ]]&gt;   ?\xEF\xBF\xBD");
}

static void a_buffer_too_small_gives_nothing(void **state)
{
    struct letter letter = sample_letter("", SEVERITY_NORMAL, SEVERITY_MINOR, 0);
    (void)state;
    size_t length = write_message(&letter, CAP_ALERT, sizeof text);
    for (size_t capacity = 0; capacity <= length; capacity += capacity < 64 ? 1 : 97) {
        assert_int_equal(write_message(&letter, CAP_ALERT, capacity), 0);
    }
    assert_int_equal(write_message(&letter, CAP_ALERT, length + 1), length);
}

/* The longest texts that letters may have, each byte the longest escape. */
static void the_widest_letter_fits(void **state)
{
    static char wide[LETTER_TEXT_MAX], name[121], sender[CAP_SENDER_MAX], sender_name[256];
    static char references[CAP_REFERENCES_MAX][CAP_REFERENCE_MAX + 1];
    const char *list[CAP_REFERENCES_MAX];
    (void)state;
    memset(wide, '&', sizeof wide - 1);
    memset(name, '&', sizeof name - 1);
    memset(sender, 'a', sizeof sender - 1);
    memset(sender_name, '&', sizeof sender_name - 1);
    for (size_t i = 0; i < CAP_REFERENCES_MAX; i++) {
        memset(references[i], 'r', CAP_REFERENCE_MAX);
        list[i] = references[i];
    }
    struct letter letter = sample_letter("", SEVERITY_EXTREME, SEVERITY_NORMAL, 0);
    letter.station_name = letter.unit = name;
    letter.text = letter.action = letter.hazard = (struct letter_text){ { wide, wide } };
    letter.severity_name = (struct letter_text){ { name, name } };
    struct cap_source widest = { sender, sender_name, "Exercise", wide };
    struct cap_message made = { .identifier = key_of(1),
                                .incident = name,
                                .references = list,
                                .reference_count = CAP_REFERENCES_MAX };
    assert_true(cap_write(&letter, &made, &widest, text, sizeof text) > 0);
    char entry[CAP_ENTRY_MAX], head[CAP_HEAD_MAX];
    struct cap_facts facts;
    assert_false(cap_facts_read(phusa_text_of(text), &facts)); /* its incident is too long */
    facts.sender = phusa_text_of(sender);
    assert_true(cap_entry_write(&facts, entry, sizeof entry) > 0);
    assert_true(cap_head_write(&widest, "cap", 0, 0, head, sizeof head) > 0);
}

static void facts_are_read_back(void **state)
{
    struct letter letter = sample_letter("", SEVERITY_NORMAL, SEVERITY_SEVERE, 0);
    struct cap_facts facts;
    (void)state;
    (void)write_message(&letter, CAP_UPDATE, sizeof text);
    assert_true(cap_facts_read(phusa_text_of(text), &facts));
    assert_true(phusa_text_equal(facts.identifier, phusa_text_of(key_of(1))));
    assert_true(phusa_text_equal(facts.area, PHUSA_TEXT("Cống Xuân Hòa (my-tho)")));
    assert_int_equal(facts.type, CAP_UPDATE);
    assert_int_equal(facts.sent_ns, NOW_S * SECOND_NS);
    assert_int_equal(facts.expires_ns, NOW_S * SECOND_NS + 24 * HOUR_NS);
    /* Cut anywhere before its first area it is none; it is never read beyond its end. */
    size_t length = strlen(text);
    for (size_t cut = 0; cut < length; cut += 7) {
        char *part = malloc(cut + 1);
        memcpy(part, text, cut);
        bool read = cap_facts_read((struct phusa_text){ part, cut }, &facts);
        assert_true(!read || facts.expires_ns > 0);
        free(part);
    }
    assert_false(cap_facts_read(PHUSA_TEXT(""), &facts));
    assert_false(cap_facts_read(PHUSA_TEXT("<identifier>../etc</identifier>"), &facts));
}

/* --- the folder -------------------------------------------------------------------- */

static void an_alarm_from_its_first_message_to_its_last(void **state)
{
    (void)state;
    struct cap_folder *folder = open_folder(0);
    assert_true(change(folder, 1, SEVERITY_NORMAL, SEVERITY_MINOR, 60));
    assert_true(change(folder, 2, SEVERITY_MINOR, SEVERITY_SEVERE, 120));
    cap_folder_free(folder);
    folder = open_folder(150); /* after a restart it goes on */
    assert_true(change(folder, 3, SEVERITY_SEVERE, SEVERITY_NORMAL, 180));
    assert_true(change(folder, 4, SEVERITY_NORMAL, SEVERITY_MINOR, 240));
    cap_folder_free(folder);

    assert_has(message(1), "<msgType>Alert</msgType>\n<scope>Public</scope>\n<incidents>"
                           "my-tho/s1/salinity-fields/salinity@1762000260</incidents>");
    assert_has(message(2), "<msgType>Update</msgType>\n<scope>Public</scope>\n"
                           "<references>" REFERENCE "001,2025-11-21T21:36:10+07:00</references>");
    assert_has(message(3), "<msgType>Cancel</msgType>\n<scope>Public</scope>\n"
                           "<references>" REFERENCE "001,2025-11-21T21:36:10+07:00 " REFERENCE
                           "002,2025-11-21T21:37:10+07:00</references>\n<incidents>"
                           "my-tho/s1/salinity-fields/salinity@1762000260</incidents>");
    assert_has(message(4), "<msgType>Alert</msgType>\n<scope>Public</scope>\n<incidents>"
                           "my-tho/s1/salinity-fields/salinity@1762000440</incidents>");
    const char *feed = read_file(CAP_FEED_NAME);
    assert_int_equal(times_in(feed, "<entry>"), 4);
    assert_has(feed, "<updated>2025-11-21T21:39:10+07:00</updated>");
    assert_true(strstr(feed, KEYS "004.xml") < strstr(feed, KEYS "003.xml"));
    assert_true(strstr(feed, KEYS "002.xml") < strstr(feed, KEYS "001.xml"));
}

static void a_delivery_repeated_makes_nothing_new(void **state)
{
    (void)state;
    struct cap_folder *folder = open_folder(0);
    assert_true(change(folder, 1, SEVERITY_NORMAL, SEVERITY_MINOR, 60));
    assert_false(change(folder, 1, SEVERITY_NORMAL, SEVERITY_MINOR, 90));
    cap_folder_free(folder);
    folder = open_folder(100);
    assert_false(change(folder, 1, SEVERITY_NORMAL, SEVERITY_MINOR, 120));
    assert_has(message(1), "<sent>2025-11-21T21:36:10+07:00</sent>");
    cap_folder_free(folder);
}

static void series_do_not_meet(void **state)
{
    struct letter one = sample_letter(key_of(1), SEVERITY_NORMAL, SEVERITY_MINOR, 60);
    struct letter other = sample_letter(key_of(2), SEVERITY_NORMAL, SEVERITY_MINOR, 60);
    (void)state;
    other.station = "s11";
    struct cap_folder *folder = open_folder(0);
    assert_true(tell(folder, &one, 60));
    assert_true(tell(folder, &other, 60));
    assert_has(message(2), "<msgType>Alert</msgType>");
    cap_folder_free(folder);
}

static void what_was_never_told_is_not_cancelled(void **state)
{
    (void)state;
    struct cap_folder *folder = open_folder(0);
    assert_false(change(folder, 1, SEVERITY_SEVERE, SEVERITY_NORMAL, 60));
    assert_int_equal(times_in(read_file(CAP_FEED_NAME), "<entry>"), 0);
    assert_true(change(folder, 2, SEVERITY_MINOR, SEVERITY_SEVERE, 90)); /* all the same an Alert */
    assert_has(message(2), "<msgType>Alert</msgType>");
    cap_folder_free(folder);
}

/* A clock that is set back, and several changes in a second. */
static void later_messages_are_sent_later(void **state)
{
    (void)state;
    struct cap_folder *folder = open_folder(0);
    assert_true(change(folder, 1, SEVERITY_NORMAL, SEVERITY_MINOR, 60));
    assert_true(change(folder, 2, SEVERITY_MINOR, SEVERITY_SEVERE, 60));
    assert_true(change(folder, 3, SEVERITY_SEVERE, SEVERITY_NORMAL, -3600));
    assert_true(change(folder, 4, SEVERITY_NORMAL, SEVERITY_MINOR, -3600));
    assert_has(message(2), "<sent>2025-11-21T21:36:11+07:00</sent>");
    assert_has(message(3), "<sent>2025-11-21T21:36:12+07:00</sent>");
    assert_has(message(4), "<sent>2025-11-21T21:36:13+07:00</sent>");
    cap_folder_free(folder);
}

static struct cap_draft *renewed(struct cap_folder *folder, const struct letter *letter,
                                 int64_t after_s)
{
    struct problem problem = { "" };
    struct cap_draft *draft = NULL;
    assert_true(cap_folder_renew(folder, letter, at(after_s), &draft, &problem));
    return draft;
}

static void what_stays_active_does_not_expire(void **state)
{
    struct letter letter = sample_letter(key_of(1), SEVERITY_NORMAL, SEVERITY_MINOR, 0);
    struct problem problem = { "" };
    (void)state;
    struct cap_folder *folder = open_folder(0);
    assert_null(renewed(folder, &letter, 0)); /* never told */
    assert_true(tell(folder, &letter, 0));
    assert_null(renewed(folder, &letter, 12 * 3600 - 1));
    struct cap_draft *draft = renewed(folder, &letter, 12 * 3600);
    assert_non_null(draft);
    assert_string_equal(draft->identifier, KEYS "001-6921215e"); /* of the second it is sent */
    assert_has(draft->text, "<msgType>Update</msgType>");
    assert_has(draft->text, "<references>" REFERENCE "001,2025-11-21T21:35:10+07:00</references>");
    assert_has(draft->text, "<expires>2025-11-23T09:35:10+07:00</expires>");
    assert_true(cap_folder_store(folder, draft, &problem));
    free(draft);
    assert_null(renewed(folder, &letter, 13 * 3600));
    assert_true(change(folder, 2, SEVERITY_MINOR, SEVERITY_NORMAL, 14 * 3600));
    assert_null(renewed(folder, &letter, 48 * 3600)); /* it is over */
    assert_has(message(2), "001-6921215e,2025-11-22T09:35:10+07:00</references>");
    cap_folder_free(folder);
}

static void of_very_many_messages_the_first_and_the_latest_are_named(void **state)
{
    (void)state;
    struct cap_folder *folder = open_folder(0);
    for (unsigned i = 1; i <= CAP_REFERENCES_MAX + 3; i++) {
        assert_true(change(folder, i, i % 2 == 0 ? SEVERITY_SEVERE : SEVERITY_MINOR,
                           i % 2 == 0 ? SEVERITY_MINOR : SEVERITY_SEVERE, i));
    }
    const char *last = message(CAP_REFERENCES_MAX + 3);
    assert_int_equal(times_in(last, "," KEYS), CAP_REFERENCES_MAX);
    assert_has(last, "<references>" REFERENCE "001,2025-11-21T21:35:11+07:00 " REFERENCE "004,");
    assert_has(last, KEYS "042,2025-11-21T21:36:16+07:00</references>");
    cap_folder_free(folder);
}

static void old_files_go(void **state)
{
    const int64_t day = 86400;
    (void)state;
    struct cap_folder *folder = open_folder(0);
    assert_true(change(folder, 1, SEVERITY_NORMAL, SEVERITY_MINOR, 0));
    assert_true(change(folder, 2, SEVERITY_MINOR, SEVERITY_NORMAL, day));
    struct problem problem = { "" };
    assert_true(cap_folder_finish(folder, at(31 * day - 1), &problem));
    assert_non_null(message(1));
    assert_true(cap_folder_finish(folder, at(31 * day), &problem));
    assert_null(message(1));
    assert_non_null(message(2));
    assert_int_equal(times_in(read_file(CAP_FEED_NAME), "<entry>"), 1);
    cap_folder_free(folder);
    folder = open_folder(33 * day);
    assert_null(message(2));
    cap_folder_free(folder);
}

static void the_feed_has_the_newest_hundred(void **state)
{
    (void)state;
    struct cap_folder *folder = open_folder(0);
    for (unsigned i = 1; i <= CAP_FEED_MAX + 5; i++) {
        struct letter letter = sample_letter(key_of(i), SEVERITY_NORMAL, SEVERITY_MINOR, i);
        char station[16];
        (void)snprintf(station, sizeof station, "s%u", i);
        letter.station = station;
        assert_true(tell(folder, &letter, i));
    }
    for (int run = 0; run < 2; run++) {
        const char *feed = read_file(CAP_FEED_NAME);
        assert_int_equal(times_in(feed, "<entry>"), CAP_FEED_MAX);
        assert_has(feed, KEYS "069.xml");
        assert_null(strstr(feed, KEYS "005.xml"));
        assert_has(feed, KEYS "006.xml");
        cap_folder_free(folder);
        folder = open_folder(1000); /* the same when it is made of the files */
    }
    cap_folder_free(folder);
}

/* Files of other people stay, what is no message of ours is not taken for one, and half a file
 * goes. */
static void strangers_in_the_folder(void **state)
{
    static const char *const names[] = { "readme.txt", "00.xml", "0a.xml", KEYS "fff.xml.new",
                                         "AB.xml" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", folder_path, names[i]);
        FILE *file = fopen(path, "we");
        (void)fputs(i == 2 ? "<identifier>0b</identifier>" : "x", file);
        (void)fclose(file);
    }
    struct cap_folder *folder = open_folder(0);
    assert_true(change(folder, 1, SEVERITY_NORMAL, SEVERITY_MINOR, 0));
    assert_int_equal(times_in(read_file(CAP_FEED_NAME), "<entry>"), 1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(read_file(names[i]) != NULL, i != 3);
    }
    cap_folder_free(folder);
}

/* --- a disk that fails ---------------------------------------------------------------- */

static int failing_rename(void *context, const char *from, const char *to)
{
    int *left = context;
    (void)from;
    (void)to;
    if ((*left)-- > 0) {
        return rename(from, to);
    }
    errno = ENOSPC;
    return -1;
}

/* Whichever file cannot be put in place: the delivery fails, and once there is space a
 * repetition makes the message and the feed whole, with one message. */
static void a_disk_without_space(void **state)
{
    (void)state;
    for (int good = 0; good < 2; good++) {
        int left = 1; /* the feed of the opening */
        struct file_ops files = files_posix;
        files.context = &left;
        files.rename = failing_rename;
        struct problem problem = { "" };
        struct cap_folder *folder = cap_folder_open(&files, &settings, at(0), &problem);
        assert_non_null(folder);
        left = good;
        struct letter letter =
            sample_letter(key_of((unsigned)good + 1), SEVERITY_NORMAL, SEVERITY_MINOR, 0);
        struct cap_draft *draft = NULL;
        letter.station = good == 0 ? "s1" : "s2";
        assert_true(cap_folder_compose(folder, &letter, at(0), &draft, &problem));
        assert_int_equal(cap_folder_store(folder, draft, &problem), good == 1);
        free(draft);
        assert_int_equal(cap_folder_finish(folder, at(0), &problem), good == 0);
        assert_has(problem.text, "No space left on device");
        left = 1000;
        assert_int_equal(tell(folder, &letter, 60), good == 0);
        assert_int_equal(times_in(read_file(CAP_FEED_NAME), "<entry>"), (size_t)good + 1);
        cap_folder_free(folder);
    }
}

static void a_folder_that_cannot_be(void **state)
{
    struct cap_folder_settings elsewhere = settings;
    struct problem problem = { "" };
    (void)state;
    elsewhere.path = "/dev/null/cap";
    assert_null(cap_folder_open(&files_posix, &elsewhere, at(0), &problem));
    assert_has(problem.text, "/dev/null/cap");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_says_all_there_is),
        cmocka_unit_test(what_is_over_is_past_and_all_clear),
        cmocka_unit_test(unknown_places_and_values_are_left_out),
        cmocka_unit_test(what_xml_has_no_place_for),
        cmocka_unit_test(a_buffer_too_small_gives_nothing),
        cmocka_unit_test(the_widest_letter_fits),
        cmocka_unit_test(facts_are_read_back),
        IN_FOLDER(an_alarm_from_its_first_message_to_its_last),
        IN_FOLDER(a_delivery_repeated_makes_nothing_new),
        IN_FOLDER(series_do_not_meet),
        IN_FOLDER(what_was_never_told_is_not_cancelled),
        IN_FOLDER(later_messages_are_sent_later),
        IN_FOLDER(what_stays_active_does_not_expire),
        IN_FOLDER(of_very_many_messages_the_first_and_the_latest_are_named),
        IN_FOLDER(old_files_go),
        IN_FOLDER(the_feed_has_the_newest_hundred),
        IN_FOLDER(strangers_in_the_folder),
        IN_FOLDER(a_disk_without_space),
        cmocka_unit_test(a_folder_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
