//! What the registry of a middling shop holds: two clusters in one subscription, a third one
//! that fell silent, and what can go wrong.

use std::sync::Arc;

use aso_guard::claim::{
    CopyRef, HistoryAction, HistoryEntry, InFlight, Justification, MemberCopy, Proof, Record,
    RequestUid, StoredCopy,
};
use aso_guard::object::ObjectKey;
use aso_guard::policy::Policy;
use aso_guard::registry::{MemberRecord, Registry, Sample, SecondLine};
use aso_guard::transfer::{
    Selection, StageCounts, Transfer, TransferAction as TransferDeed, TransferCounts,
    TransferHistoryEntry as TransferEntry, TransferPhase, TransferStage,
};
use jiff::{SignedDuration, Timestamp};

/// The subscription of everything here.
pub const SUBSCRIPTION: &str = "5f1d0c5e-8a0b-4c3e-9d52-0b6f0a8c7e11";

/// What a resource group holds: the type's path, ASO's group and kind, and a name, in which
/// `{}` is the group's own.
const INSIDE: [(&str, &str, &str, &str); 17] = [
    (
        "Microsoft.Network/virtualNetworks",
        "network.azure.com",
        "VirtualNetwork",
        "vnet-{}",
    ),
    (
        "Microsoft.Network/networkSecurityGroups",
        "network.azure.com",
        "NetworkSecurityGroup",
        "nsg-{}",
    ),
    (
        "Microsoft.Network/publicIPAddresses",
        "network.azure.com",
        "PublicIPAddress",
        "pip-{}",
    ),
    (
        "Microsoft.Network/privateDnsZones",
        "network.azure.com",
        "PrivateDnsZone",
        "{}.internal",
    ),
    (
        "Microsoft.Storage/storageAccounts",
        "storage.azure.com",
        "StorageAccount",
        "st{}assets",
    ),
    (
        "Microsoft.Storage/storageAccounts",
        "storage.azure.com",
        "StorageAccount",
        "st{}backup",
    ),
    (
        "Microsoft.KeyVault/vaults",
        "keyvault.azure.com",
        "Vault",
        "kv-{}",
    ),
    (
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "managedidentity.azure.com",
        "UserAssignedIdentity",
        "id-{}-api",
    ),
    (
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "managedidentity.azure.com",
        "UserAssignedIdentity",
        "id-{}-worker",
    ),
    (
        "Microsoft.DBforPostgreSQL/flexibleServers",
        "dbforpostgresql.azure.com",
        "FlexibleServer",
        "psql-{}",
    ),
    (
        "Microsoft.Cache/redis",
        "cache.azure.com",
        "Redis",
        "redis-{}",
    ),
    (
        "Microsoft.ServiceBus/namespaces",
        "servicebus.azure.com",
        "Namespace",
        "sb-{}",
    ),
    (
        "Microsoft.EventHub/namespaces",
        "eventhub.azure.com",
        "Namespace",
        "eh-{}",
    ),
    (
        "Microsoft.ContainerRegistry/registries",
        "containerregistry.azure.com",
        "Registry",
        "cr{}",
    ),
    (
        "Microsoft.Insights/components",
        "insights.azure.com",
        "Component",
        "appi-{}",
    ),
    (
        "Microsoft.OperationalInsights/workspaces",
        "operationalinsights.azure.com",
        "Workspace",
        "log-{}",
    ),
    (
        "Microsoft.Cdn/profiles",
        "cdn.azure.com",
        "Profile",
        "cdn-{}",
    ),
];

/// The teams: their namespace, their cluster, and their resource groups.
const TEAMS: [(&str, &str, &[&str]); 6] = [
    ("shop", "west", &["shop", "shopfront", "checkout"]),
    ("billing", "west", &["billing", "invoices"]),
    ("search", "west", &["search"]),
    (
        "platform",
        "north",
        &["platform", "ingress", "observability"],
    ),
    ("data", "north", &["lake", "reports", "ml"]),
    ("sandbox", "lab", &["sandbox"]),
];

