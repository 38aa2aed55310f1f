//! The registry, its members, and what holds them to their own.

use crate::claim::Migration;
use crate::doctor::facts::{Facts, MemberFacts, RegistryFacts};
use crate::doctor::finding::{Finding, Topic};

use super::{look, number, some};

const TOPIC: Topic = Topic::Registry;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = look(TOPIC, "reachable", &facts.registry, |registry| {
        let (place, count) = (&registry.place, registry.members.len());
        let mut found = vec![Finding::ok(
            TOPIC,
            "reachable",
            format!("{place}; {}", number(count, "member")),
        )];
        found.extend(records(registry));
        found.extend(awaited(registry));
        found.extend(moving(registry));
        found.extend(own(registry, facts));
        let members = registry.members.iter();
        found.extend(members.filter_map(|one| fenced(one, is_own(one, facts), &registry.flags)));
        found.extend(others(registry, facts));
        found
    });
    found.extend(look(TOPIC, "policies", &facts.policies, |missing| {
        if missing.is_empty() {
            let words = "each member is held to its own copies";
            return vec![Finding::ok(TOPIC, "policies", words)];
        }
        let remedy = "On the hub: aso-guard hub | kubectl apply -f -, or hub.enabled of the chart";
        let each = missing.iter();
        each.map(|one| Finding::fail(TOPIC, "policies", one.clone(), remedy))
            .collect()
    }));
    found
}

fn records(registry: &RegistryFacts) -> Vec<Finding> {
    let flags = &registry.flags;
    let mut found = Vec::new();
    if !registry.unreadable.is_empty() {
        found.push(Finding::fail(
            TOPIC,
            "records",
            format!(
                "cannot be read: {}",
                some(&registry.unreadable, registry.unreadable.len())
            ),
            format!("aso-guard members list{flags} says why; docs/operations.md, \"A record that cannot be read\""),
        ));
    }
    if registry.conflicts > 0 {
        found.push(Finding::fail(
            TOPIC,
            "conflicts",
            format!(
                "{} resources have more than one live copy",
                registry.conflicts
            ),
            format!("aso-guard claims list --state conflict{flags}"),
        ));
    }
    found
}

/// Members whose copies may not all be there.
fn awaited(registry: &RegistryFacts) -> Option<Finding> {
    let (first, flags) = (registry.awaited.first()?, &registry.flags);
    Some(Finding::fail(
        TOPIC,
        "copies",
        format!(
            "it may not know all copies of {}: what rests on claims is refused until they are in",
            some(&registry.awaited, registry.awaited.len())
        ),
        format!(
            "Wait while their guards run; for a cluster that is gone for good: aso-guard members \
             forget {first}{flags}"
        ),
    ))
}

/// A move of the fleet from one registry to another.
fn moving(registry: &RegistryFacts) -> Option<Finding> {
    let flags = &registry.flags;
    let status = format!("aso-guard registry status{flags} says how far the move is");
    Some(match registry.migration.as_ref()? {
        Migration::After { .. } => {
            let words = "the fleet moves to this registry from another one, which judges meanwhile";
            Finding::warn(TOPIC, "move", words, status)
        }
        Migration::ClosingTo(_) => {
            let words = "the fleet moves from this registry to another one: both are written";
            Finding::warn(TOPIC, "move", words, status)
        }
        Migration::ClosedTo(_) => {
            let words =
                "the fleet has moved from this registry to another one: nothing is judged by it";
            let remedy = "Start the guard with the other one as --registry, and examine that one";
            Finding::fail(TOPIC, "move", words, remedy)
        }
    })
}

/// Whether a member is the cluster that is examined.
fn is_own(member: &MemberFacts, facts: &Facts) -> bool {
    let uid = facts
        .cluster
        .as_ref()
        .ok()
        .and_then(|cluster| cluster.uid.as_deref());
    uid.is_some_and(|uid| uid == member.cluster)
}

