"""Clocks that cannot be believed, for tools/chaos: a station without one, and what a collector has to
make of reports whose stamps are wrong, written down once more.

Astray     dates the reports of one station in the order in which they came, as src/quality/station_clock.h
           says
Clockless  a station that never knows the time: it numbers its boots, says how long each has lasted, and
           keeps its reports until a receipt covers them
"""
import collections
import copy
import json
import random
import urllib.parse

import paho.mqtt.client

SECOND = 10**9
MILLI = 10**6
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
AHEAD, WRONG = 5 * MINUTE, DAY  # defaults of the settings `ahead` and `clock_wrong`
LEAST = 978_307_200 * SECOND  # 2001
HISTORY = 256  # readings remembered of a series
BOOTS = 4

Dated = collections.namedtuple("Dated", "stamp ns moved")


class Steady:
    """Reports that are all late by the same."""

    def __init__(self, received, late):
        self.begun = self.base = self.last = received
        self.base_late = self.late = late
        self.count, self.wrong = 1, False


class Astray:
    """The clock of one station as the collector sees it. take() returns the place of each stamp."""

    def __init__(self, every_ns):
        self.every_ns = every_ns
        self.synced = self.unset = False
        self.latest = self.back_since = self.put = 0
        self.boots = []  # [log, boot, begin, put], last heard of first
        self.steady = None
        self.kinds = collections.Counter()

    def status(self, message):
        if message.get("state") == "online":
            self.synced, self.unset = message.get("clock") == "synced", message.get("clock") == "unset"

    def _collector_is_right(self, received):
        if received + AHEAD >= self.latest:
            self.latest, self.back_since = max(self.latest, received), 0
            return True
        if self.back_since == 0 or received < self.back_since:
            self.back_since = received
        if received - self.back_since < DAY:
            return False
        self.latest, self.back_since = received, 0
        return True

    def _known_late(self, received, late):
        """What is known of it while nothing may be learnt."""
        before = copy.copy(self.steady)
        known = self._late(received, late)
        self.steady = before
        return known

    def _late(self, received, late):
        """By how much a clock that is behind has to be put forward; else 0."""
        if late <= WRONG or self.synced:
            self.steady = None
            return 0
        steady = self.steady
        if steady is None or received - steady.last > max(HOUR, 8 * self.every_ns):
            self.steady = Steady(received, late)
            return 0
        changed = late - steady.base_late
        if abs(changed) <= max(received - steady.base, 0) // 10 + AHEAD:
            steady.count += 1
            steady.last, steady.late = received, late
            steady.wrong |= steady.count >= 8 and received - steady.begun >= HOUR
            if received - steady.base > DAY:
                steady.base, steady.base_late = received, late
            return late if steady.wrong else 0
        if changed < 0:
            self.steady = Steady(received, late)
            return 0
        return steady.late if steady.wrong else 0

    @staticmethod
    def _after(put, moment):
        return put + MILLI if moment < put + MILLI <= moment + AHEAD else moment

    def take_boot(self, received, log, boot, up, relative):
        """Times of a report with boot and up (ns): the moment, and each relative time from there."""
        right = self._collector_is_right(received)
        bound = min([received] + [other[2] for other in self.boots if other[0] == log and other[1] > boot])
        known = next((entry for entry in self.boots if entry[:2] == [log, boot]), None)
        begin, put = bound - up, known[3] if known else 0
        moved = known is None or begin < known[2]
        if not moved:
            begin = known[2]
        moment = begin + up
        if moved:
            moment = put = self._after(put, moment)
        if right:
            self.boots = [[log, boot, begin, put]] + [entry for entry in self.boots if entry is not known]
            del self.boots[BOOTS:]
        self.kinds["dated" if known or bound < received else "arrival"] += 1
        return [Dated(None, moment + time, True) for time in relative]

    def take(self, received, stamps):
        """Where readings with these absolute stamps lie."""
        right = self._collector_is_right(received)
        newest = max(stamps)
        future, unset = newest > received + WRONG, newest < LEAST
        late = 0
        if right and (future or unset):
            self.steady = None
        elif right:
            late = self._late(received, received - newest)
        elif self.steady and self.steady.wrong:
            late = self._known_late(received, received - newest)
        if not (right and future) and not unset and late == 0:
            self.kinds["ahead" if newest > received + AHEAD else "good"] += 1
            return [Dated(stamp, stamp, False) for stamp in stamps]
        moment = self._after(self.put, received)
        self.put = moment if right else self.put
        self.kinds["unset" if unset else "future" if future else "behind"] += 1
        shift = moment - newest if future or unset else late + moment - received
        return [Dated(stamp, stamp + shift, True) for stamp in stamps]


