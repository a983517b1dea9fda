//! A relay that passes bytes on between two clients and looks at nothing: what a broker of this kind could reach at
//! most, with its sockets, its copies and two threads.
//!
//! The first line of each connection, `own>other`, says between whom it lies; everything behind it goes to the other
//! one. A pair belongs to one thread, as its bytes would otherwise go through two caches.
use std::{
    io,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
    fd::OwnedFd,
    io::Errno,
    net::{RecvFlags, SendFlags},
};

/// Threads, as a broker has workers.
const WORKERS: usize = 2;
/// Bytes read at once, as a broker does.
const READ: usize = 64 << 10;

/// Serves until it is killed.
pub(crate) fn run(socket: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    let workers: Vec<Arc<Worker>> = (0..WORKERS)
        .map(|_| Worker::new().map(Arc::new))
        .collect::<Result<_, _>>()?;
    for worker in &workers {
        let worker = Arc::clone(worker);
        thread::spawn(move || worker.run());
    }
    let mut waiting: Vec<(String, UnixStream)> = Vec::new();
    let mut pairs = 0;
    for stream in listener.incoming() {
        let stream = stream?;
        let Ok(line) = first_line(&stream) else {
            continue;
        };
        let mirrored = line.split_once('>').map(|(own, other)| format!("{other}>{own}"));
        let partner = waiting
            .iter()
            .position(|(line, _)| Some(line) == mirrored.as_ref());
        match partner {
            Some(partner) => {
                let (_, partner) = waiting.swap_remove(partner);
                workers[pairs % WORKERS].adopt([partner, stream])?;
                pairs += 1;
            }
            None => waiting.push((line, stream)),
        }
    }
    Ok(())
}

/// Byte by byte, so that nothing behind the line is read.
fn first_line(stream: &UnixStream) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        let (read, _) = rustix::net::recv(stream, &mut byte, RecvFlags::empty())?;
        match byte {
            _ if read == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            [b'\n'] => return Ok(String::from_utf8_lossy(&line).into_owned()),
            [other] => line.push(other),
        }
    }
}

/// Passes on what belongs to its pairs.
struct Worker {
    epoll: OwnedFd,
    pairs: Mutex<Vec<Arc<Mutex<Pair>>>>,
}

/// Two connections, and of each what it did not take yet.
struct Pair {
    ends: [UnixStream; 2],
    rests: [Vec<u8>; 2],
}

impl Worker {
    fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            pairs: Mutex::default(),
        })
    }

    fn adopt(&self, ends: [UnixStream; 2]) -> io::Result<()> {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let number = pairs.len() as u64;
        let rests = [Vec::new(), Vec::new()];
        let pair = Arc::new(Mutex::new(Pair { ends, rests }));
        pairs.push(Arc::clone(&pair));
        drop(pairs);
        let pair = pair.lock().unwrap_or_else(PoisonError::into_inner);
        for (side, end) in (0..).zip(&pair.ends) {
            epoll::add(
                &self.epoll,
                end,
                EventData::new_u64(2 * number + side),
                EventFlags::IN,
            )?;
        }
        Ok(())
    }

    fn run(&self) {
        let mut known: Vec<Arc<Mutex<Pair>>> = Vec::new();
        let mut events = Vec::with_capacity(64);
        let mut buffer = Vec::with_capacity(READ);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            for event in &events {
                let token = event.data.u64();
                let number = usize::try_from(token / 2).unwrap_or(usize::MAX);
                if number >= known.len() {
                    known.clone_from(&self.pairs.lock().unwrap_or_else(PoisonError::into_inner));
                }
                let Some(pair) = known.get(number) else {
                    continue;
                };
                let mut pair = pair.lock().unwrap_or_else(PoisonError::into_inner);
                if pair.serve(token, event.flags, &self.epoll, &mut buffer).is_err() {
                    pair.end(&self.epoll);
                }
            }
        }
    }
}

impl Pair {
    /// Writes what is left over for this side, or else reads from it once for the other one.
    fn serve(
        &mut self,
        token: u64,
        flags: EventFlags,
        epoll: &OwnedFd,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let side = usize::from(token % 2 == 1);
        let other = 1 - side;
        let was = self.rests.each_ref().map(Vec::is_empty);
        if flags.contains(EventFlags::OUT) {
            let sent = send(&self.ends[side], &self.rests[side])?;
            self.rests[side].drain(..sent);
        }
        let ended = EventFlags::HUP | EventFlags::ERR;
        if flags.intersects(EventFlags::IN | ended) && self.rests[other].is_empty() {
            buffer.clear();
            match rustix::net::recv(&self.ends[side], spare_capacity(buffer), RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {
                    let sent = send(&self.ends[other], buffer)?;
                    self.rests[other].extend_from_slice(&buffer[sent..]);
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.rests.each_ref().map(Vec::is_empty) != was {
            self.watch(token, epoll)?;
        }
        Ok(())
    }

    /// A side is read when nothing is left over for the other one, and watched for room when something is for itself.
    fn watch(&self, token: u64, epoll: &OwnedFd) -> io::Result<()> {
        for (side, end) in self.ends.iter().enumerate() {
            let mut flags = EventFlags::empty();
            flags.set(EventFlags::IN, self.rests[1 - side].is_empty());
            flags.set(EventFlags::OUT, !self.rests[side].is_empty());
            epoll::modify(epoll, end, EventData::new_u64((token & !1) + side as u64), flags)?;
        }
        Ok(())
    }

    /// One side is gone: so is the other.
    fn end(&mut self, epoll: &OwnedFd) {
        for end in &self.ends {
            // It may have been ended before.
            let _ = epoll::delete(epoll, end);
            let _ = end.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// As much as fits.
fn send(end: &UnixStream, bytes: &[u8]) -> io::Result<usize> {
    match rustix::net::send(end, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn bytes_reach_the_other_side_in_order_however_slowly_it_reads() {
        let worker = Worker::new().unwrap();
        let (mut near, a) = UnixStream::pair().unwrap();
        let (b, mut far) = UnixStream::pair().unwrap();
        worker.adopt([a, b]).unwrap();
        let worker = Arc::new(worker);
        let serving = Arc::clone(&worker);
        thread::spawn(move || serving.run());
        let sent: Vec<u8> = (0..4_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let expected = sent.clone();
        let sending = thread::spawn(move || {
            near.write_all(&sent).unwrap();
            let mut back = [0; 4];
            near.read_exact(&mut back).unwrap();
            back
        });
        let mut received = vec![0; expected.len()];
        far.read_exact(&mut received).unwrap();
        assert!(received == expected);
        far.write_all(b"back").unwrap();
        assert_eq!(&sending.join().unwrap(), b"back");
        // Whoever is left hears that the other one has gone.
        assert_eq!(far.read(&mut [0; 4]).unwrap(), 0);
    }
}
