# SPDX-License-Identifier: Apache-2.0
"""Line, scribe and opener as services of their own users, joined by sockets that were made before any of them
ran, as systemd does it."""

import os
import pwd
import signal
import socket
import subprocess
import tempfile

from rig import (BIN, LIMIT_S, Daemon, Program, await_count, await_type, check, cht, conf_of, connect, equal, events, frame,
                 has_sanitizer, main, short, skip, types)

LINE, SCRIBE = "nobody", "daemon"


def become(name):
    who = pwd.getpwnam(name)

    def change():
        os.setgroups([])
        os.setgid(who.pw_gid)
        os.setuid(who.pw_uid)
    return change


def needs_users(d):
    if os.geteuid() != 0:
        skip("two users need root")
    os.chmod(d, 0o755)
    probe = subprocess.run([os.path.join(BIN, "chtd"), "--version"], preexec_fn=become(LINE), check=False,
                           capture_output=True)
    if probe.returncode != 0:
        skip("the programs are closed to other users")


def state_of_two(d):
    """As tmpfiles.d makes it."""
    line, scribe = pwd.getpwnam(LINE), pwd.getpwnam(SCRIBE)
    for path, mode, uid, gid in (("s", 0o750, scribe.pw_uid, line.pw_gid), ("s/line", 0o700, line.pw_uid, line.pw_gid),
                                 ("vm", 0o700, line.pw_uid, line.pw_gid)):
        os.mkdir(f"{d}/{path}")
        os.chown(f"{d}/{path}", uid, gid)
        os.chmod(f"{d}/{path}", mode)
    return d + "/s"


