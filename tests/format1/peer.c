/*
 * An independent peer for HQQ format 1, written from the description of the format alone, so that
 * a test against it compares two readings of the format and not one implementation with itself.
 *
 *   cc -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Werror -O2 -o peer peer.c
 *
 * Exit status: 0 done; 1 usage or system error; 2 wrong message; 3 timed out; 4 failed to
 * initialize; 5 invalid size; 6 not the role asked for; 7 Error packet; 8 invalid operation.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "integers of the region are little-endian and are accessed in place"
#endif
/* Only address-free (lock-free) atomics work between processes. */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(_Atomic uint64_t) == 8, "lock-free u64");

enum { FAILED = 1, WRONG_MESSAGE, TIMED_OUT, NOT_INITIALIZED, INVALID_SIZE, WRONG_ROLE, ERROR_PACKET,
       INVALID_OPERATION };

/* Reports go to stderr without a prefix: the tests compare them. */
__attribute__((format(printf, 2, 3))) static _Noreturn void fail(int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(status);
}

/* ---- Waiting: never without end, and not at the cost of the peer's processor time. ---- */

struct wait {
    uint64_t limit;    /* nanoseconds without progress */
    uint64_t deadline; /* set when spinning was not enough, so progress costs no clock reading */
    unsigned rounds;
};

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static struct wait wait_for(uint64_t nanoseconds) { return (struct wait){.limit = nanoseconds}; }

/* One step of a wait; false once the limit has passed. */
static bool keep_waiting(struct wait *wait) {
    if (wait->rounds++ < 100) return true;
    if (wait->rounds == 101) wait->deadline = now() + wait->limit;
    if (now() >= wait->deadline) return false;
    if (wait->rounds < 1000) sched_yield();
    else nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    return true;
}

/* ---- Region: the superblock, its opening, and where the parts lie. ---- */

#define REGION_MAGIC UINT64_C(0x4851515f53544c31)
#define RING_MAGIC UINT64_C(0xc9d8c1d43f096701)
#define ATTACH_NANOSECONDS UINT64_C(1000000000)

enum { EMPTY, INITIALIZING, READY };

struct geometry {
    uint64_t page_size, count, size, layout_size;
};

/* The plain fields are written only between winning the state and its READY. */
struct superblock {
    _Atomic uint64_t magic, state;
    uint64_t major, minor;
    struct geometry geometry;
};

/* The sequence says who may touch the packet and the buffer of the same index. */
struct slot {
    uint64_t packet[8];
    _Atomic uint64_t sequence;
};

struct ring {
    uint64_t magic, size, flags;
    _Atomic uint64_t r;
    uint8_t gap_r[96];
    _Atomic uint64_t w;
    uint8_t gap_w[120];
    struct slot slots[];
};

_Static_assert(sizeof(struct superblock) == 64, "superblock");
_Static_assert(sizeof(struct slot) == 72 && offsetof(struct slot, sequence) == 64, "slot");
_Static_assert(offsetof(struct ring, r) == 24 && offsetof(struct ring, w) == 128, "counters");
_Static_assert(offsetof(struct ring, slots) == 256, "slots");

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
};

static uint64_t align_up(uint64_t length, uint64_t page) { return (length + page - 1) / page * page; }

/* Opens or creates the file at its full length. The length is settled before anything is mapped:
 * touching a mapping past the end of its file is SIGBUS, not an error that could be reported. */
static int open_file(const char *path, bool create, uint64_t length) {
    int file = open(path, O_RDWR);
    if (file < 0 && errno == ENOENT && create) {
        file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (file >= 0 && ftruncate(file, (off_t)length) != 0)
            fail(FAILED, "cannot size %s: %s", path, strerror(errno));
        /* Another process created it between the two calls. */
        if (file < 0 && errno == EEXIST) file = open(path, O_RDWR);
    }
    if (file < 0) fail(FAILED, "cannot open %s: %s", path, strerror(errno));
    struct wait wait = wait_for(ATTACH_NANOSECONDS);
    struct stat status;
    for (;;) {
        if (fstat(file, &status) != 0) fail(FAILED, "cannot stat %s: %s", path, strerror(errno));
        if ((uint64_t)status.st_size == length) return file;
        /* Too short may be a creator that has not sized it yet; too long never becomes right. */
        if ((uint64_t)status.st_size > length || !keep_waiting(&wait)) fail(INVALID_SIZE, "invalid size");
    }
}

