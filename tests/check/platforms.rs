//! Repositories in the shape of real ones, two clusters each: every seeded conflict is found, and
//! none is invented.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Said, check_in, said};

fn platform(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/check/platforms")
        .join(name)
}

/// What is found besides notes.
fn grave(said: &Said) -> Vec<String> {
    let findings = said.findings();
    let grave = findings.iter().filter(|one| one["level"] != "note");
    let lines = grave.map(|one| {
        let (rule, resource) = (one["rule"].as_str().unwrap(), one["resource"].as_str());
        let at = resource.map_or("", |id| id.rsplit_once('/').unwrap().1);
        format!("{rule} {at}")
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

/// Flux begins at the directory of a cluster; paths begin at the repository's root.
#[test]
fn what_flux_applies_is_found_with_its_variables_filled_in() {
    let args = [
        "--cluster=a=flux:clusters/a",
        "--cluster=b=flux:clusters/b",
        "-o=json",
    ];
    let said = check_in(&platform("flux"), &args, "");
    assert_eq!(
        grave(&said),
        [
            "conflict rg-dns",
            "conflict shopfiles",
            "unreadable ",
            "unreadable "
        ],
        "{}{}",
        said.out,
        said.err
    );
    let assumed = said.findings();
    let assumed = assumed
        .iter()
        .find(|one| one["rule"] == "conflict" && one["message"].to_string().contains("rg-dns"));
    assert!(assumed.unwrap()["message"].to_string().contains("assumed"));
    // Beside the file and line that somebody wrote.
    assert!(said.out.contains("apps/shop.yaml"), "{}", said.out);
}

#[test]
fn as_they_stand_they_are_told_to_be_rendered_first() {
    let args = ["--cluster=a=clusters/a,apps,shared", "-o=json"];
    let said = check_in(&platform("flux"), &args, "");
    assert_eq!(grave(&said), ["unreadable ", "unreadable "], "{}", said.out);
    assert!(said.out.contains("flux:PATH"), "{}", said.out);
}

#[test]
fn what_a_management_cluster_applies_is_found() {
    let args = [
        "--cluster=a=management-a",
        "--cluster=b=management-b",
        "-o=json",
    ];
    let said = check_in(&platform("capz"), &args, "");
    // East has other credentials in b, so it may be another one.
    assert_eq!(
        grave(&said),
        ["conflict pool", "conflict west", "conflict west"],
        "{}{}",
        said.out,
        said.err
    );
}

/// Runs a check with a directory of programs as its whole PATH.
fn check_with(programs: &[(&str, &str)], directory: &Path, args: &[&str]) -> Said {
    let path = tempfile::tempdir().unwrap();
    for (name, script) in programs {
        let file = path.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_aso-guard"));
    command.arg("check").args(args).env("PATH", path.path());
    said(command, directory, "")
}

const GROUP: &str = "apiVersion: resources.azure.com/v1api20200601\nkind: ResourceGroup\nmetadata:\n  name: rg\n  namespace: shop\n";

/// A program that writes a resource group, and its arguments in a comment.
fn renderer() -> String {
    format!("printf '%s\\n' \"# $*\" '{GROUP}'")
}

#[test]
fn kustomizations_and_charts_are_rendered_by_the_tools_on_the_path() {
    let directory = tempfile::tempdir().unwrap();
    let renderer = renderer();
    let both = [("kubectl", &*renderer), ("helm", &*renderer)];
    let args = [
        "--cluster=a=kustomize:overlays/a",
        "--cluster=b=helm:charts/shop:b.yaml",
        "-o=json",
    ];
    let said = check_with(&both, directory.path(), &args);
    assert_eq!(grave(&said), ["conflict rg"], "{}{}", said.out, said.err);
    let places = said.places();
    assert_eq!(places, ["conflict helm:charts/shop:5"]);
}

#[test]
fn arguments_are_handed_on_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let log = "printf '%s|' \"$@\" >> called; printf '\\n' >> called";
    let args = [
        "--cluster=a=kustomize:overlays/a",
        "--cluster=b=helm:charts/shop:one.yaml:two.yaml",
    ];
    let said = check_with(
        &[("kustomize", log), ("helm", log)],
        directory.path(),
        &args,
    );
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let called = fs::read_to_string(directory.path().join("called")).unwrap();
    assert_eq!(
        called,
        "build|--load-restrictor=LoadRestrictionsNone|overlays/a|\n\
         template|shop|charts/shop|--namespace|default|--values|one.yaml|--values|two.yaml|\n"
    );
}

#[test]
fn a_tool_that_is_missing_or_fails_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let said = check_with(&[], directory.path(), &["--cluster=a=helm:x"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("helm is not on the PATH"), "{}", said.err);
    let fails = [("helm", "echo no such chart >&2; exit 1")];
    let said = check_with(&fails, directory.path(), &["--cluster=a=helm:x"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("no such chart"), "{}", said.err);
}

#[test]
fn a_kustomization_that_flux_applies_is_rendered_and_filled_in() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = directory.path().join("clusters/a");
    let app = directory.path().join("app");
    fs::create_dir_all(&cluster).unwrap();
    fs::create_dir_all(&app).unwrap();
    fs::write(app.join("kustomization.yaml"), "resources: []\n").unwrap();
    let kustomization = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: app}\nspec: {path: ./app, targetNamespace: shop, postBuild: {substitute: {ENV: prod}}}\n";
    fs::write(cluster.join("app.yaml"), kustomization).unwrap();
    let rendered = format!(
        "printf '%s\\n' '{}'",
        GROUP.replace("name: rg", "name: rg-${ENV}")
    );
    let args = ["--cluster=a=flux:clusters/a", "--identities", "-o=json"];
    let said = check_with(&[("kubectl", &rendered)], directory.path(), &args);
    assert!(
        said.out.contains("resourceGroups/rg-prod"),
        "{}{}",
        said.out,
        said.err
    );
    let remark = "targetNamespace of the Kustomization flux-system/app not applied";
    assert!(said.out.contains(remark), "{}", said.out);
}

#[test]
fn each_object_is_listed_with_what_it_stands_for() {
    let text = "apiVersion: storage.azure.com/v1api20230101\nkind: StorageAccount\nmetadata:\n  name: st\n  namespace: shop\nspec:\n  owner: {name: rg}\n---\n";
    let input = format!(
        "{text}{GROUP}  annotations: {{serviceoperator.azure.com/reconcile-policy: skip}}\n"
    );
    let directory = tempfile::tempdir().unwrap();
    let id = "00000000-0000-0000-0000-000000000001";
    let stated = format!("--subscription={id}");
    let args = [
        "--cluster=a=-",
        &stated,
        "--identities",
        "--ignore=live-under-parked",
    ];
    let said = check_in(directory.path(), &args, &input);
    for words in [
        format!(
            "/subscriptions/{id}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"
        ),
        "-:4".to_owned(),
        "manage (ASO's built-in default)".to_owned(),
        "owner shop/ResourceGroup/rg".to_owned(),
        "skip (the annotation on the object)".to_owned(),
    ] {
        assert!(said.out.contains(&words), "{words}: {}", said.out);
    }
    assert_eq!(said.code, Some(0), "{}", said.out);
}

#[test]
fn a_page_for_a_browser_shows_the_same_and_nothing_that_it_would_run() {
    let input = format!(
        "{GROUP}---\n{}",
        GROUP.replace(
            "name: rg",
            "name: two\n  annotations: {serviceoperator.azure.com/reconcile-policy: \"<script>\"}"
        )
    );
    let directory = tempfile::tempdir().unwrap();
    let said = check_in(directory.path(), &["--cluster=a=-", "-o=html"], &input);
    assert!(said.out.starts_with("<!doctype html>"), "{}", said.out);
    assert!(!said.out.contains("<script>"), "{}", said.out);
    assert!(said.out.contains("unreadable"), "{}", said.out);
}
