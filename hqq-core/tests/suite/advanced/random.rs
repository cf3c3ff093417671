//! Random operations at both ends: every message arrives whole or is reported dead, once, and
//! nothing is left behind.

mod model;

use proptest::prelude::*;

use super::support::*;
use model::{Model, Op};

fn op() -> impl Strategy<Value = Op> {
    let which = || any::<u8>();
    prop_oneof![
        4 => (which(), 0..300_usize, any::<bool>(), 0..8_u8).prop_map(
            |(on, len, is_call, unsized_)| Op::Begin { on, len, is_call, is_sized: unsized_ > 0 }
        ),
        8 => (which(), 1..5_usize).prop_map(|(which, chunks)| Op::Advance { which, chunks }),
        1 => which().prop_map(Op::Abort),
        1 => which().prop_map(Op::Cancel),
        3 => (which(), 0..200_usize, any::<bool>())
            .prop_map(|(which, len, error)| Op::Answer { which, len, error }),
        1 => Just(Op::Dial),
        1 => (which(), 0..4_u8).prop_map(|(which, no)| Op::Decide { which, accepted: no > 0 }),
        1 => (0..4_u8, which()).prop_map(|(now, which)| if now == 0 {
            Op::Close(which)
        } else {
            Op::Poll
        }),
        1 => (which(), any::<bool>()).prop_map(|(on, paused)| Op::Pause { on, paused }),
        6 => Just(Op::Poll),
        2 => Just(Op::Drain),
        1 => (0..40_u64).prop_map(Op::Tick),
    ]
}

fn geometry() -> impl Strategy<Value = (usize, usize)> {
    prop::sample::select(vec![(2, 8), (2, 64), (4, 16), (8, 48), (64, 8), (16, 256)])
}

fn run<R: Rings>((count, size): (usize, usize), ops: &[(bool, Op)]) {
    let mut model = Model::<R>::new(count, size);
    for (far, op) in ops {
        model.apply(usize::from(*far), op);
    }
    model.finish();
}

proptest! {
    // As many cases as PROPTEST_CASES says; no file of failures beside the sources.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_message_arrives_or_is_reported_dead_in_format_2(
        geometry in geometry(),
        ops in prop::collection::vec((any::<bool>(), op()), 0..300),
    ) {
        run::<Format2>(geometry, &ops);
    }

    #[test]
    fn every_message_arrives_or_is_reported_dead_in_format_1(
        geometry in geometry(),
        ops in prop::collection::vec((any::<bool>(), op()), 0..300),
    ) {
        run::<Format1>(geometry, &ops);
    }
}
