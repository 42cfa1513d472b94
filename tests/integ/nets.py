#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A line without any privilege, and a cht-opener beside it that has some: links and rules are read as by somebody who
may, and the line gets nothing else by it (docs/PROTOCOL.opener)."""

import contextlib
import fcntl
import os
import socket
import subprocess

from net_rig import (TABLE, Reader, Space, equals_ip, make_pair, need_netns, need_nft, read_rows, rows_of, send,
                     unprivileged)
from opener import CODES, Opener, message
from rig import check, equal, main, wait_for

ROUTE, NFT, NFT_DUMP = range(12, 15)


class Apart(contextlib.ExitStack):
    """A reader that has nothing, and the socket to an opener that has all."""

    def __init__(self, d):
        super().__init__()
        self.opener = self.enter_context(Opener("--root", d))

    def reader(self, kind, **options):
        fd = self.opener.sock.fileno()
        return Reader(kind, prefix=unprivileged(), fds=[fd], opener=fd, **options)


def test_a_line_without_privilege_reads_links_and_rules(d):
    need_nft()
    with Space() as s, Apart(d) as apart:
        make_pair(s)
        s.nft(*TABLE)
        with apart.reader("nftables", family="inet", table="t", netns=s.name) as r:
            send(s, 3)
            equal(read_rows(r.good()), rows_of(s.rules("inet", "t")), "rows")
            send(s, 3)
            equal(read_rows(r.good()), rows_of(s.rules("inet", "t")), "rows, later")
            s.nft("delete table inet t")
            equal(r.read()["error"], "not_found", "no table")
            s.nft(*TABLE[:7])
            equal(read_rows(r.good()), rows_of(s.rules("inet", "t")), "rows of the next table")
        with apart.reader("tap_link", iface="vb", netns=s.name) as r:
            equals_ip(r.good(), s.shown("vb"))
            down = r.on(lambda: s.ip("link", "set", "vb", "down"))
            equal(down["output"]["operstate"], "down", "down")


def test_rules_that_change_while_they_are_read_are_not_told(d):
    need_nft()
    with Space() as s, Apart(d) as apart:
        s.nft("add table inet big", "add chain inet big c")
        with open(d + "/rules", "w", encoding="utf-8") as f:
            f.writelines(f"add rule inet big c ip saddr 10.0.0.{i % 250} counter\n" for i in range(200))
        s.nft(*TABLE)
        s.run("nft", "-f", d + "/rules")
        for table in ("t", "big"):  # in one piece, and in several
            with apart.reader("nftables", family="inet", table=table, netns=s.name) as r:
                r.good()
                r.tell("halfway")
                equal(r.hear(), None, "asked for")
                s.nft(f"add rule inet {table} {'out' if table == 't' else 'c'} counter")
                r.tell("go on")
                one = r.hear()
                equal((one["error"], one["output"], one["has_packets"]), ("changed", None, False), "meanwhile")
                equal(read_rows(r.good()), rows_of(s.rules("inet", table)), "rows, later")


def route(name="", pid=0, kind=ROUTE):
    return message(kind, 9, pid.to_bytes(8, "little") + bytes(16) + name.encode())


def dump(o, fd, family, table):
    """Asks for a dump on a descriptor of ours, None: without one; its code and text."""
    raw = message(NFT_DUMP, 9, family.encode().ljust(24, b"\0") + table.encode())
    socket.send_fds(o.sock, [raw], [fd] if fd is not None else [])
    answer = o.hear()
    return answer and answer[3:5]


def netns_of(pid):
    return os.stat(f"/proc/{pid}/ns/net").st_ino


def test_the_opener_is_back_where_it_was_whatever_was_asked(d):
    need_netns()
    with Space() as s, Opener("--root", d) as o:
        ours = netns_of(o.proc.pid)
        _, _, _, code, text, fd = o.ask(route(s.name))
        equal((code, text), (0, ""), "a socket there")
        with socket.socket(fileno=fd) as sock:
            equal((sock.family, sock.proto), (socket.AF_NETLINK, 0), "it")
            check(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK, "it makes nobody wait")
        for raw, want, says in ((route(s.name, kind=NFT), "", ""), (route("none-such"), "IO", "none-such"),
                                (route("../netns/" + s.name), "RANGE", "slash"), (route(".."), "RANGE", "slash"),
                                (route(pid=2**31), "RANGE", "no process"), (route(pid=2**63), "RANGE", "no process"),
                                (route(s.name, pid=1), "RANGE", "not both")):
            _, _, _, code, text, fd = o.ask(raw)
            equal(code, CODES[want] if want else 0, text)
            check(says in text, text)
            if fd is not None:
                os.close(fd)
            equal(netns_of(o.proc.pid), ours, "the opener's namespace")


def test_rules_are_asked_for_on_a_socket_of_theirs_alone(d):
    need_nft()
    with Space() as s, Opener("--root", d) as o:
        s.nft(*TABLE)
        fd = o.ask(route(s.name, kind=NFT))[5]
        with socket.socket(fileno=fd) as sock:
            equal(dump(o, fd, "inet", "t")[0], 0, "a dump")
            check(b"mine" in sock.recv(65536) + sock.recv(65536), "rules on the line's socket")
            for family, table in (("", "t"), ("inet", ""), ("inetinet", "t"), ("inet", "t" * 256)):
                equal(dump(o, fd, family, table)[0], CODES["RANGE"], "no table")
        before = len(os.listdir(f"/proc/{o.proc.pid}/fd"))
        for other in (socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0), socket.socket(socket.AF_UNIX)):
            with other:
                code, text = dump(o, other.fileno(), "inet", "t")
                equal(code, CODES["RANGE"], "another socket")
                check("no socket of nf_tables" in text, text)
        with open(d + "/file", "w+", encoding="utf-8") as f:
            equal(dump(o, f.fileno(), "inet", "t")[0], CODES["RANGE"], "a file")
        # The line's own socket, made without privilege: the kernel asks who made it, too.
        code = "import os, socket, sys\ns = socket.socket(16, 3, 12)\n" \
               "socket.send_fds(socket.socket(fileno=int(sys.argv[1])), [b'x'], [s.fileno()])"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            subprocess.run([*unprivileged(), "python3", "-c", code, str(theirs.fileno())], check=True,
                           pass_fds=[theirs.fileno()])
            fd = socket.recv_fds(ours, 1, 1)[1][0]
        with socket.socket(fileno=fd) as sock:
            equal(dump(o, fd, "inet", "t")[0], 0, "sent")
            equal(int.from_bytes(sock.recv(4096)[16:20], "little", signed=True), -1, "EPERM")
        wait_for("descriptors that were passed to be closed",
                 lambda: len(os.listdir(f"/proc/{o.proc.pid}/fd")) == before)
        equal(dump(o, None, "inet", "t"), None, "the end, without a descriptor")
        o.end(1)


def test_a_descriptor_with_another_request_ends_the_conversation(d):
    with Opener("--root", d) as o:
        socket.send_fds(o.sock, [route()], [0])
        equal(o.hear(), None, "its end")
        o.end(1)


def test_the_line_can_ask_nothing_by_what_it_was_given(d):
    need_nft()
    code = ("import os, socket, struct, sys\n"
            "s = socket.socket(fileno=int(sys.argv[1]))\n"
            # NFT_MSG_GETRULE, a dump; and NFT_MSG_DELTABLE
            "for type, flags in ((0xa07, 0x301), (0xa02, 0x005)):\n"
            "    s.send(struct.pack('=IHHIIBBHHH4s', 28, type, flags, 1, 0, 1, 0, 0, 6, 1, b't\\0\\0\\0'))\n"
            "    raw = s.recv(65536)\n"
            "    print(struct.unpack_from('=IHHIIi', raw)[1::4])\n")
    with Space() as s, Opener("--root", d) as o:
        s.nft(*TABLE)
        _, _, _, _, _, fd = o.ask(route(s.name, kind=NFT))
        r = subprocess.run([*unprivileged(), "python3", "-c", code, str(fd)], pass_fds=[fd], capture_output=True,
                           text=True, check=False)
        os.close(fd)
        equal((r.stdout, r.stderr), ("(2, -1)\n(2, -1)\n", ""), "NLMSG_ERROR, EPERM")
        check(len(s.rules("inet", "t")) == 4, "the table is as it was")


def test_an_opener_without_privilege_says_what_it_lacks(d):
    need_nft()
    with Space() as s:
        os.chmod(d, 0o777)
        with Opener("--root", d, prefix=unprivileged()) as o:
            _, _, _, code, text, _ = o.ask(route(s.name))
            equal(code, CODES["IO"], "the answer")
            check("CAP_SYS_ADMIN" in text, text)
            _, _, _, code, text, _ = o.ask(route(pid=1))
            check(code == CODES["IO"] and "CAP_SYS_PTRACE" in text, text)
            equal(o.ask(route())[3], 0, "in its own namespace")
            _, _, _, code, _, fd = o.ask(route(kind=NFT))
            equal((code, dump(o, fd, "inet", "t")[0]), (0, 0), "asked, and refused by the kernel")
            with socket.socket(fileno=fd) as sock:
                equal(int.from_bytes(sock.recv(4096)[16:20], "little", signed=True), -1, "EPERM")


if __name__ == "__main__":
    main(globals())
