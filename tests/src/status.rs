//! Status lists, read by an implementation that follows only the draft
//! (draft-ietf-oauth-status-list-20 §4).

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::ZlibDecoder;

use crate::client::Client;
use crate::jws::Jws;
use crate::response::Response;

/// The status list entry of an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusEntry {
    /// The index in the list.
    pub idx: u64,
    /// The URI of the list.
    pub uri: String,
}

impl StatusEntry {
    /// The entry named by an access token, if any.
    #[must_use]
    pub fn of(access: &str) -> Option<Self> {
        let status = Jws::read(access).claims.get("status")?["status_list"].clone();
        let idx = status["idx"].as_u64().expect("idx is a number");
        Some(Self { idx, uri: status["uri"].as_str().expect("uri is a text").to_owned() })
    }

    /// The path of the list's URI.
    #[must_use]
    pub fn path(&self) -> &str {
        let rest = self.uri.split_once("://").expect("an address").1;
        &rest[rest.find('/').expect("a path")..]
    }

    /// The status in the list that this server publishes.
    #[must_use]
    #[track_caller]
    pub fn value(&self, client: &Client) -> u8 {
        StatusListToken::of(&client.get(self.path()).send()).value(self.idx)
    }
}

/// A decompressed status list.
#[derive(Clone, Debug)]
pub struct StatusListToken {
    /// The token.
    pub jws: Jws,
    bytes: Vec<u8>,
}

impl StatusListToken {
    /// The list in a response, which must be a success without a content coding.
    #[must_use]
    #[track_caller]
    pub fn of(response: &Response) -> Self {
        response.is(200);
        assert_eq!(response.header("content-type"), Some("application/statuslist+jwt"));
        Self::read(response.text())
    }

    /// Reads a token.
    #[must_use]
    #[track_caller]
    pub fn read(token: &str) -> Self {
        let jws = Jws::read(token);
        let list = &jws.claims["status_list"];
        assert_eq!(list["bits"], 1, "{}", jws.claims);
        let lst = list["lst"].as_str().expect("lst is a text");
        let packed = URL_SAFE_NO_PAD.decode(lst).expect("base64url without padding");
        let mut bytes = Vec::new();
        ZlibDecoder::new(&*packed).read_to_end(&mut bytes).expect("ZLIB data");
        Self { jws, bytes }
    }

    /// The number of entries.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.bytes.len() * 8
    }

    /// The status of an entry.
    #[must_use]
    #[track_caller]
    pub fn value(&self, idx: u64) -> u8 {
        let byte = self.bytes[usize::try_from(idx / 8).expect("a place in memory")];
        (byte >> (idx % 8)) & 1
    }
}
