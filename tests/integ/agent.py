# SPDX-License-Identifier: Apache-2.0
"""The real agent against a host made of real sockets: agent_host.py has the host."""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from agent_host import (DEADLINE_S, Agent, Failed, Host, agent_path, coverage, events, need, run,
                        same)

PR_SET_NAME = 15
LIBC = ctypes.CDLL(None, use_errno=True)


def connector_reason(host):
    """Why this machine's process connector cannot be tested, or None."""
    hello = host.until_source("agent.hello")
    state, mechanism, reason = coverage(hello, "process.spawned")
    return None if mechanism.startswith("proc-connector") else reason


def check_numbers(frames):
    """What the receiver builds its loss accounting on: numbers never step back."""
    last = {"agent_seq": 0, "agent_dropped": 0}
    for frame in frames:
        same(frame["agent_boot"], frames[0]["agent_boot"], "agent_boot")
        for key, was in last.items():
            need(frame[key] >= was, "%s steps back in %r" % (key, frame))
            last[key] = frame[key]
    numbers = [f["agent_seq"] for f in events(frames)]
    same(len(set(numbers)), len(numbers), "distinct event numbers")


def finish(host, agent):
    """SIGTERM, the rest of the stream, bye, sums. Returns all frames."""
    agent.stop()
    host.to_end()
    seen, sent, dropped = agent.stats()
    same(sent + dropped, seen, "sent + dropped")
    check_numbers(host.all)
    last = host.all[-1]
    same(last["probe_source"], "agent.bye", "the last frame")
    same(last["reason"], "SIGTERM", "bye's reason")
    same((last["agent_seq"], last["agent_dropped"]), (seen, dropped), "bye's numbers")
    return host.all


def named_child(name):
    """Forks a child that renames itself and exits; its pid."""
    pid = os.fork()
    if pid == 0:
        LIBC.prctl(PR_SET_NAME, ctypes.c_char_p(name), 0, 0, 0)
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def of_pid(frames, pid, source):
    return [f for f in frames if f["guest_pid"] == pid and f["probe_source"] == source]


def comm_bytes(frame):
    return frame.get("comm_raw", frame["guest_comm"].encode())


def test_every_name_byte_is_seen():
    host = Host().listen()
    with Agent(host) as agent:
        reason = connector_reason(host.accept())
        if reason:
            return reason
        names = {named_child(b"a" + bytes([byte]) + b"z"): byte for byte in range(1, 256)}
        frames = finish(host, agent)
    for pid, byte in names.items():
        for source in ("process.spawned", "process.exited"):
            found = of_pid(frames, pid, source)
            same(len(found), 1, "%s of byte %d" % (source, byte))
            same(comm_bytes(found[0]), b"a" + bytes([byte]) + b"z", "the name")
            same("comm_raw" in found[0], byte >= 128, "comm_raw of byte %d" % byte)
            if byte >= 128:
                same(found[0]["guest_comm"], "a\ufffdz", "the text of byte %d" % byte)
            same(found[0]["ppid"], os.getpid(), "ppid")
            same(found[0]["uid"], os.geteuid(), "uid")


def test_programs_with_any_name_are_seen():
    host = Host().listen()
    with Agent(host) as agent, tempfile.TemporaryDirectory() as scratch:
        reason = connector_reason(host.accept())
        if reason:
            return reason
        pids = {}
        for byte in range(1, 256):
            if byte == ord("/"):
                continue
            path = os.path.join(scratch.encode(), b"p" + bytes([byte]))
            shutil.copy("/bin/true", path)
            child = subprocess.Popen([path])
            child.wait()
            pids[child.pid] = path
        frames = finish(host, agent)
    for pid, path in pids.items():
        found = of_pid(frames, pid, "process.spawned")
        same(len(found), 1, "process.spawned of %r" % path)
        exe = found[0].get("exe_raw", found[0].get("exe", "").encode())
        need(exe in (path, b""), "exe is %r, not %r" % (exe, path))
        need(comm_bytes(found[0]) in (os.path.basename(path), b""), "comm of %r" % path)
    named = sum(1 for pid in pids if "exe" in of_pid(frames, pid, "process.spawned")[0])
    print("   %d of %d executables named" % (named, len(pids)))


def test_short_lives_are_all_seen():
    host = Host().listen()
    with Agent(host) as agent:
        reason = connector_reason(host.accept())
        if reason:
            return reason
        children = {}
        for number in range(500):
            child = subprocess.Popen(["/bin/sh", "-c", "exit %d" % (number % 256)])
            children[child.pid] = child.wait()
        killed = subprocess.Popen(["/bin/sleep", "1000"])
        killed.kill()
        killed.wait()
        frames = finish(host, agent)
    for pid, code in children.items():
        same(len(of_pid(frames, pid, "process.spawned")), 1, "process.spawned of %d" % pid)
        ended = of_pid(frames, pid, "process.exited")
        same(len(ended), 1, "process.exited of %d" % pid)
        same(ended[0]["exit_code"], code, "exit_code")
        same(ended[0]["ppid"], os.getpid(), "ppid")
    ended = of_pid(frames, killed.pid, "process.exited")[0]
    same(ended["exit_signal"], signal.SIGKILL, "exit_signal")
    need("exit_code" not in ended, "a killed process has an exit code")


