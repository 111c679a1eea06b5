//! What Redis 7.0 answers, in the order of its own code.

use std::collections::HashSet;

pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.is_empty() {
        pattern.is_empty()
    } else {
        rest_matches(pattern, name, &mut HashSet::new())
    }
}

/// Whether the rest of a pattern matches the rest of a name.
///
/// A star that has been tried at one place of the name is not tried there again: it failed, or all would be over.
fn rest_matches(pattern: &[u8], name: &[u8], tried: &mut HashSet<(usize, usize)>) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        ([b'*', rest @ ..], _) => {
            tried.insert((pattern.len(), name.len()))
                && (0..=name.len()).any(|taken| rest_matches(rest, &name[taken..], tried))
        }
        (_, []) => false,
        ([b'?', rest @ ..], [_, others @ ..]) => rest_matches(rest, others, tried),
        ([b'[', b'^', rest @ ..], [byte, others @ ..]) => {
            let (found, rest) = class(rest, *byte, false);
            !found && rest_matches(rest, others, tried)
        }
        ([b'[', rest @ ..], [byte, others @ ..]) => {
            let (found, rest) = class(rest, *byte, false);
            found && rest_matches(rest, others, tried)
        }
        ([b'\\', one, rest @ ..] | [one, rest @ ..], [byte, others @ ..]) => {
            one == byte && rest_matches(rest, others, tried)
        }
    }
}

/// Whether a class holds a byte, and the pattern after it.
fn class(body: &[u8], byte: u8, found: bool) -> (bool, &[u8]) {
    match body {
        [b'\\', one, rest @ ..] => class(rest, byte, found || *one == byte),
        [b']', rest @ ..] => (found, rest),
        [] => (found, body),
        [one, b'-', two, rest @ ..] => class(rest, byte, found || between(*one, *two, byte)),
        [one, rest @ ..] => class(rest, byte, found || *one == byte),
    }
}

/// `int start = pattern[0]`, where `char` is signed.
fn between(one: u8, two: u8, byte: u8) -> bool {
    let signed = |byte: u8| i32::from(byte) - if byte >= 0x80 { 256 } else { 0 };
    let (one, two, byte) = (signed(one), signed(two), signed(byte));
    (one <= byte && byte <= two) || (two <= byte && byte <= one)
}
