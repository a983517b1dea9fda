//! Services: typed methods by name, and what happens to everything that arrives.
//!
//! ```text
//! Service ── method names ──▶ Router ──▶ Lane (limit, queue) ──▶ handler's task ──▶ Reply
//!         └─ on_… ──────────▶ Events (queue, in order) ──▶ one task
//! ```
//!
//! | file | is about |
//! | --- | --- |
//! | `builder` | `Service`: what a user registers |
//! | `method` | handlers of requests, typed and raw |
//! | `router` | which method a request is for; refusals |
//! | `lane` | how many run, how many wait |
//! | `aside` | a handler's place, and waiting for calls of its own |
//! | `reply` | exactly one reply to a request, whatever becomes of its handler |
//! | `events` | what is no request, in order |
//! | `context`, `describe` | what handlers and callers may learn |

pub(crate) mod aside;
mod builder;
mod context;
pub(crate) mod describe;
mod events;
mod lane;
mod method;
mod reply;
mod router;

pub use builder::Service;
pub use context::Context;
pub use describe::{Description, MethodDescription};
pub use events::Arrival;
pub use method::{IntoMethod, Method, RawHandler, raw, typed};
use router::Request;
pub(crate) use router::{Route, Router};
