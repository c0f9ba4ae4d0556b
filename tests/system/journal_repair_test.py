"""phusa journal verify and repair, on journals written here, from the description of the format alone."""
import fcntl
import json
import struct

import pytest

from line import phusa

NAME = "%016x.seg"


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def header(first, salt, synced):
    head = struct.pack("<8sIIQqQ20x", b"PHUSEG1\n", salt, 0, first, 1_700_000_000_000_000_000 + first, synced)
    return head + struct.pack("<I", crc32c(head))


def record(position, salt, kind=1):
    topic, payload = b"phusa/1/a/b/obs", b"payload %02d" % position
    rest = struct.pack("<QQqIHBB", position, 0, 1_700_000_000_000_000_000 + position, 0, len(topic), kind, 0)
    length = struct.pack("<I", len(topic + payload))
    crc = crc32c(rest + topic + payload, crc32c(length, salt))
    whole = length + struct.pack("<I", crc) + rest + topic + payload
    return whole + bytes(-len(whole) % 8)


@pytest.fixture
def journal(tmp_path):
    """Three segments of five records; the last record was put back from quarantine."""
    folder = tmp_path / "journal"
    folder.mkdir()
    for first in (1, 6, 11):
        salt = first * 77777
        records = (record(n, salt, 7 if n == 15 else 1) for n in range(first, first + 5))
        (folder / (NAME % first)).write_bytes(header(first, salt, first - 1) + b"".join(records))
    return folder


def damage(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x20
    path.write_bytes(data)
    return bytes(data)


def test_whole(journal):
    """What stands in the description is what the program reads."""
    code, out, err = phusa("journal", "verify", "--json", journal)
    verdict = json.loads(out)
    assert (code, err) == (0, "") and verdict["records"] == 15 and verdict["damaged_bytes"] == 0
    assert verdict["kinds"]["message"] == 14 and verdict["kinds"]["requeued"] == 1
    last = json.loads(phusa("journal", "dump", "--json", "--from", "15", journal, check=0)[1])
    assert (last["position"], last["kind"], last["payload"]) == (15, "requeued", "payload 15")
    assert "(2023-11-14T22:13:20Z)" in phusa("journal", "stat", journal, check=0)[1]
    repaired = json.loads(phusa("journal", "repair", "--json", journal, check=0)[1])
    assert repaired == {"segments": 3, "segments_rewritten": 0, "records": 15, "damaged_bytes": 0}


def test_verify_names_each_place(journal):
    damage(journal / (NAME % 1), 70)
    damage(journal / (NAME % 6), 3)
    (journal / (NAME % 11)).rename(journal / (NAME % 12))
    code, out, err = phusa("journal", "verify", journal)
    size = len(record(1, 0))
    assert code == 1 and f"damaged bytes  {size + 64 + 5 * size}" in out
    assert f"{NAME % 1}: {size} damaged bytes at offset 64\n" in err
    assert f"{NAME % 6}: damaged header" in err and f"{NAME % 12}: its header says another" in err
    assert f"phusa journal repair {journal}" in err


def test_padding_that_is_not_zero_is_damage_and_costs_no_record(journal):
    padding, end = 7, 64 + len(record(1, 0))
    segment = journal / (NAME % 1)
    whole = segment.read_bytes()
    for offset in range(end - padding, end):
        damage(segment, offset)
        code, out, err = phusa("journal", "verify", "--json", journal)
        verdict = json.loads(out)
        assert (code, verdict["records"], verdict["damaged_bytes"]) == (1, 15, padding)
        assert f"{NAME % 1}: {padding} damaged bytes at offset {end - padding}\n" in err
        segment.write_bytes(whole)
    damaged = damage(segment, end - 1)
    dump = phusa("journal", "dump", journal, check=0)[1]
    repaired = json.loads(phusa("journal", "repair", "--json", journal, check=0)[1])
    assert repaired == {"segments": 3, "segments_rewritten": 1, "records": 15, "damaged_bytes": padding}
    assert (journal / f"{1:016x}-{end - padding:08x}.damaged").read_bytes() == damaged[end - padding:end]
    assert phusa("journal", "verify", journal)[0] == 0 and phusa("journal", "dump", journal, check=0)[1] == dump


def test_repair(journal):
    size = len(record(1, 0))
    damaged = damage(journal / (NAME % 1), 70)
    foreign = damage(journal / (NAME % 6), 3)
    torn = (journal / (NAME % 11)).read_bytes()[:-20]
    (journal / (NAME % 11)).write_bytes(torn)
    code, out, err = phusa("journal", "repair", "--json", journal)
    assert (code, err) == (0, ""), "no progress where nobody watches"
    assert json.loads(out) == {"segments": 3, "segments_rewritten": 3, "records": 8,
                               "damaged_bytes": size + len(foreign) + size - 20}
    assert (journal / f"{1:016x}-{64:08x}.damaged").read_bytes() == damaged[64:64 + size]
    assert (journal / f"{6:016x}-{0:08x}.damaged").read_bytes() == foreign
    assert (journal / f"{11:016x}-{64 + 4 * size:08x}.damaged").read_bytes() == torn[64 + 4 * size:]
    verdict = json.loads(phusa("journal", "verify", "--json", journal, check=0)[1])
    assert (verdict["records"], verdict["first"], verdict["last"]) == (8, 2, 14)
    assert not (journal / "new.tmp").exists()


@pytest.mark.parametrize("part, lock", [("", "lock"), ("spool", "lock"), ("spool", "../lock")])
def test_repair_keeps_away_from_a_running_collector(journal, part, lock):
    folder = journal / part
    folder.mkdir(exist_ok=True)
    if part:
        for segment in journal.glob("*.seg"):
            segment.rename(folder / segment.name)
    damaged = damage(folder / (NAME % 1), 70)
    with open(folder / lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, out, err = phusa("journal", "repair", folder)
        assert (code, out) == (1, "") and "another process has it open" in err
        assert (folder / (NAME % 1)).read_bytes() == damaged
    assert "rewritten      1" in phusa("journal", "repair", folder, check=0)[1]


def test_repair_of_what_is_no_journal(tmp_path):
    assert phusa("journal", "repair", tmp_path)[0] == 1
    assert phusa("journal", "repair", tmp_path / "none")[0] == 1
    assert phusa("journal", "repair")[0] == 2
