//! The area `rtt`: messages there and back, one at a time.

use super::floor::cache_lines;
use crate::hqq::link::{CoreLink, Sides};
use crate::suite::{Against, Goal, Limit, Quantity, Row, Suite};

/// The bare cache line, then links, then what there is besides.
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
    Suite {
        rows,
        goals,
        operations: 0,
    }
}
