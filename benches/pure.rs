//! What a verdict is made of, without the network: `cargo bench --bench pure`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark, for the developers of this package"
)]

use std::hint::black_box;
use std::sync::Arc;

use aso_guard::admission::review::parse;
use aso_guard::arm::{Identity, Kinds, OwnerLink, resolve};
use aso_guard::claim::{
    Acquire, CopyRef, Observation, ObservedHold, ObservedObject, Proof, Record, RequestUid,
    acquire, observe,
};
use aso_guard::object::{ObjectFacts, ObjectKey, OwnerRef};
use aso_guard::policy::Policy;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use serde_json::{Value, json};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const REVIEW: &str = include_str!("../tests/wire/fixtures/create.json");

fn object(group: &str, kind: &str, name: &str, owner: Option<&str>) -> ObjectFacts {
    ObjectFacts {
        owner: owner.map(|name| OwnerRef {
            name: Some(name.into()),
            ..OwnerRef::default()
        }),
        ..ObjectFacts::named(ObjectKey::new(group, kind, "team", name))
    }
}

fn identity(criterion: &mut Criterion) {
    let kinds = Kinds::builtin();
    let group = object("resources.azure.com", "ResourceGroup", "rg", None);
    let (network, account) = ("network.azure.com", "storage.azure.com");
    let vnet = object(network, "VirtualNetwork", "net", Some("rg"));
    let subnet = object(network, "VirtualNetworksSubnet", "inner", Some("net"));
    let account = object(account, "StorageAccount", "st", Some("rg"));
    let [above_group, above_vnet] =
        [&group, &vnet].map(|owner| OwnerLink::Found(Arc::new(owner.clone())));

    let mut bench = criterion.benchmark_group("identity");
    for (name, object, owners) in [
        ("resource group", &group, vec![]),
        ("storage account", &account, vec![above_group.clone()]),
        ("subnet", &subnet, vec![above_vnet, above_group]),
    ] {
        bench.bench_function(name, |bencher| {
            bencher
                .iter(|| resolve(&kinds, black_box(object), &owners, Some(SUBSCRIPTION)).unwrap());
        });
    }
    bench.finish();
}

fn acquire_of(member: &str, request: &str) -> Acquire {
    let at = Timestamp::UNIX_EPOCH;
    Acquire {
        copy: CopyRef {
            member: member.parse().unwrap(),
            object: ObjectKey::new("resources.azure.com", "ResourceGroup", "team", "rg"),
        },
        request: RequestUid::new(request),
        proof: Proof::Uid("0c8f5c1e-2a52-4a69-a2c5-1d3f0b6f2d01".into()),
        deadline: at,
        at,
        by: "alice".into(),
        assumed: false,
    }
}

/// What the observer sees of a copy that is stored with this policy.
fn seen(copy: &CopyRef, policy: Policy) -> Observation<'_> {
    let object = ObservedObject {
        uid: "0c8f5c1e-2a52-4a69-a2c5-1d3f0b6f2d01".into(),
        resource_version: "4711".into(),
        terminating: false,
        busy: false,
        held: Some(ObservedHold {
            policy,
            assumed: false,
        }),
    };
    Observation {
        copy,
        judged_at: Timestamp::UNIX_EPOCH,
        object: Some(object),
        seen_uids: &[],
    }
}

fn verdict(criterion: &mut Criterion) {
    let id: Identity = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg")
        .parse()
        .unwrap();
    let (ours, theirs) = (acquire_of("a", "r1"), acquire_of("b", "r2"));
    let parked =
        |record: Option<&Record>, copy| observe(record, &id, &seen(copy, Policy::Skip)).record;
    let peer = parked(None, &theirs.copy);
    let held = acquire(None, &id, &theirs).unwrap();
    let pending = acquire(Some(&peer), &id, &ours).unwrap();

    let mut bench = criterion.benchmark_group("verdict");
    bench.bench_function("acquire, no record", |bencher| {
        bencher.iter(|| acquire(None, black_box(&id), &ours).unwrap());
    });
    bench.bench_function("acquire, a parked peer", |bencher| {
        bencher.iter(|| acquire(Some(black_box(&peer)), &id, &ours).unwrap());
    });
    bench.bench_function("acquire, refused", |bencher| {
        bencher.iter(|| acquire(Some(black_box(&held)), &id, &ours).unwrap_err());
    });
    bench.bench_function("observe, settled", |bencher| {
        let seen = seen(&ours.copy, Policy::Manage);
        bencher.iter(|| observe(Some(black_box(&pending)), &id, &seen));
    });
    bench.finish();
}

/// The fixture as an UPDATE of objects of a mebibyte each.
fn large() -> String {
    let mut review: Value = serde_json::from_str(REVIEW).unwrap();
    let request = &mut review["request"];
    request["operation"] = json!("UPDATE");
    // As much as such objects have: many short fields.
    let rules: Vec<Value> = (0..6_700)
        .map(|n| {
            let range = format!("10.{}.{}.0/24", n / 256, n % 256);
            json!({"name": format!("rule-{n:06}"), "priority": n, "allow": true,
                "sourceAddressPrefix": range, "destinationAddressPrefix": "10.0.0.0/8",
                "description": "from \"a\" to \"b\""})
        })
        .collect();
    request["object"]["spec"]["rules"] = json!(rules);
    request["oldObject"] = request["object"].clone();
    review.to_string()
}

fn review(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("review");
    for (name, text) in [("small", REVIEW.to_owned()), ("two of a mebibyte", large())] {
        bench.throughput(Throughput::Bytes(text.len() as u64));
        bench.bench_function(name, |bencher| {
            bencher.iter(|| {
                let request = parse(black_box(text.as_bytes())).unwrap();
                (request.object().unwrap(), request.old_object().unwrap())
            });
        });
    }
    bench.finish();
}

criterion_group!(benches, identity, verdict, review);
criterion_main!(benches);
