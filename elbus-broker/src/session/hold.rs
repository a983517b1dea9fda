//! A session that is held back because someone it sends to is full.
//!
//! While it waits it still notices that its own client hangs up (its name is free at once, what it had sent is still
//! delivered) and that the broker takes the client off the bus.
use std::{pin::pin, sync::Arc, task::Poll};

use super::{End, Session, router::Held};
use crate::{
    deliver::{Fan, Place, Placed},
    peer::Peer,
};

impl Session {
    /// Waits until the session can go on.
    pub(super) async fn wait(&mut self, held: Held) -> Result<(), End> {
        self.flush_touched().await;
        match held {
            Held::Target(target) => {
                let place = self.turn(&target).await?;
                self.router.place = Some(place);
            }
            Held::Own => {
                // Others need not wait for a turn that cannot be used before there is room for the acknowledgements.
                self.router.place = None;
                let own = Arc::clone(&self.peer);
                let mut place = self.turn(&own).await?;
                // Full again, by others who stood in line: the next step comes back here.
                let _ = self.router.finish(Some(&mut place));
            }
            Held::Fan(fan) => self.wait_for_fan(*fan).await?,
        }
        Ok(())
    }

    /// Everyone who has room has the run; now the others, one after the other.
    async fn wait_for_fan(&mut self, fan: Fan) -> Result<(), End> {
        let Fan { mut run, rest, acks } = fan;
        run.share();
        for (peer, mut taken) in rest {
            loop {
                let mut place = self.turn(&peer).await?;
                let placed = self.router.place_rest(&run, &mut place, &mut taken);
                self.flush_touched().await;
                if placed != Placed::Full {
                    break;
                }
            }
        }
        self.router.add_answers(&acks, run.is_realtime());
        Ok(())
    }

    async fn flush_touched(&mut self) {
        loop {
            // Acknowledgements that have no room stay for the next step; whoever was touched does not wait for them.
            let _ = self.router.finish(None);
            if self.router.is_flushed() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits for a turn with a full receiver.
    async fn turn(&mut self, target: &Arc<Peer>) -> Result<Place, End> {
        let peer = Arc::clone(&self.peer);
        let _held = peer.hold_on(target);
        let mut place = Place::new(target);
        {
            let mut turn = pin!(place.turn());
            let socket = Arc::clone(&self.socket);
            let mut hung_up = pin!(socket.hung_up());
            std::future::poll_fn(|cx| {
                peer.watch(cx.waker());
                if peer.is_ejected() {
                    return Poll::Ready(Err(End::Cut));
                }
                if !self.gone && (peer.cut_because().is_some() || hung_up.as_mut().poll(cx).is_ready()) {
                    self.hung_up();
                }
                turn.as_mut().poll(cx).map(Ok)
            })
            .await?;
        }
        Ok(place)
    }
}
