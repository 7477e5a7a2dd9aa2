//! The list itself: entries of one, two, four or eight bits, packed and compressed (§4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, compress_to_output,
    create_comp_flags_from_zip_params,
};
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The longest list that is unpacked: 64 million entries of one bit.
pub const MAX_INFLATED_BYTES: usize = 8 << 20;

/// What an entry says (§7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0x00: nothing is wrong.
    Valid,
    /// 0x01: worth nothing, for good.
    Invalid,
    /// 0x02: worth nothing for now.
    Suspended,
    /// A meaning of the issuer's own, or none.
    Other(u8),
}

impl From<u8> for Status {
    fn from(value: u8) -> Self {
        match value {
            0 => Self::Valid,
            1 => Self::Invalid,
            2 => Self::Suspended,
            other => Self::Other(other),
        }
    }
}

/// A text that is no status list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidList {
    /// Entries have 1, 2, 4 or 8 bits.
    #[error("the entries of the status list have no possible size")]
    Bits,
    /// Not base64url of ZLIB data, or not all of it.
    #[error("the status list can't be unpacked")]
    Packing,
    /// More than [`MAX_INFLATED_BYTES`].
    #[error("the status list is too long")]
    TooLong,
}

/// The entries of a status list, unpacked.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusList {
    bits: u8,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for StatusList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusList").field("bits", &self.bits).field("len", &self.len()).finish()
    }
}

impl StatusList {
    /// A list of `entries` entries of one bit, of which `invalid` are set; others there are none.
    #[must_use]
    pub fn new(entries: u32, invalid: impl IntoIterator<Item = u32>) -> Self {
        let length = usize::try_from(entries.div_ceil(8)).unwrap_or(usize::MAX);
        let mut bytes = vec![0_u8; length];
        for entry in invalid {
            let place = usize::try_from(entry / 8).unwrap_or(usize::MAX);
            if let Some(byte) = bytes.get_mut(place) {
                *byte |= 1 << (entry % 8);
            }
        }
        Self { bits: 1, bytes }
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        // A usize fits, and eight times the longest list too.
        self.bytes.len() as u64 * 8 / self.bits as u64
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What entry `idx` says; `None` past the end. The lowest bits of a byte are its first entry.
    #[must_use]
    pub fn status(&self, idx: u64) -> Option<Status> {
        let bit = idx.checked_mul(self.bits.into())?;
        let byte = *self.bytes.get(usize::try_from(bit / 8).ok()?)?;
        let mask = u8::try_from((1_u16 << self.bits) - 1).unwrap_or(u8::MAX);
        Some(Status::from((byte >> (bit % 8)) & mask))
    }

    /// ZLIB data in base64url.
    #[must_use]
    pub fn packed(&self) -> PackedList {
        PackedList { bits: self.bits, lst: URL_SAFE_NO_PAD.encode(deflated(&self.bytes)) }
    }
}

/// The `status_list` claim of a list's token (§4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackedList {
    bits: u8,
    lst: String,
}

impl PackedList {
    /// The entries.
    ///
    /// # Errors
    /// [`InvalidList`]. Never unpacks more than [`MAX_INFLATED_BYTES`].
    pub fn unpacked(&self) -> Result<StatusList, InvalidList> {
        if ![1, 2, 4, 8].contains(&self.bits) {
            return Err(InvalidList::Bits);
        }
        let packed = URL_SAFE_NO_PAD.decode(&self.lst).map_err(|_| InvalidList::Packing)?;
        match decompress_to_vec_zlib_with_limit(&packed, MAX_INFLATED_BYTES) {
            Ok(bytes) => Ok(StatusList { bits: self.bits, bytes }),
            Err(error) if error.status == TINFLStatus::HasMoreOutput => Err(InvalidList::TooLong),
            Err(_) => Err(InvalidList::Packing),
        }
    }
}

/// Runs of zeros are all that can be compressed here, so nothing else is looked for: a few percent
/// longer than the best compression there is, in a fiftieth of its time.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    const ZLIB: i32 = 15;
    let flags = create_comp_flags_from_zip_params(9, ZLIB, CompressionStrategy::RLE.into());
    let mut deflated = Vec::new();
    // Taking in all that comes doesn't fail.
    let _ = compress_to_output(
        &mut CompressorOxide::new(flags),
        bytes,
        TDEFLFlush::Finish,
        |chunk: &[u8]| {
            deflated.extend_from_slice(chunk);
            true
        },
    );
    deflated
}

impl Serialize for StatusList {
    /// Packs it, as [`StatusList::packed`].
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.packed().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StatusList {
    /// Unpacks it, as [`PackedList::unpacked`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            bits: u8,
            lst: String,
        }
        let Wire { bits, lst } = Wire::deserialize(deserializer)?;
        PackedList { bits, lst }.unpacked().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(bits: u8, lst: &str) -> Result<StatusList, InvalidList> {
        PackedList { bits, lst: lst.to_owned() }.unpacked()
    }

