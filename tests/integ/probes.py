#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Readings of the host's own sources, through chtd: when they are taken, and what a missing source costs."""

import contextlib
import json
import os
import signal
import subprocess

from control import hub
from rig import (LIMIT_S, Daemon, check, cht, conf_of, connect, equal, events, few_files, frame, main, short, skip, text_of,
                 wait_for)

FILES = {"memory.events": "oom 0\noom_kill 0\n", "cpu.stat": "usage_usec 10\n", "pids.events": "max 0\n"}


def leaf(d, name="leaf"):
    """A directory with the files of a cgroup: the kernel's own are in tests/vm."""
    path = os.path.join(d, name)
    os.mkdir(path)
    for f, text in FILES.items():
        put(path, f, text)
    return path


def put(path, name, text):
    with open(os.path.join(path, name), "w", encoding="utf-8") as f:
        f.write(text)


def conf(d):
    return conf_of(d, f"[opener]\nread = {d}\n")


def readings(d, kind="host.cgroup", cell="a"):
    return [e for e in events(d + "/s") if short(e).endswith(kind.removeprefix("host.")) and "host.v1" in e["type"]
            and e["data"]["cellId"] == cell]


def await_readings(d, n, **kw):
    wait_for(f"{n} readings", lambda: len(readings(d, **kw)) >= n)
    return readings(d, **kw)


def sequences(d, cell="a"):
    return [e["data"]["sequence"] for e in events(d + "/s") if e["data"]["cellId"] == cell]


def test_a_stopped_vmm_is_told_from_its_end_at_once(d):
    vmm = subprocess.Popen(["sleep", "1000"])
    try:
        with hub(d) as (daemon, control):
            control.put("a", {"path": d + "/a", "vmmPid": vmm.pid, "probes": {"vmm_proc": {"intervalMs": 86400000}}})
            one = await_readings(d, 1, kind="host.vmm_proc")[0]["data"]
            check("sampleError" not in one, f"it failed: {one}")
            equal(one["inputs"], {"pid": vmm.pid, "procfs": f"/proc/{vmm.pid}"}, "inputs")
            equal(one["output"]["threads"], 1, "its threads")
            check("runDelayMs" in one["output"], "its thread's schedstat was read")
            vmm.send_signal(signal.SIGSTOP)
            wait_for("it to be stopped", lambda: text_of(f"/proc/{vmm.pid}/stat").split()[2] == "T")
            control.ask("PATCH", "/cells/a", {"state": "paused"}, 200)
            equal(await_readings(d, 2, kind="host.vmm_proc")[1]["data"]["output"]["state"], "T", "stopped")
            vmm.kill()
            end = await_readings(d, 3, kind="host.vmm_proc")[2]["data"]
            equal(end["output"]["state"], "Z", "ended, and read when it was")
            vmm.wait()
            control.ask("PATCH", "/cells/a", {"state": "resumed"}, 200)
            end = await_readings(d, 4, kind="host.vmm_proc")[3]["data"]
            equal((end["sampleError"], "output" in end), ("gone", False), "afterwards")
            daemon.stop()
    finally:
        vmm.kill()
        vmm.wait()


def test_of_a_cgroup_of_version_1_the_end_of_its_memory_is_read_when_it_comes(d):
    memory, leaf_name = "/sys/fs/cgroup/memory", f"cht-probes-{os.getpid()}"
    if not os.path.exists(memory + "/cgroup.event_control"):
        skip("this host has no memory cgroups of version 1")
    try:
        os.mkdir(f"{memory}/{leaf_name}")
    except OSError as e:
        skip(f"no cgroup can be made: {e}")
    try:
        put(f"{memory}/{leaf_name}", "memory.limit_in_bytes", "16777216")
        with hub(d) as (daemon, control):
            control.put("a", {"path": d + "/a", "probes": {"cgroup": {"cgroupLeaf": leaf_name, "intervalMs": 86400000}}})
            one = await_readings(d, 1)[0]["data"]
            equal(one["inputs"], {"cgroupLeaf": leaf_name, "files": ["memory/memory.oom_control"]}, "inputs")
            equal(one["output"]["version"], "v1", "version")
            # cpu and pids are other trees, in which it was not made.
            equal(one["sampleError"], "not_found", "what is missing is said")
            hog = subprocess.run(["sh", "-c", f"echo 0 >{memory}/{leaf_name}/cgroup.procs && "
                                  "exec python3 -c 'bytearray(1 << 28)'"], check=False, stderr=subprocess.DEVNULL,
                                 timeout=LIMIT_S)
            equal(hog.returncode, -signal.SIGKILL, "how it ended")
            await_readings(d, 2)
            os.rmdir(f"{memory}/{leaf_name}")
            check("output" not in await_readings(d, 3)[2]["data"], "its end is read too")
            daemon.stop()
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(f"{memory}/{leaf_name}")


