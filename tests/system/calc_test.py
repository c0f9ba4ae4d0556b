"""phusa calc: the formulas through the public command, for values and for tables, against the tables of
others and against what real sondes computed themselves."""
import csv
import gzip
import io
import json
import math
import random
import statistics
import subprocess

import pytest

from line import PHUSA, phusa, shared

FORMULAS = ["salinity", "ec25", "do-sat", "do-percent", "nh3"]
GOOD = {"salinity": {"ec": 30, "temp": 25}, "ec25": {"ec": 30, "temp": 25},
        "do-sat": {"temp": 25, "salinity": 4, "pressure_atm": 1},
        "do-percent": {"do": 5, "temp": 25, "salinity": 4, "pressure_atm": 1},
        "nh3": {"nh4": 1, "ph": 8, "temp": 25}}


def value(formula, *flags, **values):
    """One result from options."""
    words = [word for name, number in values.items() for word in (f"--{name.replace('_', '-')}", repr(number))]
    code, out, err = phusa("calc", formula, *words, *flags)
    assert code == 0, err
    assert out.endswith("\n") and len(out.split()) == 1
    return float(out)


def table(formula, header, rows, *flags, check=0):
    """Rows as dictionaries by way of --csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    out = phusa("calc", formula, "--csv", *flags, stdin=text.getvalue(), check=check)[1]
    found = list(csv.DictReader(io.StringIO(out)))
    assert len(found) == len(rows)
    return found


def rows_of(name):
    path = shared(name)
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path, encoding="utf-8")
    with opened as file:
        return list(csv.DictReader(file))


# --- tables of others --------------------------------------------------------------------------


def test_salinity_is_that_of_teos_10():
    rows = rows_of("9-formulas/gsw_SP_from_C_grid.csv")
    found = table("salinity", ["temp", "pressure", "ec"], [[r["t_C_ITS90"], r["p_dbar"], r["C_mS_cm"]] for r in rows])
    assert len(found) == 420
    assert max(abs(float(f["salinity"]) - float(r["SP"])) for f, r in zip(found, rows)) < 1e-9


def test_salinity_is_that_of_teos_10_in_the_deep_sea():
    rows = rows_of("9-formulas/gsw_check_casts.csv")
    found = table("salinity", ["ec", "temp", "pressure", "level"],
                  [[r["C_from_SP_mS_cm"], r["t_C"], r["p_dbar"], r["level"]] for r in rows])
    assert max(abs(float(f["salinity"]) - float(r["SP_from_C"])) for f, r in zip(found, rows)) < 1e-9
    for row in rows[::10]:
        assert abs(value("salinity", ec=float(row["C_from_SP_mS_cm"]), temp=float(row["t_C"]),
                         pressure=float(row["p_dbar"])) - float(row["SP_from_C"])) < 1e-9


def test_pss78_alone_by_choice():
    rows = rows_of("9-formulas/pss78_pure_grid.csv")
    found = table("salinity", ["ec", "temp", "pressure"], [[r["C_mS_cm"], r["t_C_ITS90"], r["p_dbar"]] for r in rows],
                  "--pss78")
    assert len(found) == 250
    assert max(abs(float(f["salinity"]) - float(r["SP_pss78_no_hill"])) for f, r in zip(found, rows)) < 1e-9


def test_unescos_check_values():
    with open(shared("9-formulas/unesco44_check_values.json"), encoding="utf-8") as file:
        given = json.load(file)
    c35 = given["C_35_15_0_mS_cm"]
    for case in given["salinity_from_R"]:
        found = value("salinity", ec=c35 * case["R"], temp=case["t68"] / 1.00024, pressure=case["p"])
        assert abs(found - case["S"]) < 1e-6
    for case in given["R_from_salinity"]:
        if "do not use" not in case.get("note", ""):
            found = value("salinity", ec=c35 * case["R"], temp=case["t68"] / 1.00024, pressure=case["p"])
            assert abs(found - case["S"]) < 5.1e-7 * 60  # R is printed with six places; dS/dR is 45 to 55


# What the equations of Benson and Krause give in another implementation (mg/L at 1 atm).
OXYGEN = [(0, 0, 14.6208), (10, 0, 11.2879), (15, 0, 10.0839), (20, 0, 9.0924), (25, 0, 8.2635), (28, 0, 7.8278),
          (30, 0, 7.5588), (35, 0, 6.9493), (25, 4, 8.0776), (25, 10, 7.8067), (25, 35, 6.7721), (30, 4, 7.3945),
          (30, 10, 7.1547), (30, 35, 6.2366)]


def test_oxygen_at_saturation():
    found = table("do-sat", ["salinity", "temp"], [[s, t] for t, s, _ in OXYGEN])
    for row, (temp, salinity, expected) in zip(found, OXYGEN):
        assert abs(float(row["do_sat"]) - expected) < 6e-5
        assert value("do-sat", temp=temp, salinity=salinity) == float(row["do_sat"])
        assert abs(value("do-percent", do=expected / 2, temp=temp, salinity=salinity) - 50) < 1e-3


def test_oxygen_follows_the_airs_pressure():
    low, high, one = (value("do-sat", temp=20, salinity=0, pressure_atm=p) for p in (0.7, 1.05, 1))
    assert abs(low / one / 0.7 - 0.990092) < 2e-5  # the worked example of Standard Methods 4500-O
    assert low < one < high and one == value("do-sat", temp=20, salinity=0)
    column = table("do-sat", ["temp", "salinity", "pressure_atm"], [[20, 0, 0.7], [20, 0, ""], [20, 0, 1.05]])
    assert [float(row["do_sat"]) for row in column] == [low, one, high]


def density(salinity, temp):
    """kg/m³ at the surface: the equation of state of 1980 (UNESCO 44), for mg/L of µmol/kg."""
    fresh = (999.842594, 6.793952e-2, -9.095290e-3, 1.001685e-4, -1.120083e-6, 6.536332e-9)
    one = (8.24493e-1, -4.0899e-3, 7.6438e-5, -8.2467e-7, 5.3875e-9)
    half = (-5.72466e-3, 1.0227e-4, -1.6546e-6)
    power = lambda terms: sum(term * temp ** i for i, term in enumerate(terms))
    return power(fresh) + power(one) * salinity + power(half) * salinity ** 1.5 + 4.8314e-4 * salinity ** 2


def test_oxygen_in_the_sea_is_that_of_teos_10():
    """Its equation is Garcia and Gordon's fit of Benson and Krause's data."""
    rows = rows_of("9-formulas/gsw_check_casts.csv")
    found = table("do-sat", ["temp", "salinity"], [[r["pt0_C"], r["SP"]] for r in rows])
    for row, given in zip(found, rows):
        litre = density(float(given["SP"]), float(given["pt0_C"]) * 1.00024)
        expected = float(given["O2sol_SP_pt_umol_kg"]) * 31.9988e-6 * litre
        assert float(row["do_sat"]) == pytest.approx(expected, rel=3e-4)


def test_ec25_and_back():
    assert value("ec25", ec=10, temp=30) == pytest.approx(10 / 1.0955, rel=1e-15)
    assert value("ec25", "--coefficient", "0.02", ec=10, temp=30) == pytest.approx(10 / 1.1, rel=1e-15)
    assert value("ec25", ec=10, temp=25) == 10
    rows = [[ec / 7, temp] for ec in range(0, 400, 13) for temp in range(-2, 41, 3)]
    found = table("ec25", ["ec", "temp"], rows)
    # Every digit that a double needs: Python's arithmetic gives the very same one.
    assert all(float(f["ec25"]) == ec / (1 + 0.0191 * (temp - 25)) for f, (ec, temp) in zip(found, rows))
    back = table("ec25", ["ec25", "temp"], [[f["ec25"], f["temp"]] for f in found], "--inverse")
    assert all(math.isclose(float(b["ec"]), ec, rel_tol=1e-14) for b, (ec, _) in zip(back, rows))


def test_ammonia():
    assert abs(value("nh3", nh4=1, ph=8, temp=25) - 0.05384) < 5e-6
    found = table("nh3", ["temp", "ph", "nh4"], [[20, 8, 2], [20, 7, 2], [15, 8, 2]])
    percent = [50 * float(row["nh3"]) for row in found]
    assert percent == pytest.approx([3.83, 0.40, 2.65], rel=0.03)  # other data: Trussell 1972


# --- real sondes -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sonde():
    """A year of Apalachicola Bay: rows in which every sensor passed the technicians' checks."""
    rows = rows_of("1-salinity/nerrs_apacpwq_2012.csv.gz")
    names = ("temp", "spcond", "sal", "do_pct", "do_mgl")
    good = [r for r in rows if all(r[n] not in ("", "NA") and r["f_" + n] == "<0>" for n in names)]
    assert len(good) > 10000
    return good


