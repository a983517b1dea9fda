//! Requests that are not frames to deliver: pings, and changes of what the client receives.
use elbus_proto::{Code, Op, TopicFilter, request};

use super::{BUDGET, Malformed, Router, Stop};
use crate::{
    session::frames::{Frames, Request},
    subscriptions::Change,
};

/// How far the filters of one request are carried out: so many, with this result.
pub(super) struct Progress {
    done: usize,
    result: Result<(), Code>,
}

impl Router {
    /// Carries out what is not a frame to deliver.
    pub(super) fn control<'a>(
        &mut self,
        frames: &mut Frames<'a>,
        op: Option<Op>,
        request: Request<'a>,
        count: &mut u64,
    ) -> Result<Option<Stop>, Malformed> {
        let change = match op {
            Some(Op::Nop) if request.body.is_empty() => None,
            Some(Op::Nop) => return Err(Malformed::NopWithBody),
            Some(Op::Subscribe) => Some(Change::Subscribe),
            Some(Op::Unsubscribe) => Some(Change::Unsubscribe),
            Some(Op::Exclude) => Some(Change::Exclude),
            Some(Op::Unexclude) => Some(Change::Unexclude),
            _ => return Err(Malformed::UnknownOperation(request.header.op_bits())),
        };
        let mut result = Ok(());
        if let Some(change) = change {
            match self.change(change, request.body) {
                Some(done) => result = done,
                None => return Ok(Some(Stop::Budget)),
            }
        }
        self.spent += 1;
        *count += 1;
        frames.advance(&request);
        self.acknowledge(&request.header, result);
        Ok(None)
    }

    /// Of several filters the valid ones take effect; the first error is the result. Filters beyond the quota are not
    /// looked at: a large frame may hold millions. `None` when the budget is spent before the last one: then this goes
    /// on where it stopped.
    fn change(&mut self, change: Change, body: &[u8]) -> Option<Result<(), Code>> {
        let limit = self.core.settings.subscriptions();
        let (mut done, mut result) = self
            .filters
            .take()
            .map_or((0, Ok(())), |before| (before.done, before.result));
        for filter in request::filters(body).skip(done) {
            if done >= limit {
                return Some(result.and(Err(Code::Busy)));
            }
            if self.spent >= BUDGET {
                self.filters = Some(Progress { done, result });
                return None;
            }
            let changed = TopicFilter::parse(filter, self.core.settings.topics())
                .map_err(|_| Code::Data)
                .and_then(|filter| self.core.subscriptions.change(change, filter, &self.peer));
            result = result.and(changed);
            done += 1;
            self.spent += 1;
        }
        Some(result)
    }
}
