//! Reading a region's file where it lies, without mapping it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use hqq_core::FormatError;

use crate::error::OpenError;

/// A file to read from, at offsets that the layout made.
pub(super) struct Image {
    pub(super) path: PathBuf,
    pub(super) len: u64,
    pub(super) file: File,
}

impl Image {
    pub(super) fn refused(&self, error: FormatError) -> OpenError {
        match error {
            FormatError::Truncated { needed, found } => OpenError::Truncated {
                path: self.path.clone(),
                found,
                needed,
            },
            error => OpenError::attach(&self.path, error),
        }
    }

    pub(super) fn bytes<const N: usize>(&self, offset: usize) -> Result<[u8; N], OpenError> {
        let mut bytes = [0; N];
        self.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), OpenError> {
        match self.file.read_exact_at(bytes, offset as u64) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(OpenError::Truncated {
                    path: self.path.clone(),
                    found: self.len,
                    needed: (offset + bytes.len()) as u64,
                })
            }
            Err(error) => Err(OpenError::of_io(self.path.clone(), "read", error)),
        }
    }

    pub(super) fn word32(&self, offset: usize) -> Result<u32, OpenError> {
        self.bytes(offset).map(u32::from_le_bytes)
    }

    pub(super) fn word64(&self, offset: usize) -> Result<u64, OpenError> {
        self.bytes(offset).map(u64::from_le_bytes)
    }
}
