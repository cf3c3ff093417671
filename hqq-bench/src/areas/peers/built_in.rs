//! The rows, where they are built in.

use std::marker::PhantomData;

use crate::areas::messages::EXCLUSIVE;
use crate::areas::sweep::sizes;
use crate::measure::{DEEP, DEEPER, DEPTH, Measure, named};
use crate::patience::Hint;
use crate::peers::between::{Between, Carrier, Room};
use crate::peers::datagram::Datagram;
use crate::peers::iceoryx::{PublishSubscribe, RequestResponse, Setting};
use crate::peers::iceoryx_sizes::Slices;
use crate::peers::ipc_channels::Channel;
use crate::peers::message_queue::MessageQueue;
use crate::peers::pipe::Pipe;
use crate::peers::seqpacket::SeqPacket;
use crate::peers::stream::Stream;
use crate::suite::{Against, Goal, Plan, Plot, Row};
use crate::work::{FRESH, Way};

use super::queues;
pub(crate) use super::queues::crowds;

fn reference(measure: impl Measure + 'static) -> Row {
    Row::reference(Box::new(measure))
}

/// How one uses iceoryx2 at first.
const AT_FIRST: Setting = Setting {
    ahead: false,
    lined: false,
    hint: Hint::SpinLoop,
};
/// With payloads that begin lines.
const LINED: Setting = Setting {
    lined: true,
    ..AT_FIRST
};
/// As its own benchmarks do.
const AHEAD: Setting = Setting {
    ahead: true,
    hint: Hint::None,
    ..AT_FIRST
};
const AHEAD_HINT: Setting = Setting {
    ahead: true,
    ..AT_FIRST
};
const AHEAD_LINED: Setting = Setting {
    lined: true,
    ..AHEAD
};

/// What competes one way: part of the ids, of the names, and the setting.
const ONE_WAY: [(&str, &str, Setting); 3] = [
    ("packed", "", AT_FIRST),
    ("lined", "a line each, ", LINED),
    ("ahead", "loaned ahead, ", AHEAD),
];

/// Of the area `rtt`.
pub(crate) fn round_trips(rows: &mut Vec<Row>, goals: &mut Vec<Goal>) {
    let way = Way::RoundTrip;
    for (id, name, setting) in [
        (
            "iceoryx2-rtt-64-deep",
            "iceoryx2 publish-subscribe, 64 bytes",
            AT_FIRST,
        ),
        (
            "iceoryx2-rtt-64-ahead",
            "iceoryx2 publish-subscribe, loaned ahead, 64 bytes",
            AHEAD,
        ),
        (
            "iceoryx2-rtt-64-ahead-hint",
            "iceoryx2 publish-subscribe, loaned ahead, hint, 64 bytes",
            AHEAD_HINT,
        ),
        (
            "iceoryx2-rtt-64-ahead-lined",
            "iceoryx2 publish-subscribe, loaned ahead, a line each, 64 bytes",
            AHEAD_LINED,
        ),
    ] {
        let row = reference(PublishSubscribe::<8> {
            id,
            name,
            way,
            depth: DEPTH,
            setting,
        });
        rows.push(row.latency().group("iceoryx2-rtt-64"));
    }
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
    queues::one_way(rows);
    for (id, how, setting) in ONE_WAY {
        for depth in [DEPTH, DEEP, DEEPER] {
            let iceoryx = PublishSubscribe::<8> {
                id: named(format!("iceoryx2-64-{id}-{depth}")),
                name: named(format!(
                    "iceoryx2 publish-subscribe, {depth} samples, {how}64 bytes"
                )),
                way: Way::OneWay,
                depth,
                setting,
            };
            let row = Row::against(Box::new(iceoryx), EXCLUSIVE, None);
            rows.push(cost(row.group("iceoryx2-64"), "iceoryx2"));
        }
    }
    rows.extend([
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
    rows.extend(roomy_batches::<SeqPacket>(
        "seqpacket-64-batch",
        "Unix seqpacket, 16 a call, 64 bytes",
    ));
    rows.extend(roomy_batches::<Datagram>(
        "datagram-64-batch",
        "Unix datagram, 16 a call, 64 bytes",
    ));
    let at_most =
        |id, row, against, limit| Goal::at_most(id, "one way", row, Against::Row(against), limit);
    let told = |id, row, against| Goal::told(id, "one way", row, Against::Row(against));
    let at_least =
        |id, against, limit| Goal::at_least(id, "one way", EXCLUSIVE, Against::Row(against), limit);
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

/// Of the area `advanced`.
pub(crate) fn calls(rows: &mut Vec<Row>, goals: &mut Vec<Goal>) {
    for (id, name, setting) in [
        (
            "iceoryx2-call-deep",
            "iceoryx2 request-response, 64 bytes",
            AT_FIRST,
        ),
        (
            "iceoryx2-call-ahead",
            "iceoryx2 request-response, loaned ahead, 64 bytes",
            AHEAD,
        ),
        (
            "iceoryx2-call-ahead-hint",
            "iceoryx2 request-response, loaned ahead, hint, 64 bytes",
            AHEAD_HINT,
        ),
    ] {
        let row = reference(RequestResponse::<8> {
            id,
            name,
            setting,
            words: PhantomData,
        });
        rows.push(row.latency().group("iceoryx2-call"));
    }
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
        // In place, and by value: as of ours, longer ones show nothing.
        if size <= FRESH {
            let group = named(format!("size-iceoryx2-{size}"));
            for (id, how, setting) in ONE_WAY {
                let slices = Slices {
                    id: named(format!("{group}-{id}")),
                    name: named(format!("iceoryx2, {how}{size} bytes")),
                    size,
                    setting,
                };
                rows.push(point(reference(slices), "iceoryx2, in place", size).group(group));
            }
        }
        rows.extend(queues::sized(size).map(|row| point(row, "rtrb", size)));
    }
}
