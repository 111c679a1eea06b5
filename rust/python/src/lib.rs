//! The module `stentor._native`: the Python binding of `stentor-core`, and the native half of delivery.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(
    clippy::doc_markdown,
    reason = "what documents a class or function here is its Python docstring"
)]

mod bridge;
mod delivery;
mod dialects;
mod directly;
mod errors;
mod grammar;
mod index;
mod panics;
mod pattern;
mod values;

use pyo3::prelude::*;

/// The compiled half of stentor.
#[pymodule(gil_used = true)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::bridge::{Entry, Frames, Opened, pack_commands};
    #[pymodule_export]
    use crate::delivery::{
        Alarms, Current, Delivery, Desk, Door, Histogram, Ids, Journal, Lane, Message, Meter,
        Publication, Publisher, Pump, Question, QuotaState, ReadyQueue, Receipt, RecipientState,
        Relay, Request, RouteState, Selection, Shift, Target, Turns, WorkersState,
    };
    #[pymodule_export]
    use crate::grammar::Grammar;
    #[pymodule_export]
    use crate::index::{Explanation, Index, IndexStatistics};
    #[pymodule_export]
    use crate::pattern::{Pattern, validate_topic};

    /// The version of the crate, which is the version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// The cargo profile of this build: `"release"` or `"debug"`.
    #[pymodule_export]
    const BUILD_PROFILE: &str = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::delivery::learn_when_collected(module.py());
        crate::delivery::end_here::<Message>(module.py());
        crate::delivery::end_here::<Receipt>(module.py());
        crate::delivery::end_here::<Delivery>(module.py());
        crate::delivery::step_directly::<Publication>(module.py());
        crate::delivery::step_directly::<Question>(module.py());
        crate::directly::shorten::<crate::delivery::Publish>(module.py())?;
        crate::directly::shorten::<crate::delivery::PublishNowait>(module.py())?;
        crate::directly::add_method::<crate::index::Match>(module.py())?;
        crate::directly::add_method::<crate::values::Pick>(module.py())
    }
}
