//! A wrong clock for the program: libfaketime, which the package `faketime` contains.

use std::path::PathBuf;

/// The library that replaces the functions of the C library that read the clock.
pub(crate) fn library() -> PathBuf {
    let of_architecture = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut places: Vec<PathBuf> = of_architecture.map(|entry| entry.path()).collect();
    places.extend(["/usr/lib".into(), "/usr/local/lib".into()]);
    let library = |place: &PathBuf| place.join("faketime/libfaketime.so.1");
    let found = places.iter().map(library).find(|path| path.is_file());
    found.expect("libfaketime is installed: `cargo xtask test` does that, or the package faketime")
}
