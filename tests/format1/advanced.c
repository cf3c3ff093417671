/*
 * The two ends of the advanced protocol of HQQ format 1: negotiation, large messages, calls, and
 * streams as far as a call needs one. Strict: whatever breaks a rule of the format ends the peer.
 *
 * The client sends one large message of --length bytes, then makes --calls calls, the k-th with
 * --body + k bytes; their answers are the requests reversed, in any order. The server takes all of
 * that, in any order, and answers the last request first. See `usage` in peer.c for the variations.
 */
#include "peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What this implementation has: all that the format knows. */
#define VERSION UINT64_C(0x0100)
#define FEATURES UINT64_C(3)
#define CAPABILITIES UINT64_C(7)
#define LONGEST (UINT64_C(64) << 20)

enum { BEGIN = 1, END = 2, ABORT = 4, REQUEST = 8, RESPONSE = 16, REFUSED = 32, KNOWN = 63 };
enum { UNKNOWN_CONNECTION = 5, REFUSED_OPERATION = 6 };

/* A message on its way out or in. */
struct message {
    uint64_t connection, id, aux, total;
    uint64_t flags; /* REQUEST, RESPONSE, REFUSED or none: the same in all its chunks */
    uint64_t done;  /* bytes sent or received */
    uint64_t chunks;
    uint64_t abort_at; /* bytes after which it is to be aborted */
    bool complete, aborted;
    uint8_t *bytes;
};

enum { MAX_MESSAGES = MAX_CALLS + 1 };

struct session {
    const struct endpoint *endpoint;
    const struct options *options;
    uint64_t connection;
    uint64_t own_id, peer_id; /* the last message id of each side's own messages */
    struct message out[MAX_MESSAGES], in[MAX_MESSAGES];
    size_t out_count, in_count;
    size_t turn; /* the message whose chunk is next when they interleave */
    bool has_control;
    uint64_t control[8]; /* a packet that is no chunk, for `await_control` */
    uint8_t *chunk;
};

/* ---- Contents: they follow from the length alone, and no two messages of a run have the same. ---- */

static uint8_t content(uint64_t length, uint64_t at) { return (uint8_t)(length * 17 + at * 31 + (at >> 8) * 7); }

static void check_content(const char *what, const struct message *message, bool reversed) {
    for (uint64_t i = 0; i < message->total; i++)
        if (message->bytes[i] != content(message->total, reversed ? message->total - 1 - i : i))
            fail(WRONG_MESSAGE, "%s of %" PRIu64 " bytes is damaged at %" PRIu64, what, message->total, i);
}

static uint8_t *allocate(uint64_t length) {
    uint8_t *bytes = malloc(length + 1); /* never of 0 bytes, which may give NULL */
    if (!bytes) fail(FAILED, "out of memory");
    return bytes;
}

/* ---- Sending ---- */

static void send_control(struct session *session, uint64_t opcode, uint64_t a, uint64_t b, uint64_t c) {
    struct claim claim;
    claim_out(session->endpoint, &claim);
    publish(&claim, (const uint64_t[8]){opcode, a, b, c});
}

static struct message *queue(struct session *session, const struct message *message) {
    if (session->out_count == MAX_MESSAGES) fail(FAILED, "too many messages");
    struct message *queued = &session->out[session->out_count++];
    *queued = *message;
    queued->bytes = allocate(queued->total);
    return queued;
}

static bool is_sent(const struct message *message) { return message->complete || message->aborted; }

static bool all_sent(const struct session *session) {
    for (size_t i = 0; i < session->out_count; i++)
        if (!is_sent(&session->out[i])) return false;
    return true;
}

