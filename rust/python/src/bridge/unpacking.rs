//! Plain values out of MessagePack.
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use super::{Declined, Plainly, deeper};

/// Bytes from front to back.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_at_the_end(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Plainly<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(Declined::Odd)?;
        self.0 = rest;
        Ok(*first)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Plainly<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    #[inline]
    pub(super) fn bytes(&mut self, count: usize) -> Plainly<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(count).ok_or(Declined::Odd)?;
        self.0 = rest;
        Ok(first)
    }

    fn length(&mut self, width: u8) -> Plainly<usize> {
        Ok(match width {
            0 => usize::from(self.byte()?),
            1 => usize::from(u16::from_be_bytes(self.array()?)),
            _ => u32::from_be_bytes(self.array()?) as usize,
        })
    }

    fn text_of(&mut self, code: u8) -> Plainly<&'a str> {
        let length = match code {
            0xa0..=0xbf => usize::from(code & 0x1f),
            0xd9..=0xdb => self.length(code - 0xd9)?,
            _ => return Err(Declined::Odd),
        };
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Declined::Odd)
    }

    #[inline]
    pub(super) fn text(&mut self) -> Plainly<&'a str> {
        let code = self.byte()?;
        self.text_of(code)
    }

    #[inline]
    pub(super) fn optional_text(&mut self) -> Plainly<Option<&'a str>> {
        match self.byte()? {
            0xc0 => Ok(None),
            code => self.text_of(code).map(Some),
        }
    }

    pub(super) fn float(&mut self) -> Plainly<f64> {
        match self.byte()? {
            0xcb => Ok(f64::from_be_bytes(self.array()?)),
            _ => Err(Declined::Odd),
        }
    }

    pub(super) fn optional_float(&mut self) -> Plainly<Option<f64>> {
        match self.byte()? {
            0xc0 => Ok(None),
            0xcb => Ok(Some(f64::from_be_bytes(self.array()?))),
            _ => Err(Declined::Odd),
        }
    }

    pub(super) fn bool(&mut self) -> Plainly<bool> {
        match self.byte()? {
            0xc2 => Ok(false),
            0xc3 => Ok(true),
            _ => Err(Declined::Odd),
        }
    }

    /// Strings by strings; None where there are none.
    pub(super) fn strings<'py>(&mut self, py: Python<'py>) -> Plainly<Option<Bound<'py, PyDict>>> {
        let count = match self.byte()? {
            0x80 => return Ok(None),
            code @ 0x81..=0x8f => usize::from(code & 0x0f),
            _ => return Err(Declined::Odd),
        };
        let found = PyDict::new(py);
        for _ in 0..count {
            let (key, value) = (self.text()?, self.text()?);
            found.set_item(key, value)?;
        }
        Ok(Some(found))
    }

    /// A value of the types of JSON, or bytes.
    pub(super) fn value<'py>(
        &mut self,
        py: Python<'py>,
        depth: usize,
    ) -> Plainly<Bound<'py, PyAny>> {
        let code = self.byte()?;
        Ok(match code {
            0x00..=0x7f => PyInt::new(py, code).into_any(),
            0xe0..=0xff => PyInt::new(py, i8::from_be_bytes([code])).into_any(),
            0xa0..=0xbf | 0xd9..=0xdb => PyString::new(py, self.text_of(code)?).into_any(),
            0xc0 => py.None().into_bound(py),
            0xc2 | 0xc3 => PyBool::new(py, code == 0xc3).to_owned().into_any(),
            0xc4..=0xc6 => {
                let length = self.length(code - 0xc4)?;
                PyBytes::new(py, self.bytes(length)?).into_any()
            }
            0xcb => PyFloat::new(py, f64::from_be_bytes(self.array()?)).into_any(),
            0xcc => PyInt::new(py, self.byte()?).into_any(),
            0xcd => PyInt::new(py, u16::from_be_bytes(self.array()?)).into_any(),
            0xce => PyInt::new(py, u32::from_be_bytes(self.array()?)).into_any(),
            0xcf => PyInt::new(py, u64::from_be_bytes(self.array()?)).into_any(),
            0xd0 => PyInt::new(py, i8::from_be_bytes(self.array()?)).into_any(),
            0xd1 => PyInt::new(py, i16::from_be_bytes(self.array()?)).into_any(),
            0xd2 => PyInt::new(py, i32::from_be_bytes(self.array()?)).into_any(),
            0xd3 => PyInt::new(py, i64::from_be_bytes(self.array()?)).into_any(),
            0x80..=0x8f => self.pairs(py, usize::from(code & 0x0f), depth)?,
            0x90..=0x9f => self.values(py, usize::from(code & 0x0f), depth)?,
            0xdc | 0xdd => {
                let length = self.length(code - 0xdb)?;
                self.values(py, length, depth)?
            }
            0xde | 0xdf => {
                let length = self.length(code - 0xdd)?;
                self.pairs(py, length, depth)?
            }
            _ => return Err(Declined::Odd),
        })
    }

    fn values<'py>(
        &mut self,
        py: Python<'py>,
        count: usize,
        depth: usize,
    ) -> Plainly<Bound<'py, PyAny>> {
        let depth = deeper(depth)?;
        let found = PyList::empty(py);
        for _ in 0..count {
            found.append(self.value(py, depth)?)?;
        }
        Ok(found.into_any())
    }

    fn pairs<'py>(
        &mut self,
        py: Python<'py>,
        count: usize,
        depth: usize,
    ) -> Plainly<Bound<'py, PyAny>> {
        let depth = deeper(depth)?;
        let found = PyDict::new(py);
        for _ in 0..count {
            let key = self.text()?;
            found.set_item(key, self.value(py, depth)?)?;
        }
        Ok(found.into_any())
    }
}
