//! Calls that wait for their answers.

use heapless::index_map::FnvIndexMap;

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
/// | Pending | the stream is closed, the answer is aborted or discarded | Failed |
/// | Failed | the failure is reported | – |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Calls that wait, at most `N` (a power of two, as the map needs it).
#[derive(Debug)]
pub(super) struct Calls<const N: usize> {
    calls: FnvIndexMap<u64, Call, N>,
    /// How many of them have failed.
    failed: usize,
}

impl<const N: usize> Calls<N> {
    pub(super) const fn new() -> Self {
        Self {
            calls: FnvIndexMap::new(),
            failed: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.calls.len() == N
    }

    /// Remembers a call; `false` where there is no room.
    pub(super) fn insert(&mut self, connection: u64, id: u64) -> bool {
        let begun = false;
        let call = Call::Pending { connection, begun };
        self.calls.insert(id, call).is_ok()
    }

    /// Notes that the first chunk of its request was sent.
    pub(super) fn begun(&mut self, on: u64, id: u64) {
        if let Some(Call::Pending { connection, begun }) = self.calls.get_mut(&id)
            && *connection == on
        {
            *begun = true;
        }
    }

    /// Whether this call waits for an answer on this stream.
    pub(super) fn is_pending(&self, connection: u64, id: u64) -> bool {
        self.calls
            .get(&id)
            .is_some_and(|call| call.is_pending_on(connection))
    }

    /// Forgets a call that was answered or given up; says whether its request was begun.
    pub(super) fn remove(&mut self, connection: u64, id: u64) -> Option<bool> {
        if !self.is_pending(connection, id) {
            return None;
        }
        match self.calls.swap_remove(&id)? {
            Call::Pending { begun, .. } => Some(begun),
            Call::Failed { .. } => None,
        }
    }

    pub(super) fn fail(&mut self, connection: u64, id: u64, failure: CallFailure) {
        if let Some(call) = self.calls.get_mut(&id)
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
        for call in self.calls.values_mut() {
            if call.is_pending_on(connection) {
                *call = Call::Failed {
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
        let found = self.calls.iter().find_map(|(id, call)| match *call {
            Call::Failed {
                connection,
                failure,
            } => Some((connection, *id, failure)),
            Call::Pending { .. } => None,
        });
        self.failed = self.failed.saturating_sub(1);
        if let Some((_, id, _)) = found {
            let _ = self.calls.swap_remove(&id);
        }
        found
    }
}
