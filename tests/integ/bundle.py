#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The evidence bundle of a run: what its orchestrator said of its end, and which events there are."""

import json
import os

import jsonschema

from control import hub, of_cell
from rig import check, cht, conf_of, connect, equal, frame, main, short, wait_for

ROOT = os.environ["CHT_SOURCE_ROOT"]
TYPE = "dev.cellos.events.cell.evidence_bundle.v1.emitted"
LIFE = "dev.cellos.events.cell."
STARTED = {"type": LIFE + "lifecycle.v1.started", "id": "urn:cellos:event:s"}
COMPLETED = {"type": LIFE + "command.v1.completed", "id": "urn:cellos:event:c", "time": "2026-01-02T03:04:04Z"}
DESTROYED = {"type": LIFE + "lifecycle.v1.destroyed", "id": "urn:\"\\ü", "time": "2026-01-02T03:04:05.678Z"}


def fits_schema(event):
    with open(f"{ROOT}/docs/schema/cell.evidence_bundle.json", encoding="utf-8") as f:
        jsonschema.Draft202012Validator(json.load(f)).validate(event)


def state(c, cell, *lifecycle):
    c.ask("PATCH", "/cells/" + cell, {"lifecycle": list(lifecycle)})


def send(c, d, cell, n):
    with connect(f"{d}/{cell}") as s:
        s.sendall(frame() * n)
        wait_for("frames", lambda: c.get("/cells/" + cell)["frames"]["stored"] >= n)


def test_a_stated_end_gives_a_bundle_before_the_seal(d):
    with hub(d) as (_, c):
        c.put("a", {"path": d + "/a", "run": "run-1", "spec": "sha256:ab", "specId": "spec/1"})
        state(c, "a", STARTED)
        send(c, d, "a", 3)
        state(c, "a", COMPLETED, DESTROYED)
        gone = c.ask("DELETE", "/cells/a", {"residueClass": "documented_exception", "residueException": "kept \"x\""})
        mine = of_cell(d, "a")
        equal([e["type"] for e in mine].count(TYPE), 1, "bundles")
        equal([short(e) for e in mine[-2:]], [TYPE, "run.sealed"], "the end")
        equal(gone["sequence"], len(mine), "it has a number like all others")
        bundle = mine[-2]
        fits_schema(bundle)
        data = bundle["data"]
        equal(list(data), sorted(data), "its keys are sorted")
        equal(data["cellDestroyedEventRef"], DESTROYED["id"], "the end")
        equal(data["lifecycleEventRefs"], {"started": STARTED["id"], "commandCompleted": COMPLETED["id"],
                                           "destroyed": DESTROYED["id"]}, "references")
        equal(data["lifecycle"], [{k: v for k, v in e.items() if k != "id"} for e in (STARTED, COMPLETED, DESTROYED)], "life")
        spawned = [e for e in mine if short(e) == "guest.process_spawned"]
        equal([r["eventId"] for r in data["guestEventRefs"]], [e["id"] for e in spawned], "events of the guest")
        equal([r["type"] for r in data["guestEvents"]], [e["type"] for e in spawned], "their types")
        equal((data["references"], data["residueClass"], data["residueException"]),
              ("all", "documented_exception", "kept \"x\""), "the rest")
        equal((data["specId"], mine[0]["data"]["stated"]), ("spec/1", {"specId": "spec/1"}), "what the spec is called")
        check(data["attestations"]["envelopeSignature"].startswith("checkpoint:"), "who signs")
        equal(mine[-1]["data"]["counts"]["cell.evidence_bundle"], 1, "the seal counts it")
    report = json.loads(cht("verify", d + "/s", "-o", "json", want=None).stdout)
    equal((report["integrity"]["findings"], report["completeness"]["answer"]), (0, "incomplete"), "agents do not count")


def test_a_silence_alone_and_before_frames_is_referred_to(d):
    c_path = conf_of(d, "[silence]\nboot_window = 300ms\n")
    with hub(d, "--config", c_path) as (_, c):
        for cell in ("a", "b"):
            c.put(cell, {"path": f"{d}/{cell}"})
        wait_for("both silences", lambda: all(v["silent"] for v in c.get("/cells")))
        send(c, d, "b", 2)
        for cell, n in (("a", 1), ("b", 3)):
            state(c, cell, DESTROYED)
            c.delete(cell)
            mine = of_cell(d, cell)
            want = [e["id"] for e in mine if short(e) in ("guest.agent_silenced", "guest.process_spawned")]
            refs = next(e["data"]["guestEventRefs"] for e in mine if e["type"] == TYPE)
            equal((sorted(r["eventId"] for r in refs), len(refs)), (sorted(want), n), f"references of {cell}")


