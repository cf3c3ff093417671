//! The area `sweep`: what the plots are drawn of: sizes, ring depths.

use crate::floors::memcpy::Memcpy;
use crate::hqq::link::{CoreLink, Lending, Sides};
use crate::measure::named;
use crate::suite::{Plan, Plot, Row, Suite};
use crate::work::FRESH;

const SIZES: &[usize] = &[
    8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131_072, 262_144,
    524_288, 1_048_576,
];
const DEPTHS: &[usize] = &[2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];
/// The ends, a line, a page, and where batches, pipes, copies and sockets move the most bytes.
const CHOSEN_SIZES: &[usize] = &[
    8, 64, 512, 1024, 4096, 8192, 16384, 65536, 262_144, 1_048_576,
];
/// The ends, and both sides of where a ring becomes deep enough.
const CHOSEN_DEPTHS: &[usize] = &[2, 16, 128, 1024, 2048, 4096];

/// Sizes that a plan asks for.
pub(crate) fn sizes(plan: &Plan) -> impl Iterator<Item = usize> {
    let some = plan
        .points
        .of(SIZES, CHOSEN_SIZES, &[8, 262_144, 1_048_576]);
    some.iter().copied()
}

/// Sizes, then depths.
pub(crate) fn suite(plan: &Plan) -> Suite {
    let mut rows = Vec::new();
    let modes = [
        (
            "copying",
            "HQQ, copying",
            Sides::Exclusive,
            Lending::Copying,
        ),
        ("grant", "HQQ, grants", Sides::Exclusive, Lending::Grant),
        (
            "closure",
            "HQQ, trusted closures",
            Sides::Exclusive,
            Lending::Closure,
        ),
        (
            "batch",
            "HQQ, batches of 16",
            Sides::Exclusive,
            Lending::Batch,
        ),
        ("shared", "HQQ, shared", Sides::Shared, Lending::Copying),
        ("format1", "HQQ, format 1", Sides::Format1, Lending::Copying),
    ];
    for size in sizes(plan) {
        let copy = Memcpy {
            id: named(format!("size-memcpy-{size}")),
            name: named(format!("memcpy, one core, {size} bytes")),
            size,
        };
        rows.push(
            Row::reference(Box::new(copy))
                .point(Plot::Size, "memcpy, one core", size as u64)
                .bytes(size),
        );
        // In place only what is written and checked is touched, so that longer ones show nothing.
        let in_place = |lending| lending == Lending::Closure && size > FRESH;
        for (id, series, sides, lending) in modes {
            if in_place(lending) {
                continue;
            }
            let id = named(format!("size-{id}-{size}"));
            let name = named(format!("{series}, {size} bytes"));
            let link = CoreLink::one_way(id, name, size)
                .sides(sides)
                .lending(lending);
            let row = Row::reference(Box::new(link));
            rows.push(row.point(Plot::Size, series, size as u64).bytes(size));
        }
    }
    for depth in plan.points.of(DEPTHS, CHOSEN_DEPTHS, &[2]) {
        for (id, series, sides) in [
            ("exclusive", "HQQ exclusive", Sides::Exclusive),
            ("shared", "HQQ shared", Sides::Shared),
        ] {
            let id = named(format!("depth-{id}-{depth}"));
            let name = named(format!("{series}, 64 bytes, {depth} buffers"));
            let link = CoreLink::one_way(id, name, 64).sides(sides).count(*depth);
            let row = Row::reference(Box::new(link));
            rows.push(row.point(Plot::Depth, series, *depth as u64));
        }
    }
    super::peers::sweep(plan, &mut rows);
    Suite {
        rows,
        goals: Vec::new(),
        operations: 0,
        most_rounds: u32::MAX,
    }
}
