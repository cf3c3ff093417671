//! The area `messages`: one way, as fast as there is room.

use hqq_std::wait::Policy;

use crate::hqq::bare::Bare;
use crate::hqq::link::{CoreLink, Lending, Sides};
use crate::hqq::parked::SystemLink;
use crate::measure::{DEEP, DEEPER, DEPTH, Place, named};
use crate::suite::{Against, Goal, Plot, Row, Suite};
use crate::work::Way;

/// Exclusive links, to which the others are compared.
pub(crate) const EXCLUSIVE: &str = "one-way-64";

/// An exclusive link of as many buffers as batches have.
const ALONE: &str = "one-way-64-alone";
/// Rings by hand.
const BY_HAND: &str = "one-way-64-by-hand";
const BY_HAND_8: &str = "one-way-8-by-hand";
const BY_HAND_SHARED: &str = "one-way-64-shared-by-hand";

/// Links of each depth, of which the fastest one stands for them by the id of `link`.
fn deep(link: CoreLink) -> impl Iterator<Item = Row> {
    [DEPTH, DEEP, DEEPER].into_iter().map(move |depth| {
        let (id, name) = told(link.id, link.name, depth);
        let group = link.id;
        let link = CoreLink { id, name, ..link }.count(depth);
        Row::against(Box::new(link), EXCLUSIVE, None).group(group)
    })
}

/// What a row of this depth is called.
fn told(id: &str, name: &str, depth: usize) -> (&'static str, &'static str) {
    (
        named(format!("{id}-{depth}")),
        named(format!("{name}, {depth} buffers")),
    )
}

/// Rings by hand, of as many slots as the links have here.
fn by_hand<const N: usize>() -> [Row; 5] {
    fn row<const W: usize, const N: usize>(
        group: &'static str,
        name: &str,
        shared: bool,
        pace: u32,
    ) -> Row {
        let (id, name) = told(group, name, N);
        let ring = Bare::<W, 1, N> {
            id,
            name,
            way: Way::OneWay,
            shared,
            pace,
        };
        Row::against(Box::new(ring), EXCLUSIVE, None).group(group)
    }
    [
        row::<8, N>(BY_HAND, "ring by hand, 64 bytes", false, 1),
        row::<1, N>(BY_HAND_8, "ring by hand, 8 bytes", false, 1),
        row::<8, N>(
            "one-way-64-by-hand-paced",
            "ring by hand, 64 hints between looks, 64 bytes",
            false,
            64,
        ),
        row::<1, N>(
            "one-way-8-by-hand-paced",
            "ring by hand, 64 hints between looks, 8 bytes",
            false,
            64,
        ),
        row::<8, N>(BY_HAND_SHARED, "ring by hand, shared, 64 bytes", true, 1),
    ]
}

/// The links of `hqq-std`, which find out by themselves how often to look.
fn system() -> impl Iterator<Item = Row> {
    [
        (
            "std-64-spin",
            "hqq-std, spinning, 64 bytes",
            Policy::Spin,
            64,
        ),
        (
            "std-64-adaptive",
            "hqq-std, adaptive, 64 bytes",
            Policy::Adaptive,
            64,
        ),
        ("std-8-spin", "hqq-std, spinning, 8 bytes", Policy::Spin, 8),
        (
            "std-8-adaptive",
            "hqq-std, adaptive, 8 bytes",
            Policy::Adaptive,
            8,
        ),
    ]
    .into_iter()
    .flat_map(|(group, name, policy, size)| {
        [DEPTH, DEEP, DEEPER].map(|depth| {
            let (id, name) = told(group, name, depth);
            let link = SystemLink {
                id,
                name,
                way: Way::OneWay,
                policy,
                place: Place::TwoCores,
                size,
                geometry: (depth, size),
            };
            Row::against(Box::new(link), EXCLUSIVE, None).group(group)
        })
    })
}

