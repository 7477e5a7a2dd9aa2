//! The service's keys, made at its first start and kept in files that only it may read.

use std::error::Error;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use aquaware_core::jwt::Algorithm;
use aquaware_core::keys::{KeyRecord, missing};
use aquaware_core::random::SystemRandom;
use aquaware_core::time::Timestamp;

/// The keys in `directory`; what is missing is made. A second start finds them all, so the tokens
/// of the first are still good.
///
/// One service, one directory: replicas that start at once would need a lock here. To change keys
/// now and then, write what [`due`](aquaware_core::keys::due) returns, and give the new ring to
/// [`replace_authority`](aquaware_core::service::Sessions::replace_authority).
///
/// # Errors
/// When the files can't be read or written.
pub fn keep(directory: &Path, now: Timestamp) -> Result<Vec<KeyRecord>, Box<dyn Error>> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut records = Vec::new();
    for file in fs::read_dir(directory)? {
        records.push(KeyRecord::from_json(&fs::read_to_string(file?.path())?)?);
    }
    for record in missing(&records, Algorithm::EdDsa, now, &SystemRandom)? {
        let path = directory.join(format!("{}.json", record.kid));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(record.to_json().as_bytes())?;
        file.sync_all()?;
        records.push(record);
    }
    Ok(records)
}
