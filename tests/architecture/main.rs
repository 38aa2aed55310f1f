//! The layout of the house, checked: layers use only what is below them, the pure
//! ones do no I/O, neighbours use each other in no circle, and no file is forgotten.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a source that cannot be read fails the test"
)]

mod circles;
mod map;
mod rules;
mod source;
mod tokens;

use std::collections::BTreeSet;
use std::path::Path;

fn package() -> source::Files {
    let files = source::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(files.len() > 50, "only {} files were found", files.len());
    files
}

#[test]
fn every_module_uses_only_what_is_below_it_and_pure_ones_stay_pure() {
    let files = package();
    let map = map::Map::read(&files[Path::new("src/lib.rs")]);
    let modules = source::modules(&files);
    let of_library = modules
        .iter()
        .filter(|module| module.file.starts_with("src") && !module.for_tests);
    let mut looked_at = 0;
    let offences: Vec<String> = of_library
        .inspect(|_| looked_at += 1)
        .flat_map(|module| {
            let file = module.file.display();
            let found = rules::offences(module, &map).into_iter();
            found.map(move |offence| format!("{file}: {offence}"))
        })
        .collect();
    assert!(looked_at > 50, "only {looked_at} modules were looked at");
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
    let tops = modules
        .iter()
        .filter(|module| module.file.starts_with("src"));
    let tops: BTreeSet<&String> = tops.filter_map(|module| module.path.first()).collect();
    let rows: BTreeSet<&String> = map.layers.iter().map(|layer| &layer.name).collect();
    assert_eq!(
        rows, tops,
        "the map of src/lib.rs has a row for each module"
    );
}

#[test]
fn no_modules_beside_each_other_use_each_other_in_a_circle() {
    let modules = source::modules(&package());
    let library = modules.iter();
    let library = library.filter(|module| module.file.starts_with("src") && !module.for_tests);
    let circles = circles::circles(&library.collect::<Vec<_>>());
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

/// How many lines a file of the library has at most: one concept a file.
const LINES: usize = 400;

#[test]
fn no_file_of_the_library_is_too_long_to_read() {
    let files = package();
    let modules = source::modules(&files);
    let library = modules
        .iter()
        .map(|module| (&module.file, module.for_tests));
    let long = library.filter(|(file, for_tests)| {
        !for_tests && file.starts_with("src") && files[*file].lines().count() > LINES
    });
    let long: BTreeSet<&Path> = long.map(|(file, _)| file.as_path()).collect();
    assert!(long.is_empty(), "more than {LINES} lines: {long:?}");
}

#[test]
fn every_file_is_compiled() {
    let orphans = source::orphans(&package());
    assert!(
        orphans.is_empty(),
        "no mod names these, so nobody compiles them: {orphans:?}"
    );
}
