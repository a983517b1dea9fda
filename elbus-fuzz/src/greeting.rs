//! The first words of a connection.
use std::cell::RefCell;

use elbus_proto::{ClientName, Code, NameLimits, OK, greeting};

use crate::bus::{Bus, soon};

thread_local! {
    static BUS: RefCell<Bus> = RefCell::new(Bus::new());
}

/// The first byte says how the others are cut, and whether the version stands in front of them.
pub fn greeting(data: &[u8]) {
    let Some((&how, said)) = data.split_first() else {
        return;
    };
    let said = match how % 2 {
        0 => said.to_vec(),
        _ => [&greeting::GREETING[..], said].concat(),
    };
    BUS.with_borrow_mut(|bus| {
        let mut heard = bus.run(async |bus| {
            let mut wire = bus.connect().await;
            for piece in said.chunks(1 + usize::from(how / 2)) {
                if wire.try_write(piece).is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            // The other half may be closed already.
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut wire.stream).await;
            soon("the end of the connection", wire.hear_out()).await;
            wire.heard
        });
        let expected = answers(&said);
        heard.truncate(expected.len());
        assert_eq!(heard, expected, "the answers to {said:?}");
        bus.expect_order();
    });
}

/// What the protocol answers, up to the last word of the greeting.
fn answers(said: &[u8]) -> Vec<u8> {
    let mut answers = greeting::GREETING.to_vec();
    let Some((theirs, rest)) = said.split_first_chunk() else {
        return answers;
    };
    if greeting::check(*theirs).is_err() {
        answers.push(Code::NotSupported.byte());
        return answers;
    }
    answers.push(OK);
    let limits = NameLimits::default();
    let Some((len, rest)) = rest.split_first_chunk() else {
        return answers;
    };
    let len = usize::from(u16::from_le_bytes(*len));
    if len > limits.bytes {
        answers.push(Code::Data.byte());
        return answers;
    }
    let Some(name) = rest.get(..len) else {
        return answers;
    };
    answers.push(match ClientName::parse(name, limits) {
        Err(_) => Code::Data.byte(),
        Ok(name) if name.is_reserved() => Code::Data.byte(),
        Ok(name) if name.as_str() == crate::bus::WITNESS => Code::Busy.byte(),
        // The only primary there is comes from the same user.
        Ok(name) if name.is_secondary() && name.primary() != crate::bus::WITNESS => {
            Code::NotRegistered.byte()
        }
        Ok(_) => OK,
    });
    answers
}
