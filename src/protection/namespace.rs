//! What must not be deleted or made live in one namespace, by its objects and their claims.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::arm::Identity;
use crate::claim::{
    Acquire, Action, CopyRef, MemberName, Proof, Record, Refusal, RequestUid, acquire, dependents,
    others_depend,
};
use crate::object::{ObjectFacts, ObjectKey, not_empty};
use crate::policy::{self, Policy};

use super::known::KnownClaims;
use super::spec::{HeldCopy, KeptCopy, NamespaceProtection, Naming, Whole, key_of, kind_of, word};
use super::text::line;

/// How many entries one part holds at most: with texts of their greatest length they stay below
/// what an API server stores in one object, 1.5 MiB.
pub const MAX_ENTRIES: usize = 300;
/// How many reasons that were used before are written down of one copy and resource.
const MAX_REASONS: usize = 3;

/// An object of a namespace, and what is known of it.
#[derive(Clone, Debug)]
pub struct ObjectState {
    /// The object.
    pub object: Arc<ObjectFacts>,
    /// Its effective policy.
    pub policy: Policy,
    /// The policy that it would have if neither it nor the namespace said one.
    pub default_policy: Policy,
    /// The resources whose claims list it as a copy.
    pub identities: Vec<Identity>,
    /// The object that owns it, in the same namespace.
    pub owner: Option<ObjectKey>,
}

/// What must not be deleted or made live in a namespace, by what the claims say. `protected`:
/// whether `asoguard.io/protect` is on the namespace.
pub fn of_namespace(
    member: &MemberName,
    objects: &[ObjectState],
    claims: &KnownClaims,
    protected: bool,
) -> NamespaceProtection {
    let seen: Vec<SeenObject<'_>> = objects
        .iter()
        .map(|state| SeenObject::of(member, state, claims))
        .collect();
    let family = Family::of(objects);
    let mut kept = BTreeMap::new();
    let mut held = BTreeMap::new();
    let mut kinds: BTreeMap<String, (usize, &ObjectKey)> = BTreeMap::new();
    for (at, one) in seen.iter().enumerate() {
        let (mut doomed, mut live) = (None, None);
        family.below(at, &mut |below| {
            let child = &seen[below];
            if child.is_deleted_in_azure() {
                live = live.or(Some(child));
                doomed = doomed.or(Some(child).filter(|child| child.against_owner().is_some()));
            }
        });
        if one.state.policy.is_live() || live.is_some() {
            let key = &one.state.object.key;
            kinds.entry(kind_of(key)).or_insert((0, key)).0 += 1;
        }
        let name = key_of(&one.state.object.key);
        if let Some(copy) = one.kept(doomed, live) {
            kept.insert(name.clone(), copy);
        }
        held.extend(one.held().map(|copy| (name, copy)));
    }
    NamespaceProtection {
        default_policy: common_default(objects),
        protected: protected || seen.iter().any(|one| one.protected.is_some()),
        kept,
        held,
        whole: whole(&seen, protected),
        kinds: kinds.into_iter().map(in_use).collect(),
    }
}

/// `8 live, such as team/ResourceGroup/rg`.
fn in_use((kind, (count, first)): (String, (usize, &ObjectKey))) -> (String, String) {
    let text = if count == 1 {
        format!("{first} is live")
    } else {
        format!("{count} are live, such as {first}")
    };
    (kind, text)
}

/// An object with what its claims say against requests on it.
struct SeenObject<'a> {
    state: &'a ObjectState,
    copy: CopyRef,
    /// Why it may not be deleted in Azure.
    depends: Option<Refusal>,
    /// What somebody said against deleting it in Azure.
    protected: Option<Refusal>,
    /// Why it may not become live.
    live: Option<Refusal>,
    /// Reasons that were used up.
    used: Vec<String>,
}

impl<'a> SeenObject<'a> {
    fn of(member: &MemberName, state: &'a ObjectState, claims: &KnownClaims) -> Self {
        let copy = CopyRef {
            member: member.clone(),
            object: state.object.key.clone(),
        };
        let protected = state.object.annotations.protect.as_deref();
        let mut seen = Self {
            state,
            protected: protected.map(|why| Refusal::Protected {
                copy: copy.clone(),
                by_namespace: false,
                why: why.to_owned(),
            }),
            copy,
            depends: None,
            live: None,
            used: Vec::new(),
        };
        for identity in &state.identities {
            let record = claims.record(identity);
            seen.look_at(identity, record, claims);
        }
        seen
    }

    fn look_at(&mut self, identity: &Identity, record: Option<&Record>, claims: &KnownClaims) {
        let copy = &self.copy;
        let depends = others_depend(record, identity, copy)
            .and_then(|()| dependents(identity, copy, claims.below(identity)));
        let live = acquire(record, identity, &asking(copy));
        let used = record.map(|record| record.reasons_used_for(copy));
        self.used
            .extend(used.into_iter().flatten().take(MAX_REASONS));
        self.depends = self.depends.take().or(depends.err());
        self.live = self.live.take().or(live.err());
    }

    /// Whether ASO deletes its resource with it.
    fn is_deleted_in_azure(&self) -> bool {
        self.state.policy.deletes() && !self.state.object.terminating
    }

