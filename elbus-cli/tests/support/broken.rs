//! A broker that does not do what a broker should.
use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    thread,
};

use elbus_proto::{
    Code, OK, Qos,
    delivery::{Kind, acknowledgement, header},
    greeting::GREETING,
    request::RequestHeader,
    rpc,
};
use tempfile::TempDir;

use super::Cli;

/// A broker that misbehaves in one way, towards one client unless it says otherwise.
pub(crate) struct Broken(TempDir);

impl Broken {
    /// Says something else than a broker.
    pub(crate) fn that_says(words: &'static [u8]) -> Self {
        Self::serving(move |mut stream| {
            stream.write_all(words).unwrap();
            wait_for_end(&mut stream);
        })
    }

    /// Takes connections and says nothing.
    pub(crate) fn silent() -> Self {
        Self::that_says(b"")
    }

    /// Greets, and answers the name with a code.
    pub(crate) fn that_registers_with(code: Code) -> Self {
        Self::serving(move |mut stream| register(&mut stream, code.byte()))
    }

    /// Registers, and answers every acknowledged operation with a code.
    pub(crate) fn that_answers(code: Code) -> Self {
        Self::serving(move |mut stream| {
            register(&mut stream, OK);
            while let Some(header) = request(&mut stream) {
                if header.qos.is_acknowledged() {
                    stream.write_all(&acknowledgement(header.id, Err(code))).unwrap();
                }
            }
        })
    }

    /// Registers, and never answers anything.
    pub(crate) fn that_never_answers() -> Self {
        Self::serving(|mut stream| {
            register(&mut stream, OK);
            wait_for_end(&mut stream);
        })
    }

    /// Registers, acknowledges `good` operations, and hangs up at the next one.
    pub(crate) fn that_hangs_up_after(good: usize) -> Self {
        Self::serving(move |mut stream| {
            register(&mut stream, OK);
            let mut asked = 0;
            while let Some(header) = request(&mut stream) {
                if header.qos == Qos::No && header.body_len == 0 {
                    continue;
                }
                if asked == good {
                    return;
                }
                asked += 1;
                stream.write_all(&acknowledgement(header.id, Ok(()))).unwrap();
            }
        })
    }

    /// Registers, acknowledges one operation, and hangs up at once.
    pub(crate) fn that_hangs_up_when_it_has_acknowledged() -> Self {
        Self::serving(|mut stream| {
            register(&mut stream, OK);
            if let Some(header) = request(&mut stream) {
                stream.write_all(&acknowledgement(header.id, Ok(()))).unwrap();
            }
        })
    }

    /// Registers a client, hangs up, and no longer permits its name when it comes back.
    pub(crate) fn that_registers_once() -> Self {
        Self::listening(|listener| {
            for answer in [OK, Code::Access.byte()] {
                register(&mut listener.accept().unwrap().0, answer);
            }
        })
    }

    /// Registers everybody, acknowledges everything and delivers nothing. When it is called, it knows nobody.
    pub(crate) fn that_swallows_messages() -> Self {
        const NOBODY: &[u8] = b"\x81\xa7clients\x90";
        Self::replying(Some(NOBODY))
    }

    /// The same, and does not answer when it is called.
    pub(crate) fn that_swallows_calls() -> Self {
        Self::replying(None)
    }

    /// Registers everybody, acknowledges everything, and answers every call of its methods with the same result.
    pub(crate) fn that_replies(result: &'static [u8]) -> Self {
        Self::replying(Some(result))
    }

    fn replying(result: Option<&'static [u8]>) -> Self {
        Self::listening(move |listener| {
            // One thread a client, until the test is over.
            while let Ok((stream, _)) = listener.accept() {
                thread::spawn(move || reply_to_all(stream, result));
            }
        })
    }

    fn serving(serve: impl FnOnce(UnixStream) + Send + 'static) -> Self {
        Self::listening(|listener| serve(listener.accept().unwrap().0))
    }

    fn listening(serve: impl FnOnce(UnixListener) + Send + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("bus.sock")).unwrap();
        thread::spawn(move || serve(listener));
        Self(directory)
    }

    pub(crate) fn cli(&self, arguments: &[&str]) -> Cli {
        Cli::new(arguments).env("ELBUS_ADDRESS", self.0.path().join("bus.sock"))
    }
}

fn register(stream: &mut UnixStream, answer: u8) {
    stream.write_all(&GREETING).unwrap();
    let mut theirs = GREETING;
    stream.read_exact(&mut theirs).unwrap();
    stream.write_all(&[OK]).unwrap();
    let mut len = [0; 2];
    stream.read_exact(&mut len).unwrap();
    stream
        .read_exact(&mut vec![0; u16::from_le_bytes(len).into()])
        .unwrap();
    stream.write_all(&[answer]).unwrap();
}

fn reply_to_all(mut stream: UnixStream, result: Option<&[u8]>) -> Option<()> {
    const FROM: &[u8] = b".broker\0";
    register(&mut stream, OK);
    loop {
        let (request, body) = request_and_body(&mut stream)?;
        if request.qos.is_acknowledged() {
            stream.write_all(&acknowledgement(request.id, Ok(()))).ok()?;
        }
        let call = body.strip_prefix(FROM).map(rpc::decode);
        if let (Some(Ok(rpc::Payload::Request { id, .. })), Some(result)) = (call, result) {
            let body = [FROM, &rpc::reply_header(id), result].concat();
            let header = header(Kind::Message, body.len() as u32, false);
            stream.write_all(&[&header[..], &body].concat()).ok()?;
        }
    }
}

/// The header of the next request, its body read as well.
fn request(stream: &mut UnixStream) -> Option<RequestHeader> {
    Some(request_and_body(stream)?.0)
}

fn request_and_body(stream: &mut UnixStream) -> Option<(RequestHeader, Vec<u8>)> {
    let mut header = [0; 9];
    stream.read_exact(&mut header).ok()?;
    let header = RequestHeader::decode(&header).unwrap();
    let mut body = vec![0; header.body_len as usize];
    stream.read_exact(&mut body).ok()?;
    Some((header, body))
}

fn wait_for_end(stream: &mut UnixStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}
