"""phusad is killed (SIGKILL) while an alarm is on its way to the operations centre: before the centre
answers, right after it has, and right after the reading came in. Every transition is told, and a kill
repeats at most one message. (tests/unit/outbox_kill_test.c does so at each step, with digests.)"""
import collections
import os
import signal
import threading
import time

from line import Stage, report, transitions_recorded, until

TRANSITIONS = 24
STEP_S = 900  # between two readings: less often than what counts as flapping


class Killer:
    """Kills the collector at a request: every other time before the answer, else behind it."""

    def __init__(self, stage):
        self.stage, self.kills, self.armed = stage, 0, threading.Event()
        self.take, stage.webhook._take = stage.webhook._take, self._take
        self.before = False

    def kill(self):
        os.kill(self.stage.collector.pid, signal.SIGKILL)
        self.stage.collector.process.wait()
        self.kills += 1

    def _take(self, request, raw):
        if not self.armed.is_set():
            return self.take(request, raw)
        self.armed.clear()
        if self.before:
            self.kill()
        try:
            self.take(request, raw)
        except OSError:  # nobody is there to hear the answer; what was posted is kept
            pass
        if not self.before:
            self.kill()
        self.before = not self.before
        return None


def test_killed_on_the_way(tmp_path):
    with Stage(tmp_path) as stage:
        collector = stage.line()
        client, killer = stage.client(), Killer(stage)
        until(lambda: collector.running() and collector.metrics(), "phusad")
        begin = int(time.time()) // STEP_S * STEP_S - TRANSITIONS * STEP_S
        for i in range(TRANSITIONS):
            before = killer.kills
            at_once = i % 3 == 2
            if not at_once:
                killer.armed.set()
            client.send(report(begin + i * STEP_S, 1.0 if i % 2 else 9.0))
            if at_once:
                killer.kill()
            until(lambda n=before: killer.kills > n, f"kill {i}")
            collector.start()
        until(lambda: len(told(stage)) >= TRANSITIONS, "all transitions at the operations centre")
        until(lambda: collector.metrics()["phusa_notifications_waiting"] == 0, "an empty outbox")
        recorded = transitions_recorded(stage.journal)
        times = told(stage)
        assert len(recorded) == TRANSITIONS
        assert len(times) == TRANSITIONS
        repeated = sum(times.values()) - TRANSITIONS
        print(f"figure: {killer.kills} kills, {TRANSITIONS} transitions: 0 lost, {repeated} messages repeated")
        assert repeated <= killer.kills


def told(stage):
    """How often each message came, by its key."""
    return collections.Counter(entry["body"]["key"] for entry in list(stage.webhook._received)
                               if entry["body"]["rule"] == "intrusion")
