"""Windows, indices and corrections through a real phusad: two simulated days of an air station, one
reading of which comes hours late, compared in store and API with what this file computes by itself;
and the same after a kill."""
import json
import math
import time
import urllib.parse
from collections import defaultdict
from fractions import Fraction

import pytest

import phusarun
from line import until

HOUR = 3600
DAY = 24 * HOUR
UTC7 = 7 * HOUR
EVERY = 900
SPEED = 4000.0
LATENESS = 2 * HOUR  # half a second and more of a busy machine
COVERAGE = 0.75
LATE_BY = 6 * HOUR

STATIONS = """stations : (
  { id = "kk-1"; site = "my-tho"; kind = "air"; name = "Không khí 1"; every = "15m"; parameters = ["pm25", "o3"]; },
  { id = "bay-1"; site = "my-tho"; kind = "trap"; name = "Bẫy 1"; every = "1h"; parameters = ["bph", "wbph"];
    trap : { counts = "interval"; species = ["bph", "wbph"]; }; }
);
"""

# --- what must come out, computed from the readings alone ---------------------------------------

# Decision 1459, table 2
TABLE = {"pm25": [0, 25, 50, 80, 150, 250, 350, 500], "o3": [0, 160, 200, 300, 400, 800, 1000, 1200],
         "o3_8h": [0, 100, 120, 170, 210, 400]}
INDEX = [0, 50, 100, 150, 200, 300, 400, 500]


def sub_index(table, value):
    limits = TABLE[table]
    for i in range(len(limits) - 1):
        if value <= limits[i + 1]:
            share = Fraction(value - limits[i], limits[i + 1] - limits[i])
            return math.floor((INDEX[i + 1] - INDEX[i]) * share + INDEX[i] + Fraction(1, 2))
    return None if table == "o3_8h" else 500


def mean(values):
    return sum(values, Fraction(0)) / len(values)


