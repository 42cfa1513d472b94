#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht-opener: what it does for chtd, and what a line that was taken over gets out of it
(docs/PROTOCOL.opener)."""

import array
import contextlib
import fcntl
import os
import select
import signal
import socket
import stat
import struct
import subprocess
import threading

from control import Control, hub
from manager import Manager
from rig import (BIN, LIMIT_S, Daemon, check, connect, equal, events, frame, is_gone, main, put, short, skip, text_of,
                 types, wait_for)

READY, BIND, UNLINK, ADOPT, KEEP, SETTLED, FIFO, READ, CONF, PIDFD, OOM = range(1, 12)
API = 15
REQUEST = 1064
CODES = {"IO": -2, "BIND": -3, "LIMIT": -8, "STATE": -9, "CONFIG": -11, "RANGE": -15}
NOBODY = 65534


def message(kind, ticket, rest, version=1):
    raw = struct.pack("<IIQ", kind, version, ticket) + rest
    return raw + bytes(REQUEST - len(raw))


def bind(path, uid=-1, gid=-1, mode=0, ticket=1, goes=0, packets=0):
    return message(BIND, ticket, struct.pack("<qqIHH", uid, gid, mode, packets, goes) + os.fsencode(path))


def adopt(path):
    st = os.lstat(path)
    return message(ADOPT, 3, struct.pack("<QQQ", st.st_dev, st.st_ino, 0) + os.fsencode(path))


def keep(on):
    return message(KEEP, 4, struct.pack("<Q", on))


def fifo(path, uid=-1, gid=-1, mode=0, size=0):
    return message(FIFO, 6, struct.pack("<qqII", uid, gid, mode, size) + os.fsencode(path))


def of_path(kind, path):
    return message(kind, 7, bytes(24) + os.fsencode(path))


def unlink(made, ticket=2):
    return message(UNLINK, ticket, struct.pack("<Q", made))


class Opener:
    """The program with us for its line."""

    def __init__(self, *args, prefix=()):
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(LIMIT_S)
        self.proc = subprocess.Popen([*prefix, BIN + "/cht-opener", "--line-fd", str(theirs.fileno()), *args],
                                     pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        theirs.close()

    def hear(self):
        """kind, ticket, made, code, text, descriptor or None; None at its end."""
        raw, control, _, _ = self.sock.recvmsg(4096, socket.CMSG_SPACE(16))
        if not raw:
            return None
        kind, version, ticket, made, _, _, self.bytes, code, _, text = struct.unpack("<IIQQQQQii160s", raw)
        equal(version, 1, "version")
        fds = array.array("i")
        for _, _, data in control:
            fds.frombytes(data)
        check(len(fds) <= 1, "descriptors")
        return kind, ticket, made, code, text.partition(b"\0")[0].decode(), fds[0] if fds else None

    def ask(self, raw):
        self.sock.send(raw)
        return self.hear()

    def listener(self, raw):
        """A good answer's number and socket."""
        _, _, made, code, text, fd = self.ask(raw)
        equal((code, text), (0, ""), "the answer")
        return made, socket.socket(fileno=fd)

    def end(self, want):
        _, err = self.proc.communicate(timeout=LIMIT_S)
        equal(self.proc.returncode, want, "status, " + err.decode())
        return err.decode()

    def __enter__(self):
        equal(self.hear(), (READY, 0, 0, 0, "", None), "the first word")
        return self

    def __exit__(self, *_):
        self.sock.close()
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.communicate()


def opener_pid(daemon):
    for pid in text_of(f"/proc/{daemon.proc.pid}/task/{daemon.proc.pid}/children").split():
        if text_of(f"/proc/{pid}/comm").strip() == "cht-opener":
            return int(pid)
    raise AssertionError("chtd has no opener")


def sockets(d):
    return sorted(n for n in os.listdir(d) if stat.S_ISSOCK(os.lstat(f"{d}/{n}").st_mode))


# The program alone.

def test_what_it_made_goes_with_the_line_and_nothing_else(d):
    with Opener("--root", d) as o:
        _, a = o.listener(bind(d + "/a"))
        made, b = o.listener(bind(d + "/b"))
        _, c = o.listener(bind(d + "/c"))
        for name in "abc":
            connect(f"{d}/{name}").close()
        equal(o.ask(unlink(made))[:4], (UNLINK, 2, 0, 0), "an unlink")
        equal(sockets(d), ["a", "c"], "sockets")
        os.unlink(d + "/c")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.bind(d + "/c")
        o.sock.shutdown(socket.SHUT_WR)
        equal(o.hear(), None, "its end")
        equal(sockets(d), ["c"], "sockets when its end is heard: another's")
        o.end(0)
        for s in (a, b, c):
            s.close()


def test_told_to_stop_it_unlinks_too(d):
    with Opener("--root", d) as o:
        o.listener(bind(d + "/a"))
        o.proc.terminate()
        equal(o.hear(), None, "its end")
        equal(sockets(d), [], "sockets")
        o.end(0)


