//! When a stream socket can be read, and when it takes bytes: for both sides of a connection.
//!
//! A UNIX socket reports that it takes bytes each time the other side has read some. A broker that waits for something to
//! read would be woken for nothing by each client that only listens. So [`Stream::new`] and [`Stream::unix`] do not ask for
//! that; a [`Room`] does while it lives, and [`Stream::expecting`] always. Reads and writes themselves go straight to the
//! system.
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::net::sockopt;
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::Sleep,
};

/// How soon a socket is tried again if the process has no file descriptor left to be told when it takes bytes.
const RETRY: Duration = Duration::from_millis(10);

/// What a UNIX socket is asked to hold that was written and not read yet: as much as Linux grants unless it is told
/// otherwise, and twice of what it gives unasked. A full one takes bytes again when a quarter is left, and with half as much a quick
/// reader is through with that before the writer is awake.
const SEND_BUFFER: usize = 208 * 1024;

/// A stream socket whose readers are told when something comes.
#[derive(Debug)]
pub struct Stream(AsyncFd<OwnedFd>);

impl Stream {
    /// A connected socket, which is set not to block, or is read and written with `DONTWAIT` alone.
    ///
    /// # Errors
    /// When the system cannot watch it.
    ///
    /// # Panics
    /// Outside of a tokio runtime that does input and output.
    pub fn new(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        watch(socket.into(), Interest::READABLE).map(Self)
    }

    /// A connected UNIX socket: as [`new`](Self::new), with room for 208 KiB on their way.
    ///
    /// # Errors
    /// When the system cannot watch it.
    ///
    /// # Panics
    /// Outside of a tokio runtime that does input and output.
    pub fn unix(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        let socket = socket.into();
        widen(&socket);
        Self::new(socket)
    }

