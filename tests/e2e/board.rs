//! `aso-guard dashboard` over a real hub: pages of a list that is longer than one answer of it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aso_guard::claim::{CopyRef, MemberCopy, Record, StoredCopy};
use aso_guard::object::ObjectKey;
use aso_guard::policy::Policy;
use aso_guard::registry::kubernetes::KubernetesRegistry;
use aso_guard::registry::{PutOutcome, Registry as _};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::lab::http::get;
use crate::lab::ports;
use crate::lab::process::Process;
use crate::lab::reaper::Reaper;
use crate::{GUARD, shared_lab};

/// More than the 500 claims that one answer of a hub has.
const CLAIMS: usize = 620;
const SUBSCRIPTION: &str = "0b0a4d00-0000-4000-8000-000000000001";

/// A claim of a cluster that is no member here, so that nobody's observer minds.
fn claim(number: usize) -> anyhow::Result<Record> {
    let identity = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-{number}");
    let mut record = Record::new(identity.parse()?);
    let name = format!("rg-{number}");
    let copy = CopyRef {
        member: "elsewhere".parse()?,
        object: ObjectKey::new("resources.azure.com", "ResourceGroup", "board", &name),
    };
    let held = MemberCopy {
        stored: Some(StoredCopy {
            uid: name.into(),
            policy: Policy::Manage,
            terminating: false,
            busy: false,
        }),
        acquiring: Vec::new(),
        arriving: Vec::new(),
        renaming: Vec::new(),
        deleting: Vec::new(),
        assumed: false,
        newcomer: 0,
        since: Timestamp::now(),
        by: Arc::default(),
    };
    record.copies.insert(copy, held);
    Ok(record)
}

async fn fill(kubeconfig: &Path) -> anyhow::Result<()> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    config.default_retry = false;
    let client = kube::Client::try_from(config)?;
    let registry = KubernetesRegistry::new(client, "hub");
    let put = async |number| {
        let stored = registry.put_claim(&claim(number)?, None).await?;
        anyhow::ensure!(matches!(stored, PutOutcome::Stored(_)), "{stored:?}");
        anyhow::Ok(())
    };
    let puts = stream::iter(0..CLAIMS).map(put).buffer_unordered(16);
    puts.try_collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_longer_than_one_answer_of_the_hub_is_shown_whole() {
    let hub = shared_lab().await.hub();
    fill(&hub.kubeconfig()).await.unwrap();
    let port = ports::free().unwrap();
    let directory = Reaper::get().unwrap().directory("board").unwrap();
    let registry = format!("kubernetes:{}", hub.kubeconfig().display());
    let listen = format!("127.0.0.1:{port}");
    let board = Process::new("dashboard", Path::new(GUARD), &directory).args([
        "dashboard",
        "--registry",
        &registry,
        "--listen",
        &listen,
    ]);
    board.start().unwrap();
    let ready = board.ready(Duration::from_secs(30), async || get(port, "/").await);
    let (status, overview) = ready.await.unwrap();
    assert_eq!(status, 200, "{overview}");

    let mut found = HashSet::new();
    let mut path = format!("/claims?q=/subscriptions/{SUBSCRIPTION}/");
    for pages in 1.. {
        assert!(pages <= CLAIMS.div_ceil(50) + 1, "it never ends: {path}");
        let (status, page) = get(port, &path).await.unwrap();
        assert_eq!(status, 200, "{page}");
        let links = page.split("<a href=\"/claim?").skip(1);
        for link in links.map(|link| link.split('"').next().unwrap_or_default()) {
            assert!(found.insert(link.to_owned()), "twice: {link}");
        }
        let next = page.split("rel=\"next\" href=\"").nth(1);
        let Some(next) = next.and_then(|next| next.split('"').next()) else {
            break;
        };
        path = next.replace("&#38;", "&");
    }
    assert_eq!(found.len(), CLAIMS);

    let whole = format!("/claim?id=/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-7");
    let (status, page) = get(port, &whole).await.unwrap();
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("no member of the registry"), "{page}");

    let ended = board.terminate(Duration::from_secs(30)).await.unwrap();
    assert!(ended.success(), "{}", board.log_tail(20));
}
