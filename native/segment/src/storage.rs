//! Files as this crate needs them, behind a trait, so that tests can lose what was not synced.

use std::fs;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// An open file. Positions are explicit, so one handle serves readers and the writer at once.
pub trait File: Send + Sync {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes a prefix of `parts` at `position`; returns how many bytes went in.
    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize>;
    /// Moves bytes from `position` on to the socket `descriptor` without copying them through the process. WouldBlock when
    /// the socket takes none, Unsupported where there is no such call: the caller then reads and writes.
    fn send_to(&self, _descriptor: i32, _position: u64, _length: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// As `send_to`, to a pipe that takes references to the file's pages (splice).
    fn splice_to(&self, _pipe: i32, _position: u64, _length: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// fdatasync: data and the length are durable when it returned.
    fn sync(&self) -> io::Result<()>;
    fn len(&self) -> io::Result<u64>;
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Asks the kernel to start writing a range back; never waits for it. A hint.
    fn start_writeback(&self, position: u64, length: u64);
    /// Has blocks for a range that will be written; the length stays. A hint.
    fn preallocate(&self, _position: u64, _length: u64) {}
    /// Gives back blocks behind the length, also those that an earlier process had asked for. A hint.
    fn release_preallocated(&self) {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Read,
    /// Read and write; created when missing.
    Write,
    /// Read and write; created or emptied.
    Fresh,
}

pub trait Storage: Send + Sync {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// `f_type` of statfs(2); its type differs between C libraries.
#[cfg(target_os = "linux")]
const EXT4_MAGIC: i64 = 0xef53;

/// The machine's own file system.
pub struct Disk;

struct DiskFile(fs::File);

impl Storage for Disk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            Mode::Read => {}
            Mode::Write => {
                options.write(true).create(true);
            }
            Mode::Fresh => {
                options.write(true).create(true).truncate(true);
            }
        }
        Ok(Arc::new(DiskFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

impl File for DiskFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(buffer, position) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => return other,
            }
        }
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        // SAFETY: IoSlice has the layout of iovec on Unix (its documented guarantee); `parts` outlives the
        // call, and the descriptor is open because `self` owns it.
        uninterrupted(|| unsafe {
            libc::pwritev(
                self.0.as_raw_fd(),
                parts.as_ptr().cast::<libc::iovec>(),
                parts.len() as libc::c_int,
                position as libc::off_t,
            )
        })
    }

    #[cfg(target_os = "linux")]
    fn send_to(&self, descriptor: i32, position: u64, length: usize) -> io::Result<usize> {
        let mut offset = position as libc::off_t;
        // SAFETY: both descriptors are numbers the kernel checks; `offset` outlives the call.
        uninterrupted(|| unsafe { libc::sendfile(descriptor, self.0.as_raw_fd(), &mut offset, length) })
    }

    #[cfg(target_os = "linux")]
    fn splice_to(&self, pipe: i32, position: u64, length: usize) -> io::Result<usize> {
        let mut offset = position as libc::loff_t;
        // SAFETY: as above.
        uninterrupted(|| unsafe {
            libc::splice(self.0.as_raw_fd(), &mut offset, pipe, std::ptr::null_mut(), length, libc::SPLICE_F_NONBLOCK)
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// Starts only. Linux tells an error of write-back once to each open file description (errseq_t), and waiting for a range counts as being
    /// told: with SYNC_FILE_RANGE_WAIT_BEFORE or _AFTER here it would end here. The fsync that promises the data would succeed without it: a
    /// page that failed is clean, and not written again. Who wants to wait needs a description of its own.
    #[cfg(target_os = "linux")]
    fn start_writeback(&self, position: u64, length: u64) {
        // SAFETY: plain system call on a descriptor that `self` keeps open. Its result is ignored: a hint.
        unsafe {
            libc::sync_file_range(
                self.0.as_raw_fd(),
                position as libc::off64_t,
                length as libc::off64_t,
                libc::SYNC_FILE_RANGE_WRITE,
            );
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn start_writeback(&self, _position: u64, _length: u64) {}

    /// On ext4, where it was measured. Others have ways of their own (XFS), or take memory for it at once (tmpfs).
    #[cfg(target_os = "linux")]
    fn preallocate(&self, position: u64, length: u64) {
        // SAFETY: plain system calls on a descriptor that `self` keeps open; an all-zero statfs is a valid value to be
        // filled. A refusal (a full disk) is ignored: a hint.
        unsafe {
            let mut of: libc::statfs = std::mem::zeroed();
            if libc::fstatfs(self.0.as_raw_fd(), &mut of) == 0 && of.f_type as i64 == EXT4_MAGIC {
                let (position, length) = (position as libc::off64_t, length as libc::off64_t);
                libc::fallocate64(self.0.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, position, length);
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn release_preallocated(&self) {
        use std::os::unix::fs::MetadataExt;
        // A file system's own blocks for the file count as well, a few of them.
        const SLACK: u64 = 256 << 10;
        if let Ok(metadata) = self.0.metadata() {
            if metadata.blocks() * 512 > metadata.len() + SLACK {
                let _ = self.0.set_len(metadata.len());
            }
        }
    }
}

/// The result of a system call that is made again where a signal came between.
pub(crate) fn uninterrupted(mut call: impl FnMut() -> libc::ssize_t) -> io::Result<usize> {
    loop {
        let n = call();
        if n >= 0 {
            return Ok(n as usize);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Writes all of `parts` at `position`.
pub fn write_all(file: &dyn File, parts: &[&[u8]], position: u64) -> io::Result<()> {
    let total: usize = parts.iter().map(|p| p.len()).sum();
    let mut done = 0usize;
    while done < total {
        let mut skip = done;
        let mut rest: [IoSlice<'_>; 2] = [IoSlice::new(&[]), IoSlice::new(&[])];
        let mut count = 0;
        for part in parts {
            if skip >= part.len() {
                skip -= part.len();
                continue;
            }
            rest[count] = IoSlice::new(&part[skip..]);
            skip = 0;
            count += 1;
        }
        let n = file.write_at(&rest[..count], position + done as u64)?;
        if n == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        done += n;
    }
    Ok(())
}

/// Reads until `buffer` is full or the file ends; returns the bytes read.
pub fn read_full(file: &dyn File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let n = file.read_at(&mut buffer[done..], position + done as u64)?;
        if n == 0 {
            break;
        }
        done += n;
    }
    Ok(done)
}

/// The whole file, or `None` when it is missing.
pub fn read_file(storage: &dyn Storage, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match storage.open(path, Mode::Read) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut bytes = vec![0; file.len()? as usize];
    let n = read_full(file.as_ref(), &mut bytes, 0)?;
    bytes.truncate(n);
    Ok(Some(bytes))
}
