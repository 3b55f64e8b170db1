//! Appends to segment chains over a storage that loses what was not synced, cuts the power at seeded moments,
//! recovers, and checks every record against what it must be. Keeps no copy of the data: content is a function of
//! partition, offset and the power loss before it. One thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use segment::batch::{self, Header};
use segment::crc::crc32c;
use segment::files::{index_path, log_path, time_index_path};
use segment::lossy::{LossyStorage, Seeded};
use segment::recovery::recover;
use segment::segment::{Append, Segment};
use segment::storage::Storage;
use segment::walk::{put_varint, put_varlong, Records};

const KEY: usize = 8;
const VALUE: usize = 92;
const INDEX_INTERVAL: u64 = 4096;
const MAX_INDEX: usize = 1 << 20;
const READ: usize = 1 << 20;
const START: i64 = 1_700_000_000_000;

pub struct Config {
    pub records: u64,
    pub partitions: usize,
    pub segment_bytes: u64,
    pub power_losses: u64,
    pub seed: u64,
    /// A sync whose number this divides only claims to have run; 0 divides none. To see that the checks notice.
    pub skip_sync: u64,
}

#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// In the logs at the end.
    pub records: u64,
    pub appended: u64,
    pub acknowledged: u64,
    pub lost_records: u64,
    pub syncs: u64,
    pub skipped: u64,
    pub power_losses: u64,
    pub segments: u64,
    pub torn_tails: u64,
    pub corrupt_middles: u64,
    pub bytes_lost: u64,
    pub bytes: u64,
}

type Outcome<T> = Result<T, String>;

fn text(error: segment::Error) -> String {
    format!("{error:?}")
}

/// Key and value of one record: number, incarnation, partition, filler, checksum.
fn content(seed: u64, partition: usize, offset: i64, incarnation: u32) -> [u8; KEY + VALUE] {
    let mut bytes = [0; KEY + VALUE];
    bytes[..KEY].copy_from_slice(&((partition as u64) << 48 | offset as u64).to_be_bytes());
    bytes[8..16].copy_from_slice(&offset.to_be_bytes());
    bytes[16..20].copy_from_slice(&incarnation.to_be_bytes());
    bytes[20..24].copy_from_slice(&(partition as u32).to_be_bytes());
    let mut filler = Seeded::new(seed ^ (offset as u64) << 20 ^ (incarnation as u64) << 8 ^ partition as u64);
    for word in bytes[24..96].chunks_mut(8) {
        word.copy_from_slice(&filler.draw().to_be_bytes());
    }
    let sum = crc32c(&bytes[..96]);
    bytes[96..].copy_from_slice(&sum.to_be_bytes());
    bytes
}

struct Partition {
    number: usize,
    dir: PathBuf,
    /// Base offsets of all segments, the open one last.
    bases: Vec<i64>,
    /// Rolled, but not synced yet.
    rolled: Vec<Segment>,
    open: Option<Segment>,
    next_offset: i64,
    acknowledged: i64,
    written: u64,
    /// From which offset on records carry which incarnation.
    incarnations: Vec<(i64, u32)>,
}

impl Partition {
    fn incarnation(&self, offset: i64) -> u32 {
        self.incarnations[self.incarnations.partition_point(|i| i.0 <= offset) - 1].1
    }

    fn active(&mut self) -> &mut Segment {
        self.open.as_mut().expect("open between power losses")
    }

