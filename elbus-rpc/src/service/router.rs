//! Which method a request is for, and what becomes of those that cannot be handled.
use std::{
    collections::HashMap,
    fmt,
    ops::Range,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use elbus_client::Frame;

use super::{
    describe::{self, MethodDescription},
    events::Events,
    lane::Lane,
    reply::Reply,
};
use crate::{Failure, format, options::Settings, shared::Shared};

/// The lane of all methods without a limit of their own.
const COMMON: usize = 0;

/// A service that has been put together: methods by name, and lanes for them.
#[derive(Default)]
pub(crate) struct Router {
    names: HashMap<Box<[u8]>, usize, foldhash::fast::RandomState>,
    /// The last one, if there is a fallback, is that: it has no name.
    methods: Vec<Route>,
    fallback: Option<usize>,
    lanes: Vec<Lane>,
    events: Events,
}

/// What to do with the requests for one method.
pub(crate) struct Route {
    pub(super) name: String,
    pub(super) description: String,
    /// A limit of its own.
    pub(super) concurrent: Option<usize>,
    pub(super) lane: usize,
    pub(super) start: Start,
}

/// Spawns the handler of a request.
pub(super) type Start = Box<dyn Fn(Task) + Send + Sync>;

/// A request that waits for its turn.
pub(crate) struct Request {
    pub(super) frame: Frame,
    pub(super) id: u32,
    /// Length of the method's name.
    pub(super) method: usize,
    route: usize,
}

/// A request whose turn it is.
pub(super) struct Task {
    pub(super) place: super::aside::Place,
    pub(super) reply: Reply,
}

/// How much is going on.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) events: usize,
}

impl Router {
    pub(super) fn new(mut routes: Vec<Route>, fallback: Option<Route>, events: Events) -> Self {
        let names = routes.iter().enumerate();
        let names = names
            .map(|(at, route)| (route.name.as_bytes().into(), at))
            .collect();
        let last = routes.len();
        routes.extend(fallback);
        Self {
            names,
            fallback: (routes.len() > last).then_some(last),
            methods: routes,
            lanes: Vec::new(),
            events,
        }
    }

    pub(crate) fn with_limits(mut self, settings: &Settings) -> Self {
        let (waiting, bytes) = (settings.waiting_requests, settings.waiting_bytes);
        self.lanes = vec![Lane::new(settings.concurrent, waiting, bytes)];
        for route in &mut self.methods {
            route.lane = COMMON;
            if let Some(limit) = route.concurrent {
                route.lane = self.lanes.len();
                self.lanes.push(Lane::new(Some(limit), waiting, bytes));
            }
        }
        self.events.limit(settings.waiting_events, bytes);
        self
    }

    /// Takes a request in, or refuses it.
    pub(crate) fn take_request(&self, shared: &Arc<Shared>, frame: Frame, id: u32, method: usize) {
        let name = Request::name_in(&frame, method);
        if name == describe::METHOD.as_bytes() {
            self.describe(shared, &frame, id);
            return;
        }
        let Some(route) = self.names.get(name).copied().or(self.fallback) else {
            shared.refuse(&frame, id, &Failure::no_such_method(name));
            return;
        };
        let lane = self.methods[route].lane;
        let request = Request {
            frame,
            id,
            method,
            route,
        };
        match self.lanes[lane].admit(request) {
            Ok(()) => self.advance(shared, lane),
            Err(request) => {
                shared.refused_busy.fetch_add(1, Relaxed);
                shared.refuse(
                    &request.frame,
                    id,
                    &Failure::busy("too many requests wait already"),
                );
            }
        }
    }

    /// Takes anything but a request in.
    pub(crate) fn take_event(&self, shared: &Arc<Shared>, frame: Frame) {
        self.events.take(shared, frame);
    }

    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    pub(super) fn lane(&self, at: usize) -> &Lane {
        &self.lanes[at]
    }

    /// Starts what may run in a lane.
    pub(super) fn advance(&self, shared: &Arc<Shared>, lane: usize) {
        self.lanes[lane].advance(|request| {
            let route = &self.methods[request.route];
            (route.start)(Task {
                place: super::aside::Place::new(Arc::clone(shared), lane),
                reply: Reply::new(Arc::clone(shared), request),
            });
        });
    }

    fn describe(&self, shared: &Arc<Shared>, frame: &Frame, id: u32) {
        let named = self.methods.iter().filter(|route| !route.name.is_empty());
        let methods = named.map(|route| MethodDescription {
            name: route.name.clone(),
            description: route.description.clone(),
        });
        let mut description = describe::Description {
            methods: methods.collect(),
        };
        description.methods.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        match format::encode(&[], &description) {
            Ok(result) => shared.answer(frame, id, &result),
            Err(reason) => shared.refuse(frame, id, &Failure::internal(reason)),
        }
    }

    pub(crate) fn load(&self) -> Load {
        let mut load = Load {
            events: self.events.waiting(),
            ..Load::default()
        };
        for (running, waiting) in self.lanes.iter().map(Lane::load) {
            load.running += running;
            load.waiting += waiting;
        }
        load
    }
}

/// What stands in front of a method's name in a request's payload.
const FRONT: usize = 5;

impl Request {
    fn name_in(frame: &Frame, method: usize) -> &[u8] {
        &frame.payload()[FRONT..FRONT + method]
    }

    pub(super) fn name(&self) -> &[u8] {
        Self::name_in(&self.frame, self.method)
    }

    /// Where the method's name stands in the payload.
    pub(super) const fn name_range(&self) -> Range<usize> {
        FRONT..FRONT + self.method
    }

    /// Where the params begin, behind the method's name and its separator.
    pub(super) const fn params_at(&self) -> usize {
        FRONT + self.method + 1
    }

    /// Bytes that it takes while it waits.
    pub(super) fn len(&self) -> usize {
        self.frame.payload().len()
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.methods.iter().map(|route| &route.name).collect();
        f.debug_struct("Router")
            .field("methods", &names)
            .finish_non_exhaustive()
    }
}
