//! One field of a good frame changed at a time.
use elbus_proto::{Code, Op, Qos};
use elbus_testkit::{Got, TestBroker, Transport, frame};

use crate::Bystanders;

const LIMIT: usize = 100_000;

/// What the client gets for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// An answer, if it asked for one; the connection lives on.
    Answered(Result<(), Code>),
    /// An answer, if it asked for one; then the connection is closed.
    Closed(Code),
}
use Then::{Answered, Closed};

/// A frame that says it asks for an acknowledgement.
struct Case {
    what: String,
    frame: Vec<u8>,
    then: Then,
}

const ID: u32 = 0x0403_0201;
const FLAGS: usize = 4;
const LENGTH: std::ops::Range<usize> = 5..9;

fn case(what: impl Into<String>, op: Op, body: &[u8], then: Then) -> Case {
    let what = format!("{op:?}: {}", what.into());
    let frame = frame(ID, op, Qos::Processed, body);
    Case { what, frame, then }
}

/// Operations whose body is an address, a separator and a payload, each with a good body.
const ADDRESSED: [(Op, &[u8]); 4] = [
    (Op::Message, b"target\0payload"),
    (Op::Broadcast, b"targe.*\0payload"),
    (Op::Publish, b"a/b\0payload"),
    (Op::PublishFor, b"a/b\0target\0payload"),
];

const CHANGES: [Op; 4] = [Op::Subscribe, Op::Unsubscribe, Op::Exclude, Op::Unexclude];

/// The fields of the header.
fn headers() -> Vec<Case> {
    let mut cases = Vec::new();
    let goods = ADDRESSED
        .into_iter()
        .chain(CHANGES.map(|op| (op, b"a/b".as_slice())));
    for (op, good) in goods {
        cases.push(case("good", op, good, Answered(Ok(()))));
        for len in [LIMIT as u32 + 1, 1 << 31, u32::MAX] {
            let mut over = case(format!("{len} bytes announced"), op, good, Closed(Code::Data));
            over.frame[LENGTH].copy_from_slice(&len.to_le_bytes());
            cases.push(over);
        }
    }
    for bits in 0..0x40 {
        if Op::from_bits(bits).is_some() {
            continue;
        }
        for body in [b"".as_slice(), b"target\0payload"] {
            let what = format!("operation {bits:#04x}, {} bytes", body.len());
            let mut unknown = case(what, Op::Message, body, Closed(Code::NotSupported));
            unknown.frame[FLAGS] = bits | 0x40;
            cases.push(unknown);
        }
    }
    for body in [b"\0".as_slice(), b"target\0payload"] {
        cases.push(case("with a body", Op::Nop, body, Closed(Code::Data)));
    }
    let mut long_nop = case("over the limit", Op::Nop, b"", Closed(Code::Data));
    long_nop.frame[LENGTH].copy_from_slice(&u32::MAX.to_le_bytes());
    cases.push(long_nop);
    cases
}

/// Separators that are missing, or not where they should be.
fn separators() -> Vec<Case> {
    let mut cases = Vec::new();
    for (op, good) in ADDRESSED {
        let address = good.len() - b"\0payload".len();
        cases.push(case("empty", op, b"", Closed(Code::Data)));
        cases.push(case("no separator", op, b"target", Closed(Code::Data)));
        cases.push(case(
            "no separator behind the address",
            op,
            &good[..address],
            Closed(Code::Data),
        ));
        let mut short = case("cut by its length", op, good, Closed(Code::Data));
        let len = u32::try_from(address - 1).unwrap();
        short.frame[LENGTH].copy_from_slice(&len.to_le_bytes());
        cases.push(short);
        cases.push(case("no payload", op, &good[..=address], Answered(Ok(()))));
    }
    cases
}

