//! Sendings over a link that does what it is told.
use std::{collections::VecDeque, num::NonZeroU32, task::Waker};

use elbus_proto::Code;
use parking_lot::Mutex;

use super::*;
use crate::{Client, ConnectError, Inbox, link::Later};

const TICKET: Ticket = Ticket(NonZeroU32::new(7).unwrap());

const REFUSED: Error = Error::Refused(Code::NotRegistered);

/// Answers what it is handed, and what it is asked, with what was put into it.
#[derive(Default)]
struct Script {
    submitted: Mutex<VecDeque<Submitted>>,
    verdict: Mutex<Option<Result<(), Error>>>,
    abandoned: Mutex<Vec<Ticket>>,
}

impl Link for Script {
    fn name(&self) -> &str {
        "script"
    }

    fn submit(&self, _operation: &mut Operation<'_>, _qos: Qos, _awaited: bool) -> Submitted {
        self.submitted.lock().pop_front().expect("handed over once")
    }

    fn poll_verdict(&self, ticket: Ticket, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        assert_eq!(ticket, TICKET);
        self.verdict.lock().take().map_or(Poll::Pending, Poll::Ready)
    }

    fn abandon(&self, ticket: Ticket) {
        self.abandoned.lock().push(ticket);
    }

    fn close(&self) -> Later<Result<(), Error>> {
        unreachable!("no test closes")
    }

    fn secondary(&self) -> Later<Result<(Client, Inbox), ConnectError>> {
        unreachable!("no test registers")
    }
}

fn client(submitted: Submitted) -> (Arc<Script>, Client) {
    let script = Arc::new(Script::default());
    script.submitted.lock().push_back(submitted);
    (Arc::clone(&script), Client::new(script))
}

const fn taken(pause: bool) -> Submitted {
    Submitted::Taken {
        ticket: Some(TICKET),
        pause,
    }
}

fn later(submitted: Submitted) -> Submitted {
    Submitted::Later(Box::pin(std::future::ready(submitted)))
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn one_dropped_while_it_lets_others_run_gives_its_ticket_back_once() {
    for submitted in [|| taken(true), || later(taken(true))] {
        let (script, client) = client(submitted());
        let mut sent = client.send("a", "b").into_future();
        assert!(poll(&mut sent).is_pending());
        drop(sent);
        assert_eq!(*script.abandoned.lock(), [TICKET]);

        script.submitted.lock().push_back(submitted());
        let mut confirming = client.send("a", "b").confirm();
        assert!(poll(&mut confirming).is_pending());
        drop(confirming);
        assert_eq!(*script.abandoned.lock(), [TICKET, TICKET]);
    }
}

#[test]
fn a_verdict_that_nobody_waits_for_any_more_is_abandoned_once() {
    for pause in [false, true] {
        let (script, client) = client(taken(pause));
        let mut sent = client.send("a", "b").into_future();
        assert!(poll(&mut sent).is_pending() && poll(&mut sent).is_pending());
        drop(sent);
        assert_eq!(*script.abandoned.lock(), [TICKET]);

        script.submitted.lock().push_back(taken(pause));
        let mut confirming = client.send("a", "b").confirm();
        let mut polled = poll(&mut confirming);
        if pause {
            assert!(polled.is_pending());
            polled = poll(&mut confirming);
        }
        drop(confirming);
        assert_eq!(*script.abandoned.lock(), [TICKET]);
        drop(polled);
        assert_eq!(*script.abandoned.lock(), [TICKET, TICKET]);
    }
}

#[test]
fn a_verdict_is_given_once_and_not_abandoned_afterwards() {
    for verdict in [Ok(()), Err(REFUSED)] {
        let (script, client) = client(taken(false));
        *script.verdict.lock() = Some(verdict.clone());
        let mut sent = client.send("a", "b").into_future();
        assert_eq!(poll(&mut sent), Poll::Ready(verdict.clone()));
        assert!(poll(&mut sent).is_pending());
        drop(sent);

        script.submitted.lock().push_back(taken(false));
        let Poll::Ready(Ok(mut confirmation)) = poll(&mut client.send("a", "b").confirm()) else {
            panic!("it is taken at once");
        };
        assert!(poll(&mut confirmation).is_pending());
        *script.verdict.lock() = Some(verdict.clone());
        assert_eq!(poll(&mut confirmation), Poll::Ready(verdict));
        drop(confirmation);
        assert!(script.abandoned.lock().is_empty());
    }
}

#[test]
fn a_refusal_is_the_result_of_the_confirmation_and_another_error_that_of_the_handing_over() {
    for submitted in [Submitted::Done, |result| later(Submitted::Done(result))] {
        let (script, client) = client(submitted(Err(REFUSED)));
        let Poll::Ready(Ok(mut confirmation)) = poll(&mut client.send("a", "b").confirm()) else {
            panic!("a refusal is a verdict");
        };
        assert_eq!(poll(&mut confirmation), Poll::Ready(Err(REFUSED)));

        script.submitted.lock().push_back(submitted(Err(Error::Closed)));
        let handed = poll(&mut client.send("a", "b").confirm());
        assert!(matches!(handed, Poll::Ready(Err(Error::Closed))));
    }
}
