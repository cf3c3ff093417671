//! Explores every state that a model can reach, breadth first, so that a counterexample is one of
//! the shortest.
//!
//! Our own and not a crate's for one reason: besides "nothing forbidden is ever reached" it checks
//! "from every state the end can still be reached", cycles included, for which all edges are kept.

use std::fmt::Write as _;
use std::hash::Hash;
use std::time::Instant;

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

/// What a rule forbids and a model did all the same.
pub(crate) type Fault = &'static str;

/// Something that moves from state to state by one action at a time.
pub(crate) trait Model {
    /// Two states that compare equal have the same future.
    type State: Clone + Eq + Hash;

    /// Where it begins.
    fn start(&self) -> Self::State;

    /// Actions are numbered from 0 to this.
    fn actions(&self) -> usize;

    /// Does `action`; `false` where it is not possible now, whatever became of `state` then.
    fn act(&self, state: &mut Self::State, action: usize) -> Result<bool, Fault>;

    /// Whether nothing is left to be done.
    fn is_done(&self, state: &Self::State) -> bool;

    /// Whether the end must be reachable without `action`: a death, say.
    fn is_misfortune(&self, action: usize) -> bool;

    /// What `action` does, for a person to read.
    fn describe(&self, before: &Self::State, action: usize, after: &Self::State) -> String;
}

/// What an exploration found.
#[derive(Debug)]
pub(crate) enum Finding {
    /// Nothing forbidden, and the end is always in reach.
    Holds,
    /// Something forbidden.
    Fault(Fault),
    /// A state from which the end cannot be reached any more.
    Stuck,
    /// More states than the limit, none of which is forbidden.
    TooMany,
}

/// The result of [`explore`].
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) finding: Finding,
    pub(crate) states: usize,
    pub(crate) seconds: f32,
    /// The way to what was found, one step a line.
    pub(crate) trace: String,
}

/// The states reached so far, in the order in which they were.
struct Reached<S> {
    states: IndexSet<S, FxBuildHasher>,
    /// From which state and by which action each was reached first.
    origins: Vec<(u32, u8)>,
    /// To and from: all steps but misfortunes.
    edges: Vec<(u32, u32)>,
}

/// Explores `model` up to `limit` states; everything that is forbidden ends it.
pub(crate) fn explore<M: Model>(model: &M, limit: usize) -> Report {
    explore_for(model, limit, "")
}

/// As [`explore`], but only faults that begin with `wanted` end it; no way leads on from others.
pub(crate) fn explore_for<M: Model>(model: &M, limit: usize, wanted: &str) -> Report {
    let clock = Instant::now();
    let mut reached = Reached {
        states: IndexSet::default(),
        origins: vec![(0, 0)],
        edges: Vec::new(),
    };
    reached.states.insert(model.start());
    let mut finding = Finding::Holds;
    let mut end = None;
    let mut from = 0;
    'all: while from < reached.states.len() {
        for action in 0..model.actions() {
            let Some(mut state) = reached.states.get_index(from).cloned() else {
                break 'all;
            };
            match model.act(&mut state, action) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(fault) if !fault.starts_with(wanted) => continue,
                Err(fault) => {
                    finding = Finding::Fault(fault);
                    end = Some((from, Some(action)));
                    break 'all;
                }
            }
            let (to, new) = reached.states.insert_full(state);
            if new {
                reached.origins.push((number(from), action as u8));
            }
            if !model.is_misfortune(action) {
                reached.edges.push((number(to), number(from)));
            }
            if reached.states.len() > limit {
                finding = Finding::TooMany;
                break 'all;
            }
        }
        from += 1;
    }
    if let (Finding::Holds, Some(stuck)) = (&finding, reached.stuck(model)) {
        finding = Finding::Stuck;
        end = Some((stuck, None));
    }
    Report {
        finding,
        states: reached.states.len(),
        seconds: clock.elapsed().as_secs_f32(),
        trace: end.map_or_else(String::new, |(state, last)| {
            reached.trace(model, state, last)
        }),
    }
}

/// States are numbered with 32 bits, which no exploration here comes near to.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl<S: Clone + Eq + Hash> Reached<S> {
    /// The first state from which no way leads to the end.
    fn stuck(&mut self, model: &impl Model<State = S>) -> Option<usize> {
        self.edges.sort_unstable();
        let mut ends = vec![false; self.states.len()];
        let mut rest = Vec::new();
        for (index, state) in self.states.iter().enumerate() {
            if model.is_done(state) {
                ends[index] = true;
                rest.push(number(index));
            }
        }
        while let Some(to) = rest.pop() {
            let first = self.edges.partition_point(|edge| edge.0 < to);
            for (_, from) in self.edges[first..].iter().take_while(|edge| edge.0 == to) {
                if !std::mem::replace(&mut ends[*from as usize], true) {
                    rest.push(*from);
                }
            }
        }
        ends.iter().position(|end| !end)
    }

    /// The way to `state`, and `last` from there.
    fn trace(&self, model: &impl Model<State = S>, state: usize, last: Option<usize>) -> String {
        let mut actions: Vec<usize> = last.into_iter().collect();
        let mut at = state;
        while at != 0 {
            let (from, action) = self.origins[at];
            actions.push(action.into());
            at = from as usize;
        }
        let mut text = String::new();
        let mut state = model.start();
        for action in actions.into_iter().rev() {
            let before = state.clone();
            let result = model.act(&mut state, action);
            let _ = write!(text, "\n  {}", model.describe(&before, action, &state));
            if let Err(fault) = result {
                let _ = write!(text, ": {fault}");
            }
        }
        text
    }
}
