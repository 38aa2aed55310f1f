//! Input that makes no sense is told of with its file and line, and never a panic.

use std::fs;
use std::path::Path;

use aso_guard::check::{CheckedCluster, ClusterSettings, check, manifest};
use proptest::prelude::*;
use rstest::rstest;

use crate::run::{check_in, check_text};

#[rstest]
#[case::not_yaml("# x.azure.com/y\na: [1\nb: 2\n", 3, "this is not YAML")]
#[case::no_name(
    "apiVersion: resources.azure.com/v1\nkind: ResourceGroup\nmetadata: {}\n",
    1,
    "it has no metadata.name"
)]
#[case::bad_name(
    "apiVersion: resources.azure.com/v1\nkind: ResourceGroup\nmetadata:\n  name: Über\n",
    4,
    "no name that Kubernetes takes"
)]
#[case::a_number(
    "apiVersion: resources.azure.com/v1\nkind: ResourceGroup\nmetadata:\n  name: x\nspec:\n  azureName: 7\n",
    6,
    "spec.azureName has to be a text; put it in quotes"
)]
#[case::a_list(
    "apiVersion: resources.azure.com/v1\nkind: ResourceGroup\nmetadata:\n  name: x\nspec: []\n",
    1,
    "expected an object"
)]
#[case::twice("a: x.azure.com/y\na: 2\n", 2, "the key \"a\" is here twice")]
#[case::in_a_list(
    "apiVersion: v1\nkind: List\nitems:\n- apiVersion: resources.azure.com/v1\n  kind: ResourceGroup\n",
    4,
    "it has no metadata.name"
)]
#[case::after_a_good_one(
    "apiVersion: resources.azure.com/v1\nkind: ResourceGroup\nmetadata:\n  name: x\n---\n}\n",
    6,
    "this is not YAML"
)]
fn what_cannot_be_read_is_told_with_its_line(
    #[case] text: &str,
    #[case] line: u64,
    #[case] what: &str,
) {
    let said = check_text(text);
    let found = said.findings();
    assert_eq!(said.code, Some(1));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["rule"], "unreadable");
    let message = found[0]["message"].as_str().unwrap();
    assert!(message.contains(what), "{message}");
    assert_eq!(found[0]["place"]["line"], line, "{message}");
}

#[rstest]
#[case::nothing("kind: Deployment\napiVersion: apps/v1\n")]
#[case::empty("")]
#[case::only_comments("# nothing\n---\n# here\n")]
#[case::values("replicas: 3\nimage: x\n")]
#[case::a_scalar("just words\n")]
#[case::another_group(
    "apiVersion: karpenter.azure.com/v1\nkind: AKSNodeClass\nmetadata:\n  name: x\n"
)]
fn what_is_no_asos_is_fine(#[case] text: &str) {
    let said = check_text(text);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
}

#[test]
fn all_that_is_wrong_with_flags_is_told_at_once() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let args = [
        "--cluster=a",
        "--cluster=Not_A_Name=x",
        "--cluster=b=tests/check/repository/clusters/b",
        "--subscription=c=x",
        "--default-policy=Skip",
        "--ignore=everything",
        "--cluster=d=not/there",
    ];
    let said = check_in(here, &args, "");
    assert_eq!(said.code, Some(2));
    for words in [
        "\"a\" has no path",
        "\"Not_A_Name\" is not a cluster name",
        "there is no cluster c",
        "\"Skip\" is not a reconcile policy",
        "\"everything\" is none of conflict",
        "not/there: No such file",
    ] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
}

#[rstest]
#[case::no_flags(&[], "nothing to check")]
#[case::no_file(&["--cluster=a=not-here"], "not-here: ")]
#[case::twice(&["--cluster=a=-", "--cluster=b=-"], "only once")]
#[case::no_manifests(&["--cluster=a=."], ".: there is no .yaml, .yml or .json file")]
#[case::no_config(&["--config=not-here.yaml"], "not-here.yaml")]
fn what_is_not_there_is_named(#[case] args: &[&str], #[case] words: &str) {
    let directory = tempfile::tempdir().unwrap();
    let said = check_in(directory.path(), args, "");
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(said.err.contains(words), "{}", said.err);
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("aso-guard.yaml");
    fs::write(&file, "clusters:\n  - name: a\n    path: clusters/a\n").unwrap();
    let said = check_in(directory.path(), &[], "");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("aso-guard.yaml:3: "), "{}", said.err);
    assert!(said.err.contains("unknown field `path`"), "{}", said.err);
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_line() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("x.yaml"), b"a: 1\nb: \xff\n").unwrap();
    let said = check_in(directory.path(), &["--cluster=a=.", "-o=json"], "");
    assert_eq!(said.places(), ["unreadable x.yaml:2"]);
}

/// A manifest of which parts may be anything.
fn manifest_text() -> impl Strategy<Value = String> {
    let group = prop_oneof![
        "resources.azure.com",
        "storage.azure.com",
        "authorization.azure.com",
        "[a-z.]{0,9}"
    ];
    let kind = prop_oneof![
        "ResourceGroup",
        "StorageAccount",
        "RoleAssignment",
        "Namespace",
        "Secret",
        "List",
        "\\PC{0,6}"
    ];
    let part = "(name|owner|azureName|annotations|armId|spec|metadata|[{}\\[\\]:\"',&*-]|\n|  |skip|x){0,25}";
    (group, kind, part, part).prop_map(|(group, kind, one, two)| {
        format!("apiVersion: {group}/v1\nkind: {kind}\nmetadata:\n  name: x\n  {one}\nspec:\n  {two}\n---\n{one}")
    })
}

proptest! {
    #[test]
    fn no_manifest_makes_it_panic(texts in prop::collection::vec(manifest_text(), 1..4)) {
        let mut clusters: Vec<CheckedCluster> = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let mut cluster = CheckedCluster::new(ClusterSettings::of(format!("c{at}").parse().unwrap()));
            let contents = manifest::read(&"x.yaml".into(), text, "default");
            let lines = text.lines().count() + 1;
            for finding in &contents.findings {
                let line = finding.place.as_ref().unwrap().at.line;
                prop_assert!(usize::try_from(line).unwrap() <= lines, "{finding:?}");
            }
            for item in contents.items {
                cluster.add(item);
            }
            clusters.push(cluster);
        }
        check(&mut clusters);
    }
}
