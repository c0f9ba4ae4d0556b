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
from chaosplan import DAY
from chaosproxy import PASS, HookProcess, Proxies, SmallDisk

SPEED = 600.0  # simulated seconds in a real one ...
SPEED_UPTO_S = 1800.0  # ... in a run of this length; a longer one is slower and so reports no more than that
EVERY_S = 600  # simulated seconds between the reports of a station: one a real second
SMALL_LOGS = 3  # so many stations report more often, into a log that holds 3 to 6 real seconds of it
SMALL_EVERY_S = 30
SMALL_LOG = "8K"
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
        self.kind_of_store = store
        self.parts = []  # in the order of their start

    def _write_registry(self):
        rows = [f'  {{ id = "{name}"; site = "chaos"; kind = "{KIND}"; every = "{self.every_s(name)}s"; '
                f'parameters = [{", ".join(f"{chr(34)}{p}{chr(34)}" for p in PARAMETERS)}]; }}' for name in self.names]
        (self.folder / "stations.cfg").write_text("stations : (\n" + ",\n".join(rows) + "\n);\n")
        (self.folder / "rules.cfg").write_text("rules : (\n" + ",\n".join(rule.text() for rule in RULES) + "\n);\n")

    def every_s(self, name):
        return SMALL_EVERY_S if name in self.small else EVERY_S

    def every_ns(self):
        return {name: self.every_s(name) * SECOND_NS for name in self.names}

    def _add(self, part):
        self.parts.append(part)
        part.start()
        return part

    def start(self):
        self.broker = self._add(phusarun.Broker(self.folder / "broker", self.names))
        self.store = self._add(phusarun.STORES[self.kind_of_store](self.folder / "store"))
        self.webhook = self._add(HookProcess(self.folder / "webhook"))
        self.links = {"store": self.proxies.proxy(self.store.port), "webhook": self.proxies.proxy(self.webhook.port),
                      "stations' link": self.proxies.proxy(self.broker.port),
                      "collector's link": self.proxies.proxy(self.broker.port)}
        self.collector = self._add(self._make_collector())
        self.stations = [self._add(self._make_station(name)) for name in self.names]

    def _make_collector(self):
        parts = phusarun.Parts(stations=self.folder / "stations.cfg", rules=self.folder / "rules.cfg")
        store = types.SimpleNamespace(kind=self.store.kind, url=self.links["store"].url)
        clock = f"{self.clock},offset={self.offset_file}"
        return phusarun.Collector(self.folder / "collector", self.build, parts, self._broker_behind("collector's link"),
                                  store, self.links["webhook"], clock, extra=self._settings())

    def _make_station(self, name):
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

    def set_offset(self, seconds):
        fresh = self.offset_file.with_suffix(".new")
        fresh.write_text(f"{seconds}\n")
        fresh.rename(self.offset_file)

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
        for part in self.parts:
            if isinstance(part, phusarun.StationProcess):
                part.signal(signal.SIGTERM)
        for part in reversed(self.parts):
            part.stop()
        self.proxies.stop()

    def release_disk(self):
        self.disk.release()