def test_ids_are_those_at_the_time():
    if os.geteuid() != 0:
        return "only root can change its ids"
    host = Host().listen()
    with Agent(host) as agent:
        reason = connector_reason(host.accept())
        if reason:
            return reason
        pid = os.fork()
        if pid == 0:
            os.setgid(65533)
            os.setuid(65534)
            os.execv("/bin/true", ["true"])
        os.waitpid(pid, 0)
        frames = finish(host, agent)
    for source in ("process.spawned", "process.exited"):
        frame = of_pid(frames, pid, source)[0]
        same((frame["uid"], frame["gid"]), (65534, 65533), "ids of " + source)


def test_threads_are_not_told():
    host = Host().listen()
    with Agent(host) as agent:
        reason = connector_reason(host.accept())
        if reason:
            return reason
        child = subprocess.run(
            [sys.executable, "-c",
             "import os, threading\n"
             "for _ in range(50):\n"
             "    t = threading.Thread(target=lambda: None); t.start(); t.join()\n"
             "print(os.getpid())"], stdout=subprocess.PIPE, check=True)
        frames = finish(host, agent)
    pid = int(child.stdout)
    same(len(of_pid(frames, pid, "process.spawned")), 1, "process.spawned")
    same(len(of_pid(frames, pid, "process.exited")), 1, "process.exited")
    mine = [f for f in events(frames) if f.get("ppid") == pid]
    same(mine, [], "events of threads")


def test_a_host_that_comes_later_is_found():
    host = Host()
    with Agent(host, "--heartbeat-ms", "50", "--watch", host.dir.name) as agent:
        open(os.path.join(host.dir.name, "early"), "w", encoding="ascii").close()
        host.listen().accept()
        same(host.until(lambda f: True, "a frame")["probe_source"], "agent.hello", "first frame")
        host.until(lambda f: f.get("path", "").endswith("/early"), "what was queued before")
        host.until_source("agent.heartbeat")
        finish(host, agent)


def test_nothing_is_lost_unaccounted_when_the_host_dies():
    host = Host().listen()
    with Agent(host, "--heartbeat-ms", "50", "--watch", host.dir.name) as agent:
        host.accept().until_source("agent.hello")
        for round_ in range(3):
            host.hang_up(listener_too=True)
            for i in range(20):
                os.mkdir(os.path.join(host.dir.name, "while-away-%d-%d" % (round_, i)))
            host.listen().accept()
            same(host.until(lambda f: True, "a frame")["probe_source"], "agent.hello", "first")
            host.until(lambda f, r=round_: f.get("path", "").endswith("away-%d-19" % r), "the last")
        frames = finish(host, agent)
    numbers = {f["agent_seq"] for f in events(frames)}
    last = frames[-1]
    missing = last["agent_seq"] - len(numbers)
    # What a dead connection had swallowed is missing, and the numbers say exactly how much.
    need(missing >= last["agent_dropped"], "more events than numbers")
    same(last["agent_dropped"], 0, "agent_dropped")
    for round_ in range(3):
        tail = [f for f in events(frames)
                if f.get("path", "").endswith("away-%d-19" % round_)]
        need(tail, "round %d" % round_)


def test_a_host_that_does_not_read_costs_counted_events():
    host = Host().listen()
    with Agent(host, "--heartbeat-ms", "100", "--watch", host.dir.name) as agent:
        host.accept(receive_buffer=4096).until_source("agent.hello")
        target = os.path.join(host.dir.name, "x")
        # More than socket buffers and queue hold together.
        for _ in range(6000):
            os.mkdir(target)
            os.rmdir(target)
        # It answers a signal at once although it cannot write.
        frames = finish(host, agent)
    last = frames[-1]
    need(last["agent_dropped"] > 0, "nothing was dropped")
    numbers = {f["agent_seq"] for f in events(frames)}
    same(len(numbers) + last["agent_dropped"], last["agent_seq"], "received + dropped")


def test_a_half_sent_frame_goes_again_whole():
    host = Host().listen()
    with Agent(host, "--heartbeat-ms", "50", "--watch", host.dir.name) as agent:
        for _ in range(5):
            host.accept(receive_buffer=4096).until_source("agent.hello")
            # It is in the middle of some frame when the buffer is full, and then the host is gone.
            for i in range(1500):
                os.mkdir(os.path.join(host.dir.name, "x%d" % i))
                os.rmdir(os.path.join(host.dir.name, "x%d" % i))
            host.hang_up()
        host.accept()
        same(host.until(lambda f: True, "a frame")["probe_source"], "agent.hello", "first frame")
        finish(host, agent)


