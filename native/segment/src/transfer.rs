//! Moves large answers to sockets from threads beside those that serve requests: ranges of files without copying them (splice(2)
//! through a pipe, which costs less than sendfile(2) and its pipe of 64 KiB), and the fields around them.
//!
//! Whoever hands an answer over does nothing else on that socket until it is told how much was moved: less than all of it when the
//! file or the socket could not go on, which its own next read or write finds out. A file that has to be fetched from the disk,
//! and a socket that is full, hold up nobody who serves requests. The threads are the process's, and are started when they are needed;
//! a socket has one of them for its life.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::net;
use crate::storage::{uninterrupted, File};

/// What one socket may take before others of its thread get a turn.
const TURN_BYTES: usize = 1 << 20;
/// Pages of a file that a pipe refers to, at most: what a process without privileges may ask for (pipe(7)).
const PIPE_BYTES: usize = 1 << 20;
/// Pipes of a thread. Sockets that find none free do with sendfile(2).
const PIPES: usize = 16;
/// The poll set's number for the queue; sockets have theirs from 1 on.
const QUEUE: u64 = 0;

/// Told the number of a socket, and the bytes that a transfer moved to it, on one of the threads.
type Ended = Arc<dyn Fn(u64, u64) + Send + Sync>;

static THREADS: Mutex<Vec<Arc<Queue>>> = Mutex::new(Vec::new());
static LAST_SOCKET: AtomicU64 = AtomicU64::new(0);

/// The sockets of one owner. What is under way when this is dropped ends, and nobody is told.
pub struct Transfers {
    ended: Ended,
    sockets: HashMap<u64, Socket>,
}

struct Socket {
    queue: Arc<Queue>,
    /// Added, and not handed over yet.
    next: Vec<Piece>,
    moved: Arc<AtomicU64>,
}

enum Piece {
    Bytes(Vec<u8>),
    File { file: Arc<dyn File>, position: u64, length: usize },
}

impl Transfers {
    /// `ended(socket, bytes)` is called once for each transfer that comes to an end by itself, on one of the threads, which it must not
    /// hold up or end: others' sockets are on it. It may come while this is being dropped.
    pub fn new(ended: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Transfers { ended: Arc::new(ended), sockets: HashMap::new() }
    }

    /// Takes a duplicate of a connected socket's descriptor, until `close`, to one of the first `threads` threads. Returns the number it goes by.
    pub fn open(&mut self, descriptor: RawFd, threads: usize) -> io::Result<u64> {
        let descriptor = net::duplicate(descriptor)?;
        let number = LAST_SOCKET.fetch_add(1, Ordering::Relaxed) + 1;
        let queue = thread_of(number, threads)?;
        let moved = Arc::new(AtomicU64::new(0));
        queue.push(Command::Open(number, Outgoing::new(descriptor, moved.clone(), self.ended.clone())));
        self.sockets.insert(number, Socket { queue, next: Vec::new(), moved });
        Ok(number)
    }

    /// Adds a copy of `bytes` to what is handed over next. False: no such socket.
    pub fn add_bytes(&mut self, socket: u64, bytes: &[u8]) -> bool {
        let Some(Socket { next, .. }) = self.sockets.get_mut(&socket) else { return false };
        match next.last_mut() {
            Some(Piece::Bytes(last)) => last.extend_from_slice(bytes),
            _ => next.push(Piece::Bytes(bytes.to_vec())),
        }
        true
    }

    /// Adds `length` bytes of `file`, as `add_bytes`.
    pub fn add_file(&mut self, socket: u64, file: Arc<dyn File>, position: u64, length: usize) -> bool {
        let Some(Socket { next, .. }) = self.sockets.get_mut(&socket) else { return false };
        next.push(Piece::File { file, position, length });
        true
    }

    /// Hands over what was added; the one before has ended. False: no such socket.
    pub fn begin(&mut self, socket: u64) -> bool {
        let Some(Socket { queue, next, .. }) = self.sockets.get_mut(&socket) else { return false };
        queue.push(Command::Begin(socket, std::mem::take(next)));
        true
    }

    /// Bytes that a socket has taken so far, of the transfer under way too.
    pub fn moved(&self, socket: u64) -> u64 {
        self.sockets.get(&socket).map_or(0, |s| s.moved.load(Ordering::Relaxed))
    }

    /// Gives the socket back. What is under way ends, and nobody is told.
    pub fn close(&mut self, socket: u64) {
        if let Some(Socket { queue, .. }) = self.sockets.remove(&socket) {
            queue.push(Command::Close(socket));
        }
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        for (number, socket) in self.sockets.drain() {
            socket.queue.push(Command::Close(number));
        }
    }
}

enum Command {
    Open(u64, Outgoing),
    Begin(u64, Vec<Piece>),
    Close(u64),
}

/// What waits for a thread.
struct Queue {
    commands: Mutex<Vec<Command>>,
    /// The thread waits for an event, or is about to.
    sleeping: AtomicBool,
    /// An eventfd.
    bell: OwnedFd,
}

