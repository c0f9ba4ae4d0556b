"""tools/provision and pest-light traps: what makes a board one, and what could be none."""
import re
import struct

import page
import pytest
from line import phusa
from provision_test import Bench
from station_new_test import certificate
from station_new_test import fixture_place  # noqa: F401  (the fixture place)

LEAST = ["--station", "t1", "--site", "cai-be", "--broker", "mqtt.example.vn:8883", "--every", "1d"]
TRAP = ["--species", "bph", "--species", "glh", "--place", "10.337,106.033"]
NOON = 5 * 3600 * 10**9  # of UTC+7, in UTC
FIXED = struct.Struct("<iiiiBBBBiiIIII3II3IIB")


@pytest.fixture(name="bench", scope="module")
def fixture_bench(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("bench"))
    certificate(made.folder)
    return made


def written(bench, *words):
    """{field: bytes} of the page that is made of these words."""
    code, said = bench.run(*words)
    assert code == 0, said
    return page.read(bench.image)


def write(bench, *words):
    return written(bench, *LEAST, "--ca", "ca.pem", *words)


def channels_of(made):
    return [name.decode() for name in re.findall(rb"[a-z][a-z0-9_]+", made["channels"])]


def test_what_is_written(bench):
    made = write(bench, *TRAP, "--lamp", "19:00..dawn-1h", "--battery", "battery:11:12.5", "--wired", "door", "--hold",
                 "5m,1h,0s", "--channel", "bph", "--channel", "glh", "--channel", "battery:V", "--utc-offset", "+08:00")
    assert struct.unpack("<q", made["phase"])[0] == NOON - 3600 * 10**9
    assert FIXED.unpack_from(made["trap"]) == (
        103370000, 1060330000, 8 * 3600, -8333333, 0, 2, 1, 4, 19 * 3600, -3600, 0, 0, 11000, 12500, 300, 3600, 0, 3600,
        5, 60, 600, 20000, 2)
    assert made["trap"][FIXED.size:] == b"\x03bph\x03glh\0\x07battery"


def test_what_it_reports_by_itself(bench):
    made = write(bench, *TRAP)
    assert channels_of(made) == ["bph", "glh", "lamp_minutes", "gate_minutes", "dark_minutes", "watched_minutes"]
    assert struct.unpack("<q", made["phase"])[0] == NOON
    assert "phase" not in write(bench, *TRAP, "--every", "1h")
    assert not {"trap", "phase"} & write(bench, "--channel", "level").keys()


@pytest.mark.parametrize("words, said", [
    (["--species", "bph"], "--species: a trap needs --place LAT,LON, for dusk and dawn"),
    ([*TRAP, "--channel", "bph"], "--species glh: is no channel of the station; add --channel glh"),
    ([*TRAP, "--wind", "wind_speed"], "--wind wind_speed: is no channel of the station that a sensor gives"),
    ([*TRAP, "--battery", "lamp_minutes"], "--battery lamp_minutes: is no channel of the station that a sensor gives"),
    ([*TRAP, "--counter", "beam"], "--counter beam: the board has no input that counts edges"),
    ([*TRAP, "--wired", "rain,gauge"], "--wired gauge: the board has no input that counts edges"),
    ([*TRAP, "--wired", "button"], "--wired button: the board has no input that counts edges"),
    ([*TRAP, "--every", "7h"],
     "--every: a trap's night ends at noon, which must be a moment of its reports: 1d, 12h, 6h, 1h, 15m ..."),
    (["--channel", "level", "--place", "10,106"], "--place: is of a pest-light trap; add --species"),
    ([*TRAP, "--species", "glh"], "--species: each once, at most 16"),
])
def test_what_does_not_fit_together(bench, words, said):
    assert bench.run(*LEAST, "--ca", "ca.pem", *words) == (1, f"provision: {said}\n")


def test_the_small_image_is_none(bench):
    assert bench.run(*LEAST, *TRAP) == (1, "provision: --species: only the image with TLS can be a trap; add --ca\n")


@pytest.mark.parametrize("words", [
    ["--place", "10.3"], ["--place", "91,0"], ["--place", "x,y"], ["--lamp", "22:00"], ["--lamp", "24:00..5:00"],
    ["--lamp", "dusk-13h..22:00"], ["--lamp", "noon..dawn"], ["--wind", "wind:6:8"], ["--battery", "battery:12:11"],
    ["--battery", "Battery"], ["--wind", "wind:8"], ["--hold", "15m"], ["--hold", "15m,x,1h"], ["--wired", "window"],
    ["--wired", "door,door"], ["--utc-offset", "7"], ["--dead-time", "20"], ["--lamp-times", "1s,2s,25h"],
    ["--counter", "camera"], ["--species", "Bph"],
])
def test_values_that_cannot_be(bench, words):
    code, said = bench.run(*LEAST, "--ca", "ca.pem", *TRAP, *words)
    assert code == 2 and f"argument {words[0]}: " in said


@pytest.mark.parametrize("words, said", [
    (["--utc-offset", "+14:01"], "an offset from UTC such as +07:00, from -14:00 to +14:00"),
    (["--utc-offset", "-14:30"], "an offset from UTC such as +07:00, from -14:00 to +14:00"),
    (["--lamp", "19:00..19:00"], "FROM..UNTIL: it ends as it begins, and the lamp would never be lit"),
    (["--lamp-times", "1s,2s"], "START,REST,RETRY as three times up to 24h, such as 5s,60s,10m"),
    (["--hold", "1s,2s"], "RAIN,WIND,BATTERY as three times up to 24h, such as 15m,10m,30m"),
])
def test_values_that_the_board_would_refuse(bench, words, said):
    code, told = bench.run(*LEAST, "--ca", "ca.pem", *TRAP, "=".join(words))
    assert code == 2 and told.endswith(f"argument {words[0]}: '{words[1]}' is not {said}\n")


@pytest.mark.parametrize("offset, seconds", [("+14:00", 14 * 3600), ("-14:00", -14 * 3600)])
def test_the_widest_offsets(bench, offset, seconds):
    assert FIXED.unpack_from(write(bench, *TRAP, f"--utc-offset={offset}")["trap"])[2] == seconds


def test_from_what_station_new_has_made(place, bench):
    place.new("--site", "tien-giang", "--kind", "trap", "--lat", "10.3", "--lon", "106.25", "--out", place.out,
              "--broker-passwords", place.passwords, "--ca", certificate(place.folder), check=0)
    made = written(bench, "--from", place.out)
    listed = phusa("station", "list", "-c", place.config, check=0)[1]
    assert re.search(r"^x1 +tien-giang +trap", listed, re.M)
    species = ["bph", "wbph", "stem_borer", "leaf_folder", "glh", "gall_midge", "zigzag", "other_insects"]
    assert FIXED.unpack_from(made["trap"])[:3] == (103000000, 1062500000, 7 * 3600)
    assert made["trap"][FIXED.size:] == b"".join(bytes([len(name)]) + name.encode() for name in species) + b"\0\0"
    assert struct.unpack("<qq", made["every"] + made["phase"]) == (86400 * 10**9, NOON)
    fewer = written(bench, "--from", place.out, "--species", "bph")
    assert fewer["trap"][FIXED.size:] == b"\x03bph\0\0"