def test_salinity_as_a_sonde_computed_it(sonde):
    """The sonde reports EC25 (with 0.0191) and salinity; taken back to EC, that salinity comes out."""
    back = table("ec25", ["ec25", "temp"], [[r["spcond"], r["temp"]] for r in sonde], "--inverse")
    found = table("salinity", ["ec", "temp"], [[b["ec"], b["temp"]] for b in back])
    off = [abs(float(f["salinity"]) - float(r["sal"])) for f, r in zip(found, sonde)]
    assert statistics.median(off) < 0.05 and max(off) < 0.15  # both are rounded: 0.01 mS/cm, 0.1 °C, 0.1


def test_oxygen_as_a_sonde_computed_it(sonde):
    found = table("do-percent", ["do", "temp", "salinity"], [[r["do_mgl"], r["temp"], r["sal"]] for r in sonde])
    off = sorted(abs(float(f["do_percent"]) / float(r["do_pct"]) - 1) for f, r in zip(found, sonde))
    assert statistics.median(off) < 0.01 and off[len(off) * 99 // 100] < 0.03  # mg/L is rounded to 0.1


# --- tables ------------------------------------------------------------------------------------


def test_a_table_keeps_what_it_has():
    given = 'note,temp,"ec",other\r\n"a, ""b""",25,2,\r\n\xe9\xff ,25, 0.5 ,x\r\n'.encode("latin-1")
    done = subprocess.run([str(PHUSA), "calc", "salinity", "--csv"], input=b"\xef\xbb\xbf" + given, capture_output=True,
                          timeout=60, check=True)
    lines = done.stdout[3:].split(b"\r\n")
    assert done.stdout[:3] == b"\xef\xbb\xbf" and not done.stderr
    for before, after, result in zip(given.split(b"\r\n"), lines, (b"salinity", b"1.01660", b"0.24037", b"")):
        assert after.startswith(before + b"," + result if result else b"")
    assert lines[3:] == [b""] and len(lines) == 4


def test_columns_in_any_order_and_one_as_option():
    header, row = ["pressure", "x", "temp", "y", "ec"], [100, "?", 12.5, "", 33.25]
    expected = value("salinity", ec=33.25, temp=12.5, pressure=100)
    for seed in range(20):
        order = random.Random(seed).sample(range(5), 5)
        found = table("salinity", [header[i] for i in order], [[row[i] for i in order]])
        assert float(found[0]["salinity"]) == expected, f"seed {seed}"
    found = table("salinity", ["ec"], [[33.25]], "--temp", "12.5", "--pressure", "100")
    assert float(found[0]["salinity"]) == expected
    # A probe that reports EC25 is fed 25 °C.
    assert float(table("salinity", ["ec"], [[1]], "--temp", "25")[0]["salinity"]) == value("salinity", ec=1, temp=25)


BAD_ROWS = [("", "ec is missing"), (",", "ec is missing"), ("1", "temp is missing"), ("x,25", "ec is no finite number"),
            ("NaN,25", "ec is no finite number"), ("inf,25", "ec is no finite number"), ("1e999,25", "no finite number"),
            ("0x1p3,25", "no finite number"), ("-1,25", "ec is -1: must be 0 to 100 mS/cm"),
            ("329,25", "ec is 329: must be 0 to 100 mS/cm"), ("1,99", "temp is 99: must be -5 to 50 °C"),
            ("1,28,5", "more cells"), ('"1,25', "a quote is not closed"), ("1" * 70000 + ",25", "the line is too long"),
            ('"' * 60000 + ",25", "ec is no finite number")]


@pytest.mark.parametrize("row, why", BAD_ROWS[1:], ids=[why for _, why in BAD_ROWS[1:]])
def test_a_bad_row_is_named_and_the_others_go_on(row, why):
    code, out, err = phusa("calc", "salinity", "--csv", stdin=f"ec,temp\n1,25\n{row}\n2,25\n")
    lines = out.splitlines()
    assert code == 1 and err.startswith("phusa calc salinity: line 3: ") and why in err and err.count("\n") == 1
    assert lines[2].startswith(row) and lines[2].endswith(",") and len(lines) == 4
    assert lines[1].startswith("1,25,0.4924") and lines[3].startswith("2,25,1.0166")
    if row.count(",") < 2 and '"' not in row:
        assert list(csv.reader([lines[2]]))[0][2] == ""  # in the result's column, short as the row was


def test_blank_lines_and_a_missing_last_newline():
    code, out, err = phusa("calc", "ec25", "--csv", stdin="temp,ec\n\n25,1\n \n25,2")
    assert (code, out, err) == (0, "temp,ec,ec25\n\n25,1,1\n \n25,2,2\n", "")


@pytest.mark.parametrize("seed", range(25))
def test_any_bytes_end_in_order(seed):
    """No crash, no row lost, none added; what was there before is there after."""
    rng = random.Random(seed)
    lines = [b"ec,temp,pressure"] + [b"".join(rng.choice([b"1", b"25", b",", b"-", b".5", b'"', b" ", b"e9", b"\0", b"\r",
                                                          b"\xff", b"nan", b"12", bytes([rng.randrange(11, 256)])])
                                              for _ in range(rng.randrange(12))) for _ in range(200)]
    done = subprocess.run([str(PHUSA), "calc", "salinity", "--csv"], input=b"\n".join(lines), capture_output=True,
                          timeout=60, check=False)
    out = done.stdout.split(b"\n")[:-1]
    assert done.returncode in (0, 1) and len(out) == len(lines)
    assert all(after.startswith(before.removesuffix(b"\r")) for before, after in zip(lines, out))


def test_only_so_many_rows_are_named():
    code, out, err = phusa("calc", "ec25", "--csv", stdin="temp,ec\n" + "25,-1\n" * 500)
    assert code == 1 and out.count("\n") == 501
    assert err.count("line ") == 20 and "500 messages in all; 500 rows not computed" in err


@pytest.mark.parametrize("header, why", [
    ("", "must be the first line"), ("\n1,25\n", "must be the first line"), ("ec,tmp\n", 'lacks the column "temp"'),
    ("EC,temp\n", 'lacks the column "ec"'), ("ec;temp\n1;25\n", "parted by commas"),
    ("ec,temp,ec\n", 'has twice the column "ec"'), ('ec,"temp\n', "a quote is not closed"),
    ("ec,temp" + ",x" * 300 + "\n", "256 columns")])
def test_a_header_that_does_not_do(header, why):
    code, out, err = phusa("calc", "salinity", "--csv", stdin=header)
    assert code == 1 and not out and why in err and err.count("\n") == 1


def test_a_column_with_the_results_name_is_told():
    code, out, err = phusa("calc", "salinity", "--csv", stdin="ec,temp,salinity\n2,25,7\n")
    assert code == 0 and out.startswith("ec,temp,salinity,salinity\n2,25,7,1.0166") and "salinity" in err


def test_a_full_disk_is_not_good():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(PHUSA), "calc", "salinity", "--csv"], input=b"ec,temp\n1,25\n", stdout=full,
                              stderr=subprocess.PIPE, timeout=60, check=False)
        assert done.returncode == 1 and b"writing failed" in done.stderr
        done = subprocess.run([str(PHUSA), "calc", "salinity", "--ec", "1", "--temp", "25"], stdout=full,
                              stderr=subprocess.PIPE, timeout=60, check=False)
        assert done.returncode == 1 and done.stderr


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_same_from_options_and_from_a_table(formula):
    result = float(list(table(formula, list(GOOD[formula]), [list(GOOD[formula].values())])[0].values())[-1])
    assert value(formula, **GOOD[formula]) == result
    for name in GOOD[formula]:
        rest = {n: v for n, v in GOOD[formula].items() if n != name}
        found = table(formula, list(rest), [list(rest.values())], f"--{name}", str(GOOD[formula][name]))
        assert float(list(found[0].values())[-1]) == result