/// Fills a registry, as of `now`.
///
/// # Panics
/// The registry does not take it.
pub async fn fill(registry: &dyn Registry, now: Timestamp) {
    heartbeats(registry, now).await;
    for member in members(now) {
        if member.name.as_str() == "lab" {
            registry.put_member(&member, None).await.unwrap();
        }
    }
    for transfer in transfers(now) {
        registry.put_transfer(&transfer, None).await.unwrap();
    }
    for record in claims(now) {
        registry.put_claim(&record, None).await.unwrap();
    }
}

/// The members that run are heard from.
///
/// # Panics
/// The registry does not take it.
pub async fn heartbeats(registry: &dyn Registry, now: Timestamp) {
    for member in members(now) {
        let known = registry.member(&member.name).await.unwrap();
        if member.name.as_str() != "lab" {
            let version = known.map(|known| known.version);
            registry
                .put_member(&member, version.as_ref())
                .await
                .unwrap();
        }
    }
}

fn members(now: Timestamp) -> Vec<MemberRecord> {
    let member = |name: &str, cluster: &str, minutes: i64, enrolling| MemberRecord {
        name: name.parse().unwrap(),
        cluster: cluster.into(),
        version: "0.1.0".into(),
        enrolling,
        heard: now - SignedDuration::from_mins(minutes) - SignedDuration::from_secs(4),
        mode: "enforce".into(),
        unresolved: Sample::default(),
        unwatched: Sample::default(),
        webhook_gaps: Sample::default(),
        second_line: None,
        hub_token_expires: None,
        fence: None,
        policy_changes: Vec::new(),
        writes: 1,
        epoch: "".into(),
        next: None,
    };
    let unresolved = Sample {
        count: 1,
        some: vec!["data/StorageAccount/stscratch".to_owned()],
        since: now - SignedDuration::from_mins(14),
    };
    let second_line = SecondLine {
        namespaces: 12,
        stale: Sample {
            count: 1,
            some: vec!["shop".to_owned()],
            since: now - SignedDuration::from_mins(3),
        },
    };
    vec![
        MemberRecord {
            second_line: Some(second_line),
            ..member("west", "0a4b9d4e-6a34-4f0c-a2a3-5d9f7c1f2b10", 0, false)
        },
        MemberRecord {
            unresolved,
            ..member("north", "c7d1e0b2-91f5-47a8-8e6e-3a2b1c0d9e8f", 0, true)
        },
        member(
            "lab",
            "f3e2d1c0-b9a8-4776-9554-433221100fee",
            60 * 27,
            false,
        ),
    ]
}

/// All claims.
pub fn claims(now: Timestamp) -> Vec<Record> {
    let mut all = Vec::new();
    for (team, member, groups) in TEAMS {
        for group in groups {
            let days = i64::try_from(group.len()).unwrap_or(1);
            let since = now - SignedDuration::from_hours(days * 31);
            let by = if team == "shop" { "flux" } else { "" };
            let path = group_id(group);
            let key = ObjectKey::new(
                "resources.azure.com",
                "ResourceGroup",
                team,
                &format!("rg-{group}"),
            );
            all.push(record(
                &path,
                vec![copy(member, &key, Policy::Manage, since, by)],
            ));
            for (kind_path, kind_group, kind, name) in INSIDE {
                let name = name.replace("{}", group);
                let key = ObjectKey::new(kind_group, kind, team, &name);
                let path = format!("{path}/providers/{kind_path}/{name}");
                all.push(record(
                    &path,
                    vec![copy(member, &key, Policy::Manage, since, by)],
                ));
            }
        }
    }
    let way = transfers(now)[0].reservation();
    let moved = all.iter_mut().filter(|record| is_moved(record));
    for (at, record) in moved.enumerate() {
        record.reserved = Some(way.clone());
        // The first ones are through, the last ones not begun.
        for _ in 0..[4, 4, 4, 4, 4, 3, 3, 3, 2, 1, 1, 1, 1, 1]
            .get(at)
            .copied()
            .unwrap_or(0)
        {
            step(record, now);
        }
    }
    for (id, change) in troubles(now) {
        let known = all.iter_mut().find(|record| record.identity.as_str() == id);
        change(known.unwrap());
    }
    all
}