def test_one_at_registration_pause_resume_and_seal(d):
    path = leaf(d)
    with hub(d, "--config", conf(d)) as (daemon, control):
        control.put("a", {"path": d + "/a", "probes": {"cgroup": {"cgroupLeaf": path, "intervalMs": 86400000}}})
        one = await_readings(d, 1)[0]["data"]
        equal(one["inputs"], {"cgroupLeaf": path, "files": ["memory.events", "cpu.stat", "pids.events"]}, "inputs")
        equal(one["output"], {"cpu_stat": {"usage_usec": 10}, "memory_events": {"oom": 0, "oom_kill": 0},
                              "pids_events": {"max": 0}, "version": "v2"}, "output")
        check("sampleError" not in one, "it failed")
        put(path, "cpu.stat", "usage_usec 11\n")
        control.ask("PATCH", "/cells/a", {"state": "paused"}, 200)
        equal(await_readings(d, 2)[1]["data"]["output"]["cpu_stat"], {"usage_usec": 11}, "at the pause")
        control.ask("PATCH", "/cells/a", {"state": "resumed"}, 200)
        await_readings(d, 3)
        put(path, "cpu.stat", "usage_usec 12\n")
        control.delete("a")
        equal(len(readings(d)), 4, "readings at the end")
        equal(readings(d)[3]["data"]["output"]["cpu_stat"], {"usage_usec": 12}, "at the seal")
        last = list(events(d + "/s"))[-1]
        equal(short(last), "run.sealed", "the last of all")
        equal(sequences(d), list(range(1, len(sequences(d)) + 1)), "numbers")
        counts = last["data"]["counts"]
        equal(counts["host.cgroup"], 4, "as run.sealed counts them")
        equal([control.metrics()[f"cht_readings_{m}"] for m in ("total", "failed_total")], [4, 0], "as the metrics do")
        daemon.stop()


def test_they_come_in_their_time(d):
    path = leaf(d)
    with hub(d, "--config", conf(d)) as (daemon, control):
        control.put("a", {"path": d + "/a", "probes": {"cgroup": {"cgroupLeaf": path, "intervalMs": 200}}})
        times = [e["data"]["sampledAtUnixMs"] for e in await_readings(d, 8)]
        check(times[-1] - times[1] >= 6 * 200 - 5, f"sooner than each 200 ms: {times}")
        daemon.stop()


def test_a_source_that_goes_and_comes_is_a_counted_absence(d):
    path = leaf(d)
    with hub(d, "--config", conf(d)) as (daemon, control):
        control.put("a", {"path": d + "/a", "probes": {"cgroup": {"cgroupLeaf": path, "intervalMs": 86400000}}})
        control.put("none", {"path": d + "/n", "probes": {"host.cgroup": {"cgroupLeaf": d + "/nowhere"}}})
        control.put("out", {"path": d + "/o", "probes": {"cgroup": {"cgroupLeaf": "/etc"}}})
        await_readings(d, 1)
        none = await_readings(d, 1, cell="none")[0]["data"]
        equal(none["sampleError"], "not_found", "of a directory that is not there")
        check("output" not in none, "something was seen in it")
        check(control.metrics()["cht_readings_failed_total"] >= 1, "it is counted")
        out = await_readings(d, 1, cell="out")[0]["data"]
        check(out["sampleError"] in ("refused", "io"), f"beyond the roots: {out}")
        check("output" not in out, "something was seen beyond the roots")
        os.unlink(path + "/memory.events")
        os.mkfifo(path + "/memory.events")
        control.ask("PATCH", "/cells/a", {"state": "paused"}, 200)
        await_readings(d, 2)  # by the descriptor that it has
        with connect(d + "/a") as s:
            s.sendall(frame(pid=7))
            wait_for("the frame", lambda: any(short(e) == "guest.process_spawned" for e in events(d + "/s")))
        daemon.stop()


