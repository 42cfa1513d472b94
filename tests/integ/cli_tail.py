#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht tail: what a person sees of each event, and that a guest cannot paint over it."""

import json
import unittest

from cli import ENV, cht, start
from cli_help import on_terminal
from made_ledger import MadeLedger, packed

PREFIX = "dev.cellos.events.cell.observability.v1."


def event(name, sequence=1, provenance="observed", time="16:44:45.123456789", cell="web-1", run="run-1",
          **data):  # fmt: skip
    """An event as the host writes it."""
    guest = "guest" in data
    data |= {
        "cellId": cell,
        "runId": run,
        "specSignatureHash": "unspecified",
        "sequence": sequence,
        "provenance": provenance,
        "host": {"hostBootNs": "5"},
        "output": {"stampedBy": "host"},
        "probeSource": "host.run",
        "inputs": {"from": ["registration"]},
    }
    members = {
        "specversion": "1.0",
        "id": f"urn:cellos:event:{sequence:08x}-0000-8000-8000-000000000000",
        "source": "cellos-host-telemetry/" + ("guest" if guest else "host"),
        "type": PREFIX + name,
        "datacontenttype": "application/json",
        "data": None,
        "time": f"2026-11-22T{time}Z",
        "traceparent": None,
    }
    body = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    text = json.dumps(members, separators=(",", ":")).replace('"data":null', '"data":' + body)
    return text.encode()


def spawned(n, comm="sh", cell="web-1", time="16:44:45.123456789", **details):
    guest = {"guestComm": comm, "guestPid": n, "guestMonotonicNs": 5}
    guest |= {"probeSource": "process.spawned", **details}
    return event("guest.process_spawned", n, "declared", time, cell, guest=guest)


def envelope(payload):
    tail = b',"signerKid":"k1","algorithm":"ed25519","signature":"' + b"A" * 86 + b'"}'
    return b'{"event":' + payload + tail


EVENTS = [
    event("host.started", 1, cell="host/0011223344556677", version="0.1.0", cells=1,
          previous="unclean", nextIndex=7),
    event("run.opened", 1, socket="/run/vm/web-1.sock_9001", keepaliveWindowMs=10000),
    event("channel.opened", 2, count=1, connection=1, open=1, peer={"gid": 0, "pid": 9, "uid": 7}),
    spawned(3, exe="/bin/sh", ppid=1, uid=0),
    envelope(spawned(4, comm="evil\x1b[2J\u202e")),
    event("guest.attribution_forged", 5, count=2, connection=1, keys=["cell_id", "runId"]),
    event("guest.telemetry.dropped", 6, "derived", inGuest=3, onTheWay=0, late=0, overQuota=0),
    event("channel.closed", 7, count=1, connection=1, open=0, frames=9, bytes=900,
          reasons={"clean": 1}, time="23:59:59.999000000"),
    event("guest.agent_silenced", 8, "derived", basis="heartbeat", elapsedMs=10001, episode=1),
    event("cell.unheard_of", 9, what="new"),
]  # fmt: skip

SHOWN = """\
-- 2026-11-22 UTC
16:44:45.123  (host)    host.started                 version=0.1.0 previous=unclean cells=1 nextIndex=7
16:44:45.123  web-1     run.opened                   socket=/run/vm/web-1.sock_9001
16:44:45.123  web-1     channel.opened               connection=1 open=1 pid=9 uid=7
16:44:45.123  web-1     guest.process_spawned        sh[3] exe=/bin/sh ppid=1 uid=0
16:44:45.123  web-1     guest.process_spawned        "evil\\u001b[2J\\u202e"[4]
16:44:45.123  web-1     guest.attribution_forged     count=2 connection=1 keys=["cell_id","runId"]
16:44:45.123  web-1     guest.telemetry.dropped      inGuest=3
23:59:59.999  web-1     channel.closed               connection=1 open=0 count=1 frames=9 bytes=900 reasons={"clean":1}
16:44:45.123  web-1     guest.agent_silenced         basis=heartbeat elapsedMs=10001 episode=1
"""


