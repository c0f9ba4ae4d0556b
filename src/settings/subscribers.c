/* The table of subscribers: RFC 4180 read and written, and what its fields must be. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "phusa/number.h"
#include "settings/settings.h"

#define DAY_HOURS  24
#define LISTED_MAX 256 /* bytes of a list of what there is */
#define HINT_MAX   96

static const char *const column_names[SUBSCRIBER_COLUMNS] = {
    [SUBSCRIBER_NAME] = "name",
    [SUBSCRIBER_CHANNEL] = "channel",
    [SUBSCRIBER_ADDRESS] = "address",
    [SUBSCRIBER_SITE] = "site",
    [SUBSCRIBER_STATION] = "station",
    [SUBSCRIBER_USE] = "use",
    [SUBSCRIBER_LANGUAGE] = "language",
    [SUBSCRIBER_THRESHOLD] = "threshold",
    [SUBSCRIBER_QUIET_FROM] = "quiet_from",
    [SUBSCRIBER_QUIET_UNTIL] = "quiet_until",
    [SUBSCRIBER_ACTIVE] = "active",
};

const char *subscriber_column_name(enum subscriber_column column)
{
    return column_names[column];
}

/* ---- RFC 4180 ---- */

struct reader {
    const char *at, *end;
    char separator;
    int line;                      /* of at */
    char text[SUBSCRIBER_ROW_MAX]; /* the fields, each terminated */
    size_t used;
    const char *fields[SUBSCRIBER_FIELDS_MAX];
    size_t count;
    const char *wrong; /* of the row; NULL = nothing */
};

static void keep(struct reader *reader, char c)
{
    if (reader->used + 1 >= sizeof reader->text) {
        reader->wrong = "the line is too long";
    } else {
        reader->text[reader->used++] = c;
    }
}

static bool at_row_end(const struct reader *reader)
{
    return reader->at == reader->end || *reader->at == '\n' || *reader->at == '\r';
}

/* A field in quotes, behind the first of them; lines may end inside. */
static void read_quoted(struct reader *reader)
{
    while (reader->at < reader->end) {
        char c = *reader->at++;
        if (c == '"' && (reader->at == reader->end || *reader->at != '"')) {
            return;
        }
        reader->at += c == '"' ? 1 : 0;
        reader->line += c == '\n' ? 1 : 0;
        if ((unsigned char)c < 0x20 || c == 0x7f) {
            reader->wrong = "a field holds a line break or control character";
        }
        keep(reader, c);
    }
    reader->wrong = "a quote does not end";
}

static void read_plain(struct reader *reader)
{
    while (!at_row_end(reader) && *reader->at != reader->separator) {
        char c = *reader->at++;
        if (c == '"') {
            reader->wrong = "a quote stands inside a field without quotes; double it and quote "
                            "the field";
        } else if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f) {
            reader->wrong = "a field holds a control character";
        }
        keep(reader, c);
    }
}

/* What a spreadsheet would take for a formula: "=cmd|...", not "+84 901 234 567". */
static bool is_formula(const char *text)
{
    bool number = text[strspn(text, "+-0123456789., ()")] == '\0';
    return text[0] == '=' || text[0] == '@' || ((text[0] == '+' || text[0] == '-') && !number);
}

/* A formula, or one behind quotes: what is written with one quote more. */
static bool is_guarded(const char *text)
{
    return is_formula(text + strspn(text, "'"));
}

/* Without the spaces round it, and without the quote that guards it. */
static void end_field(struct reader *reader, char *start)
{
    while (reader->text + reader->used > start && reader->text[reader->used - 1] == ' ') {
        reader->used--;
    }
    reader->text[reader->used] = '\0';
    reader->used += reader->used + 1 < sizeof reader->text ? 1 : 0;
    if (reader->count == SUBSCRIBER_FIELDS_MAX) {
        reader->wrong = "the line has too many fields";
    } else {
        const char *field = start + strspn(start, " ");
        reader->fields[reader->count++] = field + (field[0] == '\'' && is_guarded(field) ? 1 : 0);
    }
}

static void read_field(struct reader *reader)
{
    char *start = reader->text + reader->used;
    while (reader->at < reader->end && *reader->at == ' ') {
        reader->at++;
    }
    if (reader->at < reader->end && *reader->at == '"') {
        reader->at++;
        read_quoted(reader);
    }
    read_plain(reader);
    end_field(reader, start);
}

