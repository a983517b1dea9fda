//! Properties of every codec and of every rule for names and topics, on inputs nobody thought of.
use elbus_proto::{
    ClientName, Code, MaskPart, NameLimits, NameMask, Op, Qos, Topic, TopicFilter, TopicLimits,
    delivery::{self, Delivery, Front, Kind},
    greeting,
    request::{self, RequestHeader},
    rpc::{self, Payload},
};
use proptest::prelude::*;

const CODES: [Code; 9] = [
    Code::NotRegistered,
    Code::Data,
    Code::Io,
    Code::Other,
    Code::NotSupported,
    Code::Busy,
    Code::NotDelivered,
    Code::Timeout,
    Code::Access,
];
const OPS: [Op; 9] = [
    Op::Nop,
    Op::Publish,
    Op::Subscribe,
    Op::Unsubscribe,
    Op::Exclude,
    Op::Unexclude,
    Op::PublishFor,
    Op::Message,
    Op::Broadcast,
];
const QOS: [Qos; 4] = [Qos::No, Qos::Processed, Qos::Realtime, Qos::RealtimeProcessed];
const KINDS: [Kind; 3] = [Kind::Publication, Kind::Message, Kind::Broadcast];

/// What may stand in front of a separator: anything but the separator.
fn address() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1..=255_u8, 0..20)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..64)
}

fn result() -> impl Strategy<Value = Result<(), Code>> {
    prop_oneof![Just(Ok(())), prop::sample::select(CODES.to_vec()).prop_map(Err)]
}

/// A frame as the broker sends it, in parts that own their bytes.
#[derive(Clone, Debug)]
enum Sent {
    Ping,
    Acknowledgement(u32, Result<(), Code>),
    Frame {
        kind: Kind,
        realtime: bool,
        sender: Vec<u8>,
        topic: Vec<u8>,
        payload: Vec<u8>,
    },
}

impl Sent {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ping => vec![0; delivery::HEADER_LEN],
            Self::Acknowledgement(id, result) => delivery::acknowledgement(*id, *result).to_vec(),
            Self::Frame {
                kind,
                realtime,
                sender,
                topic,
                payload,
            } => {
                let mut body = [sender, &[0][..]].concat();
                if *kind == Kind::Publication {
                    body.extend_from_slice(topic);
                    body.push(0);
                }
                body.extend_from_slice(payload);
                let header = delivery::header(*kind, body.len() as u32, *realtime);
                [&header[..], &body].concat()
            }
        }
    }

    fn read(&self) -> Delivery<'_> {
        match self {
            Self::Ping => Delivery::Ping,
            &Self::Acknowledgement(id, result) => Delivery::Acknowledgement { id, result },
            Self::Frame {
                kind,
                realtime,
                sender,
                topic,
                payload,
            } => Delivery::Frame {
                kind: *kind,
                realtime: *realtime,
                sender,
                topic: if *kind == Kind::Publication { topic } else { b"" },
                payload,
            },
        }
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let kind = prop::sample::select(KINDS.to_vec());
    let frame = (kind, any::<bool>(), address(), address(), bytes());
    prop_oneof![
        1 => Just(Sent::Ping),
        2 => (any::<u32>(), result()).prop_map(|(id, result)| Sent::Acknowledgement(id, result)),
        5 => frame.prop_map(|(kind, realtime, sender, topic, payload)| Sent::Frame {
            kind,
            realtime,
            sender,
            topic,
            payload,
        }),
    ]
}

/// A client's frame: its header and its body.
fn requested() -> impl Strategy<Value = (RequestHeader, Vec<u8>)> {
    let op = prop::sample::select(OPS.to_vec());
    let qos = prop::sample::select(QOS.to_vec());
    (any::<u32>(), op, qos, bytes()).prop_map(|(id, op, qos, body)| {
        let body = if op == Op::Nop { Vec::new() } else { body };
        (RequestHeader::new(id, op, qos, body.len() as u32), body)
    })
}

/// Hands a stream over in the given pieces to a reader that says how much it used; answers what is left.
fn in_pieces(stream: &[u8], sizes: &[usize], mut read: impl FnMut(&[u8]) -> Option<usize>) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut rest = stream;
    let mut sizes = sizes.iter().copied().cycle();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
        rest = behind;
        kept.extend_from_slice(piece);
        while let Some(used) = read(&kept) {
            kept.drain(..used);
        }
    }
    kept
}

