/* Functions in memory that only pointers to void lead to: packets call those
 * of the codecs, one of them in a copy, and what the command wrote before the
 * loop does not change, by types either.
 *
 * expect: updateable n_first n_second
 * expect: class n_first all-flows
 * expect: class n_second all-flows */
#include <pcap.h>
#include <stdlib.h>
#include <string.h>

struct codec {
    unsigned int id;
    void (*decode)(unsigned int length);
};

struct command {
    const char *name;
    void (*run)(unsigned int n);
};

static unsigned long n_first, n_second, n_commands;
static void *codecs[2];
static void *command;

static void
decode_first(unsigned int length)
{
    n_first += length;
}

static void
decode_second(unsigned int length)
{
    n_second += length;
}

static void
run_command(unsigned int n)
{
    n_commands += n;
}

static void
fill(void *memory, unsigned int id, void (*decode)(unsigned int length))
{
    ((struct codec *) memory)->id = id;
    ((struct codec *) memory)->decode = decode;
}

static void
start(size_t size)
{
    void *second = malloc(size);
    struct command *c;

    command = malloc(size);
    c = command;
    c->name = "start";
    c->run = run_command;
    c->run(1);

    codecs[0] = malloc(size);
    codecs[1] = malloc(size);
    fill(codecs[0], 1, decode_first);
    fill(second, 2, decode_second);
    memcpy(codecs[1], second, size);
    free(second);
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const unsigned char *packet;

    if (!p) {
        return 1;
    }
    start(argc > 2 ? sizeof(struct command) : sizeof(struct codec));
    while ((packet = pcap_next(p, &header)) != NULL) {
        const struct codec *c = codecs[packet[0] & 1];
        c->decode(header.caplen);
    }
    return 0;
}
