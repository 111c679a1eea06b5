//! The native half of delivery: what a message, a mailbox and a call of a handler are, and the pump that moves them.
//!
//! Everything here belongs to one interpreter and is touched under its lock alone: see [`cell`]. The machine of
//! `stentor._machine` holds these objects and decides everything that is out of the ordinary; [`pump`] does the
//! ordinary: a message that there is room for, for handlers that are free, fail not and wait for nothing.
mod alarms;
mod asking;
mod cell;
mod context;
mod deliveries;
mod door;
mod histogram;
mod mailbox;
mod message;
mod pump;
mod recipient;
mod requests;
mod routes;
mod time;

pub(crate) use alarms::Alarms;
pub(crate) use asking::Desk;
pub(crate) use context::Current;
pub(crate) use deliveries::Delivery;
pub(crate) use door::{Door, Ids, Receipt};
pub(crate) use histogram::Histogram;
pub(crate) use mailbox::{Lane, QuotaState};
pub(crate) use message::Message;
pub(crate) use pump::{Pump, ReadyQueue};
pub(crate) use recipient::RecipientState;
pub(crate) use requests::Request;
pub(crate) use routes::{RouteState, Selection, Target};
pub(crate) use time::Meter;
