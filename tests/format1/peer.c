/*
 * An independent peer for HQQ format 1, written from the description of the format alone, so that
 * a test against it compares two readings of the format and not one implementation with itself.
 *
 *   cc -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Werror -O2 -o peer peer.c region.c advanced.c
 *
 * Exit status: 0 done; 1 usage or system error; 2 wrong message; 3 timed out; 4 failed to
 * initialize; 5 invalid size; 6 not the role asked for; 7 Error packet; 8 invalid operation.
 */
#include "peer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Packets of the standard link. ---- */

enum received { NOTHING, MESSAGE, SKIPPED };

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
    } else if (!strcmp(command, "adv-client")) {
        advanced_client(endpoint, options);
    } else if (!strcmp(command, "adv-server")) {
        advanced_server(endpoint, options);
    } else {
        claim_out(endpoint, &claim);
        publish(&claim, options->words);
        puts("raw");
    }
}

/* ---- Command line. ---- */

static _Noreturn void usage(const char *problem, const char *what) {
    fail(FAILED,
         "%s%s\nusage: peer open|exchange|echo|ask|write|read|tombstone|adv-client|adv-server|raw NAME [8 words of raw] [options]\n"
         "  --count N --size B --create --as primary|secondary --take-primary --unlink --timeout SECONDS\n"
         "  --id ID --messages M --stops K --until-stops J --text TEXT --copy-id FIRST\n"
         "  adv-client and adv-server: --length BYTES --body BYTES --calls N --method ID --status CODE\n"
         "  --connection ID --version V --features BITS --capabilities BITS --no-message\n"
         "  adv-client: --again --interleave --dial --abort-at BYTES --abort-calls\n"
         "  adv-server: --hold --listen --abort-answers",
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
                              .until_stops = 1, .copy_id = 1, .text = "", .calls = 1, .method = 7,
                              .abort_at = UINT64_MAX, .version = 0x0100, .features = 3, .capabilities = 7};
    const struct { const char *name; uint64_t *number; const char **text; bool *flag; } table[] = {
        {"--count", &options.count, 0, 0},       {"--size", &options.size, 0, 0},
        {"--timeout", &options.timeout, 0, 0},   {"--id", &options.id, 0, 0},
        {"--messages", &options.messages, 0, 0}, {"--stops", &options.stops, 0, 0},
        {"--copy-id", &options.copy_id, 0, 0},   {"--until-stops", &options.until_stops, 0, 0},
        {"--as", 0, &options.as, 0},             {"--text", 0, &options.text, 0},
        {"--create", 0, 0, &options.create},     {"--take-primary", 0, 0, &options.take_primary},
        {"--unlink", 0, 0, &options.unlink},     {"--length", &options.length, 0, 0},
        {"--body", &options.body, 0, 0},         {"--calls", &options.calls, 0, 0},
        {"--method", &options.method, 0, 0},     {"--status", &options.status, 0, 0},
        {"--version", &options.version, 0, 0},   {"--connection", &options.connection, 0, 0},
        {"--features", &options.features, 0, 0}, {"--capabilities", &options.capabilities, 0, 0},
        {"--abort-at", &options.abort_at, 0, 0}, {"--abort-calls", 0, 0, &options.abort_calls},
        {"--again", 0, 0, &options.again},       {"--abort-answers", 0, 0, &options.abort_answers},
        {"--hold", 0, 0, &options.hold},         {"--interleave", 0, 0, &options.interleave},
        {"--dial", 0, 0, &options.dial},         {"--no-message", 0, 0, &options.no_message},
        {"--listen", 0, 0, &options.listen}};
    static const char *const commands[] = {"open",  "exchange",  "echo",       "ask",        "write",
                                           "read",  "tombstone", "adv-client", "adv-server", "raw"};
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
    if (options.calls > MAX_CALLS) usage("too many --calls", "");
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
