# SPDX-License-Identifier: Apache-2.0
"""vm - boots a kernel of its own under QEMU, without KVM, with given files and a script as its first process."""

import glob
import io
import os
import re
import shutil
import subprocess
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
KERNEL = os.environ.get("CHT_VM_KERNEL", os.path.join(os.environ.get("CHT_SOURCE_ROOT", "."), "build/vm-kernel"))

FIRST = """#!/bin/busybox sh
busybox mkdir -p /proc /sys /dev /tmp /run /out
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t tmpfs tmpfs /run
busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
busybox --install -s /bin
export PATH=/bin:/opt
ifconfig lo up
for m in $(cat /modules/order); do insmod "/modules/$m.ko" || echo "no module $m"; done
timeout 90 sh /script >/out/script 2>&1
echo "$?" >/out/status
stty -F /dev/ttyS1 raw -echo
rm -rf /state/line
tar cz -C / out state >/dev/ttyS1
poweroff -f
"""


def missing():
    """Why no VM can be had here; None when it can."""
    for program in ("qemu-system-x86_64", "busybox", "cpio", "apt-get", "dpkg"):
        if shutil.which(program) is None:
            return f"{program} is not here"
    if b"INTERP" in subprocess.run(["readelf", "-lW", shutil.which("busybox")], capture_output=True,
                                   check=False).stdout:
        return "busybox is not static (package busybox-static)"
    r = subprocess.run([os.path.join(HERE, "kernel"), KERNEL], capture_output=True, text=True, check=False)
    return None if r.returncode == 0 else "no kernel: " + r.stdout.strip()


def module_order(names):
    """The files of these modules and of those that they need, each after its own needs."""
    files = {os.path.basename(p)[:-3].replace("-", "_"): p
             for p in glob.glob(KERNEL + "/lib/modules/*/kernel/**/*.ko", recursive=True)}
    order = []

    def take(name):
        if name in order or name not in files:
            return
        with open(files[name], "rb") as f:
            needs = re.search(rb"\0depends=([^\0]*)\0", f.read())
        for below in needs.group(1).decode().split(","):
            take(below.replace("-", "_"))
        order.append(name)

    for name in names:
        take(name)
    return [(name, files[name]) for name in order]


def libraries(program):
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(?:=> |^\s+)(/\S+) \(", said, re.M)


def fill(root, modules, programs, files, script):
    for folder in ("bin", "opt", "modules"):
        os.makedirs(f"{root}/{folder}")
    shutil.copy(shutil.which("busybox"), root + "/bin/busybox")
    for name, path in modules:
        shutil.copy(path, f"{root}/modules/{name}.ko")
    for program in programs:
        shutil.copy(program, root + "/opt/")
        for library in libraries(program):
            os.makedirs(root + os.path.dirname(library), exist_ok=True)
            shutil.copy(library, root + library)
    for name, raw in {**files, "init": FIRST, "script": script,
                      "modules/order": "\n".join(name for name, _ in modules)}.items():
        with open(f"{root}/{name}", "wb") as f:
            f.write(raw if isinstance(raw, bytes) else raw.encode())
    os.chmod(root + "/init", 0o755)


def run(d, modules, programs, files, script, limit_s=200):
    """Into d: out/ and state/ as the script left them. Returns its status; None when the VM gave none."""
    fill(d + "/root", module_order(modules), programs, files, script)
    return boot(d, limit_s, 512)


def boot(d, limit_s, megabytes):
    """The tree d/root, whose /init sends a tar of out/ and what else it likes to /dev/ttyS1. As run."""
    with open(d + "/initrd", "wb") as f:
        names = subprocess.run(["find", "."], cwd=d + "/root", capture_output=True, check=True).stdout
        subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=d + "/root", input=names, stdout=f,
                       check=True)
    shutil.rmtree(d + "/root")
    subprocess.run(
        ["qemu-system-x86_64", "-accel", "tcg", "-m", str(megabytes), "-smp", "2", "-nodefaults", "-display", "none",
         "-no-reboot", "-kernel", glob.glob(KERNEL + "/boot/vmlinuz-*")[0], "-initrd", d + "/initrd",
         "-append", "console=ttyS0 quiet panic=-1 psi=1", "-serial", f"file:{d}/console", "-serial", f"file:{d}/tar"],
        stdin=subprocess.DEVNULL, timeout=limit_s, check=True)
    if os.path.getsize(d + "/tar") == 0:
        with open(d + "/console", encoding="utf-8", errors="replace") as f:
            raise AssertionError("the VM gave nothing back: " + f.read()[-2000:])
    with open(d + "/tar", "rb") as f, tarfile.open(fileobj=io.BytesIO(f.read())) as tar:
        tar.extractall(d)
    with open(d + "/out/status", encoding="ascii") as f:
        return int(f.read())
