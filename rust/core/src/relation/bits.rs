//! Sets of small numbers, one bit for each.

/// A set of numbers below the size it was made with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Bits(Box<[u64]>);

impl Bits {
    pub(super) fn new(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)].into())
    }

    /// The numbers below a size for which something holds.
    pub(super) fn of(size: usize, holds: impl Fn(usize) -> bool) -> Self {
        let mut bits = Self::new(size);
        (0..size)
            .filter(|&number| holds(number))
            .for_each(|number| bits.insert(number));
        bits
    }

    pub(super) fn insert(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    pub(super) fn is_subset(&self, other: &Self) -> bool {
        self.0
            .iter()
            .zip(&other.0)
            .all(|(one, two)| one & !two == 0)
    }

    /// The numbers of the set, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let bits_of = |(index, &word): (usize, &u64)| {
            let rest = |&word: &u64| Some(word & (word - 1)).filter(|&rest| rest != 0);
            let words = std::iter::successors(Some(word).filter(|&word| word != 0), rest);
            words.map(move |word| index * 64 + word.trailing_zeros() as usize)
        };
        self.0.iter().enumerate().flat_map(bits_of)
    }

    /// How many words of memory it takes.
    pub(super) fn words(&self) -> usize {
        self.0.len()
    }
}

/// Adds a set to sets of which none includes another; whether it was not included already.
pub(super) fn insert_minimal(minimal: &mut Vec<Bits>, set: &Bits) -> bool {
    if minimal.iter().any(|known| known.is_subset(set)) {
        return false;
    }
    minimal.retain(|known| !set.is_subset(known));
    minimal.push(set.clone());
    true
}
