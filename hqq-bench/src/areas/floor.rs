//! The area `floor`: how near the link comes to what the machine can do at all.

use crate::floors::cache_line::CacheLineRoundTrip;
use crate::hqq::link::CoreLink;
use crate::patience::Hint;
use crate::suite::{Against, Goal, Row, Suite};

/// The bare round trips of the cache, to which others are compared: the fastest of these rows.
pub(crate) fn cache_lines() -> Vec<Row> {
    let bare = |id, name, lines, hint| {
        Row::floor(Box::new(CacheLineRoundTrip {
            id,
            name,
            lines,
            hint,
        }))
        .latency()
    };
    let (none, spin) = (Hint::None, Hint::SpinLoop);
    vec![
        bare("line-1", "one cache line, there and back", 1, none),
        bare("line-1-hint", "one cache line, spin hint", 1, spin),
        bare("line-2", "a cache line each way", 2, none),
        bare("line-2-hint", "a cache line each way, spin hint", 2, spin),
    ]
}

/// The bare round trips, then the link's.
pub(crate) fn suite() -> Suite {
    let link = |id, name, size, hint| {
        let link = CoreLink::round_trip(id, name, size).hint(hint);
        Row::against_floor(Box::new(link), None)
    };
    let (none, spin) = (Hint::None, Hint::SpinLoop);
    let mut rows = cache_lines();
    rows.extend([
        link("link-8", "exclusive link, 8 bytes", 8, none),
        link("link-8-hint", "the same, spin hint", 8, spin),
        link("link-64", "exclusive link, 64 bytes", 64, none),
        link("link-64-hint", "the same, spin hint", 64, spin),
    ]);
    let lines = Against::Row("line-2-hint");
    let goals = [
        ("two-lines-8", "link-8-hint"),
        ("two-lines-64", "link-64-hint"),
    ];
    Suite {
        rows,
        goals: goals
            .map(|(id, row)| {
                let name = "against a line each way, which a ring needs";
                Goal::told(id, name, row, lines)
            })
            .into(),
        operations: 2000,
        most_rounds: u32::MAX,
    }
}