def test_a_host_that_never_reads_does_not_hold_the_exit():
    host = Host().listen()
    with Agent(host, "--watch", host.dir.name) as agent:
        host.accept(receive_buffer=4096).until_source("agent.hello")
        target = os.path.join(host.dir.name, "x")
        for _ in range(6000):
            os.mkdir(target)
            os.rmdir(target)
        agent.stop()
        seen, sent, dropped = agent.stats()  # waits for its bounded time, not for us
    same(sent + dropped, seen, "sent + dropped")
    need(dropped > 0, "nothing was dropped")


def test_a_storm_that_the_kernel_could_not_hold_is_counted():
    host = Host().listen()
    with Agent(host) as agent:
        reason = connector_reason(host.accept())
        if reason:
            return reason
        # While it stands still, more messages come than its buffer in the kernel holds.
        agent.process.send_signal(signal.SIGSTOP)
        forks = 13000
        subprocess.run(["/bin/sh", "-c",
                        "i=0; while [ $i -lt %d ]; do (:); i=$((i+1)); done" % forks], check=True)
        agent.process.send_signal(signal.SIGCONT)
        hello = host.until(lambda f: f["probe_source"] == "agent.hello" and coverage(
            f, "process.exited")[0] == "degraded", "a hello that tells the overflow")
        for source in ("process.spawned", "process.exited"):
            need("overflow" in coverage(hello, source)[2], "the reason of " + source)
        after = subprocess.Popen(["/bin/sleep", "0"])
        after.wait()
        frames = finish(host, agent)
    need(of_pid(frames, after.pid, "process.exited"), "a process after the storm is not seen")
    numbers = [f["agent_seq"] for f in events(frames)]
    last = frames[-1]
    need(last["agent_dropped"] > 1000, "only %d dropped" % last["agent_dropped"])
    # Each fork has a beginning and an end; one that was lost is counted all the same.
    need(last["agent_seq"] >= 2 * forks, "%d forks, %d seen" % (forks, last["agent_seq"]))
    same(len(numbers) + last["agent_dropped"], last["agent_seq"], "received + dropped")


