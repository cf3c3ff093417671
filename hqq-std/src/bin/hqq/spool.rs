//! What has no known length and needs one: kept in a file without a name until it has ended.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

/// Why it could not be kept.
#[derive(Debug)]
pub enum SpoolError {
    /// It could not be read.
    Read(io::Error),
    /// The file could not take it.
    Keep(io::Error),
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Keep(error) => write!(
                f,
                "cannot keep it in a temporary file: {error}; TMPDIR says where these are"
            ),
        }
    }
}

/// Everything that `reader` gives, as a file to be read from its beginning, and how many bytes that is.
/// What it takes is room in the directory for temporary files, and no memory.
pub fn spool(mut reader: impl Read) -> Result<(File, u64), SpoolError> {
    let mut file = tempfile::tempfile().map_err(SpoolError::Keep)?;
    let mut buffer = vec![0; 1 << 16];
    let mut len = 0;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(SpoolError::Read(error)),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        file.write_all(bytes).map_err(SpoolError::Keep)?;
        len += read as u64;
    }
    file.rewind().map_err(SpoolError::Keep)?;
    Ok((file, len))
}
