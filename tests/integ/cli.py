# SPDX-License-Identifier: Apache-2.0
"""What the tests of cht share: running it, and a CBOR reader that shares no code with it."""

import os
import pathlib
import struct
import subprocess

CHT = os.path.join(os.environ["CHT_BIN"], "cht")
ROOT = pathlib.Path(os.environ["CHT_SOURCE_ROOT"])

# NO_COLOR and TERM of whoever runs the tests must not matter.
ENV = {"PATH": os.environ["PATH"], "LC_ALL": "C"}


def cht(*args, **kwargs):
    """Runs cht to its end: .returncode, .stdout, .stderr as bytes."""
    kwargs.setdefault("input", b"")
    kwargs.setdefault("timeout", 60)
    kwargs.setdefault("env", ENV)
    return subprocess.run([CHT, *args], capture_output=True, check=False, **kwargs)


def start(*args, **kwargs):
    """Starts cht; the caller waits for it."""
    kwargs.setdefault("env", ENV)
    kwargs.setdefault("stdin", subprocess.PIPE)
    kwargs.setdefault("stdout", subprocess.PIPE)
    kwargs.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([CHT, *args], **kwargs)


def head(major, value):
    """A CBOR head in its shortest form."""
    if value < 24:
        return bytes([major << 5 | value])
    for extra, fmt in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
        if value < 1 << 8 * struct.calcsize(fmt):
            return bytes([major << 5 | extra]) + struct.pack(fmt, value)
    raise ValueError(value)


def encode(value):
    """CBOR of int, str, bytes, list and dict."""
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    return head(5, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())


def decode(body, at=0):
    """One CBOR item: (value, offset after it). ValueError for what no agent writes."""
    major, info = body[at] >> 5, body[at] & 31
    at += 1
    if info >= 28:
        raise ValueError(f"reserved head at {at - 1}")
    if info >= 24:
        width = 1 << (info - 24)
        info = int.from_bytes(body[at : at + width], "big")
        at += width
    if major == 0:
        return info, at
    if major in (2, 3):
        raw = bytes(body[at : at + info])
        return raw if major == 2 else raw.decode(), at + info
    if major == 4:
        items = []
        for _ in range(info):
            item, at = decode(body, at)
            items.append(item)
        return items, at
    if major == 5:
        pairs = {}
        for _ in range(info):
            key, at = decode(body, at)
            pairs[key], at = decode(body, at)
        return pairs, at
    raise ValueError(f"major type {major}")


def frame(pairs):
    """A frame with its length."""
    body = encode(pairs)
    return struct.pack("<I", len(body)) + body


def plain(**more):
    """The five keys, and more."""
    return {
        "content_version": 1,
        "probe_source": "process.spawned",
        "guest_pid": 4711,
        "guest_comm": "sh",
        "guest_monotonic_ns": 12345678901,
        **more,
    }


def split_frames(stream):
    """(bodies, what is left after the last whole frame)."""
    bodies, at = [], 0
    while len(stream) - at >= 4:
        (length,) = struct.unpack_from("<I", stream, at)
        if length == 0 or length > 65536 or len(stream) - at < 4 + length:
            break
        bodies.append(stream[at + 4 : at + 4 + length])
        at += 4 + length
    return bodies, stream[at:]