proptest! {
    #[test]
    fn a_request_header_survives_the_wire((header, _) in requested(), behind in bytes()) {
        let encoded = header.encode();
        prop_assert_eq!(RequestHeader::decode(&[&encoded[..], &behind].concat()), Some(header));
        for end in 0..request::HEADER_LEN {
            prop_assert_eq!(RequestHeader::decode(&encoded[..end]), None);
        }
    }

    #[test]
    fn any_nine_bytes_are_a_header_that_encodes_to_them_again(bytes in any::<[u8; request::HEADER_LEN]>()) {
        let header = RequestHeader::decode(&bytes).unwrap();
        prop_assert_eq!(header.is_ping(), bytes[4] == 0);
        let mut expected = bytes;
        if header.is_ping() {
            expected[5..].fill(0);
        }
        prop_assert_eq!(header.encode(), expected);
        prop_assert!(header.op().is_none_or(|op| op as u8 == header.op_bits()));
    }

    #[test]
    fn a_ping_has_no_body(mut bytes in any::<[u8; request::HEADER_LEN]>()) {
        bytes[4] = 0;
        let header = RequestHeader::decode(&bytes).unwrap();
        prop_assert!(header.is_ping());
        prop_assert_eq!(header.frame_len(), request::HEADER_LEN as u64);
    }

    #[test]
    fn requests_are_read_alike_however_they_are_split(
        sent in prop::collection::vec(requested(), 1..8),
        sizes in prop::collection::vec(1..40_usize, 1..8),
    ) {
        let encode = |(header, body): &(RequestHeader, Vec<u8>)| [&header.encode()[..], body].concat();
        let stream: Vec<u8> = sent.iter().flat_map(encode).collect();
        let mut read = Vec::new();
        let kept = in_pieces(&stream, &sizes, |bytes| {
            let header = RequestHeader::decode(bytes)?;
            let len = header.frame_len() as usize;
            read.push((header, bytes.get(request::HEADER_LEN..len)?.to_vec()));
            Some(len)
        });
        prop_assert!(kept.is_empty());
        prop_assert_eq!(read, sent);
    }

    #[test]
    fn addresses_and_payloads_are_split_at_the_first_zeros(
        one in address(), two in address(), payload in bytes(),
    ) {
        let body = [&one[..], &[0], &two, &[0], &payload].concat();
        prop_assert_eq!(request::addressed(&body), Some((&one[..], &body[one.len() + 1..])));
        prop_assert_eq!(request::addressed_for(&body), Some((&one[..], &two[..], &payload[..])));
        prop_assert_eq!(request::addressed(&one), None);
        prop_assert_eq!(request::addressed_for(&body[..one.len() + 1 + two.len()]), None);
    }

    #[test]
    fn filters_come_out_as_they_were_joined(filters in prop::collection::vec(address(), 1..6)) {
        let body = filters.join(&0);
        // One empty filter and none look the same on the wire; it means none.
        let expected = if body.is_empty() { &[][..] } else { &filters };
        prop_assert!(request::filters(&body).eq(expected));
    }

    #[test]
    fn a_delivery_survives_the_wire(sent in sent(), behind in bytes()) {
        let encoded = sent.encode();
        let stream = [&encoded[..], &behind].concat();
        prop_assert_eq!(delivery::decode(&stream), Some(Ok((sent.read(), encoded.len()))));
        let front = match sent {
            Sent::Frame { .. } => Front::Frame(encoded.len() as u64),
            Sent::Ping | Sent::Acknowledgement(..) => Front::Bare,
        };
        prop_assert_eq!(delivery::front(&stream), Some(Ok(front)));
    }

    #[test]
    fn every_prefix_of_a_delivery_is_incomplete(sent in sent()) {
        let encoded = sent.encode();
        for end in 0..encoded.len() {
            prop_assert_eq!(delivery::decode(&encoded[..end]), None);
            prop_assert_eq!(delivery::front(&encoded[..end]).is_some(), end >= delivery::HEADER_LEN);
        }
    }

    #[test]
    fn deliveries_are_read_alike_however_they_are_split(
        sent in prop::collection::vec(sent(), 1..8),
        sizes in prop::collection::vec(1..40_usize, 1..8),
    ) {
        let stream: Vec<u8> = sent.iter().flat_map(Sent::encode).collect();
        let mut expected = sent.iter();
        let kept = in_pieces(&stream, &sizes, |bytes| {
            let (read, used) = delivery::decode(bytes)?.unwrap();
            assert_eq!(expected.next().map(Sent::read), Some(read));
            Some(used)
        });
        prop_assert!(kept.is_empty());
        prop_assert!(expected.next().is_none());
    }

    #[test]
    fn decoders_bear_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(RequestHeader::decode(&bytes).is_some(), bytes.len() >= request::HEADER_LEN);
        let _ = request::addressed(&bytes);
        let _ = request::addressed_for(&bytes);
        let _ = rpc::decode(&bytes);
        prop_assert_eq!(request::filters(&bytes).count() == 0, bytes.is_empty());
        if let Some(Ok((_, used))) = delivery::decode(&bytes) {
            prop_assert!(used <= bytes.len());
        }
    }

    #[test]
    fn deliveries_of_a_known_kind_bear_any_body(
        kind in prop::sample::select(KINDS.to_vec()), flag in any::<u8>(), body in bytes(),
    ) {
        let mut frame = [&delivery::header(kind, body.len() as u32, false)[..], &body].concat();
        frame[5] = flag;
        let separators = if kind == Kind::Publication { 2 } else { 1 };
        let is_whole = body.iter().filter(|byte| **byte == 0).count() >= separators;
        match delivery::decode(&frame) {
            Some(Ok((Delivery::Frame { realtime, .. }, used))) => {
                prop_assert_eq!((realtime, used, is_whole), (flag != 0, frame.len(), true));
            }
            other => {
                prop_assert_eq!(other, Some(Err(delivery::DeliveryError::MissingSeparator)));
                prop_assert!(!is_whole);
            }
        }
    }

    #[test]
    fn rpc_payloads_survive_the_wire(
        id in any::<u32>(), code in any::<i16>(), method in address(), rest in bytes(),
    ) {
        let request = [&rpc::request_header(id)[..], &method, &[0], &rest].concat();
        prop_assert_eq!(rpc::decode(&request), Ok(Payload::Request { id, method: &method, params: &rest }));
        let reply = [&rpc::reply_header(id)[..], &rest].concat();
        prop_assert_eq!(rpc::decode(&reply), Ok(Payload::Reply { id, result: &rest }));
        let error = [&rpc::error_header(id, code)[..], &rest].concat();
        prop_assert_eq!(rpc::decode(&error), Ok(Payload::Error { id, code, reason: &rest }));
        let notification = [&rpc::NOTIFICATION_HEADER[..], &rest].concat();
        prop_assert_eq!(rpc::decode(&notification), Ok(Payload::Notification(&rest)));
        for (payload, header) in [(&request, request.len() - rest.len()), (&reply, 5), (&error, 7)] {
            for end in 0..header {
                prop_assert!(rpc::decode(&payload[..end]).is_err());
            }
        }
    }

    #[test]
    fn only_one_greeting_is_accepted(bytes in any::<[u8; greeting::LEN]>(), version in any::<u16>()) {
        prop_assert_eq!(greeting::check(bytes).is_ok(), bytes == greeting::GREETING);
        let [low, high] = version.to_le_bytes();
        prop_assert_eq!(greeting::check([greeting::MAGIC, low, high]).is_ok(), version == greeting::VERSION);
    }

    #[test]
    fn result_bytes_are_read_as_they_are_written(result in result(), byte in any::<u8>()) {
        prop_assert_eq!(Code::result(Code::result_byte(result)), result);
        let is_known = byte == elbus_proto::OK || (0x71..=0x79).contains(&byte);
        let expected = if is_known { byte } else { Code::Other.byte() };
        prop_assert_eq!(Code::result_byte(Code::result(byte)), expected);
    }
}

