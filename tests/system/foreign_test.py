"""Devices without numbers, which nobody asks again: phusad is killed twenty times while they publish, and
none of their messages is lost. The broker keeps what was not acknowledged, the journal the rest."""
import json
import random
import threading
import time

from line import STATIONS, phusa, report, until

KILLS = 20
LIVES_S = (0.05, 0.35)  # shortest, longest time between a start that takes messages and its end
WINDOW = 50  # messages on the way to the broker


class Device:
    """Publishes a reading for each second from `begin` on, until it is stopped."""

    def __init__(self, sender, begin):
        self.sender, self.begin, self.count = sender, begin, 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.publish, daemon=True)

    def publish(self):
        waiting = []
        while not self.stopping.is_set():
            second = self.begin + self.count
            waiting.append(self.sender.send(report(second, second % 80 / 10), wait=False))
            self.count += 1
            if len(waiting) == WINDOW:
                waiting.pop(0).wait_for_publish(30)
        for message in waiting:
            message.wait_for_publish(30)

    def stop(self):
        self.stopping.set()
        self.thread.join()


def journal_bytes(stage):
    return sum(path.stat().st_size for path in stage.journal.glob("*.seg"))


def kill_when_it_takes_messages(stage, chance):
    """Kills phusad some time after its journal has grown; starts it again at once."""
    before = journal_bytes(stage)
    until(lambda: journal_bytes(stage) > before, "messages come in")
    time.sleep(chance.uniform(*LIVES_S))
    stage.collector.kill()
    stage.collector.start(wait=False)


def seconds_in(journal):
    lines = (json.loads(line) for line in phusa("journal", "dump", "--json", journal)[1].splitlines())
    return {json.loads(line["payload"])[0]["bt"] for line in lines if line["topic"].endswith("/obs")}


def test_twenty_kills_lose_nothing(stage):
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    stage.stations_file.write_text(STATIONS.replace('"15m"', '"1s"'))  # how much is remembered follows from it
    stage.line()
    device = Device(stage.client(), int(time.time()) - 86400)
    device.thread.start()
    try:
        for _ in range(KILLS):
            kill_when_it_takes_messages(stage, chance)
    finally:
        device.stop()
    stage.collector.wait_ready()
    wanted = {device.begin + i for i in range(device.count)}
    until(lambda: stage.collector.metric("phusa_readings_accepted_total") >= len(wanted), f"all are taken, seed {seed}")
    assert seconds_in(stage.journal) == wanted, f"seed {seed}"
    until(lambda: len(stage.store.export()) == 2 * len(wanted), f"each is stored with its flag, seed {seed}")
    print(f"figure: seed {seed}: {KILLS} kills, {len(wanted)} messages")
