//! Tests of the crate. Random ones print their seed; `SEGMENT_SEED=n cargo test -p millrace-segment` repeats a run.

mod build;
mod compaction;
mod crash;
pub(crate) mod hints;
mod pack;
mod scrub;
mod segment;
#[cfg(target_os = "linux")]
mod transfer;
mod uncovered;
mod verify;
#[cfg(target_os = "linux")]
mod writeback_error;
