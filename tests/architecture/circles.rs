//! Modules that stand beside each other, and use each other in a circle: neither can be read, or
//! tested, without the other.
//!
//! A module and what is inside it may use each other: they are one thing in several files.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::{paths, uses};
use crate::source::Module;

/// The path of a module.
type ModulePath = Vec<String>;
/// Which of the modules in a room use which.
type Neighbours = BTreeMap<String, BTreeSet<String>>;

/// How many re-exports of one name are followed.
const MAX_REEXPORTS: usize = 8;

/// The circles, as `room: one, other`.
pub fn circles(modules: &[&Module]) -> Vec<String> {
    let rooms = rooms(modules);
    let found = rooms.iter().filter_map(|(room, neighbours)| {
        let circle = neighbours.keys().filter(|one| reaches(neighbours, one));
        let circle: Vec<&str> = circle.map(String::as_str).collect();
        (!circle.is_empty()).then(|| format!("{}: {}", room.join("::"), circle.join(", ")))
    });
    found.collect()
}

/// Whether what a module uses leads back to it.
fn reaches(neighbours: &Neighbours, start: &str) -> bool {
    let used = |one: &str| neighbours.get(one).into_iter().flatten();
    let mut todo: Vec<&String> = used(start).collect();
    let mut seen = BTreeSet::new();
    while let Some(one) = todo.pop() {
        if one == start {
            return true;
        }
        if seen.insert(one) {
            todo.extend(used(one));
        }
    }
    false
}

/// Of each room, by its path, which modules directly in it use which.
fn rooms(modules: &[&Module]) -> BTreeMap<ModulePath, Neighbours> {
    let known: BTreeSet<&ModulePath> = modules.iter().map(|module| &module.path).collect();
    let mut brought: BTreeMap<(ModulePath, String), ModulePath> = BTreeMap::new();
    for module in modules {
        for path in uses(&module.tokens) {
            if let Some((from, Some(name))) = leads_to(&path, &module.path, &known) {
                brought.insert((module.path.clone(), name), from);
            }
        }
    }
    let mut rooms: BTreeMap<ModulePath, Neighbours> = BTreeMap::new();
    for module in modules {
        for path in paths(&module.tokens) {
            let Some((mut used, name)) = leads_to(&path, &module.path, &known) else {
                continue;
            };
            if let Some(name) = name {
                for _ in 0..MAX_REEXPORTS {
                    match brought.get(&(used.clone(), name.clone())) {
                        Some(from) if *from != used => used.clone_from(from),
                        _ => break,
                    }
                }
            }
            let own = &module.path;
            let shared = own.iter().zip(&used).take_while(|(a, b)| a == b).count();
            if let (Some(one), Some(other)) = (own.get(shared), used.get(shared)) {
                let room = rooms.entry(own[..shared].to_vec()).or_default();
                room.entry(one.clone()).or_default().insert(other.clone());
            }
        }
    }
    rooms
}

/// The module that a path of the crate leads to, and the name in it that comes next.
fn leads_to(
    path: &[String],
    from: &[String],
    known: &BTreeSet<&ModulePath>,
) -> Option<(ModulePath, Option<String>)> {
    let (mut module, mut rest) = match path.first()?.as_str() {
        "crate" => (Vec::new(), &path[1..]),
        "self" | "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let skipped = if ups == 0 { 1 } else { ups };
            let above = from.len().checked_sub(ups)?;
            (from[..above].to_vec(), &path[skipped..])
        }
        first => {
            let inside = [from, &[first.to_owned()]].concat();
            known.contains(&inside).then_some(())?;
            (from.to_vec(), path)
        }
    };
    while let [next, after @ ..] = rest {
        let inside = [&module[..], std::slice::from_ref(next)].concat();
        if !known.contains(&inside) {
            break;
        }
        (module, rest) = (inside, after);
    }
    Some((module, rest.first().cloned()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rstest::rstest;

    use super::*;
    use crate::tokens::tokens;

    fn module(path: &str, source: &str) -> Module {
        Module {
            file: PathBuf::new(),
            path: path.split("::").map(str::to_owned).collect(),
            for_tests: false,
            tokens: tokens(source),
        }
    }

    #[rstest]
    #[case::two("use super::b::B;", "use crate::a::one::A; fn f() {}", "", "a: b, one")]
    #[case::in_a_body("fn f() { super::b::g() }", "use super::one::A;", "", "a: b, one")]
    #[case::by_a_reexport("use super::B;", "use super::one::A;", "pub use b::B;", "a: b, one")]
    #[case::by_the_room_itself("use super::C;", "use super::one::A;", "struct C;", "")]
    #[case::one_way("use super::b::B;", "use super::C;", "struct C;", "")]
    #[case::with_what_is_inside("use super::C;", "", "use one::A; struct C;", "")]
    fn neighbours_in_a_circle_are_found(
        #[case] one: &str,
        #[case] other: &str,
        #[case] room: &str,
        #[case] expected: &str,
    ) {
        let modules = [
            module("a", room),
            module("a::one", one),
            module("a::b", other),
        ];
        let modules: Vec<&Module> = modules.iter().collect();
        let expected: Vec<&str> = [expected]
            .into_iter()
            .filter(|one| !one.is_empty())
            .collect();
        assert_eq!(circles(&modules), expected);
    }
}
