"""A pest-light trap on an emulated board: the image with TLS, a classifier on its third serial line, a whole night at
a fast clock. What came into the trap arrives at the collector, once."""
import re

import board
import phusarun
import pytest
from line import BUILD, Stage, until
from qemu_test import make_certificates  # noqa: F401  (the fixture tls)
from sensors_test import write_csv
from trap_test import DARK, DAY, NOON, STATIONS, TAKEN, TrapSim, answer, told
from windows_test import stored

SPEED, SLOW = 2500, 60
ID, SITE = "bay-1", "cai-be"
BEGIN = NOON + 3 * 3600
NIGHTS = 3  # in which insects come: one more if the machine is so slow that the board misses the begin of one
LONG_S = 150.0
CHANNELS = [*TAKEN, "lamp_minutes", "gate_minutes", "wind_minutes", "battery_minutes", "dark_minutes",
            "watched_minutes", "trap_resets", "strays"]
HOURS, LAMP_MINUTES = "19:00..5:00", 600
SLACK_MINUTES = 60  # a handshake takes a second of the board, 40 minutes of its clock: its longest step
DAY_MINUTES = 1440
LIGHTS, LAMP = 0x4002F004, 3  # firmware/port/mps2: registers.h, board.h
BATTERY_MAP = """bus modbus baud=9600 line=8N1
  device charger address=1 timeout=500
    channel battery register=0 type=u16 divide=100 unit=V
"""


@pytest.fixture(name="scene")
def make_scene(tmp_path):
    board.image("tls")
    with Stage(tmp_path) as stage:
        yield stage


def build_line(scene, tls, begin=BEGIN, speed=SPEED, channels=CHANNELS):
    """Collector, store, broker with TLS, time server and classifier by one fast clock."""
    scene.stations_file.write_text(re.sub(r"parameters = \[.*?\]", f"parameters = {channels}".replace("'", '"'), STATIONS,
                                          flags=re.S))
    scene.rules_file.write_text("rules : ();\n")
    scene.broker = scene.add(board.TlsBroker(scene.folder / "broker", [ID], tls, "good"))
    scene.store = scene.add(phusarun.VictoriaStore(scene.folder / "victoria"))
    scene.clock = phusarun.Clock(begin, speed)
    parts = phusarun.Parts(stations=scene.stations_file, rules=scene.rules_file)
    scene.collector = scene.add(phusarun.Collector(scene.folder / "collector", BUILD, parts, scene.broker, scene.store,
                                                   None, scene.clock, extra={"windows": {"kinds": ["night"]}}))
    scene.time = scene.add(board.TimeServer(scene.clock.now))
    nights = {DARK + number * DAY: TAKEN for number in range(NIGHTS)}
    scene.classifier = scene.add(TrapSim(scene.folder / "classifier", scene.clock, nights))


def make_trap(scene, tls, *words, speed=SPEED, bus=None):
    station = board.Board(scene.folder / "board", "tls", bus, classifier=scene.classifier.where)
    station.provision(ID, f"{board.NAME}:{scene.broker.tls_port}", "--ca", tls / "ours.pem", "--site", SITE,
                      "--password-file", scene.broker.password_file, "--every", "1d", "--speed", speed, "--time",
                      f"{board.HOST}:{scene.time.port}", "--place", "10.337,106.033", "--lamp", HOURS,
                      *[word for name in TAKEN for word in ("--species", name)],
                      *[word for name in CHANNELS for word in ("--channel", name)], *words)
    return scene.add(station)


def ask(station, line):
    """What the console answers."""
    before = len(station.shows())
    station.type(line)
    until(lambda: "\n> " in station.shows()[before:], f"an answer to {line}\n{station.shows()}")
    return station.shows()[before:]


def listen_to_the_night(station):
    """The technician asks until the classifier is heard; then all that comes from now on counts."""
    until(lambda: "classifier: ANSWERS" in ask(station, "scan"), f"the classifier is heard\n{station.shows()}")


