/*
 * VN_AQI, the Vietnamese air quality index, hourly and daily, exactly as Decision 1459/QĐ-TCMT of
 * 12 November 2019 (Vietnam Environment Administration) lays it down. Pure.
 *
 * Every concentration is in µg/m³, carbon monoxide too. A concentration is missing if it is not
 * finite or below zero: the Decision's tables begin at 0 and its text says nothing about less, and
 * a clamp to 0 would print "good" for a broken instrument. The negative number itself is kept and
 * flagged by whoever measured it; here it counts like an hour without a value.
 *
 * Two numbers of the Decision's own examples do not follow from its formulas: NO2 118.7 gives
 * 59.35, so 59, where 60 is printed (section 2.3), and an 8 h mean of 44.6375 is printed as 44.7
 * (section 2.2.2.a). The formulas are what counts here.
 */
#ifndef QUALITY_VN_AQI_H
#define QUALITY_VN_AQI_H

#include <stdbool.h>
#include <stdint.h>

/*
 * In the order in which the dominant parameter is chosen among equals: fine dust first. The
 * Decision has no rule for that; it changes no index.
 */
enum vn_aqi_pollutant {
    VN_AQI_PM25,
    VN_AQI_PM10,
    VN_AQI_O3,
    VN_AQI_NO2,
    VN_AQI_SO2,
    VN_AQI_CO,
    VN_AQI_POLLUTANTS
};

/* The columns of the Decision's table 2: one a pollutant (ozone: 1 h), and ozone's 8 h. */
enum vn_aqi_table { VN_AQI_O3_8H = VN_AQI_POLLUTANTS, VN_AQI_TABLES };

#define VN_AQI_NONE (-1) /* no index */
#define VN_AQI_MAX  500  /* from the last breakpoint on, which is printed with "≥" */

#define VN_AQI_PM            2 /* PM2.5 and PM10: what has a NowCast */
#define VN_AQI_NOWCAST_HOURS 12
#define VN_AQI_DAY_HOURS     24 /* 01:00 to 00:00, stamped with their end */
#define VN_AQI_O3_HOURS      8
#define VN_AQI_DAY_SPAN      (VN_AQI_O3_HOURS - 1 + VN_AQI_DAY_HOURS) /* from 18:00 the day before */

/* "pm25", "pm10", "o3", "no2", "so2", "co": also the names in the catalogue of parameters. */
const char *vn_aqi_name(enum vn_aqi_pollutant pollutant);

/*
 * The index of one concentration, 0 to 500: linear between the breakpoints of table 2 (formulas 1
 * and 2), rounded to the nearest whole number, a half upwards (the Decision's 109.5 is printed as
 * 110). VN_AQI_NONE if the concentration is missing, or is ozone's 8 h mean above 400, for which
 * the Decision has no index. `table` is an enum vn_aqi_pollutant or VN_AQI_O3_8H. Error before
 * rounding: below 1e-9; what lies that close below a half counts as one, so that a half in decimal
 * is not lost in binary.
 */
int vn_aqi_sub_index(unsigned table, double concentration);

/* --- NowCast ------------------------------------------------------------------------- */

/* How the Decision is read at w = 1/2. */
enum vn_aqi_form {
    VN_AQI_PRINTED,    /* sum of (1/2)^i c_i, as it stands: lower by 1/4096, by more with gaps */
    VN_AQI_NORMALISED, /* divided by the sum of the weights, as the Decision does for w > 1/2 */
};

/*
 * The NowCast of 12 hourly means, the newest first, µg/m³ (section 2.2.1.a): w = min / max, at
 * least 1/2; above 1/2 the mean weighted with w^(i-1), at 1/2 as `form` says. Missing hours have
 * weight 0 and take no part in min and max. NaN unless two of the three newest are there.
 */
double vn_aqi_nowcast(const double newest_first[VN_AQI_NOWCAST_HOURS], enum vn_aqi_form form);

