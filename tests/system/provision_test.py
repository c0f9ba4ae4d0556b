"""tools/provision: what goes into a board is what was asked for, and what the board could not do is
refused, with what is wrong, where, and what would be right."""
import base64
import re
import shutil
import ssl
import struct
import subprocess

import page
import pytest
from line import BUILD, ROOT, phusa
from phusarun import CONFIG

PROVISION = ROOT / "tools" / "provision"
MAPS = ROOT / "config" / "devices"
SONDE = MAPS / "sonde.map"
LEAST = ["--station", "s1", "--site", "my-tho", "--broker", "mqtt.example.vn:8883", "--every", "5m"]
ONE = ["--channel", "level"]
MADE_UP = "provision: no --map: the board makes its readings up\n"
TWO_BUSES = """# two lines
bus modbus
  device first address=1
    channel temp register=0 unit=Cel
bus modbus
  device second address=2
    channel level register=0 unit=m
"""
SDI12 = "bus sdi12\n  device probe address=0\n    channel level value=1 unit=m\n"
INPUTS = "bus modbus\ninputs\n  device gauge\n    channel level loop=0 zero=0 full=10 unit=m\n"
PROVISIONED = """# of the workshop
station = s1
site = my-tho
broker = mqtt.example.vn:8883
user = s1
password = 0123456789
every = 5m
channel = temp:Cel
channel = level:m
channel = level_max
"""


def many(count, states=0):
    """A map with so many channels, on one register each."""
    lines = ["bus modbus", "  device d0 address=1", *["    state register=99 fault=1"] * (states > 0)]
    lines += [f"    channel c{i} register={i}" for i in range(count)]
    for i in range(1, states):
        lines += [f"  device d{i} address={i + 1}", "    state register=99 fault=1"]
    return "\n".join(lines) + "\n"


class Bench:
    """A folder of the workshop."""

    def __init__(self, folder):
        self.folder, self.image = folder, folder / "flash.bin"

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run(self, *words):
        ran = subprocess.run([PROVISION, "--image", self.image, *map(str, words)], capture_output=True, text=True,
                             check=False, timeout=120, cwd=self.folder)
        assert "Traceback" not in ran.stderr, ran.stderr
        return ran.returncode, ran.stderr

    def page(self, *words, said=""):
        """{field: bytes} of the page that is written."""
        code, stderr = self.run(*words)
        assert (code, stderr.removeprefix(MADE_UP)) == (0, said)
        return page.read(self.image)


@pytest.fixture(name="bench")
def fixture_bench(tmp_path):
    return Bench(tmp_path)


def channels_of(made):
    """[(name, unit)]"""
    data, texts, at = made["channels"], [], 0
    while at < len(data):
        texts.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return list(zip(texts[::2], texts[1::2]))


# --- what is written ---------------------------------------------------------------------


def test_what_the_file_of_the_station_says(bench):
    """Units come with it, and from the map where it has none; what the station computes itself is left out."""
    made = bench.file("s1.provision", PROVISIONED)
    text = ("bus modbus\t# RS-485\n\n device d  address=7\r\n channel level register=2 unit=m\n"
            " channel temp register=0\n")
    written = bench.page("--from", made, "--map", bench.file("d.map", text), said=(
        "provision: left out: level_max: the station makes it of its samples, when it is told to (`phusa station ask "
        "ID set PARAMETER.max=true`)\n"))
    assert channels_of(written) == [("temp", "Cel"), ("level", "m")]
    assert written["map"] == (b"bus modbus\ndevice d address=7\nchannel level register=2 unit=m\n"
                              b"channel temp register=0\n")
    assert [written[name] for name in ("station", "site", "host", "port", "user", "password", "every")] == [
        b"s1", b"my-tho", b"mqtt.example.vn", struct.pack("<H", 8883), b"s1", b"0123456789",
        struct.pack("<q", 300 * 10**9)]
    assert len(written["seed"]) == 32 and not written.keys() & {"ca", "speed", "tear"}


