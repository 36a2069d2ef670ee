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

/* One thread receives, another one looks at what was received: both are state
 * procedures, and what they share is state.  A thread's handle does not move.
 *
 * expect: updateable newest n_received n_long lock
 * expect: class n_long all-flows
 * expect: unmovable lock */
#include <pcap.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int newest;     /* Length of the newest packet. */
static unsigned long n_received, n_long;

static void *
look(void *aux)
{
    for (;;) {
        pthread_mutex_lock(&lock);
        if (newest > 1000) {
            n_long++;
            newest = 0;
        }
        pthread_mutex_unlock(&lock);
    }
    return aux;
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    pthread_t thread;

    pthread_create(&thread, NULL, look, NULL);
    while (pcap_next(p, &header)) {
        pthread_mutex_lock(&lock);
        newest = header.len;
        n_received++;
        pthread_mutex_unlock(&lock);
    }
    return 0;
}
