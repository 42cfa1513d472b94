# SPDX-License-Identifier: Apache-2.0
"""RFC 6962 and the texts of C2SP in Python, sharing no code with what is tested."""

import base64
import hashlib


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root(hashes):
    """Of a tree with these leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    half = 1
    while 2 * half < len(hashes):
        half *= 2
    return node(root(hashes[:half]), root(hashes[half:]))


def root_of_proof(index, size, start, proof):
    """RFC 9162, section 2.1.3.2."""
    proof = list(proof)
    fn, sn, r = index, size - 1, start
    for p in proof:
        if sn == 0:
            raise ValueError("the proof is too long")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            r = node(r, p)
        fn >>= 1
        sn >>= 1
    if sn != 0:
        raise ValueError("the proof is too short")
    return r


def checkpoint(note):
    """Origin, size and root of a note."""
    origin, size, text = note.decode().split("\n")[:3]
    return origin, int(size), base64.b64decode(text, validate=True)


class Folded:
    """Subtrees joined as they come: what a reader of a bundle keeps."""

    def __init__(self):
        self.stack = []  # (leaves, hash)
        self.size = 0

    def add(self, leaves, hash_):
        self.size += leaves
        while self.stack and self.stack[-1][0] == leaves:
            hash_ = node(self.stack.pop()[1], hash_)
            leaves *= 2
        self.stack.append((leaves, hash_))

    def root(self):
        stack = list(self.stack)
        hash_ = stack.pop()[1]
        while stack:
            hash_ = node(stack.pop()[1], hash_)
        return hash_


def read_bundle(text):
    """Run or None, note, {index: entry}, subtrees as (lo, hi); AssertionError when the bundle is not
    as docs/PROTOCOL.ledger section 11 has it, or does not lead to its checkpoint."""
    head, text = text.split(b"\n\n", 1)
    names = head.split(b"\n")
    assert names[0] == b"cht-bundle/1"
    run = None
    if len(names) > 1:
        assert len(names) == 2 and names[1].startswith(b"run ")
        run = names[1][4:].decode()
    first, second, body = text.split(b"\n\n", 2)
    note = first + b"\n\n" + second + b"\n"
    assert body.endswith(b"\nend\n")
    folded, entries, subtrees = Folded(), {}, []
    for line in body[:-5].split(b"\n"):
        place, what = line.split(b" ", 1)
        if b"-" in place:
            lo, hi = (int(n) for n in place.split(b"-"))
            assert lo == folded.size
            assert (hi - lo) & (hi - lo - 1) == 0 and lo % (hi - lo) == 0
            if subtrees and subtrees[-1][1] == lo and hi - lo == lo - subtrees[-1][0]:
                assert subtrees[-1][0] % (2 * (hi - lo)) != 0, "two halves that are one subtree"
            folded.add(hi - lo, base64.b64decode(what, validate=True))
            subtrees.append((lo, hi))
            continue
        index = int(place)
        assert index == folded.size
        entry = base64.b64decode(what[1:], validate=True) if what[:1] == b"=" else what
        assert (what[:1] == b"=") == (entry[:1] != b"{" or b"\n" in entry)
        entries[index] = entry
        folded.add(1, leaf(entry))
    _, size, want = checkpoint(note)
    assert folded.size == size
    assert folded.root() == want
    return run, note, entries, subtrees
