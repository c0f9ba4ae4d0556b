"""The disk of the journal fills: receipts stop, the broker is left, one alarm goes out by HTTP, and nothing is
acknowledged that is not written down. When there is room again everything resumes by itself."""
import json
import threading
import time

from disks import small_disk
from line import STATIONS, log_lines, phusa, report, until

DISK_MB = 24
LOG = "5f3a09c1"
STATUS = "phusa/1/apalachicola/apacp/status"
FOREIGN = "phusa/1/apalachicola/apadb/obs"
RULE = "disk-full"
STEP_S = 0.01  # between two messages
STILL_S = 2.0  # so long no receipt may come; they come each second otherwise


class Flow:
    """A numbered report of one station and a message of a device without numbers in turns, one second of
    reading time apart, until it is stopped."""

    def __init__(self, sender, begin):
        self.sender, self.begin, self.count = sender, begin, 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.publish, daemon=True)

    def publish(self):
        while not self.stopping.is_set():
            second, value = self.begin + self.count, self.count % 30 / 10
            seq = self.count + 1
            self.sender.send(report(second, value, log=LOG, seq=seq), wait=False)
            last = self.sender.send(report(second, value, station="apadb"), FOREIGN, wait=False)
            self.count += 1
            self.stopping.wait(STEP_S)
        last.wait_for_publish(30)

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def expected(self):
        """What the store has to hold in the end."""
        return {("water_salinity", station, (self.begin + i) * 10**9): i % 30 / 10
                for i in range(self.count) for station in ("apacp", "apadb")}


def seqs_in(journal):
    lines = (json.loads(line) for line in phusa("journal", "dump", "--json", journal)[1].splitlines())
    return {json.loads(line["payload"])[0].get("seq") for line in lines if line["topic"].endswith("/apacp/obs")}


def covered(receipt):
    gaps = {seq for first, last in receipt["missing"] for seq in range(first, last + 1)}
    return set(range(1, receipt["upto"] + 1)) - gaps


def alarms(stage):
    """Where each alarm about the disk went to, in order."""
    return [body["to"] for body in stage.webhook.alarms() if body["rule"] == RULE]


def stored(stage):
    return {key: value for key, value in stage.store.export().items() if key[0] == "water_salinity"}


def no_receipt_comes(receipts):
    count = len(receipts.heard)
    time.sleep(STILL_S)
    return len(receipts.heard) == count


def while_it_is_full(stage, receipts, flow):
    until(lambda: stage.collector.get("/readyz")[0] == 503, "it says that it is not ready")
    until(lambda: log_lines(stage.collector, "broker is left"), "the broker is left")
    until(lambda: alarms(stage), "the alarm comes by HTTP")
    published = flow.count
    until(lambda: no_receipt_comes(receipts), "receipts of what was written down before come to an end")
    assert flow.count > published, "messages keep coming to the broker"
    last = json.loads(receipts.heard[-1][1])
    assert covered(last) <= seqs_in(stage.journal_there), "a receipt for what is not in the journal"
    assert len(alarms(stage)) == 1 and alarms(stage) != ["normal"], alarms(stage)
    assert stage.collector.running()


def after_it_was_full(stage, receipts, flow):
    stage.collector.wait_ready()
    until(lambda: alarms(stage)[1:] == ["normal"], "the alarm ends")
    time.sleep(0.5)
    flow.stop()
    until(lambda: covered(json.loads(receipts.heard[-1][1])) == set(range(1, flow.count + 1)), "receipts for all")
    until(lambda: len(stored(stage)) == len(flow.expected()), "all is stored")
    assert stored(stage) == flow.expected()
    assert len(alarms(stage)) == 2, alarms(stage)


def test_a_full_disk_is_met_and_left_behind(stage):
    stage.stations_file.write_text(STATIONS.replace('"15m"', '"1s"'))
    with small_disk(stage.folder / "disk", DISK_MB) as disk:
        stage.journal_there = disk.folder / "journal"
        collector = stage.line(extra={"journal": {"path": stage.journal_there, "reserve": "4M", "segment": "1M"}})
        receipts, sender = stage.client("receipts"), stage.client()
        receipts.listen("phusa/1/+/apacp/ack")
        sender.send({"state": "online", "log": LOG, "first": 1, "next": 1}, STATUS, retain=True)
        flow = Flow(sender, int(time.time()) - 86400)
        flow.thread.start()
        try:
            until(lambda: len(receipts.heard) > 1, "receipts flow")
            disk.fill()
            while_it_is_full(stage, receipts, flow)
            disk.empty()
            after_it_was_full(stage, receipts, flow)
        finally:
            flow.stop()
        assert collector.stop() == 0


def test_a_start_on_a_full_disk_waits_for_room(stage):
    """After an orderly stop: the reserve lets it start, the alarm goes out, and room brings everything back."""
    with small_disk(stage.folder / "disk", DISK_MB) as disk:
        collector = stage.line(extra={"journal": {"path": disk.folder / "journal", "reserve": "4M", "segment": "1M"}})
        sender = stage.client()
        second = int(time.time()) - 3600
        sender.send(report(second, 1.5))
        until(lambda: len(stored(stage)) == 1, "one is stored")
        assert collector.stop() == 0
        disk.fill()
        collector.start(wait=False)
        until(lambda: alarms(stage), "the alarm comes by HTTP")
        sender.send(report(second + 1, 2.5))
        disk.empty()
        collector.wait_ready()
        until(lambda: len(stored(stage)) == 2, "what the broker kept is stored")
        until(lambda: alarms(stage)[1:] == ["normal"], "the alarm ends")
        assert collector.stop() == 0
