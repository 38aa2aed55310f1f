//! A fleet moves from a hub to Azure Blob Storage, or from there to a hub, and people in both
//! clusters go on working.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aso_guard::claim::MemberCopy;
use aso_guard::registry::kubernetes::KubernetesRegistry;
use aso_guard::registry::{ClaimScope, Registry};
use parking_lot::Mutex;
use rstest::rstest;
use tokio::time::{Instant, sleep, timeout};

use crate::GUARD;
use crate::lab::azurite::{ACCOUNT, Azurite, environment};
use crate::lab::guard;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::{Refusal, Verdict};
use crate::lab::wait::until;
use crate::lab::world::{Lab, Plan};

const CONTAINER: &str = "fleet";
/// How many resources both clusters want, and how many requests each makes at most.
const RESOURCES: usize = 12;
const REQUESTS: usize = 400;
/// How long each waits between two requests.
const PAUSE: Duration = Duration::from_millis(400);
/// Longer than a move takes on a busy machine.
const LIMIT: Duration = Duration::from_mins(8);

/// What people did, and what became of it.
#[derive(Default)]
struct Traffic {
    /// Which cluster holds what, from when its create was admitted until it lets go of it.
    held: Mutex<BTreeMap<usize, &'static str>>,
    over: AtomicBool,
    admitted: Mutex<u32>,
    /// By the other cluster's copy.
    refused: Mutex<u32>,
    wrong: Mutex<Vec<String>>,
}

