//! What was committed, what came, and whether that is what was promised.

use std::collections::BTreeMap;

use hqq_std::Delivery;
use hqq_tests::{Note, Phase};

/// One sending thread of one process.
#[derive(Default)]
struct Stream {
    committed: u64,
    /// How often each message came, and how often of that in doubt.
    seen: Vec<(u8, u8)>,
}

/// From one death to the next, between which more messages come than can be on their way.
#[derive(Default)]
struct Round {
    /// Messages of each stream that were committed when it ended.
    committed: BTreeMap<u64, u64>,
    /// Readers that were killed at its end, and those of them that may have had a message which they had not noted.
    killed_readers: u64,
    could_lose: u64,
}

/// All messages of a test.
pub(crate) struct Ledger {
    delivery: Delivery,
    /// Several receivers, which do not wait for each other.
    several: bool,
    /// Rounds in which a message may be noted after it has left the ring.
    late: usize,
    streams: BTreeMap<u64, Stream>,
    /// For each receiving thread and stream, what comes next at the earliest; where one follows the other, for all of
    /// them as if they were one.
    order: BTreeMap<(u64, u64), u64>,
    received: u64,
    rounds: Vec<Round>,
    round: Round,
    /// Streams that have begun or grown since the last round ended.
    growing: BTreeMap<u64, u64>,
    killed: BTreeMap<Phase, u64>,
}

impl Ledger {
    /// Of one receiver, or of several, which do not wait for each other.
    pub(crate) fn new(delivery: Delivery, several: bool) -> Self {
        let copies = delivery == Delivery::AtMostOnce;
        Self {
            delivery,
            several,
            late: if copies && several { 3 } else { 0 },
            streams: BTreeMap::new(),
            order: BTreeMap::new(),
            received: 0,
            rounds: Vec::new(),
            round: Round::default(),
            growing: BTreeMap::new(),
            killed: BTreeMap::new(),
        }
    }

    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn committed(&mut self, stream: u64, messages: u64) {
        let is_new = !self.streams.contains_key(&stream);
        let before = &mut self.streams.entry(stream).or_default().committed;
        if is_new || messages > *before {
            *before = messages;
            self.growing.insert(stream, messages);
        }
    }

    /// One has died, or left, and what all others had sent until then is noted.
    pub(crate) fn end_round(&mut self) {
        self.round.committed = std::mem::take(&mut self.growing);
        self.rounds.push(std::mem::take(&mut self.round));
    }

    /// Notes what a thread was doing that was killed.
    pub(crate) fn killed(&mut self, phase: Phase, reads: bool) {
        *self.killed.entry(phase).or_default() += 1;
        self.round.killed_readers += u64::from(reads);
        self.round.could_lose += u64::from(matches!(phase, Phase::Claiming | Phase::Reading));
    }

    pub(crate) fn noted(&mut self, reader: u64, notes: &[Note]) {
        for note in notes {
            self.received += 1;
            assert!(note.whole, "damaged: {note:?}");
            let stream = self.streams.entry(note.stream).or_default();
            let index = usize::try_from(note.number).unwrap();
            if stream.seen.len() <= index {
                stream.seen.resize(index + 1, (0, 0));
            }
            stream.seen[index].0 += 1;
            stream.seen[index].1 += u8::from(note.in_doubt);
            if note.in_doubt {
                assert_eq!(self.delivery, Delivery::AtLeastOnce, "in doubt: {note:?}");
                continue;
            }
            // Of several, one may note late what it had received before the others went on.
            let reader = if self.several { reader } else { 0 };
            let next = self.order.entry((reader, note.stream)).or_default();
            assert!(
                note.number >= *next,
                "{note:?} came where {next} or later was due"
            );
            *next = note.number + 1;
        }
    }

    /// Everything has ended: prints what came, and checks it.
    pub(crate) fn settle(mut self, name: &str) -> BTreeMap<Phase, u64> {
        self.end_round();
        let (mut committed, mut uncommitted) = (0, 0);
        let (mut lost, mut doubted) = (Vec::new(), Vec::new());
        for (&id, stream) in &self.streams {
            committed += stream.committed;
            for number in 0..stream.committed.max(stream.seen.len() as u64) {
                let seen = stream.seen.get(usize::try_from(number).unwrap());
                let (times, in_doubt) = seen.copied().unwrap_or_default();
                assert!(
                    times.saturating_sub(in_doubt) <= 1,
                    "{name}: message {number} of stream {id} came {times} times, {in_doubt} of them in doubt"
                );
                if times == 0 && number < stream.committed {
                    lost.push((id, number));
                }
                doubted.extend((0..in_doubt).map(|_| (id, number)));
                if times > 0 && number >= stream.committed {
                    // Published by the last call, which did not return.
                    assert_eq!(number, stream.committed, "{name}: stream {id}");
                    uncommitted += 1;
                }
            }
        }
        let kills: u64 = self.killed.values().sum();
        let all = |of: fn(&Round) -> u64| self.rounds.iter().map(of).sum::<u64>();
        println!(
            "{name}: {kills} threads killed {:?}; {committed} messages committed, {} received, {} lost with \
             {} readers that may have had one, {} in doubt of {} killed readers, \
             {uncommitted} received whose send did not return",
            self.killed,
            self.received,
            lost.len(),
            all(|round| round.could_lose),
            doubted.len(),
            all(|round| round.killed_readers),
        );
        if self.delivery == Delivery::AtLeastOnce {
            assert_eq!(lost, [], "{name}: lost");
        }
        for (what, messages, of) in [
            (
                "lost",
                lost,
                (|round| round.could_lose) as fn(&Round) -> u64,
            ),
            ("in doubt", doubted, |round| round.killed_readers),
        ] {
            let unexplained = self.without_a_death(&messages, of);
            assert_eq!(
                unexplained, None,
                "{name}: {what}, and no killed reader had it"
            );
        }
        self.killed
    }

    /// A message of these that no killed reader can have had, if there is one, where each that was killed had one at
    /// most: one of those (`of`) at the end of a round in which the message was on its way.
    fn without_a_death(
        &self,
        messages: &[(u64, u64)],
        of: fn(&Round) -> u64,
    ) -> Option<(u64, u64)> {
        let mut left: Vec<u64> = self.rounds.iter().map(of).collect();
        let windows = messages
            .iter()
            .map(|&message| (self.window(message), message));
        let mut windows: Vec<_> = windows.collect();
        // Whichever has to be explained by the earliest deaths first, each by the earliest one that is left.
        windows.sort_by_key(|((_, last), _)| *last);
        for ((first, last), message) in windows {
            match left[first..=last].iter_mut().find(|left| **left > 0) {
                Some(left) => *left -= 1,
                None => return Some(message),
            }
        }
        None
    }

    /// The rounds, first and last, in which a message was on its way: sent, and not noted. Whatever was sent in earlier
    /// ones had left the ring.
    fn window(&self, (stream, number): (u64, u64)) -> (usize, usize) {
        let end = self.rounds.len() - 1;
        let (mut first, mut last) = (0, end);
        for (round, counts) in self.rounds.iter().enumerate() {
            match counts.committed.get(&stream) {
                Some(committed) if *committed < number => first = round + 1,
                // Its sender may have sent it by then without having noted that.
                Some(committed) if *committed == number => first = round,
                Some(_) => {
                    last = round;
                    break;
                }
                None => {}
            }
        }
        // One that was copied has left the ring before its receiver notes it, which may not run meanwhile.
        (first, end.min(last + self.late))
    }
}
