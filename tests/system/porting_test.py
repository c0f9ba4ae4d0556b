"""The check list of the porting guide (docs/porting.md) over the network of a computer's port and a real
broker: all its items pass; without the right password the first one fails and says so."""
import subprocess

import phusarun
import pytest
from line import BUILD, Stage

STATION = "apacp"
TOPIC = f"phusa/1/apalachicola/{STATION}"


@pytest.fixture(name="stage")
def make_stage(tmp_path):
    with Stage(tmp_path) as stage:
        stage.broker = stage.add(phusarun.Broker(tmp_path / "broker", [STATION]))
        yield stage


def check(stage, password):
    """(exit code, lines about the network) of the list."""
    done = subprocess.run([BUILD / "tools" / "port_check", stage.broker.uri, "apalachicola", STATION, STATION,
                           password], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, [line for line in done.stdout.splitlines() if " network: " in line]


def test_the_network_of_a_computer(stage):
    client = stage.client()
    client.listen(f"{TOPIC}/rsp")
    code, lines = check(stage, stage.broker.password)
    assert len(lines) == 5 and all(line.startswith("[pass]") for line in lines), lines
    assert code == 0
    assert [payload for _, payload, _ in client.heard] == [b'{"id":"check","ok":true}']


def test_a_broker_that_refuses(stage):
    code, lines = check(stage, "wrong")
    assert code == 1
    assert lines[0].startswith("[FAIL] network: a connection comes: not within")
    assert all(line.startswith(("[skip]", "[pass] network: an empty inbox")) for line in lines[1:]), lines
