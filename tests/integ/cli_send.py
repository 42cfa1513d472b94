#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht send against a real listener: every byte that arrives is read by another decoder."""

import json
import os
import selectors
import signal
import socket
import struct
import tempfile
import threading
import unittest

from cli import cht, decode, encode, split_frames, start


class Listener:
    """Accepts, and keeps what each connection sent until it ended."""

    def __init__(self, path, close_after=None):
        self.streams, self.peers, self.close_after, self.ended = [], [], close_after, 0
        self.arrived = threading.Semaphore(0)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(1024)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.stop_read, self.stop_write = os.pipe()
        self.thread.start()

    def run(self):
        with selectors.DefaultSelector() as ready:
            ready.register(self.socket, selectors.EVENT_READ)
            ready.register(self.stop_read, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fd == self.stop_read:
                        return
                    if key.fileobj is self.socket:
                        peer, _ = self.socket.accept()
                        self.peers.append(peer)
                        self.streams.append(bytearray())
                        ready.register(peer, selectors.EVENT_READ, self.streams[-1])
                        continue
                    data = key.fileobj.recv(1 << 16)
                    key.data.extend(data)
                    if not data or (self.close_after and len(key.data) >= self.close_after):
                        ready.unregister(key.fileobj)
                        key.fileobj.close()
                        self.ended += 1
                        self.arrived.release()

    def finish(self):
        """Everything that was sent before has been read when this returns."""
        os.write(self.stop_write, b".")
        self.thread.join(30)
        self.socket.close()
        for peer in self.peers:
            peer.close()
        os.close(self.stop_read)
        os.close(self.stop_write)
        return [bytes(s) for s in self.streams]


def number(body, key):
    """The value of one key, without reading the rest."""
    return decode(body, body.index(key) + len(key))[0]


class Send(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = os.path.join(self.dir.name, "cell.sock_9001")

    def send(self, *args, close_after=None, **kwargs):
        """Sends to a listener: (exit status, result, streams)."""
        listener = Listener(self.path, close_after)
        done = cht("send", "unix:" + self.path, "-o", "json", *args, **kwargs)
        result = json.loads(done.stdout)
        # The sender is gone: each of its connections still waits, or comes to its end.
        expected = result["connections"] + result["faults"].get("flood-connect", 0)
        while listener.ended < expected:
            self.assertTrue(listener.arrived.acquire(timeout=30))
        streams = listener.finish()
        os.unlink(self.path)
        return done.returncode, result, streams

    def test_frames_are_spread_and_every_one_arrives(self):
        code, result, streams = self.send("-n", "1000", "-c", "7", "-b", "64", "--pid", "9")
        self.assertEqual(code, 0)
        self.assertEqual((result["frames"], result["unsent"]), (1000, 0))
        self.assertEqual(result["bytes"], sum(map(len, streams)))
        counts = []
        for stream in streams:
            bodies, rest = split_frames(stream)
            self.assertEqual(rest, b"")
            counts.append(len(bodies))
            for body in bodies:
                pairs, end = decode(body)
                self.assertEqual(end, len(body))
                self.assertEqual(encode(pairs), body, "shortest heads, in the agent's order")
                self.assertEqual(pairs.pop("guest_monotonic_ns") >> 32 > 0, True)
                self.assertEqual(
                    pairs,
                    {
                        "content_version": 1,
                        "probe_source": "process.spawned",
                        "guest_pid": 9,
                        "guest_comm": "synthetic",
                    },
                )
        self.assertEqual(sorted(counts), [142] + [143] * 6)

    def test_numbers_count_from_one_on_each_connection(self):
        code, _, streams = self.send("-n", "140000", "-c", "2", "-b", "256", "--seq", "--hello")
        self.assertEqual(code, 0)
        boots = set()
        for stream in streams:
            bodies = split_frames(stream)[0]
            self.assertEqual(decode(bodies[0])[0]["probe_source"], "agent.hello")
            self.assertEqual([number(b, b"agent_seq") for b in bodies], list(range(70001)))
            times = [number(b, b"guest_monotonic_ns") for b in bodies]
            self.assertEqual(times, sorted(set(times)))
            boots |= {number(b, b"agent_boot") for b in bodies}
        self.assertEqual(len(boots), 2)

    def test_what_an_agent_says_of_itself_has_no_number(self):
        _, _, streams = self.send("-n", "5", "--seq", "--source", "agent.heartbeat")
        bodies = [decode(body)[0] for body in split_frames(streams[0])[0]]
        self.assertEqual([b["agent_seq"] for b in bodies], [0] * 5)

    def test_faults_inside_the_stream(self):
        kinds = {"bad-cbor": 3, "version": 4, "forged": 5, "unknown-source": 6, "gap": 3}
        faults = [word for kind, n in kinds.items() for word in ("--fault", f"{kind}={n}")]
        code, result, streams = self.send("-n", "30", "-c", "3", "--seq", *faults)
        self.assertEqual(code, 0)
        self.assertEqual(result["faults"], kinds)
        self.assertEqual(result["frames"], 30)
        got = dict.fromkeys(kinds, 0)
        total = 0
        for stream in streams:
            seq = 0
            bodies, rest = split_frames(stream)
            self.assertEqual(rest, b"")
            total += len(bodies)
            for body in bodies:
                if body[0] == 0xFF:
                    got["bad-cbor"] += 1
                    continue
                pairs, end = decode(body)
                self.assertEqual(end, len(body))
                if pairs["content_version"] == 0x100:
                    got["version"] += 1
                    continue
                got["forged"] += "cell_id" in pairs and "runId" in pairs
                got["unknown-source"] += pairs["probe_source"] == "synthetic.unknown"
                got["gap"] += pairs["agent_seq"] - seq - 1
                seq = pairs["agent_seq"]
        self.assertEqual((total, got), (30, kinds))

    def test_faults_that_end_a_connection(self):
        code, result, streams = self.send(
            "-n", "40", "-c", "4", "--fault", "bad-length", "--fault", "zero-length", "--fault",
            "truncate",
        )  # fmt: skip
        self.assertEqual(code, 0)
        self.assertEqual(result["frames"], 40)
        rests = []
        for stream in streams:
            bodies, rest = split_frames(stream)
            self.assertEqual(len(bodies), 10)
            rests.append(rest)
        self.assertEqual(rests[0], struct.pack("<I", 65537))
        self.assertEqual(rests[1], bytes(4))
        self.assertGreater(len(rests[2]), 4)
        self.assertLess(len(rests[2]), 4 + struct.unpack_from("<I", rests[2])[0])
        self.assertEqual(rests[3], b"")

    def test_a_truncated_frame_is_not_held(self):
        listener = Listener(self.path)
        with start("send", "unix:" + self.path, "--hold", "--fault", "truncate") as sender:
            # Its standard input is open: it ends because no connection is left.
            self.assertEqual(sender.wait(30), 0)
        while listener.ended < 1:
            self.assertTrue(listener.arrived.acquire(timeout=30))
        bodies, rest = split_frames(listener.finish()[0])
        self.assertEqual((len(bodies), bool(rest)), (1, True))

    def test_flooding_with_connections(self):
        code, result, streams = self.send("-n", "1", "--fault", "flood-connect=50")
        self.assertEqual((code, result["faults"]), (0, {"flood-connect": 50}))
        self.assertEqual(len(streams), 51)
        self.assertEqual(sorted(map(len, streams))[:50], [0] * 50)

    def test_a_stalled_frame_is_held_until_the_end_of_input(self):
        listener = Listener(self.path)
        with start("send", "unix:" + self.path, "-n", "3", "--fault", "stall") as sender:
            said = sender.stdout.readline()
            self.assertIn(b"sent 3 frames", said)
            self.assertEqual(listener.ended, 0)
            sender.stdin.close()
            self.assertEqual(sender.wait(30), 0)
        while listener.ended < 1:
            self.assertTrue(listener.arrived.acquire(timeout=30))
        bodies, rest = split_frames(listener.finish()[0])
        self.assertEqual(len(bodies), 3)
        self.assertTrue(0 < len(rest))

    def test_hold_ends_by_sigterm_and_by_the_receiver(self):
        for how in ("sigterm", "receiver"):
            with self.subTest(how):
                close_after = 1 if how == "receiver" else None
                listener = Listener(self.path, close_after)
                with start("send", "unix:" + self.path, "--hold", "-n", "1") as sender:
                    self.assertIn(b"sent 1 frame,", sender.stdout.readline())
                    if how == "sigterm":
                        sender.send_signal(signal.SIGTERM)
                    self.assertEqual(sender.wait(30), 0)
                listener.finish()
                os.unlink(self.path)

    def test_a_receiver_that_closes_leaves_frames_unsent(self):
        code, result, streams = self.send("-n", "200000", "-b", "1024", close_after=100000)
        self.assertEqual(code, 1)
        self.assertEqual(result["closedEarly"], 1)
        self.assertEqual(result["frames"] + result["unsent"], 200000)
        self.assertGreaterEqual(result["bytes"], len(streams[0]))
        # Frames of one size: those whose last byte was taken are the ones that count.
        size = 4 + len(split_frames(streams[0])[0][0])
        self.assertEqual(result["frames"], result["bytes"] // size)

    def test_a_rate_is_kept(self):
        code, result, _ = self.send("-n", "300", "-c", "3", "-r", "1000", "-b", "10")
        self.assertEqual(code, 0)
        self.assertGreaterEqual(result["elapsedNs"], 280_000_000)

    def test_a_path_longer_than_an_address(self):
        deep = os.path.join(self.dir.name, "d" * 120)
        os.mkdir(deep)
        self.path = "s"
        here = os.open(".", os.O_DIRECTORY)
        os.chdir(deep)
        try:
            listener = Listener("s")
        finally:
            os.fchdir(here)
            os.close(here)
        done = cht("send", f"unix:{deep}/s", "-n", "2")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        while listener.ended < 1:
            self.assertTrue(listener.arrived.acquire(timeout=30))
        self.assertEqual(len(split_frames(listener.finish()[0])[0]), 2)

    def test_nobody_listens(self):
        done = cht("send", "unix:" + self.path)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"No such file or directory", done.stderr)

    def test_usage(self):
        for args, text in (
            ((), b"needs a target"),
            (("tcp:1",), b"neither unix:PATH nor vsock:CID:PORT"),
            ((self.path,), b"did you mean unix:"),
            (("vsock:3",), b"vsock:CID:PORT"),
            (("unix:x", "--fault", "gapp"), b"did you mean gap?"),
            (("unix:x", "--fault", "gap"), b"needs --seq"),
            (("unix:x", "--fault", "stall=2"), b"-c 2"),
            (("unix:x", "-n", "1", "--fault", "forged=2"), b"do not fit"),
            (("unix:x", "-n", "-1"), b"whole number"),
            (("unix:x", "-b", "1025"), b"1 to 1024"),
            (("unix:x", "-c", "0", "-n", "1"), b"need a connection"),
            (("unix:x", "unix:y"), b"one target"),
        ):
            with self.subTest(args):
                done = cht("send", *args)
                self.assertEqual((done.returncode, done.stdout), (2, b""))
                self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main()
