//! Cursors: a client pages through a large result instead of getting it at once. As BUS/RT has them.
//!
//! ```text
//! client                                     service
//!   a method of the service's own     ──▶
//!                                     ◀──   {u: 16 bytes}         the cursor
//!   N   {u}                           ──▶
//!                                     ◀──   a record, or nothing: there are no more
//!   NB  {u, n}                        ──▶
//!                                     ◀──   an array of n records, or of fewer: there are no more
//! ```
//!
//! A cursor that is not there, any more or at all, is error -32001.
mod id;
mod open;
mod records;

pub use id::CursorId;
pub use open::Cursors;
pub use records::Records;

/// The method that answers the next record.
const NEXT: &str = "N";

/// The method that answers the next records.
const NEXT_BULK: &str = "NB";