/*
 * The last hours of PM2.5 and PM10 of one station: the 12 that the newest NowCast needs and 12
 * more, so that the NowCasts that a late hour corrects can be computed anew. Fixed size; a plain
 * value that may be copied. Hours are whole hours since 1970 of either sign, below 2^53, stamped
 * with their end.
 */
#define VN_AQI_HELD_HOURS 24

struct vn_aqi_holder {
    bool any;
    int64_t newest;
    double mean[VN_AQI_PM][VN_AQI_HELD_HOURS]; /* of hour h at h modulo VN_AQI_HELD_HOURS */
};

/* An empty one. */
void vn_aqi_holder_begin(struct vn_aqi_holder *holder);

/*
 * Takes an hourly mean (µg/m³) of PM2.5 or PM10; NaN says that there is none. A later hour pushes
 * out the oldest, hours skipped are missing, and an hour that is held is replaced. False if the
 * hour is older than what is held, or the pollutant has no NowCast.
 */
bool vn_aqi_hold(struct vn_aqi_holder *holder, enum vn_aqi_pollutant pollutant, int64_t hour,
                 double mean);

/*
 * The NowCast at an hour, which may be later than the newest held: what has not come is missing.
 * NaN if there is none, or if not all of its 12 hours are held any more.
 */
double vn_aqi_held(const struct vn_aqi_holder *holder, enum vn_aqi_pollutant pollutant,
                   int64_t hour, enum vn_aqi_form form);

/* --- the index ------------------------------------------------------------------------ */

struct vn_aqi {
    int index;                      /* 0 to 500, or VN_AQI_NONE */
    int sub[VN_AQI_POLLUTANTS];     /* likewise */
    enum vn_aqi_pollutant dominant; /* the first of the highest sub-indices, if there is an index */
};

/*
 * The hourly index (section 2.2.1): the highest sub-index. PM2.5 and PM10 are NowCasts, the others
 * 1 h means, µg/m³, NaN = missing. Without PM2.5 and PM10 there are sub-indices but no index
 * (section 2.1.b).
 */
struct vn_aqi vn_aqi_of_hour(const double concentration[VN_AQI_POLLUTANTS]);

/* What a day's index is made of, µg/m³, NaN = missing. */
struct vn_aqi_day {
    double concentration[VN_AQI_POLLUTANTS]; /* PM: 24 h means; others: highest 1 h mean */
    double o3_8h;                            /* highest of the 24 running 8 h means */
};

/*
 * The daily index (section 2.2.2): the highest sub-index; ozone's is the higher of its 1 h and its
 * 8 h one. PM2.5 or PM10 is required as for the hourly one.
 */
struct vn_aqi vn_aqi_of_day(const struct vn_aqi_day *day);

/*
 * Gathers a day from its hourly means (µg/m³, NaN = missing), oldest first: 31 hours, from the one
 * stamped 18:00 of the day before (the first seven only for ozone's 8 h means) to the one stamped
 * 00:00 of the day after. A mean needs `coverage` (0 to 1) of its hours and at least one; the
 * Decision names no least number, which is 0. Maxima take any hour: one that is missing does not
 * undo one that was high.
 */
struct vn_aqi_day vn_aqi_day_of(double hours[VN_AQI_POLLUTANTS][VN_AQI_DAY_SPAN], double coverage);

/* --- what it means -------------------------------------------------------------------- */

struct vn_aqi_level {
    int to;              /* the highest index of the level; the next one begins above it */
    const char *id;      /* "good", "moderate", "poor", "bad", "very-bad", "hazardous" */
    const char *vi, *en; /* the level's name: table 1; English is ours */
    const char *colour_vi, *colour_en;
    uint8_t rgb[3];                      /* table 1 */
    const char *message_vi, *message_en; /* table 1, verbatim; English is ours */
};

/* The level of an index, static; NULL unless the index is 0 to 500. */
const struct vn_aqi_level *vn_aqi_level(int index);

#endif
