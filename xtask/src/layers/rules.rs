//! What the layers allow, as tables and a pure function of the dependency graph.
//!
//! A crate that is in no table breaks the check: a new one must be given its place first.

use crate::layers::graph::{Dependency, Graph, Kind, Member};

/// Where a crate stands. It may use what stands lower, and nothing beside or above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    /// Throwaway servers for tests: knows nothing of ours, and few may know it.
    Servers,
    /// Tokens: what the core and the verifier share.
    Token,
    Core,
    /// Verifies tokens: knows nothing of the core.
    Verifier,
    TestKit,
    Adapter,
    Server,
    Top,
}

impl Layer {
    const fn height(self) -> u8 {
        match self {
            Self::Servers | Self::Token => 0,
            Self::Core | Self::Verifier => 1,
            Self::TestKit | Self::Adapter => 2,
            Self::Server => 3,
            Self::Top => 4,
        }
    }
}

const TOKEN: &str = "aquaware-token";
const CORE: &str = "aquaware-core";
const HTTP: &str = "aquaware-http";
const SERVERS: &str = "aquaware-servers";
const SQL: &str = "aquaware-store-sql";
const REDIS: &str = "aquaware-store-redis";
const VERIFIER: &str = "aquaware-verifier";

/// Every crate of the workspace.
const LAYERS: [(&str, Layer); 12] = [
    (SERVERS, Layer::Servers),
    (TOKEN, Layer::Token),
    (CORE, Layer::Core),
    ("aquaware-store-testkit", Layer::TestKit),
    (SQL, Layer::Adapter),
    (REDIS, Layer::Adapter),
    (VERIFIER, Layer::Verifier),
    (HTTP, Layer::Adapter),
    ("aquaware", Layer::Server),
    ("aquaware-tests", Layer::Top),
    ("own-users", Layer::Top),
    ("xtask", Layer::Top),
];

/// Besides the top, who may start throwaway servers, in tests only.
const TESTED_ON_SERVERS: [&str; 2] = [SQL, REDIS];

/// Outside crates that only some of ours may name: they, and crates named after them.
const OWNERS: [(&str, &[&str]); 4] = [
    ("actix", &["aquaware", HTTP, VERIFIER]),
    ("diesel", &[SQL]),
    ("redis", &[REDIS]),
    ("jsonwebtoken", &[TOKEN]),
];

/// What the core and the token crate must not link, however far down: runtimes, sockets, databases. They, and crates
/// named after them.
const NEVER_IN_CORE: [&str; 14] = [
    "actix",
    "async-std",
    "diesel",
    "futures-executor",
    "hyper",
    "libsqlite3-sys",
    "mio",
    "redis",
    "reqwest",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
    "ureq",
];

/// The feature of the core and the token crate that only tests may enable.
const TEST_FEATURE: &str = "testing";

/// Everything in the graph that the layers forbid, one line each.
pub(crate) fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for member in &graph.members {
        let Some(layer) = layer(&member.name) else {
            found.push(unknown(&member.name));
            continue;
        };
        for dependency in &member.dependencies {
            found.extend(arrow(member, layer, dependency));
            found.extend(owner(member, dependency));
            found.extend(optional_in_verifier(member, dependency));
            found.extend(test_feature(member, layer, dependency));
        }
        if matches!(layer, Layer::Token | Layer::Core) {
            found.extend(impure(graph, member));
        }
    }
    found
}

/// The lines of a file of the token crate, outside the module made for it, that use jsonwebtoken.
pub(crate) fn jwt_outside_its_module(path: &str, text: &str) -> Vec<String> {
    let Some(inside) = path.strip_prefix("crates/token/src/") else { return Vec::new() };
    if inside == "jwt.rs" || inside.starts_with("jwt/") || inside.starts_with("jwt_") {
        return Vec::new();
    }
    let uses = |line: &str| line.contains("jsonwebtoken") && !line.trim_start().starts_with("//");
    let lines = text.lines().enumerate().filter(|(_, line)| uses(line));
    lines
        .map(|(index, _)| {
            format!("{path}:{}: only crates/token/src/jwt may use jsonwebtoken", index + 1)
        })
        .collect()
}

fn layer(name: &str) -> Option<Layer> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

fn unknown(name: &str) -> String {
    format!("{name} has no layer: give it one in LAYERS in xtask/src/layers/rules.rs")
}

fn arrow(member: &Member, from: Layer, dependency: &Dependency) -> Option<String> {
    let to = layer(&dependency.name)?;
    let itself_in_tests = member.name == dependency.name && dependency.kind == Kind::Dev;
    let allowed = match (from, to, dependency.kind) {
        (Layer::Top, Layer::Servers, _) => true,
        (_, Layer::Servers, kind) => {
            kind == Kind::Dev && TESTED_ON_SERVERS.contains(&&*member.name)
        }
        (Layer::Adapter, Layer::TestKit, Kind::Dev) => true,
        (Layer::Server, Layer::TestKit, Kind::Shipped) => false,
        _ => itself_in_tests || to.height() < from.height(),
    };
    let line = || format!("{} may not depend on {}", member.name, dependency.name);
    (!allowed).then(line)
}

