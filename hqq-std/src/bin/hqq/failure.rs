//! Why a command failed, and the exit code that says so.

use std::io;
use std::process::ExitCode;

/// The end of a command that did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// Something went wrong; exit code 1 and this on standard error.
    Failed(String),
    /// The arguments do not fit together; exit code 2 and this on standard error.
    Usage(String),
    /// Whoever read the output has gone: nothing to say, exit code 0.
    BrokenPipe,
    /// A signal asked to stop before the work was done: exit code 1.
    Signal(i32),
}

impl Failure {
    /// Tells the user, and the exit code.
    pub fn report(self) -> ExitCode {
        match self {
            Self::Failed(message) => {
                eprintln!("hqq: {message}");
                ExitCode::from(1)
            }
            Self::Usage(message) => {
                eprintln!("hqq: {message}");
                ExitCode::from(2)
            }
            Self::BrokenPipe => ExitCode::SUCCESS,
            Self::Signal(number) => {
                eprintln!("hqq: stopped by signal {number}");
                ExitCode::from(1)
            }
        }
    }

    /// An error of writing to standard output: a closed pipe is the reader's choice.
    pub fn of_output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::BrokenPipe
        } else {
            Self::Failed(format!("cannot write to standard output: {error}"))
        }
    }
}

macro_rules! failed {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Failed(error.to_string())
            }
        })*
    };
}

impl From<hqq_std::OpenError> for Failure {
    fn from(error: hqq_std::OpenError) -> Self {
        match error {
            hqq_std::OpenError::Name { .. } | hqq_std::OpenError::Layout(_) => {
                Self::Usage(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

failed!(
    hqq_std::SendError,
    hqq_std::RecvError,
    hqq_std::DrainError,
    hqq_std::TrySendError,
    hqq_std::TryRecvError,
    hqq_std::Error,
    hqq_std::advanced::error::LinkFailure,
    hqq_std::advanced::error::NegotiationError,
    hqq_std::advanced::error::TransferError,
    hqq_std::advanced::error::ReceiveError,
    hqq_std::advanced::error::CallError
);
