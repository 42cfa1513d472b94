#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an orchestrator states of a cell: recorded as its statement, and done."""

import json
import os
import signal
import threading

import jsonschema

from control import Control, hub, of_cell
from rig import check, cht, connect, equal, events, frame, main, short, wait_for

ROOT = os.environ["CHT_SOURCE_ROOT"]
EVENT = {"type": "dev.cellos.events.cell.lifecycle.v1.destroyed", "id": "urn:cellos:event:1",
         "time": "2026-01-02T03:04:05.678Z"}


def fits_schema(event):
    with open(f"{ROOT}/docs/schema/{short(event)}.json", encoding="utf-8") as f:
        jsonschema.Draft202012Validator(json.load(f)).validate(event)


def patch(c, cell, body, want=200):
    return c.ask("PATCH", "/cells/" + cell, body, want)


def test_each_statement_is_stored_when_it_is_answered(d):
    with hub(d) as (_, c):
        c.put("a", {"path": d + "/a"})
        bodies = [{"state": "paused"}, {"state": "resumed", "exitCode": -1}, {"lifecycle": [EVENT, {"type": "x", "id": "ü\"\\"}]},
                  {"limits": {"connections": 2, "ledgerBytes": 1 << 40}}, {"state": "snapshotting"}, {"state": "restored"},
                  {"exitCode": 137}]
        for body in bodies:
            view = patch(c, "a", body)
            event = list(events(d + "/s"))[view["stated"]]
            fits_schema(event)
            data = event["data"]
            equal((short(event), data["cellId"], data["runId"], data["stated"]), ("run.stated", "a", view["run"], body), "it")
            equal((data["provenance"], data["output"]), ("declared", {"declaredBy": "orchestrator", "stampedBy": "host"}),
                  "whose word it is")
            equal(data["by"], {"gid": os.getgid(), "pid": os.getpid(), "uid": os.getuid()}, "who said it")
        equal(view["sequence"], 1 + len(bodies) + 4, "numbers: each change of state has its own")
        check("stated" not in c.get("/cells/a"), "it is of the answer to a statement")
        c.delete("a")
    sealed = of_cell(d, "a")[-1]
    fits_schema(sealed)
    equal(sealed["data"]["counts"]["run.stated"], len(bodies), "the seal counts them")
    report = json.loads(cht("verify", d + "/s", "-o", "json", want=None).stdout)
    equal((report["vantage"]["stated"], report["vantage"]["declared"]), (len(bodies), 0), "they are no word of a guest")


