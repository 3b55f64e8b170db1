use std::path::Path;
use std::sync::Arc;

use super::build::*;
use crate::batch::{self, Header};
use crate::files::{index_path, log_path, time_index_path};
use crate::lossy::{Faults, LossyStorage, Seeded};
use crate::segment::{Append, Plan, Segment};

const DIR: &str = "/t";
const INTERVAL: u64 = 4096;

fn open(storage: &LossyStorage, writable: bool) -> Segment {
    Segment::open(Arc::new(storage.clone()), Path::new(DIR), 100, writable, -1, INTERVAL, 1 << 20).unwrap()
}

fn append(segment: &mut Segment, offset: i64, recs: &[Rec]) -> Vec<u8> {
    let mut data = make_batch(&Make::default(), recs);
    let how = Append { assign_offset: offset, leader_epoch: 4, log_append_time: -1, max_timestamp: -1 };
    segment.append(&mut data, &how).unwrap();
    data
}

/// What a segment should hold: first offset, last offset, bytes.
type Model = Vec<(i64, i64, Vec<u8>)>;

fn fill(storage: &LossyStorage, random: &mut Seeded, batches: u64) -> (Segment, Model) {
    let mut segment = open(storage, true);
    let mut model = Model::new();
    let mut offset = 100;
    for _ in 0..batches {
        offset += if random.chance(5) { random.below(50) as i64 } else { 0 };
        let most = if random.chance(10) { 30_000 } else { 300 };
        let recs = random_recs(random, 6, most);
        let data = append(&mut segment, offset, &recs);
        model.push((offset, offset + recs.len() as i64 - 1, data));
        offset += recs.len() as i64;
        if random.chance(20) {
            segment.flush().unwrap();
        }
    }
    segment.flush().unwrap();
    (segment, model)
}

fn check_plans(segment: &mut Segment, model: &Model, random: &mut Seeded) {
    let end = model.last().map_or(100, |b| b.1 + 1);
    let all: Vec<u8> = model.iter().flat_map(|b| b.2.clone()).collect();
    assert_eq!(segment.size() as usize, all.len());
    assert_eq!(segment.next_offset().unwrap(), end);
    let positions: Vec<usize> = model
        .iter()
        .scan(0, |at, b| {
            let here = *at;
            *at += b.2.len();
            Some(here)
        })
        .collect();
    for _ in 0..60 {
        let start = 100 + random.below((end - 100) as u64 + 3) as i64;
        let max_offset = if random.chance(50) { i64::MAX } else { 100 + random.below((end - 100) as u64 + 3) as i64 };
        let (max_bytes, min_one) = (random.below(60_000), random.chance(50));
        let plan = segment.plan(start, max_offset, max_bytes, min_one).unwrap();
        let first = model.iter().position(|b| b.1 >= start).filter(|&i| start < max_offset && model[i].0 < max_offset);
        let expected =
            first.map_or(Plan { position: None, size: 0, first_batch_size: 0, first_base_offset: -1, damaged: None }, |i| {
                let limit = model.iter().position(|b| b.0 >= max_offset).map_or(all.len(), |j| positions[j]);
                let first_size = model[i].2.len() as u64;
                let wanted = if max_bytes >= first_size {
                    max_bytes
                } else if min_one {
                    first_size
                } else {
                    0
                };
                let size = wanted.min((limit - positions[i]) as u64);
                Plan {
                    position: Some(positions[i] as u64),
                    size,
                    first_batch_size: first_size,
                    first_base_offset: model[i].0,
                    damaged: None,
                }
            });
        assert_eq!(plan, expected, "start {start} max offset {max_offset} max bytes {max_bytes} min one {min_one}");
        if let Some(position) = plan.position {
            let mut bytes = vec![0; plan.size as usize];
            assert_eq!(segment.read(position, &mut bytes).unwrap(), bytes.len());
            assert_eq!(bytes, all[position as usize..position as usize + bytes.len()]);
        }
    }
}

#[test]
fn every_offset_is_found_and_ranges_end_where_they_should() {
    let seed = seed();
    for round in 0..30 {
        let mut random = Seeded::new(seed + round);
        let storage = LossyStorage::default();
        let batches = 1 + random.below(200);
        let (mut segment, model) = fill(&storage, &mut random, batches);
        check_plans(&mut segment, &model, &mut random);
        segment.close().unwrap();
        check_plans(&mut open(&storage, false), &model, &mut random);
        check_plans(&mut open(&storage, true), &model, &mut random);
        let (index, times) = (index_path(Path::new(DIR), 100), time_index_path(Path::new(DIR), 100));
        let closed = (storage.bytes(&index), storage.bytes(&times));
        storage.put(&index, &[]);
        storage.put(&times, &[1, 2, 3]);
        let mut rebuilt = open(&storage, true);
        check_plans(&mut rebuilt, &model, &mut random);
        rebuilt.close().unwrap();
        assert_eq!((storage.bytes(&index), storage.bytes(&times)), closed, "rebuilt indexes are the same");
    }
}

