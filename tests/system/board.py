"""What the tests of the firmware have in common: the board that QEMU emulates, a time server, a
broker with TLS, certificates. The board reaches the loopback of this machine as 10.0.2.2."""
import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

import phusarun
import pytest
from line import BUILD, ROOT
from station_test import receipt

HOST = "10.0.2.2"  # this machine, as the board sees it
NAME = "broker.test"  # of the broker, in its certificate
PAGE_BYTES, BLOCK = 8192, 4096
KEEP_FIRST, LOG_FIRST = 2, 8  # blocks; firmware/port/mps2/flash.h
PSRAM, LOG_END = 0x21000000, 16 << 20  # where the flash lies, and how much it is
BLANKS = 8  # so many blank blocks are the end of what is used
STORE_S = 30.0  # longest wait for a store
NTP_EPOCH = 2208988800  # seconds from 1900 to 1970
QEMU = "qemu-system-arm"
STATION, SITE = "apacp", "apalachicola"
CHANNELS = ["temp", "salinity"]
RAM = 0x20000000  # where the stack lies, below everything else: firmware/port/mps2/link.ld
PAINT = b"\x5a"  # of stack that was never used: firmware/port/mps2/start.c
LIGHTS = 0x4002F004  # the register of the lights: firmware/port/mps2/registers.h
LIGHT_LINK, LIGHT_TROUBLE = 1, 2  # firmware/port/mps2/board.h
HEAP_END_BYTES = 24  # of lwIP's heap: its last mark, and what it may lose to alignment
MEMORY_LEAST = {"stack": 768, "lwIP": 256, "TLS": 2048}  # bytes that must be left


def simulated(channel, second):
    """What a board without sensors measures (firmware/port/mps2/sensors.c)."""
    return ((second * 2654435761 + channel * 2246822519) % 2**32 >> 16) % 10000 / 100


def options(broker, clock, speed=1, every="1s", channels=CHANNELS):
    """Of tools/provision, for a board that knows broker and time."""
    return ["--site", SITE, "--every", every, "--password-file", broker.password_file, "--time",
            f"{HOST}:{clock.port}", "--speed", speed, *[w for name in channels for w in ("--channel", name)]]


def image(kind):
    """The firmware's image; without it, or without QEMU, the test is skipped."""
    if shutil.which(QEMU) is None:
        pytest.skip(f"{QEMU} is not installed (tools/setup installs it)")
    folders = [Path(os.environ["PHUSA_FIRMWARE"])] if "PHUSA_FIRMWARE" in os.environ else [BUILD, BUILD.parent]
    for folder in folders:
        path = folder.resolve() / "firmware" / f"station-{kind}.elf"
        if path.exists():
            return path
    return pytest.skip("the firmware is not built (make firmware)")


def symbols(path, name):
    """[(address, bytes)] of the objects of that name in an ELF file of 32 bits; a compiler may add .suffixes."""
    data = path.read_bytes()
    table, = struct.unpack_from("<I", data, 32)
    size, count = struct.unpack_from("<HH", data, 46)
    sections = [struct.unpack_from("<10I", data, table + i * size) for i in range(count)]
    _, _, _, _, start, length, link, *_ = next(section for section in sections if section[1] == 2)  # symbols
    texts = sections[link][4]
    found = []
    for at in range(start, start + length, 16):
        text, address, extent = struct.unpack_from("<III", data, at)
        end = data.index(b"\0", texts + text)
        if extent > 0 and data[texts + text:end].decode().split(".")[0] == name:
            found.append((address, extent))
    return found


class TimeServer(threading.Thread):
    """Answers SNTP (RFC 4330) on loopback with what clock() says, in seconds since 1970."""

    def __init__(self, clock):
        super().__init__(daemon=True)
        self.clock = clock
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.stopping = False
        self.answered = 0

    def run(self):
        while True:
            question, peer = self.socket.recvfrom(512)
            if self.stopping:
                return
            if len(question) < 48:
                continue
            now = self.clock() + NTP_EPOCH
            stamp = struct.pack(">II", int(now) & 0xFFFFFFFF, int(now % 1 * 2**32))
            # server of version 4, stratum 1; the question's time of sending comes back as the origin
            answer = struct.pack(">BBBb", 0x24, 1, 6, -20) + bytes(12) + stamp + question[40:48] + stamp + stamp
            self.socket.sendto(answer, peer)
            self.answered += 1

    def stop(self):
        self.stopping = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        self.join()
        self.socket.close()


