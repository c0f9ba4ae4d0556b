"""A power cut of the collector: an ext4 of its own is shut down without a flush while receipts flow.
Every report that a receipt covers is there when the file system is mounted again."""
import json
import random
import threading
import time

from disks import LoopDisk
from line import phusa, until

STATIONS = ("apacp", "apadb")
LOG = "5f3a09c1"
DISK_MB = 64
CUTS = 4
RECEIPTS_BEFORE_A_CUT = 4  # of both stations together


class Reporter:
    """Publishes numbered reports of all stations as fast as they are acknowledged, until it is stopped."""

    def __init__(self, sender, begin):
        self.sender, self.begin, self.next = sender, begin, 1
        self.stopping = threading.Event()
        self.thread = None

    def publish(self):
        while not self.stopping.is_set():
            for station in STATIONS:
                message = [{"bn": f"{station}:", "bt": self.begin + self.next, "log": LOG, "seq": self.next,
                            "n": "salinity", "v": self.next % 8 / 2}]
                sent = self.sender.send(message, f"phusa/1/apalachicola/{station}/obs", wait=False)
            self.next += 1
            sent.wait_for_publish(1.0)

    def __enter__(self):
        self.stopping.clear()
        self.thread = threading.Thread(target=self.publish, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


def covered(heard):
    """{station: numbers} that the receipts heard cover."""
    found = {station: set() for station in STATIONS}
    for topic, payload, _ in heard:
        receipt = json.loads(payload)
        gaps = {seq for first, last in receipt["missing"] for seq in range(first, last + 1)}
        found[topic.split("/")[3]] |= set(range(1, receipt["upto"] + 1)) - gaps
    return found


def kept(journal):
    """{station: numbers} in the journal, and the highest position."""
    found, position = {station: set() for station in STATIONS}, 0
    for line in phusa("journal", "dump", "--json", journal)[1].splitlines():
        record = json.loads(line)
        position = record["position"]
        if record["kind"] == "message" and record["topic"].endswith("/obs"):
            found[record["topic"].split("/")[3]].add(json.loads(record["payload"])[0]["seq"])
    return found, position


def cut_and_mend(stage, disk, receipts, chance):
    """Waits until receipts flow, cuts the power, and mounts the disk again. How many reports were covered
    before the cut, and are there; the highest position; whether a file that was not synced is gone."""
    count = len(receipts.heard)
    until(lambda: len(receipts.heard) >= count + RECEIPTS_BEFORE_A_CUT, "receipts flow")
    time.sleep(chance.uniform(0.0, 0.2))  # at any moment of a sync
    witness = disk.folder / f"witness-{count}"
    witness.write_bytes(bytes(4096))  # never synced
    heard = list(receipts.heard)  # before the cut: nothing that leaves later counts
    disk.cut_the_power()
    stage.collector.kill()
    disk.unmount()
    assert disk.mount() == ""
    promised = covered(heard)
    found, position = kept(stage.journal_there)
    lost = {station: sorted(promised[station] - found[station]) for station in STATIONS}
    assert not any(lost.values()), f"receipted, but gone: {lost}"
    return sum(map(len, promised.values())), position, not witness.exists() or witness.stat().st_size == 0


def test_what_was_receipted_survives_a_power_cut(stage):
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    with LoopDisk(stage.folder, DISK_MB) as disk:
        stage.journal_there = disk.folder / "journal"
        stage.line(extra={"journal": {"path": stage.journal_there, "segment": "1M", "reserve": "4M"}})
        sender, receipts = stage.client(), stage.client("receipts")
        receipts.listen("phusa/1/+/+/ack")
        for station in STATIONS:
            sender.send({"state": "online", "log": LOG, "first": 1, "next": 1},
                        f"phusa/1/apalachicola/{station}/status", retain=True)
        reporter, reports, before, real = Reporter(sender, int(time.time()) - 86400), 0, 0, 0
        for _ in range(CUTS):
            with reporter:
                reports, position, cut = cut_and_mend(stage, disk, receipts, chance)
            real += cut
            assert position > before, "positions never go back"
            before = position
            stage.collector.start()
        with reporter:
            count = len(receipts.heard)
            until(lambda: len(receipts.heard) >= count + RECEIPTS_BEFORE_A_CUT, "it goes on")
        assert stage.collector.stop() == 0
        print(f"figure: seed {seed}: {CUTS} cuts of the power, {reports} reports covered by receipts before the last one")
        assert reports > 100
        assert real > 0, "a cut that takes nothing away proves nothing"
