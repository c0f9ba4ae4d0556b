"""phusa calc vn-aqi: what Decision 1459/QĐ-TCMT says, through the command."""
import csv
import datetime
import gzip
import json
import math

import pytest

from line import phusa, shared

POLLUTANTS = ["pm25", "pm10", "o3", "no2", "so2", "co"]
RESULTS = (["nowcast_pm25", "nowcast_pm10"] + [f"aqi_{name}" for name in POLLUTANTS]
           + ["aqi_hour", "dominant"])
PM25 = "26.9,24.7,20.5,23.5,19.5,16.5,19.0,16.5,20.3,22.4,19.6,20.6"  # 09:00 to 20:00
O3 = ("15.7 14.2 17.7 18.9 19.3 15.7 19.7 22.6 27.1 29.0 31.9 25.3 34.7 35.2 41.6 45.7 49.2 55.8 69.6 78.3 91.5 97.7 "
      "81.2 71.8 43.5 34.3 21.5 20.5 19.4 20.4 21.3").split()  # 18:00 to 00:00 of the day after next


def rows_of(text):
    return list(csv.DictReader(text.splitlines()))


def table(header, *rows):
    return "\n".join([header, *rows]) + "\n"


def hourly(header, *rows, options=(), check=0):
    """The result rows of a table; its lines as they were come first."""
    text = table(header, *rows)
    _, out, err = phusa("calc", "vn-aqi", "--csv", *options, stdin=text, check=check)
    assert all(line.startswith(given) for line, given in zip(out.splitlines(), text.splitlines(), strict=True))
    return rows_of(out), err


def one_hour(*options):
    rows = rows_of(phusa("calc", "vn-aqi", *options, check=0)[1])
    assert len(rows) == 1 and list(rows[0]) == RESULTS
    return rows[0]


# --- the Decision -----------------------------------------------------------------------------


def decision():
    return json.loads(shared("9-formulas/vn_aqi_1459.json").read_text())


def test_the_example_of_an_hour():
    row = one_hour("--pm25", PM25, "--o3", "136.1", "--no2", "118.7")
    assert float(row["nowcast_pm25"]) == pytest.approx(20.2657650072368, abs=1e-12)
    # 60 is printed for NO2, but the formula gives 59.35.
    assert [row[k] for k in ("aqi_pm25", "aqi_o3", "aqi_no2", "aqi_hour", "dominant")] == ["41", "43", "59", "59", "no2"]
    assert row["nowcast_pm10"] == row["aqi_pm10"] == row["aqi_so2"] == row["aqi_co"] == ""


def test_the_example_of_an_hour_from_a_table():
    rows, err = hourly("time,pm25", *(f"2019-06-01 {9 + i:02}:00,{value}" for i, value in enumerate(PM25.split(","))))
    assert not err and rows[0]["nowcast_pm25"] == rows[0]["aqi_hour"] == ""
    assert rows[-1]["nowcast_pm25"] == one_hour("--pm25", PM25)["nowcast_pm25"]


def test_the_example_of_a_day():
    """55.7 µg/m³ of PM2.5 is 109.5, printed as 110; ozone's 8 hours are above its one hour."""
    hours = [f"2019-06-01T{h:02}:00:00+07:00,55.7,130.8,114.6" for h in (1, 2)]
    _, out, _ = phusa("calc", "vn-aqi", "--daily", "--coverage", "0",
                      stdin=table("time,pm25,no2,o3", *hours), check=0)
    row = rows_of(out)[0]
    assert (row["aqi_pm25"], row["aqi_no2"], row["aqi_day"], row["dominant"]) == ("110", "65", "110", "pm25")
    assert row["aqi_o3"] == "87"  # 114.6 over 8 hours, too, is 86.5; as one hour it would be 36


def test_the_example_of_running_means():
    start = datetime.datetime(2019, 6, 1, 18)
    rows = [f"{start + datetime.timedelta(hours=i):%Y-%m-%dT%H:%M},10,{value}" for i, value in enumerate(O3)]
    _, out, _ = phusa("calc", "vn-aqi", "--daily", stdin=table("time,pm25,o3", *rows), check=0)
    days = rows_of(out)
    assert [day["day"] for day in days] == ["2019-06-01", "2019-06-02"]
    assert float(days[1]["o3_8h"]) == pytest.approx(74.3875, abs=1e-12)
    assert days[1]["o3_1h"] == "97.7" and days[1]["pm25_24h"] == "10"
    assert days[1]["aqi_o3"] == "37" and days[1]["aqi_day"] == "37" and days[1]["dominant"] == "o3"
    assert days[0]["pm25_24h"] == days[0]["aqi_day"] == ""  # seven hours are no day


def test_breakpoints():
    data = decision()
    for name in POLLUTANTS:
        for level, at in zip(data["levels"], data["breakpoints"]["o3_1h" if name == "o3" else name], strict=True):
            assert one_hour(f"--{name}", str(at), *([] if name == "pm25" else ["--pm25", "0"]))[f"aqi_{name}"] == str(level)
        assert one_hour(f"--{name}", "1e9", *([] if name == "pm25" else ["--pm25", "0"]))[f"aqi_{name}"] == "500"


