#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""root - the root of a ledger, a bundle or a directory of tiles, from its entries and by the
recursion of RFC 6962, section 2.1; and whether the checkpoint in it has the same. No signature is
looked at.

usage: root.py DIR|FILE"""

import base64
import hashlib
import os
import struct
import sys


class Damaged(Exception):
    pass


def must(cond, text):
    if not cond:
        raise Damaged(text)


def read(*path):
    try:
        with open(os.path.join(*path), "rb") as f:
            return f.read()
    except OSError as e:
        raise Damaged(e) from e


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def tree_hash(known, lo, hi):
    """Of the leaves lo to hi; known has hashes by their borders."""
    if (lo, hi) in known:
        return known[lo, hi]
    must(hi - lo > 1, f"entry {lo} is missing")
    half = 1 << (hi - lo - 1).bit_length() - 1
    left, right = tree_hash(known, lo, lo + half), tree_hash(known, lo + half, hi)
    return hashlib.sha256(b"\1" + left + right).digest()


def note(raw):
    lines = raw.split(b"\n")
    must(len(lines) > 4 and lines[3] == b"", "the checkpoint is not three lines and a signature")
    return int(lines[1]), base64.b64decode(lines[2], validate=True)


def cut(raw, first, size):
    """Entries with their lengths before them, as leaves from first on."""
    known, at = {}, 0
    while at < len(raw) and first + len(known) < size:
        must(len(raw) - at >= 2, f"entry {first + len(known)} is cut short")
        n = struct.unpack_from(">H", raw, at)[0]
        must(len(raw) - at - 2 >= n, f"entry {first + len(known)} is cut short")
        known[first + len(known), first + len(known) + 1] = leaf(raw[at + 2:at + 2 + n])
        at += 2 + n
    return known


def ledger(path):
    size, root = note(read(path, "checkpoint"))
    known = {}
    for name in sorted(os.listdir(path + "/entries")):
        if len(name) == 20 and name.isdigit():
            known.update(cut(read(path, "entries", name), int(name), size))
    return size, root, known


def tile_name(n):
    name = f"{n % 1000:03}"
    while n >= 1000:
        n //= 1000
        name = f"x{n % 1000:03}/{name}"
    return name


def tiles(path):
    size, root = note(read(path, "checkpoint"))
    known = {}
    for n in range((size + 255) // 256):
        width = min(256, size - 256 * n)
        name = tile_name(n) + ("" if width == 256 else f".p/{width}")
        raw = read(path, "tile/entries", name)
        known.update(cut(raw, 256 * n, size))
        hashes = b"".join(known.get((i, i + 1), b"") for i in range(256 * n, 256 * n + width))
        must(hashes == read(path, "tile/0", name), f"tile/0/{name} is not of its entries")
    return size, root, known


def bundle(path):
    head, text, signatures, rest = read(path).split(b"\n\n", 3)
    must(head.split(b"\n")[0] == b"cht-bundle/1", "no bundle")
    size, root = note(text + b"\n\n" + signatures + b"\n")
    lines = rest.split(b"\n")
    must(lines[-2:] == [b"end", b""], "the bundle does not end")
    known, at = {}, 0
    for line in lines[:-2]:
        where, _, value = line.partition(b" ")
        if b"-" in where:
            lo, hi = (int(x) for x in where.split(b"-"))
            width = hi - lo
            must(width > 0 and width & (width - 1) == 0 and lo % width == 0, f"{where.decode()} is no subtree")
            known[lo, hi] = base64.b64decode(value, validate=True)
        else:
            lo, hi = int(where), int(where) + 1
            known[lo, hi] = leaf(value if value.startswith(b"{") else base64.b64decode(value[1:], validate=True))
        must(lo == at, f"{where.decode()} stands where {at} is due")
        at = hi
    must(at == size, f"the lines end at {at}, the checkpoint at {size}")
    return size, root, known


def main():
    path = sys.argv[1]
    try:
        if not os.path.isdir(path):
            size, root, known = bundle(path)
        elif os.path.isdir(path + "/tile"):
            size, root, known = tiles(path)
        else:
            size, root, known = ledger(path)
        must(tree_hash(known, 0, size) == root, f"the root at {size} is not the one of the entries")
    except (Damaged, ValueError) as why:
        sys.exit(f"root: {why}")
    print(f"{size} entries, root {base64.b64encode(root).decode()}")


if __name__ == "__main__":
    main()
