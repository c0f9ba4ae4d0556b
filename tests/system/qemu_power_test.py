"""The board's power fails at random, also in the middle of a write: nothing is lost. Its smallest image does
what it is ordered, and its memory is enough for that."""
import json
import time

import board
import phusarun
import powercuts
import pytest
from board import SITE, STATION, Receiver, options
from line import Stage, until

SEED = 20261121
KILLS = {"plain": 70, "tls": 30}
TEARS, ONE_IN = 25, 20  # how often a write is torn; about one in so many
MOST = 16  # channels of the plain image


@pytest.fixture(name="scene")
def make_scene(tmp_path):
    board.image("plain")
    with Stage(tmp_path) as stage:
        yield stage


@pytest.mark.parametrize("kind", KILLS)
def test_killed_at_random_it_loses_nothing(scene, kind):
    board.image(kind)
    print(f"seed {SEED}")
    print("figure: " + powercuts.campaign(scene, KILLS[kind], SEED, kind))


def test_torn_writes_lose_nothing(scene):
    """The power goes in the middle of a program or an erase, which is then done in part."""
    print(f"seed {SEED}")
    outages = powercuts.Outages(scene, sensors=False, words=("--tear", f"{ONE_IN}:{SEED}"))
    station = outages.station.start()
    until(lambda: outages.receiver.work() or station.says().count("reset brownout") >= TEARS, f"{TEARS} torn writes", 120)
    station.kill()
    outages.provision()
    held = outages.count()
    print(f"figure: {station.says().count('reset brownout')} torn writes, {held} reports in the log, nothing lost")


def test_the_small_image_does_what_it_is_ordered(scene):
    """With all channels that it can have; the deepest its stack ever gets."""
    scene.broker = scene.add(phusarun.Broker(scene.folder / "broker", [STATION]))
    clock = scene.add(board.TimeServer(time.time))
    station = board.Board(scene.folder / "board")
    names = [f"channel_{i}" for i in range(MOST)]
    station.provision(STATION, f"{board.NAME}:{scene.broker.port}", *options(scene.broker, clock, channels=names))
    scene.add(station)
    receiver = Receiver(scene.client())
    receiver.client.listen(f"phusa/1/{SITE}/{STATION}/rsp")
    until(lambda: receiver.work() or len(receiver.reports) >= 2, "two reports")
    assert len(next(iter(receiver.reports.values()))[1]) == MOST
    orders = ({"do": "report"}, {"do": "identify", "seconds": 1}, {"do": "maintenance", "on": True, "minutes": 1},
              {"do": "set", "settings": {"backlog_per_s": 30}}, {"do": "resend", "from": 1, "to": 2},
              {"do": "calibrate", "parameter": names[-1], "step": "begin", "operator": "Lan"}, {"do": "dance"})
    for number, order in enumerate(orders):
        name = f"c{number}"
        receiver.client.send({"id": name, **order}, f"phusa/1/{SITE}/{STATION}/cmd")
        until(lambda name=name: receiver.work() or answered(receiver.client, name), f"the answer to {order}")
        print(order, answered(receiver.client, name))
    until(lambda n=len(receiver.reports): receiver.work() or len(receiver.reports) >= n + 3, "it goes on")
    station.hold_memory()


def answered(client, name):
    found = (json.loads(payload) for topic, payload, _ in client.heard if topic.endswith("/rsp"))
    return next((one for one in found if one["id"] == name), None)
