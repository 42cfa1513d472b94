#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""host.tap_link on the kernel's own links, in network namespaces made here: what is read equals what ip says, and what
happens is seen as it happens."""

import json
import os
import subprocess

from net_rig import Reader, Space, equals_ip, make_pair, need_netns, run, send, unprivileged
from rig import LIMIT_S, check, equal, main, skip, text_of, wait_for


def test_a_link_reads_as_ip_shows_it(_):
    need_netns()
    with Space() as s:
        make_pair(s)
        with Reader("tap_link", iface="vb", netns=s.name) as b, Reader("tap_link", iface="va", netns=s.name) as a:
            first = b.good()
            equals_ip(first, s.shown("vb"))
            equal(first["output"]["counters"], "first", "counters")
            equal(first["inputs"], {"iface": "vb", "netns": s.name, "sysfs": "/sys/class/net/vb"}, "inputs")
            before = a.good()
            send(s, 7)
            after, other = b.good(), a.good()
            equals_ip(after, s.shown("vb"))
            equals_ip(other, s.shown("va"))
            equal(after["output"]["counters"], "continued", "counters")
            equal(after["packets_out"] - first["packets_out"], 7, "packets that b took in")
            equal(after["bytes_out"] - first["bytes_out"], 7 * 142, "their bytes")
            equal(other["packets_in"] - before["packets_in"], 7, "packets that a sent out")
        changes = s.run("cat", "/sys/class/net/vb/carrier_changes") if os.path.exists("/sys/class/net/vb") else None
        check(changes is None or int(changes) == after["output"]["carrierChanges"], "carrierChanges")


def test_the_command_of_the_page_says_the_same(_):
    need_netns()
    section = text_of(os.environ["CHT_SOURCE_ROOT"] + "/docs/EVENTS.md").split("### host.tap_link\n")[1]
    command = section.split("```sh\n")[1].split("```")[0]
    with Space() as s:
        make_pair(s)
        send(s, 4)
        with Reader("tap_link", iface="vb", netns=s.name) as r:
            one = r.good()
            shown = subprocess.run(["sh", "-c", command], check=True, capture_output=True,
                                   env={**os.environ, **one["inputs"]}).stdout
            equals_ip(one, json.loads(shown)[0])
    with Reader("tap_link", iface="lo") as r:
        one = r.good()
        shown = subprocess.run(["sh", "-c", command], check=True, capture_output=True,
                               env={**os.environ, **one["inputs"]}).stdout
        equal(json.loads(shown)[0]["ifindex"], one["output"]["ifindex"], "ifindex")


def open_tap(s, name):
    """A tap as a VMM has it: opened, so that it has a carrier. The process ends with its stdin."""
    code = ("import fcntl, struct, sys\n"
            "f = open('/dev/net/tun', 'r+b', buffering=0)\n"
            f"fcntl.ioctl(f, 0x400454ca, struct.pack('16sH', b'{name}', 0x1002))\n"
            "print('open', flush=True)\n"
            "for line in sys.stdin:\n"
            "    f.write(bytes(12) + b'\\x08\\x00' + bytes(46))\n"
            "    print('sent', flush=True)\n")
    p = subprocess.Popen(["ip", "netns", "exec", s.name, "python3", "-c", code], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    equal(p.stdout.readline(), "open\n", "a tap")
    return p


def test_a_tap_is_seen_from_the_guest(_):
    need_netns()
    if not os.path.exists("/dev/net/tun"):
        skip("/dev/net/tun is not here")
    with Space() as s:
        s.ip("tuntap", "add", "tap0", "mode", "tap")
        s.ip("link", "set", "tap0", "up")
        with Reader("tap_link", iface="tap0", netns=s.name) as r:
            first = r.good()
            equals_ip(first, s.shown("tap0"))
            equal((first["output"]["operstate"], first["output"]["carrier"]), ("down", "0"), "without a VMM")
            vmms = []
            up = r.on(lambda: vmms.append(open_tap(s, "tap0")))
            equal((up["output"]["carrier"], up["output"]["changes"]), ("1", {"downs": 0, "removals": 0, "ups": 1}),
                  "a VMM opens it")
            vmm = vmms[0]
            for _ in range(3):
                vmm.stdin.write("send\n")
                vmm.stdin.flush()
                equal(vmm.stdout.readline(), "sent\n", "a frame")
            sent = r.good()
            equals_ip(sent, s.shown("tap0"))
            equal(sent["packets_out"] - up["packets_out"], 3, "packets that the guest sent")
            down = r.on(lambda: (vmm.stdin.close(), vmm.wait(LIMIT_S)))
            vmm.stdout.close()
            equal((down["output"]["carrier"], down["output"]["changes"]), ("0", {"downs": 1, "removals": 0, "ups": 0}),
                  "the VMM ends")


def test_down_up_and_removal_are_seen_as_they_happen(_):
    need_netns()
    with Space() as s:
        make_pair(s)
        with Reader("tap_link", iface="vb", netns=s.name) as r:
            old = r.good()
            down = r.on(lambda: s.ip("link", "set", "vb", "down"))
            equal((down["output"]["operstate"], down["output"]["changes"]["downs"]), ("down", 1), "down")
            up = r.on(lambda: s.ip("link", "set", "vb", "up"))
            check(up["output"]["changes"]["ups"] == 1 or r.read()["output"]["operstate"] == "up", "up")
            gone = r.on(lambda: s.ip("link", "del", "vb"))
            if gone["error"] == "":  # it goes down before it goes
                gone = wait_for("its removal", lambda: (lambda g: g if g["error"] else None)(r.read()))
            equal((gone["error"], gone["text"], gone["output"]), ("gone", "vb was removed", None), "removed")
            equal(r.read()["error"], "gone", "later")
            s.ip("link", "add", "vb", "type", "veth", "peer", "name", "c")
            again = r.good()
            equal((again["output"]["counters"], again["output"]["changes"]["removals"]), ("new_link", 1), "again")
            check(again["output"]["ifindex"] != old["output"]["ifindex"], "another ifindex")
            check("changes" not in r.good()["output"], "changes are told once")


def test_a_flap_between_two_readings_is_counted(_):
    need_netns()
    with Space() as s:
        make_pair(s)
        with Reader("tap_link", iface="vb", netns=s.name) as r:
            wait_for("b's carrier", lambda: r.good()["output"]["operstate"] == "up")
            for _ in range(3):
                s.ip("link", "set", "vb", "down")
                s.ip("link", "set", "vb", "up")
            wait_for("b's carrier", lambda: s.shown("vb")["operstate"] == "UP")
            equal(r.good()["output"]["changes"], {"downs": 3, "removals": 0, "ups": 3}, "changes")


def test_more_changes_than_the_kernel_keeps_are_said_to_be_lost(d):
    need_netns()
    with Space() as s:
        make_pair(s)
        with Reader("tap_link", iface="vb", netns=s.name) as r:
            wait_for("vb's carrier", lambda: r.good()["output"]["operstate"] == "up")
            with open(d + "/flaps", "w", encoding="utf-8") as f:
                f.write("link set vb down\nlink set vb up\n" * 400)
            s.ip("-batch", d + "/flaps")
            wait_for("vb's carrier", lambda: s.shown("vb")["operstate"] == "UP")
            one = r.good()
            check(one["output"]["changes"].get("lost") is True, f"lost: {one}")
            equals_ip(one, s.shown("vb"))
            check("changes" not in r.good()["output"], "it is told once")


def test_a_link_made_anew_is_not_a_decrease(_):
    need_netns()
    with Space() as s:
        make_pair(s)
        with Reader("tap_link", iface="vb", netns=s.name) as r:
            send(s, 5)
            old = r.good()
            s.ip("link", "del", "vb")
            make_pair(s)
            send(s, 9)  # more than before: by the numbers alone it went on
            new = r.good()
            equals_ip(new, s.shown("vb"))
            equal(new["output"]["counters"], "new_link", "counters")
            equal(new["packets_out"], old["packets_out"] + new["output"]["rxPackets"], "packets in all")


def test_what_happens_to_other_links_and_in_a_bridge_is_not_its(_):
    need_netns()
    with Space() as s:
        make_pair(s)
        s.ip("link", "add", "name", "br", "type", "bridge")
        with Reader("tap_link", iface="vb", netns=s.name) as r:
            wait_for("b's carrier", lambda: r.good()["output"]["operstate"] == "up")
            s.ip("link", "set", "vb", "master", "br")
            s.ip("link", "set", "vb", "nomaster")  # told as RTM_DELLINK, of the bridge's family
            s.ip("link", "add", "bb", "type", "veth", "peer", "name", "cc")
            s.ip("link", "del", "bb")
            out = r.good()["output"]
            check("changes" not in out, f"changes: {out}")
            equal(out["counters"], "continued", "counters")
            # And only what is of b wakes it.
            s.ip("link", "add", "bb", "type", "veth", "peer", "name", "cc")
            r.tell("wait")
            s.ip("link", "set", "bb", "up")
            s.ip("link", "set", "vb", "down")
            equal(r.hear()["output"]["changes"], {"downs": 1, "removals": 0, "ups": 0}, "what woke it")


def test_a_link_that_is_not_there_is_looked_for_again(_):
    need_netns()
    with Space() as s, Reader("tap_link", iface="vb", netns=s.name) as r:
        none = r.read()
        equal((none["error"], none["text"], none["output"]), ("not_found", "vb is not there", None), "before")
        s.ip("link", "add", "vb", "type", "veth", "peer", "name", "a")
        equal(r.good()["output"]["counters"], "first", "counters")


def test_another_namespace_of_the_same_name_is_found(_):
    need_netns()
    with Space() as s, Reader("tap_link", iface="vb", netns=s.name) as r:
        equal(r.read()["error"], "not_found", "no link")
        run("ip", "netns", "del", s.name)
        gone = r.read()
        equal((gone["error"], gone["text"]),
              ("not_found", f"network namespace {s.name}: No such file or directory"), "no namespace")
        run("ip", "netns", "add", s.name)
        s.ip("link", "add", "vb", "type", "veth", "peer", "name", "a")
        r.good()


def test_the_namespace_of_a_process(_):
    need_netns()
    with Space() as s:
        make_pair(s)
        p = subprocess.Popen(["ip", "netns", "exec", s.name, "cat"], stdin=subprocess.PIPE)
        try:
            link = wait_for("the namespace", lambda: os.readlink(f"/proc/{p.pid}/ns/net") !=
                            os.readlink("/proc/self/ns/net"))
            check(link, "a process")
            with Reader("tap_link", iface="vb", netns_pid=p.pid) as r:
                one = r.good()
                equals_ip(one, s.shown("vb"))
                equal(one["inputs"]["netnsPid"], p.pid, "inputs")
                # Its number may be another's, whose link has the same name: it is not asked for by it again.
                p.stdin.close()
                p.wait(LIMIT_S)
                s.ip("link", "del", "vb")
                equal((r.read()["error"], r.read()["error"]), ("gone", "gone"), "after its link's end")
                make_pair(s)
                equal(r.good()["output"]["counters"], "new_link", "in the namespace that it had")
        finally:
            p.kill()
            p.wait(LIMIT_S)
        with Reader("tap_link", iface="vb", netns_pid=p.pid) as r:
            equal(r.read()["error"], "gone", "after its end")


def test_in_our_own_namespace_no_privilege_is_needed(_):
    if os.geteuid() != 0:
        skip("to be somebody else needs root")
    with Reader("tap_link", prefix=unprivileged(), iface="lo") as r:
        out = r.good()["output"]
        check(out["rxPackets"] == out["txPackets"], "lo sends to itself")
    with Reader("nftables", prefix=unprivileged(), family="inet", table="t") as r:
        one = r.read()
        equal((one["error"], one["output"]), ("forbidden", None), "nf_tables")
        check("CAP_NET_ADMIN" in one["text"], one["text"])
    with Reader("tap_link", prefix=unprivileged(), iface="lo", netns_pid=1) as r:
        one = r.read()
        equal(one["error"], "forbidden", "another's namespace")
        check("CAP_SYS_ADMIN" in one["text"], one["text"])


if __name__ == "__main__":
    main(globals())
