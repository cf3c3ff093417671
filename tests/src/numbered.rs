//! Messages that say who sent them and which one they are, as `format1/peer.c` makes, checks and
//! counts them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::ops::AddAssign;

use hqq_core::ring::{Consumer, Producer};
use hqq_std::{Receiver, SendError, Sender};

use crate::support::LIMIT;

/// The number of a message after which its sender sends no more.
pub const STOP: u64 = u64::MAX;
const HEADER: usize = 16;
/// The bytes of a message count up from one that depends on its number.
const PERIOD: usize = 256;

/// The messages of one sender in buffers of one size.
#[derive(Clone, Debug)]
pub struct Numbered {
    id: u64,
    size: usize,
    counting: Vec<u8>,
}

impl Numbered {
    /// The messages of sender `id` in buffers of `size` bytes, 24 or more.
    #[must_use]
    pub fn new(id: u64, size: usize) -> Self {
        let counting = (0..=u8::MAX).cycle().take(size + PERIOD).collect();
        Self { id, size, counting }
    }

    /// The message of this number.
    #[must_use]
    pub fn message(&self, number: u64) -> Vec<u8> {
        let mixed = |by: u64, id_by: u64| {
            number
                .wrapping_mul(by)
                .wrapping_add(self.id.wrapping_mul(id_by))
        };
        let spread = (self.size - HEADER + 1) as u64;
        let rest = match number {
            STOP => 0,
            _ => (mixed(7919, 104_729) % spread) as usize,
        };
        let first = (mixed(31, 17).wrapping_add(HEADER as u64) % PERIOD as u64) as usize;
        let body = &self.counting[first..][..rest];
        [&self.id.to_le_bytes(), &number.to_le_bytes(), body].concat()
    }
}

/// What came of one sender: how many messages, and what their numbers make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    count: u64,
    sum: u64,
    xor: u64,
}

impl Sums {
    /// Of a sender's first messages, each once.
    #[must_use]
    pub fn of_first(messages: u64) -> Self {
        let mut sums = Self::default();
        (0..messages).for_each(|number| sums.add(number));
        sums
    }

    const fn add(&mut self, number: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(number);
        self.xor ^= number;
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
        self.xor ^= other.xor;
    }
}

/// What one receiver received, message by message checked.
#[derive(Debug, Default)]
pub struct Tally {
    senders: BTreeMap<u64, From>,
    stops: u64,
}

#[derive(Debug)]
struct From {
    messages: Numbered,
    sums: Sums,
    next: u64,
    stopped: bool,
}

impl Tally {
    /// Checks a message that came through a buffer of `size` bytes, and counts it. Numbers may be
    /// missing: other receivers have taken those.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn account(&mut self, message: &[u8], size: usize) -> Result<(), String> {
        let (words, _) = message.as_chunks::<8>();
        let &[id, number, ..] = words else {
            return Err(format!("{} bytes have no header", message.len()));
        };
        let (id, number) = (u64::from_le_bytes(id), u64::from_le_bytes(number));
        let from = self.senders.entry(id).or_insert_with(|| From {
            messages: Numbered::new(id, size),
            sums: Sums::default(),
            next: 0,
            stopped: false,
        });
        if message != from.messages.message(number) {
            let len = message.len();
            return Err(format!("{number} of sender {id} is damaged ({len} bytes)"));
        }
        if number == STOP {
            from.stopped = true;
            self.stops += 1;
            return Ok(());
        }
        if from.stopped || number < from.next {
            let next = from.next;
            return Err(format!("{number} of sender {id} came when {next} was due"));
        }
        from.next = number + 1;
        from.sums.add(number);
        Ok(())
    }

    /// What came, by sender.
    #[must_use]
    pub fn sums(&self) -> BTreeMap<u64, Sums> {
        let each = self.senders.iter();
        each.map(|(id, from)| (*id, from.sums)).collect()
    }
}

/// As the other implementation prints it.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, Sums { count, sum, xor }) in self.sums() {
            writeln!(f, "from={id} count={count} sum={sum} xor={xor}")?;
        }
        Ok(())
    }
}

/// Adds up what receivers printed; lines about anything else are passed over.
///
/// # Errors
/// A line that is not as it should be.
pub fn parse_sums(text: &str) -> Result<BTreeMap<u64, Sums>, String> {
    let mut all = BTreeMap::<u64, Sums>::new();
    for line in text.lines().filter(|line| line.starts_with("from=")) {
        let fields: Option<Vec<u64>> = line
            .split(' ')
            .map(|field| field.split_once('=')?.1.parse().ok())
            .collect();
        let Some([id, count, sum, xor]) = fields.as_deref() else {
            return Err(format!("`{line}` has not the four fields"));
        };
        let (count, sum, xor) = (*count, *sum, *xor);
        *all.entry(*id).or_default() += Sums { count, sum, xor };
    }
    Ok(all)
}

/// Sends a sender's first messages, and then that they were all, as often.
///
/// # Errors
/// [`SendError`].
pub fn send_numbered<P: Producer>(
    mut sender: Sender<P>,
    id: u64,
    messages: u64,
    stops: u64,
) -> Result<(), SendError> {
    let numbered = Numbered::new(id, sender.max_message_size());
    for number in 0..messages {
        sender.send_timeout(&numbered.message(number), LIMIT)?;
    }
    for _ in 0..stops {
        sender.send_timeout(&numbered.message(STOP), LIMIT)?;
    }
    Ok(())
}

/// Receives and checks messages until senders have said so often that they were all.
///
/// # Errors
/// What did not come, or is wrong with what came.
pub fn receive_numbered<C: Consumer>(
    mut receiver: Receiver<C>,
    until_stops: u64,
) -> Result<Tally, Box<dyn Error + Send + Sync>> {
    let size = receiver.max_message_size();
    let mut buffer = vec![0; size];
    let mut tally = Tally::default();
    while tally.stops < until_stops {
        let len = receiver.recv_timeout(&mut buffer, LIMIT)?;
        tally.account(&buffer[..len], size)?;
    }
    Ok(tally)
}
