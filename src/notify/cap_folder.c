#include "notify/cap_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "phusa/number.h"

#define PATH_CHARS 4096
#define SUFFIX     ".xml"
#define FRESH      ".new" /* of a file that was being replaced: files.h */
#define FIRST_ROOM 64
/* Files that are looked at when the folder is opened, which is more than we leave there. */
#define SCAN_MAX   ((size_t)2 * CAP_FILES_MAX)

/* A message that is a file. */
struct record {
    char identifier[CAP_IDENTIFIER_MAX + 1];
    char incident[CAP_INCIDENT_MAX + 1];
    char reference[CAP_REFERENCE_MAX + 1]; /* as later messages name it, escaped */
    enum cap_type type;
    int64_t sent_ns, expires_ns;
    char *entry; /* of the feed; made when it is needed, NULL again when it is too old for it */
    size_t entry_length;
};

struct cap_folder {
    const struct file_ops *files;
    struct cap_folder_settings settings;
    size_t count, room;
    struct record **records;    /* oldest first */
    bool changed;               /* the feed is not what it should be */
    char text[CAP_MESSAGE_MAX]; /* the message that is being made or read */
};

/* --- records -------------------------------------------------------------------- */

static void record_free(struct record *record)
{
    if (record != NULL) {
        free(record->entry);
        free(record);
    }
}

static void copy_slice(char *to, struct phusa_text from)
{
    memcpy(to, from.data, from.length);
    to[from.length] = '\0';
}

/* The facts are within the limits of cap_facts_read. */
static struct record *record_create(const struct cap_facts *facts)
{
    struct record *record = calloc(1, sizeof *record);
    if (record != NULL) {
        copy_slice(record->identifier, facts->identifier);
        copy_slice(record->incident, facts->incident);
        (void)snprintf(record->reference, sizeof record->reference, "%.*s,%.*s,%.*s",
                       (int)facts->sender.length, facts->sender.data, (int)facts->identifier.length,
                       facts->identifier.data, (int)facts->sent.length, facts->sent.data);
        record->type = facts->type;
        record->sent_ns = facts->sent_ns;
        record->expires_ns = facts->expires_ns;
    }
    return record;
}

static bool append(struct cap_folder *folder, struct record *record)
{
    if (record == NULL) {
        return false;
    }
    if (folder->count == folder->room) {
        size_t room = folder->room == 0 ? FIRST_ROOM : 2 * folder->room;
        struct record **records = realloc(folder->records, room * sizeof(struct record *));
        if (records == NULL) {
            record_free(record);
            return false;
        }
        folder->records = records;
        folder->room = room;
    }
    folder->records[folder->count++] = record;
    folder->changed = true;
    return true;
}

static bool is_there(const struct cap_folder *folder, const char *identifier)
{
    for (size_t i = folder->count; i-- > 0;) {
        if (strcmp(folder->records[i]->identifier, identifier) == 0) {
            return true;
        }
    }
    return false;
}

/* The newest message of a series; NULL if there is none. */
static const struct record *newest_of(const struct cap_folder *folder, const char *series)
{
    size_t length = strlen(series);
    for (size_t i = folder->count; i-- > 0;) {
        const struct record *record = folder->records[i];
        if (strncmp(record->incident, series, length) == 0 && record->incident[length] == '@') {
            return record;
        }
    }
    return NULL;
}

/* --- files ------------------------------------------------------------------------ */

static bool path_of(const struct cap_folder *folder, const char *name, const char *suffix,
                    char path[PATH_CHARS])
{
    int length = snprintf(path, PATH_CHARS, "%s/%s%s", folder->settings.path, name, suffix);
    if (length < 0 || length >= PATH_CHARS) {
        errno = ENAMETOOLONG;
        return false;
    }
    return true;
}

static bool complain(const struct cap_folder *folder, const char *what, const char *name,
                     struct problem *problem)
{
    problem_set(problem, "cannot %s %s/%s: %s", what, folder->settings.path, name, strerror(errno));
    return false;
}

