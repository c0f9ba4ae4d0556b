"""phusa-station over a real broker does what it is ordered: settings that prove themselves stay over a
restart, a broker that cannot be reached is rolled back, statistics arrive, a calibration is applied."""
import json

import phusarun
import pytest
from line import BUILD, ROOT, Stage, until
from phusarun import free_port

STATION = "apacp"
TOPIC = f"phusa/1/apalachicola/{STATION}"
REGISTRY = f'''stations : ( {{ id = "{STATION}"; site = "apalachicola"; kind = "water"; every = "1m";
  parameters = ["salinity", "temp", "salinity_min", "salinity_max", "salinity_n"]; }} );
'''


class Collector:
    """Gives receipts for what came, in order, and gathers answers."""

    def __init__(self, client):
        self.client, self.taken, self.reports, self.answers = client, 0, {}, []
        client.listen(f"{TOPIC}/obs", f"{TOPIC}/rsp")

    def take(self):
        news = self.client.heard[self.taken:]
        self.taken += len(news)
        for topic, payload, _ in news:
            if topic.endswith("/rsp"):
                self.answers.append(json.loads(payload))
            else:
                pack = json.loads(payload)
                self.reports[pack[0]["seq"]] = {record["n"]: record["v"] for record in pack}
                self.log = pack[0]["log"]
        if any(topic.endswith("/obs") for topic, _, _ in news):
            upto = next(n for n in range(1, max(self.reports) + 2) if n not in self.reports) - 1
            self.client.send({"log": self.log, "upto": upto, "missing": []}, f"{TOPIC}/ack", retain=True)

    def ask(self, **command):
        self.client.send(command, f"{TOPIC}/cmd")
        return self.wait(command["id"])

    def wait(self, name, **members):
        """The newest answer to the command of that id, with these members."""
        def found():
            self.take()
            return [a for a in self.answers if a["id"] == name and members.items() <= a.items()]
        until(found, f"an answer to {name} with {members}", timeout=60)
        return found()[-1]


@pytest.fixture(name="scene")
def make_scene(tmp_path):
    with Stage(tmp_path) as stage:
        (tmp_path / "stations.cfg").write_text(REGISTRY)
        config = tmp_path / "phusa.cfg"
        config.write_text(f'phusa : {{ parameters = "{ROOT}/config/parameters.cfg"; stations = "stations.cfg"; }};\n')
        stage.broker = stage.add(phusarun.Broker(tmp_path / "broker", [STATION]))
        stage.collector = Collector(stage.client())
        stage.station = phusarun.StationProcess(tmp_path / "fleet", BUILD, config, stage.broker, STATION, None,
                                                every="2s", sample_every="1s", keep=True)
        stage.add(stage.station)
        yield stage


def reports_after(collector, count=2):
    """The newest report when that many more have come."""
    collector.take()
    last = max(collector.reports, default=0) + count
    until(lambda: collector.take() or max(collector.reports, default=0) >= last, f"{count} more reports")
    return collector.reports[max(collector.reports)]


def test_orders(scene):
    collector = scene.collector
    report = reports_after(collector, 2)
    assert report["salinity_n"] == 2
    assert report["salinity_min"] <= report["salinity"] <= report["salinity_max"]
    assert "temp_n" not in report

    # Settings stay when a receipt came over a new connection, and over a restart.
    answer = collector.ask(id="s1", do="set", trial_s=60, settings={"every": 1, "sample_every": 1,
                                                                    "channels": {"temp": {"n": True}}})
    assert answer["ok"], answer
    assert collector.wait("s1", kept=True)["ok"]
    assert reports_after(collector)["temp_n"] == 1
    assert scene.station.stop() == 0
    scene.station.start()
    report = reports_after(collector)
    assert report["temp_n"] == 1 and report["salinity_n"] == 1

    # A calibration: the value is that of the polynomial.
    answer = collector.ask(id="c1", do="calibrate", parameter="temp", operator="Bảy", step="set",
                           coefficients=[1000, 0.5])
    assert answer == {"id": "c1", "ok": True, "before": [0, 1, 0, 0], "after": [1000, 0.5, 0, 0]}
    assert 1000 < reports_after(collector)["temp"] < 1050

    # A broker that cannot be reached.
    answer = collector.ask(id="b1", do="set", trial_s=30, settings={"broker": {"host": "127.0.0.1",
                                                                               "port": free_port()}})
    assert answer["ok"], answer
    answer = collector.wait("b1", ok=False)
    assert answer["error"] == "rolled back: no receipt came in time"
    reports_after(collector)

    # As long as a command may be, and longer: the port hands it on, and the core says so.
    for length, name in ((2048, "l1"), (2049, "l2")):
        text = json.dumps({"id": name, "do": "report"})
        collector.client.send(text + " " * (length - len(text)), f"{TOPIC}/cmd")
    assert collector.wait("l1", ok=True)
    assert collector.wait("l2", ok=False)["error"] == "too long"

    # What it says of itself; the same id is answered the same.
    answer = collector.ask(id="r1", do="report")
    assert answer["every"] == 1 and answer["counters"]["settings_rolled_back"] == 1
    assert collector.ask(id="c1", do="reboot")["ok"]
    answer = collector.ask(id="x1", do="reboot")
    assert answer == {"id": "x1", "ok": False, "error": "this station cannot start itself"}
    missing = set(range(1, max(collector.reports) + 1)) - set(collector.reports)
    until(lambda: collector.take() or not missing - set(collector.reports), "every report")
