"""One channel alone: tests/tools/carrier_try with its channel and its letters, and certificates for the
servers that they meet."""
import copy
import http.server
import json
import subprocess
import threading

from line import BUILD, PATIENCE_S

KEY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
LETTER = {
    "key": KEY, "body": "{}", "topic": "phusa/1/my-tho/s1/alarm/salinity-fields", "rule": "salinity-fields",
    "site": "my-tho", "station": "s1", "parameter": "salinity", "from": "normal", "to": "severe", "time": 1762000200,
    "value": 4.25, "station_name": "Cống Xuân Hòa", "lat": 10.35, "lon": 106.37, "unit": "g/L",
    "label": ["Độ mặn", "Salinity"], "hazard": ["Xâm nhập mặn", "Salinity intrusion"],
    "text": ["Xâm nhập mặn – Cống Xuân Hòa: Độ mặn 4,25 g/L (≥ 4 g/L). Đóng cống, trữ nước ngọt.",
             "Salinity intrusion – Cống Xuân Hòa: salinity 4.25 g/L (≥ 4 g/L). Close the sluice."],
    "brief": ["Mặn 4,25 g/L (≥ 4) tại Cống Xuân Hòa lúc 19:30 01/11. Đóng cống, trữ nước ngọt.",
              "Salinity 4.25 g/L (>= 4) at Cong Xuan Hoa 19:30 01/11. Close the sluice."],
    "line": ["Cống Xuân Hòa: mặn 4,25 g/L", "Cống Xuân Hòa: salinity 4.25 g/L"],
    "action": ["Đóng cống, trữ nước ngọt.", "Close the sluice."], "stop": ["", ""],
    "severity_name": ["nghiêm trọng", "severe"], "value_text": ["4,25 g/L", "4.25 g/L"],
    "category": "Env", "urgency": "Expected", "certainty": "Observed",
}


def letter(**changes):
    return {**copy.deepcopy(LETTER), **changes}


def parcel(*letters, recipient="", language="vi", key=None, **more):
    letters = list(letters) or [letter()]
    return {"recipient": recipient, "language": language, "key": key or letters[0]["key"], "letters": letters, **more}


class Carrier:
    """carrier_try at work; as a context it has to end with 0, which a sanitizer's finding is not."""

    def __init__(self, folder, **channel):
        file = folder / "channel.json"
        file.write_text(json.dumps(channel))
        self.log = folder / "carrier.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(BUILD / "tools" / "carrier_try"), str(file)], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        self.process.stdin.close()
        try:
            code = self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        assert failed or code == 0, f"carrier_try ended with {code}\n{self.log.read_text()}"

    def tell(self, order):
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        assert line, f"carrier_try has ended\n{self.log.read_text()}"
        return json.loads(line)

    def try_to(self, order):
        """What came of a parcel: (delivery, problem); what is published meanwhile is kept in `published`."""
        self.tell(order)
        self.published = []
        while "publish" in (answer := self.hear()):
            self.published.append((answer["publish"], answer["payload"]))
        self.seconds = answer["seconds"]
        return answer["delivery"], answer["problem"]

    def deliver(self, *letters, **parts):
        return self.try_to(parcel(*letters, **parts))


class Answering:
    """An HTTP server that answers every POST, `pause` seconds later, with what `answer` (code, headers, body) is,
    and keeps bodies and headers."""

    def __init__(self, code=200, headers=None, body=b"", pause=0):
        self.answer = (code, headers or {}, body)
        self.bodies, self.headers = [], []
        self.closing = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.headers.append(self.headers)
                outer.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                code, headers, body = outer.answer
                if code is None or outer.closing.wait(pause):
                    self.close_connection = True
                    return
                self.send_response(code)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certificate(folder, name="server", address="127.0.0.1"):
    """A certificate that stands for itself; (its file, its key's file)."""
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "2", "-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{address}")
    return folder / f"{name}.pem", folder / f"{name}.key"
