"""What broken, foreign or hostile publishers send is set aside with its reason and counted for its
station, and never in the way of the next good report."""
import json
import math
import time

import cbor2
import pytest

from line import Stage, log_lines, phusa, report, until

GOOD_TOPIC = "phusa/1/apalachicola/apacp/obs"
APACP = '{site="apalachicola",station="apacp"'
NOBODY = '{site="",station=""'


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """One collector for all cases: it has to outlive every one of them."""
    with Stage(tmp_path_factory.mktemp("bad")) as stage:
        stage.line()
        stage.sender = stage.client()
        stage.next_second = int(time.time()) - 86400
        yield stage
        assert stage.collector.running() and stage.collector.stop() == 0
        assert not log_lines(stage.collector, "error:"), stage.collector.tail()


def fresh_second(line):
    line.next_second += 1
    return line.next_second


def count(line, reason, whom=APACP):
    return line.collector.metrics().get(f'phusa_readings_quarantined_total{whom},reason="{reason}"}}', 0)


def accepted(line):
    """Readings that were let through: received, but neither set aside nor seen before."""
    metrics = line.collector.metrics()  # at one moment
    received, duplicate, quarantined = (metrics[f'phusa_ledger_readings_total{{state="{state}"}}']
                                        for state in ("received", "duplicate", "quarantined"))
    return received - duplicate - quarantined


def good_report_passes(line):
    before = accepted(line)
    line.sender.send(report(fresh_second(line), 1.5))
    until(lambda: accepted(line) == before + 1, "a good report still passes")


def set_aside(line, payload, reason, whom=APACP, topic=GOOD_TOPIC, readings=1, passed=0):
    before, passed_before = count(line, reason, whom), accepted(line)
    line.sender.send(payload, topic)
    until(lambda: count(line, reason, whom) == before + readings, f"{reason} is counted")
    assert accepted(line) == passed_before + passed
    good_report_passes(line)


def set_aside_somehow(line, payload, topic):
    """Set aside for one reason or another."""

    def total():
        return sum(value for key, value in line.collector.metrics().items()
                   if key.startswith("phusa_readings_quarantined_total" + APACP))

    before, passed = total(), accepted(line)
    line.sender.send(payload, topic)
    until(lambda: total() == before + 1, "it is counted")
    assert accepted(line) == passed
    good_report_passes(line)


GOOD = json.dumps(report(1_700_000_000, 1.0))


@pytest.mark.parametrize("topic", ["phusa/1/x", "phusa/1/a/b/obz", "phusa/1/A/b/obs", "phusa/1/a/b/obs/more",
                                   "phusa/1//b/obs", "phusa/1/a/" + "b" * 33 + "/obs"])
def test_topic(line, topic):
    set_aside(line, GOOD, "topic", NOBODY, topic)


def test_foreign_station(line):
    set_aside(line, GOOD, "station", NOBODY, "phusa/1/apalachicola/nobody/obs")


def test_wrong_site(line):
    set_aside(line, GOOD, "site", topic="phusa/1/my-tho/apacp/obs")


def test_name_of_another_station(line):
    set_aside(line, report(fresh_second(line), 1.0, station="apadb"), "name")


JSON = json.dumps([{"bn": "apacp:", "bt": 1_700_000_000, "n": "salinity", "v": 1.0}, {"n": "temp", "v": 20.0}])
CBOR = cbor2.dumps([{-2: "apacp:", -3: 1_700_000_000, 0: "salinity", 2: 1.25}, {0: "temp", 2: 20.5}])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("whole", [JSON.encode(), CBOR], ids=["json", "cbor"])
def test_truncated(line, whole, share):
    set_aside(line, whole[:max(1, int(len(whole) * share))], "truncated")


@pytest.mark.parametrize("payload", [
    b"", b"hello", b"{}", b"[1]x", b"\x00\x01\x02", b"\xa0", b"[{]", b'[{"n":"a",}]', b'[{"n":"s\x01","v":1}]',
    b"[" * 60000])
def test_neither_json_nor_cbor(line, payload):
    set_aside_somehow(line, payload, GOOD_TOPIC)


def test_oversized(line):
    text = json.dumps(report(fresh_second(line), 1.0)).encode()
    set_aside(line, text + b" " * (70_000 - len(text)), "oversized")


def test_257_records(line):
    second = fresh_second(line)
    pack = [{"bn": "apacp:", "bt": second - 600, "n": "salinity", "t": i, "v": 1.0} for i in range(257)]
    set_aside(line, pack, "too_many")


def test_256_records_pass(line):
    begin = line.next_second - 40_000
    before = accepted(line)
    line.sender.send([{"bn": "apacp:", "bt": begin, "n": "salinity", "t": i, "v": 1.0} for i in range(256)])
    until(lambda: accepted(line) == before + 256, "a full pack passes")


def test_unknown_parameter(line):
    pack = report(fresh_second(line), 1.0) + [{"n": "gold", "v": 3.0}]
    set_aside(line, pack, "parameter", passed=1)