static void skip_row_end(struct reader *reader)
{
    if (reader->at < reader->end && *reader->at == '\r') {
        reader->at++;
    }
    if (reader->at < reader->end && *reader->at == '\n') {
        reader->at++;
    }
    reader->line++;
}

/* The next row's fields; false at the end. */
static bool read_row(struct reader *reader, int *line)
{
    if (reader->at == reader->end) {
        return false;
    }
    reader->used = reader->count = 0;
    reader->wrong = NULL;
    *line = reader->line;
    read_field(reader);
    while (!at_row_end(reader)) {
        reader->at++; /* a separator: plain text ends nowhere else */
        read_field(reader);
    }
    skip_row_end(reader);
    return true;
}

static bool is_blank(const struct reader *reader)
{
    return reader->wrong == NULL && reader->count == 1 && reader->fields[0][0] == '\0';
}

/* ---- columns ---- */

/* Where each column stands; SUBSCRIBER_FIELDS_MAX = nowhere. */
struct columns {
    size_t place[SUBSCRIBER_COLUMNS];
    size_t count;
};

static char find_separator(struct phusa_text csv)
{
    const char *end = csv.length == 0 ? NULL : memchr(csv.data, '\n', csv.length);
    size_t length = end == NULL ? csv.length : (size_t)(end - csv.data);
    static const char candidates[] = { ',', ';', '\t' };
    for (size_t i = 0; i < sizeof candidates && length > 0; i++) {
        if (memchr(csv.data, candidates[i], length) != NULL) {
            return candidates[i];
        }
    }
    return ',';
}

static const char *read_header(const struct reader *reader, struct columns *columns)
{
    columns->count = reader->count;
    for (int i = 0; i < SUBSCRIBER_COLUMNS; i++) {
        columns->place[i] = SUBSCRIBER_FIELDS_MAX;
        for (size_t j = 0; j < reader->count; j++) {
            if (strcmp(reader->fields[j], column_names[i]) != 0) {
                continue;
            }
            if (columns->place[i] != SUBSCRIBER_FIELDS_MAX) {
                return "the header names a column twice";
            }
            columns->place[i] = j;
        }
    }
    bool placed = columns->place[SUBSCRIBER_SITE] != SUBSCRIBER_FIELDS_MAX ||
                  columns->place[SUBSCRIBER_STATION] != SUBSCRIBER_FIELDS_MAX;
    bool reached = columns->place[SUBSCRIBER_CHANNEL] != SUBSCRIBER_FIELDS_MAX &&
                   columns->place[SUBSCRIBER_ADDRESS] != SUBSCRIBER_FIELDS_MAX;
    return placed && reached ? reader->wrong
                             : "the header must name channel, address, and site or station; write "
                               "name,channel,address,site,station,use,language,threshold,"
                               "quiet_from,quiet_until,active";
}

static const char *check_row(const struct reader *reader, const struct columns *columns)
{
    if (reader->wrong != NULL) {
        return reader->wrong;
    }
    for (size_t i = 0; i < reader->count; i++) {
        if (!config_is_utf8(reader->fields[i])) {
            return "a field is not UTF-8; save the file as UTF-8";
        }
    }
    return reader->count == columns->count ? NULL : "the line has not as many fields as the header";
}

static void hand_row(const struct reader *reader, const struct columns *columns, int line,
                     const struct subscriber_rows *to)
{
    const char *wrong = check_row(reader, columns);
    if (wrong != NULL) {
        to->bad(to->context, line, wrong);
        return;
    }
    struct subscriber_row row = { .line = line };
    for (int i = 0; i < SUBSCRIBER_COLUMNS; i++) {
        bool given = columns->place[i] < reader->count;
        row.of[i] = given ? reader->fields[columns->place[i]] : "";
    }
    to->row(to->context, &row);
}

bool subscribers_each_row(struct phusa_text csv, const struct subscriber_rows *to)
{
    static const char mark[] = "\xEF\xBB\xBF";
    if (csv.length >= sizeof mark - 1 && memcmp(csv.data, mark, sizeof mark - 1) == 0) {
        csv = (struct phusa_text){ csv.data + sizeof mark - 1, csv.length - (sizeof mark - 1) };
    }
    struct reader reader = { .at = csv.length == 0 ? "" : csv.data,
                             .separator = find_separator(csv),
                             .line = 1 };
    reader.end = reader.at + csv.length;
    struct columns columns;
    int line = 1;
    const char *wrong = read_row(&reader, &line)
                            ? read_header(&reader, &columns)
                            : "the file is empty; its first line names the columns";
    if (wrong != NULL) {
        to->bad(to->context, line, wrong);
        return false;
    }
    while (read_row(&reader, &line)) {
        if (!is_blank(&reader)) {
            hand_row(&reader, &columns, line, to);
        }
    }
    return true;
}

