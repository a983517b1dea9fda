//! A network between clients and a broker that splits what passes, delays it, and cuts connections.
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use elbus_broker::Address;
use elbus_testkit::{Random, TestBroker, Transport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

/// The network; gone when dropped.
pub(crate) struct Proxy {
    pub(crate) address: Address,
    cuts: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// In front of a broker; a connection is cut after at most so many bytes.
    pub(crate) async fn start(test: &TestBroker, mut random: Random, longest: usize) -> Self {
        let Address::Tcp(broker) = test.address(Transport::Tcp) else {
            panic!("no TCP address");
        };
        let broker: SocketAddr = broker.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap().to_string());
        let cuts = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&cuts);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(broker).await else {
                    continue;
                };
                let passage = Passage {
                    random: Random::new(random.next()),
                    left: random.below(longest) as i64,
                    abrupt: random.below(2) == 0,
                };
                tokio::spawn(passage.run(near, far, Arc::clone(&counted)));
            }
        });
        Self { address, cuts, task }
    }

    /// Connections cut so far.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection's way.
struct Passage {
    random: Random,
    /// Bytes until it is cut, both ways together.
    left: i64,
    /// Cut with a reset, or in an orderly way.
    abrupt: bool,
}

impl Passage {
    async fn run(mut self, near: TcpStream, far: TcpStream, cuts: Arc<AtomicU64>) {
        if self.abrupt {
            for stream in [&near, &far] {
                socket2::SockRef::from(stream)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
            }
        }
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        let left = Arc::new(AtomicI64::new(self.left));
        let other = Random::new(self.random.next());
        tokio::select! {
            () = carry(near_in, far_out, self.random, &left) => {}
            () = carry(far_in, near_out, other, &left) => {}
        }
        if left.load(SeqCst) <= 0 {
            cuts.fetch_add(1, SeqCst);
        }
    }
}

/// Carries bytes one way, in pieces and with rests, until the connection is to be cut or ends by itself.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut random: Random, left: &AtomicI64) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(n @ 1..) = from.read(&mut bytes).await else {
            return;
        };
        let mut rest = &bytes[..n];
        while !rest.is_empty() {
            let longest = [1, 7, 100, 5_000, 20_000][random.below(5)];
            let piece = rest.len().min(1 + random.below(longest));
            let before = left.fetch_sub(piece as i64, SeqCst);
            let passes = piece.min(usize::try_from(before).unwrap_or(0));
            if to.write_all(&rest[..passes]).await.is_err() || passes < piece {
                return;
            }
            rest = &rest[piece..];
            match random.below(40) {
                0 => tokio::time::sleep(Duration::from_millis(1)).await,
                1..10 => tokio::task::yield_now().await,
                _ => {}
            }
        }
    }
}
