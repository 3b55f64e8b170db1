//! Listening sockets and lock files: the few system calls Node has no door to.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
#[cfg(target_os = "linux")]
use crate::storage::uninterrupted;

/// SO_SNDBUF and SO_RCVBUF of the sockets that are accepted; 0 leaves them to the system, whose tuning is usually better.
#[derive(Clone, Copy, Default)]
pub struct Buffers {
    pub send: i32,
    pub receive: i32,
}

/// A listening TCP socket with SO_REUSEPORT; returns the descriptor and its port. With `exclusive` the address is
/// first bound without SO_REUSEPORT, so that a port another process holds (shared or not) is refused.
pub fn listen(host: &str, port: u16, backlog: i32, exclusive: bool, buffers: Buffers) -> Result<(RawFd, u16)> {
    let what = format!("cannot listen on {}", shown(host, port));
    let address = (host, port)
        .to_socket_addrs()
        .map_err(|e| Error::new("ENOTFOUND", format!("{what}: {e}")))?
        .next()
        .ok_or_else(|| Error::new("ENOTFOUND", format!("{what}: no address")))?;
    let fail = |e: io::Error| Error::os(&e, &what);
    let mut bound_to = address;
    if exclusive {
        let probe = bind(&address, false).map_err(fail)?;
        bound_to = local_address(&probe).map_err(fail)?;
    }
    let socket = bind(&bound_to, true).map_err(fail)?;
    // BEFORE listen: an accepted socket inherits both, and the window that is offered in its handshake depends on the second.
    for (name, bytes) in [(libc::SO_SNDBUF, buffers.send), (libc::SO_RCVBUF, buffers.receive)] {
        if bytes > 0 {
            set_option(socket.as_raw_fd(), libc::SOL_SOCKET, name, bytes).map_err(fail)?;
        }
    }
    // SAFETY: a plain system call on a descriptor that `socket` owns.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map_err(fail)?;
    let port = local_address(&socket).map_err(fail)?.port();
    Ok((socket.into_raw_fd(), port))
}

fn shown(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn bind(address: &SocketAddr, reuse_port: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: creates a descriptor; nothing else has it yet.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_STREAM, 0) })?;
    // SAFETY: `fd` is open and owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: plain calls on an open descriptor.
    unsafe {
        check(libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC))?;
        check(libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK))?;
    }
    set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if reuse_port {
        set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    let (storage, length) = raw_address(address);
    // SAFETY: `storage` holds a valid address of `length` bytes for this call.
    check(unsafe { libc::bind(fd, (&raw const storage).cast(), length) })?;
    Ok(socket)
}

fn set_option(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: the value pointer and its length describe `value`, which outlives the call.
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), length) }).map(drop)
}

fn raw_address(address: &SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: sockaddr_storage is plain data for which all zeros is valid.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    match address {
        SocketAddr::V4(v4) => {
            // SAFETY: sockaddr_storage is large and aligned enough for every sockaddr type.
            let raw = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in>() };
            raw.sin_family = libc::AF_INET as libc::sa_family_t;
            raw.sin_port = v4.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            (storage, mem::size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(v6) => {
            // SAFETY: as above.
            let raw = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in6>() };
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = v6.port().to_be();
            raw.sin6_addr.s6_addr = v6.ip().octets();
            raw.sin6_scope_id = v6.scope_id();
            (storage, mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t)
        }
    }
}

fn local_address(socket: &OwnedFd) -> io::Result<SocketAddr> {
    // SAFETY: sockaddr_storage is plain data for which all zeros is valid.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut length = mem::size_of_val(&storage) as libc::socklen_t;
    // SAFETY: the pointers describe `storage` and `length`, which outlive the call.
    check(unsafe { libc::getsockname(socket.as_raw_fd(), (&raw mut storage).cast(), &raw mut length) })?;
    if storage.ss_family as libc::c_int == libc::AF_INET6 {
        // SAFETY: the kernel filled a sockaddr_in6, as its family says.
        let raw = unsafe { &*(&raw const storage).cast::<libc::sockaddr_in6>() };
        let ip = std::net::Ipv6Addr::from(raw.sin6_addr.s6_addr);
        Ok(std::net::SocketAddrV6::new(ip, u16::from_be(raw.sin6_port), 0, raw.sin6_scope_id).into())
    } else {
        // SAFETY: the kernel filled a sockaddr_in, as its family says.
        let raw = unsafe { &*(&raw const storage).cast::<libc::sockaddr_in>() };
        let ip = std::net::Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
        Ok((ip, u16::from_be(raw.sin_port)).into())
    }
}

