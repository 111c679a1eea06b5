//! Sets of characters, as ranges.

/// A set of characters: sorted ranges that neither overlap nor touch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CharSet(Box<[(char, char)]>);

impl CharSet {
    /// The set of the characters in these ranges, both ends included.
    ///
    /// ```
    /// use stentor_core::CharSet;
    ///
    /// let controls = CharSet::new([('\0', '\x1f'), ('\x7f', '\u{9f}')]);
    /// assert!(controls.contains('\n') && !controls.contains('a'));
    /// ```
    pub fn new(ranges: impl IntoIterator<Item = (char, char)>) -> Self {
        let mut ranges: Vec<_> = ranges
            .into_iter()
            .filter(|(low, high)| low <= high)
            .collect();
        ranges.sort_unstable();
        let mut joined: Vec<(char, char)> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            match joined.last_mut() {
                Some(last) if low <= last.1 || is_next(last.1, low) => last.1 = last.1.max(high),
                _ => joined.push((low, high)),
            }
        }
        Self(joined.into())
    }

    /// Whether the set holds this character.
    #[must_use]
    pub fn contains(&self, c: char) -> bool {
        let before = self.0.partition_point(|&(_, high)| high < c);
        self.0.get(before).is_some_and(|&(low, _)| low <= c)
    }

    /// The ranges, ascending, both ends included.
    #[must_use]
    pub fn ranges(&self) -> &[(char, char)] {
        &self.0
    }
}

/// Whether no character lies between these two.
fn is_next(low: char, high: char) -> bool {
    (low..=high).nth(1) == Some(high)
}
