"""The collector's alarms about itself have the life of all others, over kills; nobody is told the same twice, whether
or not the journal and the outbox had it when people were told."""
import contextlib
import random
import sqlite3
import time

from alarms_cli_test import Watch
from chaosline import append_damage
from disks import small_disk
from line import phusa, report, until

DAMAGE, SPOOL, DISK = ("journal", "phusa"), ("spool-full", "phusa"), ("disk-full", "phusa")
STILL_S = 5.0  # beyond the collector's patience with itself
RAISED, ENDED = ("disk-full", "severe"), ("disk-full", "normal")


def recorded(journal):
    """The conditions in the journal, in order, without their numbers."""
    lines = (line.split("\t") for line in phusa("journal", "dump", journal, check=0)[1].splitlines())
    return [line[4].rpartition(" ")[0] for line in lines if line[2] == "condition"]


def start_damaged(watch):
    """Killed, and started again behind damage in its journal."""
    watch.collector.kill()
    append_damage(watch.stage.journal, random.Random(5))
    watch.collector.start()


def states(watch, rule):
    return [(e["from"], e["to"], e["told"]) for e in watch.events("--rule", rule) if e["event"] == "state"]


def test_an_alarm_about_itself_has_a_life(stage, tmp_path):
    watch = Watch(stage, tmp_path)
    watch.read(0.5)
    start_damaged(watch)
    watch.until_told(("journal", "moderate"))
    until(lambda: watch.state(DAMAGE) == "UNACK", "it is listed")
    watch.kill()
    watch.do("ack", "--text", "đĩa đã được kiểm tra", at=DAMAGE)
    assert watch.state(DAMAGE) == "ACKED"
    watch.kill()
    watch.do("comment", "--text", "đợi đĩa mới", at=DAMAGE)
    watch.do("shelve", "--for", "2h", "--text", "thay đĩa", at=DAMAGE)
    start_damaged(watch)
    assert watch.state(DAMAGE) == "SHLVD"
    time.sleep(STILL_S)
    assert watch.told() == [("journal", "moderate")]
    assert sorted(e["event"] for e in watch.events("--rule", "journal")) == ["ack", "comment", "shelve", "state"]
    assert recorded(stage.journal)[0] == "journal on"


