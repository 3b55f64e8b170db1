//! The files of a segment: their names, and the two indexes read and written whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::Indexes;
use crate::storage::{read_file, write_all, File, Mode, Storage};

pub fn log_path(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}.log"))
}

pub fn index_path(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}.index"))
}

pub fn time_index_path(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}.timeindex"))
}

/// `None`: one is missing, or they cannot be those of a log of `size` bytes.
pub(crate) fn load_indexes(storage: &dyn Storage, dir: &Path, base_offset: i64, size: u64) -> Result<Option<Indexes>> {
    let log = log_path(dir, base_offset);
    let offsets =
        read_file(storage, &index_path(dir, base_offset)).map_err(|e| Error::io(&e, "cannot read the index of", &log))?;
    let times = read_file(storage, &time_index_path(dir, base_offset))
        .map_err(|e| Error::io(&e, "cannot read the time index of", &log))?;
    Ok(match (offsets, times) {
        (Some(offsets), Some(times)) => Indexes::decode(&offsets, &times, size),
        _ => None,
    })
}

/// Writes both index files whole; returns them open, to be synced.
pub fn store_indexes(storage: &dyn Storage, dir: &Path, base_offset: i64, indexes: &Indexes) -> Result<Vec<Arc<dyn File>>> {
    let files =
        [(index_path(dir, base_offset), indexes.encode_offsets()), (time_index_path(dir, base_offset), indexes.encode_times())];
    let mut open = Vec::with_capacity(2);
    for (path, bytes) in files {
        let file = storage.open(&path, Mode::Write).map_err(|e| Error::io(&e, "cannot open", &path))?;
        write_all(file.as_ref(), &[&bytes], 0)
            .and_then(|()| file.truncate(bytes.len() as u64))
            .map_err(|e| Error::io(&e, "cannot write", &path))?;
        open.push(file);
    }
    Ok(open)
}
