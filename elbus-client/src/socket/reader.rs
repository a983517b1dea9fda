//! Bytes from the broker, on their way to being frames and answers.
//!
//! Up to 64 KiB are read at once; all whole frames in them are decoded where they lie. What is left over, the
//! beginning of a frame, moves to the front. A frame that is larger is read into memory of its own, which grows as
//! its bytes arrive, never ahead of them because of what its header says, and becomes the payload without a copy.
use std::{collections::VecDeque, io, mem, num::NonZeroU32, ops::Range};

use bytes::Bytes;
use elbus_proto::{
    Code,
    delivery::{self, Delivery, Front, HEADER_LEN, Kind},
};

use super::{inbox, names::Names, pending::OperationId, stream::Incoming};
use crate::{Disconnect, Frame};

/// Bytes read at once.
const READ: usize = 64 * 1024;

/// Memory asked for when a large frame begins; from then on it grows fourfold as bytes arrive.
const FIRST_GROWTH: usize = 256 * 1024;

/// Small frames are copied together, in pieces of this size, which their payloads share: so a frame that is kept for
/// long keeps no more than that.
const PACK: usize = 4 * 1024;

/// What names and topics add to a frame at most, with separators and some room.
pub(super) const ADDRESS: usize = 4 * 1024;

/// Reads and decodes what the broker sends.
#[derive(Debug)]
pub(super) struct Reader {
    /// The beginning of a frame, then room.
    scratch: Vec<u8>,
    /// Bytes of it that are there.
    kept: usize,
    /// A frame too large for it, as it arrives, and the length of the whole.
    large: Option<(Vec<u8>, usize)>,
    largest: usize,
    senders: Names,
    topics: Names,
    /// What the last chunk held.
    pub(super) frames: VecDeque<Frame>,
    /// Bytes they take in the inbox.
    pub(super) frame_bytes: usize,
    pub(super) answers: Vec<(OperationId, Result<(), Code>)>,
}

impl Reader {
    pub(super) fn new(frame_limit: usize) -> Self {
        Self {
            scratch: vec![0; 2 * READ],
            kept: 0,
            large: None,
            largest: frame_limit + ADDRESS + HEADER_LEN,
            senders: Names::default(),
            topics: Names::default(),
            frames: VecDeque::new(),
            frame_bytes: 0,
            answers: Vec::new(),
        }
    }

    /// Reads once, without waiting, and decodes what is whole: afterwards it stands in `frames` and `answers`. Where the inbox
    /// has only so much room, little is read, so that the broker sees that it goes on: no less than it hands out.
    pub(super) fn read(&mut self, socket: &impl Incoming, room: usize) -> Result<(), Disconnect> {
        self.frame_bytes = 0;
        if let Some((mut bytes, len)) = self.large.take() {
            grow(&mut bytes, len, self.largest)?;
            let read = socket.try_read_spare(&mut bytes);
            if read.is_err() || bytes.len() < len {
                self.large = Some((bytes, len));
                return ended(read);
            }
            // What stands behind the frame is the beginning of the next ones.
            self.kept = bytes.len() - len;
            if self.scratch.len() < self.kept + READ {
                self.scratch.resize(self.kept + READ, 0);
            }
            self.scratch[..self.kept].copy_from_slice(&bytes[len..]);
            bytes.truncate(len);
            let shared = Bytes::from(bytes);
            self.decode_all(&shared, Pack::of(&shared))?;
            return self.decode();
        }
        let kept = self.kept;
        let most = room.clamp(inbox::LEAST, READ);
        let n = match socket.try_read(&mut self.scratch[kept..kept + most]) {
            Ok(n) if n > 0 => n,
            read => return ended(read),
        };
        self.kept += n;
        self.decode()
    }

