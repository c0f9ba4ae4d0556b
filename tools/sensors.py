"""Simulated sensors for tools/sensorsim: slaves on Modbus RTU and sensors on SDI-12 as a device map
(firmware/drivers/device_map.h) describes them, with recorded or made-up values and with faults.

Written from the protocols and the map's description, not from the drivers: what both agree on is
right. Standard library only.
"""
import csv
import datetime
import gzip
import json
import math
import random
import struct

FAULTS = ("late", "short", "long", "wrong-address", "wrong-crc", "nan", "noise", "dead", "exception")
LATE_S = 1.0  # a late answer without a time of its own
STALE_S = 86400.0  # a row speaks for the time behind it so long at most
FAR = 0x7FFFFFFF
TYPES = {"u16": (1, 0, 65535), "s16": (1, -32768, 32767), "u32": (2, 0, 2**32 - 1),
         "s32": (2, -(2**31), 2**31 - 1), "f32": (2, None, None)}
USUAL = {"temp": (24, 32), "salinity": (0, 20), "ec": (1, 30), "ec25": (1, 30), "ph": (6.5, 8.5), "do": (3, 9),
         "do_sat": (50, 110), "turb": (5, 90), "level": (-1, 3), "depth": (0.5, 4), "orp": (-0.1, 0.4),
         "no2": (5, 60), "co": (300, 2000), "o3": (10, 120)}


class MapError(Exception):
    """The device map cannot be read; the text is for people."""


# --- device maps ------------------------------------------------------------------------------------


class Point:
    """A channel: where it stands and what its raw value means."""

    def __init__(self, name, keys):
        self.name = name
        self.register = int(keys["register"], 0) if "register" in keys else None
        self.value = int(keys.get("value", 0))
        self.function = int(keys.get("function", 3))
        self.type, self.order = keys.get("type", "u16"), keys.get("order", "abcd")
        self.multiply, self.divide = float(keys.get("multiply", 1)), float(keys.get("divide", 1))
        self.offset = float(keys.get("offset", 0))
        self.absent = float(keys["absent"]) if "absent" in keys else None
        self.width = TYPES[self.type][0]

    def raw(self, value):
        """What the device holds for a value; None if it has nothing to say."""
        if value is None:
            return self.absent
        return (value - self.offset) * self.divide / self.multiply

    def registers(self, value):
        """The registers' words for a value; None if they cannot hold it."""
        raw = self.raw(value)
        if self.type == "f32":
            data = struct.pack(">f", math.nan if raw is None else raw)
        else:
            _, low, high = TYPES[self.type]
            raw = None if raw is None else round(raw)
            if raw is None or not low <= raw <= high:
                return None
            data = (raw & (2 ** (16 * self.width) - 1)).to_bytes(2 * self.width, "big")
        places = {"abcd": (0, 1, 2, 3), "cdab": (2, 3, 0, 1), "badc": (1, 0, 3, 2), "dcba": (3, 2, 1, 0)}[self.order]
        if self.width == 1:
            places = (0, 1) if self.order in ("abcd", "cdab") else (1, 0)
        line = bytearray(len(data))
        for letter, place in enumerate(places):
            line[place] = data[letter]
        return [line[i] << 8 | line[i + 1] for i in range(0, len(line), 2)]


class Device:
    """A device of a map, with how it was asked so far."""

    def __init__(self, name, protocol, keys):
        self.name, self.protocol = name, protocol
        self.address = keys.get("address", "")
        self.measure = keys.get("measure", "M")
        self.points = []
        self.state = None  # (function, register, calibrating, fault)
        self.requests = self.answers = 0
        self.faults = {}


def read_map(path):
    """[(protocol, [Device])] of the buses of a map file; inputs are nobody's to answer."""
    buses, section, device = [], None, None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            try:
                keys = dict(word.split("=", 1) for word in words[2:] if "=" in word)
                if words[0] == "bus":
                    section = (words[1], [])
                    buses.append(section)
                elif words[0] == "inputs":
                    section = ("inputs", [])
                elif words[0] == "device":
                    device = Device(words[1], section[0], keys)
                    section[1].append(device)
                elif words[0] == "state":
                    keys = dict(word.split("=", 1) for word in words[1:])
                    device.state = [int(keys.get(key, default), 0) for key, default in
                                    (("function", "3"), ("register", ""), ("calibrating", "0"), ("fault", "0"))]
                elif words[0] == "channel":
                    device.points.append(Point(words[1], keys))
                else:
                    raise MapError(f"{path}:{number}: {words[0]} is no statement")
            except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                raise MapError(f"{path}:{number}: cannot be read ({error}); "
                               "firmware/drivers/device_map.h says how it is written") from error
    if not buses:
        raise MapError(f"{path}: has no bus")
    return buses


