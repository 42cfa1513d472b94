#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The published Rust crates at work on what the real programs wrote and sent: cellos-projector reads the events and
renders the bundle, cellos-host-telemetry hears the agent, and each makes of the same facts what we made.

tools/full builds theirs (tests/rust/src) and cellos-projector, and says in the environment where they are."""

import base64
import datetime
import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integ"))
BIN = os.environ.setdefault("CHT_BIN", "build/bin")
os.environ.setdefault("CHT_AGENT", os.path.join(BIN, "cellos-telemetry"))
os.environ.setdefault("CHT_READ_PROBE", "")

from agent_host import Agent, Frames, Host  # noqa: E402
from control import hub  # noqa: E402
from firecracker import Firecracker  # noqa: E402
from net_rig import TABLE, Space, make_pair, need_nft, send  # noqa: E402
from probes import leaf  # noqa: E402
from rig import LIMIT_S, Skipped, check, cht, conf_of, connect, equal, frame, main, text_of, wait_for  # noqa: E402

THEIRS, PROJECTOR = os.environ["CHT_THEIRS"], os.environ["CHT_PROJECTOR"]
SPEC = "sha256:" + "ab" * 32
BUNDLE = "dev.cellos.events.cell.evidence_bundle.v1.emitted"
OBSERVED = "dev.cellos.events.cell.observability."
LIFE = "dev.cellos.events.cell."
STARTED = {"type": LIFE + "lifecycle.v1.started", "id": "urn:cellos:event:s", "time": "2026-01-02T03:04:04Z"}
COMPLETED = {"type": LIFE + "command.v1.completed", "id": "urn:cellos:event:c"}
DESTROYED = {"type": LIFE + "lifecycle.v1.destroyed", "id": "urn:cellos:event:d", "time": "2026-01-02T03:04:05.678Z"}
ONCE = 86400000  # at registration, at each statement, and at the end

# Keys that are nobody's.
SEED, SECRET = bytes(range(32)), b"a secret that two share"
PUBLIC = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"  # of SEED


def b64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


SIGN = {"CELLOS_HOST_TELEMETRY_SIGN_KID": "k-1"}
ED25519 = {**SIGN, "CELLOS_HOST_TELEMETRY_SIGN_ALG": "ed25519", "CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK": b64(SEED)}
HMAC = {**SIGN, "CELLOS_HOST_TELEMETRY_SIGN_ALG": "hmac-sha256", "CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY": b64(SECRET)}
ALGORITHMS = ((ED25519, "CELLOS_EVENT_VERIFY_KEYS_PATH", PUBLIC), (HMAC, "CELLOS_EVENT_VERIFY_HMAC_KEYS_PATH", b64(SECRET)))


def call(*args, lines=None, want=0, env=None):
    """What a program of theirs says of these lines; of one that must fail, the error."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CELLOS_")}
    done = subprocess.run(args, input=None if lines is None else "".join(x + "\n" for x in lines), text=True,
                          capture_output=True, env={**clean, **(env or {})}, timeout=120, check=False)
    equal(done.returncode, want, f"the status of {' '.join(args[:2])}, which says {done.stderr[:2000]}")
    return done.stderr if want else done.stdout.splitlines()


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def changed(line, old, new):
    check(old in line, f"no {old} in {line}")
    return line.replace(old, new, 1)


def stored(d):
    """Every entry of the ledger, one a line, as cht cat prints them."""
    return cht("cat", d + "/s").stdout.decode().splitlines()


