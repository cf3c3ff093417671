//! Why a region could not be had.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hqq_core::{AttachError, FormatError, LayoutError};

/// Why a name cannot be that of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty.
    Empty,
    /// It has more than 255 bytes.
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It contains a `/`.
    Slash,
    /// It contains a NUL.
    Nul,
    /// It is `.` or `..`.
    Dots,
}

/// Why a region could not be created, opened or removed.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The name is not one.
    Name {
        /// The name given.
        name: String,
        /// What is wrong with it.
        reason: NameError,
    },
    /// The geometry asked for is impossible.
    Layout(LayoutError),
    /// There is a region or file of this name already.
    Exists {
        /// Its path.
        path: PathBuf,
    },
    /// There is none.
    NotFound {
        /// The path looked for.
        path: PathBuf,
    },
    /// This user may not.
    PermissionDenied {
        /// The path.
        path: PathBuf,
    },
    /// It belongs to another user than expected.
    ForeignOwner {
        /// The path.
        path: PathBuf,
        /// The user it belongs to.
        owner: u32,
        /// The user it should belong to.
        expected: u32,
    },
    /// It is a directory, a symbolic link, or another thing that is no plain file.
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// It has fewer bytes than a region of this geometry.
    Truncated {
        /// The path.
        path: PathBuf,
        /// Bytes it has.
        found: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// Most of it is holes, which no region that is in use has.
    Sparse {
        /// The path.
        path: PathBuf,
        /// Bytes that are there.
        found: u64,
        /// Bytes that it claims to have.
        needed: u64,
    },
    /// It starts like an empty file, but is not.
    NotEmpty {
        /// The path.
        path: PathBuf,
        /// Where the first byte lies that is not zero.
        offset: u64,
    },
    /// There is no space for it.
    NoSpace {
        /// The path.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
    },
    /// Another process is initialising or attaching it, and went on doing so.
    Busy {
        /// The path.
        path: PathBuf,
        /// How long this call waited.
        waited: Duration,
    },
    /// Forks of this process were under way all the time: a child would have had its locks, and kept them when this process dies. One fork that does not
    /// end is enough, as where one of its handlers (`pthread_atfork`) waits for a lock that this thread holds.
    Forking {
        /// The path.
        path: PathBuf,
        /// How long this call waited.
        waited: Duration,
    },
    /// Both roles are in use.
    RolesTaken {
        /// The path.
        path: PathBuf,
    },
    /// The role has as many members as the region has room for.
    MembersTaken {
        /// The path.
        path: PathBuf,
        /// How many that is.
        members: usize,
    },
    /// The bytes are no region this version can use, or a side of it is in use.
    Attach {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        error: AttachError,
    },
    /// The operating system refused something else.
    Io {
        /// The path.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What it said.
        error: io::Error,
    },
}

impl OpenError {
    /// An error of the operating system, as the kind that says what to do about it.
    pub(crate) fn of_io(path: PathBuf, action: &'static str, error: io::Error) -> Self {
        use rustix::io::Errno;
        match Errno::from_io_error(&error) {
            Some(Errno::EXIST) => Self::Exists { path },
            Some(Errno::NOENT) => Self::NotFound { path },
            Some(Errno::ACCESS | Errno::PERM) => Self::PermissionDenied { path },
            Some(Errno::LOOP | Errno::ISDIR) => Self::NotAFile { path },
            _ => Self::Io {
                path,
                action,
                error,
            },
        }
    }

    /// Why a file that is open could not be opened again: never that it does not exist.
    pub(crate) fn of_reopening(path: PathBuf, error: io::Error) -> Self {
        match Self::of_io(path, "reopen", error) {
            // /proc is missing.
            Self::NotFound { path } => Self::Io {
                path,
                action: "reopen",
                error: io::ErrorKind::NotFound.into(),
            },
            other => other,
        }
    }

    pub(crate) fn attach(path: &Path, error: impl Into<AttachError>) -> Self {
        Self::Attach {
            path: path.to_owned(),
            error: error.into(),
        }
    }

