# SPDX-License-Identifier: Apache-2.0
"""counting - agents that number what they send, and their count held against what the ledger has."""

import os
import select
import struct
import threading

from rig import check, connect, events, frame, short


class Agent(threading.Thread):
    """Sends numbered frames over and over; reconnects when its connection ends, and goes on with the
    next number, whatever became of those before."""

    def __init__(self, path, batch=20, most=None):
        super().__init__(daemon=True)
        self.path, self.batch, self.most = path, batch, most
        self.boot = struct.unpack("<Q", os.urandom(8))[0] >> 1
        self.seq = 0
        self.connects = 0
        self.ending = threading.Event()

    def numbered(self, source="process.spawned", raised=True):
        self.seq += raised
        return frame(source, agent_boot=self.boot, agent_seq=self.seq)

    def run(self):
        while not self.ending.is_set():
            try:
                with connect(self.path) as s:
                    self.connects += 1
                    while not self.ending.is_set():
                        if self.most is not None and self.seq >= self.most:
                            self.ending.wait()
                            break
                        s.sendall(b"".join(self.numbered() for _ in range(self.batch)))
            except OSError:
                select.select([], [], [], 0.002)

    def finish(self):
        """Stops, and says over a last connection how far the numbers went."""
        self.ending.set()
        self.join()
        with connect(self.path) as s:
            s.sendall(self.numbered("agent.heartbeat", raised=False))


def told(state, cell="a"):
    """Of a cell: numbers stored by agent, counts of what was told to be lost, numbers of the host that
    a restart lost."""
    stored, on_the_way, late, lost = {}, 0, 0, 0
    for e in events(state):
        data = e["data"]
        if data["cellId"] != cell:
            continue
        if short(e) == "guest.process_spawned":
            stored.setdefault(data["channel"]["agentBoot"], []).append(int(data["channel"]["agentSeq"]))
        elif short(e) == "guest.telemetry.dropped":
            on_the_way += data["onTheWay"]
            late += data["late"]
        elif short(e) == "run.resumed" and "from" in data:
            lost += data["to"] - data["from"] + 1
    return stored, on_the_way, late, lost


def check_count(state, agents, cell="a"):
    """Every number that an agent gave is stored once, or told to be lost: nothing beside. Returns how
    many were lost."""
    stored, on_the_way, late, lost = told(state, cell)
    given = sum(a.seq for a in agents)
    kept = 0
    for a in agents:
        seen = stored.get(f"{a.boot:016x}", [])
        check(len(seen) == len(set(seen)), "a number is stored twice")
        check(seen == sorted(seen), "a number is stored behind a later one")
        kept += len(seen)
    missing = given - kept - (on_the_way - late)
    # Of the host's own numbers that a restart lost some may have been frames, and some were not.
    check(0 <= missing <= lost, f"agents gave {given} numbers; {kept} are stored, {on_the_way - late} told as lost "
          f"on the way, and {lost} numbers of the host are declared lost: {missing} are not accounted for")
    return given - kept