class Story:
    """The life of a cell: frames good and bad, readings, a pause, a stated end, the bundle and the seal."""

    def __init__(self, d, frames=20, shape="full", env=None, spaces=()):
        config = conf_of(d, f"[daemon]\nshape = {shape}\n[opener]\nread = {d}\n")
        path = leaf(d)
        os.mkfifo(d + "/m")
        probes = {"cgroup": {"cgroupLeaf": path, "intervalMs": ONCE}, "fc_metrics": {"fifo": d + "/m", "intervalMs": ONCE}}
        for s in spaces:
            probes.update({"tap_link": {"iface": "vb", "netns": s.name, "intervalMs": ONCE},
                           "nftables": {"family": "inet", "table": "t", "netns": s.name, "intervalMs": ONCE}})
        with hub(d, "--config", config, env=env) as (daemon, control), Firecracker(d + "/m") as vmm:
            control.put("a", {"base": d + "/v", "run": "run-1", "spec": SPEC, "probes": probes})
            control.put("b", {"base": d + "/w", "run": "run-2"})
            self.state(control, STARTED)
            vmm.add(vsock__tx_bytes_count=100, vcpu__exit_io_in=7)
            vmm.tick()
            cht("send", f"unix:{d}/v_9001", "-n", str(frames), "--seq", "--hello", "--comm", 'ü"\\\t')
            with connect(d + "/v_9001") as s:
                s.sendall(frame("something.else") + frame(cell_id="forged") + frame(version=256))
                wait_for("its refusal", lambda: control.get("/cells/a")["frames"]["refused"] == 1)
            for state in ("paused", "resumed"):
                control.ask("PATCH", "/cells/a", {"state": state})
            for s in spaces:
                send(s, 3)
            self.state(control, COMPLETED, DESTROYED)
            control.ask("DELETE", "/cells/a", {"residueClass": "documented_exception", "residueException": "a disk"})
            control.delete("b")
            daemon.stop()
        self.lines = stored(d)
        self.events = [json.loads(x) for x in self.lines]
        self.events = [e.get("event", e) for e in self.events]

    @staticmethod
    def state(control, *lifecycle):
        control.ask("PATCH", "/cells/a", {"lifecycle": list(lifecycle)})

    def of(self, kind):
        return [e for e in self.events if e["type"].endswith(kind)]


def test_every_event_is_read_as_it_was_written(d):
    story = Story(d)
    size = int(text_of(d + "/s/ledger/checkpoint").split("\n")[1])
    read = call(THEIRS, "events", lines=story.lines)
    equal(len(read), size, "events that were read")
    equal(read, story.lines, "what it would write of them")
    kinds = {e["type"] for e in story.events}
    check(len(kinds) >= 15, f"too few kinds: {kinds}")
    said = call(THEIRS, "events", lines=story.lines[:3] + [changed(story.lines[3], '"source":', '"sauce":')], want=1)
    check("line 4" in said, f"it says of a broken one: {said}")


def test_signed_events_are_verified(d):
    for i, (sign, variable, key) in enumerate(ALGORITHMS):
        os.mkdir(f"{d}/{i}")
        story = Story(f"{d}/{i}", env=sign)
        keys = {"CELLOS_EVENT_REQUIRE_SIGNED": "1", variable: f"{d}/{i}/keys.json"}
        with open(f"{d}/{i}/keys.json", "w", encoding="utf-8") as f:
            json.dump({"k-1": key}, f)
        read = call(THEIRS, "events", lines=story.lines, env=keys)
        equal(read, [x[len('{"event":'):x.rindex(',"signerKid"')] for x in story.lines], "the events inside")
        one = story.lines[-1]
        for wrong in (changed(one, '"sequence":', '"sequence":1'), changed(one, '"k-1"', '"k-2"'), read[-1]):
            said = call(THEIRS, "events", lines=[one, wrong], env=keys, want=1)
            check("line 2" in said, f"it says of a wrong one: {said}")


def of_orchestrator():
    """The same events that were stated, as the supervisor on that side writes them."""
    more = {"cellId": "a", "specId": "spec-1", "runId": "run-1"}
    for e, data in ((STARTED, more), (COMPLETED, {**more, "exitCode": 3}), (DESTROYED, more)):
        yield compact({"specversion": "1.0", "id": e["id"], "source": "urn:cellos-supervisor", "type": e["type"], "data": data})


def wrapped(lines):
    """As docs/EVENTS.md has it."""
    page = text_of(os.path.join(os.environ["CHT_SOURCE_ROOT"], "docs/EVENTS.md"))
    (command,) = [x.partition("| ")[2] for x in page.splitlines() if "signed_envelope.v1" in x]
    return call("sh", "-c", command, lines=lines)


