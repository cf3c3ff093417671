//! The area `rtt`: messages there and back, one at a time.

use super::floor::cache_lines;
use crate::hqq::bare::Bare;
use crate::hqq::link::{CoreLink, Sides};
use crate::suite::{Against, Goal, Limit, Quantity, Row, Suite};
use crate::work::Way;

/// Rings by hand, of as many slots as the links have here.
fn by_hand() -> [Row; 4] {
    const fn bare<const W: usize, const L: usize>(
        id: &'static str,
        name: &'static str,
        shared: bool,
    ) -> Bare<W, L, 64> {
        Bare {
            id,
            name,
            way: Way::RoundTrip,
            shared,
            pace: 1,
        }
    }
    let row = |measure| Row::against_floor(measure, None).latency();
    [
        row(Box::new(bare::<1, 1>(
            "by-hand-8",
            "ring by hand, 8 bytes",
            false,
        ))),
        row(Box::new(bare::<8, 1>(
            "by-hand-64",
            "ring by hand, 64 bytes",
            false,
        ))),
        row(Box::new(bare::<128, 16>(
            "by-hand-1k",
            "ring by hand, 1 KiB",
            false,
        ))),
        row(Box::new(bare::<8, 1>(
            "by-hand-64-shared",
            "ring by hand, shared, 64 bytes",
            true,
        ))),
    ]
}

/// The bare cache line, then links, then rings by hand, then what there is besides.
pub(crate) fn suite() -> Suite {
    let link = |id, name, size| CoreLink::round_trip(id, name, size);
    let row = |link: CoreLink| Row::against_floor(Box::new(link), None).latency();
    let mut rows = cache_lines();
    rows.extend([
        row(link("exclusive-8", "exclusive link, 8 bytes", 8)),
        row(link("exclusive-64", "exclusive link, 64 bytes", 64)),
        row(link("exclusive-1k", "exclusive link, 1 KiB", 1024)),
        row(link("shared-64", "shared link, 64 bytes", 64).sides(Sides::Shared)),
        row(link("format1-64", "link of format 1, 64 bytes", 64).sides(Sides::Format1)),
    ]);
    rows.extend(by_hand());
    let goal = |id, name, row, limit| Goal {
        id,
        name,
        row,
        against: Against::Floor,
        limit: Limit::AtMost(limit),
        quantity: Quantity::Time,
    };
    let mut goals = vec![
        goal("rtt-8", "round trip", "exclusive-8", 1.4),
        goal("rtt-64", "round trip", "exclusive-64", 1.75),
        goal("rtt-1k", "round trip", "exclusive-1k", 3.0),
        goal("rtt-64-shared", "round trip", "shared-64", 2.2),
    ];
    super::peers::round_trips(&mut rows, &mut goals);
    let two = Against::Row("line-2-hint");
    goals.push(Goal::told(
        "rtt-8-two-lines",
        "against a line each way",
        "exclusive-8",
        two,
    ));
    goals.push(Goal::told(
        "rtt-64-two-lines",
        "against a line each way",
        "exclusive-64",
        two,
    ));
    for (id, against, link, by_hand) in [
        ("rtt-8-by-hand", "rtt-8-to-hand", "exclusive-8", "by-hand-8"),
        (
            "rtt-64-by-hand",
            "rtt-64-to-hand",
            "exclusive-64",
            "by-hand-64",
        ),
        (
            "rtt-1k-by-hand",
            "rtt-1k-to-hand",
            "exclusive-1k",
            "by-hand-1k",
        ),
        (
            "rtt-64-shared-by-hand",
            "rtt-64-shared-to-hand",
            "shared-64",
            "by-hand-64-shared",
        ),
    ] {
        goals.push(Goal::told(id, "round trip", by_hand, Against::Floor));
        goals.push(Goal::told(
            against,
            "against a ring by hand",
            link,
            Against::Row(by_hand),
        ));
    }
    Suite {
        rows,
        goals,
        operations: 0,
        most_rounds: u32::MAX,
    }
}