def test_the_next_line_takes_over_what_is_kept(d):
    with Opener("--root", d) as o:
        _, a = o.listener(bind(d + "/a"))
        _, b = o.listener(bind(d + "/b"))
        _, c = o.listener(bind(d + "/c", goes=1))
        for wrong in ({"goes": 2}, {"packets": 2}):
            equal(o.ask(bind(d + "/x", **wrong))[3], CODES["RANGE"], str(wrong))
        equal(o.ask(keep(2))[3], CODES["RANGE"], "keep 2")
        equal(o.ask(keep(1))[3], 0, "keep")
        o.sock.shutdown(socket.SHUT_WR)
        equal(o.hear(), None, "its end")
        o.end(0)
    equal(sockets(d), ["a", "b"], "sockets that are kept")
    with Opener("--root", d) as o:
        _, _, made, code, text, _ = o.ask(adopt(d + "/a"))
        equal(code, 0, text)
        equal(o.ask(message(SETTLED, 5, b""))[3], 0, "settled")
        equal(o.ask(adopt(d + "/b"))[3], CODES["STATE"], "too late")
        equal(o.ask(unlink(made))[3], 0, "unlink")
        equal(sockets(d), ["b"], "sockets")
        o.sock.shutdown(socket.SHUT_WR)
        equal(o.hear(), None, "its end")
        o.end(0)
    equal(sockets(d), ["b"], "what nobody adopted is not its")
    for s in (a, b, c):
        s.close()


def test_what_is_no_request_ends_the_conversation(d):
    good = bind(d + "/v")
    rows = [b"x", good[:-1], good + b"\0", b"\xff" * REQUEST, bytes(REQUEST), os.urandom(REQUEST), os.urandom(60000),
            message(READY, 1, b""), message(99, 1, b""), message(BIND, 1, b"", version=2)]
    for raw in rows:
        with Opener("--root", d) as o:
            o.listener(bind(d + "/a"))
            equal(o.ask(raw), None, f"the answer to {raw[:20]!r}")
            check("cht-opener" in o.end(1), "it says why")
        equal(sockets(d), [], "sockets")
    with Opener("--root", d) as o:
        o.listener(bind(d + "/a"))
        socket.send_fds(o.sock, [good], [0])
        equal(o.hear(), None, "the answer to a request with a descriptor")
        o.end(1)
    equal(sockets(d), [], "sockets")


def test_a_line_that_does_not_read_is_let_go(d):
    with Opener("--root", d) as o:
        o.listener(bind(d + "/a"))
        o.sock.settimeout(0.2)
        with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
            while True:
                o.sock.send(unlink(77))
        o.end(1)
        equal(sockets(d), [], "sockets")


def test_it_starts_with_roots_that_are_there_or_says_which_is_not(d):
    with contextlib.closing(Opener("--root", d + "/none").sock) as sock:
        raw = sock.recv(4096)
        kind, _, _, _, _, _, _, code, _, text = struct.unpack("<IIQQQQQii160s", raw)
        equal((kind, code), (READY, CODES["CONFIG"]), "its word")
        check((d + "/none").encode() in text and b"[opener] roots" in text, repr(text))
    for args in ((), ("--root", d), ("--root", d, "--line-fd", "0"), ("--root", d, "--line-user", "0"),
                 ("--line-fd", "99", "--root", d), ("--root", d, "x"), ("--bad",)):
        done = subprocess.run([BIN + "/cht-opener", *args], capture_output=True, check=False, timeout=LIMIT_S)
        equal(done.returncode, 2, f"status of {args}: {done.stderr}")


