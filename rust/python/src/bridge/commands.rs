//! Commands as Redis reads them: arrays of strings.
use std::io::Write;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};

/// Bytes that a word takes beside itself, at most, about.
const AROUND: usize = 16;

/// Return commands, each a tuple of strings, bytes and numbers, in the form in which they are sent.
///
/// Raises:
///     TypeError: A word is of another type.
///     UnicodeEncodeError: A word has no encoding.
#[pyfunction]
pub(crate) fn pack_commands<'py>(
    py: Python<'py>,
    commands: &Bound<'py, PyList>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut packed = Vec::with_capacity(commands.len() * 8 * AROUND);
    for command in commands.iter() {
        let words = command.cast::<PyTuple>()?;
        head(&mut packed, b'*', words.len());
        for word in words.iter_borrowed() {
            if let Ok(bytes) = word.cast::<PyBytes>() {
                string(&mut packed, bytes.as_bytes());
            } else if let Ok(text) = word.cast::<PyString>() {
                string(&mut packed, text.to_str()?.as_bytes());
            } else if word.is_instance_of::<PyInt>() || word.is_instance_of::<PyFloat>() {
                string(&mut packed, word.str()?.to_str()?.as_bytes());
            } else {
                let kind = word.get_type().name()?;
                let message =
                    format!("words of commands must be str, bytes or numbers, not {kind}");
                return Err(PyTypeError::new_err(message));
            }
        }
    }
    Ok(PyBytes::new(py, &packed))
}

fn head(packed: &mut Vec<u8>, kind: u8, count: usize) {
    packed.push(kind);
    // writing to a vector does not fail
    let _ = write!(packed, "{count}\r\n");
}

fn string(packed: &mut Vec<u8>, bytes: &[u8]) {
    head(packed, b'$', bytes.len());
    packed.extend_from_slice(bytes);
    packed.extend_from_slice(b"\r\n");
}
