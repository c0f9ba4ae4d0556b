"""The firmware on an emulated board: it boots, gets address and time, sends numbered reports and takes
receipts, and trusts no broker that it should not trust."""
import json
import re
import subprocess
import time

import board
import phusarun
import pytest
from board import CHANNELS, SITE, STATION, Receiver, options
from line import COLUMNS, ROOT, Stage, compare, expected_points, readings, recording, until

TWO_DEVICES = """
bus modbus baud=9600
  device sonde address=1 timeout=500
    channel temp register=0 type=s16 divide=100
    channel salinity register=2 divide=100
  device gone address=2 timeout=200
    channel ph register=0 divide=100
"""
SPEED, LEAD_S = 900.0, 8.0  # a row of 15 minutes a second; for the station to be connected when the first is due
MARCH, ROWS = 3, 20


@pytest.fixture(name="scene")
def make_scene(tmp_path):
    board.image("plain")
    with Stage(tmp_path) as stage:
        yield stage


def time_server(stage, clock=time.time):
    return stage.add(board.TimeServer(clock))


def whole_seconds(store):
    """What is stored of our channels; what was measured before the time was known lies beside the whole seconds."""
    return {(name, station, ns): value for (name, station, ns), value in store.export().items()
            if ns % 10**9 == 0 and name.removeprefix("water_") in CHANNELS}


def tell_first_receipt(station, how):
    said = re.search(r"receipt: the first after (\d+ ms); (stack.*)", station.says())
    print(f"figure: from boot to the first receipt ({how}): {said[1]}; {said[2]}")