@contextlib.contextmanager
def service(d, user, *args):
    """As systemd starts it: a listening socket is passed to it, as descriptor 3."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(d + "/opener")
        os.chmod(d + "/opener", 0o666)
        listener.listen()
        held = os.dup(3) if listener.fileno() != 3 else -1
        os.dup2(listener.fileno(), 3)
        proc = subprocess.Popen(["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", BIN + "/cht-opener",
                                 "--line-user", str(user), *args], pass_fds=[3], stderr=subprocess.DEVNULL)
        if held >= 0:
            os.dup2(held, 3)
            os.close(held)
        try:
            yield proc
            proc.terminate()
            equal(proc.wait(LIMIT_S), 0, "status")
        finally:
            if proc.poll() is None:
                proc.kill()
                proc.wait()


def test_to_its_own_socket_only_the_line_may_come(d):
    if os.geteuid() != 0:
        skip("connects as another user, and this is not root")
    os.chmod(d, 0o755)
    with service(d, NOBODY, "--root", d):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(LIMIT_S)
            s.connect(d + "/opener")
            equal(s.recv(4096), b"", "what another user hears")
        ask = ("import socket,sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET);"
               f"s.connect({d + '/opener'!r}); assert s.recv(4096); s.send(bytes.fromhex(sys.argv[1]));"
               "r = s.recv(4096); sys.exit(r[40] != 0)")
        for _ in range(2):
            subprocess.run(["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "python3",
                            "-c", ask, bind(d + "/v").hex()], check=True, timeout=LIMIT_S)
            wait_for("the socket's end", lambda: not os.path.exists(d + "/v"))


def test_chtd_goes_to_a_service_of_its_own(d):
    os.mkdir(d + "/vms")
    args = ("--opener", d + "/opener", "--opener-user", str(os.geteuid()))
    with service(d, os.geteuid(), "--root", d + "/vms", "--also", d + "/control") as proc:
        for end in (signal.SIGKILL, signal.SIGTERM):
            with hub(d, *args, "--cell", f"fixed={d}/vms/f") as (daemon, c):
                equal(len(text_of(f"/proc/{daemon.proc.pid}/task/{daemon.proc.pid}/children").split()), 1, "children")
                c.put("a", {"path": d + "/vms/v"})
                c.put("b", {"path": d + "/elsewhere"}, want=422)
                equal(sockets(d + "/vms"), ["f_9001", "v"], "sockets")
                daemon.proc.send_signal(end)
                daemon.proc.wait(LIMIT_S)
                wait_for("the sockets' end", lambda: sockets(d + "/vms") == [] and sockets(d) == ["opener"])
        check(proc.poll() is None, "it serves the next one")
        with Daemon(d + "/s", *args), Daemon(d + "/t", *args, wait=False) as waiting:
            wait_for("the second one, which hears signals", lambda: int(
                text_of(f"/proc/{waiting.proc.pid}/status").partition("SigBlk:")[2].split()[0], 16) & 1 << 14)
            waiting.stop(sig=signal.SIGTERM)
        with Daemon(d + "/s", *args[:2], "--opener-user", str(NOBODY), wait=False) as daemon:
            check(daemon.proc.wait(LIMIT_S) in (70, 78) and str(NOBODY) in daemon.stderr(), daemon.stderr())
    with Daemon(d + "/s", *args, wait=False) as daemon:
        daemon.wait(78)
        check("connect to" in daemon.stderr(), daemon.stderr())
    for more in (("--replace",), ()):
        with Daemon(d + "/s", *(args if more else args[2:]), *more, wait=False) as daemon:
            daemon.wait(78)
            check("--opener" in daemon.stderr(), daemon.stderr())


def test_without_privilege_it_can_do_what_its_user_can(d):
    if os.geteuid() != 0:
        skip("drops to another user, and this is not root")
    os.chmod(d, 0o755)
    for name, uid in (("his", NOBODY), ("hers", 20002)):
        os.mkdir(f"{d}/{name}", 0o755)
        os.chown(f"{d}/{name}", uid, uid)
    drop = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    with Opener("--root", d, prefix=drop) as o:
        _, v = o.listener(bind(d + "/his/v", mode=0o622))
        st = os.lstat(d + "/his/v")
        equal((st.st_uid, stat.S_IMODE(st.st_mode)), (NOBODY, 0o622), "owner and mode")
        for raw in (bind(d + "/hers/v"), bind(d + "/his/w", uid=20002), bind(d + "/his/w", gid=20002)):
            _, _, _, code, text, _ = o.ask(raw)
            equal(code, CODES["BIND"], text)
        v.close()


def test_with_capabilities_it_can_do_no_more_than_the_owner_could(d):
    if os.geteuid() != 0:
        skip("gives capabilities to another user, and this is not root")
    os.chmod(d, 0o755)
    for name, uid, mode in (("his", 20001, 0o700), ("hers", 20002, 0o755), ("secret", 20002, 0o700)):
        os.mkdir(f"{d}/{name}")
        os.chmod(f"{d}/{name}", mode)
        os.chown(f"{d}/{name}", uid, uid)
    for caps in ("+setuid,+setgid,+dac_read_search", "+setuid,+setgid,+dac_read_search,+dac_override,+fowner"):
        drop = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--inh-caps", caps,
                "--ambient-caps", caps)
        with Opener("--root", d, prefix=drop) as o:
            made, v = o.listener(bind(d + "/his/v", uid=20001, gid=20001, mode=0o660))
            st = os.lstat(d + "/his/v")
            equal((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)), (20001, 20001, 0o660), "owner and mode")
            for path in ("/hers/v", "/secret/v", "/v"):
                _, _, _, code, text, _ = o.ask(bind(d + path, uid=20001, gid=20001))
                equal((code, "Permission denied" in text), (CODES["BIND"], True), text)
            equal(o.ask(unlink(made))[3], 0, "unlink")
            equal(sockets(d + "/his"), [], "what it made as another it removes as that other")
            v.close()
            o.listener(bind(d + "/his/w", uid=20001, gid=20001))
            o.sock.shutdown(socket.SHUT_WR)
            equal(o.hear(), None, "its end")
            equal(sockets(d + "/his"), [], "sockets in the end")


def test_a_fifo_is_made_as_a_socket_is(d):
    with Opener("--root", d) as o:
        _, _, made, code, text, fd = o.ask(fifo(d + "/f", mode=0o620, size=1 << 20))
        equal(code, 0, text)
        st = os.lstat(d + "/f")
        equal((stat.S_ISFIFO(st.st_mode), stat.S_IMODE(st.st_mode)), (True, 0o620), "kind and mode")
        check(fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) >= 1 << 20, "its size")
        with open(d + "/f", "wb", buffering=0) as writer:
            writer.write(b"metrics")
        equal(os.read(fd, 100), b"metrics", "what was written")
        equal(o.bytes, fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ), "its size, as the answer has it")
        equal(o.ask(fifo(d + "/none/f"))[3], CODES["BIND"], "its code")
        put(d + "/g", b"")
        os.symlink("f", d + "/h")
        for name in "gh":
            equal(o.ask(fifo(f"{d}/{name}"))[3], CODES["BIND"], "its code")
            os.unlink(f"{d}/{name}")
        equal(o.ask(fifo(d + "/g", mode=0o1777))[3], CODES["RANGE"], "its code")
        equal(o.ask(unlink(made))[3], 0, "unlink")
        equal(os.listdir(d), [], "what is left")
        os.close(fd)
        os.close(o.ask(fifo(d + "/f"))[5])
        o.sock.shutdown(socket.SHUT_WR)
        equal(o.hear(), None, "its end")
        equal(os.listdir(d), ["f"], "what is left of a line that is gone")


def test_a_fifo_that_is_there_is_read_and_left(d):
    os.mkfifo(d + "/f", 0o600)
    with Opener("--root", d) as o:
        _, _, made, code, text, fd = o.ask(fifo(d + "/f", size=1 << 17))
        equal((made, code, text, o.bytes), (0, 0, "", 1 << 17), "the answer")
        os.close(fd)
        o.sock.shutdown(socket.SHUT_WR)
        equal(o.hear(), None, "its end")
    equal(os.listdir(d), ["f"], "what is left")


def test_a_fifo_that_cannot_be_so_large_works_all_the_same(d):
    with Opener("--root", d) as o:
        for name in "fg":
            _, _, made, code, text, fd = o.ask(fifo(f"{d}/{name}", size=(1 << 31) - 1))
            equal((made > 0, code, text), (True, 0, ""), "the answer")
            equal(o.bytes, fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ), "its size")
            with open(f"{d}/{name}", "wb", buffering=0) as writer:
                writer.write(b"metrics")
            equal(os.read(fd, 100), b"metrics", "what was written")
            os.close(fd)
        o.sock.shutdown(socket.SHUT_WR)
        equal(o.hear(), None, "its end")
        said = o.end(0)
        equal(said.count("fs.pipe-max-size"), 1, f"a warning once: {said}")


def test_200_cells_of_an_ordinary_user_have_their_fifos(d):
    os.chmod(d, 0o777)
    with open("/proc/sys/fs/pipe-user-pages-soft", encoding="ascii") as f:
        if int(f.read()) < 200 * 32:
            skip("this host gives a user fewer pages of pipes")
    as_nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups") if os.getuid() == 0 else ()
    with Opener("--root", d, prefix=as_nobody) as o:
        fds = []
        for i in range(200):
            _, _, _, code, text, fd = o.ask(fifo(f"{d}/{i}", size=1 << 17))
            equal((code, text, o.bytes), (0, "", 1 << 17), f"FIFO {i}")
            fds.append(fd)
        for fd in fds:
            os.close(fd)


STATE, CONFIG, FLUSH = range(3)


def api(path, what=STATE, ticket=8):
    return message(API, ticket, struct.pack("<QQQ", what, 0, 0) + os.fsencode(path))


class Vmm:
    """A socket that answers when it is told to."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(16)
        self.listener.settimeout(LIMIT_S)

    def accept(self, want):
        conn, _ = self.listener.accept()
        conn.settimeout(LIMIT_S)
        got = conn.recv(4096)
        equal(got, want, "the question")
        return conn

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


