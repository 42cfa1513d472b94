#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht key, and cht verify on what the real chtd and cht-scribe stored and signed with such keys.

Envelopes are checked once more by Python's own HMAC and Ed25519 where that is installed."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import pty
import shutil
import stat
import struct
import subprocess
import tempfile
import unittest

import rig
from cli import ENV, cht, start

try:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    serialization = Ed25519PublicKey = None


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Scratch(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="cht-")
        self.addCleanup(self.scratch.cleanup)
        self.dir = pathlib.Path(self.scratch.name)

    def gen(self, name, *args):
        done = cht("key", "gen", "--out", str(self.dir / name), *args)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode()


class Key(Scratch):
    def test_json_has_what_the_text_has(self):
        for args in ((), ("--hmac",)):
            name = "key" + "".join(args)
            made = json.loads(self.gen(name, *args, "-o", "json"))
            path = str(self.dir / name)
            self.assertEqual(json.loads(cht("key", "show", path, "-o", "json").stdout), made)
            said = dict(line.split(None, 1) for line in cht("key", "show", path).stdout.decode().splitlines()[:2])
            self.assertEqual((made["algorithm"], made["kid"]), (said["algorithm"], said["kid"]))
            if args:
                self.assertEqual(set(made), {"algorithm", "kid"})
                self.assertNotIn((self.dir / name).read_text().strip(), json.dumps(made))
                continue
            self.assertEqual(len(decode(made["publicKey"])), 32)
            told = json.loads(cht("key", "show", path, "--origin", "h/00", "--kid", "k", "-o", "json").stdout)
            self.assertEqual((told["kid"], told["publicKey"]), ("k", made["publicKey"]))
            self.assertTrue(told["vkey"].startswith("h/00+"))

    def test_a_new_key_is_private_and_stays(self):
        for args in ((), ("--hmac",)):
            path = self.dir / ("key" + "".join(args))
            said = self.gen(path.name, *args)
            text = path.read_bytes()
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
            again = cht("key", "gen", "--out", str(path), *args)
            self.assertEqual((again.returncode, again.stdout), (1, b""))
            self.assertIn(b"never overwritten", again.stderr)
            self.assertEqual(path.read_bytes(), text)
            self.assertEqual(cht("key", "show", str(path)).stdout.decode(), said)

    def test_no_secret_is_printed(self):
        secret = self.gen("hmac", "--hmac") and (self.dir / "hmac").read_text().strip()
        self.assertEqual(len(decode(secret)), 32)
        for said in (cht("key", "show", str(self.dir / "hmac")), ):
            self.assertNotIn(secret[:6].encode(), said.stdout + said.stderr)
        self.gen("ed")
        pem = (self.dir / "ed").read_text().splitlines()[1]
        said = cht("key", "show", str(self.dir / "ed"))
        self.assertNotIn(pem[22:30].encode(), said.stdout + said.stderr)

    def test_openssl_agrees_on_the_public_key(self):
        said = self.gen("ed")
        der = subprocess.run(["openssl", "pkey", "-in", str(self.dir / "ed"), "-pubout", "-outform", "DER"],
                             capture_output=True, check=True).stdout
        line = json.loads(said.splitlines()[-1])
        self.assertEqual([decode(v) for v in line.values()], [der[-32:]])

    def test_what_openssl_makes_is_read(self):
        path = self.dir / "ossl"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)], check=True)
        path.chmod(0o600)
        self.assertEqual(cht("key", "show", str(path)).returncode, 0)
        path.chmod(0o640)
        said = cht("key", "show", str(path))
        self.assertEqual(said.returncode, 1)
        self.assertIn(b"chmod 600", said.stderr)

    def test_the_shell_line_of_an_hmac_key_works(self):
        line = self.gen("hmac", "--hmac", "--kid", "h-1").splitlines()[-1]
        subprocess.run(["sh", "-c", line], check=True, cwd=self.dir)
        made = self.dir / "hmac-keys.json"
        self.assertEqual(json.loads(made.read_text()), {"h-1": (self.dir / "hmac").read_text().strip()})
        self.assertEqual(stat.S_IMODE(made.stat().st_mode), 0o600)

    def test_usage(self):
        for args in ((), ("gen",), ("show",), ("make",), ("show", "a", "b"), ("gen", "x", "--out", "y"),
                     ("show", "a", "--hmac"), ("gen", "--out", "y", "--kid", 'a"b'), ("gen", "--out", "y", "--kid", "")):
            with self.subTest(args):
                said = cht("key", *args, cwd=self.dir)
                self.assertEqual((said.returncode, said.stdout), (2, b""))
        self.assertEqual(list(self.dir.iterdir()), [])
        self.assertIn(b"--out FILE", cht("key", "gen", "x").stderr)


