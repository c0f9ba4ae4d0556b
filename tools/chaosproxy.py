"""A small TCP proxy on loopback that can fail like a network or a server, and a webhook receiver
that can be killed: parts of tools/chaos.

The proxies run in one thread of their own. Their methods may be called from any other thread; they
return when the change has been made.
"""
import asyncio
import contextlib
import http.server
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import phusarun

CHUNK = 65536  # bytes moved at once
HEAD_MAX = 65536  # bytes of a request's head; more is no request of ours
PATIENCE_S = 10.0  # longest time in which a change of a proxy has to be made

FILL_TRIES = 100
RELEASE_TRIES = 20  # a tenth of a second apart

RST_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s

PASS = "pass"
STALL = "stall"  # connections stand, no byte moves
REFUSE = "refuse"  # nobody listens
HANG = "hang"  # requests are taken and never answered
SWALLOW = "lost answers"  # requests go through, their answers do not
ANSWERS = {"400": "400 Bad Request", "401": "401 Unauthorized", "429": "429 Too Many Requests",
           "500": "500 Internal Server Error", "503": "503 Service Unavailable"}


class Proxies:
    """The thread in which all proxies of a run live."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE_S)

    def proxy(self, upstream_port):
        made = Proxy(self, upstream_port)
        self.call(made.listen())
        return made

    def stop(self):
        self.call(self._end_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE_S)

    @staticmethod
    async def _end_all():
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Proxy:
    """One port that leads to another, in one of the modes above."""

    def __init__(self, proxies, upstream_port):
        self.proxies = proxies
        self.upstream_port = upstream_port
        self.port = phusarun.free_port()
        self.mode = PASS
        self.accepted = threading.Event()  # set when the upstream said 204: it took what it was sent
        self.connections = set()  # writers of both ends
        self.server = None
        self.moving = asyncio.Event()
        self.moving.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def set_mode(self, mode):
        """Goes over to a mode; every change but a stall resets the connections there are."""
        self.proxies.call(self._set_mode(mode))

    def reset(self):
        """Resets all connections (RST)."""
        self.proxies.call(self._reset())

    async def listen(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _set_mode(self, mode):
        before, self.mode = self.mode, mode
        if mode == STALL:
            self.moving.clear()
            return
        self.moving.set()
        if before != STALL or mode != PASS:
            await self._reset()
        if mode == REFUSE and self.server is not None:
            self.server.close()
            self.server = None
        elif mode != REFUSE and self.server is None:
            await self.listen()

    async def _reset(self):
        for writer in list(self.connections):
            with contextlib.suppress(OSError):  # it may be ending by itself
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_AT_CLOSE)
            writer.transport.abort()

    async def _serve(self, reader, writer):
        self.connections.add(writer)
        try:
            if self.mode in (PASS, STALL, SWALLOW):
                await self._carry(reader, writer)
            else:
                await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # one end is gone: so is the other
        finally:
            self._drop(writer)

    def _drop(self, writer):
        self.connections.discard(writer)
        writer.close()

    async def _carry(self, reader, writer):
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        self.connections.add(upstream)
        try:
            ways = [asyncio.ensure_future(self._move(reader, upstream, False)),
                    asyncio.ensure_future(self._move(upstream_reader, writer, True))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self._drop(upstream)

    async def _move(self, source, target, answers):
        while data := await source.read(CHUNK):
            await self.moving.wait()
            if answers and self.mode == SWALLOW:
                continue
            target.write(data)
            await target.drain()
            if answers and data.startswith(b"HTTP/1.1 204"):
                self.accepted.set()

    async def _answer(self, reader, writer):
        """Stands in for the server: reads requests, and says what the mode is, or nothing."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", head, re.I)
            await reader.readexactly(int(length[1]) if length else 0)
            if self.mode not in ANSWERS:
                while await reader.read(CHUNK):
                    pass  # no answer until the connection ends
                return
            text = b"chaos"
            writer.write(f"HTTP/1.1 {ANSWERS[self.mode]}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
            await writer.drain()


# --- a webhook receiver that can be killed -----------------------------------------------------


class HookProcess(phusarun.Part):
    """An operations centre as a process: each body is in its file before it is answered, so a
    kill loses nothing that was taken."""

    def __init__(self, folder):
        super().__init__("webhook", folder)
        self.port = phusarun.free_port()
        self.taken = self.folder / "taken.jsonl"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self, wait=True):
        self.launch([sys.executable, "-B", Path(__file__).resolve(), self.port, self.taken])
        if wait:
            self.wait_until(lambda: phusarun.listens(self.port), "while it started")
        return self

    def bodies(self):
        """All that was taken, in order: (Idempotency-Key, body with its numbers as text)."""
        if not self.taken.exists():
            return []
        entries = []
        for line in self.taken.read_text().splitlines():
            try:
                entry = json.loads(line)
                body = json.loads(entry["body"], parse_float=str, parse_int=str)
                entries.append((entry["key"], body))
            except ValueError:
                continue  # torn by a kill: it was not answered
        return entries


def receive(port, path):
    """The receiver's own program."""
    lock = threading.Lock()
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            entry = {"key": self.headers.get("Idempotency-Key"), "body": raw.decode()}
            with lock:  # the line break first: a torn line before must not swallow this one
                os.write(file, b"\n" + json.dumps(entry).encode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.serve_forever()


# --- a disk that can be full ------------------------------------------------------------------------


class SmallDisk:
    """A tmpfs of limited size; where that is not permitted, `mounted` is false and it is a folder."""

    def __init__(self, folder, megabytes):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.filling = self.folder / "filling"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", self.folder],
                              capture_output=True, text=True, check=False)
        self.mounted = done.returncode == 0
        self.refusal = done.stderr.strip()

    def free(self):
        """Bytes."""
        room = os.statvfs(self.folder)
        return room.f_bavail * room.f_frsize

    def fill(self):
        """Takes all that is free."""
        with open(self.filling, "ab") as file:
            for _ in range(FILL_TRIES):
                if self.free() == 0:
                    return
                with contextlib.suppress(OSError):  # somebody else took some of it meanwhile
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), self.free())

    def empty(self):
        self.filling.unlink(missing_ok=True)

    def release(self):
        """Unmounts it; what was in it is gone. Lazily when somebody will not let go."""
        for attempt in range(RELEASE_TRIES):
            if not self.mounted:
                return
            lazily = ["--lazy"] if attempt == RELEASE_TRIES - 1 else []
            done = subprocess.run(["umount", *lazily, self.folder], capture_output=True, check=False)
            self.mounted = done.returncode != 0
            time.sleep(0.1 if self.mounted else 0)


if __name__ == "__main__":
    receive(int(sys.argv[1]), sys.argv[2])
