//! The same call to many.
use std::{collections::BTreeMap, time::Duration};

use elbus_client::Code;
use elbus_rpc::{CallError, Failure, Rpc, Service};

use crate::common::{Bus, eventually, in_process, nothing_is_left, on_every_link, options, silent, soon};

async fn serve(bus: &Bus, name: &str) -> Rpc {
    let service = Service::new(name.to_owned()).method("name", async |name: String, (): ()| {
        if name.ends_with("sick") {
            return Err(Failure::new(7, "not today"));
        }
        Ok(name)
    });
    bus.serve(name, service).await
}

async fn all(rpc: &Rpc, mask: &str, limit: Duration) -> BTreeMap<String, Result<String, CallError>> {
    let mut many = rpc.call_many::<_, String>(mask, "name", &()).timeout(limit);
    let mut answers = BTreeMap::new();
    while let Some((name, result)) = soon("an answer", many.next()).await {
        assert!(answers.insert(name, result).is_none());
    }
    answers
}

#[test]
fn everybody_whom_the_mask_names_answers_under_its_name() {
    on_every_link(async |bus| {
        let mut services = Vec::new();
        for name in ["plant.a", "plant.b.c", "plant.sick", "other", "plant"] {
            services.push(serve(&bus, name).await);
        }
        let rpc = bus.caller("plant.caller").await;
        let answers = all(&rpc, "plant.*", crate::common::LONG).await;
        assert_eq!(
            answers,
            BTreeMap::from([
                ("plant.a".to_owned(), Ok("plant.a".to_owned())),
                ("plant.b.c".to_owned(), Ok("plant.b.c".to_owned())),
                (
                    "plant.sick".to_owned(),
                    Err(CallError::Service(Failure::new(7, "not today")))
                ),
            ])
        );
        assert_eq!(all(&rpc, "nobody.*", crate::common::LONG).await.len(), 0);
        assert_eq!(all(&rpc, "*", crate::common::LONG).await.len(), 5);
        nothing_is_left(&rpc).await;
    });
}

#[test]
fn whoever_is_silent_is_reported_at_the_deadline_and_whoever_leaves_at_once() {
    on_every_link(async |bus| {
        let _service = serve(&bus, "plant.a").await;
        let _silent = silent(&bus, "plant.silent").await;
        let (leaver, mut inbox) = silent(&bus, "plant.leaver").await;
        let rpc = bus
            .start("panel", options().watch_after(Duration::from_millis(1)))
            .await;
        let mut many = rpc
            .call_many::<_, String>("plant.?", "name", &())
            .timeout(Duration::from_secs(5));
        let mut answers = Vec::new();
        answers.push(soon("the first", many.next()).await.unwrap());
        soon("the request", inbox.recv()).await.unwrap();
        soon("leaving", leaver.close()).await.unwrap();
        while let Some(answer) = soon("an answer", many.next()).await {
            answers.push(answer);
        }
        assert_eq!(answers[0], ("plant.a".to_owned(), Ok("plant.a".to_owned())));
        assert_eq!(
            answers[1],
            (
                "plant.leaver".to_owned(),
                Err(CallError::TargetLeft {
                    target: "plant.leaver".to_owned()
                })
            )
        );
        assert_eq!(answers[2].0, "plant.silent");
        assert!(matches!(answers[2].1, Err(CallError::TimedOut { .. })));
        assert_eq!(answers.len(), 3);
    });
}

#[test]
fn more_than_are_called_at_once_are_all_called() {
    in_process(async |bus| {
        let mut services = Vec::new();
        for n in 0..700 {
            services.push(serve(&bus, &format!("plant.{n}")).await);
        }
        let rpc = bus.caller("panel").await;
        let answers = all(&rpc, "plant.*", crate::common::LONG).await;
        assert_eq!(answers.len(), 700);
        assert!(answers.iter().all(|(name, result)| result.as_ref() == Ok(name)));
    });
}

#[test]
fn a_stream_that_is_dropped_forgets_its_calls() {
    on_every_link(async |bus| {
        let _service = serve(&bus, "plant.a").await;
        let _silent = silent(&bus, "plant.silent").await;
        let rpc = bus.caller("panel").await;
        let mut many = rpc.call_many::<_, String>("plant.*", "name", &());
        let (name, _) = soon("the first", many.next()).await.unwrap();
        assert_eq!(name, "plant.a");
        eventually("the silent one is called", || rpc.stats().calls_pending == 1).await;
        drop(many);
        nothing_is_left(&rpc).await;
    });
}

#[test]
fn a_mask_that_is_none_is_the_only_answer() {
    on_every_link(async |bus| {
        let rpc = bus.caller("panel").await;
        let answers = all(&rpc, "pl*nt", crate::common::LONG).await;
        assert_eq!(answers.len(), 1);
        assert!(
            matches!(
                answers["pl*nt"],
                Err(CallError::Transport(elbus_client::Error::Mask { .. }) | CallError::Refused(Code::Data))
            ),
            "{answers:?}"
        );
    });
}