def test_options_go_before_the_file(bench):
    made = bench.file("s1.provision", PROVISIONED)
    written = bench.page("--from", made, "--map", SONDE, "--every", "30s", "--channel", "ph", "--channel", "do:mg/L",
                         "--password-file", bench.file("secret", "other\nnot this\n"))
    assert channels_of(written) == [("ph", ""), ("do", "mg/L")]
    assert (written["every"], written["password"]) == (struct.pack("<q", 30 * 10**9), b"other")


def test_sampling(bench):
    written = bench.page(*LEAST, "--channel", "temp", "--channel", "level:m", "--sample-every", "1m", "--fast-every", "10s",
                         "--event-step", "level=0.25")
    assert written["sampling"] == struct.pack("<qqdd", 60 * 10**9, 10 * 10**9, 0, 0.25)
    assert bench.page(*LEAST, *ONE, "--event-step", "level=3")["sampling"] == struct.pack("<qqd", 0, 0, 3)
    assert "sampling" not in bench.page(*LEAST, *ONE)


@pytest.mark.parametrize("words, said", [
    (["--sample-every", "7s"], "--sample-every: reports come each 300 s; write a whole part of that"),
    (["--fast-every", "7s"], "--fast-every: samples come each 300 s; write a whole part of that"),
    (["--sample-every", "1m", "--fast-every", "2m"], "--fast-every: samples come each 60 s; write a whole part of that"),
    (["--event-step", "temp=1"], "--event-step temp: is not reported; there are level"),
    (["--event-step", "level=1", "--event-step", "level=2"], "--event-step level: stands there twice"),
])
def test_sampling_that_cannot_be(bench, words, said):
    assert bench.run(*LEAST, *ONE, *words) == (1, f"{MADE_UP}provision: {said}\n")
    assert not bench.image.exists()


def test_all_that_a_map_gives(bench):
    written = bench.page(*LEAST, "--map", MAPS / "conductivity.map")
    assert channels_of(written) == [("temp", "Cel"), ("ec", "mS/cm")]


def test_maps_that_come_with_it_are_in_the_catalogues_units(bench):
    """A station made for what such a map gives goes into the board with it, as far as the board has such a line."""
    config = shutil.copytree(CONFIG, bench.folder / "config") / "phusa.cfg"
    for path in sorted(MAPS.glob("*.map")):
        if "bus modbus" not in path.read_text():
            continue
        names = re.findall(r"^\s*channel (\S+)", path.read_text(), re.M)
        made = bench.folder / f"{path.stem}.provision"
        phusa("station", "new", "-c", config, "--id", path.stem, "--site", "my-tho", "--kind", "water", "--parameters",
              ",".join(names), "--out", made, "--broker-passwords", bench.folder / "passwords", check=0)
        assert [name for name, _ in channels_of(bench.page("--from", made, "--map", path))] == names


TRAP = ["--station", "s1", "--site", "my-tho", "--broker", "h:1", "--every", "1d", "--place", "10.3,106.1",
        "--species", "bph"]
GUST = "bus modbus\n device vane address=1\n channel wind_speed register=0 unit=m/s\n"


def test_a_trap_gives_its_own_channels(bench):
    """The map needs to give the others only."""
    trap = [*TRAP, "--ca", bench.file("ca.pem", ssl.DER_cert_to_PEM_cert(b"any")), "--map", bench.file("d.map", GUST)]
    usual = [(name, "") for name in ("bph", "lamp_minutes", "gate_minutes", "dark_minutes", "watched_minutes")]
    assert channels_of(bench.page(*trap, "--wind", "wind_speed")) == [*usual, ("wind_speed", "m/s")]
    words = [word for name in ("bph:count", "service", "wind_speed:m/s") for word in ("--channel", name)]
    written = bench.page(*trap, *words)
    assert channels_of(written) == [("bph", "count"), ("service", ""), ("wind_speed", "m/s")] and written["trap"]
    assert channels_of(bench.page(*trap, "--channel", "bph")) == [("bph", "")]
    assert bench.run(*trap, *words, "--channel", "rain") == (
        1, f"provision: {bench.folder}/d.map: gives no rain; add it to the map, or name with --channel what is to be "
           "reported of what it gives: wind_speed\n")
    assert bench.run(*trap, "--sample-every", "1h") == (
        1, "provision: a trap (--species) tells whole nights: no --sample-every, --fast-every or --event-step\n")
    assert bench.run(*trap[:-2]) == (0, "")  # which makes nothing up
    assert bench.run(*TRAP) == (1, "provision: --species: only the image with TLS can be a trap; add --ca\n")


