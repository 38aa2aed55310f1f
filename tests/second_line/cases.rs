//! Namespaces with a resource group and an account in it, each with policies, peers and marks of
//! its own.

use std::collections::BTreeMap;

use aso_guard::arm::Identity;
use aso_guard::claim::{
    CopyRef, HistoryAction, HistoryEntry, InFlight, Justification, MemberCopy, Proof, Record,
    RequestUid, Reservation, StoredCopy,
};
use aso_guard::cluster::resolve::{Freshness, effective_policy};
use aso_guard::object::ObjectKey;
use aso_guard::policy::Policy;
use jiff::Timestamp;

use crate::dice::Dice;
use crate::lab::crds::SUBSCRIPTION;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::{Object, POLICY};
use crate::line::{Line, member};

pub const OVERRIDE: &str = "asoguard.io/override";
pub const PROTECT: &str = "asoguard.io/protect";
pub const MODE: &str = "asoguard.io/mode";
/// A reason that was used before.
pub const USED: &str = "used before";

/// One namespace.
pub struct Case {
    pub team: Kubectl,
    pub namespace: Object,
    pub group: Object,
    pub account: Object,
}

/// A copy of the same resource elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    None,
    Parked,
    Live,
    Pending,
}

const POLICIES: [Option<&str>; 6] = [
    None,
    Some("manage"),
    Some("skip"),
    Some("skip"),
    Some("detach-on-delete"),
    Some("Skip"),
];
const PEERS: [Peer; 6] = [
    Peer::None,
    Peer::None,
    Peer::None,
    Peer::Parked,
    Peer::Live,
    Peer::Pending,
];

pub fn group_id(name: &str) -> Identity {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}")
        .parse()
        .unwrap()
}

pub fn account_id(group: &str, name: &str) -> Identity {
    let group = group_id(group);
    format!("{group}/providers/Microsoft.Storage/storageAccounts/{name}")
        .parse()
        .unwrap()
}

pub fn copy(member: &str, namespace: &str, kind: &str, name: &str) -> CopyRef {
    let group = if kind == "ResourceGroup" {
        "resources.azure.com"
    } else {
        "storage.azure.com"
    };
    CopyRef {
        member: member.parse().unwrap(),
        object: ObjectKey::new(group, kind, namespace, name),
    }
}

/// A copy as its observer saw it.
pub fn stored(uid: &str, policy: Policy) -> MemberCopy {
    MemberCopy {
        stored: Some(StoredCopy {
            uid: uid.into(),
            policy,
            terminating: false,
            busy: false,
        }),
        ..absent()
    }
}

fn absent() -> MemberCopy {
    MemberCopy {
        stored: None,
        acquiring: Vec::new(),
        arriving: Vec::new(),
        renaming: Vec::new(),
        deleting: Vec::new(),
        assumed: false,
        newcomer: 0,
        since: Timestamp::UNIX_EPOCH,
        by: "alice".into(),
    }
}

fn pending() -> MemberCopy {
    MemberCopy {
        acquiring: vec![InFlight {
            request: RequestUid::new("r"),
            proof: Proof::Deadline,
            deadline: Timestamp::MAX,
            to: None,
        }],
        ..absent()
    }
}

impl Case {
    /// Thrown with these dice.
    pub async fn thrown(line: &Line, number: usize, dice: &mut Dice) -> Self {
        let name = format!("case-{number}");
        let mut namespace = Object::namespace(&name);
        if let Some(policy) = dice.one_of(&POLICIES) {
            namespace = annotated(namespace, POLICY, policy);
        }
        if dice.below(12) == 0 {
            namespace = annotated(namespace, PROTECT, "all of it");
        }
        if let Some(mode) =
            dice.one_of(&[None, None, None, Some("audit"), Some("off"), Some("odd")])
        {
            namespace = namespace.with("/metadata/labels", serde_json::json!({MODE: mode}));
        }
        let team = line.namespace(&namespace).await;
        let group = Object::of("ResourceGroup", "rg").azure_name(&name);
        let account = Object::of("StorageAccount", "data")
            .azure_name(&format!("data{number}"))
            .owner("rg");
        let (group, account) = (marked(group, dice), marked(account, dice));
        let (id, inside) = (group_id(&name), account_id(&name, &format!("data{number}")));
        let mut records = Vec::new();
        for (object, identity) in [(&group, &id), (&account, &inside)] {
            let facts = line.store(&team, object, identity).await;
            let policy = effective_policy(&*line.cluster, &facts, Freshness::Known).await;
            let own = CopyRef {
                member: member(),
                object: facts.key.clone(),
            };
            let held = stored(&facts.uid, policy.unwrap().policy);
            let mut record = Record::new(identity.clone());
            record.copies.insert(own.clone(), held);
            for place in ["b", "a"] {
                let peer = dice.one_of(&PEERS);
                // The other one in this cluster is seldom.
                if place == "b" || dice.below(3) == 0 {
                    let there = copy(place, "elsewhere", object.kind(), object.name());
                    add(&mut record.copies, there, peer);
                }
            }
            if dice.below(10) == 0 {
                let to = dice.one_of(&[format!("a/{name}"), "b/elsewhere".to_owned()]);
                record.reserved = Some(Reservation {
                    transfer: "move-it".parse().unwrap(),
                    from: "b/elsewhere".parse().unwrap(),
                    to: to.parse().unwrap(),
                });
            }
            record.history.push(HistoryEntry {
                at: Timestamp::UNIX_EPOCH,
                by: "alice".into(),
                copy: own,
                action: HistoryAction::Update,
                why: Justification::new(USED).unwrap(),
                refusal: "".into(),
            });
            records.push(record);
        }
        if dice.below(5) == 0 {
            let mut foreign = Record::new(account_id(&name, "foreign"));
            let there = copy("b", "elsewhere", "StorageAccount", "foreign");
            let peer = dice.one_of(&[Peer::Parked, Peer::Live, Peer::Pending]);
            add(&mut foreign.copies, there, peer);
            records.push(foreign);
        }
        for record in &records {
            line.claim(record).await;
        }
        let stored = async |object: &Object| team.get(object).await.unwrap().object;
        Self {
            namespace: stored(&namespace).await,
            group: stored(&group).await,
            account: stored(&account).await,
            team,
        }
    }
}

fn add(copies: &mut BTreeMap<CopyRef, MemberCopy>, there: CopyRef, peer: Peer) {
    let held = match peer {
        Peer::None => return,
        Peer::Parked => stored("u", Policy::Skip),
        Peer::Live => stored("u", Policy::Manage),
        Peer::Pending => pending(),
    };
    copies.insert(there, held);
}

fn marked(object: Object, dice: &mut Dice) -> Object {
    let mut object = object;
    if let Some(policy) = dice.one_of(&POLICIES) {
        object = annotated(object, POLICY, policy);
    }
    if dice.below(10) == 0 {
        object = annotated(object, PROTECT, dice.one_of(&["production", ""]));
    }
    if dice.below(8) == 0 {
        object = annotated(object, OVERRIDE, dice.one_of(&["because", " ", USED]));
    }
    object
}

/// The same object with this annotation.
pub fn annotated(mut object: Object, key: &str, value: &str) -> Object {
    object.0["metadata"]["annotations"][key] = value.into();
    object
}
