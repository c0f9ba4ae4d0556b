"""The parts of a running line: broker, store, webhook receiver, collector, stations.

tools/run puts them together for people, tests/system for the system tests. Every part is
a process or a thread of its own on loopback, keeps its files in the folder it is given,
and is ended by the process id it was started with. Standard library only.

Start parts from the main thread: the kernel ends a child with the thread that started it
(see die_with_parent), so that nothing is left behind when this program is killed.
"""
import ctypes
import http.client
import http.server
import json
import math
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config"
COLLECTOR_USER = "phusad"
READY_S = 30.0  # longest start of any part
STOP_S = 15.0  # longest orderly stop; then it is killed

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class RunError(Exception):
    """Something could not be started or ended by itself; the text is for people."""


def die_with_parent():
    """In a child: be killed when the parent dies, however it dies."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    """A loopback port nobody listens on, outside the range of outgoing connections."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RunError("no free port between 20000 and 32000 on 127.0.0.1")


def find_program(name, hint):
    """The path of a system program, also where only root's PATH leads."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        raise RunError(f"the program {name} is missing: {hint} (tools/setup installs it)")
    return path


def wait_for(condition, timeout, what, every=0.02):
    """Waits until condition() is true and returns its value; RunError after timeout seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise RunError(f"gave up after {timeout:g} s: {what}")
        time.sleep(every)


def http_get(port, path, timeout=10.0):
    """(code, body) of a GET on loopback; raises OSError when nobody answers."""
    return http_request(port, "GET", path, None, timeout)


def http_request(port, method, path, body=None, timeout=10.0):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


class Part:
    """One child process with its log file."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / f"{name}.log"
        self.process = None
        self.asked_to_stop = False

    def launch(self, argv, env=None):
        self.asked_to_stop = False
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(env or {})}, cwd=self.folder, start_new_session=True,
                preexec_fn=die_with_parent)

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def exit_code(self):
        return None if self.process is None else self.process.poll()

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def stop(self, timeout=STOP_S):
        """SIGTERM, and SIGKILL when that takes longer than timeout. Returns the exit code."""
        self.asked_to_stop = True
        if self.process is None:
            return None
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self):
        """SIGKILL, no farewell."""
        self.asked_to_stop = True
        if self.process is None:
            return None
        self.signal(signal.SIGKILL)
        return self.process.wait()

    def wait(self, timeout=None):
        """Waits for the end by itself; the exit code, None when it still runs."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def wait_until(self, condition, what, timeout=READY_S):
        """Like wait_for, but gives up at once when the process ends."""

        def check():
            if not self.running():
                raise RunError(f"{self.name} ended with {self.exit_code()} {what}\n{self.tail()}")
            return condition()

        return wait_for(check, timeout, f"{self.name} {what}; see {self.log}")

    def tail(self, lines=20):
        """The last lines of its log."""
        if not self.log.exists():
            return ""
        with open(self.log, "rb") as log:
            log.seek(max(0, self.log.stat().st_size - 16384))
            text = log.read().decode("utf-8", "replace")
        return "\n".join("  | " + line for line in text.splitlines()[-lines:])


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Broker(Part):
    """A private mosquitto made of config/mosquitto. After stop() or kill(), start() brings it up
    again on the same port with the same data."""

    def __init__(self, folder, stations, port=None, password=None):
        super().__init__("mosquitto", folder)
        self.port = port or free_port()
        self.password = password or secrets.token_hex(16)
        self.password_file = self.folder / "password"
        self._configure(stations)

    @property
    def uri(self):
        return f"tcp://127.0.0.1:{self.port}"

    def _configure(self, stations):
        write_private(self.password_file, self.password + "\n")
        users = [COLLECTOR_USER, *stations]
        write_private(self.folder / "passwords", "".join(f"{u}:{self.password}\n" for u in users))
        hasher = find_program("mosquitto_passwd", "the broker's package brings it")
        subprocess.run([hasher, "-U", self.folder / "passwords"], check=True, capture_output=True)
        write_private(self.folder / "acl", (CONFIG / "mosquitto" / "acl").read_text())
        text = (CONFIG / "mosquitto" / "mosquitto.conf").read_text()
        text = text.replace("@PORT@", str(self.port)).replace("@DIR@", str(self.folder))
        if os.geteuid() == 0:
            text += "\n# Started by root for root: the folder belongs to nobody else.\nuser root\n"
        (self.folder / "mosquitto.conf").write_text(text)

    def start(self, wait=True):
        program = find_program("mosquitto", "the MQTT broker")
        self.launch([program, "-c", self.folder / "mosquitto.conf"])
        if wait:
            self.wait_until(lambda: listens(self.port), "while it started")
        return self

    def restart(self):
        self.stop()
        return self.start()