def test_the_image_stays(bench):
    """What lies behind the page is not touched, and nobody else may read the secrets."""
    assert bench.run(*LEAST, *ONE) == (0, MADE_UP)
    assert (bench.image.stat().st_mode & 0o777, bench.image.stat().st_size) == (0o600, 16 << 20)
    with open(bench.image, "r+b") as flash:
        flash.seek(8192)
        flash.write(b"kept")
    bench.page(*LEAST, *ONE)
    with open(bench.image, "rb") as flash:
        flash.seek(8192)
        assert flash.read(4) == b"kept"


# --- what is refused ---------------------------------------------------------------------


@pytest.mark.parametrize("content, words, said", [
    ("bus nonsense\n", [], "d.map:1: nonsense is no protocol; write modbus or sdi12"),
    ("bus modbus\n device d address=1\n  channel level register=x\n", [], "d.map:3: register is not 0 .. 65535"),
    ("", [], "d.map:0: there is no channel"),
    (b"bus modbus \xff\n", [], "d.map: is no text in UTF-8"),
    (b"bus modbus\0\n", [], "d.map: is no text"),
    (SDI12, [], "d.map:2: device probe: stands on SDI-12, for which no line of this board can send a break; it has "
     "Modbus on UART 1"),
    (INPUTS, [], "d.map:3: device gauge: stands at inputs (loop=, pulse=), of which this board has none; use a device "
     "on Modbus"),
    (TWO_BUSES, [], "d.map:6: device second: stands on bus 2, and this board has one, UART 1; give it an address "
     "on that"),
    (many(17), [], "17 channels; the plain image has room for 16, that with TLS (--ca) for 32"),
    (many(33), ["--ca", "ca.pem"], "33 channels; the TLS image has room for 32"),
    (many(16, states=9), [],
     "d.map: 25 channels and states; the plain image has room for 24, that with TLS (--ca) for 40"),
    (many(41), [], "d.map:43: channel is one too many; at most 40 channels and states"),
    (many(3), ["--channel", "level", "--channel", "c1", "--channel", "ph"],
     "d.map: gives no level, ph; add them to the map, or name with --channel what is to be reported of what it gives: "
     "c0, c1, c2"),
    (many(3), ["--channel", "c1", "--channel", "c1"], "channel c1: stands there twice"),
    ("bus modbus\ndevice d address=1\nchannel ec25 register=0 unit=uS/cm\n", ["--channel", "ec25:mS/cm"],
     "d.map:3: channel ec25: is given in uS/cm, the station reports it in mS/cm; write unit=mS/cm there, and "
     "multiply=, divide= or offset= to bring it to that"),
    ("bus modbus\ndevice d address=1\nchannel 3v3 register=0\n", [],
     "d.map: '3v3' is not PARAMETER or PARAMETER:UNIT: a-z, 0-9 and _, at most 32; a unit of at most 16 bytes"),
    ("bus modbus\ndevice d address=1 timeout=1\n" + "".join(
        f"channel {'c' * 30}{i} register=65{i} multiply=1.000000000000001 divide=1.0000000000000001 unit=mg/L\n"
        for i in range(10, 26)), [], "map takes 1928 bytes; 1 to 1536 have room"),
], ids=lambda value: "" if isinstance(value, (list, bytes)) or "\n" in value else value[:40])
def test_maps_that_do_not_go_in(bench, content, words, said):
    bench.file("d.map", content)
    bench.file("ca.pem", ssl.DER_cert_to_PEM_cert(b"any"))  # which one is the board's matter
    assert bench.run(*LEAST, "--map", "d.map", *words) == (1, f"provision: {said}\n")
    assert not bench.image.exists()


