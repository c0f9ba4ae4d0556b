"""A link that is cut for thirty days: the station goes on measuring each minute, and when the link is back it says
what is new at once and catches up beside it, at the pace it is given; nothing is missing in the collector's ledger.

The station is the one on this machine, which has the board's core (same_core_test.py): it measures the days that
are over at once. The emulated board would have to live through them."""
import json
import math
import time

import phusarun
from line import BUILD, until
from station_test import dump

STATION = "apacp"
MINUTE, DAY = 60, 86400
REPORTS = 30 * DAY // MINUTE
BEFORE = 10  # reports that arrive before the cut
SPEED = 60.0  # a fresh report a second
AHEAD_S = 3 * 3600  # how far back the clock begins: it goes at that speed for three minutes
RATE = 1500  # of the backlog in a second; a board's is 20, and thirty days take it 36 minutes
FRESH_S = 4.0  # in which a fresh report arrives
FRESH_LEAST = 10  # reports that did while the backlog was under way
RECORD_LEAST = 16  # bytes of a report in the log, at least
LONG_S = 120.0
REGISTRY = """stations : ( { id = "apacp"; site = "apalachicola"; kind = "water"; name = "Cửa sông"; every = "1m";
  parameters = ["temp", "salinity"]; } );
"""


class Listener:
    """Notes when each report reached the broker: {seconds: when}, by the run's clock."""

    def __init__(self, client, clock):
        self.arrived = {}
        self.clock = clock
        client.mqtt.on_message = lambda _, __, message: self.take(message.payload)
        client.listen("phusa/1/+/+/obs")

    def take(self, payload):
        self.arrived.setdefault(json.loads(payload)[0]["bt"], self.clock.now())


def start_station(stage, **options):
    return stage.add(phusarun.StationProcess(stage.folder / "station", BUILD, stage.collector.config, stage.broker,
                                             STATION, stage.collector.clock, every="1m", backlog_rate=RATE, **options))


def log_file(stage):
    return stage.folder / "station/stations" / f"{STATION}.log"


def deliver_the_first(stage, begin):
    station = start_station(stage, from_=begin - BEFORE * MINUTE, until=begin - MINUTE, exit_when_delivered=True)
    until(lambda: not station.running(), f"the reports before the cut\n{station.tail()}")
    assert station.exit_code() == 0, station.tail()


def fill_log(stage, begin):
    """The station measures thirty days without a link: its log has grown, and grows no more than a report a second."""
    station = start_station(stage, from_=begin)
    file, sizes = log_file(stage), [0, 0]

    def settled():
        sizes.append(file.stat().st_size)
        time.sleep(0.5)
        return sizes[-1] > RECORD_LEAST * REPORTS and sizes[-1] - sizes[-3] <= 4096

    until(settled, "thirty days in the log", LONG_S)
    return station


def held(stage, end):
    """What the log holds of the time before end, which is all that was measured, as the store must have it."""
    reports, _ = dump(log_file(stage))
    assert [seq for _, seq, _, _ in reports] == list(range(1, len(reports) + 1)) and len(reports) > BEFORE + REPORTS
    return {(f"water_{name}", STATION, int(seconds) * 10**9): value
            for _, _, seconds, values in reports if seconds < end for name, value in values.items()}


def missing(collector):
    return next(s for s in collector.ledger()["stations"] if s["id"] == STATION)["missing_reports"]


def test_thirty_days_without_a_link(stage):
    stage.stations_file.write_text(REGISTRY)
    clock = phusarun.Clock(start=time.time() - AHEAD_S, speed=SPEED)
    begin = math.floor(clock.start / MINUTE) * MINUTE - 30 * DAY
    collector = stage.line(clock=clock)
    deliver_the_first(stage, begin)
    stage.broker.stop()
    station = fill_log(stage, begin)
    stage.broker.start()
    back = clock.now()
    listener = Listener(stage.client(), clock)
    backlog = set(range(begin, begin + REPORTS * MINUTE, MINUTE))
    until(lambda: backlog <= listener.arrived.keys(), "the backlog", LONG_S)
    until(lambda: missing(collector) == 0, "a ledger without gaps")
    assert station.stop() == 0
    collector.wait_drained()
    wanted = held(stage, begin + REPORTS * MINUTE)
    points = stage.store.export()
    assert {key: points.get(key) for key in wanted} == wanted
    arrived = dict(listener.arrived)
    first, last = min(map(arrived.get, backlog)), max(map(arrived.get, backlog))
    assert (last - first) / SPEED >= 0.9 * REPORTS / RATE, "faster than its pace"
    fresh = [when - seconds for seconds, when in arrived.items() if back < seconds and first < when < last]
    assert len(fresh) >= FRESH_LEAST and max(fresh) <= FRESH_S * SPEED, sorted(fresh)[-5:]
    print(f"figure: thirty days without a link: {REPORTS} reports in {(last - first) / SPEED:.1f} s; beside them {len(fresh)} fresh ones, "
          f"at most {max(fresh) / SPEED:.2f} s after their moment")
