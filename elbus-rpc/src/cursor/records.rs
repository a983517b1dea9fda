//! The records of a cursor, as its client takes them.
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use serde::{Serialize, de::DeserializeOwned};

use super::{CursorId, NEXT, NEXT_BULK};
use crate::{CallError, Rpc, format};

/// The records of a cursor: a stream. It ends with the last record or the first error; dropping it before leaves the
/// cursor to expire.
#[must_use = "nothing is asked for until the stream is read"]
pub struct Records<Record> {
    asking: Arc<Asking>,
    begin: Option<(String, Result<Vec<u8>, CallError>)>,
    /// How many to ask for at once; `None`: one by one.
    bulk: Option<u32>,
    limit: Duration,
    cursor: Option<CursorId>,
    under_way: Option<UnderWay<Record>>,
    ready: VecDeque<Record>,
    over: bool,
}

/// Whom to ask, and over what.
struct Asking {
    rpc: Rpc,
    target: String,
}

type UnderWay<Record> = Pin<Box<dyn Future<Output = Result<Answer<Record>, CallError>> + Send>>;

enum Answer<Record> {
    Opened(CursorId),
    Records(VecDeque<Record>, IsLast),
}

type IsLast = bool;

impl<Record> Records<Record> {
    pub(crate) fn new(rpc: Rpc, target: &str, method: &str, params: Result<Vec<u8>, CallError>) -> Self {
        Self {
            limit: rpc.shared().settings.timeout,
            asking: Arc::new(Asking {
                rpc,
                target: target.to_owned(),
            }),
            begin: Some((method.to_owned(), params)),
            bulk: None,
            cursor: None,
            under_way: None,
            ready: VecDeque::new(),
            over: false,
        }
    }

    /// Asks for so many records at once (method `NB`) instead of one by one (`N`): the fewer calls, the faster. A
    /// service may refuse more than it has room for. At least 1.
    pub fn bulk(mut self, records: u32) -> Self {
        self.bulk = Some(records.max(1));
        self
    }

    /// How long to wait for each answer; unless set, `Options::timeout`.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl<Record: DeserializeOwned + Send + 'static> Records<Record> {
    /// The next record; `None` when there are no more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Record, CallError>> {
        std::future::poll_fn(|cx| self.poll_record(cx)).await
    }

    fn poll_record(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Record, CallError>>> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(record)));
            }
            if self.over {
                return Poll::Ready(None);
            }
            if self.under_way.is_none() {
                self.under_way = self.ask();
            }
            let Some(under_way) = &mut self.under_way else {
                self.over = true;
                continue;
            };
            let answer = ready!(under_way.as_mut().poll(cx));
            self.under_way = None;
            match answer {
                Ok(Answer::Opened(cursor)) => self.cursor = Some(cursor),
                Ok(Answer::Records(records, last)) => (self.ready, self.over) = (records, last),
                Err(error) => {
                    self.over = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn ask(&mut self) -> Option<UnderWay<Record>> {
        let (asking, limit, bulk) = (Arc::clone(&self.asking), self.limit, self.bulk);
        if let Some((method, params)) = self.begin.take() {
            return Some(Box::pin(async move {
                let cursor = asking.call(&method, params?, limit).await?;
                decode(&cursor).map(Answer::Opened)
            }));
        }
        let cursor = self.cursor?;
        Some(Box::pin(async move {
            let Some(n) = bulk else {
                let record = asking.call(NEXT, encode(&cursor)?, limit).await?;
                if record.is_empty() {
                    return Ok(Answer::Records(VecDeque::new(), true));
                }
                return Ok(Answer::Records(VecDeque::from([decode(&record)?]), false));
            };
            let records = asking.call(NEXT_BULK, encode(&cursor.bulk(n))?, limit).await?;
            let records: VecDeque<Record> = decode(&records)?;
            let last = records.len() < n as usize;
            Ok(Answer::Records(records, last))
        }))
    }
}

impl Asking {
    async fn call(&self, method: &str, params: Vec<u8>, limit: Duration) -> Result<Bytes, CallError> {
        self.rpc
            .call_raw(&self.target, method, params)
            .timeout(limit)
            .await
    }
}

fn encode(params: &impl Serialize) -> Result<Vec<u8>, CallError> {
    format::encode(&[], params).map_err(|reason| CallError::Encode { reason })
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CallError> {
    format::decode(bytes).map_err(|reason| CallError::Decode { reason })
}

impl<Record: DeserializeOwned + Send + Unpin + 'static> Stream for Records<Record> {
    type Item = Result<Record, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_record(cx)
    }
}

impl<Record> fmt::Debug for Records<Record> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("target", &self.asking.target)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
