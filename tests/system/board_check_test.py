"""The check list of the porting guide (docs/porting.md) on the emulated board, with a wire from its line's output
to its input; and what a start says after the watchdog and after a fault."""
import os
import re
import time

import board
import phusarun
import pytest
from board import SITE, STATION, options
from line import ROOT, Stage, until

LIST_S = 90.0  # the watchdog's ten seconds are in it
LEFT_OUT = {"bus: a break ends by itself", "pins: an input follows the output it is wired to",
            "pins: edges are counted, each once", "pins: currents are possible ones"}  # the board has none


def wire(folder):
    """From the output of a serial line to its input: what is written into a pipe is read from it."""
    os.mkfifo(folder / "wire")
    return f"pipe:{folder}/wire"


@pytest.fixture(name="scene")
def make_scene(tmp_path):
    board.image("check")
    with Stage(tmp_path) as stage:
        stage.broker = stage.add(phusarun.Broker(tmp_path / "broker", [STATION]))
        yield stage


def provisioned(scene, bus, *words):
    """A board with the check list's image, which knows broker and time; not started."""
    clock = scene.add(board.TimeServer(time.time))
    checked = board.Board(scene.folder / "board", "check", bus=bus)
    checked.provision(STATION, f"{board.NAME}:{scene.broker.port}", *options(scene.broker, clock), *words)
    return checked


def lines(checked):
    """{item: mark} of the list so far; what it says of one stands behind it, after a colon."""
    return {item: mark for mark, item in re.findall(r"^\[(\w+)\] ([^\r\n]*)", checked.says(), re.M)}


def items():
    """Of the guide."""
    return re.findall(r"^- `([a-z]+: [^`]+)`$", (ROOT / "docs/porting.md").read_text(), re.M)


def test_the_list_and_what_a_start_says(scene):
    receiver = scene.client()
    receiver.listen(f"phusa/1/{SITE}/{STATION}/rsp")
    checked = scene.add(provisioned(scene, wire(scene.folder)))
    checked.wait_for(" left out", timeout=LIST_S)
    found = lines(checked)
    assert not [item for item, mark in found.items() if mark == "FAIL"], checked.says()
    assert {": ".join(item.split(": ")[:2]) for item, mark in found.items() if mark == "skip"} == LEFT_OUT
    assert sorted(": ".join(item.split(": ")[:2]) for item in found) == sorted(items())
    assert f"{len(found) - len(LEFT_OUT)} passed, 0 failed, {len(LEFT_OUT)} left out" in checked.says()
    assert re.findall(r"check: reset (\w+)", checked.says()) == ["power", "command", "watchdog"]
    assert [payload for _, payload, _ in receiver.heard] == [b'{"id":"check","ok":true}']
    for count, (command, why) in enumerate((("fault", "fault"), ("hang", "watchdog")), 2):
        checked.type(command)
        until(lambda: len(re.findall("check: reset", checked.says())) >= count + 2, f"the start after {command}", LIST_S)
        checked.wait_for("hang or fault?", count=count)
        assert re.findall(r"check: reset (\w+)", checked.says())[-1] == why
    assert checked.says().count("left out") == 1, "the list is not begun again"


def test_without_the_wire_it_fails(scene):
    checked = scene.add(provisioned(scene, None))
    until(lambda: any("it comes again" in item or "another number" in item for item in lines(checked)),
          "the first part", LIST_S)
    found = lines(checked)
    assert found["bus: what is sent comes back: of 256 bytes came back: 0"] == "FAIL"
    assert found["bus: 256 bytes leave, and it is said when they have"] == "pass"


def test_sensors_of_a_map(scene):
    """With a map of devices they are asked, and no wire is expected."""
    sensors = scene.add(phusarun.SensorSim(scene.folder / "sensors", ROOT / "config/devices/sonde.map"))
    checked = scene.add(provisioned(scene, sensors.buses[0], "--map", sensors.map))
    until(lambda: any(item.startswith("sensors: what they give") for item in lines(checked)), "the sensors", LIST_S)
    found = lines(checked)
    assert found["sensors: each channel answers in time, and no call waits"] == "pass"
    assert found["sensors: what they give are numbers"] == "pass"
    assert found["bus: what is sent comes back: no loop-back is connected"] == "skip"
