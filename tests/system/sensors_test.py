"""Real protocols from the sensor to the store: phusa-station reads simulated sensors over Modbus RTU
and SDI-12. Recorded values arrive as they are in the recording; what goes wrong on the line is counted
and costs nobody else a value."""
import json
import re
import socket
import subprocess

import phusarun
import pytest
from line import BUILD, COLUMNS, ROOT, compare, expected_points, log_lines, readings, recording, until
from trap_test import Technician

SPEED = 900.0  # a row of 15 minutes a second
ROWS = 10
FIRST = 1_700_000_100  # a quarter of an hour, 2023-11-14
LEAD_S = 4.0  # for the station to be connected when the first row is due
PERIOD = 900
LONG_S = 60.0  # for all rows
SONDE = ROOT / "config/devices/sonde.map"
MARCH = 3

TWO_BUSES = """
bus modbus baud=19200 line=8E1
  device ctd address=1 timeout=200
    state register=9 function=4 calibrating=1 fault=2
    channel temp function=4 register=0 type=f32 order=cdab decimals=1
    channel salinity function=4 register=2 type=s32 order=dcba divide=1000
  device gone address=2 timeout=200
    channel ph register=0 divide=10
bus sdi12
  device optode address=3 measure=MC
    channel do value=2 decimals=1
  device eye address=z measure=C
    channel turb value=1
"""

FAULTS = {  # fault: the channel of the device that has it every other time, the counter of the station
    "dead": ("so2", "silent"), "noise": ("o3", "noise"), "short": ("pm10", "bad answer"),
    "long": ("pm25", "bad answer"), "wrong-address": ("rh", "bad address"), "wrong-crc": ("temp", "bad crc"),
    "nan": ("pressure", "no number"), "exception": ("wind_speed", "refused"),
    "late=1.5": ("no2", "silent"),  # the last: its answers come when nobody listens any more
}
FINAL = ("nan", "exception")  # the device has spoken: nobody asks again


def device_name(channel):
    return channel.replace("_", "-")


def lead(first, speed=SPEED):
    return lambda: phusarun.Clock(first - LEAD_S * speed, speed)


def measuring_station(stage, config, sensors, rows, **options):
    """The station over simulated sensors, from the first to the last of rows."""
    return stage.add(phusarun.StationProcess(
        stage.folder / "station", BUILD, config, stage.broker, station="apacp", clock=sensors.clock,
        devices=sensors.map, bus=sensors.buses, from_=rows[0][0], until=rows[-1][0], **options))


def finish(stage, station, timeout=90.0):
    until(lambda: not station.running(), f"the station delivers everything\n{station.tail()}", timeout)
    assert station.exit_code() == 0, station.tail()
    stage.collector.wait_drained()


class Ear:
    """A broker and who listens to the reports: no collector, so nothing is receipted."""

    def __init__(self, stage, parameters):
        names = '", "'.join(parameters)
        self.config = stage.folder / "phusa.cfg"
        self.config.write_text(
            f'phusa : {{ parameters = "{ROOT}/config/parameters.cfg"; stations = "stations.cfg"; }};\n')
        stage.stations_file.write_text(
            'stations : ({ id = "apacp"; site = "apalachicola"; kind = "water"; name = "Trạm"; every = "15m"; '
            f'parameters = ["{names}"]; }});\n')
        stage.broker = stage.add(phusarun.Broker(stage.folder / "broker", ["apacp"]))
        self.client = stage.client()
        self.client.listen("phusa/1/+/+/obs")

    def reports(self):
        """{seconds: {parameter: value}}"""
        packs = [json.loads(payload) for _, payload, _ in list(self.client.heard)]
        return {pack[0]["bt"]: {record["n"]: record["v"] for record in pack} for pack in packs}


def counted(station):
    """{device: {counter: number}} of what the station says at its end."""
    found = {}
    for line in log_lines(station, "phusa-station: device "):
        name, counters = re.match(r".*device ([\w-]+): (.*)", line).groups()
        found[name] = {key: int(number) for key, number in re.findall(r"([a-z ]+?) (\d+)(?:, |$)", counters)}
    return found


