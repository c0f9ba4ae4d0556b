/*
 * The folder of CAP messages: <identifier>.xml for each, and alerts.atom, the feed of the newest.
 * Every file is replaced as a whole and durable when the call returns.
 *
 * The files are their own index (cap_xml.h): opening the folder reads them. So there is no second
 * truth, and a message whose delivery is repeated after a kill is found and not made again.
 */
#ifndef NOTIFY_CAP_FOLDER_H
#define NOTIFY_CAP_FOLDER_H

#include "base/clock.h"
#include "base/files.h"
#include "notify/cap_xml.h"

#define CAP_FILES_MAX 10000 /* messages kept; beyond it the oldest goes */
#define CAP_KEEP_NS   (INT64_C(30) * 86400 * SECOND_NS) /* kept beyond their expiry */
#define CAP_FEED_MAX  100                               /* entries of the feed */
#define CAP_FEED_NAME "alerts.atom"

struct cap_folder;

struct cap_folder_settings {
    const char *path, *channel; /* channel: its id */
    struct cap_source source;   /* its strings, and those here, outlive the folder */
    int64_t expires_ns;         /* > 0 */
    int32_t utc_offset_s;       /* of the feed's own time */
};

/* Makes the folder if need be, reads what is there and writes the feed. NULL with the problem. */
struct cap_folder *cap_folder_open(const struct file_ops *files,
                                   const struct cap_folder_settings *settings, wall_time now,
                                   struct problem *problem);
void cap_folder_free(struct cap_folder *folder);

/* A message that is composed, and not a file yet. */
struct cap_draft {
    char identifier[CAP_IDENTIFIER_MAX + 1];
    size_t length;
    char text[]; /* terminated */
};

/*
 * Composes what a letter tells: an Alert, an Update, a Cancel. *draft is NULL when there is nothing
 * to write: the message is there already, or what is over was never told here. `sent` is `now`, but
 * later than that of every message of the series. False with the problem when it is too
 * long or memory is out. To be freed with free().
 */
bool cap_folder_compose(struct cap_folder *folder, const struct letter *letter, wall_time now,
                        struct cap_draft **draft, struct problem *problem);

/*
 * The same for an alarm that goes on: composes an Update when what was said last is in the second
 * half of its time, so that no alarm expires while it is active. An alarm of which nothing
 * was said here is left to its letter.
 */
bool cap_folder_renew(struct cap_folder *folder, const struct letter *letter, wall_time now,
                      struct cap_draft **draft, struct problem *problem);

/* Makes the file. */
bool cap_folder_store(struct cap_folder *folder, const struct cap_draft *draft,
                      struct problem *problem);

/* Removes what is too old or too much and writes the feed, if anything has changed. */
bool cap_folder_finish(struct cap_folder *folder, wall_time now, struct problem *problem);

#endif
