# SPDX-License-Identifier: Apache-2.0
"""A ledger for tests of cht, as the scribe leaves it, and hands that damage it."""

import hashlib
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

MAKE_LEDGER = os.environ["CHT_MAKE_LEDGER"]


def packed(entries):
    """Entries as they stand in a segment."""
    return b"".join(struct.pack(">H", len(e)) + e for e in entries)


class MadeLedger(unittest.TestCase):
    """self.state is a state directory with a ledger of no entry."""

    maxDiff = None

    def setUp(self):
        scratch = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = tempfile.TemporaryDirectory(dir=scratch)
        self.addCleanup(self.dir.cleanup)
        self.state = pathlib.Path(self.dir.name)
        self.ledger = self.state / "ledger"
        self.append(covered=False)

    def append(self, *entries, covered=True):
        """Appends entries, and has a checkpoint cover everything."""
        subprocess.run(
            [MAKE_LEDGER, str(self.state)] + ([] if covered else ["--uncovered"]),
            input=packed(entries),
            check=True,
            timeout=60,
        )

    def segment(self, first=0):
        return self.ledger / "entries" / f"{first:020}"

    def change(self, path, at, new):
        """Overwrites bytes of a file of the ledger."""
        with open(path, "r+b") as f:
            f.seek(at)
            f.write(new)

    def put_cache(self, n, root, spans, origin=b"test.example/0011223344556677"):
        """STATE/cache/runs as cht writes it; spans of (run, bits, first, last)."""
        body = b"cht-runs" + struct.pack(">IIQ", 1, 0, n) + root + hashlib.sha256(origin).digest()
        for run, bits, first, last in spans:
            body += hashlib.sha256(run.encode()).digest()[:16]
            body += struct.pack(">QQQQ", bits >> 62, bits & (1 << 62) - 1, first, last)
        (self.state / "cache").mkdir(exist_ok=True)
        (self.state / "cache/runs").write_bytes(body + hashlib.sha256(body).digest())

    def cached(self):
        """(n, {(key of the run, bits): (first, last)}), or None."""
        path = self.state / "cache/runs"
        if not path.exists():
            return None
        raw = path.read_bytes()
        assert hashlib.sha256(raw[:-32]).digest() == raw[-32:]
        spans = {}
        for at in range(88, len(raw) - 32, 48):
            high, low, first, last = struct.unpack_from(">QQQQ", raw, at + 16)
            spans[raw[at : at + 16], high << 62 | low] = (first, last)
        return struct.unpack_from(">Q", raw, 16)[0], spans
