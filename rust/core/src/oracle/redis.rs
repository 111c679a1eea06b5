//! What Redis 7.0 answers, in the order of its own code.

pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.is_empty() {
        pattern.is_empty()
    } else {
        rest_matches(pattern, name)
    }
}

fn rest_matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|taken| rest_matches(rest, &name[taken..])),
        (_, []) => false,
        ([b'?', rest @ ..], [_, others @ ..]) => rest_matches(rest, others),
        ([b'[', b'^', rest @ ..], [byte, others @ ..]) => {
            let (found, rest) = class(rest, *byte, false);
            !found && rest_matches(rest, others)
        }
        ([b'[', rest @ ..], [byte, others @ ..]) => {
            let (found, rest) = class(rest, *byte, false);
            found && rest_matches(rest, others)
        }
        ([b'\\', one, rest @ ..] | [one, rest @ ..], [byte, others @ ..]) => {
            one == byte && rest_matches(rest, others)
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
