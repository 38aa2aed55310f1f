//! All guards of both clusters are killed, and people go on: what is refused, what is let through,
//! and what comes of it, where the API server refuses what it cannot ask about (`strict`), and
//! where its own policies refuse by what was written down (`available`).

use futures::{StreamExt as _, stream};
use rstest::rstest;

use crate::GUARD;
use crate::lab::guard;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::verdict::{Outcome, Verdict as _};
use crate::lab::wait::eventually;
use crate::table::say;
use crate::trial::{Side, Trial, plan};

/// How many people ask for each thing: 500 in all.
const PEOPLE: usize = 50;
/// How many of them ask together.
const AT_ONCE: usize = 25;

const PROTECT: &str = "asoguard.io/protect";

/// What somebody asks for, once nobody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    DeleteShared,
    DeleteProtected,
    Wake,
    DeleteAround,
    CreateTwice,
    CreateNew,
    DeleteOwn,
    Park,
    DeleteParked,
    CreateParked,
}

const WISHES: [Wish; 10] = [
    Wish::DeleteShared,
    Wish::DeleteProtected,
    Wish::Wake,
    Wish::DeleteAround,
    Wish::CreateTwice,
    Wish::CreateNew,
    Wish::DeleteOwn,
    Wish::Park,
    Wish::DeleteParked,
    Wish::CreateParked,
];

impl Wish {
    fn words(self) -> &'static str {
        match self {
            Self::DeleteShared => "delete a live copy, while another cluster has one parked",
            Self::DeleteProtected => "delete what `asoguard.io/protect` is on",
            Self::Wake => "make a parked copy live that is live elsewhere",
            Self::DeleteAround => "delete a resource group that another cluster has something in",
            Self::CreateTwice => "create live, under a new name, what is live elsewhere",
            Self::CreateNew => "create what nobody has",
            Self::DeleteOwn => "delete a live copy that is the only one",
            Self::Park => "park a live copy",
            Self::DeleteParked => "delete a parked copy",
            Self::CreateParked => "create a parked copy",
        }
    }

    /// Whether it would destroy what somebody uses, or have two write to one resource.
    fn is_unsafe(self) -> bool {
        matches!(
            self,
            Self::DeleteShared
                | Self::DeleteProtected
                | Self::Wake
                | Self::DeleteAround
                | Self::CreateTwice
        )
    }

    /// Whether it is refused while no guard answers.
    fn is_refused(self, protection: &str) -> bool {
        let parks = matches!(self, Self::Park | Self::CreateParked);
        match protection {
            "strict" => !parks,
            _ => self.is_unsafe() && self != Self::CreateTwice,
        }
    }

    fn name(self, number: usize) -> String {
        format!("{self:?}-{number}").to_lowercase()
    }
}

fn planned(protection: &str) -> guard::Plan {
    let mut plan = guard::Plan {
        replicas: 1,
        ..plan()
    };
    if protection == "available" {
        plan.args = ["--protection", "available"].map(str::to_owned).into();
        let ignore = ["--on-write-failure=ignore", "--on-delete-failure=ignore"];
        plan.webhook_args.extend(ignore.map(str::to_owned));
    }
    plan
}

