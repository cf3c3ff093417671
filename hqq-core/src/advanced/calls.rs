//! Calls that wait for their answers.

/// Why a call will get no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum CallFailure {
    /// Its stream was closed.
    Closed,
    /// The peer gave the answer up.
    Aborted,
    /// The answer died on its way; see the reason.
    Discarded(super::DiscardReason),
}

/// A call.
///
/// | state | event | next |
/// |---|---|---|
/// | – | a request is to be sent | Pending |
/// | Pending | the answer's last chunk | – |
/// | Pending | the caller gives up: sends Abort with request, if the request has begun | – |
/// | Pending | the stream is closed, the answer is aborted | Failed |
/// | Pending | the answer is discarded: sends Abort with request | Failed |
/// | Failed | the failure is reported | – |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Which it is, in a byte where programs have to be small: the compiler would take a word as wide as the
// fields are aligned.
#[cfg_attr(not(target_pointer_width = "64"), repr(u8))]
enum Call {
    Pending {
        connection: u64,
        /// The first chunk of the request was sent.
        begun: bool,
    },
    Failed {
        connection: u64,
        failure: CallFailure,
    },
}

impl Call {
    const fn is_pending_on(&self, stream: u64) -> bool {
        matches!(self, Self::Pending { connection, .. } if *connection == stream)
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: u64,
    call: Call,
}

/// Calls that wait, at most `N` (a power of two).
///
/// Ids are this side's and count up, so that calls that wait have places of their own unless one of
/// them waits for longer than `N` others.
///
/// # Invariants
/// A call lies at the place that its id modulo `N` names, or after it, with no empty place between.
#[derive(Debug)]
pub(super) struct Calls<const N: usize> {
    places: [Option<Entry>; N],
    len: usize,
    /// How many of them have failed.
    failed: usize,
    /// Where to look for one of these next.
    next_failed: usize,
}

impl<const N: usize> Calls<N> {
    pub(super) const fn new() -> Self {
        const { assert!(N.is_power_of_two(), "PENDING is a power of two") };
        Self {
            places: [None; N],
            len: 0,
            failed: 0,
            next_failed: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) const fn is_full(&self) -> bool {
        self.len == N
    }

    /// Whether one of them has failed, and that was not taken yet.
    #[inline]
    pub(super) const fn has_failed(&self) -> bool {
        self.failed > 0
    }

    /// The place that `id` names.
    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "of which N - 1 keeps the low bits"
    )]
    const fn home(id: u64) -> usize {
        id as usize & (N - 1)
    }

    /// Where the call of this id lies.
    #[inline]
    fn find(&self, id: u64) -> Option<usize> {
        let home = Self::home(id);
        for step in 0..N {
            let at = (home + step) & (N - 1);
            match self.places.get(at) {
                Some(Some(entry)) if entry.id == id => return Some(at),
                Some(Some(_)) => {}
                _ => return None,
            }
        }
        None
    }

    #[inline]
    fn get_mut(&mut self, id: u64) -> Option<&mut Call> {
        let at = self.find(id)?;
        let place = self.places.get_mut(at)?.as_mut();
        place.map(|entry| &mut entry.call)
    }

    /// Remembers a call, of which `begun` says whether the first chunk of its request was sent;
    /// `false` where there is no room, or the id is taken.
    #[inline]
    pub(super) fn insert(&mut self, connection: u64, id: u64, begun: bool) -> bool {
        let home = Self::home(id);
        for step in 0..N {
            let Some(place) = self.places.get_mut((home + step) & (N - 1)) else {
                return false;
            };
            match place {
                Some(entry) if entry.id == id => return false,
                Some(_) => {}
                None => {
                    let call = Call::Pending { connection, begun };
                    *place = Some(Entry { id, call });
                    self.len += 1;
                    return true;
                }
            }
        }
        false
    }

    /// Empties a place and closes the gap.
    #[inline]
    fn vacate(&mut self, at: usize) {
        let Some(_) = self.places.get_mut(at).and_then(Option::take) else {
            return;
        };
        self.len -= 1;
        let mut gap = at;
        for step in 1..N {
            let next = (at + step) & (N - 1);
            let Some(place) = self.places.get_mut(next) else {
                break;
            };
            let Some(entry) = place else {
                break;
            };
            // It may move where the gap is no further back than its home.
            let from_home = next.wrapping_sub(Self::home(entry.id)) & (N - 1);
            if from_home >= next.wrapping_sub(gap) & (N - 1) {
                let entry = place.take();
                if let Some(place) = self.places.get_mut(gap) {
                    *place = entry;
                }
                gap = next;
            }
        }
    }

