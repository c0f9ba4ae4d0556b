/*
 * Who hears of a notice: the channels of its rule, or when nobody acknowledged those of its
 * escalation; on each of them its fixed addresses, and the subscribers whom the place, the use and
 * the limit concern. A subscriber is looked for by station and by site only, so those of other
 * places cost nothing.
 *
 * Each address of a channel has one slot, however often it stands in the configuration, and hears
 * of a notice once. Slot 0 is the retained alarm topic's.
 */
#include <math.h>
#include <stdlib.h>

#include "notify/delivery.h"

#define DAY_S 86400

struct slot {
    const char *channel, *address;
    enum language language;
    bool subscriber;
    struct channel_quiet quiet;
    bool reports;   /* of deliveries: what failed later waits again */
    uint64_t heard; /* number of the last notice it was given */
};

/* A subscriber at a place. */
struct interest {
    const char *place; /* id of a station or site */
    const struct subscriber *subscriber;
    size_t channel; /* index */
    size_t slot;
};

/* That a rule was made with somebody's own limit. */
struct own_limit {
    const char *rule; /* that it was made of */
    double threshold;
};

struct recipients {
    const struct settings *settings;
    struct slot *slots;
    size_t slot_count;
    size_t firsts[CHANNELS_MAX + 1];       /* of the fixed slots of each channel, and their end */
    struct interest *at_station, *at_site; /* sorted by place */
    size_t station_count, site_count;
    struct own_limit *limits; /* sorted */
    size_t limit_count;
    uint64_t notices;
};

/* --- building the index ----------------------------------------------------------- */

static bool takes_addresses(const struct channel_settings *channel)
{
    return channel->kind == CHANNEL_EMAIL || channel->kind == CHANNEL_SMS;
}

static void add_slot(struct recipients *index, const struct channel_settings *channel,
                     const char *address)
{
    index->slots[index->slot_count++] = (struct slot){
        .channel = channel->id,
        .address = address,
        .language = channel->language,
        .quiet = channel->quiet,
        .reports = channel_reports(channel),
    };
}

static void add_fixed(struct recipients *index)
{
    static const struct channel_settings retained = { .id = CHANNEL_RETAINED };
    const struct settings *settings = index->settings;
    add_slot(index, &retained, "");
    for (size_t i = 0; i < settings->channel_count; i++) {
        const struct channel_settings *channel = &settings->channels[i];
        index->firsts[i] = index->slot_count;
        if (!takes_addresses(channel)) {
            add_slot(index, channel, "");
        }
        for (size_t k = 0; takes_addresses(channel) && k < channel->to_count; k++) {
            add_slot(index, channel, channel->to[k]);
        }
    }
    index->firsts[settings->channel_count] = index->slot_count;
}

/* The subscriber's hours, with what they leave open taken from the channel. */
static struct channel_quiet quiet_of(const struct subscriber *subscriber,
                                     const struct channel_settings *channel)
{
    struct channel_quiet quiet = subscriber->quiet;
    if (quiet.from_s == quiet.until_s) {
        return channel->quiet;
    }
    if (quiet.below == SEVERITY_NORMAL) {
        quiet.below = channel->quiet.below;
    }
    return quiet;
}

static const struct channel_settings *channel_of(const struct settings *settings,
                                                 const struct subscriber *subscriber, size_t *at)
{
    for (*at = 0; *at < settings->channel_count; ++*at) {
        const struct channel_settings *channel = &settings->channels[*at];
        if (channel->subscribers && strcmp(channel->id, subscriber->channel) == 0) {
            return channel;
        }
    }
    return NULL;
}

/* One who wants to hear, before it is known whether the address has a slot already. */
struct candidate {
    const struct subscriber *subscriber;
    const struct channel_settings *channel;
    size_t channel_at;
};

static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->channel_at != b->channel_at) {
        return a->channel_at < b->channel_at ? -1 : 1;
    }
    int order = strcmp(a->subscriber->address, b->subscriber->address);
    return order != 0 ? order : (a->subscriber > b->subscriber) - (a->subscriber < b->subscriber);
}

static bool same_address(const struct candidate *a, const struct candidate *b)
{
    return a->channel_at == b->channel_at &&
           strcmp(a->subscriber->address, b->subscriber->address) == 0;
}

/* The slot of a fixed address that is the same; 0 if there is none. */
static size_t find_fixed(const struct recipients *index, const struct candidate *candidate)
{
    for (size_t i = index->firsts[candidate->channel_at];
         i < index->firsts[candidate->channel_at + 1]; i++) {
        if (strcmp(index->slots[i].address, candidate->subscriber->address) == 0) {
            return i;
        }
    }
    return 0;
}

