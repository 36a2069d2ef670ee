/*
 * Copyright (c) 2026 The ovs-mbox authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

#include <config.h>
#include "test-transfer-world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "openvswitch/compiler.h"

static const char * OVS_PRINTF_FORMAT(2, 3)
complain(struct world *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(w->complaint, sizeof w->complaint, format, args);
    va_end(args);
    return w->complaint;
}

static enum world_fault
world_real_fault(const struct world *w)
{
    return w->fault_done ? w->fault : FAULT_NONE;
}

/* True if the fault took an instance, or what its agent knew, away, so that
 * state or packets can be lost with it. */
static bool
fault_takes(enum world_fault fault, enum mbox_role role)
{
    switch (fault) {
    case FAULT_KILL_S:
    case FAULT_DISCONNECT_S:
    case FAULT_SEND_S:
    case FAULT_HANG_S:
    case FAULT_PORT_S:
        return role == MBOX_ROLE_SOURCE;

    case FAULT_KILL_D:
    case FAULT_DISCONNECT_D:
    case FAULT_SEND_D:
    case FAULT_HANG_D:
    case FAULT_PORT_D:
        return role == MBOX_ROLE_DESTINATION;

    case FAULT_NONE:
    case FAULT_ERROR_S:
    case FAULT_ERROR_D:
    case FAULT_UNEXPECTED_S:
    case FAULT_UNEXPECTED_D:
    case FAULT_CANCEL:
    case FAULT_LIMIT:
    case FAULT_TRACERS:
    case FAULT_TRACER_COPIES:
    case FAULT_COUNTS:
    case N_FAULTS:
    default:
        return false;
    }
}

static bool
fault_takes_any(enum world_fault fault)
{
    return (fault_takes(fault, MBOX_ROLE_SOURCE)
            || fault_takes(fault, MBOX_ROLE_DESTINATION));
}

static const char *
check_end(struct world *w)
{
    enum world_fault fault = world_real_fault(w);

    if (w->complaint[0]) {
        return w->complaint;
    }
    if (!mbox_transfer_is_done(w->transfer)) {
        return complain(w, "does not end, %s", w->report.phase);
    }
    if (w->dp_open) {
        return complain(w, "steering object still open");
    }
    if (w->n_dropped) {
        return complain(w, "%u held packets dropped", w->n_dropped);
    }
    if (w->report.result == MBOX_TRANSFER_OPEN) {
        return complain(w, "no result");
    }
    if (w->scenario.dp_open_fails
        && w->report.result != MBOX_TRANSFER_ROLLED_BACK) {
        return complain(w, "not rolled back");
    }
    if (fault == FAULT_NONE && !w->second_fault_done
        && !w->scenario.dp_open_fails) {
        if (w->report.result != MBOX_TRANSFER_MOVED) {
            return complain(w, "not moved: %s", w->report.error);
        }
        if (w->report.error[0]) {
            return complain(w, "error: %s", w->report.error);
        }
        if (w->report.packets_lost != w->n_lost_tagged) {
            return complain(w, "%u returned packets lost, report says %"PRIu64,
                            w->n_lost_tagged, w->report.packets_lost);
        }
    }
    if (w->report.result != MBOX_TRANSFER_MOVED && !w->report.error[0]) {
        return complain(w, "failed without an error");
    }
    return NULL;
}

static const char *
check_packets(struct world *w)
{
    for (unsigned int f = 0; f < WORLD_FLOWS; f++) {
        for (unsigned int i = 0; i < w->n_sent[f]; i++) {
            if (!w->processed[f][i] && !w->excused[f][i]) {
                return complain(w, "packet %u of flow %u lost", i, f);
            }
        }
    }
    return NULL;
}