fn own(registry: &RegistryFacts, facts: &Facts) -> Vec<Finding> {
    let Some(member) = registry.members.iter().find(|member| is_own(member, facts)) else {
        return vec![Finding::fail(
            TOPIC,
            "member",
            "this cluster is no member: its guard has not registered it",
            "A guard that runs says in its log why not; or this is not its registry: --registry",
        )];
    };
    let name = &member.name;
    let mut found = vec![match (member.silent_since, member.enrolling) {
        (Some(since), _) => Finding::fail(
            TOPIC,
            "member",
            format!("{name} has not written since {since}"),
            "Its guard does not run, or may not write: its log says which",
        ),
        (None, true) => Finding::warn(
            TOPIC,
            "member",
            format!("{name} still goes through objects that are older than its guard"),
            "Wait: aso_guard_enrolment_remaining_objects counts them",
        ),
        (None, false) => Finding::ok(TOPIC, "member", format!("{name}, in {}", member.mode)),
    }];
    let (count, names) = &member.unresolved;
    if *count > 0 {
        found.push(Finding::warn(
            TOPIC,
            "unresolved",
            format!(
                "nobody can tell which Azure resources these are: {}",
                some(names, usize::try_from(*count).unwrap_or(usize::MAX))
            ),
            format!(
                "kubectl{} get events -A --field-selector reason=Unresolved says what is missing",
                facts.kubectl_flags
            ),
        ));
    }
    let (count, names) = &member.unwatched;
    if *count > 0 {
        found.push(Finding::fail(
            TOPIC,
            "unwatched",
            format!(
                "the guard may not read, or ASO does not convert: {}",
                some(names, usize::try_from(*count).unwrap_or(usize::MAX))
            ),
            "rbac.moreApiGroups of the chart; where it has that, start ASO",
        ));
    }
    found.extend(second_line(member));
    found.extend(token(member, facts));
    found
}

/// What API servers refuse by while no guard answers.
fn second_line(member: &MemberFacts) -> Option<Finding> {
    let check = "second line";
    let (namespaces, stale, names) = member.second_line.as_ref()?;
    if *stale == 0 {
        let words = format!("written down in {namespaces} namespaces, and up to date");
        return Some(Finding::ok(TOPIC, check, words));
    }
    Some(Finding::warn(
        TOPIC,
        check,
        format!(
            "what the API server refuses by while no guard answers may be out of date in: {}",
            some(names, usize::try_from(*stale).unwrap_or(usize::MAX))
        ),
        "The guard's log says why; most often it may not write protections.asoguard.io (helm \
         upgrade)",
    ))
}

fn token(member: &MemberFacts, facts: &Facts) -> Option<Finding> {
    let (end, soon) = member.token_ends?;
    let words = format!("the token of {} for the hub ends at {end}", member.name);
    let remedy = format!(
        "aso-guard members add {} --hub … --out … makes another one",
        member.name
    );
    Some(if end <= facts.now {
        Finding::fail(TOPIC, "token", words, remedy)
    } else if soon {
        Finding::warn(TOPIC, "token", words, remedy)
    } else {
        Finding::ok(TOPIC, "token", words)
    })
}

/// A member that was declared lost, seen from itself or from another one.
fn fenced(member: &MemberFacts, is_own: bool, flags: &str) -> Option<Finding> {
    let (name, why) = (&member.name, member.fenced.as_ref()?);
    let plan = format!("aso-guard failover plan --member {name}{flags}");
    Some(if is_own {
        Finding::fail(
            TOPIC,
            "fence",
            format!(
                "this cluster was declared lost by {why}; others may have taken over what it held"
            ),
            format!(
                "Keep its ASO stopped, park here what others hold, then take the fence off: {plan}"
            ),
        )
    } else if member.silent_since.is_none() {
        Finding::fail(
            TOPIC,
            "fence",
            format!("{name} was declared lost by {why}, and writes heartbeats: it came back"),
            format!("See that no ASO runs there, and what it held: {plan}"),
        )
    } else {
        Finding::warn(
            TOPIC,
            "fence",
            format!("{name} was declared lost by {why}"),
            format!("See what it holds still: {plan}"),
        )
    })
}

fn others(registry: &RegistryFacts, facts: &Facts) -> Vec<Finding> {
    let members = registry.members.iter();
    let others = members.filter(|member| !is_own(member, facts));
    let silent = others.filter_map(|member| Some((member, member.silent_since?)));
    let of_one = |(member, since): (&MemberFacts, _)| {
        let name = &member.name;
        Finding::warn(
            TOPIC,
            "members",
            format!("{name} has not written since {since}; it still holds what it held"),
            format!(
                "See whether its guard runs; for a cluster that is gone for good: \
                 aso-guard failover plan --member {name}{}",
                registry.flags
            ),
        )
    };
    silent.map(of_one).collect()
}