pub fn close(fd: RawFd) -> Result<()> {
    // SAFETY: the caller owns `fd`; closing a number that is not open only reports EBADF.
    check(unsafe { libc::close(fd) }).map(drop).map_err(|e| Error::os(&e, &format!("cannot close descriptor {fd}")))
}

/// A descriptor of its own for what `fd` is; a number that is not open is an error.
pub(crate) fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: a plain call, which makes a descriptor that nobody else owns.
    unsafe { check(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0)).map(|copy| OwnedFd::from_raw_fd(copy)) }
}

/// Descriptors on their way from one thread to another, by numbers that are never used again.
static PARKED: Mutex<(u64, BTreeMap<u64, OwnedFd>)> = Mutex::new((0, BTreeMap::new()));

/// Keeps a duplicate of `fd` until somebody takes it by the number returned.
pub fn park(fd: RawFd) -> Result<u64> {
    let copy = duplicate(fd).map_err(|e| Error::os(&e, &format!("cannot duplicate descriptor {fd}")))?;
    let mut parked = PARKED.lock().unwrap_or_else(PoisonError::into_inner);
    parked.0 += 1;
    let number = parked.0;
    parked.1.insert(number, copy);
    Ok(number)
}

/// The descriptor, which is the caller's from now on; `None`: somebody took it before.
pub fn take_parked(number: u64) -> Option<RawFd> {
    PARKED.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&number).map(IntoRawFd::into_raw_fd)
}

/// Gives bytes to a socket without waiting. Returns how many it took. 0 also where it is gone or unfit, or the system has no such call:
/// whoever owns the socket finds out at its next write.
#[cfg(target_os = "linux")]
pub fn send(descriptor: RawFd, bytes: &[u8]) -> usize {
    try_send(descriptor, bytes, false).unwrap_or(0)
}

/// As `send`, with the reason why nothing was taken (WouldBlock: no room). `more`: bytes that follow at once may share a packet with these.
#[cfg(target_os = "linux")]
pub fn try_send(descriptor: RawFd, bytes: &[u8], more: bool) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | if more { libc::MSG_MORE } else { 0 };
    // SAFETY: pointer and length describe `bytes`, which outlive the call; the kernel checks the descriptor.
    uninterrupted(|| unsafe { libc::send(descriptor, bytes.as_ptr().cast(), bytes.len(), flags) })
}

#[cfg(not(target_os = "linux"))]
pub fn send(_descriptor: RawFd, _bytes: &[u8]) -> usize {
    0
}

/// While a TCP socket is corked only full packets leave it; the end of that sends the rest. No error: it changes how bytes travel, not which.
#[cfg(target_os = "linux")]
pub fn cork(descriptor: RawFd, on: bool) {
    let _ = set_option(descriptor, libc::IPPROTO_TCP, libc::TCP_CORK, libc::c_int::from(on));
}

#[cfg(not(target_os = "linux"))]
pub fn cork(_descriptor: RawFd, _on: bool) {}

