/* The region of HQQ format 1: waiting, opening, the rings. */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
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

_Noreturn void fail(int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(status);
}

/* ---- Waiting: never without end, and not at the cost of the peer's processor time. ---- */

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

struct wait wait_for(uint64_t nanoseconds) { return (struct wait){.limit = nanoseconds}; }

bool keep_waiting(struct wait *wait) {
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

struct endpoint open_region(const struct options *options) {
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

bool try_claim(const struct endpoint *endpoint, enum way way, struct claim *claim) {
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

void publish(const struct claim *claim, const uint64_t packet[8]) {
    memcpy(claim->slot->packet, packet, sizeof claim->slot->packet);
    /* Release; pairs with the acquire load of a consumer's `try_claim`. */
    atomic_store_explicit(&claim->slot->sequence, claim->position + 1, memory_order_release);
}

void release(const struct endpoint *endpoint, const struct claim *claim) {
    /* Release; pairs with the acquire load of a producer's `try_claim`, one lap later. */
    atomic_store_explicit(&claim->slot->sequence, claim->position + endpoint->count, memory_order_release);
}

void claim_out(const struct endpoint *endpoint, struct claim *claim) {
    struct wait wait = wait_for(endpoint->timeout);
    while (!try_claim(endpoint, OUT, claim))
        if (!keep_waiting(&wait)) fail(TIMED_OUT, "timed out waiting for room");
}
