"""A month of real sonde readings through the whole line: what the store holds and which alarms
were recorded equals what an independent reading of the recording says, also when broker, store
and collector fail on the way."""
import threading
import time

import pytest

import phusarun
from line import (PATIENCE_S, compare, expected_points, expected_transitions, log_lines, phusa, readings,
                  recording, replay_station, transitions_recorded, transitions_replayed, until)

FEBRUARY = 2  # the month in which apadb's salinity crosses the limit time and again
SPEED = 100_000.0  # a month in 25 s
LEAD_S = 5.0  # the clock stands still for so long, for the stations to be connected at the first row
STATIONS = ("apacp", "apadb")


def month():
    return {station: readings(station, FEBRUARY) for station in STATIONS}


def all_points(rows):
    return {key: value for station in STATIONS for key, value in expected_points(station, rows[station]).items()}


def all_transitions(rows):
    changes = [change for station in STATIONS for change in expected_transitions(station, rows[station])]
    return sorted(changes)


def start(stage, rows, store, **extra):
    """The line with both stations, connected before their first row is due: what a station could
    not say at once comes behind what is fresh, and is judged as history."""
    stage.line(store, lambda: phusarun.Clock(rows["apacp"][0][0] - 1, SPEED, time.time() + LEAD_S), **extra)
    births = {f"phusa/1/apalachicola/{station}/status" for station in STATIONS}
    ear = stage.client("ear")
    ear.listen(*births)
    stations = [replay_station(stage, station, rows[station]) for station in STATIONS]
    until(lambda: {topic for topic, *_ in ear.heard} >= births, "the stations connect")
    assert time.time() < stage.collector.clock.origin, "this machine is too busy: raise LEAD_S"
    return stations


def finish(stage, stations, timeout=120.0):
    """Until every report is covered by a receipt and every reading is in the store for good."""
    for part in stations:
        until(lambda: not part.running(), f"{part.name} delivers everything\n{part.tail()}", timeout)
        assert part.exit_code() == 0, part.tail()
    stage.collector.wait_drained(timeout)


def counted(stage, rows):
    received = sum(len(values) for station in STATIONS for _, values in rows[station])
    assert stage.collector.metric("phusa_readings_stored_total") == received
    assert stage.collector.metric("phusa_readings_quarantined_total") == 0
    return received


@pytest.mark.parametrize("store", sorted(phusarun.STORES))
def test_a_month_arrives_complete_and_unchanged(stage, store):
    rows = month()
    stations = start(stage, rows, store)
    finish(stage, stations)
    counted(stage, rows)
    compare(stage.store.export(), all_points(rows))

    wanted = all_transitions(rows)
    assert len(wanted) > 20, "this month no longer shows an alarm that comes and goes"
    recorded = transitions_recorded(stage.journal)
    assert [change[:4] for change in recorded] == wanted
    assert transitions_replayed("-c", stage.collector.config, "--journal", stage.journal) == wanted