def write_private(path, text):
    """A file that only its owner reads."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


class DuplicatePoint(RunError):
    """A store returned two values for one series and time."""


class Store(Part):
    """What the two kinds of store have in common: start, stop, kill, export."""

    kind = ""  # as in phusa.cfg

    def __init__(self, name, folder, port=None):
        super().__init__(name, folder)
        self.port = port or free_port()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def answers(self):
        try:
            return self.ping()
        except OSError:
            return False

    def export(self):
        """All points but those of windows and indices: {(measurement_field, station, nanoseconds): value}."""
        points = {}
        for key, value in self.points():
            if key in points:
                raise DuplicatePoint(f"{self.name} holds two values for {key}: {points[key]}, {value}")
            points[key] = value
        return points


class VictoriaStore(Store):
    kind = "victoria"

    def __init__(self, folder, port=None):
        super().__init__("victoria-metrics", folder, port)

    def start(self, wait=True):
        program = find_program("victoria-metrics", "the time-series store")
        self.launch([program, f"-storageDataPath={self.folder / 'data'}",
                     f"-httpListenAddr=127.0.0.1:{self.port}",
                     "-dedup.minScrapeInterval=1ms",  # a line sent twice is one point
                     "-retentionPeriod=100y",  # recordings of long ago are not thrown away
                     "-search.latencyOffset=0s",  # what is stored can be asked for at once
                     "-memory.allowedBytes=512MiB", "-loggerFormat=default"])
        if wait:
            self.wait_until(self.answers, "while it started")
        return self

    def ping(self):
        return http_get(self.port, "/health")[0] == 200

    def points(self):
        http_get(self.port, "/internal/force_flush", 60.0)
        query = urllib.parse.urlencode({"match[]": '{__name__!="",station!=""}',
                                        "start": "1970-01-02T00:00:00Z",
                                        "end": "2200-01-01T00:00:00Z"})  # also what lies ahead of now
        code, body = http_get(self.port, "/api/v1/export?" + query, 300.0)
        if code != 200:
            raise RunError(f"VictoriaMetrics answered {code}: {body[:200]!r}")
        for line in body.splitlines():
            series = json.loads(line)
            if "window" in series["metric"]:
                continue
            name, station = series["metric"]["__name__"], series["metric"]["station"]
            for value, milliseconds in zip(series["values"], series["timestamps"]):
                yield (name, station, milliseconds * 1_000_000), value


INFLUX_CONF = """reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  max-series-per-database = 0
  max-values-per-tag = 0
  cache-max-memory-size = "512m"
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
[monitor]
  store-enabled = false
[ifql]
  enabled = false
