"""Rules are tried before they count: `phusa rules test` on tests written as data, `phusa replay --diff`
on a past."""
import json
import re
import subprocess

import pytest

from line import BUILD, phusa
from phusarun import CONFIG, ROOT

EIGHT = 1_773_277_200  # 2026-03-12T08:00+07:00

STATIONS = """stations : (
  { id = "s1"; site = "site"; kind = "water"; name = "Trạm 1"; every = "15m"; parameters = ["salinity", "temp"]; },
  { id = "s2"; site = "site"; kind = "water"; name = "Trạm 2"; every = "15m"; parameters = ["salinity"]; } );
"""


def rules(raised, channels='["ioc"]', for_="0s"):
    return f"""rules : (
  {{ id = "salt"; kind = "water"; parameter = "salinity"; direction = "above"; max_gap = "1h"; use = "rice";
    levels = ( {{ severity = "minor"; raise = {raised}; clear = 0.8; for = "{for_}"; }},
               {{ severity = "severe"; raise = 4.0; }} );
    channels = {channels}; message = "Salt"; }},
  {{ id = "hot"; kind = "water"; parameter = "temp"; direction = "above"; max_gap = "1h";
    levels = ( {{ severity = "moderate"; raise = 30.0; }} ); channels = ["ioc"]; message = "Hot"; }} );
"""