ASKED = {
    STATE: b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    CONFIG: b"GET /vm/config HTTP/1.1\r\nHost: localhost\r\n\r\n",
    FLUSH: b"PUT /actions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
           b"Content-Length: 30\r\n\r\n{\"action_type\":\"FlushMetrics\"}",
}
FULL = b"HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\n{\0\"}"
BARE = b"HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n"


def content(fd):
    """What was answered; and that nobody can change it any more."""
    check(fcntl.fcntl(fd, 1034) & 15 == 15, "its seals")  # F_GET_SEALS
    with open(fd, "rb") as f:
        return f.read()


def test_a_vmm_is_asked_and_its_answer_comes_as_it_is(d):
    with Vmm(d + "/api") as vmm, Opener("--root", d, "--api", d, "--flush") as o:
        for what, said in ((STATE, FULL), (CONFIG, FULL), (FLUSH, BARE),
                           (STATE, b"HTTP/1.1 503\r\nServer: x\r\n\r\n{}")):
            o.sock.send(api(d + "/api", what))
            conn = vmm.accept(ASKED[what])
            for i in range(len(said)):  # whatever is a piece
                conn.send(said[i:i + 1])
            if b"503" in said:
                conn.close()
            kind, ticket, made, code, text, fd = o.hear()
            equal((kind, ticket, made, code, text), (API, 8, 0, 0, ""), "the answer")
            equal(content(fd), said, "its bytes")
            conn.close()


