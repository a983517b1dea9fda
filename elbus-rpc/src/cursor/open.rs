//! The cursors that a service keeps open.
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{CursorId, NEXT, NEXT_BULK, id::Uuid};
use crate::{
    Failure, format,
    service::{Route, raw},
};

/// Cursors that a service keeps open: a cheap clone, to be shared by its methods.
///
/// A cursor ends with its last record, when the service drops every clone, or when nobody asks it for its time to live.
///
/// ```
/// use elbus_rpc::{CursorId, Cursors, Failure, Service};
///
/// async fn customers(cursors: Cursors, (): ()) -> Result<CursorId, Failure> {
///     cursors.open((1..=1000).map(|number| format!("customer {number}")))
/// }
///
/// let cursors = Cursors::new();
/// let service = Service::new(cursors.clone())
///     .cursors(&cursors)
///     .method("customers", customers);
/// ```
#[derive(Clone)]
pub struct Cursors {
    time_to_live: Duration,
    limit: usize,
    bulk: usize,
    bulk_bytes: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    cursors: HashMap<CursorId, Arc<Cursor>>,
    /// A task ends those that nobody asks.
    swept: bool,
}

struct Cursor {
    /// One at a time takes records, and takes all that it asked for in a row.
    source: AsyncMutex<Source>,
    asked: Mutex<Instant>,
}

struct Source {
    records: Records,
    /// Taken from the records, but not yet answered: by a request that was cancelled or could not take so much.
    ahead: VecDeque<Bytes>,
    ended: bool,
}

type Records = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

#[derive(Deserialize)]
struct Bulk {
    u: Uuid,
    /// BUS/RT's service takes one for one.
    #[serde(default = "one")]
    n: u64,
}

const fn one() -> u64 {
    1
}

impl Default for Cursors {
    fn default() -> Self {
        Self::new()
    }
}

impl Cursors {
    /// None so far, with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self {
            time_to_live: Duration::from_secs(30),
            limit: 1024,
            bulk: 10_000,
            bulk_bytes: 16 * 1024 * 1024,
            open: Arc::default(),
        }
    }

    /// How long a cursor that nobody asks is kept. Default: 30 s. It may live up to a quarter longer.
    #[must_use]
    pub const fn time_to_live(mut self, limit: Duration) -> Self {
        self.time_to_live = limit;
        self
    }

    /// Open cursors beyond which `open` fails with *busy*. Default: 1,024.
    #[must_use]
    pub const fn limit(mut self, cursors: usize) -> Self {
        self.limit = cursors;
        self
    }

    /// Records that may be asked for at once; who asks for more gets an error (-32602). Default: 10,000.
    #[must_use]
    pub const fn bulk_limit(mut self, records: usize) -> Self {
        self.bulk = records;
        self
    }

    /// Bytes that records asked for at once may take; who asks for more gets an error (-32602) and may ask for fewer.
    /// Default: 16 MiB. One record may be larger.
    #[must_use]
    pub const fn bulk_bytes_limit(mut self, bytes: usize) -> Self {
        self.bulk_bytes = bytes;
        self
    }

    /// Opens a cursor over what an iterator yields. It is asked as records are.
    ///
    /// # Errors
    /// *Busy* (-32118) when the limit is reached.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its time driver.
    pub fn open<I>(&self, records: I) -> Result<CursorId, Failure>
    where
        I: IntoIterator<Item: Serialize, IntoIter: Send + 'static>,
    {
        self.open_stream(Iterating(records.into_iter()))
    }

    /// Opens a cursor over what a stream yields; an error of the stream is what the client is answered.
    ///
    /// # Errors
    /// *Busy* (-32118) when the limit is reached.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its time driver.
    pub fn open_stream<T: Serialize>(
        &self,
        records: impl Stream<Item = Result<T, Failure>> + Send + 'static,
    ) -> Result<CursorId, Failure> {
        let mut open = self.open.lock();
        if open.cursors.len() >= self.limit {
            return Err(Failure::busy(format_args!(
                "{} cursors are open, which is the limit",
                self.limit
            )));
        }
        let id = CursorId::random();
        let source = Source {
            records: Box::pin(Encoded(Box::pin(records))),
            ahead: VecDeque::new(),
            ended: false,
        };
        let cursor = Cursor {
            source: AsyncMutex::new(source),
            asked: Mutex::new(Instant::now()),
        };
        open.cursors.insert(id, Arc::new(cursor));
        if !std::mem::replace(&mut open.swept, true) {
            let open = Arc::downgrade(&self.open);
            tokio::spawn(sweep(open, self.time_to_live));
        }
        Ok(id)
    }

    /// Cursors that are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.lock().cursors.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The methods `N` and `NB`.
    pub(crate) fn routes(&self) -> [Route; 2] {
        let next = raw(|cursors: Self, params: Bytes| async move { cursors.next(&params).await });
        let bulk = raw(|cursors: Self, params: Bytes| async move { cursors.next_bulk(&params).await });
        [
            next.description("Answers the next record of a cursor.")
                .into_route(NEXT.to_owned(), self),
            bulk.description("Answers the next n records of a cursor.")
                .into_route(NEXT_BULK.to_owned(), self),
        ]
    }

    async fn next(&self, params: &[u8]) -> Result<Bytes, Failure> {
        let id: CursorId = format::decode_params(params)?;
        let cursor = self.find(id)?;
        let mut source = cursor.source.lock().await;
        source.fill(1, 0).await?;
        Ok(source.ahead.pop_front().unwrap_or_else(|| {
            self.close(id);
            Bytes::new()
        }))
    }

    async fn next_bulk(&self, params: &[u8]) -> Result<Vec<u8>, Failure> {
        let bulk: Bulk = format::decode_params(params)?;
        let n = usize::try_from(bulk.n).unwrap_or(usize::MAX);
        if n > self.bulk {
            let limit = self.bulk;
            return Err(Failure::invalid_params(format_args!(
                "n: {n} records are more than the limit of {limit}"
            )));
        }
        let id = CursorId::from(bulk.u);
        let cursor = self.find(id)?;
        let mut source = cursor.source.lock().await;
        source.fill(n, self.bulk_bytes).await?;
        let taken = n.min(source.ahead.len());
        let mut records = Vec::new();
        // Writing to memory does not fail, and no array is longer than what fits.
        let len = u32::try_from(taken).map_err(Failure::internal)?;
        rmp::encode::write_array_len(&mut records, len).map_err(Failure::internal)?;
        for record in source.ahead.drain(..taken) {
            records.extend_from_slice(&record);
        }
        if taken < n {
            self.close(id);
        }
        Ok(records)
    }

    fn find(&self, id: CursorId) -> Result<Arc<Cursor>, Failure> {
        let open = self.open.lock();
        let cursor = open
            .cursors
            .get(&id)
            .ok_or_else(|| Failure::not_found("there is no such cursor, or not any more"))?;
        *cursor.asked.lock() = Instant::now();
        Ok(Arc::clone(cursor))
    }

    fn close(&self, id: CursorId) {
        self.open.lock().cursors.remove(&id);
    }
}

