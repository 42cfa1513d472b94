#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""firecracker - a stand-in for the part of Firecracker 1.16 that the host listens to: its metrics
writer, by the rules of its code, and its API socket, with its answers to the byte. As a program it is
told on stdin what to do, one JSON object a line, and says on stdout that it is done.

What it keeps of the original: the sink is opened for reading and writing, non-blocking, never truncated;
a document goes through a line buffer of 1,024 bytes, token by token; a counter is written as what was
added since, and is taken as told in the moment in which it is put into that buffer, delivered or not;
an error ends the document where it stands, and what is in the buffer then comes before the next one."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPE = os.path.join(HERE, "../golden/data/firecracker/full.jsonl")
FATAL = {signal.SIGBUS: ("sigbus", 149), signal.SIGSEGV: ("sigsegv", 150), signal.SIGXFSZ: ("sigxfsz", 151),
         signal.SIGXCPU: ("sigxcpu", 154), signal.SIGHUP: ("sighup", 156), signal.SIGILL: ("sigill", 157)}
STORED = {"api_server", "latencies_us", "seccomp", "vmm"}
FLUSH_AGAIN = "Internal VMM error: Metrics error: Resource temporarily unavailable (os error 11)"


class LineWriter:
    """Rust's LineWriter over a file: 1,024 bytes, flushed when full and behind a newline."""

    ROOM = 1024

    def __init__(self, fd):
        self.fd, self.buffer = fd, b""

    def flush(self):
        while self.buffer:
            self.buffer = self.buffer[os.write(self.fd, self.buffer):]

    def put(self, token):
        if self.buffer.endswith(b"\n"):
            self.flush()
        if len(token) > self.ROOM - len(self.buffer):
            self.flush()
        self.buffer += token
        if token.endswith(b"\n"):
            self.flush()