    /// A connected UNIX socket whose other side answers what it is sent: as [`unix`](Self::unix), but a worker is woken
    /// when the other side reads, and so is awake when the answer comes.
    ///
    /// # Errors
    /// When the system cannot watch it.
    ///
    /// # Panics
    /// Outside of a tokio runtime that does input and output.
    pub fn expecting(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        let socket = socket.into();
        widen(&socket);
        watch(socket, Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    /// Ready when there is something to read, or the other side is gone. One task at a time may wait for it.
    ///
    /// # Errors
    /// When the runtime shuts down.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_ready(cx).map_ok(drop)
    }

    /// Reads with `recv` if there is something to read as far as is known; `room` is what it could take. What it read is
    /// told by what it returns.
    ///
    /// A read that takes less than it could has emptied the socket, so readiness is taken back at once: that spares
    /// the next wait a system call that would only say `WouldBlock`.
    ///
    /// # Errors
    /// Those of `recv`; `WouldBlock` when there is nothing.
    pub fn try_read(&self, room: usize, recv: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        let mut read = None;
        let outcome = self.0.try_io(Interest::READABLE, |_| {
            let n = recv()?;
            read = Some(n);
            if n > 0 && n < room {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(())
            }
        });
        match (read, outcome) {
            (Some(n), _) => Ok(n),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Waits until the other side has closed its writing half.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub async fn hung_up(&self) {
        loop {
            // The mask of PRIORITY holds "read closed", but not "readable".
            match self.0.ready(Interest::PRIORITY).await {
                // Urgent TCP data, which nobody asks for. Take the flag back and wait on.
                Ok(mut ready) if !ready.ready().is_read_closed() => ready.clear_ready(),
                Ok(_) | Err(_) => return,
            }
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

/// Tells when a socket takes bytes, for as long as it lives; it takes a file descriptor meanwhile.
#[derive(Debug, Default)]
pub struct Room {
    watched: Option<AsyncFd<OwnedFd>>,
    retry: Option<Pin<Box<Sleep>>>,
}

impl Room {
    /// Ready when `socket`, always the same, may take bytes.
    ///
    /// # Errors
    /// When the runtime shuts down.
    ///
    /// # Panics
    /// Outside of a tokio runtime that does input and output and has a clock.
    pub fn poll(&mut self, socket: impl AsFd, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.watched.is_none() {
            if let Some(retry) = &mut self.retry {
                ready!(retry.as_mut().poll(cx));
                self.retry = None;
                return Poll::Ready(Ok(()));
            }
            // The same socket under another number: the system keeps what is asked about each apart.
            let watched = rustix::io::fcntl_dupfd_cloexec(socket, 0)
                .map_err(io::Error::from)
                .and_then(|socket| watch(socket, Interest::WRITABLE));
            match watched {
                Ok(watched) => self.watched = Some(watched),
                Err(_) => {
                    let retry = self.retry.insert(Box::pin(tokio::time::sleep(RETRY)));
                    ready!(retry.as_mut().poll(cx));
                }
            }
        }
        match &self.watched {
            Some(watched) => watched.poll_write_ready(cx).map_ok(drop),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Writes with `send` if there is room as far as is known. A full socket takes that back, so that waiting for
    /// room waits.
    ///
    /// # Errors
    /// Those of `send`; `WouldBlock` when there is no room.
    pub fn try_write<R>(&self, send: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match &self.watched {
            Some(watched) => watched.try_io(Interest::WRITABLE, |_| send()),
            None => send(),
        }
    }
}

fn widen(socket: &OwnedFd) {
    // It only makes things faster. Linux tells twice of what was asked for, to have room for its own records.
    if sockopt::socket_send_buffer_size(socket).is_ok_and(|bytes| bytes < 2 * SEND_BUFFER) {
        let _ = sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER);
    }
}

#[allow(
    deprecated,
    reason = "what is deprecated about it is that it takes descriptors that somebody else may close: this one is owned"
)]
fn watch(socket: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(socket, interest)
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        io::{Read, Write},
        os::unix::net::UnixStream,
    };

    use super::*;

    fn pair() -> (Stream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        (Stream::new(near).unwrap(), far)
    }

    fn fill(stream: &Stream) -> usize {
        let mut total = 0;
        while let Ok(n) = rustix::io::write(stream, &[0; 4096]) {
            total += n;
        }
        total
    }

    fn read(stream: &Stream, buffer: &mut [u8]) -> io::Result<usize> {
        stream.try_read(buffer.len(), || Ok(rustix::io::read(stream, &mut *buffer)?))
    }

    #[tokio::test]
    async fn a_reader_is_told_what_comes_and_a_short_read_takes_that_back() {
        let (near, mut far) = pair();
        assert!(
            poll_fn(|cx| Poll::Ready(near.poll_readable(cx)))
                .await
                .is_pending()
        );
        far.write_all(b"pong").unwrap();
        poll_fn(|cx| near.poll_readable(cx)).await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(read(&near, &mut buffer).unwrap(), 4);
        let again = near.try_read(16, || panic!("the system is asked although nothing came"));
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    /// What the runtime asks the system to tell of a socket, as epoll has it.
    #[cfg(target_os = "linux")]
    fn asked_of(socket: &Stream) -> u32 {
        use std::os::fd::AsRawFd;
        let number = socket.as_fd().as_raw_fd().to_string();
        let files = std::fs::read_dir("/proc/self/fdinfo").unwrap();
        let texts = files.filter_map(|file| std::fs::read_to_string(file.unwrap().path()).ok());
        let lines: Vec<_> = texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let asked = lines.iter().find_map(|line| {
            let mut words = line.split_whitespace();
            let is_this = words.next() == Some("tfd:") && words.next() == Some(&number);
            is_this
                .then(|| words.nth(1).and_then(|mask| u32::from_str_radix(mask, 16).ok()))
                .flatten()
        });
        asked.unwrap_or_else(|| panic!("nobody watches {number}: {lines:?}"))
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_system_is_not_asked_to_tell_whenever_the_other_side_has_read() {
        const EPOLLIN: u32 = 1;
        const EPOLLOUT: u32 = 4;
        let (near, _far) = pair();
        assert_eq!(asked_of(&near) & (EPOLLIN | EPOLLOUT), EPOLLIN);
    }

    #[tokio::test]
    async fn a_writer_is_told_when_a_full_socket_takes_bytes_again() {
        let (near, mut far) = pair();
        let full = fill(&near);
        let mut room = Room::default();
        assert!(poll_fn(|cx| Poll::Ready(room.poll(&near, cx))).await.is_pending());
        far.read_exact(&mut vec![0; full]).unwrap();
        poll_fn(|cx| room.poll(&near, cx)).await.unwrap();

        fill(&near);
        let refused = room.try_write(|| Ok(rustix::io::write(&near, b"x")?));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(poll_fn(|cx| Poll::Ready(room.poll(&near, cx))).await.is_pending());
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[tokio::test]
    async fn the_end_of_the_other_side_is_noticed() {
        let (near, far) = pair();
        drop(far);
        near.hung_up().await;
        poll_fn(|cx| near.poll_readable(cx)).await.unwrap();
        assert_eq!(read(&near, &mut [0; 16]).unwrap(), 0);
    }
}