/* ---- what the fields must be ---- */

static bool is_listed(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; *at != '\0'; at += strspn(at, ", ")) {
        size_t end = strcspn(at, ",");
        if (end == length && memcmp(at, word, length) == 0) {
            return true;
        }
        at += end;
    }
    return false;
}

/* Appends a word that the list does not have; "..." stands for all that has no room. */
static void list_word(char list[LISTED_MAX], const char *word)
{
    static const char rest[] = ", ...";
    size_t used = strlen(list);
    bool full = used > 0 && list[used - 1] == '.'; /* no id ends with one */
    if (full || is_listed(list, word)) {
        return;
    }
    bool fits = used + 2 + strlen(word) + sizeof rest <= LISTED_MAX;
    (void)snprintf(list + used, LISTED_MAX - used, "%s%s", used > 0 && fits ? ", " : "",
                   fits ? word : rest);
}

/* False, for what is returned. */
static bool wrong(struct problem *problem, const char *before, const char *text, const char *after)
{
    problem_set(problem, "%s%.64s%s", before, text, after);
    return false;
}

/* "\"fax\" is no channel with subscribers = true; those are: mail, sms" */
static bool no_channel(const struct settings *settings, const char *id, struct problem *problem)
{
    char known[LISTED_MAX] = "";
    for (size_t i = 0; i < settings->channel_count; i++) {
        if (settings->channels[i].subscribers) {
            list_word(known, settings->channels[i].id);
        }
    }
    problem_set(problem, "\"%.64s\" is no channel with subscribers = true; %s%s", id,
                known[0] == '\0' ? "there is none" : "those are: ", known);
    return false;
}

static bool take_address(const struct settings *settings, const struct subscriber_row *row,
                         struct subscriber *subscriber, char address[SUBSCRIBER_ADDRESS_MAX + 1],
                         struct problem *problem)
{
    const struct channel_settings *channel = NULL;
    const char *text = row->of[SUBSCRIBER_ADDRESS];
    char masked[ADDRESS_MASKED_MAX];
    for (size_t i = 0; i < settings->channel_count; i++) {
        if (strcmp(settings->channels[i].id, row->of[SUBSCRIBER_CHANNEL]) == 0) {
            channel = &settings->channels[i];
        }
    }
    if (channel == NULL || !channel->subscribers) {
        return no_channel(settings, row->of[SUBSCRIBER_CHANNEL], problem);
    }
    subscriber->channel = channel->id;
    subscriber->address = address;
    if (channel->kind == CHANNEL_SMS) {
        return subscriber_phone(phusa_text_of(text), address) ||
               wrong(problem, "\"", subscriber_mask(text, masked),
                     "\" is no mobile number; write it such as \"0901234567\"");
    }
    if (!subscriber_email(phusa_text_of(text))) {
        return wrong(problem, "\"", subscriber_mask(text, masked),
                     "\" is no e-mail address; write it such as \"name@example.vn\"");
    }
    (void)snprintf(address, SUBSCRIBER_ADDRESS_MAX + 1, "%s", text);
    return true;
}

static bool no_station(const struct registry *registry, const char *id, struct problem *problem)
{
    char hint[HINT_MAX];
    struct config_nearest nearest = { .word = id };
    for (size_t i = 0; i < registry->count; i++) {
        config_nearest_offer(&nearest, registry->stations[i].id);
    }
    problem_set(problem, "unknown station \"%.64s\"%s", id,
                config_nearest_hint(&nearest, hint, sizeof hint));
    return false;
}

/* A site as the registry has it, or NULL. */
static const char *find_site(const struct registry *registry, const char *site)
{
    for (size_t i = 0; i < registry->count; i++) {
        if (strcmp(registry->stations[i].site, site) == 0) {
            return registry->stations[i].site;
        }
    }
    return NULL;
}

