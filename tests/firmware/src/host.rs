//! Files of the host, by semihosting.

use cortex_m_semihosting::{debug, syscall};

const READ: usize = 1;
const WRITE: usize = 5;

/// A file that the host has opened for us. Its directory is the emulator's.
pub struct File(usize);

impl File {
    /// Opens a file by a name that ends in a zero byte.
    fn open(name: &str, mode: usize) -> Option<Self> {
        let len = name.len().checked_sub(1)?;
        // SAFETY: the host reads the name, which lives as long as the call.
        let handle = unsafe { syscall!(OPEN, name.as_ptr(), mode, len) };
        (handle != usize::MAX).then_some(Self(handle))
    }

    pub fn create(name: &str) -> Option<Self> {
        Self::open(name, WRITE)
    }

    /// `None` where there is no such file.
    pub fn existing(name: &str) -> Option<Self> {
        Self::open(name, READ)
    }

    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.write_from(bytes.as_ptr(), bytes.len())
    }

    /// Writes bytes that others may change meanwhile.
    pub fn write_from(&mut self, from: *const u8, len: usize) -> bool {
        // SAFETY: the host reads the bytes; the callers name memory of their own.
        unsafe { syscall!(WRITE, self.0, from, len) == 0 }
    }

    /// Fills bytes that others may look at meanwhile; `false` where the file has fewer.
    ///
    /// # Safety
    /// They may be written, in the eyes of everybody who has references to them.
    pub unsafe fn read_into(&mut self, to: *mut u8, len: usize) -> bool {
        // SAFETY: the host writes the bytes, as the caller allows.
        unsafe { syscall!(READ, self.0, to, len) == 0 }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: ends the handle, which is not used again.
        unsafe { syscall!(CLOSE, self.0) };
    }
}

/// Ends the emulator with this success.
pub fn exit(success: bool) -> ! {
    let status = if success {
        debug::EXIT_SUCCESS
    } else {
        debug::EXIT_FAILURE
    };
    loop {
        debug::exit(status);
    }
}
