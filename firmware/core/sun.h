/*
 * Where the sun is, and when it sets and rises.
 *
 * Source: "Low precision formulas for the Sun's coordinates", The Astronomical Almanac, section
 * C; Greenwich sidereal time from its section B. Good to 0.01 degrees from 1950 to 2050, which is
 * 3 s of a sunset in Vietnam; against a full theory (VSOP87) the worst of the test's cases is
 * below 10 s. What a real horizon and the air make of it is far more (half a minute to two).
 *
 * Sine and cosine are computed here with basic arithmetic only, so that every port has the same
 * second: C libraries differ in the last digit.
 */
#ifndef FIRMWARE_SUN_H
#define FIRMWARE_SUN_H

#include <stdint.h>

/*
 * Elevations of the sun's centre in degrees: the upper rim on the horizon (16' of radius, 34' of
 * refraction, as almanacs have it), and the end of civil twilight.
 */
#define SUN_HORIZON        (-50.0 / 60.0)
#define SUN_CIVIL_TWILIGHT (-6.0)

struct sun_site {
    double latitude;  /* degrees, north positive, -90 .. 90 */
    double longitude; /* degrees, east positive, -180 .. 180 */
};

enum sun_result {
    SUN_FOUND = 0,
    SUN_STAYS_UP,  /* above the elevation all the evening (morning) */
    SUN_STAYS_DOWN /* below it */
};

/* Sine of the elevation of the sun's centre, without refraction, at a time since 1970 UTC. */
double sun_sine_of_elevation(const struct sun_site *site, int64_t utc_s);

/*
 * The second at which the sun sinks below (rises above) an elevation, in the evening (morning) of
 * a day: between mean solar noon and midnight (midnight and noon) of the site. day counts civil
 * dates from 1970-01-01 on, as they are at the site.
 */
enum sun_result sun_dusk(const struct sun_site *site, int64_t day, double elevation,
                         int64_t *utc_s);
enum sun_result sun_dawn(const struct sun_site *site, int64_t day, double elevation,
                         int64_t *utc_s);

#endif
