#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht decode: what it says of the golden frames, and where it points when one is at fault."""

import csv
import json
import unittest

from cli import ROOT, cht, encode, frame, plain


def golden(name):
    with open(ROOT / "tests" / "golden" / name, encoding="utf-8") as lines:
        rows = (line for line in lines if not line.startswith("#"))
        yield from csv.reader(rows, delimiter="\t", quoting=csv.QUOTE_NONE)


def as_json(*args, **kwargs):
    done = cht("decode", "-o", "json", *args, **kwargs)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


SOUND = """\
frame 1: 201 bytes at offset 0
  probe_source          process.spawned
  guest_pid             4711
  guest_comm            sh
  guest_monotonic_ns    12345678901  (12.345678901 s)
  content_version       1
  agent_boot            00000000deadbeef
  agent_seq             7
  agent_dropped         0
  comm_raw              73ff
  exe                   /bin/sh \\x1b[31m\\u202e
  ppid                  1
  forged                cell_id, runId: dropped, the socket alone says which cell it was
"""

# The pid is a float: the caret stands below its head, at byte 0x39.
POINTED = """\
frame 1: 93 bytes at offset 0
  type at byte 57: another type of value than the key demands, or a key that is not text
  there stands 0xf9, the head of a simple value or a float: the value of guest_pid
  00010  6e 01 6c 70 72 6f 62 65  5f 73 6f 75 72 63 65 6f  |n.lprobe_sourceo|
  00020  70 72 6f 63 65 73 73 2e  73 70 61 77 6e 65 64 69  |process.spawnedi|
  00030  67 75 65 73 74 5f 70 69  64 f9 3c 00 6a 67 75 65  |guest_pid.<.jgue|
                                     ^^
  00040  73 74 5f 63 6f 6d 6d 61  61 72 67 75 65 73 74 5f  |st_commaarguest_|
"""

HELLO = """\
  probe_source          agent.hello
  guest_pid             4711
  guest_comm            sh
  guest_monotonic_ns    12345678901  (12.345678901 s)
  content_version       1
  agent_version         0.1.0
  coverage
    process.spawned active by proc-connector
    net.connect_attempted absent: no CAP_BPF
"""


