"""phusa-station on its own: killed again and again it gives every second its number once, tells
nothing that its log does not hold, and delivers all of it; --dump-log prints what is there."""
import json
import random
import signal
import subprocess
import time

import phusarun
import pytest
from line import BUILD, ROOT, Stage, until

STATIONS = ["apacp", "apadb"]
KILLS = 12
RANGES_MAX = 16  # of a receipt, by contract
BEGIN = 1767225600  # 2026-01-01: an hour in which the simulated stations measure all the time
SEED = 20261121
PROGRAM = BUILD / "phusa-station"


def receipt(reports):
    """The newest number and the ranges below it that are missing; before the seventeenth it stops."""
    upto, missing = 0, []
    for seq in sorted(reports):
        if seq > upto + 1:
            if len(missing) == RANGES_MAX:
                break
            missing.append([upto + 1, seq - 1])
        upto = seq
    return upto, missing


class Receiver:
    """What a collector does for a station: it remembers reports and gives receipts."""

    def __init__(self, client):
        self.client = client
        self.taken = 0
        self.reports = {station: {} for station in STATIONS}  # seq: (log, seconds, values)
        client.listen("phusa/1/+/+/obs")

    def take(self):
        """Takes in what came; a number must always stand for the same report."""
        heard = self.client.heard
        while self.taken < len(heard):
            topic, payload, _ = heard[self.taken]
            self.taken += 1
            pack = json.loads(payload)
            report = (pack[0]["log"], pack[0]["bt"], {record["n"]: record["v"] for record in pack})
            station = topic.split("/")[3]
            assert self.reports[station].setdefault(pack[0]["seq"], report) == report

    def give_receipts(self):
        self.take()
        for station, reports in self.reports.items():
            if reports:
                upto, missing = receipt(reports)
                log = next(iter(reports.values()))[0]
                self.client.send({"log": log, "upto": upto, "missing": missing},
                                 f"phusa/1/apalachicola/{station}/ack", retain=True)


