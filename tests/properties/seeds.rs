//! The seeds that the fuzzers start from, and what they found.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::fuzz::PROPERTIES;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The names in a folder, without their endings.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_property_holds_of_its_seeds() {
    for property in PROPERTIES {
        let folder = fuzz().join("seeds").join(property.name);
        let mut seeds = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            (property.check)(&fs::read(&path).unwrap());
            seeds += 1;
        }
        assert!(seeds > 2, "{} has {seeds} seeds", property.name);
    }
}

#[test]
fn every_property_has_a_fuzz_target_with_seeds_and_words() {
    let all = PROPERTIES.map(|property| property.name.to_owned()).into();
    assert_eq!(names("fuzz_targets"), all);
    assert_eq!(names("seeds"), all);
    assert_eq!(names("dictionaries"), all);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let targets = manifest.lines().filter_map(|line| {
        let path = line.strip_prefix("path = \"fuzz_targets/")?;
        path.strip_suffix(".rs\"").map(str::to_owned)
    });
    assert_eq!(targets.collect::<BTreeSet<_>>(), all);
    for name in &all {
        let target = fuzz().join("fuzz_targets").join(name).with_extension("rs");
        let calls = format!("aso_guard_fuzz::{name}::check(input)");
        assert!(fs::read_to_string(target).unwrap().contains(&calls));
    }
}