async fn install_policies(trial: &Trial) {
    let program = guard::Plan::enforce(GUARD);
    let printed = program.print(&["protection", "--namespace", "default"]);
    let objects = Object::documents(&printed.await.unwrap()).unwrap();
    for side in [&trial.a, &trial.b] {
        crate::lab::control_plane::install(&side.person, &objects)
            .await
            .unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn people_go_on_when_all_guards_are_killed(
    #[values("strict", "available")] protection: &str,
) {
    let mut trial = Trial::begin("unguarded").await;
    if protection == "available" {
        install_policies(&trial).await;
    }
    let plan = planned(protection);
    let registry = trial.registry();
    trial.guard([&plan, &plan], [&registry, &registry]).await;
    let people: Vec<(Wish, usize)> = WISHES
        .into_iter()
        .flat_map(|wish| (0..PEOPLE).map(move |number| (wish, number)))
        .collect();
    let preparing = stream::iter(&people).map(|&(wish, number)| prepare(&trial, wish, number));
    preparing
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>()
        .await;
    if protection == "available" {
        all_is_written_down(&trial).await;
    }
    for side in [&trial.a, &trial.b] {
        kill_all(side);
    }
    let asking = stream::iter(&people).map(|&(wish, number)| ask(&trial, wish, number));
    let outcomes: Vec<Outcome> = asking.buffered(AT_ONCE).collect().await;
    for refusal in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(refusal.is_by_policy() || refusal.is_unheard(), "{refusal}");
    }
    say(&format!(
        "| {protection}: what {} people asked for | refused | let through |",
        people.len()
    ));
    say("| --- | --: | --: |");
    for wish in WISHES {
        let of_wish = people
            .iter()
            .zip(&outcomes)
            .filter(|((asked, _), _)| *asked == wish);
        let (through, refused): (Vec<&Outcome>, Vec<&Outcome>) = of_wish
            .map(|(_, outcome)| outcome)
            .partition(|outcome| outcome.is_ok());
        say(&format!(
            "| {} | {} | {} |",
            wish.words(),
            refused.len(),
            through.len()
        ));
        let expected = if wish.is_refused(protection) {
            &through
        } else {
            &refused
        };
        assert!(
            expected.is_empty(),
            "{wish:?} under {protection}: {:?}",
            expected[0]
        );
    }
}

/// What is there before the guards die, by leave of theirs.
async fn prepare(trial: &Trial, wish: Wish, number: usize) {
    let (a, b) = (trial.a.person.trying_again(), trial.b.person.trying_again());
    let (live, id) = (
        trial.resource_group(&wish.name(number)),
        trial.resource_group_id(&wish.name(number)),
    );
    let parked = live.clone().policy("skip");
    match wish {
        Wish::DeleteShared | Wish::Park => {
            a.create(&live).await.admitted();
            b.create(&parked).await.admitted();
        }
        Wish::DeleteProtected => {
            let mut live = live;
            live.0["metadata"]["annotations"][PROTECT] = "production".into();
            a.create(&live).await.admitted();
        }
        Wish::Wake | Wish::DeleteParked => {
            b.create(&live).await.admitted();
            a.create(&parked).await.admitted();
        }
        Wish::DeleteAround => {
            a.create(&live).await.admitted();
            b.create(&account(&id, wish, number)).await.admitted();
        }
        Wish::CreateTwice => {
            b.create(&live).await.admitted();
        }
        Wish::DeleteOwn => {
            a.create(&live).await.admitted();
        }
        Wish::CreateNew | Wish::CreateParked => {}
    }
}

fn account(group: &str, wish: Wish, number: usize) -> Object {
    let name = wish.name(number).replace('-', "");
    Object::of("StorageAccount", &name)
        .azure_name(&name)
        .owner_arm_id(group)
}

/// Once for all: what is written down says all that is to be refused.
async fn all_is_written_down(trial: &Trial) {
    let path = format!(
        "/apis/asoguard.io/v1alpha1/namespaces/{}/protections",
        trial.name
    );
    let entries = |parts: &[Object], field: &str| -> usize {
        let of = |part: &Object| {
            part.0["spec"]["known"][field]
                .as_object()
                .map_or(0, serde_json::Map::len)
        };
        parts.iter().map(of).sum()
    };
    eventually("all of it to be written down", async || {
        let parts = trial.a.person.list_path(&path).await?;
        let (kept, held) = (entries(&parts, "kept"), entries(&parts, "held"));
        // Shared: to delete, to wake, to park, to delete parked; and groups around something.
        anyhow::ensure!(
            (kept, held) == (5 * PEOPLE, 2 * PEOPLE),
            "{kept} kept, {held} held"
        );
        Ok(())
    })
    .await;
    let shared = trial.resource_group(&Wish::DeleteShared.name(0));
    eventually("the policies to go by it", async || {
        match trial.a.person.dry_run().delete(&shared).await {
            Err(refusal) if refusal.is_by_policy() => Ok(()),
            other => anyhow::bail!("{other:?}"),
        }
    })
    .await;
}

fn kill_all(side: &Side) {
    for replica in side.guard().replicas() {
        replica.process.kill();
    }
}

async fn ask(trial: &Trial, wish: Wish, number: usize) -> Outcome {
    let a: &Kubectl = &trial.a.person;
    let live = trial.resource_group(&wish.name(number));
    match wish {
        Wish::DeleteShared
        | Wish::DeleteProtected
        | Wish::DeleteAround
        | Wish::DeleteOwn
        | Wish::DeleteParked => a.delete(&live).await,
        Wish::Wake => a.clear_policy(&live).await,
        Wish::Park => a.set_policy(&live, "skip").await,
        Wish::CreateTwice | Wish::CreateNew => a.create(&live).await,
        Wish::CreateParked => a.create(&live.policy("skip")).await,
    }
}
