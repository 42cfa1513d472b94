# SPDX-License-Identifier: Apache-2.0
"""net_rig - what the tests of links and rules share: network namespaces of their own, and a probe in a process that
reads when it is told to."""

import contextlib
import json
import os
import shutil
import subprocess

from rig import LIMIT_S, equal, skip

READER = os.environ["CHT_READ_PROBE"]
NOBODY = "65534"



def run(*args, want=0):
    r = subprocess.run(args, capture_output=True, text=True, check=False)
    if want is not None:
        equal(r.returncode, want, f"status of {' '.join(args)}: {r.stderr}")
    return r.stdout


class Space:
    """A network namespace of its own, with a veth pair va, vb whose ends have addresses."""

    n = 0

    def __init__(self):
        Space.n += 1
        self.name = f"cht-{os.getpid()}-{Space.n}"

    def __enter__(self):
        run("ip", "netns", "add", self.name)
        return self

    def __exit__(self, *_):
        run("ip", "netns", "del", self.name, want=None)

    def ip(self, *args):
        return run("ip", "-n", self.name, *args)

    def run(self, *args, want=0):
        return run("ip", "netns", "exec", self.name, *args, want=want)

    def nft(self, *lines):
        for line in lines:
            self.run("nft", line)

    def shown(self, iface):
        return json.loads(self.ip("-s", "-j", "link", "show", "dev", iface))[0]

    def rules(self, family, table):
        found = json.loads(self.run("nft", "-j", "list", "table", family, table))["nftables"]
        return [o["rule"] for o in found if "rule" in o]


def need_netns():
    if os.geteuid() != 0 or shutil.which("ip") is None:
        skip("network namespaces need root and ip (package iproute2)")
    probe = f"cht-{os.getpid()}"
    r = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if r.returncode != 0:
        skip("no network namespace can be made here: " + r.stderr.strip())
    run("ip", "netns", "del", probe)


def need_nft():
    need_netns()
    if shutil.which("nft") is None:
        skip("nft is not here (package nftables)")
    with Space() as s:
        if subprocess.run(["ip", "netns", "exec", s.name, "nft", "add table inet t"], capture_output=True,
                          check=False).returncode != 0:
            skip("this kernel has no nf_tables")


class Reader:
    """A probe in a process of its own, that reads when told to."""

    def __init__(self, kind, prefix=(), fds=(), **options):
        self.proc = subprocess.Popen([*prefix, READER, kind, *[f"{k}={v}" for k, v in options.items()]], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     pass_fds=fds)

    def tell(self, word):
        self.proc.stdin.write(word + "\n")
        self.proc.stdin.flush()

    def hear(self):
        line = self.proc.stdout.readline()
        if not line:
            raise AssertionError("the reader ended: " + self.proc.communicate()[1])
        return json.loads(line)

    def read(self):
        self.tell("read")
        return self.hear()

    def good(self):
        r = self.read()
        equal((r["error"], r["text"]), ("", ""), "the error")
        return r

    def on(self, act):
        """What comes by itself when something happens."""
        self.read()
        self.tell("wait")
        act()
        return self.hear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self.proc.stdin.close()
        self.proc.wait(LIMIT_S)
        self.proc.stdout.close()
        self.proc.stderr.close()


COUNTERS = {"rxBytes": ("rx", "bytes"), "rxPackets": ("rx", "packets"), "rxErrors": ("rx", "errors"),
            "rxDropped": ("rx", "dropped"), "txBytes": ("tx", "bytes"), "txPackets": ("tx", "packets"),
            "txErrors": ("tx", "errors"), "txDropped": ("tx", "dropped")}


def equals_ip(reading, shown):
    out = reading["output"]
    for key, (way, name) in COUNTERS.items():
        equal(out[key], shown["stats64"][way][name], key)
    equal(out["operstate"], shown["operstate"].lower(), "operstate")
    equal(out["ifindex"], shown["ifindex"], "ifindex")
    equal(out["carrier"] == "1", "LOWER_UP" in shown["flags"], "carrier")


def make_pair(s):
    """va and vb, up; what is sent to 10.9.0.2 by a process in the namespace goes out by va and in by vb."""
    s.ip("link", "add", "va", "type", "veth", "peer", "name", "vb")
    s.run("sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1", want=None)
    for name in ("va", "vb"):
        with contextlib.suppress(AssertionError):
            s.run("sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6")
        s.ip("link", "set", name, "up")
    s.ip("addr", "add", "10.9.0.1/24", "dev", "va")
    s.ip("neigh", "add", "10.9.0.2", "lladdr", s.shown("vb")["address"], "dev", "va")


SEND = """import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range({n}):
    s.sendto(bytes({size}), ("10.9.0.2", 9))
"""


def send(s, n, size=100):
    s.run("python3", "-c", SEND.format(n=n, size=size))


def unprivileged():
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all")


TABLE = ("add table inet t",
         "add chain inet t out { type filter hook output priority 0 ; }",
         "add chain inet t mine",
         'add rule inet t out oifname "va" ip daddr 10.9.0.2 udp dport 9 counter accept',
         'add rule inet t out oifname "ta*" counter jump mine',
         "add rule inet t out udp dport 53 drop",
         "add rule inet t mine ct state established,related counter return",
         "add table inet other",
         "add chain inet other c",
         "add rule inet other c counter")


def rows_of(rules):
    rows = []
    for rule in rules:
        counter = [e["counter"] for e in rule["expr"] if "counter" in e]
        if counter:
            rows.append((rule["family"], rule["table"], rule["chain"], rule["handle"], counter[0]["packets"],
                         counter[0]["bytes"]))
    return sorted(rows)


def read_rows(reading):
    return sorted((r["family"], r["table"], r["chain"], r["handle"], r["packets"], r["bytes"])
                  for r in reading["output"]["rows"])
