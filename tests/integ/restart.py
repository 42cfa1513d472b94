#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a stop, a kill and a restart leave: numbers without an undeclared hole, whole entries, and
key bytes nowhere but in the scribe."""

import base64
import hashlib
import os
import random
import re
import signal
import threading

from control import hub
from rig import (Daemon, await_count, check, cht, connect, entries, equal, events, frame, is_gone, main, put, short, skip,
                 types, wait_for)

# No pattern: tables of libraries that the line maps have those.
KEY_BYTES = hashlib.sha256(b"a key for a test").digest()
KEY = base64.urlsafe_b64encode(KEY_BYTES).decode().rstrip("=")


def of_cell(state, cell="a"):
    return [e for e in events(state) if e["data"]["cellId"] == cell]


def causes(state):
    return {e["data"]["cause"] for e in of_cell(state) if short(e) == "run.resumed"}


def check_numbers(state, cell="a"):
    """Each run of the cell counts from 1; a hole only where run.resumed declares it."""
    by_run, holes = {}, {}
    for e in of_cell(state, cell):
        run = e["data"]["runId"]
        by_run.setdefault(run, []).append(e["data"]["sequence"])
        if short(e) == "run.resumed" and "from" in e["data"]:
            holes.setdefault(run, set()).update(range(e["data"]["from"], e["data"]["to"] + 1))
    for run, seen in by_run.items():
        check(len(set(seen)) == len(seen), f"{run}: a number twice")
        check(seen == sorted(seen), f"{run}: a step back")
        missing = set(range(1, seen[-1] + 1)) - set(seen)
        told = holes.get(run, set())
        check(missing == told, f"{run}: {len(missing - told)} missing numbers are not declared, "
              f"{len(told - missing)} declared ones are there")
    return by_run, holes


def test_a_clean_restart_goes_on_with_the_run(d):
    for pid in (1, 2):
        with Daemon(d + "/s", "--cell", f"a={d}/a") as daemon:
            with connect(d + "/a_9001") as s:
                s.sendall(frame(pid=pid))
                await_count(daemon.state, "guest.process_spawned", pid)
            daemon.stop()
    by_run, holes = check_numbers(d + "/s")
    equal((len(by_run), holes), (1, {}), "one run, no hole")
    t = types(d + "/s")
    equal((t.count("run.opened"), t.count("run.resumed"), t.count("ledger.recovered")), (1, 1, 0), "events")
    started = [e["data"] for e in events(d + "/s") if short(e) == "host.started"]
    equal([e["previous"] for e in started], ["none", "clean"], "previous")
    equal(causes(d + "/s"), {"clean restart"}, "why it was resumed")


def test_a_quota_that_is_used_up_stays_so(d):
    put(d + "/conf", b"[limits]\nledger_bytes_per_run = 64KiB\n")
    stored = []
    for n in (200, 400):
        with hub(d, "--config", d + "/conf", "--cell", f"a={d}/a") as (daemon, c):
            with connect(d + "/a_9001") as s:
                s.sendall(frame() * 200)
                wait_for("all", lambda k=n: c.get("/cells/a")["frames"]["received"] == k)
            stored.append(c.get("/cells/a")["frames"]["stored"])
            daemon.stop()
    check(0 < stored[0] < 200, f"stored: {stored}")
    equal(stored[1], stored[0], "and after a restart")


def test_another_run_seals_the_old_one(d):
    for run in ("r1", "r2"):
        with Daemon(d + "/s", "--cell", f"a={d}/a,run={run}") as daemon:
            daemon.stop()
    with Daemon(d + "/s", "--cell", f"b={d}/b") as daemon:
        daemon.stop()
    sealed = [(e["data"]["runId"], e["data"]["reason"]) for e in events(d + "/s") if short(e) == "run.sealed"]
    equal(sealed, [("r1", "superseded"), ("r2", "unregistered")], "sealed")


def load(path, stop):
    n = 0
    many = frame() * 20
    while not stop.is_set():
        try:
            with connect(path) as s:
                s.settimeout(1)
                while not stop.is_set():
                    s.sendall(many)
                    n += 20
        except OSError:
            pass


def kill_round(d, state, rng, whom):
    """One start under load, killed at a random moment."""
    stop = threading.Event()
    with Daemon(state, "--replace", "--cell", f"a={d}/a") as daemon:
        scribe = daemon.scribe_pid()
        t = threading.Thread(target=load, args=(d + "/a_9001", stop))
        t.start()
        n = rng.randint(1, 3000)
        before = os.path.getsize(newest(state))
        wait_for("some load", lambda: os.path.getsize(newest(state)) > before + n * 20)
        if whom in ("line", "both"):
            daemon.proc.kill()
        if whom in ("scribe", "both"):
            os.kill(scribe, signal.SIGKILL)
        if whom == "scribe":
            daemon.wait(70)
        else:
            daemon.proc.wait()
        stop.set()
        t.join()
        wait_for("the scribe's end", lambda: is_gone(scribe))


def newest(state):
    folder = os.path.join(state, "ledger", "entries")
    return os.path.join(folder, max(n for n in os.listdir(folder) if len(n) == 20))


def kills(d, whom, rounds):
    rng = random.Random(whom)
    state = d + "/s"
    kept = []
    for _ in range(rounds):
        kill_round(d, state, rng, whom)
        now = list(entries(state))
        equal(now[:len(kept)], kept, "what was stored before stays as it was")
        kept = now
    with Daemon(state, "--replace", "--seal", "--cell", f"a={d}/a") as daemon:
        daemon.stop()
    _, holes = check_numbers(state)
    started = [e["data"]["previous"] for e in events(state) if short(e) == "host.started"]
    equal(started, ["none"] + ["unclean"] * rounds, "previous")
    equal(causes(state), {"unclean restart"}, "why it was resumed")
    # Incomplete and without a key, but nothing that looks like damage.
    r = cht("verify", state, "-o", "json", want=None)
    check(r.returncode in (10, 12), f"verify ended with {r.returncode}: {r.stdout.decode()}")
    return holes


def test_the_line_killed_loses_at_most_what_it_had_in_hand(d):
    # A number is noted before its event is published: between the two there is one event.
    holes = kills(d, "line", 6)
    check(sum(len(numbers) for numbers in holes.values()) <= 6, f"one number a kill: {holes}")


def test_the_scribe_killed_leaves_declared_holes_only(d):
    kills(d, "scribe", 6)


def test_both_killed_leaves_declared_holes_only(d):
    kills(d, "both", 6)


def key_bytes_in(pid, needle):
    """Where the needle stands in the memory or environment of a process."""
    found = []
    with open(f"/proc/{pid}/environ", "rb") as f:
        if needle in f.read():
            found.append("environ")
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not m or "[v" in line:
                continue
            try:
                mem.seek(int(m[1], 16))
                data = mem.read(int(m[2], 16) - int(m[1], 16))
            except (OSError, OverflowError):
                continue
            if needle in data:
                found.append(line.strip())
    return found


def test_key_bytes_are_nowhere_in_the_line(d):
    if os.getuid() != 0:
        skip("reading another process's memory needs root")
    env = {"CELLOS_HOST_TELEMETRY_SIGN_ALG": "hmac-sha256", "CELLOS_HOST_TELEMETRY_SIGN_KID": "k",
           "CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY": KEY}
    with Daemon(d + "/s", "--cell", f"a={d}/a", env=env) as daemon:
        with connect(d + "/a_9001") as s:
            s.sendall(frame())
            await_count(daemon.state, "guest.process_spawned", 1)
        with open(f"/proc/{daemon.proc.pid}/maps") as maps:
            if "libasan" in maps.read():
                print("not looked for: the sanitizer keeps a copy of the environment itself")
                return
        for needle in (KEY.encode(), KEY_BYTES):
            equal(key_bytes_in(daemon.proc.pid, needle), [], "key bytes in the line")
        equal(key_bytes_in(daemon.scribe_pid(), KEY.encode()), [], "key text in the scribe")
        check(key_bytes_in(daemon.proc.pid, b"chtd") != [], "the search finds what is there")
        with open(f"/proc/{daemon.proc.pid}/limits") as f:
            core = next(l for l in f if l.startswith("Max core"))
        equal(core.split()[4:6], ["0", "0"], "no core")
        daemon.stop()
    check(b'"signature":"' in next(entries(d + "/s")), "entries are envelopes")


def test_the_scribe_ends_at_the_end_of_the_line(d):
    with Daemon(d + "/s", "--cell", f"a={d}/a") as daemon:
        scribe = daemon.scribe_pid()
        with connect(d + "/a_9001") as s:
            s.sendall(frame() * 50)
            await_count(daemon.state, "guest.process_spawned", 50)
        daemon.proc.kill()
        daemon.proc.wait()
        wait_for("the scribe's end", lambda: is_gone(scribe))
        # A new start takes the lock that the old scribe let go.
        with Daemon(d + "/s", "--replace", "--cell", f"a={d}/a") as again:
            again.stop()
    check_numbers(d + "/s")


if __name__ == "__main__":
    main(globals())