    fn batch(&self, seed: u64, count: i32) -> Vec<u8> {
        let mut out = vec![0; batch::OVERHEAD];
        let incarnation = self.incarnations.last().expect("never empty").1;
        let mut body = Vec::with_capacity(128);
        for delta in 0..count {
            let bytes = content(seed, self.number, self.next_offset + delta as i64, incarnation);
            body.clear();
            body.push(0);
            put_varlong(&mut body, delta as i64);
            put_varint(&mut body, delta);
            put_varint(&mut body, KEY as i32);
            body.extend_from_slice(&bytes[..KEY]);
            put_varint(&mut body, VALUE as i32);
            body.extend_from_slice(&bytes[KEY..]);
            put_varint(&mut body, 0);
            put_varint(&mut out, body.len() as i32);
            out.extend_from_slice(&body);
        }
        let length = (out.len() - batch::LOG_OVERHEAD) as i32;
        batch::put_i32(&mut out, batch::LENGTH, length);
        out[batch::MAGIC] = 2;
        batch::put_i32(&mut out, batch::LAST_OFFSET_DELTA, count - 1);
        batch::put_i64(&mut out, batch::BASE_TIMESTAMP, START + self.next_offset);
        batch::put_i64(&mut out, batch::MAX_TIMESTAMP, START + self.next_offset + count as i64 - 1);
        batch::put_i64(&mut out, batch::PRODUCER_ID, -1);
        out[batch::PRODUCER_EPOCH..batch::PRODUCER_EPOCH + 2].fill(0xff);
        batch::put_i32(&mut out, batch::BASE_SEQUENCE, -1);
        batch::put_i32(&mut out, batch::RECORD_COUNT, count);
        batch::seal(&mut out);
        out
    }
}

struct Run<'a> {
    config: &'a Config,
    storage: LossyStorage,
    random: Seeded,
    partitions: Vec<Partition>,
    counts: Counts,
}

pub fn run(config: &Config) -> Outcome<Counts> {
    let storage = LossyStorage::default();
    let mut run = Run { config, storage, random: Seeded::new(config.seed), partitions: Vec::new(), counts: Counts::default() };
    for number in 0..config.partitions {
        let dir = PathBuf::from(format!("/p{number}"));
        let open = Some(run.open(&dir, 0, true, -1)?);
        run.partitions.push(Partition {
            number,
            dir,
            bases: vec![0],
            rolled: Vec::new(),
            open,
            next_offset: 0,
            acknowledged: 0,
            written: 0,
            incarnations: vec![(0, 0)],
        });
    }
    let share = config.records / (config.power_losses + 1);
    let moments: Vec<u64> = (0..config.power_losses).map(|i| i * share + 1 + run.random.below(share)).collect();
    while run.in_logs() < config.records {
        run.append()?;
        if run.random.chance(4) {
            run.group_commit()?;
        }
        let losses = run.counts.power_losses;
        if moments.get(losses as usize).is_some_and(|at| run.counts.appended >= *at) {
            run.power_loss()?;
        }
    }
    run.group_commit()?;
    run.finish()
}