/* Relaxed stores here: no other process looks before the READY that `initialize` releases. */
static void initialize_direction(const struct direction *direction, uint64_t count, uint64_t size) {
    struct ring *ring = direction->ring;
    memset(ring, 0, sizeof *ring + count * sizeof(struct slot));
    ring->magic = RING_MAGIC;
    ring->size = count;
    ring->flags = 2;
    for (uint64_t i = 0; i < count; i++) atomic_store_explicit(&ring->slots[i].sequence, i, memory_order_relaxed);
    memset(direction->buffers, 0, count * size);
}

static void initialize(struct superblock *block, const struct geometry *own, const struct direction both[2]) {
    for (int i = 0; i < 2; i++) initialize_direction(&both[i], own->count, own->size);
    block->major = 1;
    block->minor = 0;
    block->geometry = *own;
    /* Pairs with the acquire load of the magic in `attach`. */
    atomic_store_explicit(&block->magic, REGION_MAGIC, memory_order_release);
    /* Pairs with the acquire load of the state in `attach`: rings, buffers and fields are seen. */
    atomic_store_explicit(&block->state, READY, memory_order_release);
}

static void attach(struct superblock *block, const struct geometry *own) {
    struct wait wait = wait_for(ATTACH_NANOSECONDS);
    /* Each acquire load pairs with the release store of the same field in `initialize`. */
    while (atomic_load_explicit(&block->state, memory_order_acquire) != READY ||
           atomic_load_explicit(&block->magic, memory_order_acquire) != REGION_MAGIC) {
        if (!keep_waiting(&wait)) fail(NOT_INITIALIZED, "failed to initialize");
    }
    if (memcmp(&block->geometry, own, sizeof *own) != 0) fail(INVALID_SIZE, "invalid size");
}

static char path[4096];
static void remove_region(void) { unlink(path); }

static struct endpoint open_region(const struct options *options) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), count = options->count, size = options->size;
    uint64_t head = align_up(sizeof(struct superblock), page);
    /* 256 bytes of slack lie after the slots, on top of the 256 of the ring's head. */
    uint64_t ring = align_up(256 + 256 + 72 * count, page), buffers = align_up(count * size, page);
    struct geometry own = {page, count, size, head + 2 * (ring + buffers)};

    int length = snprintf(path, sizeof path, "/dev/shm/%s", options->name);
    if (length < 0 || (size_t)length >= sizeof path || strchr(options->name, '/')) fail(FAILED, "unusable region name");
    int file = open_file(path, options->create, own.layout_size);
    uint8_t *base = mmap(NULL, own.layout_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (base == MAP_FAILED) fail(FAILED, "cannot map %s: %s", path, strerror(errno));
    close(file);

    struct direction both[2];
    for (uint64_t i = 0; i < 2; i++) {
        both[i].ring = (void *)(base + head + i * (ring + buffers));
        both[i].buffers = base + head + i * (ring + buffers) + ring;
    }
    struct superblock *block = (void *)base;
    uint64_t expected = EMPTY;
    /* Decides the role and publishes nothing, so relaxed: what the loser reads next it reads
     * after `attach` acquired READY. */
    bool primary = atomic_compare_exchange_strong_explicit(&block->state, &expected, INITIALIZING,
                                                           memory_order_relaxed, memory_order_relaxed);
    /* Also before failing for the role: a region left in INITIALIZING is lost to everyone. */
    if (primary) initialize(block, &own, both);
    const char *obtained = primary ? "primary" : "secondary";
    if (options->as && strcmp(options->as, obtained)) fail(WRONG_ROLE, "role is %s, not %s", obtained, options->as);
    if (!primary) attach(block, &own);
    /* Only now: a region that was refused above is somebody else's. */
    if (options->unlink) atexit(remove_region);

    bool first = primary || options->take_primary;
    return (struct endpoint){.count = count, .size = size, .timeout = options->timeout * 1000000000u,
                             .next_copy_id = options->copy_id, .role = first ? "primary" : "secondary",
                             .out = both[first ? 0 : 1], .in = both[first ? 1 : 0]};
}

