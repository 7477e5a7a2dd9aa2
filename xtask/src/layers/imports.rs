//! Import circles between the files of one crate.
//!
//! A file imports another if a `use` declaration outside its tests names something in it, through
//! `crate`, `super`, `self` or a child module. Three things are not imports: a `mod` declaration;
//! a `pub use`, which makes a file the facade of its children; and a path inside a body. A name
//! that is imported from a facade counts as an import from the file that the facade takes it from.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{File, Tree};

/// A module or an item in a crate: `["service", "refresh"]` for `crate::service::refresh`.
type Path = Vec<String>;

/// What a file imports and what it re-exports, by name.
#[derive(Debug, Default)]
struct Module {
    imports: Vec<Path>,
    exports: BTreeMap<String, Path>,
}

type Modules = BTreeMap<Path, Module>;

/// A line for each circle.
pub(super) fn circles(tree: &Tree) -> Vec<String> {
    let mut crates: BTreeMap<&str, Vec<(Path, &File)>> = BTreeMap::new();
    for file in tree.with_suffix(".rs") {
        if let Some((krate, module)) = module_of(&file.path) {
            crates.entry(krate).or_default().push((module, file));
        }
    }
    let mut found = Vec::new();
    for (krate, files) in crates {
        let names: BTreeSet<Path> = files.iter().map(|(path, _)| path.clone()).collect();
        let modules = files.iter().map(|(path, file)| (path.clone(), read(path, file, &names)));
        let edges = edges(&modules.collect());
        found.extend(groups(&edges).iter().map(|group| describe(krate, group, &edges)));
    }
    found
}

/// The crate and the module of a file below `src`; programs in `src/bin` have one file each.
fn module_of(path: &str) -> Option<(&str, Path)> {
    let (krate, file) = path.split_once("/src/")?;
    let module = file.strip_suffix(".rs").filter(|module| !module.starts_with("bin/"))?;
    let mut module: Path = module.split('/').map(str::to_owned).collect();
    if matches!(module.last()?.as_str(), "lib" | "main" | "mod") {
        module.pop();
    }
    Some((krate, module))
}

fn read(path: &Path, file: &File, names: &BTreeSet<Path>) -> Module {
    let mut module = Module::default();
    for (is_export, declaration) in declarations(file) {
        for (words, name) in leaves(&declaration) {
            let Some(target) = absolute(path, &words, names) else { continue };
            if is_export {
                module.exports.insert(name, target);
            } else {
                module.imports.push(target);
            }
        }
    }
    module
}

/// The trees of the `use` declarations outside tests, and whether each is a re-export.
fn declarations(file: &File) -> Vec<(bool, String)> {
    let mut found: Vec<(bool, String)> = Vec::new();
    let mut open = false;
    let mut before = "";
    for line in file.lines_without_tests() {
        let line = line.split("//").next().unwrap_or_default().trim();
        if !open {
            let (head, tail) = line.split_once("use ").unwrap_or((line, ""));
            let is_use = head.is_empty() || (head.starts_with("pub") && head.ends_with([' ', ')']));
            open = !tail.is_empty() && is_use && !before.starts_with("#[cfg(test)]");
            if open {
                found.push((!head.is_empty(), tail.to_owned()));
            }
        } else if let Some((_, declaration)) = found.last_mut() {
            declaration.push_str(line);
        }
        open &= !line.ends_with(';');
        before = line;
    }
    found
}

/// The paths in a `use` tree, each with the name by which it is known afterwards.
fn leaves(tree: &str) -> Vec<(Path, String)> {
    let tree = tree.trim().trim_end_matches(';');
    if let Some((head, rest)) = tree.split_once('{') {
        let prefix = words(head);
        let inner = rest.strip_suffix('}').unwrap_or(rest);
        let parts = split_at_commas(inner);
        let below = parts.into_iter().flat_map(leaves);
        return below.map(|(path, name)| ([prefix.clone(), path].concat(), name)).collect();
    }
    let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
    let path = words(path);
    let last = path.last().cloned().unwrap_or_default();
    if path.is_empty() {
        Vec::new()
    } else {
        vec![(path, if alias.is_empty() { last } else { alias.into() })]
    }
}

