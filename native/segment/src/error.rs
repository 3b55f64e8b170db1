//! Operational errors: a stable code string and a text for people. Verdicts about data are not errors.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, Clone)]
pub struct Error {
    /// An errno name (`ENOSPC`) or `ERR_MILLRACE_*`.
    pub code: Cow<'static, str>,
    pub message: String,
}

impl Error {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Error { code: Cow::Borrowed(code), message: message.into() }
    }

    /// An error of the operating system while doing `what` to `path`.
    pub fn io(error: &io::Error, what: &str, path: &Path) -> Self {
        let code = code_of(error);
        Error { message: format!("{code}: {what} {}: {error}", path.display()), code }
    }

    /// An error of the operating system that has no path.
    pub fn os(error: &io::Error, what: &str) -> Self {
        let code = code_of(error);
        Error { message: format!("{code}: {what}: {error}"), code }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Error {}

fn code_of(error: &io::Error) -> Cow<'static, str> {
    match error.raw_os_error() {
        Some(errno) => errno_name(errno).map_or_else(|| Cow::Owned(format!("ERRNO_{errno}")), Cow::Borrowed),
        None => Cow::Borrowed(match error.kind() {
            io::ErrorKind::UnexpectedEof => "ERR_MILLRACE_SHORT_READ",
            io::ErrorKind::WriteZero => "ENOSPC",
            io::ErrorKind::NotFound => "ENOENT",
            _ => "EIO",
        }),
    }
}

fn errno_name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::EACCES => "EACCES",
        libc::EADDRINUSE => "EADDRINUSE",
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        libc::EAGAIN => "EAGAIN",
        libc::EBADF => "EBADF",
        libc::EBUSY => "EBUSY",
        libc::EDQUOT => "EDQUOT",
        libc::EEXIST => "EEXIST",
        libc::EFBIG => "EFBIG",
        libc::EINVAL => "EINVAL",
        libc::EIO => "EIO",
        libc::EISDIR => "EISDIR",
        libc::EMFILE => "EMFILE",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ENFILE => "ENFILE",
        libc::ENODEV => "ENODEV",
        libc::ENOENT => "ENOENT",
        libc::ENOMEM => "ENOMEM",
        libc::ENOSPC => "ENOSPC",
        libc::ENOTDIR => "ENOTDIR",
        libc::EPERM => "EPERM",
        libc::EROFS => "EROFS",
        libc::ESTALE => "ESTALE",
        _ => return None,
    })
}
