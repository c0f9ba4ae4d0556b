"""phusa station ask over a real line: what phusa-station is told by it shows in what it reports then, what
it refuses comes back in its words, and one that is away leaves a clear message. A board has a light and starts
anew."""
import json
import re
import socket
import subprocess
import threading
import time

import board
import phusarun
import pytest
from line import BUILD, PHUSA, Stage, phusa, until
from phusarun import free_port

STATION = "apacp"
TOPIC = f"phusa/1/apalachicola/{STATION}"
REGISTRY = f'''stations : (
  {{ id = "{STATION}"; site = "apalachicola"; kind = "water"; every = "1m"; parameters = ["salinity", "temp", "temp_n"]; }},
  {{ id = "apadb"; site = "apalachicola"; kind = "water"; every = "1m"; parameters = ["temp"]; }},
  {{ id = "apawc"; site = "apalachicola"; kind = "water"; every = "1m"; parameters = ["temp"]; }} );
'''


@pytest.fixture(name="scene", scope="module")
def make_scene(tmp_path_factory):
    """One line for all tests of this file; they leave the station as they found it."""
    folder = tmp_path_factory.mktemp("ask")
    with Stage(folder) as stage:
        stage.stations_file.write_text(REGISTRY)
        stage.rules_file.write_text("rules : ( );\n")
        stage.line()
        stage.ear = stage.client("ear")
        stage.ear.listen(f"{TOPIC}/obs", f"{TOPIC}/cmd", f"{TOPIC}/rsp")
        stage.station = phusarun.StationProcess(folder / "fleet", BUILD, stage.collector.config, stage.broker, STATION,
                                                None, every="2s", sample_every="1s", keep=True)
        stage.add(stage.station)
        stage.ask = lambda *words: ask(stage, STATION, *words)
        reports(stage, 2)
        yield stage


