"""What the system tests have in common: a registry of two sondes, a line put together of
tools/phusarun.py's parts, messages published by hand, and a recording read independently
of the product."""
import csv
import datetime
import gzip
import json
import os
import signal
import sqlite3
import subprocess
import threading
from pathlib import Path

import paho.mqtt.client
import pytest

import phusarun
from phusarun import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = (ROOT / os.environ.get("PHUSA_BUILD", "build")).resolve()
SHARED = (ROOT / os.environ.get("PHUSA_SHARED", "../shared")).resolve()
PHUSA = BUILD / "phusa"
PATIENCE_S = 30.0  # for anything that should happen at once; a sanitized build on a busy machine is slow

STATIONS = """stations : (
  { id = "apacp"; site = "apalachicola"; kind = "water"; name = "Cửa sông Cát Point"; every = "15m";
    parameters = ["temp", "salinity", "do", "ph", "turb"]; },
  { id = "apadb"; site = "apalachicola"; kind = "water"; name = "Trạm Dry Bar"; every = "15m";
    parameters = ["temp", "salinity", "do", "ph", "turb"]; }
);
"""

RULES = """rules : (
  { id = "intrusion"; kind = "water"; parameter = "salinity"; direction = "above";
    levels = ( { severity = "severe"; raise = 4.0; clear = 3.5; } );
    max_gap = "1h"; live_within = "1d"; channels = ["ioc"]; message = { vi = "Mặn xâm nhập"; en = "Salinity"; }; }
);
"""


def shared(name):
    """A file of the shared data; without it the test is skipped."""
    path = SHARED / "data" / name
    if not path.exists():
        pytest.skip(f"{path} is absent (PHUSA_SHARED names the folder with the recordings)")
    return path


# --- the line ----------------------------------------------------------------------------


def ended_well(part):
    """Stops a part. A program of ours that still runs has to end with 0, and one that a test has not
    killed must not have ended otherwise: a sanitizer's finding has an exit code of its own."""
    ran = isinstance(part, phusarun.Part) and part.running()
    code = part.stop()
    ours = isinstance(part, (phusarun.Collector, phusarun.StationProcess))
    return not ours or code == 0 or (not ran and code in (None, -signal.SIGKILL))


