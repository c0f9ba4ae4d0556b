"""What `make firmware` refuses: an image that outgrows its budget, and one with a heap in it."""
import shutil
import subprocess

import board
import pytest
from line import ROOT

SIZE = ROOT / "tools" / "firmware-size"
LINK = ROOT / "firmware" / "port" / "mps2" / "link.ld"
CROSS = "arm-none-eabi-gcc"
FLAGS = ["-mcpu=cortex-m3", "-mthumb", "-Os", "-flto", "-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections",
         "-Wl,--no-warn-rwx-segments", "-Wl,--defsym=STACK_BYTES=1024", "-T", LINK]
TABLE = """station.elf  :
section      size        addr
.text         900           0
.ARM.exidx      8         900
.stack        100   536870912
.data          40   536871012
.bss          200   536871052
.noinit        16   536871252
.debug_info 99999           0
Total      101263
"""  # flash 948, RAM 356


@pytest.mark.parametrize("flash, ram, code, line", [
    (948, 356, 0, "firmware: station.elf        flash    948 of    948 bytes (100 %), RAM    356 of    356 bytes (100 %)"),
    (947, 356, 1, "firmware: station.elf        flash    948 of    947 bytes (100 %) TOO MUCH, RAM    356 of    356 bytes (100 %)"),
    (948, 300, 1, "firmware: station.elf        flash    948 of    948 bytes (100 %), RAM    356 of    300 bytes (118 %) TOO MUCH"),
])
def test_a_budget(tmp_path, flash, ram, code, line):
    (tmp_path / "table").write_text(TABLE)
    size = tmp_path / "size"
    size.write_text(f"#!/bin/sh\ncat {tmp_path}/table\n")
    size.chmod(0o755)
    done = subprocess.run([SIZE, size, "dir/station.elf", str(flash), str(ram)], capture_output=True, text=True,
                          timeout=30, check=False)
    assert (done.returncode, done.stdout) == (code, line + "\n")


def test_one_image_too_large_of_two(tmp_path):
    """The second is within its budget, and said to be; the whole fails all the same."""
    (tmp_path / "table").write_text(TABLE)
    size = tmp_path / "size"
    size.write_text(f"#!/bin/sh\ncat {tmp_path}/table\n")
    size.chmod(0o755)
    done = subprocess.run([SIZE, size, "a.elf", "900", "400", "b.elf", "1000", "400"], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 1
    assert ["TOO MUCH" in line for line in done.stdout.splitlines()] == [True, False]


def link(folder, body):
    """What the linker says to a program with that body, linked as an image is; None when it takes it."""
    if shutil.which(CROSS) is None:
        pytest.skip(f"{CROSS} is not installed (tools/setup installs it)")
    source = folder / "image.c"
    source.write_text("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nchar text[64];\n"
                      f"const char *volatile from = \"x\";\nint start(void) {{ {body} }}\n")
    done = subprocess.run([CROSS, *FLAGS, source, "-o", folder / "image.elf"], capture_output=True, text=True,
                          timeout=60, check=False)
    return None if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("body", ["return malloc(8) != 0;", "return calloc(1, 8) != 0;", "free(text); return 0;",
                                  "return strdup(from) != 0;", "return sprintf(text, \"%d\", 3);"])
def test_a_heap_is_not_linked(tmp_path, body):
    assert "malloc is linked: a station has no heap" in link(tmp_path, body)


def test_what_needs_no_heap_is_linked(tmp_path):
    assert link(tmp_path, "return strcmp(text, from) + abs(atoi(from));") is None


@pytest.mark.parametrize("kind", ["plain", "tls", "check"])
def test_images_have_no_heap(kind):
    image = board.image(kind)
    assert board.symbols(image, "main") or board.symbols(image, "start"), "no symbols: nothing would be found"
    for name in ("malloc", "_malloc_r", "free", "_free_r", "calloc", "realloc", "_sbrk", "_sbrk_r"):
        assert not board.symbols(image, name), name
