#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A report's page in a browser: what it says of itself, and of one that was changed."""

import base64
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from cli import cht
from cli_report import Report, a_run, spawned
from control import hub
from rig import connect, frame, wait_for

BROWSER = shutil.which("chromium")


class Page(Report):
    def dom(self, page):
        """What the page has become once its script has ended."""
        self.page.write_text(page, encoding="utf-8")
        with tempfile.TemporaryDirectory() as profile:
            done = subprocess.run(
                [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
                 "--virtual-time-budget=60000", "--dump-dom", f"file://{self.page}"],
                capture_output=True, check=True, timeout=120)  # fmt: skip
        return done.stdout.decode()

    def check(self, dom):
        """(class, words) of the page's own check."""
        found = re.search(r'<aside id="check" class="([a-z]*)"[^>]*>(.*?)</aside>', dom, re.S)
        return found.group(1), html.unescape(re.sub("<[^>]*>", " ", found.group(2)))

    def marks(self, dom):
        found = re.findall(r'<details class="event[^"]*" id="e(\d+)"><summary><span class="mark ?([a-z]*)">', dom)
        return {int(index): state for index, state in found}

    def good(self):
        self.append(*a_run())
        return self.html("--vkey", str(self.ledger / "vkey"))

    def test_a_good_page_says_so(self):
        page = self.good()
        dom = self.dom(page)
        state, words = self.check(dom)
        self.assertEqual(state, "ok", words)
        self.assertIn("14 events are in the log under the checkpoint of 16 entries", words)
        self.assertEqual(set(self.marks(dom).values()), {"ok"})
        self.assertEqual(len(self.marks(dom)), 14)
        # Without a key from elsewhere it is consistent, and no more.
        state, words = self.check(self.dom(self.html()))
        self.assertEqual(state, "doubt", words)
        self.assertIn("came with the evidence", words)

    def test_what_a_guest_wrote_does_not_run(self):
        page = self.good()
        dom = self.dom(page)
        self.assertIn("<title>Run run-1</title>", dom)
        self.assertEqual((dom.count("<img"), dom.count("<script")), (0, 2))
        # Nor does what somebody wrote into the file: the policy has the digest of our script alone.
        wrong = page.replace("<main>", "<main><script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">")
        self.assertIn("<title>Run run-1</title>", self.dom(wrong))

    def test_a_changed_event_is_named(self):
        page = self.good()
        for old, new, index in (
            ('unclean restart","cellId', 'a clean restart","cellId', 12),
            ('"onTheWay":4', '"onTheWay":0', 8),
        ):
            self.assertEqual(page.count(old), 1)
            dom = self.dom(page.replace(old, new))
            state, words = self.check(dom)
            self.assertEqual(state, "bad", words)
            self.assertIn("1 of 14 events", words)
            self.assertIn(f"Entries: {index}", words)
            self.assertEqual({i for i, s in self.marks(dom).items() if s == "bad"}, {index})
            self.assertIn("cht verify --vkey", words)

    def test_what_stands_beside_a_text_that_could_deceive_is_checked(self):
        page = self.good()
        raw = re.search(r'<pre id="t4" tabindex="0" data-entry="([^"]*)"', page).group(1)
        forged = base64.b64encode(base64.b64decode(raw).replace(b"owned", b"OWNED")).decode()
        state, words = self.check(self.dom(page.replace(raw, forged)))
        self.assertEqual((state, "Entries: 4" in words), ("bad", True), words)

    def test_every_other_change_is_found(self):
        page = self.good()
        note = re.search(r'<pre id="checkpoint">(.*?)</pre>', page, re.S).group(1)
        sig = note.rstrip().rsplit(" ", 1)[1]
        vkey = re.search(r'<pre id="vkey">(.*?)</pre>', page, re.S).group(1)
        proofs = json.loads(re.search(r'id="proofs">(.*?)</script>', page, re.S).group(1))
        first = proofs[0]["path"][0]
        signature = bytearray(base64.b64decode(sig))
        signature[40] ^= 1
        for what, wrong, want in (
            ("signature", page.replace(sig, base64.b64encode(signature).decode()), "not signed"),
            ("root", page.replace("\n16\n", "\n15\n", 1), "of 14 events"),
            ("origin", page.replace(note, note.replace("test.example", "test.example2")), "not signed"),
            ("key", page.replace(vkey, vkey[:-4] + "AAAA"), "not signed"),
            ("a proof", page.replace(first, base64.b64encode(bytes(32)).decode(), 1), "1 of 14 events"),
            ("an event less", re.sub(r'<details class="event" id="e12".*?</details>', "", page, flags=re.S), "1 of 14 events"),
            ("an event more", page.replace('<details class="event" id="e12"', '<details class="event" id="e99"></details>'
                                           '<details class="event" id="e12"'), "15 events stand"),
            ("no note", page.replace(note, ""), "changed"),
        ):  # fmt: skip
            self.assertNotEqual(wrong, page, what)
            state, words = self.check(self.dom(wrong))
            self.assertEqual(state, "bad", (what, words))
            self.assertIn(want, words, what)

    def test_a_damaged_ledger_gives_a_page_that_fails(self):
        self.append(*a_run())
        raw = self.segment().read_bytes()
        self.change(self.segment(), raw.index(b"unclean restart"), b"CLEAN__")
        page = self.html("--vkey", str(self.ledger / "vkey"), code=11)
        state, words = self.check(self.dom(page))
        self.assertEqual((state, "Entries: 12" in words), ("bad", True), words)
        self.assertIn("Damaged", page)

    def test_the_page_of_a_run_of_chtd_in_envelopes(self):
        """Everything real: the receiver, an orchestrator, probes, signed envelopes, while all of it runs on."""
        sign = {"CELLOS_HOST_TELEMETRY_SIGN_ALG": "ed25519", "CELLOS_HOST_TELEMETRY_SIGN_KID": "kid-1",
                "CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK": base64.b64encode(bytes(range(32))).decode()}  # fmt: skip
        d = str(self.state / "real")
        os.mkdir(d)
        with hub(d, env=sign) as (_, c):
            c.put("a", {"path": d + "/a", "run": "run-1", "vmmPid": os.getpid(), "probes": {"vmm_proc": {}, "tap_link": {"iface": "lo"}}})
            with connect(d + "/a") as s:
                s.sendall(frame(comm="<script>document.title='owned'</script>") * 9 + frame("net.connect_attempted", dest_addr="10.0.0.1"))
                wait_for("frames", lambda: c.get("/cells/a")["frames"]["stored"] == 10)
            c.ask("PATCH", "/cells/a", {"state": "paused", "lifecycle": [{"type": "cell.destroyed", "id": "urn:d"}]})
            c.delete("a")
            state, words = self.check(self.dom(self.html("--vkey", d + "/s/ledger/vkey", path=d + "/s")))
        self.assertEqual(state, "ok", words)
        page = self.page.read_text(encoding="utf-8")
        self.assertEqual(len(re.findall(r'<pre id="t\d+" tabindex="0">{"event":', page)), len(self.marks(page)))
        self.assertIn("Evidence bundle", page)

    def test_the_page_of_a_bundle(self):
        self.append(*a_run())
        bundle = self.state / "b"
        self.assertEqual(cht("export", "--run", "run-1", str(self.state), str(bundle)).returncode, 0)
        state, words = self.check(self.dom(self.html("--vkey", str(self.ledger / "vkey"), path=bundle)))
        self.assertEqual(state, "ok", words)

    def painted(self):
        """Seconds from the beginning of the page to its first content, and to the end of its text."""
        url = f"file://{self.page}"
        with tempfile.TemporaryDirectory() as d:
            subprocess.run(
                [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={d}/profile",
                 "--trace-startup=loading,blink.user_timing", "--trace-startup-format=json", f"--trace-startup-file={d}/trace",
                 "--trace-startup-duration=100", "--timeout=60000", "--dump-dom", url],
                capture_output=True, check=True, timeout=150)  # fmt: skip
            with open(d + "/trace", encoding="utf-8") as f:
                events = json.load(f)["traceEvents"]
        begun = next(e for e in events if e["name"] == "navigationStart"
                     and e["args"].get("data", {}).get("documentLoaderURL") == url)  # fmt: skip
        mine = [e for e in events if e["args"].get("frame") == begun["args"]["frame"] and e["ts"] >= begun["ts"]]
        when = {name: [(e["ts"] - begun["ts"]) / 1e6 for e in mine if e["name"] == name]
                for name in ("firstContentfulPaint", "domInteractive")}  # fmt: skip
        return when["firstContentfulPaint"][0], when["domInteractive"][-1]

    def test_the_first_screen_does_not_wait_for_the_rest(self):
        self.append(*(spawned(n, exe="/usr/bin/python3.11") for n in range(1, 100001)))
        page = self.html("--vkey", str(self.ledger / "vkey"))
        first, end = self.painted()
        print(f"100,000 events: {len(page.encode()) / 1048576:.1f} MiB; shown after {first:.2f} s, read after {end:.2f} s")
        self.assertLess(first, end)
        state, words = self.check(self.dom(page))
        self.assertEqual(state, "ok", words)


def load_tests(loader, _tests, _pattern):
    """Those of this file: the others are run where they stand."""
    names = [name for name in vars(Page) if name.startswith("test_")]
    return unittest.TestSuite(loader.loadTestsFromName(name, Page) for name in names)

if __name__ == "__main__":
    if BROWSER is None:
        print("skipped: there is no chromium", file=sys.stderr)
        sys.exit(77)
    unittest.main()
