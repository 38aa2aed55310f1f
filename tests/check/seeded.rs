//! Each seeded mistake is found with its file and line, and nothing else is.

use std::fs;

use crate::run::{check_in, repository};

const MISTAKES: [&str; 12] = [
    "parked-without-live clusters/a/data/archive.json:8",
    "unknown-policy clusters/a/data/database.yaml:7",
    "owner-missing clusters/a/data/database.yaml:15",
    "owner-missing clusters/a/data/database.yaml:24",
    "unknown-policy clusters/a/namespaces.yaml:11",
    "live-under-parked clusters/a/shop/network.yaml:17",
    "unreadable clusters/b/data/template.yaml:4",
    "conflict clusters/b/data/twins.yaml:12",
    "written-twice clusters/b/data/twins.yaml:29",
    "unreadable clusters/b/data/twins.yaml:40",
    "conflict clusters/b/shop/group.yaml:5",
    "foreign-resource-id clusters/b/shop/group.yaml:16",
];

#[test]
fn every_seeded_mistake_is_found_and_nothing_else() {
    let said = check_in(&repository(), &["-o", "json"], "");
    assert_eq!(said.places(), MISTAKES, "{}", said.err);
    assert_eq!(said.code, Some(1));
}

#[test]
fn flags_say_the_same_as_the_file() {
    let args = [
        "--cluster=a=clusters/a",
        "--cluster=b=clusters/b",
        "--subscription=00000000-0000-0000-0000-00000000000a",
        "-o=json",
    ];
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("clusters");
    copy_all(&repository().join("clusters"), &copy);
    let said = check_in(elsewhere.path(), &args, "");
    // The third twin is in a subscription of its own only in the file's eyes.
    let mut more = MISTAKES.map(str::to_owned).to_vec();
    more.insert(8, "conflict clusters/b/data/twins.yaml:21".to_owned());
    assert_eq!(said.places(), more, "{}", said.err);
}

#[test]
fn rules_can_be_left_out() {
    let said = check_in(
        &repository(),
        &[
            "-o",
            "json",
            "--ignore",
            "conflict,unreadable",
            "--ignore=owner-missing",
        ],
        "",
    );
    let left = MISTAKES.iter().filter(|mistake| {
        !["conflict", "unreadable", "owner-missing"].contains(&mistake.split(' ').next().unwrap())
    });
    assert_eq!(said.places(), left.copied().collect::<Vec<_>>());
}

#[test]
fn a_repository_without_mistakes_is_fine() {
    let directory = repository().join("clusters/b/shop");
    let network = directory.join("network.yaml");
    let arg = format!("b={}", network.display());
    let said = check_in(&directory, &["--cluster", &arg], "");
    assert_eq!(
        (said.code, said.err.as_str()),
        (Some(0), ""),
        "{}",
        said.out
    );
    assert_eq!(
        said.out,
        "nothing found; 1 object in cluster b: 0 compared surely, 1 by assumption (no \
         subscription is stated)\n"
    );
}

#[test]
fn what_kustomize_and_helm_render_is_read_from_standard_input() {
    let text = fs::read_to_string(repository().join("clusters/a/shop/group.yaml")).unwrap();
    let group = repository().join("clusters/b/shop/group.yaml");
    let arg = format!("b={}", group.display());
    let elsewhere = tempfile::tempdir().unwrap();
    let args = ["--cluster=a=-", "--cluster", &arg, "-o", "json"];
    let said = check_in(elsewhere.path(), &args, &text);
    let found = said.findings();
    let twin = found
        .iter()
        .find(|finding| finding["rule"] == "conflict")
        .unwrap();
    assert_eq!(twin["related"][0]["place"]["file"], "-");
    assert_eq!(twin["related"][0]["place"]["line"], 4);
    // No subscription is stated: that is said.
    let message = twin["message"].as_str().unwrap();
    assert!(
        message.contains("taking both to be in one subscription"),
        "{message}"
    );
}

#[test]
fn charts_and_kustomizations_are_pointed_out() {
    let directory = tempfile::tempdir().unwrap();
    let templates = directory.path().join("chart/templates");
    fs::create_dir_all(&templates).unwrap();
    fs::write(directory.path().join("chart/Chart.yaml"), "name: x\n").unwrap();
    fs::write(templates.join("x.yaml"), "kind: {{ .Values.x }}\n").unwrap();
    fs::write(
        directory.path().join("kustomization.yaml"),
        "resources: [x]\n",
    )
    .unwrap();
    let said = check_in(directory.path(), &["--cluster=a=."], "");
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("is a Helm chart"), "{}", said.out);
    assert!(said.out.contains("is a kustomization"), "{}", said.out);
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
