"""A pest-light trap as the firmware has it: phusa-station with a classifier on its line is killed in the
middle of the night and at noon; the night arrives once, and phusad counts it once. A technician sits down
at its console."""
import json
import re
import socket
import subprocess
import time

import phusarun
import pytest
from line import BUILD, PATIENCE_S, until
from windows_test import stored

SPEED, SLOW = 2000.0, 60.0
NOON = 1_766_725_200  # 26 December 2025, 12:00 UTC+7: the night that ends a day later
DAY = 86400
BEGIN = NOON + 3 * 3600
DARK = NOON + 8 * 3600  # 20:00, for six hours
TAKEN = {"bph": 120, "stem_borer": 7}  # insects that come
LONG_S = 90.0
LAMP_UNTIL = NOON + 10 * 3600  # 22:00
LAMP_MINUTES = 245  # from 15 minutes after dusk, 17:40 on that day and place, until then
SLACK_MINUTES = 10  # what was not kept before a kill, a step of the simulated clock, the sun to a minute

STATIONS = """stations : (
  { id = "bay-1"; site = "cai-be"; kind = "trap"; name = "Bẫy đèn Cái Bè"; every = "1d"; lat = 10.337; lon = 106.033;
    parameters = ["bph", "stem_borer", "lamp_minutes", "gate_minutes", "wind_minutes", "battery_minutes",
                  "dark_minutes", "trap_resets", "strays"];
    trap : { species = ["bph", "stem_borer"]; lamp_minutes = "lamp_minutes"; gate_minutes = "gate_minutes"; }; }
);
"""


class TrapSim(phusarun.Part):
    """tools/trapsim; nights: {when insects begin to come: {kind: how many do}}."""

    def __init__(self, folder, clock, nights):
        super().__init__("trapsim", folder)
        self.where = f"unix:{self.folder}/line"
        self.argv = ["--at", self.where, "--classes", len(next(iter(nights.values()))), "--clock", clock]
        for begin, insects in nights.items():
            self.argv += ["--night", ",".join(map(str, [begin, *insects.values()]))]

    def start(self):
        self.launch([phusarun.ROOT / "tools" / "trapsim", *map(str, self.argv)])
        self.wait_until(lambda: "ready" in self.tail(), "before it was ready")
        return self

    def wait_for_client(self):
        """Which gets a line of counters at once."""
        self.wait_until(lambda: "a client has come" in self.tail(), "before a client came")


class Technician:
    """Somebody at the console."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(0.2)
        until(lambda: self.reaches(path), "the console opens")
        self.heard = ""
        self.until("> ")
        assert "Gõ help" in self.heard and "^C" not in self.heard, self.heard  # it greets

    def reaches(self, path):
        try:
            self.socket.connect(str(path))
        except OSError:
            return False
        return True

    def until(self, words):
        end = time.monotonic() + PATIENCE_S
        while words not in self.heard:
            assert time.monotonic() < end, f"no {words!r} in {self.heard!r}"
            try:
                self.heard += self.socket.recv(4096).decode()
            except TimeoutError:
                continue

    def ask(self, command):
        self.heard = ""
        self.socket.sendall(command.encode() + b"\r")
        self.until("\n> ")
        return self.heard

    def leave(self):
        self.socket.close()


def build_line(stage, begin=BEGIN, speed=SPEED, stations=STATIONS):
    stage.stations_file.write_text(stations)
    stage.rules_file.write_text("rules : ();\n")
    stage.broker = stage.add(phusarun.Broker(stage.folder / "broker", ["bay-1"]))
    stage.store = stage.add(phusarun.VictoriaStore(stage.folder / "victoria"))
    clock = phusarun.Clock(begin, speed)
    parts = phusarun.Parts(stations=stage.stations_file, rules=stage.rules_file)
    stage.collector = stage.add(phusarun.Collector(
        stage.folder / "collector", BUILD, parts, stage.broker, stage.store, None, clock,
        extra={"windows": {"kinds": ["night"]}}))
    return clock


def told(client):
    """The values of each report that has the night's counts, by its time."""
    packs = [json.loads(payload) for topic, payload, _ in list(client.heard) if topic.endswith("/obs")]
    nights = [(pack[0]["bt"], pack[0].get("seq"), {record["n"]: record["v"] for record in pack}) for pack in packs]
    return [night for night in nights if "bph" in night[2]]


