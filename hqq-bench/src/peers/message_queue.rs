//! A POSIX message queue each way.
//!
//! mq_overview(7): "each message is received in full". As many messages wait as a user may ask for,
//! `/proc/sys/fs/mqueue/msg_max`, which is 10.

use std::fs;

use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;

use super::between::{Carrier, Room, some};
use super::failed;
use crate::error::BenchError;
use crate::memory::Lines;

const NAME: &str = "POSIX message queue";
const NAMES: [&str; 2] = ["there", "back"];

/// The ends of two queues.
pub(crate) struct MessageQueue {
    outgoing: MqdT,
    incoming: MqdT,
    /// Names that are still to be removed.
    names: Vec<String>,
}

fn system_name(name: &str, way: &str) -> String {
    format!("/{name}-{way}")
}

impl MessageQueue {
    /// The second process has opened them by now.
    #[inline]
    fn forget_names(&mut self) {
        for name in self.names.drain(..) {
            // One that is gone is gone.
            let _ = mq_unlink(name.as_str());
        }
    }
}

impl Drop for MessageQueue {
    fn drop(&mut self) {
        self.forget_names();
    }
}

impl Carrier for MessageQueue {
    fn first(name: &str, size: usize, _: Room, _: Lines) -> Result<Self, BenchError> {
        let most = fs::read_to_string("/proc/sys/fs/mqueue/msg_max");
        let most = most.ok().and_then(|text| text.trim().parse().ok());
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let attributes = MqAttr::new(0, most.unwrap_or(10), size, 0);
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR | MQ_OFlag::O_CLOEXEC;
        let make = |way| {
            let name = system_name(name, way);
            let mode = Mode::S_IRUSR | Mode::S_IWUSR;
            mq_open(name.as_str(), flags, mode, Some(&attributes)).map_err(failed(NAME))
        };
        Ok(Self {
            outgoing: make(NAMES[0])?,
            incoming: make(NAMES[1])?,
            names: NAMES.map(|way| system_name(name, way)).into(),
        })
    }

    fn second(name: &str, _: usize, _: Room, _: Lines) -> Result<Self, BenchError> {
        let open = |way| {
            let name = system_name(name, way);
            let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_CLOEXEC;
            mq_open(name.as_str(), flags, Mode::empty(), None).map_err(failed(NAME))
        };
        Ok(Self {
            outgoing: open(NAMES[1])?,
            incoming: open(NAMES[0])?,
            names: Vec::new(),
        })
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        self.forget_names();
        mq_send(&self.outgoing, bytes, 0).map_err(failed(NAME))
    }

    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BenchError> {
        let mut priority = 0;
        let len = mq_receive(&self.incoming, buffer, &mut priority).map_err(failed(NAME))?;
        some(NAME, len)
    }
}