static bool take_place(const struct settings *settings, const struct subscriber_row *row,
                       struct subscriber *subscriber, struct problem *problem)
{
    const char *site = row->of[SUBSCRIBER_SITE], *id = row->of[SUBSCRIBER_STATION];
    if (id[0] == '\0') {
        subscriber->site = site[0] == '\0' ? NULL : find_site(&settings->registry, site);
        if (site[0] == '\0') {
            return wrong(problem, "there is neither a site nor a station", "", "");
        }
        return subscriber->site != NULL || wrong(problem, "no station is of site \"", site, "\"");
    }
    const struct station *station = registry_find(&settings->registry, phusa_text_of(id));
    if (station == NULL) {
        return no_station(&settings->registry, id, problem);
    }
    subscriber->station = station->id;
    return site[0] == '\0' || strcmp(site, station->site) == 0 ||
           wrong(problem, "the station is not of site \"", site, "\"; leave one of them empty");
}

/* "no rule has the use \"tea\"; there are: boats, rice" */
static bool no_use(const struct rulebook *rulebook, const char *use, struct problem *problem)
{
    char known[LISTED_MAX] = "";
    for (size_t i = 0; i < rulebook->count; i++) {
        if (rulebook->rules[i].use != NULL) {
            list_word(known, rulebook->rules[i].use);
        }
    }
    problem_set(problem, "no rule has the use \"%.64s\"; %s%s", use,
                known[0] == '\0' ? "no rule has one" : "there are: ", known);
    return false;
}

static bool take_use(const struct settings *settings, const char *use,
                     struct subscriber *subscriber, struct problem *problem)
{
    subscriber->use = "";
    for (size_t i = 0; i < settings->rulebook.count && use[0] != '\0'; i++) {
        const char *known = settings->rulebook.rules[i].use;
        if (known != NULL && strcmp(known, use) == 0) {
            subscriber->use = known;
            return true;
        }
    }
    return use[0] == '\0' || no_use(&settings->rulebook, use, problem);
}

static bool take_language(const char *text, struct subscriber *subscriber, struct problem *problem)
{
    subscriber->language = strcmp(text, "en") == 0 ? LANGUAGE_EN : LANGUAGE_VI;
    return subscriber->language == LANGUAGE_EN || text[0] == '\0' || strcmp(text, "vi") == 0 ||
           wrong(problem, "\"language\" is \"", text, "\"; write vi or en");
}

/* "0.8", or "0,8" as spreadsheets in Vietnamese have it. */
static bool take_threshold(const char *text, struct subscriber *subscriber, struct problem *problem)
{
    char number[32];
    subscriber->threshold = NAN;
    if (text[0] == '\0') {
        return true;
    }
    int length = snprintf(number, sizeof number, "%s", text);
    for (char *at = number; *at != '\0'; at++) {
        *at = *at == ',' ? '.' : *at;
    }
    bool good = length < (int)sizeof number &&
                phusa_double_parse(number, (size_t)length, &subscriber->threshold) &&
                isfinite(subscriber->threshold);
    if (good && subscriber->use[0] == '\0') {
        return wrong(problem, "the own limit ", text, " has no use; say which rules it stands for");
    }
    return good || wrong(problem, "\"threshold\" is \"", text, "\"; write a number such as 0.8");
}

/* "21:00" to seconds of the day, -1 if it is none. */
static int32_t time_of_day(const char *text)
{
    static const char form[] = "00:00";
    if (strlen(text) != sizeof form - 1) {
        return -1;
    }
    for (size_t i = 0; i < sizeof form - 1; i++) {
        if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i]) {
            return -1;
        }
    }
    int hours = (text[0] - '0') * 10 + text[1] - '0',
        minutes = (text[3] - '0') * 10 + text[4] - '0';
    bool midnight = hours == DAY_HOURS && minutes == 0;
    return midnight ? 0 : hours < DAY_HOURS && minutes < 60 ? hours * 3600 + minutes * 60 : -1;
}

static bool take_quiet(const struct subscriber_row *row, struct subscriber *subscriber,
                       struct problem *problem)
{
    const char *from = row->of[SUBSCRIBER_QUIET_FROM], *until = row->of[SUBSCRIBER_QUIET_UNTIL];
    subscriber->quiet = (struct channel_quiet){ .below = SEVERITY_SEVERE };
    if (from[0] == '\0' && until[0] == '\0') {
        return true;
    }
    subscriber->quiet.from_s = time_of_day(from);
    subscriber->quiet.until_s = time_of_day(until);
    if (subscriber->quiet.from_s < 0 || subscriber->quiet.until_s < 0) {
        return wrong(problem,
                     "quiet_from and quiet_until are times such as 21:00 and 05:00, or both empty",
                     "", "");
    }
    return true;
}