static const char *
check_order(struct world *w)
{
    enum world_fault fault = world_real_fault(w);
    bool hold = w->scenario.method == MBOX_METHOD_HOLD;
    bool events = w->scenario.method == MBOX_METHOD_EVENTS;
    bool ordered = w->scenario.guarantee == MBOX_GUARANTEE_ORDER_PRESERVING;
    bool none = w->scenario.guarantee == MBOX_GUARANTEE_NONE;

    /* A destination that dies may have processed what is sent to the source
     * then: nobody can know. */
    if (w->n_repeated
        && !(events && fault_takes(fault, MBOX_ROLE_DESTINATION))) {
        return complain(w, "%u packets processed twice", w->n_repeated);
    }

    /* An instance whose connection ended processes what it has queued as if
     * there were no transfer, and one whose queue no tracer passes cannot be
     * emptied. */
    bool queue_unknown = (events
                          && (fault == FAULT_DISCONNECT_S
                              || fault == FAULT_DISCONNECT_D
                              || fault == FAULT_SEND_S
                              || fault == FAULT_SEND_D
                              || fault == FAULT_TRACERS
                              || fault == FAULT_TRACER_COPIES));
    if (w->n_reordered && (ordered || hold) && !queue_unknown) {
        return complain(w, "%u packets reordered", w->n_reordered);
    }
    if (w->n_reordered_out && ordered && !queue_unknown
        && !fault_takes_any(fault)) {
        return complain(w, "%u packets reordered behind", w->n_reordered_out);
    }

    if (w->n_mismatched && (ordered || hold) && !none
        && !queue_unknown && !fault_takes_any(fault)
        && !w->n_lost_tagged) {
        return complain(w, "%u packets processed without state",
                        w->n_mismatched);
    }
    return NULL;
}

static const char *
check_copies(struct world *w)
{
    enum world_fault fault = world_real_fault(w);

    for (unsigned int f = 0; f < WORLD_FLOWS; f++) {
        if (w->n_sent[f] && !w->src.state[f].present
            && !fault_takes(fault, MBOX_ROLE_SOURCE)) {
            return complain(w, "source lost flow %u", f);
        }
        if (w->report.result == MBOX_TRANSFER_ROLLED_BACK
            && w->dst.state[f].present
            && !fault_takes(fault, MBOX_ROLE_DESTINATION)) {
            return complain(w, "copy of flow %u left behind", f);
        }
    }
    return NULL;
}

/* Each flow's state is at exactly one instance: that which gets its packets.
 */
static const char *
check_state(struct world *w)
{
    enum world_fault fault = world_real_fault(w);
    bool src_taken = fault_takes(fault, MBOX_ROLE_SOURCE);
    bool dst_taken = fault_takes(fault, MBOX_ROLE_DESTINATION);

    if (w->scenario.method == MBOX_METHOD_COPY) {
        return check_copies(w);
    }
    for (unsigned int f = 0; f < w->scenario.n_flows; f++) {
        bool at_src = w->src.state[f].present;
        bool at_dst = w->dst.state[f].present;
        bool to_src = w->assigned[f] == MBOX_ROLE_SOURCE;

        if (w->report.result == MBOX_TRANSFER_MOVED && to_src) {
            return complain(w, "flow %u not assigned to destination", f);
        }
        if (w->report.result == MBOX_TRANSFER_ROLLED_BACK && !to_src) {
            return complain(w, "flow %u not assigned to source", f);
        }
        if (!w->last_processed[f]) {
            continue;
        }
        if (at_src && at_dst && !src_taken && !dst_taken) {
            return complain(w, "flow %u is at both instances", f);
        }
        if (!at_src && !at_dst && !src_taken && !dst_taken) {
            return complain(w, "flow %u is at no instance", f);
        }
        if (at_src && !at_dst && !to_src && !src_taken) {
            return complain(w, "flow %u stayed, packets go to destination", f);
        }
        if (at_dst && !at_src && to_src && !dst_taken && !src_taken) {
            return complain(w, "flow %u moved, packets go to source", f);
        }
    }
    return NULL;
}

const char *
world_check(struct world *w)
{
    const char *complaint = check_end(w);

    if (w->second_fault_done) {
        return complaint;
    }
    if (!complaint) {
        complaint = check_packets(w);
    }
    if (!complaint) {
        complaint = check_order(w);
    }
    if (!complaint) {
        complaint = check_state(w);
    }
    return complaint;
}