@pytest.mark.parametrize("formula", FORMULAS)
def test_senseless_values_have_no_result(formula):
    for name in GOOD[formula]:
        for bad, code in (("-1000", 1), ("1e6", 1), ("nan", 2), ("inf", 2), ("1e999", 2), ("", 2), ("1,5", 2)):
            words = [w for n, v in GOOD[formula].items() for w in (f"--{n}", bad if n == name else str(v))]
            found, out, err = phusa("calc", formula, *words)
            assert (found, out) == (code, "") and name.split("_")[0] in err, (name, bad)


@pytest.mark.parametrize("words, why", [
    (["salinity", "--ec", "65", "--temp", "5"], "salinity is 74.4795: PSS-78 is valid for 2 to 42"),
    (["salinity", "--ec", "30", "--temp", "38"], "temp is 38: the formula is valid for -2 to 35 °C"),
    (["salinity", "--ec", "1", "--temp", "25", "--pss78"], "salinity is 0.493158: PSS-78 is valid for 2 to 42;"),
    (["do-sat", "--temp", "25", "--salinity", "45"], "salinity is 45: the formula is valid for 0 to 40;"),
    (["ec25", "--ec", "1", "--temp", "0"], "temp is 0: the formula is valid for 5 to 40 °C")], ids=" ".join)