/// Takes an exclusive lock on `path` for as long as the returned descriptor is open.
pub fn lock(path: &Path) -> Result<OwnedFd> {
    let name = CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|_| Error::new("EINVAL", format!("{} is no path", path.display())))?;
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    let fd = check(unsafe { libc::open(name.as_ptr(), libc::O_RDWR | libc::O_CREAT | libc::O_CLOEXEC, 0o644) })
        .map_err(|e| Error::io(&e, "cannot open", path))?;
    // SAFETY: `fd` is open and owned by nobody else.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: a plain call on an open descriptor.
    match check(unsafe { libc::flock(fd, libc::LOCK_EX | libc::LOCK_NB) }) {
        Ok(_) => Ok(file),
        Err(e) if e.raw_os_error() == Some(libc::EWOULDBLOCK) => {
            Err(Error::new("ERR_MILLRACE_LOCKED", format!("{} is locked by another process", path.display())))
        }
        Err(e) => Err(Error::io(&e, "cannot lock", path)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn option_of(fd: RawFd, name: libc::c_int) -> i32 {
        let mut value: libc::c_int = 0;
        let mut length = mem::size_of_val(&value) as libc::socklen_t;
        // SAFETY: the pointers describe `value` and `length`, which outlive the call.
        let result = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut length) };
        assert_eq!(result, 0);
        value
    }

    /// SO_SNDBUF and SO_RCVBUF of a socket accepted by such a listener.
    fn accepted_buffers(buffers: Buffers) -> (i32, i32) {
        let (fd, port) = listen("127.0.0.1", 0, 4, true, buffers).unwrap();
        // SAFETY: `listen` gave the descriptor away.
        let listener = unsafe { TcpListener::from_raw_fd(fd) };
        listener.set_nonblocking(false).unwrap();
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let fd = accepted.as_raw_fd();
        (option_of(fd, libc::SO_SNDBUF), option_of(fd, libc::SO_RCVBUF))
    }

    #[test]
    fn accepted_sockets_have_the_buffers_that_were_asked_for_and_else_the_systems() {
        let (send, receive) = accepted_buffers(Buffers { send: 16384, receive: 8192 });
        // Linux doubles what is asked for, for its own bookkeeping.
        assert!(send == 16384 || send == 2 * 16384, "{send}");
        assert!(receive == 8192 || receive == 2 * 8192, "{receive}");
        let (system_send, system_receive) = accepted_buffers(Buffers::default());
        assert!(system_send > send && system_receive > receive, "{system_send} {system_receive}");
    }

    /// Two ends of a connection over loopback.
    #[cfg(target_os = "linux")]
    pub(crate) fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_send_gives_what_the_socket_takes_and_never_waits() {
        use std::io::Read;
        let (mut client, server) = pair();
        let bytes: Vec<u8> = (0..1 << 20).map(|i| (i % 251) as u8).collect();
        let mut sent = 0;
        // A blocking socket all the same: it ends when the kernel's buffers are full.
        loop {
            let from = sent % bytes.len();
            let taken = send(server.as_raw_fd(), &bytes[from..]);
            sent += taken;
            if taken == 0 {
                break;
            }
        }
        drop(server);
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), sent);
        assert!(received.iter().enumerate().all(|(i, byte)| *byte == bytes[i % bytes.len()]));
    }

    #[test]
    fn what_is_parked_is_taken_once_and_stays_open_without_its_original() {
        use std::io::{Read, Write};
        let (mut client, server) = pair();
        let number = park(server.as_raw_fd()).unwrap();
        drop(server);
        let taken = take_parked(number).unwrap();
        assert_eq!(take_parked(number), None);
        // SAFETY: just taken, and owned by nobody else.
        let mut taken = unsafe { std::net::TcpStream::from_raw_fd(taken) };
        taken.write_all(b"here").unwrap();
        let mut heard = [0; 4];
        client.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"here");
        assert_ne!(park(taken.as_raw_fd()).unwrap(), number);
        assert!(park(-1).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_send_to_what_is_gone_takes_nothing() {
        let (client, server) = pair();
        server.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(send(server.as_raw_fd(), b"late"), 0);
        drop(client);
        assert_eq!(send(-1, b"nowhere"), 0);
        cork(-1, true);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_cork_holds_small_sends_together() {
        use std::io::Read;
        let (mut client, server) = pair();
        server.set_nodelay(true).unwrap();
        cork(server.as_raw_fd(), true);
        assert_eq!(send(server.as_raw_fd(), b"one"), 3);
        assert_eq!(send(server.as_raw_fd(), b"two"), 3);
        cork(server.as_raw_fd(), false);
        let mut first = [0; 16];
        let length = client.read(&mut first).unwrap();
        assert_eq!(&first[..length], b"onetwo");
    }
}