class Verify(Scratch):
    FRAMES = 50

    def record(self, algorithm, *args):
        """A run of FRAMES numbered frames, sealed; the keys' file options for cht verify."""
        hmac_key = algorithm == "hmac-sha256"
        self.gen("key", *(["--hmac"] if hmac_key else []), "--kid", "k-1")
        lines = cht("key", "show", str(self.dir / "key"), "--kid", "k-1").stdout.decode().splitlines()
        if hmac_key:
            secret = (self.dir / "key").read_text().strip()
            env = {"CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY": secret}
            (self.dir / "keys.json").write_text(json.dumps({"k-1": secret}))
            (self.dir / "keys.json").chmod(0o600)
        else:
            pem = (self.dir / "key").read_text().splitlines()[1]
            env = {"CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK":
                   base64.urlsafe_b64encode(base64.b64decode(pem)[-32:]).decode()}
            (self.dir / "keys.json").write_text(lines[-1])
        env.update({"CELLOS_HOST_TELEMETRY_SIGN_ALG": algorithm, "CELLOS_HOST_TELEMETRY_SIGN_KID": "k-1"})
        state = self.dir / "state"
        state.mkdir()
        daemon = rig.Daemon(str(state), "--seal", "--cell", f"web-1={self.dir}/vm.sock,run=run-1", *args, env=env)
        sent = cht("send", f"unix:{self.dir}/vm.sock_9001", "-n", str(self.FRAMES), "--seq", "--hello")
        self.assertEqual(sent.returncode, 0, sent.stderr)
        daemon.proc.terminate()
        self.assertEqual(daemon.proc.wait(30), 0, daemon.stderr())
        daemon.err.close()
        shutil.copy(state / "ledger/vkey", self.dir / "log.vkey")
        return ("--vkey", str(self.dir / "log.vkey"), "--hmac-keys" if hmac_key else "--keys",
                str(self.dir / "keys.json"))

    def verify(self, *args, **env):
        said = cht("verify", str(self.dir / "state"), "-o", "json", *args, env={**ENV, **env})
        self.assertEqual(said.stderr, b"")
        return said.returncode, json.loads(said.stdout)

    def segment(self):
        return self.dir / "state/ledger/entries/00000000000000000000"

    def test_what_was_stored_is_clean_by_its_key_alone(self):
        for algorithm, variable in (("ed25519", "CELLOS_EVENT_VERIFY_KEYS_PATH"),
                                    ("hmac-sha256", "CELLOS_EVENT_VERIFY_HMAC_KEYS_PATH")):
            with self.subTest(algorithm):
                self.setUp()
                keys = self.record(algorithm)
                status, report = self.verify(*keys)
                self.assertEqual((status, report["verdict"], report["answer"]), (0, 0, "clean"))
                frames = report["completeness"]["sealedFrames"]
                self.assertEqual(frames["received"], self.FRAMES + 1)
                self.assertEqual(frames["stored"], report["vantage"]["declared"])
                self.assertEqual(report["integrity"]["signers"],
                                 [{"kid": "k-1", "algorithm": algorithm, "known": True,
                                   "entries": report["entries"]}])
                self.assertEqual(self.verify(*keys[:2], **{variable: keys[3]})[0], 0)
                self.assertEqual(self.verify(*keys[:2])[0], 0)
                self.assertEqual(self.verify(*keys[2:])[0], 12)
                self.assertEqual(self.verify("--run", "run-1", *keys)[0], 0)
                self.assertEqual(self.verify("--run", "run-2", *keys)[0], 12)
                self.assertEqual(self.verify()[0], 12)
                self.independent(algorithm)

    def independent(self, algorithm):
        """Every envelope by another implementation: the event's bytes are the payload."""
        for raw in rig.entries(str(self.dir / "state")):
            envelope = json.loads(raw)
            payload = raw[len(b'{"event":'):raw.rindex(b',"signerKid"')]
            self.assertEqual(json.loads(payload), envelope["event"])
            signature = decode(envelope["signature"])
            if algorithm == "hmac-sha256":
                key = decode((self.dir / "key").read_text().strip())
                self.assertEqual(hmac.new(key, payload, hashlib.sha256).digest(), signature)
            elif Ed25519PublicKey is not None:
                key = serialization.load_pem_private_key((self.dir / "key").read_bytes(), None)
                key.public_key().verify(signature, payload)

    def test_one_flipped_byte_is_named(self):
        keys = self.record("ed25519")
        raw = bytearray(self.segment().read_bytes())
        at = 0
        for _ in range(7):
            at += 2 + struct.unpack_from(">H", raw, at)[0]
        raw[raw.index(b'"guestPid":', at) + 11] ^= 1
        self.segment().write_bytes(raw)
        status, report = self.verify(*keys)
        self.assertEqual((status, report["verdict"]), (11, 11))
        first = report["integrity"]["first"]
        self.assertEqual((first["fault"], first["index"], first["file"], first["fileOffset"]),
                         ("changed", 7, "entries/00000000000000000000", at))
        text = cht("verify", str(self.dir / "state"), *keys)
        self.assertEqual(text.returncode, 11)
        self.assertIn(b"DAMAGED", text.stdout)
        self.assertNotIn(b"\x1b", text.stdout)

    def test_one_removed_entry_is_named(self):
        keys = self.record("hmac-sha256")
        raw = self.segment().read_bytes()
        at = 0
        for _ in range(7):
            at += 2 + struct.unpack_from(">H", raw, at)[0]
        end = at + 2 + struct.unpack_from(">H", raw, at)[0]
        self.segment().write_bytes(raw[:at] + raw[end:])
        status, report = self.verify(*keys)
        self.assertEqual((status, report["integrity"]["first"]["fault"]), (11, "removed"))
        self.assertEqual(report["integrity"]["first"]["index"], 7)

    def test_sorted_signatures_hold_too(self):
        (self.dir / "conf").write_text("[sign]\norder = sorted\n")
        keys = self.record("ed25519", "--config", str(self.dir / "conf"))
        self.assertEqual(self.verify(*keys)[0], 0)

    def test_what_cannot_be_read_is_1_and_usage_2(self):
        (self.dir / "empty").mkdir()
        (self.dir / "keys.json").write_text("{")
        for args, want in (((str(self.dir / "absent"),), 1), ((str(self.dir / "empty"),), 1),
                           ((str(self.dir), "--keys", str(self.dir / "keys.json")), 1),
                           ((str(self.dir), "--keys", "/nonexistent"), 1),
                           ((), 2), (("a", "b"), 2), (("a", "--allow", "all"), 2), (("a", "--run", ""), 2)):
            with self.subTest(args):
                said = cht("verify", *args)
                self.assertEqual((said.returncode, said.stdout), (want, b""))
                self.assertTrue(said.stderr)
        odd = cht("verify", str(self.dir), env={**ENV, "CELLOS_EVENT_REQUIRE_SIGNED": "maybe"})
        self.assertEqual(odd.returncode, 2)

    def test_exposed_hmac_keys_are_warned_of(self):
        keys = self.record("hmac-sha256")
        (self.dir / "keys.json").chmod(0o644)
        said = cht("verify", str(self.dir / "state"), *keys)
        self.assertEqual(said.returncode, 0)
        self.assertIn(b"chmod 600", said.stderr)

    def test_colour_is_for_terminals(self):
        self.record("hmac-sha256")
        for no_color, want in (("", True), ("1", False)):
            parent, child = pty.openpty()
            with start("verify", str(self.dir / "state"), stdout=child, stderr=child,
                       env={**ENV, "NO_COLOR": no_color, "TERM": "xterm"}) as verify:
                os.close(child)
                said = b""
                while True:
                    try:
                        data = os.read(parent, 4096)
                    except OSError:
                        break
                    if not data:
                        break
                    said += data
                self.assertEqual(verify.wait(30), 12)
            os.close(parent)
            self.assertEqual(b"\x1b[" in said, want)
            self.assertIn(b"cannot tell", said)


if __name__ == "__main__":
    unittest.main()