/// Text that is no name, mask, topic or filter: what is wrong with it, and the text.
fn bad_text() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", Vec::new()),
        ("a control character", b"a\x01b".to_vec()),
        ("a line break", b"a\nb".to_vec()),
        ("a terminal's escape code", b"\x1b[31m".to_vec()),
        ("a delete character", b"a\x7f".to_vec()),
        ("a C1 control character", "a\u{9b}b".into()),
        ("not UTF-8", b"a\xFF".to_vec()),
        ("cut UTF-8", b"a\xC3".to_vec()),
        ("overlong UTF-8", b"\xC0\xAF".to_vec()),
        ("a surrogate", b"\xED\xA0\x80".to_vec()),
    ]
}

fn names() -> Vec<Case> {
    let mut bad = bad_text();
    bad.extend([
        ("a star", b"a.*".to_vec()),
        ("a question mark", b"a?".to_vec()),
        ("256 bytes", vec![b'a'; 256]),
        ("17 parts", [b"a.".repeat(16), b"a".to_vec()].concat()),
        ("no primary", b"%%a".to_vec()),
        ("no suffix", b"a%%".to_vec()),
        ("two suffixes", b"a%%b%%c".to_vec()),
    ]);
    let mut cases = Vec::new();
    for (what, name) in bad {
        let body = [&name[..], b"\0payload"].concat();
        cases.push(case(what, Op::Message, &body, Answered(Err(Code::Data))));
        let body = [b"a/b\0", &name[..], b"\0payload"].concat();
        cases.push(case(what, Op::PublishFor, &body, Answered(Err(Code::Data))));
    }
    let nobody = Answered(Err(Code::NotRegistered));
    cases.push(case("nobody", Op::Message, b"nobody\0payload", nobody));
    cases.push(case(
        "the end of a name",
        Op::Message,
        b"target\0fake\0payload",
        Answered(Ok(())),
    ));
    cases
}

fn masks() -> Vec<Case> {
    let mut bad = bad_text();
    bad.extend([
        ("a star in front", b"*.a".to_vec()),
        ("a star in the middle", b"a.*.b".to_vec()),
        ("a star in a part", b"a.b*".to_vec()),
        ("two stars", b"**".to_vec()),
        ("a question mark in a part", b"a.b?".to_vec()),
        ("256 bytes", vec![b'a'; 256]),
        ("17 parts", [b"?.".repeat(16), b"*".to_vec()].concat()),
    ]);
    let broadcast = |(what, mask): (&str, Vec<u8>)| {
        let body = [&mask[..], b"\0payload"].concat();
        case(what, Op::Broadcast, &body, Answered(Err(Code::Data)))
    };
    bad.into_iter().map(broadcast).collect()
}

fn topics() -> Vec<Case> {
    let too_deep = [b"a/".repeat(32), b"a".to_vec()].concat();
    let mut bad = bad_text();
    bad.extend([("1,025 bytes", vec![b'a'; 1025]), ("33 levels", too_deep.clone())]);
    let mut publish = bad.clone();
    publish.extend([
        ("a wildcard for one level", b"a/+/b".to_vec()),
        ("a wildcard for the rest", b"a/#".to_vec()),
        ("only a wildcard", b"#".to_vec()),
    ]);
    let mut filters = bad;
    filters.extend([
        ("a hash in the middle", b"a/#/b".to_vec()),
        ("a hash in front", b"#/a".to_vec()),
        ("a hash behind a level's text", b"a/b#".to_vec()),
        ("a hash in front of a level's text", b"a/#b".to_vec()),
        ("two hashes", b"##".to_vec()),
    ]);
    let mut cases = Vec::new();
    for (what, topic) in publish {
        let body = [&topic[..], b"\0payload"].concat();
        cases.push(case(what, Op::Publish, &body, Answered(Err(Code::Data))));
        let body = [&topic[..], b"\0target\0payload"].concat();
        cases.push(case(what, Op::PublishFor, &body, Answered(Err(Code::Data))));
    }
    for topic in ["", "/", "/warn", "/info", "/a/b"] {
        let body = format!(".broker{topic}\0payload");
        cases.push(case(
            "the broker's",
            Op::Publish,
            body.as_bytes(),
            Answered(Err(Code::Access)),
        ));
        let body = format!(".broker{topic}\0target\0payload");
        cases.push(case(
            "the broker's",
            Op::PublishFor,
            body.as_bytes(),
            Answered(Err(Code::Access)),
        ));
    }
    for op in CHANGES {
        // An empty filter alone is an empty body, which is valid.
        for (what, filter) in filters.iter().filter(|(_, filter)| !filter.is_empty()) {
            cases.push(case(*what, op, filter, Answered(Err(Code::Data))));
            let among = [b"a/b\0", &filter[..], b"\0c/d"].concat();
            cases.push(case(
                format!("{what}, among others"),
                op,
                &among,
                Answered(Err(Code::Data)),
            ));
        }
        cases.push(case("none", op, b"", Answered(Ok(()))));
        cases.push(case(
            "a trailing separator",
            op,
            b"a/b\0",
            Answered(Err(Code::Data)),
        ));
        cases.push(case(
            "two separators",
            op,
            b"a/b\0\0c/d",
            Answered(Err(Code::Data)),
        ));
    }
    cases
}

