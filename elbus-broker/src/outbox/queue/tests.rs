use super::*;

fn drain(queue: &mut SendQueue, budget: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while !queue.is_empty() {
        let mut parts = [IoSlice::new(&[]); MAX_PARTS];
        let filled = queue.front(&mut parts, budget);
        assert!(filled > 0);
        let n = parts[..filled].iter().map(|part| part.len()).sum();
        assert!(n <= budget);
        for part in &parts[..filled] {
            out.extend_from_slice(part);
        }
        queue.advance(n);
    }
    out
}

#[test]
fn copied_and_shared_bytes_leave_in_the_order_they_came() {
    for budget in [1, 7, 1000, usize::MAX] {
        let mut queue = SendQueue::default();
        let mut expected = Vec::new();
        for n in 0..200_u32 {
            let small = n.to_le_bytes();
            queue.copy([&small, b"-", b""]);
            expected.extend_from_slice(&small);
            expected.push(b'-');
            if n % 7 == 0 {
                let large = vec![n as u8; 3000];
                queue.share(Bytes::from(large.clone()));
                expected.extend_from_slice(&large);
            }
        }
        assert_eq!(queue.len(), expected.len());
        assert!(drain(&mut queue, budget) == expected, "budget {budget}");
    }
}

#[test]
fn blocks_are_sealed_when_they_are_full() {
    let mut queue = SendQueue::default();
    let chunk = vec![7; 1000];
    for _ in 0..200 {
        queue.copy([&chunk, b"", b""]);
    }
    assert!(queue.pieces.len() >= 2, "{} pieces", queue.pieces.len());
    assert!(
        queue
            .pieces
            .iter()
            .all(|piece| piece.as_slice().len() <= pool::BLOCK)
    );
    assert_eq!(drain(&mut queue, usize::MAX).len(), 200_000);
}

/// A frame, its payload shared if it is large, and what it looks like on its way.
fn append(queue: &mut SendQueue, kind: Kind, payload: &[u8]) -> Vec<u8> {
    let body = u32::try_from(payload.len() + 2).unwrap();
    let head = [&delivery::header(kind, body, false)[..], b"s\0"].concat();
    if payload.len() > 1000 {
        queue.copy([&head, b"", b""]);
        queue.share_payload(Bytes::copy_from_slice(payload));
    } else {
        queue.copy([&head, payload, b""]);
    }
    [&head, payload].concat()
}

/// Payloads that look like publications themselves.
fn misleading(n: usize) -> Vec<u8> {
    let len = if n.is_multiple_of(7) { 3000 + n } else { n };
    vec![Kind::Publication as u8; len]
}

#[test]
fn publications_are_dropped_from_the_front_and_everything_else_stays_in_order() {
    for bytes in [0, 1, 5_000, 40_000, usize::MAX] {
        let mut queue = SendQueue::default();
        let mut kept: Vec<u8> = Vec::new();
        let mut dropped = Dropped::default();
        for n in 0..300_usize {
            let kind = [Kind::Publication, Kind::Message, Kind::Broadcast][n % 3];
            let frame = append(&mut queue, kind, &misleading(n));
            if kind == Kind::Publication && dropped.bytes < bytes {
                dropped.bytes += frame.len();
                dropped.frames += 1;
            } else {
                kept.extend(frame);
            }
            if n % 5 == 0 {
                let ack = delivery::acknowledgement(n as u32, Ok(()));
                queue.copy([&ack, b"", b""]);
                kept.extend(ack);
            }
        }
        assert_eq!(queue.drop_publications(bytes), dropped, "{bytes} bytes");
        assert_eq!(queue.len(), kept.len());
        assert!(drain(&mut queue, usize::MAX) == kept, "{bytes} bytes");
    }
}

#[test]
fn the_front_that_is_split_off_has_whole_frames_and_so_has_the_rest_when_publications_are_dropped_from_it() {
    for bytes in [0, 1, 3_000, 10_000, 100_000, 150_000, usize::MAX] {
        let mut queue = SendQueue::default();
        let mut frames = Vec::new();
        for n in 0..300_usize {
            let kind = [Kind::Publication, Kind::Message][n % 2];
            frames.push((kind, append(&mut queue, kind, &misleading(n))));
        }
        let mut front = queue.split_front(bytes);
        let mut split = 0;
        while split < front.len() {
            split += frames.remove(0).1.len();
        }
        assert_eq!(split, front.len(), "{bytes} bytes: a frame is split");
        assert_eq!(drain(&mut front, usize::MAX).len(), split);

        let (publications, others): (Vec<_>, Vec<_>) = frames
            .into_iter()
            .partition(|(kind, _)| *kind == Kind::Publication);
        let dropped = queue.drop_publications(usize::MAX);
        assert_eq!(dropped.frames, publications.len() as u64, "{bytes} bytes");
        let rest: Vec<u8> = others.into_iter().flat_map(|(_, frame)| frame).collect();
        assert!(drain(&mut queue, usize::MAX) == rest, "{bytes} bytes");
    }
}
