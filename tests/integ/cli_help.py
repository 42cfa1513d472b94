#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What every command of cht must keep: help, exit statuses, suggestions, colour."""

import json
import os
import pty
import re
import unittest

from cli import CHT, cht


def commands():
    listed = cht("--help").stdout.decode().split("commands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


def on_terminal(args, env):
    """What cht writes to a terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(CHT, [CHT, *args], env)
    said = b""
    while True:
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        said += data
    os.waitpid(pid, 0)
    os.close(fd)
    return said


class Help(unittest.TestCase):
    def test_every_way_to_ask_for_help(self):
        overview = cht("--help")
        for args in (("-h",), ("help",), ("help", "--help")):
            self.assertEqual(cht(*args).stdout, overview.stdout)
        self.assertEqual((overview.returncode, overview.stderr), (0, b""))
        for command in commands():
            with self.subTest(command):
                said = cht(command, "--help")
                self.assertEqual((said.returncode, said.stderr), (0, b""))
                self.assertTrue(said.stdout.startswith(b"usage: cht " + command.encode()))
                self.assertIn(b"exit: 0", said.stdout)
                for args in ((command, "-h"), ("help", command)):
                    self.assertEqual(cht(*args).stdout, said.stdout)
                for line in said.stdout.decode().splitlines():
                    self.assertLessEqual(len(line), 90)

    def test_usage_errors_go_to_stderr_with_status_2(self):
        for args in ((), ("frobnicate",), ("help", "frobnicate"), ("help", "cat", "tail")):
            done = cht(*args)
            self.assertEqual((done.returncode, done.stdout), (2, b""))
            self.assertTrue(done.stderr)
        for command in commands():
            done = cht(command, "--no-such-option")
            self.assertEqual((done.returncode, done.stdout), (2, b""), command)
            self.assertIn(f"cht {command} --help".encode(), done.stderr)

    def test_a_slip_is_met_with_a_suggestion(self):
        self.assertIn(b"did you mean 'decode'?", cht("decdoe").stderr)
        self.assertIn(b"did you mean 'cat'?", cht("help", "cta").stderr)
        self.assertIn(b"did you mean --follow?", cht("cat", "--folow", "x").stderr)
        self.assertIn(b"did you mean --output?", cht("version", "--ouput=json").stderr)

    def test_version(self):
        for args in (("version",), ("--version",), ("-V",)):
            said = cht(*args).stdout.decode()
            self.assertRegex(said, r"^cht \d+\.\d+\.\d+\n")
            self.assertRegex(said, r"(?m)^wire +major 0 ")
            self.assertRegex(said, r"(?m)^crypto +Ed25519 by libsodium .*HMAC-SHA256 by OpenSSL")
        told = json.loads(cht("version", "-o", "json").stdout)
        self.assertEqual(told["wire"], {"major": 0, "maxFrameBytes": 65536, "port": 9001})
        self.assertEqual(set(told["crypto"]), {"libsodium", "openssl"})

    def test_colour_only_on_a_terminal_that_wants_it(self):
        args = ["decode", "--body", __file__]
        env = {"TERM": "xterm"}
        self.assertIn(b"\x1b[31m", on_terminal(args, env))
        for more in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            self.assertNotIn(b"\x1b", on_terminal(args, env | more))
        self.assertIn(b"\x1b[31m", on_terminal(args, env | {"NO_COLOR": ""}))
        self.assertNotIn(b"\x1b", cht(*args, env=env).stdout)

    def test_no_line_of_help_speaks_of_an_option_that_is_not_there(self):
        for command in commands():
            usage = cht(command, "--help").stdout.decode()
            for option in set(re.findall(r"(?m)^ +(?:-\w, )?--([a-z-]+)", usage)):
                with self.subTest(f"{command} --{option}"):
                    # Whatever else is wrong with it, it is known.
                    said = cht(command, f"--{option}").stderr
                    self.assertNotIn(b"unknown option", said)


if __name__ == "__main__":
    unittest.main()
