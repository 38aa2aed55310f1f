//! Of each of ASO's kinds: whether ASO writes to the very resource that the guard has claimed for
//! it. `docs/identities.md` is what came out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aso_guard::arm::{Kind, Kinds, Naming, Scope};
use serde_json::{Value, json};

use crate::lab::aso_controller::{Plan, made_crds};
use crate::lab::azure::arm::key;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, until};
use crate::lab::world::ASO_NAMESPACE;
use crate::manifests::{Definition, VALUES};
use crate::world::{Side, World};

/// ASO has long tried everything by then that it can.
const BOUND: Duration = Duration::from_mins(3);
/// What the table says of a kind for which nothing speaks against.
const AGREED: &str = "agreed";

/// One kind in its turn.
struct Try {
    kind: Kind,
    definition: Definition,
    name: String,
    /// Where it has none in the cluster: why.
    result: Result<Object, String>,
    /// What the guard claimed for it, before any ASO looked at it.
    claimed: Option<String>,
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn aso_writes_to_what_is_claimed_for_each_of_its_kinds() {
    let crds = made_crds(&[]).await.unwrap();
    let definitions: Vec<Definition> = crds.iter().map(Definition::of).collect();
    // The webhooks alone, so that all is claimed before ASO has its first look.
    let webhooks = Plan::new("aso-b", ASO_NAMESPACE).env("AZURE_OPERATOR_MODE", "webhooks");
    let trimmed = definitions.iter().map(|one| one.crd.clone());
    let sides = [
        Side {
            crds: made_crds(&["resources"]).await.unwrap(),
            operators: vec![Plan::new("aso-a", ASO_NAMESPACE)],
        },
        Side {
            crds: trimmed.collect(),
            operators: vec![webhooks],
        },
    ];
    let world = Box::pin(World::start("azure-kinds", true, sides))
        .await
        .unwrap();
    let story = Story::begin(&world.lab, "identities").await;
    let mut tries = applied(&story, definitions).await;
    claimed(&story, &mut tries).await;
    let watchers = Plan::new("aso-b", ASO_NAMESPACE).env("AZURE_OPERATOR_MODE", "watchers");
    let aso = world.other_b(&watchers).await;
    aso.start_again().await.unwrap();
    // Those that cannot be had are waited for where the table is made anew.
    let known = agreed_before();
    let _ = until("ASO to write to all", BOUND, async || {
        let written = written(&world, &story);
        let is_open = |one: &&Try| {
            let is_expected = is_made_anew() || known.contains(&one.title());
            is_expected && one.claimed.as_ref().is_some_and(|id| !written.contains(id))
        };
        let open: Vec<String> = tries.iter().filter(is_open).map(Try::title).collect();
        anyhow::ensure!(open.is_empty(), "{open:?}");
        Ok(())
    })
    .await;
    let (rows, wrong) = judged(&world, &story, &tries).await;
    assert_eq!(wrong, Vec::<String>::new());
    world.ends_well(&story, &[]).await;
    compare(&rows);
}

impl Try {
    fn title(&self) -> String {
        format!("{}/{}", self.kind.group, self.kind.kind)
    }
}

/// Applies an object of each kind, owners first.
async fn applied(story: &Story<'_>, definitions: Vec<Definition>) -> Vec<Try> {
    let data = json!({"value": "dmFsdWU="});
    let secret = Object::new("v1", "Secret", VALUES).with("/data", data);
    story.b.create(&secret).await.admitted();
    let config = Object::new("v1", "ConfigMap", VALUES).with("/data/value", "value");
    story.b.create(&config).await.admitted();
    let kinds = Kinds::builtin();
    let mut tries: Vec<Try> = Vec::new();
    for definition in definitions {
        let kind = kinds.get(definition.group(), definition.kind());
        let title = || format!("{}/{}", definition.group(), definition.kind());
        let kind = kind.unwrap_or_else(|| panic!("{} is not in the table of kinds", title()));
        tries.push(Try {
            kind: kind.clone(),
            definition,
            name: String::new(),
            result: Err(String::new()),
            claimed: None,
        });
    }
    // Types of owners are shorter than those of what is in them.
    let depth = |kind: &Kind| {
        (
            !matches!(kind.scope, Scope::Subscription),
            kind.arm_type.matches('/').count(),
        )
    };
    tries.sort_by_key(|one| (depth(&one.kind), one.title()));
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (number, one) in tries.iter_mut().enumerate() {
        one.name = format!("of-{number:03}");
        one.result = apply(story, one, number, &names).await;
        if one.result.is_ok() {
            names.insert(one.title(), one.name.clone());
        }
    }
    tries.sort_by_key(Try::title);
    tries
}

async fn apply(
    story: &Story<'_>,
    one: &Try,
    number: usize,
    names: &BTreeMap<String, String>,
) -> Result<Object, String> {
    let kind = &one.kind;
    if matches!(kind.scope, Scope::Inside { .. }) {
        return Err("not an Azure resource: ASO speaks to the server itself".to_owned());
    }
    if kind.naming == Naming::Entra {
        return Err("in Entra, not in Azure Resource Manager".to_owned());
    }
    let root = || ("resources.azure.com", "ResourceGroup");
    let (group, of) = kind.implied_owner().unwrap_or_else(root);
    let is_root = matches!(kind.scope, Scope::Subscription | Scope::Tenant);
    let owner = match names.get(&format!("{group}/{of}")) {
        Some(owner) => owner.as_str(),
        None if is_root => "",
        None => return Err(format!("its owner is not possible: {of}")),
    };
    let azure_name = if is_root {
        story.azure_name("rg")
    } else {
        format!("azure{number:03}")
    };
    let manifest = one.definition.manifest(kind, &one.name, &azure_name, owner);
    let path = one.definition.collection(story.b.namespace());
    match story.b.create_at(&path, &manifest).await {
        Ok(answer) => Ok(answer.object),
        Err(refusal) => Err(format!(
            "the manifest is refused: {}",
            brief(&refusal.message)
        )),
    }
}

/// Looks up what the guard has claimed.
async fn claimed(story: &Story<'_>, tries: &mut [Try]) {
    let all = eventually("all to be claimed", async || {
        let claims = story.hub.claims().await?;
        let found = tries.iter().map(|one| {
            // A claim may also say for a while what it is to be called.
            let is_it = |copy: &Value| {
                copy["stored"].is_object()
                    && copy["namespace"] == story.b.namespace()
                    && copy["name"] == *one.name
                    && copy["kind"] == *one.kind.kind
                    && copy["group"] == *one.kind.group
            };
            let of_it = |claim: &&Object| {
                let copies = claim.0["status"]["copies"].as_array();
                copies.is_some_and(|copies| copies.iter().any(is_it))
            };
            let claim = claims.iter().find(of_it);
            claim.map(|claim| key(claim.text("/spec/identity")))
        });
        let found: Vec<Option<String>> = found.collect();
        let lacks = |(one, found): &(&Try, &Option<String>)| one.result.is_ok() && found.is_none();
        let open = tries.iter().zip(&found).filter(lacks);
        let open: Vec<String> = open.map(|(one, _)| one.title()).collect();
        anyhow::ensure!(open.is_empty(), "{open:?}");
        Ok(found)
    })
    .await;
    for (one, claimed) in tries.iter_mut().zip(all) {
        one.claimed = claimed;
    }
}

/// Where ASO has written something.
fn written(world: &World, story: &Story<'_>) -> BTreeSet<String> {
    let diary = world.diary(story);
    let puts = diary.of("PUT");
    puts.iter().map(|call| key(&call.path)).collect()
}

/// What is to be said of each, and what must not be.
async fn judged(world: &World, story: &Story<'_>, tries: &[Try]) -> (Vec<String>, Vec<String>) {
    let written = written(world, story);
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    let claimed: BTreeSet<&String> = tries
        .iter()
        .filter_map(|one| one.claimed.as_ref())
        .collect();
    let unclaimed = written.iter().filter(|id| !claimed.contains(id));
    wrong.extend(unclaimed.map(|id| format!("ASO wrote to {id}, which nobody has claimed")));
    for one in tries {
        let said = match (&one.result, &one.claimed) {
            (Err(why), _) => why.clone(),
            (Ok(_), Some(id)) if written.contains(id) => AGREED.to_owned(),
            (Ok(_), _) => {
                let stored = stored(story, one).await;
                let by_aso = stored.annotation("serviceoperator.azure.com/resource-id");
                let by_aso = by_aso.map(key);
                if by_aso.is_some() && by_aso != one.claimed {
                    wrong.push(format!(
                        "{}: {by_aso:?} is claimed as {:?}",
                        one.title(),
                        one.claimed
                    ));
                }
                let ready = &stored.0["status"]["conditions"][0];
                let text = |field: &str| ready[field].as_str().unwrap_or_default();
                format!(
                    "ASO does not write to it: {}: {}",
                    text("reason"),
                    brief(text("message"))
                )
            }
        };
        let Kind {
            group,
            kind,
            arm_type,
            ..
        } = &one.kind;
        rows.push(format!("| {group} | {kind} | {arm_type} | {said} |"));
    }
    (rows, wrong)
}

async fn stored(story: &Story<'_>, one: &Try) -> Object {
    let path = one.definition.stored_collection(story.b.namespace());
    let all = story.b.list_path(&path).await.unwrap();
    let found = all.into_iter().find(|object| object.name() == one.name);
    found.unwrap_or_else(|| panic!("{} is gone", one.title()))
}

/// The beginning of a message, as it fits into a table and is the same each time.
fn brief(message: &str) -> String {
    let line = message
        .split("denied the request: ")
        .last()
        .unwrap_or_default();
    let line = line.lines().next().unwrap_or_default().replace('|', "/");
    let begin: String = line.chars().take(140).collect();
    if begin == line {
        begin
    } else {
        format!("{begin} …")
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/identities.md")
}

fn is_made_anew() -> bool {
    std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always")
}

fn is_agreed(row: &str) -> bool {
    row.ends_with(&format!("| {AGREED} |"))
}

/// The rows of the committed table whose kinds agree.
fn agreed_rows() -> Vec<String> {
    let committed = fs::read_to_string(path()).unwrap_or_default();
    let agreed = committed.lines().filter(|row| is_agreed(row));
    agreed.map(str::to_owned).collect()
}

/// The kinds that agree by the committed table.
fn agreed_before() -> BTreeSet<String> {
    let title = |row: &String| {
        let mut cells = row.split('|').skip(1).map(str::trim);
        Some(format!("{}/{}", cells.next()?, cells.next()?))
    };
    agreed_rows().iter().filter_map(title).collect()
}

/// Whether the kinds that agreed by the committed table do so still.
fn compare(rows: &[String]) {
    if is_made_anew() {
        fs::write(path(), table(rows)).unwrap();
    }
    let agreed = agreed_rows();
    assert!(agreed.len() > 200, "{} agree in the table", agreed.len());
    let lost = agreed.iter().filter(|row| !rows.contains(row));
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<&String>::new(), "{rows:#?}");
}

fn table(rows: &[String]) -> String {
    let agreed = rows.iter().filter(|row| is_agreed(row)).count();
    let mut text = format!(
        "# Kinds of ASO, one by one\n\n\
        Which resource in Azure an object stands for, by Azure Service Operator v2.20.0 itself and by the guard: \
        {agreed} of its {} kinds\nagree, none disagrees, and {} cannot be tried.\n\n\
        Of each kind an object was applied in a cluster with a guard, where only ASO's webhooks ran. The guard claimed a \
        resource for\neach, before any ASO had looked at it. Then ASO was started, and wrote to a stand-in for Azure. A kind \
        agrees where ASO's `PUT` went\nto the very resource that was claimed, without regard to case; ASO wrote to nothing \
        that nobody had claimed. The manifests have what\nthe schemas of ASO's CRDs require, so some kinds lack what ASO wants \
        besides: the last column says what came of them.\n\n\
        `INSTA_UPDATE=always tests/aso/run identities` writes this table. Without it the test fails where a kind that agreed \
        does so no\nlonger.\n\n\
        | group | kind | type | ASO and the guard |\n| --- | --- | --- | --- |\n",
        rows.len(),
        rows.len() - agreed,
    );
    for row in rows {
        let _ = writeln!(text, "{row}");
    }
    text
}