def test_a_night_across_kills_is_told_and_counted_once(stage):
    clock = build_line(stage)
    listener = stage.client()
    listener.listen("phusa/1/+/+/obs")
    classifier = stage.add(TrapSim(stage.folder / "classifier", clock, {DARK: TAKEN}))
    path = stage.folder / "console"
    station = stage.add(phusarun.StationProcess(
        stage.folder / "station", BUILD, stage.collector.config, stage.broker, station="bay-1", clock=clock,
        trap=classifier.where, console=path))

    def passes(moment):
        until(lambda: clock.now() >= moment, f"it is {moment}\n{station.tail()}", LONG_S)

    passes(DARK + 3600)  # 21:00: the lamp is lit, insects come
    technician = Technician(path)
    report = technician.ask("lamp")
    assert re.search(r"\[?Trap: .*\d+ insects", report) and "Bẫy đèn: " in report, report
    technician.leave()
    killed = clock.now()
    station.kill()
    station.start()
    Technician(path).leave()  # it runs again
    dark_s = min(clock.now(), LAMP_UNTIL) - min(killed, LAMP_UNTIL)  # of the lamp's hours
    passes(DARK + 7 * 3600)  # 3:00
    station.kill()
    station.start()
    passes(NOON + DAY - 6 * 3600)
    station.kill()  # down when the night ends
    passes(NOON + DAY + 1800)
    station.start()
    until(lambda: told(listener), f"the night is told\n{station.tail()}")
    passes(NOON + DAY + 3 * 3600)
    nights = told(listener)
    assert {time_s for time_s, _, _ in nights} == {NOON + DAY}
    assert len({seq for _, seq, _ in nights}) == 1  # sent again perhaps, but one report
    values = nights[0][2]
    assert {name: values[name] for name in TAKEN} == TAKEN
    assert (values["strays"], values["trap_resets"]) == (0, 3)
    hours = values["lamp_minutes"] + values["gate_minutes"] + values["dark_minutes"]
    assert LAMP_MINUTES - dark_s / 60 - SLACK_MINUTES <= hours <= LAMP_MINUTES + SLACK_MINUTES
    assert (values["wind_minutes"], values["battery_minutes"]) == (0, 0)  # nobody measures them
    stage.collector.wait_drained()
    status = {entry["id"]: entry for entry in stage.collector.status()["stations"]}["bay-1"]
    counted = {night["parameter"]: night for night in status["nights"]}
    for name, number in TAKEN.items():
        assert (counted[name]["time"], counted[name]["outcome"], counted[name]["count"]) == (
            NOON + DAY, "counted", number)
        sums = stored(stage, "window_sum")[("bay-1", name, "night", "")]
        assert sums == {NOON + DAY: number}
    technician = Technician(path)
    report = technician.ask("status")
    technician.leave()
    for line in ("  UART, classifier: TRẢ LỜI; lần đo tốt gần nhất: ", "  UART, classifier: ANSWERS; last good round: ", "[TỐT]   Cảm biến: 1 trên 1 trả lời", "[good] Sensors: 1 of 1 answer",
                 "[TỐT]   Đồng hồ: 27/12/2025", "[good] Clock: 2025-12-27", "[TỐT]   Đường truyền: đã nối",
                 "[good] Data held: 1 reports, 0 days; 0 without receipt, 0 lost", "\nSẴN SÀNG\r\n", "\nREADY\r\n"):
        assert line in report, report
    light_it(stage, path)


