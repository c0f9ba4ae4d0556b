"""phusa qc: the vectors of the public reference implementation and both series that it judged, row by
row, through the command; and what it does with tables and settings that are wrong."""
import csv
import gzip
import json
import os
from pathlib import Path

import pytest

from line import phusa

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = Path(os.environ.get("PHUSA_SHARED", ROOT.parent / "shared")) / "data" / "6-qc"
HEADER = "time,value,gross,spike,rate,flat_line,attenuated,aggregate"
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"no {DATA} (set PHUSA_SHARED)")


def settings(**groups):
    """Text of a file: groups of keys, a test each. Numbers become floats, so that no list mixes."""
    def text(value):
        if isinstance(value, str):
            return f'"{value}"'
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(text(float(item)) for item in value) + "]"
        return f"{value:.17f}" if isinstance(value, float) else str(value)

    body = "".join(f"  {name} = {{ " + "".join(f"{key} = {text(value)}; " for key, value in keys.items()
                                               if value is not None) + "};\n" for name, keys in groups.items())
    return f"qc : {{\n{body}}};\n"


def run(tmp_path, tests, table):
    """Exit code, rows as dictionaries, messages."""
    file = tmp_path / "tests.cfg"
    file.write_text(tests)
    code, out, err = phusa("qc", "--tests", file, stdin=table)
    return code, list(csv.DictReader(out.splitlines())), err


def table_of(times, values):
    return "time,value\n" + "".join(f"{time},{'' if value is None else value}\n" for time, value in zip(times, values))


def flags(rows, name):
    return [int(row[name]) for row in rows]


# --- the reference -----------------------------------------------------------------------------

def gross(p):
    return "gross", {"fail": p["fail_span"], "suspect": p["suspect_span"]}


def spike(p):
    return "spike", {"method": p["method"], "suspect": p["suspect_threshold"], "fail": p["fail_threshold"]}


def rate(p):
    return "rate", {"suspect": p["threshold"], "fail": p["fail_threshold"]}


def flat_line(p):
    return "flat_line", {"tolerance": p["tolerance"], "suspect_s": p["suspect_threshold"], "fail_s": p["fail_threshold"]}


def attenuated(p):
    return "attenuated", {"method": p["check_type"], "period_s": p["test_period"], "min_obs": p["min_obs"],
                          "min_period_s": p["min_period"], "suspect": p["suspect_threshold"], "fail": p["fail_threshold"]}


KINDS = {"gross_range_test": gross, "spike_test": spike, "rate_of_change_test": rate, "flat_line_test": flat_line,
         "attenuated_signal_test": attenuated}


def vectors():
    if not DATA.exists():
        return []
    functions = json.loads((DATA / "ioos_qc_vectors_core.json").read_text())["functions"]
    return [pytest.param(kind, vector, id=vector["id"]) for name, kind in KINDS.items() for vector in functions[name]]


@needs_data
@pytest.mark.parametrize("kind, vector", vectors())
def test_vectors(tmp_path, kind, vector):
    name, keys = kind(vector["params"])
    values = [value[0] if isinstance(value, list) else value for value in vector["inp"]]
    times = vector.get("tinp") or range(len(values))
    code, rows, err = run(tmp_path, settings(**{name: keys}), table_of(times, values))
    if "expect_error" in vector:
        assert code == 1 and rows == [] and "tests.cfg:2: \"" in err
    else:
        assert code == 0 and not err
        assert flags(rows, name) == vector["expect_flags"]


SERIES = ["apadb_ph_2012", "gndbl_spcond_2021"]
METHODS = [("average", "spike_avg", "std", "att_std"), ("differential", "spike_diff", "range", "att_range")]


