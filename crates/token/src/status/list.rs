//! The entries of a status list: one, two, four or eight bits each, compressed with ZLIB (§4).

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

/// Maximum size of an unpacked list: 64 million entries of one bit.
pub const MAX_UNPACKED_BYTES: usize = 8 << 20;

/// The value of an entry (§7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0x00: the token is valid.
    Valid,
    /// 0x01: the token is revoked for good.
    Invalid,
    /// 0x02: the token is temporarily invalid.
    Suspended,
    /// A value defined by the issuer, or undefined.
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

/// The `status_list` claim cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The size of an entry is not 1, 2, 4 or 8 bits.
    #[error("the entries of the status list have an invalid size")]
    Bits,
    /// The list is not the base64url encoding of complete ZLIB data.
    #[error("the status list is not valid compressed data")]
    Compression,
    /// The list is longer than [`MAX_UNPACKED_BYTES`].
    #[error("the status list is too long")]
    TooLong,
}

/// The unpacked entries of a status list.
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
    /// A list of `entries` entries of one bit, of which those in `invalid` are set. Indices past the
    /// end are ignored.
    #[must_use]
    pub fn new(entries: u32, invalid: impl IntoIterator<Item = u32>) -> Self {
        let length = usize::try_from(entries.div_ceil(8)).unwrap_or(usize::MAX);
        let mut bytes = vec![0_u8; length];
        for entry in invalid {
            let position = usize::try_from(entry / 8).unwrap_or(usize::MAX);
            if let Some(byte) = bytes.get_mut(position) {
                *byte |= 1 << (entry % 8);
            }
        }
        Self { bits: 1, bytes }
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> u64 {
        // Neither the cast nor the product can overflow: lists are at most `MAX_UNPACKED_BYTES` long.
        self.bytes.len() as u64 * 8 / self.bits as u64
    }

    /// Whether the list has no entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The value of entry `idx`; `None` past the end. The lowest bits of a byte are its first entry.
    #[must_use]
    pub fn status(&self, idx: u64) -> Option<Status> {
        let bit = idx.checked_mul(self.bits.into())?;
        let byte = *self.bytes.get(usize::try_from(bit / 8).ok()?)?;
        let mask = u8::try_from((1_u16 << self.bits) - 1).unwrap_or(u8::MAX);
        Some(Status::from((byte >> (bit % 8)) & mask))
    }

    /// Compresses the list.
    #[must_use]
    pub fn packed(&self) -> PackedList {
        PackedList { bits: self.bits, lst: URL_SAFE_NO_PAD.encode(deflated(&self.bytes)) }
    }
}

/// A compressed list: the `status_list` claim of its token (§4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackedList {
    bits: u8,
    lst: String,
}

impl PackedList {
    /// Decompresses the list, up to [`MAX_UNPACKED_BYTES`].
    ///
    /// # Errors
    /// [`UnpackError`] when the list is malformed or too long.
    pub fn unpacked(&self) -> Result<StatusList, UnpackError> {
        if ![1, 2, 4, 8].contains(&self.bits) {
            return Err(UnpackError::Bits);
        }
        let packed = URL_SAFE_NO_PAD.decode(&self.lst).map_err(|_| UnpackError::Compression)?;
        match decompress_to_vec_zlib_with_limit(&packed, MAX_UNPACKED_BYTES) {
            Ok(bytes) => Ok(StatusList { bits: self.bits, bytes }),
            Err(error) if error.status == TINFLStatus::HasMoreOutput => Err(UnpackError::TooLong),
            Err(_) => Err(UnpackError::Compression),
        }
    }
}