def light_it(stage, path):
    """By day, in whatever weather: who orders light gets it, at the trap or from far away."""
    operator = stage.client()
    operator.listen("phusa/1/cai-be/bay-1/rsp")
    operator.send({"id": "off", "do": "lamp", "on": False, "minutes": 720}, "phusa/1/cai-be/bay-1/cmd")
    until(lambda: answer(operator, "off"), "the answer")
    technician = Technician(path)
    until(lambda: "Trap: dark, as ordered" in technician.ask("lamp"), "it is dark")
    operator.send({"id": "auto", "do": "lamp", "on": False, "minutes": 0}, "phusa/1/cai-be/bay-1/cmd")
    assert until(lambda: answer(operator, "auto"), "the answer")["ok"]
    assert "Ordered." in technician.ask("lamp on 720")
    until(lambda: "Trap: lit, as ordered" in technician.ask("lamp"), "it is lit")
    technician.leave()


def answer(client, name):
    found = (json.loads(payload) for topic, payload, _ in client.heard if topic.endswith("/rsp"))
    return next((one for one in found if one["id"] == name), None)


def test_a_battery_that_is_low_keeps_it_dark(stage):
    """By the channels that are named for it: who orders light is told why there is none."""
    clock = build_line(stage, DARK, SLOW, STATIONS.replace('"strays"', '"strays", "ph", "temp"'))
    path = stage.folder / "console"
    station = stage.add(phusarun.StationProcess(
        stage.folder / "station", BUILD, stage.collector.config, stage.broker, station="bay-1", clock=clock,
        trap="unix:nowhere", console=path, trap_battery="ph", trap_wind="temp"))  # never above 11 V, never calm
    technician = Technician(path)
    until(lambda: "Trap: dark, for wind" in technician.ask("lamp"), f"the wind is measured\n{station.tail()}")
    assert "Refused: the battery is low" in technician.ask("lamp on 5")
    technician.leave()
    operator = stage.client()
    operator.listen("phusa/1/cai-be/bay-1/rsp")
    order = {"id": "on", "do": "lamp", "on": True}
    until(lambda: (operator.send(order, "phusa/1/cai-be/bay-1/cmd"), answer(operator, "on"))[1], "the answer")
    assert answer(operator, "on") == {"id": "on", "ok": False,
                                      "error": "refused: the battery is low, or not measured yet"}


@pytest.mark.parametrize("words, code, why", [
    (["--all", "--trap", "unix:x"], 2, "--trap is one station: give --station ID once"),
    (["--all", "--console", "x"], 2, "--console is that of one station: give --station ID once"),
    (["--station", "bay-1", "--trap", "unix:x", "--sample-every", "1h"], 2, "--trap tells whole nights: no --sample-every"),
    (["--station", "bay-1", "--trap", "unix:x", "--devices", "x.map"], 2,
     "--trap goes neither with --devices nor with --source replay"),
    (["--station", "bay-2", "--trap", "unix:x"], 1, "--trap: bay-2: no trap with lat, lon and 1 to 16 species in the registry"),
    (["--station", "bay-1", "--trap-wind", "temp"], 2, "--trap-wind and --trap-battery belong to --trap"),
    (["--station", "bay-1", "--trap", "unix:x", "--trap-battery", "battery"], 1,
     "--trap-wind, --trap-battery: name parameters that the station reports, and not of the trap"),
    (["--station", "bay-1", "--console", "/nowhere/console"], 1, "--console /nowhere/console: No such file or directory"),
])
def test_what_does_not_fit_is_refused(tmp_path, words, code, why):
    (tmp_path / "stations.cfg").write_text(STATIONS.replace(
        "\n);", ',\n  { id = "bay-2"; site = "cai-be"; kind = "trap"; name = "x"; every = "1d"; parameters = ["bph"]; }\n);'))
    (tmp_path / "phusa.cfg").write_text(
        f'phusa : {{ parameters = "{phusarun.CONFIG}/parameters.cfg"; stations = "stations.cfg"; }};\n')
    done = subprocess.run(
        [BUILD / "phusa-station", "-c", tmp_path / "phusa.cfg", "--broker", "tcp://127.0.0.1:1", "--data",
         tmp_path / "data", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code and why in done.stderr, done.stderr
