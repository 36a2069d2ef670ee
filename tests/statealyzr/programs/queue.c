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

/* Work that a packet causes later: jobs are queued when a packet comes, and done
 * when the program has time.  What only the jobs change is state as well;
 * what only the start changes is not.
 *
 * expect: updateable head tail n_late struct.job.next struct.job.run
 *   struct.job.length
 * expect: top-level head tail main::p n_late limit struct.job.next struct.job.run
 *   struct.job.length
 * expect: class n_late all-flows
 * expect: container struct.job list-single
 * expect: link struct.job next next */
#include <pcap.h>
#include <stdlib.h>

struct job {
    struct job *next;
    void (*run)(const struct job *);
    unsigned int length;
};

static struct job *head, *tail;
static unsigned int limit;
static unsigned long n_late;    /* Packets that jobs found too long. */

static void
check_length(const struct job *job)
{
    if (job->length > limit) {
        n_late++;
    }
}

static void
handle(const unsigned char *packet, unsigned int length)
{
    struct job *job = malloc(sizeof *job);

    job->next = NULL;
    job->run = check_length;
    job->length = packet[0] == 0 ? 0 : length;
    if (tail) {
        tail->next = job;
    } else {
        head = job;
    }
    tail = job;
}

static void
run_jobs(void)
{
    while (head) {
        struct job *job = head;

        head = job->next;
        if (!head) {
            tail = NULL;
        }
        job->run(job);
        free(job);
    }
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;

    limit = argc > 2 ? atoi(argv[1]) : 1500;
    while ((packet = pcap_next(p, &header))) {
        handle(packet, header.len);
        run_jobs();
    }
    return 0;
}
