//! CRC-32 as zlib has it, eight bytes at a time.
#![allow(
    clippy::indexing_slicing,
    reason = "a byte is a place in a table of 256"
)]

const POLYNOMIAL: u32 = 0xedb8_8320;

const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0_u32;
    while byte < 256 {
        let mut value = byte;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ (POLYNOMIAL * (value & 1));
            bit += 1;
        }
        tables[0][byte as usize] = value;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// Goes on with the checksum of what came before, 0 for nothing.
pub(super) fn crc32(before: u32, bytes: &[u8]) -> u32 {
    let mut value = !before;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        let mixed = u64::from_le_bytes(*chunk) ^ u64::from(value);
        let each = mixed.to_le_bytes();
        let with_table = each.iter().zip(TABLES.iter().rev());
        value = with_table.fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)]);
    }
    for byte in rest {
        let [low, ..] = value.to_le_bytes();
        value = (value >> 8) ^ TABLES[0][usize::from(low ^ byte)];
    }
    !value
}