@needs_data
@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("spike_method, spike_column, spread_method, spread_column", METHODS)
def test_series(tmp_path, name, spike_method, spike_column, spread_method, spread_column):
    given = json.loads((DATA / "oracle_config_give.json").read_text())[name]
    spread = given[f"attenuated_{spread_method}"]
    tests = settings(gross={"fail": given["gross"]["fail_span"], "suspect": given["gross"]["suspect_span"]},
                     spike={"method": spike_method} | given["spike"], rate=given["rate_of_change_per_s"],
                     flat_line=given["flat_line"],
                     attenuated={"method": spread_method, "suspect": spread["suspect"], "fail": spread["fail"],
                                 "period_s": spread["test_period_s"]})
    with gzip.open(DATA / f"oracle_{name}.csv.gz", "rt") as file:
        wanted = list(csv.DictReader(file))
    code, rows, err = run(tmp_path, tests, table_of([row["epoch"] for row in wanted], [row["value"] for row in wanted]))
    assert code == 0 and not err and len(rows) == given["rows"]
    columns = {"gross": "gross", "spike": spike_column, "rate": "roc", "flat_line": "flat", "attenuated": spread_column}
    if spike_method == "average":
        columns["aggregate"] = "aggregate"  # made with this one
    for ours, theirs in columns.items():
        assert [row[ours] for row in rows] == [row[theirs] for row in wanted], ours
    assert [(row["time"], row["value"]) for row in rows] == [(row["epoch"], row["value"]) for row in wanted]


# --- settings ----------------------------------------------------------------------------------

def test_the_group_as_the_contract_shows_it(tmp_path):
    tests = ('qc : { gross      = { fail = [0.0, 14.0]; suspect = [6.0, 9.0]; };\n'
             'spike      = { method = "average"; suspect = 0.3; fail = 0.8; };     # or "differential"\n'
             'rate       = { suspect = 0.0004; fail = 0.001; };                    # per second\n'
             'flat_line  = { tolerance = 0.05; suspect_s = 43200; fail_s = 86400; };\n'
             'attenuated = { method = "std"; period_s = 86400; suspect = 0.03; fail = 0.01; min_obs = 0; '
             'min_period_s = 0; }; };\n')
    code, rows, err = run(tmp_path, tests, table_of([0, 900, 1800, 2700], [8.1, 8.2, 9.5, 8.1]))
    assert (code, err) == (0, "")
    assert list(rows[0]) == HEADER.split(",")
    assert [list(map(int, list(row.values())[2:])) for row in rows] == [
        [1, 2, 1, 1, 4, 1], [1, 3, 1, 1, 1, 3], [3, 4, 4, 1, 1, 4], [1, 2, 4, 1, 1, 4]]


def test_what_is_left_out_is_not_evaluated(tmp_path):
    code, rows, err = run(tmp_path, "qc : { };\n", table_of([0, 60, 120], [1, None, 3]))
    assert (code, err) == (0, "")
    assert [list(row.values())[2:] for row in rows] == [["2"] * 6, ["9"] * 6, ["2"] * 6]
    rows = run(tmp_path, settings(gross={"suspect": [0, 2]}), table_of([0], [3]))[1]
    assert flags(rows, "gross") == flags(rows, "aggregate") == [3]


@pytest.mark.parametrize("text, line, says", [
    ("qc : { gros = { }; };", 1, 'unknown key "gros"; did you mean "gross"?'),
    ("qc : {\n spike = { method = \"bad\"; }; };", 2, '"method" is "bad"; write "average" or "differential"'),
    ("qc : {\n spike = { method = 123; }; };", 2, '"method" is a number'),
    ("qc : {\n gross = { fail = 10; }; };", 2, '"fail" is one number'),
    ("qc : {\n gross = { fail = [1.0, 2.0];\n suspect = [0.0, 1.5]; }; };", 3, 'must lie within "fail"'),
    ("qc : {\n rate = { suspect = -1.0; }; };", 2, '"suspect" is -1; it must be at least 0'),
    ("qc : {\n rate = { suspect = \"1\"; }; };", 2, '"suspect" is a string'),
    ("qc : {\n flat_line = { suspect_s = 5000000000; }; };", 2, "5000000000"),
    ("qc : {\n attenuated = { min_obs = 1.5; }; };", 2, '"min_obs"'),
    ("tests : { };", 1, 'unknown key "tests"'),
    ("", 1, 'missing key "qc"'),
    ("qc : {\n gross = { fail = [0, 14.0]; }; };", 2, ""),
    ("qc : {", 1, ""),
])
def test_mistakes_are_named_with_file_and_line(tmp_path, text, line, says):
    code, rows, err = run(tmp_path, text, table_of([0], [1]))
    assert code == 1 and rows == []
    assert any(part.startswith(f"{tmp_path}/tests.cfg:{line}: ") and says in part for part in err.splitlines()), err


def test_a_file_that_is_not_there(tmp_path):
    code, out, err = phusa("qc", "--tests", tmp_path / "none.cfg", stdin="time,value\n")
    assert code == 1 and not out and "none.cfg" in err


# --- tables ------------------------------------------------------------------------------------

