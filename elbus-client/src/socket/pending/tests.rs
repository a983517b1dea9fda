//! Operations in any order: answered, abandoned, timed out.
use super::*;

const ANSWERED: Option<Verdict> = Some(Verdict::Answered(Ok(())));

fn answer(pending: &mut Pending, id: OperationId) -> Answer {
    pending.answer(id, Ok(()), &mut Vec::new(), &mut Vec::new())
}

fn take(pending: &mut Pending, id: OperationId) -> Option<Verdict> {
    pending.take(id, Waker::noop())
}

#[test]
fn each_verdict_is_given_once_whatever_the_order_of_answers() {
    let mut pending = Pending::new(100);
    let ids: Vec<_> = (0..100).map(|_| pending.insert(0, false)).collect();
    assert!(pending.is_full());
    for id in ids.iter().rev() {
        assert_eq!(take(&mut pending, *id), None);
        assert_eq!(answer(&mut pending, *id), Answer::Noted);
        assert_eq!(answer(&mut pending, *id), Answer::Stray, "twice");
    }
    for id in ids {
        assert_eq!(take(&mut pending, id), ANSWERED);
    }
    assert_eq!((pending.used, pending.unanswered, pending.waiting()), (0, 0, 0));
}

#[test]
fn an_abandoned_operation_keeps_its_id_until_its_answer_has_come_or_a_time_out_has_passed() {
    let mut pending = Pending::new(100);
    let first = pending.insert(0, false);
    pending.abandon(first);
    for _ in 0..10_000 {
        let next = pending.insert(0, false);
        assert_ne!(next, first);
        assert_eq!(answer(&mut pending, next), Answer::Noted);
        assert_eq!(take(&mut pending, next), ANSWERED);
    }
    let late = pending.insert(1, false);
    pending.abandon(late);
    assert_eq!((pending.slots.len(), pending.unanswered), (2, 2));
    assert_eq!(answer(&mut pending, first), Answer::Noted);
    assert_eq!(pending.end_all(0, Verdict::TimedOut, &mut Vec::new()), 0);
    assert_eq!(pending.end_all(1, Verdict::TimedOut, &mut Vec::new()), 1);
    assert_eq!((pending.used, pending.unanswered, pending.waiting()), (0, 0, 0));
}

#[test]
fn verdicts_that_nobody_takes_do_not_keep_others_from_being_sent() {
    let mut pending = Pending::new(2);
    for _ in 0..10 {
        let held = [pending.insert(0, false), pending.insert(0, false)];
        assert!(pending.is_full());
        assert_eq!(answer(&mut pending, held[0]), Answer::Noted);
        assert_eq!(pending.end_all(0, Verdict::TimedOut, &mut Vec::new()), 1);
        assert!(!pending.is_full());
    }
    assert_eq!(pending.used, 20);
}

#[test]
fn a_verdict_that_the_inbox_is_full_leaves_the_id_to_the_answer_that_is_on_its_way() {
    let mut pending = Pending::new(2);
    let ids = [pending.insert(0, false), pending.insert(0, false)];
    assert_eq!(pending.end_all(0, Verdict::InboxFull, &mut Vec::new()), 2);
    assert!(pending.is_full());
    assert_eq!(take(&mut pending, ids[0]), Some(Verdict::InboxFull));
    for id in ids {
        answer(&mut pending, id);
    }
    assert_eq!(pending.unanswered, 0);
    assert_eq!(take(&mut pending, ids[1]), Some(Verdict::InboxFull));
    assert_eq!(pending.used, 0);
}

#[test]
fn only_what_is_old_enough_times_out_also_when_ticks_wrap_around() {
    for now in [10, 2, u32::MAX] {
        let mut pending = Pending::new(2);
        let old = pending.insert(now.wrapping_sub(5), false);
        let young = pending.insert(now.wrapping_sub(4), false);
        let ended = pending.end_all(now.wrapping_sub(5), Verdict::TimedOut, &mut Vec::new());
        assert_eq!(ended, 1);
        assert_eq!(take(&mut pending, old), Some(Verdict::TimedOut));
        assert_eq!(take(&mut pending, young), None);
    }
}

#[test]
fn what_restores_subscriptions_frees_its_slot_by_itself() {
    let mut pending = Pending::new(1);
    let id = pending.insert(0, true);
    assert_eq!(answer(&mut pending, id), Answer::Restored);
    assert_eq!((pending.used, pending.unanswered, pending.waiting()), (0, 0, 0));
}
