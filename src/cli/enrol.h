/*
 * A station that is to be: what was asked for is held against the registry and the catalogue, and
 * becomes an entry of the registry and a provisioning file. No input or output.
 *
 * The provisioning file is what the workshop writes into the board (tools/provision). Text, one
 * `key = value` a line, `#` begins a comment line; the value is the rest of the line:
 *
 *   station, site, user   ids
 *   broker                HOST:PORT, the host as its certificate names it
 *   password              for the broker
 *   ca                    the authority's certificate, DER in base64; none = without TLS
 *   every                 distance of reports: 30s, 5m, 1h, 1d
 *   channel               PARAMETER:UNIT, the unit as the catalogue has it, or PARAMETER alone when
 *                         it has none; one line for each, in order
 *   place                 of a pest-light trap: LATITUDE,LONGITUDE in degrees, if it is known
 *   species               of a trap: a parameter that it counts; one line for each, in order
 */
#ifndef CLI_ENROL_H
#define CLI_ENROL_H

#include "base/problem.h"
#include "settings/settings.h"

#define ENROL_TEXT_MAX   16384 /* bytes of an entry or a provisioning file, with terminator */
#define ENROL_BROKER_MAX 136   /* bytes of HOST:PORT with terminator; a board has room for 128 */

/* As on the command line; NULL = not given. */
struct enrolment {
    const char *id, *site, *kind, *name, *lat, *lon, *every, *parameters, *broker;
    bool new_site, new_kind; /* it may be the first there, of its kind */
};

/* What becomes of it. Texts are those of the enrolment and of the settings. */
struct newcomer {
    const char *id, *site, *kind, *name; /* name: NULL = none */
    double lat, lon;                     /* NaN = not given */
    int64_t every_ns;                    /* whole seconds */
    struct phusa_text parameters[STATION_PARAMETERS_MAX];
    struct phusa_text units[STATION_PARAMETERS_MAX]; /* of each; empty: it has none */
    size_t parameter_count;
    char broker[ENROL_BROKER_MAX];
    const struct station *like; /* whose every or parameters were taken; NULL = nobody's */
    const struct station *trap; /* whose group `trap` it has, as far as it has the parameters */
};

/*
 * Checks everything that can be without reading a file. Of settings the registry, the catalogue,
 * broker and maintenance are looked at. What is not given of every and parameters is taken from
 * a station of that kind, at the same site if there is one; the broker is that of the collector.
 * False with a problem that names the option.
 */
bool enrol_check(const struct enrolment *wish, const struct settings *settings,
                 struct newcomer *newcomer, struct problem *problem);

/* The registry's entry, alone or (whole) as a file of its own; terminated. 0 if it does not fit. */
size_t enrol_entry(const struct newcomer *newcomer, bool whole, char text[ENROL_TEXT_MAX]);

/* The provisioning file; ca is as credentials_ca makes it, "" = none. 0 if it does not fit. */
size_t enrol_provisioning(const struct newcomer *newcomer, const char *password, const char *ca,
                          char text[ENROL_TEXT_MAX]);

/* "5m", in the largest unit that leaves no rest; ns in whole seconds. Returns buffer. */
const char *enrol_span(int64_t ns, char buffer[24]);

#endif