fn words(path: &str) -> Path {
    path.split("::").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The parts between the commas that are not inside braces.
fn split_at_commas(list: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    list.split(|c| {
        depth = match c {
            '{' => depth + 1,
            '}' => depth.saturating_sub(1),
            _ => depth,
        };
        c == ',' && depth == 0
    })
    .collect()
}

/// The path from the crate's root; `None` for what belongs to another crate.
fn absolute(module: &Path, words: &[String], names: &BTreeSet<Path>) -> Option<Path> {
    let supers = words.iter().take_while(|word| *word == "super").count();
    let first = words.first()?;
    if first == "crate" {
        return Some(words.get(1..)?.to_vec());
    }
    if supers > 0 {
        let above = module.get(..module.len().checked_sub(supers)?)?;
        return Some([above, words.get(supers..)?].concat());
    }
    let relative = if first == "self" { words.get(1..)? } else { words };
    let child = [module.as_slice(), relative.get(..1).unwrap_or_default()].concat();
    let path = [module.as_slice(), relative].concat();
    (first == "self" || names.contains(&child)).then_some(path)
}

/// Which file imports which others, re-exports followed to where they lead.
fn edges(modules: &Modules) -> BTreeMap<Path, BTreeSet<Path>> {
    let targets = |(path, module): (&Path, &Module)| {
        let files = module.imports.iter().filter_map(|import| defining_file(import, modules, 0));
        (path.clone(), files.filter(|file| file != path).collect())
    };
    modules.iter().map(targets).collect()
}

fn defining_file(item: &[String], modules: &Modules, depth: usize) -> Option<Path> {
    let module = (0..=item.len()).rev().filter_map(|end| item.get(..end));
    let module = module.map(<[String]>::to_vec).find(|path| modules.contains_key(path))?;
    let rest = item.get(module.len()..).unwrap_or_default();
    let export = rest.first().and_then(|name| modules.get(&module)?.exports.get(name));
    match export {
        // A facade may lead to another one, but not for ever.
        Some(target) if depth < modules.len() => {
            let further = rest.get(1..).unwrap_or_default();
            defining_file(&[target, further].concat(), modules, depth + 1)
        }
        _ => Some(module),
    }
}

/// The largest groups of files of which each leads to each other.
fn groups(edges: &BTreeMap<Path, BTreeSet<Path>>) -> Vec<BTreeSet<Path>> {
    let reach: BTreeMap<_, _> = edges.keys().map(|path| (path, reachable(path, edges))).collect();
    let mutual = |path: &Path| -> BTreeSet<Path> {
        let forth = reach.get(path).into_iter().flatten();
        let back = |other: &&Path| reach.get(other).is_some_and(|back| back.contains(path));
        forth.filter(back).cloned().collect()
    };
    let groups: BTreeSet<_> = edges.keys().map(mutual).filter(|group| group.len() > 1).collect();
    groups.into_iter().collect()
}

fn reachable(from: &Path, edges: &BTreeMap<Path, BTreeSet<Path>>) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(path) = open.pop() {
        for next in edges.get(path).into_iter().flatten() {
            if found.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    found
}

fn describe(krate: &str, group: &BTreeSet<Path>, edges: &BTreeMap<Path, BTreeSet<Path>>) -> String {
    let name = |path: &Path| if path.is_empty() { "the root".into() } else { path.join("::") };
    let mut line = format!("{krate}/src: {} files import each other in a circle:", group.len());
    for path in group {
        let targets = edges.get(path).into_iter().flatten().filter(|to| group.contains(*to));
        let targets: Vec<String> = targets.map(name).collect();
        line.push_str(&format!("\n    {} imports {}", name(path), targets.join(", ")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::tree;

    /// The circles between files of a crate `c`, given by their modules.
    fn found(files: &[(&str, &str)]) -> usize {
        let files: Vec<_> =
            files.iter().map(|(path, text)| (format!("c/src/{path}"), *text)).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        circles(&tree(&files)).len()
    }

    #[test]
    fn two_files_that_import_each_other_are_a_circle() {
        for back in ["use crate::a::A;", "use super::a::{self};", "use crate::{\n    a,\n};"] {
            assert_eq!(found(&[("a.rs", "use crate::b::B;"), ("b.rs", back)]), 1, "{back}");
        }
    }

    #[test]
    fn a_circle_of_three_is_found_once_and_lists_its_imports() {
        let files = [
            ("c/src/a.rs", "use crate::b::{x::Y, B};"),
            ("c/src/b.rs", "use crate::d::D;"),
            ("c/src/d.rs", "use std::{fs};\nuse crate::{a::A, e::E};"),
            ("c/src/e.rs", ""),
        ];
        let expected = "c/src: 3 files import each other in a circle:\n    a imports b\n    \
                        b imports d\n    d imports a";
        assert_eq!(circles(&tree(&files)), [expected]);
    }

    #[test]
    fn imports_downwards_are_no_circle() {
        assert_eq!(found(&[("a.rs", "use crate::b::B;"), ("b.rs", "use std::fmt;")]), 0);
        assert_eq!(found(&[("lib.rs", "mod a;"), ("a.rs", "use crate::A;")]), 0);
    }

    #[test]
    fn a_parent_and_its_child_can_form_a_circle() {
        for parent in ["use self::b::B;", "use b::B;", "use crate::a::b::B;"] {
            let files = [("a.rs", parent), ("a/b.rs", "use super::A;")];
            assert_eq!(found(&files), 1, "{parent}");
        }
    }

    #[test]
    fn a_facade_imports_nothing_and_is_looked_through() {
        let facade = ("a.rs", "mod b;\npub(crate) use crate::a::b::B;\npub use c::{C as D};");
        assert_eq!(found(&[facade, ("a/b.rs", "use super::A;"), ("a/c.rs", "")]), 0);
        let through = [facade, ("a/b.rs", "use crate::a::D;"), ("a/c.rs", "use super::B;")];
        assert_eq!(found(&through), 1);
    }

    #[test]
    fn tests_and_comments_do_not_count() {
        let tests = "#[cfg(test)]\nuse crate::a::A;\n// use crate::a::A;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n";
        assert_eq!(found(&[("a.rs", "use crate::b::B;"), ("b.rs", tests)]), 0);
    }

    #[test]
    fn crates_and_programs_are_separate() {
        let files = [
            ("c/src/a.rs", "use crate::b::B;"),
            ("d/src/b.rs", "use crate::a::A;"),
            ("c/src/bin/b.rs", "use crate::a::A;"),
        ];
        assert_eq!(circles(&tree(&files)), [""; 0]);
    }
}