@contextlib.contextmanager
def taking_nothing(outbox):
    """Nobody else can write to it meanwhile."""
    with contextlib.closing(sqlite3.connect(outbox, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def fill_the_spool(stage):
    stage.store.stop()
    client, second = stage.client("filler"), int(time.time()) - 86400
    for i in range(300):
        pack = [{"bn": "apacp:", "bt": second + 200 * i, "n": "salinity", "v": i % 40 / 100}]
        client.send(pack + [{"n": "salinity", "t": t, "v": (i + t) % 40 / 100} for t in range(1, 200)], wait=i == 299)


def test_an_outbox_that_takes_nothing_is_gone_round(stage, tmp_path):
    """It stands in the journal, and is told all the same; a kill between that and the outbox repeats nothing."""
    watch = Watch(stage, tmp_path, {"journal": {"segment": "1M"}, "store": {"spool_bytes": "1M"}})
    marker = stage.journal / "spool-full.told"
    with taking_nothing(stage.journal / "outbox.db"):
        fill_the_spool(stage)
        until(lambda: watch.told() == [("spool-full", "severe")], "told without the outbox", 60)
        until(marker.exists, "which is remembered")
        assert recorded(stage.journal) == ["spool-full on"]
        watch.collector.kill()
    watch.collector.start()
    until(lambda: watch.state(SPOOL) == "UNACK", "it is listed")
    until(lambda: not marker.exists(), "the outbox knows it, too")
    watch.do("ack", at=SPOOL)
    watch.kill()
    assert watch.state(SPOOL) == "ACKED"
    time.sleep(STILL_S)
    assert watch.told() == [("spool-full", "severe")]
    assert sorted(states(watch, "spool-full")) == [("normal", "severe", False), ("normal", "severe", True)]


def on_a_small_disk(stage, folder, disk):
    watch = Watch(stage, folder, {"journal": {"path": disk.folder / "journal", "reserve": "4M", "segment": "1M"}})
    watch.read(0.5)
    return watch


def said(watch):
    """What was told, in order: a kill between a delivery and its mark may bring one again, under its key."""
    return [(rule, to) for _, rule, to in dict.fromkeys((body["key"], body["rule"], body["to"])
                                                        for body in watch.stage.webhook.alarms())]


def fill_until_told(stage, watch, disk):
    """Keeps on sending, since nothing else would need the disk."""
    client, second = stage.client("filler"), int(time.time()) - 86400
    disk.fill()

    def told():
        nonlocal second
        second += 1
        client.send(report(second, 0.5, station="apadb"), "phusa/1/apalachicola/apadb/obs", wait=False)
        return watch.told() == [RAISED]
    until(told, "the full disk is told", 60)
    client.stop()


def test_a_full_disk_is_listed_and_told_once_over_kills(stage, tmp_path):
    with small_disk(stage.folder / "disk", 24) as disk:
        watch = on_a_small_disk(stage, tmp_path, disk)
        fill_until_told(stage, watch, disk)
        for _ in range(2):
            watch.collector.kill()
            watch.collector.start(wait=False)
            time.sleep(STILL_S)
            assert said(watch) == [RAISED]
        disk.empty()
        watch.collector.wait_ready()
        until(lambda: said(watch) == [RAISED, ENDED], "its end is told")
        watch.collector.kill()
        watch.collector.start()
        time.sleep(STILL_S)
        assert said(watch) == [RAISED, ENDED] and len(watch.told()) <= 2 + 3, "one a kill at most comes again"
        assert recorded(disk.folder / "journal")[-1:] == ["disk-full off"]
        assert watch.state(DISK) == "RTNUN"
        watch.do("ack", at=DISK)
        assert watch.state(DISK) == "NORM"
        assert watch.collector.stop() == 0


def test_the_end_of_a_full_disk_goes_round_the_outbox(stage, tmp_path):
    with small_disk(stage.folder / "disk", 24) as disk:
        watch = on_a_small_disk(stage, tmp_path, disk)
        journal = disk.folder / "journal"
        fill_until_told(stage, watch, disk)
        with taking_nothing(journal / "outbox.db"):
            disk.empty()
            until(lambda: said(watch) == [RAISED, ENDED], "its end is told without the outbox", 150)
            until((journal / "disk-full.over").exists, "which is remembered")
            assert not (journal / "disk-full.told").exists()
            watch.collector.kill()
        watch.collector.start()
        until(lambda: not (journal / "disk-full.over").exists(), "the outbox knows it, too")
        assert watch.state(DISK) == "RTNUN"
        time.sleep(STILL_S)
        assert said(watch) == [RAISED, ENDED]
        assert watch.collector.stop() == 0


def test_what_is_shelved_is_not_told_straight_either(stage, tmp_path):
    with small_disk(stage.folder / "disk", 24) as disk:
        watch = on_a_small_disk(stage, tmp_path, disk)
        watch.do("shelve", "--for", "1h", "--text", "đĩa nhỏ để thử", at=DISK)
        disk.fill()
        client, second = stage.client("filler"), int(time.time()) - 86400
        for i in range(200):
            client.send(report(second + i, 0.5, station="apadb"), "phusa/1/apalachicola/apadb/obs", wait=False)
            time.sleep(0.01)
        until(lambda: watch.collector.get("/readyz")[0] == 503, "the disk is full", 60)
        time.sleep(STILL_S)
        disk.empty()
        watch.collector.wait_ready()
        time.sleep(STILL_S)
        assert watch.told() == [] and watch.list()[DISK]["state"] == "SHLVD"
        assert watch.collector.stop() == 0


def tell_the_old_way(outbox):
    """As a collector left it that told its alarms about itself without a record."""
    place = "'disk-full', 'collector', 'phusa', 'disk_free'"
    with contextlib.closing(sqlite3.connect(outbox)) as db:
        row = db.execute(
            "INSERT INTO transition(position, key, rule, site, station, parameter, time_ns, since_ns, before, after, value,"
            f" historical, told, changed, committed_ns) VALUES (0, '', {place}, 1, 1, 'normal', 'severe', 3, 0, 1, 1, 1)")
        db.execute("INSERT INTO series(rule, site, station, parameter, told, severity, value, channels)"
                   f" VALUES ({place}, ?, 3, 3, ',ioc,')", (row.lastrowid,))
        db.commit()


def test_what_was_told_the_old_way_ends(stage, tmp_path):
    """An outbox that was told of a full disk, a file that says so of an event, and a journal without a record of
    either."""
    drops = ("broker-drops", "phusa")
    watch = Watch(stage, tmp_path)
    watch.read(0.5)
    assert watch.collector.stop() == 0
    tell_the_old_way(stage.journal / "outbox.db")
    marker = stage.journal / "broker-drops.told"
    marker.touch()
    watch.collector.start()
    watch.until_told(("disk-full", "normal"))
    until(lambda: watch.state(drops) == "UNACK", "what was told of an event counts for an hour more")
    until(lambda: not marker.exists(), "the outbox knows it")
    time.sleep(STILL_S)
    assert watch.told() == [("disk-full", "normal")]
    assert recorded(stage.journal) == ["broker-drops on"]