/// Compresses with run-length encoding only. Lists consist mostly of runs of zeros, so the result
/// is a few percent longer than with full matching, but takes a fiftieth of the time.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    const ZLIB: i32 = 15;
    let flags = create_comp_flags_from_zip_params(9, ZLIB, CompressionStrategy::RLE.into());
    let mut deflated = Vec::new();
    // The output callback accepts everything, so compression cannot fail.
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
    /// Compresses the list, as [`StatusList::packed`].
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.packed().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StatusList {
    /// Decompresses the list, as [`PackedList::unpacked`].
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

    fn unpacked(bits: u8, lst: &str) -> Result<StatusList, UnpackError> {
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
    fn the_examples_of_the_draft_can_be_unpacked() {
        let one = unpacked(1, "eNrbuRgAAhcBXQ").unwrap();
        assert_eq!(one.bytes, [0xb9, 0xa3]);
        assert_eq!(values(&one), [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]);
        let two = unpacked(2, "eNo76fITAAPfAgc").unwrap();
        assert_eq!(two.bytes, [0xc9, 0x44, 0xf9]);
        assert_eq!(values(&two), [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
    }

    /// Appendix C.1 to C.3: lists of 2^20 entries.
    #[test]
    fn the_test_vectors_of_the_draft_can_be_unpacked() {
        let positions: [usize; 11] =
            [0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345];
        check_vector(1, VECTOR_1, &positions.map(|position| (position, 1)));
        let two = positions.into_iter().zip([1, 2, 1, 3, 1, 1, 2, 1, 1, 2, 3]);
        check_vector(2, VECTOR_2, &two.collect::<Vec<_>>());
        let four = [
            0, 1993, 35460, 459495, 595669, 754353, 845645, 923232, 924445, 934534, 1004534,
            1000345, 1030203, 1030204, 1030205,
        ];
        check_vector(4, VECTOR_4, &four.into_iter().zip(1..).collect::<Vec<_>>());
        let positions = positions.map(|position| u32::try_from(position).unwrap());
        assert_eq!(unpacked(1, VECTOR_1).unwrap(), StatusList::new(1 << 20, positions));
    }

    fn check_vector(bits: u8, lst: &str, entries: &[(usize, u8)]) {
        let mut expected = vec![0; 1 << 20];
        for (position, value) in entries {
            expected[*position] = *value;
        }
        assert!(values(&unpacked(bits, lst).unwrap()) == expected, "{bits}");
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
    fn packing_round_trips() {
        for entries in [0, 1, 8, 9, 1 << 20] {
            let list = StatusList::new(entries, (0..entries).filter(|entry| entry % 7 == 0));
            assert_eq!(list.packed().unpacked(), Ok(list));
        }
    }

    #[test]
    fn entries_past_the_end_are_ignored() {
        let list = StatusList::new(8, [8, u32::MAX]);
        assert_eq!(values(&list), [0; 8]);
        for idx in [8, u64::MAX / 2, u64::MAX] {
            assert_eq!(list.status(idx), None);
        }
    }

    #[test]
    fn larger_entries_may_have_values_defined_by_the_issuer() {
        let packed = |bytes: &[u8]| StatusList { bits: 1, bytes: bytes.to_vec() }.packed().lst;
        assert_eq!(values(&unpacked(4, &packed(&[0x21])).unwrap()), [1, 2]);
        let eight = unpacked(8, &packed(&[0, 1, 2, 0xff])).unwrap();
        assert_eq!(eight.status(3), Some(Status::Other(0xff)));
        assert_eq!(eight.status(2), Some(Status::Suspended));
    }

    #[test]
    fn malformed_lists_are_rejected() {
        for bits in [0, 3, 5, 9, 255] {
            assert_eq!(unpacked(bits, "eNrbuRgAAhcBXQ"), Err(UnpackError::Bits));
        }
        for lst in ["!", "eNrbuRgAAhcBXQ==", "eNrbuRgA", "AAAA", "eNrbuRgAAhcBXR"] {
            assert_eq!(unpacked(1, lst), Err(UnpackError::Compression), "{lst}");
        }
    }

    #[test]
    fn a_decompression_bomb_is_rejected() {
        let bomb = StatusList { bits: 1, bytes: vec![0; MAX_UNPACKED_BYTES + 1] }.packed();
        assert!(bomb.lst.len() < 20_000);
        assert_eq!(bomb.unpacked(), Err(UnpackError::TooLong));
        let largest = StatusList { bits: 1, bytes: vec![0; MAX_UNPACKED_BYTES] }.packed();
        assert!(largest.unpacked().is_ok());
    }
}
