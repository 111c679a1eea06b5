//! Plain values as MessagePack, each in its shortest form.
use std::io::Write;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use super::{Declined, Plainly, deeper};

/// Bytes that grow.
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn nil(&mut self) {
        self.byte(0xc0);
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.byte(0xc2 | u8::from(value));
    }

    pub(super) fn float(&mut self, value: f64) {
        self.byte(0xcb);
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    /// How long something is: by `short` and a few bits if there is such a form, else by a code and 8, 16 or 32 bits.
    fn length(
        &mut self,
        length: usize,
        short: Option<(u8, usize)>,
        codes: (Option<u8>, u8, u8),
    ) -> Plainly<()> {
        if let (Some((code, below)), Ok(few)) = (short, u8::try_from(length))
            && length < below
        {
            self.byte(code | few);
        } else if let (Some(code), Ok(few)) = (codes.0, u8::try_from(length)) {
            self.0.extend_from_slice(&[code, few]);
        } else if let Ok(some) = u16::try_from(length) {
            self.byte(codes.1);
            self.0.extend_from_slice(&some.to_be_bytes());
        } else if let Ok(many) = u32::try_from(length) {
            self.byte(codes.2);
            self.0.extend_from_slice(&many.to_be_bytes());
        } else {
            return Err(Declined::Odd);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn text(&mut self, text: &str) -> Plainly<()> {
        self.text_of_length(text.len())?;
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn text_of_length(&mut self, length: usize) -> Plainly<()> {
        self.length(length, Some((0xa0, 32)), (Some(0xd9), 0xda, 0xdb))
    }

    /// A text and a number, with a hyphen between them.
    pub(super) fn joined(&mut self, text: &str, number: u64) -> Plainly<()> {
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        self.text_of_length(text.len() + 1 + digits)?;
        self.0.extend_from_slice(text.as_bytes());
        // writing to a vector does not fail
        let _ = write!(self.0, "-{number}");
        Ok(())
    }

    /// A string of Python; what no encoding has is declined.
    pub(super) fn string(&mut self, value: &Bound<'_, PyAny>) -> Plainly<()> {
        let string = value.cast_exact::<PyString>().map_err(|_| Declined::Odd)?;
        self.text(string.to_str().map_err(|_| Declined::Odd)?)
    }

    /// A string or None.
    pub(super) fn optional(&mut self, value: Option<&Bound<'_, PyAny>>) -> Plainly<()> {
        match value {
            Some(value) if !value.is_none() => self.string(value),
            _ => {
                self.nil();
                Ok(())
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Plainly<()> {
        self.length(bytes.len(), None, (Some(0xc4), 0xc5, 0xc6))?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn list(&mut self, length: usize) -> Plainly<()> {
        self.length(length, Some((0x90, 16)), (None, 0xdc, 0xdd))
    }

    pub(super) fn map(&mut self, length: usize) -> Plainly<()> {
        self.length(length, Some((0x80, 16)), (None, 0xde, 0xdf))
    }

    fn natural(&mut self, value: u64) {
        if let Ok(few) = u8::try_from(value) {
            if few < 128 {
                self.byte(few);
            } else {
                self.0.extend_from_slice(&[0xcc, few]);
            }
        } else if let Ok(some) = u16::try_from(value) {
            self.byte(0xcd);
            self.0.extend_from_slice(&some.to_be_bytes());
        } else if let Ok(many) = u32::try_from(value) {
            self.byte(0xce);
            self.0.extend_from_slice(&many.to_be_bytes());
        } else {
            self.byte(0xcf);
            self.0.extend_from_slice(&value.to_be_bytes());
        }
    }

    fn negative(&mut self, value: i64) {
        if let Ok(few) = i8::try_from(value) {
            if few < -32 {
                self.byte(0xd0);
            }
            self.0.extend_from_slice(&few.to_be_bytes());
        } else if let Ok(some) = i16::try_from(value) {
            self.byte(0xd1);
            self.0.extend_from_slice(&some.to_be_bytes());
        } else if let Ok(many) = i32::try_from(value) {
            self.byte(0xd2);
            self.0.extend_from_slice(&many.to_be_bytes());
        } else {
            self.byte(0xd3);
            self.0.extend_from_slice(&value.to_be_bytes());
        }
    }

    fn whole(&mut self, value: &Bound<'_, PyInt>) -> Plainly<()> {
        if let Ok(number) = value.extract::<i64>() {
            match u64::try_from(number) {
                Ok(natural) => self.natural(natural),
                Err(_) => self.negative(number),
            }
        } else {
            self.natural(value.extract().map_err(|_| Declined::Odd)?);
        }
        Ok(())
    }

    /// A value that surely comes back equal: of the types of JSON and bytes themselves, and no NaN.
    pub(super) fn value(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Plainly<()> {
        if let Ok(string) = value.cast_exact::<PyString>() {
            self.text(string.to_str().map_err(|_| Declined::Odd)?)
        } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            self.bytes(bytes.as_bytes())
        } else if value.is_none() {
            self.nil();
            Ok(())
        } else if let Ok(truth) = value.cast_exact::<PyBool>() {
            self.bool(truth.is_true());
            Ok(())
        } else if let Ok(number) = value.cast_exact::<PyInt>() {
            self.whole(number)
        } else if let Ok(number) = value.cast_exact::<PyFloat>() {
            let number = number.value();
            if number.is_nan() {
                return Err(Declined::Odd);
            }
            self.float(number);
            Ok(())
        } else {
            self.container(value, depth)
        }
    }

    fn container(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Plainly<()> {
        let depth = deeper(depth)?;
        if let Ok(pairs) = value.cast_exact::<PyDict>() {
            self.map(pairs.len())?;
            for (key, each) in pairs.iter() {
                self.string(&key)?;
                self.value(&each, depth)?;
            }
        } else if let Ok(list) = value.cast_exact::<PyList>() {
            self.list(list.len())?;
            for each in list.iter() {
                self.value(&each, depth)?;
            }
        } else {
            return Err(Declined::Odd);
        }
        Ok(())
    }
}
