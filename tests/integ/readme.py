#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The minute by hand in README.md, typed into a shell on a terminal as it is printed, from what is
built: every command is understood, and the verdict is the one that the page promises."""

import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import termios
import time

from rig import BIN, LIMIT_S, check, fail, main

README = os.path.join(os.environ.get("CHT_SOURCE_ROOT", "."), "README.md")
BUILT = ("./dev build", "cd build/bin")
PROMPT = "<ready> "


class Shell:
    """bash on a terminal; `type` gives what appeared until the next prompt, or a pattern."""

    def __init__(self, cwd, tmp):
        self.leader, theirs = pty.openpty()
        env = {"PATH": os.environ["PATH"], "PS1": PROMPT, "TERM": "dumb", "TMPDIR": tmp, "HOME": tmp}
        self.proc = subprocess.Popen(["bash", "--norc", "--noprofile", "--noediting", "-i"], cwd=cwd, env=env,
                                     stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                                     preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(theirs)
        self.until(re.escape(PROMPT))

    def until(self, pattern):
        seen, end = "", time.monotonic() + LIMIT_S
        while not re.search(pattern, seen):
            ready, _, _ = select.select([self.leader], [], [], max(0, end - time.monotonic()))
            if not ready:
                fail(f"waited for {pattern!r} in {seen!r}")
            seen += os.read(self.leader, 65536).decode(errors="replace")
        return seen

    def type(self, line, pattern=re.escape(PROMPT) + "$"):
        os.write(self.leader, line.encode())
        return self.until(pattern)

    def close(self):
        os.close(self.leader)
        self.proc.wait(LIMIT_S)


def commands():
    with open(README, encoding="utf-8") as f:
        block = re.search(r"## One minute by hand\n\n```\n(.*?)\n```", f.read(), re.S).group(1)
    return [line for line in block.split("\n") if line and not line.startswith("#")]


def test_a_minute_by_hand(d):
    os.mkdir(d + "/bin")
    for name in ("cht", "chtd", "cht-scribe"):
        os.symlink(os.path.abspath(os.path.join(BIN, name)), f"{d}/bin/{name}")
    os.symlink(os.path.abspath(os.environ["CHT_AGENT"]), d + "/bin/cellos-telemetry")
    check(tuple(commands()[:2]) == BUILT, f"it begins with {BUILT}")
    shell = Shell(d + "/bin", d)
    try:
        for line in commands()[2:]:
            if " tail " in line:
                shell.type(line + "\n", r"guest\.agent_hello")
                said = shell.type("\x03")
            else:
                said = shell.type(line + "\n")
            check("error" not in said and "not found" not in said, said)
        check(re.search(r"verdict +(0 clean|10 incomplete)", said), said)
        said = shell.type(commands()[-1].split(" --vkey")[0] + "\n")
        check(re.search(r"verdict +12 ", said), "without the key: " + said)
        said = shell.type("jobs\n")
        check("Running" not in said, said)
    finally:
        shell.close()
    left = [n for n in os.listdir(d) if n.startswith("tmp.")]
    check(len(left) == 1, "all is in one directory")
    shutil.rmtree(f"{d}/{left[0]}")


if __name__ == "__main__":
    main(globals())
