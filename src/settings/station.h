/* The registry: which stations exist, what they measure and how often. Plain data. */
#ifndef SETTINGS_STATION_H
#define SETTINGS_STATION_H

#include <stdint.h>

#include "phusa/parameter.h"
#include "phusa/topic.h"
#include "settings/qc.h"

#define STATIONS_MAX            20000 /* in a registry */
#define STATION_PARAMETERS_MAX  64    /* listed by one station */
#define STATION_TAGS_MAX        8     /* configured tags of one station */
#define STATION_NAMES_MAX       8     /* foreign base names of one station */
#define STATION_DERIVATIONS_MAX 4     /* one of each kind */
#define STATION_QC_MAX          (STATION_PARAMETERS_MAX + STATION_DERIVATIONS_MAX)
#define KIND_MAX                32 /* bytes of a kind, [a-z][a-z0-9_]* */

struct station_tag {
    const char *key, *value;
};

/* Settings of the quality tests of one parameter, the station's own or its kind's. */
struct station_qc {
    const struct phusa_parameter *parameter;
    struct qc_settings qc;
};

/* What can be computed from other readings of the same time (src/quality/seawater.h). The loader
 * has seen to it that the catalogue has each of them in the unit that the formulas count in, and
 * that the station lists what goes in, but not what comes out. */
enum derivation_kind {
    DERIVE_SALINITY, /* parameter "salinity" from "ec" and "temp", or from "ec25" alone */
    DERIVE_EC25,     /* "ec25" from "ec" and "temp" */
    DERIVE_DO_SAT,   /* "do_sat", percent, from "do", "temp" and salinity */
    DERIVE_NH3       /* "nh3_water", mg/L of nitrogen, from "nh4", "ph" and "temp" */
};

struct derivation {
    enum derivation_kind kind;
    const struct phusa_parameter *parameter; /* what comes out */
    const struct phusa_parameter *from;      /* ec or ec25, do, nh4 */
    bool pure;                               /* salinity: PSS-78 without Hill's extension */
    double salinity;     /* do_sat: where "salinity" is neither measured nor derived; NaN = none */
    double pressure_atm; /* do_sat: at the station; default 1 */
    double per_kelvin;   /* ec25: default SEAWATER_EC25_PER_KELVIN, 0.0191 */
};

/* How a light trap counts, when it reports more than a number a night (src/quality/trap.h). */
struct station_trap {
    bool given;
    bool cumulative;    /* running totals; otherwise since the last report */
    bool drop_corrects; /* a total that falls was corrected, not restarted */
    double limit;       /* a count at or above it is saturated; 0 = none */
    int64_t hold_ns;    /* how long a state of lamp or gate holds at most */
    const struct phusa_parameter *const *species; /* counted; at least one when given */
    size_t species_count;
    /* NULL = not reported. lamp, gate: states; their minutes: since the last report. */
    const struct phusa_parameter *lamp, *gate, *lamp_minutes, *gate_minutes, *service;
};

struct station {
    const char *id, *site, *kind; /* kind = the measurement in the store: water, air, trap, ... */
    const char *name;             /* for people, Vietnamese; the id when not given */
    double lat, lon;              /* degrees WGS 84; NaN when not given */
    int64_t every_ns;             /* expected distance of reports; > 0 */
    uint32_t
        backlog_rate; /* reports of its backlog a second, for phusa-station; 0 = as told there */
    const struct phusa_parameter *const *parameters; /* expected */
    size_t parameter_count;
    const struct station_tag *tags;
    size_t tag_count;
    const char *const *names; /* what may stand before a parameter besides ids (contract, Report) */
    size_t name_count;
    /* Tests of its parameters, derived ones too: catalogue, kind and station together. Each has a
     * test at least, attenuated a period above 0, and looks back on QC_SAMPLES_MAX at most. */
    const struct station_qc *qc;
    size_t qc_count;
    const struct derivation *derivations; /* at most one for each kind */
    size_t derivation_count;
    struct station_trap trap;
    bool indicative;  /* low-cost reference: concentrations, but no index */
    int64_t stuck_ns; /* all parameters frozen so long: a stuck bus; 0 = not looked at */
    const char *file; /* where it was configured, for messages */
    int line;
};

struct registry {
    const struct station *stations; /* sorted by id (bytes) */
    size_t count;
    /* Each site once, sorted, as a station that stands for it in alarms about all of its stations:
     * id and name are the site's. None where nobody asks for such alarms. */
    const struct station *sites;
    size_t site_count;
};

/* Whether the parameter is among those that the station is expected to report. */
bool station_lists(const struct station *station, const struct phusa_parameter *parameter);

/* The station of that id, or NULL. Binary search. */
const struct station *registry_find(const struct registry *registry, struct phusa_text id);

#endif
