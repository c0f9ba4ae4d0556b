"""The line of a chaos run: its parts behind proxies, and how each trouble of the schedule is made
and mended.

All stations are processes of their own with their flash in a file. Simulated time runs SPEED times
as fast as the real one, so a report each ten minutes is one each second.
"""
import os
import random
import signal
import time
import types
from pathlib import Path

import phusarun
from chaoscheck import KIND, SECOND_NS, Rule
from chaosclock import Clockless
from chaosplan import DAY
from chaosproxy import PASS, HookProcess, Proxies, SmallDisk

SPEED = 600.0  # simulated seconds in a real one ...
SPEED_UPTO_S = 1800.0  # ... in a run of this length; a longer one is slower and so reports no more than that
EVERY_S = 600  # simulated seconds between the reports of a station: one a real second
SMALL_LOGS = 3  # so many stations report more often, into a log that holds 3 to 6 real seconds of it
SMALL_EVERY_S = 30
SMALL_LOG = "8K"
ASTRAY = 8  # so many stations have a wrong clock; those of the first two stay wrong, the others step and drift
BEHIND_S, Y2000 = 2.5 * 86400, 946_684_800  # where these two are
CLOCKLESS = 2  # and so many have none
STEPS_S = (1, 60, 3600, 86400, 3 * 86400)  # a step lies between two of these, ahead or back
DRIFT_MOST = 0.3  # of the time that passes
DRIFT_EVERY_S = 0.1  # real
FAR, LONG_AGO = "2100-01-01T00:00:00Z", "2001-01-01T00:00:00Z"
PARAMETERS = ("salinity", "temp", "turb")
RULES = (
    Rule("salt", "salinity", [("minor", 0.8, 0.7), ("moderate", 1.5, 1.3), ("severe", 3.0, 2.8)], max_gap_m=120),
    Rule("murk", "turb", [("minor", 42.0, 36.0)], max_gap_m=30),
    Rule("warm", "temp", [("severe", 29.3, 29.1)], max_gap_m=60, for_m=20),
)
SPOOL_MIB = 256  # limit, as the collector is told
DAMAGE_MOST = 4096  # bytes put behind the newest segment at once
UNDELIVERED = ("phusa_readings_pending", "phusa_pipeline_behind_records", "phusa_journal_unsynced_records",
               "phusa_notifications_waiting")  # metrics that are 0 when all was passed on
START_S = 5.0  # a start that failed so soon after the disk was full may have met it full
STOP_S = 60.0  # longest orderly stop of the collector or the broker on a busy machine


def speed_for(seconds):
    return SPEED * min(1.0, SPEED_UPTO_S / seconds)


def disk_megabytes(seconds):
    """Room for the journal of a whole run and half as much again."""
    return 128 + int(0.15 * min(seconds, SPEED_UPTO_S) + 0.02 * seconds)


def station_name(number):
    return f"chaos-{number + 1:03d}"


