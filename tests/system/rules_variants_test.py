"""Rules over recorded series: what `phusa replay` finds equals what an independent reading of the
contract finds (reference_rules.py), for many variants of rules and with the recordings' own gaps."""
import csv
import datetime
import gzip
import json
import math
from collections import defaultdict

import pytest

import reference_rules as reference
from line import phusa, shared
from phusarun import CONFIG
from reference_rules import FAIL, GOOD, HOUR, SUSPECT, Reading

MINUTE = 60

# station: (kind, parameter, seconds between two reports, limits of the parameter's range)
STATIONS = {
    "apadb": ("water", "salinity", 900, (0, 50)),  # with raw garbage
    "gndbl": ("water", "salinity", 900, (0, 50)),  # 523 readings are missing
    "stage": ("tide", "level", 900, (-10, 20)),
    "wanliu": ("air", "pm25", HOUR, (0, 1000)),
    "italy": ("air", "co", HOUR, (0, 200000)),
    "met": ("weather", "temp", 900, (-5, 80)),
}
SUSPECT_ABOVE = {"apadb": 25.0}  # a quality test of the station: suspect above, fails nowhere in its range

ABOVE, BELOW, OUTSIDE = ({"direction": d} for d in ("above", "below", "outside"))


def level(severity, raised, **more):
    return {"severity": severity, **({} if raised is None else {"raise": raised}), **more}


def salty(*levels, **more):
    return {"kind": "water", "parameter": "salinity", **ABOVE, "max_gap": HOUR, "levels": levels, **more}


def dusty(*levels, **more):
    return {"kind": "air", "parameter": "pm25", **ABOVE, "max_gap": 3 * HOUR, "levels": levels, **more}


def window(statistic, length, coverage=0.75):
    return {"window": {"statistic": statistic, "length": length, "coverage": coverage}}


def silent(kind, parameter, after, *levels, multiple=False, **more):
    return {"kind": kind, "parameter": parameter, "missing": after, "multiple": multiple, "max_gap": HOUR,
            "levels": levels or (level("minor", None),), **more}


FEBRUARY, MARCH = 1_328_054_400, 1_330_560_000  # 2012, UTC
TIDE = {"kind": "tide", "parameter": "level", "max_gap": HOUR}

