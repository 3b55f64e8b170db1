//! A checksum over what the batches' own leave out, for batches that travel with no other: with it every byte is covered once.

use crc_fast::{CrcAlgorithm, Digest};

use crate::batch::{get_i32, ATTRIBUTES, LENGTH, LOG_OVERHEAD, OVERHEAD};

/// CRC32C over the first 21 bytes of each whole batch, and over everything from the first place on where no whole batch
/// begins: an end within a batch, or a length that cannot be true. Reads lengths only, so any bytes will do.
pub fn uncovered_crc32c(data: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    let mut rest = data;
    while let Some(size) = whole_batch(rest) {
        digest.update(&rest[..ATTRIBUTES]);
        rest = &rest[size..];
    }
    digest.update(rest);
    digest.finalize() as u32
}

/// Bytes of the whole batch that `data` begins with.
fn whole_batch(data: &[u8]) -> Option<usize> {
    if data.len() < OVERHEAD {
        return None;
    }
    let size = usize::try_from(get_i32(data, LENGTH)).ok()?.checked_add(LOG_OVERHEAD)?;
    (OVERHEAD..=data.len()).contains(&size).then_some(size)
}