def append_damage(folder, chance):
    """Appends to the newest segment; how many bytes."""
    segments = sorted(folder.glob("*.seg"))
    if not segments:
        return 0
    with open(segments[-1], "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        length = chance.randrange(1, DAMAGE_MOST)
        file.seek(max(0, size - length))
        old = file.read()  # records of before, whole and torn, with the segment's own salt
        file.write(chance.choice((chance.randbytes(length), bytes(length), old)))
        return file.tell() - size


class Line:
    """Starts all parts, makes trouble, mends it, and counts what it did."""

    def __init__(self, folder, build, stations, seed, store, sampling_s, longest_s):
        """Stations measure for sampling_s; the run takes longest_s at most and must not reach the present."""
        self.folder, self.build, self.seed = Path(folder), build, seed
        self.names = [station_name(number) for number in range(stations)]
        self.small = set(self.names[-SMALL_LOGS:])
        self.astray = self.names[-SMALL_LOGS - ASTRAY:-SMALL_LOGS]
        self.clockless_names = [f"clockless-{number + 1}" for number in range(CLOCKLESS)]
        self.drifts = {}  # station: (rate, simulated begin)
        self.drift_due = 0.0
        self.killed = dict.fromkeys(("station", "collector", "broker", "store", "webhook"), 0)
        self.damaged = {"": 0, "spool": 0, "quarantine": 0}  # bytes, by folder of the journal
        self.starts_on_a_full_disk = 0
        self.fallen = []  # parts that ended although nobody asked them to
        self.disk_full, self.disk_freed = False, 0.0
        self.proxies = Proxies()
        self.disk = SmallDisk(self.folder / "disk", disk_megabytes(sampling_s))
        self._write_registry()
        now, speed = time.time(), speed_for(sampling_s)
        self.clock = phusarun.Clock(now - longest_s * speed, speed, now)
        self.until = self.clock.start + sampling_s * speed
        self.offset_file = self.folder / "offset"
        self.set_offset(0)
        for name in self.astray:
            self.set_offset(0, name)
        self.set_offset(-BEHIND_S, self.astray[0])
        self.set_offset(Y2000 - self.clock.start, self.astray[1])
        self.kind_of_store = store
        self.parts = []  # in the order of their start
        self.clockless = []

    def _write_registry(self):
        rows = [f'  {{ id = "{name}"; site = "chaos"; kind = "{KIND}"; every = "{self.every_s(name)}s"; '
                f'parameters = [{", ".join(f"{chr(34)}{p}{chr(34)}" for p in PARAMETERS)}]; }}'
                for name in self.names + self.clockless_names]
        (self.folder / "stations.cfg").write_text("stations : (\n" + ",\n".join(rows) + "\n);\n")
        (self.folder / "rules.cfg").write_text("rules : (\n" + ",\n".join(rule.text() for rule in RULES) + "\n);\n")

    def every_s(self, name):
        return SMALL_EVERY_S if name in self.small else EVERY_S

    def every_ns(self):
        return {name: self.every_s(name) * SECOND_NS for name in self.names + self.clockless_names}

    def _add(self, part):
        self.parts.append(part)
        part.start()
        return part

    def start(self):
        self.broker = self._add(phusarun.Broker(self.folder / "broker", self.names + self.clockless_names))
        self.store = self._add(phusarun.STORES[self.kind_of_store](self.folder / "store"))
        self.webhook = self._add(HookProcess(self.folder / "webhook"))
        self.links = {"store": self.proxies.proxy(self.store.port), "webhook": self.proxies.proxy(self.webhook.port),
                      "stations' link": self.proxies.proxy(self.broker.port),
                      "collector's link": self.proxies.proxy(self.broker.port)}
        self.collector = self._add(self._make_collector())
        self.stations = [self._add(self._make_station(name)) for name in self.names]
        self.clockless = [Clockless(name, EVERY_S, self.clock, self._broker_behind("stations' link"), self.seed).start()
                          for name in self.clockless_names]

    def _make_collector(self):
        parts = phusarun.Parts(stations=self.folder / "stations.cfg", rules=self.folder / "rules.cfg")
        store = types.SimpleNamespace(kind=self.store.kind, url=self.links["store"].url)
        clock = f"{self.clock},offset={self.offset_file}"
        return phusarun.Collector(self.folder / "collector", self.build, parts, self._broker_behind("collector's link"),
                                  store, self.links["webhook"], clock, extra=self._settings())

    def _make_station(self, name):
        """One whose clock goes astray reports as of now, whatever its clock says."""
        if name in self.astray:
            return phusarun.StationProcess(
                self.folder / "stations", self.build, self.collector.config, self._broker_behind("stations' link"),
                station=name, clock=f"{self.clock},offset={self._offset_file(name)}", seed=self.seed, until=FAR,
                exit_when_delivered=True)
        return phusarun.StationProcess(
            self.folder / "stations", self.build, self.collector.config, self._broker_behind("stations' link"),
            station=name, clock=self.clock, seed=self.seed, from_=f"{self.clock.start:.3f}",
            until=f"{self.until:.3f}", exit_when_delivered=True, log_size=SMALL_LOG if name in self.small else None)

    def _broker_behind(self, link):
        return types.SimpleNamespace(uri=f"tcp://127.0.0.1:{self.links[link].port}",
                                     password_file=self.broker.password_file)

    def _settings(self):
        return {"journal": {"path": self.journal, "segment": "4M", "reserve": "4M", "keep": "3650d",
                            "keep_bytes": "1T", "snapshot": "5s"},
                "store": {"timeout": "3s", "spool_bytes": f"{SPOOL_MIB}M"}}

    @property
    def journal(self):
        return self.disk.folder / "journal"

    # --- trouble and its end --------------------------------------------------------------------

    def begin(self, event):
        """Makes an event's trouble."""
        if event.track == "station":
            self._kill("station", self.stations[event.target])
        elif event.track == "station's clock":
            self._mislead(self._restless(event), event.action, random.Random(event.target))
        elif event.track == "clock":
            self.set_offset(86400 if event.action == DAY[0] else -86400)
        elif event.track == "disk":
            self._fill_disk()
        elif event.action.startswith("kill") or event.action == "stop":
            self._take_down(event)
        elif event.action == "reset":
            self.links[event.track].reset()
        else:
            self.links[event.track].set_mode(event.action)

    def mend(self, event):
        """Ends it."""
        if event.track == "station":
            self._up(self.stations[event.target])
        elif event.track == "station's clock":
            self._set_right(self._restless(event))
        elif event.track == "clock":
            self.set_offset(0)
        elif event.track == "disk":
            self._free_disk()
        elif event.action.startswith("kill") or event.action == "stop":
            self._up(getattr(self, event.track))
        elif event.action != "reset":
            self.links[event.track].set_mode(PASS)

    def heal(self):
        """Everything is as it should be, and runs."""
        self.set_offset(0)
        self._free_disk()
        for link in self.links.values():
            link.set_mode(PASS)
        for part in self.parts:
            self._up(part)
        for name in self.astray:
            self._end_sampling(name)

    def _end_sampling(self, name):
        """It goes on only to deliver what it holds."""
        station = self.stations[self.names.index(name)]
        station.kill()
        self._set_right(name)
        station.argv[station.argv.index(FAR)] = LONG_AGO
        station.start()

    def _offset_file(self, name):
        return self.folder / f"offset-{name}" if name else self.offset_file

    def set_offset(self, seconds, name=None):
        """Of a station's clock; without a name of the collector's."""
        file = self._offset_file(name)
        fresh = file.with_suffix(".new")
        fresh.write_text(f"{seconds}\n")
        fresh.rename(file)

    def _restless(self, event):
        return self.astray[2 + event.target % (ASTRAY - 2)]

    def _mislead(self, name, action, chance):
        if action == "drift":
            self.drifts[name] = (chance.uniform(-DRIFT_MOST, DRIFT_MOST), self.clock.now())
            return
        at = chance.randrange(len(STEPS_S) - 1)
        self.drifts.pop(name, None)
        self.set_offset(chance.choice((-1, 1)) * chance.uniform(STEPS_S[at], STEPS_S[at + 1]), name)

    def _set_right(self, name):
        self.drifts.pop(name, None)
        self.set_offset(0, name)

    def _drift(self):
        if time.monotonic() >= self.drift_due:
            self.drift_due = time.monotonic() + DRIFT_EVERY_S
            for name, (rate, begun) in self.drifts.items():
                self.set_offset(rate * (self.clock.now() - begun), name)

    def _fill_disk(self):
        if self.disk.mounted:
            self.disk_full = True
            self.disk.fill()

    def _free_disk(self):
        self.disk.empty()
        if self.disk_full:
            self.disk_full, self.disk_freed = False, time.monotonic()

    def _take_down(self, event):
        part = getattr(self, event.track)
        if event.action == "stop":
            part.asked_to_stop = True
            part.signal(signal.SIGTERM)
            return
        if event.action == "kill after 2xx":
            accepted = self.links["store"].accepted
            accepted.clear()
            accepted.wait(2.0)
        self._kill(event.track, part)
        if event.action == "kill, damage":
            self._damage(random.Random(event.target))

    def _kill(self, kind, part):
        """A station that has delivered all has ended by itself, and is no kill."""
        self.killed[kind] += part.running()
        part.kill()

    def _up(self, part):
        if part.running() and not part.asked_to_stop:
            return
        if part.running() and part.wait(STOP_S) is None:
            self.fallen.append(f"{part.name} did not stop in {STOP_S:g} s")
            part.kill()
        if part is self.collector and part.exit_code() not in (0, -signal.SIGKILL):
            self.fallen.append(f"phusad ended with {part.exit_code()}\n{part.tail()}")
        if isinstance(part, phusarun.StationProcess):
            if part.asked_to_stop:
                part.start()  # one that ended by itself has delivered all
        else:
            part.start(wait=False)

    def _damage(self, chance):
        """Puts bytes behind the newest segment, as a cut of the power may leave them: behind everything
        that was receipted. Spool and quarantine get theirs in turn."""
        if not self.disk_full:
            for below in ("", chance.choice(("spool", "quarantine"))):
                self.damaged[below] += append_damage(self.journal / below, chance)

    # --- watching ---------------------------------------------------------------------------------

    def look_after(self):
        """Notes parts that ended by themselves. A collector that cannot start on a full disk is started
        again, as systemd does."""
        self._drift()
        for station in self.clockless:
            station.step(time.monotonic(), self.until)
        for part in self.parts:
            if part.running() or part.asked_to_stop or part.process is None:
                continue
            code = part.exit_code()
            if isinstance(part, phusarun.StationProcess) and code in (0, 1):
                continue  # sampled and delivered; judged at the end
            if part is self.collector and (self.disk_full or time.monotonic() - self.disk_freed < START_S):
                self.starts_on_a_full_disk += 1
                part.start(wait=False)
                continue
            self.fallen.append(f"{part.name} ended by itself with {code}\n{part.tail()}")
            part.asked_to_stop = True

    def stations_running(self):
        return [station.name for station in self.stations if station.running()]

    def waits_for(self):
        """What is still to come, as words: receipts of stations, and what the collector has not passed on;
        empty when all is delivered."""
        running = self.stations_running()
        if running:
            return [f"receipts of {len(running)} stations"]
        held = sum(len(station.waiting) for station in self.clockless)
        if held or any(station.next <= self.until for station in self.clockless):
            return [f"receipts of {held} reports without a clock"]
        try:
            metrics, ledger = self.collector.metrics(), self.collector.ledger()
            ready = self.collector.ready()
        except (OSError, phusarun.RunError) as error:
            return [f"phusad: {error}"]
        numbers = {name: phusarun.sum_metric(metrics, name) for name in UNDELIVERED}
        # The numbers of single stations follow the totals by some seconds.
        numbers["readings pending in the ledger"] = sum(station["pending"] for station in ledger["stations"])
        return [] if ready and not any(numbers.values()) else \
            [f"{count:.0f} {name}" for name, count in numbers.items() if count] + ["/readyz"] * (not ready)

    def stop(self):
        """Ends what was started, in reverse order, the stations together."""
        for station in self.clockless:
            station.stop()
        for part in self.parts:
            if isinstance(part, phusarun.StationProcess):
                part.signal(signal.SIGTERM)
        for part in reversed(self.parts):
            part.stop()
        self.proxies.stop()

    def release_disk(self):
        self.disk.release()