/* Sends the next chunk of the next message; false when there is none, or no room for it. */
static bool send_step(struct session *session) {
    size_t index = session->turn, looked = 0;
    while (looked++ < session->out_count && is_sent(&session->out[index % session->out_count])) index++;
    struct claim claim;
    if (all_sent(session) || !try_claim(session->endpoint, OUT, &claim)) return false;
    struct message *message = &session->out[index % session->out_count];
    session->turn = session->options->interleave ? index + 1 : index;

    uint64_t left = message->total - message->done, size = left, flags = message->flags;
    if (size > session->endpoint->size) size = session->endpoint->size;
    if (message->abort_at < message->total && size > message->abort_at - message->done)
        size = message->abort_at - message->done;
    bool ended = message->chunks > 0 && left == 0, first = message->chunks == 0;
    if (ended || (size == 0 && left > 0)) {
        /* An abort is about a message and not about bytes of it: the other operands are unused. */
        publish(&claim, (const uint64_t[8]){CONN_COPY, message->connection, message->id, 0, 0, 0, flags | ABORT, 0});
        message->aborted = true;
        return true;
    }
    if (first) flags |= BEGIN;
    if (size == left) flags |= END;
    memcpy(claim.buffer, message->bytes + message->done, size);
    publish(&claim, (const uint64_t[8]){CONN_COPY, message->connection, message->id, message->total, message->done,
                                        size, flags, first ? message->aux : 0});
    message->done += size;
    message->chunks++;
    /* One that is to be aborted at its end is aborted after it. */
    message->complete = message->done == message->total && message->abort_at > message->total;
    return true;
}

/* ---- Receiving ---- */

static _Noreturn void breach(const char *rule, const uint64_t words[8]) {
    fail(INVALID_OPERATION,
         "%s: %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, rule,
         words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7]);
}

static struct message *find(struct session *session, uint64_t connection, uint64_t id, uint64_t kind) {
    for (size_t i = 0; i < session->in_count; i++) {
        struct message *message = &session->in[i];
        if (message->connection == connection && message->id == id && (message->flags & (REQUEST | RESPONSE)) == kind)
            return message;
    }
    return NULL;
}

/* Whether a response may have this id: a request of ours has it, and was sent as a whole. It may
 * have been given up since. */
static bool is_asked(const struct session *session, uint64_t id) {
    for (size_t i = 0; i < session->out_count; i++) {
        const struct message *message = &session->out[i];
        if (message->id == id && (message->flags & REQUEST))
            return message->chunks > 0 && message->done == message->total;
    }
    return false;
}

static struct message *begin(struct session *session, const uint64_t words[8], uint64_t kind) {
    uint64_t id = words[2], total = words[3], flags = words[6], aux = words[7];
    if (total > LONGEST) breach("a message is longer than 64 MiB", words);
    if (words[4] != 0) breach("a message begins after offset 0", words);
    if (kind == RESPONSE) {
        if (!is_asked(session, id)) breach("a response to no request", words);
        if (!(flags & REFUSED) && aux != 0) breach("a good response has a status", words);
    } else if (id != ++session->peer_id) {
        breach("message ids do not count up from 1", words);
    }
    if (kind == 0 && aux != 0) breach("aux of a message that is no call", words);
    if (session->in_count == MAX_MESSAGES) fail(FAILED, "too many messages");
    struct message *message = &session->in[session->in_count++];
    *message = (struct message){.connection = words[1], .id = id, .aux = aux, .total = total,
                                .flags = flags & (REQUEST | RESPONSE | REFUSED), .bytes = allocate(total)};
    return message;
}

static void accept_chunk(struct session *session, const uint64_t words[8]) {
    uint64_t connection = words[1], id = words[2], total = words[3], offset = words[4], size = words[5];
    uint64_t flags = words[6], aux = words[7], kind = flags & (REQUEST | RESPONSE);
    if (flags & ~(uint64_t)KNOWN) breach("unknown flags", words);
    if (kind == (REQUEST | RESPONSE)) breach("both a request and a response", words);
    if ((flags & REFUSED) && kind != RESPONSE) breach("an error that is no response", words);
    if (connection != session->connection) breach("another connection", words);
    struct message *message = find(session, connection, id, kind);
    if (flags & ABORT) {
        if (!message) breach("abort of an unknown message", words);
        if (message->aborted || (message->complete && kind != REQUEST)) breach("abort of a message that ended", words);
        if (flags & (BEGIN | END) || size != 0) breach("abort with a chunk", words);
        message->aborted = true;
        return;
    }
    if (flags & BEGIN) {
        if (message) breach("a message begins twice", words);
        message = begin(session, words, kind);
    } else {
        if (!message || message->complete || message->aborted) breach("a chunk of no message", words);
        if (aux != 0) breach("aux on a later chunk", words);
    }
    if (total != message->total) breach("the total changes", words);
    if (offset != message->done) breach("a chunk out of order", words);
    if ((flags & REFUSED) != (message->flags & REFUSED)) breach("the error flag changes", words);
    if (total > 0 && size == 0) breach("an empty chunk", words);
    if (size > session->endpoint->size || size > total - offset) breach("a chunk is too long", words);
    message->done += size;
    message->chunks++;
    if (((flags & END) != 0) != (message->done == total)) breach("end is not at the last byte", words);
    message->complete = flags & END;
    memcpy(message->bytes + offset, session->chunk, size);
}

