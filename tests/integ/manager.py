# SPDX-License-Identifier: Apache-2.0
"""manager - what a service manager does for chtd, by the protocol of sd_notify(3): it keeps the
descriptors that it is sent, gives up those that it is told to, and hands the rest to the next
process as LISTEN_FDS. Not a mock of chtd's own side: any holder that speaks this would do, and
restart_systemd.py shows that systemd does."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from rig import BIN, LIMIT_S, Program, check, equal, fail, wait_for

FIRST_FD = 3

# Puts the descriptors where they belong, and says whose they are: only the process itself knows its number.
LAUNCH = """
import os, sys
n = int(sys.argv[1])
fds = [int(a) for a in sys.argv[2:2 + n]]
top = max(fds + [2]) + n + 1
for i, fd in enumerate(fds):
    os.dup2(fd, top + i)
for i in range(n):
    os.dup2(top + i, 3 + i)
    os.close(top + i)
for fd in fds:
    if fd >= 3 + n:
        os.close(fd)
if n:
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = str(n)
os.execv(sys.argv[2 + n], sys.argv[2 + n:])
"""


class Manager(Program):
    """One service: its processes come one after the other, what they stored stays in between."""

    def __init__(self, folder, state, *args, most=1000):
        self.state, self.args, self.most = state, args, most
        self.path = folder + "/notify"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind(self.path)
        self.kept = []  # (name, fd), the newest first
        self.lock = threading.Lock()
        self.ready = threading.Event()
        self.heard = threading.Event()
        self.err = tempfile.TemporaryFile()
        self.proc = None
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            text, fds, _, _ = socket.recv_fds(self.sock, 4096, 8)
            if text == b"END":
                return
            if text == b"HEARD":
                self.heard.set()
                continue
            words = dict(line.split("=", 1) for line in text.decode().splitlines())
            with self.lock:
                if words.get("FDSTORE") == "1":
                    self.store(words, fds)
                elif words.get("BARRIER") == "1":
                    for fd in fds:
                        os.close(fd)
                elif words.get("FDSTOREREMOVE") == "1":
                    for name, fd in self.kept:
                        if name == words["FDNAME"]:
                            os.close(fd)
                    self.kept = [(name, fd) for name, fd in self.kept if name != words["FDNAME"]]
            if words.get("READY") == "1":
                self.ready.set()

    def store(self, words, fds):
        equal(words.get("FDPOLL"), "0", "FDPOLL: one that hung up is kept too")
        check(re.fullmatch(r"[0-9A-Za-z_+-]{1,3}", words["FDNAME"]), f"the name {words['FDNAME']}")
        for fd in fds:
            if len(self.kept) < self.most:
                self.kept.insert(0, (words["FDNAME"], fd))
            else:
                os.close(fd)

    def hear_all(self):
        """What a process said before it ended comes before its end, as with systemd."""
        self.heard.clear()
        self.say(b"HEARD")
        self.heard.wait(LIMIT_S)

    def say(self, text):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(text, self.path)

    def start(self):
        self.hear_all()
        self.ready.clear()
        with self.lock:
            names = ":".join(name for name, _ in self.kept)
            fds = [fd for _, fd in self.kept]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("CELLOS_", "LISTEN_"))}
        env["NOTIFY_SOCKET"] = self.path
        if fds:
            env["LISTEN_FDNAMES"] = names
        self.proc = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(len(fds)), *[str(fd) for fd in fds], os.path.join(BIN, "chtd"),
             "--state", self.state, "--init", "--fd-store", *self.args],
            pass_fds=fds, stderr=self.err, stdin=subprocess.DEVNULL, env=env)
        wait_for("READY=1", lambda: self.ready.is_set() or self.proc.poll() is not None)
        if not self.ready.is_set():
            fail("chtd was not ready: " + self.stderr())

    def end(self, sig, want):
        self.proc.send_signal(sig)
        status = self.proc.wait(LIMIT_S)
        equal(status, want, "status: " + self.stderr())

    def upgrade(self):
        self.end(signal.SIGUSR2, 75)
        self.start()

    def kill(self):
        self.end(signal.SIGKILL, -signal.SIGKILL)

    def names(self):
        with self.lock:
            return sorted(name for name, _ in self.kept)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *why):
        super().__exit__(*why)
        # Nothing is closed beneath the thread.
        self.say(b"END")
        self.thread.join()
        self.sock.close()
        for _, fd in self.kept:
            os.close(fd)
