"""A month of real sonde readings through the whole line: what the store holds and which alarms
were recorded equals what an independent reading of the recording says, also when broker, store
and collector fail on the way."""
import time

import pytest

import phusarun
from line import (RULES, compare, expected_points, expected_transitions, ledger, log_lines, readings, replay_station,
                  transitions_recorded, transitions_replayed, until)

FEBRUARY = 2  # the month in which apadb's salinity crosses the limit time and again
SPEED = 200_000.0  # a month in 13 s
LEAD_S = 5.0  # the clock begins so long before the first row, for the stations to be connected by then
TROUBLED_SPEED = 60_000.0  # a month in 42 s
STORE_AWAY_S = 10.0
BACKOFF_S = 90.0  # longest wait for the next try after an outage, and some
STATIONS = ("apacp", "apadb")


def month():
    return {station: readings(station, FEBRUARY) for station in STATIONS}


def all_points(rows):
    return {key: value for station in STATIONS for key, value in expected_points(station, rows[station]).items()}


def all_transitions(rows):
    changes = [change for station in STATIONS for change in expected_transitions(station, rows[station])]
    return sorted(changes)


def start(stage, rows, store="victoria", speed=SPEED):
    """The line with both stations, connected before their first row is due: what a station cannot
    say at once comes behind what is fresh, and is judged as history."""
    first = rows["apacp"][0][0]
    stage.line(store, lambda: phusarun.Clock(first - LEAD_S * speed, speed))
    births = {f"phusa/1/apalachicola/{station}/status" for station in STATIONS}
    ear = stage.client("ear")
    ear.listen(*births)
    stations = [replay_station(stage, station, rows[station]) for station in STATIONS]
    until(lambda: {topic for topic, *_ in ear.heard} >= births, "the stations connect")
    assert stage.collector.clock.now() < first, "this machine is too busy: raise LEAD_S"
    return stations


def finish(stage, stations, timeout=120.0):
    """Until every report is covered by a receipt and every reading is in the store for good."""
    for part in stations:
        until(lambda: not part.running(), f"{part.name} delivers everything\n{part.tail()}", timeout)
        assert part.exit_code() == 0, part.tail()
    stage.collector.wait_drained(timeout)


def counted(stage, rows):
    """Everything and nothing else was stored, once."""
    sent = sum(len(values) for station in STATIONS for _, values in rows[station])
    assert [ledger(stage.collector, state) for state in ("stored", "quarantined")] == [sent, 0]


@pytest.mark.parametrize("store", sorted(phusarun.STORES))
def test_a_month_arrives_complete_and_unchanged(stage, store):
    rows = month()
    stations = start(stage, rows, store)
    finish(stage, stations)
    counted(stage, rows)
    compare(stage.store.export(), all_points(rows))

    wanted = all_transitions(rows)
    assert len(wanted) > 20, "this month no longer shows an alarm that comes and goes"
    assert transitions_recorded(stage.journal) == wanted
    assert transitions_replayed("-c", stage.collector.config, "--journal", stage.journal) == wanted
    csv = stage.folder / "past.csv"
    csv.write_text("time,station,parameter,value\n" + "".join(
        f"{seconds},{station},salinity,{values['salinity']}\n" for station in STATIONS
        for seconds, values in rows[station] if "salinity" in values))
    assert transitions_replayed("-c", stage.collector.config, "--csv", csv) == wanted

    told = sorted((a["time"] * 10**9, a["station"], a["from"], a["to"]) for a in stage.webhook.alarms() if a["rule"] == "intrusion")
    assert told == wanted, "each change reaches the webhook once"


class Progress:
    """Waits until a part of the month has passed."""

    def __init__(self, stage, rows):
        self.clock, self.first, self.last = stage.collector.clock, rows["apacp"][0][0], rows["apacp"][-1][0]

    def reach(self, share):
        until(lambda: self.clock.now() >= self.first + share * (self.last - self.first), f"{share:.0%} of the month",
              120)


def kill_just_acknowledged(stage):
    """Ends the store without warning in the moment it has taken something it keeps only in memory."""
    before = stage.collector.metric("phusa_store_sent_bytes_total")
    until(lambda: stage.collector.metric("phusa_store_sent_bytes_total") > before, "the store takes something",
          BACKOFF_S)
    stage.store.kill()


def test_broken_broker_store_and_collector_change_nothing(stage):
    rows = month()
    # However long this machine takes over an outage: what is in order afterwards is live.
    stage.rules_file.write_text(RULES.replace('live_within = "1d"', 'live_within = "30d"'))
    stations = start(stage, rows, speed=TROUBLED_SPEED)
    month_passed = Progress(stage, rows)
    month_passed.reach(0.1)
    stage.broker.restart()
    month_passed.reach(0.25)
    stage.broker.kill()  # forgets what it had acknowledged in the last seconds
    stage.broker.start()
    month_passed.reach(0.35)
    stage.store.stop()
    time.sleep(STORE_AWAY_S)  # the outage itself
    stage.store.start()
    month_passed.reach(0.75)
    kill_just_acknowledged(stage)
    stage.store.start()
    until(lambda: stage.collector.metric("phusa_store_rewinds_total") >= 2, "what may be lost is sent again", BACKOFF_S)
    month_passed.reach(0.9)
    stage.collector.kill()
    stage.collector.start()
    finish(stage, stations)
    compare(stage.store.export(), all_points(rows))

    # What came late was judged as history: how depends on the order of arrival. In order of the
    # readings' times nothing is different, and the last word of all was the right one.
    wanted = all_transitions(rows)
    assert transitions_replayed("-c", stage.collector.config, "--journal", stage.journal) == wanted
    for station in STATIONS:
        last = [change for change in wanted if change[1] == station][-1]
        until(lambda: [a["to"] for a in stage.webhook.alarms()
                       if (a["rule"], a["station"]) == ("intrusion", station)][-1] == last[3],
              f"the webhook was told how {station} is")
    lines = log_lines(stage.collector, "store:")
    assert lines, "the outage is in the log"
    assert all(("answers again" in line) == (i % 2 == 1) for i, line in enumerate(lines)), lines