def test_a_vmm_that_stalls_holds_up_nobody(d):
    with Vmm(d + "/api") as slow, Vmm(d + "/fast") as fast, Opener("--root", d, "--api", d) as o:
        o.sock.send(api(d + "/api", ticket=1))
        stalled = slow.accept(ASKED[STATE])
        stalled.send(FULL[:30])
        _, other = o.listener(bind(d + "/v"))
        other.close()
        o.sock.send(api(d + "/fast", ticket=2))
        conn = fast.accept(ASKED[STATE])
        conn.send(FULL)
        equal(o.hear()[1:4], (2, 0, 0), "the one that was asked later")
        kind, ticket, _, code, text, _ = o.hear()
        equal((kind, ticket, code), (API, 1, CODES["IO"]), text)
        check("does not answer" in text, text)
        equal(stalled.recv(1), b"", "its connection is closed")
        conn.close()


def test_of_vmms_that_stall_so_many_are_asked_at_a_time(d):
    with Vmm(d + "/api") as slow, Opener("--root", d, "--api", d) as o:
        for ticket in range(8):
            o.sock.send(api(d + "/api", ticket=ticket))
        equal(o.ask(api(d + "/api", ticket=9))[1:4], (9, 0, CODES["LIMIT"]), "one too many")
        slow.accept(ASKED[STATE]).send(FULL)
        equal(o.hear()[1:4], (0, 0, 0), "the first")
        o.sock.send(api(d + "/api", ticket=10))
        slow.listener.close()
        equal(sorted(o.hear()[1] for _ in range(8)), [1, 2, 3, 4, 5, 6, 7, 10], "all are answered")


def test_what_is_no_answer_is_told(d):
    rows = (b"", b"\r\n", b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n",
            b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n{}", b"HTTP/1.1 200 \r\nContent-Length: 131073\r\n\r\n",
            b"HTTP/1.1 200 \r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 200 \r\nA: " + bytes(10), b"x" * 4096,
            b"HTTP/1.1 200 \r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n{", BARE + b"{}")
    with Vmm(d + "/api") as vmm, Opener("--root", d, "--api", d) as o:
        for said in rows:
            o.sock.send(api(d + "/api"))
            with vmm.accept(ASKED[STATE]) as conn:
                conn.send(said)
            _, _, _, code, text, fd = o.hear()
            check(code < 0 and fd is None, f"{said[:60]!r} is taken: {text}")
        o.sock.send(api(d + "/api"))
        with vmm.accept(ASKED[STATE]) as conn:
            conn.send(b"HTTP/1.1 200 \r\n\r\n")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(40):
                    conn.send(bytes(4096))
        equal(o.hear()[3], CODES["LIMIT"], "one without an end")


def test_no_other_socket_is_asked_and_nothing_is_flushed(d):
    os.mkdir(d + "/vms")
    os.mkdir(d + "/else")
    os.symlink("../else/api", d + "/vms/link")
    put(d + "/vms/file", b"")
    with Vmm(d + "/else/api"), Vmm(d + "/vms/api") as vmm, Opener("--root", d, "--api", d + "/vms") as o:
        for path in ("/else/api", "/vms/link", "/vms/file", "/vms/../else/api", "/vms/none", "/vms/none/api"):
            _, _, _, code, text, fd = o.ask(api(d + path))
            check(code < 0 and fd is None, f"{path}: {text}")
        for what in (3, 1 << 32):
            equal(o.ask(api(d + "/vms/api", what))[3], CODES["RANGE"], "another question")
        _, _, _, code, text, _ = o.ask(api(d + "/vms/api", FLUSH))
        equal(code, CODES["CONFIG"], text)
        check("--flush" in text, text)
        vmm.listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            vmm.listener.accept()
            raise AssertionError("it was asked")


def test_a_vmm_of_another_user_is_asked_as_that_user(d):
    if os.getuid() != 0:
        skip("only root can be somebody else")
    os.chmod(d, 0o711)
    as_opener = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                 "--inh-caps=+setuid,+setgid,+dac_read_search", "--ambient-caps=+setuid,+setgid,+dac_read_search")
    os.mkdir(d + "/jail", 0o700)
    with Vmm(d + "/jail/api") as vmm:
        os.chown(d + "/jail", 30007, 30007)
        os.chown(d + "/jail/api", 30007, 30007)
        os.chmod(d + "/jail/api", 0o700)
        with Opener("--root", d, "--api", d, prefix=as_opener) as o:
            o.sock.send(api(d + "/jail/api"))
            with vmm.accept(ASKED[STATE]) as conn:
                conn.send(FULL)
                equal(content(o.hear()[5]), FULL, "its bytes")