class Stage:
    """One broker, one store and one phusad in a folder of their own, and what else a test adds."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.parts = []
        self.stations_file = self.folder / "stations.cfg"
        self.rules_file = self.folder / "rules.cfg"
        self.stations_file.write_text(STATIONS)
        self.rules_file.write_text(RULES)
        self.broker = self.store = self.webhook = self.collector = None

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        bad = [part for part in reversed(self.parts) if not ended_well(part)]
        assert failed or not bad, "\n".join(f"{part.name} ended with {part.exit_code()}\n{part.tail()}" for part in bad)

    def add(self, part, start=True):
        self.parts.append(part)
        if start:
            part.start()
        return part

    def line(self, store="victoria", clock=None, start=True, extra=None, broker=None):
        """The usual line; a store or a broker that is an object is taken as it is, and a clock that is a
        function is called once broker and store run. Returns the collector."""
        self.broker = broker or self.add(phusarun.Broker(self.folder / "broker", ["apacp", "apadb"]))
        self.store = self.add(phusarun.STORES[store](self.folder / store)) if isinstance(store, str) else store
        self.webhook = self.add(phusarun.WebhookReceiver())
        clock = clock() if callable(clock) else clock
        parts = phusarun.Parts(stations=self.stations_file, rules=self.rules_file)
        self.collector = phusarun.Collector(self.folder / "collector", BUILD, parts, self.broker, self.store,
                                            self.webhook, clock, extra=extra)
        return self.add(self.collector, start)

    @property
    def journal(self):
        return self.folder / "collector" / "journal"

    def client(self, name="tester"):
        return self.add(Client(self.broker, name))


class Client:
    """A publisher with the collector's rights, so that it may also say what it should not."""

    def __init__(self, broker, name):
        self.heard = []  # (topic, payload, retained)
        self.connected = threading.Event()
        self.mqtt = paho.mqtt.client.Client(client_id=name, protocol=paho.mqtt.client.MQTTv311)
        self.mqtt.username_pw_set(phusarun.COLLECTOR_USER, broker.password)
        self.mqtt.max_queued_messages_set(0)
        self.mqtt.max_inflight_messages_set(200)
        self.mqtt.on_connect = lambda *_: self.connected.set()
        self.mqtt.on_message = lambda _, __, m: self.heard.append((m.topic, m.payload, m.retain))
        self.port = broker.port

    def start(self):
        self.mqtt.connect("127.0.0.1", self.port)
        self.mqtt.loop_start()
        assert self.connected.wait(PATIENCE_S), "the broker did not answer"
        return self

    def stop(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def send(self, payload, topic="phusa/1/apalachicola/apacp/obs", wait=True, retain=False):
        if isinstance(payload, (list, dict)):
            payload = json.dumps(payload)
        message = self.mqtt.publish(topic, payload, qos=1, retain=retain)
        if wait:
            message.wait_for_publish(PATIENCE_S)
        return message

    def listen(self, *filters):
        done = threading.Event()
        self.mqtt.on_subscribe = lambda *_: done.set()
        self.mqtt.subscribe([(name, 1) for name in filters])
        assert done.wait(PATIENCE_S), "the broker did not confirm the subscription"


def report(seconds, value, parameter="salinity", station="apacp", **first):
    """A report of one reading; further labels go into its record."""
    return [{"bn": f"{station}:", "bt": seconds, "n": parameter, "v": value, **first}]


def until(condition, what, timeout=PATIENCE_S):
    return wait_for(condition, timeout, what)


def ledger(collector, state):
    """Readings of all stations: received, duplicate, stored or quarantined."""
    return collector.metrics()[f'phusa_ledger_readings_total{{state="{state}"}}']


def log_lines(part, *words):
    """The lines of a part's log in which all words stand."""
    text = part.log.read_text(errors="replace") if part.log.exists() else ""
    return [line for line in text.splitlines() if all(word in line for word in words)]


def phusa(*words, stdin=b"", check=None):
    """Runs `phusa`; (exit code, stdout, stderr) as text."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run([str(PHUSA), *map(str, words)], input=stdin, capture_output=True, timeout=60, check=False)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert check is None or done.returncode == check, f"phusa {words}: exit {done.returncode}\n{out}\n{err}"
    return done.returncode, out, err


def transitions_recorded(journal):
    """(ns, station, from, to) of the stations' transitions in the outbox, by time; what was told later
    than it happened is no transition of its own. The collector's own alarms are left out: at thousandfold
    speed the moment that it takes to connect is an hour without a broker."""
    with sqlite3.connect(f"file:{journal / 'outbox.db'}?mode=ro", uri=True) as db:
        return db.execute("SELECT time_ns, station, before, after FROM transition WHERE changed"
                          " AND rule = 'intrusion' ORDER BY time_ns, station, id").fetchall()


def transitions_replayed(*source):
    """(ns, station, from, to) of what `phusa replay` prints of the stations, in its order."""
    lines = [json.loads(line) for line in phusa("replay", *source, check=0)[1].splitlines()]
    assert {line["rule"] for line in lines} <= {"intrusion", "link-down"}
    return [(int(round(line["time"] * 1e9)), line["station"], line["from"], line["to"])
            for line in lines if line["rule"] == "intrusion"]


# --- a recording, read without the product -------------------------------------------------

LOCAL = datetime.timezone(datetime.timedelta(hours=-5))  # local standard time of the sondes
COLUMNS = {"temp": "temp", "salinity": "sal", "do": "do_mgl", "ph": "ph", "turb": "turb"}
LIMITS = {"temp": (-5, 80), "salinity": (0, 50), "do": (0, 20), "ph": (0, 14), "turb": (0, 4000)}


def recording(station):
    return shared(f"1-salinity/nerrs_{station}wq_2012.csv.gz")


def readings(station, month):
    """[(seconds, {parameter: value})] of a month of 2012 by local time; missing ones are not there."""
    rows = []
    with gzip.open(recording(station), "rt", newline="") as file:
        for row in csv.DictReader(file):
            moment = datetime.datetime.strptime(row["datetimestamp"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=LOCAL)
            if moment.month == month:
                values = {p: float(row[c]) for p, c in COLUMNS.items() if row[c] not in ("", "NA")}
                rows.append((int(moment.timestamp()), values))
    assert len(rows) > 2700, f"{station}: {len(rows)} rows in month {month}"
    return rows


def flag(parameter, value):
    low, high = LIMITS[parameter]
    return 1 if low <= value <= high else 4


def expected_points(station, rows):
    """What the store must hold: {(measurement_field, station, ns): value}."""
    points = {}
    for seconds, values in rows:
        for parameter, value in values.items():
            points["water_" + parameter, station, seconds * 10**9] = value
            points[f"water_{parameter}_qc", station, seconds * 10**9] = flag(parameter, value)
    return points


def expected_transitions(station, rows, over=4.0, clear=3.5):
    """The rule, written down once more: (ns, station, from, to)."""
    changes, high = [], False
    for seconds, values in rows:
        value = values.get("salinity")
        if value is None or flag("salinity", value) == 4:
            continue
        if not high and value >= over:
            changes.append((seconds * 10**9, station, "normal", "severe"))
        elif high and value < clear:
            changes.append((seconds * 10**9, station, "severe", "normal"))
        else:
            continue
        high = not high
    return changes


def compare(stored, expected):
    """Every point, value and time."""
    missing = sorted(expected.keys() - stored.keys(), key=lambda key: key[2])
    extra = sorted(stored.keys() - expected.keys(), key=lambda key: key[2])
    changed = [(key, stored[key], expected[key]) for key in stored.keys() & expected.keys()
               if float(stored[key]) != float(expected[key])]
    assert not missing and not extra and not changed, (
        f"{len(missing)} missing {missing[:5]}, {len(extra)} extra {extra[:5]}, {len(changed)} changed {changed[:5]}")


def replay_station(stage, station, rows, **options):
    """phusa-station over these rows of its recording."""
    maps = [f"{parameter}={column}" for parameter, column in COLUMNS.items()]
    part = phusarun.StationProcess(
        stage.folder / f"station-{station}", BUILD, stage.collector.config, stage.broker, station=station,
        clock=stage.collector.clock, source="replay", csv=recording(station), map=maps, csv_offset="-05:00",
        from_=rows[0][0], until=rows[-1][0], exit_when_delivered=True, **options)
    return stage.add(part)
