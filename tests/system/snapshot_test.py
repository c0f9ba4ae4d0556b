"""What the collector remembers comes back over a kill: from a snapshot, from the one before it, or
from the whole journal; and the start takes no longer because the past is long."""
import time

import pytest

from line import ledger, log_lines, report, transitions_recorded, transitions_replayed, until

COUNTS = ("received", "duplicate", "quarantined")


def counts(stage):
    return {state: ledger(stage.collector, state) for state in COUNTS}


def snapshots(stage):
    return sorted(stage.journal.glob("state.[01]"))


def taken_again(stage):
    """Records that the only start with a past took again."""
    lines = log_lines(stage.collector, "records of the journal again")
    assert len(lines) <= 1
    return int(lines[0].split("read ")[1].split()[0]) if lines else 0


def tide(begin):
    """Readings a minute apart that pass the limit of 4 every ten, and a log's numbers."""
    for i in range(60):
        yield report(begin + 60 * i, 5.0 if i // 10 % 2 else 1.0, log="5f3a09c1", seq=i + 1)


@pytest.fixture
def running(stage):
    """A line whose snapshots are a second apart, with an hour behind it and a gap in it."""
    stage.line(extra={"journal": {"snapshot": "1s"}})
    sender = stage.client()
    begin = int(time.time()) - 3600
    for i, message in enumerate(tide(begin)):
        if i != 30:
            sender.send(message, wait=False)
    sender.send([{"bn": "apacp:", "bt": begin, "n": "no-such-thing", "v": 1}])
    sender.send(report(begin, 1.0, log="5f3a09c1", seq=1))  # once more
    until(lambda: counts(stage) == {"received": 61, "duplicate": 1, "quarantined": 1}, "all is taken")
    until(lambda: len(snapshots(stage)) == 2 or sender.send(report(begin, 1.0, log="5f3a09c1", seq=1)) is None,
          "a snapshot of the state")
    return stage, sender, begin


def told(stage):
    return [(alarm["time"], alarm["to"]) for alarm in stage.webhook.alarms()]


def goes_on(stage, sender, before, told_before):
    """After a start: the same counts, nothing told again, and what comes next follows from the past."""
    until(lambda: counts(stage) == before, f"the counts come back: {counts(stage)}, were {before}")
    assert told(stage) == told_before
    missing = stage.collector.ledger()["stations"]
    assert [s["missing_reports"] for s in missing if s["id"] == "apacp"] == [1]
    sender.send(report(int(time.time()) - 60, 5.5, log="5f3a09c1", seq=61))
    until(lambda: ledger(stage.collector, "received") == before["received"] + 1, "what is new is taken")
    assert transitions_recorded(stage.journal) == transitions_replayed("-c", stage.collector.config, "--journal",
                                                                       stage.journal)


@pytest.mark.parametrize("hurt", ["nothing", "newer", "both", "gone"])
def test_a_kill_changes_nothing(running, hurt):
    stage, sender, _ = running
    until(lambda: len(snapshots(stage)) > 0, "a snapshot")
    before, told_before = counts(stage), told(stage)
    stage.collector.kill()
    files = sorted(snapshots(stage), key=lambda path: path.stat().st_mtime_ns)
    for path in {"nothing": [], "newer": files[-1:], "both": files, "gone": files}[hurt]:
        if hurt == "gone":
            path.unlink()
            continue
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0x10
        path.write_bytes(content)
    stage.collector.start()
    if hurt == "nothing":
        assert taken_again(stage) < 60, "a snapshot makes the start short"
    elif hurt != "newer":
        assert taken_again(stage) >= 60, "the whole journal is taken again"
    assert bool(log_lines(stage.collector, "cannot be used")) == (hurt in ("newer", "both"))
    goes_on(stage, sender, before, told_before)


def test_an_orderly_stop_leaves_nothing_to_take_again(running):
    stage, sender, _ = running
    before, told_before = counts(stage), told(stage)
    assert stage.collector.stop() == 0
    stage.collector.start()
    assert taken_again(stage) <= 2
    goes_on(stage, sender, before, told_before)


def test_one_collector_a_journal(running):
    """A second one on the same files is refused, and says why."""
    stage, _, _ = running
    second = type(stage.collector).__new__(type(stage.collector))
    second.__dict__.update(stage.collector.__dict__, process=None, log=stage.folder / "second.log")
    second.start(wait=False)
    assert second.wait(10) == 1
    assert log_lines(second, "another phusad")