RATE = settings(gross={"fail": [0, 40]}, rate={"suspect": 0.01, "fail": 1.0})


def test_missing_values(tmp_path):
    words = ["", "NaN", "nan", "inf", "-Infinity"]
    table = table_of(range(len(words) + 1), [*words, 5])
    code, rows, err = run(tmp_path, RATE, table)
    assert (code, err) == (0, "")
    assert flags(rows, "aggregate") == [9, 9, 9, 9, 9, 4]  # to come from infinity is too fast
    assert [row["value"] for row in rows] == [*words, "5"]
    assert flags(run(tmp_path, RATE, table_of([0, 1, 2], [1, "", 9]))[1], "rate") == [1, 9, 1]


def test_epoch_and_iso_times_are_the_same(tmp_path):
    epochs = [1356998400, 1356998400.5, 1356998401.25, 1356998410]
    texts = ["2013-01-01T07:00:00+07:00", "2013-01-01T00:00:00.5Z", "2012-12-31T19:00:01.250-05:00",
             "2013-01-01 07:00:10+07:00"]
    values = [1, 1.5, 1.505, 9]
    first, second = (run(tmp_path, RATE, table_of(times, values)) for times in (epochs, texts))
    assert first[0] == second[0] == 0
    assert flags(first[1], "rate") == flags(second[1], "rate") == [1, 3, 1, 3]
    assert [row["time"] for row in second[1]] == texts


def test_columns_in_any_order_and_of_any_number(tmp_path):
    rows = run(tmp_path, RATE, "station,value,time,note\ns1,4,0,x\ns1,50,60,\n")[1]
    assert [(row["time"], row["value"], row["gross"]) for row in rows] == [("0", "4", "1"), ("60", "50", "4")]


def test_two_at_one_time_and_a_year_of_gap(tmp_path):
    tests = settings(rate={"suspect": 1.0}, flat_line={"tolerance": 0.5, "suspect_s": 120, "fail_s": 240})
    times = [0, 60, 60, 120, 120 + 365 * 86400, 180 + 365 * 86400]
    code, rows, err = run(tmp_path, tests, table_of(times, [1, 1, 4, 1, 1, 1]))
    assert (code, err) == (0, "")
    assert flags(rows, "rate") == [1, 1, 3, 1, 1, 1]
    assert flags(rows, "flat_line") == [1, 1, 1, 1, 1, 3]


@pytest.mark.parametrize("table, count", [("time,value\n", 0), ("time,value", 0), ("time,value\n5,1\n", 1),
                                          ("time,value\r\n5,1\r\n\r\n6,1\r\n", 2)])
def test_short_tables(tmp_path, table, count):
    code, rows, err = run(tmp_path, RATE, table)
    assert (code, err, len(rows)) == (0, "", count)


@pytest.mark.parametrize("table, line, says", [
    ("", 1, "the header must be time,value"),
    ("1,2\n2,3\n", 1, "the header must be time,value"),
    ("time,value\n5,1\n4,1\n", 3, "the time is before that of the row above"),
    ("time,value\nnoon,1\n", 2, "the time is neither"),
    ("time,value\n2013-01-01T07:00:00,1\n", 2, "ISO 8601 with an offset"),
    ("time,value\n5,warm\n", 2, "the value is no number"),
    ("time,value\n5\n", 2, "the line ends before its value"),
    ("time,value\n5," + "1" * 5000 + "\n6,1\n", 2, "the line is too long"),
])
def test_bad_lines_are_named_and_nothing_is_judged(tmp_path, table, line, says):
    code, rows, err = run(tmp_path, RATE, table)
    assert code == 1 and rows == []
    assert f"line {line}: " in err and says in err


def test_a_value_beyond_all_numbers_is_missing_and_named(tmp_path):
    code, rows, err = run(tmp_path, RATE, "time,value\n5,1\n6,1e400\n7,-1e999\n8,1\n9,1\n")
    assert code == 1 and err.count("taken as missing") == 2 and "line 3: " in err and "line 4: " in err
    assert flags(rows, "aggregate") == [1, 9, 9, 1, 1] and rows[1]["value"] == "1e400"


@pytest.mark.parametrize("words", [["qc"], ["qc", "--tests"], ["qc", "--tests", "a", "b"], ["qc", "--dance"]], ids=" ".join)
def test_usage(words):
    code, out, err = phusa(*words, stdin="")
    assert code == 2 and err and not out