/// Texts in which the marks of names, masks, topics and filters meet often.
fn marks() -> impl Strategy<Value = String> {
    let mark = prop::sample::select("ab.%*?/+#\0\n\u{7f}\u{9b}ü𝄞".chars().collect::<Vec<_>>());
    prop::collection::vec(mark, 0..12).prop_map(|chars| chars.into_iter().collect())
}

/// Marks that make good names and topics, so that not all is refused at first sight.
fn good_marks() -> impl Strategy<Value = String> {
    let mark = prop::sample::select("ab.%*?/+#".chars().collect::<Vec<_>>());
    prop::collection::vec(mark, 1..7).prop_map(|chars| chars.into_iter().collect())
}

/// Bytes to be judged: marks, other Unicode texts, and bytes that need not be UTF-8.
fn judged() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => good_marks().prop_map(String::into_bytes),
        2 => marks().prop_map(String::into_bytes),
        2 => any::<String>().prop_map(String::into_bytes),
        1 => bytes(),
    ]
}

const NAMES: NameLimits = NameLimits { bytes: 10, parts: 4 };
const TOPICS: TopicLimits = TopicLimits { bytes: 10, levels: 4 };

/// The rules all four share: the text, if it obeys them.
fn plain(bytes: &[u8], separator: char) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let fits = (1..=10).contains(&text.len()) && text.matches(separator).count() < 4;
    (fits && !text.chars().any(char::is_control)).then_some(text)
}