static size_t new_slot(struct recipients *index, const struct candidate *candidate)
{
    index->slots[index->slot_count] = (struct slot){
        .channel = candidate->channel->id,
        .address = candidate->subscriber->address,
        .language = candidate->subscriber->language,
        .subscriber = true,
        .quiet = quiet_of(candidate->subscriber, candidate->channel),
        .reports = channel_reports(candidate->channel),
    };
    return index->slot_count++;
}

static void add_interest(struct recipients *index, const struct candidate *candidate, size_t slot)
{
    const struct subscriber *subscriber = candidate->subscriber;
    struct interest interest = { subscriber->station, subscriber, candidate->channel_at, slot };
    if (subscriber->station != NULL) {
        index->at_station[index->station_count++] = interest;
    } else if (subscriber->site != NULL) {
        interest.place = subscriber->site;
        index->at_site[index->site_count++] = interest;
    }
}

static int compare_interests(const void *left, const void *right)
{
    const struct interest *a = left, *b = right;
    int order = strcmp(a->place, b->place);
    return order != 0 ? order : (a->subscriber > b->subscriber) - (a->subscriber < b->subscriber);
}

/* Candidates sorted. */
static void add_candidates(struct recipients *index, const struct candidate *candidates,
                           size_t count)
{
    size_t slot = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !same_address(&candidates[i - 1], &candidates[i])) {
            slot = find_fixed(index, &candidates[i]);
            slot = slot == 0 ? new_slot(index, &candidates[i]) : slot;
        }
        add_interest(index, &candidates[i], slot);
    }
    qsort(index->at_station, index->station_count, sizeof *index->at_station, compare_interests);
    qsort(index->at_site, index->site_count, sizeof *index->at_site, compare_interests);
}

static bool add_subscribers(struct recipients *index)
{
    const struct subscribers *subscribers = &index->settings->subscribers;
    struct candidate *candidates = calloc(subscribers->count + 1, sizeof *candidates);
    size_t count = 0;
    if (candidates == NULL) {
        return false;
    }
    for (size_t i = 0; i < subscribers->count; i++) {
        struct candidate *candidate = &candidates[count];
        candidate->subscriber = &subscribers->items[i];
        candidate->channel =
            channel_of(index->settings, candidate->subscriber, &candidate->channel_at);
        count += candidate->channel != NULL && candidate->subscriber->active;
    }
    qsort(candidates, count, sizeof *candidates, compare_candidates);
    add_candidates(index, candidates, count);
    free(candidates);
    return true;
}

static int compare_limits(const void *left, const void *right)
{
    const struct own_limit *a = left, *b = right;
    int order = strcmp(a->rule, b->rule);
    return order != 0 ? order : (a->threshold > b->threshold) - (a->threshold < b->threshold);
}

static bool is_own(const struct rule *rule)
{
    return rule->base != NULL && !isnan(rule->threshold) && strcmp(rule->base->id, rule->id) != 0;
}

static void add_limits(struct recipients *index)
{
    const struct rulebook *rules = &index->settings->rulebook;
    for (size_t i = 0; i < rules->count; i++) {
        if (is_own(&rules->rules[i])) {
            index->limits[index->limit_count++] =
                (struct own_limit){ rules->rules[i].base->id, rules->rules[i].threshold };
        }
    }
    qsort(index->limits, index->limit_count, sizeof *index->limits, compare_limits);
}

struct recipients *recipients_create(const struct settings *settings)
{
    struct recipients *index = calloc(1, sizeof *index);
    if (index == NULL) {
        return NULL;
    }
    size_t people = settings->subscribers.count;
    size_t fixed = 1 + settings->channel_count * CHANNEL_TO_MAX;
    index->settings = settings;
    index->slots = calloc(people + fixed, sizeof *index->slots);
    index->at_station = calloc(people + 1, sizeof *index->at_station);
    index->at_site = calloc(people + 1, sizeof *index->at_site);
    index->limits = calloc(settings->rulebook.count + 1, sizeof *index->limits);
    bool made = index->slots != NULL && index->at_station != NULL && index->at_site != NULL &&
                index->limits != NULL;
    if (made) {
        add_fixed(index);
        add_limits(index);
        made = add_subscribers(index);
    }
    if (!made) {
        recipients_free(index);
        return NULL;
    }
    return index;
}

void recipients_free(struct recipients *index)
{
    if (index != NULL) {
        free(index->slots);
        free(index->at_station);
        free(index->at_site);
        free(index->limits);
        free(index);
    }
}

size_t recipients_slots(const struct recipients *index)
{
    return index->slot_count;
}

/* --- whom a notice concerns ---------------------------------------------------------- */

