/*
 * The table of subscribers in memory, to be changed and written back.
 *
 * A line that the collector leaves out (its station is gone, its address is none) is kept as it
 * stands; one that cannot even be taken apart is not, so nothing is written while there is one.
 */
#ifndef CLI_PEOPLE_H
#define CLI_PEOPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/problem.h"
#include "settings/settings.h"

/* A line of the table. */
struct person {
    struct subscriber_row row; /* as it stands there */
    struct subscriber wish; /* as the collector reads it; of a line that is not good only address,
                               channel, site, station, use and active */
    bool good;
    char address[SUBSCRIBER_ADDRESS_MAX + 1];
    char texts[]; /* those of the row */
};

struct people {
    const struct settings *settings;
    struct person **items; /* in the order of the file */
    size_t count, capacity;
    void *wishes; /* the same as a tree (tsearch), by what they wish */
    bool failed;  /* out of memory */
};

/* A text such as a whole file, to be freed; NULL with a problem. "-" is stdin. One that is not
 * there is empty when `may_lack`. */
char *people_read_file(const char *path, bool may_lack, size_t *length, struct problem *problem);

/* The address as the table keeps it: a number in E.164, else as it is. */
void people_address(const char *text, char address[SUBSCRIBER_ADDRESS_MAX + 1]);

/* A person of a row, to be freed; a line that is not good has a problem. NULL when out of memory.
 */
struct person *person_make(const struct settings *settings, const struct subscriber_row *row,
                           struct problem *problem);

/* The one that wishes the same: address, channel, site, station and use; or NULL. */
const struct person *people_find(const struct people *people, const struct person *person);

/* Takes the person over, behind all others. False when memory or the table is full: the person is
 * still the caller's. */
bool people_add(struct people *people, struct person *person);

/* Removes those that `gone` names (people->count of them). */
void people_remove(struct people *people, const bool *gone);

/* People without any, of settings that must outlive them. */
struct people people_of(const struct settings *settings);
void people_free(struct people *people);

/* Replaces the file as a whole, durably. Its owner and its group's right to read stay; a new one
 * is for its owner alone, who is that of the folder. False with a problem. */
bool people_write(struct people *people, const char *path, struct problem *problem);

#endif