def test_what_may_be_read_is_opened_and_nothing_else(d):
    for name in ("read", "conf.d", "vms"):
        os.mkdir(f"{d}/{name}")
    for name in ("read/m", "conf.d/a.conf", "conf.d/a.txt", "conf.d/.b.conf", "chtd.conf", "vms/secret", "read/two"):
        put(f"{d}/{name}", name.encode())
    os.symlink("m", d + "/read/link")
    os.symlink("../vms/secret", d + "/read/out")
    os.symlink("../vms/secret", d + "/conf.d/out.conf")
    os.link(d + "/read/two", d + "/read/three")
    os.mkfifo(d + "/read/fifo")
    me = f"/proc/{os.getpid()}"
    good = [(READ, d + "/read/m"), (READ, me + "/stat"), (READ, f"{me}/task/{os.getpid()}/stat"), (READ, me + "/schedstat"),
            (CONF, d + "/chtd.conf"), (CONF, d + "/conf.d/a.conf")]
    bad = [(READ, d + "/read"), (READ, d + "/read/link"), (READ, d + "/read/out"), (READ, d + "/read/two"),
           (READ, d + "/read/fifo"), (READ, d + "/read/../vms/secret"), (READ, d + "/vms/secret"), (READ, "/etc/passwd"),
           (READ, me + "/fd"), (READ, me + "/task/"), (READ, f"{me}/task/{os.getpid()}"), (READ, me + "/task/1/children"),
           (READ, me + "/environ"), (READ, me + "/maps"), (READ, me + "/task/1x/stat"), (READ, "/proc/self/stat"),
           (READ, "/proc//stat"), (READ, me + "/../1/stat"), (READ, d + "/chtd.conf"), (CONF, d + "/conf.d/a.txt"),
           (CONF, d + "/conf.d/.b.conf"), (CONF, d + "/conf.d/out.conf"), (CONF, d + "/conf.d/../chtd.conf"),
           (CONF, d + "/conf.d/x.conf"), (CONF, d + "/read/m"), (CONF, d + "/chtd.conf2"), (CONF, d + "/conf.dx.conf"),
           (CONF, "")]
    with Opener("--root", d + "/vms", "--read", d + "/read", "--conf", d + "/chtd.conf", "--conf", d + "/conf.d") as o:
        for kind, path in good:
            _, _, _, code, text, fd = o.ask(of_path(kind, path))
            equal(code, 0, f"{path}: {text}")
            equal(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE, os.O_RDONLY, "it is for reading")
            raw = os.read(fd, 1000)
            check(raw == path.removeprefix(d + "/").encode() or path.startswith("/proc") and raw, f"{path}: {raw}")
            os.close(fd)
        for kind, path in bad:
            _, _, _, code, text, fd = o.ask(of_path(kind, path))
            check(code < 0 and text and fd is None, f"{path}: {code} {text}")
        put(d + "/new", b"written anew")
        os.rename(d + "/new", d + "/chtd.conf")
        fd = o.ask(of_path(CONF, d + "/chtd.conf"))[5]
        equal(os.read(fd, 100), b"written anew", "a file that was replaced")
        os.close(fd)
        fd = o.ask(of_path(CONF, d + "/conf.d"))[5]
        check("a.conf" in os.listdir(fd), "the directory is listed")
        os.close(fd)
        _, _, _, code, text, fd = o.ask(of_path(READ, me + "/task"))
        equal(code, 0, text)
        check(str(os.getpid()) in os.listdir(fd), "the threads of a process are listed")
        os.close(fd)


MEMORY = "/sys/fs/cgroup/memory"


@contextlib.contextmanager
def memory_group():
    """A cgroup of v1; where none can be made there is nothing to show."""
    path = f"{MEMORY}/cht-opener-{os.getpid()}"
    if not os.path.exists(MEMORY + "/cgroup.event_control"):
        skip("this host has no memory cgroups of version 1")
    try:
        os.mkdir(path)
    except OSError as e:
        skip(f"no cgroup can be made: {e}")
    try:
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(path)


def test_a_cgroup_is_read_without_being_configured(d):
    tree = next((t for t in ("/sys/fs/cgroup", MEMORY) if os.path.exists(t + "/cgroup.procs")), None)
    if tree is None:
        skip("this host has no cgroups")
    with Opener("--root", d) as o:
        _, _, _, code, text, fd = o.ask(of_path(READ, tree + "/cgroup.procs"))
        equal(code, 0, text)
        check(os.read(fd, 100), "it has what is in it")
        os.close(fd)
        for path in (tree, tree + "/../kernel/uevent_seqnum", "/sys/kernel/uevent_seqnum"):
            _, _, _, code, text, fd = o.ask(of_path(READ, path))
            check(code < 0 and text and fd is None, f"{path}: {code} {text}")


