//! How long a transfer takes from one real cluster to another, beside plain kubectl doing the
//! same four steps with the same objects and the same guards: `cargo bench --bench transfers`.
//! `ASO_GUARD_TRANSFER=1000` moves a thousand instead of three hundred.

#![allow(
    missing_docs,
    clippy::panic,
    clippy::unwrap_used,
    unused_imports,
    reason = "a benchmark, for the developers of this package; the lab brings its tests along"
)]

#[path = "../tests/lab/mod.rs"]
mod lab;
#[path = "support/row.rs"]
mod row;

use std::path::Path;
use std::time::{Duration, Instant};

use lab::aso::AtWork;
use lab::guard::Plan;
use lab::kubectl::Kubectl;
use lab::object::Object;
use lab::process::output;
use lab::verdict::Verdict as _;
use lab::wait::until;
use lab::world::{self, Lab};
use row::row;

const GUARD: &str = env!("CARGO_BIN_EXE_aso-guard");
const KINDS: [&str; 4] = [
    "ResourceGroup",
    "StorageAccount",
    "VirtualNetwork",
    "VirtualNetworksSubnet",
];
const BOUND: Duration = Duration::from_mins(20);
const PATIENCE: Duration = Duration::from_mins(3);
/// A group, four accounts, two networks of four subnets.
const IN_GROUP: usize = 15;

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(measure());
    }
}

async fn measure() {
    let wanted = std::env::var("ASO_GUARD_TRANSFER").ok();
    let wanted = wanted.map_or(300, |number| number.parse::<usize>().unwrap());
    let guard = Plan::enforce(GUARD);
    let plan = world::Plan {
        guard: Some(guard),
        ..world::Plan::default()
    };
    let lab = Lab::start(&plan).await.unwrap();
    let a = lab.a.control_plane.kubectl("default").await.unwrap();
    let b = lab.b.control_plane.kubectl("default").await.unwrap();
    for (way, namespace) in [("aso-guard", "by-guard"), ("kubectl", "by-kubectl")] {
        for person in [&a, &b] {
            let made = person.create(&Object::namespace(namespace)).await;
            made.admitted();
        }
        let a = a.in_namespace(namespace);
        let objects = resources(namespace, wanted.div_ceil(IN_GROUP));
        for object in &objects {
            a.create(object).await.admitted();
        }
        let plan = guarded(&lab, "plan", namespace);
        until("everything to be registered", PATIENCE, async || {
            succeeds(Path::new(GUARD), &plan).await.map(drop)
        })
        .await
        .unwrap();
        let began = Instant::now();
        if way == "kubectl" {
            by_kubectl(&lab, namespace, &objects).await;
        } else {
            let mut args = guarded(&lab, "run", namespace);
            args.push("--yes".to_owned());
            let _aso = AtWork::begin(&b.in_namespace(namespace), &KINDS, "aso");
            let said = succeeds(Path::new(GUARD), &args).await.unwrap();
            print!("{said}");
        }
        let took = began.elapsed();
        let left = a.list("network.azure.com/v20250301", "VirtualNetworksSubnet");
        assert_eq!(left.await.unwrap().len(), 0);
        println!("{way}: {} resources in {took:.1?}", objects.len());
        let promise = match (way, wanted) {
            ("aso-guard", 300) => "≤ 10",
            _ => "",
        };
        row(
            &format!(
                "{wanted} resources from cluster to cluster by {way}, three levels of owners, seconds"
            ),
            promise,
            took.as_secs_f64(),
            "cargo bench --bench transfers",
        );
    }
}

fn guarded(lab: &Lab, verb: &str, namespace: &str) -> Vec<String> {
    let kubeconfig = |cluster: &world::Cluster| cluster.control_plane.kubeconfig();
    vec![
        "transfer".to_owned(),
        verb.to_owned(),
        namespace.to_owned(),
        format!("--from=a/{namespace}"),
        format!("--to=b/{namespace}"),
        format!("--from-kubeconfig={}", kubeconfig(&lab.a).display()),
        format!("--to-kubeconfig={}", kubeconfig(&lab.b).display()),
        format!("--registry=kubernetes:{}", lab.hub().kubeconfig().display()),
    ]
}

/// The four steps, as the guide has them; what is refused is applied again until it is not.
async fn by_kubectl(lab: &Lab, namespace: &str, objects: &[Object]) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.yaml");
    let documents = objects
        .iter()
        .map(|one| serde_yaml::to_string(&one.0).unwrap());
    let documents: Vec<String> = documents.collect();
    std::fs::write(&file, documents.join("---\n")).unwrap();
    let kubectl = async |cluster: &world::Cluster, words: &[&str]| {
        let kubeconfig = cluster.control_plane.kubeconfig();
        let mut args = vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--namespace={namespace}"),
        ];
        args.extend(words.iter().map(ToString::to_string));
        args.push(format!("--filename={}", file.display()));
        succeeds(Path::new("kubectl"), &args).await
    };
    let skip = "serviceoperator.azure.com/reconcile-policy=skip";
    kubectl(&lab.a, &["annotate", skip]).await.unwrap();
    until("everything to be applied", BOUND, async || {
        kubectl(&lab.b, &["apply"]).await.map(drop)
    })
    .await
    .unwrap();
    kubectl(&lab.a, &["delete"]).await.unwrap();
}

async fn succeeds(program: &Path, args: &[String]) -> anyhow::Result<String> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = output(program, &args, BOUND).await?;
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let errors = String::from_utf8_lossy(&ended.stderr);
    anyhow::ensure!(ended.status.success(), "{said}{errors}");
    Ok(said)
}

fn resources(namespace: &str, groups: usize) -> Vec<Object> {
    let named =
        |kind: &str, name: &str| Object::of(kind, name).azure_name(&format!("{name}-{namespace}"));
    let mut all = Vec::new();
    for group in 0..groups {
        let rg = format!("rg-{group}");
        all.push(named("ResourceGroup", &rg));
        for account in 0..4 {
            all.push(named("StorageAccount", &format!("account-{group}-{account}")).owner(&rg));
        }
        for network in 0..2 {
            let vnet = format!("net-{group}-{network}");
            all.push(named("VirtualNetwork", &vnet).owner(&rg));
            for subnet in 0..4 {
                let name = format!("{vnet}-{subnet}");
                all.push(named("VirtualNetworksSubnet", &name).owner(&vnet));
            }
        }
    }
    all
}