def test_outside_the_range_there_is_a_result_and_a_remark(words, why):
    code, out, err = phusa("calc", *words)
    assert code == 0 and float(out) > 0 and why in err and "extrapolated" in err
    names = [w[2:] for w in words[1::2] if w != "--pss78"]
    code, in_table, err = phusa("calc", words[0], "--csv", *[w for w in words if w == "--pss78"],
                                stdin=",".join(names) + "\n" + ",".join(words[2::2]) + "\n")
    assert code == 0 and in_table.splitlines()[1].endswith("," + out.strip()) and "line 2: " in err and why in err



@pytest.mark.parametrize("words", [
    [], ["dance"], ["salinity"], ["salinity", "--ec", "1"], ["salinity", "--temp", "1"], ["salinity", "--dance"],
    ["salinity", "--ec", "1", "--temp", "2", "3"], ["salinity", "--ec"], ["salinity", "--coefficient", "0.02"],
    ["ec25", "--pss78"], ["ec25", "--ec", "1", "--temp", "2", "--coefficient", "2"], ["ec25", "--inverse", "--ec", "1"],
    ["ec25", "--ec", "1", "--temp", "2", "--coefficient", "x"], ["do-sat", "--temp", "1"], ["nh3", "--nh4", "1"]],
    ids=" ".join)
def test_usage(words):
    code, out, err = phusa("calc", *words)
    assert code == 2 and err and not out


def test_an_option_and_a_column_of_the_same_are_one_too_many():
    code, out, err = phusa("calc", "salinity", "--csv", "--temp", "25", stdin="ec,temp\n1,20\n")
    assert code == 2 and not out and "--temp is given" in err


@pytest.mark.parametrize("formula", FORMULAS)
def test_help(formula):
    for words in ([], [formula]):
        code, out, err = phusa("calc", *words, "--help")
        assert code == 0 and out.startswith("usage: phusa calc") and not err and formula in out
