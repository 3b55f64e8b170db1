//! Log segments in Kafka's on-disk format.
//!
//! Owns: record batches (v2) as bytes, CRC32C, the codecs, `.log` / `.index` / `.timeindex` files, recovery
//! scans and compaction passes. Never decides policy (when to roll, what to delete, what an acknowledgement
//! means) and knows nothing of Node. Every function runs on the caller's thread and may block on the disk.

pub mod batch;
pub mod codec;
pub mod compaction;
pub mod crc;
pub mod error;
pub mod files;
mod header_walk;
pub mod index;
#[cfg(any(test, feature = "lossy"))]
pub mod lossy;
pub mod net;
mod newest;
pub mod pack;
mod preallocation;
pub mod recovery;
pub mod scrub;
mod search;
pub mod segment;
#[cfg(any(test, feature = "lossy"))]
pub mod simulated;
mod staging;
pub mod storage;
#[cfg_attr(not(target_os = "linux"), path = "transfer_unsupported.rs")]
pub mod transfer;
pub mod uncovered;
pub mod verify;
pub mod walk;
pub mod writeback;

pub use error::{Error, Result};

#[cfg(test)]
mod tests;
