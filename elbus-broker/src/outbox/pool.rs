//! Spare buffers of a worker thread, so that an outbox holds memory only while it holds bytes.
use std::cell::RefCell;

/// How large a buffer grows before the outbox seals it and starts another.
pub(crate) const BLOCK: usize = 64 * 1024;

/// Spare buffers a thread keeps: at most 16 of at most two blocks, 2 MiB.
const SPARES: usize = 16;
const LARGEST_SPARE: usize = 2 * BLOCK;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// What a buffer starts with when the thread has no spare one.
const SMALLEST: usize = 2 * 1024;

/// An empty buffer, a spare one if the thread has any.
pub(crate) fn take() -> Vec<u8> {
    let spare = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
    spare.unwrap_or_else(|| Vec::with_capacity(SMALLEST))
}

/// Keeps a buffer for the next [`take`] on this thread, or frees it.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if !(SMALLEST..=LARGEST_SPARE).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    // A thread that is ending has no pool any more: the buffer is freed.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < SPARES {
            pool.push(buffer);
        }
    });
}
