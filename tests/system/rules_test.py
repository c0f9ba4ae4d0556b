"""The shipped rules at work, over a past made up here: a station is judged by the limits of its class
and of the time, and tools/wastewater-rules writes rules for a facility's factors. That each limit is the regulation's
is tests/unit/rule_packs_test.c's business."""
import json
import re
import subprocess

import pytest

from line import BUILD, phusa
from phusarun import CONFIG, ROOT

HOUR = 3600
START = 1_770_000_000 // HOUR * HOUR  # in February 2026
TOOL = ROOT / "tools" / "wastewater-rules"


def replay(tmp_path, config, rows):
    """[(rule, station, to)] of readings (station, parameter, seconds, value)."""
    past = tmp_path / "past.csv"
    past.write_text("time,station,parameter,value\n" + "".join(
        f"{START + seconds},{station},{parameter},{value}\n" for station, parameter, seconds, value in rows))
    lines = map(json.loads, phusa("replay", "-c", config, "--csv", past, check=0)[1].splitlines())
    return [(line["rule"], line["station"], line["to"]) for line in lines]


def held(station, parameter, value, every, times):
    """The same value again and again."""
    return [(station, parameter, i * every, value) for i in range(times)]


@pytest.mark.parametrize("station, parameter, value, every, raised", [
    ("phu-quoc-water-1", "do", 5.1, HOUR, []),  # class B: 5; class A's 6 is not asked for
    ("phu-quoc-water-1", "do", 4.6, HOUR, [("river-b-do", "phu-quoc-water-1", "minor")]),
    ("phu-quoc-water-1", "nh4", 0.4, HOUR, [("river-nh4", "phu-quoc-water-1", "minor")]),
    ("phu-quoc-water-1", "tss", 150.0, HOUR, []),  # that limit is not verified: switched off
    ("effluent-my-tho-ip", "cod", 125.0, 300, [("effluent-b-kq09-kf09-cod", "effluent-my-tho-ip", "moderate")]),
    ("effluent-tan-huong", "cod", 125.0, 300, []),  # Kf 1: 135
    ("effluent-tan-huong", "ph", 5.7, 300, []),  # column B: 5.5
    ("kg-cage-1", "nh4", 0.2, 900, [("cage-nh4", "kg-cage-1", "minor")]),
    ("kg-pond-1", "nh4", 0.2, 900, []),
], ids=str)
def test_a_station_is_judged_by_its_class(tmp_path, station, parameter, value, every, raised):
    assert replay(tmp_path, CONFIG / "phusa.cfg", held(station, parameter, value, every, 12)) == raised


NEW_YEAR = 1_767_200_400  # 2026-01-01T00:00+07:00


def fine_dust(tmp_path, value):
    """Changes of the 24 h rules, [(rule, to, seconds from New Year 2026)], of five days about it at one
    value, give or take a little: what stands quite still is suspect."""
    past = tmp_path / "past.csv"
    past.write_text("time,station,parameter,value\n" + "".join(
        f"{NEW_YEAR + hour * HOUR},phu-quoc-air-1,pm25,{value + (0.2 if hour % 2 else -0.2)}\n" for hour in range(-71, 49)))
    lines = map(json.loads, phusa("replay", "-c", CONFIG / "phusa.cfg", "--csv", past, check=0)[1].splitlines())
    return [(line["rule"], line["to"], line["time"] - NEW_YEAR) for line in lines
            if line["rule"].startswith("pm25-24h")]


def test_the_limit_of_fine_dust_changes_with_the_year(tmp_path):
    """50 to the end of 2025, 45 from then on; means of 24 h, which need 18 of their hours (75 %). The one
    that ends at New Year is of 2025."""
    assert fine_dust(tmp_path, 44.0) == []
    assert fine_dust(tmp_path, 47.0) == [("pm25-24h", "minor", HOUR)]
    first = -71 * HOUR + 17 * HOUR
    assert sorted(fine_dust(tmp_path, 52.0)) == [("pm25-24h", "minor", HOUR), ("pm25-24h-to-2025", "minor", first),
                                                 ("pm25-24h-to-2025", "normal", 0)]


def written(*words):
    done = subprocess.run([TOOL, *words], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(name="facility")
def fixture_facility(tmp_path):
    """A configuration of one business with column A, Kq 1.1, Kf 0.9, and the rules written for it."""
    code, rules, _ = written("--column", "A", "--kq", "1.1", "--kf", "0.9")
    assert code == 0
    (tmp_path / "rules.cfg").write_text(rules)
    (tmp_path / "stations.cfg").write_text("""stations : (
        { id = "mill"; site = "x"; kind = "effluent"; every = "5m"; parameters = ["cod", "nh4"];
          tags = { column = "A"; kq = "1.1"; kf = "0.9"; }; },
        { id = "other"; site = "x"; kind = "effluent"; every = "5m"; parameters = ["cod", "nh4"];
          tags = { column = "A"; kq = "1.1"; kf = "1.0"; }; } );""")
    config = tmp_path / "phusa.cfg"
    config.write_text(f"""phusa : {{ parameters = "{CONFIG / "parameters.cfg"}"; stations = "stations.cfg";
        rules = "rules.cfg"; broker : {{ uri = "tcp://127.0.0.1:1883"; }}; journal : {{ path = "journal"; }};
        store : {{ url = "http://127.0.0.1:8428"; }};
        channels : ( {{ id = "ioc"; kind = "webhook"; url = "http://127.0.0.1:9099/a"; }} ); }};""")
    return config


def test_rules_for_a_facilitys_factors(tmp_path, facility):
    done = subprocess.run([BUILD / "phusad", "-n", "-c", facility], capture_output=True, text=True, timeout=30,
                          check=False)
    assert done.returncode == 0, done.stderr
    raises = re.findall(r"raise = ([0-9.]+);", (tmp_path / "rules.cfg").read_text())
    # BOD5, COD, TSS, NH4-N, TN, TP, Cl of column A (30, 75, 50, 5, 20, 4, 500) times 0.99
    assert raises == ["29.7", "74.25", "49.5", "4.95", "19.8", "3.96", "495.0"]
    rows = [row for station in ("mill", "other") for row in held(station, "cod", 74.5, 300, 12)]
    assert replay(tmp_path, facility, rows) == [("effluent-a-kq11-kf09-cod", "mill", "moderate")]


@pytest.mark.parametrize("words", [
    ["--column", "A"], ["--column", "C", "--kq", "1", "--kf", "1"], ["--column", "A", "--kq", "0", "--kf", "1"],
    ["--column", "A", "--kq", "nan", "--kf", "1"], ["--column", "A", "--kq", "0.9", "--kf", "1.125"],
    ["--column", "A", "--kq", "0,9", "--kf", "1"]], ids=" ".join)
def test_wrong_factors_are_refused(words):
    code, out, err = written(*words)
    assert (code, out) == (2, "") and "error: " in err
