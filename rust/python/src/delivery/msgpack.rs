//! MessagePack: the kinds of values that entries of a journal consist of, each in its shortest form.
//!
//! The forms are those that msgspec has for the same values, which a test compares byte for byte.

pub(crate) fn nil(page: &mut Vec<u8>) {
    page.push(0xc0);
}

pub(crate) fn boolean(page: &mut Vec<u8>, value: bool) {
    page.push(if value { 0xc3 } else { 0xc2 });
}

#[inline]
pub(crate) fn integer(page: &mut Vec<u8>, value: i64) {
    if let Ok(value) = u64::try_from(value) {
        return unsigned(page, value);
    }
    if let Ok(small) = i8::try_from(value) {
        if small < -32 {
            page.push(0xd0);
        }
        page.extend_from_slice(&small.to_be_bytes());
    } else if let Ok(small) = i16::try_from(value) {
        page.push(0xd1);
        page.extend_from_slice(&small.to_be_bytes());
    } else if let Ok(small) = i32::try_from(value) {
        page.push(0xd2);
        page.extend_from_slice(&small.to_be_bytes());
    } else {
        page.push(0xd3);
        page.extend_from_slice(&value.to_be_bytes());
    }
}

#[inline]
fn unsigned(page: &mut Vec<u8>, value: u64) {
    if let Ok(small) = u8::try_from(value) {
        if small >= 0x80 {
            page.push(0xcc);
        }
        page.push(small);
    } else if let Ok(small) = u16::try_from(value) {
        page.push(0xcd);
        page.extend_from_slice(&small.to_be_bytes());
    } else if let Ok(small) = u32::try_from(value) {
        page.push(0xce);
        page.extend_from_slice(&small.to_be_bytes());
    } else {
        page.push(0xcf);
        page.extend_from_slice(&value.to_be_bytes());
    }
}

#[inline]
pub(crate) fn float(page: &mut Vec<u8>, value: f64) {
    page.push(0xcb);
    page.extend_from_slice(&value.to_be_bytes());
}

#[inline]
pub(crate) fn text(page: &mut Vec<u8>, value: &str) {
    sized(page, value.len(), (0xa0, 32), Some(0xd9), 0xda);
    page.extend_from_slice(value.as_bytes());
}

/// The head of an array of so many items, which are to follow.
#[inline]
pub(crate) fn array(page: &mut Vec<u8>, items: usize) {
    sized(page, items, (0x90, 16), None, 0xdc);
}

/// The head of a map of so many pairs, which are to follow.
pub(crate) fn map(page: &mut Vec<u8>, pairs: usize) {
    sized(page, pairs, (0x80, 16), None, 0xde);
}

/// A size: in the head itself below a limit, else behind a head for one byte, two or four.
#[inline]
fn sized(page: &mut Vec<u8>, size: usize, fixed: (u8, u8), one: Option<u8>, two: u8) {
    let (head, limit) = fixed;
    match (u8::try_from(size), u16::try_from(size), one) {
        (Ok(small), ..) if small < limit => page.push(head | small),
        (Ok(small), _, Some(one)) => page.extend_from_slice(&[one, small]),
        (_, Ok(small), _) => {
            page.push(two);
            page.extend_from_slice(&small.to_be_bytes());
        }
        _ => {
            page.push(two + 1);
            let size = u32::try_from(size).unwrap_or(u32::MAX); // nothing here has four thousand million of anything
            page.extend_from_slice(&size.to_be_bytes());
        }
    }
}