/* Reads a message into folder->text. */
static bool read_message(struct cap_folder *folder, const char *identifier, struct cap_facts *facts)
{
    char path[PATH_CHARS];
    const struct file_ops *files = folder->files;
    int fd = path_of(folder, identifier, SUFFIX, path)
                 ? files->open(files->context, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0)
                 : -1;
    if (fd < 0) {
        return false;
    }
    ssize_t length = files_pread_all(files, fd, folder->text, CAP_MESSAGE_MAX, 0);
    (void)files->close(files->context, fd);
    return length > 0 &&
           cap_facts_read((struct phusa_text){ folder->text, (size_t)length }, facts) &&
           phusa_text_equal(facts->identifier, phusa_text_of(identifier));
}

/* True if the name is an identifier and `end`; the identifier is copied. */
static bool split_name(const char *name, const char *end, char identifier[CAP_IDENTIFIER_MAX + 1])
{
    size_t length = strspn(name, "0123456789abcdef-");
    if (length == 0 || length > CAP_IDENTIFIER_MAX || strcmp(name + length, end) != 0) {
        return false;
    }
    copy_slice(identifier, (struct phusa_text){ name, length });
    return true;
}

/* What the folder was left with: messages, and files whose replacing did not come to its end. */
static void look_at(void *context, const char *name)
{
    struct cap_folder *folder = context;
    char identifier[CAP_IDENTIFIER_MAX + 1], path[PATH_CHARS];
    struct cap_facts facts;
    if (split_name(name, SUFFIX FRESH, identifier)) {
        if (path_of(folder, name, "", path)) {
            (void)folder->files->unlink(folder->files->context, path);
        }
    } else if (folder->count < SCAN_MAX && split_name(name, SUFFIX, identifier) &&
               read_message(folder, identifier, &facts)) {
        (void)append(folder, record_create(&facts));
    }
}

static int by_time(const void *a, const void *b)
{
    const struct record *one = *(struct record *const *)a, *other = *(struct record *const *)b;
    if (one->sent_ns != other->sent_ns) {
        return one->sent_ns < other->sent_ns ? -1 : 1;
    }
    return strcmp(one->identifier, other->identifier);
}

struct cap_folder *cap_folder_open(const struct file_ops *files,
                                   const struct cap_folder_settings *settings, wall_time now,
                                   struct problem *problem)
{
    struct cap_folder *folder = calloc(1, sizeof *folder);
    if (folder == NULL) {
        problem_set(problem, "out of memory");
        return NULL;
    }
    folder->files = files;
    folder->settings = *settings;
    folder->changed = true;
    if (files_make_path(files, settings->path) != 0) {
        (void)complain(folder, "make", "", problem);
    } else if (files->list(files->context, settings->path, look_at, folder) != 0) {
        (void)complain(folder, "read", "", problem);
    } else {
        if (folder->count > 0) {
            qsort(folder->records, folder->count, sizeof(struct record *), by_time);
        }
        if (cap_folder_finish(folder, now, problem)) {
            return folder;
        }
    }
    cap_folder_free(folder);
    return NULL;
}

void cap_folder_free(struct cap_folder *folder)
{
    if (folder == NULL) {
        return;
    }
    for (size_t i = 0; i < folder->count; i++) {
        record_free(folder->records[i]);
    }
    free(folder->records);
    free(folder);
}

/* --- composing --------------------------------------------------------------------- */

/* Names the messages of an incident: all, or the first and the latest of very many. */
static size_t list_references(const struct cap_folder *folder, const char *incident,
                              const char *references[CAP_REFERENCES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < folder->count; i++) {
        if (strcmp(folder->records[i]->incident, incident) != 0) {
            continue;
        }
        if (count == CAP_REFERENCES_MAX) {
            memmove(references + 1, references + 2,
                    (CAP_REFERENCES_MAX - 2) * sizeof(const char *));
            count--;
        }
        references[count++] = folder->records[i]->reference;
    }
    return count;
}

static int64_t whole_second(int64_t ns)
{
    return ns - ns % SECOND_NS;
}

