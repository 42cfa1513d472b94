/* SPDX-License-Identifier: Apache-2.0
 *
 * member.h - the members of a body that state something: a JSON value in, whether it is one that
 * the member takes out; what is done with it stands in *out then. Private to src/control.
 */
#ifndef CONTROL_MEMBER_H
#define CONTROL_MEMBER_H

#include <jansson.h>

#include "asked/value.h"
#include "control/request.h"

/* at: where in *out, for those that need telling. */
typedef bool (*member_read_fn)(const json_t *value, struct control_request *out, size_t at);

/* stated.c: of any request. */
bool member_state(const json_t *value, struct control_request *out, size_t at);
bool member_limits(const json_t *value, struct control_request *out, size_t at);
bool member_lifecycle(const json_t *value, struct control_request *out, size_t at);
bool member_exit_code(const json_t *value, struct control_request *out, size_t at);
bool member_residue(const json_t *value, struct control_request *out, size_t at);
bool member_exception(const json_t *value, struct control_request *out, size_t at);

/* opened.c: of a PUT. */
bool member_keepalive(const json_t *value, struct control_request *out, size_t at);
bool member_vmm_pid(const json_t *value, struct control_request *out, size_t at);
bool member_authorised(const json_t *value, struct control_request *out, size_t at);
bool member_correlation(const json_t *value, struct control_request *out, size_t at);
bool member_traceparent(const json_t *value, struct control_request *out, size_t at);
bool member_spec_id(const json_t *value, struct control_request *out, size_t at);
bool member_probes(const json_t *value, struct control_request *out, size_t at);

#endif
