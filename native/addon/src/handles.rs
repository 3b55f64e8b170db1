//! Handles of open segments and lock files: numbers that are valid on the thread that got them.
//!
//! A handle carries a generation, so a stale one is an error and never another segment. Segments open for reading
//! give their descriptor back when a thread holds too many (least recently used first) and take it again on use.

use std::cell::RefCell;

use segment::segment::Segment;
use segment::{Error, Result};

/// Descriptors a thread keeps for segments that are open for reading.
const READERS: usize = 512;
/// Handle = generation * 2^20 + slot: about a million slots, and safe integers for 2^33 generations.
const SLOT_BITS: u32 = 20;

struct Slot<T> {
    generation: u64,
    used_at: u64,
    value: Option<Box<T>>,
}

pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
    clock: u64,
    readers: usize,
    what: &'static str,
}

impl<T> Slab<T> {
    pub const fn new(what: &'static str) -> Self {
        Slab { slots: Vec::new(), free: Vec::new(), clock: 0, readers: 0, what }
    }

    pub fn insert(&mut self, value: T) -> Result<f64> {
        let at = match self.free.pop() {
            Some(at) => at,
            None if self.slots.len() < 1 << SLOT_BITS => {
                self.slots.push(Slot { generation: 1, used_at: 0, value: None });
                self.slots.len() - 1
            }
            None => return Err(Error::new("ERR_MILLRACE_HANDLE", format!("too many {} handles", self.what))),
        };
        let slot = &mut self.slots[at];
        slot.value = Some(Box::new(value));
        Ok(((slot.generation << SLOT_BITS) | at as u64) as f64)
    }

    fn slot(&self, handle: f64) -> Result<usize> {
        let raw = handle as u64;
        let at = (raw & ((1 << SLOT_BITS) - 1)) as usize;
        match self.slots.get(at) {
            Some(slot) if slot.generation == raw >> SLOT_BITS && slot.value.is_some() => Ok(at),
            _ => Err(Error::new("ERR_MILLRACE_HANDLE", format!("{handle} is no open {} handle of this thread", self.what))),
        }
    }

    pub fn remove(&mut self, handle: f64) -> Result<Box<T>> {
        let at = self.slot(handle)?;
        let slot = &mut self.slots[at];
        slot.generation += 1;
        self.free.push(at);
        Ok(slot.value.take().expect("checked by slot()"))
    }
}

thread_local! {
    static SEGMENTS: RefCell<Slab<Segment>> = const { RefCell::new(Slab::new("segment")) };
}

pub fn insert(segment: Segment) -> Result<f64> {
    SEGMENTS.with_borrow_mut(|slab| {
        let reader = !segment.is_writable() && segment.has_file();
        let handle = slab.insert(segment)?;
        if reader {
            slab.readers += 1;
            slab.touch(slab.slot(handle)?);
        }
        Ok(handle)
    })
}

/// Runs `act` on the segment of `handle`.
#[inline]
pub fn with<T>(handle: f64, act: impl FnOnce(&mut Segment) -> Result<T>) -> Result<T> {
    SEGMENTS.with_borrow_mut(|slab| {
        let at = slab.slot(handle)?;
        let segment = slab.slots[at].value.as_mut().expect("checked by slot()");
        if segment.is_writable() {
            return act(segment);
        }
        let had_file = segment.has_file();
        let result = act(segment);
        if !had_file && segment.has_file() {
            slab.readers += 1;
        }
        slab.touch(at);
        result
    })
}

pub fn remove(handle: f64) -> Result<Box<Segment>> {
    SEGMENTS.with_borrow_mut(|slab| {
        let segment = slab.remove(handle)?;
        if !segment.is_writable() && segment.has_file() {
            slab.readers -= 1;
        }
        Ok(segment)
    })
}

impl Slab<Segment> {
    fn touch(&mut self, at: usize) {
        self.clock += 1;
        self.slots[at].used_at = self.clock;
        if self.readers <= READERS {
            return;
        }
        let is_reader = |s: &&mut Slot<Segment>| s.value.as_ref().is_some_and(|v| !v.is_writable() && v.has_file());
        if let Some(oldest) = self.slots.iter_mut().filter(is_reader).min_by_key(|s| s.used_at) {
            oldest.value.as_mut().expect("filtered").release_file();
            self.readers -= 1;
        }
    }
}
