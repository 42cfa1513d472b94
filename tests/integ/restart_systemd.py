#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same by systemd: a manager of its own, in namespaces of its own, that sees the one unit of this test.
It writes nowhere but in the test's folder: all else is mounted read-only for it."""

import os
import shutil
import subprocess

from counting import Agent, check_count
from restart_count import await_load
from rig import BIN, await_count, check, connect, equal, events, fail, frame, main, short, skip, wait_for

MANAGER = "/usr/lib/systemd/systemd"

UNIT = """[Unit]
DefaultDependencies=no
StartLimitIntervalSec=0
[Service]
Type=notify
NotifyAccess=main
KillMode=process
FileDescriptorStoreMax=32770
Restart=on-failure
RestartSec=0
RestartForceExitStatus=75
SuccessExitStatus=75
ExecStart={bin}/chtd --state {d}/s --init --fd-store --config {d}/chtd.conf
ExecReload={bin}/cht config check {d}/chtd.conf --state {d}/s
ExecReload=/bin/kill -s USR2 $MAINPID
"""

# Everything but the folder becomes read-only before anything of systemd runs.
INSIDE = """
set -e
mount --make-rprivate /
mkdir -p {d}/hold
mount -t tmpfs none {d}/hold
mkdir {d}/hold/d
mount --bind {d} {d}/hold/d
mount -o remount,bind,ro /
mount --bind {d}/hold/d {d}
mount -t proc proc /proc
mount -t tmpfs none /run
mkdir -p /run/systemd/system
if touch /usr/cht-test 2>/dev/null; then exit 9; fi
export XDG_RUNTIME_DIR={d}/run SYSTEMD_UNIT_PATH={d}/units HOME={d}
export SYSTEMD_GENERATOR_PATH= SYSTEMD_ENVIRONMENT_GENERATOR_PATH=
{manager} --user --unit=chtd.service &
manager=$!
while read -r command; do
  sh -c "$command" </dev/null >{d}/answer.new 2>&1 || true
  mv {d}/answer.new {d}/answer
done
kill -KILL $manager
"""

HIERARCHIES = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")


def cgroups(name):
    """A group of its own in each hierarchy that a manager writes to."""
    made = []
    for h in HIERARCHIES:
        if os.path.exists(os.path.join(h, "cgroup.procs")):
            path = os.path.join(h, name)
            try:
                os.mkdir(path)
            except OSError:
                continue
            made.append(path)
    return made


class Systemd:
    def __init__(self, d):
        self.d = d
        for n in ("units", "run"):
            os.mkdir(os.path.join(d, n))
        with open(d + "/units/chtd.service", "w", encoding="utf-8") as f:
            f.write(UNIT.format(bin=os.path.abspath(BIN), d=d))
        self.configure(f"[cell a]\nbase = {d}/a\n")
        self.groups = cgroups("cht-test-" + os.path.basename(d))
        inside = INSIDE.format(d=d, manager=MANAGER)

        def enter():
            for g in self.groups:
                with open(os.path.join(g, "cgroup.procs"), "w", encoding="utf-8") as f:
                    f.write(str(os.getpid()))

        self.err = open(d + "/manager.err", "wb")
        # pid 1 of the namespace is the shell: when it goes, all of it goes.
        self.proc = subprocess.Popen(["unshare", "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", inside],
                                     stdin=subprocess.PIPE, stdout=self.err, stderr=self.err, preexec_fn=enter)

    def configure(self, text):
        with open(self.d + "/chtd.conf", "w", encoding="utf-8") as f:
            f.write(text)

    def ask(self, command):
        answer = self.d + "/answer"
        if os.path.exists(answer):
            os.unlink(answer)
        self.proc.stdin.write(command.encode() + b"\n")
        self.proc.stdin.flush()
        wait_for("an answer", lambda: os.path.exists(answer) or self.proc.poll() is not None)
        if not os.path.exists(answer):
            with open(self.d + "/manager.err", encoding="utf-8", errors="replace") as f:
                fail("the manager ended: " + f.read())
        with open(answer, encoding="utf-8") as f:
            return f.read()

    def show(self, name):
        return self.ask(f"systemctl --user show chtd.service -P {name}").strip()

    def await_active(self, not_pid=None):
        def probe():
            if self.show("ActiveState") != "active":
                return None
            pid = self.show("MainPID")
            return pid if pid not in (not_pid, "0") else None
        return wait_for("the service", probe)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.stdin.close()
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.err.close()
        for g in self.groups:
            def empty(path=g):
                for folder, _, _ in os.walk(path, topdown=False):
                    try:
                        os.rmdir(folder)
                    except OSError:
                        return False
                return True
            wait_for("an empty control group", empty)


