//! What a test build adds: disks that lose what was not synced. Never part of a released addon.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use napi_derive::napi;
use segment::lossy::Faults;
use segment::simulated::SimulatedDisk;

static DISKS: Mutex<Vec<(PathBuf, SimulatedDisk)>> = Mutex::new(Vec::new());

type Result<T> = std::result::Result<T, napi::Error<String>>;

pub fn disk_of(path: &Path) -> Option<SimulatedDisk> {
    let disks = DISKS.lock().unwrap();
    disks.iter().find(|(_, disk)| disk.holds(path)).map(|(_, disk)| disk.clone())
}

fn given(root: &str) -> Result<SimulatedDisk> {
    let disks = DISKS.lock().unwrap();
    let found = disks.iter().find(|(path, _)| path == Path::new(root)).map(|(_, disk)| disk.clone());
    found.ok_or_else(|| napi::Error::new("ERR_MILLRACE_ARGUMENT".to_owned(), format!("{root} has no simulated disk")))
}

fn failed(error: std::io::Error) -> napi::Error<String> {
    napi::Error::new("EIO".to_owned(), error.to_string())
}

/// Everything below `root` lies on a simulated disk from now on; a disk it had before is forgotten.
#[napi]
pub fn simulate_disk(root: String, seed: f64) {
    let mut disks = DISKS.lock().unwrap();
    disks.retain(|(path, _)| path != Path::new(&root));
    disks.push((PathBuf::from(&root), SimulatedDisk::new(Path::new(&root), seed as u64)));
}

#[napi]
pub fn forget_disk(root: String) {
    DISKS.lock().unwrap().retain(|(path, _)| path != Path::new(&root));
}

#[napi(object)]
pub struct DiskLosses {
    pub files: f64,
    pub torn: f64,
    pub bytes: f64,
}

/// Power loss. Close or abandon every handle below `root` first.
#[napi]
pub fn crash_disk(root: String) -> Result<DiskLosses> {
    let losses = given(&root)?.crash().map_err(failed)?;
    Ok(DiskLosses { files: losses.files as f64, torn: losses.torn as f64, bytes: losses.bytes as f64 })
}

/// `room` -1: no limit.
#[napi]
pub fn set_disk_faults(root: String, room: f64, write_error: bool, sync_error: bool) -> Result<()> {
    let faults = Faults { room: (room >= 0.0).then_some(room as u64), write_error, sync_error, ..Faults::default() };
    given(&root)?.set_faults(faults);
    Ok(())
}

#[napi]
pub fn flip_bit(root: String, path: String, bit: f64) -> Result<()> {
    given(&root)?.flip(Path::new(&path), bit as u64).map_err(failed)
}
