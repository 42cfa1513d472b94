#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Firecracker's metrics, from a stand-in that writes them by Firecracker's rules, by libcht and by chtd:
whatever happens to a line, the totals are right or the loss is told."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess

from control import hub
from firecracker import Api, Firecracker
from rig import LIMIT_S, Daemon, check, cht, conf_of, equal, events, main, wait_for

READER = os.environ["CHT_READ_FC"]
HALF = b'{"utc_timestamp_ms":1,"vsock":{"tx_by'


class Probe:
    """The program of libcht's user."""

    def __init__(self, **options):
        self.proc = subprocess.Popen([READER, *(f"{k}={v}" for k, v in options.items())], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)

    def read(self):
        """All readings there are."""
        self.proc.stdin.write(b"\n")
        self.proc.stdin.flush()
        got = []
        while (line := self.proc.stdout.readline().strip()):
            got.append(json.loads(line))
        return got

    def one(self):
        got = self.read()
        equal(len(got), 1, f"readings, {[(r['error'], r['text']) for r in got]}: how many")
        return got[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.stdin.close()
        self.proc.wait(timeout=LIMIT_S)
        self.proc.stdout.close()


def counted(reading, truth):
    totals = reading["output"]["totals"]
    return {k: totals.get(k, 0) for k in truth}


def all_there(reading, truth):
    equal(counted(reading, truth), truth, "totals")
    check("lost" not in reading["output"], f"a loss is told: {reading['output'].get('lost')}")


def errors(readings):
    return [r["error"] for r in readings]


def test_every_line_is_read_and_summed(d):
    with Probe(fifo=d + "/m") as probe:
        equal(probe.read(), [], "before there is a VMM")
        with Firecracker(d + "/m") as vmm:
            boot = probe.one()
            equal((boot["error"], boot["output"]["totals"]), ("", {}), "the line at boot")
            equal(boot["inputs"], {"endpoint": f"fifo://{d}/m", "kind": "firecracker.metrics"}, "inputs")
            equal(boot["output"]["fifoBytes"], 131072, "what the FIFO holds")
            for i in range(5):
                vmm.add(vsock__tx_bytes_count=100 + i, vcpu__exit_io_in=i, uart__write_count=7)
                vmm.tick()
                r = probe.one()
                all_there(r, vmm.truth)
                equal(r["says"], "runs", "what it says")
            vmm.tick()
            equal(probe.one()["says"], "still", "what it says of nothing")
            equal(vmm.end(), 0, "how it ended")
            got = probe.read()
            equal([(r["error"], r["says"]) for r in got], [("", "still"), ("gone", "gone")], "its last line, and its end")
            all_there(got[1], vmm.truth)
            equal(probe.read(), [], "and no more of it")


def test_a_full_pipe_costs_one_line_and_that_is_told(d):
    os.mkfifo(d + "/m")
    with Firecracker(d + "/m") as vmm:
        written = 1
        while vmm.tick():
            vmm.add(vsock__tx_bytes_count=1000)
            written += 1
        check(8 < written < 14, f"{written} lines fit")
        vmm.add(uart__write_count=5)
        for _ in range(3):
            equal(vmm.tick(), False, "a full pipe takes it")
        with Probe(fifo=d + "/m") as probe:  # late
            got = probe.read()
            equal(errors(got), [""] * written, "readings of what was there")
            vmm.add(vsock__tx_bytes_count=50)
            equal(vmm.tick(), True, "there is room again")
            glued = probe.one()
            equal(glued["error"], "malformed", "the cut line and the one glued to it")
            equal(glued["output"]["lost"], {"malformedLines": 1}, "and told as a loss")
            seen = glued["output"]["totals"]["vsock.tx_bytes_count"]
            check(seen < vmm.truth["vsock.tx_bytes_count"], "nothing was lost: the stand-in is not one")
            vmm.add(vsock__tx_bytes_count=7, vcpu__failures=2)
            vmm.tick()
            r = probe.one()
            equal(r["error"], "", "the next line")
            equal(r["output"]["totals"]["vsock.tx_bytes_count"], seen + 7, "no more is lost")
            equal(r["output"]["totals"]["vcpu.failures"], 2, "nor of others")
            equal(r["output"]["lost"], {"malformedLines": 1}, "it stays told")


def test_what_the_vmm_could_not_write_it_counts_itself(d):
    os.mkfifo(d + "/m")
    with Firecracker(d + "/m") as vmm, Probe(fifo=d + "/m") as probe:
        while vmm.tick():
            pass
        for _ in range(4):
            vmm.tick()
        probe.read()
        vmm.tick()  # with what was cut
        probe.read()
        vmm.tick()
        totals = probe.one()["output"]["totals"]
        # Told in the line that was lost with the cut one, or in the next.
        check(totals.get("logger.missed_metrics_count", 0) <= 5, f"it counts more than it missed: {totals}")


def test_a_late_reader_has_all_that_is_there(d):
    os.mkfifo(d + "/m")
    with Firecracker(d + "/m") as vmm:
        for i in range(6):
            vmm.add(net__tx_bytes_count=i)
            vmm.tick()
        with Probe(fifo=d + "/m") as probe:
            got = probe.read()
            equal(errors(got), [""] * 7, "readings")
            all_there(got[-1], vmm.truth)
            equal([r["says"] for r in got][0], "nothing", "what the first says")


def test_totals_go_on_over_a_restart(d):
    truth = {}
    with Probe(fifo=d + "/m", api=d + "/api") as probe:
        for i in range(3):
            with Firecracker(d + "/m", d + "/api", truth=truth) as vmm:
                probe.read()
                vmm.add(vsock__tx_bytes_count=10 + i, block__read_bytes=512)
                vmm.tick()
                r = probe.one()
                all_there(r, truth)
                vmm.signal(signal.SIGTERM)
            os.unlink(d + "/api")
            gone = probe.one()
            equal((gone["error"], gone["says"]), ("gone", "gone"), "its end")
            equal(probe.read(), [], "and no more of it")


def test_a_vmm_killed_in_the_middle_of_a_line(d):
    with Probe(fifo=d + "/m") as probe:
        with Firecracker(d + "/m") as vmm:
            vmm.add(vsock__tx_bytes_count=9)
            vmm.tick()
            vmm.tell(half=True)
            vmm.signal(signal.SIGKILL)
            got = probe.read()
            equal(errors(got), ["", "", "malformed", "gone"], "readings")
            cut = got[2]["output"]
            equal((cut["bytes"], cut["sha256"]), (len(HALF), hashlib.sha256(HALF).hexdigest()), "what there was of it")
            equal(cut["lost"], {"malformedLines": 1}, "what is told")
            equal(counted(got[-1], vmm.truth), vmm.truth, "totals")


def test_a_restart_before_the_reader_looks_is_a_loss_that_is_told(d):
    truth = {}
    with Probe(fifo=d + "/m") as probe:
        with Firecracker(d + "/m", truth=truth) as vmm:
            vmm.add(vsock__tx_bytes_count=9)
            vmm.tell(half=True)
            vmm.signal(signal.SIGKILL)
        with Firecracker(d + "/m", truth=truth) as vmm:
            vmm.add(vsock__tx_bytes_count=5)
            vmm.tick()
            got = probe.read()
            equal(errors(got), ["", "malformed", ""], "readings")
            equal(got[-1]["output"]["lost"], {"malformedLines": 1}, "what is told")
            equal(got[-1]["output"]["totals"]["vsock.tx_bytes_count"], 5, "of the second")


def test_of_two_readers_the_loss_is_told(d):
    with Probe(fifo=d + "/m", api=d + "/api", flush="yes") as probe, Firecracker(d + "/m", d + "/api") as vmm:
        probe.read()
        other = os.open(d + "/m", os.O_RDONLY | os.O_NONBLOCK)
        vmm.add(vsock__tx_bytes_count=100)
        # Half of a line.
        vmm.tick()
        os.read(other, 3000)
        got = probe.read()
        equal(errors(got), ["malformed", ""], "half of a line, and the one that was asked for")
        check(got[-1]["output"]["lost"]["malformedLines"] == 1, "not told")
        # A whole one, which the VMM says that it wrote.
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as s:
            s.connect(d + "/api")
            s.send(b'PUT /actions HTTP/1.1\r\nContent-Length: 30\r\n\r\n{"action_type":"FlushMetrics"}')
            check(s.recv(100).startswith(b"HTTP/1.1 204"), "it is flushed")
        check(os.read(other, 65536).endswith(b"}\n"), "a whole line")
        r = probe.read()
        equal(errors(r), [""], "the next")
        os.close(other)


def test_a_line_that_was_asked_for_and_went_elsewhere_is_told(d):
    with Probe(fifo=d + "/m", api=d + "/none", flush="yes") as probe:
        equal(probe.read(), [], "without a VMM nothing is asked")
    with Firecracker(d + "/other", d + "/api"), Probe(fifo=d + "/m", api=d + "/api", flush="yes") as probe:
        r = probe.one()
        equal(r["error"], "no_source", r["text"])
        r = probe.one()
        equal(r["output"]["lost"], {"flushesUnseen": 2}, "what is told")


def test_minutes_that_another_reader_has_are_told(d):
    with Probe(fifo=d + "/m") as probe, Firecracker(d + "/m", ms=1_000_000) as vmm:
        probe.read()
        other = os.open(d + "/m", os.O_RDONLY | os.O_NONBLOCK)
        vmm.tick(ms=1_060_000)
        check(len(os.read(other, 65536)) > 4000, "a whole line")
        vmm.tick(ms=1_120_000)
        equal(probe.one()["output"]["lost"], {"minutesMissed": 1}, "what is told")
        vmm.tick(ms=1_400_000, resume=55)
        equal(probe.one()["output"]["lost"], {"minutesMissed": 1}, "a pause is none")
        os.close(other)


def test_what_ends_a_vmm_is_in_its_last_line(d):
    for number, name in ((signal.SIGSEGV, "sigsegv"), (signal.SIGBUS, "sigbus"), (signal.SIGHUP, "sighup")):
        with Probe(fifo=d + "/m") as probe, Firecracker(d + "/m") as vmm:
            probe.read()
            vmm.add(vsock__tx_bytes_count=3)
            vmm.signal(number)
            got = probe.read()
            equal(errors(got), ["", "gone"], "its last line, and its end")
            equal(got[0]["output"]["fatal"], ["signals." + name], "why")
            all_there(got[1], vmm.truth)


def test_a_file_is_followed_over_restarts(d):
    truth = {}
    with Probe(file=d + "/m") as probe:
        equal(errors(probe.read()), ["not_found"], "before there is one")
        with Firecracker(d + "/m", ms=1_000_000, truth=truth) as vmm:
            for i in range(4):
                vmm.add(vsock__tx_bytes_count=100 + i)
                vmm.tick(ms=1_000_100 + i)
            got = probe.read()
            check(got, "nothing was read")
            all_there(got[-1], truth)
            equal(errors(probe.read()), [], "no more")
            vmm.signal(signal.SIGTERM)
        # It is not emptied: the first lines are written over, the older ones stand behind them.
        with Firecracker(d + "/m", ms=2_000_000, truth=truth) as vmm:
            equal(errors(probe.read()), [""], "its line at boot")
            for i in range(9):
                vmm.add(vsock__tx_bytes_count=1000 + i, uart__write_count=i)
                vmm.tick(ms=2_000_100 + i)
                r = probe.one()
                all_there(r, truth)
            equal(probe.read(), [], "no more")


def test_what_was_booted_is_told_once(d):
    with Probe(fifo=d + "/m", api=d + "/api", endpoint="metrics of ci-7") as probe:
        with Firecracker(d + "/m", d + "/api") as vmm:
            r = probe.one()
            config = json.dumps(Api.CONFIG, separators=(",", ":")).encode()
            equal(r["output"]["vmm"], {"configSha256": hashlib.sha256(config).hexdigest(), "id": "stand-in",
                                       "state": "Running", "version": "1.16.1"}, "what it is")
            equal(r["inputs"]["endpoint"], "metrics of ci-7", "the endpoint")
            vmm.tick()
            check("vmm" not in probe.one()["output"], "told again")
            equal(vmm.tell(seen=True)["requests"], ["GET /", "GET /vm/config"], "what it was asked: nothing was flushed")


def test_flushed_before_each_reading(d):
    with Probe(fifo=d + "/m", api=d + "/api", flush="yes") as probe, Firecracker(d + "/m", d + "/api") as vmm:
        equal(errors(probe.read()), ["", ""], "the line at boot, and one more")
        for i in range(4):
            vmm.add(vsock__tx_bytes_count=i)
            all_there(probe.one(), vmm.truth)
        puts = [r for r in vmm.tell(seen=True)["requests"] if r.startswith("PUT")]
        equal(puts, ["PUT /actions"] * 5, "one for each")


def test_a_file_where_a_fifo_should_be_is_said(d):
    with Firecracker(d + "/m"), Probe(fifo=d + "/m") as probe:  # from 1.14 on it makes one
        r = probe.one()
        equal((r["error"], r["text"]), ("no_source", d + "/m: is no FIFO"), "what it says")


def test_a_vmm_that_is_not_booted_or_stalls_says_so(d):
    os.mkfifo(d + "/m")
    with Firecracker(d + "/m", d + "/api") as vmm, Probe(fifo=d + "/m", api=d + "/api", flush="yes") as probe:
        probe.read()
        vmm.tell(api={"state": "Not started"})
        r = probe.one()
        equal(r["error"], "refused", r["text"])
        check("not supported before starting" in r["text"], r["text"])
        vmm.tell(api={"is_stalled": True})
        r = probe.one()
        equal(r["error"], "no_answer", r["text"])


def lines_of(d, cell="a"):
    return [e["data"] for e in events(d + "/s") if e["type"].endswith(".host.v1.fc_metrics")
            and e["data"]["cellId"] == cell]


def with_flush(d, flush="yes"):
    return conf_of(d, f"[opener]\napi = {d}\nflush = {flush}\n")


def cell_of(d, **more):
    return {"path": d + "/a", "probes": {"fc_metrics": {"endpoint": "fc of a", "fifo": d + "/m", **more}}}


def test_chtd_reads_them_as_they_come(d):
    with hub(d) as (daemon, control):
        control.put("a", cell_of(d, intervalMs=86400000))
        wait_for("the FIFO", lambda: os.path.exists(d + "/m"))
        with Firecracker(d + "/m") as vmm:
            for i in range(12):
                vmm.add(vsock__tx_bytes_count=10 + i)
                vmm.tick()
            got = wait_for("13 readings", lambda: len(lines_of(d)) >= 13 and lines_of(d))
            equal({k: got[-1]["output"]["totals"][k] for k in vmm.truth}, vmm.truth, "totals")
            equal({r["inputs"]["endpoint"] for r in got}, {"fc of a"}, "the endpoint")
            equal(got[-1]["output"]["fifoBytes"], 131072, "what the FIFO holds")
            equal(vmm.end(), 0, "how it ended")
        got = wait_for("its end", lambda: lines_of(d)[-1].get("sampleError") == "gone" and lines_of(d))
        equal(len(got), 15, "readings: boot, twelve, its last, its end")
        with Firecracker(d + "/m"):  # heard again in its time: at a pause
            control.ask("PATCH", "/cells/a", {"state": "paused"}, 200)
            wait_for("a line of the next", lambda: len(lines_of(d)) == 16)
        control.delete("a")
        wait_for("no FIFO", lambda: not os.path.exists(d + "/m"))
        daemon.stop()


def test_a_vmm_goes_on_over_restarts_of_chtd(d):
    probes = json.dumps({"fc_metrics": {"endpoint": "fc of a", "fifo": d + "/m"}}, separators=(",", ":"))
    conf = conf_of(d, f"[cell a]\npath = {d}/a\nprobes = {probes}\n")
    with contextlib.ExitStack() as stack:
        for n, stop in enumerate((lambda x: x.stop(), lambda x: x.proc.kill(), lambda x: x.stop())):
            with Daemon(d + "/s", "--config", conf) as daemon:
                wait_for("the FIFO", lambda: os.path.exists(d + "/m"))
                if n == 0:
                    vmm = stack.enter_context(Firecracker(d + "/m"))
                vmm.add(vsock__tx_bytes_count=100 + n)
                vmm.tick()
                got = wait_for("its line", lambda n=n: len(lines_of(d)) == n + 2 and lines_of(d))
                # What an earlier process summed is in its readings.
                equal(got[-1]["output"]["metrics"]["vsock"]["tx_bytes_count"], 100 + n, "what was added")
                equal([r.get("sampleError") for r in got], [None] * len(got), "errors")
                stop(daemon)
                daemon.proc.wait(timeout=LIMIT_S)
            wait_for("the opener's end", lambda: not os.path.exists(d + "/a"))
            vmm.add(net__tx_bytes_count=1)


def test_chtd_follows_a_file(d):
    with hub(d, "--config", conf_of(d, f"[opener]\nread = {d}\n")) as (daemon, control):
        with Firecracker(d + "/m") as vmm:
            control.put("a", {"path": d + "/a", "probes": {"fc_metrics": {"file": d + "/m", "intervalMs": 100}}})
            for i in range(4):
                vmm.add(vsock__tx_bytes_count=10 + i)
                vmm.tick()
                got = wait_for("its line", lambda n=i: len(lines_of(d)) == n + 2 and lines_of(d))
                equal({k: got[-1]["output"]["totals"].get(k) for k in vmm.truth}, vmm.truth, "totals")
            equal(got[-1]["inputs"]["endpoint"], f"file://{d}/m", "the endpoint")
            # docs/EVENTS.md: how it is repeated from its inputs.
            path = got[-1]["inputs"]["endpoint"].removeprefix("file://")
            again = json.loads(cht("probe", "once", "--fc", path, "-o", "json").stdout)
            for key in ("metrics", "lineSha256", "totals"):
                equal(again["output"][key], got[-1]["output"][key], key + ", read again")
        control.delete("a")
        daemon.stop()


def test_chtd_asks_through_the_opener_alone(d):
    os.mkfifo(d + "/m")
    with hub(d, "--config", with_flush(d)) as (daemon, control):
        with Firecracker(d + "/m", d + "/api") as vmm:
            control.put("a", cell_of(d, apiSocket=d + "/api", flush=True, intervalMs=100))
            got = wait_for("6 readings", lambda: len(lines_of(d)) >= 6 and lines_of(d))
            equal([r["output"].get("vmm", {}).get("state") for r in got][0], "Running", "what it is")
            equal([r.get("sampleError") for r in got], [None] * len(got), "errors")
            seen = vmm.tell(seen=True)
            check(seen["requests"].count("PUT /actions") >= 5, f"too few: {seen['requests']}")
            check(daemon.proc.pid not in seen["peers"], "the line itself is connected to it")
            control.delete("a")
        daemon.stop()


def test_chtd_flushes_nothing_unless_it_may(d):
    os.mkfifo(d + "/m")
    with hub(d, "--config", with_flush(d, "no")) as (daemon, control):
        with Firecracker(d + "/m", d + "/api") as vmm:
            control.put("a", cell_of(d, apiSocket=d + "/api", flush=True, intervalMs=100))
            got = wait_for("a reading that says so",
                           lambda: [r for r in lines_of(d) if r.get("sampleError") == "forbidden"])
            equal(got[0]["output"]["totals"].get("put_api_requests.actions_count", 0), 0, "flushes")
            check(not any(r.startswith("PUT") for r in vmm.tell(seen=True)["requests"]), "it was flushed")
        control.delete("a")
        daemon.stop()


def test_a_vmm_that_stalls_holds_up_no_other_cell(d):
    os.mkfifo(d + "/m")
    os.mkfifo(d + "/n")
    with hub(d, "--config", with_flush(d)) as (daemon, control):
        with Firecracker(d + "/m", d + "/api") as slow, Firecracker(d + "/n", d + "/api2"):
            slow.tell(api={"is_stalled": True})
            control.put("a", cell_of(d, apiSocket=d + "/api", flush=True, intervalMs=100))
            control.put("b", {"path": d + "/b", "probes": {"fc_metrics": {
                "endpoint": "b", "fifo": d + "/n", "apiSocket": d + "/api2", "flush": True, "intervalMs": 100}}})
            wait_for("20 of the other", lambda: len(lines_of(d, "b")) >= 20)
            got = wait_for("one that says so", lambda: [r for r in lines_of(d) if r.get("sampleError") == "no_answer"])
            check("Connection timed out" in got[0]["sampleErrorText"], got[0]["sampleErrorText"])
        control.delete("a")
        control.delete("b")
        daemon.stop()


if __name__ == "__main__":
    main(globals())