fn owner(member: &Member, dependency: &Dependency) -> Option<String> {
    let (family, owners) =
        OWNERS.iter().find(|(family, _)| is_of_family(&dependency.name, family))?;
    let line = || {
        let owners = owners.join(" and ");
        format!("{} may not depend on {}: {family} is for {owners}", member.name, dependency.name)
    };
    (!owners.contains(&member.name.as_str())).then(line)
}

fn optional_in_verifier(member: &Member, dependency: &Dependency) -> Option<String> {
    let bound = member.name == VERIFIER
        && is_of_family(&dependency.name, "actix")
        && dependency.kind == Kind::Shipped
        && !dependency.optional;
    bound.then(|| format!("{VERIFIER} must have {} behind a feature", dependency.name))
}

fn test_feature(member: &Member, from: Layer, dependency: &Dependency) -> Option<String> {
    let shipped = [CORE, TOKEN].contains(&&*dependency.name)
        && dependency.kind == Kind::Shipped
        && dependency.features.iter().any(|feature| feature == TEST_FEATURE)
        && matches!(from, Layer::Core | Layer::Verifier | Layer::Adapter | Layer::Server);
    let line =
        || format!("{} may enable {}/{TEST_FEATURE} in tests only", member.name, dependency.name);
    shipped.then(line)
}

fn impure(graph: &Graph, core: &Member) -> Vec<String> {
    let forbidden = |name: &String| NEVER_IN_CORE.iter().any(|family| is_of_family(name, family));
    let ways = graph.ways_down(&core.id).into_values();
    ways.filter(|way| way.last().is_some_and(forbidden))
        .map(|way| format!("{} may do no I/O, but links {}", core.name, way.join(" -> ")))
        .collect()
}