def listener(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.bind(path)
    os.chmod(path, 0o666)
    s.listen(4)
    return s


class Service(Program):
    """A program with the listener as descriptor 3."""

    def __init__(self, name, at, args, user, env):
        self.err = tempfile.TemporaryFile()
        fd = at.fileno()
        self.proc = subprocess.Popen(
            ["sh", "-c", f'exec 3<&{fd}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"', os.path.join(BIN, name),
             "--line-user", LINE, *args], pass_fds=[fd], stderr=self.err, preexec_fn=become(user),
            env={**os.environ, **(env or {})})

    def wait(self, want):
        equal(self.proc.wait(LIMIT_S), want, f"status of {self.proc.args[3]}, which says {self.stderr()!r}")


class Scribe(Service):
    def __init__(self, state, at, user=SCRIBE, env=None):
        super().__init__("cht-scribe", at, ["--state", state, "--init", "--on-full", "pause"], user, env)


class Opener(Service):
    def __init__(self, at, *roots, user="root", env=None):
        super().__init__("cht-opener", at, [w for r in roots for w in ("--root", r)], user, env)


class Line(Daemon):
    """chtd without --init: that is the scribe's."""

    def __init__(self, state, path, *args, user=SCRIBE, **kw):
        super().__init__(state, "--scribe", path, "--scribe-user", user, *args, init=False, preexec=become(LINE), **kw)


def test_two_services_keep_one_ledger(d):
    needs_users(d)
    state, path = state_of_two(d), d + "/scribe.sock"
    with listener(path) as at:
        for n in (1, 2):
            with Scribe(state, at) as scribe, Line(state, path, "--cell", f"a={d}/vm/a") as line:
                if not has_sanitizer():
                    for pid in (line.proc.pid, scribe.proc.pid):
                        with open(f"/proc/{pid}/status", encoding="ascii") as f:
                            check("\nSeccomp:\t2\n" in f.read(), "both are locked down")
                with connect(d + "/vm/a_9001") as s:
                    s.sendall(frame())
                    await_count(state, "guest.process_spawned", n)
                line.stop()
                scribe.wait(0)
    started = [e["data"]["previous"] for e in events(state) if short(e) == "host.started"]
    equal(started, ["none", "clean"], "how the runs before ended")
    check(subprocess.run(["ls", state + "/ledger"], preexec_fn=become(LINE), capture_output=True, check=False).returncode,
          "the line's user lists the ledger")
    cht("verify", "--vkey", state + "/ledger/vkey", state, want=10)  # this agent does not count


def test_three_services_of_three_users(d):
    needs_users(d)
    state = state_of_two(d)
    vms = pwd.getpwnam("games")
    os.mkdir(d + "/jail", 0o700)
    os.chown(d + "/jail", vms.pw_uid, vms.pw_gid)
    for name in ("control", "of"):
        os.mkdir(f"{d}/{name}", 0o755)
    with listener(d + "/scribe.sock") as one, listener(d + "/opener.sock") as two:
        with Scribe(state, one), Opener(two, d + "/jail", d + "/control") as opener:
            for cell in ("first", "next"):
                with Line(state, d + "/scribe.sock", "--opener", d + "/opener.sock", "--opener-user", "root",
                          "--control", d + "/control/chtd",
                          "--config", conf_of(d, f"[cell {cell}]\npath = {d}/jail/{cell}\n"
                                                  f"owner = {vms.pw_uid}\n")) as line:
                    st = os.stat(f"{d}/jail/{cell}")
                    equal((st.st_uid, st.st_mode & 0o777), (vms.pw_uid, 0o600), "owner and mode")
                    if not has_sanitizer():
                        for pid in (line.proc.pid, opener.proc.pid):
                            with open(f"/proc/{pid}/status", encoding="ascii") as f:
                                said = f.read()
                            check("\nSeccomp:\t2\n" in said, "both are locked down")
                        check("\nCapEff:\t00000000002810ce\n" in said, "the opener's capabilities: " + said)
                    with connect(f"{d}/jail/{cell}") as s:
                        s.sendall(frame())
                        await_type(state, "channel.opened")
                    line.stop()
                    check(not os.path.exists(f"{d}/jail/{cell}"), "its name is gone with the line")
                if cell == "first":
                    scribe = Scribe(state, one)
            opener.proc.send_signal(signal.SIGTERM)
            opener.wait(0)
            scribe.wait(0)
    equal(types(state).count("guest.process_spawned"), 2, "frames")


def test_whoever_is_not_the_opener_is_not_believed(d):
    needs_users(d)
    state = state_of_two(d)
    with listener(d + "/scribe.sock") as one, listener(d + "/opener.sock") as two:
        with Scribe(state, one), Opener(two, d + "/vm", user=LINE), \
             Line(state, d + "/scribe.sock", "--opener", d + "/opener.sock", "--opener-user", "root", wait=False) as line:
            line.await_ready(False)
            check(line.proc.wait(LIMIT_S) != 0 and "answers for user" in line.stderr(), line.stderr())


def test_whoever_is_not_the_line_is_closed(d):
    needs_users(d)
    state, path = state_of_two(d), d + "/scribe.sock"
    with listener(path) as at, Scribe(state, at) as scribe:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.settimeout(LIMIT_S)
            other.connect(path)
            equal(other.recv(100), b"", "what root hears")
        with Line(state, path) as line:
            line.stop()
        scribe.wait(0)
        check("user 0 connected and was closed" in scribe.stderr(), scribe.stderr())


def test_whoever_is_not_the_scribe_is_not_believed(d):
    needs_users(d)
    state, path = state_of_two(d), d + "/scribe.sock"
    with listener(path) as at:
        with Scribe(state, at, user=SCRIBE), Line(state, path, user="bin", wait=False) as line:
            line.await_ready(False)
            line.wait(70)
            check("answers for user" in line.stderr(), line.stderr())
    os.unlink(path)
    # A listener of a third one is not even told of the ring.
    third = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    third.bind(path)
    os.chmod(path, 0o666)
    pid = os.fork()
    if pid == 0:
        become("bin")()
        third.listen(1)
        os._exit(0)
    os.waitpid(pid, 0)
    with Line(state, path, wait=False) as line:
        line.await_ready(False)
        line.wait(78)
        check("listens on" in line.stderr(), line.stderr())
    third.close()


def test_the_end_of_one_is_the_end_of_both(d):
    needs_users(d)
    state, path = state_of_two(d), d + "/scribe.sock"
    with listener(path) as at:
        with Scribe(state, at) as scribe, Line(state, path) as line:
            scribe.proc.kill()
            line.wait(70)
        with Scribe(state, at) as scribe, Line(state, path) as line:
            line.proc.send_signal(signal.SIGKILL)
            line.proc.wait(LIMIT_S)
            scribe.wait(0)
    # What a scribe says before it hears anything is the line's to print.
    os.unlink(state + "/ledger/origin")
    with listener(d + "/again") as at, Scribe(state, at) as scribe, Line(state, d + "/again", wait=False) as line:
        line.await_ready(False)
        check(line.proc.wait(LIMIT_S) in (1, 11, 78), "its status is the line's")
        check("origin" in line.stderr() or "ledger" in line.stderr(), line.stderr())


def test_the_scribe_s_words_are_its_own(d):
    def refused(words, *args, env=None):
        with Daemon(d + "/s", *args, init=False, wait=False, env=env) as daemon:
            daemon.await_ready(False)
            daemon.wait(78)
            for w in words:
                check(w in daemon.stderr(), f"{w} in {daemon.stderr()}")

    refused(["--init"], "--scribe", d + "/no", "--init")
    refused(["connect to", "/no"], "--scribe", d + "/no")
    refused(["--scribe"], "--scribe-user", "root")
    refused(["variables of keys"], "--scribe", d + "/no", env={"CELLOS_HOST_TELEMETRY_LOG_ED25519_SK": "00"})
    refused(["no user \"nobody-of-that-name\""], "--scribe", d + "/no", "--scribe-user", "nobody-of-that-name")
    r = subprocess.run([os.path.join(BIN, "cht-scribe"), "--state", d, "--line-user", "root"], capture_output=True,
                       check=False)
    equal(r.returncode, 2, "without a socket")


def test_a_watchdog_hears_from_the_scribe(d):
    needs_users(d)
    state, path = state_of_two(d), d + "/scribe.sock"
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(d + "/notify")
    os.chmod(d + "/notify", 0o666)
    manager.settimeout(LIMIT_S)
    told = {"NOTIFY_SOCKET": d + "/notify", "WATCHDOG_USEC": "200000"}
    with listener(path) as at, Scribe(state, at, env=told) as scribe:
        equal(manager.recv(200).split(b"\n")[0], b"READY=1", "before anybody connects")
        with Line(state, path) as line:
            for _ in range(3):
                equal(manager.recv(200).split(b"\n")[0], b"WATCHDOG=1", "a sign of life")
            line.stop()
        scribe.wait(0)


if __name__ == "__main__":
    main(globals())
