/* What Alertmanager is posted, as text: alertmanager_json.c, pure. */
#ifndef NOTIFY_ALERTMANAGER_H
#define NOTIFY_ALERTMANAGER_H

#include "base/clock.h"
#include "notify/delivery.h"

#define ALERTMANAGER_REFRESH_NS (60 * SECOND_NS)
/* An alert that is not posted again ends by itself after so long: no pause of the collector (a
 * restart, an upgrade) may look like the end of an alarm. */
#define ALERTMANAGER_AHEAD_NS   (900 * SECOND_NS)

/*
 * The changes that the letters tell, as the JSON array of POST /api/v2/alerts: the alert of the
 * state before ends, that of the new one fires. `real` is the real time, by which Alertmanager
 * counts. NULL when out of memory; to be freed.
 */
char *alertmanager_changes(const struct letter *letters, size_t count, const char *link,
                           wall_time real);

/* One alert that fires, as a JSON object in one line; NULL when out of memory; to be freed. */
char *alertmanager_active(const struct letter *letter, const char *link, wall_time real);

#endif
