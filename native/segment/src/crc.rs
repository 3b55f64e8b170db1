//! CRC32C (Castagnoli). The `crc32c` crate picks SSE4.2 or the ARM CRC instructions at run time, folds three
//! interleaved streams, and falls back to tables elsewhere.

/// CRC32C of `data`.
#[inline]
pub fn crc32c(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
}