RULES = {
    "plain": salty(level("severe", 20.0, clear=18.0)),
    "no-hysteresis": salty(level("minor", 15.0)),
    "two-levels": salty(level("minor", 10.0, clear=8.0), level("severe", 20.0, clear=19.5)),
    "four-levels": salty(level("minor", 5.0, clear=4.0), level("moderate", 10.0, clear=9.0),
                         level("severe", 15.0, clear=14.0), level("extreme", 25.0, clear=20.0)),
    "for": salty(level("severe", 20.0, clear=18.0, **{"for": 2 * HOUR})),
    "clear-for": salty(level("severe", 20.0, clear=18.0, clear_for=3 * HOUR)),
    "for-both": salty(level("minor", 10.0, clear=9.0, clear_for=HOUR, **{"for": HOUR}),
                      level("severe", 15.0, clear=14.0, clear_for=4 * HOUR, **{"for": 30 * MINUTE})),
    "narrow-gap": salty(level("minor", 10.0, clear=9.0, clear_for=HOUR, **{"for": HOUR}), max_gap=15 * MINUTE),
    "no-gap": salty(level("minor", 10.0, clear=9.0), level("severe", 10.0, **{"for": MINUTE}), max_gap=14 * MINUTE),
    "wide-gap": salty(level("minor", 10.0, clear=9.0, clear_for=24 * HOUR, **{"for": 24 * HOUR}),
                      max_gap=30 * 24 * HOUR),
    "in-force": salty(level("severe", 20.0, clear=18.0, **{"for": HOUR}), **{"from": FEBRUARY, "until": MARCH}),
    "accept-suspect": salty(level("severe", 26.0, clear=24.0), accept=(GOOD, 2, SUSPECT)),
    "accept-failed": salty(level("extreme", 40.0), accept=(GOOD, 2, SUSPECT, FAIL)),
    "only-failed": salty(level("minor", 100.0), accept=(FAIL,)),
    # In order by the contract, however odd: the lower level is told when the graver one has ended.
    "graver-ends-at-once": salty(level("minor", 15.0, clear=8.0, **{"for": HOUR}), level("severe", 15.0, clear=15.0)),
    "graver-is-nearer": salty(level("minor", 20.0, clear=8.0), level("severe", 15.0, clear=14.0)),
    "never-lower": salty(level("minor", 20.0), level("severe", 15.0, clear=10.0)),  # never told, and said so
    "windows-alone": dusty(level("minor", 100.013, clear=80.017), level("severe", 50.0, **{"for": HOUR}),
                           max_gap=30 * MINUTE, **window("mean", "1h")),  # warned: the severe one is never reached
    "days-alone": dusty(level("minor", 75.013), **window("mean", "day")),
    "below": {**TIDE, **BELOW, "levels": (level("minor", 0.8, clear=0.9), level("severe", 0.5, clear=0.7))},
    "below-for": {**TIDE, **BELOW, "levels": (level("moderate", 0.8, clear=1.0, **{"for": HOUR}),)},
    "outside": {**TIDE, **OUTSIDE, "levels": (level("minor", (0.7, 1.6), clear=(0.8, 1.5)),
                                              level("severe", (0.4, 1.9), clear=(0.5, 1.8), clear_for=HOUR))},
    "hourly-mean": dusty(level("minor", 75.3, clear=70.1), **window("mean", "1h")),
    "quarter-hours": salty(level("minor", 12.013, clear=10.017), **window("mean", "1h")),
    "covered": salty(level("minor", 12.013, clear=10.017), **window("mean", "1h", 1.0)),
    "mean-8h": dusty(level("minor", 100.013, clear=80.017), level("severe", 200.013), **window("mean", "8h")),
    "mean-24h": dusty(level("minor", 100.013), level("moderate", 150.011), level("severe", 250.017),
                      **window("mean", "24h")),
    "mean-24h-half": dusty(level("minor", 100.013, **{"for": 12 * HOUR}), **window("mean", "24h", 0.5)),
    "max-24h": {**dusty(level("minor", 300.0, clear=200.0)), **window("max", "24h")},
    "min-8h": salty(level("minor", 5.01, clear=4.99), **window("min", "8h", 0.9)),
    "day": dusty(level("minor", 75.013), level("severe", 150.011), max_gap=2 * 24 * HOUR, **window("mean", "day")),
    "day-max": {**dusty(level("minor", 300.0)), "max_gap": 2 * 24 * HOUR, **window("max", "day", 0.1)},
    "sum-8h": dusty(level("minor", 1000.5), **window("sum", "8h")),
    "few": salty(level("minor", 3.5), direction="below", **window("count", "1h", 0.1)),
    "rises-1h": salty(level("minor", 3.013, clear=1.007), rate=HOUR),
    "rises-3h": salty(level("minor", 1.013), level("severe", 3.007, clear=2.003), rate=3 * HOUR),
    "rises-24h": {**salty(level("minor", 0.2013, **{"for": HOUR})), "rate": 24 * HOUR},
    "rises-7d": salty(level("minor", 0.05013), rate=7 * 24 * HOUR, max_gap=2 * HOUR),
    "falls": {**TIDE, **BELOW, "rate": 2 * HOUR, "levels": (level("minor", -0.1013), level("severe", -0.2007))},
    "turns": {"kind": "weather", "parameter": "temp", **OUTSIDE, "rate": HOUR, "max_gap": 20 * MINUTE,
              "levels": (level("moderate", (-4.013, 4.017), clear=(-1.013, 1.017), clear_for=HOUR),)},
    "rises-uneven": dusty(level("minor", 30.013), rate=5 * HOUR, max_gap=2 * HOUR),
    "rate-of-means": dusty(level("minor", 10.0137), rate=3 * HOUR, **window("mean", "1h")),
    "out-of-range": salty(level("minor", 60.0)),
    "missing": silent("water", "salinity", 3, multiple=True),
    "missing-2": silent("air", "pm25", 2.5, multiple=True),
    "missing-levels": silent("water", "salinity", 30 * MINUTE, level("minor", None),
                             level("moderate", None, **{"for": HOUR}), level("severe", None, **{"for": 4 * HOUR}),
                             level("extreme", None, **{"for": 48 * HOUR})),
    "missing-at-once": silent("air", "co", 2 * HOUR, level("minor", None, **{"for": HOUR}),
                              level("severe", None, **{"for": HOUR}), level("extreme", None, **{"for": 24 * HOUR})),
    "missing-good": silent("water", "salinity", HOUR, accept=(GOOD,)),
    "missing-long": silent("tide", "level", 6 * HOUR, level("severe", None)),
}

