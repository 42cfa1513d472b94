#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""events - every kind of event, in every shape, against its JSON Schema.

usage: events.py EMIT_EVENTS
The validator is a stock one. A schema that takes anything proves nothing, so each event is also
broken in many ways, and every broken one must be refused.
"""
import copy
import json
import pathlib
import subprocess
import sys

import jsonschema

PREFIX = "dev.cellos.events.cell.observability.v1."
ROOT = pathlib.Path(__file__).resolve().parents[2]
failures = []


def check(condition, text):
    if not condition:
        failures.append(text)


def lines(*args):
    return subprocess.run([sys.argv[1], *args], check=True, capture_output=True,
                          text=True).stdout.splitlines()


def places(value, path=()):
    """The path of every object in a value, the value itself included."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from places(inner, path + (key,))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from places(inner, path + (i,))


# What others named: any member is one of theirs.
OPEN = {"metrics", "totals", "cgroup_events", "cpu_stat", "memory_events", "pids_events"}
READINGS = {f"host.{p}" for p in ("fc_metrics", "cgroup", "nftables", "tap_link", "vmm_proc")}


def type_of(name):
    """The CloudEvents type of what is called so for short."""
    if name == "cell.evidence_bundle":
        return "dev.cellos.events.cell.evidence_bundle.v1.emitted"
    if name in READINGS:
        return PREFIX.replace(".v1.", ".host.v1.") + name.removeprefix("host.")
    return PREFIX + name


def at(value, path):
    for step in path:
        value = value[step]
    return value


def broken(event):
    """Copies of an event, each with one thing wrong: a member too many, a null, a float."""
    for path in places(event):
        if "metrics" in path:
            continue
        wrong = copy.deepcopy(event)
        at(wrong, path)["unheard-of"] = 1
        if not OPEN & set(path):
            yield "/".join(map(str, path)) + ": a member too many", wrong
        for key, value in at(event, path).items():
            if value is None:
                continue
            for bad in (None, 0.5, [0], "\n\n"):
                wrong = copy.deepcopy(event)
                at(wrong, path)[key] = bad
                yield "/".join(map(str, path + (key,))) + f": {bad!r}", wrong


# Free text: a wrong text is still a text.
FREE = {"guestComm", "agentVersion", "capability", "destAddr", "exe", "path", "protocol", "reason",
        "socket", "cause", "bootId", "kernel", "version", "mechanism", "source", "cellId", "id",
        "probeSource", "endpoint", "cgroupLeaf", "table", "command", "sysfs", "iface", "chain", "ruleRepr",
        "sampleErrorText"}


def check_event(validator, name, line):
    event = json.loads(line)
    errors = [e.message for e in validator.iter_errors(event)]
    check(not errors, f"{name}: {errors[:2]} in {line[:400]}")
    check(event["type"] == type_of(name), f"{name}: its type is {event['type']}")
    check(line == json.dumps(event, separators=(",", ":"), ensure_ascii=False),
          f"{name}: not compact, or an escape that another writer would not make")
    check(json.dumps(event["data"]) == json.dumps(event["data"], sort_keys=True),
          f"{name}: data is not sorted")
    return event


def check_refusals(validator, name, event):
    for what, wrong in broken(event):
        key = what.split(":")[0].rsplit("/", 1)[-1]
        if what.endswith("'\\n\\n'") and key in FREE:
            continue
        check(not validator.is_valid(wrong), f"{name}: its schema takes {what}")
    for key in event:
        wrong = {k: v for k, v in event.items() if k != key}
        check(not validator.is_valid(wrong), f"{name}: its schema takes it without {key}")


def main():
    names = lines("--names")
    full, rust = lines(), lines("--rust")
    page = (ROOT / "docs/EVENTS.md").read_text(encoding="utf-8").splitlines()
    present = sorted(p.stem for p in (ROOT / "docs/schema").glob("*.json"))
    validators = {}

    check(present == sorted(names), f"docs/schema: more or less: {set(present) ^ set(names)}")
    for name in names:
        check(f"### {name}" in page, f"docs/EVENTS.md has no section {name}")
        if name not in present:
            continue
        schema = json.loads((ROOT / f"docs/schema/{name}.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[name] = jsonschema.Draft202012Validator(schema)
    check(len(full) == 3 * len(names), f"{len(full)} events of {len(names)} kinds")
    for i, line in enumerate(full):
        name = names[i // 3]
        if name not in present:
            continue
        event = check_event(validators[name], name, line)
        if i % 3 < 2:  # the largest would take a minute
            check_refusals(validators[name], name, event)
    for line in rust:
        name = next(n for n in names if type_of(n) == json.loads(line)["type"])
        check_event(validators[name], name, line)
    for text in failures[:20]:
        print(text, file=sys.stderr)
    print(f"{len(full) + len(rust)} events of {len(names)} kinds, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