/* Takes one packet; false when there is none. */
static bool receive_step(struct session *session) {
    struct claim claim;
    /* What is not a chunk waits for `await_control`, and so does all that follows it. */
    if (session->has_control || !try_claim(session->endpoint, IN, &claim)) return false;
    uint64_t words[8];
    memcpy(words, claim.slot->packet, sizeof words);
    if (words[0] == CONN_COPY && words[5] <= session->endpoint->size) memcpy(session->chunk, claim.buffer, words[5]);
    release(session->endpoint, &claim);
    /* How many operands each packet has; the others are zero. */
    static const int operands[] = {[ERROR] = 2,     [CONN_CREATE] = 2, [CONN_ACCEPT] = 1,    [CONN_CLOSE] = 2,
                                   [CONN_COPY] = 7, [PROTO_NEGOTIATE] = 3, [PROTO_ACK] = 3};
    if (words[0] > PROTO_ACK) breach("a packet of another protocol", words);
    for (int i = 1 + operands[words[0]]; i < 8; i++)
        if (words[i] != 0) breach("an unused operand", words);
    if (words[0] == CONN_COPY) {
        accept_chunk(session, words);
    } else {
        memcpy(session->control, words, sizeof words);
        session->has_control = true;
    }
    return true;
}

/* Sends what is queued and receives, neither waiting for the other, until `done` or a packet that
 * is no chunk. The end of a stream is no reason to stop: it may come right after the last answer. */
static void pump(struct session *session, const char *what, bool (*done)(const struct session *)) {
    struct wait wait = wait_for(session->endpoint->timeout);
    while (!done(session)) {
        bool progress = send_step(session);
        progress |= receive_step(session);
        if (progress) wait = wait_for(session->endpoint->timeout);
        else if (!keep_waiting(&wait)) fail(TIMED_OUT, "timed out waiting for %s", what);
        if (session->has_control && session->control[0] != CONN_CLOSE) return;
    }
}

static bool has_control(const struct session *session) { return session->has_control; }

static _Noreturn void fail_with_error(const struct session *session) {
    fail(ERROR_PACKET, "error context=%" PRIu64 " code=%" PRIu64, session->control[1], session->control[2]);
}

/* Waits for a packet that is no chunk; it stays in `control`. */
static void await_control(struct session *session, const char *what, uint64_t opcode) {
    pump(session, what, has_control);
    session->has_control = false;
    if (session->control[0] == opcode) return;
    if (session->control[0] == ERROR) fail_with_error(session);
    breach(what, session->control);
}

/* As `pump`, where nothing but chunks is right. */
static void exchange_chunks(struct session *session, const char *what, bool (*done)(const struct session *)) {
    pump(session, what, done);
    if (!session->has_control) return;
    if (session->control[0] == ERROR) fail_with_error(session);
    if (session->control[0] != CONN_CLOSE) breach("a packet amid messages", session->control);
}

/* ---- Negotiation ---- */

static uint64_t lower(uint64_t left, uint64_t right) { return left < right ? left : right; }

static void report_negotiation(const uint64_t control[8]) {
    printf("negotiated version=%" PRIu64 ".%" PRIu64 " features=%" PRIu64 " capabilities=%" PRIu64 "\n",
           control[1] >> 8, control[1] & 0xff, control[2], control[3]);
}