def write_csv(path, rows):
    """Rows as sensorsim reads them."""
    names = sorted({name for _, values in rows for name in values})
    lines = [",".join(["time", *names])]
    lines += [",".join([str(seconds), *(str(values.get(name, "")) for name in names)]) for seconds, values in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_recorded_values_arrive_equal(stage):
    rows = readings("apacp", MARCH)[:ROWS]
    stage.line(clock=lead(rows[0][0]))
    sensors = stage.add(phusarun.SensorSim(
        stage.folder / "sensors", SONDE, clock=stage.collector.clock, csv=recording("apacp"), csv_offset="-05:00",
        column=[f"{parameter}={column}" for parameter, column in COLUMNS.items()]))
    station = measuring_station(stage, stage.collector.config, sensors, rows, exit_when_delivered=True)
    finish(stage, station)
    compare(stage.store.export(), expected_points("apacp", rows))
    assert counted(station)["sonde"]["answered"] == 2 * ROWS  # the state and the values


def test_two_buses_and_a_dead_slave(stage):
    rows = readings("apacp", MARCH)[:ROWS]
    ear = Ear(stage, COLUMNS)
    device_map = stage.folder / "two.map"
    device_map.write_text(TWO_BUSES)
    sensors = stage.add(phusarun.SensorSim(
        stage.folder / "sensors", device_map, buses=("unix", "pty"), clock=lead(rows[0][0])(),
        csv=write_csv(stage.folder / "rows.csv", rows),
        fault=["gone:dead", "optode:wrong-crc:every=4", "eye:short:every=5", "ctd:wrong-crc:every=7"]))
    station = measuring_station(stage, ear.config, sensors, rows)
    until(lambda: rows[-1][0] in ear.reports(), "the last report", LONG_S)
    assert ear.reports() == {seconds: {name: value for name, value in values.items() if name != "ph"}
                             for seconds, values in rows}
    assert station.stop() == 0
    gone = counted(station)["gone"]
    assert gone["answered"] == 0 and gone["asked"] == gone["silent"] < ROWS and gone["left alone"] > 0


def test_every_fault_is_counted(stage):
    channels = [channel for channel, _ in FAULTS.values()]
    rows = [(FIRST + i * PERIOD, {channel: i + k / 10 for k, channel in enumerate(channels)}) for i in range(5)]
    ear = Ear(stage, channels)
    device_map = stage.folder / "faults.map"
    device_map.write_text("bus modbus baud=115200\n" + "".join(
        f"device {device_name(channel)} address={k + 1} timeout=200\n"
        f"channel {channel} register=0 type=f32 decimals=1\n" for k, channel in enumerate(channels)))
    sensors = stage.add(phusarun.SensorSim(
        stage.folder / "sensors", device_map, clock=lead(FIRST, SPEED / 3)(),
        csv=write_csv(stage.folder / "rows.csv", rows),
        fault=[f"{device_name(channel)}:{fault}:every=2" for fault, (channel, _) in FAULTS.items()]))
    station = measuring_station(stage, ear.config, sensors, rows)
    until(lambda: len(ear.reports()) == len(rows), "all reports", LONG_S)
    expected = {}
    for i, (seconds, values) in enumerate(rows):
        spoilt = [channel for fault, (channel, _) in FAULTS.items() if fault in FINAL and i % 2 == 1]
        expected[seconds] = {channel: value for channel, value in values.items() if channel not in spoilt}
    assert ear.reports() == expected
    assert station.stop() == 0
    sensors.stop()
    told, said = sensors.totals(), counted(station)
    for fault, (channel, counter) in FAULTS.items():
        name, kind = device_name(channel), fault.partition("=")[0]
        assert told[name]["faults"][kind] >= 2
        assert said[name][counter] == told[name]["faults"][kind], (fault, said[name], told[name])


def test_sensors_that_come_and_go(stage):
    """The adapter is unplugged before the start and once more later: nobody has to restart anything."""
    rows = [(FIRST + i * PERIOD, {"temp": 20 + i / 10}) for i in range(7)]
    ear = Ear(stage, ["temp"])
    device_map = stage.folder / "one.map"  # all attempts are over long before the next row
    device_map.write_text("bus modbus\ndevice a address=1 timeout=100\nchannel temp register=0 divide=10\n")
    sensors = phusarun.SensorSim(stage.folder / "sensors", device_map, clock=lead(FIRST, SPEED / 2)(),
                                 csv=write_csv(stage.folder / "rows.csv", rows))
    station = measuring_station(stage, ear.config, sensors, rows)
    until(lambda: log_lines(station, "it is tried again"), "the station misses its bus")
    stage.add(sensors)
    until(lambda: len(ear.reports()) >= 2, "some reports")
    sensors.stop()
    sensors.start()
    until(lambda: rows[-1][0] in ear.reports(), "the last report", LONG_S)
    right = {seconds: values for seconds, values in rows}
    assert all(values == right[seconds] for seconds, values in ear.reports().items())
    assert len(ear.reports()) >= 5


def test_a_technician_asks_the_devices(stage):
    """Before any round has, at a station that the broker refuses."""
    ear = Ear(stage, ["temp", "ph"])
    device_map = stage.folder / "two.map"
    device_map.write_text("bus modbus\ndevice a address=1 timeout=10000\nchannel temp register=0 divide=10\n"
                          "device gone address=2 timeout=100\nchannel ph register=0 divide=10\n")
    (stage.folder / "guess").write_text("guess\n")
    clock = phusarun.Clock(FIRST + 60, 1)  # far from the moment of the next round
    sensors = stage.add(phusarun.SensorSim(stage.folder / "sensors", device_map, clock=clock, fault="gone:dead"))
    path = stage.folder / "console"
    station = stage.add(phusarun.StationProcess(
        stage.folder / "station", BUILD, ear.config, stage.broker, station="apacp", clock=clock, console=path,
        devices=sensors.map, bus=sensors.buses, password_file=stage.folder / "guess"))
    technician = Technician(path)
    assert technician.ask("scan") == "\r\n".join([
        "scan", "Đang hỏi cảm biến ...", "Asking the sensors ...",
        "  Modbus địa chỉ 1, a: TRẢ LỜI; lần đo tốt gần nhất: chưa hỏi",
        "  Modbus address 1, a: ANSWERS; last good round: not asked yet",
        "  Modbus địa chỉ 2, gone: IM LẶNG (xem nguồn điện, dây nối, địa chỉ, tốc độ); lần đo tốt gần nhất: chưa hỏi",
        "  Modbus address 2, gone: SILENT (see power, wires, address, speed); last good round: not asked yet",
        "[HỎNG]  Cảm biến: 1 trên 2 trả lời", "[bad]  Sensors: 1 of 2 answer", "> "])
    refused = re.compile(r"\[HỎNG\]  Đường truyền: .*; máy chủ không nhận tên hoặc mật khẩu của trạm: [1-9]\d* lần\r\n")
    until(lambda: refused.search(technician.ask("link")), "the refusal to be told", LONG_S)
    technician.leave()
    assert station.stop() == 0
    sensors.stop()
    told = sensors.totals()
    assert (told["a"]["requests"], told["a"]["answers"]) == (1, 1) and told["gone"]["requests"] == 2


def test_simulated_sensors_speak_as_the_standards_say(tmp_path):
    """By the byte, over a line that sensorsim connects to, as it does to an emulator."""
    (tmp_path / "rows.csv").write_text("time,temp,level\n0,27.5,3.14\n")
    (tmp_path / "some.map").write_text(
        "bus modbus\ndevice probe address=0x5F\nchannel temp register=0x03EA type=f32 order=cdab\n"
        "device other address=18\nchannel ph register=0\n"
        "bus sdi12\ndevice gauge address=0 measure=MC\nchannel level value=1\n")
    lines = []
    for number in range(2):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / f"line{number}"))
        listener.listen(1)
        listener.settimeout(LONG_S)
        lines.append(listener)
    sensors = subprocess.Popen(
        [ROOT / "tools/sensorsim", "--map", tmp_path / "some.map", "--bus", f"connect:{tmp_path}/line0", "--bus",
         f"connect:{tmp_path}/line1", "--csv", tmp_path / "rows.csv", "--clock", str(phusarun.Clock(1.0)),
         "--sdi12-wait", "1"], stdout=subprocess.PIPE, text=True, preexec_fn=phusarun.die_with_parent)
    rs485, wire = (listener.accept()[0] for listener in lines)

    def ask(line, request, length):
        line.settimeout(LONG_S)
        line.sendall(request)
        answer = b""
        while len(answer) < length:
            answer += line.recv(length - len(answer))
        return answer

    # frames of others' documents: 27.5 with its words swapped, and a register that is not there
    assert ask(rs485, bytes.fromhex("5f0303ea0002e8c5"), 9).hex() == "5f0304000041dc743f"
    assert ask(rs485, bytes.fromhex("ff" "5f0303ea0002e8c5"), 9).hex() == "5f0304000041dc743f"  # noise before it
    assert ask(rs485, bytes.fromhex("1203016b00037748"), 5).hex() == "1283023134"
    assert ask(wire, b"\0" + b"0!", 3) == b"0\r\n"
    assert ask(wire, b"0MC!", 7) == b"00011\r\n"
    assert ask(wire, b"", 3) == b"0\r\n"  # the service request
    assert ask(wire, b"0D0!", 11) == b"0+3.14OqZ\r\n"  # SDI-12 version 1.4, 4.4.12.3
    sensors.terminate()
    told = json.loads(sensors.communicate(timeout=LONG_S)[0])
    assert told["probe"] == {"requests": 2, "answers": 2, "faults": {}}
    for line in (rs485, wire, *lines):
        line.close()


