/*
 * What a sonde does not measure but people ask for: practical salinity, conductivity at
 * 25 °C, dissolved oxygen at saturation, un-ionised ammonia. Pure: numbers in, a number out.
 *
 * Every function answers in the same way. Inside the range that its source vouches for the
 * result is good. Somewhat beyond it the formula still has a meaning: there is a result, and
 * the status says that it is extrapolated. Where the formula means nothing (a negative
 * conductivity, a value in another unit, NaN, an infinity) there is none, and the result is
 * NaN. Nothing is ever moved into a range.
 */
#ifndef QUALITY_SEAWATER_H
#define QUALITY_SEAWATER_H

enum seawater_status {
    SEAWATER_GOOD,
    SEAWATER_OUTSIDE, /* there is a result, but outside the range that the source vouches for */
    SEAWATER_NONE,    /* no result: an input is no number or means nothing to the formula */
};

/* low..high: what the source vouches for; least..most: beyond it there is no result. Inclusive. */
struct seawater_range {
    double least, low, high, most;
};

/* Where a value stands in a range; NaN is SEAWATER_NONE. */
enum seawater_status seawater_judge(const struct seawater_range *range, double value);

/* --- practical salinity ------------------------------------------------------------------ */

enum seawater_scale {
    SEAWATER_PSS78_HILL, /* below 2 with Hill's extension, as TEOS-10 does it: the default */
    SEAWATER_PSS78, /* the scale of 1978 alone; below 2 it is too high, in fresh water by far */
};

/*
 * mS/cm, not compensated. 100 lets no value in µS/cm pass but that of nearly pure water.
 * PSS-78 speaks of the salinity, not the conductivity: see the last two.
 */
extern const struct seawater_range seawater_salinity_ec;
/* °C, ITS-90: -2 to 35, computed from -5 to 50. (UNESCO's own check value lies at 40.) */
extern const struct seawater_range seawater_salinity_temp;
/* dbar over the atmosphere's: 0 to 10,000, computed from -10 (no air) to 12,000 (no deeper sea). */
extern const struct seawater_range seawater_salinity_pressure;
/* The result: 2 to 42 (PSS-78), from 0 on with Hill's extension; never a reason for none. */
extern const struct seawater_range seawater_salinity_hill, seawater_salinity_pure;

/*
 * Practical salinity (no unit; the authorities read it as ‰ and g/L, TT 47/2024/TT-BTNMT) from
 * conductivity (mS/cm, as measured at the water's temperature), temperature (°C, ITS-90) and
 * sea pressure (dbar; 0 at the surface, and 10 m of water matter less than a probe's error).
 * A probe that already reports EC at 25 °C is to be given 25 here, not the water's temperature.
 *
 * Source: PSS-78, UNESCO technical papers in marine science 44 (1983), with t68 = 1.00024 t90
 * and C(35, 15, 0) = 42.914 mS/cm; below 2: Hill, Dauphinee and Woods, IEEE J. Oceanic Eng.
 * OE-11 (1986) 109-112, multiplied by the ratio that makes it continuous with PSS-78 at 2, as
 * TEOS-10's gsw_SP_from_C does. Agrees with that to rounding (1e-9 is tested).
 * Error: PSS-78 defines the scale, so for diluted sea water the error is the probe's: 1 % of
 * conductivity makes 1.0 to 1.1 % of salinity, 1 °C makes 2 %. Fresh water has its salts in other
 * proportions than the sea; there the result is a salinity by convention.
 * Purer than rain (below 0.001 to 0.003 mS/cm) Hill's formula falls under 0, by 0.0003 at most; the
 * result is then 0, as in TEOS-10's own version (its port to C gives none). PSS-78 alone ends
 * at 0.008 there.
 */
enum seawater_status seawater_salinity(double ec, double temp, double pressure,
                                       enum seawater_scale scale, double *salinity);

/* --- conductivity at 25 °C ----------------------------------------------------------------- */

#define SEAWATER_EC25_PER_KELVIN 0.0191 /* Standard Methods 2510 B; probes use 0.0185 to 0.02 */

/* mS/cm, both as measured and at 25 °C; more than brine has is another unit. */
extern const struct seawater_range seawater_ec25_ec;
/*
 * °C. From 5 to 40 the straight line stays within 2.5 % of what PSS-78 says of sea water diluted to
 * anything from 0.1 to 35, from 11 to 32 within 1.1 %: our own comparison, seawater_test.c repeats
 * it. Computed from -5 to 50.
 */
