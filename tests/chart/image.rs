//! The image, as far as it can be tested where no container engine is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::GUARD;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn it_is_built_by_the_toolchain_of_the_project() {
    let toolchain = read("rust-toolchain.toml");
    let (_, rest) = toolchain.split_once("channel = \"").unwrap();
    let (version, _) = rest.split_once('"').unwrap();
    let from = format!("rust:{version}-bookworm AS build");
    assert!(read("deploy/Dockerfile").contains(&from), "no {from}");
}

/// The files that the compiler read when it built the library, by its own account.
fn sources() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize();
    let root = &root.unwrap();
    let accounts = fs::read_dir(Path::new(GUARD).with_file_name("deps")).unwrap();
    let accounts = accounts
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "d"))
        .map(|path| fs::read_to_string(path).unwrap())
        // That of its unit tests is of no library.
        .filter(|account| account.contains("/libaso_guard-") && account.contains(".rlib:"));
    let mut sources = BTreeSet::new();
    for account in accounts {
        let lines = account.lines().filter_map(|line| line.strip_suffix(':'));
        let files = lines.map(|file| {
            Path::new(file)
                .strip_prefix(root)
                .unwrap_or(Path::new(file))
        });
        // Older builds may have left theirs.
        let files = files.filter(|file| file.is_relative());
        // Some are told with `..` in them.
        let files = files.filter_map(|file| root.join(file).canonicalize().ok());
        let files = files.filter_map(|file| Some(file.strip_prefix(root).ok()?.to_owned()));
        sources.extend(files.map(|file| file.display().to_string()));
    }
    sources
}

#[test]
fn its_build_is_given_every_file_that_it_reads() {
    let ignored = read(".dockerignore");
    let given: BTreeSet<&str> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    let mut sources = sources();
    assert!(sources.len() > 100, "{sources:?}");
    // What cargo reads, and the Dockerfile.
    let others = ["Cargo.toml", "Cargo.lock", "LICENSE", "rust-toolchain.toml"];
    let more = ["askama.toml", "benches/pure.rs"];
    sources.extend(others.into_iter().chain(more).map(str::to_owned));
    for source in sources {
        let mut above = Path::new(&source).ancestors();
        assert!(
            above.any(|path| given.contains(path.to_str().unwrap_or_default())),
            ".dockerignore keeps {source} from the build"
        );
    }
}