def ask(stage, station, *words):
    """(exit code, stdout, stderr)"""
    done = subprocess.run([str(PHUSA), "station", "ask", station, "-c", str(stage.collector.config), *map(str, words)],
                          capture_output=True, timeout=150, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def good(answer):
    code, out, err = answer
    assert code == 0, err
    return out


def refused(answer):
    code, out, err = answer
    assert code == 1 and not out, (code, out)
    return err


def heard(stage, leaf):
    return [json.loads(payload) for topic, payload, _ in stage.ear.heard if topic == f"{TOPIC}/{leaf}"]


def reports(stage, count):
    """That many reports that come from now on: each {parameter: record}, with its number as "seq"."""
    already = len(heard(stage, "obs"))
    until(lambda: len(heard(stage, "obs")) >= already + count, f"{count} more reports")
    return [{"seq": pack[0]["seq"]} | {record["n"]: record for record in pack}
            for pack in heard(stage, "obs")[already:already + count]]


def test_a_report_for_people_and_as_it_came(scene):
    out = good(scene.ask("report"))
    assert out.startswith(f"{STATION}: done\n")
    values = dict(line.split(maxsplit=1) for line in out.splitlines()[1:])
    assert values["every"] == "2" and values["sample_every"] == "1" and values["clock"] == "synced"
    assert int(values["counters.reports"]) >= 2 and list(values)[:2] == ["clock", "up"]
    line = good(scene.ask("report", "--json", "--id", "as-it-came"))
    assert line.count("\n") == 1 and json.loads(line)["id"] == "as-it-came"
    assert json.loads(line) == [a for a in heard(scene, "rsp") if a["id"] == "as-it-came"][-1]


def test_ids_are_fresh_and_asked_again_by_name(scene):
    before = len(heard(scene, "cmd"))
    for _ in range(2):
        good(scene.ask("maintenance", "off"))
    sent = heard(scene, "cmd")[before:]
    assert len(sent) == 2 and sent[0]["id"] != sent[1]["id"] and all(len(c["id"]) == 16 for c in sent)
    assert refused(scene.ask("identify", "--id", "twice")) == refused(scene.ask("report", "--id", "twice")), \
        "the same id is answered the same, whatever it asks for now"


def test_maintenance(scene):
    good(scene.ask("maintenance", "on", "--minutes", "5"))
    assert reports(scene, 2)[-1]["temp"]["st"] == 1
    assert " true\n" in good(scene.ask("report")).split("maintenance")[1]
    good(scene.ask("maintenance", "off"))
    assert "st" not in reports(scene, 2)[-1]["temp"]


def test_settings_prove_themselves(scene, tmp_path):
    """The receipt that ends the trial is phusad's."""
    code, out, err = scene.ask("set", "every=1", "temp.n=false", "--trial", "60")
    assert code == 0 and "on trial for 60 s" in err, err
    assert out.splitlines()[0] == f"{STATION}: done" and out.split()[2:] == ["kept", "true"]
    assert "temp_n" not in reports(scene, 2)[-1]
    assert json.loads(good(scene.ask("report", "--json")))["every"] == 1
    file = tmp_path / "settings.json"
    file.write_text('{\n  "every": null,\n  "channels": { "temp": { "n": null } }\n}\n')
    out = good(scene.ask("set", file, "--trial", "60", "--no-wait", "--id", "back"))
    assert "trial_s" in out
    until(lambda: '"kept":true' in good(scene.ask("report", "--id", "back", "--json")), "the end of the trial")
    assert reports(scene, 2)[-1]["temp_n"]["v"] == 2, "two samples a report again"


def test_local_checks_reach_the_store(scene):
    """Nobody lists `salinity_check`: the collector knows it of what is listed."""
    assert "salinity_check" not in reports(scene, 1)[-1]
    good(scene.ask("set", "salinity.low=-2", "salinity.high=-1", "--trial", "60"))
    assert reports(scene, 2)[-1]["salinity_check"]["v"] == 1, "out of range"
    until(lambda: any(name == "water_salinity_check" for name, _, _ in scene.store.export()), "the check in the store")
    assert not any(s["quarantined"] for s in scene.collector.ledger()["stations"])
    good(scene.ask("set", "salinity.low=0", "salinity.high=0", "--trial", "60"))
    assert "salinity_check" not in reports(scene, 2)[-1]


def test_a_broker_that_cannot_be_reached_is_rolled_back(scene):
    err = refused(scene.ask("set", "broker.host=127.0.0.1", f"broker.port={free_port()}", "--trial", "30"))
    assert err.splitlines()[-1] == f"phusa station: {STATION}: rolled back: no receipt came in time"
    reports(scene, 1)


def test_reports_sent_again(scene):
    already = len(heard(scene, "obs"))
    out = good(scene.ask("resend", "--from", "1", "--to", "3"))
    assert out.split() == [f"{STATION}:", "done", "from", "1", "to", "3"]
    until(lambda: {1, 2, 3} <= {pack[0]["seq"] for pack in heard(scene, "obs")[already:]}, "reports 1 to 3 again")


def test_calibration(scene):
    def step(*words):
        return scene.ask("calibrate", "temp", *words, "--by", "Bảy")

    good(step("begin", "--minutes", "10"))
    assert reports(scene, 2)[-1]["temp"]["st"] == 1
    raw = float(good(step("point", "500")).split()[-1])
    out = good(step("end"))
    assert "before" in out and f"[{500 - raw:.6g}"[:6] in out
    assert 490 < reports(scene, 2)[-1]["temp"]["v"] < 510
    good(step("set", "-1000", "0.5"))
    assert -1000 < reports(scene, 2)[-1]["temp"]["v"] < -950
    raw = reports(scene, 1)[-1]
    assert raw["temp"]["v"] == pytest.approx(-1000 + raw["temp_raw"]["v"] / 2), "both come"
    shown = json.loads(good(scene.ask("calibrate", "temp", "show", "--json")))
    assert shown["operator"] == "Bảy" and shown["after"] == [-1000, 0.5, 0, 0] and shown["points"] == []
    assert f"  calibrations.temp             {time.strftime('%Y-')}" in good(scene.ask("calibrate", "show"))
    good(step("begin"))
    good(step("cancel"))
    good(step("set"))
    assert 0 < reports(scene, 2)[-1]["temp"]["v"] < 50
    until(lambda: any(name == "water_temp_raw" for name, _, _ in scene.store.export()), "the raw value in the store")
    assert not any(s["quarantined"] for s in scene.collector.ledger()["stations"]), "nobody lists it, and it is known"


@pytest.mark.parametrize("words, error", [
    (["identify", "--for", "30"], "this station has no light"),
    (["lamp", "on"], "this station has no lamp"),
    (["lamp", "auto"], "this station has no lamp"),
    (["reboot"], "this station cannot start itself"),
    (["maintenance", "on", "--minutes", "10081"], "minutes: 1 to 10080 expected"),
    (["resend", "--from", "9", "--to", "3"], "from and to: numbers of reports expected"),
    (["set", "every=0"], "every: a whole number from 1 to 86400 expected"),
    (["set", "chlorine.low=1"], "chlorine: no such channel"),
    (["set", "every=7", "--trial", "5"], "trial_s: 30 to 86400 expected"),
    (["calibrate", "chlorine", "begin", "--by", "An"], "parameter: one of this station's expected"),
    (["calibrate", "temp", "end", "--by", "An"], "no calibration of this parameter is under way"),
    (["calibrate", "temp", "begin", "--by", "A" * 33], "operator: a name of 1 to 32 bytes expected"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_what_it_refuses_comes_in_its_words(scene, words, error):
    assert refused(scene.ask(*words)) == f"phusa station: {STATION}: {error}\n"
    code, out, _ = scene.ask(*words, "--json")
    assert code == 1 and json.loads(out)["error"] == error


# --- a board -------------------------------------------------------------------------------------


LIGHTS, IDENTIFY = 0x4002F004, 2  # the register of the lights, and its bit (firmware/port/mps2)


def qmp(path, **command):
    """The answer of QEMU's machine monitor to one command."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(str(path))
        lines = link.makefile("rw")
        lines.readline()  # its greeting
        for word in ({"execute": "qmp_capabilities"}, command):
            print(json.dumps(word), file=lines, flush=True)
            answer = next(a for a in map(json.loads, lines) if "return" in a)
        return answer["return"]


def light_on(monitor):
    words = qmp(monitor, execute="human-monitor-command", arguments={"command-line": f"xp /1wx {LIGHTS:#x}"})
    return int(re.search(r": 0x([0-9a-f]+)", words)[1], 16) >> IDENTIFY & 1 == 1


def test_a_board_shows_itself_and_starts_anew(scene):
    part = board.Board(scene.folder / "board")
    clock = scene.add(board.TimeServer(time.time))
    part.provision("apadb", f"{board.NAME}:{scene.broker.port}", "--site", "apalachicola", "--every", "1s",
                   "--password-file", scene.broker.password_file, "--time", f"{board.HOST}:{clock.port}",
                   "--channel", "temp")
    monitor = scene.folder / "qmp"
    part.start("-qmp", f"unix:{monitor},server=on,wait=off")
    scene.add(part, start=False)
    part.wait_for("receipt: the first")
    assert not light_on(monitor)
    good(ask(scene, "apadb", "identify", "--for", "2"))
    assert light_on(monitor)
    until(lambda: not light_on(monitor), "the light to go out")
    good(ask(scene, "apadb", "reboot"))
    part.wait_for("boot 2, reset command")
    values = json.loads(good(ask(scene, "apadb", "report", "--json")))
    assert values["why"] == "command" and values["boots"] == 2 and values["starts"]["command"] == 1
    part.kill()


# --- no answer -----------------------------------------------------------------------------------


def test_one_that_was_never_there(scene):
    err = refused(ask(scene, "apawc", "report", "--wait", "0.5", "--id", "z"))
    assert err == ("phusa station: apawc: no answer in 0.5 s; it was never seen at this broker. Nothing waits for it; "
                   "--id z asks for the same again\n")


def test_one_that_is_away_and_comes_back(scene):
    """The command is said again with the same id until the station is there, and done once."""
    assert scene.station.stop() == 0
    assert "no answer in 1 s; it is offline. Nothing waits for it" in refused(scene.ask("report", "--wait", "1"))
    answers = []
    asking = threading.Thread(target=lambda: answers.append(scene.ask("maintenance", "off", "--id", "patient")))
    asking.start()
    until(lambda: any(c["id"] == "patient" for c in heard(scene, "cmd")), "the first command")
    scene.station.start()
    asking.join(60)
    assert answers and answers[0][0] == 0, answers
    assert sum(c["id"] == "patient" for c in heard(scene, "cmd")) == 2
    assert sum(a["id"] == "patient" for a in heard(scene, "rsp")) == 1


def test_one_that_the_registry_does_not_know(scene):
    assert refused(ask(scene, "nobody", "report")) == 'phusa station: the registry has no station "nobody"\n'


def test_without_a_broker(tmp_path, scene):
    config = tmp_path / "phusa.cfg"
    text = scene.collector.config.read_text().replace(f":{scene.broker.port}", f":{free_port()}")
    config.write_text(text)
    code, out, err = phusa("station", "ask", STATION, "report", "-c", config, "--wait", "1")
    assert code == 1 and not out
    assert "; trying again\n" in err and err.endswith(" does not answer; nothing was sent\n")


@pytest.mark.parametrize("words, mistake", [
    ([], "ask whom for what? ID and report, identify, maintenance, lamp, resend, reboot, set or calibrate"),
    ([STATION], "ask whom for what? ID and report, identify, maintenance, lamp, resend, reboot, set or calibrate"),
    ([STATION, "dance"],
     'no order "dance"; there are report, identify, maintenance, lamp, resend, reboot, set and calibrate'),
    ([STATION, "report", "--wait", "0"], "--wait 0: write a number of seconds, at most 86400"),
    ([STATION, "report", "--id", 'a"b'], "--id: 1 to 64 printable ASCII characters, no quote, no backslash"),
    ([STATION, "report", "--no-wait"], "--no-wait does not go with report"),
    ([STATION, "lamp", "on", "--minutes", "-3"], "--minutes -3: write a whole number"),
    ([STATION, "set", "every=abc"], 'set: "every=abc": write a number, true, false or null behind ='),
    ([STATION, "set"] + ["every=1"] * 64, "more than 64 words; write settings into a file"),
], ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else "")
def test_usage_errors(words, mistake):
    code, out, err = phusa("station", "ask", *words)
    assert code == 2 and not out
    assert err == f"phusa station: {mistake}\n`phusa station --help` says more\n"


def test_settings_that_are_no_file(scene, tmp_path):
    file = tmp_path / "settings.json"
    file.write_text('{\n"every" 5 }\n')
    assert refused(scene.ask("set", file)).startswith(f"phusa station: set: {file}:2: ")
    assert "unable to open" in refused(scene.ask("set", tmp_path / "none.json"))
