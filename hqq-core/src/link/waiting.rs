//! Waiting for a ring to go on, the same for both halves, and noticing what keeps it from that.

use core::ops::ControlFlow;

use super::error::Retry;
use crate::ring::{Corruption, Obstacle};
use crate::wait::{Wait, WaitReason, Waiting};

/// The round of waiting in which it is noted who is in the way: late enough not to slow answers down
/// that come at once.
const OBSTACLE: u32 = 2;
/// Attempts one after the other that move the ring on, without a wait between: at most these, so that no
/// peer can keep a call from its deadline.
const PASSES: usize = 1024;
/// Looks, or what waits stand for, after which a ring is looked at for corruption.
const SUSPICION: u32 = 256;

/// The attempts of a call whose first one was made elsewhere and gave `error`.
#[inline]
pub(super) fn after<S, T, E>(
    error: E,
    mut attempt: impl FnMut(&mut S) -> Result<T, E>,
) -> impl FnMut(&mut S, bool) -> Result<T, E> {
    let mut begun = Some(error);
    move |state, _| match begun.take() {
        Some(error) => Err(error),
        None => attempt(state),
    }
}

/// Repeats `attempt` until it settles, or `wait` gives up, or the same corruption was found twice,
/// many rounds apart. `attempt` learns whether it is the first of the call; `look` says what is wrong
/// with what comes next, and who is in its way; `has_got_on`, whether an attempt in vain moved the ring on.
#[inline]
pub(super) fn wait_until<S, T, E: Retry>(
    state: &mut S,
    wait: &mut impl Wait,
    reason: WaitReason,
    mut attempt: impl FnMut(&mut S, bool) -> Result<T, E>,
    look: impl Fn(&S) -> (Option<Corruption>, Option<Obstacle>),
    mut has_got_on: impl FnMut(&S, &E) -> bool,
) -> Result<T, E::Final> {
    let mut round = 0_u32;
    let mut looks = 0_u32;
    let mut suspected = None;
    let mut in_the_way = None;
    let mut passes = 0;
    let mut first = true;
    loop {
        let error = match attempt(state, first) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        first = false;
        if passes < PASSES && has_got_on(state, &error) {
            // Whoever slept now would sleep although there may be a message.
            passes += 1;
            continue;
        }
        if let Some(error) = error.settled() {
            return Err(error);
        }
        round = round.saturating_add(1);
        if round == OBSTACLE {
            in_the_way = look(state).1;
        }
        if round > 1 && wait.worth() > 1 {
            // It has slept, and looked at the time.
            passes = 0;
        }
        looks = looks.saturating_add(if round == 1 { 1 } else { wait.worth() });
        if looks >= SUSPICION {
            looks = 0;
            let (found, _) = look(state);
            // Once proves nothing: a 32-bit peer may be between the halves of a stamp.
            if found.is_some() && found == suspected {
                return Err(E::timed_out(found, None));
            }
            suspected = found;
        }
        if let ControlFlow::Break(()) = wait.wait(&Waiting { reason, round }) {
            let (corruption, obstacle) = look(state);
            let obstacle = obstacle.filter(|_| obstacle == in_the_way);
            return Err(E::timed_out(corruption, obstacle));
        }
    }
}