/* ---- Ring: claiming positions, publishing and releasing slots. ---- */

/* A position that is ours alone from the claim to the publish or release. */
struct claim {
    uint64_t position, index;
    struct slot *slot;
    uint8_t *buffer;
};

enum way { OUT, IN };

/* A slot is claimable at position p when its sequence is p for producers, which count in w, and
 * p + 1 for consumers, which count in r. False when there is none: the ring is full, or empty. */
static bool try_claim(const struct endpoint *endpoint, enum way way, struct claim *claim) {
    const struct direction *direction = way == OUT ? &endpoint->out : &endpoint->in;
    _Atomic uint64_t *counter = way == OUT ? &direction->ring->w : &direction->ring->r;
    uint64_t ahead = way == OUT ? 0 : 1;
    /* Relaxed, like the CAS below: the counter only hands out positions, the sequence orders the
     * data. Partner: the CAS of other claimants. */
    uint64_t position = atomic_load_explicit(counter, memory_order_relaxed);
    for (;;) {
        uint64_t index = position & (endpoint->count - 1);
        struct slot *slot = &direction->ring->slots[index];
        /* Acquire; pairs with the release store in `release` (for a producer: the consumer has
         * finished reading) or in `publish` (for a consumer: packet and buffer are complete). */
        uint64_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
        int64_t difference = (int64_t)(sequence - (position + ahead));
        if (difference < 0) return false;
        if (difference > 0) {
            /* Another claimant passed us; relaxed as above, partner: its CAS. */
            position = atomic_load_explicit(counter, memory_order_relaxed);
            continue;
        }
        /* Partner: the same CAS of other claimants; exactly one takes the position. */
        if (atomic_compare_exchange_weak_explicit(counter, &position, position + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            *claim = (struct claim){position, index, slot, direction->buffers + index * endpoint->size};
            return true;
        }
    }
}

static void publish(const struct claim *claim, const uint64_t packet[8]) {
    memcpy(claim->slot->packet, packet, sizeof claim->slot->packet);
    /* Release; pairs with the acquire load of a consumer's `try_claim`. */
    atomic_store_explicit(&claim->slot->sequence, claim->position + 1, memory_order_release);
}

static void release(const struct endpoint *endpoint, const struct claim *claim) {
    /* Release; pairs with the acquire load of a producer's `try_claim`, one lap later. */
    atomic_store_explicit(&claim->slot->sequence, claim->position + endpoint->count, memory_order_release);
}

/* ---- Packets of the standard link. ---- */

enum { ERROR = 0x00, TOMBSTONE = 0xFE, COPY = 0xFF };
enum received { NOTHING, MESSAGE, SKIPPED };

static void claim_out(const struct endpoint *endpoint, struct claim *claim) {
    struct wait wait = wait_for(endpoint->timeout);
    while (!try_claim(endpoint, OUT, claim))
        if (!keep_waiting(&wait)) fail(TIMED_OUT, "timed out waiting for room");
}

/* Copies and tombstones draw from one count of copy ids. */
static void publish_numbered(struct endpoint *endpoint, const struct claim *claim, uint64_t opcode, uint64_t last) {
    publish(claim, (const uint64_t[8]){opcode, endpoint->next_copy_id++, claim->index, last});
}

static void send_bytes(struct endpoint *endpoint, const void *bytes, uint64_t length) {
    struct claim claim;
    claim_out(endpoint, &claim);
    memcpy(claim.buffer, bytes, length);
    publish_numbered(endpoint, &claim, COPY, length);
}

/* Takes one packet. `into` has room for a whole buffer: the slot is released before the caller
 * looks at the message, so a caller that then waits for room holds nothing up. */
static enum received try_receive(const struct endpoint *endpoint, uint8_t *into, uint64_t *length) {
    struct claim claim;
    if (!try_claim(endpoint, IN, &claim)) return NOTHING;
    uint64_t packet[8];
    memcpy(packet, claim.slot->packet, sizeof packet);
    bool fits = packet[3] >= 1 && packet[3] <= endpoint->size;
    if (packet[0] == COPY && fits) memcpy(into, claim.buffer, packet[3]);
    release(endpoint, &claim);
    switch (packet[0]) {
    case COPY:
        if (!fits) fail(WRONG_MESSAGE, "copy of %" PRIu64 " bytes in buffers of %" PRIu64, packet[3], endpoint->size);
        *length = packet[3];
        return MESSAGE;
    case TOMBSTONE:
        return SKIPPED;
    case ERROR:
        fail(ERROR_PACKET, "error code=%" PRIu64, packet[2]);
    default:
        fail(INVALID_OPERATION, "invalid operation");
    }
}

static uint64_t receive(const struct endpoint *endpoint, uint8_t *into) {
    uint64_t length = 0;
    struct wait wait = wait_for(endpoint->timeout);
    enum received received;
    while ((received = try_receive(endpoint, into, &length)) != MESSAGE) {
        if (received == SKIPPED) wait = wait_for(endpoint->timeout);
        else if (!keep_waiting(&wait)) fail(TIMED_OUT, "timed out waiting for a message");
    }
    return length;
}

/* ---- Messages: contents that the receiver can recompute from their first 16 bytes. ---- */

#define STOP UINT64_MAX
#define HEADER 16
#define MAX_SENDERS 64

static uint64_t fill_message(uint8_t *into, uint64_t id, uint64_t k, uint64_t size) {
    uint64_t length = k == STOP ? HEADER : HEADER + (k * 7919 + id * 104729) % (size - 15);
    memcpy(into, &id, 8); /* little-endian, as checked at the top */
    memcpy(into + 8, &k, 8);
    for (uint64_t i = HEADER; i < length; i++) into[i] = (uint8_t)(k * 31 + id * 17 + i);
    return length;
}

struct sender {
    uint64_t id, count, sum, xor, next;
    bool stopped;
};

struct tally {
    struct sender senders[MAX_SENDERS];
    size_t sender_count;
    uint64_t received, stops, tombstones;
};

static struct sender *find_sender(struct tally *tally, uint64_t id) {
    for (size_t i = 0; i < tally->sender_count; i++)
        if (tally->senders[i].id == id) return &tally->senders[i];
    if (tally->sender_count == MAX_SENDERS) fail(WRONG_MESSAGE, "more than %d senders", MAX_SENDERS);
    tally->senders[tally->sender_count].id = id;
    return &tally->senders[tally->sender_count++];
}

/* Checks a message and counts it; gaps in k are right, another consumer may have taken them. */
static void account(struct tally *tally, const uint8_t *bytes, uint64_t length, uint8_t *expected, uint64_t size) {
    if (length < HEADER) fail(WRONG_MESSAGE, "message of %" PRIu64 " bytes has no header", length);
    uint64_t id, k;
    memcpy(&id, bytes, 8);
    memcpy(&k, bytes + 8, 8);
    if (fill_message(expected, id, k, size) != length || memcmp(expected, bytes, length) != 0)
        fail(WRONG_MESSAGE, "message %" PRIu64 " from %" PRIu64 " of %" PRIu64 " bytes is damaged", k, id, length);
    struct sender *sender = find_sender(tally, id);
    if (k == STOP) { /* a further stop is right: a sender sends one for each receiver */
        sender->stopped = true;
        tally->stops++;
        return;
    }
    if (sender->stopped || k < sender->next)
        fail(WRONG_MESSAGE, "message %" PRIu64 " from %" PRIu64 " is out of order", k, id);
    sender->next = k + 1;
    sender->count++;
    sender->sum += k;
    sender->xor ^= k;
    tally->received++;
}

static int by_id(const void *left, const void *right) {
    uint64_t a = ((const struct sender *)left)->id, b = ((const struct sender *)right)->id;
    return (a > b) - (a < b);
}

/* ---- Commands. `scratch` and `reply` hold one buffer each. ---- */

static void exchange(struct endpoint *endpoint, const struct options *options, uint8_t *scratch, uint8_t *expected) {
    static struct tally tally;
    uint64_t sent = 0, total = options->messages + options->stops, length;
    struct wait wait = wait_for(endpoint->timeout);
    /* Neither direction waits for the other: two peers that both only sent would fill both rings
     * and stand still. */
    while (sent < total || tally.stops < options->until_stops) {
        bool progress = false;
        struct claim claim;
        if (sent < total && try_claim(endpoint, OUT, &claim)) {
            uint64_t k = sent < options->messages ? sent : STOP;
            publish_numbered(endpoint, &claim, COPY, fill_message(claim.buffer, options->id, k, endpoint->size));
            sent++;
            progress = true;
        }
        /* After the last stop the rest belongs to other consumers of this ring. */
        if (tally.stops < options->until_stops) {
            enum received received = try_receive(endpoint, scratch, &length);
            if (received == MESSAGE) account(&tally, scratch, length, expected, endpoint->size);
            if (received == SKIPPED) tally.tombstones++;
            progress |= received != NOTHING;
        }
        if (progress) wait = wait_for(endpoint->timeout);
        else if (!keep_waiting(&wait))
            fail(TIMED_OUT, "timed out: sent %" PRIu64 " of %" PRIu64 " and received %" PRIu64 " with %" PRIu64 " stops",
                 sent, total, tally.received, tally.stops);
    }
    qsort(tally.senders, tally.sender_count, sizeof tally.senders[0], by_id);
    for (size_t i = 0; i < tally.sender_count; i++) {
        const struct sender *sender = &tally.senders[i];
        printf("from=%" PRIu64 " count=%" PRIu64 " sum=%" PRIu64 " xor=%" PRIu64 "\n", sender->id, sender->count,
               sender->sum, sender->xor);
    }
    printf("role=%s sent=%" PRIu64 " received=%" PRIu64 " tombstones=%" PRIu64 "\n", endpoint->role,
           options->messages, tally.received, tally.tombstones);
}

static void ask(struct endpoint *endpoint, const struct options *options, uint8_t *scratch, uint8_t *reply) {
    for (uint64_t k = 0; k < options->messages; k++) {
        uint64_t length = fill_message(scratch, options->id, k, endpoint->size);
        send_bytes(endpoint, scratch, length);
        if (receive(endpoint, reply) != length || memcmp(scratch, reply, length) != 0)
            fail(WRONG_MESSAGE, "reply to message %" PRIu64 " differs", k);
    }
    printf("asked=%" PRIu64 "\n", options->messages);
}

static void write_text(struct endpoint *endpoint, const char *text) {
    uint64_t length = strlen(text);
    if (length > endpoint->size) fail(FAILED, "buffer overflow");
    if (length > 0) send_bytes(endpoint, text, length);
    printf("written=%" PRIu64 "\n", length);
}

static void run(struct endpoint *endpoint, const struct options *options, uint8_t *scratch, uint8_t *reply) {
    const char *command = options->command;
    struct claim claim;
    if (!strcmp(command, "open")) {
        printf("role=%s\n", endpoint->role);
    } else if (!strcmp(command, "exchange")) {
        exchange(endpoint, options, scratch, reply);
    } else if (!strcmp(command, "echo")) {
        for (uint64_t i = 0; i < options->messages; i++) send_bytes(endpoint, scratch, receive(endpoint, scratch));
        printf("echoed=%" PRIu64 "\n", options->messages);
    } else if (!strcmp(command, "ask")) {
        ask(endpoint, options, scratch, reply);
    } else if (!strcmp(command, "write")) {
        write_text(endpoint, options->text);
    } else if (!strcmp(command, "read")) {
        fwrite(scratch, 1, receive(endpoint, scratch), stdout);
        putchar('\n');
    } else if (!strcmp(command, "tombstone")) {
        claim_out(endpoint, &claim);
        publish_numbered(endpoint, &claim, TOMBSTONE, options->id);
        puts("tombstone");
    } else {
        claim_out(endpoint, &claim);
        publish(&claim, options->words);
        puts("raw");
    }
}

/* ---- Command line. ---- */

static _Noreturn void usage(const char *problem, const char *what) {
    fail(FAILED,
         "%s%s\nusage: peer open|exchange|echo|ask|write|read|tombstone|raw NAME [8 words of raw] [options]\n"
         "  --count N --size B --create --as primary|secondary --take-primary --unlink --timeout SECONDS\n"
         "  --id ID --messages M --stops K --until-stops J --text TEXT --copy-id FIRST",
         problem, what);
}

static uint64_t number(const char *text) {
    int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, base);
    if (text[0] < '0' || text[0] > '9' || *end || errno) usage("not a number: ", text);
    return value;
}