class Metrics:
    """The counters, and what was told of them."""

    def __init__(self, path, ms):
        self.ms = ms
        self.values = json.loads(open(SHAPE, encoding="utf-8").readline())
        self.told = {}
        for group in self.values.values():
            if isinstance(group, dict):
                for name in group:
                    group[name] = {k: 0 for k in group[name]} if isinstance(group[name], dict) else 0
        self.writer = LineWriter(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def add(self, group, name, n):
        self.values[group][name] += n

    def leaf(self, group, name, value):
        if group in STORED or (group == "signals" and name != "sigpipe"):
            return value
        if isinstance(value, dict):  # an aggregate of latencies: its sum is a delta
            return value
        before = self.told.get((group, name), 0)
        self.told[group, name] = value
        return value - before

    def write(self):
        """One line, or BlockingIOError."""
        put = self.writer.put
        put(b"{")
        put(b'"utc_timestamp_ms":')
        put(b"%d" % self.ms)
        for group, members in self.values.items():
            if not isinstance(members, dict):
                continue
            put(b',"%s":{' % group.encode())
            for i, (name, value) in enumerate(members.items()):
                put(b'%s"%s":' % (b"," if i else b"", name.encode()))
                put(json.dumps(self.leaf(group, name, value), separators=(",", ":")).encode())
            put(b"}")
        put(b"}")
        put(b"\n")

    def tick(self):
        """What the timer does each minute."""
        try:
            self.write()
            return True
        except BlockingIOError:
            self.add("logger", "missed_metrics_count", 1)
            return False


class Api:
    """One thread, ten clients, an answer at a time."""

    CONFIG = {"balloon": None, "drives": [], "boot-source": {"kernel_image_path": "/vmlinux", "initrd_path": None,
                                                             "boot_args": None}, "logger": None, "metrics": None}

    def __init__(self, path, metrics, loop):
        self.metrics, self.loop = metrics, loop
        self.is_stalled, self.state, self.requests, self.peers = False, "Running", [], []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(16)
        loop.register(self.listener, selectors.EVENT_READ, self.accept)

    def accept(self):
        conn, _ = self.listener.accept()
        self.peers.append(int.from_bytes(conn.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], "little"))
        self.loop.register(conn, selectors.EVENT_READ, lambda: self.serve(conn))

    def serve(self, conn):
        if self.is_stalled:
            self.loop.unregister(conn)
            self.held = conn  # neither read nor closed
            return
        raw = conn.recv(65536)
        if not raw:
            self.loop.unregister(conn)
            conn.close()
            return
        head, _, body = raw.partition(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.requests.append(method + " " + path)
        status, said = self.answer(method, path, body)
        out = f"HTTP/1.1 {status} \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
        if status != 204:
            out += f"Content-Type: application/json\r\nContent-Length: {len(said)}\r\n"
        conn.sendall((out + "\r\n").encode() + said)

    def answer(self, method, path, body):
        if (method, path) == ("GET", "/"):
            self.metrics.add("get_api_requests", "instance_info_count", 1)
            return 200, json.dumps({"id": "stand-in", "state": self.state, "vmm_version": "1.16.1",
                                    "app_name": "Firecracker"}, separators=(",", ":")).encode()
        if (method, path) == ("GET", "/vm/config"):
            return 200, json.dumps(self.CONFIG, separators=(",", ":")).encode()
        if (method, path) == ("PUT", "/actions") and json.loads(body) == {"action_type": "FlushMetrics"}:
            return self.flush()
        return self.fault(f"Invalid request method and/or path: {method} {path.lstrip('/')}.")

    def flush(self):
        self.metrics.add("put_api_requests", "actions_count", 1)
        if self.state == "Not started":
            return self.fault("The requested operation is not supported before starting the microVM.")
        try:
            self.metrics.write()
        except BlockingIOError:
            return self.fault(FLUSH_AGAIN)
        return 204, b""

    @staticmethod
    def fault(text):
        return 400, json.dumps({"fault_message": text}, separators=(",", ":")).encode()


def serve(path, api_path, ms):
    loop = selectors.DefaultSelector()
    metrics = Metrics(path, ms)
    api = Api(api_path, metrics, loop) if api_path else None

    def on_signal(number, _):
        name, status = FATAL[number]
        metrics.values["signals"][name] = 1
        metrics.tick()
        os._exit(status)

    def do(order):
        """One order; what it gives."""
        if "add" in order:
            for name, n in order["add"].items():
                metrics.add(*name.split("."), n)
        if "ms" in order:
            metrics.ms = order["ms"]
        if "resume" in order:
            metrics.values["latencies_us"]["resume_vm"] = order["resume"]
        if "api" in order:
            vars(api).update(order["api"])
        if order.get("half"):  # in the middle of a line, as SIGKILL may find it
            os.write(metrics.writer.fd, b'{"utc_timestamp_ms":1,"vsock":{"tx_by')
        if order.get("tick"):
            return metrics.tick()
        if order.get("end"):
            metrics.tick()
            sys.exit(0)
        if order.get("seen"):
            return {"requests": api.requests, "peers": api.peers}
        return True

    def on_order():
        line = sys.stdin.buffer.readline()
        if not line:
            sys.exit(0)
        print(json.dumps(do(json.loads(line))), flush=True)

    for number in FATAL:
        signal.signal(number, on_signal)
    loop.register(sys.stdin.buffer, selectors.EVENT_READ, on_order)
    if not api or api.state != "Not started":
        metrics.tick()  # it has booted
    print("true", flush=True)
    while True:
        for key, _ in loop.select():
            key.data()


class Firecracker:
    """The program, from outside; truth: what it was told to count, over all that there were."""

    def __init__(self, path, api=None, ms=1_000_000, truth=None):
        self.truth = truth if truth is not None else {}
        self.proc = subprocess.Popen([sys.executable, __file__, path, api or "", str(ms)], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.hear()

    def hear(self):
        line = self.proc.stdout.readline()
        assert line, "the stand-in ended"
        return json.loads(line)

    def tell(self, **order):
        self.proc.stdin.write(json.dumps(order) + "\n")
        self.proc.stdin.flush()
        return self.hear()

    def add(self, **counts):
        """vsock__tx_bytes_count=5"""
        named = {k.replace("__", "."): n for k, n in counts.items()}
        for k, n in named.items():
            self.truth[k] = self.truth.get(k, 0) + n
        self.tell(add=named)

    def tick(self, **order):
        return self.tell(tick=True, **order)

    def signal(self, number):
        self.proc.send_signal(number)
        return self.proc.wait(timeout=30)

    def end(self):
        """An orderly one."""
        self.proc.stdin.write('{"end":true}\n')
        self.proc.stdin.flush()
        return self.proc.wait(timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.proc.stdin.close()
        self.proc.stdout.close()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