fn is_moved(record: &Record) -> bool {
    record.identity.resource_group() == Some("rg-search")
}

/// Takes a resource of the open transfer one step on; `false` where it is through.
///
/// # Panics
/// It is of no transfer.
pub fn step(record: &mut Record, now: Timestamp) -> bool {
    let way = record.reserved.clone().unwrap();
    let (source, target): (Vec<CopyRef>, Vec<CopyRef>) = record
        .copies
        .keys()
        .cloned()
        .partition(|copy| way.from.has(copy));
    match (&source[..], &target[..]) {
        ([source], []) => {
            let held = record.copies.get_mut(source).unwrap();
            if held.is_live() {
                held.stored.as_mut().unwrap().policy = Policy::Skip;
                return true;
            }
            let object = source.object.in_namespace(&way.to.namespace);
            let (copy, mut held) =
                copy(way.to.member.as_str(), &object, Policy::Manage, now, "flux");
            held.stored = None;
            let deadline = now + SignedDuration::from_secs(84);
            held.acquiring = vec![request(
                "5e1c0a8f-7a52-4b7f-9f0e-2f4c6d8e0b13",
                Proof::Deadline,
                deadline,
            )];
            record.copies.insert(copy, held);
            true
        }
        ([source], [target]) => {
            let held = record.copies.get_mut(target).unwrap();
            if held.stored.is_none() {
                let (_, there) = copy(
                    target.member.as_str(),
                    &target.object,
                    Policy::Manage,
                    now,
                    "flux",
                );
                *held = there;
            } else {
                record.copies.remove(source);
            }
            true
        }
        _ => false,
    }
}

fn transfers(now: Timestamp) -> Vec<Transfer> {
    let transfer = |name: &str, from: &str, to: &str, group: &str| {
        let selection = Selection {
            resource_groups: vec![group.into()],
            ..Selection::default()
        };
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        Transfer::new(name.parse().unwrap(), from, to, selection)
    };
    let entry = |minutes, action| TransferEntry {
        at: now - SignedDuration::from_mins(minutes),
        by: "anna@contoso.example".into(),
        action,
        why: None,
        unfinished: 0,
    };
    let mut open = transfer(
        "search-to-north",
        "west/search",
        "north/search",
        "rg-search",
    );
    open.phase = TransferPhase::Open;
    open.covered = 18;
    open.why = Justification::new("search moves next to its data, CHG-2350");
    open.history = vec![entry(6, TransferDeed::Start)];
    let mut over = transfer(
        "ingress-to-north",
        "west/platform",
        "north/platform",
        "rg-ingress",
    );
    over.phase = TransferPhase::Finished;
    over.covered = 18;
    let mut tally = StageCounts::default();
    tally.add(TransferStage::Done, 18);
    over.status = Some(TransferCounts {
        at: now - SignedDuration::from_hours(70),
        tally,
    });
    over.history = vec![
        entry(60 * 71, TransferDeed::Start),
        entry(60 * 70, TransferDeed::Finish),
    ];
    vec![open, over]
}

/// The ID of a resource group here.
pub fn group_id(group: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-{group}")
}

fn inside(group: &str, rest: &str) -> String {
    format!("{}/providers/{rest}", group_id(group))
}

type Change = Box<dyn FnOnce(&mut Record)>;