"""


class InfluxStore(Store):
    kind = "influxdb1"
    database = "phusa"

    def __init__(self, folder, port=None):
        super().__init__("influxd", folder, port)
        (self.folder / "influxdb.conf").write_text(
            INFLUX_CONF.format(rpc=free_port(), port=self.port, folder=self.folder))

    def start(self, wait=True):
        """The first start has to wait: it makes the database."""
        program = find_program("influxd", "the time-series store InfluxDB 1.x")
        self.launch([program, "run", "-config", self.folder / "influxdb.conf"])
        if wait:
            self.wait_until(self.answers, "while it started")
            self.query(f"CREATE DATABASE {self.database}", method="POST")
        return self

    def ping(self):
        return http_get(self.port, "/ping")[0] == 204

    def query(self, text, method="GET"):
        path = "/query?" + urllib.parse.urlencode({"db": self.database, "epoch": "ns", "q": text})
        code, body = http_request(self.port, method, path, timeout=300.0)
        if code != 200:
            raise RunError(f"influxd answered {code}: {body[:200]!r}")
        result = json.loads(body)["results"][0]
        if "error" in result:
            raise RunError(f"influxd: {result['error']}")
        return result.get("series", [])

    def points(self):
        for series in self.query("SELECT * FROM /.*/ GROUP BY *"):
            if series["tags"].get("window"):
                continue
            station = series["tags"]["station"]
            fields = [f"{series['name']}_{column}" for column in series["columns"]]
            for row in series["values"]:
                for field, value in zip(fields[1:], row[1:]):
                    if value is not None:
                        yield (field, station, row[0]), value


STORES = {"victoria": VictoriaStore, "influxdb": InfluxStore}


class WebhookReceiver:
    """Stands in for an operations centre: takes what is posted, answers `code`, keeps all."""

    def __init__(self, on_alarm=None):
        self.code = 200  # what it answers; a test may change it at any time
        self.port = None
        self._on_alarm = on_alarm
        self._lock = threading.Lock()
        self._received = []

    def start(self, port=0):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                receiver._take(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _take(self, request, raw):
        code = self.code
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        entry = {"path": request.path, "headers": dict(request.headers), "raw": raw, "body": body,
                 "code": code, "mono": time.monotonic(), "time": time.time()}
        with self._lock:
            self._received.append(entry)
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()
        if self._on_alarm and body is not None and code < 300:
            self._on_alarm(body)

    def received(self):
        """All requests so far, as dicts: path, headers, raw, body (JSON or None), code, mono, time."""
        with self._lock:
            return list(self._received)

    def alarms(self):
        """The JSON bodies that were taken with a 2xx."""
        return [e["body"] for e in self.received() if e["body"] is not None and e["code"] < 300]

    def wait_alarms(self, count, timeout=READY_S):
        wait_for(lambda: len(self.alarms()) >= count, timeout, f"{count} alarms, have {len(self.alarms())}")
        return self.alarms()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Clock:
    """The clock of a run, as base/clock.h defines it: from start, speed times as fast as the
    real one since origin, until it has caught up; real from then on."""

    def __init__(self, start=None, speed=1.0, origin=None):
        self.origin = time.time() if origin is None else origin
        self.start = self.origin if start is None else start
        self.speed = speed

    @classmethod
    def parse(cls, text):
        values = dict(part.split("=", 1) for part in text.strip().split(","))
        return cls(float(values["start"]), float(values["speed"]), float(values["origin"]))

    def __str__(self):
        return f"start={self.start:.3f},speed={self.speed:g},origin={self.origin:.3f}"

    def now(self):
        real = time.time()
        simulated = self.start + max(0.0, real - self.origin) * self.speed
        return min(simulated, real) if self.speed > 1 else simulated

    def caught_up(self):
        return self.now() >= time.time() - 0.001


def strip_comments(text):
    """libconfig's comments out, strings left alone."""
    pattern = r'("(?:\\.|[^"\\])*")|/\*.*?\*/|//[^\n]*|#[^\n]*'
    return re.sub(pattern, lambda match: match.group(1) or " ", text, flags=re.S)


def channel_ids(text):
    """Ids of the groups in the list `channels`; groups within these, such as boards, have others."""
    begin = re.search(r"\bchannels\s*[:=]\s*\(", text)
    ids, depth = [], 1
    for found in re.finditer(r'\bid\s*[:=]\s*"([^"]+)"|"(?:\\.|[^"\\])*"|[({]|[)}]', text[begin.end():] if begin else ")"):
        if found.group(1) and depth == 2:
            ids.append(found.group(1))
        depth += (found.group(0) in "({") - (found.group(0) in ")}")
        if depth == 0:
            break
    return ids


def config_files(path):
    """The files of a setting that names a file or a folder of files."""
    path = Path(path)
    return sorted(path.glob("*.cfg")) if path.is_dir() else [path]