/* Files hold whole seconds; readers go by them to tell which message is the later one. */
static int64_t sending_time(const struct record *newest, wall_time now)
{
    int64_t sent_ns = whole_second(now.ns);
    return newest != NULL && newest->sent_ns >= sent_ns ? newest->sent_ns + SECOND_NS : sent_ns;
}

static void print_incident(const struct letter *letter, const char *series,
                           char incident[CAP_INCIDENT_MAX + 1])
{
    char seconds[PHUSA_DOUBLE_CHARS];
    int digits = (int)phusa_seconds_print(letter->time_ns, seconds);
    (void)snprintf(incident, CAP_INCIDENT_MAX + 1, "%s@%.*s", series, digits, seconds);
}

/* `newest` is the series' newest message, NULL if there is none. */
static bool compose(struct cap_folder *folder, const struct letter *letter, const char *series,
                    const struct record *newest, const char *identifier, wall_time now,
                    struct cap_draft **draft)
{
    const struct cap_folder_settings *settings = &folder->settings;
    char incident[CAP_INCIDENT_MAX + 1];
    const char *references[CAP_REFERENCES_MAX];
    struct cap_message message = { .identifier = identifier, .references = references };
    bool goes_on = newest != NULL && newest->type != CAP_CANCEL;
    message.sent_ns = sending_time(newest, now);
    message.expires_ns = whole_second(message.sent_ns + settings->expires_ns);
    message.type = letter->to == SEVERITY_NORMAL ? CAP_CANCEL : goes_on ? CAP_UPDATE : CAP_ALERT;
    if (goes_on) {
        message.incident = newest->incident;
        message.reference_count = list_references(folder, newest->incident, references);
    } else {
        print_incident(letter, series, incident);
        message.incident = incident;
    }
    size_t length =
        cap_write(letter, &message, &settings->source, folder->text, sizeof folder->text);
    struct cap_draft *made = length == 0 ? NULL : malloc(sizeof *made + length + 1);
    if (made == NULL) {
        return false;
    }
    copy_slice(made->identifier, phusa_text_of(identifier));
    copy_slice(made->text, (struct phusa_text){ folder->text, length });
    made->length = length;
    *draft = made;
    return true;
}

static bool check(bool good, struct problem *problem)
{
    if (!good) {
        problem_set(problem, "the message is too long, or out of memory");
    }
    return good;
}

bool cap_folder_compose(struct cap_folder *folder, const struct letter *letter, wall_time now,
                        struct cap_draft **draft, struct problem *problem)
{
    char series[CAP_INCIDENT_MAX + 1];
    *draft = NULL;
    if (strlen(letter->key) > NOTICE_KEY_CHARS || !cap_series_print(letter, series)) {
        return check(false, problem);
    }
    const struct record *newest = newest_of(folder, series);
    bool told = newest != NULL && newest->type != CAP_CANCEL;
    if (is_there(folder, letter->key) || (letter->to == SEVERITY_NORMAL && !told)) {
        return true;
    }
    return check(compose(folder, letter, series, newest, letter->key, now, draft), problem);
}

bool cap_folder_renew(struct cap_folder *folder, const struct letter *letter, wall_time now,
                      struct cap_draft **draft, struct problem *problem)
{
    char series[CAP_INCIDENT_MAX + 1], identifier[CAP_IDENTIFIER_MAX + 1];
    *draft = NULL;
    if (strlen(letter->key) > NOTICE_KEY_CHARS || !cap_series_print(letter, series)) {
        return check(false, problem);
    }
    const struct record *newest = newest_of(folder, series);
    if (newest == NULL || newest->type == CAP_CANCEL || letter->to == SEVERITY_NORMAL ||
        now.ns < newest->expires_ns - folder->settings.expires_ns / 2) {
        return true;
    }
    (void)snprintf(identifier, sizeof identifier, "%s-%llx", letter->key,
                   (unsigned long long)(sending_time(newest, now) / SECOND_NS));
    return check(compose(folder, letter, series, newest, identifier, now, draft), problem);
}

