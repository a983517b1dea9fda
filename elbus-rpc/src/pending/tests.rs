//! The table of pending calls by itself.
use super::*;

const LIMIT: Duration = Duration::from_secs(5);

fn pending(limit: usize, seed: u32) -> Pending {
    Pending::new(limit, Duration::from_millis(100), seed, Weak::new())
}

fn insert(pending: &mut Pending, target: &str) -> u32 {
    pending.insert(target, LIMIT).unwrap().0
}

fn poll(pending: &mut Pending, id: u32) -> Poll<Outcome> {
    pending.poll(id, &Context::from_waker(Waker::noop()))
}

#[test]
fn ids_are_never_0_and_never_used_twice_while_pending() {
    let mut pending = pending(1000, u32::MAX - 10);
    let kept: Vec<u32> = (0..50).map(|_| insert(&mut pending, "a")).collect();
    for _ in 0..10_000 {
        let id = insert(&mut pending, "a");
        assert!(id != 0 && !kept.contains(&id));
        pending.remove(id);
    }
    assert_eq!(pending.len(), kept.len());
    for id in kept {
        assert!(poll(&mut pending, id).is_pending());
        pending.remove(id);
    }
    assert_eq!(pending.len(), 0);
}

#[test]
fn as_many_calls_as_the_limit_are_granted_and_one_more_is_refused() {
    let mut pending = pending(3, 0);
    let ids: Vec<u32> = (0..3).map(|_| insert(&mut pending, "a")).collect();
    assert_eq!(
        pending.insert("a", LIMIT).unwrap_err(),
        CallError::TooManyCalls { limit: 3 }
    );
    pending.remove(ids[1]);
    assert!(pending.insert("a", LIMIT).is_ok());
}

#[test]
fn a_table_that_grew_finds_every_call_and_shrinks_when_it_is_empty() {
    let mut pending = pending(usize::MAX, 7);
    let ids: Vec<u32> = (0..5000).map(|n| insert(&mut pending, &n.to_string())).collect();
    for (n, &id) in ids.iter().enumerate() {
        assert!(pending.complete(id, &n.to_string(), Ok(Bytes::new())).is_none());
        assert_eq!(poll(&mut pending, id), Poll::Ready(Ok(Bytes::new())));
    }
    assert_eq!((pending.len(), pending.slots.len()), (0, FEWEST_SLOTS));
}

#[test]
fn a_reply_counts_once_and_only_from_whom_was_called() {
    let mut pending = pending(10, 0);
    let id = insert(&mut pending, "a.b");
    for forger in ["a", "a.b.c", "a.b%%1", "", "A.B"] {
        pending.complete(id, forger, Ok(Bytes::from_static(b"forged")));
        assert!(poll(&mut pending, id).is_pending());
    }
    pending.complete(id, "a.b", Ok(Bytes::from_static(b"first")));
    pending.complete(id, "a.b", Ok(Bytes::from_static(b"second")));
    assert_eq!(
        poll(&mut pending, id),
        Poll::Ready(Ok(Bytes::from_static(b"first")))
    );
    pending.complete(id, "a.b", Ok(Bytes::new()));
    pending.complete(0, "", Ok(Bytes::new()));
    assert_eq!(pending.strays(), 8);
}

#[test]
fn whoever_leaves_takes_the_calls_to_its_secondaries_along() {
    let mut pending = pending(10, 0);
    let ids = ["a", "a%%1", "b", "a.c"].map(|target| insert(&mut pending, target));
    pending.target_left("a");
    let left = ids.map(|id| poll(&mut pending, id).is_ready());
    assert_eq!(left, [true, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn calls_end_at_their_own_deadline_and_slow_ones_are_noticed() {
    let mut pending = pending(10, 0);
    let short = pending.insert("a", Duration::from_millis(50)).unwrap().0;
    let long = insert(&mut pending, "a");
    tokio::time::advance(Duration::from_millis(50)).await;
    let look = pending.look(Instant::now());
    assert!(!look.slow);
    assert_eq!(look.next, Some(Instant::now() + Duration::from_millis(50)));
    let limit = Duration::from_millis(50);
    assert_eq!(
        poll(&mut pending, short),
        Poll::Ready(Err(CallError::TimedOut { limit }))
    );
    tokio::time::advance(limit).await;
    assert!(pending.look(Instant::now()).slow);
    pending.watched = true;
    assert!(!pending.look(Instant::now()).slow);
    tokio::time::advance(LIMIT).await;
    assert_eq!(pending.look(Instant::now()).next, None);
    assert!(poll(&mut pending, long).is_ready());
}
