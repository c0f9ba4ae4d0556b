"""Alarms in a real Prometheus Alertmanager: they fire, keep firing, change, resolve; and servers that are none."""
import datetime
import json
import time

import pytest

import phusarun
from carriers import Answering, Carrier, letter
from line import until

RESOLVE_TIMEOUT_S = 1  # after which Alertmanager ends an alert that came without an end
CONFIG = f"""global:
  resolve_timeout: {RESOLVE_TIMEOUT_S}s
route:
  receiver: centre
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
- name: centre
  webhook_configs:
  - url: http://127.0.0.1:@PORT@/
"""
LABELS = {"alertname": "salinity-fields", "severity": "severe", "site": "my-tho", "station": "s1",
          "parameter": "salinity"}


class Alertmanager(phusarun.Part):
    """Debian's, on loopback and alone; it tells `centre` what it would tell people."""

    def __init__(self, folder, centre_port):
        super().__init__("alertmanager", folder)
        self.port = phusarun.free_port()
        (self.folder / "alertmanager.yml").write_text(CONFIG.replace("@PORT@", str(centre_port)))

    def start(self):
        program = phusarun.find_program("prometheus-alertmanager", "the package of the same name brings it")
        self.launch([program, "--config.file=alertmanager.yml", f"--storage.path={self.folder / 'data'}",
                     f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=",
                     "--log.level=warn"])
        self.wait_until(lambda: self.get("/-/ready")[0] == 200, "while it started")
        return self

    def get(self, path):
        try:
            return phusarun.http_get(self.port, path)[:2]
        except OSError:
            return None, ""

    def alerts(self):
        """The active ones by severity and station."""
        found = json.loads(self.get("/api/v2/alerts?active=true")[1])
        return {(alert["labels"]["severity"], alert["labels"]["station"]): alert for alert in found}


@pytest.fixture
def centre():
    with Answering() as made:
        yield made


@pytest.fixture
def manager(tmp_path, centre):
    made = Alertmanager(tmp_path / "alertmanager", centre.port).start()
    yield made
    made.stop()


def told(centre):
    """Everything that Alertmanager told: (status, severity, startsAt)."""
    return [(alert["status"], alert["labels"]["severity"], alert["startsAt"])
            for body in centre.bodies for alert in json.loads(body)["alerts"]]


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def channel(port, **more):
    return {"kind": "alertmanager", "url": f"http://127.0.0.1:{port}/", "timeout": 5, **more}


def test_from_the_first_alert_to_its_end(tmp_path, manager, centre):
    """With readings of last year, as under a simulated clock: what counts for Alertmanager is its own time."""
    raised = letter(time=1762000200)
    changed = letter(**{"from": "severe"}, to="extreme", time=1762000800, key="0a")
    over = letter(**{"from": "extreme"}, to="normal", time=1762001400, key="0b")
    with Carrier(tmp_path, **channel(manager.port, link="https://iot.example/alarms")) as carrier:
        began = time.monotonic()
        assert carrier.deliver(raised) == ("done", "")
        alert = manager.alerts()["severe", "s1"]
        assert alert["labels"] == LABELS
        assert alert["annotations"] == {
            "summary": raised["line"][0], "summary_en": raised["line"][1], "description": raised["text"][0],
            "description_en": raised["text"][1], "value": "4,25 g/L", "station_name": "Cống Xuân Hòa"}
        assert alert["generatorURL"] == "https://iot.example/alarms"
        assert moment(alert["startsAt"]).timestamp() == 1762000200
        assert 800 < moment(alert["endsAt"]).timestamp() - time.time() < 1000
        until(lambda: told(centre), "the centre hears of it")

        until(lambda: time.monotonic() - began > 3 * RESOLVE_TIMEOUT_S, "longer than what is not told again lives")
        assert list(manager.alerts()) == [("severe", "s1")] and len(told(centre)) == 1

        assert carrier.deliver(raised) == ("done", "")  # repeated, as after a kill
        assert carrier.deliver(changed) == ("done", "")
        assert list(manager.alerts()) == [("extreme", "s1")]
        until(lambda: len(told(centre)) == 3, "the centre hears of both")
        start = "2025-11-01T12:30:00Z"
        assert sorted(told(centre)) == sorted([("firing", "severe", start), ("resolved", "severe", start),
                                               ("firing", "extreme", "2025-11-01T12:40:00Z")])
        assert carrier.deliver(over) == ("done", "")
        assert manager.alerts() == {}
        until(lambda: len(told(centre)) == 4, "the centre hears that it is over")
        assert told(centre)[-1] == ("resolved", "extreme", "2025-11-01T12:40:00Z")
        again = letter(time=1762002000, key="0c")
        assert carrier.deliver(again) == ("done", "")
        assert moment(manager.alerts()["severe", "s1"]["startsAt"]).timestamp() == 1762002000