/// Whether `%%` is absent, or is there once with something on both sides.
fn is_well_separated(text: &str) -> bool {
    let sides: Vec<&str> = text.split("%%").collect();
    sides.len() == 1 || (sides.len() == 2 && sides.iter().all(|side| !side.is_empty()))
}

/// Whether a mark that stands for the rest is absent, or is the whole last part.
fn stands_last(text: &str, mark: char, separator: char) -> bool {
    match text.split_once(mark) {
        None => true,
        Some((before, after)) => after.is_empty() && (before.is_empty() || before.ends_with(separator)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_name_is_accepted_exactly_if_the_rules_allow_it(bytes in judged()) {
        let expected =
            plain(&bytes, '.').filter(|text| is_well_separated(text) && !text.contains(['*', '?']));
        let name = ClientName::parse(&bytes, NAMES).ok();
        prop_assert_eq!(name.map(ClientName::as_str), expected);
        if let Some(name) = name {
            prop_assert_eq!(name.parts().collect::<Vec<_>>().join("."), name.as_str());
            prop_assert_eq!(name.is_secondary(), name.primary() != name.as_str());
            let primary = ClientName::parse(name.primary().as_bytes(), NAMES);
            prop_assert!(primary.is_ok_and(|primary| !primary.is_secondary()));
        }
    }

    #[test]
    fn a_mask_is_accepted_exactly_if_the_rules_allow_it(bytes in judged()) {
        let expected = plain(&bytes, '.').filter(|text| {
            is_well_separated(text)
                && stands_last(text, '*', '.')
                && text.split('.').all(|part| part == "?" || !part.contains('?'))
        });
        let mask = NameMask::parse(&bytes, NAMES).ok();
        prop_assert_eq!(mask.map(NameMask::as_str), expected);
        if let Some(mask) = mask {
            let parts = mask.parts().map(|part| match part {
                MaskPart::Exactly(text) => text,
                MaskPart::AnyOne => "?",
                MaskPart::Rest => "*",
            });
            prop_assert_eq!(parts.collect::<Vec<_>>().join("."), mask.as_str());
        }
    }

    #[test]
    fn a_topic_is_accepted_exactly_if_the_rules_allow_it(bytes in judged()) {
        let is_wild = |text: &str| text.split('/').any(|level| level == "+" || level == "#");
        let expected = plain(&bytes, '/').filter(|text| !is_wild(text));
        let topic = Topic::parse(&bytes, TOPICS).ok();
        prop_assert_eq!(topic.map(Topic::as_str), expected);
        if let Some(topic) = topic {
            prop_assert_eq!(topic.levels().collect::<Vec<_>>().join("/"), topic.as_str());
        }
    }

    #[test]
    fn a_filter_is_accepted_exactly_if_the_rules_allow_it(bytes in judged()) {
        let expected = plain(&bytes, '/').filter(|text| stands_last(text, '#', '/'));
        prop_assert_eq!(TopicFilter::parse(&bytes, TOPICS).ok().map(TopicFilter::as_str), expected);
    }

    #[test]
    fn a_name_stands_for_itself_alone_and_so_does_a_topic(one in good_marks(), two in good_marks()) {
        let (one, two) = (one.as_bytes(), two.as_bytes());
        if let (Ok(name), Ok(other)) = (ClientName::parse(one, NAMES), ClientName::parse(two, NAMES)) {
            let mask = NameMask::parse(one, NAMES).unwrap();
            prop_assert!(mask.matches(name));
            prop_assert_eq!(mask.matches(other), name == other);
        }
        if let (Ok(topic), Ok(filter)) = (Topic::parse(one, TOPICS), TopicFilter::parse(one, TOPICS)) {
            prop_assert!(filter.matches(topic));
            if let Ok(other) = Topic::parse(two, TOPICS) {
                prop_assert_eq!(filter.matches(other), topic == other);
            }
        }
    }

    #[test]
    fn names_and_topics_of_any_unicode_match_what_stands_for_all(text in any::<String>()) {
        if let Ok(name) = ClientName::parse(text.as_bytes(), NameLimits::default()) {
            prop_assert!(NameMask::parse(b"*", NameLimits::default()).unwrap().matches(name));
        }
        if let Ok(topic) = Topic::parse(text.as_bytes(), TopicLimits::default()) {
            prop_assert!(TopicFilter::parse(b"#", TopicLimits::default()).unwrap().matches(topic));
        }
    }
}

/// Whether `pattern` matches `subject`, both split already: the definition, by recursion.
fn matches_all(pattern: &[&str], subject: &[&str], one: &str, rest: &str) -> bool {
    match (pattern, subject) {
        ([], []) => true,
        ([last], [_, ..]) if *last == rest => true,
        ([first, pattern @ ..], [level, subject @ ..]) => {
            (*first == one || first == level) && matches_all(pattern, subject, one, rest)
        }
        _ => false,
    }
}

/// Every row of up to `depth` of these words.
fn rows<'a>(words: &[&'a str], depth: usize) -> Vec<Vec<&'a str>> {
    let mut rows: Vec<Vec<&str>> = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..depth {
        let until = rows.len();
        for at in from..until {
            for word in words {
                let longer = [&rows[at][..], &[word]].concat();
                rows.push(longer);
            }
        }
        from = until;
    }
    rows.remove(0);
    rows
}