def test_reports_arrive_and_receipts_come_back(scene):
    collector = scene.line()
    clock = time_server(scene)
    station = board.Board(scene.folder / "board")
    station.provision(STATION, f"{board.NAME}:{scene.broker.port}", *options(scene.broker, clock))
    scene.add(station)
    station.wait_for("receipt: the first")
    until(lambda: len(whole_seconds(scene.store)) >= 8 * len(CHANNELS), "eight reports to be stored")
    points = whole_seconds(scene.store)
    seconds = sorted({ns // 10**9 for _, _, ns in points})
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
    for channel, name in enumerate(CHANNELS):
        assert [points[f"water_{name}", STATION, s * 10**9] for s in seconds] == [board.simulated(channel, s) for s in seconds]
    tell_first_receipt(station, "plain, DHCP")
    assert next(s for s in collector.ledger()["stations"] if s["id"] == STATION)["missing_reports"] == 0
    station.hold_memory()


def told(client):
    """[(time, parameters)] of the reports that say when they were made."""
    packs = [json.loads(payload) for topic, payload, _ in client.heard if topic.endswith("/obs")]
    return [(pack[0]["bt"], {record["n"] for record in pack}) for pack in packs if "bt" in pack[0]]


def test_what_moves_is_told_at_once(scene):
    """Steps and distances come from the page: what moved is reported off the moments of samples, too."""
    scene.broker = scene.add(phusarun.Broker(scene.folder / "broker", [STATION]))
    receiver = Receiver(scene.client())
    station = board.Board(scene.folder / "board")
    station.provision(STATION, f"{board.NAME}:{scene.broker.port}", *options(scene.broker, time_server(scene), 10, "1m"),
                      "--sample-every", "10s", "--fast-every", "1s", "--event-step", f"{CHANNELS[0]}=0.5")
    scene.add(station)
    until(lambda: receiver.work() or any(names == {CHANNELS[0]} and seconds % 10 for seconds, names in told(receiver.client)),
          "a report at once")
    assert all(seconds % 60 == 0 for seconds, names in told(receiver.client) if names == set(CHANNELS))


@pytest.fixture(name="tls", scope="module")
def make_certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ours", "theirs"):
        board.authority(folder, name)
    board.certificate(folder, "good", "ours", board.NAME)
    board.certificate(folder, "impostor", "theirs", board.NAME)
    board.certificate(folder, "other-host", "ours", "elsewhere.test")
    board.certificate(folder, "expired", "ours", board.NAME, until="20200101000000Z")
    return folder


def tls_broker(scene, tls, name):
    scene.broker = scene.add(board.TlsBroker(scene.folder / "broker", [STATION], tls, name))
    return scene.broker


def tls_station(scene, tls, name="good", clock=time.time, sensors=None, **changes):
    """A board with the TLS image at a broker with that certificate, started; sensors are a SensorSim."""
    broker = tls_broker(scene, tls, name)
    station = board.Board(scene.folder / "board", "tls", bus=sensors.buses[0] if sensors else None)
    words = options(broker, time_server(scene, clock)) + (["--map", sensors.map] if sensors else [])
    for key, value in changes.items():
        words[words.index(key) + 1] = value
    station.provision(STATION, f"{board.NAME}:{broker.tls_port}", "--ca", tls / "ours.pem", *words)
    return scene.add(station)


def test_recorded_values_come_from_the_bus_to_the_store(scene, tls):
    """Sensors on Modbus, the board, TLS, the collector, the store: what was recorded arrives as it was."""
    rows = readings(STATION, MARCH)[:ROWS]
    broker = tls_broker(scene, tls, "good")
    scene.line(clock=lambda: phusarun.Clock(start=rows[0][0] - LEAD_S * SPEED, speed=SPEED), broker=broker)
    clock = scene.collector.clock
    sensors = scene.add(phusarun.SensorSim(
        scene.folder / "sensors", ROOT / "config/devices/sonde.map", clock=clock, csv=recording(STATION),
        csv_offset="-05:00", column=[f"{parameter}={column}" for parameter, column in COLUMNS.items()]))
    station = board.Board(scene.folder / "board", "tls", bus=sensors.buses[0])
    station.provision(STATION, f"{board.NAME}:{broker.tls_port}", "--ca", tls / "ours.pem", "--site", SITE,
                      "--every", "15m", "--password-file", broker.password_file, "--speed", int(SPEED), "--time",
                      f"{board.HOST}:{time_server(scene, clock.now).port}", "--map", sensors.map,
                      *[word for name in COLUMNS for word in ("--channel", name)])
    scene.add(station)
    wanted = expected_points(STATION, rows)
    until(lambda: scene.store.export().keys() >= wanted.keys(), f"{ROWS} rows to be stored", 90)
    stored = scene.store.export()
    compare({key: stored[key] for key in stored if key[2] in {row[0] * 10**9 for row in rows}}, wanted)
    tell_first_receipt(station, "TLS, DHCP, sensors on the bus")
    station.hold_memory()


def test_over_tls(scene, tls):
    station = tls_station(scene, tls)
    receiver = Receiver(scene.client())
    until(lambda: receiver.work() or len(receiver.reports) >= 5, "five reports")
    station.wait_for("receipt: the first")
    tell_first_receipt(station, "TLS, DHCP")


def test_console_and_commands(scene, tls):
    """What a technician sees at the serial line and an operator far away is told."""
    (scene.folder / "two.map").write_text(TWO_DEVICES)
    log = scene.folder / "asked"
    sensors = scene.add(phusarun.SensorSim(scene.folder / "sensors", scene.folder / "two.map", fault="gone:dead", log=log))
    station = tls_station(scene, tls, sensors=sensors)
    receiver = Receiver(scene.client())
    receiver.client.listen(f"phusa/1/{SITE}/{STATION}/rsp")
    until(lambda: receiver.work() or len(receiver.reports) >= 2, "two reports")
    station.wait_for("receipt: the first")
    before = asked(log)
    station.type("status")
    until(lambda: "NOT READY: sensors\r\n" in station.shows(), "the report")
    assert "CHƯA SẴN SÀNG: cảm biến\r\n" in station.shows()
    assert "[HỎNG]  Cảm biến: 1 trên 2 trả lời" in station.shows() and "[TỐT]   Đồng hồ:" in station.shows()
    assert re.search(r"Modbus địa chỉ 1, sonde: TRẢ LỜI; lần đo tốt gần nhất: \d+ giây trước\r", station.shows())
    assert "Modbus address 2, gone: SILENT (see power, wires, address, speed); last good round: none yet" in station.shows()
    now = asked(log)
    assert now["sonde"] > before["sonde"] and now["gone"] >= before["gone"] + 2, (before, now)
    answers = []
    for number, order in enumerate(({"do": "report"}, {"do": "identify", "seconds": 1}, {"do": "dance"},
                                    {"do": "report", "padding": "x" * 4000}, {"do": "reboot"})):
        receiver.client.send({"id": f"c{number}", **order}, f"phusa/1/{SITE}/{STATION}/cmd")
        if "padding" not in order:  # too long for any command: dropped, and the next one is heard
            answers.append(until(lambda n=number: answer(receiver.client, f"c{n}"), f"the answer to {order}"))
    assert [one["ok"] for one in answers] == [True, True, False, True]
    until(lambda: "boot 2, reset command" in station.shows(), "the start that was ordered")
    until(lambda: "connected from" in station.shows(), "the connection after it")
    station.hold_memory()


def asked(log):
    """Requests that each simulated device has heard."""
    records = map(json.loads, log.read_text().splitlines())
    devices = [record["device"] for record in records if "request" in record]
    return {name: devices.count(name) for name in ("sonde", "gone")}


def answer(client, name):
    found = [json.loads(payload) for topic, payload, _ in client.heard if topic.endswith("/rsp")]
    return next((one for one in found if one["id"] == name), None)


def test_settings_that_would_cut_it_off_are_rolled_back(scene):
    """By time, and by a power cut in the middle of their trial; the board is heard again, and says so."""
    scene.broker = scene.add(phusarun.Broker(scene.folder / "broker", [STATION]))
    station = board.Board(scene.folder / "board")
    station.provision(STATION, f"{board.NAME}:{scene.broker.port}", *options(scene.broker, time_server(scene)))
    scene.add(station)
    receiver = Receiver(scene.client())
    receiver.client.listen(f"phusa/1/{SITE}/{STATION}/rsp")
    until(lambda: receiver.work() or receiver.reports, "a report")
    away = {"every": 2, "broker": {"host": board.HOST, "port": phusarun.free_port()}}
    for name, trial_s, why in (("t1", 30, "no receipt came in time"), ("t2", 600, "the station started anew")):
        connected, away_before = (station.says().count(text) for text in ("connected from", "is not reachable"))
        receiver.client.send({"id": name, "do": "set", "trial_s": trial_s, "settings": away},
                             f"phusa/1/{SITE}/{STATION}/cmd")
        station.wait_for("is not reachable", count=away_before + 1)
        if name == "t2":
            station.kill()
            station.start()
        until(lambda n=name: answer_is(receiver.client, {"id": n, "ok": False, "error": f"rolled back: {why}"}),
              f"{name} is rolled back", 90)
        station.wait_for("connected from", count=connected + 1)
    newest = max(receiver.reports)
    until(lambda: receiver.work() or max(receiver.reports) > newest + 2, "reports as before")


def test_a_connection_made_anew_is_no_trouble(scene):
    """Settings on trial have the board connect again: no counter, light or line of the link calls that a failure."""
    scene.broker = scene.add(phusarun.Broker(scene.folder / "broker", [STATION]))
    station = board.Board(scene.folder / "board")
    station.provision(STATION, f"{board.NAME}:{scene.broker.port}", *options(scene.broker, time_server(scene)))
    scene.add(station)
    receiver = Receiver(scene.client())
    receiver.client.listen(f"phusa/1/{SITE}/{STATION}/rsp")
    until(lambda: receiver.work() or receiver.reports, "a report")
    receiver.client.send({"id": "s", "do": "set", "trial_s": 600, "settings": {"every": 2}}, f"phusa/1/{SITE}/{STATION}/cmd")
    until(lambda: receiver.work() or answer_is(receiver.client, {"id": "s", "ok": True, "kept": True}), "the settings are kept")
    receiver.client.send({"id": "r", "do": "report"}, f"phusa/1/{SITE}/{STATION}/cmd")
    counters = until(lambda: answer(receiver.client, "r"), "the answer to report")["counters"]
    assert counters["link_failed"] == 0 and station.lights() == board.LIGHT_LINK
    assert station.says().count("connected from") == 2 and "next try in" not in station.says()


def answer_is(client, wanted):
    return wanted in [json.loads(payload) for topic, payload, _ in client.heard if topic.endswith("/rsp")]


def refused(scene, station, why):
    """Refused again and again, told each time, and more and more seldom; nothing was said to the broker."""
    station.wait_for(why, count=4)
    told = re.findall(rf"{why}, (\d+) times; next try in (\d+) s", station.says())
    assert [int(count) for count, _ in told[:4]] == [1, 2, 3, 4]
    pauses = [int(pause) for _, pause in told[:4]]
    assert pauses == sorted(pauses) and pauses[3] > pauses[0], pauses
    assert "connected from" not in station.says()
    assert station.lights() == board.LIGHT_TROUBLE


def accepted(scene, station, counter):
    """The broker was put right: the station connects, its lights say so, and of all refusals it has counted these."""
    scene.broker.start()
    station.wait_for("connected from")
    until(lambda: station.lights() == board.LIGHT_LINK, "the lights to change")
    client = scene.client()
    client.listen(f"phusa/1/{SITE}/{STATION}/rsp")
    client.send({"id": "count", "do": "report"}, f"phusa/1/{SITE}/{STATION}/cmd")
    counters = until(lambda: answer(client, "count"), "the answer to report")["counters"]
    told = {name: count for name, count in counters.items() if name.startswith("refused_") and count > 0}
    assert told.keys() == {counter} and told[counter] >= 4, counters


@pytest.mark.parametrize("name, why, counter, in_vietnamese", [
    ("impostor", "not of our authority", "refused_authority", "chứng thư của máy chủ không do trung tâm cấp: 4 lần"),
    ("other-host", "for another host", "refused_host", "chứng thư của máy chủ mang tên máy khác: 4 lần"),
    ("expired", "out of date", "refused_date", "chứng thư của máy chủ hết hạn hoặc chưa có hiệu lực: 4 lần")],
    ids=["impostor", "other-host", "expired"])
def test_a_wrong_broker_is_refused(scene, tls, name, why, counter, in_vietnamese):
    station = tls_station(scene, tls, name)
    refused(scene, station, why)
    station.wait_for(in_vietnamese)
    assert "apacp" not in scene.broker.tail(100), "it told the impostor who it is"
    scene.broker.stop()
    scene.broker.use("good")  # the right one is taken as soon as it is there
    accepted(scene, station, counter)
    station.hold_memory()


def test_without_a_clock_dates_are_checked_as_soon_as_there_is_one(scene, tls):
    server = board.TimeServer(time.time)  # answers when it is started
    station = tls_station(scene, tls, "expired", **{"--time": f"{board.HOST}:{server.port}"})
    station.wait_for("connected from")
    scene.add(server)
    station.wait_for("out of date")
    assert "connection lost" not in station.says()


def test_a_wrong_password_is_refused(scene, tls):
    (scene.folder / "wrong").write_text("guess\n")
    station = tls_station(scene, tls, **{"--password-file": scene.folder / "wrong"})
    refused(scene, station, "refuses user or password")
    scene.broker.stop()
    subprocess.run(["mosquitto_passwd", "-b", scene.broker.folder / "passwords", STATION, "guess"], check=True,
                   capture_output=True, timeout=60)
    accepted(scene, station, "refused_password")
