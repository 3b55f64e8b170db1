//! Real files to real sockets over loopback.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::net;
use crate::storage::{Disk, File, Mode, Storage};
use crate::transfer::Transfers;

/// For what comes at once; a test whose thread has died fails, and waits for nothing for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// The second end is the node's, which never waits.
fn pair() -> (TcpStream, TcpStream) {
    let (client, server) = net::tests::pair();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    server.set_nonblocking(true).unwrap();
    (client, server)
}

fn transfers() -> (Transfers, Receiver<(u64, u64)>) {
    let (sender, ends) = channel();
    // A transfer may end after the test that began it. All tests share the threads: a panic there would be theirs.
    let ended = move |socket, bytes| {
        let _ = sender.send((socket, bytes));
    };
    (Transfers::new(ended), ends)
}

fn next(ends: &Receiver<(u64, u64)>) -> (u64, u64) {
    ends.recv_timeout(PATIENCE).expect("a transfer ends")
}

/// A file of `size` bytes, which is gone once it is closed, and what is in it.
fn file_of(size: usize) -> (Arc<dyn File>, Vec<u8>) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8 ^ (i >> 16) as u8).collect();
    let path = std::env::temp_dir().join(format!("millrace-transfer-{}-{number}", std::process::id()));
    std::fs::write(&path, &bytes).unwrap();
    let file = Disk.open(&path, Mode::Read).unwrap();
    std::fs::remove_file(&path).unwrap();
    (file, bytes)
}

/// Hands over so many times the file, which is of a MiB.
fn begin_mebibytes(transfers: &mut Transfers, socket: u64, file: &Arc<dyn File>, count: usize) {
    for _ in 0..count {
        transfers.add_file(socket, file.clone(), 0, 1 << 20);
    }
    transfers.begin(socket);
}

#[test]
fn pieces_arrive_in_order_on_every_socket_however_many_share_a_thread() {
    let (file, bytes) = file_of(5 << 20);
    let (mut transfers, ends) = transfers();
    let mut readers = Vec::new();
    let mut expected = Vec::new();
    // More than a thread has pipes.
    for i in 0..20usize {
        let (mut client, server) = pair();
        let socket = transfers.open(server.as_raw_fd(), 1).unwrap();
        // The duplicate is enough.
        drop(server);
        assert!(transfers.add_bytes(socket, b"head"));
        assert!(transfers.add_bytes(socket, &[i as u8]));
        assert!(transfers.add_file(socket, file.clone(), i as u64, (3 << 20) + i));
        assert!(transfers.add_bytes(socket, b"tail"));
        assert!(transfers.add_file(socket, file.clone(), 4 << 20, 1 << 20));
        assert!(transfers.begin(socket));
        let whole = [b"head".as_slice(), &[i as u8], &bytes[i..(3 << 20) + 2 * i], b"tail", &bytes[4 << 20..]].concat();
        expected.push((socket, whole.len() as u64));
        readers.push(thread::spawn(move || {
            let mut got = vec![0; whole.len()];
            client.read_exact(&mut got).unwrap();
            assert!(got == whole);
        }));
    }
    for reader in readers {
        reader.join().unwrap();
    }
    let mut ended: Vec<_> = expected.iter().map(|_| next(&ends)).collect();
    ended.sort_unstable();
    assert_eq!(ended, expected);
    assert!(expected.iter().all(|(socket, bytes)| transfers.moved(*socket) == *bytes));
}

#[test]
fn one_transfer_after_another_on_a_socket() {
    let (file, bytes) = file_of(1 << 20);
    let (mut transfers, ends) = transfers();
    let (mut client, server) = pair();
    let socket = transfers.open(server.as_raw_fd(), 1).unwrap();
    for round in 1..=20u64 {
        transfers.add_file(socket, file.clone(), round, 1000 * round as usize);
        transfers.begin(socket);
        let mut got = vec![0; 1000 * round as usize];
        client.read_exact(&mut got).unwrap();
        assert!(got == bytes[round as usize..][..got.len()]);
        assert_eq!(next(&ends), (socket, 1000 * round));
    }
}

