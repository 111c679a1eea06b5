//! The native half of delivery: what a message, a mailbox and a call of a handler are, and the pump that moves them.
//!
//! Everything here belongs to one interpreter and is touched under its lock alone: see [`cell`]. The machine of
//! `stentor._machine` holds these objects and decides everything that is out of the ordinary; [`pump`] does the
//! ordinary: a message that there is room for, for handlers that are free and fail not. What a worker does with all this
//! is its [`shift`], in which also a handler that waits is driven to its end.
#![allow(
    clippy::inline_always,
    reason = "on the way of a message, a call of a function costs as much as what the function does"
)]

mod accepting;
mod alarms;
mod answers;
mod asking;
mod awaiting;
mod calling;
pub(crate) mod cell;
mod context;
mod coroutine;
mod deliveries;
mod dicts;
mod door;
mod entries;
#[cfg(target_os = "linux")]
mod estimate;
mod histogram;
mod journal;
mod mailbox;
mod message;
mod moulds;
mod msgpack;
mod prefetch;
mod publication;
mod publishing;
mod pump;
mod questions;
mod queue;
mod quota;
mod receipt;
mod recipient;
mod relay;
mod requests;
mod routes;
mod seats;
mod serving;
mod shift;
mod slim;
mod spares;
mod stopwatch;
mod subscribed;
mod suspended;
mod time;
mod trio_state;
mod turns;
mod uncollected;
mod workers;

pub(crate) use alarms::Alarms;
pub(crate) use asking::Desk;
pub(crate) use awaiting::step_directly;
pub(crate) use context::Current;
pub(crate) use deliveries::Delivery;
pub(crate) use door::{Door, Ids};
pub(crate) use histogram::Histogram;
pub(crate) use journal::Journal;
pub(crate) use mailbox::Lane;
pub(crate) use message::{Id, Message, Stamped};
pub(crate) use moulds::{end_here, moulded};
pub(crate) use publication::Publication;
pub(crate) use publishing::{Publish, PublishNowait, Publisher};
pub(crate) use pump::Pump;
pub(crate) use questions::Question;
pub(crate) use queue::ReadyQueue;
pub(crate) use quota::QuotaState;
pub(crate) use receipt::Receipt;
pub(crate) use recipient::RecipientState;
pub(crate) use relay::Relay;
pub(crate) use requests::Request;
pub(crate) use routes::{RouteState, Selection, Target};
pub(crate) use shift::Shift;
pub(crate) use time::Meter;
pub(crate) use turns::Turns;
pub(crate) use uncollected::learn_when_collected;
pub(crate) use workers::WorkersState;
