#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What docs/EVENTS.md says how a reading is repeated by its inputs: each section's command is run, and says the same."""

import contextlib
import json
import os
import re
import signal
import subprocess

from cli_probe import readings
from probes import leaf
from rig import LIMIT_S, check, equal, main, put, skip, text_of, wait_for

EVENTS = os.path.join(os.environ.get("CHT_SOURCE_ROOT", "."), "docs/EVENTS.md")


def command(section):
    text = text_of(EVENTS).split(f"\n### {section}\n", 1)[1].split("\n### ", 1)[0]
    return re.search(r"\n```sh\n(.*?)```\n", text, re.S).group(1)


def repeat(section, inputs):
    """What the section's command prints, with the members of inputs as variables."""
    as_text = {k: " ".join(v) if isinstance(v, list) else str(v) for k, v in inputs.items()}
    done = subprocess.run(["sh", "-euc", command(section)], capture_output=True, text=True, check=False,
                          timeout=LIMIT_S, env={"PATH": os.environ["PATH"], "alsoFiles": "", **as_text})
    equal((done.returncode, done.stderr), (0, ""), f"the command of {section}")
    return done.stdout


def cgroup_of(printed):
    """As a reading's output has what the files say."""
    found = {}
    for part in printed.split("== ")[1:]:
        name, text = part.split("\n", 1)
        key = os.path.basename(name).replace(".", "_").replace("memory_oom_control", "memory_events")
        if "pressure" in key:
            found[key] = {f"{k}_usec": int(v) for k, v in re.findall(r"^(some|full) .* total=(\d+)$", text, re.M)}
        elif " " in text:
            found[key] = {k: int(v) for k, v in (line.split(" ") for line in text.splitlines())}
        else:
            found[key] = int(text)
    return found


@contextlib.contextmanager
def groups(name):
    """A cgroup without a process, in each tree that this host has."""
    root = "/sys/fs/cgroup/"
    trees = [""] if os.path.exists(root + "cgroup.controllers") else ["memory/", "cpu/", "cpuacct/", "pids/"]
    made = []
    try:
        for tree in trees:
            os.mkdir(f"{root}{tree}{name}")
            made.append(f"{root}{tree}{name}")
        yield
    except OSError as e:
        skip(f"no cgroup can be made: {e}")
    finally:
        for path in made:
            os.rmdir(path)


def same_cgroup(where, version):
    one = readings("--cgroup", where)[0]
    output = dict(one["output"])
    equal(output.pop("version"), version, "version")
    equal(cgroup_of(repeat("host.cgroup", one["inputs"])), output, f"again, by {one['inputs']}")
    return one


def test_a_directory_s_files(d):
    path = leaf(d)
    put(path + "/cgroup.events", b"populated 1\nfrozen 0\n")
    put(path + "/cpu.pressure", b"some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
        b"full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n")
    one = same_cgroup(path, "v2")
    equal(one["inputs"]["alsoFiles"], ["cgroup.events", "cpu.pressure"], "what else was read")


def test_a_cgroup_of_this_host_by_its_path_in_its_trees(_):
    name = f"cht-repeat-{os.getpid()}"
    with groups(name):
        one = same_cgroup(name, "v2" if os.path.exists(f"/sys/fs/cgroup/{name}") else "v1")
        check(len(one["inputs"]["files"]) == 3, f"files: {one['inputs']}")


def test_a_process(_):
    child = subprocess.Popen(["sh", "-c", 'n=0; while [ $n -lt 200000 ]; do n=$((n + 1)); done; kill -STOP $$'])
    try:
        wait_for("it to be stopped", lambda: text_of(f"/proc/{child.pid}/stat").split()[2] == "T")
        one = readings("--vmm", str(child.pid))[0]
        lines = repeat("host.vmm_proc", one["inputs"]).splitlines()
        again = {**json.loads(lines[0]), **json.loads(lines[1])}
        output = dict(one["output"])
        equal((output.pop("state"), lines[2:]), ("T", ["T"]), "states")
        equal(again, output, "again")
        check(output["userTimeMs"] > 0, "it ran")
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


if __name__ == "__main__":
    main(globals())
