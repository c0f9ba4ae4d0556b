#include "quality/seawater.h"

#include <math.h>
#include <stddef.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct seawater_range seawater_salinity_ec = { 0, 0, 100, 100 };
const struct seawater_range seawater_salinity_temp = { -5, -2, 35, 50 };
const struct seawater_range seawater_salinity_pressure = { -10, 0, 10000, 12000 };
const struct seawater_range seawater_salinity_hill = { -INFINITY, 0, 42, INFINITY };
const struct seawater_range seawater_salinity_pure = { -INFINITY, 2, 42, INFINITY };
const struct seawater_range seawater_ec25_ec = { 0, 0, 300, 300 };
const struct seawater_range seawater_ec25_temp = { -5, 5, 40, 50 };
const struct seawater_range seawater_ec25_coefficient = { 0, 0, 0.03, 0.03 };
const struct seawater_range seawater_do_temp = { -5, 0, 40, 50 };
const struct seawater_range seawater_do_salinity = { 0, 0, 40, 60 };
const struct seawater_range seawater_do_pressure = { 0.3, 0.5, 1.1, 2 };
const struct seawater_range seawater_do_measured = { 0, 0, 60, 100 };
const struct seawater_range seawater_nh3_nh4 = { 0, 0, 1000, 10000 };
const struct seawater_range seawater_nh3_ph = { 0, 0, 14, 14 };
const struct seawater_range seawater_nh3_temp = { -5, 0, 50, 60 };

enum seawater_status seawater_judge(const struct seawater_range *range, double value)
{
    if (!(value >= range->least && value <= range->most)) { /* NaN is not */
        return SEAWATER_NONE;
    }
    return value >= range->low && value <= range->high ? SEAWATER_GOOD : SEAWATER_OUTSIDE;
}

static enum seawater_status worse(enum seawater_status a, enum seawater_status b)
{
    return a > b ? a : b;
}

/* c[0] + c[1] x + c[2] x² ... */
static double polynomial(const double *c, size_t count, double x)
{
    double sum = 0;
    while (count > 0) {
        sum = sum * x + c[--count];
    }
    return sum;
}

/* --- practical salinity ------------------------------------------------------------------ */

/* The names of UNESCO 44. */
static const double pss_a[] = { 0.0080, -0.1692, 25.3851, 14.0941, -7.0261, 2.7081 };
static const double pss_b[] = { 0.0005, -0.0056, -0.0066, -0.0375, 0.0636, -0.0144 };
static const double pss_c[] = { 0.6766097, 2.00564e-2, 1.104259e-4, -6.9698e-7, 1.0031e-9 };
static const double pss_d[] = { 1, 3.426e-2, 4.464e-4 };
static const double pss_d_r[] = { 4.215e-1, -3.107e-3 };
static const double pss_e[] = { 0, 2.070e-5, -6.370e-10, 3.989e-15 };
static const double pss_k = 0.0162;
static const double ec_35_15_0 = 42.914; /* mS/cm */

/* Rt: the conductivity's ratio to that of sea water of 35 at the same temperature, at pressure 0.
 */
static double ratio_of(double ec, double t68, double pressure)
{
    double r = ec / ec_35_15_0;
    double rp = 1 + polynomial(pss_e, COUNT(pss_e), pressure) /
                        (polynomial(pss_d, COUNT(pss_d), t68) +
                         polynomial(pss_d_r, COUNT(pss_d_r), t68) * r);
    return r / (rp * polynomial(pss_c, COUNT(pss_c), t68));
}

/* f is the temperature's part, (t68 - 15) / (1 + k (t68 - 15)). */
static double pss78(double root_rt, double f)
{
    return polynomial(pss_a, COUNT(pss_a), root_rt) + f * polynomial(pss_b, COUNT(pss_b), root_rt);
}

static double pss78_slope(double root_rt, double f)
{
    double slope = 0;
    for (size_t i = COUNT(pss_a) - 1; i > 0; i--) {
        slope = slope * root_rt + (double)i * (pss_a[i] + f * pss_b[i]);
    }
    return slope;
}

/* What Hill takes away from PSS-78, so that nothing is left where no salt is. */
static double hill_excess(double root_rt, double f)
{
    double x = 400 * root_rt * root_rt, root_y = 10 * root_rt;
    return pss_a[0] / (1 + x * (1.5 + x)) +
           pss_b[0] * f / (1 + root_y * (1 + root_y * (1 + root_y)));
}

/*
 * Hill's formula misses PSS-78 by up to 1e-4 at 2, where it takes over: TEOS-10 scales it so that
 * they meet. The root at 2 is nearly a straight line of f: within 7e-5 from -5 to 50 °C, so that
 * Newton's second step ends at rounding.
 */
static double hill_ratio(double f)
{
    double root = 0.26645 + 0.0001176 * f;
    for (int step = 0; step < 2; step++) {
        root -= (pss78(root, f) - 2) / pss78_slope(root, f);
    }
    return 2 / (2 - hill_excess(root, f));
}