def dump(file, code=0):
    """What --dump-log prints of a file: [(log, seq, seconds, values)], and standard error."""
    done = subprocess.run([PROGRAM, "--dump-log", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    return [(r["log"], r["seq"], r["time_ns"] / 1e9, {n: v["value"] for n, v in r["values"].items()})
            for r in reports], done.stderr


@pytest.fixture(name="scene")
def make_scene(tmp_path):
    """A broker, a receiver, and a configuration of two stations."""
    with Stage(tmp_path) as stage:
        config = tmp_path / "phusa.cfg"
        config.write_text(f'phusa : {{ parameters = "{ROOT}/config/parameters.cfg"; stations = "stations.cfg"; }};\n')
        broker = stage.add(phusarun.Broker(tmp_path / "broker", STATIONS))
        stage.config, stage.broker = config, broker
        stage.receiver = Receiver(stage.client())
        yield stage


def fast_station(scene, clock, **options):
    return phusarun.StationProcess(scene.folder / "fleet", BUILD, scene.config, scene.broker, None, clock,
                                   every="1s", from_=int(clock.start), **options)


def log_file(scene, station):
    return scene.folder / "fleet" / "stations" / f"{station}.log"


def test_kills_lose_no_number(scene):
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    start = BEGIN
    clock = phusarun.Clock(start=start, speed=100.0)
    station = fast_station(scene, clock)
    scene.add(station, start=False)
    for _ in range(KILLS):
        station.start()
        end = time.time() + dice.uniform(0.1, 1.2)
        while time.time() < end:
            time.sleep(0.05)
            if dice.random() < 0.3:
                scene.receiver.give_receipts()
        assert station.kill() == -signal.SIGKILL
    last = int(clock.now())
    rest = scene.add(fast_station(scene, clock, until=last, exit_when_delivered=True))
    until(lambda: scene.receiver.give_receipts() or not rest.running(), "the stations to deliver all")
    assert rest.exit_code() == 0, rest.tail()
    for name in STATIONS:
        held, _ = dump(log_file(scene, name))
        assert [seq for _, seq, _, _ in held] == list(range(1, last - start + 2))
        assert [seconds for _, _, seconds, _ in held] == list(range(start, last + 1))
        assert {seq: (log, seconds, values) for log, seq, seconds, values in held} == scene.receiver.reports[name]
    print(f"figure: {KILLS} kills survived, {2 * (last - start + 1)} reports")


def test_dump_leaves_a_running_station_alone(scene):
    start = BEGIN
    station = scene.add(fast_station(scene, phusarun.Clock(start=start, speed=50.0)))
    until(lambda: scene.receiver.take() or len(scene.receiver.reports["apacp"]) > 10, "some reports")
    file = log_file(scene, "apacp")
    _, words = dump(file, code=1)
    assert "in use" in words
    assert station.stop() == 0
    before = file.read_bytes()
    held, _ = dump(file)
    assert len(held) >= len(scene.receiver.reports["apacp"]) > 10
    assert file.read_bytes() == before


@pytest.mark.parametrize("words, code, why", [
    (["--sample-every", "7s"], 1, "--sample-every 7s: apacp reports each 900s; write a whole part of that"),
    (["--sample-every", "1m", "--fast-every", "7s"], 1, "--fast-every 7s: apacp samples each 60s; write a whole part of that"),
    (["--fast-every", "7s"], 1, "--fast-every 7s: apacp samples each 900s; write a whole part of that"),
    (["--jitter", "2h"], 1, "--jitter 7200s: apacp reports each 900s; write less than that"),
    (["--event-step", "chlorine=1"], 1, "--event-step chlorine=1: no station here reports that parameter"),
    (["--event-step", "temp=0"], 2, "--event-step temp=0: write PARAMETER=STEP, a number above 0, at most 64 times"),
    (["--event-step", "temp"], 2, "--event-step temp: write PARAMETER=STEP, a number above 0, at most 64 times"),
    (["--broker", "tcp://a b:1"], 1, "tcp://a b:1: tcp://HOST:PORT or ssl://HOST:PORT expected"),
    (["--broker", "ssl://[]:1"], 1, "ssl://[]:1: tcp://HOST:PORT or ssl://HOST:PORT expected"),
    (["--broker", "ssl://localhost:1", "--ca", "/no/such.pem"], 1, "/no/such.pem: No such file or directory"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_what_does_not_fit_is_told_in_one_line(tmp_path, words, code, why):
    told(tmp_path, words, code, why)


def told(folder, words, code, why):
    """One line, that ends so, is all it says before it ends with this code."""
    (folder / "stations.cfg").write_text(
        'stations : ( { id = "apacp"; site = "a"; kind = "water"; every = "15m"; parameters = ["temp"]; } );\n')
    (folder / "phusa.cfg").write_text(
        f'phusa : {{ parameters = "{ROOT}/config/parameters.cfg"; stations = "stations.cfg"; }};\n')
    done = subprocess.run([PROGRAM, "-c", folder / "phusa.cfg", "--station", "apacp", "--broker", "tcp://127.0.0.1:1",
                           "--data", folder / "data", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code and not done.stdout
    line, = done.stderr.splitlines()
    assert line.endswith(why)


@pytest.mark.parametrize("path, why", [
    ("/dev/zero", "its first line holds a control character"), ("/dev/null", "its first line is to hold the password and is empty"),
    ("/dev", "Is a directory"), ("/no/such/file", "No such file or directory"),
])
def test_a_file_without_a_password_is_refused(tmp_path, path, why):
    told(tmp_path, ["--password-file", path], 2, f": --password-file {path}: {why}")


def test_a_dump_of_what_is_no_log_says_so(tmp_path):
    other = tmp_path / "passwd"
    other.write_text("root:x:0:0:root:/root:/bin/sh\n" * 300)
    assert dump(other, code=1) == ([], f"phusa-station: {other}: no log of a station (ID.log): none of its blocks has a header\n")

