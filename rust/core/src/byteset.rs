//! Sets of bytes.

/// A set of bytes, one bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// Whether the set holds this byte.
    #[must_use]
    pub fn contains(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    /// The bytes from `low` to `high`.
    pub(crate) fn range(low: u8, high: u8) -> Self {
        let mut set = Self::default();
        (low..=high).for_each(|byte| set.insert(byte));
        set
    }

    /// Adds a byte.
    pub(crate) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    /// All other bytes.
    pub(crate) fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// The bytes of both sets.
    pub(crate) fn intersection(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    /// The lowest byte of the set.
    pub(crate) fn first(self) -> Option<u8> {
        let word = self.0.iter().position(|&word| word != 0)?;
        u8::try_from(word * 64 + self.0[word].trailing_zeros() as usize).ok()
    }

    /// The only byte of the set, if it has one.
    pub(crate) fn only(self) -> Option<u8> {
        self.first().filter(|&byte| self == Self::range(byte, byte))
    }
}