@pytest.mark.parametrize("change, said", [
    (("every = 5m", "every = 5"), "s1.provision:7: every: '5' is no time such as 30s, 5m or 1h, up to 366d"),
    (("station = s1", "station = S1"), "s1.provision:2: station: 'S1' is not an id: a-z, 0-9 and -, at most 32"),
    (("user = s1", "user = s1\nuser = s1"), "s1.provision:6: user stands there twice"),
    (("user = s1", "usr = s1"), "s1.provision:5: not a key of a provisioning file; write KEY = VALUE with one of "
     "station, site, broker, user, every, channel, place, species, password, ca"),
    (("user = s1\n", ""), "a password is of no use without --user"),
    (("user = s1", "ca = MIIB!"), "s1.provision:5: ca: is no certificate in base64 on one line"),
    (("0123456789", ""), "password takes 0 bytes; 1 to 128 have room"),
    (("0123456789", "x" * 129), "password takes 129 bytes; 1 to 128 have room"),
    (("level:m", "temp:Cel"), "channel temp: stands there twice"),
    (("level:m", "level:" + "m" * 17),
     f"s1.provision:9: channel: 'level:{'m' * 17}' is not PARAMETER or PARAMETER:UNIT: a-z, 0-9 and _, at most "
     "32; a unit of at most 16 bytes"),
    (("mqtt.example.vn:8883", "--help"), "s1.provision:4: broker: '--help' is not HOST:PORT"),
])
def test_files_that_do_not_go_in(bench, change, said):
    text = PROVISIONED.replace(*change)
    assert text != PROVISIONED
    bench.file("s1.provision", text)
    code, stderr = bench.run("--from", "s1.provision")
    assert (code, stderr.removeprefix(MADE_UP)) == (1, f"provision: {said}\n")
    assert not bench.image.exists()


@pytest.mark.parametrize("words, said", [
    ([*LEAST], "what is to be reported? --channel PARAMETER or --map FILE"),
    (["--from", "gone"], "gone: No such file or directory"),
    (["--from", "."], ".: Is a directory"),
    (["--from", "binary"], "binary: is no text in UTF-8"),
    ([*LEAST, "--map", "/dev/zero"], "/dev/zero: is larger than 524288 bytes"),
    ([*LEAST, "--map", "gone"], "gone: No such file or directory"),
    ([*LEAST, "--map", "."], ".: Is a directory"),
    ([*LEAST, *ONE, "--ca", "gone"], "gone: No such file or directory"),
    ([*LEAST, *ONE, "--ca", "empty"], "empty: holds not exactly one certificate"),
    ([*LEAST, *ONE, "--ca", "cut"], "cut: its certificate is damaged; PEM is expected, with nothing behind it"),
    ([*LEAST, *ONE, "--ca", "bad"], "bad: its certificate is damaged; PEM is expected, with nothing behind it"),
    ([*LEAST, *ONE, "--user", "s1", "--password-file", "gone"], "gone: No such file or directory"),
    ([*LEAST, *ONE, "--user", "s1", "--password-file", "empty"], "empty: its first line is to hold the password and is "
     "empty"),
    ([*LEAST, *ONE, "--password-file", "cut"], "a password is of no use without --user"),
    ([*LEAST, *ONE, "--image", "no/where"], "no/where: No such file or directory"),
    ([*LEAST, *ONE, "--image", "."], ".: Is a directory"),
])
def test_files_that_are_not_there(bench, words, said):
    bench.file("binary", b"\xff\n")
    bench.file("empty", "")
    bench.file("cut", "-----BEGIN CERTIFICATE-----\nMIIB\n")
    short = base64.b64encode(b"x").decode()[:3]
    bench.file("bad", f"-----BEGIN CERTIFICATE-----\n{short}\n-----END CERTIFICATE-----\n")
    code, stderr = bench.run(*words)
    assert (code, stderr.removeprefix(MADE_UP)) == (1, f"provision: {said}\n")
    assert not bench.image.exists()