class Board(phusarun.Part):
    """A board with its flash; it is started and killed as often as one likes."""

    def __init__(self, folder, kind="plain", bus=None, classifier=None):
        """bus: where sensors listen for UART 1, as unix:PATH; classifier: where a trap's listens for UART 2."""
        super().__init__("board", folder)
        self.bus, self.classifier = bus, classifier
        self.keyboard = None  # kept open and read: what the board says would stop otherwise
        self.screen = b""
        self.console = self.folder / "console.log"
        self.console_socket = self.folder / "console"
        self.monitor = self.folder / "monitor"
        self.debugger = self.folder / "debugger"
        self.image = image(kind)
        self.flash = self.folder / "flash.bin"

    def provision(self, station, broker, *words):
        """broker is HOST:PORT; words are further options of tools/provision."""
        subprocess.run([ROOT / "tools" / "provision", "--image", self.flash, "--station", station, "--broker", broker,
                        "--broker-address", HOST, "--user", station, *map(str, words)], check=True, timeout=30)

    def provision_from(self, file, *words):
        """file is what `phusa station new` has made."""
        subprocess.run([ROOT / "tools" / "provision", "--image", self.flash, "--from", file, "--broker-address", HOST,
                        *map(str, words)], check=True, timeout=30)

    def start(self, *words):
        memory = f"memory-backend-file,id=flash,size=16M,mem-path={self.flash},share=on"
        self.launch([QEMU, "-M", "mps2-an385,memory-backend=flash", "-object", memory, "-kernel", self.image,
                     "-qmp", f"unix:{self.monitor},server=on,wait=off", "-monitor", "none", "-display", "none",
                     "-nic", "user,model=lan9118,ipv6=off",
                     "-chardev", f"socket,id=console,path={self.console_socket},server=on,wait=off,"
                     f"logfile={self.console},logappend=on", "-serial", "chardev:console",
                     "-chardev", f"socket,id=debugger,path={self.debugger},server=on,wait=off", "-gdb", "chardev:debugger",
                     "-serial", self.bus or "null", "-serial", self.classifier or "null", *words])
        return self

    def says(self):
        """The console so far, of all starts."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def type(self, line):
        """As a technician would at the console."""
        if self.keyboard is None:
            self.keyboard = socket.socket(socket.AF_UNIX)
            self.keyboard.connect(str(self.console_socket))
            threading.Thread(target=self._read, args=[self.keyboard], daemon=True).start()
        self.keyboard.sendall(line.encode() + b"\r")

    def _read(self, keyboard):
        with contextlib.suppress(OSError):
            for data in iter(lambda: keyboard.recv(4096), b""):
                self.screen += data

    def shows(self):
        """What the technician has seen since the first line typed."""
        return self.screen.decode("utf-8", "replace")

    def stop(self, timeout=phusarun.STOP_S):
        return self._hang_up(super().stop(timeout))

    def kill(self):
        return self._hang_up(super().kill())

    def _hang_up(self, code):
        """The board's end has ended the reader."""
        if self.keyboard is not None:
            self.keyboard.close()
            self.keyboard = None
        return code

    def wait_for(self, text, count=1, timeout=phusarun.READY_S):
        self.wait_until(lambda: self.says().count(text) >= count, f"before it said {text!r}", timeout)

    def memory(self, address, length):
        """Bytes of the board's memory as they are now."""
        copy = self.folder / "memory.bin"
        copy.unlink(missing_ok=True)
        save = {"execute": "pmemsave", "arguments": {"val": address, "size": length, "filename": str(copy)}}
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(phusarun.READY_S)
            link.connect(str(self.monitor))
            with link.makefile("rw") as talk:
                talk.write('{"execute": "qmp_capabilities"}\n' + json.dumps(save) + "\n")
                talk.flush()
                answers = (line for line in map(json.loads, talk) if "return" in line or "error" in line)
                assert "return" in next(answers) and "return" in next(answers)
        return copy.read_bytes()

    def lights(self):
        """Those that are on."""
        return struct.unpack("<I", self.memory(LIGHTS, 4))[0]

    def never_used(self):
        """{memory: bytes} that nothing has touched since the start, of the stack and of each heap that the image has.
        A heap's is the most that it may be: what was taken and never written looks the same."""
        stack_end = struct.unpack("<I", self.memory(0, 4))[0]
        stack = self.memory(RAM, stack_end - RAM)
        found = {"stack": len(stack) - len(stack.lstrip(PAINT))}
        for name, symbol in (("lwIP", "ram_heap"), ("TLS", "tls_memory")):
            for address, length in symbols(self.image, symbol):
                heap = self.memory(address, length)[:-HEAP_END_BYTES]
                found[name] = len(heap) - len(heap.rstrip(b"\0"))
        return found

    def hold_memory(self):
        """After its work: as much was never used as must be left; says how much it was."""
        left = self.never_used()
        print(", ".join(f"{name}: {count} bytes never used" for name, count in left.items()))
        for name, least in MEMORY_LEAST.items():
            assert left.get(name, least) >= least, left

    def cut_at_store(self, place, count):
        """Kills it right behind an instruction: the one that stores something into a place, (address, bytes), for the
        count-th time from now on."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(STORE_S)
            link.connect(str(self.debugger))
            with link.makefile("rwb", buffering=0) as talk:
                hear_debugger(talk)  # it stands still from here on, unless it is told to go on
                for order in count * [b"Z2,%x,%x" % place, b"c", b"z2,%x,%x" % place, b"s"]:  # stops before the store
                    talk.write(b"$%s#%02x" % (order, sum(order) % 256))
                    answer = hear_debugger(talk)
                    assert answer == b"OK" or answer.startswith(b"T05"), answer
                self.kill()

    def log_area(self, path, first=0):
        """Copies the log's area out of the flash, from block first as far as it is used: a file like that of a station
        on a computer. Returns the number of the last block in use, or first."""
        used = bytearray()
        with open(self.flash, "rb") as flash:
            flash.seek((LOG_FIRST + first) * BLOCK)
            while any(used[-BLANKS * BLOCK:]) or len(used) < BLANKS * BLOCK:
                used += flash.read(BLOCK)
        Path(path).write_bytes(used)
        return first + max(-(-len(used.rstrip(b"\0")) // BLOCK) - 1, 0)


def hear_debugger(talk):
    """What QEMU's debugger says next. A packet is $ text # sum of its bytes, two digits; each is confirmed by a +."""
    text = b""
    while not text.endswith(b"#"):
        byte = talk.read(1)
        assert byte, "QEMU has gone"
        text = text + byte if text or byte == b"$" else b""
    talk.read(2)
    talk.write(b"+")
    return text[1:-1]