static void negotiate(struct session *session) {
    const struct options *options = session->options;
    send_control(session, PROTO_NEGOTIATE, options->version, options->features, options->capabilities);
    await_control(session, "an answer to the negotiation", PROTO_ACK);
    if (session->control[1] != lower(options->version, VERSION)) breach("version", session->control);
    if (session->control[2] != (options->features & FEATURES)) breach("features", session->control);
    if (session->control[3] != (options->capabilities & CAPABILITIES)) breach("capabilities", session->control);
    report_negotiation(session->control);
}

static void answer_negotiation(struct session *session) {
    const struct options *options = session->options;
    await_control(session, "a negotiation", PROTO_NEGOTIATE);
    if (session->control[1] != VERSION) breach("version", session->control);
    if (session->control[2] != FEATURES) breach("features", session->control);
    if (session->control[3] != CAPABILITIES) breach("capabilities", session->control);
    session->control[2] &= options->features;
    session->control[3] &= options->capabilities;
    send_control(session, PROTO_ACK, VERSION, session->control[2], session->control[3]);
    report_negotiation(session->control);
}

/* ---- The two ends ---- */

static struct session start(const struct endpoint *endpoint, const struct options *options) {
    return (struct session){.endpoint = endpoint, .options = options, .connection = options->connection,
                            .chunk = allocate(endpoint->size)};
}

static void finish(struct session *session) {
    for (size_t i = 0; i < session->out_count; i++) free(session->out[i].bytes);
    for (size_t i = 0; i < session->in_count; i++) free(session->in[i].bytes);
    free(session->chunk);
}

static uint64_t expected_messages(const struct session *session) {
    return session->options->calls + (session->options->no_message ? 0 : 1);
}

/* All that is awaited is there: complete, or given up by the sender. */
static bool all_received(const struct session *session) {
    for (size_t i = 0; i < session->in_count; i++)
        if (!session->in[i].complete && !session->in[i].aborted) return false;
    return session->in_count == expected_messages(session);
}

static bool all_answered(const struct session *session) {
    for (size_t i = 0; i < session->in_count; i++)
        if (!session->in[i].complete && !session->in[i].aborted) return false;
    return session->in_count == session->options->calls;
}

static bool all_given_up(const struct session *session) {
    for (size_t i = 0; i < session->in_count; i++)
        if (!session->in[i].aborted) return false;
    return session->in_count == expected_messages(session);
}

static void queue_content(struct session *session, uint64_t length, uint64_t flags, uint64_t abort_at) {
    struct message message = {.connection = session->connection, .id = ++session->own_id, .total = length,
                              .flags = flags, .aux = flags ? session->options->method : 0, .abort_at = abort_at};
    struct message *queued = queue(session, &message);
    for (uint64_t i = 0; i < length; i++) queued->bytes[i] = content(length, i);
}

/* Answers must be the requests reversed, or an error with the status that is expected. */
static void check_answers(const struct session *session) {
    const struct options *options = session->options;
    uint64_t answered = 0, refused = 0, aborted = 0;
    for (size_t i = 0; i < session->in_count; i++) {
        const struct message *answer = &session->in[i];
        if (answer->aborted) {
            aborted++;
        } else if (answer->flags & REFUSED) {
            if (answer->aux != options->status) fail(WRONG_MESSAGE, "refused with status %" PRIu64, answer->aux);
            refused++;
        } else {
            const struct message *request = session->out;
            while (request->id != answer->id || !(request->flags & REQUEST)) request++;
            if (answer->total != request->total) fail(WRONG_MESSAGE, "answer of %" PRIu64 " bytes", answer->total);
            check_content("answer", answer, true);
            answered++;
        }
    }
    printf("answered=%" PRIu64 " refused=%" PRIu64 " aborted=%" PRIu64 "\n", answered, refused, aborted);
    for (size_t i = 0; i < session->in_count; i++)
        if (session->in[i].flags & REFUSED) {
            fwrite(session->in[i].bytes, 1, session->in[i].done, stdout);
            putchar('\n');
        }
}

