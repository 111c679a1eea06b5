//! Byte by byte.
use super::{Found, Marks, WIDTH};

pub(super) type Same = u8;

pub(super) fn same(byte: u8) -> Same {
    byte
}

/// There is nothing wider.
#[derive(Debug)]
pub(super) enum Wide {}

impl Wide {
    pub(super) fn new(_separator: u8, _is_notable: &[bool; 256]) -> Option<Self> {
        None
    }

    pub(super) fn find(&self, _text: &[u8], _separators: &mut [u64]) -> bool {
        match *self {}
    }
}

impl Marks {
    pub(super) fn find_in_block(&self, block: &[u8; WIDTH]) -> Found {
        let is_in = |byte: u8, &(first, more): &(u8, u8)| byte.wrapping_sub(first) <= more;
        let bit = |place: usize| u64::from(block[place] == self.separator) << place;
        Found {
            separators: (0..WIDTH).map(bit).sum(),
            is_notable: block
                .iter()
                .any(|&byte| self.notable.iter().any(|run| is_in(byte, run))),
        }
    }
}