impl Traffic {
    /// Creates what both clusters want, and gives some of it up again.
    async fn work(&self, cluster: &'static str, person: &Kubectl, resources: &[Object]) {
        for turn in 0..REQUESTS {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let number = turn * 7 % RESOURCES;
            let object = &resources[number];
            let holds = self.held.lock().get(&number) == Some(&cluster);
            if holds {
                self.held.lock().remove(&number);
                // One half parks it first; the other half deletes it in Azure, too.
                if turn % 2 == 0 {
                    self.takes(person.set_policy(object, "skip").await.map(drop));
                }
                self.takes(person.delete(object).await.map(drop));
            } else {
                let created = person.create(object).await.map(drop);
                if self.takes(created) {
                    let before = self.held.lock().insert(number, cluster);
                    if let Some(before) = before {
                        self.complain(format!("{before} and {cluster} both hold {number}"));
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Takes note of an answer. Gives whether it was a yes.
    fn takes(&self, answer: Result<(), Refusal>) -> bool {
        match answer {
            Ok(()) => *self.admitted.lock() += 1,
            Err(refusal)
                if refusal.reason == "LiveElsewhere" || refusal.reason == "PeersDepend" =>
            {
                *self.refused.lock() += 1;
                return false;
            }
            // It is still being deleted, or was never there.
            Err(refusal) if refusal.reason == "AlreadyExists" || refusal.reason == "NotFound" => {
                return false;
            }
            Err(refusal) => {
                self.complain(refusal.to_string());
                return false;
            }
        }
        true
    }

    fn was_not_disturbed(self) {
        let (admitted, refused) = (self.admitted.into_inner(), self.refused.into_inner());
        println!("{admitted} admitted, {refused} refused for the other cluster's copy");
        assert_eq!(
            self.wrong.into_inner(),
            Vec::<String>::new(),
            "doubles, or refused for the move's sake"
        );
        assert!(admitted > 50 && refused > 10);
    }

    fn complain(&self, words: String) {
        self.wrong.lock().push(words);
    }
}

/// `aso-guard registry …`, with what leads it to Azurite: whether it came to a good end, and all
/// that it said.
async fn registry(port: u16, args: &[&str]) -> anyhow::Result<(bool, String)> {
    let run = tokio::process::Command::new(GUARD)
        .arg("registry")
        .args(args)
        .envs(environment(port))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = timeout(LIMIT, run).await??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&ended.stdout) + &text(&ended.stderr);
    println!("registry {args:?}: {}\n{said}", ended.status);
    Ok((ended.status.success(), said))
}

/// One of the two registries.
struct Place {
    /// As people reach it.
    url: String,
    /// As the guard of each cluster reaches it.
    of_guards: [String; 2],
    registry: Box<dyn Registry>,
}

impl Place {
    async fn hub(lab: &Lab, plan: &guard::Plan) -> anyhow::Result<Self> {
        let admin = lab.hub().kubectl("default").await?;
        Ok(Self {
            url: format!("kubernetes:{}", lab.hub().kubeconfig().display()),
            of_guards: lab.hub_of_members(plan).await?,
            registry: Box::new(KubernetesRegistry::new(admin.client().clone(), "hub")),
        })
    }

    async fn azure(azurite: &Azurite) -> anyhow::Result<Self> {
        azurite.create_container(CONTAINER).await?;
        let url = format!("azure://{ACCOUNT}/{CONTAINER}");
        Ok(Self {
            of_guards: [url.clone(), url.clone()],
            url,
            registry: Box::new(Azurite::registry(CONTAINER, azurite.port())?),
        })
    }
}

/// The plans of both guards, which have this registry as the next one.
fn with_next(plan: &guard::Plan, next: &Place) -> [guard::Plan; 2] {
    next.of_guards.clone().map(|url| {
        let mut plan = plan.clone();
        plan.args.extend(["--next-registry".to_owned(), url]);
        plan
    })
}

#[rstest]
#[case::from_a_hub_to_azure(false)]
#[case::from_azure_to_a_hub(true)]
#[tokio::test]
async fn a_fleet_moves_and_nobody_notices(#[case] to_a_hub: bool) {
    let azurite = Azurite::start().await.unwrap();
    let mut lab = Lab::start(&Plan::default()).await.unwrap();
    let mut plan = guard::Plan::enforce(GUARD);
    plan.environment.extend(environment(azurite.port()));
    let hub = Place::hub(&lab, &plan).await.unwrap();
    let azure = Place::azure(&azurite).await.unwrap();
    let (from, to) = if to_a_hub { (azure, hub) } else { (hub, azure) };
    // The fleet has a registry before it moves to another one.
    let alone = [plan.clone(), plan.clone()];
    lab.guard_each(&alone, &from.of_guards).await.unwrap();
    let both = with_next(&plan, &to);
    lab.guard_each(&both, &from.of_guards).await.unwrap();
    let story = Story::begin(&lab, "moving").await;
    let names = (0..RESOURCES).map(|number| story.resource_group(&format!("rg-{number}")));
    let resources: Vec<Object> = names.collect();

    let traffic = Traffic::default();
    let moving = async {
        move_registry(azurite.port(), &from, &to).await.unwrap();
        sleep(Duration::from_secs(5)).await;
        traffic.over.store(true, Ordering::Relaxed);
    };
    tokio::join!(
        traffic.work("a", &story.a, &resources),
        traffic.work("b", &story.b, &resources),
        moving,
    );
    traffic.was_not_disturbed();

    claims_cover(&story, &*to.registry).await.unwrap();
    for (place, words) in [(&from, "closed for good"), (&to, "judges alone")] {
        let status = registry(azurite.port(), &["status", "--registry", &place.url]).await;
        let (succeeds, said) = status.unwrap();
        assert!(succeeds && said.contains(words), "{said}");
    }

    // The guards leave the old one behind.
    drop(story);
    lab.guard_each(&alone, &to.of_guards).await.unwrap();
    let story = Story::begin(&lab, "moved").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();
    story
        .b
        .create(&group)
        .await
        .refused()
        .because("live in cluster a as moved/");
}

/// What a person does.
async fn move_registry(port: u16, from: &Place, to: &Place) -> anyhow::Result<()> {
    let ways = ["move", "--from", &*from.url, "--to", &*to.url];
    let (_, said) = registry(port, &ways).await?;
    anyhow::ensure!(said.contains("Prepared"), "{said}");
    let begun = Instant::now();
    // Every replica has said for a while that it has both.
    while !registry(port, &ways).await?.0 {
        anyhow::ensure!(begun.elapsed() < LIMIT, "the guards are not ready");
        sleep(Duration::from_secs(5)).await;
    }
    let closing = [&ways[..], &["--close"]].concat();
    let (done, said) = registry(port, &closing).await?;
    anyhow::ensure!(done && said.contains("The fleet has moved"), "{said}");
    Ok(())
}

/// Everything that is live has its claim in the new registry.
async fn claims_cover(story: &Story<'_>, new: &dyn Registry) -> anyhow::Result<()> {
    let settled = async || {
        let claims = new.claims(&ClaimScope::All).await?.whole()?;
        for (person, cluster) in [(&story.a, "a"), (&story.b, "b")] {
            let stored = person.list("resources.azure.com/v1api20200601", "ResourceGroup");
            for object in stored.await? {
                let is_it = |copy: &MemberCopy| copy.is_live();
                let mut claims = claims.iter().flat_map(|claim| &claim.record.copies);
                let found = claims.any(|(copy, held)| {
                    copy.member.as_str() == cluster
                        && *copy.object.name == *object.name()
                        && is_it(held)
                });
                anyhow::ensure!(found, "{} of {cluster} has no claim", object.name());
            }
        }
        Ok(())
    };
    until("all claims to be in the new registry", LIMIT, settled).await
}
