//! Starts the write-back of dirty pages from a thread of its own, so that a congested disk never holds up an append.
//!
//! A hint that finds the queue full is dropped: the kernel writes the range back in its own time. One thread for the
//! process, started with the first hint; it owns nothing but the descriptor of the file it is at.

use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::storage::File;

/// Hints that wait, and keep their files open, while the disk is behind.
const WAITING: usize = 64;

struct Hint {
    file: Arc<dyn File>,
    position: u64,
    length: u64,
}

/// `None`: the thread could not be started; then nothing is hinted.
static QUEUE: OnceLock<Option<SyncSender<Hint>>> = OnceLock::new();

pub fn start(file: Arc<dyn File>, position: u64, length: u64) {
    let queue = QUEUE.get_or_init(|| {
        let (sender, receiver) = sync_channel(WAITING);
        thread::Builder::new().name("writeback".into()).spawn(move || run(&receiver)).ok().map(|_| sender)
    });
    if let Some(queue) = queue {
        // A full queue drops the hint, see above.
        let _ = queue.try_send(Hint { file, position, length });
    }
}

fn run(hints: &Receiver<Hint>) {
    for hint in hints {
        hint.file.start_writeback(hint.position, hint.length);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Mutex;

    use super::*;
    use crate::tests::hints::Hints;

    /// A disk is congested for as long as this is held.
    static GATE: Mutex<()> = Mutex::new(());
    static STARTED: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn a_congested_disk_holds_up_nobody_and_gets_no_more_than_the_queue_holds() {
        let file = Arc::new(Hints(|_, _, _| {
            let _open = GATE.lock();
            STARTED.fetch_add(1, Ordering::SeqCst);
        }));
        let gate = GATE.lock().unwrap();
        for at in 0..4 * WAITING as u64 {
            start(file.clone(), at, 1);
        }
        assert_eq!(STARTED.load(Ordering::SeqCst), 0);
        drop(gate);
        // The thread lets go of the file with the last hint.
        while Arc::strong_count(&file) > 1 {
            thread::yield_now();
        }
        let started = STARTED.load(Ordering::SeqCst);
        assert!((1..=WAITING + 1).contains(&started), "{started} hints");
    }
}
