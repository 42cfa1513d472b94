#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""host.nftables on the kernel's own tables, in network namespaces made here, with traffic through them: what is read
equals what nft lists."""

import json

from net_rig import TABLE, Reader, Space, make_pair, need_nft, read_rows, rows_of, run, send
from rig import check, equal, main

REPRS = ['meta(oifname => reg 1) cmp(reg 1 == "va") meta(nfproto => reg 1) cmp(reg 1 == 0x02) '
         'payload(network offset 16 len 4 => reg 1) cmp(reg 1 == 0x0a090002) meta(l4proto => reg 1) '
         'cmp(reg 1 == 0x11) payload(transport offset 2 len 2 => reg 1) cmp(reg 1 == 0x0009) counter accept',
         'meta(oifname => reg 1) cmp(reg 1 == "ta*") counter jump "mine"',
         None]  # the state is in the machine's order


def test_rules_read_as_nft_lists_them(_):
    need_nft()
    with Space() as s:
        make_pair(s)
        s.nft(*TABLE)
        with Reader("nftables", family="inet", table="t", netns=s.name) as r:
            first = r.good()
            equal(first["inputs"], {"command": f"ip netns exec {s.name} nft -j list table inet t", "family": "inet",
                                    "netns": s.name, "table": "t"}, "inputs")
            equal(read_rows(first), rows_of(s.rules("inet", "t")), "rows")
            for row, want in zip(first["output"]["rows"], REPRS):
                if want is not None:
                    equal(row["ruleRepr"], want, "ruleRepr")
            send(s, 6)
            after = r.good()
            equal(read_rows(after), rows_of(s.rules("inet", "t")), "rows with traffic")
            equal(after["output"]["rows"][0]["packets"], 6, "packets of the first rule")
            equal((after["packets_out"], after["bytes_out"]), (6, 6 * 128), "in all")
            equal((after["output"]["rowsReset"], after["output"]["rowsReplaced"]), (0, 0), "reset, replaced")
            # What its inputs say, run by somebody else, says the same.
            again = json.loads(run(*after["inputs"]["command"].split()))["nftables"]
            equal(read_rows(after), rows_of([o["rule"] for o in again if "rule" in o]), "repeated")


# NFT_MSG_GETRULE_RESET (Linux 6.2), for all rules of table t: Debian 12's nft does not know it.
RESET = """import socket, struct, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.send(struct.pack('=IHHIIBBHHH4s', 28, 0xa19, 0x301, 1, 0, 1, 0, 0, 6, 1, b't\\0\\0\\0'))
n = 1
while n:
    raw = s.recv(65536)
    type = struct.unpack_from('=IH', raw)[1]
    if type == 2:
        sys.exit(3)
    n = type != 3
"""


def test_a_reset_is_told_from_a_rule_replaced(_):
    need_nft()
    with Space() as s:
        make_pair(s)
        s.nft(*TABLE)
        with Reader("nftables", family="inet", table="t", netns=s.name) as r:
            send(s, 6)
            old = r.good()
            s.run("python3", "-c", RESET)
            reset = r.good()
            check(s.rules("inet", "t")[0]["expr"][-2] == {"counter": {"packets": 0, "bytes": 0}}, "it is reset")
            equal((reset["output"]["rowsReset"], reset["output"]["rowsReplaced"]), (1, 0), "after a reset")
            equal(reset["packets_out"], old["packets_out"], "in all")


def test_rules_replaced_and_tables_made_anew(_):
    need_nft()
    with Space() as s:
        make_pair(s)
        s.nft(*TABLE)
        with Reader("nftables", family="inet", table="t", netns=s.name) as r:
            send(s, 6)
            old = r.good()
            handle = old["output"]["rows"][0]["handle"]
            s.nft(f"replace rule inet t out handle {handle} udp dport 9 counter accept")
            one = r.good()
            equal((one["output"]["rowsReset"], one["output"]["rowsReplaced"]), (0, 1), "after a replacement")
            send(s, 2)
            equal(r.good()["packets_out"], 8, "in all")
            s.nft("delete table inet t", *TABLE[:7])
            new = r.good()
            equal((new["output"]["rowsReset"], new["output"]["rowsReplaced"]), (0, 3), "another table")
            check(new["output"]["tableHandle"] != old["output"]["tableHandle"], "its handle")
            equal(read_rows(new), rows_of(s.rules("inet", "t")), "rows")


def test_in_ones_own_namespace_the_command_is_nft_alone(_):
    need_nft()
    with Space() as s:
        s.nft(*TABLE)
        with Reader("nftables", prefix=("ip", "netns", "exec", s.name), family="inet", table="t") as r:
            one = r.good()
            equal(one["inputs"], {"command": "nft -j list table inet t", "family": "inet", "table": "t"}, "inputs")
            equal(read_rows(one), rows_of(s.rules("inet", "t")), "rows")


def test_a_table_that_is_not_there_is_said(_):
    need_nft()
    with Space() as s, Reader("nftables", family="inet", table="t", netns=s.name) as r:
        one = r.read()
        equal((one["error"], one["text"], one["output"]),
              ("not_found", "table inet t: No such file or directory", None), "no table")
        s.nft(*TABLE[:2])
        equal(r.good()["output"]["rows"], [], "rows of an empty one")
        s.nft("delete table inet t")
        equal(r.read()["error"], "not_found", "no table any more")
        with Reader("nftables", family="ip6", table="t", netns=s.name) as other:
            s.nft(*TABLE[:2])
            equal(other.read()["error"], "not_found", "a table of another family")


def put_many(s, d, n):
    with open(d + "/rules", "w", encoding="utf-8") as f:
        f.write("table ip t {\n chain c {\n" +
                "".join(f'  ip saddr 10.0.{i // 250}.{i % 250} counter comment "{i}"\n' for i in range(n)) +
                " }\n}\n")
    s.run("nft", "-f", d + "/rules")


def test_more_rules_than_a_reading_takes_are_not_waited_for(d):
    need_nft()
    with Space() as s:
        put_many(s, d, 15000)
        with Reader("nftables", family="ip", table="t", netns=s.name) as r:
            for _ in range(2):
                one = r.read()
                equal((one["error"], one["output"]), ("too_large", None), "too many")
                check("more rules than a reading takes" in one["text"], one["text"])
            s.nft("flush table ip t", "add rule ip t c counter")
            equal(read_rows(r.good()), rows_of(s.rules("ip", "t")), "rows of those that are left")


def test_of_many_rules_as_many_rows_as_fit(d):
    need_nft()
    with Space() as s:
        n = 2000
        put_many(s, d, n)
        with Reader("nftables", family="ip", table="t", netns=s.name) as r:
            one = r.read()
            equal(one["error"], "too_large", "the error")
            rows = len(one["output"]["rows"])
            check(100 < rows < n, f"{rows} rows")
            equal(one["output"]["rowsOmitted"], n - rows, "rowsOmitted")
            check("rowsReset" not in one["output"] and not one["has_packets"], "so many are not compared")
            equal(read_rows(one), rows_of(s.rules("ip", "t"))[:rows], "rows")
            # One dump is over before the next one.
            equal(r.read()["output"], one["output"], "again")


if __name__ == "__main__":
    main(globals())
