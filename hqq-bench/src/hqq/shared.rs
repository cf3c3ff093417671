//! The shared link of `hqq-std` between threads of one process, waiting as it does by itself.

use hqq_std::{LinkOptions, SharedLink, SharedReceiver, SharedSender};

use crate::error::BenchError;
use crate::threads::{Crowd, Get, Item, Put, WORDS};

/// Both ends of an anonymous region.
pub(crate) struct SharedCrowd(SharedLink, SharedLink);

impl SharedCrowd {
    /// With `N` buffers each way.
    pub(crate) fn new<const N: usize>() -> Result<Self, BenchError> {
        let options = LinkOptions::new().count(N).size(size_of::<Item>());
        let (near, far) = options.shared().pair()?;
        Ok(Self(near, far))
    }
}

impl Crowd for SharedCrowd {
    type Put = SharedSender;
    type Get = SharedReceiver;

    fn put(&self) -> SharedSender {
        self.0.sender()
    }

    fn get(&self) -> SharedReceiver {
        self.1.receiver()
    }
}

impl Put for SharedSender {
    #[inline]
    fn put(&mut self, item: &Item) -> Result<(), BenchError> {
        let bytes = item.map(u64::to_ne_bytes);
        Ok(self.send(bytes.as_flattened())?)
    }
}

impl Get for SharedReceiver {
    #[inline]
    fn get(&mut self) -> Result<Item, BenchError> {
        let mut bytes = [[0; 8]; WORDS];
        let len = self.recv(bytes.as_flattened_mut())?;
        if len != size_of::<Item>() {
            return Err(BenchError::Changed { measure: "shared" });
        }
        Ok(bytes.map(u64::from_ne_bytes))
    }
}
