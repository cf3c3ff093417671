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

/// All messages of a test.
pub(crate) struct Ledger {
    delivery: Delivery,
    streams: BTreeMap<u64, Stream>,
    /// For each receiving thread and stream, what comes next at the earliest.
    order: BTreeMap<(u64, u64), u64>,
    received: u64,
    killed_readers: u64,
    /// Of those, the ones that may have had a message which they had not noted.
    could_lose: u64,
    killed: BTreeMap<Phase, u64>,
}

impl Ledger {
    pub(crate) fn new(delivery: Delivery) -> Self {
        Self {
            delivery,
            streams: BTreeMap::new(),
            order: BTreeMap::new(),
            received: 0,
            killed_readers: 0,
            could_lose: 0,
            killed: BTreeMap::new(),
        }
    }

    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn committed(&mut self, stream: u64, messages: u64) {
        self.streams.entry(stream).or_default().committed = messages;
    }

    /// Notes what a thread was doing that was killed.
    pub(crate) fn killed(&mut self, phase: Phase, reads: bool) {
        *self.killed.entry(phase).or_default() += 1;
        self.killed_readers += u64::from(reads);
        self.could_lose += u64::from(matches!(phase, Phase::Claiming | Phase::Reading));
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
            let next = self.order.entry((reader, note.stream)).or_default();
            assert!(
                note.number >= *next,
                "{note:?} came where {next} or later was due"
            );
            *next = note.number + 1;
        }
    }

    /// Everything has ended: prints what came, and checks it.
    pub(crate) fn settle(self, name: &str) -> BTreeMap<Phase, u64> {
        let (mut committed, mut lost, mut doubts, mut uncommitted) = (0, 0, 0, 0);
        for (id, stream) in &self.streams {
            committed += stream.committed;
            for number in 0..stream.committed.max(stream.seen.len() as u64) {
                let seen = stream.seen.get(usize::try_from(number).unwrap());
                let (times, in_doubt) = seen.copied().unwrap_or_default();
                lost += u64::from(times == 0 && number < stream.committed);
                doubts += u64::from(in_doubt);
                assert!(
                    times.saturating_sub(in_doubt) <= 1,
                    "{name}: message {number} of stream {id} came {times} times, {in_doubt} of them in doubt"
                );
                if times > 0 && number >= stream.committed {
                    // Published by the last call, which did not return.
                    assert_eq!(number, stream.committed, "{name}: stream {id}");
                    uncommitted += 1;
                }
            }
        }
        let kills: u64 = self.killed.values().sum();
        println!(
            "{name}: {kills} threads killed {:?}; {committed} messages committed, {} received, {lost} lost with \
             {} readers that may have had one, {doubts} in doubt of {} killed readers, {uncommitted} received \
             whose send did not return",
            self.killed, self.received, self.could_lose, self.killed_readers
        );
        match self.delivery {
            Delivery::AtMostOnce => assert!(lost <= self.could_lose, "{name}: {lost} lost"),
            Delivery::AtLeastOnce => {
                assert_eq!(lost, 0, "{name}");
                assert!(doubts <= self.killed_readers, "{name}: {doubts} in doubt");
            }
        }
        self.killed
    }
}
