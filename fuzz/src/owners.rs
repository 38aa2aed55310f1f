//! Objects that own one another, an object a line:
//!
//! ```text
//! StorageAccount st | owner=rg
//! ResourceGroup rg | azure=rg-prod
//! ```

use aso_guard::arm::id::MAX_LEN;
use aso_guard::arm::{NextOwner, Resolution, Unresolved, next_owner};
use aso_guard::cluster::Cluster;
use aso_guard::cluster::family::descendants;
use aso_guard::cluster::memory::MemoryCluster;
use aso_guard::cluster::resolve::{self, Freshness};
use aso_guard::object::ObjectFacts;
use futures::FutureExt as _;

use super::script::lines;
use super::world::{NAMESPACE, facts};

const LINES: usize = 24;

/// Works out what each object stands for.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (cluster, shouting) = (MemoryCluster::new("s1"), MemoryCluster::new("S1"));
    for line in lines(&text, LINES) {
        let object = line.object(0, NAMESPACE, "uid");
        let Some(facts) = facts(&object) else {
            continue;
        };
        shouting.store(shouted(&facts));
        cluster.store(facts);
    }
    for object in cluster.objects() {
        let found = identity(&cluster, &object);
        let found_again = identity(&shouting, &shouted(&object));
        let same = match (&found, &found_again) {
            (Ok(a), Ok(b)) => a.identities().eq(b.identities()) && a.assumed == b.assumed,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        assert!(
            same,
            "{object:?}: {found:?}, and in upper case {found_again:?}"
        );
        check_family(&cluster, &object);
        match &found {
            Ok(resolution) => check_resolution(&cluster, &object, resolution),
            Err(why) => assert!(!why.to_string().is_empty(), "{object:?}"),
        }
    }
}

/// The same in upper case, where case makes no difference.
fn shouted(object: &ObjectFacts) -> ObjectFacts {
    let mut object = object.clone();
    let upper = |text: &mut Option<Box<str>>| {
        if let Some(text) = text {
            text.make_ascii_uppercase();
        }
    };
    upper(&mut object.azure_name);
    upper(&mut object.status_id);
    upper(&mut object.annotations.resource_id);
    upper(&mut object.annotations.azure_name_from_config);
    upper(&mut object.annotations.child_resource_id_override);
    object
}

fn identity(cluster: &MemoryCluster, object: &ObjectFacts) -> Result<Resolution, Unresolved> {
    let found = resolve::identity(cluster, object, Freshness::Store).now_or_never();
    found
        .expect("memory does not wait")
        .expect("memory answers")
        .into_result()
}

/// A child is found below its owner, and never above itself.
fn check_family(cluster: &MemoryCluster, object: &ObjectFacts) {
    let below = descendants(cluster, &object.key);
    if let Ok(NextOwner::Object(owner)) = next_owner(&cluster.kinds(), object)
        && cluster.stored(&owner).is_some()
    {
        let of_owner = descendants(cluster, &owner);
        assert!(of_owner.iter().any(|child| child.key == object.key));
        for child in below {
            assert!(of_owner.iter().any(|other| other.key == child.key));
        }
    }
}

fn check_resolution(cluster: &MemoryCluster, object: &ObjectFacts, found: &Resolution) {
    for identity in found.identities() {
        let text = identity.as_str();
        assert!(text.len() <= MAX_LEN);
        assert_eq!(text.parse().as_ref(), Ok(identity));
    }
    assert!(found.also.iter().all(|other| *other != found.identity));
    assert_ne!(found.stale_status.as_ref(), Some(&found.identity));
    if let Some((_, why)) = &found.witness {
        assert!(!found.assumed && !why.reason().is_empty());
        return;
    }
    check_place(cluster, object, found);
}

/// What it is lies inside what its owner is.
fn check_place(cluster: &MemoryCluster, object: &ObjectFacts, found: &Resolution) {
    let owner = match next_owner(&cluster.kinds(), object) {
        Ok(NextOwner::Object(owner)) => owner,
        Ok(NextOwner::ArmId) => {
            let owner = object.owner.as_ref().and_then(|owner| owner.arm_id.clone());
            let owner = owner.unwrap_or_default().parse().unwrap();
            assert!(found.identity.is_below(&owner), "{found:?}");
            return;
        }
        Ok(NextOwner::Root) => return,
        Err(why) => panic!("{object:?} is {found:?}, though {why}"),
    };
    let Some(owner) = cluster.stored(&owner) else {
        assert!(found.assumed, "{found:?}");
        return;
    };
    let is_moved = owner.annotations.child_resource_id_override.is_some();
    if let Ok(above) = identity(cluster, &owner)
        && above.witness.is_none()
        && !is_moved
    {
        assert!(
            found.identity.is_below(&above.identity),
            "{found:?} {above:?}"
        );
        assert!(found.assumed || !above.assumed);
    }
}