/// What a pattern is made of, and how often it may end in the wildcard for the rest.
fn pattern(one: &'static str, rest: &'static str) -> impl Strategy<Value = Vec<&'static str>> {
    let level = prop::sample::select(vec!["a", "b", one]);
    let end = prop::option::of(Just(rest));
    (prop::collection::vec(level, 0..4), end)
        .prop_map(|(mut levels, end)| {
            levels.extend(end);
            levels
        })
        .prop_filter("not empty", |levels| !levels.is_empty())
}

/// Patterns of up to three levels and a rest differ, if at all, in what they match of five levels; and `c`, which stands in
/// none of them, stands for all the texts that do not.
fn covers_by_brute_force(right: &[&str], asked: &[&str], one: &str, rest: &str) -> bool {
    rows(&["a", "b", "c"], 5)
        .iter()
        .filter(|subject| matches_all(asked, subject, one, rest))
        .all(|subject| matches_all(right, subject, one, rest))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_filter_covers_exactly_those_that_match_nothing_else(
        right in pattern("+", "#"), asked in pattern("+", "#"),
    ) {
        let (own, other) = (right.join("/"), asked.join("/"));
        let limits = TopicLimits::default();
        let own = TopicFilter::parse(own.as_bytes(), limits).unwrap();
        let other = TopicFilter::parse(other.as_bytes(), limits).unwrap();
        prop_assert_eq!(own.covers(other), covers_by_brute_force(&right, &asked, "+", "#"));
        prop_assert!(own.covers(own));
    }

    #[test]
    fn a_mask_covers_exactly_those_that_stand_for_nobody_else(
        right in pattern("?", "*"), asked in pattern("?", "*"),
    ) {
        let (own, other) = (right.join("."), asked.join("."));
        let limits = NameLimits::default();
        let own = NameMask::parse(own.as_bytes(), limits).unwrap();
        let other = NameMask::parse(other.as_bytes(), limits).unwrap();
        prop_assert_eq!(own.covers(other), covers_by_brute_force(&right, &asked, "?", "*"));
        prop_assert!(own.covers(own));
    }

    #[test]
    fn what_covers_matches_all_that_is_covered_whatever_the_texts(
        right in good_marks(), asked in good_marks(), subject in good_marks(),
    ) {
        let filters = (
            TopicFilter::parse(right.as_bytes(), TOPICS),
            TopicFilter::parse(asked.as_bytes(), TOPICS),
            Topic::parse(subject.as_bytes(), TOPICS),
        );
        if let (Ok(right), Ok(asked), Ok(topic)) = filters {
            prop_assert!(!right.covers(asked) || !asked.matches(topic) || right.matches(topic));
        }
        let masks = (
            NameMask::parse(right.as_bytes(), NAMES),
            NameMask::parse(asked.as_bytes(), NAMES),
            ClientName::parse(subject.as_bytes(), NAMES),
        );
        if let (Ok(right), Ok(asked), Ok(name)) = masks {
            prop_assert!(!right.covers(asked) || !asked.matches(name) || right.matches(name));
        }
    }
}
