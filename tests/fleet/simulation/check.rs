//! What must be true of a fleet whatever happened.

use aso_guard::registry::Registry as _;

use super::fleet::Fleet;

/// What is wrong with a fleet that nobody has changed for a while; empty: nothing.
pub async fn faults(fleet: &Fleet) -> Vec<String> {
    let mut faults = Vec::new();
    let memory = &fleet.store.memory;
    let (doubles, live): (usize, Vec<_>) = {
        let truth = fleet.truth.lock();
        let live = truth.live();
        let live = live.map(|(identity, copy)| (identity.clone(), copy.clone()));
        (truth.doubles, live.collect())
    };
    if doubles > 0 {
        faults.push(format!("{doubles} times a resource went live twice"));
    }
    for (identity, copy) in &live {
        let claim = memory.claim(identity).await.expect("it is in memory");
        let held = claim.as_ref().map(|known| &known.record);
        let holds = held.is_some_and(|record| record.live().any(|(one, _)| one == copy));
        if !holds {
            faults.push(format!(
                "{copy} is live, and the claim of {identity} does not say so"
            ));
        }
    }
    let (claims, all) = (fleet.store.claims(), live.len());
    if claims != all {
        faults.push(format!("{claims} claims of {all} live resources"));
    }
    let members = memory.members().await.expect("it is in memory").records;
    if members.len() != fleet.members.len() {
        faults.push(format!("{} members in the registry", members.len()));
    }
    let enrolling = members.iter().filter(|known| known.record.enrolling);
    faults.extend(enrolling.map(|known| format!("{} still enrols", known.record.name)));
    let epoch = memory.epoch().await.expect("it is in memory");
    if epoch.is_none_or(|known| !known.record.is_whole()) {
        faults.push("the registry waits for somebody".to_owned());
    }
    let unsettled = fleet.unsettled();
    if unsettled > 0 {
        faults.push(format!("{unsettled} replicas are not settled"));
    }
    faults
}
