//! The area `park`: waiting in the system, on two cores and on one; and what it costs to attach, to be idle, and
//! to repair what a dead process left.

use hqq_std::wait::Policy;

use crate::advanced::lent;
use crate::floors::futex::FutexRoundTrip;
use crate::hqq::attach::Attach;
use crate::hqq::idle::Idle;
use crate::hqq::parked::SystemLink;
use crate::hqq::repair::Repair;
use crate::measure::Place;
use crate::suite::{Against, Goal, Limit, Quantity, Row, Suite};
use crate::work::Way;

/// Bare sleeping and waking, then links that do it.
pub(crate) fn suite() -> Suite {
    let futex =
        |id, name, place| Row::reference(Box::new(FutexRoundTrip { id, name, place })).latency();
    let link = |id, name, policy, place, against| {
        let link = SystemLink {
            id,
            name,
            way: Way::RoundTrip,
            policy,
            place,
            size: 8,
            geometry: lent::SMALL,
        };
        Row::against(Box::new(link), against, None).latency()
    };
    let stream = |id, name, policy, place| {
        let link = SystemLink {
            id,
            name,
            way: Way::OneWay,
            policy,
            place,
            size: 64,
            geometry: lent::SMALL,
        };
        Row::reference(Box::new(link))
    };
    let (one, two) = (Place::OneCore, Place::TwoCores);
    Suite {
        rows: vec![
            futex("futex-two-cores", "bare futex, two cores", two),
            link(
                "std-spin",
                "hqq-std, spinning",
                Policy::Spin,
                two,
                "futex-two-cores",
            ),
            link(
                "std-park",
                "hqq-std, parked",
                Policy::Park,
                two,
                "futex-two-cores",
            ),
            link(
                "std-adaptive",
                "hqq-std, adaptive",
                Policy::Adaptive,
                two,
                "futex-two-cores",
            ),
            futex("futex-one-core", "bare futex, one core", one),
            link(
                "std-one-core",
                "hqq-std, adaptive, one core",
                Policy::Adaptive,
                one,
                "futex-one-core",
            ),
            link(
                "std-park-one-core",
                "hqq-std, parked, one core",
                Policy::Park,
                one,
                "futex-one-core",
            ),
            stream(
                "std-one-way",
                "hqq-std, adaptive, one way, 64 bytes",
                Policy::Adaptive,
                two,
            ),
            stream(
                "std-one-way-park",
                "hqq-std, parked when empty, one way, 64 bytes",
                Policy::Park,
                two,
            ),
            stream(
                "std-one-way-one-core",
                "hqq-std, adaptive, one way on one core, 64 bytes",
                Policy::Adaptive,
                one,
            ),
            Row::reference(Box::new(Idle)).unit("of a core"),
            Row::reference(Box::new(Attach)),
            Row::reference(Box::new(Repair)),
        ],
        goals: vec![
            Goal::at_most(
                "park-rtt",
                "round trip, 8 bytes",
                "std-park",
                Against::Row("futex-two-cores"),
                1.15,
            ),
            Goal::at_most(
                "one-core-rtt",
                "round trip on one core, 8 bytes",
                "std-one-core",
                Against::Row("futex-one-core"),
                1.2,
            ),
            Goal {
                id: "idle-cpu",
                name: "idle",
                row: "idle",
                against: Against::Figure(1.0, "a core"),
                limit: Limit::AtMost(0.001),
                quantity: Quantity::Time,
            },
            Goal::at_most(
                "attach",
                "opening",
                "attach-fd",
                Against::Figure(200_000.0, "200 us"),
                1.0,
            ),
            Goal::at_most(
                "repair",
                "a ring of claims",
                "repair-4096",
                Against::Figure(10_000_000.0, "10 ms"),
                1.0,
            ),
        ],
        operations: 0,
        most_rounds: u32::MAX,
    }
}
