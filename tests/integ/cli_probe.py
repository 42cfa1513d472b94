#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht probe once: a reading of the host's own sources, by options or of a cell."""

import json
import os

from control import hub
from probes import leaf
from rig import check, cht, equal, main


def readings(*args, want=0, **kw):
    return [json.loads(line) for line in cht("probe", "once", *args, "-o", "json", want=want, **kw).stdout.splitlines()]


def test_what_is_asked_for_is_read(d):
    path = leaf(d)
    one, two = readings("--cgroup", path, "--vmm", str(os.getpid()))
    equal((one["probe"], two["probe"]), ("cgroup", "vmm_proc"), "probes")
    equal(one["output"]["cpu_stat"], {"usage_usec": 10}, "of the cgroup")
    equal(two["inputs"]["pid"], os.getpid(), "of the process")
    check(two["output"]["rssBytes"] > 1 << 20, "its memory")
    text = cht("probe", "once", "--cgroup", path).stdout.decode()
    check(text.startswith("cgroup\n{") and '"usage_usec": 10' in text, f"text: {text}")


def test_what_cannot_be_read_is_said(d):
    one = readings("--cgroup", d + "/nowhere", want=1)[0]
    equal(one["sampleError"], "not_found", "of nothing")
    check("output" not in one, "something was seen")
    check(b"not_found" in cht("probe", "once", "--cgroup", d + "/nowhere", want=1).stdout, "as text")


def test_a_cell_s_own(d):
    path = leaf(d)
    with hub(d) as (daemon, control):
        cht("cell", "add", "a", "--path", d + "/a", "--vmm-pid", str(os.getpid()), "--spec-id", "spec/1", "--control", d + "/control",
            "--probes", json.dumps({"cgroup": {"cgroupLeaf": path}, "vmm_proc": {}}))
        equal(control.get("/cells/a")["registered"]["specId"], "spec/1", "what it was registered with")
        check(b"JSON object" in cht("cell", "add", "x", "--path", d + "/x", "--probes", "{", want=2).stderr, "no JSON")
        control.put("b", {"path": d + "/b"})
        got = readings("a", "--socket", d + "/control")
        equal([r["probe"] for r in got], ["cgroup", "vmm_proc"], "probes")
        equal(got[1]["inputs"]["pid"], os.getpid(), "its VMM")
        check(b"without probes" in cht("probe", "once", "b", "--socket", d + "/control", want=1).stderr, "one without")
        check(b"no cell c" in cht("probe", "once", "c", "--socket", d + "/control", want=1).stderr, "one that is none")
        daemon.stop()


def test_wrong_usage_is_explained(d):
    for args in ([], ["twice", "a"], ["once"], ["once", "a", "--vmm", "1"], ["once", "--vmm", "0"], ["once", "--nft", "inet"],
                 ["once", "--flush", "--vmm", "1"], ["once", "a", "b"]):
        check(cht("probe", *args, want=2).stderr, f"{args}")


if __name__ == "__main__":
    main(globals())
