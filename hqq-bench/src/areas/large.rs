//! The area `large`: copies of 64 MiB, each at the geometry that suits it best.

use crate::bulk::BULK;
use crate::floors::memcpy::Memcpy;
use crate::floors::pipeline::Pipeline;
use crate::hqq::large::{How, Large};
use crate::measure::named;
use crate::suite::{Against, Goal, Plan, Plot, Row, Suite};

/// Buffers and KiB in each that compete.
const GEOMETRIES: &[(usize, usize)] = &[
    (16, 256),
    (4, 1024),
    (16, 64),
    (4, 256),
    (64, 64),
    (8, 128),
    (64, 16),
    (16, 32),
];
/// Those that won in long runs.
const CHOSEN: &[(usize, usize)] = &[(16, 256), (4, 256), (64, 64), (8, 128)];
const FEW: &[(usize, usize)] = &[(16, 256)];

/// Bare copies, then the link's.
pub(crate) fn suite(plan: &Plan) -> Suite {
    let geometries = || {
        let some = plan.points.of(GEOMETRIES, CHOSEN, FEW).iter();
        some.map(|(count, kib)| (*count, kib * 1024))
    };
    let mut rows = Vec::new();
    for (count, size) in geometries() {
        let bare = Row::reference(Box::new(Pipeline::new(count, size)));
        rows.push(point(bare, "bare copies", size).group("pipeline"));
    }
    let ways = [
        (How::Assembled, "assembled (hqq-std)"),
        (How::SystemStreamed, "streamed (hqq-std)"),
        (How::Streamed, "streamed (hqq-core)"),
        (How::InPlace, "in place (hqq-core)"),
    ];
    for (how, series) in ways {
        for (count, size) in geometries() {
            let row = Row::against(Box::new(Large::new(how, count, size)), "pipeline", None);
            rows.push(point(row, series, size).group(how.group()));
        }
    }
    let alone = |how| Row::against(Box::new(Large::new(how, 64, 64 * 1024)), "pipeline", None);
    for lone in [
        alone(How::Adaptive),
        alone(How::Anew),
        Row::against(
            Box::new(Pipeline::to_fresh(16, 256 * 1024)),
            "pipeline",
            None,
        ),
    ] {
        rows.push(lone.bytes(BULK));
    }
    for (size, label) in [
        (64, "64 bytes"),
        (4096, "4 KiB"),
        (65536, "64 KiB"),
        (1 << 20, "1 MiB"),
    ] {
        let copy = Memcpy {
            id: named(format!("memcpy-{size}")),
            name: named(format!("memcpy, one core, {label}")),
            size,
        };
        rows.push(Row::reference(Box::new(copy)).bytes(size));
    }
    let against = Against::Row("pipeline");
    let goal = |id, row, limit| {
        Goal::at_least(id, "64 MiB against bare copies", row, against, limit).bytes(BULK as u64)
    };
    Suite {
        rows,
        goals: vec![
            goal("large-assembled", "assembled", 0.85),
            goal("large-streamed", "streamed", 0.95),
            goal("large-inplace", "inplace", 0.95),
        ],
        operations: 0,
        most_rounds: u32::MAX,
    }
}

fn point(row: Row, series: &'static str, size: usize) -> Row {
    row.point(Plot::Geometry, series, size as u64).bytes(BULK)
}