# --- values -----------------------------------------------------------------------------------------


def parse_time(text, offset_s):
    """Epoch seconds of a CSV's time: such seconds, or ISO 8601 with T or a blank."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        if moment.tzinfo is None:
            return moment.replace(tzinfo=datetime.timezone.utc).timestamp() - offset_s
        return moment.timestamp()


def parse_cell(text):
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class Recorded:
    """Values of a CSV file (plain or gzip), whose first column is the time: a row speaks for all
    times up to the next one. columns: {parameter: column}, by default of the same name."""

    def __init__(self, path, columns, offset_s=0):
        opener = gzip.open if str(path).endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            names = [name.strip() for name in next(rows)]
            read = sorted(((parse_time(row[0], offset_s), row) for row in rows if row), key=lambda pair: pair[0])
        self.times = [moment for moment, _ in read]
        self.rows = [row for _, row in read]
        self.columns = columns
        self.places = {name: place for place, name in enumerate(names)}

    def value(self, parameter, now):
        place = self.places.get(self.columns.get(parameter, parameter))
        low, high = 0, len(self.times)
        while low < high:
            middle = (low + high) // 2
            if self.times[middle] <= now:
                low = middle + 1
            else:
                high = middle
        if place is None or low == 0 or now - self.times[low - 1] > STALE_S:
            return None
        row = self.rows[low - 1]
        return parse_cell(row[place]) if place < len(row) else None


class Generated:
    """Made-up values: a daily wave and a little noise, the same for the same seed, parameter and
    second, with two decimals."""

    def __init__(self, seed):
        self.seed = seed

    def value(self, parameter, now):
        low, high = USUAL.get(parameter, (0, 100))
        phase = random.Random(f"{self.seed} {parameter}").random()
        noise = random.Random(f"{self.seed} {parameter} {int(now)}").uniform(-0.05, 0.05)
        wave = 0.5 + 0.4 * math.sin(2 * math.pi * (now / 86400 + phase)) + noise
        return round(low + (high - low) * wave, 2)


class Counted:
    """Numbers that tell each asking from every other: the n-th time that a parameter is asked it shows n and,
    behind the point, its place among the parameters."""

    def __init__(self, names):
        self.places = {name: place % 10 for place, name in enumerate(names)}
        self.asked = dict.fromkeys(names, 0)

    def value(self, parameter, _):
        self.asked[parameter] += 1
        return (10 * self.asked[parameter] + self.places[parameter]) / 10


# --- faults -----------------------------------------------------------------------------------------


class Fault:
    """DEVICE:KIND[=ARGUMENT][:every=N][:from=N][:until=N][:p=CHANCE]; requests count from 1."""

    def __init__(self, text):
        device, kind, *when = text.split(":")
        self.device = device
        self.kind, _, self.argument = kind.partition("=")
        if self.kind not in FAULTS:
            raise ValueError(f"{self.kind}: no fault; there are {', '.join(FAULTS)}")
        known = {"every": 1, "from": 1, "until": FAR, "p": 1.0}
        for part in when:
            key, _, value = part.partition("=")
            if key not in known:
                raise ValueError(f"{part}: write every=N, from=N, until=N or p=CHANCE")
            try:
                known[key] = float(value) if key == "p" else int(value)
            except ValueError:
                raise ValueError(f"{part}: write a number") from None
            if not (0 < known[key] <= 1 if key == "p" else known[key] >= 1):  # nor NaN
                raise ValueError(f"{part}: {'a chance is above 0 and at most 1' if key == 'p' else 'it counts from 1'}")
        self.every, self.begin, self.until, self.chance = known["every"], known["from"], known["until"], known["p"]

    def hits(self, number, dice):
        return self.begin <= number <= self.until and (number - self.begin) % self.every == self.every - 1 and (
            self.chance >= 1 or dice.random() < self.chance)


class World:
    """What all buses share: the time, the values, the faults, the log."""

    def __init__(self, clock, values, faults, seed, log=None, wait_s=0):
        self.clock, self.values, self.faults, self.log = clock, values, faults, log
        self.wait_s = wait_s  # of SDI-12 measurements
        self.dice = random.Random(seed)
        self.given = {}  # {parameter: value} of the request that is being answered

    def fault_for(self, device):
        """Counts a request; the fault that its answer has, or None."""
        device.requests += 1
        for fault in self.faults:
            if fault.device == device.name and fault.hits(device.requests, self.dice):
                device.faults[fault.kind] = device.faults.get(fault.kind, 0) + 1
                return fault
        device.answers += 1
        return None

    def value(self, point, now):
        value = self.given[point.name] = self.values.value(point.name, now)
        return value

    def note(self, device, request, fault):
        """After the answer is made: what it gives is noted with it."""
        given, self.given = self.given, {}
        self.write({"device": device.name, "request": request, "fault": fault.kind if fault else None, "values": given})

    def write(self, what):
        if self.log is not None:
            self.log.write(json.dumps({"time": round(self.clock(), 3), **what}) + "\n")
            self.log.flush()

    def noise(self, least=3, most=12):
        return bytes(self.dice.randrange(1, 256) for _ in range(self.dice.randint(least, most)))


# --- Modbus RTU ---------------------------------------------------------------------------------------


def crc16(data, crc):
    """The reflected polynomial 0xA001: Modbus begins with 0xFFFF, SDI-12 with 0."""
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def framed(body):
    return bytes(body) + struct.pack("<H", crc16(body, 0xFFFF))


class ModbusBus:
    """All slaves of one line. feed() takes bytes and returns [(delay in s, bytes to send)]."""

    def __init__(self, devices, world):
        self.devices = {int(device.address, 0): device for device in devices}
        self.world = world
        self.buffer = b""

    def silence(self):
        """Nothing came for a while: half a request never becomes whole."""
        self.buffer = b""

    def feed(self, data):
        said = []
        self.buffer += data
        while len(self.buffer) >= 8:
            frame = self.buffer[:8]
            if framed(frame[:6]) != frame:
                self.buffer = self.buffer[1:]
                continue
            self.buffer = self.buffer[8:]
            if frame[0] in self.devices:
                said += self.answer(self.devices[frame[0]], frame)
        return said

    def answer(self, device, frame):
        slave, function, address, count = struct.unpack(">BBHH", frame[:6])
        fault = self.world.fault_for(device)
        kind = fault.kind if fault else None
        words = self.words(device, function, address, count, kind == "nan")
        self.world.note(device, frame.hex(), fault)
        if function not in (3, 4):
            body = bytes([slave, function | 0x80, 1])
        elif kind == "exception":
            body = bytes([slave, function | 0x80, int(fault.argument or "4", 0)])
        elif words is None:
            body = bytes([slave, function | 0x80, 2])
        else:
            words = words + [0x1234] if kind == "long" else words
            body = bytes([slave, function, 2 * len(words)]) + struct.pack(f">{len(words)}H", *words)
        return self.spoil(kind, fault, body)

    def spoil(self, kind, fault, body):
        if kind == "dead":
            return []
        if kind == "noise":
            return [(0, self.world.noise())]
        if kind == "wrong-address":
            body = bytes([body[0] % 247 + 1]) + body[1:]
        frame = framed(body)
        if kind == "short":
            frame = frame[:-2]
        if kind == "wrong-crc":
            frame = frame[:-1] + bytes([frame[-1] ^ 0x01])
        return [(float(fault.argument or LATE_S) if kind == "late" else 0, frame)]

    def words(self, device, function, address, count, as_nan):
        """The registers asked for; None if the device does not have one of them."""
        now, memory = self.world.clock(), {}
        for point in device.points:
            if point.function == function and -point.width < point.register - address < count:
                value = None if as_nan else self.world.value(point, now)
                words = point.registers(value) or [0] * point.width
                memory.update((point.register + i, word) for i, word in enumerate(words))
        if device.state and device.state[0] == function:
            memory[device.state[1]] = 0
        if not all(address + i in memory for i in range(count)):
            return None
        return [memory[address + i] for i in range(count)]


# --- SDI-12 ---------------------------------------------------------------------------------------------


def crc_text(text):
    crc = crc16(text.encode("ascii"), 0)
    return "".join(chr(0x40 | part) for part in (crc >> 12, crc >> 6 & 0x3F, crc & 0x3F))


def value_text(raw):
    """A sign and at most seven digits."""
    for decimals in range(6, -1, -1):
        text = f"{raw:+.{decimals}f}"
        if sum(c.isdigit() for c in text) <= 7:
            return text.rstrip("0").rstrip(".") if "." in text else text
    return "-9999999" if raw < 0 else "+9999999"


class Sdi12Bus:
    """All sensors of one wire. A break comes as the byte 0."""

    PAGE = {"M": 35, "C": 75}  # characters of values in one answer

    def __init__(self, devices, world):
        self.devices = {}  # by address, one or more: each has a measurement of its own
        for device in devices:
            self.devices.setdefault(device.address, []).append(device)
        self.world = world
        self.buffer, self.awake = "", None  # awake: True after a break, then the address spoken to
        self.pages, self.crc = {}, {}  # by address

    def silence(self):
        self.buffer = ""

    def feed(self, data):
        said = []
        for byte in data:
            if byte == 0:
                self.buffer, self.awake = "", True
            elif byte == ord("!"):
                command, self.buffer = self.buffer, ""
                said += self.command(command)
            else:
                self.buffer = (self.buffer + chr(byte & 0x7F))[-16:]
        return said

    def command(self, text):
        if text == "?" and len(self.devices) == 1 and self.awake:
            text = next(iter(self.devices))
        named = self.devices.get(text[:1])
        if named is None or self.awake not in (True, text[0]):
            self.awake = None  # another's: it sleeps until the next break
            return []
        device = next((device for device in named if device.measure == text[1:]), named[0])
        self.awake = text[0]
        fault = self.world.fault_for(device)
        kind = fault.kind if fault else None
        body, later = self.reply(device, text, kind)
        self.world.note(device, text + "!", fault)
        return self.spoil(kind, fault, body) + later

    def reply(self, device, text, kind):
        """(the answer without CR LF, what follows by itself)"""
        address, verb = text[0], text[1:]
        if verb == "":
            return address, []
        if verb == "I":
            return f"{address}14PHUSA   SENSIM001{device.name}", []
        if verb[0] in "MC":
            return self.measure(device, verb, kind)
        if verb[0] == "D" and verb[1:].isdigit():
            pages = self.pages.get(address, [])
            values = pages[int(verb[1:])] if int(verb[1:]) < len(pages) else ""
            values += "+1.5" if kind == "long" else ""
            values = "+NaN" if kind == "nan" else values
            body = address + values
            return body + (crc_text(body) if self.crc.get(address) else ""), []
        return address, []

    def measure(self, device, verb, kind):
        now, address = self.world.clock(), device.address
        raws = {point.value: point.raw(self.world.value(point, now)) for point in device.points}
        some = kind != "exception" and None not in raws.values()
        texts = [value_text(raws.get(number, 0)) for number in range(1, max(raws) + 1)] if some else []
        self.crc[address] = verb[1:2] == "C"
        self.pages[address] = self.paged(texts, self.PAGE[verb[0]])
        wait = self.world.wait_s if texts else 0
        if verb[0] == "C":
            return f"{address}{wait:03d}{len(texts):02d}", []
        service = [(wait, f"{address}\r\n".encode("ascii"))] if wait > 0 else []
        return f"{address}{wait:03d}{len(texts)}", service

    def paged(self, texts, room):
        pages = []
        for text in texts:
            if not pages or len(pages[-1]) + len(text) > room:
                pages.append("")
            pages[-1] += text
        return pages

    def spoil(self, kind, fault, body):
        if kind == "dead":
            return []
        if kind == "noise":
            return [(0, self.world.noise())]
        if kind == "wrong-address":
            body = ("1" if body[0] != "1" else "2") + body[1:]
        if kind == "wrong-crc":
            body = body[:-1] + chr(ord(body[-1]) ^ 1)
        line = (body + "\r\n").encode("ascii")
        if kind == "short":
            line = line[:-3]
        return [(float(fault.argument or LATE_S) if kind == "late" else 0, line)]
