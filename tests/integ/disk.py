# SPDX-License-Identifier: Apache-2.0
"""disk - what real processes did to files, as strace saw it in one order, and what a crash after any
of it may leave: a sync makes a file's bytes or a directory's names durable and nothing else, and
what is not durable may be there or not, each part for itself, or as zero bytes."""

import os
import re

CALLS = ("openat,open,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,pwrite64,write,"
         "pwritev,writev,ftruncate,truncate,fallocate,fsync,fdatasync,io_submit,io_getevents")
SECTOR = 512
HEX = r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?'
FD = r"(?:AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>"


def strace(out):
    """The command that records what comes after it."""
    return ["strace", "-f", "-y", "-xx", "-s", "4000000", "-e", "trace=" + CALLS, "-e", "signal=none", "-o", out]


def unhex(text):
    return bytes.fromhex(text.replace("\\x", ""))


def whole_lines(path):
    """Calls by their ends: (name, arguments, result) of those that did not fail."""
    begun = {}
    with open(path) as f:
        for line in f:
            pid, _, rest = line.rstrip("\n").partition(" ")
            rest = rest.lstrip()
            if rest.startswith(("+++", "---")):
                continue
            if rest.endswith("<unfinished ...>"):
                begun[pid] = rest[:-len("<unfinished ...>")]
                continue
            m = re.match(r"<\.\.\. \w+ resumed>", rest)
            if m:
                rest = begun.pop(pid) + rest[m.end():]
            m = re.match(r"(\w+)\((.*)\)\s+= (-?\d+)", rest)
            if m and int(m[3]) >= 0:
                yield m[1], m[2], int(m[3])


class File:
    """Bytes from `base` on; what lies before was durable from the start and is never written. now is
    what a process reads, durable what the disk has, pending what a sync would write."""

    def __init__(self, base=0, source=None):
        self.base, self.source = base, source
        self.durable, self.now, self.pending, self.n_synced = b"", b"", [], 0

    def do(self, op):
        self.pending.append(op)
        self.now = apply(self.now, [op])

    def sync(self, n=None):
        """All changes, or the first n there ever were."""
        k = len(self.pending) if n is None else max(0, n - self.n_synced)
        self.durable = apply(self.durable, self.pending[:k])
        self.pending = self.pending[k:]
        self.n_synced += k


def apply(data, ops):
    if not ops:
        return data
    out = bytearray(data)
    for kind, at, piece in ops:
        if kind == "cut":
            out = out[:at].ljust(at, b"\0")
        else:
            if len(out) < at:
                out.extend(bytes(at - len(out)))
            out[at:at + len(piece)] = piece
    return bytes(out)


class Dir:
    """Each pending change is of some names at once: a rename is of two."""

    def __init__(self):
        self.durable, self.now, self.pending = {}, {}, []

    def do(self, change):
        self.pending.append(change)
        self.now = renamed(self.now, [change])

    def sync(self):
        self.durable, self.pending = dict(self.now), []


def renamed(names, changes):
    out = dict(names)
    for change in changes:
        for name, node in change.items():
            if node is None:
                out.pop(name, None)
            else:
                out[name] = node
    return out