def test_without_the_connector_proc_is_polled():
    if subprocess.run(["unshare", "-rn", "true"], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        return "user namespaces are not allowed here"
    host = Host().listen()
    with Agent(host, prefix=["unshare", "-rn"]) as agent:
        hello = host.accept().until_source("agent.hello")
        for source in ("process.spawned", "process.exited"):
            state, mechanism, reason = coverage(hello, source)
            same((state, mechanism), ("degraded", "proc-poll"), "coverage of " + source)
            need(reason, "no reason is given")
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        spawned = host.until(lambda f: f["guest_pid"] == child.pid, "the child's start")
        same(spawned["probe_source"], "process.spawned", "source")
        same(spawned["ppid"], os.getpid(), "ppid")
        child.communicate(b"\n", timeout=DEADLINE_S)
        host.until(lambda f: f["guest_pid"] == child.pid
                   and f["probe_source"] == "process.exited", "the child's end")
        finish(host, agent)


def test_events_for_another_listener_are_no_answer():
    prefix = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return "namespaces are not allowed here"
    host, inner = Host().listen(), Host().listen()
    with Agent(host) as agent:
        reason = connector_reason(host.accept())
        if reason:
            finish(host, agent)
            return reason
        # As long as one listens in the first namespace, the kernel sends to all of this network.
        busy = subprocess.Popen(["sh", "-c", "while :; do true & sleep 0.05; done"])
        try:
            with Agent(inner, prefix=prefix):
                hello = inner.accept().until_source("agent.hello")
                same(tuple(coverage(hello, "process.spawned")[:2]), ("degraded", "proc-poll"), "coverage")
        finally:
            busy.kill()
            busy.wait()
        finish(host, agent)


def test_a_proc_that_is_mounted_later_is_found():
    hide = ["unshare", "-rnm", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    if subprocess.run([*hide, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return "mounts in user namespaces are not allowed here"
    host = Host().listen()
    with Agent(host, prefix=hide) as agent:
        hello = host.accept().until_source("agent.hello")
        same(coverage(hello, "process.spawned")[0], "absent", "coverage without /proc")
        subprocess.run(["nsenter", "-t", str(agent.process.pid), "-U", "-m",
                        "--preserve-credentials", "umount", "/proc"], check=True)
        host.until(lambda f: f["probe_source"] == "agent.hello" and coverage(
            f, "process.spawned")[:2] == ["degraded", "proc-poll"], "a hello with /proc")
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        host.until(lambda f: f["guest_pid"] == child.pid, "the child's start")
        child.communicate(b"\n", timeout=DEADLINE_S)
        frames = finish(host, agent)
    same(of_pid(frames, os.getpid(), "process.spawned"), [], "what ran before is told")


def test_declared_paths_are_watched():
    host = Host().listen()
    with tempfile.TemporaryDirectory() as scratch:
        later = os.path.join(scratch, "later")
        os.mkdir(os.path.join(scratch, "dir"))
        env = dict(os.environ, CELLOS_TELEMETRY_INOTIFY_PATH=os.path.join(scratch, "dir"))
        with Agent(host, "--watch", later, env=env) as agent:
            hello = host.accept().until_source("agent.hello")
            state, mechanism, reason = coverage(hello, "fs.inotify_fired")
            same((state, mechanism), ("degraded", "inotify"), "coverage")
            need("1 of 2 paths" in reason, "reason is %r" % reason)
            odd = os.path.join(scratch.encode(), b"dir", b"odd\xff")
            open(odd, "wb").close()
            frame = host.until(lambda f: f.get("path_raw") == odd, "the odd name")
            same(frame["path"], odd.decode(errors="replace"), "path")
            same(frame["mask"] & 0x100, 0x100, "IN_CREATE")
            same(frame["guest_pid"], 0, "guest_pid: the kernel does not tell whose")
            os.mkdir(later)
            active = host.until(lambda f: f["probe_source"] == "agent.hello" and coverage(
                f, "fs.inotify_fired")[0] == "active", "the path that came later")
            same(coverage(active, "fs.inotify_fired")[2], "", "reason")
            os.rmdir(later)
            host.until(lambda f: f["guest_monotonic_ns"] > active["guest_monotonic_ns"]
                       and f["probe_source"] == "agent.hello"
                       and coverage(f, "fs.inotify_fired")[0] == "degraded",
                       "the path that went away")
            finish(host, agent)


def test_a_file_that_is_replaced_is_watched_on():
    host = Host().listen()
    with tempfile.TemporaryDirectory() as scratch:
        path, new = os.path.join(scratch, "passwd"), os.path.join(scratch, "new")
        open(path, "wb").close()
        with Agent(host, "--watch", path) as agent:
            host.accept().until_source("agent.hello")
            open(new, "wb").close()
            os.rename(new, path)
            host.until(lambda f: f["probe_source"] == "fs.inotify_fired", "the old one's end")
            with open(path, "wb") as file:
                file.write(b"x")
            host.until(lambda f: f.get("mask", 0) & 0x2, "a change of the new one")
            finish(host, agent)


def test_coverage_says_what_is_absent():
    host = Host().listen()
    with Agent(host) as agent:
        hello = host.accept().until_source("agent.hello")
        for source in ("capability.denied", "net.connect_attempted", "fs.inotify_fired"):
            state, mechanism, reason = coverage(hello, source)
            same((state, mechanism), ("absent", ""), source)
            need(reason, "no reason is given")
        same(hello["heartbeat_interval_ms"], 3000, "heartbeat_interval_ms")
        need(hello["agent_version"], "no version")
        finish(host, agent)


def test_it_forks_and_the_parent_ends_when_it_runs():
    host = Host().listen()
    done = subprocess.run([agent_path(), "--connect", "unix:" + host.path], timeout=DEADLINE_S,
                          check=False)
    same(done.returncode, 0, "the parent's status")
    hello = host.accept().until_source("agent.hello")
    reason = connector_reason(host)
    child = subprocess.run(["/bin/true"], check=True)  # started after the parent ended
    need(hello["guest_pid"] != child, "")
    if not reason:
        host.until(lambda f: f["probe_source"] == "process.exited" and f["ppid"] == os.getpid(),
                   "a process started after the parent ended")
    os.kill(hello["guest_pid"], signal.SIGINT)
    host.to_end()
    same(host.all[-1]["reason"], "SIGINT", "bye's reason")


def test_exit_statuses():
    rows = [
        (["--help"], 0), (["--version"], 0),
        (["--connect", "tcp:1"], 64), (["--nonsense"], 64), (["--watch"], 64),
    ]
    for options, status in rows:
        done = subprocess.run([agent_path(), *options], capture_output=True, timeout=DEADLINE_S,
                              check=False)
        same(done.returncode, status, "status of %r" % options)
        need(done.stdout if status == 0 else done.stderr, "no text for %r" % options)


TESTS = {name[5:]: value for name, value in list(globals().items()) if name.startswith("test_")}

if __name__ == "__main__":
    try:
        run(TESTS)
    except subprocess.SubprocessError as error:
        raise Failed(str(error)) from error