    fn decode(&mut self) -> Result<(), Disconnect> {
        let scratch = mem::take(&mut self.scratch);
        let decoded = self.decode_all(&scratch[..self.kept], Pack::default());
        self.scratch = scratch;
        let done = decoded?;
        self.scratch.copy_within(done..self.kept, 0);
        self.kept -= done;
        self.expect_large()
    }

    /// Decodes every whole frame; answers how many bytes they took.
    fn decode_all(&mut self, bytes: &[u8], mut pack: Pack) -> Result<usize, Disconnect> {
        let mut done = 0;
        while let Some(decoded) = delivery::decode(&bytes[done..]) {
            let (delivery, len) = decoded?;
            self.check(len as u64)?;
            done += len;
            match delivery {
                Delivery::Ping => {}
                Delivery::Acknowledgement { id, result } => {
                    // No operation that is acknowledged has the id 0.
                    self.answers
                        .extend(NonZeroU32::new(id).map(|id| (OperationId(id), result)));
                }
                Delivery::Frame {
                    kind,
                    realtime,
                    sender,
                    topic,
                    payload,
                } => {
                    let payload = pack.share(bytes, done - payload.len()..done);
                    self.push(kind, realtime, sender, topic, payload)?;
                }
            }
        }
        Ok(done)
    }

    /// Refuses a frame of this length, header included, if it is over the limit.
    fn check(&self, len: u64) -> Result<(), Disconnect> {
        let limit = self.largest;
        if len > limit as u64 {
            return Err(Disconnect::TooLarge { len, limit });
        }
        Ok(())
    }

    /// Prepares for a frame that does not fit into the scratch buffer.
    fn expect_large(&mut self) -> Result<(), Disconnect> {
        let Some(front) = delivery::front(&self.scratch[..self.kept]) else {
            return Ok(());
        };
        if let Front::Frame(len) = front? {
            self.check(len)?;
            // It is within the limit, so it fits.
            let len = len as usize;
            if len > READ {
                self.large = Some((self.scratch[..self.kept].to_vec(), len));
                self.kept = 0;
            }
        }
        Ok(())
    }

    #[inline]
    fn push(
        &mut self,
        kind: Kind,
        realtime: bool,
        sender: &[u8],
        topic: &[u8],
        payload: Bytes,
    ) -> Result<(), Disconnect> {
        let sender = self.senders.shared(sender).ok_or(Disconnect::NotUtf8)?;
        let topic = match kind {
            Kind::Publication => Some(self.topics.shared(topic).ok_or(Disconnect::NotUtf8)?),
            Kind::Message | Kind::Broadcast => None,
        };
        self.frame_bytes += inbox::cost(payload.len());
        self.frames
            .push_back(Frame::new(kind, realtime, sender, topic, payload));
        Ok(())
    }
}

/// Memory that the payloads of small frames share.
#[derive(Default)]
struct Pack {
    shared: Bytes,
    /// Where its bytes lie among those that were read.
    from: usize,
}

impl Pack {
    /// Of bytes that are shared already.
    fn of(shared: &Bytes) -> Self {
        Self {
            shared: shared.clone(),
            from: 0,
        }
    }

    /// What lies at `range` of `bytes`; ranges come in order.
    #[inline]
    fn share(&mut self, bytes: &[u8], range: Range<usize>) -> Bytes {
        if range.end > self.from + self.shared.len() {
            let end = range.end.max(bytes.len().min(range.start + PACK));
            self.shared = Bytes::copy_from_slice(&bytes[range.start..end]);
            self.from = range.start;
        }
        self.shared.slice(range.start - self.from..range.end - self.from)
    }
}

/// Makes room for the rest of a large frame, in proportion to what has arrived.
fn grow(bytes: &mut Vec<u8>, len: usize, limit: usize) -> Result<(), Disconnect> {
    if bytes.len() < bytes.capacity() {
        return Ok(());
    }
    let room = len.min(FIRST_GROWTH.max(4 * bytes.len())) - bytes.len();
    bytes.try_reserve_exact(room).map_err(|_| Disconnect::TooLarge {
        len: len as u64,
        limit,
    })
}

