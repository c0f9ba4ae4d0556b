"""The same core with the same inputs says the same: a station on this machine and one on the emulated board read
a recorded hour from simulated sensors over Modbus; what they publish is equal, byte by byte."""
import json

import board
import phusarun
import pytest
from board import SITE, STATION
from line import BUILD, COLUMNS, ROOT, Stage, readings, until
from sensors_test import write_csv

UNITS = {"temp": "Cel", "salinity": "/1000", "do": "mg/L", "ph": "pH", "turb": "NTU"}  # config/parameters.cfg
MARCH, MINUTES = 3, 60
SPEED, LEAD_S = 120.0, 8.0  # a row each half second; for the stations to be connected when the first is due
LONG_S = 90.0  # for the hour
REGISTRY = f"""stations : ( {{ id = "{STATION}"; site = "{SITE}"; kind = "water"; every = "1m";
  parameters = {json.dumps(list(COLUMNS))}; }} );
"""


@pytest.fixture(name="hour")
def make_hour():
    """Sixty recorded rows, a minute apart: [(seconds, {parameter: value})] from a full hour on."""
    recorded = [values for _, values in readings(STATION, MARCH)[:MINUTES]]
    begin = readings(STATION, MARCH)[0][0] // 3600 * 3600
    return [(begin + 60 * i, values) for i, values in enumerate(recorded)]


def sensors_for(stage, name, hour, clock):
    """Each station has sensors of its own, which hold the same."""
    file = write_csv(stage.folder / f"{name}.csv", hour)
    return stage.add(phusarun.SensorSim(stage.folder / f"{name}-sensors", ROOT / "config/devices/sonde.map",
                                        clock=clock, csv=file))


def ear_for(stage, name):
    """A broker of its own, and who listens there."""
    stage.broker = stage.add(phusarun.Broker(stage.folder / name, [STATION]))
    client = stage.client(name)
    client.listen("phusa/1/+/+/obs")
    return stage.broker, client


def start_here(stage, hour, clock):
    config = stage.folder / "phusa.cfg"
    config.write_text(f'phusa : {{ parameters = "{ROOT}/config/parameters.cfg"; stations = "stations.cfg"; }};\n')
    stage.stations_file.write_text(REGISTRY)
    broker, client = ear_for(stage, "here")
    sensors = sensors_for(stage, "posix", hour, clock)
    stage.add(phusarun.StationProcess(stage.folder / "posix", BUILD, config, broker, STATION, clock, every="1m",
                                      devices=sensors.map, bus=sensors.buses, from_=hour[0][0], until=hour[-1][0]))
    return client


def start_board(stage, hour, clock):
    broker, client = ear_for(stage, "there")
    sensors = sensors_for(stage, "board", hour, clock)
    station = board.Board(stage.folder / "board", bus=sensors.buses[0])
    time_server = stage.add(board.TimeServer(clock.now))
    channels = [f"{name}:{unit}" for name, unit in UNITS.items()]
    station.provision(STATION, f"{board.NAME}:{broker.port}", "--map", sensors.map,
                      *board.options(broker, time_server, int(SPEED), "1m", channels))
    stage.add(station)
    return client


def reports(client, hour):
    """{seconds: payload} of the hour. A log's id is its own, and its numbers count from the hour's first."""
    times = {seconds for seconds, _ in hour}
    packs = [(json.loads(payload)[0], payload) for _, payload, _ in list(client.heard)]
    packs = [(first, payload) for first, payload in packs if first["bt"] in times]
    begin = next((first["seq"] for first, _ in packs if first["bt"] == hour[0][0]), 0)
    return {first["bt"]: payload.replace(b'"log":"%s"' % first["log"].encode(), b'"log":""')
            .replace(b'"seq":%d,' % first["seq"], b'"seq":%d,' % (first["seq"] - begin + 1))
            for first, payload in packs}


def test_a_recorded_hour_is_said_alike(tmp_path, hour):
    board.image("plain")
    with Stage(tmp_path) as stage:
        clock = phusarun.Clock(start=hour[0][0] - LEAD_S * SPEED, speed=SPEED)
        ears = [start(stage, hour, clock) for start in (start_here, start_board)]
        until(lambda: all(len(reports(ear, hour)) == MINUTES for ear in ears), "an hour from both", LONG_S)
        here, there = (reports(ear, hour) for ear in ears)
    assert here == there
    first = here[hour[0][0]]
    assert b'"log":""' in first and b'"seq":1,' in first
    values = {record["n"]: record["v"] for record in json.loads(first)}
    assert values == hour[0][1]
    print(f"figure: board and computer: {MINUTES} reports, {sum(map(len, here.values()))} bytes, alike")
    print(first.decode())