static struct options parse(int count, char **arguments) {
    struct options options = {.count = 64, .size = 4096, .timeout = 60, .id = 1, .messages = 1000, .stops = 1,
                              .until_stops = 1, .copy_id = 1, .text = ""};
    const struct { const char *name; uint64_t *number; const char **text; bool *flag; } table[] = {
        {"--count", &options.count, 0, 0},       {"--size", &options.size, 0, 0},
        {"--timeout", &options.timeout, 0, 0},   {"--id", &options.id, 0, 0},
        {"--messages", &options.messages, 0, 0}, {"--stops", &options.stops, 0, 0},
        {"--copy-id", &options.copy_id, 0, 0},   {"--until-stops", &options.until_stops, 0, 0},
        {"--as", 0, &options.as, 0},             {"--text", 0, &options.text, 0},
        {"--create", 0, 0, &options.create},     {"--take-primary", 0, 0, &options.take_primary},
        {"--unlink", 0, 0, &options.unlink}};
    static const char *const commands[] = {"open", "exchange", "echo", "ask", "write", "read", "tombstone", "raw"};
    size_t entry, entries = sizeof table / sizeof *table, command = 0;
    if (count < 3) usage("COMMAND and NAME are needed", "");
    options.command = arguments[1];
    options.name = arguments[2];
    while (command < sizeof commands / sizeof *commands && strcmp(options.command, commands[command])) command++;
    if (command == sizeof commands / sizeof *commands) usage("unknown command: ", options.command);
    bool raw = !strcmp(options.command, "raw");
    for (int at = 3; at < count; at++) {
        for (entry = 0; entry < entries && strcmp(arguments[at], table[entry].name);) entry++;
        if (entry == entries) {
            if (!raw || options.word_count == 8) usage("unknown argument: ", arguments[at]);
            options.words[options.word_count++] = number(arguments[at]);
        } else if (table[entry].flag) {
            *table[entry].flag = true;
        } else if (++at == count) {
            usage("value missing after ", table[entry].name);
        } else if (table[entry].text) {
            *table[entry].text = arguments[at];
        } else {
            *table[entry].number = number(arguments[at]);
        }
    }
    if (raw && options.word_count != 8) usage("raw takes 8 words", "");
    if (options.as && strcmp(options.as, "primary") && strcmp(options.as, "secondary")) usage("no role ", options.as);
    if (options.count < 2 || (options.count & (options.count - 1)) || options.count > 1u << 28)
        usage("--count is a power of two from 2 to 2^28", "");
    if (options.size < 8 || options.size % 8 || options.size > 1u << 28)
        usage("--size is a multiple of 8 from 8 to 2^28", "");
    if (options.size < 24 && (!strcmp(options.command, "exchange") || !strcmp(options.command, "ask")))
        usage("test messages need --size 24 or more", "");
    if (options.timeout > 86400) usage("--timeout is at most 86400", "");
    return options;
}

int main(int count, char **arguments) {
    struct options options = parse(count, arguments);
    struct endpoint endpoint = open_region(&options);
    uint8_t *scratch = malloc(endpoint.size), *reply = malloc(endpoint.size);
    if (!scratch || !reply) fail(FAILED, "out of memory");
    run(&endpoint, &options, scratch, reply);
    free(scratch);
    free(reply);
    return fflush(stdout) == 0 ? 0 : FAILED;
}
