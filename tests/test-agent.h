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

#ifndef TEST_AGENT_H
#define TEST_AGENT_H 1

/* What the files of the scripted agent share. */

#include "mbox-channel.h"
#include "mbox-msg.h"

/* Ends the program with a message. */
void fail(const char *, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* Of the last PREPARE. */
struct last_transfer {
    uint32_t id;
    uint64_t epoch;
    struct mbox_space space;
    uint32_t chunk_seq;         /* Of the last chunk sent. */
};
extern struct last_transfer last;

/* Messages as text, test-agent-text.c. */

/* Prints 'msg' behind the word 'direction'. */
void print_msg(const char *direction, const struct mbox_msg *);

/* Makes a message of the words of a statement from 'words' on.  '*keys' is
 * malloc()ed or null. */
void make_msg(char *words[], int n_words, struct mbox_msg *,
              struct mbox_key **keys);

/* Checks 'msg' against the words of a statement. */
void check_msg(const struct mbox_msg *, char *words[], int n_words);

/* The network device, test-agent-port.c. */

void port_open(const char *name, const char *pcap_file);
bool port_is_open(void);

/* Receives what the switch has sent. */
void port_run(void);

/* True if there is a tracer of the last transfer that was not returned. */
bool port_has_tracer(void);
void port_return_tracer(void);

/* Another transfer begins. */
void port_forget_tracer(void);

#endif /* test-agent.h */
