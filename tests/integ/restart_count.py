#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Restarts under load, held against what the agents counted: stored, or told as lost."""

import os
import random
import signal

from counting import Agent, check_count
from rig import Daemon, check, is_gone, main, wait_for


def newest_size(state):
    folder = os.path.join(state, "ledger", "entries")
    return sum(os.path.getsize(os.path.join(folder, n)) for n in os.listdir(folder) if len(n) == 20)


def await_load(state, n_bytes):
    before = newest_size(state)
    wait_for("some load", lambda: newest_size(state) > before + n_bytes)


def rounds(d, n, end, agents):
    """So many processes one after the other, each ended under load; then one that stays to the end."""
    rng = random.Random(end.__name__)
    state = d + "/s"
    args = ("--replace", "--cell", f"a={d}/a")
    for i in range(n):
        with Daemon(state, *args) as daemon:
            if i == 0:
                for a in agents:
                    a.start()
            await_load(state, rng.randint(1, 2000) * 300)
            end(daemon)
    with Daemon(state, *args, "--seal") as daemon:
        await_load(state, 100 * 300)
        for a in agents:
            a.finish()
        daemon.stop()
    return state


def killed(daemon):
    scribe = daemon.scribe_pid()
    daemon.proc.kill()
    daemon.proc.wait()
    wait_for("the scribe's end", lambda: is_gone(scribe))


def stopped(daemon):
    daemon.stop()


def scribe_killed(daemon):
    os.kill(daemon.scribe_pid(), signal.SIGKILL)
    daemon.wait(70)


def agents_of(d):
    return [Agent(d + "/a_9001") for _ in range(3)]


def test_a_killed_line_tells_every_frame_that_it_had_read(d):
    agents = agents_of(d)
    state = rounds(d, 5, killed, agents)
    check(check_count(state, agents) > 0, "a kill under load lost nothing: then this test shows nothing")


def test_a_stopped_line_tells_every_frame_that_came_too_late(d):
    agents = agents_of(d)
    check_count(rounds(d, 5, stopped, agents), agents)


def test_a_killed_scribe_loses_nothing_untold(d):
    agents = agents_of(d)
    check_count(rounds(d, 4, scribe_killed, agents), agents)


if __name__ == "__main__":
    main(globals())