    /// Why it may not be deleted in Azure along with something else.
    fn against_owner(&self) -> Option<&Refusal> {
        self.depends.as_ref().or(self.protected.as_ref())
    }

    /// Why a delete of it in Azure is refused. What its own annotation says of it, policies read
    /// themselves.
    fn refuses_delete(&self) -> Option<String> {
        let depends = self.depends.as_ref();
        depends.map(|refusal| line(refusal, &self.copy, Action::Delete))
    }

    /// `doomed`: a child whose delete is refused; `live`: one that is deleted in Azure.
    fn kept(&self, doomed: Option<&Self>, live: Option<&Self>) -> Option<KeptCopy> {
        let (object, copy) = (&self.state.object, &self.copy);
        let children = doomed.and_then(|child| {
            let refusal = Refusal::ChildRefused {
                child: child.copy.clone(),
                refusal: Box::new(child.against_owner()?.clone()),
            };
            Some(line(&refusal, copy, Action::Delete))
        });
        let live_children = live.map(|child| {
            let refusal = Refusal::TakesLiveChildren {
                children: vec![child.copy.clone()],
            };
            line(&refusal, copy, Action::Delete)
        });
        let resource = self.refuses_delete();
        if resource.is_none() && children.is_none() && live_children.is_none() {
            return None;
        }
        Some(KeptCopy {
            uid: object.uid.to_string(),
            default_policy: word(self.state.default_policy),
            resource,
            children,
            live_children,
            used_reasons: self.used.clone(),
        })
    }

    fn held(&self) -> Option<HeldCopy> {
        let (state, refusal) = (self.state, self.live.as_ref()?);
        if state.policy.is_live() {
            return None;
        }
        Some(HeldCopy {
            uid: state.object.uid.to_string(),
            default_policy: word(state.default_policy),
            live: line(refusal, &self.copy, Action::Activate),
            naming: Naming::of(&state.object)?,
        })
    }

    /// The policy that it says itself, as far as ASO understands it.
    fn own_policy(&self) -> Option<Policy> {
        let own = not_empty(self.state.object.annotations.policy.as_deref())?;
        let default = self.state.default_policy.as_str();
        Some(policy::effective(Some(own), None, Some(default)).policy)
    }
}

/// A request that would make a copy live, as far as a claim's answer depends on it.
fn asking(copy: &CopyRef) -> Acquire {
    Acquire {
        copy: copy.clone(),
        request: RequestUid::new(""),
        proof: Proof::Deadline,
        deadline: Timestamp::MAX,
        at: Timestamp::MIN,
        by: "".into(),
        assumed: false,
    }
}

/// What speaks against requests on the whole namespace.
fn whole(seen: &[SeenObject<'_>], protected: bool) -> Whole {
    let mut whole = Whole::default();
    for one in seen.iter().filter(|one| !one.state.object.terminating) {
        let key = &one.state.object.key;
        let own = one.own_policy();
        let (kept, live) = match own {
            Some(Policy::Manage) => (&mut whole.kept.own, &mut whole.live.own),
            Some(_) => continue,
            None => (&mut whole.kept.inherited, &mut whole.live.inherited),
        };
        if live.is_empty() && protected {
            *live = format!("it deletes {key} in Azure");
        }
        if let (true, Some(refusal)) = (kept.is_empty(), one.against_owner()) {
            let why = line(refusal, &one.copy, Action::Delete);
            *kept = super::text::short(&format!("it also deletes {key}: {why}"));
        }
        let wakes = one.live.as_ref().filter(|_| !one.state.policy.is_live());
        if let (true, Some(refusal)) = (whole.held.is_empty(), wakes) {
            let why = line(refusal, &one.copy, Action::Activate);
            whole.held = super::text::short(&format!("{key}: {why}"));
        }
    }
    whole
}

/// The default that all objects share.
fn common_default(objects: &[ObjectState]) -> Option<String> {
    let mut defaults = objects.iter().map(|one| one.default_policy);
    let first = defaults.next()?;
    defaults
        .all(|other| other == first)
        .then(|| first.as_str().to_owned())
}

/// Which objects of a namespace others own.
struct Family {
    children: HashMap<usize, Vec<usize>>,
}

impl Family {
    fn of(objects: &[ObjectState]) -> Self {
        let at: HashMap<&ObjectKey, usize> = objects
            .iter()
            .enumerate()
            .map(|(at, one)| (&one.object.key, at))
            .collect();
        let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
        for (child, one) in objects.iter().enumerate() {
            let owner = one.owner.as_ref().and_then(|owner| at.get(owner));
            if let Some(owner) = owner {
                children.entry(*owner).or_default().push(child);
            }
        }
        Self { children }
    }

    /// All below an object, nearest first, each once.
    fn below(&self, root: usize, take: &mut impl FnMut(usize)) {
        let mut seen = HashSet::new();
        let mut next = vec![root];
        while let Some(owner) = next.pop() {
            for &child in self.children.get(&owner).into_iter().flatten() {
                if seen.insert(child) {
                    take(child);
                    next.push(child);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