class Parts:
    """What a run takes from an existing phusa.cfg: catalogue, stations, rules and the names of
    its channels. Each may be given anew."""

    def __init__(self, file=None, parameters=None, stations=None, rules=None):
        self.file = Path(file or CONFIG / "phusa.cfg").resolve()
        text = strip_comments(self.file.read_text())
        self.parameters = self._path(text, "parameters", parameters)
        self.stations = self._path(text, "stations", stations)
        self.rules = self._path(text, "rules", rules)
        found = re.search(r'\bquality\s*[:=]\s*"([^"]*)"', text)  # for who asks: tests flag by range alone
        self.quality = (self.file.parent / found.group(1)).resolve() if found else None
        found = re.search(r'\bmessages\s*[:=]\s*"([^"]+)"', text)  # other rules have texts of their own
        self.messages = (self.file.parent / found.group(1)).resolve() if found and rules is None else None
        self.channels = channel_ids(text)

    def _path(self, text, key, given):
        if given is not None:
            return Path(given).resolve()
        found = re.search(rf'\b{key}\s*[:=]\s*"([^"]*)"', text)
        if not found:
            raise RunError(f'{self.file}: no {key} = "..." in it')
        return (self.file.parent / found.group(1)).resolve()

    def station_ids(self):
        ids = []
        for file in config_files(self.stations):
            ids += re.findall(r'\bid\s*[:=]\s*"([^"]+)"', strip_comments(file.read_text()))
        return ids


