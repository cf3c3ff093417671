//! Queues that live in one process.

use crate::areas::crowds::counts;
use crate::areas::messages::EXCLUSIVE;
use crate::error::BenchError;
use crate::measure::named;
use crate::peers::in_process::{InProcess, Lined, Words};
use crate::peers::{array_queue, channel, heapless_queue, ring_buffer, std_channel};
use crate::suite::{Against, Goal, Plan, Plot, Row};
use crate::threads::{Crowd, Threads};
use crate::work::{Sink, Source};

fn queue<S: Source + 'static, K: Sink + Send + 'static>(
    id: &'static str,
    name: &'static str,
    make: fn(&'static str) -> (S, K),
) -> Row {
    Row::against(Box::new(InProcess { id, name, make }), EXCLUSIVE, None)
}

/// A queue of words side by side and one whose items begin lines of their own, of which the faster one stands
/// for the group.
macro_rules! queues {
    ($group:literal, $id:literal, $name:literal, $module:ident::$make:ident) => {
        [
            queue(
                concat!($id, "-packed"),
                concat!($name, ", 64 bytes, packed"),
                $module::$make::<Words<8>>,
            ),
            queue(
                concat!($id, "-lined"),
                concat!($name, ", 64 bytes, a line each"),
                $module::$make::<Lined<8>>,
            ),
        ]
        .map(|row: Row| row.group($group))
    };
}

/// Of the area `messages`.
pub(super) fn one_way(rows: &mut Vec<Row>) {
    let cost = |row: Row, series| row.point(Plot::Cost, series, 64);
    let costs = |rows: [Row; 2], series| rows.map(|row| cost(row, series));
    rows.extend(costs(
        queues!("rtrb-64", "rtrb-64", "rtrb", ring_buffer::make),
        "rtrb",
    ));
    rows.push(queue(
        "rtrb-8",
        "rtrb, 8 bytes",
        ring_buffer::make::<Words<1>>,
    ));
    rows.extend(queues!(
        "rtrb-64-chunks",
        "rtrb-64-chunks",
        "rtrb, chunks of 16",
        ring_buffer::chunks
    ));
    rows.push(queue(
        "rtrb-8-chunks",
        "rtrb, chunks of 16, 8 bytes",
        ring_buffer::chunks::<Words<1>>,
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
        rows.extend(costs(row, "std sync_channel"));
    }
}

type Make<C> = fn() -> Result<C, BenchError>;

/// Threads that share a queue, with items packed and with a line for each, as above.
fn crowd<P: Crowd, L: Crowd>(
    rows: &mut Vec<Row>,
    threads: usize,
    id: &str,
    series: &'static str,
    (packed, lined): (Make<P>, Make<L>),
) {
    let group = named(format!("{id}-{threads}x{threads}-threads"));
    let name = |how| format!("{series}, {how}");
    let of = |how| format!("{id}-{how}");
    let packed = Threads::new(&of("packed"), &name("packed"), threads, packed);
    let lined = Threads::new(&of("lined"), &name("a line each"), threads, lined);
    for row in [
        Row::reference(Box::new(packed)),
        Row::reference(Box::new(lined)),
    ] {
        rows.push(
            row.group(group)
                .point(Plot::Threads, series, threads as u64),
        );
    }
}

/// Of the area `threads`.
pub(crate) fn crowds(plan: &Plan, rows: &mut Vec<Row>, goals: &mut Vec<Goal>) {
    for threads in counts(plan) {
        crowd::<channel::Many<Words<8>>, channel::Many<Lined<8>>>(
            rows,
            *threads,
            "channel",
            "crossbeam channel",
            (channel::Many::new, channel::Many::new),
        );
        crowd::<array_queue::Many<Words<8>>, array_queue::Many<Lined<8>>>(
            rows,
            *threads,
            "arrayqueue",
            "crossbeam ArrayQueue",
            (array_queue::Many::new, array_queue::Many::new),
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
        8 => row(size, ring_buffer::make::<Words<1>>),
        16 => row(size, ring_buffer::make::<Words<2>>),
        32 => row(size, ring_buffer::make::<Words<4>>),
        64 => row(size, ring_buffer::make::<Lined<8>>),
        128 => row(size, ring_buffer::make::<Lined<16>>),
        256 => row(size, ring_buffer::make::<Lined<32>>),
        512 => row(size, ring_buffer::make::<Lined<64>>),
        1024 => row(size, ring_buffer::make::<Lined<128>>),
        2048 => row(size, ring_buffer::make::<Lined<256>>),
        4096 => row(size, ring_buffer::make::<Lined<512>>),
        _ => return None,
    })
}