class Decode(unittest.TestCase):
    maxDiff = None

    def test_all_golden_frames_in_one_stream(self):
        rows = list(golden("frames.tsv"))
        code, got = as_json(input="\n".join(row[4] for row in rows).encode())
        self.assertEqual(code, 0)
        self.assertEqual(len(got), len(rows))
        offset = 0
        for number, (row, line) in enumerate(zip(rows, got), 1):
            self.assertEqual(line["frame"], number)
            self.assertEqual(line["offset"], offset)
            offset += len(row[4]) // 2
            self.assertEqual(line["probeSource"], row[0])
            self.assertEqual(line["guestPid"], int(row[1]))
            self.assertEqual(line["guestComm"], bytes.fromhex(row[2]).decode())
            self.assertEqual(line["guestMonotonicNs"], int(row[3]))

    def test_verdicts_of_single_bodies(self):
        for row in golden("verdicts.tsv"):
            name, body, ours = row[0], bytes.fromhex(row[1]), row[3]
            if not body:
                continue
            with self.subTest(name):
                code, got = as_json("--body", "--binary", input=body)
                self.assertEqual(code, 0 if ours == "accept" else 1)
                self.assertEqual("fault" in got[0], ours != "accept")
                self.assertEqual(got[0].get("fault") == "version", ours == "version")
                if "fault" in got[0]:
                    self.assertLessEqual(got[0]["at"], len(body))

    def test_a_sound_frame_for_people(self):
        pairs = plain(agent_boot=0xDEADBEEF, agent_seq=7, agent_dropped=0)
        pairs |= {"exe": "/bin/sh \x1b[31m\u202e", "comm_raw": b"s\xff", "ppid": 1}
        pairs |= {"cell_id": "x", "runId": "y"}
        done = cht("decode", input=frame(pairs))
        self.assertEqual(done.stdout.decode(), SOUND)
        self.assertEqual(done.returncode, 0)

    def test_the_caret_stands_below_the_bad_byte(self):
        row = next(r for r in golden("verdicts.tsv") if r[0] == "pid a float")
        body = bytes.fromhex(row[1])
        done = cht("decode", input=len(body).to_bytes(4, "little") + body)
        self.assertEqual(done.stdout.decode(), POINTED)
        self.assertEqual(done.returncode, 1)

    def test_a_hello_with_its_coverage(self):
        coverage = [
            {"source": "process.spawned", "state": "active", "mechanism": "proc-connector"},
            {"source": "net.connect_attempted", "state": "absent", "reason": "no CAP_BPF"},
        ]
        for entry in coverage:
            entry.setdefault("mechanism", "")
            entry.setdefault("reason", "")
        fields = ("source", "state", "mechanism", "reason")
        pairs = plain(agent_version="0.1.0", coverage=[[e[f] for f in fields] for e in coverage])
        pairs["probe_source"] = "agent.hello"
        done = cht("decode", input=frame(pairs))
        self.assertEqual(done.stdout.decode().split("\n", 1)[1], HELLO)
        _, got = as_json(input=frame(pairs))
        self.assertEqual(got[0]["details"]["coverage"][1]["reason"], "no CAP_BPF")

    def test_faults_of_the_stream(self):
        good = frame(plain())
        cases = (
            ("a length of 0", good + bytes(4), "bad_length", 0),
            ("a length above the largest", good + (65537).to_bytes(4, "little"), "bad_length", 0),
            ("an end inside a length", good + b"\1\2", "eof_in_length", 2),
            ("an end inside a body", good + good[:-3], "eof_in_body", len(good) - 7),
        )
        for name, stream, fault, at in cases:
            with self.subTest(name):
                code, got = as_json("--binary", input=stream)
                self.assertEqual(code, 1)
                self.assertNotIn("fault", got[0])
                self.assertEqual((got[1]["fault"], got[1]["at"]), (fault, at))
                self.assertEqual(got[1]["offset"], len(good))
                text = cht("decode", "--binary", input=stream)
                self.assertIn(b"^^", text.stdout)

    def test_a_bad_body_does_not_hide_the_next_frame(self):
        good = frame(plain())
        bad = good[:4] + b"\xff" + good[5:]
        code, got = as_json(input=bad + good)
        self.assertEqual(code, 1)
        self.assertEqual([("fault" in line) for line in got], [True, False])

    def test_the_form_of_the_input_is_found_out(self):
        stream, body = frame(plain()), encode(plain())
        for name, data in (
            ("bytes with a length", stream),
            ("hex with a length", stream.hex(" ").encode()),
            ("upper-case hex on lines", b"\n".join(b"%02X" % b for b in stream)),
            ("bytes of a body", body),
            ("hex of a body", body.hex().encode() + b"\n"),
        ):
            with self.subTest(name):
                code, got = as_json(input=data)
                self.assertEqual(code, 0)
                self.assertEqual(got[0]["guestPid"], 4711)

    def test_what_is_no_input(self):
        for args, data, text in (
            ((), b"", b"empty"),
            (("--hex",), b"a5xx", b"character 3 of the input (byte 0x78) is not hex"),
            (("--hex",), b"a5f", b"half a byte"),
            (("/nonexistent/file",), b"", b"No such file"),
        ):
            done = cht("decode", *args, input=data)
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertIn(text, done.stderr)

    def test_the_largest_body_and_one_more(self):
        pairs = plain(note="x" * 8000)
        body = encode(pairs | {f"k{i}": "y" * 8000 for i in range(7)})
        body_left = 65536 - len(body)
        pairs = pairs | {f"k{i}": "y" * 8000 for i in range(7)} | {"z": "w" * (body_left - 5)}
        body = encode(pairs)
        self.assertEqual(len(body), 65536)
        for data in (body, len(body).to_bytes(4, "little") + body):
            self.assertEqual(as_json(input=data)[0], 0)
        code, got = as_json("--body", input=body + b"\0")
        self.assertEqual((code, got[0]["fault"]), (1, "bad_length"))


if __name__ == "__main__":
    unittest.main()
