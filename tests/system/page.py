"""A board's provisioning page as it lies in the flash, read and written without tools/provision. Format:
firmware/core/provision.c; the file holds the complement of each byte."""
import struct

BYTES = 8192
FIELDS = ("station", "site", "host", "host_address", "port", "user", "password", "ca", "seed", "time_server",
          "own_address", "every", "speed", "map", "channels", "tear", "trap", "phase", "sampling")  # by their tags, from 1


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def read(image):
    """{field: bytes}"""
    with open(image, "rb") as flash:
        data = bytes(byte ^ 0xFF for byte in flash.read(BYTES))
    version, length, crc = struct.unpack_from("<III", data, 4)
    fields = data[16:16 + length]
    assert (data[:4], version, crc, data[16 + length:].strip(b"\xff")) == (b"PSPV", 1, crc32c(fields), b"")
    found, at = {}, 0
    while at < length:
        tag, extent = struct.unpack_from("<BH", fields, at)
        found[FIELDS[tag - 1]] = fields[at + 3:at + 3 + extent]
        at += 3 + extent
    return found


def write(image, fields):
    body = b"".join(struct.pack("<BH", FIELDS.index(name) + 1, len(data)) + data for name, data in fields.items())
    data = b"PSPV" + struct.pack("<III", 1, len(body), crc32c(body)) + body
    with open(image, "r+b") as flash:
        flash.write(bytes(byte ^ 0xFF for byte in data.ljust(BYTES, b"\xff")))