class Seen:
    """Readings of one series of which the collector knows when they come again."""

    def __init__(self):
        self.last = collections.deque(maxlen=HISTORY)

    def note(self, ns, value):
        """'new', 'again' or 'conflict'."""
        before = next((entry[1] for entry in self.last if entry[0] == ns), None)
        if before is None:
            self.last.append((ns, value))
            return "new"
        return "again" if before == value else "conflict"


class Clockless:
    """A station without a clock. Its one reading says at which second of the run it was taken, in
    ten thousands, so that it can be told whether it was dated well."""

    SCALE = 10_000

    def __init__(self, name, every_s, clock, broker, seed):
        self.name, self.every_s, self.clock = name, every_s, clock
        self.chance = random.Random(f"{seed} {name}")
        self.log = f"{self.chance.randrange(1, 2**32):08x}"
        self.topic = f"phusa/1/chaos/{name}/"
        self.seq, self.boot, self.boots_end = 0, 0, 0.0
        self.waiting = {}  # seq: (payload, real time from which it may be sent)
        self.taken = {}  # seq: second of the run
        self.next = clock.start
        client = self.mqtt = paho.mqtt.client.Client(client_id=name, protocol=paho.mqtt.client.MQTTv311)
        client.username_pw_set(name, broker.password_file.read_text().strip())
        client.reconnect_delay_set(0.2, 1.0)
        client.max_inflight_messages_set(20)
        client.on_connect = self._joined
        client.on_message = self._receipt
        self.port = urllib.parse.urlparse(broker.uri).port

    def start(self):
        self.mqtt.connect_async("127.0.0.1", self.port)
        self.mqtt.loop_start()
        return self

    def stop(self):
        self.mqtt.loop_stop()

    def _joined(self, *_):
        self.mqtt.subscribe(self.topic + "ack", 1)
        status = {"state": "online", "log": self.log, "first": min(self.waiting, default=self.seq + 1),
                  "next": self.seq + 1, "clock": "unset", "days_held": 0, "boot": self.boot, "fw": "0", "hw": "chaos",
                  "reset": "power"}
        self.mqtt.publish(self.topic + "status", json.dumps(status), qos=1, retain=True)

    def _receipt(self, _, __, message):
        receipt = json.loads(message.payload)
        missing = {seq for first, last in receipt["missing"] for seq in range(first, last + 1)}
        if receipt["log"] == self.log:
            for seq in [seq for seq in list(self.waiting) if seq <= receipt["upto"] and seq not in missing]:
                self.waiting.pop(seq, None)

    def step(self, now_real, until):
        """Samples and sends what is due; until = the last moment to sample, simulated."""
        now = self.clock.now()
        while self.next <= min(now, until):
            self._sample(self.next)
            self.next += self.every_s
        if not self.mqtt.is_connected():
            return
        due = [seq for seq, entry in list(self.waiting.items()) if entry[1] <= now_real]
        for seq in sorted(due, reverse=True)[:20]:  # fresh ones first
            entry = self.waiting.get(seq)
            if entry:
                self.waiting[seq] = (entry[0], now_real + 3.0)
                self.mqtt.publish(self.topic + "obs", entry[0], qos=1)

    def _sample(self, at):
        if at >= self.boots_end:
            self.boot += 1
            self.booted = at - self.chance.uniform(1, 30)
            self.boots_end = at + self.chance.uniform(2, 60) * self.every_s
        self.seq += 1
        second = at - self.clock.start
        self.taken[self.seq] = second
        record = {"bn": self.name + ":", "log": self.log, "seq": self.seq, "boot": self.boot,
                  "up": round(at - self.booted, 3), "n": "salinity", "v": second / self.SCALE}
        self.waiting[self.seq] = (json.dumps([record]), 0.0)