enum seawater_status seawater_salinity(double ec, double temp, double pressure,
                                       enum seawater_scale scale, double *salinity)
{
    enum seawater_status status =
        worse(seawater_judge(&seawater_salinity_ec, ec),
              worse(seawater_judge(&seawater_salinity_temp, temp),
                    seawater_judge(&seawater_salinity_pressure, pressure)));
    if (status == SEAWATER_NONE) {
        *salinity = NAN;
        return status;
    }
    double t68 = temp * 1.00024;
    double f = (t68 - 15) / (1 + pss_k * (t68 - 15));
    double root = sqrt(ratio_of(ec, t68, pressure));
    *salinity = pss78(root, f);
    if (scale == SEAWATER_PSS78) {
        return worse(status, seawater_judge(&seawater_salinity_pure, *salinity));
    }
    if (*salinity < 2) {
        /* TEOS-10 as published: no conductivity has no less than no salt. */
        *salinity = fmax(0, hill_ratio(f) * (*salinity - hill_excess(root, f)));
    }
    return worse(status, seawater_judge(&seawater_salinity_hill, *salinity));
}

/* --- conductivity at 25 °C ----------------------------------------------------------------- */

static enum seawater_status judge_ec25(double ec, double temp, double per_kelvin)
{
    return worse(seawater_judge(&seawater_ec25_ec, ec),
                 worse(seawater_judge(&seawater_ec25_temp, temp),
                       seawater_judge(&seawater_ec25_coefficient, per_kelvin)));
}

enum seawater_status seawater_ec25(double ec, double temp, double per_kelvin, double *ec25)
{
    enum seawater_status status = judge_ec25(ec, temp, per_kelvin);
    *ec25 = status == SEAWATER_NONE ? NAN : ec / (1 + per_kelvin * (temp - 25));
    return status;
}

enum seawater_status seawater_ec_of_ec25(double ec25, double temp, double per_kelvin, double *ec)
{
    enum seawater_status status = judge_ec25(ec25, temp, per_kelvin);
    *ec = status == SEAWATER_NONE ? NAN : ec25 * (1 + per_kelvin * (temp - 25));
    return status;
}

/* --- dissolved oxygen ---------------------------------------------------------------------- */

/* mg/L at 1 atm; equation 32 of Benson and Krause. */
static double oxygen_at_1_atm(double kelvin, double salinity)
{
    static const double fresh[] = { -139.34411, 157570.1, -66423080, 1.2438e10, -862194900000 };
    static const double salt[] = { 0.017674, -10.754, 2140.7 };
    double inverse = 1 / kelvin;
    return exp(polynomial(fresh, COUNT(fresh), inverse) -
               salinity * polynomial(salt, COUNT(salt), inverse));
}

/* atm; Green and Carritt. 373.16 K was where water boils. */
static double vapour_pressure(double kelvin, double salinity)
{
    double cold = 1 - 373.16 / kelvin, warm = 1 - kelvin / 373.16;
    return (1 - 0.000537 * salinity) *
           exp(18.1973 * cold + 3.1813e-7 * (1 - exp(26.1205 * warm)) -
               0.018726 * (1 - exp(8.03945 * cold)) + 5.02802 * log(373.16 / kelvin));
}

/* What another pressure than 1 atm does; equation 24, which is exactly 1 there. */
static double pressure_factor(double temp, double salinity, double pressure_atm)
{
    if (pressure_atm == 1) {
        return 1;
    }
    double vapour = vapour_pressure(temp + 273.15, salinity);
    double theta = 0.000975 - 1.426e-5 * temp + 6.436e-8 * temp * temp;
    return (pressure_atm - vapour) * (1 - theta * pressure_atm) / ((1 - vapour) * (1 - theta));
}

enum seawater_status seawater_do_saturation(double temp, double salinity, double pressure_atm,
                                            double *mg_per_l)
{
    enum seawater_status status = worse(seawater_judge(&seawater_do_temp, temp),
                                        worse(seawater_judge(&seawater_do_salinity, salinity),
                                              seawater_judge(&seawater_do_pressure, pressure_atm)));
    *mg_per_l = status == SEAWATER_NONE ? NAN
                                        : oxygen_at_1_atm(temp + 273.15, salinity) *
                                              pressure_factor(temp, salinity, pressure_atm);
    return status;
}

enum seawater_status seawater_do_percent(double measured, double temp, double salinity,
                                         double pressure_atm, double *percent)
{
    double full;
    enum seawater_status status =
        worse(seawater_judge(&seawater_do_measured, measured),
              seawater_do_saturation(temp, salinity, pressure_atm, &full));
    *percent = status == SEAWATER_NONE ? NAN : 100 * measured / full;
    return status;
}

/* --- ammonia --------------------------------------------------------------------------------- */

enum seawater_status seawater_nh3(double nh4, double ph, double temp, double *nh3)
{
    enum seawater_status status = worse(
        seawater_judge(&seawater_nh3_nh4, nh4),
        worse(seawater_judge(&seawater_nh3_ph, ph), seawater_judge(&seawater_nh3_temp, temp)));
    double pka = 0.09018 + 2729.92 / (temp + 273.2);
    *nh3 = status == SEAWATER_NONE ? NAN : nh4 / (1 + pow(10, pka - ph));
    return status;
}