extern const struct seawater_range seawater_ec25_temp;
/* 1/K: 0 for no compensation at all, to 0.03, beyond which no natural water lies. */
extern const struct seawater_range seawater_ec25_coefficient;

/*
 * EC at 25 °C (mS/cm) = ec / (1 + per_kelvin (temp - 25)), Standard Methods 2510 B; and the way
 * back. ISO 7888 has a table that is no straight line instead. Not for salinity: that takes EC as
 * it was measured, because PSS-78 compensates better than any straight line.
 */
enum seawater_status seawater_ec25(double ec, double temp, double per_kelvin, double *ec25);
enum seawater_status seawater_ec_of_ec25(double ec25, double temp, double per_kelvin, double *ec);

/* --- dissolved oxygen ---------------------------------------------------------------------- */

/* °C: 0 to 40, computed from -5 to 50. */
extern const struct seawater_range seawater_do_temp;
/* Practical salinity: 0 to 40, computed to 60. */
extern const struct seawater_range seawater_do_salinity;
/*
 * atm (1 atm = 1013.25 hPa): 0.5 to 1.1 as USGS technical memorandum 2011.03, computed from 0.3 to
 * 2, which keeps hPa, kPa and dbar out. The pressure where the water lies, not reduced to sea
 * level.
 */
extern const struct seawater_range seawater_do_pressure;
/* mg/L as measured: 0 to 60, computed to 100. */
extern const struct seawater_range seawater_do_measured;

/*
 * Dissolved oxygen (mg/L) of water in equilibrium with air that is saturated with vapour.
 *
 * Source: Benson and Krause, Limnol. Oceanogr. 29 (1984) 620-632, equation 32 for 1 atm, which is
 * also Standard Methods 4500-O and, since 2011, USGS (memorandum 2011.03). For another pressure
 * equation 24 of the same paper, C = C1 P (1 - u/P)(1 - θP) / ((1 - u)(1 - θ)), with θ from its
 * table 2 and the vapour's pressure u over salt water after Green and Carritt, J. Mar. Res. 25
 * (1967) 140-147, as that table has it.
 * Error: Garcia and Gordon's fit of the same data (1992) differs by less than 0.03 %, in fresh
 * and in sea water; the equation's is far below any probe's.
 */
enum seawater_status seawater_do_saturation(double temp, double salinity, double pressure_atm,
                                            double *mg_per_l);

/* Measured oxygen (mg/L) in percent of that; above 100 where algae produce it. */
enum seawater_status seawater_do_percent(double measured, double temp, double salinity,
                                         double pressure_atm, double *percent);

/* --- ammonia --------------------------------------------------------------------------------- */

/* mg/L of nitrogen: 0 to 1,000, computed to 10,000 (mg/L, not µg/L). */
extern const struct seawater_range seawater_nh3_nh4;
/* pH: 0 to 14. */
extern const struct seawater_range seawater_nh3_ph;
/* °C: 0 to 50, computed from -5 to 60. */
extern const struct seawater_range seawater_nh3_temp;

/*
 * Un-ionised ammonia, the poisonous part (mg/L, as nitrogen; as NH3 it is 17.031/14.007 of that),
 * of total ammonia (NH4+ and NH3 together, mg/L as nitrogen: what stations report as NH4-N), pH
 * and temperature.
 *
 * Source: Emerson, Russo, Lund and Thurston, J. Fish. Res. Board Can. 32 (1975) 2379-2383:
 * pKa = 0.09018 + 2729.92 / T, NH3 = total / (1 + 10^(pKa - pH)), with T = t + 273.2 as
 * US EPA (822-R-99-014) and Canada (CCME) print it; 273.15 would give 0.4 % less.
 * Error: within 3 % of Trussell's table (1972), which rests on other data. For fresh water: in the
 * sea about a fifth less is un-ionised (Bower and Bidwell 1978), so that in a brackish pond the
 * result errs on the side of caution. A pH that is wrong by 0.1 makes it wrong by up to 26 %.
 */
enum seawater_status seawater_nh3(double nh4, double ph, double temp, double *nh3);

#endif
