//! A checksum over what the batches' own leave out, for batches that travel with no other: with it every byte is covered once.

use crc_fast::{CrcAlgorithm, Digest};

use crate::batch::{Header, ATTRIBUTES};

/// CRC32C over the first 21 bytes of each whole batch, and over everything from the first place on where no whole batch
/// begins: an end within a batch, or a length that cannot be true. Reads lengths only, so any bytes will do.
pub fn uncovered_crc32c(data: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    let mut rest = data;
    while let Some(batch) = Header::parse(rest).filter(|batch| batch.size <= rest.len()) {
        digest.update(&rest[..ATTRIBUTES]);
        rest = &rest[batch.size..];
    }
    digest.update(rest);
    digest.finalize() as u32
}