@pytest.mark.parametrize("text, words", [
    ("bus modbus\ndevice a address=1\nchannel temp register=0 type=f64\n", ":3: type is not u16, s16, u32, s32 or f32"),
    ("bus modbus\ndevice a address=1\nchannel tds register=0\n", "apacp: has no parameter to report: the device map has none of them"),
    ("bus modbus\ndevice a address=1\nchannel temp register=0 unit=m\n", "temp: unit m; the catalogue has it in Cel"),
    ("bus modbus\nbus sdi12\ndevice a address=1\nchannel temp value=1\n", "has 2 buses, --bus is given 1 times"),
])
def test_maps_that_are_refused(tmp_path, text, words):
    (tmp_path / "stations.cfg").write_text(
        'stations : ({ id = "apacp"; site = "s"; kind = "water"; name = "x"; every = "15m"; parameters = ["temp"]; });')
    (tmp_path / "phusa.cfg").write_text(
        f'phusa : {{ parameters = "{ROOT}/config/parameters.cfg"; stations = "stations.cfg"; }};\n')
    (tmp_path / "bad.map").write_text(text)
    done = subprocess.run(
        [BUILD / "phusa-station", "-c", tmp_path / "phusa.cfg", "--station", "apacp", "--broker", "tcp://127.0.0.1:1",
         "--data", tmp_path / "data", "--devices", tmp_path / "bad.map", "--bus", f"unix:{tmp_path}/nobody"],
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert words in done.stderr


@pytest.mark.parametrize("words, why", [
    (["--bus", "tcp:1"], "--bus: tcp:1: write unix:PATH, connect:PATH or pty:LINK"),
    (["--bus", "pty:"], "--bus: pty:: write unix:PATH, connect:PATH or pty:LINK"),
    (["--fault", "sonde:dead:p=2"], "p=2: a chance is above 0 and at most 1"),
    (["--fault", "sonde:dead:p=nan"], "p=nan: a chance is above 0 and at most 1"),
    (["--fault", "sonde:dead:every=0"], "every=0: it counts from 1"),
    (["--fault", "sonde:dead:from=soon"], "from=soon: write a number"),
    (["--fault", "sonde:lazy"], "lazy: no fault; there are late, "),
    (["--fault", "eye:dead"], "--fault eye: "),
])
def test_sensorsim_says_what_it_cannot_do(tmp_path, words, why):
    if "--bus" not in words:
        words = ["--bus", f"unix:{tmp_path}/bus", *words]
    done = subprocess.run([ROOT / "tools/sensorsim", "--map", SONDE, *words], capture_output=True, text=True,
                          timeout=LONG_S, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr and "ready" not in done.stderr
