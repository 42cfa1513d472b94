#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole way with nothing left out: real processes of this machine, the real agent, the line,
the scribe, the verifier; and the sums over the stages, which must be equal."""

import base64
import ctypes
import json
import os
import re
import signal
import subprocess

from rig import (LIMIT_S, Daemon, await_count, await_type, check, cht, entries, equal, events, fail, main, short, skip,
                 sums, types, wait_for)

AGENT = os.environ.get("CHT_AGENT", "build/agent/bin/cellos-telemetry")
SEED = base64.urlsafe_b64encode(b"\x07" * 32).decode().rstrip("=")
PUBLIC = "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw"
SIGN = {"CELLOS_HOST_TELEMETRY_SIGN_ALG": "ed25519", "CELLOS_HOST_TELEMETRY_SIGN_KID": "host-1",
        "CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK": SEED}


class Agent:
    def __init__(self, path, *args):
        self.proc = subprocess.Popen([AGENT, "--connect", "unix:" + path, "--no-fork", "--stats", *args],
                                     stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.communicate()

    def stop(self):
        """SIGTERM; what it says of itself: seen, sent, dropped."""
        self.proc.terminate()
        err = self.proc.stderr.read()
        self.proc.wait(timeout=LIMIT_S)
        m = re.search(rb"seen (\d+) sent (\d+) dropped (\d+)", err)
        check(m is not None, f"the agent's sums in {err!r}")
        return tuple(int(x) for x in m.groups())


def uses_connector(state):
    hello = await_type(state, "guest.agent_hello")["data"]["guest"]
    for c in hello["coverage"]:
        if c["source"] == "process.spawned":
            return c["mechanism"].startswith("proc-connector"), c.get("reason", "")
    return fail(f"no coverage of process.spawned in {hello}")


def keys_file(d):
    path = d + "/keys.json"
    with open(path, "w") as f:
        json.dump({"host-1": PUBLIC}, f)
    return {"CELLOS_EVENT_VERIFY_KEYS_PATH": path}


def test_the_sums_over_the_stages_are_equal(d):
    with Daemon(d + "/s", "--seal", "--cell", f"vm={d}/v,run=r-1", env=SIGN) as daemon, \
         Agent(d + "/v_9001", "--heartbeat-ms", "50") as agent:
        active, _ = uses_connector(daemon.state)
        for _ in range(60):
            subprocess.run(["true"], check=True)
        subprocess.run(["sleep", "0.2"], check=True)  # long enough to be polled, and for heartbeats
        subprocess.run(["sh", "-c", "exit 7"], check=False)
        if active:  # a poll of /proc is too slow for so short a life
            wait_for("an exit code 7", lambda: any(
                short(e) == "guest.process_exited" and e["data"]["guest"].get("exitCode") == 7
                for e in events(daemon.state)))
        seen, sent, dropped = agent.stop()
        await_count(daemon.state, "guest.agent_bye", 1)
        daemon.stop()
    equal(seen, sent + dropped, "seen against sent and dropped")
    kinds = types(d + "/s")
    f = sums(d + "/s")["frames"]
    equal(f["received"], f["stored"] + f["heartbeats"] + f["refused"] + f["dropped"], "received")
    equal((f["refused"], f["dropped"]), (0, 0), "refused and dropped by the host")
    own = kinds.count("guest.agent_hello") + kinds.count("guest.agent_bye")
    equal(f["stored"] - own, sent, "stored against sent")
    stored = sum(k.startswith(("guest.process_", "guest.fs_", "guest.agent_hello", "guest.agent_bye")) for k in kinds)
    equal(stored, f["stored"], "in the ledger against stored")
    check(f["heartbeats"] > 0, "heartbeats feed the accounting and are no events")
    check(all(raw.startswith(b'{"event":{"specversion"') for raw in entries(d + "/s")), "all are envelopes")
    r = cht("verify", d + "/s", "--vkey", d + "/s/ledger/vkey", "-o", "json", env=keys_file(d), want=None)
    check(r.returncode in (0, 10), f"verify ended with {r.returncode}: {r.stdout.decode()}{r.stderr.decode()}")
    # Complete unless this machine made more processes than the agent could take.
    if dropped == 0 and "guest.telemetry.dropped" not in kinds:
        equal(r.returncode, 0, "verify: clean, authenticated and complete")


def test_any_name_is_seen(d):
    libc = ctypes.CDLL(None)
    with Daemon(d + "/s", "--cell", f"vm={d}/v") as daemon, Agent(d + "/v_9001") as agent:
        active, reason = uses_connector(daemon.state)
        if not active:
            skip(f"the process connector does not answer here: {reason}")
        pids = {}
        for byte in range(1, 256):
            pid = os.fork()
            if pid == 0:
                libc.prctl(15, bytes([byte]), 0, 0, 0)
                os._exit(0)
            os.waitpid(pid, 0)
            pids[pid] = bytes([byte])
        wait_for("the last of them", lambda: any(
            short(e) == "guest.process_exited" and e["data"]["guest"]["guestPid"] == pid for e in events(daemon.state)))
        agent.stop()
        daemon.stop()
    seen = {}
    for e in events(d + "/s"):
        if short(e) == "guest.process_exited":
            g = e["data"]["guest"]
            seen[g["guestPid"]] = bytes.fromhex(g["commRaw"]) if "commRaw" in g else g["guestComm"].encode()
    equal({p: seen.get(p) for p in pids}, pids, "names by pid")


def test_a_killed_agent_is_noticed(d):
    conf = d + "/conf"
    with open(conf, "w") as f:
        f.write("[silence]\nkeepalive_window = 400ms\n")
    with Daemon(d + "/s", "--config", conf, "--cell", f"vm={d}/v") as daemon:
        with Agent(d + "/v_9001", "--heartbeat-ms", "50") as agent:
            await_count(daemon.state, "guest.agent_hello", 1)
            agent.proc.send_signal(signal.SIGKILL)
        e = await_type(daemon.state, "guest.agent_silenced")["data"]
        with Agent(d + "/v_9001", "--heartbeat-ms", "50") as again:
            await_count(daemon.state, "guest.agent_resumed", 1)
            again.stop()
        daemon.stop()
    equal(e["basis"], "heartbeat", "basis")
    check("guest.agent_bye" in types(d + "/s"), "the second one said goodbye")


def test_a_flip_is_found_at_its_entry(d):
    with Daemon(d + "/s", "--seal", "--cell", f"vm={d}/v", env=SIGN) as daemon:
        r = cht("send", f"unix:{d}/v_9001", "-n", "50", "-c", "1", "--seq", "--hello")
        check(b"50" in r.stdout + r.stderr, "cht send says what it sent")
        await_count(daemon.state, "guest.process_spawned", 49)
        daemon.stop()
    cht("verify", d + "/s", "--vkey", d + "/s/ledger/vkey", want=0, env=keys_file(d))
    cht("verify", d + "/s", want=12)
    name = next(n for n in os.listdir(d + "/s/ledger/entries") if n.isdigit())
    path = f"{d}/s/ledger/entries/{name}"
    raw = list(entries(d + "/s"))
    at = sum(len(x) + 2 for x in raw[:20]) + 2 + raw[20].index(b'"guestPid":') + 11
    with open(path, "r+b") as f:
        f.seek(at)
        was = f.read(1)
        f.seek(at)
        f.write(bytes([was[0] ^ 1]))
    r = cht("verify", d + "/s", "--vkey", d + "/s/ledger/vkey", want=11, env=keys_file(d))
    check(b"20" in r.stdout + r.stderr, f"the entry is named: {r.stdout.decode()}{r.stderr.decode()}")


if __name__ == "__main__":
    main(globals())