impl Run<'_> {
    fn open(&self, dir: &Path, base: i64, writable: bool, size: i64) -> Outcome<Segment> {
        let storage = Arc::new(self.storage.clone());
        Segment::open(storage, dir, base, writable, size, INDEX_INTERVAL, MAX_INDEX).map_err(text)
    }

    fn in_logs(&self) -> u64 {
        self.partitions.iter().map(|p| p.next_offset as u64).sum()
    }

    /// One batch to one partition; mostly small enough to be staged, sometimes written at once.
    fn append(&mut self) -> Outcome<()> {
        let at = self.random.below(self.partitions.len() as u64) as usize;
        let wanted = if self.random.chance(5) { 600 + self.random.below(400) } else { 1 + self.random.below(200) };
        let count = wanted.min(self.config.records - self.in_logs()) as i32;
        let mut data = self.partitions[at].batch(self.config.seed, count);
        let used = {
            let open = self.partitions[at].active();
            open.size() + open.staged() as u64
        };
        if used > 0 && used + data.len() as u64 > self.config.segment_bytes {
            self.roll(at)?;
        }
        let partition = &mut self.partitions[at];
        let next_offset = partition.next_offset;
        let how = Append { assign_offset: next_offset, leader_epoch: 0, log_append_time: -1, max_timestamp: -1 };
        partition.active().append(&mut data, &how).map_err(text)?;
        partition.next_offset += count as i64;
        partition.written += data.len() as u64;
        self.counts.appended += count as u64;
        if self.random.chance(30) {
            self.partitions[at].active().flush().map_err(text)?;
        }
        Ok(())
    }

    fn roll(&mut self, at: usize) -> Outcome<()> {
        let fresh = self.open(&self.partitions[at].dir, self.partitions[at].next_offset, true, -1)?;
        let partition = &mut self.partitions[at];
        let mut full = partition.open.replace(fresh).expect("open between power losses");
        full.flush_indexes().map_err(text)?;
        partition.rolled.push(full);
        partition.bases.push(partition.next_offset);
        Ok(())
    }

    /// What was appended before is acknowledged after: rolled segments first, then the open one.
    fn group_commit(&mut self) -> Outcome<()> {
        for partition in &mut self.partitions {
            if partition.acknowledged == partition.next_offset {
                continue;
            }
            for mut segment in partition.rolled.drain(..) {
                segment.sync_job(true).and_then(|job| job.run()).map_err(text)?;
                segment.close().map_err(text)?;
                self.counts.syncs += 1;
            }
            let with_indexes = self.random.chance(20);
            let open = partition.open.as_mut().expect("open between power losses");
            open.flush().map_err(text)?;
            let job = open.sync_job(with_indexes).map_err(text)?;
            self.counts.syncs += 1;
            if self.counts.syncs.is_multiple_of(self.config.skip_sync) {
                self.counts.skipped += 1;
            } else {
                job.run().map_err(text)?;
            }
            partition.acknowledged = partition.next_offset;
        }
        Ok(())
    }

    fn power_loss(&mut self) -> Outcome<()> {
        let from: Vec<usize> = self.partitions.iter().map(|p| p.bases.len() - 1 - p.rolled.len()).collect();
        for partition in &mut self.partitions {
            partition.open = None;
            partition.rolled.clear();
        }
        self.storage.crash(&mut self.random);
        self.counts.power_losses += 1;
        for (at, from) in from.into_iter().enumerate() {
            self.recover(at, from)?;
        }
        Ok(())
    }

    /// Recovers the segments from `from` on: the first that does not reach its successor is the last that stays.
    fn recover(&mut self, at: usize, from: usize) -> Outcome<()> {
        let (dir, bases) = (self.partitions[at].dir.clone(), self.partitions[at].bases.clone());
        let mut last = from;
        for (i, base) in bases.iter().copied().enumerate().skip(from) {
            last = i;
            let report = recover(&self.storage, &dir, base, 0, INDEX_INTERVAL).map_err(text)?;
            self.counts.torn_tails += u64::from(report.file_bytes > report.end_bytes);
            self.counts.corrupt_middles += u64::from(!report.corrupt_ranges.is_empty());
            let mut segment = self.open(&dir, base, true, report.valid_bytes as i64)?;
            // The cut has to last, or what was cut could come back behind records written later.
            segment.sync_job(true).and_then(|job| job.run()).map_err(text)?;
            let end = segment.next_offset().map_err(text)?;
            self.partitions[at].open = Some(segment);
            self.partitions[at].next_offset = end;
            if bases.get(i + 1).is_some_and(|next| *next != end) {
                break;
            }
        }
        for base in &bases[last + 1..] {
            for path in [log_path(&dir, *base), index_path(&dir, *base), time_index_path(&dir, *base)] {
                self.storage.remove(&path).map_err(|e| e.to_string())?;
            }
        }
        self.partitions[at].bases.truncate(last + 1);
        self.settle(at, from)
    }

    /// Checks what recovery left of a partition, and goes on from there.
    fn settle(&mut self, at: usize, from: usize) -> Outcome<()> {
        let partition = &self.partitions[at];
        let (end, acknowledged) = (partition.next_offset, partition.acknowledged);
        if end < acknowledged {
            return Err(format!("partition {at}: acknowledged up to {acknowledged}, recovered up to {end}"));
        }
        let size = self.verify(at, from)?;
        let partition = &mut self.partitions[at];
        let before: u64 = partition.bases[..from].iter().map(|b| size_of(&self.storage, &partition.dir, *b)).sum();
        let written = partition.written;
        if before + size > written {
            return Err(format!("partition {at}: {} bytes recovered, {written} written", before + size));
        }
        self.counts.bytes_lost += written - before - size;
        partition.written = before + size;
        partition.acknowledged = end;
        partition.incarnations.retain(|i| i.0 < end);
        partition.incarnations.push((end, self.counts.power_losses as u32));
        Ok(())
    }

    /// Reads the segments from `from` on as a consumer does: each offset once, in order, with its content. Returns bytes.
    fn verify(&self, at: usize, from: usize) -> Outcome<u64> {
        let partition = &self.partitions[at];
        let mut expected = partition.bases[from];
        let mut total = 0;
        let mut buffer = vec![0; READ];
        for base in &partition.bases[from..] {
            if *base != expected {
                return Err(format!("partition {at}: a segment starts at {base}, not at {expected}"));
            }
            let mut segment = self.open(&partition.dir, *base, false, -1)?;
            let mut read = 0;
            loop {
                let plan = segment.plan(expected, i64::MAX, READ as u64, true).map_err(text)?;
                let Some(position) = plan.position else { break };
                buffer.resize(buffer.len().max(plan.size as usize), 0);
                let n = segment.read(position, &mut buffer[..plan.size as usize]).map_err(text)?;
                let whole = self.check(partition, &buffer[..n], &mut expected)?;
                if position != read || whole == 0 {
                    return Err(format!("partition {at}: no whole batch at byte {position} of segment {base}"));
                }
                read += whole as u64;
            }
            if read != segment.size() {
                return Err(format!("partition {at}: segment {base} has {} bytes, {read} were read", segment.size()));
            }
            total += read;
        }
        if expected != partition.next_offset {
            return Err(format!("partition {at}: reads end at {expected}, the log at {}", partition.next_offset));
        }
        Ok(total)
    }

    /// Checks the whole batches in `bytes`; returns how many bytes they are.
    fn check(&self, partition: &Partition, bytes: &[u8], expected: &mut i64) -> Outcome<usize> {
        let mut at = 0;
        while let Some(header) = Header::parse(&bytes[at..]).filter(|h| h.size <= bytes.len() - at) {
            let number = partition.number;
            let whole = &bytes[at..at + header.size];
            if !batch::crc_matches(whole) || header.base_offset != *expected {
                return Err(format!("partition {number}: batch {} where {expected} belongs", header.base_offset));
            }
            let mut count = 0;
            for record in Records::new(&whole[batch::OVERHEAD..], header.count) {
                let wanted = content(self.config.seed, number, *expected, partition.incarnation(*expected));
                let same = record.key() == Some(&wanted[..KEY]) && record.value() == Some(&wanted[KEY..]);
                if !same || record.fields.offset_delta != count {
                    return Err(format!("partition {number}: the record at {expected} is not what was written"));
                }
                count += 1;
                *expected += 1;
            }
            if count != header.count || *expected != header.last_offset() + 1 {
                return Err(format!("partition {number}: batch {} holds {count} records", header.base_offset));
            }
            at += header.size;
        }
        Ok(at)
    }

    fn finish(mut self) -> Outcome<Counts> {
        for at in 0..self.partitions.len() {
            self.partitions[at].open.take().map_or(Ok(()), Segment::close).map_err(text)?;
            self.counts.bytes += self.verify(at, 0)?;
            self.counts.segments += self.partitions[at].bases.len() as u64;
            self.counts.acknowledged += self.partitions[at].acknowledged as u64;
        }
        self.counts.records = self.in_logs();
        self.counts.lost_records = self.counts.appended - self.counts.records;
        Ok(self.counts)
    }
}

fn size_of(storage: &LossyStorage, dir: &Path, base: i64) -> u64 {
    let file = storage.open(&log_path(dir, base), segment::storage::Mode::Read);
    file.and_then(|f| f.len()).unwrap_or(0)
}
