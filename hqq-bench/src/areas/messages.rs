//! The area `messages`: one way, as fast as there is room.

use hqq_std::wait::Policy;

use crate::hqq::bare::Bare;
use crate::hqq::link::{CoreLink, Lending, Sides};
use crate::hqq::parked::SystemLink;
use crate::measure::Place;
use crate::suite::{Against, Goal, Plot, Row, Suite};
use crate::work::Way;

/// The exclusive link, to which the others are compared.
pub(crate) const EXCLUSIVE: &str = "one-way-64";

/// Rings by hand.
const BY_HAND: &str = "one-way-64-by-hand";
const BY_HAND_8: &str = "one-way-8-by-hand";
const BY_HAND_SHARED: &str = "one-way-64-shared-by-hand";

/// Rings by hand, of as many slots as the links have here.
fn by_hand() -> [Row; 5] {
    const fn bare<const W: usize>(
        id: &'static str,
        name: &'static str,
        shared: bool,
        pace: u32,
    ) -> Bare<W, 1, 256> {
        Bare {
            id,
            name,
            way: Way::OneWay,
            shared,
            pace,
        }
    }
    let row = |measure| Row::against(measure, EXCLUSIVE, None);
    [
        row(Box::new(bare::<8>(
            BY_HAND,
            "ring by hand, 64 bytes",
            false,
            1,
        ))),
        row(Box::new(bare::<1>(
            BY_HAND_8,
            "ring by hand, 8 bytes",
            false,
            1,
        ))),
        row(Box::new(bare::<8>(
            "one-way-64-by-hand-paced",
            "ring by hand, 64 hints between looks, 64 bytes",
            false,
            64,
        ))),
        row(Box::new(bare::<1>(
            "one-way-8-by-hand-paced",
            "ring by hand, 64 hints between looks, 8 bytes",
            false,
            64,
        ))),
        row(Box::new(bare::<8>(
            BY_HAND_SHARED,
            "ring by hand, shared, 64 bytes",
            true,
            1,
        ))),
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
    .map(|(id, name, policy, size)| {
        let link = SystemLink {
            id,
            name,
            way: Way::OneWay,
            policy,
            place: Place::TwoCores,
            size,
        };
        Row::against(Box::new(link), EXCLUSIVE, None)
    })
}

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
    rows.extend(by_hand());
    rows.extend(system());
    let mut goals = vec![Goal::at_most(
        "batch-64",
        "one way, against one at a time",
        "one-way-64-batch",
        Against::Row(EXCLUSIVE),
        0.6,
    )];
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
    }
}

/// The area `trust`: what not trusting the peer costs, next to the faster of two ways to trust it.
pub(crate) fn trust() -> Suite {
    let link = |id, name, size| CoreLink::one_way(id, name, size);
    let trusted = |group, id, name, size, lending| {
        let link = link(id, name, size).lending(lending);
        Row::reference(Box::new(link)).group(group)
    };
    let untrusted =
        |id, name, size, group| Row::against(Box::new(link(id, name, size)), group, None);
    let (closure, grant) = (Lending::Closure, Lending::TrustedGrant);
    let (short, long) = ("trusted-64", "trusted-4k");
    let rows = vec![
        trusted(
            short,
            "trusted-64-closure",
            "trusted, in closures, 64 bytes",
            64,
            closure,
        ),
        trusted(
            short,
            "trusted-64-grant",
            "trusted, in grants, 64 bytes",
            64,
            grant,
        ),
        untrusted("copied-64", "copied out, 64 bytes", 64, short),
        trusted(
            long,
            "trusted-4k-closure",
            "trusted, in closures, 4 KiB",
            4096,
            closure,
        ),
        trusted(
            long,
            "trusted-4k-grant",
            "trusted, in grants, 4 KiB",
            4096,
            grant,
        ),
        untrusted("copied-4k", "copied out, 4 KiB", 4096, long),
    ];
    let goal = |id, row, trusted, limit| {
        let name = "one way, untrusted against trusted";
        Goal::at_most(id, name, row, Against::Row(trusted), limit)
    };
    Suite {
        rows,
        goals: vec![
            goal("untrusted-64", "copied-64", short, 1.15),
            goal("untrusted-4k", "copied-4k", long, 1.3),
        ],
        operations: 0,
    }
}