/// Sends the case as a client of its own; behind it, in the same packet, a frame that must not be carried out if the
/// connection is closed.
fn try_case(test: &TestBroker, transport: Transport, case: &Case, qos: Qos) {
    let ignored = test.broker.stats().ignored;
    let mut client = test.client(transport, "client");
    let mut bytes = case.frame.clone();
    bytes[FLAGS] = bytes[FLAGS] & 0x3F | (qos as u8) << 6;
    bytes.extend(frame(
        1,
        Op::Message,
        Qos::Processed,
        b"bystander.receiver\0behind it",
    ));
    if matches!(case.then, Answered(_)) {
        bytes.truncate(case.frame.len());
        bytes.extend(frame(2, Op::Nop, Qos::Processed, b""));
    }
    client.write(&bytes);
    let (answer, lives) = match case.then {
        Answered(answer) => (answer, true),
        Closed(code) => (Err(code), false),
    };
    if qos.is_acknowledged() {
        assert_eq!(client.got(), Got::Ack(ID, answer));
    }
    if lives {
        assert_eq!(client.got(), Got::Ack(2, Ok(())));
        client.shutdown_write();
    }
    client.expect_end();
    let expected = u64::from(answer.is_err() && !qos.is_acknowledged());
    assert_eq!(test.broker.stats().ignored - ignored, expected);
}

fn try_all(cases: &[Case]) {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| config.frame_limit = LIMIT);
        let _target = test.client(transport, "target");
        let mut bystanders = Bystanders::new(&test, transport);
        for case in cases {
            for qos in [Qos::No, Qos::Processed, Qos::Realtime, Qos::RealtimeProcessed] {
                let is_ping = case.frame[FLAGS] & 0x3F == 0 && qos == Qos::No;
                if is_ping {
                    continue;
                }
                // Shown when the case fails.
                println!("{transport:?}, {qos:?}, {}", case.what);
                try_case(&test, transport, case, qos);
                bystanders.are_served();
            }
        }
        let stats = test.broker.stats();
        assert_eq!((stats.clients, stats.subscriptions, stats.exclusions), (3, 0, 0));
    }
}

#[test]
fn a_malformed_header_is_answered_and_closes_the_connection() {
    try_all(&headers());
}

#[test]
fn a_body_without_its_separator_is_answered_and_closes_the_connection() {
    try_all(&separators());
}

#[test]
fn a_malformed_target_or_receiver_is_answered_and_the_connection_lives_on() {
    try_all(&names());
}

#[test]
fn a_malformed_mask_is_answered_and_the_connection_lives_on() {
    try_all(&masks());
}

#[test]
fn a_malformed_topic_or_filter_is_answered_and_the_connection_lives_on() {
    try_all(&topics());
}
