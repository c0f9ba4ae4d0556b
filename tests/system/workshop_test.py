"""The workshop's path, as people go it: a station is made, its board provisioned with what was made and with the
map of its sensors, and the board measures: what the sensors show is at the collector, in the right units."""
import json
import re
import signal
import time

import board
import page
import phusarun
import pytest
from line import ROOT, STATIONS, Stage, phusa, until
from sensors_test import write_csv

NEW, SITE = "x1", "apalachicola"
SONDE = ROOT / "config/devices/sonde.map"
SHOWN = {"temp": 28.41, "salinity": 12.57, "do": 6.3, "ph": 7.85, "turb": 41.2}  # by the sonde, all the time
UNITS = {"temp": "Cel", "salinity": "/1000", "do": "mg/L", "ph": "pH", "turb": "NTU"}


def make_line(stage, image):
    """Broker, store and collector, whose registry is a folder; returns what `station new` is told of the broker."""
    stage.stations_file = stage.folder / "stations"
    stage.stations_file.mkdir()
    (stage.stations_file / "all.cfg").write_text(STATIONS)
    if image == "plain":
        stage.line(start=False)
        return ["--broker", f"{board.NAME}:{stage.broker.port}"]
    board.authority(stage.folder, "ours")
    board.certificate(stage.folder, "good", "ours", board.NAME)
    stage.line(start=False, broker=stage.add(board.TlsBroker(stage.folder / "broker", [], stage.folder, "good")))
    return ["--broker", f"{board.NAME}:{stage.broker.tls_port}", "--ca", stage.folder / "ours.pem"]


@pytest.fixture(name="workshop")
def fixture_workshop(request, tmp_path):
    """A line, and a water station that was made for a board with that image, and for the sonde."""
    board.image(request.param)
    with Stage(tmp_path) as stage:
        stage.image = request.param
        broker = make_line(stage, stage.image)
        stage.made = stage.folder / f"{NEW}.provision"
        phusa("station", "new", "-c", stage.collector.config, "--id", NEW, "--site", SITE, "--kind", "water", "--every",
              "1s", *broker, "--out", stage.made, "--broker-passwords", stage.broker.folder / "passwords", "--parameters",
              ",".join(SHOWN), check=0)
        stage.broker.signal(signal.SIGHUP)
        stage.clock = stage.add(board.TimeServer(time.time))
        stage.collector.start()
        yield stage


def measuring_board(stage, start=True):
    """A board made of the station's file and the map, with the sonde at its UART 1."""
    rows = write_csv(stage.folder / "rows.csv", [(int(time.time()) - 60, SHOWN)])
    sensors = stage.add(phusarun.SensorSim(stage.folder / "sensors", SONDE, csv=rows))
    station = board.Board(stage.folder / "board", stage.image, bus=sensors.buses[0])
    station.provision_from(stage.made, "--map", SONDE, "--time", f"{board.HOST}:{stage.clock.port}")
    return stage.add(station, start)


def stored(stage):
    """{parameter: {values}} of the new station, without the flags of quality tests."""
    found = {}
    for (name, station, _), value in stage.store.export().items():
        if station == NEW and not name.endswith("_qc"):
            found.setdefault(name.removeprefix("water_"), set()).add(value)
    return found


@pytest.mark.parametrize("workshop", ["plain", "tls"], indirect=True)
def test_from_the_registry_to_the_reading(workshop):
    ear = workshop.client()
    ear.listen(f"phusa/1/{SITE}/{NEW}/obs")
    station = measuring_board(workshop)
    station.wait_for("receipt: the first")
    until(lambda: stored(workshop).keys() >= SHOWN.keys(), "all that the sonde shows to be stored")
    assert stored(workshop) == {name: {value} for name, value in SHOWN.items()}
    records = [record for _, payload, _ in list(ear.heard) for record in json.loads(payload)]
    told = {(record["n"], record["v"], record["u"]) for record in records}
    assert told == {(name, value, UNITS[name]) for name, value in SHOWN.items()}
    assert "sensors: none gives" not in station.says()
    row = next(row for row in workshop.collector.ledger()["stations"] if row["id"] == NEW)
    assert row["quarantined"] == 0 and row["missing_reports"] == 0


@pytest.mark.parametrize("workshop", ["plain"], indirect=True)
def test_a_channel_that_no_device_gives_is_named_and_the_others_are_measured(workshop):
    """As a map does that was exchanged behind the tool's back: by an older one, or by hand."""
    station = measuring_board(workshop, start=False)
    fields = page.read(station.flash)
    map_text = fields["map"].decode()
    fields["map"] = re.sub(r"channel ph .*\n", "", map_text).replace("unit=NTU", "unit=FNU").encode()
    page.write(station.flash, fields)
    station.start()
    station.wait_for("receipt: the first")
    assert re.findall(r"^sensors: none gives (.*)", station.says(), re.M) == ["ph pH", "turb NTU"]
    wanted = {name: {value} for name, value in SHOWN.items() if name not in ("ph", "turb")}
    until(lambda: stored(workshop).keys() >= wanted.keys(), "the others to be stored")
    assert stored(workshop) == wanted
    said = phusa("station", "ask", NEW, "report", "-c", workshop.collector.config, check=0)[1]
    assert re.search(r"no_sensor +ph\n", said), said
