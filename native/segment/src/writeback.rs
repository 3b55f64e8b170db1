//! Starts the write-back of dirty pages, oldest first, once the process has more of them than a burst may leave, and from a
//! thread of its own, so that a congested disk never holds up an append.
//!
//! A burst that memory can hold costs no disk anything while it lasts: each range that goes to the disk takes locks and
//! interrupts from the appends beside it (ARCHITECTURE.md has the figures). A stream that does not end goes out as it
//! comes in, that much later, and a kernel that would hold up writers at its own limits is not brought there.
//!
//! A hint that finds the queue full is dropped: the kernel writes the range back in its own time. One thread for the
//! process, started with the first hint; it keeps no file open.

use std::collections::VecDeque;
use std::fs;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;

use crate::storage::File;

/// Hints that wait while the disk is behind.
const WAITING: usize = 64;
/// This share of the memory may be dirty. The kernel begins by itself at a tenth (vm.dirty_background_ratio), and a machine may
/// run several nodes.
const SHARE: u64 = 32;
/// What may be dirty at most and at least: it is what a stop has to wait for, and what one hint is worth.
const MOST: u64 = 1 << 30;
const LEAST: u64 = 16 << 20;

struct Hint {
    /// A file that was closed or deleted meanwhile needs none.
    file: Weak<dyn File>,
    position: u64,
    length: u64,
}

/// What was appended and given to no disk, oldest first.
struct Dirty {
    hints: VecDeque<Hint>,
    bytes: u64,
}

impl Dirty {
    const fn new() -> Dirty {
        Dirty { hints: VecDeque::new(), bytes: 0 }
    }

    fn add(&mut self, hint: Hint) {
        self.bytes += hint.length;
        self.hints.push_back(hint);
    }

    /// The oldest, when there are more than `most` bytes.
    fn over(&mut self, most: u64) -> Option<Hint> {
        if self.bytes <= most {
            return None;
        }
        let hint = self.hints.pop_front()?;
        self.bytes -= hint.length;
        Some(hint)
    }
}

static DIRTY: Mutex<Dirty> = Mutex::new(Dirty::new());
/// `None`: the thread could not be started; then nothing is hinted.
static QUEUE: OnceLock<Option<SyncSender<Hint>>> = OnceLock::new();
static MOST_DIRTY: OnceLock<u64> = OnceLock::new();

/// A range of `file` was appended and will not change any more.
pub fn appended(file: &Arc<dyn File>, position: u64, length: u64) {
    let Some(queue) = QUEUE.get_or_init(start) else { return };
    let most = *MOST_DIRTY.get_or_init(|| most_of(memory()));
    let mut dirty = DIRTY.lock().unwrap_or_else(PoisonError::into_inner);
    dirty.add(Hint { file: Arc::downgrade(file), position, length });
    while let Some(hint) = dirty.over(most) {
        // A full queue drops the hint, see above.
        let _ = queue.try_send(hint);
    }
}

fn start() -> Option<SyncSender<Hint>> {
    let (sender, receiver) = sync_channel(WAITING);
    thread::Builder::new().name("writeback".into()).spawn(move || run(&receiver)).ok().map(|_| sender)
}

fn run(hints: &Receiver<Hint>) {
    for hint in hints {
        if let Some(file) = hint.file.upgrade() {
            file.start_writeback(hint.position, hint.length);
        }
    }
}

fn most_of(memory: u64) -> u64 {
    (memory / SHARE).clamp(LEAST, MOST)
}

/// Bytes of memory of this machine, or of the control group that limits this process to less.
fn memory() -> u64 {
    // SAFETY: plain calls without memory of ours. They answer -1 where they know nothing.
    let machine = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES).max(0) as u64 * libc::sysconf(libc::_SC_PAGESIZE).max(0) as u64 };
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|limit| limit.trim().parse().ok());
    machine.min(group.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::tests::hints::Hints;

    /// More than may be dirty on any machine: goes to the disk at once.
    const ALL: u64 = MOST + 1;

    fn hint(file: &Arc<dyn File>, position: u64, length: u64) -> Hint {
        Hint { file: Arc::downgrade(file), position, length }
    }

    /// Waits until the thread has done what was queued before.
    fn drain() {
        let done = Arc::new(AtomicUsize::new(0));
        let count = done.clone();
        let last: Arc<dyn File> = Arc::new(Hints(move |_, _, _| {
            count.fetch_add(1, Ordering::SeqCst);
        }));
        // A full queue takes none: asked again.
        while done.load(Ordering::SeqCst) == 0 {
            appended(&last, 0, ALL);
            thread::yield_now();
        }
    }

    #[test]
    fn a_burst_stays_in_memory_and_a_stream_leaves_oldest_first_as_it_comes_in() {
        let file: Arc<dyn File> = Arc::new(Hints(|_, _, _| {}));
        let mut dirty = Dirty::new();
        for at in 0..10 {
            dirty.add(hint(&file, at * 8, 8));
            assert!(dirty.over(80).is_none(), "{at}");
        }
        for at in 10..20 {
            dirty.add(hint(&file, at * 8, 8));
            assert_eq!(dirty.over(80).map(|hint| hint.position), Some((at - 10) * 8));
            assert!(dirty.over(80).is_none());
        }
    }

    #[test]
    fn a_file_that_was_closed_is_kept_open_by_no_hint() {
        let file: Arc<dyn File> = Arc::new(Hints(|_, _, _| panic!("its range went to the disk")));
        let mut dirty = Dirty::new();
        dirty.add(hint(&file, 0, 1));
        drop(file);
        let (sender, receiver) = sync_channel(1);
        sender.send(dirty.over(0).expect("it is the oldest")).unwrap();
        drop(sender);
        run(&receiver);
    }

    #[test]
    fn a_congested_disk_holds_up_nobody_and_gets_no_more_than_the_queue_holds() {
        static GATE: Mutex<()> = Mutex::new(());
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let file: Arc<dyn File> = Arc::new(Hints(|_, _, _| {
            let _open = GATE.lock();
            STARTED.fetch_add(1, Ordering::SeqCst);
        }));
        let gate = GATE.lock().unwrap();
        for at in 0..4 * WAITING as u64 {
            appended(&file, at, ALL);
        }
        assert_eq!(STARTED.load(Ordering::SeqCst), 0);
        drop(gate);
        drain();
        let started = STARTED.load(Ordering::SeqCst);
        assert!((1..=WAITING + 1).contains(&started), "{started} hints");
    }

    #[test]
    fn what_may_be_dirty_follows_the_memory_within_limits() {
        assert_eq!(most_of(24 << 30), 768 << 20);
        assert_eq!(most_of(128 << 20), LEAST);
        assert_eq!(most_of(1 << 40), MOST);
        assert!((64 << 20..1 << 50).contains(&memory()), "{} bytes", memory());
    }
}
