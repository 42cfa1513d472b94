#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_sorted.py - envelopes.jsonl signed once more with all members sorted, by other hands.

Writes sorted.tsv: algorithm, key id, event as it is given to the signer (hex), signature. Its
JSON, HMAC and Ed25519 are Python's, so that the table judges ours. Not run by the tests.
"""
import base64
import hashlib
import hmac
import json
import pathlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

here = pathlib.Path(__file__).parent


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


keys = json.loads((here / "keys.json").read_text())
mac_key = decode(keys["hmac"]["key"])
private = Ed25519PrivateKey.from_private_bytes(decode(keys["ed25519"]["seed"]))

with open(here / "sorted.tsv", "w", encoding="ascii") as out:
    print("# algorithm\tkid\teventHex\tsignature", file=out)
    for line in (here / "envelopes.jsonl").read_text().splitlines():
        row = json.loads(line)
        envelope = row["envelope"]
        payload = json.dumps(
            envelope["event"], sort_keys=True, ensure_ascii=False, separators=(",", ":")
        ).encode()
        if envelope["algorithm"] == "ed25519":
            signature = private.sign(payload)
        else:
            signature = hmac.new(mac_key, payload, hashlib.sha256).digest()
        print(envelope["algorithm"], envelope["signerKid"], row["signingPayloadHex"],
              encode(signature), sep="\t", file=out)
