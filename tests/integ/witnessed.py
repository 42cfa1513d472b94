#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a guest declares, held against what the host's own kernel counted: real links, rules and packets; the guest's
words come from here."""

import json

from control import hub
from net_rig import TABLE, Space, make_pair, need_netns, need_nft, send
from rig import check, cht, conf_of, connect, equal, events, frame, main, short, wait_for

MS = 200


def of(d, name):
    return [e["data"] for e in events(d + "/s") if short(e) == name]


def readings(d, kind):
    return [e["data"] for e in events(d + "/s") if e["type"].endswith("host.v1." + kind)]


def await_readings(d, kind, more):
    n = len(readings(d, kind)) + more
    wait_for(f"{n} readings", lambda: len(readings(d, kind)) >= n)


def claim(s, to="10.9.0.2", pid=7):
    s.sendall(frame("net.connect_attempted", pid=pid, dest_addr=to, dest_port=9))


def put(control, d, name, probes):
    control.put(name, {"path": f"{d}/{name}", "probes": probes})


def counts(d):
    return of(d, "cell.witnessed")[-1]["claims"]["net.connect_attempted"]


def test_packets_witness_a_connect_and_their_absence_does_not(d):
    need_netns()
    with Space() as space, hub(d) as (daemon, control):
        make_pair(space)
        # What goes out by va comes in by vb, as a guest's packets come in by its tap.
        put(control, d, "a", {"tap_link": {"iface": "vb", "netns": space.name, "intervalMs": MS}})
        await_readings(d, "tap_link", 2)
        with connect(d + "/a") as guest:
            claim(guest)
            send(space, 2)
            await_readings(d, "tap_link", 4)
            equal(of(d, "guest.declaration_unwitnessed"), [], "nothing to tell of a witnessed one")
            claim(guest, pid=8)
            claim(guest, pid=9)
            claim(guest, to="127.0.0.1")
            wait_for("what nobody saw", lambda: sum(e["count"] for e in of(d, "guest.declaration_unwitnessed")) == 2)
        told = of(d, "guest.declaration_unwitnessed")
        equal({e["verdict"] for e in told} | {e["claim"] for e in told}, {"unwitnessed", "net.connect_attempted"}, "verdict")
        by_sequence = {e["data"]["sequence"]: e for e in events(d + "/s") if e["data"]["cellId"] == "a"}
        for e in told:
            equal(short(by_sequence[e["from"]]), "guest.net_connect_attempted", "what it is about")
            for at in e["readings"].values():
                check(by_sequence[at]["type"].endswith("host.v1.tap_link"), "what it rests on")
        equal(of(d, "guest.traffic_undeclared"), [], "what is explained")
        control.delete("a")
        equal(counts(d), {"witnessed": 1, "unwitnessed": 2, "contradicted": 0, "noWitness": 0}, "in the end")
        daemon.stop()
    report = json.loads(cht("verify", d + "/s", "-o", "json", want=None).stdout)
    equal(report["vantage"]["claims"], {"witnessed": 1, "unwitnessed": 2, "contradicted": 0, "noWitness": 0,
                                        "undeclaredPacketsOut": 0}, "as cht verify has it")
    check(report["vantage"]["readings"] == len(readings(d, "tap_link")), "readings")


def test_a_link_that_is_down_contradicts(d):
    need_netns()
    with Space() as space, hub(d) as (daemon, control):
        make_pair(space)
        put(control, d, "a", {"tap_link": {"iface": "vb", "netns": space.name, "intervalMs": MS}})
        await_readings(d, "tap_link", 2)
        space.ip("link", "set", "vb", "down")
        wait_for("it to be seen", lambda: readings(d, "tap_link")[-1]["output"]["operstate"] == "down")
        await_readings(d, "tap_link", 2)
        with connect(d + "/a") as guest:
            claim(guest)
            wait_for("the verdict", lambda: of(d, "guest.declaration_unwitnessed"))
        equal(of(d, "guest.declaration_unwitnessed")[0]["verdict"], "contradicted", "of a link that is down")
        daemon.stop()


def test_traffic_of_a_guest_that_declares_nothing_is_told(d):
    need_netns()
    with Space() as space, hub(d) as (daemon, control):
        make_pair(space)
        put(control, d, "a", {"tap_link": {"iface": "vb", "netns": space.name, "intervalMs": MS}})
        await_readings(d, "tap_link", 2)
        send(space, 5)
        wait_for("it to be told", lambda: of(d, "guest.traffic_undeclared"))
        one = of(d, "guest.traffic_undeclared")[0]
        check(1 <= one["packetsOut"] <= 5 and not one["agentHeard"], f"{one}")
        await_readings(d, "tap_link", 2)
        control.delete("a")
        equal(of(d, "cell.witnessed")[0]["undeclaredPacketsOut"], 5, "in the end")
        daemon.stop()


def test_rules_witness_too_and_without_probes_nobody_does(d):
    need_nft()
    with Space() as space, hub(d) as (daemon, control):
        make_pair(space)
        space.nft(*TABLE)
        put(control, d, "a", {"nftables": {"family": "inet", "table": "t", "netns": space.name, "intervalMs": MS}})
        control.put("b", {"path": d + "/b"})
        await_readings(d, "nftables", 2)
        with connect(d + "/a") as guest, connect(d + "/b") as other:
            claim(guest)
            claim(other)
            send(space, 3)
            await_readings(d, "nftables", 4)
        control.delete("a")
        equal(counts(d), {"witnessed": 1, "unwitnessed": 0, "contradicted": 0, "noWitness": 0}, "in the end")
        control.delete("b")
        equal(len(of(d, "cell.witnessed")), 1, "of the one with probes alone")
        daemon.stop()


def test_bytes_that_the_vmm_did_not_send_contradict_it(d):
    c = conf_of(d, f"[opener]\nread = {d}\n")
    with hub(d, "--config", c) as (daemon, control), open(d + "/metrics", "w", encoding="utf-8") as metrics:
        def line(ms, sent):
            metrics.write(json.dumps({"utc_timestamp_ms": ms, "vsock": {"tx_bytes_count": sent}}) + "\n")
            metrics.flush()

        put(control, d, "a", {"fc_metrics": {"file": d + "/metrics", "intervalMs": MS}})
        line(60000, 0)
        await_readings(d, "fc_metrics", 1)
        frames = [frame(pid=k) for k in range(20)]
        with connect(d + "/a") as guest:
            guest.sendall(b"".join(frames))
            wait_for("them", lambda: control.get("/cells/a")["frames"]["stored"] == len(frames))
            received = sum(map(len, frames))
            line(120000, received)
            await_readings(d, "fc_metrics", 1)
            line(180000, 0)
            await_readings(d, "fc_metrics", 1)
            equal(of(d, "guest.declaration_unwitnessed"), [], "as many were sent")
            guest.sendall(frames[0])
            wait_for("it", lambda: control.get("/cells/a")["frames"]["stored"] == len(frames) + 1)
            for ms in (240000, 300000):
                line(ms, 0)
                await_readings(d, "fc_metrics", 1)
            wait_for("the verdict", lambda: of(d, "guest.declaration_unwitnessed"))
        one = of(d, "guest.declaration_unwitnessed")[0]
        equal((one["claim"], one["verdict"], one["bytesReceived"], one["bytesSent"]),
              ("channel.bytes", "contradicted", received + len(frames[0]), received), "the verdict")
        daemon.stop()


if __name__ == "__main__":
    main(globals())