def test_without_a_stated_end_there_is_none(d):
    near = {**DESTROYED, "type": LIFE + "undestroyed"}
    with hub(d) as (_, c):
        for cell, said in (("a", None), ("b", (STARTED, COMPLETED)), ("c", (near,))):
            c.put(cell, {"path": f"{d}/{cell}"})
            if said:
                state(c, cell, *said)
            c.ask("DELETE", "/cells/" + cell, {"residueClass": "none"})
            check(TYPE not in [e["type"] for e in of_cell(d, cell)], f"{cell} has a bundle")


def test_the_next_tenant_of_a_place_begins_anew(d):
    with hub(d) as (_, c):
        for n in (2, 1):
            c.put("a", {"path": d + "/a", "run": f"run-{n}"})
            send(c, d, "a", n)
            state(c, "a", DESTROYED)
            c.delete("a")
            mine = [e for e in of_cell(d, "a") if e["data"]["runId"] == f"run-{n}"]
            equal(len(mine[-2]["data"]["guestEventRefs"]), n, "events of its own")
            check("residueClass" not in mine[-2]["data"], "nothing was said of what is left")
        c.put("a", {"path": d + "/a", "run": "run-3"})
        c.delete("a")
        mine = [e for e in of_cell(d, "a") if e["data"]["runId"] == "run-3"]
        equal([short(e) for e in mine], ["run.opened", "run.sealed"], "a tenant that said nothing")


def test_readings_up_to_the_last_are_referred_to(d):
    with hub(d) as (_, c):
        c.put("a", {"path": d + "/a", "vmmPid": os.getpid(), "probes": {"vmm_proc": {}}})
        for said in ("paused", "resumed"):
            c.ask("PATCH", "/cells/a", {"state": said})
        state(c, "a", DESTROYED)
        c.delete("a")
        mine = of_cell(d, "a")
        readings = [e["id"] for e in mine if e["data"].get("probeSource") == "host.vmm_proc"]
        data = mine[-2]["data"]
        check(len(readings) >= 2, "at least the first and the last")
        equal((data["hostProbeEventRefs"]["vmmProc"], data["hostSeries"]["vmmProc"]), (readings, {"count": len(readings)}), "all")
        fits_schema(mine[-2])


def test_a_long_run_is_counted_instead(d):
    with hub(d) as (_, c):
        c.put("a", {"path": d + "/a"})
        send(c, d, "a", 500)
        state(c, "a", DESTROYED)
        c.delete("a")
        mine = of_cell(d, "a")
        data = mine[-2]["data"]
        fits_schema(mine[-2])
        spawned = [e for e in mine if short(e) == "guest.process_spawned"]
        equal(data["references"], "first_and_last", "what the references are")
        equal([r["eventId"] for r in data["guestEventRefs"]], [spawned[0]["id"], spawned[-1]["id"]], "references")
        equal(data["guestEvents"], [{"count": 500, "type": spawned[0]["type"]}], "counts")


def test_what_is_stated_is_bounded(d):
    many = [{"type": "t" * 120, "id": f"{i:0250}"} for i in range(16)]
    with hub(d) as (_, c):
        c.put("a", {"path": d + "/a"})
        for _ in range(3):
            state(c, "a", *many)
        state(c, "a", DESTROYED)
        c.delete("a")
        bundle = of_cell(d, "a")[-2]
        fits_schema(bundle)
        data = bundle["data"]
        equal(len(data["lifecycle"]) + data["lifecycleOmitted"], 3 * 16 + 1, "all are there or counted")
        equal(data["cellDestroyedEventRef"], DESTROYED["id"], "the end is never left out")


def test_a_restart_forgets_it_and_says_so(d):
    cell = ("--cell", f"a=,path={d}/a,run=run-1")
    with hub(d, *cell) as (daemon, c):
        send(c, d, "a", 3)
        state(c, "a", DESTROYED)
        daemon.stop()
    with hub(d, *cell) as (daemon, c):
        send(c, d, "a", 5)
        c.delete("a")
    check(TYPE not in [e["type"] for e in of_cell(d, "a")], "what was stated to the process before is not known")
    with hub(d, *cell) as (daemon, c):
        daemon.stop()
    with hub(d, *cell) as (_, c):
        send(c, d, "a", 2)
        state(c, "a", STARTED, DESTROYED)
        c.delete("a")
    data = of_cell(d, "a")[-2]["data"]
    equal((data["references"], data["lifecycleEventRefs"]["started"]), ("first_and_last", STARTED["id"]), "it is of a part")
    fits_schema(of_cell(d, "a")[-2])


def test_a_stop_that_seals_has_it_too(d):
    with hub(d, "--seal", "--cell", f"a=,path={d}/a") as (daemon, c):
        c.put("b", {"path": d + "/b"})
        for one in "ab":
            state(c, one, DESTROYED)
        daemon.stop()
    for one in "ab":
        equal([short(e) for e in of_cell(d, one)][-2:], [TYPE, "run.sealed"], "the end of " + one)


if __name__ == "__main__":
    main(globals())