/// Whether a crate is the family's head or is named after it: `diesel`, `diesel_migrations`.
fn is_of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::graph::Resolved;

    const KIT: &str = "aquaware-store-testkit";
    const SERVER: &str = "aquaware";
    const END_TO_END: &str = "aquaware-tests";

    fn needs(name: &str, kind: Kind) -> Dependency {
        Dependency { name: name.into(), kind, optional: false, features: Vec::new() }
    }

    fn graph(name: &str, dependencies: Vec<Dependency>) -> Graph {
        let member = Member { id: name.into(), name: name.into(), dependencies };
        Graph { members: vec![member], ..Graph::default() }
    }

    /// What is said of one arrow.
    fn verdict(from: &str, to: &str, kind: Kind) -> Vec<String> {
        violations(&graph(from, vec![needs(to, kind)]))
    }

    #[test]
    fn arrows_may_point_down() {
        let down = [
            (CORE, TOKEN),
            (KIT, CORE),
            (SQL, CORE),
            (REDIS, CORE),
            (VERIFIER, TOKEN),
            (SERVER, CORE),
            (SERVER, SQL),
            (SERVER, REDIS),
            (SERVER, VERIFIER),
            (HTTP, CORE),
            (SERVER, HTTP),
            (END_TO_END, SERVER),
            (END_TO_END, KIT),
            (END_TO_END, CORE),
            ("xtask", SERVER),
        ];
        for (from, to) in down {
            for kind in [Kind::Shipped, Kind::Dev] {
                assert_eq!(verdict(from, to, kind), [""; 0], "{from} -> {to}");
            }
        }
    }

    #[test]
    fn every_arrow_up_or_sideways_is_forbidden_even_in_tests() {
        for (from, lower) in LAYERS {
            for (to, upper) in LAYERS {
                let kit = lower == Layer::Adapter && upper == Layer::TestKit;
                if lower.height() > upper.height() || from == to || kit {
                    continue;
                }
                for kind in [Kind::Shipped, Kind::Dev] {
                    let expected = format!("{from} may not depend on {to}");
                    assert_eq!(verdict(from, to, kind), [expected], "{kind:?}");
                }
            }
        }
    }

    #[test]
    fn the_test_kit_is_for_tests() {
        for from in [SQL, REDIS, SERVER] {
            assert_eq!(verdict(from, KIT, Kind::Dev), [""; 0]);
            assert_eq!(
                verdict(from, KIT, Kind::Shipped),
                [format!("{from} may not depend on {KIT}")]
            );
        }
    }

    #[test]
    fn throwaway_servers_are_for_the_top_and_for_tests_of_stores_on_servers() {
        for (from, shipped, dev) in [
            (END_TO_END, true, true),
            ("xtask", true, true),
            (SQL, false, true),
            (REDIS, false, true),
            (VERIFIER, false, false),
            (KIT, false, false),
            (SERVER, false, false),
            (CORE, false, false),
        ] {
            for (kind, allowed) in [(Kind::Shipped, shipped), (Kind::Dev, dev)] {
                assert_eq!(verdict(from, SERVERS, kind).is_empty(), allowed, "{from} {kind:?}");
            }
        }
        assert_eq!(verdict(SERVERS, CORE, Kind::Dev).len(), 1);
    }

    #[test]
    fn a_crate_may_name_itself_in_its_tests_only() {
        assert_eq!(verdict(CORE, CORE, Kind::Dev), [""; 0]);
        assert_eq!(verdict(CORE, CORE, Kind::Shipped).len(), 1);
    }

    #[test]
    fn outside_crates_stay_with_their_owners() {
        let homes = [
            ("actix-web", vec![SERVER, HTTP, VERIFIER]),
            ("actix-cors", vec![SERVER, HTTP, VERIFIER]),
            ("diesel", vec![SQL]),
            ("diesel_migrations", vec![SQL]),
            ("redis", vec![REDIS]),
            ("redis-test", vec![REDIS]),
            ("jsonwebtoken", vec![TOKEN]),
        ];
        for (dependency, owners) in homes {
            for (from, _) in LAYERS {
                for kind in [Kind::Shipped, Kind::Dev] {
                    let mut entry = needs(dependency, kind);
                    entry.optional = true;
                    let found = violations(&graph(from, vec![entry]));
                    assert_eq!(found.is_empty(), owners.contains(&from), "{from}: {dependency}");
                }
            }
        }
    }

    #[test]
    fn a_name_that_only_begins_alike_is_another_crate() {
        assert_eq!(verdict(SERVER, "redistribute", Kind::Shipped), [""; 0]);
    }

    #[test]
    fn the_verifier_has_actix_behind_a_feature() {
        let mut entry = needs("actix-web", Kind::Shipped);
        assert_eq!(
            violations(&graph(VERIFIER, vec![entry.clone()])),
            ["aquaware-verifier must have actix-web behind a feature"]
        );
        entry.optional = true;
        assert_eq!(violations(&graph(VERIFIER, vec![entry])), [""; 0]);
        assert_eq!(verdict(VERIFIER, "actix-web", Kind::Dev), [""; 0]);
    }

    #[test]
    fn nothing_shipped_enables_the_test_features() {
        for (from, shipped) in [(SERVER, true), (SQL, true), (KIT, false), (END_TO_END, false)] {
            for to in [CORE, TOKEN] {
                let mut entry = needs(to, Kind::Shipped);
                entry.features.push("testing".into());
                let found = violations(&graph(from, vec![entry.clone()]));
                assert_eq!(found.len(), usize::from(shipped), "{from} -> {to}");
                entry.kind = Kind::Dev;
                assert_eq!(violations(&graph(from, vec![entry])), [""; 0]);
            }
        }
    }

    #[test]
    fn a_crate_without_a_layer_is_told_to_get_one() {
        let found = violations(&graph("aquaware-cache", Vec::new()));
        assert!(found[0].contains("aquaware-cache has no layer"), "{found:?}");
        assert!(found[0].contains("xtask/src/layers/rules.rs"), "{found:?}");
    }

    #[test]
    fn the_core_does_no_io_however_far_down() {
        for name in NEVER_IN_CORE.into_iter().chain(["tokio-util", "actix-rt"]) {
            let mut graph = graph(CORE, Vec::new());
            for (id, links) in [(CORE, vec!["middle"]), ("middle", vec![name]), (name, vec![])] {
                let links = links.into_iter().map(str::to_owned).collect();
                graph.resolved.insert(id.into(), Resolved { name: id.into(), links });
            }
            assert_eq!(
                violations(&graph),
                [format!("{CORE} may do no I/O, but links {CORE} -> middle -> {name}")]
            );
        }
    }

    #[test]
    fn others_may_do_io() {
        let mut graph = graph(SQL, Vec::new());
        for (id, links) in [(SQL, vec!["tokio".to_owned()]), ("tokio", Vec::new())] {
            graph.resolved.insert(id.into(), Resolved { name: id.into(), links });
        }
        assert_eq!(violations(&graph), [""; 0]);
    }

    #[test]
    fn in_the_token_crate_only_the_jwt_module_uses_jsonwebtoken() {
        let text = "// jsonwebtoken is elsewhere\nuse jsonwebtoken::Algorithm;\n";
        for path in ["keys/ring.rs", "jwtish.rs", "claims/jwt/sign.rs"] {
            let found = jwt_outside_its_module(&format!("crates/token/src/{path}"), text);
            assert_eq!(found.len(), 1, "{path}");
            assert!(found[0].contains(":2: "), "{found:?}");
        }
        for path in ["crates/token/src/jwt.rs", "crates/token/src/jwt/sign.rs", "docs/x.md"] {
            assert_eq!(jwt_outside_its_module(path, text), [""; 0]);
        }
    }
}