def project(d, lines, want=0, env=None):
    with open(d + "/events.jsonl", "w", encoding="utf-8") as f:
        f.writelines(x + "\n" for x in lines)
    said = call(PROJECTOR, d + "/events.jsonl", want=want, env=env)
    return said if want else json.loads(said[0])


def test_the_projector_takes_them_beside_its_own(d):
    story = Story(d)
    theirs = list(of_orchestrator())
    snapshots = project(d, theirs[:1] + story.lines + theirs[1:])
    origin = story.events[0]["data"]["cellId"]
    equal(sorted(snapshots), sorted(["cell:a", "cell:b", "cell:" + origin]), "cells")
    a = snapshots["cell:a"]
    equal((a["runId"], a["currentState"], a["commandExitCode"], a["processedEvents"]),
          ("run-1", "destroyed", 3, 3), "what became of the cell")
    equal(snapshots["cell:b"]["runId"], "run-2", "the other's run")
    # It reads to the end, and of a cell one run.
    with hub(d) as (daemon, control):
        control.put("a", {"base": d + "/v", "run": "run-3"})
        control.delete("a")
        daemon.stop()
    said = project(d, stored(d), want=1)
    check("mismatched runId" in said, said)
    for run in ("run-1", "run-3"):
        (a,) = project(d, cht("cat", "--run", run, d + "/s").stdout.decode().splitlines()).values()
        equal((a["cellId"], a["runId"]), ("a", run), "a run by itself")


def test_the_projector_verifies_wrapped_envelopes(d):
    for i, (sign, variable, key) in enumerate(ALGORITHMS):
        os.mkdir(f"{d}/{i}")
        story = Story(f"{d}/{i}", env=sign)
        with open(f"{d}/{i}/keys.json", "w", encoding="utf-8") as f:
            json.dump({"k-1": key}, f)
        lines = wrapped(story.lines)
        keys = {variable: f"{d}/{i}/keys.json"}
        equal(project(d, lines, env=keys)["cell:a"]["runId"], "run-1", "the run")
        said = project(d, lines[:-1] + [changed(lines[-1], '"reason":"', '"reason":"x')], want=1, env=keys)
        check(f"line {len(lines)}" in said and "verify" in said, said)


def test_the_projector_takes_no_declaration_in_the_rust_shape(d):
    story = Story(d, shape="rust")
    check("not a cell-scoped event" in project(d, story.lines, want=1), "it does")
    read = call(THEIRS, "events", lines=story.lines)
    equal(read, story.lines, "what reads single events takes them all")


def rendered(bundle, guests, sample, counts):
    """The page that the renderer makes of a bundle, from what the story told."""
    rows = [f"| {n} | `{e['type']}` | `{e.get('time', 'unknown')}` |" for n, e in enumerate((STARTED, COMPLETED, DESTROYED), 1)]
    vkey = bundle["data"]["attestations"]["envelopeSignature"]
    return "\n".join([
        "# CellOS Evidence Bundle — Audit Document", "", "- **cellId**: `a`", "- **runId**: `run-1`",
        "- **specId**: `unknown`", f"- **specSignatureHash**: `{SPEC}`", "",
        "## Lifecycle", "", "| # | type | time |", "|---|------|------|", *rows, "",
        "## Host Probe Series", "", *(f"- **{k}**: {n} sample(s)" for k, n in counts), "",
        "## Guest Events", "", f"- **total**: {guests}", "- **sample (first 5 types)**:", *(f"  - `{t}`" for t in sample), "",
        "## Residue Class", "", "- **residueClass**: `documented_exception`", "",
        "## Attestations", "", f"- **envelopeSignature**: `{vkey}`", f"- **specSignatureHash**: `{SPEC}`", ""])


