//! The service's keys, made at its first start and kept in files that only it may read.

use std::error::Error;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
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
/// [`replace_snapshot`](aquaware_core::service::Sessions::replace_snapshot).
///
/// # Errors
/// When the files can't be read or written.
pub fn keep(directory: &Path, now: Timestamp) -> Result<Vec<KeyRecord>, Box<dyn Error>> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut records = Vec::new();
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            records.push(KeyRecord::from_json(&fs::read_to_string(path)?)?);
        }
    }
    for record in missing(&records, Algorithm::EdDsa, now, &SystemRandom)? {
        write(directory, &record)?;
        records.push(record);
    }
    Ok(records)
}

/// Writes beside, syncs, renames, syncs the directory: the next start finds all of the key or none
/// of it, after a crash or on a full disk too. What that leaves beside is never read.
fn write(directory: &Path, record: &KeyRecord) -> io::Result<()> {
    let draft = directory.join(format!("{}.draft", record.kid));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(record.to_json().as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, directory.join(format!("{}.json", record.kid)))?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_start_that_was_cut_short_stops_no_later_one() {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("1.draft"), "{\"kid\":").unwrap();
        fs::write(directory.path().join("README"), "keys, leave them alone").unwrap();
        let now = Timestamp::from_seconds(1_790_000_000);
        let names = |records: Vec<KeyRecord>| -> BTreeSet<_> {
            records.iter().map(|record| record.kid.to_string()).collect()
        };
        let made = names(keep(directory.path(), now).unwrap());
        assert_eq!(names(keep(directory.path(), now).unwrap()), made);
        for name in made {
            let file = directory.path().join(format!("{name}.json"));
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