class Receiver:
    """What a collector does for the board: takes reports and gives receipts; the same number must always stand for the same values."""

    def __init__(self, client):
        self.client, self.taken, self.reports, self.times = client, 0, {}, {}
        client.listen(f"phusa/1/{SITE}/{STATION}/obs")

    def work(self):
        before = self.taken
        while self.taken < len(self.client.heard):
            topic, payload, _ = self.client.heard[self.taken]
            self.taken += 1
            if not topic.endswith("/obs"):
                continue
            pack = json.loads(payload)
            report = (pack[0]["log"], {record["n"]: record["v"] for record in pack})
            assert self.reports.setdefault(pack[0]["seq"], report) == report
            if "bt" in pack[0]:  # else the clock was unset
                self.times[pack[0]["seq"]] = pack[0]["bt"]
        if self.taken > before and self.reports:
            upto, missing = receipt(self.reports)
            log = self.reports[upto][0]
            self.client.send({"log": log, "upto": upto, "missing": missing}, f"phusa/1/{SITE}/{STATION}/ack",
                             retain=True, wait=False)


# --- certificates --------------------------------------------------------------------------


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


CA_CONFIG = """[ca]
default_ca = here
[here]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
unique_subject = no
policy = names
[names]
commonName = supplied
"""
SINCE = "20100101000000Z"  # before all recordings


def sign(folder, name, extensions, signer, until):
    """Makes NAME.pem out of NAME.csr, valid from SINCE."""
    (folder / "ca.cnf").write_text(CA_CONFIG)
    (folder / "index.txt").touch()
    (folder / f"{name}.ext").write_text(extensions)
    openssl(folder, "ca", "-batch", "-notext", "-config", "ca.cnf", "-in", f"{name}.csr", "-out", f"{name}.pem",
            "-keyfile", f"{signer}.key", "-startdate", SINCE, "-enddate", until, "-extfile", f"{name}.ext",
            *(["-selfsign"] if signer == name else ["-cert", f"{signer}.pem"]))


def request(folder, name, subject):
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={subject}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr")


def authority(folder, name):
    """Makes NAME.pem and NAME.key of an authority of its own."""
    request(folder, name, name)
    sign(folder, name, "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n", name,
         "20491231235959Z")


def certificate(folder, name, signer, host, until="20491231235959Z"):
    """Makes NAME.pem and NAME.key of a server called host."""
    request(folder, name, host)
    sign(folder, name, f"subjectAltName=DNS:{host}\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\n"
         "basicConstraints=critical,CA:FALSE\n", signer, until)


def trusted(folder):
    """Makes an authority and a certificate of its, "good", for our broker. Returns the authority's certificate."""
    authority(folder, "ours")
    certificate(folder, "good", "ours", NAME)
    return folder / "ours.pem"


class TlsBroker(phusarun.Broker):
    """The usual broker with a second door, for stations: TLS 1.2 with the certificate NAME.pem of folder."""

    def __init__(self, folder, stations, certificates, name):
        self.tls_port = phusarun.free_port()
        self.certificates = certificates
        super().__init__(folder, stations)
        self.use(name)

    def use(self, name):
        """Takes another certificate; counts from the next start on."""
        text = (self.folder / "mosquitto.conf").read_text().partition("\n# TLS\n")[0]
        text += (f"\n# TLS\nlistener {self.tls_port} 127.0.0.1\ncertfile {self.certificates}/{name}.pem\n"
                 f"keyfile {self.certificates}/{name}.key\ntls_version tlsv1.2\nallow_anonymous false\n"
                 f"password_file {self.folder}/passwords\nacl_file {self.folder}/acl\n")
        (self.folder / "mosquitto.conf").write_text(text)
