//! Rows of what could be used instead, and what is asked of HQQ next to them; nothing where they are not
//! built in (feature `peers`).

#[cfg(feature = "peers")]
pub(crate) use built_in::{calls, crowds, messages, round_trips, sweep};
#[cfg(not(feature = "peers"))]
pub(crate) use left_out::{calls, crowds, messages, round_trips, sweep};

#[cfg(not(feature = "peers"))]
mod left_out {
    use crate::suite::{Goal, Plan, Row};

    pub(crate) const fn round_trips(_: &mut Vec<Row>, _: &mut Vec<Goal>) {}
    pub(crate) const fn messages(_: &mut Vec<Row>, _: &mut Vec<Goal>) {}
    pub(crate) const fn crowds(_: &Plan, _: &mut Vec<Row>, _: &mut Vec<Goal>) {}
    pub(crate) const fn calls(_: &mut Vec<Row>, _: &mut Vec<Goal>) {}
    pub(crate) const fn sweep(_: &Plan, _: &mut Vec<Row>) {}
}

#[cfg(feature = "peers")]
mod built_in {
    use std::marker::PhantomData;

    use crate::areas::crowds::counts;
    use crate::areas::messages::EXCLUSIVE;
    use crate::areas::sweep::sizes;
    use crate::measure::{Measure, named};
    use crate::peers::between::{Between, Carrier, Room};
    use crate::peers::datagram::Datagram;
    use crate::peers::iceoryx::{PublishSubscribe, RequestResponse};
    use crate::peers::in_process::InProcess;
    use crate::peers::ipc_channels::Channel;
    use crate::peers::message_queue::MessageQueue;
    use crate::peers::pipe::Pipe;
    use crate::peers::seqpacket::SeqPacket;
    use crate::peers::stream::Stream;
    use crate::peers::{array_queue, channel, heapless_queue, ring_buffer, std_channel};
    use crate::suite::{Against, Goal, Plan, Plot, Row};
    use crate::threads::Threads;
    use crate::work::{Sink, Source, Way};

    fn reference(measure: impl Measure + 'static) -> Row {
        Row::reference(Box::new(measure))
    }

    /// Of the area `rtt`.
    pub(crate) fn round_trips(rows: &mut Vec<Row>, goals: &mut Vec<Goal>) {
        let way = Way::RoundTrip;
        rows.push(
            reference(PublishSubscribe::<8> {
                id: "iceoryx2-rtt-64",
                name: "iceoryx2 publish-subscribe, 64 bytes",
                way,
            })
            .latency(),
        );
        let carried = |id, name| Between::<Stream>::new(id, name, way, 64);
        let stream = carried("unix-rtt-64", "Unix stream socket, 64 bytes");
        rows.push(reference(stream).latency());
        let pipe = Between::<Pipe>::new("pipe-rtt-64", "pipes, 64 bytes", way, 64);
        rows.push(reference(pipe).latency());
        goals.push(Goal::at_most(
            "rtt-64-iceoryx2",
            "round trip",
            "exclusive-64",
            Against::Row("iceoryx2-rtt-64"),
            0.5,
        ));
    }

