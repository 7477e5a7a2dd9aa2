//! Who depends on whom, taken from `cargo metadata`.
//!
//! Two views are kept apart. What a manifest names is complete for all platforms and features, and
//! says of what kind a dependency is. What cargo resolved reaches down to the last crate, for this
//! platform and with the features of the whole workspace.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use crate::failure::Failure;

/// The workspace's crates and what lies below them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    /// The workspace's crates.
    pub(crate) members: Vec<Member>,
    /// Every crate in the build, by the name cargo gives it there.
    pub(crate) resolved: BTreeMap<String, Resolved>,
}

/// A crate of the workspace and what its manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// An entry of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
    pub(crate) features: Vec<String>,
}

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The crate itself or its build script.
    Shipped,
    /// Its tests and examples.
    Dev,
}

/// A crate in the build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) name: String,
    /// The ids of the crates it links.
    pub(crate) links: Vec<String>,
}

impl Graph {
    /// Reads what `cargo metadata --format-version 1` prints.
    ///
    /// # Errors
    /// It isn't of that form.
    pub(crate) fn read(metadata: &Value) -> Result<Self, Failure> {
        Self::parse(metadata)
            .ok_or_else(|| Failure::Unexpected("cargo metadata has an unknown form".into()))
    }

    /// The shortest way from the crate `id` down to each crate it links, as names, by the id at
    /// the end.
    pub(crate) fn ways_down(&self, id: &str) -> BTreeMap<String, Vec<String>> {
        let mut ways: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut queue = VecDeque::from([(id.to_owned(), Vec::new())]);
        while let Some((id, above)) = queue.pop_front() {
            let Some(node) = self.resolved.get(&id).filter(|_| !ways.contains_key(&id)) else {
                continue;
            };
            let mut way = above;
            way.push(node.name.clone());
            queue.extend(node.links.iter().map(|link| (link.clone(), way.clone())));
            ways.insert(id, way);
        }
        ways
    }

    fn parse(metadata: &Value) -> Option<Self> {
        let packages = metadata.get("packages")?.as_array()?;
        let ids: BTreeSet<&str> = texts(metadata.get("workspace_members")?)?.into_iter().collect();
        let names: BTreeMap<&str, &str> = packages
            .iter()
            .map(|package| Some((text(package, "id")?, text(package, "name")?)))
            .collect::<Option<_>>()?;
        let ours = |package: &&Value| text(package, "id").is_some_and(|id| ids.contains(id));
        let nodes = metadata.pointer("/resolve/nodes")?.as_array()?;
        Some(Self {
            members: packages.iter().filter(ours).map(member).collect::<Option<_>>()?,
            resolved: nodes.iter().map(|node| resolved(node, &names)).collect::<Option<_>>()?,
        })
    }
}

fn member(package: &Value) -> Option<Member> {
    let dependencies = package.get("dependencies")?.as_array()?;
    Some(Member {
        id: text(package, "id")?.to_owned(),
        name: text(package, "name")?.to_owned(),
        dependencies: dependencies.iter().map(dependency).collect::<Option<_>>()?,
    })
}

fn dependency(entry: &Value) -> Option<Dependency> {
    let kind = if entry.get("kind")? == "dev" { Kind::Dev } else { Kind::Shipped };
    Some(Dependency {
        name: text(entry, "name")?.to_owned(),
        kind,
        optional: entry.get("optional")?.as_bool()?,
        features: texts(entry.get("features")?)?.into_iter().map(str::to_owned).collect(),
    })
}

fn resolved(node: &Value, names: &BTreeMap<&str, &str>) -> Option<(String, Resolved)> {
    let id = text(node, "id")?;
    let links = node.get("deps")?.as_array()?.iter().filter(|dep| is_linked(dep));
    let resolved = Resolved {
        name: (*names.get(id)?).to_owned(),
        links: links.map(|dep| Some(text(dep, "pkg")?.to_owned())).collect::<Option<_>>()?,
    };
    Some((id.to_owned(), resolved))
}

/// Whether a resolved dependency is a normal one: cargo writes `null` for that kind.
fn is_linked(dep: &Value) -> bool {
    let kinds = dep.get("dep_kinds").and_then(Value::as_array);
    kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind.get("kind").is_none_or(Value::is_null)))
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({
            "packages": [
                { "id": "path#a", "name": "a", "dependencies": [
                    { "name": "b", "kind": null, "optional": true, "features": ["x"] },
                    { "name": "c", "kind": "dev", "optional": false, "features": [] },
                    { "name": "d", "kind": "build", "optional": false, "features": [] },
                ]},
                { "id": "reg#b", "name": "b", "dependencies": [] },
                { "id": "reg#c", "name": "c", "dependencies": [] },
            ],
            "workspace_members": ["path#a"],
            "resolve": { "nodes": [
                { "id": "path#a", "deps": [
                    { "pkg": "reg#b", "dep_kinds": [{ "kind": null }] },
                    { "pkg": "reg#c", "dep_kinds": [{ "kind": "dev" }] },
                ]},
                { "id": "reg#b", "deps": [{ "pkg": "path#a", "dep_kinds": [{ "kind": null }] }] },
                { "id": "reg#c", "deps": [] },
            ]},
        })
    }

    #[test]
    fn only_the_workspace_is_a_member() {
        let graph = Graph::read(&sample()).unwrap();
        let names: Vec<_> = graph.members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn manifest_entries_keep_their_kind() {
        let graph = Graph::read(&sample()).unwrap();
        let [b, c, d] = graph.members[0].dependencies.as_slice() else { panic!("three entries") };
        assert_eq!((b.kind, b.optional), (Kind::Shipped, true));
        assert_eq!(b.features, ["x"]);
        assert_eq!(c.kind, Kind::Dev);
        assert_eq!(d.kind, Kind::Shipped);
    }

    #[test]
    fn ways_lead_over_links_only_and_end_in_a_cycle() {
        let graph = Graph::read(&sample()).unwrap();
        let ways = graph.ways_down("path#a");
        assert_eq!(ways.keys().collect::<Vec<_>>(), ["path#a", "reg#b"]);
        assert_eq!(ways["reg#b"], ["a", "b"]);
    }

    #[test]
    fn an_unknown_form_is_an_error_not_an_empty_graph() {
        assert!(Graph::read(&json!({})).is_err());
        let mut broken = sample();
        broken["packages"][0]["dependencies"][0]["optional"] = Value::Null;
        assert!(Graph::read(&broken).is_err());
    }
}
