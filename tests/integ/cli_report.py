#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht report: a run as text, as JSON and as a page, from a ledger and from a bundle."""

import base64
import hashlib
import html
import json
import re
import subprocess
import sys
import unittest

from cli import CHT, cht
import cli_tail
from cli_tail import PREFIX
from made_ledger import MadeLedger
from rig import has_sanitizer

WITNESSES = {"connectionsOpen": 1, "frames": "none", "vmmProcess": "runs"}
FRAMES = {"received": 9, "stored": 5, "heartbeats": 1, "refused": 2, "dropped": 1}


def numbered(raw, n, run):
    """An event with the id that its number and its run give it."""
    bits = int(hashlib.sha256(run.encode()).hexdigest()[:12], 16)
    return re.sub(rb'"urn:cellos:event:[^"]*"',
                  f'"urn:cellos:event:{n >> 16:08x}-{n & 0xffff:04x}-8000-8000-{bits:012x}"'.encode(), raw, count=1)  # fmt: skip


def event(name, n, provenance="observed", time="16:00:00.000000000", cell="web-1", run="run-1", **data):
    return numbered(cli_tail.event(name, n, provenance, time, cell, run, **data), n, run)


def spawned(n, cell="web-1", run="run-1", time="16:00:00.000000000", comm="sh", **details):
    return numbered(cli_tail.spawned(n, comm, cell, time, **details).replace(b'"runId":"run-1"', f'"runId":"{run}"'.encode()),
                    n, run)  # fmt: skip


def sealed(n, before, frames, **more):
    """The run.sealed of a run with these events."""
    names = [json.loads(e)["type"].replace(".host.v1.", ".v1.host.").removeprefix(PREFIX) for e in before] + ["run.sealed"]
    return event("run.sealed", n, "derived", reason="requested", frames=frames, lastSequence=n,
                 counts={name: names.count(name) for name in names}, **more)  # fmt: skip


ORIGIN = "test.example/0011223344556677"


def at(second):
    return f"16:{second // 60:02}:{second % 60:02}.000000000"


def reading(n, second, usage, **more):
    """host.cgroup, as a probe gives it."""
    raw = event("x", n, "observed", at(second), **more)
    output = f'{{"cpu_stat":{{"nr_periods":7,"usage_usec":{usage}}}}}'.encode()
    for old, new in (
        (PREFIX.encode() + b'x"', PREFIX.replace(".v1.", ".host.v1.").encode() + b'cgroup"'),
        (b'{"from":["registration"]}', b'{"cgroupLeaf":"/a"}'),
        (b'{"stampedBy":"host"}', output),
        (b'"probeSource":"host.run"', b'"probeSource":"host.cgroup"'),
    ):
        raw = raw.replace(old, new, 1)
    return raw


def a_run():
    """The life of run-1, and another run's beside it."""
    entries = [
        event("run.opened", 1, time=at(0), socket="/run/vm/web-1.sock_9001", runBits="0" * 19,
              by={"gid": 1, "pid": 2, "uid": 3}, stated={"correlation": {"platform": "c\u202ei"}}),
        event("run.opened", 1, time=at(0), run="run-2", cell="web-2", socket="/x"),
        event("channel.opened", 2, time=at(1), count=1, connection=1, open=1),
        spawned(3, comm="<script>document.title='owned'</script>", time=at(2), exe="/bin/\u202e</pre><img src=x>"),
        spawned(4, time=at(3)),
        reading(5, 4, 1000),
        event("frames.refused", 6, time=at(5), count=2, faults={"missing": 1, "depth": 1}),
        event("guest.telemetry.dropped", 7, "derived", at(6), inGuest=3, onTheWay=4, late=1, overQuota=5, noSpace=6),
        event("guest.agent_silenced", 8, "derived", at(30), basis="heartbeat", elapsedMs=10001, episode=1,
              witnesses=WITNESSES),
        event("cell.state_changed", 9, "derived", at(30), to="silent", witnesses=WITNESSES,
              **{"from": "live", "basis": "window"}),
        event("guest.agent_resumed", 10, "derived", at(40), episode=1, silentMs=20000),
        event("run.resumed", 13, "derived", at(50), cause="unclean restart", to=12, **{"from": 11}),
        event("guest.declaration_unwitnessed", 14, "derived", at(55), claim="channel.bytes", verdict="contradicted", count=3),
        reading(15, 58, 3500, sampleError="gone"),
    ]  # fmt: skip
    mine = [e for e in entries if b'"runId":"run-1"' in e]
    return entries + [sealed(16, mine, FRAMES, time=at(59))]