    fn values(list: &StatusList) -> Vec<u8> {
        (0..list.len())
            .map(|idx| match list.status(idx).unwrap() {
                Status::Valid => 0,
                Status::Invalid => 1,
                Status::Suspended => 2,
                Status::Other(value) => value,
            })
            .collect()
    }

    /// §4.1, §4.2.
    #[test]
    fn the_examples_of_the_draft_are_read() {
        let one = unpacked(1, "eNrbuRgAAhcBXQ").unwrap();
        assert_eq!(one.bytes, [0xb9, 0xa3]);
        assert_eq!(values(&one), [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]);
        let two = unpacked(2, "eNo76fITAAPfAgc").unwrap();
        assert_eq!(two.bytes, [0xc9, 0x44, 0xf9]);
        assert_eq!(values(&two), [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
    }

    /// Appendix C.1 to C.3: lists of 2^20 entries.
    #[test]
    fn the_test_vectors_of_the_draft_are_read() {
        let places: [usize; 11] =
            [0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345];
        is_read(1, VECTOR_1, &places.map(|place| (place, 1)));
        let two = places.into_iter().zip([1, 2, 1, 3, 1, 1, 2, 1, 1, 2, 3]);
        is_read(2, VECTOR_2, &two.collect::<Vec<_>>());
        let four = [
            0, 1993, 35460, 459495, 595669, 754353, 845645, 923232, 924445, 934534, 1004534,
            1000345, 1030203, 1030204, 1030205,
        ];
        is_read(4, VECTOR_4, &four.into_iter().zip(1..).collect::<Vec<_>>());
        let places = places.map(|place| u32::try_from(place).unwrap());
        assert_eq!(unpacked(1, VECTOR_1).unwrap(), StatusList::new(1 << 20, places));
    }

    fn is_read(bits: u8, lst: &str, entries: &[(usize, u8)]) {
        let mut wanted = vec![0; 1 << 20];
        for (place, value) in entries {
            wanted[*place] = *value;
        }
        assert!(values(&unpacked(bits, lst).unwrap()) == wanted, "{bits}");
    }

    const VECTOR_1: &str = "\
        eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAA\
        AAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKj\
        DMAQAAAACAZC8L2AEb";
    const VECTOR_2: &str = "\
        eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAEB5WwIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG\
        12SgAAAAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAA\
        AAAACoYUoAAAAAAAAAAAAAAEBqH81gAQw";
    const VECTOR_4: &str = "\
        eNrt0EENgDAQADAIHwImkIIEJEwCUpCEBBQRHOy35Li1EjoOQGabAgAAAAAAAAAAAAAAAAAAACC1SQ\
        EAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABADrsCAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADoxaEAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAIIoCgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACArpwKAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGhqVkAzlwIAAAAAiGVRAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAABx3AoAgLpVAQAAAAAAAAAAAAAAwM89rwMAAAAAAAAAAAjsA9xMBMA";

    #[test]
    fn what_was_packed_is_unpacked_to_the_same() {
        for entries in [0, 1, 8, 9, 1 << 20] {
            let list = StatusList::new(entries, (0..entries).filter(|entry| entry % 7 == 0));
            assert_eq!(list.packed().unpacked(), Ok(list));
        }
    }

    #[test]
    fn entries_past_the_end_are_none_and_set_nothing() {
        let list = StatusList::new(8, [8, u32::MAX]);
        assert_eq!(values(&list), [0; 8]);
        for idx in [8, u64::MAX / 2, u64::MAX] {
            assert_eq!(list.status(idx), None);
        }
    }

    #[test]
    fn larger_entries_have_values_of_the_issuers_own() {
        let packed = |bytes: &[u8]| StatusList { bits: 1, bytes: bytes.to_vec() }.packed().lst;
        assert_eq!(values(&unpacked(4, &packed(&[0x21])).unwrap()), [1, 2]);
        let eight = unpacked(8, &packed(&[0, 1, 2, 0xff])).unwrap();
        assert_eq!(eight.status(3), Some(Status::Other(0xff)));
        assert_eq!(eight.status(2), Some(Status::Suspended));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bits in [0, 3, 5, 9, 255] {
            assert_eq!(unpacked(bits, "eNrbuRgAAhcBXQ"), Err(InvalidList::Bits));
        }
        for lst in ["!", "eNrbuRgAAhcBXQ==", "eNrbuRgA", "AAAA", "eNrbuRgAAhcBXR"] {
            assert_eq!(unpacked(1, lst), Err(InvalidList::Packing), "{lst}");
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = StatusList { bits: 1, bytes: vec![0; MAX_INFLATED_BYTES + 1] }.packed();
        assert!(bomb.lst.len() < 20_000);
        assert_eq!(bomb.unpacked(), Err(InvalidList::TooLong));
        let most = StatusList { bits: 1, bytes: vec![0; MAX_INFLATED_BYTES] }.packed();
        assert!(most.unpacked().is_ok());
    }
}
