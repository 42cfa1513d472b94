#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Links and rules of a VM's own network namespace, through chtd and its opener, into the ledger: as events that fit
their schemas, in their time and when something happens; and what a namespace that goes costs the cell."""

import json
import os

import jsonschema

from control import hub
from net_rig import TABLE, Space, equals_ip, make_pair, need_netns, need_nft, read_rows, rows_of, run, send
from rig import check, connect, equal, events, frame, has_sanitizer, main, text_of, types, wait_for

ROOT = os.environ["CHT_SOURCE_ROOT"]
ONCE = 86400000  # at registration, at each statement, and when something happens


def readings(d, probe):
    found = [e for e in events(d + "/s") if e["type"].endswith("host.v1." + probe)]
    schema = json.loads(text_of(f"{ROOT}/docs/schema/host.{probe}.json"))
    for e in found:
        jsonschema.validate(e, schema)
    return [e["data"] for e in found]


def await_reading(d, probe, n):
    return wait_for(f"reading {n} of {probe}", lambda: readings(d, probe)[n - 1:])[0]


def test_links_and_rules_come_into_the_ledger(d):
    need_nft()
    with Space() as s, hub(d) as (daemon, control):
        make_pair(s)
        s.nft(*TABLE)
        control.put("a", {"path": d + "/a", "probes": {
            "tap_link": {"iface": "vb", "netns": s.name, "intervalMs": ONCE},
            "nftables": {"family": "inet", "table": "t", "netns": s.name, "intervalMs": ONCE}}})
        await_reading(d, "tap_link", 1)
        await_reading(d, "nftables", 1)
        send(s, 5)
        control.ask("PATCH", "/cells/a", {"state": "paused"}, 200)
        link = await_reading(d, "tap_link", 2)
        equals_ip(link, s.shown("vb"))
        rules = await_reading(d, "nftables", 2)
        equal(read_rows(rules), rows_of(s.rules("inet", "t")), "rows")
        equal(rules["output"]["rows"][0]["packets"], 5, "packets")
        # The line itself is in its own namespace, holds sockets of the other, and has no capability.
        check(os.stat(f"/proc/{daemon.proc.pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino, "namespace")
        if not has_sanitizer():  # with one, nothing is taken away
            check("CapEff:\t0000000000000000" in text_of(f"/proc/{daemon.proc.pid}/status"), "capabilities")
        # As it happens.
        s.ip("link", "set", "vb", "down")
        down = await_reading(d, "tap_link", 3)
        equal((down["output"]["operstate"], down["output"]["changes"]["downs"]), ("down", 1), "down")
        control.delete("a")
        daemon.stop()
        equal([e["probeSource"] for e in readings(d, "tap_link")], ["host.tap_link"] * 4, "and once at the end")


def test_a_namespace_that_goes_costs_two_readings_and_no_cell(d):
    need_nft()
    with Space() as s, hub(d) as (daemon, control):
        probes = {"tap_link": {"iface": "vb", "netns": s.name, "intervalMs": ONCE},
                  "nftables": {"family": "inet", "table": "t", "netns": s.name, "intervalMs": ONCE},
                  "vmm_proc": {"intervalMs": ONCE}}
        control.put("a", {"path": d + "/a", "vmmPid": os.getpid(), "probes": probes})
        for probe in ("tap_link", "nftables"):
            one = await_reading(d, probe, 1)
            equal((one["sampleError"], "output" in one), ("not_found", False), probe)
        run("ip", "netns", "del", s.name)
        control.ask("PATCH", "/cells/a", {"state": "paused"}, 200)
        for probe in ("tap_link", "nftables"):
            one = await_reading(d, probe, 2)
            equal(one["sampleError"], "not_found", probe)
            check(s.name in one["sampleErrorText"], one["sampleErrorText"])
        check("sampleError" not in await_reading(d, "vmm_proc", 2), "another probe")
        with connect(d + "/a") as guest:
            guest.sendall(frame())
            wait_for("a guest's frame", lambda: "guest.process_spawned" in types(d + "/s"))
        # It is made again, by the same name.
        run("ip", "netns", "add", s.name)
        make_pair(s)
        s.nft(*TABLE)
        control.ask("PATCH", "/cells/a", {"state": "resumed"}, 200)
        equals_ip(await_reading(d, "tap_link", 3), s.shown("vb"))
        equal(read_rows(await_reading(d, "nftables", 3)), rows_of(s.rules("inet", "t")), "rows")
        daemon.stop()


def test_a_cell_that_goes_lets_go_of_its_namespace(d):
    need_netns()
    with Space() as s, Space() as beside, hub(d) as (daemon, control):
        make_pair(s)
        s.ip("link", "set", "va", "netns", beside.name)  # it goes when the other end's namespace does
        control.put("a", {"path": d + "/a", "probes": {"tap_link": {"iface": "vb", "netns": s.name}}})
        await_reading(d, "tap_link", 1)
        run("ip", "netns", "del", s.name)
        check("va@" in beside.ip("link", "show"), "the namespace is there as long as it is looked into")
        control.delete("a")
        wait_for("the end of the namespace", lambda: "va@" not in beside.ip("link", "show"))
        daemon.stop()


if __name__ == "__main__":
    main(globals())
