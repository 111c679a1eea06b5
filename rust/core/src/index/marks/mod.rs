//! Where the separators of a text are, and whether it holds a byte that calls for a closer look: many bytes at a time.
//!
//! On x86-64 by the instructions of AVX2 where the processor has them, else by those of SSE2; elsewhere byte by byte. This
//! is the one module with unsafe code: the compiler takes vector instructions for safe only where a function names the
//! feature, and then not its callers. Nothing here reads through a pointer.
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
mod one_by_one;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod together;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod wide;

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
use one_by_one::{Same, Wide, same};
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use {
    together::{Same, same},
    wide::Wide,
};

/// How many bytes have their marks in one word, so that most texts need one loop over their separators, which the processor
/// learns to foresee.
pub(super) const PIECE: usize = u64::BITS as usize;

/// How many bytes are looked at together everywhere.
const WIDTH: usize = 16;

/// What was found in a block of bytes.
struct Found {
    /// One bit for each byte that is a separator, the first byte's the lowest.
    separators: u64,
    /// Whether some byte is notable.
    is_notable: bool,
}

/// What is looked for: a separator, and runs of notable bytes, each by its first and by how many follow that.
#[derive(Debug)]
pub(super) struct Marks {
    separator: u8,
    notable: Vec<(Same, Same)>,
    /// The same for more bytes at a time, on processors that can.
    wide: Option<Wide>,
}

impl Marks {
    pub(super) fn new(separator: u8, is_notable: &[bool; 256]) -> Self {
        let mut runs: Vec<(u8, u8)> = Vec::new();
        for byte in (0..=u8::MAX).filter(|&byte| is_notable[usize::from(byte)]) {
            match runs.last_mut() {
                Some((first, more)) if *first + *more == byte.wrapping_sub(1) => *more += 1,
                _ => runs.push((byte, 0)),
            }
        }
        let notable = runs
            .iter()
            .map(|&(first, more)| (same(first), same(more)))
            .collect();
        Self {
            separator,
            notable,
            wide: Wide::new(separator, is_notable),
        }
    }

    /// Finds the separators of a text, one bit for each byte, the first byte's the lowest of the first word; answers with
    /// whether some byte is notable. There is a word for each 64 bytes and one for the rest, even if there is none.
    #[inline]
    pub(super) fn find(&self, text: &[u8], separators: &mut [u64]) -> bool {
        match &self.wide {
            Some(wide) => wide.find(text, separators),
            None => self.find_by_blocks(text, separators),
        }
    }

    #[inline(never)]
    fn find_by_blocks(&self, text: &[u8], separators: &mut [u64]) -> bool {
        separators.fill(0);
        let (blocks, rest) = text.as_chunks();
        let mut is_notable = false;
        let mut note = |found: Found, block: usize| {
            let at = WIDTH * block;
            separators[at / PIECE] |= found.separators << (at % PIECE);
            is_notable |= found.is_notable;
        };
        for (number, block) in blocks.iter().enumerate() {
            note(self.find_in_block(block), number);
        }
        if !rest.is_empty() {
            // What no text has stands behind it.
            let mut block = [0xff; WIDTH];
            block[..rest.len()].copy_from_slice(rest);
            note(self.find_in_block(&block), blocks.len());
        }
        is_notable
    }
}

#[cfg(test)]
mod tests {
    use super::{Marks, PIECE};

    #[test]
    fn many_together_are_found_as_one_by_one() {
        let mut state = 1_u64;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_le_bytes()[7]
        };
        let mut notable_texts = 0;
        for _ in 0..4_000 {
            let mut is_notable = [false; 256];
            for _ in 0..draw() % 4 {
                // What never begins a character is not notable.
                let (first, more) = (draw() % 0xf0, draw() % 8);
                (first..=first + more).for_each(|byte| is_notable[usize::from(byte)] = true);
            }
            let text: Vec<u8> = (0..draw()).map(|_| draw() % 0xff).collect();
            let separator = draw() % 0x80;
            let marks = Marks::new(separator, &is_notable);
            let mut separators = vec![0; text.len() / PIECE + 1];
            for (place, &byte) in text.iter().enumerate() {
                separators[place / PIECE] |= u64::from(byte == separator) << (place % PIECE);
            }
            let has_notable = text.iter().any(|&byte| is_notable[usize::from(byte)]);
            for find in [Marks::find, Marks::find_by_blocks] {
                let mut found = vec![!0; separators.len()];
                assert_eq!(find(&marks, &text, &mut found), has_notable);
                assert_eq!(found, separators);
            }
            notable_texts += u32::from(has_notable);
        }
        assert!((400..3_600).contains(&notable_texts), "{notable_texts}");
    }
}
