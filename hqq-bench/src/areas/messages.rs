//! The area `messages`: one way, as fast as there is room.

use crate::hqq::link::{CoreLink, Lending, Sides};
use crate::suite::{Against, Goal, Plot, Row, Suite};

/// The exclusive link, to which the others are compared.
pub(crate) const EXCLUSIVE: &str = "one-way-64";

/// Links in their modes, then what there is besides.
pub(crate) fn suite() -> Suite {
    let link = |id, name, size| CoreLink::one_way(id, name, size);
    let against = |link: CoreLink| Row::against(Box::new(link), EXCLUSIVE, None);
    let cost = |row: Row, series| row.point(Plot::Cost, series, 64);
    let mut rows = vec![
        cost(
            Row::reference(Box::new(link(EXCLUSIVE, "exclusive link, 64 bytes", 64))),
            "HQQ exclusive",
        ),
        against(link("one-way-8", "exclusive link, 8 bytes", 8)),
        cost(
            against(link("one-way-64-shared", "shared link, 64 bytes", 64).sides(Sides::Shared)),
            "HQQ shared",
        ),
        against(link("one-way-8-shared", "shared link, 8 bytes", 8).sides(Sides::Shared)),
        cost(
            against(
                link("one-way-64-batch", "batches of 16, 64 bytes", 64).lending(Lending::Batch),
            ),
            "HQQ, batches of 16",
        ),
        against(link("one-way-8-batch", "batches of 16, 8 bytes", 8).lending(Lending::Batch)),
        against(link("one-way-64-grant", "in grants, 64 bytes", 64).lending(Lending::Grant)),
        against(
            link("one-way-64-closure", "trusted, in closures, 64 bytes", 64)
                .lending(Lending::Closure),
        ),
        cost(
            against(
                link("one-way-64-trusted", "trusted, in place, 64 bytes", 64)
                    .lending(Lending::TrustedGrant),
            ),
            "HQQ trusted, in place",
        ),
        cost(
            against(link("one-way-64-format1", "format 1, 64 bytes", 64).sides(Sides::Format1)),
            "HQQ, format 1",
        ),
    ];
    let mut goals = vec![Goal::at_most(
        "batch-64",
        "one way, against one at a time",
        "one-way-64-batch",
        Against::Row(EXCLUSIVE),
        0.6,
    )];
    super::peers::messages(&mut rows, &mut goals);
    Suite {
        rows,
        goals,
        operations: 0,
    }
}

/// The area `trust`: what not trusting the peer costs.
pub(crate) fn trust() -> Suite {
    let link = |id, name, size| CoreLink::one_way(id, name, size);
    let rows = [
        (
            link("copied-64", "copied out, 64 bytes", 64),
            link("trusted-64", "trusted, in closures, 64 bytes", 64),
        ),
        (
            link("copied-4k", "copied out, 4 KiB", 4096),
            link("trusted-4k", "trusted, in closures, 4 KiB", 4096),
        ),
    ];
    let rows = rows.into_iter().flat_map(|(copied, trusted)| {
        let reference = trusted.id;
        [
            Row::reference(Box::new(trusted.lending(Lending::Closure))),
            Row::against(Box::new(copied), reference, None),
        ]
    });
    let goal = |id, row, trusted, limit| {
        let name = "one way, untrusted against trusted";
        Goal::at_most(id, name, row, Against::Row(trusted), limit)
    };
    Suite {
        rows: rows.collect(),
        goals: vec![
            goal("untrusted-64", "copied-64", "trusted-64", 1.15),
            goal("untrusted-4k", "copied-4k", "trusted-4k", 1.3),
        ],
        operations: 0,
    }
}
