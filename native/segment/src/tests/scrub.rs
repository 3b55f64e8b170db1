use std::path::Path;
use std::sync::Arc;

use super::build::*;
use crate::files::log_path;
use crate::lossy::LossyStorage;
use crate::scrub::{scrub, Part, Scrubbed};
use crate::segment::{Append, Segment};

const DIR: &str = "/t";
const BATCHES: i64 = 12;
const END_OFFSET: i64 = 3 * BATCHES;
/// Epoch 1 from offset 18 on.
const EPOCHS: [(i64, i32); 2] = [(0, 0), (18, 1)];

/// A closed log of batches of three records; returns its bytes and where each batch starts.
fn log_of(storage: &LossyStorage) -> (Vec<u8>, Vec<u64>) {
    let mut segment = Segment::open(Arc::new(storage.clone()), Path::new(DIR), 0, true, -1, 1024, 1 << 20).unwrap();
    let mut starts = Vec::new();
    for i in 0..BATCHES {
        starts.push(segment.flush().unwrap());
        let recs: Vec<Rec> = (0..3).map(|_| Rec::of("key", Some("value"))).collect();
        let how = Append { assign_offset: i * 3, leader_epoch: (i >= 6) as i32, log_append_time: -1, max_timestamp: -1 };
        segment.append(&mut make_batch(&Make::default(), &recs), &how).unwrap();
    }
    segment.close().unwrap();
    (storage.bytes(&log_path(Path::new(DIR), 0)).unwrap(), starts)
}

fn part(bytes: &[u8]) -> Part<'static> {
    Part {
        position: 0,
        next_offset: 0,
        end_position: bytes.len() as u64,
        end_offset: END_OFFSET,
        max_bytes: u64::MAX,
        epochs: &EPOCHS,
    }
}

fn run(storage: &LossyStorage, part: &Part<'_>) -> Scrubbed {
    scrub(storage, Path::new(DIR), 0, part).unwrap()
}

#[test]
fn sound_batches_are_passed_in_steps_to_the_end() {
    let storage = LossyStorage::default();
    let (bytes, starts) = log_of(&storage);
    let mut at = part(&bytes);
    for step in 1..=starts.len() {
        let done = run(&storage, &Part { max_bytes: 1, ..at });
        assert_eq!((done.bad, done.next_offset), (None, step as i64 * 3));
        at = Part { position: done.position, next_offset: done.next_offset, ..at };
    }
    assert_eq!(at.position, bytes.len() as u64);
}

#[test]
fn a_flipped_bit_anywhere_in_a_batch_is_found_and_told_from_the_first_offset_that_it_may_have_held() {
    let storage = LossyStorage::default();
    let (bytes, starts) = log_of(&storage);
    for (victim, &start) in starts.iter().enumerate() {
        let end = starts.get(victim + 1).copied().unwrap_or(bytes.len() as u64);
        for bit in 0..(end - start) * 8 {
            storage.put(&log_path(Path::new(DIR), 0), &bytes);
            storage.flip(&log_path(Path::new(DIR), 0), start * 8 + bit);
            let bad = run(&storage, &part(&bytes)).bad.unwrap_or_else(|| panic!("batch {victim} bit {bit} is not found"));
            assert_eq!((bad.position, bad.first_offset), (start, victim as i64 * 3), "batch {victim} bit {bit}");
        }
    }
}

#[test]
fn an_epoch_that_nothing_beside_it_speaks_against_is_let_be() {
    let storage = LossyStorage::default();
    let (bytes, _) = log_of(&storage);
    // The file was lost, or says nothing of these offsets, or another history that no batch here is of.
    for epochs in [&[][..], &[(END_OFFSET, 1)], &[(0, 7)]] {
        assert_eq!(run(&storage, &Part { epochs, ..part(&bytes) }).bad, None, "{epochs:?}");
    }
}

#[test]
fn a_file_that_retention_took_has_nothing_left_to_look_at() {
    let done = run(&LossyStorage::default(), &Part { end_position: 100, ..part(&[]) });
    assert_eq!(done, Scrubbed { position: 100, next_offset: 0, bad: None });
}