def test_many_changes_in_one_parcel(tmp_path, manager):
    letters = [letter(key=f"{number:02x}", station=f"s{number}", **{"from": "normal"}, to="minor")
               for number in range(100)]
    letters += [letter(key=f"{number:02x}", station=f"s{number}", **{"from": "minor"},
                       to="severe" if number % 2 else "normal", time=1762000300) for number in range(100)]
    with Carrier(tmp_path, **channel(manager.port)) as carrier:
        assert carrier.deliver(*letters) == ("done", "")
    assert set(manager.alerts()) == {("severe", f"s{number}") for number in range(1, 100, 2)}


def test_what_alertmanager_forgot_comes_again(tmp_path, manager):
    """A thousand stations are some requests; only what is active is in them."""
    active = [letter(station=f"s{number}", to="minor") for number in range(2000)]
    with Carrier(tmp_path, **channel(manager.port)) as carrier:
        carrier.try_to({"active": active})
        assert carrier.try_to({"refresh": True}) == ("done", "")
        assert len(manager.alerts()) == 2000
        manager.kill()
        assert carrier.try_to({"refresh": True})[0] == "unreachable"
        manager.start()
        assert len(manager.alerts()) < 2000
        assert carrier.try_to({"refresh": True}) == ("done", "")
        assert len(manager.alerts()) == 2000
        carrier.try_to({"active": []})
        assert carrier.try_to({"refresh": True}) == ("done", "")


def test_an_address_of_something_else(tmp_path, manager):
    wrong = channel(manager.port, url=f"http://127.0.0.1:{manager.port}/nowhere")
    with Carrier(tmp_path, **wrong) as carrier:
        delivery, problem = carrier.deliver()
        assert delivery == "refused" and problem.startswith("the endpoint answered 404: ")
    whole = channel(manager.port, url=f"http://127.0.0.1:{manager.port}/api/v2/alerts")
    with Carrier(tmp_path, **whole) as carrier:
        assert carrier.deliver() == ("done", "")


@pytest.mark.parametrize("answer, delivery, words", [
    ((400, {}, b'"start time must be before end time"'), "refused", 'the endpoint answered 400: "start time'),
    ((500, {}, b"no disk\n"), "failed", "the endpoint answered 500: no disk"),
    ((429, {}, b""), "failed", "the endpoint answered 429"),
    ((302, {"Location": "http://127.0.0.1:9/"}, b""), "failed", "the endpoint answered 302"),
    ((200, {}, "<html><body>Đăng nhập</body></html>".encode()), "failed",
     "the endpoint answered 200, but not as Alertmanager does: <html><body>"),
    ((200, {"Content-Length": "1000"}, b"less"), "failed", ""),
    ((None, {}, b""), "failed", ""),
])
def test_servers_that_are_none(tmp_path, answer, delivery, words):
    with Answering(*answer) as server, Carrier(tmp_path, **channel(server.port, timeout=1)) as carrier:
        came, problem = carrier.deliver()
        assert came == delivery and problem.startswith(words) and problem
        assert len(server.bodies) == 1
        carrier.try_to({"active": [letter()]})
        assert carrier.try_to({"refresh": True})[0] == delivery
        server.answer = (200, {}, b"")
        assert carrier.deliver() == ("done", "")


def test_nobody_there(tmp_path):
    with Carrier(tmp_path, **channel(phusarun.free_port())) as carrier:
        assert carrier.deliver()[0] == "unreachable"
        assert carrier.try_to({"refresh": True}) == ("done", "")  # nothing is active
