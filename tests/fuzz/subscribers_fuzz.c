/* Tables of subscribers: each line is a row or a bad line, and what is read as a subscriber is
 * written as a line that is read as the same. */
#include <math.h>

#include "fuzz.h"
#include "settings/settings.h"

static const struct station stations[] = { { .id = "s1", .site = "x", .kind = "water" },
                                           { .id = "s2", .site = "y", .kind = "water" } };
static const struct rule rules[] = { { .id = "r1", .kind = "water", .use = "rice" } };
static const struct channel_settings channels[] = {
    { .id = "mail", .kind = CHANNEL_EMAIL, .subscribers = true },
    { .id = "sms", .kind = CHANNEL_SMS, .subscribers = true },
};
static const struct settings settings = {
    .registry = { stations, 2 }, .rulebook = { rules, 1 }, .channels = channels, .channel_count = 2
};

struct seen {
    int line;
    size_t rows, bad;
    const struct subscriber *expected; /* NULL: none */
};

static bool same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static void compare(const struct subscriber *a, const struct subscriber *b)
{
    ENSURE(same_text(a->name, b->name) && same_text(a->channel, b->channel));
    ENSURE(same_text(a->address, b->address) && same_text(a->site, b->site));
    ENSURE(same_text(a->station, b->station) && same_text(a->use, b->use));
    ENSURE(a->language == b->language && a->active == b->active);
    ENSURE(isnan(a->threshold) ? isnan(b->threshold) : a->threshold == b->threshold);
    bool quiet = a->quiet.from_s != a->quiet.until_s;
    ENSURE(quiet == (b->quiet.from_s != b->quiet.until_s));
    ENSURE(!quiet || (a->quiet.from_s == b->quiet.from_s && a->quiet.until_s == b->quiet.until_s));
}

static void take_bad(void *context, int line, const char *what)
{
    struct seen *seen = context;
    ENSURE(line >= seen->line && what[0] != '\0' && seen->expected == NULL);
    seen->line = line;
    seen->bad++;
}

static void take_row(void *context, const struct subscriber_row *row);

static void read_back(const struct subscriber *subscriber)
{
    char text[sizeof(SUBSCRIBER_HEADER) + SUBSCRIBER_ROW_MAX] = SUBSCRIBER_HEADER;
    char *line = text + sizeof(SUBSCRIBER_HEADER) - 1;
    size_t length = subscriber_print(subscriber, line, SUBSCRIBER_ROW_MAX);
    ENSURE(length == 0 || line[length - 1] == '\n');
    if (length > 0) {
        struct seen again = { .expected = subscriber };
        const struct subscriber_rows to = { &again, take_row, take_bad };
        ENSURE(subscribers_each_row(phusa_text_of(text), &to) && again.rows == 1);
    }
}

static void take_row(void *context, const struct subscriber_row *row)
{
    struct seen *seen = context;
    struct subscriber subscriber;
    char address[SUBSCRIBER_ADDRESS_MAX + 1];
    struct problem problem = { "" };
    ENSURE(row->line >= seen->line);
    seen->line = row->line;
    seen->rows++;
    bool good = subscriber_make(&settings, row, &subscriber, address, &problem);
    ENSURE(good == (problem.text[0] == '\0'));
    if (seen->expected != NULL) {
        ENSURE(good);
        compare(seen->expected, &subscriber);
    } else if (good) {
        read_back(&subscriber);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen = { .line = 0 };
    const struct subscriber_rows to = { &seen, take_row, take_bad };
    bool good = subscribers_each_row((struct phusa_text){ fuzz_text(data, size), size }, &to);
    ENSURE(good || (seen.rows == 0 && seen.bad == 1));
    return 0;
}
