//! The native half of the bridge: envelopes with their bodies, made and opened many at a time.
//!
//! It knows the ordinary ones: messages for whoever listens, that nobody has signed, with a payload of plain values.
//! Everything else `stentor.bridge` decides in Python, and what this half makes or opens, that one would make or open
//! to the same. So nothing here refuses anything: it declines.
mod body;
mod checksum;
mod commands;
mod entry;
mod frames;
mod head;
mod packing;
mod unpacking;

pub(crate) use commands::pack_commands;
pub(crate) use entry::Entry;
pub(crate) use frames::{Frames, Opened};

use pyo3::PyErr;

/// Why something was not done here.
enum Declined {
    /// It is out of the ordinary.
    Odd,
    /// The interpreter could not.
    Failed(PyErr),
}

impl From<PyErr> for Declined {
    fn from(error: PyErr) -> Self {
        Self::Failed(error)
    }
}

/// What was made or read, unless that was declined.
type Plainly<T> = Result<T, Declined>;

/// Returns None for what is out of the ordinary.
fn unless_odd<T>(result: Plainly<T>) -> pyo3::PyResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Declined::Odd) => Ok(None),
        Err(Declined::Failed(error)) => Err(error),
    }
}

/// How deep the values of a payload may lie in each other.
const DEEPEST: usize = 32;

/// The depth of what lies in a container at `depth`.
#[inline]
fn deeper(depth: usize) -> Plainly<usize> {
    if depth == DEEPEST {
        return Err(Declined::Odd);
    }
    Ok(depth + 1)
}