class Tail(MadeLedger):
    def tail(self, *args):
        done = cht("tail", "--no-follow", *args, self.dir.name)
        return done.returncode, done.stdout.decode().splitlines()

    def pids(self, *args):
        _, lines = self.tail(*args)
        return [int(line.split("[")[-1].rstrip("]")) for line in lines if "[" in line]

    def test_a_line_for_each_kind(self):
        self.append(*EVENTS)
        done = cht("tail", "--no-follow", self.dir.name)
        got = done.stdout.decode().splitlines()
        self.assertEqual("\n".join(got[:-1]) + "\n", SHOWN)
        self.assertIn('cell.unheard_of', got[-1])
        self.assertIn('"what":"new"', got[-1])
        self.assertEqual(done.returncode, 0)

    def test_what_the_host_says_of_its_log_and_clock(self):
        origin = "host/0011223344556677"
        self.append(
            event("log.opened", 1, cell=origin, origin=origin, reason="rotation",
                  retention={"maxBytes": 9}, predecessor={"origin": "host/ff", "size": 3}),
            event("clock.stepped", 2, "derived", cell=origin, stepNs=-200000001),
            event("run.continued", 9, "derived", lostFrom=7, lostTo=8,
                  **{"from": {"origin": "host/ff", "lastSequence": 6}}),
        )  # fmt: skip
        _, lines = self.tail()
        self.assertEqual([line[14:].split() for line in lines[1:]], [
            ["(host)", "log.opened", f"origin={origin}", "reason=rotation", 'retention={"maxBytes":9}',
             "origin=host/ff"],
            ["(host)", "clock.stepped", "stepNs=-200000001"],
            ["web-1", "run.continued", "origin=host/ff", "lastSequence=6", "lostFrom=7", "lostTo=8"],
        ])  # fmt: skip

    def test_a_reading_is_of_its_cell_and_cut_where_it_is_long(self):
        def reading(output, **more):
            raw = event("x", 1, **more).replace(b"v1.x", b"host.v1.cgroup")
            return raw.replace(b'{"stampedBy":"host"}', json.dumps(output, separators=(",", ":")).encode())

        self.append(reading({"a": 1}), reading({"a": "b" * 200}), reading({}, sampleError="gone"))
        _, lines = self.tail()
        self.assertEqual([line[14:22].strip() for line in lines[1:]], ["web-1"] * 3)
        self.assertEqual([line[24:].split()[0] for line in lines[1:]], ["host.cgroup"] * 3)
        self.assertEqual([line[53:] for line in lines[1:]],
                         ['{"a":1}', '{"a":"' + "b" * 154 + "\u2026", "sampleError=gone {}"])  # fmt: skip

    def test_a_guest_cannot_add_a_word(self):
        cases = (
            ({"comm": "sh[1] exe=/bin/true"}, '"sh[1] exe=/bin/true"[7]'),
            ({"comm": ""}, '""[7]'),
            ({"comm": 'a"b\\'}, '"a\\"b\\\\"[7]'),
            ({"exe": "/bin/sh uid=0"}, 'sh[7] exe="/bin/sh uid=0"'),
            ({"exe": '/a" b'}, 'sh[7] exe="/a\\" b"'),
            ({"exe": "/usr/bin/[", "uid": 0}, "sh[7] exe=/usr/bin/[ uid=0"),
            ({"path": "/tmp/\u00fc\u4e2d"}, "sh[7] path=/tmp/\u00fc\u4e2d"),
            ({"comm": "\n-- 2026"}, '"\\x0a-- 2026"[7]'),
        )
        self.append(*(spawned(7, **case) for case, _ in cases))
        _, lines = self.tail()
        self.assertEqual([line[53:] for line in lines[1:]], [shown for _, shown in cases])

    def test_a_hello_says_what_it_covers(self):
        coverage = [
            {"source": "process.spawned", "state": "active", "mechanism": "proc-connector"},
            {"source": 'x","state":"active', "state": "absent", "reason": '"source":"y"'},
        ]
        guest = {"guestComm": "agent", "guestPid": 7, "guestMonotonicNs": 5, "coverage": coverage}
        self.append(event("guest.agent_hello", 1, "declared", guest=guest))
        _, lines = self.tail()
        self.assertIn(" coverage=process.spawned:active,", lines[1])
        self.assertTrue(lines[1].endswith(":absent"))

    def test_it_begins_with_the_last_ten(self):
        self.append(*(spawned(n) for n in range(1, 31)))
        self.assertEqual(self.pids(), list(range(21, 31)))
        self.assertEqual(self.pids("-n", "3"), [28, 29, 30])
        self.assertEqual(self.pids("-n", "0"), [])
        self.assertEqual(self.pids("-n", "100"), list(range(1, 31)))

    def test_the_end_of_a_ledger_of_many_segments(self):
        self.append(*[spawned(1)] * (3 * 65536), spawned(2), spawned(3))
        self.assertEqual(self.pids("-n", "4"), [1, 1, 2, 3])

    def test_filters_choose_before_they_count(self):
        self.append(*(spawned(n, cell=f"c{n % 3}") for n in range(1, 31)))
        self.append(event("run.sealed", 31, cell="c1", reason="requested"))
        self.append(*(spawned(n, cell="c2") for n in range(50, 80)))
        self.assertEqual(self.pids("-n", "2", "--cell", "c1"), [28])
        self.assertEqual(self.pids("-n", "2", "--cell", "c1", "--type", "guest"), [25, 28])
        self.assertEqual(len(self.tail("--type", "run")[1]), 2)
        self.assertEqual(len(self.tail("--type", "run.sealed")[1]), 2)
        self.assertEqual(len(self.tail("--type", PREFIX + "run.sealed")[1]), 2)
        self.assertEqual(self.tail("--type", "run.seal")[1], [])

    def test_it_goes_on_with_what_comes(self):
        self.append(spawned(1))
        with start("tail", self.dir.name) as follower:
            self.assertTrue(follower.stdout.readline().startswith(b"-- 2026"))
            self.assertIn(b"sh[1]", follower.stdout.readline())
            self.append(spawned(2))
            self.assertIn(b"sh[2]", follower.stdout.readline())
            follower.stdout.close()
            self.assertEqual(follower.wait(30), 0)

    def test_json_is_what_cat_prints(self):
        self.append(*EVENTS)
        self.assertEqual(
            cht("tail", "--no-follow", "-o", "json", self.dir.name).stdout,
            cht("cat", self.dir.name).stdout,
        )

    def indices(self, *args, want=0):
        done = cht("tail", "--no-follow", "--index", "-o", "json", *args, self.dir.name)
        self.assertEqual(done.returncode, want)
        return [int(line.split(b"\t")[0]) for line in done.stdout.splitlines()]

    def test_who_keeps_an_index_goes_on_there(self):
        self.append(*(spawned(n, cell=f"c{n % 3}") for n in range(100)))
        self.assertEqual(self.indices(), list(range(90, 100)))
        self.assertEqual(self.indices("--from", "97"), [97, 98, 99])
        self.assertEqual(self.indices("--from", "0"), list(range(100)))
        self.assertEqual(self.indices("--from", "90", "--cell", "c0"), [90, 93, 96, 99])
        self.assertEqual(self.indices("--from", "100"), [])
        self.assertEqual(self.indices("--from", "101", want=1), [])
        cat = cht("cat", self.dir.name).stdout.splitlines()
        self.assertEqual(cht("tail", "--no-follow", "--from", "99", "--index", "-o", "json", self.dir.name).stdout,
                         b"99\t" + cat[99] + b"\n")
        with start("tail", "--from", "100", "--index", "-o", "json", self.dir.name) as follower:
            self.append(spawned(2))
            self.assertTrue(follower.stdout.readline().startswith(b"100\t{"))
            follower.stdout.close()
            self.assertEqual(follower.wait(30), 0)
        for wrong in (["--from", "3", "-n", "2"], ["--from", "-1"], ["--index"]):
            self.assertEqual(cht("tail", "--no-follow", *wrong, self.dir.name).returncode, 2)

    def test_an_index_that_was_removed_is_the_first_that_is_there(self):
        self.append(*[spawned(1)] * (2 * 65536), spawned(2))
        self.assertEqual(self.indices("--from", "65535")[0], 65535)
        self.segment().unlink()
        self.assertEqual(self.indices("--from", "65535")[:2], [65536, 65537])
        self.assertEqual(self.indices("--from", "131071"), [131071, 131072])

    def test_an_entry_that_is_no_event(self):
        self.append(spawned(1), b"\x1b[31mnot an event", b'{"event":{}}', spawned(2))
        code, lines = self.tail()
        self.assertEqual(code, 0)
        self.assertEqual(lines[2], "entry 1: 17 bytes that are no event; cht verify says more")
        self.assertTrue(lines[3].startswith("entry 2: "))
        self.assertIn("sh[2]", lines[4])

    def test_all_after_a_time(self):
        self.append(*(spawned(n, time=f"16:{n:02}:00.000000000") for n in range(1, 60)))
        self.assertEqual(self.pids("--after", "2026-11-22T16:30:00Z"), list(range(30, 60)))
        self.assertEqual(self.pids("--after", "2026-11-22T16:30:00Z", "-n", "3"), [57, 58, 59])
        self.assertEqual(self.pids("--after", "2026-11-22T16:59:01Z"), [])
        self.assertEqual(self.pids("--after", "2026-11-01"), list(range(1, 60)))

    def test_all_after_a_time_of_many_segments(self):
        early = spawned(1, time="10:00:00.000000000")
        self.append(*[early] * 65530, *[spawned(2)] * 70000)
        self.assertEqual(len(self.pids("--after", "2026-11-22T16:00:00Z")), 70000)
        self.assertEqual(len(self.pids("--after", "2026-11-22T09:00:00Z")), 135530)
        self.segment().unlink()
        self.assertEqual(len(self.pids("--after", "2026-11-22T09:00:00Z")), 135530 - 65536)

    def test_damage_is_told_and_the_rest_is_shown(self):
        self.append(spawned(1), spawned(2), spawned(3))
        at = len(packed([spawned(1)])) + 30
        self.change(self.segment(), at, b"X")
        done = cht("tail", "--no-follow", self.dir.name)
        self.assertEqual(done.returncode, 11)
        self.assertIn(b"sh[1]", done.stdout)
        self.assertIn(b"sh[3]", done.stdout)
        self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertIn(b"entry 1 is not", done.stderr)

    def test_damage_before_what_is_shown_does_not_hide_it(self):
        self.append(*(spawned(n) for n in range(1000)))
        self.change(self.segment(), 0, b"\xff\xff")
        code, _ = self.tail()
        self.assertEqual(code, 0)
        self.assertEqual(self.pids("-n", "3"), [997, 998, 999])
        (self.ledger / "entries" / f"{0:020}.idx").unlink()
        self.assertEqual(self.tail("-n", "3"), (11, []))

    def test_colours_tell_who_says_so(self):
        self.append(*EVENTS)
        said = on_terminal(["tail", "--no-follow", self.dir.name], ENV | {"TERM": "xterm"})
        self.assertIn(b"\x1b[33mguest.process_spawned", said)
        self.assertIn(b"\x1b[32mrun.opened", said)
        self.assertIn(b"\x1b[34m\x1b[1mguest.agent_silenced", said)


if __name__ == "__main__":
    unittest.main()
