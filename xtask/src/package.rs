//! The library crates as their users get them: the packaged sources build and pass their tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::Package;

use crate::cargo;
use crate::error::TaskError;
use crate::tree::Tree;

/// A copy of this workspace in which the packages take the place of the libraries. It has the same
/// features and the same target directory, so that no foreign crate is built again.
const COPY: &str = "target/package/workspace";

/// Packages the published libraries, and runs their unit tests from the packages.
///
/// Integration tests are left out: they need packages that are not published.
///
/// # Errors
/// A manifest is incomplete, or a package does not build or fails a test.
pub(crate) fn run() -> Result<(), TaskError> {
    let metadata = cargo::metadata()?;
    let mut libraries = metadata.workspace_packages();
    libraries
        .retain(|package| is_published(package) && package.targets.iter().any(|it| it.is_lib()));
    let mut package = cargo::cargo(&["package", "--no-verify", "--allow-dirty", "--quiet"]);
    for library in &libraries {
        package.args(["--package", &library.name]);
    }
    cargo::run(&mut package)?;
    let directory = copy_workspace(&libraries)?;
    let mut test = cargo::cargo(&["test", "--workspace", "--lib", "--quiet", "--target-dir"]);
    test.arg(cargo::root().join("target")).current_dir(directory);
    cargo::run(&mut test)?;
    TaskError::if_any(&libraries.iter().filter_map(|it| incomplete(it)).collect::<Vec<_>>())
}

fn is_published(package: &Package) -> bool {
    package.publish.as_ref().is_none_or(|registries| !registries.is_empty())
}

/// What a manifest lacks that the registry shows to users.
fn incomplete(package: &Package) -> Option<String> {
    let fields = [
        ("description", package.description.is_some()),
        ("keywords", !package.keywords.is_empty()),
        ("categories", !package.categories.is_empty()),
        ("readme", package.readme.is_some()),
        ("repository", package.repository.is_some()),
        ("license", package.license.is_some()),
    ];
    let missing: Vec<_> =
        fields.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
    let line = || format!("{} has no {}", package.manifest_path, missing.join(", "));
    (!missing.is_empty()).then(line)
}

/// Copies the workspace with the packages in the place of the libraries.
fn copy_workspace(libraries: &[&Package]) -> Result<PathBuf, TaskError> {
    let root = cargo::root();
    let copy = root.join(COPY);
    if copy.exists() {
        fs::remove_dir_all(&copy).map_err(TaskError::io(format!("cannot remove {COPY}")))?;
    }
    let directory = |library: &Package| {
        let directory = library.manifest_path.parent().unwrap_or(&library.manifest_path);
        directory.strip_prefix(root).unwrap_or(directory).to_owned()
    };
    let directories: Vec<_> = libraries.iter().map(|library| directory(library)).collect();
    for path in Tree::read(root)?.paths() {
        if !directories.iter().any(|directory| Path::new(path).starts_with(directory)) {
            let failed = TaskError::io(format!("cannot copy {path}"));
            let target = copy.join(path);
            let parent = target.parent().unwrap_or(&copy);
            let copied =
                fs::create_dir_all(parent).and_then(|()| fs::copy(root.join(path), &target));
            copied.map_err(failed)?;
        }
    }
    let mut patches = String::from("\n[patch.crates-io]\n");
    for (library, directory) in libraries.iter().zip(&directories) {
        let Package { name, version, .. } = library;
        patches.push_str(&format!("{name} = {{ path = \"{directory}\" }}\n"));
        let package = root.join(format!("target/package/{name}-{version}.crate"));
        let target = copy.join(directory);
        fs::create_dir_all(&target).map_err(TaskError::io(format!("cannot create {target:?}")))?;
        let mut unpack = Command::new("tar");
        // `-m`: packages carry a fixed time, which would make cargo take the sources for old ones.
        unpack.arg("-xzmf").arg(package).arg("--strip-components=1").arg("-C").arg(target);
        cargo::run(&mut unpack)?;
    }
    let manifest = copy.join("Cargo.toml");
    let patched = fs::read_to_string(&manifest).map(|text| text + &patches);
    patched
        .and_then(|text| fs::write(&manifest, text))
        .map_err(TaskError::io("cannot write the manifest"))?;
    Ok(copy)
}