/// Links in their modes, then what there is besides.
pub(crate) fn suite() -> Suite {
    let link = |id, name, size| CoreLink::one_way(id, name, size);
    let lends = |id, name, lending| link(id, name, 64).lending(lending);
    let links = [
        (
            link(EXCLUSIVE, "exclusive link, 64 bytes", 64),
            Some("HQQ exclusive"),
        ),
        (link("one-way-8", "exclusive link, 8 bytes", 8), None),
        (
            link("one-way-64-shared", "shared link, 64 bytes", 64).sides(Sides::Shared),
            Some("HQQ shared"),
        ),
        (
            link("one-way-8-shared", "shared link, 8 bytes", 8).sides(Sides::Shared),
            None,
        ),
        (
            lends("one-way-64-grant", "in grants, 64 bytes", Lending::Grant),
            None,
        ),
        (
            lends(
                "one-way-64-closure",
                "trusted, in closures, 64 bytes",
                Lending::Closure,
            ),
            None,
        ),
        (
            lends(
                "one-way-64-trusted",
                "trusted, in place, 64 bytes",
                Lending::TrustedGrant,
            ),
            Some("HQQ trusted, in place"),
        ),
        (
            link("one-way-64-format1", "format 1, 64 bytes", 64).sides(Sides::Format1),
            Some("HQQ, format 1"),
        ),
    ];
    // A buffer holds 16 messages: 256 of them are deep enough, and more do not fit into a core's own cache.
    let batches = [
        (
            lends(
                "one-way-64-batch",
                "batches of 16, 64 bytes",
                Lending::Batch,
            ),
            Some("HQQ, batches of 16"),
        ),
        (
            link("one-way-8-batch", "batches of 16, 8 bytes", 8).lending(Lending::Batch),
            None,
        ),
        (
            link(ALONE, "one at a time, 64 bytes, 256 buffers", 64),
            None,
        ),
    ];
    let cost = |row: Row, series: Option<&'static str>| match series {
        Some(series) => row.point(Plot::Cost, series, 64),
        None => row,
    };
    let mut rows = Vec::new();
    for (link, series) in links {
        rows.extend(deep(link).map(|row| cost(row, series)));
    }
    for (link, series) in batches {
        let row = Row::against(Box::new(link), EXCLUSIVE, None);
        rows.push(cost(row, series));
    }
    let by_hand = by_hand::<DEPTH>()
        .into_iter()
        .zip(by_hand::<DEEP>())
        .zip(by_hand::<DEEPER>());
    rows.extend(by_hand.flat_map(|((short, deep), deeper)| [short, deep, deeper]));
    rows.extend(system());
    let batch = "one-way-64-batch";
    let mut goals = vec![
        Goal::at_most(
            "batch-64",
            "one way, against one at a time in as many buffers",
            batch,
            Against::Row(ALONE),
            0.6,
        ),
        Goal::told(
            "batch-64-deep",
            "one way, against one at a time in the faster ring",
            batch,
            Against::Row(EXCLUSIVE),
        ),
    ];
    let to_hand = |id, row, by_hand| {
        Goal::told(
            id,
            "one way, against a ring by hand",
            row,
            Against::Row(by_hand),
        )
    };
    goals.extend([
        to_hand("msg-64-to-hand", EXCLUSIVE, BY_HAND),
        to_hand("msg-8-to-hand", "one-way-8", BY_HAND_8),
        to_hand("msg-64-shared-to-hand", "one-way-64-shared", BY_HAND_SHARED),
    ]);
    super::peers::messages(&mut rows, &mut goals);
    Suite {
        rows,
        goals,
        operations: 0,
        most_rounds: u32::MAX,
    }
}

/// The area `trust`: what not trusting the peer costs, next to the faster of two ways to trust it, each in the ring
/// that suits it best.
pub(crate) fn trust() -> Suite {
    let mut rows = Vec::new();
    for (size, label, depths, trusted, copied) in [
        (
            64,
            "64 bytes",
            &[DEPTH, DEEP, DEEPER][..],
            "trusted-64",
            "copied-64",
        ),
        (
            4096,
            "4 KiB",
            &[DEPTH / 4, DEPTH][..],
            "trusted-4k",
            "copied-4k",
        ),
    ] {
        for depth in depths {
            let link = |way: &str, name: &str, lending| {
                let (id, name) = told(way, &format!("{name}, {label}"), *depth);
                let link = CoreLink::one_way(id, name, size).lending(lending);
                Box::new(link.count(*depth))
            };
            for (way, name, lending) in [
                ("closure", "trusted, in closures", Lending::Closure),
                ("grant", "trusted, in grants", Lending::TrustedGrant),
            ] {
                let link = link(&format!("{trusted}-{way}"), name, lending);
                rows.push(Row::reference(link).group(trusted));
            }
            let link = link(copied, "copied out", Lending::Copying);
            rows.push(Row::against(link, trusted, None).group(copied));
        }
    }
    let goal = |id, row, trusted, limit| {
        let name = "one way, untrusted against trusted";
        Goal::at_most(id, name, row, Against::Row(trusted), limit)
    };
    Suite {
        rows,
        goals: vec![
            goal("untrusted-64", "copied-64", "trusted-64", 1.15),
            goal("untrusted-4k", "copied-4k", "trusted-4k", 1.3),
        ],
        operations: 0,
        most_rounds: u32::MAX,
    }
}
