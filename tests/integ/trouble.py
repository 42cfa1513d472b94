#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The line in trouble that is not the guests' doing: no descriptors, no space, a scribe that does
not answer, starts that fail or are stopped half way. What was accepted is stored or declared, and
chtd ends when it is told to."""

import contextlib
import os
import resource
import select
import shutil
import signal
import subprocess
import time

from rig import (BIN, LIMIT_S, Daemon, await_count, check, cht, conf_of, connect, equal, events, frame, is_gone, main,
                 short, skip, sums, types, wait_for)


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wake_ups(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("voluntary"))


def test_a_reader_of_diagnostics_that_goes_away_is_survived(d):
    out, theirs = os.pipe()
    ready, writer = os.pipe()
    os.set_inheritable(writer, True)
    c = conf_of(d, "[limits]\nconnections = 1\n")
    proc = subprocess.Popen([os.path.join(BIN, "chtd"), "--state", d + "/s", "--init", "--config", c,
                             "--ready-fd", str(writer), "--cell", f"a={d}/a"], pass_fds=[writer], stderr=theirs)
    os.close(theirs)
    os.close(writer)
    os.close(out)
    os.close(ready)
    # Nobody hears that it is ready, nor that it stops, nor anything in between.
    wait_for("the socket", lambda: os.path.exists(d + "/a_9001"))
    wait_for("its end or an event", lambda: proc.poll() is not None or os.path.exists(d + "/s/ledger/entries")
             and "run.opened" in types(d + "/s"))
    with contextlib.suppress(OSError), connect(d + "/a_9001") as s:
        s.sendall(frame())
        wait_for("its end or a frame", lambda: proc.poll() is not None or "guest.process_spawned" in types(d + "/s"))
    proc.send_signal(signal.SIGTERM)
    equal(proc.wait(LIMIT_S), 0, "exit status")


def test_standard_descriptors_may_be_closed(d):
    def close_all():
        for fd in (0, 1, 2):
            os.close(fd)
    ready, writer = os.pipe()
    os.dup2(writer, 19)
    proc = subprocess.Popen([os.path.join(BIN, "chtd"), "--state", d + "/s", "--init", "--ready-fd", "19",
                             "--cell", f"a={d}/a"], pass_fds=[19], preexec_fn=close_all)
    os.close(writer)
    os.close(19)
    check(select.select([ready], [], [], LIMIT_S)[0] and os.read(ready, 1) == b"\n", "ready")
    os.close(ready)
    for fd in (0, 1, 2):
        equal(os.readlink(f"/proc/{proc.pid}/fd/{fd}"), "/dev/null", f"descriptor {fd}")
    proc.send_signal(signal.SIGTERM)
    equal(proc.wait(LIMIT_S), 0, "exit status")


def test_doing_nothing_costs_nothing(d):
    c = conf_of(d, "[limits]\nconnections = 200\nconnects_per_second = 1000\n"
                "[silence]\nkeepalive_window = 1h\nboot_window = 1h\n")
    with Daemon(d + "/s", "--config", c, "--cell", f"a={d}/a") as daemon:
        socks = [connect(d + "/a_9001") for _ in range(100)]
        for s in socks:
            s.sendall(frame())
        await_count(daemon.state, "guest.process_spawned", 100)
        pids = daemon.proc.pid, daemon.scribe_pid()
        # The last event that connects give rise to comes within a second; then there is no more.
        start = time.monotonic()
        wait_for("time", lambda: time.monotonic() - start > 2.5)
        before, start = [wake_ups(p) for p in pids], time.monotonic()
        wait_for("time", lambda: time.monotonic() - start > 2)
        equal([wake_ups(p) for p in pids], before, "wake-ups of line and scribe")
        for s in socks:
            s.close()
        daemon.stop()


def test_an_accept_that_fails_for_ever_costs_nothing_and_ends(d):
    with Daemon(d + "/s", "--cell", f"a={d}/a") as daemon:
        pid = daemon.proc.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        # Fewer than are open: not even the spare descriptor can be had again.
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
        s = connect(d + "/a_9001")
        s.sendall(frame(pid=7))
        before, start = cpu_s(pid), time.monotonic()
        wait_for("time", lambda: time.monotonic() - start > 2)
        spent = cpu_s(pid) - before
        said = daemon.stderr().count("\n")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        await_count(daemon.state, "guest.process_spawned", 1)
        s.close()
        daemon.stop()
    check(spent < 0.5, f"{spent} s of processor time in 2 s of waiting")
    check(said <= 2, f"{said} lines of diagnostics")


@contextlib.contextmanager
def small_disk(d, size):
    path = d + "/disk"
    os.mkdir(path)
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path], capture_output=True, check=False)
    if r.returncode != 0:
        skip("a file system of its own needs root: " + r.stderr.decode().strip())
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=False)


def fill(path):
    """Takes all space that is left."""
    with open(path + "/ballast", "wb", 0) as f:
        size = 1 << 20
        while size >= 1:
            try:
                f.write(bytes(size))
            except OSError:
                size //= 2


def feed(s, first):
    """Frames until the socket has taken none for half a second; the number of the last one that
    went whole, and how much of the next did."""
    s.settimeout(None)
    s.setblocking(False)
    n, rest = first, b""
    while True:
        if not rest:
            rest = frame(pid=n, comm="x" * 200)
            n += 1
        try:
            rest = rest[s.send(rest):]
        except BlockingIOError:
            if not select.select([], [s], [], 0.5)[1]:
                return n, rest


def test_a_full_disk_that_stops_leaves_no_socket(d):
    with small_disk(d, "12m") as disk:
        with Daemon(disk + "/s", "--cell", f"a={d}/a", "--cell", f"b={d}/b") as daemon:
            with connect(d + "/a_9001") as s:
                s.sendall(frame())
                await_count(daemon.state, "guest.process_spawned", 1)
                fill(disk)
                with contextlib.suppress(OSError):
                    feed(s, 1)
            daemon.wait(74)
            check("space" in daemon.stderr(), daemon.stderr())
        check(not os.path.exists(d + "/a_9001") and not os.path.exists(d + "/b_9001"), "the sockets are gone")
        os.unlink(disk + "/ballast")
        with Daemon(disk + "/s", "--seal", "--cell", f"a={d}/a", "--cell", f"b={d}/b") as daemon:
            daemon.stop()
        r = cht("verify", disk + "/s", want=None)
        check(r.returncode in (10, 12), f"no damage: {r.returncode} {r.stdout.decode()}")


def test_a_full_disk_that_pauses_loses_nothing(d):
    c = conf_of(d, "[daemon]\non_full = pause\n[silence]\nkeepalive_window = 1s\nboot_window = 60s\n"
                "[limits]\nframes_burst = 1000000\nframes_per_second = 1000000\nstall = 8s\n")
    with small_disk(d, "64m") as disk:
        with Daemon(disk + "/s", "--config", c, "--seal", "--cell", f"a={d}/a") as daemon:
            s = connect(d + "/a_9001")
            s.sendall(frame(pid=0))
            await_count(daemon.state, "guest.process_spawned", 1)
            fill(disk)
            # A frame of several turns is in the middle when the pause comes, and at its end.
            large, slow = frame(pid=0, pad=bytes(60000)), connect(d + "/a_9001")
            slow.sendall(large[:20000])
            n, rest = feed(s, 1)
            slow.sendall(large[20000:50000])
            check("held back" in daemon.stderr(), "it is said: " + daemon.stderr())
            before, woken, start = cpu_s(daemon.proc.pid), wake_ups(daemon.proc.pid), time.monotonic()
            # Longer than the keep-alive window and than a frame may stall.
            wait_for("time", lambda: time.monotonic() - start > 10)
            check(cpu_s(daemon.proc.pid) - before < 0.5, "waiting costs nothing")
            check(wake_ups(daemon.proc.pid) - woken < 100, "and wakes nobody")
            os.unlink(disk + "/ballast")
            s.setblocking(True)
            s.settimeout(LIMIT_S)
            s.sendall(rest)
            s.sendall(frame(pid=n))
            slow.sendall(large[50000:])
            await_count(daemon.state, "guest.process_spawned", n + 2)
            s.close()
            slow.close()
            daemon.stop()
        seen = list(events(disk + "/s"))
    got = [e["data"]["guest"]["guestPid"] for e in seen if short(e) == "guest.process_spawned"]
    equal([p for p in got if p], list(range(1, n + 1)), "all frames, in order")
    equal([short(e) for e in seen if "silenced" in short(e)], [], "nobody is called silent")
    reasons = set().union(*(e["data"]["reasons"] for e in seen if short(e) == "channel.closed"))
    equal(reasons, {"clean"}, "how the connections ended")


def test_told_to_stop_with_the_disk_full_it_ends(d):
    c = conf_of(d, "[daemon]\non_full = pause\n[limits]\nframes_burst = 1000000\nframes_per_second = 1000000\n")
    with small_disk(d, "64m") as disk:
        with Daemon(disk + "/s", "--config", c, "--cell", f"a={d}/a") as daemon:
            with connect(d + "/a_9001") as s:
                s.sendall(frame(pid=0))
                await_count(daemon.state, "guest.process_spawned", 1)
                fill(disk)
                feed(s, 1)
                daemon.stop(74)
        check(not os.path.exists(d + "/a_9001"), "the socket is gone")
        os.unlink(disk + "/ballast")
        with Daemon(disk + "/s", "--seal", "--cell", f"a={d}/a") as daemon:
            daemon.stop()
        r = cht("verify", disk + "/s", want=None)
        check(r.returncode in (10, 12), f"what was lost is declared: {r.returncode} {r.stdout.decode()}")


def test_no_space_for_the_first_event_does_not_hold_up_a_stop(d):
    c = conf_of(d, "[daemon]\non_full = pause\n")
    with small_disk(d, "16m") as disk:
        with Daemon(disk + "/s", "--cell", f"a={d}/a") as daemon:
            daemon.stop()
        fill(disk)
        # More than one page of events: the last one of the ledger has room left.
        cells = [x for i in range(20) for x in ("--cell", f"b{i}={d}/b{i}")]
        with Daemon(disk + "/s", "--config", c, "--cell", f"a={d}/a", *cells, wait=False) as daemon:
            wait_for("the pause", lambda: "paused" in daemon.stderr() or daemon.proc.poll() is not None)
            daemon.stop(74)
            os.close(daemon.ready_fd)
        check(not os.path.exists(d + "/a_9001"), "the socket is gone")


def test_a_second_signal_does_not_wait_for_a_scribe_that_hangs(d):
    with Daemon(d + "/s", "--cell", f"a={d}/a") as daemon:
        scribe = daemon.scribe_pid()
        with connect(d + "/a_9001") as s:
            s.sendall(frame())
            await_count(daemon.state, "guest.process_spawned", 1)
            os.kill(scribe, signal.SIGSTOP)
            try:
                s.sendall(frame() * 10)
                daemon.proc.send_signal(signal.SIGTERM)
                wait_for("the listener's end", lambda: not os.path.exists(d + "/a_9001"))
                daemon.proc.send_signal(signal.SIGTERM)
                daemon.wait(70)
                check("cht-scribe" in daemon.stderr(), daemon.stderr())
            finally:
                # Gone already where its group is orphaned with the line: the kernel wakes it then.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(scribe, signal.SIGCONT)
        # It stores what was accepted all the same.
        await_count(daemon.state, "guest.process_spawned", 11)
        wait_for("the scribe's end", lambda: is_gone(scribe))
    with Daemon(d + "/s", "--seal", "--cell", f"a={d}/a") as daemon:
        daemon.stop()
    r = cht("verify", d + "/s", want=None)
    check(r.returncode in (10, 12), f"{r.returncode} {r.stdout.decode()}")


def test_who_waits_at_the_end_is_heard(d):
    c = conf_of(d, "[limits]\nconnections = 300\nconnects_per_second = 1000\n")
    with Daemon(d + "/s", "--config", c, "--seal", "--cell", f"a={d}/a") as daemon:
        daemon.proc.send_signal(signal.SIGSTOP)
        for i in range(200):
            with connect(d + "/a_9001") as s:
                s.sendall(frame(pid=i))
        daemon.proc.send_signal(signal.SIGTERM)
        daemon.proc.send_signal(signal.SIGCONT)
        daemon.wait(0)
    equal(sums(d + "/s")["frames"]["stored"], 200, "stored")


def test_a_start_can_be_stopped(d):
    with Daemon(d + "/s", "--cell", f"a={d}/a") as first:
        # The second waits for the lock of the first one's scribe.
        with Daemon(d + "/s", "--cell", f"b={d}/b", wait=False) as daemon:
            wait_for("its scribe", lambda: scribe_is_up(daemon))
            daemon.proc.send_signal(signal.SIGTERM)
            start = time.monotonic()
            daemon.proc.wait(LIMIT_S)
            os.close(daemon.ready_fd)
            check(time.monotonic() - start < 8, "before the lock's time was over")
        check(not os.path.exists(d + "/b_9001"), "no socket is left")
        first.stop()


def scribe_is_up(daemon):
    try:
        with open(f"/proc/{daemon.scribe_pid()}/comm") as f:
            return f.read().strip() == "cht-scribe"
    except (OSError, IndexError):
        return False


def test_a_socket_that_cannot_be_bound_leaves_the_ledger_alone(d):
    for i in range(2):
        with Daemon(d + "/s", "--cell", f"a={d}/a") as daemon:
            daemon.stop()
        if i == 0:
            before = len(list(events(d + "/s")))
            with Daemon(d + "/s", "--cell", f"a={d}/a", "--cell", f"b={d}/no/b", wait=False) as daemon:
                daemon.await_ready(False)
                daemon.wait(78)
            equal(len(list(events(d + "/s"))), before, "entries")
    started = [e["data"]["previous"] for e in events(d + "/s") if short(e) == "host.started"]
    equal(started, ["none", "clean"], "previous")


def test_what_the_scribe_would_refuse_is_a_configuration_error(d):
    for text, status in (("alg = rsa", 78), ("alg = ed25519", 78), ("alg = off", 0), ("kid = k", 78)):
        c = conf_of(d, f"[sign]\n{text}\n")
        with Daemon(d + "/s", "--config", c, "--cell", f"a={d}/a", wait=False) as daemon:
            daemon.await_ready(False)
            equal(daemon.is_ready, status == 0, f"{text}: ready")
            if status == 0:
                daemon.stop()
            else:
                daemon.wait(status)


def test_a_path_too_long_for_an_event_is_a_configuration_error(d):
    deep = d + "".join("/" + "x" * 250 for _ in range(5))
    os.makedirs(deep)
    with Daemon(d + "/s", "--cell", f"a=,path={deep}/a", wait=False) as daemon:
        daemon.await_ready(False)
        daemon.wait(78)
        check("cell a" in daemon.stderr(), daemon.stderr())


def test_a_new_ledger_beside_an_old_table_begins_anew(d):
    with Daemon(d + "/s", "--cell", f"a={d}/a") as daemon:
        with connect(d + "/a_9001") as s:
            s.sendall(frame() * 5)
            await_count(daemon.state, "guest.process_spawned", 5)
        daemon.stop()
    subprocess.run(["rm", "-r", d + "/s/ledger"], check=True)
    with Daemon(d + "/s", "--seal", "--cell", f"a={d}/a") as daemon:
        daemon.stop()
    t = types(d + "/s")
    equal((t.count("run.opened"), t.count("run.resumed")), (1, 0), "runs begin anew")


def set_boot(state, boot):
    """As if the table came from another boot of the host."""
    with open(state + "/line/table", "r+b") as f:
        raw = f.read(256)
        with open("/proc/sys/kernel/random/boot_id", "rb") as own:
            at = raw.index(own.read().strip())
        f.seek(at)
        f.write(boot)


def test_after_a_reboot_runs_are_sealed_or_said_to_be_lost(d):
    for orderly in (True, False):
        state = f"{d}/{orderly}"
        with Daemon(state, "--replace", "--cell", f"a={d}/a") as daemon:
            with connect(d + "/a_9001") as s:
                s.sendall(frame() * 5)
                await_count(state, "guest.process_spawned", 5)
            if orderly:
                daemon.stop()
            else:
                scribe = daemon.scribe_pid()
                daemon.proc.kill()
                daemon.proc.wait()
                wait_for("the scribe's end", lambda p=scribe: is_gone(p))
        set_boot(state, b"00000000-0000-0000-0000-000000000000")
        with Daemon(state, "--replace", "--seal", "--cell", f"a={d}/a") as daemon:
            daemon.stop()
        with open(state + "/line/table", "rb") as f, open("/proc/sys/kernel/random/boot_id", "rb") as own:
            check(own.read().strip() in f.read(256), "the table is of this boot from now on")
        seen = list(events(state))
        reasons = [e["data"]["reason"] for e in seen if short(e) == "run.sealed"]
        equal(reasons, ["host restarted"] * orderly + ["requested"], "sealed")
        lost = [e["data"].get("tableLost", False) for e in seen if short(e) == "host.started"]
        equal(lost, [False, not orderly], "the table is lost")
        r = cht("verify", state, want=None)
        check(r.returncode in (10, 12), f"{r.returncode} {r.stdout.decode()}")


def test_as_another_user(d):
    if os.getuid() != 0:
        skip("becoming another user needs root")
    os.chmod(d, 0o755)
    os.mkdir(d + "/own")
    os.chown(d + "/own", 65534, 65534)
    # The build may lie where nobody else may look.
    for name in ("chtd", "cht-scribe", "cht-opener"):
        shutil.copy(os.path.join(BIN, name), d)

    def drop():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    with Daemon(d + "/own/s", "--seal", "--cell", f"a={d}/own/a", preexec=drop, bin_dir=d) as daemon:
        with connect(d + "/own/a_9001") as s:
            s.sendall(frame())
            await_count(daemon.state, "guest.process_spawned", 1)
        daemon.stop()


def test_secrets_given_twice_are_wiped_twice(d):
    if os.getuid() != 0:
        skip("reading another process's memory needs root")
    key = "CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws"
    other = "DAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"
    name = "CELLOS_HOST_TELEMETRY_SIGN_"
    log_key = "DQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0"
    env = [f"{name}ALG=hmac-sha256", f"{name}KID=k", f"{name}HMAC_KEY={key}", f"{name}HMAC_KEY={other}",
           f"CELLOS_HOST_TELEMETRY_LOG_ED25519_SK={log_key}"]
    ready, writer = os.pipe()
    os.set_inheritable(writer, True)
    pid = os.fork()
    if pid == 0:
        import ctypes
        args = [os.path.join(BIN, "chtd"), "--state", d + "/s", "--init", "--ready-fd", str(writer),
                "--cell", f"a={d}/a"]
        arr = lambda l: (ctypes.c_char_p * (len(l) + 1))(*[x.encode() for x in l], None)
        ctypes.CDLL(None).execve(args[0].encode(), arr(args), arr(env))
        os._exit(99)
    os.close(writer)
    try:
        check(select.select([ready], [], [], LIMIT_S)[0] and os.read(ready, 1) == b"\n", "ready")
        with open(f"/proc/{pid}/environ", "rb") as f:
            raw = f.read()
        check(not any(k.encode() in raw for k in (key, other, log_key)), "a key is left in the environment")
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(globals())