def test_a_night_is_counted_once(scene, tls):
    build_line(scene, tls)
    clock = scene.clock
    listener = scene.client()
    listener.listen("phusa/1/+/+/obs")
    station = make_trap(scene, tls)
    station.wait_for("connected from")
    listen_to_the_night(station)
    later = next(number * DAY for number in range(NIGHTS) if DARK + number * DAY > clock.now())
    until(lambda: clock.now() >= DARK + later + 3600, "it is 21:00", LONG_S)
    until(lambda: re.search(r"Trap: .*; this night lit \d+ min, [1-9]\d* insects", ask(station, "lamp")),
          f"insects are counted\n{station.shows()}")
    station.kill()
    station.start()
    station.wait_for("connected from", count=2)
    end = NOON + DAY + later
    until(lambda: end in {time_s for time_s, _, _ in told(listener)}, f"the night is told\n{station.says()}", LONG_S)
    until(lambda: clock.now() >= end + 3600, "it is an hour later", LONG_S)
    nights = [night for night in told(listener) if night[0] == end]
    assert len({seq for _, seq, _ in nights}) == 1  # sent again perhaps, but one report
    check_values(nights[0][2])
    check_collector(scene, end)
    light_it(scene, station)
    station.hold_memory()


def relay(station):
    """Whether it is on, in the register of the lights."""
    return station.memory(LIGHTS, 1)[0] >> LAMP & 1


def ordered(scene, on, minutes=0):
    """The lamp, by somebody far away; the answer."""
    name = f"{on} {minutes}"
    scene.operator.send({"id": name, "do": "lamp", "on": on, "minutes": minutes}, f"phusa/1/{SITE}/{ID}/cmd")
    return until(lambda: answer(scene.operator, name), "the answer")


def light_it(scene, station):
    """By day: who orders light gets it, and who orders it off, too."""
    scene.operator = scene.client()
    scene.operator.listen(f"phusa/1/{SITE}/{ID}/rsp")
    assert ordered(scene, True, 720)["ok"]
    until(lambda: relay(station), "the relay is on")
    assert ordered(scene, False, 720)["ok"]
    until(lambda: not relay(station), "the relay is off")


def test_a_low_battery_keeps_it_dark(scene, tls):
    """Measured by the station's own sensors, on the bus, each minute; though it reports once a day."""
    build_line(scene, tls, DARK, SLOW, [*CHANNELS, "battery"])
    rows = write_csv(scene.folder / "rows.csv", [(DARK - 60, {"battery": 11.2})])
    (scene.folder / "battery.map").write_text(BATTERY_MAP)
    asked = scene.folder / "asked"
    sensors = scene.add(phusarun.SensorSim(scene.folder / "sensors", scene.folder / "battery.map", clock=scene.clock,
                                           csv=rows, log=asked))
    station = make_trap(scene, tls, "--map", sensors.map, "--battery", "battery", "--channel", "battery", speed=SLOW,
                        bus=sensors.buses[0])
    scene.operator = scene.client()
    scene.operator.listen(f"phusa/1/{SITE}/{ID}/rsp")
    station.wait_for("connected from")
    until(lambda: "Trap: dark, for its battery" in ask(station, "lamp"), "it is in its hours, and dark")
    assert "Refused: the battery is low" in ask(station, "lamp on 5")
    assert ordered(scene, True, 5) == {"id": "True 5", "ok": False,
                                       "error": "refused: the battery is low, or not measured yet"}
    assert not relay(station)
    until(lambda: asked.read_text().count('"request"') >= 3, "it is measured again and again")


def check_values(values):
    assert {name: values[name] for name in TAKEN} == TAKEN
    assert (values["strays"], values["trap_resets"]) == (0, 1)
    assert [values[name] for name in ("gate_minutes", "wind_minutes", "battery_minutes")] == [0, 0, 0]
    unseen = DAY_MINUTES - values["watched_minutes"]
    wanted = values["lamp_minutes"] + values["dark_minutes"]  # the lamp rests after a start
    assert LAMP_MINUTES - unseen - SLACK_MINUTES <= wanted <= LAMP_MINUTES + SLACK_MINUTES
    assert values["lamp_minutes"] > 0


def check_collector(scene, end):
    """phusad makes the same night of it."""
    scene.collector.wait_drained()
    for name, number in TAKEN.items():
        assert stored(scene, "window_sum")[(ID, name, "night", "")][end] == number
    status = {entry["id"]: entry for entry in scene.collector.status()["stations"]}[ID]
    if end == NOON + DAY:  # else there was one before, and this is a later one
        counted = {night["parameter"]: night for night in status["nights"]}
        assert {name: counted[name]["count"] for name in TAKEN} == TAKEN
