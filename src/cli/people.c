/* The table of subscribers in memory: lines, who wishes what already, and writing it. */
#include "cli/people.h"

#include <errno.h>
#include <math.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/put_file.h"

#define READ_PIECE ((size_t)64 << 10)

/* --- a file's text ---------------------------------------------------------------------------- */

/* What comes until the end, to be freed; NULL with errno, EFBIG when it is more than a table. */
static char *read_all(FILE *file, size_t *length)
{
    char *text = NULL;
    size_t room = 0;
    *length = 0;
    while (feof(file) == 0 && ferror(file) == 0) {
        if (*length == room) {
            room += room == 0 ? READ_PIECE : room;
            char *more = realloc(text, room);
            if (more == NULL) {
                free(text);
                return NULL;
            }
            text = more;
        }
        *length += fread(text + *length, 1, room - *length, file);
        if (*length > SUBSCRIBER_FILE_MAX) {
            free(text);
            errno = EFBIG;
            return NULL;
        }
    }
    if (ferror(file) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

char *people_read_file(const char *path, bool may_lack, size_t *length, struct problem *problem)
{
    bool from_stdin = strcmp(path, "-") == 0;
    FILE *file = from_stdin ? stdin : fopen(path, "rbe");
    *length = 0;
    if (file == NULL && errno == ENOENT && may_lack) {
        return calloc(1, 1);
    }
    char *text = file == NULL ? NULL : read_all(file, length);
    if (text == NULL) {
        problem_set(problem, "%s: %s", path, strerror(errno));
    }
    if (file != NULL && !from_stdin) {
        (void)fclose(file);
    }
    return text;
}

/* --- a person --------------------------------------------------------------------------------- */

void people_address(const char *text, char address[SUBSCRIBER_ADDRESS_MAX + 1])
{
    char number[17];
    bool phone = subscriber_phone(phusa_text_of(text), number);
    (void)snprintf(address, SUBSCRIBER_ADDRESS_MAX + 1, "%s", phone ? number : text);
}

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

/* What a line wishes that the collector does not understand. */
static void read_bare(struct person *person)
{
    const char *const *of = person->row.of;
    people_address(of[SUBSCRIBER_ADDRESS], person->address);
    person->wish = (struct subscriber){ .name = of[SUBSCRIBER_NAME],
                                        .channel = of[SUBSCRIBER_CHANNEL],
                                        .address = person->address,
                                        .site = or_null(of[SUBSCRIBER_SITE]),
                                        .station = or_null(of[SUBSCRIBER_STATION]),
                                        .use = of[SUBSCRIBER_USE],
                                        .active = strcmp(of[SUBSCRIBER_ACTIVE], "no") != 0,
                                        .line = person->row.line };
}

static struct person *copy_row(const struct subscriber_row *row)
{
    size_t length = 0;
    for (int i = 0; i < SUBSCRIBER_COLUMNS; i++) {
        length += strlen(row->of[i]) + 1;
    }
    struct person *person = calloc(1, sizeof *person + length);
    if (person == NULL) {
        return NULL;
    }
    char *at = person->texts;
    for (int i = 0; i < SUBSCRIBER_COLUMNS; i++) {
        size_t size = strlen(row->of[i]) + 1;
        memcpy(at, row->of[i], size);
        person->row.of[i] = at;
        at += size;
    }
    person->row.line = row->line;
    return person;
}

/* That something would come of a wish, whose fields are right. */
static bool makes_sense(const struct settings *settings, const struct subscriber *wish,
                        struct problem *problem)
{
    if (!subscriber_reached(settings, wish)) {
        problem_set(problem, "no rule of this use is for this place and names the channel; nothing "
                             "would ever be sent");
        return false;
    }
    return isnan(wish->threshold) || !wish->active ||
           subscriber_limit_fits(settings, wish, problem);
}

struct person *person_make(const struct settings *settings, const struct subscriber_row *row,
                           struct problem *problem)
{
    struct person *person = copy_row(row);
    if (person == NULL) {
        problem_set(problem, "out of memory");
        return NULL;
    }
    bool read = subscriber_make(settings, &person->row, &person->wish, person->address, problem);
    if (!read) {
        read_bare(person);
    }
    person->good = read && makes_sense(settings, &person->wish, problem);
    return person;
}

/* --- all of them ------------------------------------------------------------------------------ */

static int compare_texts(const char *one, const char *other)
{
    return strcmp(one == NULL ? "" : one, other == NULL ? "" : other);
}

static int compare_wishes(const void *left, const void *right)
{
    const struct subscriber *a = &((const struct person *)left)->wish,
                            *b = &((const struct person *)right)->wish;
    int order = strcmp(a->address, b->address);
    order = order != 0 ? order : strcmp(a->channel, b->channel);
    order = order != 0 ? order : compare_texts(a->station, b->station);
    order = order != 0 ? order : compare_texts(a->site, b->site);
    return order != 0 ? order : strcmp(a->use, b->use);
}

const struct person *people_find(const struct people *people, const struct person *person)
{
    const struct person *const *found = tfind(person, &people->wishes, compare_wishes);
    return found == NULL ? NULL : *found;
}

bool people_add(struct people *people, struct person *person)
{
    if (people->count == people->capacity) {
        size_t capacity = people->capacity == 0 ? 64 : 2 * people->capacity;
        struct person **items = realloc(people->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        people->items = items;
        people->capacity = capacity;
    }
    if (people->count == SUBSCRIBERS_MAX ||
        tsearch(person, &people->wishes, compare_wishes) == NULL) {
        return false;
    }
    people->items[people->count++] = person;
    return true;
}

void people_remove(struct people *people, const bool *gone)
{
    size_t kept = 0;
    for (size_t i = 0; i < people->count; i++) {
        struct person *person = people->items[i];
        if (!gone[i]) {
            people->items[kept++] = person;
            continue;
        }
        if (people_find(people, person) == person) {
            (void)tdelete(person, &people->wishes, compare_wishes);
        }
        free(person);
    }
    people->count = kept;
}

struct people people_of(const struct settings *settings)
{
    return (struct people){ .settings = settings };
}

static void leave(void *person)
{
    (void)person; /* freed with the items */
}

void people_free(struct people *people)
{
    tdestroy(people->wishes, leave);
    for (size_t i = 0; i < people->count; i++) {
        free(people->items[i]);
    }
    free((void *)people->items);
    *people = (struct people){ 0 };
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool write_lines(void *context, FILE *file)
{
    const struct people *people = context;
    bool good = fputs(SUBSCRIBER_HEADER, file) != EOF;
    for (size_t i = 0; good && i < people->count; i++) {
        char line[SUBSCRIBER_LINE_MAX];
        size_t length = subscriber_row_print(&people->items[i]->row, line, sizeof line);
        good = length > 0 && fwrite(line, 1, length, file) == length;
    }
    return good;
}

bool people_write(struct people *people, const char *path, struct problem *problem)
{
    return put_file_replace(path, write_lines, people, problem);
}
