//! What the targets share: grammars, and texts of the characters that mean something in them.
use std::sync::{Arc, LazyLock};

use stentor_core::{Grammar, Limits, Rules};

/// Texts are kept so short that the oracle, which tries everything, stays quick.
const LONGEST: usize = 18;

/// Characters that mean something in some grammar.
const ALPHABET: [char; 24] = [
    'a', 'b', 'c', '.', '.', '/', '/', ':', '*', '*', '?', '[', ']', '!', '-', '^', '+', '#', '>',
    '$', '\\', ' ', 'é', '中',
];

/// Every dialect, a grammar of one's own, and one with limits that are soon met.
pub static GRAMMARS: LazyLock<Vec<Arc<Grammar>>> = LazyLock::new(|| {
    let own = Rules {
        globs: true,
        hidden_prefix: Some("$".into()),
        ..Rules::new(':', "+", "...")
    };
    let loose = Limits {
        max_multi: 3,
        max_segments: 5,
        max_bytes: 17,
    };
    let mut grammars: Vec<_> = Grammar::DIALECTS
        .iter()
        .map(|(_, grammar)| grammar())
        .collect();
    grammars.extend(Grammar::new(own, Limits::default()));
    grammars.extend(Grammar::mailbox().with_limits(loose));
    grammars.into_iter().map(Arc::new).collect()
});

/// A text of one character for each byte, as far as it may be long.
pub fn text(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take(LONGEST)
        .map(|byte| ALPHABET[usize::from(*byte) % ALPHABET.len()])
        .collect()
}
