//! Defaults and bounds of a verifier's settings.

use std::time::Duration;

/// Default leeway for clock differences.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);

/// Default time after a fetch before an unknown key may cause another one.
pub const DEFAULT_COOLDOWN: Duration = Duration::from_secs(30);
/// Minimum cooldown.
pub const MIN_COOLDOWN: Duration = Duration::from_secs(5);

/// Default time for which keys are used without confirmation by the issuer.
pub const DEFAULT_MAX_STALENESS: Duration = Duration::from_secs(24 * 3600);
/// Minimum of that time: twice the shortest interval between two fetches.
pub const MIN_MAX_STALENESS: Duration = Duration::from_secs(120);

/// Default time for which a status list is used without confirmation by the issuer: the usual
/// lifetime of an access token.
pub const DEFAULT_MAX_STATUS_STALENESS: Duration = Duration::from_secs(300);
/// Minimum of that time.
pub const MIN_MAX_STATUS_STALENESS: Duration = Duration::from_secs(30);

/// Minimum time between two scheduled fetches of a key set, whatever the issuer's headers say.
pub const MIN_KEY_SET_LIFETIME: Duration = Duration::from_secs(60);
/// Minimum time for which a status list is considered fresh, unless it expires earlier.
pub const MIN_STATUS_LIST_LIFETIME: Duration = Duration::from_secs(5);
/// Maximum time for which any document is considered fresh.
pub const MAX_LIFETIME: Duration = Duration::from_secs(3600);

/// Maximum number of status lists in the cache.
pub const MAX_STATUS_LISTS: usize = 256;

/// Default number of verified tokens in the cache, which then takes about 10 MB at most.
pub const DEFAULT_CACHED_TOKENS: usize = 4096;

/// Maximum size of a fetched document other than a status list.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// Maximum time for fetching a document.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
