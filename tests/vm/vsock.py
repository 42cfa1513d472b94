#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vsock - cells by CID over a kernel's own vhost-vsock and vsock_loopback, in a VM where both are.

usage: vsock.py VSOCK_GUEST AGENT
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integ"))

import vm
from rig import BIN, check, cht, equal, events, folder, frame, short, text_of

FRAMES = 200

SCRIPT = r"""
set -eu
step() { echo "step $* at $(cut -d' ' -f1 /proc/uptime)"; }
wait_for() { # a pattern in a file
	n=0
	until grep -q "$1" "$2" 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 2000 ] || { echo "waited for $1 in $2"; cat "$2"; exit 1; }
		usleep 10000
	done
}
guest() { # name, CID, argument...
	name=$1
	shift
	vsock_guest "$@" >"/out/$name" 2>&1 &
}
export CHT_CONTROL=/run/control
mkfifo /run/ready
mkdir /state
cat >/run/chtd.conf <<END
[limits]
connects_per_second = 20
[control]
socket = /run/control
[cell a]
cid = 3
run = run-a
[cell loop]
cid = 1
run = run-loop
END
chtd --state /state --init --config /run/chtd.conf --ready-fd 9 9>/run/ready 2>/out/chtd &
chtd=$!
read -r _ </run/ready
step ready

guest three 3 /frames
three=$!
wait_for sent /out/three
guest five 5 /frames
wait_for reset /out/five
guest liar 6 --as 3 /frames
wait_for silence /out/liar
step claimed

cellos-telemetry --connect vsock:1:9001 --heartbeat-ms 100 --no-fork >/out/agent 2>&1 &
agent=$!

cht cell add flood --cid 4 -o json >/out/add
cht cell add quiet --cid 4294967294 --run run-quiet -o json >/out/add2
guest flood 4 --connects 100000
flood=$!
tries=0
while :; do
	tries=$((tries + 1))
	guest "quiet$tries" 4294967294 /frames
	wait_for 'open\|reset' "/out/quiet$tries"
	grep -q open "/out/quiet$tries" && break
	kill -9 $!
done
wait_for sent "/out/quiet$tries"
kill -0 $flood && echo "$tries" >/out/tries
n=0
until cht cell show quiet | grep -q " @FRAMES@ received"; do
	n=$((n + 1))
	[ $n -lt 200 ] || { cht cell show quiet; exit 1; }
done
kill -0 $flood && echo "$tries" >/out/during
kill -9 $flood
step flooded

cht cell rm a >/out/rm
wait_for reset /out/three
kill -9 $three
cht cell add next --cid 3 --run run-next >/out/add3
guest again 3 /frames
wait_for sent /out/again
n=0
until cht cell show next | grep -q " @FRAMES@ received"; do
	n=$((n + 1))
	[ $n -lt 200 ] || { cht cell show next; exit 1; }
done
step again

kill $agent
wait $agent || true
kill $chtd
wait $chtd
step end
"""


class Found:
    """What the VM gave back."""

    def __init__(self, d):
        self.d = d
        self.told = list(events(d + "/state"))

    def out(self, name):
        return text_of(f"{self.d}/out/{name}")

    def all(self, kind):
        return [e["data"] for e in self.told if short(e) == kind]

    def of(self, run, kind):
        return [data for data in self.all(kind) if data["runId"] == run]


def test_each_vm_is_heard_as_the_cell_of_its_cid(found):
    for cell, run, channel in (("a", "run-a", "vsock:3"), ("loop", "run-loop", "vsock:1"),
                               ("quiet", "run-quiet", "vsock:4294967294")):
        equal([(e["cellId"], e["socket"]) for e in found.of(run, "run.opened")], [(cell, channel)], "what was opened")
    for run in ("run-a", "run-quiet"):
        equal(len(found.of(run, "guest.process_spawned")), FRAMES, f"frames of {run}, and of no other")
    check(found.of("run-loop", "guest.agent_hello"), "the agent over CID 1")
    check(not found.of("run-loop", "guest.agent_silenced"), "and it is heard")


def test_of_a_vm_no_user_is_known(found):
    check(all("peerUid" not in e["inputs"] for e in found.all("guest.process_spawned")), "of a frame")
    check(all("peer" not in e for e in found.all("channel.opened")), "of a connection")


def test_the_next_vm_of_a_cid_is_another_run(found):
    equal([e["socket"] for e in found.of("run-next", "run.opened")], ["vsock:3"], "the same CID")
    equal(len(found.of("run-next", "guest.process_spawned")), FRAMES, "frames of the next")
    equal(found.of("run-a", "channel.closed")[-1]["reasons"], {"host_stops": 1}, "the one before was closed")


def test_a_vm_without_a_cell_is_turned_away_and_told_of(found):
    equal([(e["cid"], e["count"]) for e in found.all("channel.unclaimed")], [(5, 1)], "who, and how often")


def test_a_guest_that_says_anothers_cid_is_not_heard(found):
    equal(found.out("liar").split("\n")[0], "silence", "its packets go nowhere")


def test_a_vm_that_floods_keeps_no_other_out(found):
    over = sum(e["reasons"].get("over_rate", 0) for e in found.all("channel.closed") if e["cellId"] == "flood")
    check(over > 100, f"the flood was one: {over} connections over the rate")
    equal(found.out("during"), found.out("tries"), "the other was read during the flood")
    print(f"the other connected at try {found.out('tries').strip()}, {over} connects were over the rate")


def test_the_ledger_holds(found):
    ledger = found.d + "/state"
    cht("verify", ledger, "--vkey", text_of(ledger + "/ledger/vkey").strip(), want=10)  # frames without numbers


def main():
    why = vm.missing()
    if why is not None:
        print(f"skipped: {why}", file=sys.stderr)
        return 77
    guest, agent = sys.argv[1:]
    programs = [guest, agent] + [os.path.join(BIN, name) for name in ("chtd", "cht-scribe", "cht-opener", "cht")]
    with folder() as d:
        files = {"frames": b"".join(frame(pid=n + 1) for n in range(FRAMES))}
        status = vm.run(d, ["vhost_vsock", "vsock_loopback"], programs, files,
                        SCRIPT.replace("@FRAMES@", str(FRAMES)))
        check(status == 0, f"the script ended with {status}:\n{text_of(d + '/out/script')}\n"
              + "\n".join(text_of(f"{d}/out/{name}") for name in os.listdir(d + "/out") if name != "script"))
        print("; ".join(line for line in text_of(d + "/out/script").split("\n") if line.startswith("step ")))
        found = Found(d)
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                test(found)
                print(f"[OK] {name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