def test_the_end_of_a_cgroups_memory_is_heard(d):
    with memory_group() as group, Opener("--root", d, "--read", d) as o:
        _, _, _, code, text, fd = o.ask(of_path(OOM, group + "/memory.oom_control"))
        equal(code, 0, text)
        put(group + "/memory.limit_in_bytes", b"16777216")
        check(not select.select([fd], [], [], 0)[0], "nothing has happened")
        hog = subprocess.run(["sh", "-c", f"echo 0 >{group}/cgroup.procs && exec python3 -c 'bytearray(1 << 28)'"],
                             check=False, stderr=subprocess.DEVNULL, timeout=LIMIT_S)
        equal(hog.returncode, -signal.SIGKILL, "how it ended")
        check(select.select([fd], [], [], LIMIT_S)[0], "it is heard")
        equal(len(os.read(fd, 8)), 8, "the count")
        os.close(fd)


def test_only_a_cgroup_of_version_1_is_written_to(d):
    for name in ("memory.oom_control", "cgroup.event_control"):
        put(f"{d}/{name}", b"")
    os.symlink("/sys/fs/cgroup/memory", d + "/link")
    # With and without Landlock, which holds it to that too.
    for mode in ("kill", "off"):
        with Opener("--root", d, "--read", d, "--lockdown", mode) as o:
            for path in (d + "/memory.oom_control", d + "/link/memory.oom_control", MEMORY,
                         MEMORY + "/memory.usage_in_bytes", MEMORY + "/x/../memory.oom_control", "memory.oom_control", ""):
                _, _, _, code, text, fd = o.ask(of_path(OOM, path))
                check(code < 0 and text and fd is None, f"{path}: {code} {text}")
        equal(text_of(d + "/cgroup.event_control"), "", "what was written")


def test_a_process_is_watched_by_its_pidfd(d):
    child = subprocess.Popen(["sleep", "1000"])
    try:
        with Opener("--root", d) as o:
            _, _, _, code, text, fd = o.ask(message(PIDFD, 8, struct.pack("<Q", child.pid)))
            equal(code, 0, text)
            equal(select.select([fd], [], [], 0)[0], [], "it lives")
            child.kill()
            equal(select.select([fd], [], [], LIMIT_S)[0], [fd], "its end")
            os.close(fd)
            for pid in (0, 1 << 31, (1 << 64) - 1):
                equal(o.ask(message(PIDFD, 8, struct.pack("<Q", pid)))[3], CODES["RANGE"], f"pid {pid}")
    finally:
        child.kill()
        child.wait()


# With chtd.

def test_kill_9_of_the_line_leaves_no_socket(d):
    os.mkdir(d + "/vms")
    with hub(d, "--cell", f"fixed={d}/vms/f") as (daemon, c):
        c.put("a", {"base": d + "/vms/v"})
        equal(sockets(d + "/vms"), ["f_9001", "v_9001"], "sockets")
        pid = opener_pid(daemon)
        daemon.proc.kill()
        daemon.proc.wait()
        wait_for("the opener's end", lambda: is_gone(pid))
        equal(sockets(d + "/vms"), [], "sockets")


def test_without_its_opener_chtd_stops_in_good_order(d):
    with hub(d) as (daemon, c):
        c.put("a", {"path": d + "/a"})
        with connect(d + "/a") as s:
            s.sendall(b"".join(frame(pid=i) for i in range(300)))
            wait_for("the frames", lambda: c.get("/cells/a")["frames"]["stored"] == 300)
            s.sendall(b"".join(frame(pid=i) for i in range(300)))
            os.kill(opener_pid(daemon), signal.SIGKILL)
            daemon.wait(70)
        check("cht-opener" in daemon.stderr(), daemon.stderr())
    equal(types(d + "/s").count("guest.process_spawned"), 600, "frames")
    last = list(events(d + "/s"))[-1]
    equal((short(last), last["data"]["reason"]), ("host.stopped", "sibling"), "the last event")


def test_a_stopped_opener_holds_up_nobody_but_who_waits_for_it(d):
    with hub(d) as (daemon, c):
        c.put("a", {"path": d + "/a"})
        pid = opener_pid(daemon)
        os.kill(pid, signal.SIGSTOP)
        try:
            waiting = [Control(d) for _ in range(40)]
            for i, w in enumerate(waiting):
                w.http.request("PUT", f"/cells/w{i}", '{"path":"%s/w%d"}' % (d, i))
            wait_for("the requests", lambda: len(c.get("/cells")) == 41)
            with connect(d + "/a") as s:
                s.sendall(frame() * 100)
                wait_for("the frames", lambda: c.get("/cells/a")["frames"]["stored"] == 100)
        finally:
            os.kill(pid, signal.SIGCONT)
        for w in waiting:
            equal(w.http.getresponse().status, 201, "status of one that waited")
        equal(len(sockets(d)), 42, "sockets, the control socket among them")
        daemon.stop()
    equal(sockets(d), [], "sockets")


