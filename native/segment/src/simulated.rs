//! The machine's file system with a disk under it that may lose what was not synced: for simulations of whole nodes.
//!
//! Files are real files (a temporary directory), so that code which looks at them by other means sees what was
//! written. Beside each one stands what its last sync made durable. A power loss replaces every file by a mix of the
//! two, page by page; bits flip, syncs fail, the disk runs full. All choices come from a seed. Only files opened
//! through this storage can lose anything: names, directories and small files written elsewhere are as durable as
//! the real file system makes them.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::lossy::{survivors, Content, Faults, Seeded};
use crate::storage::{Disk, File, Mode, Storage};

struct Inner {
    /// What the last sync of each file made durable.
    durable: BTreeMap<PathBuf, Vec<u8>>,
    faults: Faults,
    random: Seeded,
}

/// Everything below `root`.
#[derive(Clone)]
pub struct SimulatedDisk {
    root: PathBuf,
    inner: Arc<Mutex<Inner>>,
}

/// What a power loss did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Losses {
    pub files: u64,
    /// Files that are shorter than what had been written.
    pub torn: u64,
    pub bytes: u64,
}

impl SimulatedDisk {
    pub fn new(root: &Path, seed: u64) -> Self {
        let inner = Inner { durable: BTreeMap::new(), faults: Faults::default(), random: Seeded::new(seed) };
        SimulatedDisk { root: root.to_path_buf(), inner: Arc::new(Mutex::new(inner)) }
    }

    pub fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.root)
    }

    pub fn set_faults(&self, faults: Faults) {
        self.inner.lock().unwrap().faults = faults;
    }

    /// Power loss. Whoever had files open must not use them any more.
    pub fn crash(&self) -> io::Result<Losses> {
        let mut inner = self.inner.lock().unwrap();
        inner.faults = Faults::default();
        let mut losses = Losses::default();
        for (path, durable) in std::mem::take(&mut inner.durable) {
            let current = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            let content = Content { durable, current };
            let after = survivors(&content, &mut inner.random);
            if after != content.current {
                losses.files += 1;
                losses.torn += u64::from(after.len() < content.current.len());
                losses.bytes += content.current.iter().zip(&after).filter(|(a, b)| a != b).count() as u64;
                losses.bytes += content.current.len().saturating_sub(after.len()) as u64;
                std::fs::write(&path, &after)?;
            }
        }
        Ok(losses)
    }

    /// Flips one bit of a file, durable as it is: what a disk does to bytes at rest.
    pub fn flip(&self, path: &Path, bit: u64) -> io::Result<()> {
        let mut bytes = std::fs::read(path)?;
        let at = (bit / 8) as usize;
        let byte = bytes.get_mut(at).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        *byte ^= 1 << (bit % 8);
        std::fs::write(path, &bytes)?;
        let mut inner = self.inner.lock().unwrap();
        if let Some(durable) = inner.durable.get_mut(path).and_then(|durable| durable.get_mut(at)) {
            *durable ^= 1 << (bit % 8);
        }
        Ok(())
    }
}

impl Storage for SimulatedDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        // What a file holds when it is first seen was there before: it is durable.
        let before = if mode == Mode::Read { None } else { std::fs::read(path).ok() };
        let file = Disk.open(path, mode)?;
        if mode != Mode::Read {
            self.inner.lock().unwrap().durable.entry(path.to_path_buf()).or_insert_with(|| before.unwrap_or_default());
        }
        Ok(Arc::new(SimulatedFile { file, path: path.to_path_buf(), inner: self.inner.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)?;
        let mut inner = self.inner.lock().unwrap();
        match inner.durable.remove(from) {
            Some(durable) => inner.durable.insert(to.to_path_buf(), durable),
            None => inner.durable.remove(to),
        };
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.lock().unwrap().durable.remove(path);
        Disk.remove(path)
    }
}

struct SimulatedFile {
    file: Arc<dyn File>,
    path: PathBuf,
    inner: Arc<Mutex<Inner>>,
}

impl File for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let mut inner = self.inner.lock().unwrap();
        if inner.faults.write_error {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let mut bytes: Vec<u8> = parts.iter().flat_map(|p| p.iter().copied()).collect();
        if let Some(limit) = inner.faults.short_writes {
            bytes.truncate(limit);
        }
        if let Some(room) = inner.faults.room {
            if room == 0 {
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
            bytes.truncate(room as usize);
            inner.faults.room = Some(room - bytes.len() as u64);
        }
        let mut at = 0;
        while at < bytes.len() {
            at += self.file.write_at(&[IoSlice::new(&bytes[at..])], position + at as u64)?;
        }
        Ok(bytes.len())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        if self.inner.lock().unwrap().faults.truncate_error {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap();
        if inner.faults.sync_error {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let mut bytes = vec![0; self.file.len()? as usize];
        let mut at = 0;
        while at < bytes.len() {
            match self.file.read_at(&mut bytes[at..], at as u64)? {
                0 => break,
                n => at += n,
            }
        }
        inner.durable.insert(self.path.clone(), bytes);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn start_writeback(&self, _position: u64, _length: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("millrace-simulated-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_power_loss_keeps_what_was_synced_and_may_lose_the_rest() {
        let root = temporary("crash");
        let path = root.join("file");
        let mut lost = 0;
        for seed in 0..50 {
            let disk = SimulatedDisk::new(&root, seed);
            let file = disk.open(&path, Mode::Fresh).unwrap();
            file.write_at(&[IoSlice::new(&[1; 5000])], 0).unwrap();
            file.sync().unwrap();
            file.write_at(&[IoSlice::new(&[2; 9000])], 5000).unwrap();
            lost += disk.crash().unwrap().bytes;
            let after = std::fs::read(&path).unwrap();
            assert!(after.len() >= 5000, "seed {seed}: {} bytes", after.len());
            assert!(after[..4096].iter().all(|b| *b == 1), "seed {seed}");
        }
        assert!(lost > 0);
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_full_disk_takes_what_fits_and_a_flipped_bit_stays() {
        let root = temporary("faults");
        let path = root.join("file");
        let disk = SimulatedDisk::new(&root, 7);
        let file = disk.open(&path, Mode::Write).unwrap();
        disk.set_faults(Faults { room: Some(3), ..Faults::default() });
        assert_eq!(file.write_at(&[IoSlice::new(b"abcdef")], 0).unwrap(), 3);
        assert_eq!(file.write_at(&[IoSlice::new(b"def")], 3).unwrap_err().raw_os_error(), Some(libc::ENOSPC));
        disk.set_faults(Faults::default());
        file.sync().unwrap();
        disk.flip(&path, 1).unwrap();
        disk.crash().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"cbc");
        std::fs::remove_dir_all(&root).unwrap();
    }
}
