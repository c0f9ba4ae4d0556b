"""phusad -n on each broken configuration of tests/data/broken: exactly the messages that the
file expects at its top ("# expect: LINE: text", or "# expect: FILE:LINE: text" for a file that it
names), on stderr, and exit 1. And on the shipped configuration: nothing, and exit 0."""
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BROKEN = ROOT / "tests" / "data" / "broken"
PHUSAD = (ROOT / os.environ.get("PHUSA_BUILD", "build")).resolve() / "phusad"
CASES = sorted(BROKEN.glob("*.cfg"))

pytestmark = pytest.mark.skipif(not PHUSAD.exists(), reason=f"{PHUSAD} is not built")


def check(path, folder):
    return subprocess.run([PHUSAD, "-n", "-c", path], cwd=folder, capture_output=True, text=True,
                          timeout=30, check=False)


def expected(path):
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# expect: "):
            break
        text = line.removeprefix("# expect: ")
        lines.append(f"{path.name}:{text}" if text[0].isdigit() else text)
    return lines


def test_there_are_enough():
    assert len(CASES) >= 30


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_broken(path):
    assert expected(path), "a broken configuration says what it expects"
    result = check(path.name, BROKEN)
    found = [line for line in result.stderr.splitlines() if re.match(r"[^ ]+\.cfg:\d+: ", line)]
    assert found == expected(path)
    assert (result.returncode, result.stdout) == (1, f"{path.name}: not good, phusad does not start with it\n")


def test_shipped():
    result = check("config/phusa.cfg", ROOT)
    assert (result.returncode, re.findall(r"(?m)^[^ ]+\.cfg:\d+: .*", result.stderr)) == (0, [])
