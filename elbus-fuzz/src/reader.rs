//! What a broker says, as our client reads it.
use std::{cell::OnceCell, time::Duration};

use elbus_client::{Address, Error, Kind, Options};
use elbus_proto::{
    OK,
    delivery::{self, Delivery},
    greeting,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    runtime::Runtime,
};

use crate::bus::{FRAME_LIMIT, PATIENCE, runtime, soon};

/// What names and topics may add to the body of a frame before the client refuses it.
const ADDRESS: usize = 4 * 1024 + delivery::HEADER_LEN;

struct Fake {
    runtime: Runtime,
    listener: UnixListener,
    address: Address,
    _directory: TempDir,
}

thread_local! {
    static FAKE: OnceCell<Fake> = const { OnceCell::new() };
}

impl Fake {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bus.sock");
        let runtime = runtime();
        let listener = {
            let _entered = runtime.enter();
            UnixListener::bind(&path).unwrap()
        };
        Self {
            runtime,
            listener,
            address: Address::Unix(path),
            _directory: directory,
        }
    }

    /// Accepts a client, and says yes to everything.
    async fn greet(&self) -> UnixStream {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        stream.write_all(&greeting::GREETING).await.unwrap();
        stream.write_all(&[OK, OK]).await.unwrap();
        let mut theirs = [0; greeting::LEN + 2 + "reader".len()];
        stream.read_exact(&mut theirs).await.unwrap();
        stream
    }
}

/// A frame as it stands in the input.
type Said = (Kind, bool, String, Option<String>, Vec<u8>);

/// The frames in front of the first that is none.
fn said(mut bytes: &[u8]) -> Vec<Said> {
    let mut frames = Vec::new();
    while let Some(Ok((delivery, len))) = delivery::decode(bytes) {
        if len > FRAME_LIMIT + ADDRESS {
            break;
        }
        bytes = &bytes[len..];
        let Delivery::Frame {
            kind,
            realtime,
            sender,
            topic,
            payload,
        } = delivery
        else {
            continue;
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let topic = match kind {
            Kind::Publication => text(topic).map(Some),
            _ => Some(None),
        };
        let (Some(sender), Some(topic)) = (text(sender), topic) else {
            break;
        };
        frames.push((kind, realtime, sender, topic, payload.to_vec()));
    }
    frames
}

/// The first byte says how the others are cut.
pub fn reader(data: &[u8]) {
    let Some((&how, bytes)) = data.split_first() else {
        return;
    };
    FAKE.with(|fake| {
        let fake = fake.get_or_init(Fake::new);
        fake.runtime
            .block_on(soon("the end of an input", run(fake, how, bytes)));
    });
}

async fn run(fake: &Fake, how: u8, bytes: &[u8]) {
    let options = Options::new("reader")
        .address(fake.address.clone())
        .frame_limit(FRAME_LIMIT)
        .timeout(PATIENCE)
        .ping_interval(Duration::from_secs(60))
        .never_reconnect();
    let (client, mut stream) = tokio::join!(options.connect(), fake.greet());
    let (client, mut inbox) = client.unwrap();
    let asked = client.send("x", "y").confirm().await.unwrap();
    for piece in bytes.chunks(1 + usize::from(how) * 8) {
        // A client that has read enough closes the connection.
        if stream.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    drop(stream);
    let mut got = Vec::new();
    while let Some(frame) = inbox.recv().await {
        got.push((
            frame.kind(),
            frame.is_realtime(),
            frame.sender().to_owned(),
            frame.topic().map(str::to_owned),
            frame.payload().to_vec(),
        ));
    }
    assert_eq!(got, said(bytes), "frames in front of the first that is none");
    // Answered by the input, or unknown: but never without an end.
    match asked.await {
        Ok(()) | Err(Error::Refused(_) | Error::ConnectionLost) => {}
        Err(error) => panic!("the operation ended with {error}"),
    }
}