# --- half a year --------------------------------------------------------------------------------


def measured():
    """The first half of 2014 and some hours before, as `time` and cells in the order of POLLUTANTS."""
    names = ["PM2.5", "PM10", "O3", "NO2", "SO2", "CO"]
    with gzip.open(shared("2-air/prsa_Wanliu_20130301-20170228.csv.gz"), "rt") as file:
        for row in csv.DictReader(file):
            time = datetime.datetime(*(int(row[key]) for key in ("year", "month", "day", "hour")))
            if datetime.datetime(2013, 12, 31) <= time < datetime.datetime(2014, 7, 1):
                yield time, ["" if row[name] == "NA" else row[name] for name in names]


def sub_index(data, name, concentration):
    """The Decision's formula 1, for the reading whose sub-indices the expected file does not hold."""
    points, levels = data["breakpoints"][name], data["levels"]
    if concentration >= points[-1]:
        return "500"
    i = next(i for i in range(7) if concentration <= points[i + 1])
    share = (concentration - points[i]) / (points[i + 1] - points[i])
    return str(math.floor(levels[i] + share * (levels[i + 1] - levels[i]) + 0.5))


@pytest.mark.parametrize("form", ["printed", "normalised"])
@pytest.mark.parametrize("spelling", ["local", "offset", "epoch"])
def test_half_a_year(form, spelling):
    """4,333 hours against another implementation; empty rows left out, columns in another order."""
    data, lines = decision(), []
    for time, cells in measured():
        stamp = {"local": f"{time:%Y-%m-%d %H:%M}", "offset": f"{time.isoformat()}+08:00",
                 "epoch": str(int((time - datetime.datetime(1970, 1, 1)).total_seconds()) - 8 * 3600)}[spelling]
        if any(cells):
            lines.append(",".join(["Vạn Liễu", *reversed(cells), stamp]))
    rows, err = hourly(",".join(["station", *reversed(POLLUTANTS), "time"]), *lines,
                       options=[] if form == "printed" else ["--nowcast", form])
    assert not err
    by_time = {row["time"]: row for row in rows}
    checked = 0
    with shared("9-formulas/vn_aqi_hourly_prsa_Wanliu_2014H1.csv").open() as file:
        for expected in csv.DictReader(file):
            time = datetime.datetime.strptime(expected["local_time"], "%Y-%m-%d %H:%M")
            stamp = {"local": f"{time:%Y-%m-%d %H:%M}", "offset": f"{time.isoformat()}+08:00",
                     "epoch": str(int((time - datetime.datetime(1970, 1, 1)).total_seconds()) - 8 * 3600)}[spelling]
            checked += 1
            if stamp not in by_time:
                assert not any(expected[f"aqi_{name}"] for name in POLLUTANTS[2:])
                continue
            check_hour(data, form, by_time[stamp], expected)
    assert checked == 4333


def check_hour(data, form, row, expected):
    for name in ("pm25", "pm10"):
        value = expected[f"nowcast_{name}" + ("_printed_form" if form == "printed" else "")]
        assert bool(row[f"nowcast_{name}"]) == bool(value), row
        assert not value or float(row[f"nowcast_{name}"]) == pytest.approx(float(value), rel=1e-12)
        if form == "printed":
            assert row[f"aqi_{name}"] == (value and sub_index(data, name, float(value))), row
    same = POLLUTANTS[2:] if form == "printed" else POLLUTANTS
    assert [row[f"aqi_{name}"] for name in same] == [expected[f"aqi_{name}"] for name in same], row
    if form == "normalised":
        assert (row["aqi_hour"], row["dominant"]) == (expected["aqi_hour"], expected["dominant"]), row
    elif row["aqi_pm25"] or row["aqi_pm10"]:
        highest = max(int(row[f"aqi_{name}"] or -1) for name in POLLUTANTS)
        assert row["aqi_hour"] == str(highest)
        assert row["dominant"] == next(name for name in POLLUTANTS if row[f"aqi_{name}"] == str(highest))
    else:
        assert row["aqi_hour"] == row["dominant"] == ""


def test_days_of_half_a_year():
    """Each day of the table once, its means and maxima those of its 24 hours from 01:00 to 00:00."""
    values = dict(measured())
    lines = [",".join([f"{time:%Y-%m-%d %H:%M}", *cells]) for time, cells in values.items()]
    _, out, _ = phusa("calc", "vn-aqi", "--daily", stdin=table(",".join(["time", *POLLUTANTS]), *lines), check=0)
    days = rows_of(out)
    assert len(days) == 183
    for day in days[2:-1]:
        start = datetime.datetime.strptime(day["day"], "%Y-%m-%d")
        hours = [[values[start + datetime.timedelta(hours=h)][i] for h in range(1, 25)] for i in range(6)]
        known = [[float(cell) for cell in column if cell] for column in hours]
        for name, column in zip(("pm25_24h", "pm10_24h"), known, strict=False):
            assert day[name] == "" if len(column) < 18 else float(day[name]) == pytest.approx(sum(column) / len(column))
        for name, column in zip(("o3_1h", "no2_1h", "so2_1h", "co_1h"), known[2:], strict=True):
            assert day[name] == "" if not column else float(day[name]) == max(column)
        subs = [int(day[f"aqi_{name}"] or -1) for name in POLLUTANTS]
        assert day["aqi_day"] == ("" if max(subs[:2]) < 0 else str(max(subs)))