def test_a_cell_is_below_the_roots_or_refused(d):
    os.mkdir(d + "/vms")
    os.mkdir(d + "/elsewhere")
    os.symlink(d + "/elsewhere", d + "/vms/link")
    put(d + "/conf", f"[opener]\nroots = {d}/vms /usr\n".encode())
    with hub(d, "--config", d + "/conf") as (daemon, c):
        n = len(list(events(d + "/s")))
        for path, word in (("/elsewhere/v", "[opener] roots"), ("/vms/../elsewhere/v", ".."), ("/vms/link/v", "symlink"),
                           ("/vmsx/v", "[opener] roots"), ("/v", "[opener] roots"), ("/vms/none/v", "No such file")):
            said = c.put("a", {"path": d + path}, want=422)
            equal(said["code"], "cannot_bind", "code")
            check(word in said["message"], f"{path}: {said['message']}")
        equal((c.get("/cells"), len(list(events(d + "/s")))), ([], n), "what is left of it")
        c.put("a", {"path": d + "/vms/v"})
        equal(sockets(d + "/vms"), ["v"], "sockets")
        daemon.stop()
    with Daemon(d + "/s", "--config", d + "/conf", "--cell", f"a={d}/elsewhere/v", wait=False) as daemon:
        daemon.wait(78)
        check("[opener] roots" in daemon.stderr(), daemon.stderr())
    put(d + "/conf", f"[opener]\nroots = {d}/none\n".encode())
    with Daemon(d + "/s", "--config", d + "/conf", wait=False) as daemon:
        daemon.wait(78)
        check(d + "/none" in daemon.stderr(), daemon.stderr())


def test_many_cells_of_a_start_are_all_bound(d):
    cells = "".join(f"[cell c{i}]\npath = {d}/c{i}\n" for i in range(100))
    put(d + "/conf", cells.encode())
    with Daemon(d + "/s", "--config", d + "/conf") as daemon:
        for i in range(100):
            connect(f"{d}/c{i}").close()
        daemon.stop()
    equal(sockets(d), [], "sockets")
    put(d + "/conf", (cells + f"[cell x]\npath = {d}/none/x\n").encode())
    with Daemon(d + "/s", "--config", d + "/conf", wait=False) as daemon:
        daemon.wait(78)
        check("none" in daemon.stderr(), daemon.stderr())
    wait_for("the sockets of a start that failed", lambda: sockets(d) == [])


def test_no_descriptor_of_the_line_reaches_a_file_of_the_ledger(d):
    os.mkdir(d + "/vms")
    with hub(d, "--cell", f"fixed={d}/vms/f") as (daemon, c):
        c.put("a", {"path": d + "/vms/v"})
        with connect(d + "/vms/v") as s:
            s.sendall(frame())
            wait_for("the frame", lambda: c.get("/cells/a")["frames"]["stored"] == 1)
            links = [os.readlink(f"/proc/{daemon.proc.pid}/fd/{n}") for n in os.listdir(f"/proc/{daemon.proc.pid}/fd")]
        files = [p for p in links if p.startswith("/") and not p.startswith(("/dev/null", "/memfd:", "/tmp/#"))]
        equal([p for p in files if p.startswith(f"{d}/s/") and p != f"{d}/s/line/table"], [], "files of the state")
        equal([p for p in files if os.path.isdir(p)], [], "directories")
        daemon.stop()


class Between:
    """An opener for one line that writes down what it is asked."""

    def __init__(self, opener, path):
        self.opener, self.kinds = opener, []
        self.at = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.at.bind(path)
        self.at.listen(1)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with self.at.accept()[0] as line:
            line.send(struct.pack("<IIQQQQQii160s", READY, 1, 0, 0, 0, 0, 0, 0, 0, b""))
            while raw := line.recv(4096):
                self.kinds.append(raw[0])
                self.opener.sock.send(raw)
                answer, fds, _, _ = socket.recv_fds(self.opener.sock, 4096, 1)
                socket.send_fds(line, [answer], fds)
                for fd in fds:
                    os.close(fd)


def test_it_is_settled_before_what_was_kept_is_read(d):
    with Opener("--root", d, "--replace") as o:
        between = Between(o, d + "/opener")
        with Manager(d, d + "/s", "--cell", f"a={d}/a", "--opener", d + "/opener") as m:
            m.end(signal.SIGTERM, 0)
        between.thread.join(LIMIT_S)
        # It says KEEP when it has read all that another left, and has that kept in its place.
        check(between.kinds.index(SETTLED) < between.kinds.index(KEEP), between.kinds)
        between.at.close()


if __name__ == "__main__":
    main(globals())
