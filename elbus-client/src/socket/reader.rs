//! Bytes from the broker, on their way to being frames and answers.
//!
//! Up to 64 KiB are read at once; all whole frames in them are decoded where they lie. What is left over, the
//! beginning of a frame, moves to the front. A frame that is larger is read into memory of its own, which grows as
//! its bytes arrive, never ahead of them because of what its header says, and becomes the payload without a copy.
use std::{collections::VecDeque, io, mem};

use bytes::{Bytes, BytesMut};
use elbus_proto::{
    Code,
    delivery::{self, Delivery, Front, HEADER_LEN, Kind},
};

use super::{inbox, names::Names, pending::OperationId, stream::Socket};
use crate::{Disconnect, Frame};

/// Bytes read at once.
const READ: usize = 64 * 1024;

/// Memory asked for when a large frame begins; from then on it grows fourfold as bytes arrive.
const FIRST_GROWTH: usize = 256 * 1024;

/// Small payloads are packed together in blocks of this size: a frame that is kept for long pins no more than that.
const PACK: usize = 4 * 1024;

/// Payloads up to this size are packed.
const SMALL: usize = 512;

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
    pack: BytesMut,
    names: Names,
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
            pack: BytesMut::new(),
            names: Names::default(),
            frames: VecDeque::new(),
            frame_bytes: 0,
            answers: Vec::new(),
        }
    }

    /// Reads once, without waiting, and decodes what is whole: afterwards it stands in `frames` and `answers`.
    pub(super) fn read(&mut self, socket: &Socket) -> Result<(), Disconnect> {
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
            self.decode_large(bytes)?;
            return self.decode();
        }
        let kept = self.kept;
        let n = match socket.try_read(&mut self.scratch[kept..kept + READ]) {
            Ok(n) if n > 0 => n,
            read => return ended(read),
        };
        self.kept += n;
        self.decode()
    }

    fn decode(&mut self) -> Result<(), Disconnect> {
        let scratch = mem::take(&mut self.scratch);
        let decoded = self.decode_all(&scratch[..self.kept]);
        self.scratch = scratch;
        let done = decoded?;
        self.scratch.copy_within(done..self.kept, 0);
        self.kept -= done;
        self.expect_large()
    }

    /// Decodes every whole frame; answers how many bytes they took.
    fn decode_all(&mut self, bytes: &[u8]) -> Result<usize, Disconnect> {
        let mut done = 0;
        while let Some(decoded) = delivery::decode(&bytes[done..]) {
            let (delivery, len) = decoded?;
            done += len;
            match delivery {
                Delivery::Ping => {}
                Delivery::Acknowledgement { id, result } => self.answers.push((OperationId(id), result)),
                Delivery::Frame {
                    kind,
                    realtime,
                    sender,
                    topic,
                    payload,
                } => {
                    let payload = self.keep(payload);
                    self.push(kind, realtime, sender, topic, payload)?;
                }
            }
        }
        Ok(done)
    }

    /// Prepares for a frame that does not fit into the scratch buffer.
    fn expect_large(&mut self) -> Result<(), Disconnect> {
        let Some(front) = delivery::front(&self.scratch[..self.kept]) else {
            return Ok(());
        };
        let Front::Frame(len) = front? else {
            return Ok(());
        };
        let limit = self.largest;
        match usize::try_from(len) {
            Ok(len) if len <= READ => {}
            Ok(len) if len <= limit => {
                let mut bytes = Vec::new();
                bytes.extend_from_slice(&self.scratch[..self.kept]);
                self.kept = 0;
                self.large = Some((bytes, len));
            }
            Ok(_) | Err(_) => return Err(Disconnect::TooLarge { len, limit }),
        }
        Ok(())
    }

    fn decode_large(&mut self, bytes: Vec<u8>) -> Result<(), Disconnect> {
        let bytes = Bytes::from(bytes);
        if let Some(decoded) = delivery::decode(&bytes)
            && let Delivery::Frame {
                kind,
                realtime,
                sender,
                topic,
                payload,
            } = decoded?.0
        {
            let payload = bytes.slice_ref(payload);
            self.push(kind, realtime, sender, topic, payload)?;
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
        let sender = self.names.shared(sender).ok_or(Disconnect::NotUtf8)?;
        let topic = match kind {
            Kind::Publication => Some(self.names.shared(topic).ok_or(Disconnect::NotUtf8)?),
            Kind::Message | Kind::Broadcast => None,
        };
        let frame = Frame::new(kind, realtime, sender, topic, payload);
        self.frame_bytes += inbox::cost(&frame);
        self.frames.push_back(frame);
        Ok(())
    }

    /// Copies a payload out of the scratch buffer.
    #[inline]
    fn keep(&mut self, payload: &[u8]) -> Bytes {
        if payload.is_empty() {
            return Bytes::new();
        }
        if payload.len() > SMALL {
            return Bytes::copy_from_slice(payload);
        }
        if self.pack.capacity() < payload.len() {
            self.pack = BytesMut::with_capacity(PACK);
        }
        self.pack.extend_from_slice(payload);
        self.pack.split().freeze()
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
