#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may do what over the control socket: [control] writers and readers, by what the kernel says of the peer."""

import contextlib
import json
import os
import traceback

from control import Control, hub, of_cell
from rig import Daemon, Skipped, check, equal, main, short

NOBODY = 65534
STRANGER, MEMBER, GROUP, OTHER_GROUP = 54321, 54322, 54323, 54324


def as_user(uid, gid, groups, do):
    """What do() gives, done by another user."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            try:
                os.setgroups(groups)
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
                os.write(theirs, json.dumps(do()).encode())
                status = 0
            except BaseException:
                traceback.print_exc()
        os._exit(status)
    os.close(theirs)
    with os.fdopen(ours, "rb") as f:
        said = f.read()
    equal(os.waitpid(child, 0)[1], 0, "the other user's end")
    return json.loads(said)


def opened(d):
    """Everybody can connect: what is left is what the kernel says of the peer."""
    if os.getuid() != 0:
        raise Skipped("to be another user takes root")
    os.chmod(d, 0o755)
    os.chmod(d + "/control", 0o666)


def asks(d):
    """The status and code of each kind of request."""
    def do():
        c, out = Control(d), []
        for method, body in (("GET", None), ("PATCH", '{"exitCode":1}'), ("PUT", json.dumps({"path": d + "/a"})),
                             ("DELETE", '{"x":1}')):
            c.http.request(method, "/cells/a", body)
            reply = c.http.getresponse()
            out.append([reply.status, json.loads(reply.read()).get("code", "")])
        return out
    return do


READS = [[200, ""]] + [[403, "not_a_writer"]] * 3
WRITES = [[200, ""], [200, ""], [200, ""], [400, "bad_request"]]
NEITHER = [[403, "not_a_reader"]] * 4


def test_by_default_root_and_chtd_write_and_others_read(d):
    with hub(d) as (_, c):
        opened(d)
        c.put("a", {"path": d + "/a"})
        equal(as_user(STRANGER, STRANGER, [], asks(d)), READS, "a stranger")
        equal(asks(d)(), WRITES, "root")
    equal([short(e) for e in of_cell(d, "a")], ["run.opened", "run.stated"], "what was stored")


def test_lists_name_users_and_groups(d):
    with open(d + "/conf", "w", encoding="utf-8") as f:
        f.write(f"[control]\nwriters = {STRANGER}, @{GROUP}\nreaders = nobody, @{OTHER_GROUP}\n")
    with hub(d, "--config", d + "/conf") as (_, c):
        opened(d)
        c.put("a", {"path": d + "/a"})
        rows = [
            ("a user that writes", STRANGER, 1, [], WRITES),
            ("his first group", MEMBER, GROUP, [], WRITES),
            ("one of his other groups", MEMBER, 1, [5, GROUP, 6], WRITES),
            ("of more groups than fit", MEMBER, 1, [*range(70000, 70300), GROUP], NEITHER),
            ("a name that reads", NOBODY, 1, [], READS),
            ("a group that reads", MEMBER, OTHER_GROUP, [], READS),
            ("a user's number is no group", GROUP, STRANGER, [OTHER_GROUP + 1], NEITHER),
            ("whoever else", MEMBER, 1, [], NEITHER),
        ]
        for what, uid, gid, groups, want in rows:
            equal(as_user(uid, gid, groups, asks(d)), want, what)
        equal(asks(d)(), WRITES, "root always")
        stated = [e["data"]["by"] for e in of_cell(d, "a") if short(e) == "run.stated"]
        equal([(by["uid"], by["gid"]) for by in stated],
              [(STRANGER, 1), (MEMBER, GROUP), (MEMBER, 1), (0, os.getgid())], "who stated what")

        def everything():
            c, out = Control(d), []
            for target in ("/healthz", "/readyz", "/metrics", "/version", "/cells", "/nowhere"):
                c.http.request("GET", target)
                reply = c.http.getresponse()
                reply.read()
                out.append(reply.status)
            return out
        equal(as_user(MEMBER, 1, [], everything), [403] * 6, "nothing is said to whoever else")


def test_a_list_that_means_nobody_here_is_an_error(d):
    for i, (text, words) in enumerate((("writers = no-such-user-9", 'no user "no-such-user-9"'),
                                       ("readers = root, @no-such-group-9", 'no group "no-such-group-9"'),
                                       ("writers = root,,kvm", "expected users and @groups"),
                                       ("writers = root,", "expected users and @groups"),
                                       ("readers = a b", "expected users and @groups"),
                                       ("writers = " + ",".join(str(n) for n in range(33)), "at most 32"))):
        with open(d + "/conf", "w", encoding="utf-8") as f:
            f.write(f"[control]\n{text}\n")
        with Daemon(f"{d}/s{i}", "--control", d + "/control", "--config", d + "/conf", wait=False) as daemon:
            daemon.wait(78)
            check(words in daemon.stderr(), f"{words} in {daemon.stderr()}")


if __name__ == "__main__":
    main(globals())
