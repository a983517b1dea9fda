//! Lines of a command FIFO.
use std::{cell::RefCell, fs, io::Write};

use elbus_broker::{Broker, Config, SocketOptions};
use elbus_client::{Client, Inbox, Kind};
use elbus_proto::{BROKER_TOPIC_ROOT, Topic, TopicLimits};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::bus::{PATIENCE, runtime, soon};

/// A line may not be longer, so that inputs of a few bytes reach the limit.
const LINE: usize = 256;

/// More than this does not fit into a pipe that nobody reads while it is written.
const MOST: usize = 32 * 1024;

struct Pipe {
    runtime: Runtime,
    pipe: fs::File,
    inbox: Inbox,
    _witness: Client,
    _broker: Broker,
    _directory: TempDir,
}

thread_local! {
    static PIPE: RefCell<Pipe> = RefCell::new(Pipe::new());
}

impl Pipe {
    fn new() -> Self {
        let runtime = runtime();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("commands");
        let mut config = Config::default();
        config.fifo_line = LINE;
        config.queue_size = MOST;
        // The witness reads, however long its thread may be kept from running.
        config.stall_timeout = PATIENCE;
        let broker = Broker::new(config).unwrap();
        runtime
            .block_on(broker.listen_fifo(&path, &SocketOptions::default()))
            .unwrap();
        let (witness, inbox) = broker.client("witness").unwrap();
        runtime
            .block_on(async { witness.subscribe(&["#"]).await })
            .unwrap();
        Self {
            runtime,
            pipe: fs::OpenOptions::new().write(true).open(&path).unwrap(),
            inbox,
            _witness: witness,
            _broker: broker,
            _directory: directory,
        }
    }
}

/// What lines publish, in order: all that a listener of everything may hear as a publication.
fn published(lines: &[u8]) -> Vec<(String, Vec<u8>)> {
    let whole = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| line.len() <= LINE);
    whole
        .filter_map(|line| {
            let space = line.iter().position(|byte| *byte == b' ')?;
            let topic = std::str::from_utf8(&line[..space]).ok()?.strip_prefix('=')?;
            let good = Topic::parse(topic.as_bytes(), TopicLimits::default()).ok()?;
            let is_broker = good.levels().next() == Some(BROKER_TOPIC_ROOT);
            (!is_broker).then(|| (topic.to_owned(), line[space + 1..].to_vec()))
        })
        .collect()
}

/// Lines, and one more behind them that is good.
pub fn fifo(data: &[u8]) {
    let lines = [&data[..data.len().min(MOST)], b"\n=the/end of this input\n"].concat();
    let expected = published(&lines);
    PIPE.with_borrow_mut(|pipe| {
        pipe.pipe.write_all(&lines).unwrap();
        let inbox = &mut pipe.inbox;
        let got = pipe.runtime.block_on(soon("the last line", async {
            let mut got = Vec::new();
            while got.len() < expected.len() {
                let frame = inbox.recv().await.expect("the witness stays");
                if frame.kind() == Kind::Publication && frame.sender() == ".fifo" {
                    got.push((frame.topic().unwrap().to_owned(), frame.payload().to_vec()));
                }
            }
            got
        }));
        assert_eq!(got, expected, "what is published");
        assert_eq!(pipe.inbox.try_recv(), None, "nothing comes behind the last line");
    });
}