#[test]
fn truncation_leaves_no_batch_that_holds_a_cut_offset() {
    let seed = seed();
    for round in 0..30 {
        let mut random = Seeded::new(seed + round);
        let storage = LossyStorage::default();
        let batches = 1 + random.below(120);
        let (mut segment, mut model) = fill(&storage, &mut random, batches);
        for _ in 0..3 {
            let end = model.last().map_or(100, |b| b.1 + 1);
            let offset = 100 + random.below((end - 100) as u64 + 2) as i64;
            segment.truncate(offset).unwrap();
            let keep = model.iter().position(|b| b.1 >= offset).unwrap_or(model.len());
            model.truncate(keep);
            check_plans(&mut segment, &model, &mut random);
            let next = model.last().map_or(100, |b| b.1 + 1);
            let recs = random_recs(&mut random, 4, 500);
            let data = append(&mut segment, next, &recs);
            segment.flush().unwrap();
            model.push((next, next + recs.len() as i64 - 1, data));
            check_plans(&mut segment, &model, &mut random);
        }
    }
}

#[test]
fn append_gives_a_batch_its_offset_epoch_and_timestamps() {
    let storage = LossyStorage::default();
    let mut segment = open(&storage, true);
    let recs: Vec<Rec> = (0..3).map(|i| Rec { timestamp: 50 + i, ..Rec::of("k", Some("v")) }).collect();
    let mut data = make_batch(&Make::default(), &recs);
    let how = Append { assign_offset: 500, leader_epoch: 9, log_append_time: 7777, max_timestamp: 52 };
    segment.append(&mut data, &how).unwrap();
    let header = Header::parse(&data).unwrap();
    assert_eq!((header.base_offset, header.leader_epoch, header.max_timestamp), (500, 9, 7777));
    assert!(header.is_log_append_time() && batch::crc_matches(&data));
    let mut lying = make_batch(&Make::default(), &recs);
    batch::put_i64(&mut lying, batch::MAX_TIMESTAMP, 99_999);
    batch::seal(&mut lying);
    let how = Append { assign_offset: 503, leader_epoch: 9, log_append_time: -1, max_timestamp: 52 };
    segment.append(&mut lying, &how).unwrap();
    assert_eq!(Header::parse(&lying).unwrap().max_timestamp, 52);
    assert!(batch::crc_matches(&lying));
}

#[test]
fn blocks_that_do_not_fit_the_log_are_refused_before_anything_changes() {
    let storage = LossyStorage::default();
    let mut segment = open(&storage, true);
    append(&mut segment, 100, &[Rec::of("a", None)]);
    let keep = Append { assign_offset: -1, leader_epoch: 0, log_append_time: -1, max_timestamp: -1 };
    let refused = |segment: &mut Segment, mut data: Vec<u8>, how: &Append| segment.append(&mut data, how).unwrap_err().code;
    let at = |offset| make_batch(&Make { base_offset: offset, ..Make::default() }, &[Rec::of("b", None)]);
    assert_eq!(refused(&mut segment, at(100), &keep), "ERR_MILLRACE_OFFSET_ORDER");
    assert_eq!(refused(&mut segment, at(100 + (1 << 31)), &keep), "ERR_MILLRACE_OFFSET_OVERFLOW");
    assert_eq!(refused(&mut segment, at(101)[..60].to_vec(), &keep), "ERR_MILLRACE_NOT_A_BATCH");
    assert_eq!(refused(&mut segment, [at(101), vec![0; 3]].concat(), &keep), "ERR_MILLRACE_NOT_A_BATCH");
    let two = [at(101), at(102)].concat();
    let assign = Append { assign_offset: 101, ..keep };
    assert_eq!(refused(&mut segment, two.clone(), &assign), "ERR_MILLRACE_NOT_A_BATCH");
    segment.append(&mut two.clone(), &keep).unwrap();
    segment.flush().unwrap();
    assert_eq!(segment.next_offset().unwrap(), 103);
    assert_eq!(refused(&mut open(&storage, false), at(103), &keep), "ERR_MILLRACE_READ_ONLY");
}