void advanced_client(const struct endpoint *endpoint, const struct options *options) {
    struct session session = start(endpoint, options);
    negotiate(&session);
    if (options->again) {
        send_control(&session, PROTO_NEGOTIATE, options->version, options->features, options->capabilities);
        await_control(&session, "an answer to the second negotiation", ERROR);
        if (session.control[1] != 0 || session.control[2] != REFUSED_OPERATION) fail_with_error(&session);
        puts("refused again");
    }
    if (options->dial) {
        session.connection = 1;
        send_control(&session, CONN_CREATE, session.connection, 0, 0);
        await_control(&session, "an answer to the dialling", CONN_ACCEPT);
        if (session.control[1] != session.connection) breach("another connection is accepted", session.control);
        puts("accepted");
    }
    if (!options->no_message) queue_content(&session, options->length, 0, options->abort_at);
    for (uint64_t k = 0; k < options->calls; k++)
        queue_content(&session, options->body + k, REQUEST, options->abort_calls ? options->body + k : UINT64_MAX);
    exchange_chunks(&session, "room", all_sent);
    if (!options->no_message)
        printf("sent=%" PRIu64 " chunks=%" PRIu64 "%s\n", session.out[0].done, session.out[0].chunks,
               session.out[0].aborted ? " aborted" : "");
    if (options->abort_calls) puts("gave up");
    else exchange_chunks(&session, "answers", all_answered);
    if (!options->abort_calls) check_answers(&session);
    if (options->dial) send_control(&session, CONN_CLOSE, session.connection, 0, 0);
    finish(&session);
}

static void answer(struct session *session, const struct message *request) {
    const struct options *options = session->options;
    struct message answer = {.connection = request->connection, .id = request->id, .total = request->total,
                             .flags = RESPONSE, .abort_at = options->abort_answers ? request->total / 2 : UINT64_MAX};
    if (options->status) {
        answer.flags |= REFUSED;
        answer.aux = options->status;
        answer.total = strlen(options->text);
        memcpy(queue(session, &answer)->bytes, options->text, answer.total);
        return;
    }
    struct message *queued = queue(session, &answer);
    for (uint64_t i = 0; i < request->total; i++) queued->bytes[i] = request->bytes[request->total - 1 - i];
}

void advanced_server(const struct endpoint *endpoint, const struct options *options) {
    struct session session = start(endpoint, options);
    answer_negotiation(&session);
    if (options->listen) {
        session.connection = 1;
        await_control(&session, "a dialling peer", CONN_CREATE);
        if (session.control[1] != 1) breach("connection ids do not count up from 1", session.control);
        if (session.control[2] != 0) breach("stream flags", session.control);
        send_control(&session, CONN_ACCEPT, session.connection, 0, 0);
        puts("accepted");
    }
    exchange_chunks(&session, "messages", options->hold ? all_given_up : all_received);
    uint64_t given_up = 0;
    for (size_t i = session.in_count; i-- > 0;) { /* the last request first */
        const struct message *message = &session.in[i];
        if (message->aborted) {
            given_up++;
            continue;
        }
        check_content("message", message, false);
        if (!message->flags) {
            if (message->total != options->length) fail(WRONG_MESSAGE, "length %" PRIu64, message->total);
            printf("received=%" PRIu64 " chunks=%" PRIu64 "\n", message->total, message->chunks);
        } else {
            if (message->flags != REQUEST) fail(WRONG_MESSAGE, "a response");
            if (message->aux != options->method) fail(WRONG_MESSAGE, "method %" PRIu64, message->aux);
            if (message->total - options->body >= options->calls) fail(WRONG_MESSAGE, "body %" PRIu64, message->total);
            answer(&session, message);
        }
    }
    exchange_chunks(&session, "room", all_sent);
    printf("answered=%zu given-up=%" PRIu64 "\n", session.out_count, given_up);
    if (options->listen) {
        await_control(&session, "the end of the stream", CONN_CLOSE);
        if (session.control[1] != session.connection || session.control[2] != 0) breach("close", session.control);
        puts("closed");
    }
    finish(&session);
}
