//! Answers: what a handler returned becomes a message, and goes straight to whoever asked.
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::deliveries::Delivery;
use super::entries::Call;
use super::message::Message;
use super::moulds::moulded;
use super::requests::{Request, clones};

impl Request {
    /// Takes what a handler returned for its answer; False where that is for the machine to do.
    pub(crate) fn answer(
        &self,
        py: Python<'_>,
        delivery: &Py<Delivery>,
        payload: &Bound<'_, PyAny>,
        now: f64,
    ) -> PyResult<bool> {
        if payload.is_none() {
            return Ok(true);
        }
        let desk = self.desk.get();
        let door = desk.door.get();
        let Some(pump) = &door.pump else {
            return Ok(false);
        };
        let journals = &pump.get().journals;
        if self.over.get() {
            return Ok(journals.is_empty()); // that it was given for nothing is to be written down
        }
        if !door.open.get() || self.is_complete(py)? || !desk.is_private(py)? {
            return Ok(false);
        }
        let question = self.message.get().id(py)?;
        let topic = desk.reply_to.bind(py).add(question.bind(py))?;
        let answer = Message::ordinary(
            topic.cast_into::<PyString>()?.unbind(),
            payload.clone().unbind(),
            Some(delivery.get().target.get().name(py).unbind()),
            door.ids.get().next(py),
            now,
            Some(self.message.get().share_id(py)),
        );
        let answer = moulded(py, answer.answering(question))?;
        let inside = || Call::with(py, delivery.get()).map(Some);
        let told = (door.meter.get(), now);
        journals.accepted(py, answer.get(), &PyTuple::empty(py), inside, told)?;
        door.published.add(1);
        self.take(py, answer)?;
        Ok(true)
    }

    /// Takes an answer, if it is waited for: the first of its sender, and no more than are wanted.
    pub(super) fn take(&self, py: Python<'_>, answer: Py<Message>) -> PyResult<bool> {
        let replies = self.replies.with(|replies| clones(py, replies));
        let sender = answer.get().sender(py);
        if let Some(sender) = &sender {
            for reply in replies {
                if let Some(earlier) = reply.get().sender(py)
                    && earlier.eq(sender)?
                {
                    return Ok(false);
                }
            }
        }
        if self.is_complete(py)? {
            return Ok(false);
        }
        self.replies.with(|replies| replies.push(answer));
        self.speaks(py, sender)?;
        self.look(py)?;
        Ok(true)
    }
}
