#include "quality/vn_aqi.h"

#include <math.h>
#include <stddef.h>

#define BREAKPOINTS 8
#define ROUNDING    1e-9 /* far above what doubles lose here, far below what a sensor tells */

/* Table 2 of the Decision: the index at each breakpoint, and the breakpoints in µg/m³. */
static const double index_at[BREAKPOINTS] = { 0, 50, 100, 150, 200, 300, 400, VN_AQI_MAX };

static const struct table {
    int count; /* ozone's 8 h column ends at 400 */
    double at[BREAKPOINTS];
} tables[VN_AQI_TABLES] = {
    [VN_AQI_PM25] = { 8, { 0, 25, 50, 80, 150, 250, 350, 500 } },
    [VN_AQI_PM10] = { 8, { 0, 50, 150, 250, 350, 420, 500, 600 } },
    [VN_AQI_O3] = { 8, { 0, 160, 200, 300, 400, 800, 1000, 1200 } },
    [VN_AQI_NO2] = { 8, { 0, 100, 200, 700, 1200, 2350, 3100, 3850 } },
    [VN_AQI_SO2] = { 8, { 0, 125, 350, 550, 800, 1600, 2100, 2630 } },
    [VN_AQI_CO] = { 8, { 0, 10000, 30000, 45000, 60000, 90000, 120000, 150000 } },
    [VN_AQI_O3_8H] = { 6, { 0, 100, 120, 170, 210, 400 } },
};

const char *vn_aqi_name(enum vn_aqi_pollutant pollutant)
{
    static const char *const names[VN_AQI_POLLUTANTS] = {
        "pm25", "pm10", "o3", "no2", "so2", "co"
    };
    return names[pollutant];
}

static bool present(double concentration)
{
    return isfinite(concentration) && concentration >= 0;
}

int vn_aqi_sub_index(unsigned table, double concentration)
{
    const double *at = tables[table].at;
    int last = tables[table].count - 1, i = 0;
    if (!present(concentration)) {
        return VN_AQI_NONE;
    }
    if (concentration > at[last]) {
        return last == BREAKPOINTS - 1 ? VN_AQI_MAX : VN_AQI_NONE;
    }
    while (concentration > at[i + 1]) {
        i++;
    }
    double index = (index_at[i + 1] - index_at[i]) * (concentration - at[i]) / (at[i + 1] - at[i]) +
                   index_at[i];
    return (int)floor(index + 0.5 + ROUNDING);
}

/* --- NowCast ------------------------------------------------------------------------- */

/* The smallest hour over the largest, at least 1/2; 1 when all are 0. */
static double weight_of(const double c[VN_AQI_NOWCAST_HOURS])
{
    double least = INFINITY, most = 0;
    for (int i = 0; i < VN_AQI_NOWCAST_HOURS; i++) {
        if (present(c[i])) {
            least = fmin(least, c[i]);
            most = fmax(most, c[i]);
        }
    }
    return most > 0 ? fmax(least / most, 0.5) : 1;
}

double vn_aqi_nowcast(const double newest_first[VN_AQI_NOWCAST_HOURS], enum vn_aqi_form form)
{
    const double *c = newest_first;
    if (present(c[0]) + present(c[1]) + present(c[2]) < 2) {
        return NAN;
    }
    double w = weight_of(c), power = 1, sum = 0, weights = 0;
    for (int i = 0; i < VN_AQI_NOWCAST_HOURS; i++) {
        if (present(c[i])) {
            sum += power * c[i];
            weights += power;
        }
        power *= w;
    }
    return w <= 0.5 && form == VN_AQI_PRINTED ? w * sum : sum / weights;
}

static size_t slot_of(int64_t hour)
{
    int64_t rest = hour % VN_AQI_HELD_HOURS;
    return (size_t)(rest < 0 ? rest + VN_AQI_HELD_HOURS : rest);
}

static void forget(struct vn_aqi_holder *holder, int64_t hour)
{
    for (int i = 0; i < VN_AQI_PM; i++) {
        holder->mean[i][slot_of(hour)] = NAN;
    }
}

void vn_aqi_holder_begin(struct vn_aqi_holder *holder)
{
    holder->any = false;
    holder->newest = 0;
    for (int64_t hour = 0; hour < VN_AQI_HELD_HOURS; hour++) {
        forget(holder, hour);
    }
}