class Report(MadeLedger):
    def setUp(self):
        super().setUp()
        self.page = self.state / "page.html"
        vkey = (self.ledger / "vkey").read_text().strip()
        self.head = [event("log.opened", 1, cell=ORIGIN, run="host-1", origin=ORIGIN, vkey=vkey, reason="init", retention={},
                           formatVersion=1)]  # fmt: skip
        self.append(*self.head)

    def report(self, *args, code=0, path=None, run="run-1"):
        done = cht("report", *args, str(path or self.state), run)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def json(self, path=None, code=0):
        return json.loads(self.report("-o", "json", path=path, code=code).stdout)

    def html(self, *args, code=0, path=None):
        self.page.unlink(missing_ok=True)
        self.report("--html", str(self.page), *args, code=code, path=path)
        return self.page.read_text(encoding="utf-8")

    def test_what_a_person_asks_first(self):
        self.append(*a_run())
        text = self.report().stdout.decode()
        for line in (
            "run run-1 of cell web-1", "entry 1, by user 3, group 1, process 2", "entry 15: requested", "lasted        59.000 s",
            "events        14: 2 of the guest, 9 of the host, 3 of the channel",
            "9 received = 5 stored + 1 heartbeats + 2 refused + 1 dropped",
            "3 in the guest, 4 on the way (1 came late), 5 over the quota, 6 for want of space",
            "1 of the receiver, 2 numbers lost in them", "heartbeat after 10,001 ms, ended at entry 11 after 20,000 ms",
            "1 vmmProcess runs", "guest.declaration_unwitnessed claim=channel.bytes verdict=contradicted count=3", "3 channel.bytes contradicted", "cpu_stat.usage_usec", "1000 to 3500 (+2500)",
            "1 number did not change", "1 depth, 1 missing", "cgroup        2, 1 failed (last: gone)",
        ):  # fmt: skip
            self.assertIn(line, text)
        self.assertNotIn("web-2", text)
        self.assertNotIn("\u202e", text)
        self.assertIn("\\u202e", text)

    def test_the_timeline_has_a_lane_for_each_and_gaps_as_gaps(self):
        self.append(*a_run())
        lanes = {line[2:11].strip(): line[13:-1] for line in self.report().stdout.decode().splitlines()
                 if re.match(r"  (guest|host|channel) +\|", line)}
        self.assertEqual(set(lanes), {"guest", "host", "channel"})
        self.assertEqual({len(v) for v in lanes.values()}, {len(lanes["guest"])})
        self.assertIn("____", lanes["guest"])
        self.assertIn("!", lanes["channel"])
        self.assertTrue(all("?" in v for v in lanes.values()))

    def test_names_of_the_json_are_stable(self):
        self.append(*a_run())
        got = self.json()
        self.assertEqual(
            set(got),
            {"run", "cell", "spec", "runsWithThisId", "events", "firstIndex", "lastIndex", "firstTime", "lastTime", "opened",
             "sealed", "exitCode", "residueClass", "evidenceBundle", "timeline", "losses", "silences", "witnesses", "readings",
             "refusals", "types", "picked", "verify"},
        )  # fmt: skip
        self.assertEqual((got["run"], got["cell"], got["events"], got["firstIndex"], got["lastIndex"]),
                         ("run-1", "web-1", 14, 1, 15))  # fmt: skip
        self.assertEqual(got["opened"]["by"], {"uid": 3, "gid": 1, "pid": 2})
        self.assertEqual(got["opened"]["correlation"], {"platform": "c\u202ei"})
        self.assertEqual(got["losses"]["frames"], FRAMES)
        self.assertEqual((got["losses"]["inGuest"], got["losses"]["numbersLost"]), (3, 2))
        self.assertEqual(got["silences"]["episodes"], [{"index": 9, "basis": "heartbeat", "elapsedMs": 10001,
                                                        "witnesses": WITNESSES, "endIndex": 11, "silentMs": 20000}])  # fmt: skip
        self.assertEqual(got["readings"]["host.cgroup"]["numbers"]["cpu_stat.usage_usec"], {"first": 1000, "last": 3500})
        self.assertEqual(got["readings"]["host.cgroup"]["failed"], 1)
        self.assertEqual(got["refusals"]["faults"], {"missing": 1, "depth": 1})
        self.assertEqual([e["name"] for e in got["witnesses"]["events"]], ["guest.declaration_unwitnessed"])
        self.assertEqual((got["witnesses"]["judged"], got["witnesses"]["claims"]), ({"channel.bytes contradicted": 3}, None))
        spans = got["timeline"]["spans"]
        self.assertEqual(sum(s["guest"] + s["host"] + s["channel"] for s in spans), 14)
        self.assertEqual((sum(s["lost"] for s in spans), sum(s["hole"] for s in spans)), (18, 1))
        self.assertEqual(got["verify"], json.loads(cht("verify", "-o", "json", "--run", "run-1", str(self.state)).stdout))

    def test_a_bundle_says_the_same(self):
        self.append(*(spawned(n, cell="z", run="z") for n in range(1, 700)))
        self.append(*a_run())
        self.append(*(spawned(n, cell="z", run="z") for n in range(700, 900)))
        bundle = self.state / "b"
        self.assertEqual(cht("export", "--run", "run-1", str(self.state), str(bundle)).returncode, 0)
        a, b = self.json(), self.json(path=bundle)
        del a["verify"], b["verify"]
        self.assertEqual(a, b)
        self.assertEqual(self.proofs(self.html()), self.proofs(self.html(path=bundle)))
        tiles = self.state / "t"
        self.assertEqual(cht("export", "--tiles", str(self.state), str(tiles)).returncode, 0)
        self.assertEqual(self.proofs(self.html()), self.proofs(self.html(path=tiles)))

    def proofs(self, page):
        """(entries, proofs) of a page, each proof held against the checkpoint on it."""
        found = re.search(r'id="proofs">(.*?)</script>', page, re.S).group(1)
        self.assertNotIn("<", found)
        note = html.unescape(re.search(r'<pre id="checkpoint">(.*?)</pre>', page, re.S).group(1))
        self.assertEqual(note, (self.ledger / "checkpoint").read_text())
        size, root = int(note.split("\n")[1]), base64.b64decode(note.split("\n")[2])
        entries, proofs = {}, {}
        for one in json.loads(found):
            pre = re.search(rf'<pre id="t{one["index"]}" tabindex="0"( data-entry="([^"]*)")?>(.*?)</pre>', page, re.S)
            entry = base64.b64decode(pre.group(2)) if pre.group(2) else html.unescape(pre.group(3)).encode()
            path = [base64.b64decode(h) for h in one["path"]]
            leaf = hashlib.sha256(b"\0" + entry).digest()
            self.assertEqual(root_from(one["index"], size, leaf, path), root, one["index"])
            entries[one["index"]], proofs[one["index"]] = entry, path
        return entries, proofs

    def test_a_page_has_the_entries_and_proofs_of_what_matters(self):
        entries = a_run()
        self.append(*entries)
        got, _ = self.proofs(self.html())
        self.assertEqual(got, {i: e for i, e in enumerate(self.head + entries) if i not in (0, 2)})

    def test_a_page_fetches_nothing_and_runs_only_its_own_script(self):
        self.append(*a_run())
        page = self.html()
        policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page).group(1))
        script = re.findall(r"<script>(.*?)</script>", page, re.S)
        style = re.findall(r"<style>(.*?)</style>", page, re.S)
        self.assertEqual((len(script), len(style)), (1, 1))
        digest = lambda text: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        self.assertEqual(policy, "default-src 'none'; base-uri 'none'; form-action 'none'; style-src "
                         f"{digest(style[0])}; script-src {digest(script[0])}")  # fmt: skip
        self.assertEqual(page.count("<script"), 2)
        without = page.replace(script[0], "").replace(style[0], "")
        self.assertEqual([h for h in re.findall(r'href="([^"]*)"', without) if not h.startswith("#")], [])
        tags = re.findall(r"<([a-z]+[0-9]?)([^>]*)>", without)
        names = {"html", "head", "meta", "title", "style", "body", "main", "header", "h", "ul", "li", "span", "strong", "p", "dl", "dt",
                 "dd", "code", "time", "a", "aside", "noscript", "section", "div", "svg", "defs", "pattern", "line", "rect", "i",
                 "details", "summary", "table", "caption", "thead", "tbody", "tr", "th", "td", "pre", "script", "b"}  # fmt: skip
        self.assertEqual({name.rstrip("123") for name, _ in tags} - names, set())
        attributes = {name for _, rest in tags for name in re.findall(r'([a-zA-Z-]+)=', re.sub(r'"[^"]*"', '""', rest))}
        self.assertEqual({a for a in attributes if a.startswith("on") or a in ("src", "style", "srcset", "background")}, set())
        self.assertEqual([u for u in re.findall(r"url\(([^)]*)", style[0]) if not u.startswith("#")], [])
        self.assertNotIn("\u202e", without)

    def test_a_page_says_which_command_says_it_for_certain(self):
        self.append(*a_run())
        vkey = (self.ledger / "vkey").read_text().strip()
        command = html.unescape(re.search(r'<code id="command">(.*?)</code>', self.html()).group(1))
        self.assertEqual(command, f"cht verify --vkey {vkey} --run run-1 {self.state}")
        done = subprocess.run(["sh", "-c", command.replace("cht", CHT, 1) + " -o json"], capture_output=True, check=False)
        self.assertEqual(json.loads(done.stdout)["completeness"]["runId"], "run-1")
        odd = self.state / "it's $(here)"
        odd.symlink_to(self.state)
        command = html.unescape(re.search(r'<code id="command">(.*?)</code>', self.html(path=odd)).group(1))
        done = subprocess.run(["sh", "-c", command.replace("cht", CHT, 1) + " -o json"], capture_output=True, check=False)
        self.assertEqual(json.loads(done.stdout)["ledger"], str(odd))

    def test_a_run_id_that_was_used_again_is_told(self):
        again = numbered(event("run.opened", 1, socket="/x"), 1, "another")
        self.append(*a_run(), again)
        self.assertEqual(self.json()["runsWithThisId"], 2)
        self.assertIn("2 runs have this id", self.report().stdout.decode())

    def test_long_members_stay_json(self):
        labels = {f"l{i}": "v" * 250 for i in range(7)}
        inputs = {"endpoint": "e" * 1000, "kind": "k" * 1000}
        long = reading(2, 1, 5).replace(b'{"cgroupLeaf":"/a"}', json.dumps(inputs, separators=(",", ":")).encode())
        self.append(event("run.opened", 1, socket="/" + "s" * 1000, stated={"correlation": {"labels": labels}}), long)
        got = self.json()
        self.assertEqual(got["opened"]["correlation"], {"labels": labels})
        self.assertEqual(got["readings"]["host.cgroup"]["inputs"], inputs)
        self.html()

    def test_what_no_host_of_ours_writes_stays_json_too(self):
        odd = '"\\\u0001\u202e</script>' * 60
        self.append(
            event("run.opened", 1, cell=odd, socket=odd, stated={"correlation": {"labels": odd}}),
            event("cell.state_changed", 2, "derived", cell=odd, to=odd, witnesses={"vmmProcess": odd}),
            event("guest.declaration_unwitnessed", 3, "derived", cell=odd, claim=odd, verdict=odd, count=1),
            event("guest.agent_silenced", 4, "derived", cell=odd, basis=odd, elapsedMs=1, witnesses={"frames": odd}),
            reading(5, 1, 1, cell=odd, sampleError=odd),
            event("odd</script><script>", 6, cell=odd),
        )
        got = self.json()
        self.assertTrue(odd.startswith(got["cell"]), got["cell"])
        self.assertNotIn("\x01", self.report().stdout.decode())
        page = self.html()
        self.assertEqual(page.count("<script"), 2)
        self.assertEqual(page.count("</script>"), 2)

    def test_damage_is_told_and_the_report_made_all_the_same(self):
        self.append(*a_run())
        raw = self.segment().read_bytes()
        self.change(self.segment(), raw.index(b"unclean restart"), b"CLEAN")
        self.assertEqual(self.json(code=11)["verify"]["integrity"]["answer"], "damaged")
        self.assertIn("11 damaged", self.report(code=11).stdout.decode())
        page = self.html(code=11)
        self.assertIn("Damaged: not what was signed", page)

    def test_what_is_not_there_leaves_nothing(self):
        self.append(*a_run())
        for args, code, what in (
            ((str(self.state), "run-9"), 1, b"run-9"),
            (("--html", str(self.page), str(self.state), "run-9"), 1, b"run-9"),
            ((str(self.state / "nothing"), "run-1"), 1, b"nothing"),
            (("--html", str(self.state / "no/page"), str(self.state), "run-1"), 1, b"no/page"),
            ((str(self.state),), 2, b"id of a run"),
            ((str(self.state), ""), 2, b"run id"),
            (("-o", "json", "--html", "x", str(self.state), "run-1"), 2, b"one of them"),
        ):
            done = cht("report", *args)
            self.assertEqual((done.returncode, done.stdout), (code, b""), args)
            self.assertIn(what, done.stderr)
            self.assertFalse(self.page.exists())
        self.page.write_text("mine")
        self.report("--html", str(self.page), code=1)
        self.assertEqual(self.page.read_text(), "mine")
        self.assertEqual([p.name for p in self.state.iterdir() if "tmp" in p.name], [])

    def test_of_many_events_those_that_tell_most_are_whole(self):
        n = 3000
        entries = [event("run.opened", 1, socket="/x")]
        entries += [spawned(i) for i in range(2, n)]
        entries += [event("channel.closed", i, count=1) for i in range(n, n + 600)]
        entries += [event("guest.telemetry.dropped", n + 600, "derived", inGuest=1)]
        frames = {"received": n - 2, "stored": n - 2, "heartbeats": 0, "refused": 0, "dropped": 0}
        entries += [sealed(n + 601, entries, frames)]
        self.append(*entries)
        got, _ = self.proofs(self.html())
        self.assertEqual(len(got), 500)
        kinds = [json.loads(e)["type"].removeprefix(PREFIX) for e in got.values()]
        self.assertEqual(kinds.count("channel.closed"), 497)
        for kind in ("run.opened", "guest.telemetry.dropped", "run.sealed"):
            self.assertIn(kind, kinds)
        rows = re.findall(r"<tr><td>(\d+)<td>[^<]*<td class=[ghc]>[^<]*<td>[^<]*<td>([^<\n]*)\n", self.page.read_text())
        self.assertEqual([int(i) for i, _ in rows], list(range(1, 1 + len(entries))))
        self.assertEqual([base64.b64decode(h) for _, h in rows], [hashlib.sha256(b"\0" + e).digest() for e in entries])

    def test_a_hundred_thousand_events_are_a_page_below_20_mib(self):
        def peak(n):
            """KiB that the report of n more events takes at most."""
            self.page.unlink(missing_ok=True)
            self.append(*(spawned(i, comm="worker<&>", exe="/usr/bin/python3.11", ppid=1, uid=1000, gid=1000)
                          for i in range(self.n, self.n + n)))  # fmt: skip
            self.n += n
            code = (f"import subprocess, resource\nsubprocess.run([{CHT!r}, 'report', '--html', {str(self.page)!r}, "
                    f"{str(self.state)!r}, 'run-1'], check=True)\n"
                    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n")  # fmt: skip
            return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)

        large_ones = [event("frames.refused", i, count=1, faults={"x": "\u202e" * 6000}) for i in range(1, 200)]
        self.append(*large_ones)
        self.n = 200
        small = peak(10000)
        large = peak(90000)
        self.assertLess(self.page.stat().st_size, 20 << 20)
        self.assertEqual(len(re.findall("\n<tr><td>", self.page.read_text())), 100199)
        self.assertLess(large, small + (65536 if has_sanitizer() else 4096))
        head = self.page.read_bytes()[: 256 << 10]
        self.assertIn(b'id="check"', head)
        self.assertIn(b"</svg>", head)


def root_from(index, size, leaf, path):
    """RFC 9162, section 2.1.3.2."""
    at_, last, digest = index, size - 1, leaf
    for other in path:
        if at_ % 2 or at_ == last:
            digest = hashlib.sha256(b"\1" + other + digest).digest()
            while at_ and not at_ % 2:
                at_, last = at_ // 2, last // 2
        else:
            digest = hashlib.sha256(b"\1" + digest + other).digest()
        at_, last = at_ // 2, last // 2
    return digest if last == 0 else None


if __name__ == "__main__":
    unittest.main()
