//! An operation, checked and laid out as it travels.
use bytes::Bytes;
use elbus_proto::{
    ClientName, NameLimits, NameMask, Op, Qos, Topic, TopicFilter, TopicLimits, request::RequestHeader,
};

use super::{names::is_same, pending::OperationId, queue::SendQueue};
use crate::{
    Error,
    link::{Operation, Payload},
};

/// What an operation is checked against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) names: NameLimits,
    pub(super) topics: TopicLimits,
    pub(super) frame: usize,
}

/// The last target and topic that were found well-formed, at first empty ones: most clients send to few.
#[derive(Debug, Default)]
pub(super) struct Checked {
    target: String,
    topic: String,
}

/// An operation, checked: what stands in front of the payload, each part followed by a zero byte, and the payload.
pub(super) struct Request<'a> {
    pub(super) op: Op,
    address: [Option<&'a str>; 2],
    payload: Payload<'a>,
    /// Bytes of all of these.
    body_len: usize,
    /// The filters of a subscribe and its like, beside the payload that they make up.
    pub(super) filters: &'a [&'a str],
}

impl<'a> Request<'a> {
    /// Lays an operation out and takes its payload; nothing is checked yet.
    pub(super) fn new(operation: &mut Operation<'a>) -> Self {
        let (op, address, payload) = match operation {
            Operation::Message { target, payload } => (Op::Message, [Some(*target), None], payload.take()),
            Operation::Broadcast { mask, payload } => (Op::Broadcast, [Some(*mask), None], payload.take()),
            Operation::Publish {
                topic,
                receiver,
                payload,
            } => {
                let op = if receiver.is_some() {
                    Op::PublishFor
                } else {
                    Op::Publish
                };
                (op, [Some(*topic), *receiver], payload.take())
            }
            Operation::Ping => (Op::Nop, [None, None], Payload::Borrowed(b"")),
            Operation::Subscribe(filters) => return Self::of_filters(Op::Subscribe, filters),
            Operation::Unsubscribe(filters) => return Self::of_filters(Op::Unsubscribe, filters),
            Operation::Exclude(filters) => return Self::of_filters(Op::Exclude, filters),
            Operation::Unexclude(filters) => return Self::of_filters(Op::Unexclude, filters),
        };
        let part = |part: Option<&str>| part.map_or(0, |part| part.len() + 1);
        Self {
            body_len: part(address[0]) + part(address[1]) + payload.as_slice().len(),
            op,
            address,
            payload,
            filters: &[],
        }
    }

    fn of_filters(op: Op, filters: &'a [&'a str]) -> Self {
        let payload = filters.join("\0");
        Self {
            op,
            address: [None, None],
            body_len: payload.len(),
            payload: payload.into(),
            filters,
        }
    }

    /// Checks names, topics, masks, filters and the size: nothing malformed is ever sent.
    pub(super) fn check(&self, limits: &Limits, checked: &mut Checked) -> Result<(), Error> {
        match (self.op, self.address) {
            (Op::Message, [Some(target), _]) => checked.target(target, limits)?,
            (Op::Broadcast, [Some(mask), _]) => check_mask(mask, limits)?,
            (_, [Some(topic), receiver]) => {
                checked.topic(topic, limits)?;
                if let Some(receiver) = receiver {
                    check_name(receiver, limits)?;
                }
            }
            (_, [None, _]) => {}
        }
        for filter in self.filters {
            TopicFilter::parse(filter.as_bytes(), limits.topics).map_err(|reason| Error::Topic {
                topic: (*filter).to_owned(),
                reason,
            })?;
        }
        let (len, limit) = (self.body_len, limits.frame);
        if len > limit {
            return Err(Error::TooLarge { len, limit });
        }
        Ok(())
    }

    /// Appends the frame.
    pub(super) fn append(&self, queue: &mut SendQueue, qos: Qos, id: Option<OperationId>) {
        let header = RequestHeader::new(on_wire(id), self.op, qos, self.body_len as u32).encode();
        let payload = self.payload.as_slice();
        let small = if SendQueue::is_large(payload.len()) {
            b""
        } else {
            payload
        };
        match self.address {
            [Some(address), None] => queue.copy(&[&header, address.as_bytes(), b"\0", small]),
            [Some(address), Some(receiver)] => {
                let (address, receiver) = (address.as_bytes(), receiver.as_bytes());
                queue.copy(&[&header, address, b"\0", receiver, b"\0", small]);
            }
            _ => queue.copy(&[&header, small]),
        }
        if SendQueue::is_large(payload.len()) {
            queue.share(self.payload.clone().into_bytes());
        }
    }

    /// The same for those who have to wait.
    pub(super) fn to_waiting(&self, qos: Qos) -> WaitingRequest {
        let mut address = Vec::new();
        for part in self.address.iter().flatten() {
            address.extend_from_slice(part.as_bytes());
            address.push(0);
        }
        WaitingRequest {
            op: self.op,
            qos,
            address,
            filters: self.filters.iter().map(|filter| (*filter).to_owned()).collect(),
            payload: self.payload.clone().into_bytes(),
        }
    }
}

/// A checked operation that waits for room or for a connection.
pub(super) struct WaitingRequest {
    pub(super) op: Op,
    pub(super) qos: Qos,
    address: Vec<u8>,
    pub(super) filters: Vec<String>,
    payload: Bytes,
}

impl WaitingRequest {
    /// Appends the frame.
    pub(super) fn append(&self, queue: &mut SendQueue, id: Option<OperationId>) {
        let len = self.address.len() + self.payload.len();
        let header = RequestHeader::new(on_wire(id), self.op, self.qos, len as u32).encode();
        queue.copy(&[&header, &self.address]);
        queue.share(self.payload.clone());
    }
}

/// What is not acknowledged has the id 0.
fn on_wire(id: Option<OperationId>) -> u32 {
    id.map_or(0, |id| id.0.get())
}

impl Checked {
    fn target(&mut self, target: &str, limits: &Limits) -> Result<(), Error> {
        if target.is_empty() || !is_same(self.target.as_bytes(), target.as_bytes()) {
            check_name(target, limits)?;
            self.target.replace_range(.., target);
        }
        Ok(())
    }

    fn topic(&mut self, topic: &str, limits: &Limits) -> Result<(), Error> {
        if topic.is_empty() || !is_same(self.topic.as_bytes(), topic.as_bytes()) {
            Topic::parse(topic.as_bytes(), limits.topics).map_err(|reason| Error::Topic {
                topic: topic.to_owned(),
                reason,
            })?;
            self.topic.replace_range(.., topic);
        }
        Ok(())
    }
}

fn check_name(name: &str, limits: &Limits) -> Result<(), Error> {
    match ClientName::parse(name.as_bytes(), limits.names) {
        Ok(_) => Ok(()),
        Err(reason) => Err(Error::Name {
            name: name.to_owned(),
            reason,
        }),
    }
}

fn check_mask(mask: &str, limits: &Limits) -> Result<(), Error> {
    match NameMask::parse(mask.as_bytes(), limits.names) {
        Ok(_) => Ok(()),
        Err(reason) => Err(Error::Mask {
            mask: mask.to_owned(),
            reason,
        }),
    }
}