    fn queue<S: Source + 'static, K: Sink + Send + 'static>(
        id: &'static str,
        name: &'static str,
        make: fn(&'static str) -> (S, K),
    ) -> Row {
        Row::against(Box::new(InProcess { id, name, make }), EXCLUSIVE, None)
    }

    fn carrier<C: Carrier>(id: &'static str, name: &'static str) -> Between<C> {
        Between::new(id, name, Way::OneWay, 64)
    }

    fn between<C: Carrier>(carrier: Between<C>) -> Row {
        Row::against(Box::new(carrier), EXCLUSIVE, None)
    }

    /// A carrier for each of its rooms, of which the faster one stands for the group.
    fn rooms<C: Carrier>(
        group: &'static str,
        name: &str,
        size: usize,
    ) -> impl Iterator<Item = Between<C>> + use<C> {
        let rooms = [
            (Room::Default, "default", "default room"),
            (Room::Large, "large", "1 MiB of room"),
        ];
        rooms
            .map(|(room, suffix, label)| {
                let id = named(format!("{group}-{suffix}"));
                let name = named(format!("{name}, {label}"));
                Between::new(id, name, Way::OneWay, size).room(room)
            })
            .into_iter()
    }

    fn roomy<C: Carrier>(group: &'static str, name: &str) -> impl Iterator<Item = Row> {
        rooms::<C>(group, name, 64).map(move |carrier| between(carrier).group(group))
    }

    fn roomy_batches<C: Carrier>(group: &'static str, name: &str) -> impl Iterator<Item = Row> {
        rooms::<C>(group, name, 64).map(move |carrier| between(carrier.batched()).group(group))
    }

    /// Of the area `messages`.
    pub(crate) fn messages(rows: &mut Vec<Row>, goals: &mut Vec<Goal>) {
        let cost = |row: Row, series| row.point(Plot::Cost, series, 64);
        rows.extend([
            cost(
                queue("rtrb-64", "rtrb, 64 bytes", ring_buffer::make::<8>),
                "rtrb",
            ),
            queue("rtrb-8", "rtrb, 8 bytes", ring_buffer::make::<1>),
            queue(
                "rtrb-64-chunks",
                "rtrb, chunks of 16, 64 bytes",
                ring_buffer::chunks::<8>,
            ),
            queue(
                "rtrb-8-chunks",
                "rtrb, chunks of 16, 8 bytes",
                ring_buffer::chunks::<1>,
            ),
            cost(
                queue(
                    "arrayqueue-64",
                    "crossbeam ArrayQueue, 64 bytes",
                    array_queue::make::<8>,
                ),
                "crossbeam ArrayQueue",
            ),
            cost(
                queue(
                    "channel-64-blocking",
                    "crossbeam channel, blocking, 64 bytes",
                    channel::blocking::<8>,
                )
                .group("channel-64"),
                "crossbeam channel",
            ),
            cost(
                queue(
                    "channel-64-spinning",
                    "crossbeam channel, spinning, 64 bytes",
                    channel::spinning::<8>,
                )
                .group("channel-64"),
                "crossbeam channel",
            ),
            cost(
                queue(
                    "heapless-64",
                    "heapless spsc, 64 bytes",
                    heapless_queue::make::<8>,
                ),
                "heapless spsc",
            ),
            cost(
                queue(
                    "std-mpsc-64-blocking",
                    "std sync_channel, blocking, 64 bytes",
                    std_channel::blocking::<8>,
                )
                .group("std-mpsc-64"),
                "std sync_channel",
            ),
            cost(
                queue(
                    "std-mpsc-64-spinning",
                    "std sync_channel, spinning, 64 bytes",
                    std_channel::spinning::<8>,
                )
                .group("std-mpsc-64"),
                "std sync_channel",
            ),
        ]);
        let iceoryx = PublishSubscribe::<8> {
            id: "iceoryx2-64",
            name: "iceoryx2 publish-subscribe, 64 bytes",
            way: Way::OneWay,
        };
        rows.extend([
            cost(Row::against(Box::new(iceoryx), EXCLUSIVE, None), "iceoryx2"),
            cost(
                between(carrier::<MessageQueue>(
                    "mq-64",
                    "POSIX message queue, 64 bytes",
                )),
                "POSIX mq",
            ),
            cost(
                between(carrier::<Channel>(
                    "ipc-channel-64",
                    "ipc-channel, bytes, 64 bytes",
                )),
                "ipc-channel",
            ),
        ]);
        for row in roomy::<Pipe>("pipe-64", "pipe, 64 bytes") {
            rows.push(cost(row, "pipe"));
        }
        for row in roomy::<Stream>("unix-64", "Unix stream socket, 64 bytes") {
            rows.push(cost(row, "Unix stream"));
        }
        for row in roomy::<SeqPacket>("seqpacket-64", "Unix seqpacket, 64 bytes") {
            rows.push(cost(row, "Unix seqpacket"));
        }
        for row in roomy::<Datagram>("datagram-64", "Unix datagram, 64 bytes") {
            rows.push(cost(row, "Unix datagram"));
        }
        rows.extend(roomy_batches::<Pipe>(
            "pipe-64-batch",
            "pipe, 16 a write, 64 bytes",
        ));
        rows.extend(roomy_batches::<Stream>(
            "unix-64-batch",
            "Unix stream, 16 a write, 64 bytes",
        ));
        let at_most = |id, row, against, limit| {
            Goal::at_most(id, "one way", row, Against::Row(against), limit)
        };
        let told = |id, row, against| Goal::told(id, "one way", row, Against::Row(against));
        let at_least = |id, against, limit| {
            Goal::at_least(id, "one way", EXCLUSIVE, Against::Row(against), limit)
        };
        goals.extend([
            at_most("msg-64-rtrb", EXCLUSIVE, "rtrb-64", 0.85),
            at_most("msg-64-arrayqueue", EXCLUSIVE, "arrayqueue-64", 0.28),
            at_most("msg-64-channel", EXCLUSIVE, "channel-64", 0.3),
            at_most("msg-8-rtrb", "one-way-8", "rtrb-64", 0.45),
            at_most("msg-64-shared", "one-way-64-shared", "arrayqueue-64", 0.65),
            at_most("batch-8", "one-way-8-batch", "rtrb-8", 1.5),
            at_least("msg-64-iceoryx2", "iceoryx2-64", 4.0),
            at_least("msg-64-unix", "unix-64", 20.0),
            at_least("msg-64-pipe", "pipe-64", 20.0),
            told("msg-64-rtrb-by-hand", "one-way-64-by-hand", "rtrb-64"),
            told(
                "msg-64-arrayqueue-by-hand",
                "one-way-64-by-hand",
                "arrayqueue-64",
            ),
            told("msg-64-channel-by-hand", "one-way-64-by-hand", "channel-64"),
            told("msg-8-rtrb-by-hand", "one-way-8-by-hand", "rtrb-64"),
            told(
                "msg-64-shared-by-hand",
                "one-way-64-shared-by-hand",
                "arrayqueue-64",
            ),
        ]);
    }

    /// Of the area `threads`.
    pub(crate) fn crowds(plan: &Plan, rows: &mut Vec<Row>, goals: &mut Vec<Goal>) {
        for threads in counts(plan) {
            let channel =
                Threads::new("channel", "crossbeam channel", *threads, channel::Many::new);
            let queue = Threads::new(
                "arrayqueue",
                "crossbeam ArrayQueue",
                *threads,
                array_queue::Many::new,
            );
            let x = *threads as u64;
            rows.push(reference(channel).point(Plot::Threads, "crossbeam channel", x));
            rows.push(reference(queue).point(Plot::Threads, "crossbeam ArrayQueue", x));
        }
        goals.push(Goal::at_least(
            "shared-4x4",
            "messages",
            "shared-4x4-threads",
            Against::Row("channel-4x4-threads"),
            1.5,
        ));
    }

    /// Of the area `advanced`.
    pub(crate) fn calls(rows: &mut Vec<Row>, goals: &mut Vec<Goal>) {
        rows.push(
            reference(RequestResponse::<8> {
                id: "iceoryx2-call",
                name: "iceoryx2 request-response, 64 bytes",
                words: PhantomData,
            })
            .latency(),
        );
        goals.push(Goal::at_most(
            "call-iceoryx2",
            "call with 64 bytes both ways",
            "call-link",
            Against::Row("iceoryx2-call"),
            0.5,
        ));
    }

    fn sized<C: Carrier>(id: &str, series: &'static str, size: usize) -> Row {
        let id = named(format!("size-{id}-{size}"));
        let name = named(format!("{series}, {size} bytes"));
        point(
            reference(Between::<C>::new(id, name, Way::OneWay, size)),
            series,
            size,
        )
    }

    fn point(row: Row, series: &'static str, size: usize) -> Row {
        row.point(Plot::Size, series, size as u64).bytes(size)
    }

    /// The same, for each of its rooms.
    fn sized_roomy<C: Carrier>(
        id: &str,
        series: &'static str,
        size: usize,
    ) -> impl Iterator<Item = Row> {
        let group = named(format!("size-{id}-{size}"));
        let name = format!("{series}, {size} bytes");
        rooms::<C>(group, &name, size)
            .map(move |carrier| point(reference(carrier), series, size).group(group))
    }

    /// Of the area `sweep`.
    pub(crate) fn sweep(plan: &Plan, rows: &mut Vec<Row>) {
        for size in sizes(plan) {
            rows.extend(sized_roomy::<Pipe>("pipe", "pipe", size));
            rows.extend(sized_roomy::<Stream>("unix", "Unix stream", size));
            rows.push(sized::<Channel>("ipc-channel", "ipc-channel", size));
        }
    }
}
