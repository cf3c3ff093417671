//! Queues that live in one process.

use crate::areas::crowds::counts;
use crate::areas::messages::EXCLUSIVE;
use crate::measure::{DEEP, DEEPER, DEPTH, named};
use crate::peers::in_process::{InProcess, Lined, Words};
use crate::peers::{array_queue, channel, heapless_queue, ring_buffer, std_channel};
use crate::suite::{Against, Goal, Plan, Plot, Row};
use crate::threads::{Crowd, Make, Threads};
use crate::work::{Sink, Source};

/// A queue of `depth` items that competes in a group.
fn queue<S: Source + 'static, K: Sink + Send + 'static>(
    group: &'static str,
    id: &str,
    (name, items): (&str, &str),
    depth: usize,
    make: fn(&'static str) -> (S, K),
) -> Row {
    let id = named(format!("{id}-{depth}"));
    let name = named(format!("{name}, {depth} items, {items}"));
    Row::against(Box::new(InProcess { id, name, make }), EXCLUSIVE, None).group(group)
}

/// Queues of each depth, with words side by side and with items that begin lines of their own, of which the
/// fastest one stands for the group.
macro_rules! queues {
    ($group:literal, $id:literal, $name:literal, $module:ident::$make:ident) => {{
        let (packed, lined) = (concat!($id, "-packed"), concat!($id, "-lined"));
        let (side_by_side, apart) = (
            ($name, "64 bytes, packed"),
            ($name, "64 bytes, a line each"),
        );
        [
            queue(
                $group,
                packed,
                side_by_side,
                DEPTH,
                $module::$make::<Words<8>, DEPTH>,
            ),
            queue(
                $group,
                packed,
                side_by_side,
                DEEP,
                $module::$make::<Words<8>, DEEP>,
            ),
            queue(
                $group,
                packed,
                side_by_side,
                DEEPER,
                $module::$make::<Words<8>, DEEPER>,
            ),
            queue(
                $group,
                lined,
                apart,
                DEPTH,
                $module::$make::<Lined<8>, DEPTH>,
            ),
            queue($group, lined, apart, DEEP, $module::$make::<Lined<8>, DEEP>),
            queue(
                $group,
                lined,
                apart,
                DEEPER,
                $module::$make::<Lined<8>, DEEPER>,
            ),
        ]
    }};
}

/// The same for items of a word.
macro_rules! words {
    ($group:literal, $name:literal, $module:ident::$make:ident) => {
        [
            queue(
                $group,
                $group,
                ($name, "8 bytes"),
                DEPTH,
                $module::$make::<Words<1>, DEPTH>,
            ),
            queue(
                $group,
                $group,
                ($name, "8 bytes"),
                DEEP,
                $module::$make::<Words<1>, DEEP>,
            ),
            queue(
                $group,
                $group,
                ($name, "8 bytes"),
                DEEPER,
                $module::$make::<Words<1>, DEEPER>,
            ),
        ]
    };
}

/// Of the area `messages`.
pub(super) fn one_way(rows: &mut Vec<Row>) {
    let cost = |row: Row, series| row.point(Plot::Cost, series, 64);
    let costs = |rows: [Row; 6], series| rows.map(|row| cost(row, series));
    rows.extend(costs(
        queues!("rtrb-64", "rtrb-64", "rtrb", ring_buffer::make),
        "rtrb",
    ));
    rows.extend(words!("rtrb-8", "rtrb", ring_buffer::make));
    rows.extend(queues!(
        "rtrb-64-chunks",
        "rtrb-64-chunks",
        "rtrb, chunks of 16",
        ring_buffer::chunks
    ));
    rows.extend(words!(
        "rtrb-8-chunks",
        "rtrb, chunks of 16",
        ring_buffer::chunks
    ));
    for row in [
        queues!(
            "arrayqueue-64",
            "arrayqueue-64-spinning",
            "crossbeam ArrayQueue, spinning",
            array_queue::spinning
        ),
        queues!(
            "arrayqueue-64",
            "arrayqueue-64-backing-off",
            "crossbeam ArrayQueue, backing off",
            array_queue::backing_off
        ),
    ] {
        rows.extend(costs(row, "crossbeam ArrayQueue"));
    }
    for row in [
        queues!(
            "channel-64",
            "channel-64-blocking",
            "crossbeam channel, blocking",
            channel::blocking
        ),
        queues!(
            "channel-64",
            "channel-64-spinning",
            "crossbeam channel, spinning",
            channel::spinning
        ),
    ] {
        rows.extend(costs(row, "crossbeam channel"));
    }
    rows.extend(costs(
        queues!(
            "heapless-64",
            "heapless-64",
            "heapless spsc",
            heapless_queue::make
        ),
        "heapless spsc",
    ));
    for row in [
        queues!(
            "std-mpsc-64",
            "std-mpsc-64-blocking",
            "std sync_channel, blocking",
            std_channel::blocking
        ),
        queues!(
            "std-mpsc-64",
            "std-mpsc-64-spinning",
            "std sync_channel, spinning",
            std_channel::spinning
        ),
    ] {
        rows.extend(costs(row, "std mpsc"));
    }
    rows.extend(unbounded().map(|row| cost(row, "std mpsc")));
}

/// The channel of the standard library that has no bound.
fn unbounded() -> [Row; 4] {
    fn row<S: Source + 'static, K: Sink + Send + 'static>(
        id: &'static str,
        name: &'static str,
        make: fn(&'static str) -> (S, K),
    ) -> Row {
        Row::against(Box::new(InProcess { id, name, make }), EXCLUSIVE, None).group("std-mpsc-64")
    }
    [
        row(
            "std-mpsc-64-unbounded-blocking-packed",
            "std channel, no bound, blocking, 64 bytes, packed",
            std_channel::unbounded_blocking::<Words<8>>,
        ),
        row(
            "std-mpsc-64-unbounded-blocking-lined",
            "std channel, no bound, blocking, 64 bytes, a line each",
            std_channel::unbounded_blocking::<Lined<8>>,
        ),
        row(
            "std-mpsc-64-unbounded-spinning-packed",
            "std channel, no bound, spinning, 64 bytes, packed",
            std_channel::unbounded_spinning::<Words<8>>,
        ),
        row(
            "std-mpsc-64-unbounded-spinning-lined",
            "std channel, no bound, spinning, 64 bytes, a line each",
            std_channel::unbounded_spinning::<Lined<8>>,
        ),
    ]
}

/// Threads that share a queue, of each depth, with items packed and with a line for each, as above.
macro_rules! crowd {
    ($rows:ident, $threads:expr, $id:literal, $series:literal, $module:ident) => {
        let group = named(format!("{}-{}x{1}-threads", $id, $threads));
        for row in [
            in_crowd(
                $threads,
                ($id, "packed"),
                ($series, "packed"),
                DEPTH,
                $module::Many::<Words<8>>::new::<DEPTH>,
            ),
            in_crowd(
                $threads,
                ($id, "packed"),
                ($series, "packed"),
                DEEP,
                $module::Many::<Words<8>>::new::<DEEP>,
            ),
            in_crowd(
                $threads,
                ($id, "packed"),
                ($series, "packed"),
                DEEPER,
                $module::Many::<Words<8>>::new::<DEEPER>,
            ),
            in_crowd(
                $threads,
                ($id, "lined"),
                ($series, "a line each"),
                DEPTH,
                $module::Many::<Lined<8>>::new::<DEPTH>,
            ),
            in_crowd(
                $threads,
                ($id, "lined"),
                ($series, "a line each"),
                DEEP,
                $module::Many::<Lined<8>>::new::<DEEP>,
            ),
            in_crowd(
                $threads,
                ($id, "lined"),
                ($series, "a line each"),
                DEEPER,
                $module::Many::<Lined<8>>::new::<DEEPER>,
            ),
        ] {
            let row = row.group(group);
            $rows.push(row.point(Plot::Threads, $series, $threads as u64));
        }
    };
}

/// One of them.
fn in_crowd<C: Crowd>(
    threads: usize,
    (id, how): (&str, &str),
    (name, items): (&str, &str),
    depth: usize,
    make: Make<C>,
) -> Row {
    let id = format!("{id}-{how}-{depth}");
    let name = format!("{name}, {depth} items, {items}");
    Row::reference(Box::new(Threads::new(&id, &name, threads, make)))
}

/// Of the area `threads`.
pub(crate) fn crowds(plan: &Plan, rows: &mut Vec<Row>, goals: &mut Vec<Goal>) {
    for threads in counts(plan) {
        crowd!(rows, *threads, "channel", "crossbeam channel", channel);
        crowd!(
            rows,
            *threads,
            "arrayqueue",
            "crossbeam ArrayQueue",
            array_queue
        );
    }
    goals.push(Goal::at_least(
        "shared-4x4",
        "messages",
        "shared-4x4-threads",
        Against::Row("channel-4x4-threads"),
        1.5,
    ));
}

/// `rtrb` with items of this many bytes, as long as moving them by value makes sense.
pub(super) fn sized(size: usize) -> Option<Row> {
    fn row<S: Source + 'static, K: Sink + Send + 'static>(
        size: usize,
        make: fn(&'static str) -> (S, K),
    ) -> Row {
        Row::reference(Box::new(InProcess {
            id: named(format!("size-rtrb-{size}")),
            name: named(format!("rtrb, {size} bytes")),
            make,
        }))
    }
    Some(match size {
        8 => row(size, ring_buffer::make::<Words<1>, DEPTH>),
        16 => row(size, ring_buffer::make::<Words<2>, DEPTH>),
        32 => row(size, ring_buffer::make::<Words<4>, DEPTH>),
        64 => row(size, ring_buffer::make::<Lined<8>, DEPTH>),
        128 => row(size, ring_buffer::make::<Lined<16>, DEPTH>),
        256 => row(size, ring_buffer::make::<Lined<32>, DEPTH>),
        512 => row(size, ring_buffer::make::<Lined<64>, DEPTH>),
        1024 => row(size, ring_buffer::make::<Lined<128>, DEPTH>),
        2048 => row(size, ring_buffer::make::<Lined<256>, DEPTH>),
        4096 => row(size, ring_buffer::make::<Lined<512>, DEPTH>),
        _ => return None,
    })
}
