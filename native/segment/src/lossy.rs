//! A storage for tests that does what disks and kernels may do: it loses what was not synced (page by page, in any
//! order), tears the last write, flips bits, runs full, and fails. All choices come from a seed.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::storage::{File, Mode, Storage};

/// A small generator (xorshift64*), so that a printed seed repeats a run everywhere.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Seeded(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            0
        } else {
            self.draw() % n
        }
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

const PAGE: usize = 4096;

#[derive(Default)]
pub(crate) struct Content {
    /// What the last sync made durable.
    pub(crate) durable: Vec<u8>,
    /// What reads see.
    pub(crate) current: Vec<u8>,
}

#[derive(Default)]
struct Inner {
    files: HashMap<PathBuf, Arc<Mutex<Content>>>,
    faults: Faults,
}

/// What goes wrong next.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Bytes that still fit before ENOSPC.
    pub room: Option<u64>,
    /// Every write fails with EIO.
    pub write_error: bool,
    pub sync_error: bool,
    pub truncate_error: bool,
    /// A write takes at most this many bytes.
    pub short_writes: Option<usize>,
}

#[derive(Clone, Default)]
pub struct LossyStorage {
    inner: Arc<Mutex<Inner>>,
}

impl LossyStorage {
    pub fn set_faults(&self, faults: Faults) {
        self.inner.lock().unwrap().faults = faults;
    }

    /// Power loss: of every file each page that was not synced is old or new, and the length is anywhere between.
    /// Files opened before are useless afterwards.
    pub fn crash(&self, random: &mut Seeded) {
        let mut inner = self.inner.lock().unwrap();
        let mut paths: Vec<PathBuf> = inner.files.keys().cloned().collect();
        paths.sort();
        for path in paths {
            let content = inner.files.remove(&path).expect("listed");
            let content = content.lock().unwrap();
            let after = survivors(&content, random);
            let replaced = Content { durable: after.clone(), current: after };
            inner.files.insert(path, Arc::new(Mutex::new(replaced)));
        }
        inner.faults = Faults::default();
    }

    /// Flips one bit of a file, durable as it is.
    pub fn flip(&self, path: &Path, bit: u64) {
        let inner = self.inner.lock().unwrap();
        let mut content = inner.files[path].lock().unwrap();
        let at = (bit / 8) as usize;
        content.current[at] ^= 1 << (bit % 8);
        content.durable = content.current.clone();
    }

    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let inner = self.inner.lock().unwrap();
        inner.files.get(path).map(|c| c.lock().unwrap().current.clone())
    }

    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let content = Content { durable: bytes.to_vec(), current: bytes.to_vec() };
        self.inner.lock().unwrap().files.insert(path.to_path_buf(), Arc::new(Mutex::new(content)));
    }
}

pub(crate) fn survivors(content: &Content, random: &mut Seeded) -> Vec<u8> {
    let (old, new) = (&content.durable, &content.current);
    if old == new {
        return new.clone();
    }
    let (least, most) = (old.len().min(new.len()), old.len().max(new.len()));
    let length = least + random.below((most - least) as u64 + 1) as usize;
    let mut after = vec![0; length];
    let in_order = random.chance(50);
    let mut lost = false;
    for start in (0..length).step_by(PAGE) {
        let end = (start + PAGE).min(length);
        let unchanged = old.get(start..end).is_some_and(|o| new.get(start..end) == Some(o));
        // In order: once a page is lost, all later ones are, as when the kernel writes back from the start.
        lost = if in_order { lost || random.chance(10) } else { random.chance(50) };
        let source = if unchanged || lost { old } else { new };
        if let Some(page) = source.get(start..source.len().min(end)) {
            after[start..start + page.len()].copy_from_slice(page);
        }
    }
    after
}

struct LossyFile {
    content: Arc<Mutex<Content>>,
    inner: Arc<Mutex<Inner>>,
}

impl Storage for LossyStorage {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        let mut inner = self.inner.lock().unwrap();
        if mode == Mode::Read && !inner.files.contains_key(path) {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        let content = inner.files.entry(path.to_path_buf()).or_default().clone();
        if mode == Mode::Fresh {
            content.lock().unwrap().current.clear();
        }
        Ok(Arc::new(LossyFile { content, inner: self.inner.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap();
        let content = inner.files.remove(from).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        inner.files.insert(to.to_path_buf(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.lock().unwrap().files.remove(path);
        Ok(())
    }
}

impl LossyFile {
    fn faults(&self) -> Faults {
        self.inner.lock().unwrap().faults
    }
}

impl File for LossyFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let content = self.content.lock().unwrap();
        let from = (position as usize).min(content.current.len());
        let n = buffer.len().min(content.current.len() - from);
        buffer[..n].copy_from_slice(&content.current[from..from + n]);
        Ok(n)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let faults = self.faults();
        if faults.write_error {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let mut bytes: Vec<u8> = parts.iter().flat_map(|p| p.iter().copied()).collect();
        if let Some(limit) = faults.short_writes {
            bytes.truncate(limit);
        }
        if let Some(room) = faults.room {
            if room == 0 {
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
            bytes.truncate(room as usize);
            self.inner.lock().unwrap().faults.room = Some(room - bytes.len() as u64);
        }
        let mut content = self.content.lock().unwrap();
        let end = position as usize + bytes.len();
        if content.current.len() < end {
            content.current.resize(end, 0);
        }
        content.current[position as usize..end].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        if self.faults().truncate_error {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        self.content.lock().unwrap().current.resize(length as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.faults().sync_error {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        let mut content = self.content.lock().unwrap();
        content.durable = content.current.clone();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().current.len() as u64)
    }

    fn start_writeback(&self, _position: u64, _length: u64) {}
}