NOTHING = ("out-of-range",)  # never met: what lies outside of the parameter's range takes no part


# --- the recordings ----------------------------------------------------------------------------------


def seconds(text, form="%Y-%m-%d %H:%M:%S"):
    return int(datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc).timestamp())


def opened(name):
    path = shared(name)
    return gzip.open(path, "rt", newline="") if path.suffix == ".gz" else open(path, newline="", encoding="utf-8")


def columns(name, stamp, value, **options):
    """[(seconds, number)] of a file; rows without a number are left out."""
    with opened(name) as file:
        for row in csv.DictReader(file, **options):
            try:
                number = float(row[value].replace(",", "."))
                if number != -200 and math.isfinite(number):  # the Italian file's missing value
                    yield stamp(row), number
            except ValueError:
                continue


def prsa_stamp(row):
    return seconds(f"{row['year']}-{row['month']}-{row['day']} {row['hour']}:00:00")


SOURCES = {
    "apadb": lambda: columns("1-salinity/nerrs_apadbwq_2012.csv.gz", lambda row: seconds(row["datetimestamp"]), "sal"),
    "gndbl": lambda: columns("1-salinity/nerrs_gndblwq_2021_raw_cdmo.csv",
                             lambda row: seconds(row["DateTimeStamp"], "%m/%d/%Y %H:%M"), "Sal"),
    "stage": lambda: columns("1-salinity/delta_DOP_stage_m.csv.gz", lambda row: seconds(row["Time"]), "Stage"),
    "wanliu": lambda: columns("2-air/prsa_Wanliu_20130301-20170228.csv.gz", prsa_stamp, "PM2.5"),
    "italy": lambda: columns("2-air/AirQualityUCI_italy.csv",
                             lambda row: seconds(f"{row['Date']} {row['Time']}", "%d/%m/%Y %H.%M.%S"), "CO(GT)",
                             delimiter=";"),
    "met": lambda: columns("2-air/nerrs_apaebmet_2012.csv.gz", lambda row: seconds(row["datetimestamp"]), "atemp"),
}


def flag(station, value):
    low, high = STATIONS[station][3]
    if not low <= value <= high:
        return FAIL
    return SUSPECT if value > SUSPECT_ABOVE.get(station, math.inf) else GOOD


def record(station):
    """[Reading] by time; the first value for a time wins."""
    first = {}
    for time, value in SOURCES[station]():
        first.setdefault(time, value)
    return [Reading(time, value, flag(station, value)) for time, value in sorted(first.items())]


# --- the product ---------------------------------------------------------------------------------------


def numbers_text(limit):
    return f"({limit[0]!r}, {limit[1]!r})" if isinstance(limit, tuple) else repr(limit)


def level_text(given):
    keys = [f'severity = "{given["severity"]}";']
    keys += [f"{key} = {numbers_text(given[key])};" for key in ("raise", "clear") if key in given]
    keys += [f'{key} = "{given[key]}s";' for key in ("for", "clear_for") if key in given]
    return "{ " + " ".join(keys) + " }"