@pytest.mark.parametrize("unit", ["furlong", "Cel", "pH"])
def test_unit(line, unit):
    pack = report(fresh_second(line), 1.0, u=unit) + [{"n": "temp", "v": 20.0}]
    set_aside(line, pack, "unit", passed=1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_finite_number(line, value):
    pack = [{-2: "apacp:", -3: fresh_second(line), 0: "salinity", 2: value}, {0: "temp", 2: 20.5}]
    set_aside(line, cbor2.dumps(pack), "value", passed=1)


@pytest.mark.parametrize("label, value", [("vs", "much"), ("vd", "aGk")])
def test_no_number(line, label, value):
    pack = [{"bn": "apacp:", "bt": fresh_second(line), "n": "salinity", label: value}, {"n": "temp", "v": 20.0}]
    set_aside(line, pack, "value", passed=1)


def test_string_for_a_number(line):
    set_aside(line, report(fresh_second(line), "4.2"), "type")


@pytest.mark.parametrize("second", [1e300, 2**62])
def test_impossible_time(line, second):
    set_aside(line, report(second, 1.0), "time")


def reconstructed(line):
    return line.collector.metrics()[f"phusa_readings_time_reconstructed_total{APACP}}}"]


@pytest.mark.parametrize("second", [
    3600,  # 1970: an hour after a boot without a clock
    2**28,  # 1978: the earliest that an absolute time can say
    946_684_800,  # 2000
    4_102_444_800])  # 2100
def test_a_wrong_clock_is_dated_by_arrival(line, second):
    before, moved, alarms = accepted(line), reconstructed(line), len(line.webhook.alarms())
    value = 44.0 + second % 89 / 100
    begin = time.time_ns()
    line.sender.send(report(second, value))
    until(lambda: accepted(line) == before + 1, "it is kept")
    end = time.time_ns()
    assert reconstructed(line) == moved + 1

    def points():
        return [ns for (name, station, ns), found in line.store.export().items()
                if (name, station, found) == ("water_salinity", "apacp", value)]

    until(points, "it is stored", 30)
    (ns,) = points()
    assert begin // 10**6 * 10**6 <= ns <= end  # the store knows milliseconds
    assert line.store.export()["water_salinity_qc", "apacp", ns] == 3
    assert line.store.export()["water_time_reconstructed", "apacp", ns] == 1
    good_report_passes(line)
    assert len(line.webhook.alarms()) == alarms


def test_1970_is_relative(line):
    """Below 2^28 seconds a time counts from the receive time (RFC 8428), also one that was meant as 1970."""
    before = accepted(line)
    line.sender.send(report(-2.5, 1.0))
    until(lambda: accepted(line) == before + 1, "a relative time passes")


def test_far_future_is_kept_with_a_flag_and_raises_nothing(line):
    second = int(time.time()) + 86_400
    before, alarms = accepted(line), len(line.webhook.alarms())
    line.sender.send(report(second, 49.0))
    until(lambda: accepted(line) == before + 1, "it is kept")
    until(lambda: ("water_salinity_qc", "apacp", second * 10**9) in line.store.export(), "it is stored", 30)
    points = line.store.export()
    assert points["water_salinity", "apacp", second * 10**9] == 49.0
    assert points["water_salinity_qc", "apacp", second * 10**9] == 3
    good_report_passes(line)
    assert len(line.webhook.alarms()) == alarms


def duplicates(line):
    return line.collector.metrics()[f"phusa_readings_duplicate_total{APACP}}}"]


def test_same_seq_again(line):
    pack = report(fresh_second(line), 1.0, log="0badcafe", seq=1)
    line.sender.send(pack)
    before = duplicates(line)
    line.sender.send(pack)
    until(lambda: duplicates(line) == before + 1, "the second is a duplicate")
    good_report_passes(line)


def test_same_seq_with_other_content(line):
    """A station that has gone back in time uses its numbers again: what is new in it is not lost."""
    pack, seen = report(fresh_second(line), 1.0, log="0badcaff", seq=1), accepted(line)
    line.sender.send(pack)
    until(lambda: accepted(line) == seen + 1, "the first passes")
    pack[0]["v"] = 2.0
    set_aside(line, pack, "conflict")
    before = accepted(line)
    line.sender.send(report(fresh_second(line), 1.5, log="0badcaff", seq=1))
    until(lambda: accepted(line) == before + 1, "another time is another reading")


def test_same_reading_again_without_seq(line):
    pack = report(fresh_second(line), 1.0)
    line.sender.send(pack)
    before = duplicates(line)
    line.sender.send(pack)
    until(lambda: duplicates(line) == before + 1, "the second is a duplicate")


def test_other_value_for_the_same_time(line):
    second, before = fresh_second(line), accepted(line)
    line.sender.send(report(second, 1.0))
    until(lambda: accepted(line) == before + 1, "the first passes")
    set_aside(line, report(second, 2.0), "conflict")
    until(lambda: ("water_salinity", "apacp", second * 10**9) in line.store.export(), "it is stored")
    assert line.store.export()["water_salinity", "apacp", second * 10**9] == 1.0, "the first wins"


@pytest.mark.parametrize("labels, reason", [({"bver": 11}, "version"), ({"must_": 1}, "label"),
                                            ({"seq": -1, "log": "0badcafe"}, "type"), ({"st": "x"}, "type")])
def test_labels(line, labels, reason):
    set_aside(line, report(fresh_second(line), 1.0, **labels), reason)


@pytest.mark.parametrize("payload", [b"offline", b"[]", b'{"state":3,"log":"0badcafe"}', b'{"state":"online"'])
def test_status(line, payload):
    set_aside_somehow(line, payload, "phusa/1/apalachicola/apacp/status")


def test_the_quarantine_holds_what_was_set_aside(line):
    set_aside(line, report(fresh_second(line), 1.0, parameter="gold"), "parameter")
    quarantine = line.journal / "quarantine"
    until(lambda: '"name":"apacp:gold"' in phusa("journal", "dump", "--json", quarantine)[1].replace("\\", ""),
          "the quarantine has it")