#[test]
fn a_full_disk_cuts_back_to_the_last_write_and_takes_more_when_there_is_room() {
    let seed = seed();
    for round in 0..40 {
        let mut random = Seeded::new(seed + round);
        let storage = LossyStorage::default();
        let (mut segment, mut model) = fill(&storage, &mut random, 20);
        storage.set_faults(Faults { room: Some(random.below(30_000)), short_writes: Some(1000), ..Faults::default() });
        let mut offset = segment.next_offset().unwrap();
        let mut pending = Model::new();
        let error = loop {
            let recs = random_recs(&mut random, 4, 2000);
            let mut data = make_batch(&Make::default(), &recs);
            let how = Append { assign_offset: offset, leader_epoch: 4, log_append_time: -1, max_timestamp: -1 };
            let size = segment.size();
            let result = segment.append(&mut data, &how).and_then(|_| if random.chance(30) { segment.flush() } else { Ok(0) });
            pending.push((offset, offset + recs.len() as i64 - 1, data));
            match result {
                Ok(_) if segment.size() > size => model.append(&mut pending),
                Ok(_) => {}
                Err(error) => break error,
            }
            offset += recs.len() as i64;
        };
        assert_eq!(error.code, "ENOSPC");
        assert_eq!(storage.bytes(&log_path(Path::new(DIR), 100)).unwrap().len() as u64, segment.size());
        check_plans(&mut segment, &model, &mut random);
        storage.set_faults(Faults::default());
        let offset = segment.next_offset().unwrap();
        let recs = random_recs(&mut random, 4, 200);
        let data = append(&mut segment, offset, &recs);
        segment.flush().unwrap();
        model.push((offset, offset + recs.len() as i64 - 1, data));
        check_plans(&mut segment, &model, &mut random);
    }
}

#[test]
fn an_io_error_poisons_the_segment_until_it_is_reopened() {
    for fault in 0..3 {
        let storage = LossyStorage::default();
        let mut segment = open(&storage, true);
        append(&mut segment, 100, &[Rec::of("a", None)]);
        segment.flush().unwrap();
        append(&mut segment, 101, &[Rec::of("b", None)]);
        let on = |n| fault == n;
        let room = on(2).then_some(10);
        storage.set_faults(Faults { write_error: on(0), sync_error: on(1), truncate_error: on(2), room, ..Faults::default() });
        let failed = if on(1) { segment.sync_job(false).unwrap().run() } else { segment.flush() };
        assert_eq!(failed.unwrap_err().code, if on(2) { "ENOSPC" } else { "EIO" });
        storage.set_faults(Faults::default());
        let mut data = make_batch(&Make::default(), &[Rec::of("c", None)]);
        let how = Append { assign_offset: 102, leader_epoch: 0, log_append_time: -1, max_timestamp: -1 };
        assert_eq!(segment.append(&mut data, &how).unwrap_err().code, "ERR_MILLRACE_POISONED");
        assert_eq!(segment.sync_job(false).err().unwrap().code, "ERR_MILLRACE_POISONED");
        drop(segment);
        append(&mut open(&storage, true), 102, &[Rec::of("c", None)]);
    }
}

#[test]
fn timestamps_are_found_though_shuffled() {
    let seed = seed();
    for round in 0..20 {
        let mut random = Seeded::new(seed + round);
        let storage = LossyStorage::default();
        let (mut segment, mut offset) = (open(&storage, true), 100);
        let mut all: Vec<(i64, i64)> = Vec::new();
        for _ in 0..80 {
            let recs = random_recs(&mut random, 6, 300);
            let make = Make { codec: random.below(5) as u8, ..Make::default() };
            let mut data = make_batch(&make, &recs);
            let how = Append { assign_offset: offset, leader_epoch: 4, log_append_time: -1, max_timestamp: -1 };
            segment.append(&mut data, &how).unwrap();
            all.extend(recs.iter().enumerate().map(|(i, r)| (offset + i as i64, r.timestamp)));
            offset += recs.len() as i64;
        }
        segment.flush().unwrap();
        for reopened in [false, true] {
            if reopened {
                segment.close().unwrap();
                segment = open(&storage, true);
            }
            for _ in 0..50 {
                let wanted = 1_700_000_000_000 + random.below(1_010_000) as i64;
                let start = 100 + random.below(all.len() as u64) as i64;
                let expected = all.iter().find(|(o, t)| *o >= start && *t >= wanted);
                let found = segment.find_timestamp(wanted, start, 1 << 20).unwrap();
                assert_eq!(found.map(|f| (f.offset, f.timestamp)), expected.copied());
            }
            let max = all.iter().map(|r| r.1).max().unwrap();
            let first = all.iter().find(|r| r.1 == max).copied();
            assert_eq!(segment.max_timestamp(1 << 20).unwrap().map(|f| (f.offset, f.timestamp)), first);
        }
    }
}