def quoted(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def settings_text(value):
    """A Python value as libconfig writes it: dict = group, list = list, the rest scalars."""
    if isinstance(value, dict):
        return "{ " + " ".join(f"{k} = {settings_text(v)};" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "( " + ", ".join(settings_text(v) for v in value) + " )"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else quoted(value)


class Collector(Part):
    """phusad with a configuration made for it.

    extra: further settings by group, e.g. {"store": {"batch_lines": 10}, "ahead": "1h"}; a
    value in it replaces the generated one.
    """

    def __init__(self, folder, build, parts, broker, store, webhook=None, clock=None, port=None,
                 extra=None):
        super().__init__("phusad", folder)
        self.program = Path(build).resolve() / "phusad"
        self.port = port or free_port()
        self.clock = clock
        self.config = self.folder / "phusa.cfg"
        self.write_config(parts, broker, store, webhook, extra or {})

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def write_config(self, parts, broker, store, webhook, extra):
        phusa = {
            "parameters": parts.parameters, "stations": parts.stations, "rules": parts.rules,
            "utc_offset": "+07:00",
            "broker": {"uri": broker.uri, "client_id": "phusa", "user": COLLECTOR_USER,
                       "password_file": broker.password_file},
            "journal": {"path": self.folder / "journal"},
            "store": {"kind": store.kind, "url": store.url},
            "http": {"listen": f"127.0.0.1:{self.port}"},
            "channels": [{"id": name, "kind": "webhook", "url": f"{webhook.url}/{name}"}
                         for name in parts.channels] if webhook else [],
        }
        if parts.messages:
            phusa["messages"] = parts.messages
        for key, value in extra.items():
            phusa[key] = {**phusa.get(key, {}), **value} if isinstance(value, dict) else value
        lines = [f"  {key} = {settings_text(value)};" for key, value in phusa.items()]
        self.config.write_text("phusa : {\n" + "\n".join(lines) + "\n};\n")

    def environment(self):
        return {"PHUSA_CLOCK": str(self.clock)} if self.clock else {}

    def start(self, wait=True):
        self.launch([self.program, "-c", self.config], self.environment())
        if wait:
            self.wait_ready()
        return self

    def ready(self):
        try:
            return http_get(self.port, "/readyz", 2.0)[0] == 200
        except OSError:
            return False

    def wait_ready(self, timeout=READY_S):
        self.wait_until(self.ready, "before it was ready", timeout)

    def restart(self):
        self.stop()
        return self.start()

    def sighup(self):
        self.signal(signal.SIGHUP)

    def get(self, path, timeout=10.0):
        """(code, text) of a page."""
        code, body = http_get(self.port, path, timeout)
        return code, body.decode("utf-8", "replace")

    def status(self):
        """/api/v1/status as Python values."""
        return json.loads(self.get("/api/v1/status")[1])

    def ledger(self):
        """/api/v1/ledger as Python values."""
        return json.loads(self.get("/api/v1/ledger")[1])

    def metrics(self):
        """/metrics as {name{labels}: value}, the label part as printed."""
        code, text = self.get("/metrics")
        if code != 200:
            raise RunError(f"/metrics answered {code}")
        return parse_metrics(text)

    def metric(self, name):
        """The sum of a metric over its labels; 0 when there is none."""
        return sum_metric(self.metrics(), name)

    def drained(self):
        """True when everything that was received is in the store for good or set aside."""
        metrics = self.metrics()
        names = ("phusa_readings_pending", "phusa_pipeline_behind_records",
                 "phusa_journal_unsynced_records", "phusa_notifications_waiting")
        return all(sum_metric(metrics, name) == 0 for name in names)

    def wait_drained(self, timeout=60.0):
        self.wait_until(self.drained, "before all was stored", timeout)


def parse_metrics(text):
    """Prometheus text format to {name{labels}: value}."""
    values = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            values[name] = float(value)
    return values


def sum_metric(metrics, name):
    return math.fsum(v for k, v in metrics.items() if k == name or k.startswith(name + "{"))


class StationProcess(Part):
    """phusa-station for one station of the registry, or for all (station=None).

    options are handed on: every="15m", csv=path, map=["temp=temp"], source="replay", until=...;
    a list repeats the option, True is an option without a value.
    """

    def __init__(self, folder, build, config, broker, station=None, clock=None, **options):
        super().__init__("phusa-station" if station is None else f"phusa-station-{station}", folder)
        self.program = Path(build).resolve() / "phusa-station"
        self.clock = clock
        self.argv = ["-c", config, "--broker", broker.uri, "--password-file", broker.password_file,
                     "--data", self.folder / "stations"]
        self.argv += ["--all"] if station is None else ["--station", station]
        for key, value in options.items():
            for item in value if isinstance(value, list) else [value]:
                if item is not None and item is not False:
                    self.argv.append("--" + key.rstrip("_").replace("_", "-"))
                    self.argv += [] if item is True else [str(item)]

    def start(self):
        environment = {"PHUSA_CLOCK": str(self.clock)} if self.clock else {}
        self.launch([self.program, *self.argv], environment)
        return self


class SensorSim(Part):
    """tools/sensorsim, a unix socket ("unix") or pseudo terminal ("pty") for each bus of a device map:
    what a station's --devices and --bus want. options are handed on like StationProcess's:
    csv=path, column=[...], fault=[...], count=True."""

    def __init__(self, folder, device_map, buses=("unix",), clock=None, **options):
        super().__init__("sensorsim", folder)
        self.map = Path(device_map)
        self.clock = clock
        paths = [self.folder / f"bus{number}" for number in range(len(buses))]
        # What a station's option --bus takes, one a bus.
        self.buses = [f"unix:{path}" if kind == "unix" else str(path) for kind, path in zip(buses, paths)]
        self.argv = ["--map", self.map]
        for kind, path in zip(buses, paths):
            self.argv += ["--bus", f"{kind}:{path}"]
        for key, value in options.items():
            for item in value if isinstance(value, list) else [value]:
                self.argv.append(f"--{key.replace('_', '-')}" + ("" if item is True else f"={item}"))

    def start(self):
        environment = {"PHUSA_CLOCK": str(self.clock)} if self.clock else {}
        self.launch([ROOT / "tools" / "sensorsim", *self.argv], environment)
        self.wait_until(lambda: "ready" in self.tail(), "before it was ready")
        return self

    def totals(self):
        """After stop(): {device: {"requests", "answers", "faults": {kind: number}}}."""
        return json.loads(self.tail(1).strip(" |"))