/* Makes `hour` the newest: those on the way are missing. */
static void advance(struct vn_aqi_holder *holder, int64_t hour)
{
    int64_t first = holder->any ? holder->newest + 1 : hour;
    if (hour - first >= VN_AQI_HELD_HOURS) {
        first = hour - VN_AQI_HELD_HOURS + 1;
    }
    for (int64_t at = first; at <= hour; at++) {
        forget(holder, at);
    }
    holder->any = true;
    holder->newest = hour;
}

bool vn_aqi_hold(struct vn_aqi_holder *holder, enum vn_aqi_pollutant pollutant, int64_t hour,
                 double mean)
{
    if (pollutant >= VN_AQI_PM || (holder->any && hour <= holder->newest - VN_AQI_HELD_HOURS)) {
        return false;
    }
    if (!holder->any || hour > holder->newest) {
        advance(holder, hour);
    }
    holder->mean[pollutant][slot_of(hour)] = mean;
    return true;
}

double vn_aqi_held(const struct vn_aqi_holder *holder, enum vn_aqi_pollutant pollutant,
                   int64_t hour, enum vn_aqi_form form)
{
    double c[VN_AQI_NOWCAST_HOURS];
    int64_t oldest = holder->newest - VN_AQI_HELD_HOURS + 1;
    if (pollutant >= VN_AQI_PM || !holder->any || hour - VN_AQI_NOWCAST_HOURS + 1 < oldest) {
        return NAN;
    }
    for (int i = 0; i < VN_AQI_NOWCAST_HOURS; i++) {
        c[i] = hour - i > holder->newest ? NAN : holder->mean[pollutant][slot_of(hour - i)];
    }
    return vn_aqi_nowcast(c, form);
}

/* --- the index ------------------------------------------------------------------------ */

/* The highest of the sub-indices, if one of dust is among them. */
static void conclude(struct vn_aqi *aqi)
{
    aqi->index = VN_AQI_NONE;
    aqi->dominant = VN_AQI_PM25;
    if (aqi->sub[VN_AQI_PM25] == VN_AQI_NONE && aqi->sub[VN_AQI_PM10] == VN_AQI_NONE) {
        return;
    }
    for (int i = 0; i < VN_AQI_POLLUTANTS; i++) {
        if (aqi->sub[i] > aqi->index) {
            aqi->index = aqi->sub[i];
            aqi->dominant = (enum vn_aqi_pollutant)i;
        }
    }
}

struct vn_aqi vn_aqi_of_hour(const double concentration[VN_AQI_POLLUTANTS])
{
    struct vn_aqi aqi;
    for (unsigned i = 0; i < VN_AQI_POLLUTANTS; i++) {
        aqi.sub[i] = vn_aqi_sub_index(i, concentration[i]);
    }
    conclude(&aqi);
    return aqi;
}

struct vn_aqi vn_aqi_of_day(const struct vn_aqi_day *day)
{
    struct vn_aqi aqi = vn_aqi_of_hour(day->concentration);
    int running = vn_aqi_sub_index(VN_AQI_O3_8H, day->o3_8h);
    if (running > aqi.sub[VN_AQI_O3]) {
        aqi.sub[VN_AQI_O3] = running;
        conclude(&aqi);
    }
    return aqi;
}

static double mean_of(const double *hours, int count, double coverage)
{
    double sum = 0;
    int valid = 0;
    for (int i = 0; i < count; i++) {
        if (present(hours[i])) {
            sum += hours[i];
            valid++;
        }
    }
    return valid > 0 && valid >= coverage * count ? sum / valid : NAN;
}

static double highest_of(const double *hours, int count)
{
    double highest = NAN;
    for (int i = 0; i < count; i++) {
        if (present(hours[i])) {
            highest = fmax(highest, hours[i]); /* which passes over NaN */
        }
    }
    return highest;
}

struct vn_aqi_day vn_aqi_day_of(double hours[VN_AQI_POLLUTANTS][VN_AQI_DAY_SPAN], double coverage)
{
    struct vn_aqi_day day;
    double running[VN_AQI_DAY_HOURS];
    for (int i = 0; i < VN_AQI_POLLUTANTS; i++) {
        const double *own = hours[i] + VN_AQI_O3_HOURS - 1;
        day.concentration[i] = i < VN_AQI_PM ? mean_of(own, VN_AQI_DAY_HOURS, coverage)
                                             : highest_of(own, VN_AQI_DAY_HOURS);
    }
    for (int h = 0; h < VN_AQI_DAY_HOURS; h++) {
        running[h] = mean_of(hours[VN_AQI_O3] + h, VN_AQI_O3_HOURS, coverage);
    }
    day.o3_8h = highest_of(running, VN_AQI_DAY_HOURS);
    return day;
}
