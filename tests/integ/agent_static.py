# SPDX-License-Identifier: Apache-2.0
"""The agent as it is shipped: static, small, without heap, and it works."""
import os
import shutil
import struct
import subprocess

import agent
from agent_host import DEADLINE_S, Agent, Host, agent_path, need, run

SIZE_MAX = 100 * 1024


def missing():
    return None if os.path.exists(agent_path()) else "not built: ./dev build"


def program_headers(path):
    with open(path, "rb") as file:
        head = file.read()
    at, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
    return [struct.unpack_from("<I", head, at + i * size)[0] for i in range(count)]


def test_it_is_small_and_static():
    if missing():
        return missing()
    size = os.path.getsize(agent_path())
    need(size < SIZE_MAX, "%d bytes" % size)
    need(3 not in program_headers(agent_path()), "it has an interpreter")


def test_it_takes_no_memory():
    if missing():
        return missing()
    if not shutil.which("strace"):
        return "strace is not installed"
    host = Host().listen()
    trace = os.path.join(host.dir.name, "trace")
    # Tracing stops at each call, so the agent is given its work and its end without a wait.
    with Agent(host, "--heartbeat-ms", "20", prefix=[
            "strace", "-f", "-o", trace, "-e", "trace=execve,brk,mmap,mremap,munmap"]) as agent_:
        host.accept().until_source("agent.hello")
        subprocess.run(["/bin/true"], check=True)
        host.until_source("agent.heartbeat")
        os.kill(host.stream.frames[0]["guest_pid"], 15)
        host.to_end()
        agent_.process.wait(DEADLINE_S)
    with open(trace, encoding="ascii") as file:
        calls = [line for line in file if "(" in line]
    need(calls and "execve(" in calls[0], "strace shows nothing")
    need(len(calls) == 1, "it calls %r" % calls[1:])


def test_it_works():
    if missing():
        return missing()
    return agent.test_short_lives_are_all_seen()


def test_it_forks():
    return missing() or agent.test_it_forks_and_the_parent_ends_when_it_runs()


if __name__ == "__main__":
    run({name[5:]: value for name, value in list(globals().items()) if name.startswith("test_")})
