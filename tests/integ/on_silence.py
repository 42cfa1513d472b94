#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/on-silence.sh beside a chtd that runs: each silence once, over restarts of either."""

import contextlib
import os
import select
import shutil
import signal
import subprocess

from cli_tail import envelope, event, spawned
from control import hub
from made_ledger import MAKE_LEDGER, packed
from rig import BIN, LIMIT_S, check, cht, connect, equal, events, frame, main, put, short, text_of, wait_for

SCRIPT = os.path.join(os.environ["CHT_SOURCE_ROOT"], "examples/on-silence.sh")
TELL = 'echo "$CHT_CELL $CHT_WHAT $CHT_BASIS $CHT_EPISODE $CHT_RUN $CHT_INDEX" >>"$1"'


@contextlib.contextmanager
def on_silence(d, *command):
    """Ended by a signal to the script alone, as a supervisor without groups would."""
    env = {**os.environ, "PATH": os.path.abspath(BIN) + ":" + os.environ["PATH"]}
    with open(d + "/said", "ab") as said:
        script = subprocess.Popen([SCRIPT, d + "/s", d + "/cursor", *command], env=env, stderr=said,
                                  stdin=subprocess.DEVNULL, start_new_session=True)
    wait_for("the cursor, or its end", lambda: os.path.exists(d + "/cursor") or script.poll() is not None)
    try:
        yield script
    finally:
        if script.poll() is None:
            script.send_signal(signal.SIGTERM)
            script.wait(LIMIT_S)
        lock = ["flock", "-w", str(LIMIT_S), d + "/cursor.lock", "true"]
        left = subprocess.run(lock, check=False).returncode
        with contextlib.suppress(ProcessLookupError):
            os.killpg(script.pid, signal.SIGKILL)
        equal(left, 0, "nothing of it is left")


def told(d):
    return [line.split() for line in text_of(d + "/told").splitlines()] if os.path.exists(d + "/told") else []


def quick(d):
    put(d + "/conf", b"[silence]\nkeepalive_window = 200ms\nboot_window = 300ms\n")
    return hub(d, "--config", d + "/conf")


def silences(d):
    """What the ledger tells of them, as TELL writes it."""
    return [[e["data"]["cellId"], "silent", e["data"]["basis"], str(e["data"]["episode"]), e["data"]["runId"], str(i)]
            for i, e in enumerate(events(d + "/s")) if short(e) == "guest.agent_silenced"]


def await_shown(d, n):
    """Under a checkpoint: before that it is for no reader."""
    wait_for(f"{n} silences", lambda: cht("cat", "--type", "guest.agent_silenced", d + "/s").stdout.count(b"\n") >= n)


def need_jq():
    check(shutil.which("jq") is not None, "jq is not here")


def test_each_silence_is_told_once_over_restarts_of_both(d):
    need_jq()
    tell = ("sh", "-c", TELL, "sh", d + "/told")
    with quick(d) as (daemon, c):
        c.put("before", {"base": d + "/before"})
        await_shown(d, 1)
        with on_silence(d, *tell):
            c.put("a", {"base": d + "/a", "run": "run-a"})
            wait_for("the first", lambda: len(told(d)) == 1)
            with connect(d + "/a_9001") as s:  # it speaks, and is silent again
                s.sendall(frame(comm='"guest.agent_silenced"\t\n'))
                wait_for("its second", lambda: len(told(d)) == 2)
        c.put("b", {"base": d + "/b"})
        await_shown(d, 4)
        with on_silence(d, *tell):
            wait_for("what came meanwhile", lambda: len(told(d)) == 3)
            c.http.close()
            daemon.stop()
            with quick(d) as (_, again):
                again.put("c", {"base": d + "/c"})
                wait_for("what the next chtd says", lambda: len(told(d)) == 4)
    equal(told(d), silences(d)[1:], "what was told")
    equal([line[:4] for line in told(d)[:2]],
          [["a", "silent", "never-heard", "1"], ["a", "silent", "frames-only", "2"]], "in its words")
    equal(text_of(d + "/said"), "", "and it said nothing")


def test_states_that_are_bad_news_are_told_and_no_others(d):
    need_jq()

    def append(*entries):
        subprocess.run([MAKE_LEDGER, d + "/s"], input=packed(entries), check=True, timeout=60)

    def moved(n, to, basis="witness"):
        return event("cell.state_changed", n, "derived", **{"from": "live", "to": to, "basis": basis})

    os.mkdir(d + "/s")
    append(event("run.opened", 1, socket="/v_9001"))
    with on_silence(d, "sh", "-c", TELL, "sh", d + "/told"):
        append(moved(2, "live", "frame"), moved(3, "silent", "window"), moved(4, "hung"), moved(5, "gone"),
               b"no event", envelope(moved(6, "gone")), spawned(7, exe="guest.agent_silenced"))
        wait_for("them", lambda: len(told(d)) == 3)
    equal([line[:4] + line[5:] for line in told(d)],
          [["web-1", what, "witness", "-", index] for what, index in (("hung", "3"), ("gone", "4"), ("gone", "6"))],
          "what was told")


def test_a_command_that_fails_sees_the_event_again(d):
    need_jq()
    with quick(d) as (_, c):
        with on_silence(d, "sh", "-c", "exit 7") as script:
            c.put("a", {"base": d + "/a"})
            equal(script.wait(LIMIT_S), 7, "its status")
        with on_silence(d, "sh", "-c", TELL, "sh", d + "/told"):
            wait_for("it again", lambda: told(d) == silences(d))


def test_it_ends_when_it_is_told_however_early(d):
    need_jq()
    with quick(d):
        for n in range(30):
            with on_silence(d, "true"):
                select.select([], [], [], n / 1000)


def test_it_refuses_what_it_cannot_go_on_with(d):
    need_jq()
    with quick(d) as (_, c), on_silence(d, "true"):
        with open(d + "/cursor", encoding="utf-8") as f:
            kept = f.read()
        second = subprocess.run([SCRIPT, d + "/s", d + "/cursor", "true"], capture_output=True, text=True, check=False)
        equal((second.returncode, "another one works" in second.stderr), (1, True), "a second one")
        c.get("/version")
    put(d + "/cursor", b"other/0011223344556677\n3\n")
    other = subprocess.run([SCRIPT, d + "/s", d + "/cursor", "true"], capture_output=True, text=True, check=False)
    equal((other.returncode, "is of another log" in other.stderr), (1, True), "a cursor of another log")
    env = {**os.environ, "PATH": os.path.abspath(BIN) + ":" + os.environ["PATH"]}
    put(d + "/cursor", kept.split("\n", maxsplit=1)[0].encode() + b"\n999\n")
    beyond = subprocess.run([SCRIPT, d + "/s", d + "/cursor", "true"], capture_output=True, text=True, check=False,
                            env=env)
    equal((beyond.returncode, "none before index 999" in beyond.stderr), (1, True), "a log that was cut")
    usage = subprocess.run([SCRIPT, d + "/s"], capture_output=True, text=True, check=False)
    equal((usage.returncode, usage.stderr), (2, "usage: on-silence.sh DIR CURSOR COMMAND [ARGUMENT...]\n"), "usage")


if __name__ == "__main__":
    main(globals())