fn ended(read: io::Result<usize>) -> Result<(), Disconnect> {
    match read {
        Ok(0) => Err(Disconnect::ByBroker),
        Ok(_) => Ok(()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::net::UnixStream};

    use super::*;
    use crate::{readiness::Stream, socket::stream::Socket};

    /// A reader, and what it reads from.
    fn pair() -> (Reader, Socket, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let socket = Socket::Unix(Stream::new(near).unwrap());
        (Reader::new(64 * 1024 * 1024), socket, far)
    }

    async fn read(reader: &mut Reader, socket: &Socket) -> Result<(), Disconnect> {
        std::future::poll_fn(|cx| socket.poll_readable(cx)).await?;
        reader.read(socket, READ)
    }

    #[tokio::test]
    async fn memory_for_a_large_frame_grows_as_its_bytes_arrive_and_not_before() {
        let (mut reader, socket, mut far) = pair();
        far.write_all(&delivery::header(Kind::Message, 60 * 1024 * 1024, false))
            .unwrap();
        read(&mut reader, &socket).await.unwrap();
        let mut arrived = HEADER_LEN;
        for _ in 0..100 {
            far.write_all(&[b'x'; 50_000]).unwrap();
            arrived += 50_000;
            while reader
                .large
                .as_ref()
                .is_some_and(|(bytes, _)| bytes.len() < arrived)
            {
                read(&mut reader, &socket).await.unwrap();
            }
            let (bytes, _) = reader.large.as_ref().unwrap();
            assert!(bytes.capacity() <= FIRST_GROWTH.max(4 * arrived));
        }
    }

    #[tokio::test]
    async fn a_small_frame_that_is_kept_keeps_little_memory() {
        let (mut reader, socket, mut far) = pair();
        let mut bytes = Vec::new();
        for _ in 0..500 {
            bytes.extend_from_slice(&delivery::header(Kind::Message, 102, false));
            bytes.extend_from_slice(b"a\0");
            bytes.extend_from_slice(&[7; 100]);
        }
        far.write_all(&bytes).unwrap();
        read(&mut reader, &socket).await.unwrap();
        assert_eq!(reader.frames.len(), 500);
        let pieces = reader.frames.iter().zip(reader.frames.iter().skip(1));
        let breaks = pieces
            .filter(|(one, next)| next.payload().as_ptr() as usize != one.payload().as_ptr() as usize + 108);
        assert!(breaks.count() >= bytes.len() / PACK);
    }

    #[tokio::test]
    async fn a_frame_over_the_limit_is_refused_and_what_stands_in_front_of_it_is_kept() {
        let (_, socket, mut far) = pair();
        let mut reader = Reader::new(1000);
        let most = reader.largest - HEADER_LEN;
        for (len, refused) in [(most, false), (most + 1, true)] {
            // Nothing that has the id 0 is acknowledged: whoever acknowledges it is not heard.
            let mut bytes = delivery::acknowledgement(0, Ok(())).to_vec();
            bytes.extend_from_slice(&delivery::acknowledgement(7, Ok(())));
            bytes.extend_from_slice(&delivery::header(Kind::Message, len as u32, false));
            bytes.extend_from_slice(b"a\0");
            bytes.resize(3 * HEADER_LEN + len, b'x');
            far.write_all(&bytes).unwrap();
            let limit = reader.largest;
            let expected = if refused {
                Err(Disconnect::TooLarge {
                    len: limit as u64 + 1,
                    limit,
                })
            } else {
                Ok(())
            };
            let read = read(&mut reader, &socket).await;
            assert_eq!(format!("{read:?}"), format!("{expected:?}"));
            assert_eq!(reader.answers.drain(..).count(), 1);
            assert_eq!(reader.frames.drain(..).count(), usize::from(!refused));
        }
    }
}
