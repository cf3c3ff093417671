//! What a wait teaches.

use super::*;

/// A sleep that a peer on the same core ended at once.
fn sleep_beside(waiter: &mut Waiter) {
    let at_once = Duration::from_micros(4);
    waiter.tempo.slept(at_once, Some((at_once, true)));
}

#[test]
fn an_answer_that_a_yield_let_come_is_no_sign_of_another_core() -> Result<(), crate::Error> {
    let (_near, mut far) = crate::pair()?;
    let mut waiter = far.receiver().waiter(Policy::Adaptive);
    for _ in 0..3 {
        sleep_beside(&mut waiter);
    }
    assert!(!waiter.tempo.spin().is_zero());
    let mut round = 0;
    while waiter.gave_way == 0 {
        round += 1;
        assert!(
            round < 10 * CLOCK,
            "it does not yield to find out who else is there"
        );
        assert!(waiter.pause(round).is_continue());
    }
    waiter.finish();
    // Who else ran meanwhile is not what this is about.
    for _ in 0..16 {
        waiter.tempo.came_back(Duration::ZERO);
    }
    sleep_beside(&mut waiter);
    assert!(waiter.tempo.spin().is_zero());
    Ok(())
}

#[test]
fn a_wait_of_more_looks_than_can_be_counted_keeps_its_deadline() -> Result<(), crate::Error> {
    let (_near, mut far) = crate::pair()?;
    let mut waiter = far.receiver().waiter(Policy::Spin);
    let began = Instant::now();
    waiter.within(Some(Duration::from_millis(10)));
    assert!(waiter.pause(1).is_continue());
    waiter.looks = u32::MAX - 1;
    while waiter.pause(2).is_continue() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it does not look at the clock any more"
        );
    }
    Ok(())
}