def test_the_bundle_is_rendered(d):
    for i, frames in enumerate((20, 300)):
        os.mkdir(f"{d}/{i}")
        story = Story(f"{d}/{i}", frames)
        (bundle,) = story.of(BUNDLE)
        counts = [(k, len(story.of("host.v1." + p))) for k, p in
                  (("fcMetrics", "fc_metrics"), ("cgroup", "cgroup"), ("nftables", "nftables"), ("tap", "tap_link"))]
        check(counts[0][1] >= 2 and counts[1][1] >= 4, f"too few readings: {counts}")
        listed = [e["type"] for e in bundle["data"]["guestEvents"]]
        declared = [e["type"] for e in story.events if e["data"].get("output", {}).get("declaredBy") == "guest"]
        if frames == 20:
            equal(sorted(listed), sorted(declared), "each declaration is listed")
        else:  # of a long run there is one for each type, and the renderer does not look at its count
            equal(sum(e["count"] for e in bundle["data"]["guestEvents"]), len(declared), "all are counted")
        (page,) = call(THEIRS, "render", lines=[compact(bundle)])
        equal(json.loads(page), rendered(bundle, len(listed), listed[:5], counts), "the page")
        check(bundle["data"]["attestations"]["envelopeSignature"] ==
              "checkpoint:" + text_of(f"{d}/{i}/s/ledger/vkey").strip(), "who signs")


def test_of_the_same_declarations_they_make_the_same(d):
    for i, (sign, _, _) in enumerate(((None, None, None), *ALGORITHMS)):
        os.mkdir(f"{d}/{i}")
        story = Story(f"{d}/{i}", shape="rust", env=sign)
        ours = [x for x, e in zip(story.lines, story.events) if e["source"].endswith("/guest") and "guest" in e["data"]
                and "sequence" not in e["data"]]
        check(len(ours) >= 22, f"too few: {len(ours)}")
        events = [json.loads(x) for x in ours]
        equal(call(THEIRS, "stamped", lines=[compact(e.get("event", e)) for e in events], env=sign), ours, "events")


def nets():
    """A namespace with links and rules, where that can be."""
    try:
        need_nft()
    except Skipped as why:
        return None, str(why)
    return Space(), None


def test_of_the_same_readings_they_make_the_same(d):
    space, why = nets()
    if space is None:
        story = Story(d, shape="rust")
    else:
        with space as s:
            make_pair(s)
            s.nft(*TABLE)
            story = Story(d, shape="rust", spaces=[s])
    ours = [e for e in story.events if OBSERVED + "host.v1." in e["type"]]
    read = {e["type"].rpartition(".")[2] for e in ours if "sampleError" not in e["data"]}
    equal(read, {"cgroup", "fc_metrics"} | ({"tap_link", "nftables"} if space else set()), "probes")
    good = [e for e in ours if "sampleError" not in e["data"]]
    made = [json.loads(x) for x in call(THEIRS, "readings", lines=[compact(e) for e in good])]
    for e, one in zip(good, made):
        check(one["id"] != e["id"], "they draw their own id")
        one["id"] = e["id"]
    equal([compact(e) for e in made], [compact(e) for e in good], "events")
    if why:
        raise Skipped(f"without links and rules: {why}")


def test_a_reading_that_failed_is_an_event_and_none_of_theirs(d):
    with hub(d, "--config", conf_of(d, f"[daemon]\nshape = rust\n[opener]\nread = {d}\n")) as (daemon, control):
        control.put("a", {"base": d + "/v", "probes": {"cgroup": {"cgroupLeaf": d + "/none", "intervalMs": ONCE}}})
        control.delete("a")
        daemon.stop()
    lines = [x for x in stored(d) if "sampleError" in x]
    check(lines, "no reading failed")
    equal(call(THEIRS, "events", lines=lines), lines, "events")
    check("missing field `output`" in call(THEIRS, "readings", lines=lines, want=1), "it has something that was read")


def test_their_probes_read_what_ours_read(d):
    path = leaf(d)
    (theirs,), ours = call(THEIRS, "probe", "cgroup", path), cht("probe", "once", "--cgroup", path, "-o", "json").stdout
    compare(json.loads(theirs), json.loads(ours), "cgroup")
    space, why = nets()
    if space is None:
        raise Skipped(f"no link: {why}")
    with space as s:
        make_pair(s)
        send(s, 5)
        theirs = s.run(THEIRS, "probe", "tap_link", "vb")
        compare(json.loads(theirs), json.loads(s.run(f"{BIN}/cht", "probe", "once", "--tap", "vb", "-o", "json")), "tap_link")


