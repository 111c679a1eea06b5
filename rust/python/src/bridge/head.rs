//! What stands before the body of an envelope; `stentor.bridge._envelope` says where what is.
use super::checksum::crc32;

const MAGIC: [u8; 2] = *b"ST";
const VERSION: u8 = 1;
const MESSAGEPACK: u8 = 1;
const KIND: u8 = 0x0f;
const AGAIN: u8 = 0x20;
/// Bytes before the checksum, and with it.
const UNCHECKED: usize = 36;
const WHOLE: usize = UNCHECKED + 4;

/// Which sender it is from.
pub(super) type Origin = [u8; 8];

/// What one envelope says, without a signature.
pub(super) struct Head<'a> {
    pub(super) kind: u8,
    pub(super) again: bool,
    pub(super) origin: Origin,
    pub(super) number: u64,
    pub(super) sent_at: u64,
    pub(super) hop: u8,
    pub(super) topic: &'a [u8],
    pub(super) body: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads an envelope that is whole, undamaged and not signed; None for any other.
    #[inline]
    pub(super) fn read(frame: &'a [u8], most: usize) -> Option<Self> {
        if frame.len() > most {
            return None;
        }
        let (whole, rest) = frame.split_first_chunk::<WHOLE>()?;
        let (head, checksum) = whole.split_first_chunk::<UNCHECKED>()?;
        let (magic, fields) = head.split_first_chunk::<2>()?;
        let ([version, flags], fields) = fields.split_first_chunk::<2>()?;
        let (origin, fields) = fields.split_first_chunk::<8>()?;
        let (number, fields) = fields.split_first_chunk::<8>()?;
        let (sent_at, fields) = fields.split_first_chunk::<8>()?;
        let ([hop, codec], fields) = fields.split_first_chunk::<2>()?;
        let (key, fields) = fields.split_first_chunk::<4>()?;
        let (length, _) = fields.split_first_chunk::<2>()?;
        let expected =
            *magic == MAGIC && *version == VERSION && *codec == MESSAGEPACK && *key == [0; 4];
        if !expected
            || flags & !(KIND | AGAIN) != 0
            || crc32(crc32(0, head), rest).to_be_bytes() != *checksum
        {
            return None;
        }
        let (topic, body) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        Some(Self {
            kind: flags & KIND,
            again: flags & AGAIN != 0,
            origin: *origin,
            number: u64::from_be_bytes(*number),
            sent_at: u64::from_be_bytes(*sent_at),
            hop: *hop,
            topic,
            body,
        })
    }

    /// Returns the envelope; None where its topic is too long for one.
    #[inline]
    pub(super) fn write(&self) -> Option<Vec<u8>> {
        let length = u16::try_from(self.topic.len()).ok()?;
        let mut frame = Vec::with_capacity(WHOLE + self.topic.len() + self.body.len());
        frame.extend_from_slice(&MAGIC);
        frame.push(VERSION);
        frame.push(self.kind | if self.again { AGAIN } else { 0 });
        frame.extend_from_slice(&self.origin);
        frame.extend_from_slice(&self.number.to_be_bytes());
        frame.extend_from_slice(&self.sent_at.to_be_bytes());
        frame.extend_from_slice(&[self.hop, MESSAGEPACK]);
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(&length.to_be_bytes());
        let checksum = crc32(crc32(crc32(0, &frame), self.topic), self.body);
        frame.extend_from_slice(&checksum.to_be_bytes());
        frame.extend_from_slice(self.topic);
        frame.extend_from_slice(self.body);
        Some(frame)
    }
}