impl Source {
    /// Takes records until there are `n`, or no more. What is taken is kept when this is dropped half-way.
    async fn fill(&mut self, n: usize, bytes_limit: usize) -> Result<(), Failure> {
        let mut bytes: usize = self.ahead.iter().take(n).map(Bytes::len).sum();
        while self.ahead.len() < n && !self.ended {
            match std::future::poll_fn(|cx| self.records.as_mut().poll_next(cx)).await {
                Some(record) => {
                    let record = record?;
                    bytes += record.len();
                    self.ahead.push_back(record);
                }
                None => self.ended = true,
            }
            if n > 1 && bytes > bytes_limit {
                break;
            }
        }
        if n > 1 && bytes > bytes_limit {
            return Err(Failure::invalid_params(format_args!(
                "n: {n} records take more than {bytes_limit} bytes: ask for fewer"
            )));
        }
        Ok(())
    }
}

/// What an iterator yields, as a stream that is always ready.
struct Iterating<I>(I);

impl<I> Unpin for Iterating<I> {}

impl<I: Iterator> Stream for Iterating<I> {
    type Item = Result<I::Item, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

/// Records as MessagePack.
struct Encoded<S>(Pin<Box<S>>);

impl<T: Serialize, S: Stream<Item = Result<T, Failure>>> Stream for Encoded<S> {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let record = ready!(self.0.as_mut().poll_next(cx));
        Poll::Ready(record.map(|record| {
            let encoded = format::encode(&[], &record?);
            encoded.map(Bytes::from).map_err(Failure::internal)
        }))
    }
}

/// Ends the cursors that nobody asks, until there are none.
async fn sweep(open: Weak<Mutex<Open>>, time_to_live: Duration) {
    loop {
        tokio::time::sleep(time_to_live / 4).await;
        let Some(open) = open.upgrade() else {
            return;
        };
        let mut ended = Vec::new();
        {
            let mut open = open.lock();
            // One that is being read is asked, however long that takes.
            let abandoned = |cursor: &Arc<Cursor>| {
                Arc::strong_count(cursor) == 1 && cursor.asked.lock().elapsed() >= time_to_live
            };
            ended.extend(open.cursors.extract_if(|_, cursor| abandoned(cursor)));
            if open.cursors.is_empty() {
                open.swept = false;
                return;
            }
        }
        // What the user's records do when they are dropped happens outside of the lock.
        drop(ended);
    }
}

impl fmt::Debug for Cursors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursors")
            .field("open", &self.len())
            .finish_non_exhaustive()
    }
}
