"""Disks of a test's own: an ext4 in a file behind a loop device, whose power can be cut, and a tmpfs
of limited size (tools/chaosproxy.py). Both need rights; where they are missing the test is skipped."""
import contextlib
import fcntl
import os
import struct
import subprocess

import pytest

from chaosproxy import SmallDisk
from phusarun import RunError, find_program

EXT4_IOC_SHUTDOWN = 0x8004587d  # _IOR('X', 125, __u32)
NOLOGFLUSH = 2  # EXT4_GOING_FLAGS_NOLOGFLUSH: what is not on the disk stays away


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)


class LoopDisk:
    """An ext4 file system in a file. Leaving it unmounts it and frees its loop device."""

    def __init__(self, folder, megabytes):
        self.image, self.folder = folder / "disk.img", folder / "disk"
        self.folder.mkdir()
        self.device = None
        self.mounted = False
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)

    def __enter__(self):
        try:
            mkfs, losetup = find_program("mkfs.ext4", "e2fsprogs"), find_program("losetup", "util-linux")
        except RunError as error:
            pytest.skip(str(error))
        made = run(mkfs, "-q", "-F", self.image)
        assert made.returncode == 0, made.stderr
        attached = run(losetup, "--find", "--show", self.image)
        if attached.returncode != 0:
            pytest.skip(f"no loop device here: {attached.stderr.strip()}")
        self.device = attached.stdout.strip()
        refusal = self.mount()
        if refusal:
            self.__exit__()
            pytest.skip(f"a loop device cannot be mounted here: {refusal}")
        return self

    def mount(self):
        """Why it could not be mounted; "" when it was."""
        done = run("mount", "-t", "ext4", self.device, self.folder)
        self.mounted = done.returncode == 0
        return "" if self.mounted else done.stderr.strip() or "mount failed"

    def unmount(self):
        done = run("umount", self.folder)
        assert done.returncode == 0, done.stderr
        self.mounted = False

    def cut_the_power(self):
        """Nothing written from now on, and nothing that waits to be written, reaches the disk."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(descriptor)

    def __exit__(self, *_):
        if self.mounted:
            run("umount", "--lazy", self.folder)
        if self.device:
            run(find_program("losetup", "util-linux"), "--detach", self.device)


@contextlib.contextmanager
def small_disk(folder, megabytes):
    disk = SmallDisk(folder, megabytes)
    if not disk.mounted:
        pytest.skip(f"a tmpfs cannot be mounted here: {disk.refusal}")
    try:
        yield disk
    finally:
        disk.release()
