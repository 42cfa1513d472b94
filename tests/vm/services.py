#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""services - the units as systemd runs them: a VM with systemd as its first process, where they are installed.

usage: services.py BUILD
"""

import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integ"))

import vm
from rig import check, equal, events, folder, short, text_of

BUILD = sys.argv.pop(1)
SYSTEMD = "/lib/systemd"
TOOLS = ("systemctl", "systemd-sysusers", "systemd-tmpfiles", "journalctl")
FRAMES = 50

# systemd wants a root that is a mount of its own.
FIRST = """#!/bin/busybox sh
busybox mkdir -p /proc /sys /dev /new
busybox mount -t proc proc /proc
busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t tmpfs -o mode=0755 tmpfs /new
for f in /*; do
	case $f in /proc|/sys|/dev|/new|/init) ;; *) busybox cp -a $f /new/ ;; esac
done
busybox mkdir -p /new/proc /new/sys /new/dev /new/run /new/tmp /new/out /new/root
exec busybox switch_root -c /dev/console /new /lib/systemd/systemd --unit=test.target
"""

UNITS = {
    "test.target": "[Unit]\nWants=test.service\nRequires=sysinit.target\nAfter=sysinit.target\nAllowIsolate=yes\n",
    "test.service": "[Unit]\nWants=basic.target chtd.service\nAfter=basic.target chtd.service\n"
                    "[Service]\nType=oneshot\nTimeoutStartSec=150\nExecStart=/bin/sh /end\n",
    "chtd.service.d/test.conf": "[Service]\nWatchdogSec=5s\n",
}

END = """
sh /script >/out/script 2>&1
echo "$?" >/out/status
journalctl --no-pager -b -o short-monotonic >/out/journal 2>&1
cp -a /var/lib/cht /state
rm -rf /state/line
stty -F /dev/ttyS1 raw -echo
tar cz -C / out state >/dev/ttyS1
poweroff -f
"""

SCRIPT = r"""
set -eu
export CHT_CONTROL=/run/chtd/control
show() { systemctl show -p ActiveState,Result,NRestarts,StatusText,MainPID "$1"; }
pid() { systemctl show -p MainPID --value "$1"; }
wait_for() { # text, command...
	text=$1
	shift
	n=0
	until "$@" 2>/dev/null | grep -q "$text"; do
		n=$((n + 1))
		[ $n -lt 600 ] || { echo "waited for $text of $*"; systemctl status "$@"; exit 1; }
		usleep 100000
	done
}
for unit in chtd cht-scribe cht-opener; do
	wait_for ActiveState=active show $unit
	show $unit >/out/$unit.show
	cat /proc/$(pid $unit)/status >/out/$unit.status
	ls -l /proc/$(pid $unit)/fd >/out/$unit.fd
	grep ' /var/lib/cht' /proc/$(pid $unit)/mountinfo >/out/$unit.mounts || true
done
ls -ln /run/cht /run/chtd /run/vms /var/lib /var/lib/cht >/out/places
id cht >/out/id
cht cell add web-1 --base /run/vms/web-1
ls -ln /run/vms >/out/vms
cht send unix:/run/vms/web-1_9001 -n @FRAMES@
wait_for '@FRAMES@ stored' cht cell show web-1
wait_for 'StatusText=1 cells' show chtd
show chtd >/out/chtd.live
# One that hangs is ended by the watchdog, and the next one goes on with the same ledger.
kill -STOP $(pid chtd)
wait_for NRestarts=1 show chtd
wait_for ActiveState=active show chtd
show chtd >/out/chtd.again
cht send unix:/run/vms/web-1_9001 -n @FRAMES@
# An upgrade: the cell is there still, and its socket.
systemctl kill --signal=USR2 --kill-whom=main chtd
wait_for NRestarts=2 show chtd
wait_for ActiveState=active show chtd
cht send unix:/run/vms/web-1_9001 -n @FRAMES@
wait_for 'socket.*/run/vms/web-1_9001' cht cell show web-1
cht cell show web-1 >/out/cell
systemctl stop chtd
show chtd >/out/chtd.end
wait_for ActiveState=inactive show cht-scribe
show cht-scribe >/out/cht-scribe.end
ls /run/vms /run/chtd >/out/left
"""


def copy(root, path):
    at = os.path.realpath(path)
    os.makedirs(root + os.path.dirname(path), exist_ok=True)
    shutil.copy(at, root + path)
    for library in vm.libraries(at):
        if not os.path.exists(root + library):
            os.makedirs(root + os.path.dirname(library), exist_ok=True)
            shutil.copy(os.path.realpath(library), root + library)


def write(root, name, text, mode=0o644):
    os.makedirs(os.path.dirname(f"{root}/{name}"), exist_ok=True)
    with open(f"{root}/{name}", "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(f"{root}/{name}", mode)


def make_tree(root):
    for folder_name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc"):
        os.makedirs(f"{root}/{folder_name}")
    for name in ("bin", "sbin", "lib", "lib64"):
        os.symlink("usr/" + name, f"{root}/{name}")
    copy(root, "/bin/busybox")
    for name in subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        if not os.path.lexists(f"{root}/usr/bin/{name}") and name not in ("init", "poweroff", "reboot", "halt"):
            os.symlink("busybox", f"{root}/usr/bin/{name}")
    os.symlink("busybox", f"{root}/usr/bin/poweroff")
    for name in ("systemd", "systemd-journald", "systemd-shutdown"):
        copy(root, f"{SYSTEMD}/{name}")
    for path in glob.glob("/usr/lib/x86_64-linux-gnu/systemd/*.so"):
        copy(root, path)
    for name in TOOLS:
        copy(root, shutil.which(name))
    shutil.copytree(SYSTEMD + "/system", root + "/usr/lib/systemd/system", symlinks=True)
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], check=True,
                   env={**os.environ, "DESTDIR": root})
    for path in glob.glob(root + "/usr/local/bin/cht*") + glob.glob(root + "/usr/local/libexec/cht*"):
        for library in vm.libraries(path):
            if not os.path.exists(root + library) and "/local/" not in library:
                os.makedirs(root + os.path.dirname(library), exist_ok=True)
                shutil.copy(os.path.realpath(library), root + library)
    shutil.copy("/usr/lib/sysusers.d/basic.conf", root + "/usr/local/lib/sysusers.d/")
    for name, text in UNITS.items():
        write(root, "etc/systemd/system/" + name, text)
    write(root, "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    write(root, "etc/nsswitch.conf", "passwd: files\ngroup: files\n")
    write(root, "init", FIRST, 0o755)
    write(root, "end", END)
    write(root, "script", SCRIPT.replace("@FRAMES@", str(FRAMES)))


class Found:
    def __init__(self, d):
        self.d = d

    def text(self, name):
        return text_of(f"{self.d}/out/{name}")

    def status(self, unit):
        return dict(line.split(":\t", 1) for line in self.text(unit + ".status").splitlines() if ":\t" in line)


def test_each_is_another_user_and_locked_down(found):
    uids = set()
    for unit, capabilities in (("chtd", 0), ("cht-scribe", 0), ("cht-opener", 0x2010c4)):
        who = found.status(unit)
        uids.add(who["Uid"])
        want = "%016x" % capabilities
        equal((who["CapEff"], who["CapBnd"], who["CapPrm"]), (want, want, want), f"capabilities of {unit}")
        equal((who["NoNewPrivs"], who["Seccomp"], who["Threads"]), ("1", "2", "1"), unit)
        check("ActiveState=active" in found.text(unit + ".show"), found.text(unit + ".show"))
    equal(len(uids), 3, f"users: {uids}")


def test_the_line_has_no_file_of_the_ledger(found):
    fds = re.findall(r"-> (/\S+)", found.text("chtd.fd"))
    equal([f for f in fds if f.startswith("/") and not re.match(r"/(dev/null|memfd:|var/lib/cht/line)", f)], [],
          "paths that the line has open")


def test_a_hanging_line_is_ended_and_the_next_goes_on(found):
    check("StatusText=1 cells" in found.text("chtd.live"), found.text("chtd.live"))
    check("NRestarts=1" in found.text("chtd.again") and "ActiveState=active" in found.text("chtd.again"),
          found.text("chtd.again"))
    started = [e["data"] for e in events(found.d + "/state") if short(e) == "host.started"]
    equal([s["previous"] for s in started], ["none", "unclean", "clean"], "how each start found the one before")
    equal({s["lockdown"] for s in started}, {"kill"}, "lockdown")


def test_a_cell_outlives_both(found):
    stored = [e for e in events(found.d + "/state") if short(e) == "guest.process_spawned"]
    equal(len(stored), 3 * FRAMES, "frames")
    equal(len({e["data"]["runId"] for e in stored}), 1, "runs")


def test_a_stop_is_in_good_order(found):
    check("Result=success" in found.text("chtd.end"), found.text("chtd.end"))
    check("Result=success" in found.text("cht-scribe.end"), found.text("cht-scribe.end"))
    last = list(events(found.d + "/state"))[-1]
    equal((short(last), last["data"]["reason"]), ("host.stopped", "SIGTERM"), "the last event")


def main():
    why = vm.missing() or (None if os.path.exists(SYSTEMD + "/systemd") else "there is no systemd here")
    if why is not None:
        print(f"skipped: {why}", file=sys.stderr)
        return 77
    with folder() as d:
        make_tree(d + "/root")
        status = vm.boot(d, 220, 1024)
        check(status == 0, f"the script ended with {status}:\n{text_of(d + '/out/script')}\n"
              + text_of(d + "/out/journal")[-6000:])
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                test(Found(d))
                print(f"[OK] {name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
