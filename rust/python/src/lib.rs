//! The Python binding of `stentor-core`: the module `stentor._native`.
use pyo3::prelude::*;

/// The compiled half of stentor.
#[pymodule]
mod _native {
    /// The version of the crate, which is the version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// The cargo profile of this build: `"release"` or `"debug"`.
    #[pymodule_export]
    const BUILD_PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };
}