def needs():
    if os.geteuid() != 0:
        skip("namespaces and control groups need root")
    if not os.path.exists(MANAGER) or shutil.which("systemctl") is None:
        skip("systemd is not installed")
    r = subprocess.run(["unshare", "--pid", "--mount", "--fork", "mount", "--make-rprivate", "/"], capture_output=True,
                       check=False)
    if r.returncode != 0:
        skip("no namespaces here: " + r.stderr.decode().strip())
    made = cgroups("cht-test-probe")
    for g in made:
        os.rmdir(g)
    if not made:
        skip("no control group can be made here")


def test_systemd_keeps_connections_over_upgrades_and_kills(d):
    needs()
    agents = [Agent(d + "/a_9001") for _ in range(2)]
    state = d + "/s"
    with Systemd(d) as manager:
        pid = manager.await_active()
        for a in agents:
            a.start()
        for how in ("USR2", "KILL", "USR2", "KILL"):
            await_load(state, 200 * 300)
            manager.ask(f"systemctl --user kill --signal={how} --kill-whom=main chtd.service")
            pid = manager.await_active(not_pid=pid)
        await_load(state, 200 * 300)
        for a in agents:
            a.finish()
        check(int(manager.show("NFileDescriptorStore")) >= 2, "the store is empty")
        manager.ask("systemctl --user stop chtd.service")
        equal(manager.show("NFileDescriptorStore"), "0", "descriptors in the store of a stopped service")
    check(not os.path.exists(d + "/a_9001"), "the socket is there still")
    equal([a.connects for a in agents], [1, 1], "connects of each agent")
    lost = check_count(state, agents)
    check(lost <= 2, f"{lost} frames lost in 2 kills")
    stopped = [e["data"]["reason"] for e in events(state) if short(e) == "host.stopped"]
    equal(stopped, ["upgrade", "upgrade", "SIGTERM"], "why it stopped")


def test_a_reload_is_checked_and_ends_no_connection(d):
    needs()
    state = d + "/s"
    with Systemd(d) as manager:
        pid = manager.await_active()
        with connect(d + "/a_9001") as s:
            s.sendall(frame())
            await_count(state, "guest.process_spawned", 1)
            manager.configure(f"[cell a]\nbass = {d}/a\n")
            said = manager.ask("systemctl --user reload chtd.service")
            check("failed" in said, said)
            equal((manager.show("ActiveState"), manager.show("MainPID")), ("active", pid), "after a bad one")
            manager.configure(f"[limits]\nconnections = 1\n[cell a]\nbase = {d}/a\n[cell b]\nbase = {d}/b\n")
            manager.ask("systemctl --user reload chtd.service")
            pid = manager.await_active(not_pid=pid)
            s.sendall(frame())
            await_count(state, "guest.process_spawned", 2)
            with connect(d + "/a_9001") as second:
                equal(second.recv(1), b"", "what one more reads")
            with connect(d + "/b_9001") as other:
                other.sendall(frame())
                await_count(state, "guest.process_spawned", 3)
                manager.configure(f"[cell a]\nbase = {d}/a\n")
                manager.ask("systemctl --user reload chtd.service")
                manager.await_active(not_pid=pid)
                equal(other.recv(1), b"", "what the agent of a cell reads that is there no more")
            s.sendall(frame())
            await_count(state, "guest.process_spawned", 4)
            check(not os.path.exists(d + "/b_9001"), "its socket is there still")
        manager.ask("systemctl --user stop chtd.service")
    specs = [e["data"]["specSignatureHash"] for e in events(state) if short(e) == "host.started"]
    check(specs[0] == specs[2] != specs[1], f"the configurations of {specs}")
    sealed = [(e["data"]["cellId"], e["data"]["reason"]) for e in events(state) if short(e) == "run.sealed"]
    equal(sealed, [("b", "unregistered")], "sealed")


def test_a_restart_by_systemctl_is_a_stop_and_a_start(d):
    needs()
    with Systemd(d) as manager:
        pid = manager.await_active()
        with connect(d + "/a_9001") as s:
            s.sendall(frame())
            manager.ask("systemctl --user restart chtd.service")
            manager.await_active(not_pid=pid)
            equal(s.recv(1), b"", "what the agent reads")
        with connect(d + "/a_9001") as s:
            s.sendall(frame())
        manager.ask("systemctl --user stop chtd.service")
    spawned = [e for e in events(d + "/s") if short(e) == "guest.process_spawned"]
    equal(len(spawned), 2, "frames stored")


if __name__ == "__main__":
    main(globals())