impl Queue {
    fn push(&self, command: Command) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        if self.sleeping.swap(false, Ordering::SeqCst) {
            let one = 1u64.to_ne_bytes();
            // SAFETY: an eventfd that `self` owns takes eight bytes.
            unsafe { libc::write(self.bell.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        }
    }

    fn take(&self) -> Vec<Command> {
        std::mem::take(&mut *self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_empty(&self) -> bool {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn silence(&self) {
        let mut rung = [0u8; 8];
        // SAFETY: an eventfd that `self` owns gives eight bytes, and does not wait.
        unsafe { libc::read(self.bell.as_raw_fd(), rung.as_mut_ptr().cast(), rung.len()) };
    }
}

/// The thread of a socket, started where it is the first of it.
fn thread_of(socket: u64, threads: usize) -> io::Result<Arc<Queue>> {
    let mut started = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    let at = (socket % threads.max(1) as u64) as usize;
    while started.len() <= at {
        started.push(start_thread()?);
    }
    Ok(started[at].clone())
}

fn start_thread() -> io::Result<Arc<Queue>> {
    // SAFETY: plain calls that create descriptors; nothing else has them yet.
    let (poll, bell) = unsafe {
        (owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))?, owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?)
    };
    watch(&poll, &bell, QUEUE, libc::EPOLLIN)?;
    let queue = Arc::new(Queue { commands: Mutex::default(), sleeping: AtomicBool::new(false), bell });
    let mover = Mover { queue: queue.clone(), poll, sockets: HashMap::new(), ready: VecDeque::new(), pipes: Pipes::default() };
    thread::Builder::new().name("transfer".into()).spawn(move || mover.run())?;
    Ok(queue)
}

/// # Safety
/// `fd` is a new descriptor that nobody else owns, or negative after a failed call.
unsafe fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: as the caller promises.
    net::check(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

fn watch(poll: &OwnedFd, fd: &OwnedFd, number: u64, events: i32) -> io::Result<()> {
    let mut event = libc::epoll_event { events: events as u32, u64: number };
    // SAFETY: `event` outlives the call; both descriptors are open.
    net::check(unsafe { libc::epoll_ctl(poll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) }).map(drop)
}

/// A socket on its thread.
struct Outgoing {
    descriptor: OwnedFd,
    pieces: VecDeque<Piece>,
    /// In the first piece.
    position: usize,
    pipe: Option<Pipe>,
    /// Bytes moved by the transfer under way.
    transfer: Option<u64>,
    /// In `Mover::ready`.
    queued: bool,
    /// One that is not (a lack of memory) ends its transfer when it is full.
    watched: bool,
    moved: Arc<AtomicU64>,
    ended: Ended,
}

enum Step {
    Ended,
    Full,
    TurnOver,
}

impl Outgoing {
    fn new(descriptor: OwnedFd, moved: Arc<AtomicU64>, ended: Ended) -> Self {
        Outgoing {
            descriptor,
            pieces: VecDeque::new(),
            position: 0,
            pipe: None,
            transfer: None,
            queued: false,
            watched: false,
            moved,
            ended,
        }
    }

    fn begin(&mut self, pieces: Vec<Piece>, pipe: Option<Pipe>) {
        self.pieces = pieces.into();
        self.pipe = pipe;
        self.position = 0;
        self.transfer = Some(0);
    }

    /// Sends until the socket is full, its turn is over, or all is sent or cannot be.
    fn step(&mut self) -> Step {
        let mut turn = TURN_BYTES;
        while let Some(piece) = self.pieces.front() {
            if turn == 0 {
                return Step::TurnOver;
            }
            let socket = self.descriptor.as_raw_fd();
            let (size, result) = match piece {
                Piece::Bytes(bytes) => (bytes.len(), net::try_send(socket, &bytes[self.position..], self.pieces.len() > 1)),
                Piece::File { file, position, length } => {
                    let (at, want) = (position + self.position as u64, turn.min(length - self.position));
                    let sent = match &mut self.pipe {
                        Some(pipe) => pipe.move_to(socket, file.as_ref(), at, length - self.position),
                        None => file.send_to(socket, at, want),
                    };
                    (*length, sent)
                }
            };
            match result {
                // Only this is followed by an event when there is room: a signal ends a call early too, with a socket that has room.
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && self.watched => return Step::Full,
                Err(_) => return Step::Ended,
                // The file is shorter than it was said to be.
                Ok(0) if self.position < size => return Step::Ended,
                Ok(sent) => {
                    self.transfer = self.transfer.map(|bytes| bytes + sent as u64);
                    self.moved.fetch_add(sent as u64, Ordering::Relaxed);
                    turn = turn.saturating_sub(sent);
                    self.position += sent;
                    if self.position >= size {
                        self.pieces.pop_front();
                        self.position = 0;
                    }
                }
            }
        }
        Step::Ended
    }
}

/// Pages on their way from a file to a socket.
struct Pipe {
    from: OwnedFd,
    to: OwnedFd,
    /// Bytes in it.
    filled: usize,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let mut ends = [-1; 2];
        // SAFETY: the two descriptors are written to `ends`; nothing else has them yet.
        let (from, to) = unsafe {
            net::check(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK))?;
            (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
        };
        // SAFETY: a plain call on an open descriptor.
        net::check(unsafe { libc::fcntl(to.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE_BYTES as libc::c_int) })?;
        Ok(Pipe { from, to, filled: 0 })
    }

    /// As `File::send_to`. What the socket does not take stays, and goes first the next time: `position` is that of what has been sent.
    fn move_to(&mut self, socket: RawFd, file: &dyn File, position: u64, length: usize) -> io::Result<usize> {
        if self.filled == 0 {
            self.filled = file.splice_to(self.to.as_raw_fd(), position, length.min(PIPE_BYTES))?;
            if self.filled == 0 {
                return Ok(0);
            }
        }
        // More follows from this file: no packet for what is left over of a page.
        let more = if length > self.filled { libc::SPLICE_F_MORE } else { 0 };
        // SAFETY: a plain call; the kernel checks the descriptors.
        let sent = uninterrupted(|| unsafe {
            let none = ptr::null_mut();
            libc::splice(self.from.as_raw_fd(), none, socket, none, self.filled, libc::SPLICE_F_NONBLOCK | more)
        })?;
        self.filled -= sent;
        Ok(sent)
    }
}

/// The pipes of a thread.
#[derive(Default)]
struct Pipes {
    idle: Vec<Pipe>,
    /// Made, and not closed.
    count: usize,
}

impl Pipes {
    fn take(&mut self) -> Option<Pipe> {
        if self.idle.is_empty() && self.count < PIPES {
            let made = Pipe::new().ok()?;
            self.count += 1;
            return Some(made);
        }
        self.idle.pop()
    }

    /// One that is not empty is closed.
    fn give_back(&mut self, pipe: Option<Pipe>) {
        match pipe {
            Some(pipe) if pipe.filled == 0 => self.idle.push(pipe),
            Some(_) => self.count -= 1,
            None => {}
        }
    }
}

struct Mover {
    queue: Arc<Queue>,
    poll: OwnedFd,
    sockets: HashMap<u64, Outgoing>,
    /// Sockets with a transfer that may have room, in turn.
    ready: VecDeque<u64>,
    pipes: Pipes,
}

impl Mover {
    fn run(mut self) {
        loop {
            self.wait();
            for command in self.queue.take() {
                self.act(command);
            }
            for _ in 0..self.ready.len() {
                if let Some(number) = self.ready.pop_front() {
                    self.advance(number);
                }
            }
        }
    }

    fn act(&mut self, command: Command) {
        match command {
            Command::Open(number, mut outgoing) => {
                // Told once each time there is room again.
                outgoing.watched = watch(&self.poll, &outgoing.descriptor, number, libc::EPOLLOUT | libc::EPOLLET).is_ok();
                self.sockets.insert(number, outgoing);
            }
            Command::Begin(number, pieces) => {
                if let Some(outgoing) = self.sockets.get_mut(&number) {
                    outgoing.begin(pieces, self.pipes.take());
                    self.make_ready(number);
                }
            }
            Command::Close(number) => {
                if let Some(mut outgoing) = self.sockets.remove(&number) {
                    self.pipes.give_back(outgoing.pipe.take());
                    let (poll, fd) = (self.poll.as_raw_fd(), outgoing.descriptor.as_raw_fd());
                    // By hand: the poll set goes by the socket, which is open elsewhere too.
                    // SAFETY: a plain call on two open descriptors.
                    unsafe { libc::epoll_ctl(poll, libc::EPOLL_CTL_DEL, fd, ptr::null_mut()) };
                }
            }
        }
    }

    fn make_ready(&mut self, number: u64) {
        if let Some(outgoing) = self.sockets.get_mut(&number) {
            if outgoing.transfer.is_some() && !outgoing.queued {
                outgoing.queued = true;
                self.ready.push_back(number);
            }
        }
    }

    fn advance(&mut self, number: u64) {
        let Some(outgoing) = self.sockets.get_mut(&number) else { return };
        outgoing.queued = false;
        match outgoing.step() {
            Step::Full => {}
            Step::TurnOver => self.make_ready(number),
            Step::Ended => {
                outgoing.pieces.clear();
                let pipe = outgoing.pipe.take();
                let moved = outgoing.transfer.take().unwrap_or(0);
                (outgoing.ended)(number, moved);
                self.pipes.give_back(pipe);
            }
        }
    }

    /// Until a socket has room or something is handed over; not at all while some have room.
    fn wait(&mut self) {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        let mut timeout = 0;
        if self.ready.is_empty() {
            self.queue.sleeping.store(true, Ordering::SeqCst);
            // What came before that rang no bell.
            timeout = if self.queue.is_empty() { -1 } else { 0 };
        }
        // SAFETY: the events are written to an array of that length, which outlives the call.
        let count = unsafe { libc::epoll_wait(self.poll.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, timeout) };
        self.queue.sleeping.store(false, Ordering::SeqCst);
        for event in events.iter().take(count.max(0) as usize) {
            match event.u64 {
                QUEUE => self.queue.silence(),
                number => self.make_ready(number),
            }
        }
    }
}
