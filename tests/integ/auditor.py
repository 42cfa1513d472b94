#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""auditor - the example, built as a user of libcht-verify builds it (installed headers, cht-verify.pc,
shared, static, and static beside libcht), and run on what the real programs wrote.

usage: auditor.py BUILD-DIRECTORY CC...      environment: CHT_SOURCE_ROOT, CHT_BIN
"""

import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402

ROOT = os.environ["CHT_SOURCE_ROOT"]
BOTH = """#include <cht/verify.h>
#include <cht/wire.h>
int main(void)
{
	struct cht_trust *trust;

	if (cht_trust_new(&trust, 0, 0, 0) < 0)
		return 1;
	cht_trust_free(trust);
	return cht_source_is_known((struct cht_str){ "process.spawned", 15 }) ? 0 : 1;
}
"""


def run(*args, **kw):
    return subprocess.run(args, capture_output=True, text=True, check=False, **kw)


def must(*args, **kw):
    got = run(*args, **kw)
    if got.returncode != 0:
        sys.exit(f"auditor: {args}\n{got.stdout}{got.stderr}")
    return got.stdout


def equal(got, want, what):
    if got != want:
        sys.exit(f"auditor: {what}: {got!r}, not {want!r}")


def build(build_dir, compiler, work):
    must("meson", "install", "-C", build_dir, "--no-rebuild", "--quiet", env={**os.environ, "DESTDIR": f"{work}/root"})
    pc = next(pathlib.Path(work, "root").rglob("cht-verify.pc"))
    prefix = next(x for x in pc.read_text().splitlines() if x.startswith("prefix="))[7:]

    def flags(package, *what):
        return must("pkg-config", f"--define-variable=prefix={work}/root{prefix}", *what, package,
                    env={**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}).split()

    libdir = flags("cht-verify", "--variable=libdir")[0]
    strict = ["-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror"]
    source = f"{ROOT}/examples/audit.c"
    rest = [x for x in flags("cht-verify", "--libs-only-l", "--static") if x not in ("-lcht-verify", "-lcht")]
    must(*compiler, *strict, "-o", f"{work}/shared", source, *flags("cht-verify", "--cflags", "--libs"))
    must(*compiler, *strict, "-pthread", "-o", f"{work}/static", source, *flags("cht-verify", "--cflags"),
         f"{libdir}/libcht-verify.a", *rest)
    pathlib.Path(work, "both.c").write_text(BOTH)
    rest += [x for x in flags("cht", "--libs-only-l", "--static") if x not in ("-lcht-verify", "-lcht")]
    must(*compiler, *strict, "-pthread", "-o", f"{work}/both", f"{work}/both.c", *flags("cht", "--cflags"),
         f"{libdir}/libcht-verify.a", f"{libdir}/libcht.a", *rest)
    must(f"{work}/both")
    return libdir


def main():
    cht = os.path.join(os.environ["CHT_BIN"], "cht")
    with tempfile.TemporaryDirectory() as work:
        env = {**os.environ, "LD_LIBRARY_PATH": build(sys.argv[1], sys.argv[2:], work)}
        state = f"{work}/s"
        with rig.Daemon(state, "--seal", "--cell", f"vm={work}/v,run=run-1") as daemon:
            must(cht, "send", f"unix:{work}/v_9001", "-n", "50", "--seq", "--hello")
            daemon.stop()
        vkey = pathlib.Path(state, "ledger/vkey").read_text().strip()
        must(cht, "export", "--run", "run-1", state, f"{work}/bundle")
        must(cht, "export", "--tiles", state, f"{work}/tiles")
        must(cht, "prove", state, "7", "-o", f"{work}/7.tlog-proof")
        for index in (7, 8):
            with open(f"{work}/{index}.entry", "wb") as f:
                f.write(list(rig.entries(state))[index])
        for how in ("shared", "static"):
            audit = f"{work}/{how}"
            for path in (state, f"{state}/ledger", f"{work}/bundle", f"{work}/tiles"):
                got = run(audit, vkey, path, env=env)
                equal((got.returncode, got.stderr), (0, ""), f"{how} {path} {got.stdout}")
            got = run(audit, vkey, f"{work}/7.tlog-proof", f"{work}/7.entry", env=env)
            equal((got.returncode, got.stdout.split()[:2]), (0, ["entry", "7"]), "a proof")
            equal(run(audit, vkey, f"{work}/7.tlog-proof", f"{work}/8.entry", env=env).returncode, 11, "another entry")
            other = must(cht, "ledger", "init", f"{work}/other-{how}").split()
            other = next(x for x in other if "+" in x)
            equal(run(audit, other, f"{work}/7.tlog-proof", f"{work}/7.entry", env=env).returncode, 11, "another log")
            equal(run(audit, other, state, env=env).returncode, 12, "a key of another log")
            equal(run(audit, "no key", state, env=env).returncode, 1, "no key")
        segment = pathlib.Path(state, "ledger/entries/00000000000000000000")
        raw = bytearray(segment.read_bytes())
        raw[raw.index(b"process_spawned")] ^= 1
        segment.write_bytes(raw)
        got = run(f"{work}/shared", vkey, state, env=env)
        equal(got.returncode, 11, got.stdout)
        if "changed at entry" not in got.stdout:
            sys.exit(f"auditor: the fault is not named: {got.stdout}")


if __name__ == "__main__":
    main()