def rule_text(name, rule):
    keys = [f'id = "{name}"; kind = "{rule["kind"]}"; parameter = "{rule["parameter"]}";',
            f'max_gap = "{rule["max_gap"]}s"; levels = ( {", ".join(map(level_text, rule["levels"]))} );']
    if "direction" in rule:
        keys.append(f'direction = "{rule["direction"]}";')
    if "window" in rule:
        keys.append('window = {{ statistic = "{statistic}"; length = "{length}"; coverage = {coverage}; }};'.format(
            **rule["window"]))
    if "rate" in rule:
        keys.append(f'rate = {{ over = "{rule["rate"]}s"; }};')
    if "missing" in rule:
        keys.append(f'missing = {{ after = "{rule["missing"]}{" x every" if rule["multiple"] else "s"}"; }};')
    for key in ("from", "until"):
        if key in rule:
            moment = datetime.datetime.fromtimestamp(rule[key], datetime.timezone.utc)
            keys.append(f'{key} = "{moment:%Y-%m-%dT%H:%M:%S}+00:00";')
    if "accept" in rule:
        keys.append(f"accept = [{', '.join(map(str, rule['accept']))}];")
    return "  { " + "\n    ".join(keys) + " }"


def station_text(name):
    kind, parameter, every, limits = STATIONS[name]
    test = ""
    if name in SUSPECT_ABOVE:
        test = (f' qc = ( {{ parameter = "{parameter}"; qc : {{ gross = {{ fail = [{limits[0]}.0, {limits[1]}.0];'
                f" suspect = [{limits[0]}.0, {SUSPECT_ABOVE[name]}]; }}; }}; }} );")
    return (f'  {{ id = "{name}"; site = "past"; kind = "{kind}"; name = "{name}"; every = "{every}s";'
            f' parameters = ["{parameter}"];{test} }}')


def write_config(folder):
    (folder / "stations.cfg").write_text("stations : (\n" + ",\n".join(map(station_text, STATIONS)) + "\n);\n")
    (folder / "rules.cfg").write_text("rules : (\n" + ",\n".join(rule_text(*item) for item in RULES.items()) + "\n);\n")
    config = folder / "phusa.cfg"
    config.write_text(f'phusa : {{ parameters = "{CONFIG}/parameters.cfg"; stations = "stations.cfg"; '
                      'rules = "rules.cfg"; };\n')
    return config


@pytest.fixture(name="past", scope="module")
def fixture_past():
    return {station: record(station) for station in STATIONS}


@pytest.fixture(name="replayed", scope="module")
def fixture_replayed(past, tmp_path_factory):
    """{(rule, station): [(time, before, after, value)]}, and that all of it comes in order."""
    folder = tmp_path_factory.mktemp("variants")
    rows = folder / "past.csv"
    with open(rows, "w", encoding="utf-8") as file:
        file.write("time,station,parameter,value\n")
        for station, series in past.items():
            for reading in series:
                file.write(f"{reading.time},{station},{STATIONS[station][1]},{reading.value!r}\n")
    lines = [json.loads(line)
             for line in phusa("replay", "-c", write_config(folder), "--csv", rows, check=0)[1].splitlines()]
    order = [(line["time"], line["rule"], line["station"]) for line in lines]
    assert order == sorted(order)
    found = defaultdict(list)
    for line in lines:
        found[line["rule"], line["station"]].append((line["time"], line["from"], line["to"], line["value"]))
    return found


def concerned(rule):
    return [name for name, (kind, parameter, _, _) in STATIONS.items()
            if (kind, parameter) == (rule["kind"], rule["parameter"])]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_finds_what_the_contract_says(name, past, replayed):
    rule, end, count = RULES[name], max(series[-1].time for series in past.values()), 0
    assert concerned(rule), "no station has this parameter"
    for station in concerned(rule):
        wanted = reference.transitions(rule, past[station], STATIONS[station][2], end)
        found = replayed[name, station]
        assert [entry[:3] for entry in found] == [tuple(entry[:3]) for entry in wanted], station
        assert all(math.isclose(a[3], b.value, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(found, wanted)), station
        count += len(wanted)
    assert (count > 0) == (name not in NOTHING), "this rule shows nothing over these recordings"
