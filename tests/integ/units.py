# SPDX-License-Identifier: Apache-2.0
"""What is installed for systemd: units that it takes without a word, users, directories, and how far it finds
each service exposed."""

import glob
import os
import re
import shutil
import stat
import subprocess
import sys

from rig import check, equal, main, skip, text_of

BUILD = sys.argv.pop(1)
MOST = {"chtd.service": 1.0, "cht-scribe.service": 1.0, "cht-opener.service": 4.5}


def run(*args, **kw):
    return subprocess.run(args, capture_output=True, text=True, check=False, **kw)


def installed(d):
    r = run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", env={**os.environ, "DESTDIR": d + "/tree"})
    equal(r.returncode, 0, f"status of meson install, which says {r.stderr}")
    found = glob.glob(d + "/tree/**/systemd/system", recursive=True)
    equal(len(found), 1, "places of units")
    return d + "/tree", found[0]


def needs(program):
    if shutil.which(program) is None:
        skip(f"{program} is not here (package systemd)")


def test_services_are_closed(d):
    needs("systemd-analyze")
    _, units = installed(d)
    for path in sorted(glob.glob(units + "/*.service")):
        r = run("systemd-analyze", "security", "--offline=true", "--no-pager", path)
        said = re.search(r"Overall exposure level for (\S+): ([0-9.]+)", r.stdout)
        check(said, f"{path}: {r.stderr}")
        name, score = said[1], float(said[2])
        check(score <= MOST[name], f"{name} is exposed {score}, more than {MOST[name]}: {r.stdout}")
        print(f"{name}: {score}")


def test_systemd_has_nothing_to_say(d):
    needs("systemd-analyze")
    root, units = installed(d)
    names = [os.path.basename(p) for p in glob.glob(units + "/*")]
    equal(sorted(names), ["cht-opener.service", "cht-opener.socket", "cht-scribe.service", "cht-scribe.socket",
                          "chtd.service"], "units")
    for name in names:
        text = text_of(f"{units}/{name}")
        # In place, with a path that there is from here.
        for line in re.findall(r"^Exec[A-Za-z]+=(\S+)", text, re.M):
            if not os.access(line, os.X_OK):
                check(os.access(root + line, os.X_OK), f"{name}: {line} is not installed")
                text = re.sub(rf"^(Exec[A-Za-z]+=){line}\b", rf"\1{root}{line}", text, flags=re.M)
        with open(f"{units}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
    r = run("systemd-analyze", "verify", "--man=no", *[f"{units}/{n}" for n in names])
    equal((r.returncode, r.stdout + r.stderr), (0, ""), "what systemd-analyze verify says")


def options_of(line, program):
    """The options after a program's name, each with its value."""
    words = line.split(program, 1)[1].split()
    return {w: v for w, v in zip(words, words[1:] + [""]) if w.startswith("--")}


def test_a_reload_judges_by_the_options_of_the_start(d):
    _, units = installed(d)
    text = text_of(units + "/chtd.service").replace("\\\n", " ")
    start = options_of(re.search(r"^ExecStart=(.*)", text, re.M)[1], "/chtd ")
    reload = options_of(re.search(r"^ExecReload=(.*config check.*)", text, re.M)[1], "/cht ")
    file = start.pop("--config")
    start.pop("--fd-store")
    equal(reload, start, "options of the check before a reload")
    check(f"config check {file} " in text, "the file that it judges")


def test_each_capability_and_each_hole_has_its_reason(d):
    _, units = installed(d)
    for path in glob.glob(units + "/*.service"):
        lines = text_of(path).split("\n")
        for i, line in enumerate(lines):
            if re.match(r"(CapabilityBoundingSet|AmbientCapabilities)=.", line) or \
               re.match(r"SystemCallFilter=[a-z]", line):
                check(lines[i - 1].startswith("#"), f"{os.path.basename(path)}: {line}: no reason stands above it")


def test_who_may_ask_reaches_no_socket_between_services(d):
    _, units = installed(d)
    for path in sorted(glob.glob(units + "/*.socket")):
        found = dict(re.findall(r"^Socket(User|Group|Mode)=(.+)$", text_of(path), re.M))
        equal(found, {"User": "cht", "Mode": "0600"}, os.path.basename(path))


def test_users_and_directories_are_made(d):
    needs("systemd-sysusers")
    if os.geteuid() != 0:
        skip("users of another root need root")
    root, units = installed(d)
    os.makedirs(root + "/etc", exist_ok=True)
    lib = units.removesuffix("/systemd/system")
    r = run("systemd-sysusers", f"--root={root}", lib + "/sysusers.d/cht.conf")
    equal(r.returncode, 0, f"status of systemd-sysusers, which says {r.stderr}")
    users = {line.split(":")[0]: int(line.split(":")[2]) for line in text_of(root + "/etc/passwd").splitlines()}
    r = run("systemd-tmpfiles", "--create", f"--root={root}", lib + "/tmpfiles.d/cht.conf")
    equal(r.returncode, 0, f"status of systemd-tmpfiles, which says {r.stderr}")
    for path, owner, mode in (("var/lib/cht", "cht-scribe", 0o751), ("var/lib/cht/line", "cht", 0o700)):
        st = os.stat(f"{root}/{path}")
        equal((st.st_uid, stat.S_IMODE(st.st_mode)), (users[owner], mode), path)
    # Every user that a unit names is made.
    for path in glob.glob(units + "/*"):
        for name in re.findall(r"^User=(.+)", text_of(path), re.M):
            check(name in users or name == "root", f"{path}: user {name} is not made")


if __name__ == "__main__":
    main(globals())
