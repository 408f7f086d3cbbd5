//! The one public error: a kind to match on, a message to read, and the cause it came from.

use std::{borrow::Cow, error, fmt, io};

/// What went wrong, for code that wants to decide by it.
///
/// More kinds may come; match with a wildcard arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A console is already installed in this process.
    AlreadyInstalled,
    /// `MANHOLE=off`, the feature `stub`, or a system that has no Unix sockets.
    Disabled,
    /// No directory candidate passed every check, or the socket could not be bound.
    Bind,
    /// The operating system refused a thread, a descriptor or memory.
    Resources,
    /// The console did not become ready in time; it may still do so.
    Timeout,
    /// A name or a value that the builder, a variable or a command was given is not acceptable.
    Invalid,
    /// The name is taken by another command, variable or profile.
    Taken,
    /// Anything else the operating system reported.
    Io,
}

/// An error of the library: what was tried, on what, and why it failed.
///
/// Messages read `failed to <verb> <object>`, in lower case, and name the path or number in
/// question. [`std::error::Error::source`] gives the cause where there is one.
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<io::Error>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn io(
        kind: ErrorKind,
        message: impl Into<Cow<'static, str>>,
        cause: impl Into<io::Error>,
    ) -> Self {
        Self {
            kind,
            message: message.into(),
            source: Some(cause.into()),
        }
    }

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(cause) if f.alternate() => write!(f, ": {cause}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#} ({:?})", self.kind)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_ref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn the_chain_is_readable_in_one_line() {
        let cause = io::Error::from_raw_os_error(nix::libc::EROFS);
        let error = Error::io(ErrorKind::Bind, "failed to make directory /run/x", cause);
        assert_eq!(error.to_string(), "failed to make directory /run/x");
        assert_eq!(
            format!("{error:#}"),
            "failed to make directory /run/x: Read-only file system (os error 30)"
        );
        assert!(error.source().is_some());
    }
}