def test_many_cells_ask_at_once_and_cells_come_meanwhile(d):
    path = leaf(d)
    n = 150
    with hub(d, "--config", conf(d)) as (daemon, control):
        for k in range(n):
            control.put(f"c{k}", {"path": f"{d}/c{k}",
                                  "probes": {"cgroup": {"cgroupLeaf": path, "intervalMs": 86400000}}})
        wait_for("one of each", lambda: sum("host.v1.cgroup" in e["type"] for e in events(d + "/s")) == n, 4 * LIMIT_S)
        for k in range(n):
            control.delete(f"c{k}")
        equal(sum("host.v1.cgroup" in e["type"] for e in events(d + "/s")), 2 * n, "and one more of each")
        descriptors = len(os.listdir(f"/proc/{daemon.proc.pid}/fd"))
        check(descriptors < 40, f"{descriptors} descriptors are left")
        daemon.stop()


def test_a_configured_cell_has_its_own(d):
    path = leaf(d)
    text = json.dumps({"cgroup": {"cgroupLeaf": path, "intervalMs": 86400000}, "vmm_proc": {"intervalMs": 86400000}})
    c = conf_of(d, f"[opener]\nread = {d}\n[cell a]\npath = {d}/a\nprobes = {text}\n")
    with Daemon(d + "/s", "--config", c) as daemon:
        await_readings(d, 1)
        equal(readings(d, "host.vmm_proc"), [], "nobody has connected")
        with connect(d + "/a"):
            equal(await_readings(d, 1, kind="host.vmm_proc")[0]["data"]["inputs"]["pid"], os.getpid(), "who connected")
        daemon.stop()
    with Daemon(d + "/s", "--config", c) as daemon:  # and again after a restart
        await_readings(d, 2)
        put(d, "chtd.conf", f"[opener]\nread = {d}\n[cell a]\npath = {d}/a\n")
        daemon.proc.send_signal(signal.SIGHUP)
        wait_for("what stays", lambda: "cell a: it is registered otherwise" in daemon.stderr())
        daemon.stop()
    bad = conf_of(d, f"[cell a]\npath = {d}/a\nprobes = {{\"ebpf\":{{}}}}\n")
    out = cht("config", "check", bad, want=78)
    check(b"chtd.conf:3: probes" in out.stderr + out.stdout, f"no line: {out}")


def test_probes_leave_descriptors_to_guests(d):
    path = leaf(d)
    probes = {"cgroup": {"cgroupLeaf": path, "intervalMs": 86400000}}
    c = conf_of(d, f"[opener]\nread = {d}\n[control]\ncells = 20\n")
    with hub(d, "--config", c, preexec=few_files(150)) as (daemon, control):
        for k in range(20):
            control.put(f"c{k}", {"path": f"{d}/c{k}", "probes": probes})
        wait_for("one of each", lambda: sum("host.v1.cgroup" in e["type"] for e in events(d + "/s")) == 20)
        errors = [e["data"].get("sampleError") for e in events(d + "/s") if "host.v1.cgroup" in e["type"]]
        check(None in errors and "no_resources" in errors, f"all or none had room: {errors}")
        equal(set(errors), {None, "no_resources"}, "errors")
        with contextlib.ExitStack() as guests:
            for k in range(20):
                guests.enter_context(connect(f"{d}/c{k}")).sendall(frame(pid=k + 1))
            wait_for("every guest", lambda: sum(short(e) == "guest.process_spawned" for e in events(d + "/s")) == 20)
        daemon.stop()


if __name__ == "__main__":
    main(globals())