int64_t recipients_due(const struct channel_quiet *quiet, enum severity severity,
                       int32_t utc_offset_s, wall_time now)
{
    enum severity below = quiet->below == SEVERITY_NORMAL ? SEVERITY_SEVERE : quiet->below;
    if (quiet->from_s == quiet->until_s || severity >= below) {
        return now.ns;
    }
    int64_t second = (now.ns / SECOND_NS + utc_offset_s) % DAY_S;
    second = second < 0 ? second + DAY_S : second;
    int64_t into = (second - quiet->from_s + DAY_S) % DAY_S;
    int64_t lasts = (quiet->until_s - quiet->from_s + DAY_S) % DAY_S;
    return into < lasts ? now.ns + (lasts - into) * SECOND_NS - now.ns % SECOND_NS : now.ns;
}

int64_t recipients_due_to(const struct recipients *index, const char *channel, const char *address,
                          enum severity severity, wall_time now)
{
    for (size_t i = 0; i < index->slot_count; i++) {
        const struct slot *slot = &index->slots[i];
        if (strcmp(slot->channel, channel) == 0 && strcmp(slot->address, address) == 0) {
            return recipients_due(&slot->quiet, severity, index->settings->utc_offset_s, now);
        }
    }
    return now.ns;
}

/* A rule of his own stands in for this one. */
static bool has_own(const struct recipients *index, const struct rule *rule, double threshold)
{
    const struct own_limit limit = { rule->id, threshold };
    return !isnan(threshold) && index->limit_count > 0 &&
           bsearch(&limit, index->limits, index->limit_count, sizeof limit, compare_limits) != NULL;
}

static bool wants(const struct recipients *index, const struct subscriber *subscriber,
                  const struct rule *rule)
{
    const char *use = subscriber->use == NULL ? "" : subscriber->use;
    if (rule->level_count == 0 || /* the collector's own are not for them */
        (use[0] != '\0' && (rule->use == NULL || strcmp(use, rule->use) != 0))) {
        return false;
    }
    if (is_own(rule)) {
        double apart = subscriber->threshold - rule->threshold;
        return apart >= 0 && apart <= 0; /* NaN is neither */
    }
    return !has_own(index, rule, subscriber->threshold);
}

/* A notice on its way to those whom it concerns. */
struct round {
    struct recipients *index;
    const struct notice *notice;
    const size_t *channels;
    size_t channel_count;
    enum severity severity;
    wall_time now;
    recipient_visit *visit;
    void *context;
};

static void give(const struct round *round, size_t at)
{
    struct slot *slot = &round->index->slots[at];
    if (slot->heard == round->index->notices) {
        return;
    }
    slot->heard = round->index->notices;
    const struct recipient recipient = {
        .slot = at,
        .channel = slot->channel,
        .address = slot->address,
        .language = slot->language,
        .subscriber = slot->subscriber,
        .put_off = slot->quiet.from_s != slot->quiet.until_s || slot->reports,
        .due_ns = recipients_due(&slot->quiet, round->severity,
                                 round->index->settings->utc_offset_s, round->now),
    };
    round->visit(round->context, &recipient);
}

static bool goes_to(const struct round *round, size_t channel)
{
    bool found = false;
    for (size_t i = 0; i < round->channel_count && !found; i++) {
        found = round->channels[i] == channel;
    }
    return found;
}

/* The first of the interests at that place or behind it. */
static size_t find_place(const struct interest *interests, size_t count, const char *place)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(interests[middle].place, place) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void give_interested(const struct round *round, const struct interest *interests,
                            size_t count, const char *place)
{
    for (size_t i = find_place(interests, count, place);
         i < count && strcmp(interests[i].place, place) == 0; i++) {
        if (goes_to(round, interests[i].channel) &&
            wants(round->index, interests[i].subscriber, round->notice->rule)) {
            give(round, interests[i].slot);
        }
    }
}

void recipients_each(struct recipients *index, const struct notice *notice, wall_time now,
                     recipient_visit *visit, void *context)
{
    const struct rule *rule = notice->rule;
    const struct round round = {
        .index = index,
        .notice = notice,
        .channels = notice->escalated ? rule->escalation.channels : rule->channels,
        .channel_count = notice->escalated ? rule->escalation.channel_count : rule->channel_count,
        .severity = notice->from > notice->to ? notice->from : notice->to,
        .now = now,
        .visit = visit,
        .context = context,
    };
    index->notices++;
    for (size_t i = 0; i < round.channel_count; i++) {
        for (size_t k = index->firsts[round.channels[i]]; k < index->firsts[round.channels[i] + 1];
             k++) {
            give(&round, k);
        }
    }
    give_interested(&round, index->at_station, index->station_count, notice->station->id);
    give_interested(&round, index->at_site, index->site_count, notice->station->site);
    if (!notice->escalated) { /* the state there is as it was */
        give(&round, 0);
    }
}
