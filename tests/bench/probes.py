#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""probes - what it costs to read a VM's own sources: each probe beside a bare loop that reads the same files and
sockets, in turns; then chtd with a thousand cells that have all of them. It prints and never judges.

usage: probes.py BUILD_DIR [--rounds N] [-o json] [--quick] [--cells N]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "integ"))
EVERY_S = 10


def leaf(path):
    os.mkdir(path)
    for name, text in (("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n"),
                       ("cpu.stat", "usage_usec 10\nuser_usec 4\nsystem_usec 6\n"), ("pids.events", "max 0\n")):
        with open(os.path.join(path, name), "w", encoding="utf-8") as f:
            f.write(text)
    return path


def line_of(d):
    """A line as Firecracker 1.16 writes it: some 5 KB, 22 groups, most of it zeros."""
    groups = {f"group_{g}": {f"counter_number_{k}": 0 for k in range(11)} for g in range(21)}
    groups["vsock"] = {"tx_bytes_count": 100, "rx_bytes_count": 0}
    with open(d + "/line", "w", encoding="utf-8") as f:
        f.write(json.dumps({"utc_timestamp_ms": 1762348800123, **groups}, separators=(",", ":")) + "\n")
    return d + "/line"


def nft(*words):
    return subprocess.run(["nft", *words], capture_output=True, check=False).returncode == 0


def has_rules():
    if shutil.which("nft") is None or not nft("add table inet chtbench"):
        return False
    nft("add chain inet chtbench c")
    return all(nft("add rule inet chtbench c counter") for _ in range(10))


def alone(d, args, rules):
    rounds = 300 if args.quick else 3000
    what = {"cgroup": [f"cgroup={d}/leaf"], "vmm_proc": [f"pid={os.getpid()}"], "tap_link": ["iface=lo"],
            "fc_metrics": [f"file={d}/metrics", f"line={d}/line", "parse=1"]}
    if rules:
        what["nftables"] = ["family=inet", "table=chtbench"]
    rows = []
    for kind, words in what.items():
        if os.path.exists(d + "/metrics"):
            os.unlink(d + "/metrics")
        out = subprocess.run([args.build + "/tests/bench/probes", str(rounds), kind, *words], check=True, capture_output=True,
                             text=True).stdout
        rows.append(json.loads(out))
    return rows


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def name_of(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
        return f.read().strip()


def together(d, args, rules):
    os.environ["CHT_BIN"] = args.build + "/bin"
    from control import Control  # pylint: disable=import-outside-toplevel
    from rig import Daemon, conf_of  # pylint: disable=import-outside-toplevel

    probes = {"cgroup": {"cgroupLeaf": d + "/leaf"}, "vmm_proc": {}, "tap_link": {"iface": "lo"},
              "fc_metrics": {"file": d + "/metrics"}}
    if rules:
        probes["nftables"] = {"family": "inet", "table": "chtbench"}
    conf = conf_of(d, f"[opener]\nread = {d}\n[silence]\nboot_window = 24h\n")
    with Daemon(d + "/s", "--config", conf, "--control", d + "/control") as daemon:
        control = Control(d)
        for k in range(args.cells):
            control.put(f"c{k}", {"path": f"{d}/c{k}", "vmmPid": os.getpid(), "probes": probes})
        with open(f"/proc/{daemon.proc.pid}/task/{daemon.proc.pid}/children", encoding="utf-8") as f:
            pids = {name_of(p): p for p in (daemon.proc.pid, *map(int, f.read().split()))}
        time.sleep(EVERY_S + 2)  # the first readings, and what they open
        before, entries = {n: cpu_s(p) for n, p in pids.items()}, Control(d).metrics()["cht_ledger_entries"]
        began = time.monotonic()
        with open(d + "/line", "rb") as f, open(d + "/metrics", "ab") as to:
            line = f.read()
            for _ in range(1 if args.quick else 3):
                to.write(line)
                to.flush()
                time.sleep(EVERY_S)
        seconds = time.monotonic() - began
        done = {"cells": args.cells, "probes": len(probes), "seconds": seconds,
                "readings": Control(d).metrics()["cht_ledger_entries"] - entries,
                "core": {n: (cpu_s(p) - before[n]) / seconds for n, p in pids.items()}}
        done["frameUs"] = frame_us(d, args, control=Control(d), pid=daemon.proc.pid)
        daemon.proc.kill()
        daemon.proc.wait()
    return done


def frame_us(d, args, control, pid):
    """What a frame of its own write costs the line."""
    n = 20000 if args.quick else 100000
    control.put("f", {"path": d + "/f", "limits": {"framesPerSecond": 1000000000, "framesBurst": 1000000000}})
    before, was = cpu_s(pid), control.metrics()["cht_frames_stored_total"]
    load = subprocess.Popen([args.build + "/tests/bench/load", "frame", str(n), "1", "1", d + "/f"], stdout=subprocess.DEVNULL)
    while control.metrics()["cht_frames_stored_total"] - was < n:
        time.sleep(0.05)
    load.kill()
    load.wait()
    return (cpu_s(pid) - before) / n * 1e6


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("-o", dest="form", default="text")
    args = parser.parse_args()
    d = tempfile.mkdtemp(prefix="cht-bench-", dir=os.environ.get("CHT_BENCH_DIR", "/var/tmp"))
    rules = has_rules()
    try:
        leaf(d + "/leaf")
        line_of(d)
        rows = alone(d, args, rules)
        all_of = together(d, args, rules)
    finally:
        if rules:
            nft("delete table inet chtbench")
        shutil.rmtree(d)
    ours, bare = sum(r["ns"] for r in rows), sum(r["bareNs"] for r in rows)
    if args.form == "json":
        print(json.dumps({"alone": rows, "ratio": ours / bare, "together": all_of}))
        return 0
    print("a reading beside a bare loop over the same files and sockets, in turns")
    for r in rows:
        print(f"  {r['kind']:12} {r['ns'] / 1000:7.1f} us, bare {r['bareNs'] / 1000:6.1f} us: {r['ratio']:.2f};"
              f" p99 {r['p99Ns'] / 1000:,.0f} us")
    print(f"  all of them: {ours / bare:.2f} (goal 2)" + ("" if rules else "; without nftables: it is not here"))
    print(f"  100 frames, one a write, cost the line {100 * all_of['frameUs']:.0f} us: no reading is to hold it longer, p99")
    share = sum(v for n, v in all_of["core"].items() if n != "cht-scribe")
    each = "; ".join(f"{n} {100 * v:.1f} %" for n, v in all_of["core"].items())
    print(f"chtd with {all_of['cells']:,} cells, {all_of['probes']} probes each, every {EVERY_S} s:"
          f" {all_of['readings'] / all_of['seconds']:.0f} readings a second")
    print(f"  of one core: {each}; the line and its opener {100 * share:.1f} % (goal 5)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