    /// Whether the region may be there, ready and free a little later: worth trying again.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. }
                // Just created, and not given its length yet.
                | Self::Truncated { found: 0, .. }
                | Self::Busy { .. }
                | Self::Forking { .. }
                | Self::RolesTaken { .. }
                | Self::Attach {
                    error: AttachError::Format(FormatError::Empty | FormatError::Initialising { .. })
                        | AttachError::Side { .. },
                    ..
                }
        )
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, reason } => {
                write!(f, "`{}` cannot name a region: ", name.escape_debug())?;
                match reason {
                    NameError::Empty => f.write_str("give at least one character"),
                    NameError::TooLong { len } => {
                        write!(f, "it has {len} bytes, at most 255 are allowed")
                    }
                    NameError::Slash => f.write_str(
                        "leave out the `/`; a file elsewhere is opened by path, not by name",
                    ),
                    NameError::Nul => f.write_str("leave out the NUL"),
                    NameError::Dots => f.write_str("it means a directory"),
                }
            }
            Self::Layout(error) => error.fmt(f),
            Self::Exists { path } => write!(
                f,
                "{} exists: open it instead, or remove it first",
                path.display()
            ),
            Self::NotFound { path } => {
                write!(
                    f,
                    "{} does not exist: check the name, or create it",
                    path.display()
                )
            }
            Self::PermissionDenied { path } => write!(
                f,
                "{}: permission denied: run as its owner, or create it with a wider mode",
                path.display()
            ),
            Self::ForeignOwner {
                path,
                owner,
                expected,
            } => write!(
                f,
                "{} belongs to user {owner}, not {expected}: remove it, or say that this owner is expected",
                path.display()
            ),
            Self::NotAFile { path } => write!(
                f,
                "{} is not a plain file (a symbolic link is not followed): choose another name",
                path.display()
            ),
            Self::Truncated {
                path,
                found,
                needed,
            } => write!(
                f,
                "{} has {found} bytes, a region needs {needed}: it was cut short, or is no region; remove it",
                path.display()
            ),
            Self::Sparse {
                path,
                found,
                needed,
            } => write!(
                f,
                "{} claims {needed} bytes of which {found} are there: it is no region in use, or a copy with holes; remove it",
                path.display()
            ),
            Self::NotEmpty { path, offset } => write!(
                f,
                "{} holds data at byte {offset}: give an empty file, or one of zeros",
                path.display()
            ),
            Self::NoSpace { path, needed } => write!(
                f,
                "no space for the {needed} bytes of {}: free some, or use fewer or smaller buffers",
                path.display()
            ),
            Self::Busy { path, waited } => write!(
                f,
                "{} was being set up by another process for {waited:?}: try again",
                path.display()
            ),
            Self::Forking { path, waited } => write!(
                f,
                "this process went on forking for {waited:?}, and {} was not opened: hold no lock meanwhile that a handler of fork waits for, or try again",
                path.display()
            ),
            Self::RolesTaken { path } => write!(
                f,
                "both ends of {} are in use: wait until one leaves, or use another region",
                path.display()
            ),
            Self::MembersTaken { path, members } => write!(
                f,
                "all {members} members of the role at {} are in use: wait until one leaves",
                path.display()
            ),
            Self::Attach { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Io {
                path,
                action,
                error,
            } => write!(f, "cannot {action} {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Layout(error) => Some(error),
            Self::Attach { error, .. } => Some(error),
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<LayoutError> for OpenError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::Name { .. } | OpenError::Layout(_) => io::ErrorKind::InvalidInput,
            OpenError::Exists { .. } => io::ErrorKind::AlreadyExists,
            OpenError::NotFound { .. } => io::ErrorKind::NotFound,
            OpenError::PermissionDenied { .. } | OpenError::ForeignOwner { .. } => {
                io::ErrorKind::PermissionDenied
            }
            OpenError::NotAFile { .. }
            | OpenError::NotEmpty { .. }
            | OpenError::Sparse { .. }
            | OpenError::Truncated { .. } => io::ErrorKind::InvalidData,
            OpenError::NoSpace { .. } => io::ErrorKind::StorageFull,
            OpenError::Busy { .. } | OpenError::Forking { .. } => io::ErrorKind::TimedOut,
            OpenError::RolesTaken { .. } | OpenError::MembersTaken { .. } => {
                io::ErrorKind::ResourceBusy
            }
            OpenError::Attach { error, .. } => match error {
                AttachError::Side { .. } => io::ErrorKind::ResourceBusy,
                AttachError::Count { .. } | AttachError::Size { .. } => io::ErrorKind::InvalidInput,
                _ => io::ErrorKind::InvalidData,
            },
            OpenError::Io { error, .. } => error.kind(),
        };
        Self::new(kind, error)
    }
}