#[test]
fn a_file_that_is_shorter_than_was_said_ends_the_transfer_where_it_ends() {
    let (file, bytes) = file_of(300_000);
    let (mut transfers, ends) = transfers();
    let (mut client, server) = pair();
    let socket = transfers.open(server.as_raw_fd(), 1).unwrap();
    transfers.add_file(socket, file, 100_000, 1 << 20);
    transfers.add_bytes(socket, b"never");
    transfers.begin(socket);
    let mut got = vec![0; 200_000];
    client.read_exact(&mut got).unwrap();
    assert!(got == bytes[100_000..]);
    assert_eq!(next(&ends), (socket, 200_000));
    transfers.add_bytes(socket, b"next");
    transfers.begin(socket);
    let mut next = [0; 4];
    client.read_exact(&mut next).unwrap();
    assert_eq!(&next, b"next");
}

#[test]
fn a_reader_that_goes_away_ends_the_transfer_and_no_other() {
    let (file, _) = file_of(1 << 20);
    let (mut transfers, ends) = transfers();
    let ((gone, first), (mut there, second)) = (pair(), pair());
    let leaving = transfers.open(first.as_raw_fd(), 1).unwrap();
    let staying = transfers.open(second.as_raw_fd(), 1).unwrap();
    for socket in [leaving, staying] {
        begin_mebibytes(&mut transfers, socket, &file, 20);
    }
    drop(gone);
    let (socket, bytes) = next(&ends);
    assert_eq!(socket, leaving);
    assert!(bytes < 20 << 20);
    let mut got = vec![0; 20 << 20];
    there.read_exact(&mut got).unwrap();
    assert_eq!(next(&ends), (staying, 20 << 20));
}

#[test]
fn what_is_closed_is_told_to_nobody_and_lets_go_of_its_file_and_its_socket() {
    let (file, _) = file_of(1 << 20);
    let (mut transfers, ends) = transfers();
    let (mut client, server) = pair();
    let socket = transfers.open(server.as_raw_fd(), 1).unwrap();
    begin_mebibytes(&mut transfers, socket, &file, 20);
    let mut first = [0; 1000];
    client.read_exact(&mut first).unwrap();
    drop(server);
    transfers.close(socket);
    // The end of the stream comes once the duplicate is closed too.
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert!(rest.len() < 20 << 20);
    while Arc::strong_count(&file) > 1 {
        thread::yield_now();
    }
    assert!(!transfers.begin(socket) && !transfers.add_bytes(socket, b"late"));
    assert_eq!(transfers.moved(socket), 0);
    drop(transfers);
    assert_eq!(ends.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn sockets_are_given_back_when_their_owner_goes() {
    let (mut transfers, _ends) = transfers();
    let (mut client, server) = pair();
    transfers.open(server.as_raw_fd(), 1).unwrap();
    drop(server);
    client.write_all(b"anybody there").unwrap();
    drop(transfers);
    // A reset, because what was written has not been read, or an end.
    let mut byte = [0];
    assert!(!matches!(client.read(&mut byte), Ok(1)));
}

#[test]
fn a_descriptor_that_is_not_open_is_refused() {
    let (mut transfers, _ends) = transfers();
    assert!(transfers.open(-1, 1).is_err());
    assert!(!transfers.begin(12_345));
}

/// Every thread that moves answers, by its name.
fn interrupt_transfers(process: libc::pid_t) {
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        if std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "transfer") {
            let thread: libc::pid_t = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            // SAFETY: a plain call; the signal has a handler, which does nothing.
            unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR2) };
        }
    }
}

extern "C" fn do_nothing(_signal: libc::c_int) {}

#[test]
fn a_signal_in_the_middle_of_a_move_holds_nothing_up() {
    // SAFETY: the handler is a function of this signature that does nothing, and no other test takes this signal.
    unsafe { libc::signal(libc::SIGUSR2, do_nothing as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    let (file, _) = file_of(1 << 20);
    let (mut transfers, ends) = transfers();
    let (mut client, server) = pair();
    let socket = transfers.open(server.as_raw_fd(), 1).unwrap();
    begin_mebibytes(&mut transfers, socket, &file, 400);
    let process = std::process::id() as libc::pid_t;
    let done = Arc::new(AtomicBool::new(false));
    let interrupting = thread::spawn({
        let done = done.clone();
        move || {
            while !done.load(Ordering::Relaxed) {
                interrupt_transfers(process);
            }
        }
    });
    let mut got = vec![0; 1 << 20];
    let read = (0..400).try_for_each(|_| client.read_exact(&mut got));
    done.store(true, Ordering::Relaxed);
    interrupting.join().unwrap();
    read.unwrap();
    assert_eq!(next(&ends), (socket, 400 << 20));
}
