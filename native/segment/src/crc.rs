//! CRC32C (Castagnoli). The `crc-fast` crate picks its way at run time: carry-less multiplication over 512 bits where the processor has it
//! (twice as fast as the CRC instructions, in the cache and out of it), SSE4.2 or the ARM CRC instructions, and tables elsewhere.

/// CRC32C of `data`.
#[inline]
pub fn crc32c(data: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(data)
}
