#include "sun.h"

#include <math.h>

#define PI           3.14159265358979323846
#define DAY_S        INT64_C(86400)
#define HALF_DAY     (DAY_S / 2)
#define J2000_S      INT64_C(946728000) /* 2000-01-01 12:00 UTC */
#define S_PER_DEGREE 240.0              /* the sun's mean time, by longitude */

/* Sine up to 45 degrees; what is left out is below 1e-16. */
static double sine_kernel(double x)
{
    double s = x * x;
    return x *
           (1 - s / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72 * (1 - s / 110 * (1 - s / 156))))));
}

static double cosine_kernel(double x)
{
    double s = x * x;
    return 1 -
           s / 2 *
               (1 - s / 12 *
                        (1 - s / 30 * (1 - s / 56 * (1 - s / 90 * (1 - s / 132 * (1 - s / 182))))));
}

/* Of an angle in degrees, below 1e9. */
static double sine(double degrees)
{
    double quarters = floor(degrees / 90 + 0.5);
    double rest = (degrees - 90 * quarters) * (PI / 180);
    switch ((int64_t)quarters & 3) {
    case 0:
        return sine_kernel(rest);
    case 1:
        return cosine_kernel(rest);
    case 2:
        return -sine_kernel(rest);
    default:
        return -cosine_kernel(rest);
    }
}

static double cosine(double degrees)
{
    return sine(degrees + 90);
}

/*
 * The directions to the zenith and to the sun, as unit vectors of the equator's system; their
 * product is the sine of the elevation. So neither right ascension nor the equation of time is
 * needed.
 */
double sun_sine_of_elevation(const struct sun_site *site, int64_t utc_s)
{
    double days = (double)(utc_s - J2000_S) / (double)DAY_S;
    double mean = 280.460 + 0.9856474 * days;
    double anomaly = 357.528 + 0.9856003 * days;
    double lambda = mean + 1.915 * sine(anomaly) + 0.020 * sine(2 * anomaly);
    double obliquity = 23.439 - 0.0000004 * days;
    double sidereal = 280.46061837 + 360.98564736629 * days + site->longitude;
    double equatorial =
        cosine(sidereal) * cosine(lambda) + sine(sidereal) * cosine(obliquity) * sine(lambda);
    return cosine(site->latitude) * equatorial +
           sine(site->latitude) * sine(obliquity) * sine(lambda);
}

/* Between up_s, when the sun stands above the elevation, and down_s, when below: the first second
 * on the later one's side. */
static enum sun_result crossing(const struct sun_site *site, double elevation, int64_t up_s,
                                int64_t down_s, int64_t *utc_s)
{
    double sine_of_edge = sine(elevation);
    if (sun_sine_of_elevation(site, up_s) < sine_of_edge) {
        return SUN_STAYS_DOWN;
    }
    if (sun_sine_of_elevation(site, down_s) >= sine_of_edge) {
        return SUN_STAYS_UP;
    }
    while (down_s - up_s > 1 || up_s - down_s > 1) {
        int64_t middle = up_s + (down_s - up_s) / 2;
        if (sun_sine_of_elevation(site, middle) < sine_of_edge) {
            down_s = middle;
        } else {
            up_s = middle;
        }
    }
    *utc_s = up_s > down_s ? up_s : down_s;
    return SUN_FOUND;
}

static int64_t noon_of(const struct sun_site *site, int64_t day)
{
    return day * DAY_S + HALF_DAY - (int64_t)(site->longitude * S_PER_DEGREE);
}

enum sun_result sun_dusk(const struct sun_site *site, int64_t day, double elevation, int64_t *utc_s)
{
    int64_t noon = noon_of(site, day);
    return crossing(site, elevation, noon, noon + HALF_DAY, utc_s);
}

enum sun_result sun_dawn(const struct sun_site *site, int64_t day, double elevation, int64_t *utc_s)
{
    int64_t noon = noon_of(site, day);
    return crossing(site, elevation, noon, noon - HALF_DAY, utc_s);
}
