//! The fuzz targets as property tests: with their corpora, and with what becomes of these by chance.
//!
//! `PROPTEST_CASES` makes them longer. What fails is made as small as it can be and kept in `targets.proptest-regressions`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
use std::{fs, path::Path};

use elbus_fuzz::{TARGETS, Target};
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};

/// The target of this name, and its corpus.
fn target(name: &str) -> (Target, Vec<Vec<u8>>) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(corpus)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    (
        *target,
        files.iter().map(|file| fs::read(file).unwrap()).collect(),
    )
}

/// A change of an input.
#[derive(Clone, Debug)]
enum Change {
    Byte(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    /// Goes on with another input of the corpus.
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    let telling = prop::sample::select(&b"\0\x01\x7f\x80\xff\n ./*?+#%=:"[..]);
    prop_oneof![
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        3 => (at(), telling).prop_map(|(at, byte)| Change::Byte(at, byte)),
        2 => (at(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, some)| Change::Insert(at, some)),
        2 => (at(), 1..40_usize).prop_map(|(at, len)| Change::Remove(at, len)),
        1 => (at(), 1..40_usize).prop_map(|(at, len)| Change::Repeat(at, len)),
        2 => (at(), at(), at()).prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

fn apply(input: &mut Vec<u8>, change: &Change, corpus: &[Vec<u8>]) {
    let place = |at: &Index, input: &[u8]| at.index(input.len() + 1);
    match change {
        Change::Byte(at, byte) => {
            let at = place(at, input);
            input.splice(at..input.len().min(at + 1), [*byte]);
        }
        Change::Insert(at, some) => {
            let at = place(at, input);
            input.splice(at..at, some.iter().copied());
        }
        Change::Remove(at, len) => {
            let at = place(at, input);
            input.drain(at..input.len().min(at + len));
        }
        Change::Repeat(at, len) => {
            let at = place(at, input);
            let some = input[at..input.len().min(at + len)].to_vec();
            input.splice(at..at, some);
        }
        Change::Splice(at, other, from) => {
            let other = &corpus[other.index(corpus.len())];
            input.truncate(place(at, input));
            input.extend_from_slice(&other[place(from, other)..]);
        }
    }
}

fn runs(name: &str) {
    let (target, corpus) = target(name);
    assert!(corpus.len() > 3, "{name} has a corpus");
    for input in &corpus {
        target(input);
    }
    let mut runner = TestRunner::new(Config {
        failure_persistence: Some(Box::new(
            proptest::test_runner::FileFailurePersistence::WithSource("proptest-regressions"),
        )),
        source_file: Some(file!()),
        ..Config::default()
    });
    let any_bytes = prop::collection::vec(any::<u8>(), 0..300);
    let changed = (any::<Index>(), prop::collection::vec(change(), 1..12)).prop_map(|(of, changes)| {
        let mut input = corpus[of.index(corpus.len())].clone();
        for change in &changes {
            apply(&mut input, change, &corpus);
        }
        input
    });
    let input = prop_oneof![1 => any_bytes, 4 => changed];
    let outcome = runner.run(&input, |input| {
        target(&input);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
}

#[test]
fn whatever_a_connection_says_first_is_answered_as_the_protocol_has_it() {
    runs("greeting");
}

#[test]
fn whatever_connections_do_nobody_is_harmed_and_nothing_is_left() {
    runs("session");
}

#[test]
fn whatever_a_broker_says_our_client_hands_out_the_frames_in_front_of_the_first_bad_one() {
    runs("reader");
}

#[test]
fn whatever_payload_comes_services_and_callers_work_on() {
    runs("rpc_codec");
}

#[test]
fn masks_and_filters_match_and_cover_what_simple_matchers_say() {
    runs("masks");
}

#[test]
fn whatever_lines_come_what_is_to_be_published_is() {
    runs("fifo");
}

#[test]
fn whatever_a_configuration_file_says_it_is_taken_or_refused_for_a_reason() {
    runs("configuration");
}
