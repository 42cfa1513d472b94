# SPDX-License-Identifier: Apache-2.0
"""A ledger for tests of cht, as the scribe leaves it, and hands that damage it."""

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