def compare(theirs, ours, probe):
    equal(theirs["probeSource"], "host." + ours["probe"], "which")
    equal(ours["probe"], probe, "probe")
    equal(ours["inputs"], theirs["inputs"], "inputs")
    equal({k: ours["output"].get(k) for k in theirs["output"]}, theirs["output"], "what theirs has of the output")


class Receiver:
    """Their receiver, listening. It does not outlive its block."""

    def __init__(self, d):
        self.began = datetime.datetime.now(datetime.timezone.utc)
        self.path, self.said = d + "/vm_9001", d + "/said"
        with open(self.said, "w", encoding="utf-8") as said:
            self.proc = subprocess.Popen([THEIRS, "receive", d + "/vm", "cell-1", "run-1", SPEC], stdout=said,
                                         stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()

    def heard(self, want):
        """To the end of its connection: each declaration is stamped, and says what the frame said."""
        error = self.proc.communicate(timeout=LIMIT_S)[1]
        equal(self.proc.returncode, 0, f"its status; it says {error}")
        got = [json.loads(x) for x in text_of(self.said).splitlines()]
        last = self.began
        for one in got:
            at = datetime.datetime.fromisoformat(one.pop("host_received_at")[:26].rstrip("Z+") + "+00:00")
            check(last <= at + datetime.timedelta(milliseconds=1), f"{at} is before {last}")
            last = at
            equal([one.pop(k) for k in ("cell_id", "run_id", "spec_signature_hash")], ["cell-1", "run-1", SPEC], "the stamp")
        keys = ("probe_source", "guest_pid", "guest_comm", "guest_monotonic_ns")
        equal(got, [{k: f[k] for k in keys} for f in want], "declarations")


class Tee(Frames):
    """Reads the frames itself, and hands the bytes on."""

    def __init__(self, path):
        super().__init__()
        self.sock = socket.socket(socket.AF_UNIX)
        wait_for("their receiver", lambda: self.sock.connect_ex(path) == 0)

    def feed(self, data):
        super().feed(data)
        self.sock.sendall(data)


def test_their_receiver_hears_our_agent(d):
    os.mkdir(d + "/watched")
    host = Host().listen()
    with Receiver(d) as theirs, Agent(host, "--watch", d + "/watched") as agent:
        host.accept().stream = tee = Tee(theirs.path)
        host.until_source("agent.hello")
        child = subprocess.Popen(["/bin/sh", "-c", "true & wait"])
        child.wait()
        with open(d.encode() + b"/watched/odd\xff", "wb"):
            pass
        host.until_source("fs.inotify_fired")
        host.until(lambda f: f["guest_pid"] == child.pid and f["probe_source"] == "process.exited", "the child's end")
        host.until_source("agent.heartbeat")
        agent.stop()
        host.to_end()
        agent.stats()
        tee.sock.close()
        theirs.heard(host.all)
    seen = {f["probe_source"] for f in host.all}
    equal(seen, {"agent.hello", "agent.heartbeat", "agent.bye", "process.spawned", "process.exited", "fs.inotify_fired"}, "sources")
    check(any("path_raw" in f for f in host.all), "bytes that are no text were among them")


def test_their_receiver_hears_what_cht_sends(d):
    host = Host().listen()
    with Receiver(d) as theirs, subprocess.Popen(
            [f"{BIN}/cht", "send", "unix:" + host.path, "-n", "500", "--seq", "--hello", "-b", "64", "--comm", "é" * 60,
             "--pid", str(2**32 - 1)], stdout=subprocess.DEVNULL) as sender:
        host.accept().stream = tee = Tee(theirs.path)
        host.to_end()
        equal(sender.wait(LIMIT_S), 0, "cht send")
        tee.sock.close()
        equal(len(host.all), 501, "frames")
        theirs.heard(host.all)


if __name__ == "__main__":
    main(globals())