/// What is not as it should be, or under way.
fn troubles(now: Timestamp) -> Vec<(String, Change)> {
    let ago = move |minutes| now - SignedDuration::from_mins(minutes);
    let soon = now + SignedDuration::from_secs(71);
    let vault = ObjectKey::new("keyvault.azure.com", "Vault", "payments", "kv-checkout");
    let lake = ObjectKey::new(
        "storage.azure.com",
        "StorageAccount",
        "data",
        "stlakebackup",
    );
    let rule = inside("reports", "Microsoft.Cache/redis/redis-reports");
    vec![
        // Applied by hand in the other cluster, while its guard was away.
        (
            inside("checkout", "Microsoft.KeyVault/vaults/kv-checkout"),
            Box::new(move |record| {
                let (peer, mut held) = copy("north", &vault, Policy::Manage, ago(9), "");
                held.newcomer = 1;
                record.copies.insert(peer, held);
            }),
        ),
        // A move that nobody finished.
        (
            inside("lake", "Microsoft.Storage/storageAccounts/stlakebackup"),
            Box::new(move |record| {
                record.copies.clear();
                for member in ["north", "west"] {
                    let (parked, held) = copy(
                        member,
                        &lake,
                        Policy::Skip,
                        ago(60 * 50),
                        "anna@contoso.example",
                    );
                    record.copies.insert(parked, held);
                }
            }),
        ),
        (
            inside(
                "invoices",
                "Microsoft.DBforPostgreSQL/flexibleServers/psql-invoices",
            ),
            Box::new(move |record| {
                for held in record.copies.values_mut() {
                    held.stored = None;
                    held.since = ago(0);
                    held.by = "system:serviceaccount:flux-system:kustomize-controller".into();
                    held.acquiring.push(request(
                        "7c0f3f0e-52d5-4c3f-8d0c-9a6b1e5d2f47",
                        Proof::Uid("b6a4e9d2-1f57-4f6e-9d3a-77c0a1b2c3d4".into()),
                        soon,
                    ));
                }
            }),
        ),
        (
            rule,
            Box::new(move |record| {
                for held in record.copies.values_mut() {
                    held.by = "ben@contoso.example".into();
                    held.deleting.push(request(
                        "21f0b1d4-3b7e-4f0d-b7a8-5c4d3e2f1a09",
                        Proof::ResourceVersion("918273".into()),
                        soon,
                    ));
                }
            }),
        ),
        // Somebody knew better.
        (
            inside("billing", "Microsoft.ServiceBus/namespaces/sb-billing"),
            Box::new(move |record| {
                let (copy, held) = record.copies.iter_mut().next().unwrap();
                if let Some(stored) = &mut held.stored {
                    stored.busy = true;
                }
                let entry = |minutes, action, why, refusal: &str| HistoryEntry {
                    at: ago(minutes),
                    by: "anna@contoso.example".into(),
                    copy: copy.clone(),
                    action,
                    why: Justification::new(why).unwrap(),
                    refusal: refusal.into(),
                };
                record.history = vec![
                    entry(
                        60 * 26,
                        HistoryAction::Release,
                        "cluster old-west was deleted, CHG-2291",
                        "",
                    ),
                    entry(
                        60 * 25,
                        HistoryAction::Create,
                        "restoring billing after the outage, INC-1042",
                        "LiveElsewhere",
                    ),
                ];
            }),
        ),
    ]
}

fn request(call: &str, proof: Proof, deadline: Timestamp) -> InFlight {
    InFlight {
        request: RequestUid::new(call),
        proof,
        deadline,
        to: None,
    }
}

fn record(id: &str, copies: Vec<(CopyRef, MemberCopy)>) -> Record {
    let mut record = Record::new(id.parse().unwrap());
    record.copies.extend(copies);
    record
}

/// A copy that was seen stored.
///
/// # Panics
/// The member's name is none.
pub fn copy(
    member: &str,
    object: &ObjectKey,
    policy: Policy,
    since: Timestamp,
    by: &str,
) -> (CopyRef, MemberCopy) {
    let copy = CopyRef {
        member: member.parse().unwrap(),
        object: object.clone(),
    };
    let held = MemberCopy {
        stored: Some(StoredCopy {
            uid: format!("uid-of-{object}").into(),
            policy,
            terminating: false,
            busy: false,
        }),
        acquiring: Vec::new(),
        arriving: Vec::new(),
        renaming: Vec::new(),
        deleting: Vec::new(),
        assumed: false,
        newcomer: 0,
        since,
        by: Arc::from(by),
    };
    (copy, held)
}