class Place:
    """A folder with stations, a table of subscribers, and as many configurations as a test needs."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "stations.cfg").write_text(STATIONS)
        (folder / "people.csv").write_text("channel,address,station,use,active\n"
                                           "sms,0901234567,s1,rice,yes\nsms,0912345678,s2,rice,no\n")

    def config(self, name, text):
        (self.folder / f"{name}-rules.cfg").write_text(text)
        path = self.folder / f"{name}.cfg"
        path.write_text(f"""phusa : {{ parameters = "{CONFIG / "parameters.cfg"}"; stations = "stations.cfg";
            rules = "{name}-rules.cfg"; subscribers = "people.csv"; utc_offset = "+07:00";
            broker : {{ uri = "tcp://127.0.0.1:1883"; }}; journal : {{ path = "journal"; }};
            store : {{ url = "http://127.0.0.1:8428"; }};
            channels : ( {{ id = "ioc"; kind = "webhook"; url = "http://127.0.0.1:9099/a"; }},
                         {{ id = "sms"; kind = "sms"; url = "http://127.0.0.1:13013/?to={{to}}&text={{text}}";
                           subscribers = true; }} ); }};""")
        return path

    def file(self, text, name="tests.cfg"):
        path = self.folder / name
        path.write_text(text)
        return path


@pytest.fixture(name="place")
def fixture_place(tmp_path):
    return Place(tmp_path)


# --- phusa rules test ------------------------------------------------------------------------


def test_rules(place):
    tests = place.file("""tests : (
      { name = "up and down"; rules = ["salt"];
        input = [ "2026-03-12T08:00:00+07:00 every 15m s1 salinity 0.5 1.0 4.0 3.9 0.8 0.7",
                  "2026-03-12T01:15:00Z s1 temp 31" ];
        expect = [ "2026-03-12T08:15:00+07:00 salt s1 normal minor", "2026-03-12T08:30:00+07:00 salt s1 minor severe",
                   "2026-03-12T08:45:00+07:00 salt s1 severe minor", "2026-03-12T09:15:00+07:00 salt s1 minor normal" ]; },
      { name = "a calibration is not judged"; input = [ "2026-03-12T08:00:00+07:00 every 15m s1 salinity 9!1 9!2" ]; expect = []; },
      { name = "all rules count"; input = [ "2026-03-12T08:00:00+07:00 s1 temp 31" ];
        expect = [ "2026-03-12T08:00:00+07:00 hot s1 normal moderate" ]; } );""")
    assert phusa("rules", "test", "-c", place.config("a", rules(1.0)), tests) == (
        0, "PASS  up and down\nPASS  a calibration is not judged\nPASS  all rules count\n3 passed, 0 failed\n", "")


def test_rules_that_fail(place):
    tests = place.file("""tests : (
      { name = "wrong"; input = [ "2026-03-12T08:00:00+07:00 every 15m s1 salinity 1.5 0.5", "2026-03-12T08:00:00+07:00 s1 temp 31" ];
        rules = ["salt"];
        expect = [ "2026-03-12T08:00:00+07:00 salt s1 normal severe", "2026-03-12T08:15:00+07:00 salt s1 minor normal" ]; },
      { name = "right"; input = [ "2026-03-12T08:00:00+07:00 s2 salinity 0.1" ]; expect = []; } );""")
    more = place.file('tests : ( { name = "twice the same"; input = [ "2026-03-12T08:00:00+07:00 s1 salinity 2" ]; expect = [\n'
                      '"2026-03-12T08:00:00+07:00 salt s1 normal minor", "2026-03-12T08:00:00+07:00 salt s1 normal minor" ]; } );',
                      "more.cfg")
    assert phusa("rules", "test", "-c", place.config("a", rules(1.0)), tests, more) == (1, (
        "FAIL  wrong\n"
        "  did not come: 2026-03-12T08:00:00+07:00 salt s1 normal severe\n"
        "  not expected: 2026-03-12T08:00:00+07:00 salt s1 normal minor  (1.5)\n"
        "PASS  right\n"
        "FAIL  twice the same\n"
        "  did not come: 2026-03-12T08:00:00+07:00 salt s1 normal minor\n"
        "1 passed, 2 failed\n"), "")


TIME = "2026-03-12T08:00:00+07:00"


@pytest.mark.parametrize("line, wrong", [
    ("yesterday s1 salinity 1", "a line of input is: time with offset, station, parameter, values"),
    (f"{TIME} s1 salinity", "a line of input is: time with offset, station, parameter, values"),
    (f"{TIME} s1 salinity 1 2", 'several values need "every 15m" behind the time; one is the least'),
    (f"{TIME} every soon s1 salinity 1", '"every" is followed by a time such as 15m'),
    (f"{TIME} s1 salinity much", "a value is a number, or one with the device's state such as 0.5!1"),
    (f"{TIME} s1 salinity 1!3", "a value is a number, or one with the device's state such as 0.5!1"),
    (f"{TIME} s1 salinity 5 !1", "the device's state stands right behind its value, without a blank: 0.5!1"),
    (f"{TIME} every 15m s1 salinity 5 !2 6", "the device's state stands right behind its value, without a blank: 0.5!1"),
    (f"{TIME} s1 salinity nan", "a value is a number, or one with the device's state such as 0.5!1"),
    (f"{TIME} nobody salinity 1", 'the registry has no station "nobody"'),
    (f"{TIME} s1 gold 1", 'the catalogue has no parameter "gold"'),
    (TIME + " every 1s s1 salinity" + " 1" * 4096, "the line is too long"),
], ids=lambda text: text[:40])
def test_wrong_input_is_named(place, line, wrong):
    tests = place.file(f'tests : ( {{ name = "a"; input = [\n"{line}" ]; expect = []; }} );')
    code, out, err = phusa("rules", "test", "-c", place.config("a", rules(1.0)), tests)
    assert (code, out) == (1, "FAIL  a\n0 passed, 1 failed\n")
    assert err.startswith(f"{tests}:2: ") and wrong in err


@pytest.mark.parametrize("text, wrong", [
    ("tests : ( { name = 1; input = []; expect = []; } );", "name"),
    ("tests : ( { input = []; expect = []; } );", "name"),
    ('tests : ( { name = "a"; inputs = []; expect = []; } );', "inputs"),
    ("test : ();", "tests"),
    ("tests : ( {", "syntax error"),
])
def test_broken_files_are_named(place, text, wrong):
    tests = place.file(text)
    code, out, err = phusa("rules", "test", "-c", place.config("a", rules(1.0)), tests)
    assert code == 1 and out.endswith("0 passed, 1 failed\n") and f"{tests}:1: " in err and wrong in err


def test_a_rule_that_there_is_not_is_named(place):
    tests = place.file(f'tests : ( {{ name = "a"; rules = [\n"slat"]; input = [ "{TIME} s1 salinity 2" ]; expect = []; }} );')
    assert phusa("rules", "test", "-c", place.config("a", rules(1.0)), tests) == (
        1, "FAIL  a\n0 passed, 1 failed\n", f'{tests}:2: no rule that is switched on is called "slat"; did you mean "salt"?\n')


@pytest.mark.parametrize("line, wrong", [
    (f"{TIME} slat s1 normal minor", 'no rule that is switched on is called "slat"; did you mean "salt"?'),
    (f"{TIME} salt s1 normal medium", '"medium" is no state; write normal, minor, moderate, severe or extreme'),
    (f"{TIME} salt s1 low minor", '"low" is no state; write normal, minor, moderate, severe or extreme'),
    ("yesterday salt s1 normal minor", "what is expected is: time with offset, rule, station, state before, state after"),
    (f"{TIME} salt s1 minor", "what is expected is: time with offset, rule, station, state before, state after"),
], ids=lambda text: text[:40])
def test_what_can_never_come_is_named(place, line, wrong):
    tests = place.file(f'tests : ( {{ name = "a"; input = []; expect = [\n"{line}" ]; }} );')
    assert phusa("rules", "test", "-c", place.config("a", rules(1.0)), tests) == (
        1, "FAIL  a\n0 passed, 1 failed\n", f"{tests}:2: {wrong}\n")


def test_files_that_are_not_there(place):
    config = place.config("a", rules(1.0))
    code, out, err = phusa("rules", "test", "-c", config, place.folder / "gone.cfg")
    assert (code, out) == (1, "0 passed, 1 failed\n")
    assert err == f"phusa rules: {place.folder / 'gone.cfg'}: cannot be read: No such file or directory\n"
    assert phusa("rules", "test", "-c", place.folder / "gone.cfg", config)[0] == 1
    assert phusa("rules", "test")[0] == phusa("rules")[0] == phusa("rules", "dance", "x")[0] == 2


def test_the_example_of_the_manual(tmp_path):
    text = subprocess.run(["mandoc", "-T", "ascii", ROOT / "docs" / "phusa.1"], capture_output=True, text=True, check=True,
                          timeout=30).stdout
    text = re.sub(r".\x08", "", text)
    example = tmp_path / "tests.cfg"
    example.write_text(re.search(r"^ *tests : \($.*?\} \);$", text, re.M | re.S)[0])
    assert phusa("rules", "test", "-c", CONFIG / "channels-example.cfg", example) == (
        0, "PASS  durian is warned at half a gram\n1 passed, 0 failed\n", "")


# --- phusa replay --diff -----------------------------------------------------------------------


PAST = "time,station,parameter,value\n" + "".join(
    f"{EIGHT + minutes * 60},{station},{parameter},{value}\n" for minutes, station, parameter, value in [
        (0, "s1", "salinity", 1.5), (0, "s2", "salinity", 2.5), (5, "s1", "temp", 31), (15, "s1", "salinity", 2.5),
        (15, "s2", "salinity", 2.6), (30, "s1", "salinity", 0.5), (30, "s2", "salinity", 0.5)])


def change(sign, minutes, station, before, after, value):
    return {"diff": sign, "time": EIGHT + minutes * 60, "rule": "salt", "station": station, "parameter": "salinity",
            "from": before, "to": after, "value": value}


def minute(minutes, before, after):
    return {"minute": EIGHT + minutes * 60, "before": before, "after": after}


def diff(place, before, after):
    past = place.file(PAST, "past.csv")
    code, out, err = phusa("replay", "-c", before, "--csv", past, "--diff", after)
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_another_limit(place):
    """2 instead of 1, and farmers are told, too: the one at s1 who has not opted out."""
    found = diff(place, place.config("old", rules(1.0)), place.config("new", rules(2.0, '["ioc", "sms"]')))
    assert found == [
        change("-", 0, "s1", "normal", "minor", 1.5), change("+", 15, "s1", "normal", "minor", 2.5),
        minute(0, 2, 1), minute(5, 1, 1), minute(15, 0, 2), minute(30, 2, 3),
        {"channel": "ioc", "recipient": "", "before": 5, "after": 5},
        {"channel": "sms", "recipient": "+8490***4567", "before": 0, "after": 2},
        {"summary": {"transitions": {"before": 5, "after": 5, "same": 4}, "messages": {"before": 5, "after": 7},
                     "worst_minute": {"before": 2, "after": 3}}}]


def test_with_patience(place):
    found = diff(place, place.config("old", rules(1.0)), place.config("new", rules(1.0, for_="30m")))
    assert found == [
        change("-", 0, "s1", "normal", "minor", 1.5), change("-", 0, "s2", "normal", "minor", 2.5),
        change("-", 30, "s1", "minor", "normal", 0.5), change("-", 30, "s2", "minor", "normal", 0.5),
        minute(0, 2, 0), minute(5, 1, 1), minute(30, 2, 0),
        {"channel": "ioc", "recipient": "", "before": 5, "after": 1},
        {"summary": {"transitions": {"before": 5, "after": 1, "same": 1}, "messages": {"before": 5, "after": 1},
                     "worst_minute": {"before": 2, "after": 1}}}]


def test_the_same_rules(place):
    old = place.config("old", rules(1.0))
    found = diff(place, old, old)
    assert not [line for line in found if "diff" in line]
    assert found[-1]["summary"]["transitions"] == {"before": 5, "after": 5, "same": 5}


def test_a_diff_with_what_is_wrong(place):
    old, past = place.config("old", rules(1.0)), place.file(PAST, "past.csv")
    code, out, err = phusa("replay", "-c", old, "--csv", past, "--diff", place.config("new", rules('"many"')))
    assert (code, out) == (1, "") and "new-rules.cfg:3: " in err
    code, out, err = phusa("replay", "-c", old, "--csv", past, "--diff", place.folder / "gone.cfg")
    assert (code, out) == (1, "") and "gone.cfg" in err


def test_what_is_told_is_what_the_collector_checks(place):
    """The configurations of these tests are ones that phusad takes."""
    for raised in (1.0, 2.0):
        done = subprocess.run([BUILD / "phusad", "-n", "-c", place.config("a", rules(raised, '["ioc", "sms"]'))], capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