class Series:
    """The windows of one parameter by their end, of the readings that had come by then."""

    def __init__(self, readings):
        self.hours = defaultdict(list)
        for seconds, value in readings.items():
            self.hours[-(-seconds // HOUR) * HOUR].append(Fraction(value))

    def hourly(self, end):
        """The mean of an hour that has a value."""
        values = self.hours.get(end, [])
        return mean(values) if len(values) >= COVERAGE * HOUR / EVERY else None

    def window(self, kind, end):
        """{mean, sum, ...} with the count and coverage alone when too few readings came."""
        ends = [end - i * HOUR for i in range({"1h": 1, "8h": 8}.get(kind, 24))]
        values = [value for e in ends for value in self.hours.get(e, [])]
        means = [m for m in map(self.hourly, ends) if m is not None]
        coverage = len(values) * EVERY / (len(ends) * HOUR)
        numbers = {"count": len(values), "coverage": coverage}
        if coverage >= COVERAGE and means:
            numbers |= {"mean": float(mean(means)), "sum": float(sum(values)), "min": float(min(values)),
                        "max": float(max(values))}
        return numbers


def nowcast(series, end):
    hours = [series.hourly(end - i * HOUR) for i in range(12)]
    there = [h for h in hours if h is not None]
    if sum(h is not None for h in hours[:3]) < 2:
        return None
    weight = max(min(there) / max(there), Fraction(1, 2))
    if weight > Fraction(1, 2):
        return (sum(weight**i * h for i, h in enumerate(hours) if h is not None)
                / sum(weight**i for i, h in enumerate(hours) if h is not None))
    return sum(Fraction(1, 2) ** (i + 1) * h for i, h in enumerate(hours) if h is not None)


def hour_index(series, end):
    dust, ozone = nowcast(series["pm25"], end), series["o3"].hourly(end)
    if dust is None:
        return None
    return max([sub_index("pm25", dust)] + ([] if ozone is None else [sub_index("o3", ozone)]))


def day_index(series, end):
    dust = series["pm25"].window("24h", end).get("mean")
    ends = [end - i * HOUR for i in range(24)]
    ozone = [series["o3"].hourly(e) for e in ends]
    eight = [series["o3"].window("8h", e).get("mean") for e in ends]
    if dust is None:
        return None
    parts = [sub_index("pm25", Fraction(dust))]
    parts += [sub_index("o3", max(v for v in ozone if v is not None))]
    parts += [sub_index("o3_8h", Fraction(max(v for v in eight if v is not None)))]
    return max(parts)


# --- the two days ----------------------------------------------------------------------------------


class Days:
    """Readings of two days that end four hours ago, and one that is held back."""

    def __init__(self):
        now = int(time.time())
        self.end = now - now % HOUR - 4 * HOUR
        self.begin = self.end - 2 * DAY
        self.readings = {"pm25": {}, "o3": {}}
        for i in range(2 * DAY // EVERY):
            at = self.begin + (i + 1) * EVERY
            self.readings["pm25"][at] = 30 + i % 7 + 20 * ((i // 16) % 2)
            self.readings["o3"][at] = 60 + (i * 5) % 31
        self.late = self.end - 8 * HOUR - 2 * EVERY  # within the hour that ends 8 h before
        self.readings["pm25"][self.late] = 300

    def before(self):
        """Without the reading that came late."""
        rest = {at: value for at, value in self.readings["pm25"].items() if at != self.late}
        return {"pm25": Series(rest), "o3": Series(self.readings["o3"])}

    def after(self):
        return {name: Series(readings) for name, readings in self.readings.items()}

    def reports(self):
        """(when it is sent, station, pack), in that order."""
        for at in range(self.begin + EVERY, self.end + EVERY, EVERY):
            records = [{"n": name, "v": self.readings[name][at]} for name in ("pm25", "o3")
                       if (name, at) != ("pm25", self.late)]
            yield at, "kk-1", [{"bt": at, **records[0]}, *records[1:]]
            if at % HOUR == 0:
                yield at, "bay-1", [{"bt": at, "n": "bph", "v": 2}, {"n": "wbph", "v": 0}]
            if at == self.late // EVERY * EVERY + LATE_BY:
                yield at, "kk-1", [{"bt": self.late, "n": "pm25", "v": 300}]


@pytest.fixture
def days(stage):
    """A line through which two days went."""
    stage.stations_file.write_text(STATIONS)
    stage.rules_file.write_text("rules : ();\n")
    past = Days()
    extra = {"windows": {"lateness": f"{LATENESS}s"}, "journal": {"snapshot": "1s"}}
    stage.line(clock=lambda: phusarun.Clock(past.begin, SPEED), extra=extra)
    sender, clock = stage.client(), stage.collector.clock
    for at, station, pack in past.reports():
        until(lambda at=at: clock.now() >= at, "the report's time comes")
        sender.send(pack, topic=f"phusa/1/my-tho/{station}/obs", wait=False)
    until(lambda: clock.caught_up(), "the present comes", 60)
    until(lambda: windows(stage, parameter="pm25", window="1h")
          and windows(stage, parameter="pm25", window="1h")[-1]["time"] >= past.end, "the last hour closes")
    stage.collector.wait_drained()
    return stage, past


# --- what came out ----------------------------------------------------------------------------------


def windows(stage, code=200, **query):
    answer = stage.collector.get("/api/v1/windows?" + urllib.parse.urlencode({"station": "kk-1", **query}))
    assert answer[0] == code, answer
    return json.loads(answer[1]).get("windows")


def stored(stage, name):
    """{(tags without site and station): {seconds: value}} of one field."""
    phusarun.http_get(stage.store.port, "/internal/force_flush", 60.0)
    query = urllib.parse.urlencode({"match[]": f'{{__name__="{name}"}}', "start": "1970-01-02T00:00:00Z"})
    code, body = phusarun.http_get(stage.store.port, "/api/v1/export?" + query, 60.0)
    assert code == 200
    found = {}
    for line in body.splitlines():
        series = json.loads(line)
        tags = tuple(series["metric"].get(tag, "") for tag in ("station", "parameter", "window", "again"))
        times = [milliseconds // 1000 for milliseconds in series["timestamps"]]
        assert len(set(times)) == len(times), f"{name} {tags}: two values at one time"
        found[tags] = dict(zip(times, series["values"]))
    return found


def newest(stage, field, parameter, window):
    """What the store says of a window in the end: the last correction, else the first value."""
    value = dict(stored(stage, field).get(("kk-1", "" if field == "index_vn_aqi" else parameter, window, ""), {}))
    corrections = stored(stage, "correction_new")
    for (_, p, w, _), points in sorted(corrections.items(), key=lambda item: item[0][3]):
        if (p, w) == (parameter, window):
            value |= points
    return value


def same(a, b):
    return a == b or math.isclose(a, b, rel_tol=1e-12)


def check_store(stage, past):
    after, before = past.after(), past.before()
    for name in ("pm25", "o3"):
        for window in ("1h", "8h", "24h", "day"):
            step = DAY if window == "day" else HOUR
            ends = [e for e in range(past.begin + HOUR, past.end + 1, HOUR) if (e + UTC7) % step == 0]
            found = newest(stage, "window_mean", name, window)
            for end in ends:
                wanted = after[name].window(window, end).get("mean")
                assert (wanted is None) == (end not in found), (name, window, end, wanted)
                assert wanted is None or same(found[end], wanted), (name, window, end, found[end], wanted)
    check_corrections(stage, past, before["pm25"], after["pm25"])
    check_indices(stage, past, before, after)


def check_corrections(stage, past, before, after):
    """One line for each window that had closed without the late reading, with what was and is."""
    hour = -(-past.late // HOUR) * HOUR
    old, new = stored(stage, "correction_old"), stored(stage, "correction_new")
    for window in ("1h", "8h", "24h"):
        was, now = (table["kk-1", "pm25", window, ""] for table in (old, new))
        assert hour in now and was.keys() == now.keys()
        for end in now:
            assert same(was[end], before.window(window, end)["mean"]), (window, end)
            assert same(now[end], after.window(window, end)["mean"]), (window, end)
            assert was[end] != now[end]
    assert list(new["kk-1", "pm25", "1h", ""]) == [hour]
    assert not [tags for tags in new if tags[1] == "o3" or tags[3]]


def check_indices(stage, past, before, after):
    found, first = newest(stage, "index_vn_aqi", "vn_aqi", "1h"), stored(stage, "index_vn_aqi")["kk-1", "", "1h", ""]
    for end in range(past.begin + HOUR, past.end + 1, HOUR):
        assert found.get(end) == hour_index(after, end), end
    hour = -(-past.late // HOUR) * HOUR
    assert first[hour] == hour_index(before, hour) != found[hour]
    days_found = newest(stage, "index_vn_aqi", "vn_aqi_day", "day")
    ends = [e for e in range(past.begin + HOUR, past.end + 1, HOUR) if (e + UTC7) % DAY == 0]
    assert ends
    for end in ends:
        assert days_found.get(end) == day_index(after, end), end


def check_api(stage, past):
    """The API shows the corrected numbers, and says which they are."""
    after, before = past.after(), past.before()
    corrected = {window: stored(stage, "correction_new").get(("kk-1", "pm25", window, ""), {})
                 for window in ("1h", "8h", "24h", "day")}
    for name in ("pm25", "o3"):
        for entry in windows(stage, parameter=name):
            end, kind = entry["time"], entry["window"]
            wanted = after[name].window(kind, end)
            for key in ("count", "coverage", "mean", "sum", "min", "max"):
                assert entry[key] is None if key not in wanted else same(entry[key], wanted[key]), (entry, wanted)
            assert entry["corrected"] == (name == "pm25" and end in corrected[kind]), entry
            if entry["corrected"]:
                assert same(entry["first"], before[name].window(kind, end)["mean"]), entry
    assert corrected["1h"], "one was corrected"
    check_status(stage, past, after)


def check_status(stage, past, after):
    stations = {station["id"]: station for station in stage.collector.status()["stations"]}
    hour = stations["kk-1"]["index"]["hour"]
    last = past.end + HOUR  # two of its three newest hours are there
    assert (hour["time"], hour["value"]) == (last, hour_index(after, last))
    assert hour["dominant"] == "pm25" and hour["colour"] and hour["vi"] and hour["message_vi"]
    assert not hour["corrected"] and "index" not in stations["bay-1"]
    nights = {night["parameter"]: night for night in stations["bay-1"]["nights"]}
    noon = nights["bph"]["time"]
    assert (noon + UTC7) % DAY == 12 * HOUR and noon > past.end - DAY + LATENESS
    hours = len([e for e in range(noon - DAY + HOUR, noon + 1, HOUR) if past.begin < e <= past.end])
    assert (nights["bph"]["outcome"], nights["bph"]["count"]) == ("counted", 2 * hours)
    assert (nights["wbph"]["outcome"], nights["wbph"]["count"]) == ("counted", 0)


def check_metrics(stage):
    metrics = stage.collector.metrics()
    assert metrics["phusa_windows_told_total"] > 4 * 48
    corrections = stored(stage, "correction_new")
    assert metrics["phusa_corrections_total"] == sum(len(points) for points in corrections.values())
    assert metrics['phusa_readings_flagged_total{flag="good"}'] == 2 * 2 * DAY / EVERY + 2 * 48
    return metrics["phusa_windows_told_total"], metrics["phusa_corrections_total"]


def test_two_days_in_store_and_api_and_after_a_kill(days):
    stage, past = days
    check_store(stage, past)
    check_api(stage, past)
    counted = check_metrics(stage)
    until(lambda: stage.collector.metric("phusa_snapshot_position") > 0, "a snapshot")
    stage.collector.kill()
    stage.collector.start()
    stage.collector.wait_drained()
    check_store(stage, past)
    check_api(stage, past)
    assert check_metrics(stage) == counted


def test_a_bad_question_is_answered_with_what_would_be_right(stage):
    stage.stations_file.write_text(STATIONS)
    stage.rules_file.write_text("rules : ();\n")
    stage.line()
    assert windows(stage) == []
    for code, query, within in ((404, {"station": "nobody"}, "/api/v1/status"), (400, {"window": "2h"}, "1h, 8h"),
                                (400, {"hours": "49"}, "1 to 48"), (400, {"parameter": "ph"}, "kk-1 has windows of")):
        answer = stage.collector.get("/api/v1/windows?" + urllib.parse.urlencode({"station": "kk-1", **query}))
        assert answer[0] == code and within in json.loads(answer[1])["error"], answer
