//! The area `threads`: many threads that send to many others.

use crate::hqq::shared::SharedCrowd;
use crate::measure::{DEEP, DEEPER, DEPTH, named};
use crate::suite::{Goal, Plan, Plot, Row, Suite};
use crate::threads::{Make, Threads};

/// Threads on either side.
pub(crate) fn counts(plan: &Plan) -> &'static [usize] {
    plan.points.of(&[1, 2, 4, 8], &[1, 4], &[1, 4])
}

/// Messages of a turn, the same for every row: starting the threads takes as long as tens of thousands of
/// messages, and as long for everybody only where all send as many. A turn lasts for several time slices, unlike those of other
/// areas, as threads that are more than the cores take turns themselves: a shorter one shows who happened to run.
const MESSAGES: u32 = 1 << 18;
/// As such turns take longer, and differ less.
const ROUNDS: u32 = 101;

/// Shared links of each depth, then what there is besides.
pub(crate) fn suite(plan: &Plan) -> Suite {
    let mut rows = Vec::new();
    for threads in counts(plan) {
        let group = named(format!("shared-{threads}x{threads}-threads"));
        let depths: [(_, Make<_>); 3] = [
            (DEPTH, SharedCrowd::new::<DEPTH>),
            (DEEP, SharedCrowd::new::<DEEP>),
            (DEEPER, SharedCrowd::new::<DEEPER>),
        ];
        for (depth, make) in depths {
            let (id, name) = (
                format!("shared-{depth}"),
                format!("shared link, {depth} buffers"),
            );
            let crowd = Threads::new(&id, &name, *threads, make);
            let row = Row::reference(Box::new(crowd)).group(group);
            rows.push(row.point(Plot::Threads, "HQQ shared", *threads as u64));
        }
    }
    let mut goals: Vec<Goal> = Vec::new();
    super::peers::crowds(plan, &mut rows, &mut goals);
    Suite {
        rows,
        goals,
        operations: MESSAGES,
        most_rounds: ROUNDS,
    }
}
