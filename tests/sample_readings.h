/* SPDX-License-Identifier: Apache-2.0
 *
 * sample_readings.h - inputs and output of a reading of each probe, as docs/EVENTS.md has them.
 */
#ifndef TESTS_SAMPLE_READINGS_H
#define TESTS_SAMPLE_READINGS_H

#define SAMPLE_FC_INPUTS                                                                           \
	"{\"endpoint\":\"unix:///srv/fc/api.sock/metrics\",\"kind\":\"firecracker.metrics\"}"
#define SAMPLE_FC_OUTPUT                                                                           \
	"{\"fatal\":[\"signals.sigbus\"],\"fifoBytes\":131072,"                                    \
	"\"lineSha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","     \
	"\"linesBefore\":3,\"lost\":{\"flushesUnseen\":1,\"malformedLines\":2,"                    \
	"\"minutesMissed\":1,\"tooLargeLines\":1,\"truncations\":1},"                              \
	"\"metrics\":{\"utc_timestamp_ms\":1762348800123,\"vcpu\":{\"exit_io_in\":7,"              \
	"\"mean\":1.5,\"none\":null}},\"totals\":{\"vcpu.exit_io_in\":7},"                         \
	"\"vmm\":{\"configSha256\":"                                                               \
	"\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","                    \
	"\"id\":\"ci-7\",\"state\":\"Running\",\"version\":\"1.16.1\"}}"
#define SAMPLE_CGROUP_INPUTS                                                                       \
	"{\"alsoFiles\":[\"cgroup.events\",\"cpu.pressure\",\"memory.pressure\"],"                 \
	"\"cgroupLeaf\":\"/sys/fs/cgroup/fc/a\","                                                  \
	"\"files\":[\"memory.events\",\"cpu.stat\",\"pids.events\"]}"
#define SAMPLE_CGROUP_OUTPUT                                                                       \
	"{\"cgroup_events\":{\"populated\":1},\"cpu_pressure\":{\"full_usec\":3,\"some_usec\":4}," \
	"\"cpu_stat\":{\"usage_usec\":7},\"memory_events\":{\"oom_kill\":0},"                      \
	"\"memory_pressure\":{\"full_usec\":0,\"some_usec\":0},\"pids_events\":{\"max\":0},"       \
	"\"version\":\"v2\"}"
#define SAMPLE_NFT_INPUTS                                                                          \
	"{\"command\":\"nft -j list table inet cht\",\"family\":\"inet\",\"table\":\"cht\"}"
#define SAMPLE_NFT_OUTPUT                                                                          \
	"{\"rows\":[{\"bytes\":84,\"chain\":\"forward\",\"family\":\"inet\",\"handle\":4,"         \
	"\"packets\":1,\"ruleRepr\":\"meta(iifname => reg 1) cmp(reg 1 == \\\"tap0\\\") counter "  \
	"accept\",\"table\":\"cht\"}],\"rowsReplaced\":0,\"rowsReset\":0,\"tableHandle\":7}"
#define SAMPLE_TAP_INPUTS "{\"iface\":\"tap0\",\"sysfs\":\"/sys/class/net/tap0\"}"
#define SAMPLE_TAP_OUTPUT                                                                          \
	"{\"carrier\":\"1\",\"carrierChanges\":2,\"changes\":{\"downs\":1,\"removals\":0,"         \
	"\"ups\":1},\"counters\":\"continued\",\"ifindex\":5,\"operstate\":\"up\",\"rxBytes\":84," \
	"\"rxDropped\":0,\"rxErrors\":0,\"rxPackets\":1,\"txBytes\":0,\"txDropped\":0,"            \
	"\"txErrors\":0,\"txPackets\":0}"
#define SAMPLE_VMM_INPUTS "{\"pid\":4242,\"procfs\":\"/proc/4242\"}"
#define SAMPLE_VMM_OUTPUT                                                                          \
	"{\"guestTimeMs\":40,\"rssBytes\":4096,\"runDelayMs\":2,\"startTicks\":555,"               \
	"\"state\":\"S\",\"systemTimeMs\":10,\"threads\":3,\"userTimeMs\":50,"                     \
	"\"vcpus\":{\"count\":1,\"guestTimeMs\":40}}"

#endif