# --- bad input ------------------------------------------------------------------------------------


def test_gaps_are_missing_hours():
    """Without 01:00 and 02:00 there is one of the three newest hours; then two."""
    rows, err = hourly("time,pm25", "1735689600,20", "1735700400,20", "1735704000,10", "1735776000,10")
    assert not err and [row["nowcast_pm25"] for row in rows[:2]] == ["", ""]
    # 10 of this hour, 20 of the last and of four hours ago; w = 1/2, printed: not divided
    assert float(rows[2]["nowcast_pm25"]) == pytest.approx(10 / 2 + 20 / 4 + 20 / 32, abs=1e-12)
    assert rows[3]["nowcast_pm25"] == ""


def test_negative_concentrations_are_kept_named_and_missing():
    rows, err = hourly("time,pm25,pm10,o3", "2026-01-01 01:00,10,-1,-0.1", "2026-01-01 02:00,-2,5,3",
                       "2026-01-01 03:00,10,5,-7")
    assert [row["nowcast_pm25"] for row in rows] == ["", "", "10"]
    assert [row["aqi_o3"] for row in rows] == ["", "1", ""]
    assert rows[1]["pm25"] == "-2"
    assert err.count("negative") == 4 and "line 2: pm10" in err and "line 4: o3" in err


def test_dust_is_required():
    rows, _ = hourly("time,pm10,o3", "2026-01-01 01:00,50,300", "2026-01-01 02:00,50,300", "2026-01-01 05:00,,300")
    assert [row["aqi_o3"] for row in rows] == ["150"] * 3
    assert [(row["aqi_hour"], row["dominant"]) for row in rows] == [("", ""), ("150", "o3"), ("", "")]
    code, out, err = phusa("calc", "vn-aqi", "--o3", "300")
    assert code == 1 and rows_of(out)[0]["aqi_o3"] == "150" and "PM10" in err


@pytest.mark.parametrize("bad", ["x,10", ",10", "2026-01-01 02:30,10", "2026-01-01 01:00,11", "2025-12-31 23:00,10",
                                 "2026-01-01 02:00,ten", "2026-01-01 02:00,NaN", "2026-01-01 02:00,1e999",
                                 "2026-01-01 02:00,10,11", "2026-02-30 02:00,10"])
def test_a_bad_row_is_named_and_the_others_go_on(bad):
    text = table("time,pm25", "2026-01-01 01:00,10", bad, "2026-01-01 03:00,10")
    _, out, err = phusa("calc", "vn-aqi", "--csv", stdin=text, check=1)
    assert "line 3:" in err and len(err.splitlines()) == 1
    assert out.splitlines()[2] == bad + "," * len(RESULTS)
    assert [row["aqi_hour"] for row in rows_of(out)][::2] == ["", "20"]
    code, out, err = phusa("calc", "vn-aqi", "--daily", "--coverage", "0", stdin=text)
    assert code == 1 and "line 3:" in err and [row["pm25_24h"] for row in rows_of(out)] == ["10"]


@pytest.mark.parametrize("header", ["", "time", "pm25,pm10", "time,PM2.5", "time,o3", "time,pm25,pm25"])
def test_a_bad_header(header):
    for daily in ([], ["--daily"]):
        code, out, err = phusa("calc", "vn-aqi", *daily, stdin=table(header, "2026-01-01 01:00,10,10"))
        assert code == 1 and err and not out


def test_local_midnight_at_the_end_of_the_year():
    """00:00 belongs to the day before, whatever offset the time is written with."""
    rows = ["2025-12-31T16:00:00Z,30", "2025-12-31T17:00:00Z,40", "2025-12-31T18:00:00Z,50"]
    _, out, _ = phusa("calc", "vn-aqi", "--daily", "--coverage", "0", stdin=table("time,pm25", *rows), check=0)
    assert [(row["day"], row["pm25_24h"]) for row in rows_of(out)] == [("2025-12-31", "35"), ("2026-01-01", "50")]


@pytest.mark.parametrize("words", [["--nowcast", "best"], ["--coverage", "2"], ["--coverage", "x"], ["--pm25", "x"],
                                   ["--pm25", "1," * 12], ["--o3", "1,2"], ["--dance"], ["file.csv"],
                                   ["--csv", "--pm25", "1"], ["--daily", "--pm25", "1"], ["--pm25"]], ids=" ".join)
def test_usage_errors(words):
    code, out, err = phusa("calc", "vn-aqi", *words)
    assert code == 2 and err and not out


def test_help():
    for option in ("--help", "-h"):
        code, out, err = phusa("calc", "vn-aqi", option)
        assert code == 0 and out.startswith("usage: phusa calc vn-aqi") and "--nowcast" in out and not err