@pytest.mark.parametrize("words, said", [
    (["--speed", "-3"], "argument --speed: '-3' is no whole number from 1 to 100000"),
    (["--map", ""], "argument --map: a file is to be named"),
    (["--ca", ""], "argument --ca: a file is to be named"),
    (["--from", ""], "argument --from: a file is to be named"),
    (["--speed", "0"], "argument --speed: '0' is no whole number from 1 to 100000"),
    (["--every", "400d"], "argument --every: '400d' is no time such as 30s, 5m or 1h, up to 366d"),
    (["--every", "0s"], "argument --every: '0s' is no time such as 30s, 5m or 1h, up to 366d"),
    (["--station", "S1"], "argument --station: 'S1' is not an id: a-z, 0-9 and -, at most 32"),
    (["--broker", "h:70000"], "argument --broker: 'h:70000' is not HOST:PORT"),
    (["--time", "h:123"], "argument --time: 'h' is no IPv4 address such as 192.168.1.20"),
    (["--address", "10.0.0.2", "255.255.255.0", "10.0.0.999"],
     "argument --address: '10.0.0.999' is no IPv4 address such as 192.168.1.20"),
    (["--event-step", "level=0"], "argument --event-step: 'level=0' is not PARAMETER=STEP, a number above 0 in the channel's unit"),
    (["--tear", "0:1"], "argument --tear: '0:1' is not N:SEED, such as 40:1"),
    (["--channel", "Level"], "argument --channel: 'Level' is not PARAMETER or PARAMETER:UNIT: a-z, 0-9 and _, at most "
     "32; a unit of at most 16 bytes"),
])
def test_options_that_are_wrong(bench, words, said):
    code, stderr = bench.run(*LEAST, *ONE, *words)
    assert (code, stderr.splitlines()[-1]) == (2, f"provision: error: {said}")
    assert not bench.image.exists()


def test_limits_are_those_of_the_firmware():
    """What the tool knows of the images stands in their sources."""
    tool, make = PROVISION.read_text(), (ROOT / "firmware/firmware.mk").read_text()
    header = {name: (ROOT / name).read_text() for name in ("firmware/core/log.h", "firmware/drivers/device_map.h",
                                                           "firmware/core/provision.h")}

    def told(name):
        line = re.search(rf"^{name} = (.*)", tool, re.M)[1]
        return {key: int(value) for key, value in re.findall(r'"(\w+)": (\d+)', line)}

    def defined(name, text):
        return int(re.search(rf"(?:-D|\b){name}[= ]+(\d+)", text)[1])

    plain = re.search(r"FW_plain_IMAGE *:= *(.*)", make)[1]
    assert told("CHANNELS_MOST") == {"plain": defined("STATION_CHANNELS_MAX", plain),
                                     "TLS": defined("STATION_CHANNELS_MAX", header["firmware/core/log.h"])}
    assert told("POINTS_MOST") == {"plain": defined("DEVICE_MAP_POINTS_MAX", plain),
                                   "TLS": defined("DEVICE_MAP_POINTS_MAX", header["firmware/drivers/device_map.h"])}
    assert told("LIMITS") == {"ca": defined("PROVISION_CA_MAX", header["firmware/core/provision.h"]),
                              "channels": defined("PROVISION_LAYOUT_MAX", header["firmware/core/provision.h"]),
                              "map": defined("PROVISION_MAP_MAX", header["firmware/core/provision.h"]),
                              "sampling": 8 * (2 + told("CHANNELS_MOST")["TLS"])}


def check_map(path):
    ran = subprocess.run([BUILD / "phusa-station", "--check-map", path], capture_output=True, text=True, check=False,
                         timeout=60)
    return ran.returncode, ran.stdout, ran.stderr


def test_what_phusa_station_says_of_a_map(bench):
    path = bench.file("d.map", (
        "bus modbus\n# a comment\n device sonde address=1\n state register=4 fault=1\n channel temp register=0 unit=Cel\n"
        "bus sdi12\n device probe address=0\n  channel level value=1 unit=m\n"
        "inputs\n device gauge\n channel ph loop=0 zero=0 full=14\n channel rain pulse=1\n"))
    assert check_map(path) == (0, "device 3 sonde modbus 1\nstate\nchannel 5 temp register Cel\n"
                                  "device 7 probe sdi12 2\nchannel 8 level value m\n"
                                  "device 10 gauge inputs\nchannel 11 ph loop\nchannel 12 rain pulse\n", "")
    gone = bench.folder / "gone"
    assert check_map(gone) == (1, "", f"phusa-station: {gone}: No such file or directory\n")
