//! The suite `floor`: how near the link comes to what the machine can do at all.

use crate::cache_line::CacheLineRoundTrip;
use crate::link::LinkRoundTrip;
use crate::patience::Hint;
use crate::runner::{Row, Suite};

/// The bare round trips, the fastest of which is the floor, then the link's.
pub(crate) fn suite() -> Suite {
    let bare = |id, name, lines, hint| {
        let measure = CacheLineRoundTrip {
            id,
            name,
            lines,
            hint,
        };
        Row::floor(Box::new(measure), lines == 2)
    };
    let link = |id, name, size, hint, goal| {
        Row::against_floor(
            Box::new(LinkRoundTrip {
                id,
                name,
                size,
                hint,
            }),
            goal,
        )
    };
    let (none, spin) = (Hint::None, Hint::SpinLoop);
    let rows = vec![
        bare("line-1", "one cache line", 1, none),
        bare("line-1-hint", "one cache line, spin hint", 1, spin),
        bare("line-2", "two cache lines", 2, none),
        bare("line-2-hint", "two cache lines, spin hint", 2, spin),
        link("link-8", "exclusive link, 8 bytes", 8, none, Some(2.0)),
        link("link-8-hint", "the same, spin hint", 8, spin, None),
        link("link-64", "exclusive link, 64 bytes", 64, none, Some(1.75)),
        link("link-64-hint", "the same, spin hint", 64, spin, None),
    ];
    Suite {
        rows,
        operations: 2000,
    }
}
