/* What the parts of this peer share: the region, its rings, and the command line. */
#ifndef FORMAT1_PEER_H
#define FORMAT1_PEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAILED = 1, WRONG_MESSAGE, TIMED_OUT, NOT_INITIALIZED, INVALID_SIZE, WRONG_ROLE, ERROR_PACKET,
       INVALID_OPERATION };

/* Reports go to stderr without a prefix: the tests compare them. */
__attribute__((format(printf, 2, 3))) _Noreturn void fail(int status, const char *format, ...);

/* ---- Waiting: never without end, and not at the cost of the peer's processor time. ---- */

struct wait {
    uint64_t limit;    /* nanoseconds without progress */
    uint64_t deadline; /* set when spinning was not enough, so progress costs no clock reading */
    unsigned rounds;
};

struct wait wait_for(uint64_t nanoseconds);

/* One step of a wait; false once the limit has passed. */
bool keep_waiting(struct wait *wait);

/* ---- Region and rings: region.c ---- */

struct ring;

/* The sequence says who may touch the packet and the buffer of the same index. */
struct slot {
    uint64_t packet[8];
    _Atomic uint64_t sequence;
};

/* What goes one way: a ring and the buffers its packets speak of. */
struct direction {
    struct ring *ring;
    uint8_t *buffers;
};

struct endpoint {
    uint64_t count, size; /* geometry: slots per ring, bytes per buffer */
    uint64_t timeout;     /* nanoseconds */
    uint64_t next_copy_id;
    const char *role;
    struct direction out, in;
};

struct options {
    const char *command, *name, *text, *as;
    bool create, take_primary, unlink;
    uint64_t count, size, timeout, id, messages, stops, until_stops, copy_id;
    uint64_t words[8];
    int word_count;
    /* Of the advanced protocol; see advanced.c. */
    bool again, interleave, hold, listen, dial, no_message, abort_calls, abort_answers;
    uint64_t length, body, calls, method, status, connection, abort_at;
    uint64_t version, features, capabilities;
};

struct endpoint open_region(const struct options *options);

/* A position that is ours alone from the claim to the publish or release. */
struct claim {
    uint64_t position, index;
    struct slot *slot;
    uint8_t *buffer;
};

enum way { OUT, IN };

/* A slot is claimable at position p when its sequence is p for producers, which count in w, and
 * p + 1 for consumers, which count in r. False when there is none: the ring is full, or empty. */
bool try_claim(const struct endpoint *endpoint, enum way way, struct claim *claim);

/* As `try_claim` for OUT, but waits for room. */
void claim_out(const struct endpoint *endpoint, struct claim *claim);

void publish(const struct claim *claim, const uint64_t packet[8]);
void release(const struct endpoint *endpoint, const struct claim *claim);

/* ---- Packets ---- */

enum { ERROR = 0x00, CONN_CREATE, CONN_ACCEPT, CONN_CLOSE, CONN_COPY, PROTO_NEGOTIATE, PROTO_ACK,
       TOMBSTONE = 0xFE, COPY = 0xFF };

/* ---- The two ends of the advanced protocol: advanced.c ---- */

enum { MAX_CALLS = 64 };
void advanced_client(const struct endpoint *endpoint, const struct options *options);
void advanced_server(const struct endpoint *endpoint, const struct options *options);

#endif