static bool take_active(const char *text, struct subscriber *subscriber, struct problem *problem)
{
    subscriber->active = strcmp(text, "no") != 0;
    return !subscriber->active || text[0] == '\0' || strcmp(text, "yes") == 0 ||
           wrong(problem, "\"active\" is \"", text, "\"; write yes or no");
}

bool subscriber_make(const struct settings *settings, const struct subscriber_row *row,
                     struct subscriber *subscriber, char address[SUBSCRIBER_ADDRESS_MAX + 1],
                     struct problem *problem)
{
    *subscriber = (struct subscriber){ .name = row->of[SUBSCRIBER_NAME], .line = row->line };
    return take_address(settings, row, subscriber, address, problem) &&
           take_place(settings, row, subscriber, problem) &&
           take_use(settings, row->of[SUBSCRIBER_USE], subscriber, problem) &&
           take_language(row->of[SUBSCRIBER_LANGUAGE], subscriber, problem) &&
           take_threshold(row->of[SUBSCRIBER_THRESHOLD], subscriber, problem) &&
           take_quiet(row, subscriber, problem) &&
           take_active(row->of[SUBSCRIBER_ACTIVE], subscriber, problem);
}

/* ---- writing ---- */

struct line {
    char *out;
    size_t capacity, used;
};

static void put(struct line *line, char c)
{
    if (line->used < line->capacity) {
        line->out[line->used] = c;
    }
    line->used++;
}

/* In quotes where it needs them. */
static void put_field(struct line *line, const char *text)
{
    bool quoted = text[strcspn(text, ",;\"\t\r\n")] != '\0' || text[0] == ' ';
    if (quoted) {
        put(line, '"');
    }
    if (is_guarded(text)) {
        put(line, '\'');
    }
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            put(line, '"');
        }
        put(line, *text);
    }
    if (quoted) {
        put(line, '"');
    }
}

static const char *print_time(int32_t seconds, char text[16])
{
    (void)snprintf(text, 16, "%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60));
    return text;
}

static const char *print_threshold(double threshold, char text[PHUSA_DOUBLE_CHARS + 1])
{
    text[phusa_double_print(threshold, text)] = '\0';
    return text;
}

static const char *or_nothing(const char *text)
{
    return text == NULL ? "" : text;
}

size_t subscriber_row_print(const struct subscriber_row *row, char *out, size_t capacity)
{
    struct line line = { out, capacity, 0 };
    for (int i = 0; i < SUBSCRIBER_COLUMNS; i++) {
        put_field(&line, row->of[i]);
        put(&line, i + 1 < SUBSCRIBER_COLUMNS ? ',' : '\n');
    }
    if (line.used >= capacity) {
        return 0;
    }
    out[line.used] = '\0';
    return line.used;
}

size_t subscriber_print(const struct subscriber *subscriber, char *out, size_t capacity)
{
    char number[PHUSA_DOUBLE_CHARS + 1], from[16] = "", until[16] = "";
    if (subscriber->quiet.from_s != subscriber->quiet.until_s) {
        print_time(subscriber->quiet.from_s, from);
        print_time(subscriber->quiet.until_s, until);
    }
    const char *const fields[SUBSCRIBER_COLUMNS] = {
        [SUBSCRIBER_NAME] = subscriber->name,
        [SUBSCRIBER_CHANNEL] = subscriber->channel,
        [SUBSCRIBER_ADDRESS] = subscriber->address,
        [SUBSCRIBER_SITE] = or_nothing(subscriber->site),
        [SUBSCRIBER_STATION] = or_nothing(subscriber->station),
        [SUBSCRIBER_USE] = subscriber->use,
        [SUBSCRIBER_LANGUAGE] = subscriber->language == LANGUAGE_EN ? "en" : "vi",
        [SUBSCRIBER_THRESHOLD] = print_threshold(subscriber->threshold, number),
        [SUBSCRIBER_QUIET_FROM] = from,
        [SUBSCRIBER_QUIET_UNTIL] = until,
        [SUBSCRIBER_ACTIVE] = subscriber->active ? "yes" : "no",
    };
    struct subscriber_row row = { .line = subscriber->line };
    memcpy(row.of, fields, sizeof fields);
    return subscriber_row_print(&row, out, capacity);
}