WHOLE = {
    "keepaliveWindowMs": 300, "limits": {"connections": 2, "framesBurst": 7}, "vmmPid": 4242,
    "probes": {"fc_metrics": {"endpoint": "/run/m", "fifo": "/run/m"}, "cgroup": {"cgroupLeaf": "/sys/fs/cgroup/x"}, "vmm_proc": {},
               "nftables": {"family": "inet", "table": "f"}, "tap_link": {"iface": "tap0"}},
    "authorised": ["guest.process.spawned", "host.cgroup"],
    "correlation": {"platform": "ci", "externalRunId": "1", "externalJobId": "2", "tenantId": "t", "correlationId": "ü",
                    "labels": {f"label/{i}": "v" * 80 for i in range(16)}},
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


def test_what_a_registration_states_stands_in_run_opened(d):
    with hub(d) as (_, c):
        view = c.put("a", {"path": d + "/a", **WHOLE})
        opened = list(events(d + "/s"))[view["index"]]
        fits_schema(opened)
        data = opened["data"]
        equal(data["stated"], WHOLE, "as it was stated")
        equal(data["by"], {"gid": os.getgid(), "pid": os.getpid(), "uid": os.getuid()}, "who stated it")
        equal(data["keepaliveWindowMs"], 300, "the window")
        shuffled = dict(reversed(list({"path": d + "/a", **WHOLE}.items())))
        equal(c.put("a", shuffled, want=200)["run"], view["run"], "the same in another order")
        for key in WHOLE:
            equal(c.put("a", {k: v for k, v in {"path": d + "/a", **WHOLE}.items() if k != key}, want=409)["code"], "differs",
                  "without " + key)
        equal(c.put("a", {"path": d + "/a", **WHOLE, "vmmPid": 1}, want=409)["code"], "differs", "another")
        c.put("b", {"path": d + "/b"})
        plain = of_cell(d, "b")[0]
        fits_schema(plain)
        check("stated" not in plain["data"] and "by" in plain["data"], "nothing is stated of it")
        # Its limits and its window rule, and only for it.
        with connect(d + "/a") as one, connect(d + "/a"), connect(d + "/a") as third, connect(d + "/b") as other:
            equal(third.recv(1), b"", "one too many")
            one.sendall(frame())
            other.sendall(frame())
            wait_for("its silence", lambda: c.get("/cells/a")["silent"])
            equal((c.get("/cells/a")["condition"], c.get("/cells/b")["condition"]), ("idle", "live"), "conditions")
        too_much = {"labels": {f"{i}": "v" * 256 for i in range(8)}}
        equal(c.put("c", {"path": d + "/c", "correlation": too_much}, want=400)["code"], "bad_request", "over 2 KiB")
        equal(c.put("c", {"path": d + "/c", "limits": {"connections": 65}}, want=422)["code"], "over_limit", "over the host's")
        equal([v["id"] for v in c.get("/cells")], ["a", "b"], "cells")


def test_a_cell_of_the_configuration_was_stated_by_nobody(d):
    with hub(d, "--cell", f"a={d}/a") as (_, c):
        c.put("b", {"base": d + "/b"})
        equal(["by" in of_cell(d, cell)[0]["data"] for cell in ("a", "b")], [False, True], "who registered them")
        c.put("a", {"base": d + "/a"}, want=200)
        equal(c.put("a", {"base": d + "/a", "vmmPid": 3}, want=409)["code"], "differs", "stated now")


def test_what_is_left_of_a_cell_stands_before_its_seal(d):
    residue = {"residueClass": "documented_exception", "residueException": "the disk is kept for 7 days"}
    with hub(d) as (_, c):
        for cell, body in (("a", residue), ("b", {"residueClass": "none"}), ("c", {})):
            c.put(cell, {"path": f"{d}/{cell}"})
            with connect(f"{d}/{cell}") as s:
                s.sendall(frame() * 3)
                wait_for("frames", lambda x=cell: c.get("/cells/" + x)["frames"]["stored"] == 3)
            gone = c.ask("DELETE", "/cells/" + cell, body)
            mine = of_cell(d, cell)
            equal(short(mine[-1]), "run.sealed", "the last word")
            equal(gone["sequence"], len(mine), "no number is missing")
            stated = [e for e in mine if short(e) == "run.stated"]
            equal([e["data"]["stated"] for e in stated], [body] if body else [], "what is stated")
            for event in mine:
                fits_schema(event)


def test_what_cannot_be_stated_is_refused_and_leaves_nothing(d):
    rows = [
        ("PATCH", "/cells/a", {}, 400, "bad_request"),
        ("PATCH", "/cells/a", None, 400, "bad_request"),
        ("PATCH", "/cells/a", {"state": "gone"}, 400, "bad_request"),
        ("PATCH", "/cells/a", {"state": "paused", "residueClass": "none"}, 400, "bad_request"),
        ("PATCH", "/cells/a", {"lifecycle": [EVENT] * 17}, 400, "bad_request"),
        ("PATCH", "/cells/a", {"lifecycle": [{**EVENT, "id": "x" * 257}]}, 400, "bad_request"),
        ("PATCH", "/cells/a", {"limits": {"connections": 65}}, 422, "over_limit"),
        ("PATCH", "/cells/a", {"state": "paused", "limits": {"partialBlocks": 33}}, 422, "over_limit"),
        ("PATCH", "/cells/a", {"state": "x" * 9000}, 413, "too_large"),
        ("PATCH", "/cells/b", {"state": "paused"}, 404, "no_such_cell"),
        ("PATCH", "/cells", {"state": "paused"}, 405, "bad_method"),
        ("DELETE", "/cells/a", {"state": "paused"}, 400, "bad_request"),
        ("DELETE", "/cells/a", {"residueClass": "none", "residueException": "x"}, 400, "bad_request"),
        ("DELETE", "/cells/a", [], 400, "bad_request"),
        ("GET", "/cells/a", {"state": "paused"}, 400, "bad_request"),
    ]
    with hub(d) as (_, c):
        c.put("a", {"path": d + "/a"})
        n = len(list(events(d + "/s")))
        for method, target, body, status, code in rows:
            equal(c.ask(method, target, body, want=status)["code"], code, f"{method} {target} {str(body)[:60]}")
        equal(len(list(events(d + "/s"))), n, "nothing is stored of it")
        equal([v["state"] for v in c.get("/cells")], ["open"], "and nothing done")


def test_nothing_is_stated_of_a_cell_that_goes(d):
    with hub(d) as (daemon, c):
        c.put("a", {"path": d + "/a"})
        going = Control(d)
        scribe = daemon.scribe_pid()
        os.kill(scribe, signal.SIGSTOP)
        try:
            with connect(d + "/a") as s:
                s.sendall(frame())
            going.http.request("DELETE", "/cells/a")
            wait_for("it to go", lambda: c.get("/cells/a")["state"] != "open")
            equal(patch(c, "a", {"state": "paused"}, want=409)["code"], "differs", "PATCH")
            equal(c.ask("DELETE", "/cells/a", {"residueClass": "none"}, want=409)["code"], "differs", "DELETE")
        finally:
            os.kill(scribe, signal.SIGCONT)
        equal(going.http.getresponse().status, 200, "the first")
    check("run.stated" not in [short(e) for e in of_cell(d, "a")], "nothing was stated")


def test_limits_of_one_cell_rule_from_then_on(d):
    with hub(d) as (_, c):
        for cell in ("a", "b"):
            c.put(cell, {"path": f"{d}/{cell}"})
        patch(c, "a", {"limits": {"connections": 1, "connectsPerSecond": 1000}})
        with connect(d + "/a") as kept, connect(d + "/a") as turned_away, connect(d + "/b") as other, connect(d + "/b"):
            equal(turned_away.recv(1), b"", "one too many")
            for s in (kept, other):
                s.sendall(frame())
            wait_for("both", lambda: [v["frames"]["stored"] for v in c.get("/cells")] == [1, 1])
            equal(c.get("/cells/b")["connections"], 2, "the other cell has the host's limits")
            patch(c, "a", {"limits": {"connections": 2}})
            with connect(d + "/a") as second:
                second.sendall(frame())
                wait_for("the second", lambda: c.get("/cells/a")["frames"]["stored"] == 2)
            # A thousand frames take a while at ten a second, and none once the limit is lifted.
            patch(c, "a", {"limits": {"framesPerSecond": 10, "framesBurst": 10}})
            kept.sendall(b"".join(frame(pid=i) for i in range(2000)))
            wait_for("the first", lambda: c.get("/cells/a")["frames"]["stored"] > 2)
            check(c.get("/cells/a")["frames"]["stored"] < 1500, "the rest waits")
            patch(c, "a", {"limits": {"framesPerSecond": 1000000, "framesBurst": 1000000}})
            wait_for("the rest", lambda: c.get("/cells/a")["frames"]["stored"] == 2002, 10)
            patch(c, "a", {"limits": {"ledgerBytes": 65536}})
            kept.sendall(frame() * 10)
            wait_for("drops", lambda: c.get("/cells/a")["frames"]["dropped"] == 10)
            patch(c, "a", {"limits": {"ledgerBytes": 1 << 30}})
            kept.sendall(frame())
            wait_for("none", lambda: c.get("/cells/a")["frames"]["stored"] == 2003)


def test_a_statement_without_limits_lets_nobody_send_more(d):
    with hub(d) as (_, c):
        c.put("a", {"path": d + "/a", "limits": {"framesPerSecond": 1, "framesBurst": 10}})
        with connect(d + "/a") as s:
            s.sendall(frame() * 1000)
            first = wait_for("the first", lambda: c.get("/cells/a")["frames"]["stored"])
            for body in ({"exitCode": 0}, {"state": "paused"}, {"state": "resumed"}, {"limits": {"ledgerBytes": 1 << 30}}):
                patch(c, "a", body)
            equal(c.get("/cells/a")["frames"]["stored"], first, "frames that are stored")


def test_fewer_blocks_than_are_used_harm_nobody(d):
    def part(n):
        return frame(comm="a", other="x" * 8000)[:n]

    with hub(d) as (_, c):
        c.put("a", {"path": d + "/a"})
        whole = part(1 << 20)
        conns = [connect(d + "/a") for _ in range(30)]
        for s in conns:
            s.sendall(whole[:5000])
        wait_for("all", lambda: c.get("/cells/a")["connections"] == 30)
        patch(c, "a", {"limits": {"partialBlocks": 16}})
        for s in conns:
            s.sendall(whole[5000:] + frame())
        wait_for("all frames", lambda: c.get("/cells/a")["frames"]["stored"] == 60)
        for s in conns:
            s.close()


def test_a_cell_that_is_stated_to_be_paused_is_not_silent(d):
    with open(d + "/conf", "w", encoding="utf-8") as f:
        f.write("[silence]\nkeepalive_window = 300ms\n")
    with hub(d, "--config", d + "/conf") as (_, c):
        for cell in ("paused", "not"):
            c.put(cell, {"path": f"{d}/{cell}"})
        with connect(d + "/paused") as a, connect(d + "/not") as b:
            a.sendall(frame())
            wait_for("its frame", lambda: c.get("/cells/paused")["frames"]["stored"] == 1)
            patch(c, "paused", {"state": "paused"})
            for _ in range(3):  # each takes a window of the one that is not paused
                n = sum(short(e) == "guest.agent_silenced" for e in of_cell(d, "not"))
                b.sendall(frame())
                wait_for("its silence", lambda k=n: sum(short(e) == "guest.agent_silenced" for e in of_cell(d, "not")) > k)
            check(not c.get("/cells/paused")["silent"], "no silence of the paused one")
            check("guest.agent_silenced" not in [short(e) for e in of_cell(d, "paused")], "none is told")
            patch(c, "paused", {"state": "resumed"})
            wait_for("its silence", lambda: c.get("/cells/paused")["silent"])


def test_many_state_at_once_and_each_is_told_of_its_own(d):
    faults, clients, rounds = [], 16, 30

    def client(k):
        try:
            mine = Control(d)
            for i in range(rounds):
                view = patch(mine, f"c{k % 4}", {"exitCode": k * 1000 + i})
                told[view["stated"]] = (f"c{k % 4}", k * 1000 + i)
        except Exception as e:  # pylint: disable=broad-except
            faults.append(repr(e))

    told = {}
    with hub(d) as (daemon, c):
        for i in range(4):
            c.put(f"c{i}", {"path": f"{d}/{i}"})
        threads = [threading.Thread(target=client, args=(k,)) for k in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal(faults, [], "what went wrong")
        daemon.stop()
    stored = {i: (e["data"]["cellId"], e["data"]["stated"]["exitCode"]) for i, e in enumerate(events(d + "/s"))
              if short(e) == "run.stated"}
    equal(stored, told, "what each was told")
    equal(len(stored), clients * rounds, "statements")


def test_who_states_while_chtd_stops_is_told(d):
    with hub(d) as (daemon, c):
        c.put("a", {"path": d + "/a"})
        late = Control(d)
        late.get("/version")
        scribe = daemon.scribe_pid()
        os.kill(scribe, signal.SIGSTOP)
        late.http.request("PATCH", "/cells/a", json.dumps({"exitCode": 7}))
        wait_for("it to be taken", lambda: Control(d).get("/cells/a")["sequence"] == 2)
        daemon.proc.send_signal(signal.SIGTERM)
        os.kill(scribe, signal.SIGCONT)
        equal(late.http.getresponse().status, 200, "its answer")
        daemon.wait(0)
    equal([short(e) for e in of_cell(d, "a")], ["run.opened", "run.stated"], "it is stored")


if __name__ == "__main__":
    main(globals())