    /// Notes that the first chunk of its request was sent.
    #[inline]
    pub(super) fn begun(&mut self, on: u64, id: u64) {
        if let Some(Call::Pending { connection, begun }) = self.get_mut(id)
            && *connection == on
        {
            *begun = true;
        }
    }

    /// Whether this call waits, and nothing of its request was sent.
    pub(super) fn is_unbegun(&self, id: u64) -> bool {
        let entry = self.find(id).and_then(|at| self.places.get(at)?.as_ref());
        entry.is_some_and(|entry| matches!(entry.call, Call::Pending { begun: false, .. }))
    }

    /// Whether this call waits for an answer on this stream.
    #[inline]
    pub(super) fn is_pending(&self, connection: u64, id: u64) -> bool {
        let entry = self.find(id).and_then(|at| self.places.get(at)?.as_ref());
        entry.is_some_and(|entry| entry.call.is_pending_on(connection))
    }

    /// Forgets a call that was answered or given up; says whether its request was begun.
    #[inline]
    pub(super) fn remove(&mut self, connection: u64, id: u64) -> Option<bool> {
        let at = self.find(id)?;
        match self.places.get(at)?.as_ref()?.call {
            Call::Pending {
                connection: on,
                begun,
            } if on == connection => {
                self.vacate(at);
                Some(begun)
            }
            _ => None,
        }
    }

    pub(super) fn fail(&mut self, connection: u64, id: u64, failure: CallFailure) {
        if let Some(call) = self.get_mut(id)
            && call.is_pending_on(connection)
        {
            *call = Call::Failed {
                connection,
                failure,
            };
            self.failed += 1;
        }
    }

    /// Fails all calls on a stream.
    pub(super) fn fail_connection(&mut self, connection: u64) {
        for entry in self.places.iter_mut().flatten() {
            if entry.call.is_pending_on(connection) {
                entry.call = Call::Failed {
                    connection,
                    failure: CallFailure::Closed,
                };
                self.failed += 1;
            }
        }
    }

    /// A call that has failed, which is forgotten with that.
    pub(super) fn take_failed(&mut self) -> Option<(u64, u64, CallFailure)> {
        if self.failed == 0 {
            return None;
        }
        for step in 0..N {
            let at = (self.next_failed + step) & (N - 1);
            if let Some(Some(Entry { id, call })) = self.places.get(at).copied()
                && let Call::Failed {
                    connection,
                    failure,
                } = call
            {
                self.failed -= 1;
                // Another one may have moved here.
                self.next_failed = at;
                self.vacate(at);
                return Some((connection, id, failure));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Against a map, with ids that meet at the same places and wrap around.
    #[test]
    fn calls_are_found_whatever_came_and_went_before() {
        let mut calls = Calls::<8>::new();
        let mut model = BTreeMap::new();
        let mut random = 7_u64;
        for _ in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (id, what) = ((random >> 40) % 24, (random >> 60) % 4);
            match what {
                0 | 1 => {
                    let fits = model.len() < 8 && !model.contains_key(&id);
                    assert_eq!(calls.insert(id % 2, id, false), fits);
                    if fits {
                        model.insert(id, false);
                    }
                }
                2 => {
                    let known = model.get(&id) == Some(&false);
                    assert_eq!(calls.remove(id % 2, id).is_some(), known);
                    assert_eq!(calls.remove(2, id), None);
                    if known {
                        model.remove(&id);
                    }
                }
                _ => {
                    calls.fail(id % 2, id, CallFailure::Aborted);
                    if let Some(failed) = model.get_mut(&id) {
                        *failed = true;
                    }
                    if random & (1 << 50) == 0
                        && let Some((connection, id, _)) = calls.take_failed()
                    {
                        assert_eq!(connection, id % 2);
                        assert_eq!(model.remove(&id), Some(true));
                    }
                }
            }
            assert_eq!(calls.len(), model.len());
            assert_eq!(calls.has_failed(), model.values().any(|failed| *failed));
            for id in 0..24 {
                let pending = model.get(&id) == Some(&false);
                assert_eq!(calls.is_pending(id % 2, id), pending);
            }
        }
        while let Some((_, id, _)) = calls.take_failed() {
            assert_eq!(model.remove(&id), Some(true));
        }
        assert!(model.values().all(|failed| !failed));
    }
}