class Disk:
    """The tree below `top`. on_call(disk, what) is called after each call that changed or synced it."""

    def __init__(self, top):
        self.top, self.root = os.path.realpath(top), Dir()
        self.begun, self.n_under_way = [], 0  # syncs that the kernel does beside the caller

    def load(self, covered, lost=False, path=None, node=None):
        """What is there now is durable. In files that only grow, covered(path below top) bytes are never
        written again; lost: those behind never reached the disk, and look as if they had."""
        path, node = path or self.top, node or self.root
        for name in os.listdir(path):
            sub = os.path.join(path, name)
            if os.path.isdir(sub):
                node.now[name] = Dir()
                self.load(covered, lost, sub, node.now[name])
            elif os.path.isfile(sub):
                one = node.now[name] = File(covered(sub[len(self.top):]), sub)
                with open(sub, "rb") as f:
                    f.seek(one.base)
                    one.durable = one.now = f.read()
                if lost and re.search(r"/(entries|hashes)/\d+$", sub):
                    one.durable = b""
        node.durable = dict(node.now)

    def find(self, path):
        """The node of an absolute path; None: it is not below top, or not there."""
        if path != self.top and not path.startswith(self.top + "/"):
            return None
        node = self.root
        for part in path[len(self.top):].strip("/").split("/"):
            if part:
                node = node.now.get(part) if isinstance(node, Dir) else None
        return node

    def parent(self, path):
        node = self.find(os.path.dirname(path))
        return (node, os.path.basename(path)) if isinstance(node, Dir) else (None, None)

    def play(self, trace):
        """Gives (call, path) after each call that counts."""
        for name, args, result in whole_lines(trace):
            path = self.one(name, args, result)
            if path is not None:
                yield name, path[len(self.top):]

    def one(self, name, args, result):
        if name in ("pwrite64", "write", "ftruncate", "fsync", "fdatasync", "pwritev", "writev", "fallocate"):
            m = re.match(r"\d+<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?(?:, )?", args)
            if not m:
                return None
            path = os.fsdecode(unhex(m[1]))
            node = self.find(path)
            if node is None or m[2] or "/line/" in path:  # a table that is mapped
                return None
            return path if self.change(node, name, args[m.end():], result) else None
        if name == "io_submit":
            return self.begin_sync(args)
        if name == "io_getevents":
            return self.end_syncs(args, result)
        paths = self.paths(args)
        if not paths or self.parent(paths[0])[0] is None:
            return None
        return paths[0] if self.rename(name, args, paths) else None

    def begin_sync(self, args):
        m = re.search(r"\[\{aio_data=0, aio_lio_opcode=IOCB_CMD_FDSYNC, aio_fildes=\d+<((?:\\x[0-9a-f]{2})*)>", args)
        path = os.fsdecode(unhex(m[1]))
        node = self.find(path)
        self.begun.append((node, node.n_synced + len(node.pending)))
        self.n_under_way += 1
        return path

    def end_syncs(self, args, result):
        """Which of them ended is not said: all count when none is under way. They cover what was
        there when they began."""
        assert "res=-" not in args, "a sync failed"
        self.n_under_way -= result
        if result == 0 or self.n_under_way > 0:
            return None
        for node, n in self.begun:
            node.sync(n)
        self.begun = []
        return self.top

    def paths(self, args):
        out = []
        for m in re.finditer(r"(?:" + FD + r", )?" + HEX, args):
            out.append(os.path.normpath(os.path.join(os.fsdecode(unhex(m[1] or "")), os.fsdecode(unhex(m[2])))))
        return out

    def change(self, node, name, rest, result):
        if name in ("fsync", "fdatasync"):
            node.sync()
            return True
        if isinstance(node, Dir):
            return False
        if name in ("pwrite64", "write"):
            m = re.match(HEX + r", \d+(?:, (\d+))?", rest)
            assert m and not m[2], "strace cut a write short"
            at = int(m[3]) if name == "pwrite64" else node.base + len(node.now)
            assert at >= node.base, "a committed byte is written again"
            node.do(("put", at - node.base, unhex(m[1])[:result]))
        elif name == "ftruncate":
            node.do(("cut", int(rest.split(",")[0]) - node.base, b""))
        else:
            raise AssertionError(f"{name} is not modelled")
        return True

    def rename(self, name, args, paths):
        folder, leaf = self.parent(paths[0])
        if name in ("open", "openat"):
            there = folder.now.get(leaf)
            if "O_TRUNC" in args and isinstance(there, File) and there.now:
                there.do(("cut", 0, b""))
                return True
            if "O_CREAT" not in args or there is not None:
                return False
            folder.do({leaf: File()})
        elif name in ("mkdir", "mkdirat"):
            folder.do({leaf: Dir()})
        elif name in ("unlink", "unlinkat", "rmdir"):
            folder.do({leaf: None})
        elif name in ("rename", "renameat", "renameat2"):
            to, dest = self.parent(paths[1])
            assert to is folder, "a rename between directories is not modelled"
            folder.do({dest: folder.now[leaf], leaf: None})
        else:
            raise AssertionError(f"{name} is not modelled")
        return True


# What a crash may leave.

ALONE_MAX = 6  # changes of one file or directory that are taken for themselves; older ones together


def nodes(node, path=""):
    """Every file and directory that any version of a directory names."""
    seen = {}
    for names in [node.durable, *node.pending]:
        for name, sub in names.items():
            if sub is not None:
                seen[id(sub)] = (f"{path}/{name}", sub)
    yield path, node
    for where, sub in seen.values():
        if isinstance(sub, Dir):
            yield from nodes(sub, where)
        else:
            yield where, sub


class Left:
    """One thing that a crash may leave: for each node, which of its pending changes."""

    def __init__(self, what, keep):
        self.what, self.keep = what, keep

    def ops(self, node):
        return self.keep(node, node.pending)

    def tree(self, node):
        """{path: (File, bytes)} and {path: None} of directories."""
        out = {}
        for name, sub in renamed(node.durable, self.ops(node)).items():
            if isinstance(sub, Dir):
                out[name] = None
                out.update((f"{name}/{p}", v) for p, v in self.tree(sub).items())
            else:
                out[name] = (sub, apply(sub.durable, self.ops(sub)))
        return out


def is_cache(path):
    return path.endswith((".idx", "/lock"))


def units(pending):
    """Positions that are dropped or kept together."""
    n = len(pending)
    old = range(0, max(0, n - ALONE_MAX))
    return ([old] if old else []) + [range(i, i + 1) for i in range(len(old), n)]


def zeroed(op):
    return (op[0], op[1], bytes(len(op[2]))) if op[0] == "put" else op


def torn(op):
    half = len(op[2]) // 2
    half = half // SECTOR * SECTOR if half >= SECTOR else half
    return (op[0], op[1], op[2][:half])


def left(disk):
    """All of it, nothing, each change alone, each missing alone, each write alone as zero bytes or
    torn, and all that made a file longer as zero bytes."""
    yield Left("all", lambda node, ops: ops)
    yield Left("nothing", lambda node, ops: [])

    def longer(node, ops):
        if isinstance(node, Dir):
            return ops
        return [zeroed(op) if op[0] == "put" and op[1] + len(op[2]) > len(node.durable) else op for op in ops]
    yield Left("longer files of zero bytes", longer)
    for path, one in nodes(disk.root):
        for unit in [range(len(one.pending))] if is_cache(path) and one.pending else units(one.pending):
            def pick(node, ops, one=one, unit=unit, other=True, change=None):
                if node is not one:
                    return ops if other else []
                if change is not None:
                    return [change(op) if i in unit else op for i, op in enumerate(ops)]
                return [op for i, op in enumerate(ops) if (i in unit) != other]
            what = f"change {unit[0]} of {path or '/'}"
            yield Left(what + " missing", pick)
            yield Left(what + " alone", lambda n, o, p=pick: p(n, o, other=False))
            if isinstance(one, File) and not is_cache(path):
                yield Left(what + " of zero bytes", lambda n, o, p=pick: p(n, o, change=zeroed))
                yield Left(what + " torn", lambda n, o, p=pick: p(n, o, change=torn))
