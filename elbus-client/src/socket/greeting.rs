//! Connecting, and the first words of a connection, up to the broker's consent to the client's name.
//!
//! Exactly the greeting's bytes are read: those behind it are frames.
use std::{
    future::poll_fn,
    io::{self, IoSlice},
    sync::Arc,
};

use elbus_proto::{Code, OK, greeting};

use super::{
    shared::Shared,
    stream::{Incoming, Socket},
};
use crate::{Address, ConnectError};

/// Connects and greets within the time-out.
pub(super) async fn dial(shared: &Shared) -> Result<Arc<Socket>, ConnectError> {
    let limit = shared.options.timeout;
    let address = || shared.address.clone();
    let dialled = async {
        let socket = Socket::connect(&shared.address, &shared.options).await?;
        greet(&socket, shared).await?;
        Ok(Arc::new(socket))
    };
    tokio::time::timeout(limit, dialled).await.unwrap_or_else(|_| {
        Err(ConnectError::TimedOut {
            address: address(),
            limit,
        })
    })
}

async fn greet(socket: &Socket, shared: &Shared) -> Result<(), ConnectError> {
    let name = shared.options.name.as_str();
    let address = || shared.address.clone();
    let lost = |source| ConnectError::Lost {
        address: address(),
        source,
    };
    let refused = |code| ConnectError::Refused {
        name: name.to_owned(),
        code,
    };
    let theirs = hear::<{ greeting::LEN }>(socket).await.map_err(lost)?;
    greeting::check(theirs).map_err(|reason| ConnectError::Greeting {
        address: address(),
        reason,
    })?;
    // A broker that has too many greetings in progress says so right behind its own.
    say(socket, &greeting::GREETING).map_err(lost)?;
    let [answer] = hear(socket).await.map_err(lost)?;
    // Where it speaks TLS alone, our broker says so to those who wait for its greeting.
    if Code::result(answer) == Err(Code::NotSupported) && matches!(shared.address, Address::Tcp(_)) {
        return Err(ConnectError::TlsOnly { address: address() });
    }
    Code::result(answer).map_err(refused)?;
    let len = (name.len() as u16).to_le_bytes();
    say(socket, &[&len, name.as_bytes()].concat()).map_err(lost)?;
    let [answer] = hear(socket).await.map_err(lost)?;
    debug_assert!(answer == OK || Code::result(answer).is_err());
    Code::result(answer).map_err(refused)
}

/// A few bytes fit into the buffer of any new connection.
fn say(socket: &Socket, bytes: &[u8]) -> io::Result<()> {
    match socket.write(&[IoSlice::new(bytes)])? {
        n if n == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

async fn hear<const N: usize>(socket: &Socket) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut heard = 0;
    while heard < N {
        poll_fn(|cx| socket.poll_readable(cx)).await?;
        match socket.try_read(&mut bytes[heard..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => heard += n,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}