bool cap_folder_store(struct cap_folder *folder, const struct cap_draft *draft,
                      struct problem *problem)
{
    char path[PATH_CHARS];
    struct cap_facts facts;
    struct file_part part = { draft->text, draft->length };
    if (!path_of(folder, draft->identifier, SUFFIX, path) ||
        files_replace(folder->files, path, &part, 1) != 0) {
        return complain(folder, "write", draft->identifier, problem);
    }
    if (!cap_facts_read((struct phusa_text){ draft->text, draft->length }, &facts) ||
        !append(folder, record_create(&facts))) {
        problem_set(problem, "the message cannot be remembered");
        return false;
    }
    return true;
}

/* --- the feed ------------------------------------------------------------------------ */

static bool is_too_old(const struct cap_folder *folder, wall_time now)
{
    return folder->count > CAP_FILES_MAX ||
           (folder->count > 0 && folder->records[0]->expires_ns + CAP_KEEP_NS < now.ns);
}

/* Removes the oldest message. */
static bool remove_oldest(struct cap_folder *folder, struct problem *problem)
{
    char path[PATH_CHARS];
    const char *identifier = folder->records[0]->identifier;
    if (!path_of(folder, identifier, SUFFIX, path) ||
        (folder->files->unlink(folder->files->context, path) != 0 && errno != ENOENT)) {
        return complain(folder, "remove", identifier, problem);
    }
    record_free(folder->records[0]);
    folder->count--;
    memmove(folder->records, folder->records + 1, folder->count * sizeof(struct record *));
    folder->changed = true;
    return true;
}

/* Makes the entry of a message if it is not there. False if it cannot be read any more. */
static bool have_entry(struct cap_folder *folder, struct record *record)
{
    char entry[CAP_ENTRY_MAX];
    struct cap_facts facts;
    if (record->entry != NULL) {
        return true;
    }
    size_t length = read_message(folder, record->identifier, &facts)
                        ? cap_entry_write(&facts, entry, sizeof entry)
                        : 0;
    record->entry = length == 0 ? NULL : malloc(length);
    if (record->entry == NULL) {
        return false;
    }
    memcpy(record->entry, entry, length);
    record->entry_length = length;
    return true;
}

/* The newest first; a message whose file somebody removed is left out. */
static size_t list_entries(struct cap_folder *folder, struct file_part parts[CAP_FEED_MAX])
{
    size_t count = 0, first = folder->count > CAP_FEED_MAX ? folder->count - CAP_FEED_MAX : 0;
    for (size_t i = folder->count; i-- > first;) {
        struct record *record = folder->records[i];
        if (have_entry(folder, record)) {
            parts[count++] = (struct file_part){ record->entry, record->entry_length };
        }
    }
    for (size_t i = first; i-- > 0 && folder->records[i]->entry != NULL;) {
        free(folder->records[i]->entry);
        folder->records[i]->entry = NULL;
    }
    return count;
}

static bool write_feed(struct cap_folder *folder, wall_time now, struct problem *problem)
{
    struct file_part parts[CAP_FEED_MAX + 2];
    char head[CAP_HEAD_MAX], path[PATH_CHARS];
    const struct cap_folder_settings *settings = &folder->settings;
    int64_t updated_ns = folder->count > 0 ? folder->records[folder->count - 1]->sent_ns : now.ns;
    size_t count = list_entries(folder, parts + 1);
    parts[0] =
        (struct file_part){ head, cap_head_write(&settings->source, settings->channel, updated_ns,
                                                 settings->utc_offset_s, head, sizeof head) };
    parts[count + 1] = (struct file_part){ CAP_FEED_END, strlen(CAP_FEED_END) };
    if (parts[0].length == 0) {
        problem_set(problem, "the sender's name is too long for a feed");
        return false;
    }
    if (!path_of(folder, CAP_FEED_NAME, "", path) ||
        files_replace(folder->files, path, parts, count + 2) != 0) {
        return complain(folder, "write", CAP_FEED_NAME, problem);
    }
    folder->changed = false;
    return true;
}

bool cap_folder_finish(struct cap_folder *folder, wall_time now, struct problem *problem)
{
    while (is_too_old(folder, now)) {
        if (!remove_oldest(folder, problem)) {
            return false;
        }
    }
    return !folder->changed || write_feed(folder, now, problem);
}
