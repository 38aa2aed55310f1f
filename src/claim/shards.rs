//! Which of several registries keeps the claim of which resource.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use crate::arm::Identity;
use crate::object::text::is_dns_label;

/// What the shard is called that keeps whatever the map does not give to another one.
pub const DEFAULT_SHARD: &str = "default";
/// How many subscriptions a map may name: every shard keeps all of it, and admissions read it.
pub const MAX_SUBSCRIPTIONS: usize = 500;
/// How many shards a map may have beside the default.
pub const MAX_SHARDS: usize = 63;
/// How many subscriptions are named where maps differ.
const NAMED: usize = 3;

/// A map from subscriptions to shards. A resource's shard follows from its ARM ID alone: what is in
/// no subscription, or in one that the map does not name, is the default shard's. So a resource,
/// all that is above it and all that is below it by ARM ID have one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardMap {
    /// The first is the default.
    names: Vec<Arc<str>>,
    by_subscription: BTreeMap<Arc<str>, usize>,
}

/// Why shards make no map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardMapError {
    /// A shard's name is none.
    #[error(
        "{0:?} is no name of a shard: use lower-case letters, digits and dashes; default is taken"
    )]
    Name(String),
    /// A shard has nothing to keep.
    #[error("shard {0} has no subscriptions")]
    Empty(Arc<str>),
    /// What is to be a subscription is none.
    #[error("{0:?} in shard {1} is no subscription: use its ID, such as {example}", example = Uuid::nil())]
    Subscription(String, Arc<str>),
    /// A subscription is named twice.
    #[error("subscription {0} is in shard {1} and in shard {2}")]
    Twice(Arc<str>, Arc<str>, Arc<str>),
    /// There are more shards than are told apart.
    #[error("the map has {0} shards beside the default; it may have {MAX_SHARDS}")]
    TooMany(usize),
    /// There are more than an admission can read.
    #[error("the map names {0} subscriptions; it may name {MAX_SUBSCRIPTIONS}")]
    TooLong(usize),
}

/// What a registry says of itself where it is a shard: its name, and the map that it is part of.
/// Every guard that asks it has to go by the same map.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShardNote {
    /// The shard's name.
    pub name: Arc<str>,
    /// The map: from subscriptions to the names of shards.
    pub subscriptions: Arc<BTreeMap<Arc<str>, Arc<str>>>,
}

impl ShardMap {
    /// A map of these shards, each with its subscriptions, beside the default.
    ///
    /// # Errors
    /// See [`ShardMapError`].
    pub fn new<'a>(
        shards: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>,
    ) -> Result<Self, ShardMapError> {
        let mut names: Vec<Arc<str>> = vec![DEFAULT_SHARD.into()];
        let mut by_subscription = BTreeMap::<Arc<str>, usize>::new();
        for (number, (name, subscriptions)) in (1..).zip(shards) {
            if !is_dns_label(name) || names.iter().any(|known| &**known == name) {
                return Err(ShardMapError::Name(name.to_owned()));
            }
            let name: Arc<str> = name.into();
            names.push(name.clone());
            if subscriptions.is_empty() {
                return Err(ShardMapError::Empty(name));
            }
            for text in subscriptions {
                let id: Uuid = text
                    .parse()
                    .map_err(|_| ShardMapError::Subscription(text.to_owned(), name.clone()))?;
                let id: Arc<str> = id.to_string().into();
                if let Some(other) = by_subscription.insert(id.clone(), number) {
                    return Err(ShardMapError::Twice(id, names[other].clone(), name));
                }
            }
        }
        if names.len() - 1 > MAX_SHARDS {
            return Err(ShardMapError::TooMany(names.len() - 1));
        }
        if by_subscription.len() > MAX_SUBSCRIPTIONS {
            return Err(ShardMapError::TooLong(by_subscription.len()));
        }
        Ok(Self {
            names,
            by_subscription,
        })
    }

    /// The names of all shards; the first is the default.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The shard of a resource, as an index into the [names](Self::names). Equal identities have
    /// one.
    pub fn shard_of(&self, identity: &Identity) -> usize {
        let key = identity.key();
        let below = key.strip_prefix("/subscriptions/");
        let subscription = below.and_then(|rest| rest.split(['/', '#']).next());
        subscription.map_or(0, |subscription| self.shard_of_subscription(subscription))
    }

    /// The shard of a subscription, which is in lower case.
    pub fn shard_of_subscription(&self, subscription: &str) -> usize {
        let shard = self.by_subscription.get(subscription);
        shard.copied().unwrap_or_default()
    }

    /// What each shard has to say of itself, in their order.
    pub fn notes(&self) -> impl Iterator<Item = ShardNote> {
        let named = |(id, shard): (&Arc<str>, &usize)| (id.clone(), self.names[*shard].clone());
        let subscriptions: Arc<BTreeMap<_, _>> =
            Arc::new(self.by_subscription.iter().map(named).collect());
        self.names.iter().map(move |name| ShardNote {
            name: name.clone(),
            subscriptions: subscriptions.clone(),
        })
    }
}

impl fmt::Display for ShardNote {
    /// `one <subscription>=one <subscription>=two`: the shard, and the map.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let mut all = self.subscriptions.iter();
        all.try_for_each(|(id, shard)| write!(f, " {id}={shard}"))
    }
}

impl FromStr for ShardNote {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "it is no shard with its map".to_owned();
        let mut words = text.split(' ');
        let name = words.next().filter(|name| is_dns_label(name));
        let pairs = words.map(|pair| {
            let (id, shard) = pair.split_once('=').ok_or_else(wrong)?;
            Ok((id.into(), shard.into()))
        });
        let pairs: Result<BTreeMap<Arc<str>, Arc<str>>, String> = pairs.collect();
        Ok(Self {
            name: name.ok_or_else(wrong)?.into(),
            subscriptions: Arc::new(pairs?),
        })
    }
}

/// How what a registry says of itself differs from what a guard takes it for, for a person; `None`
/// where it does not. In both, `None` stands for a registry that is no shard.
pub fn shard_difference(ours: Option<&ShardNote>, theirs: Option<&ShardNote>) -> Option<String> {
    let said = match (ours, theirs) {
        (ours, theirs) if ours == theirs => return None,
        (None, theirs) => format!(
            "it is shard {} of a map of registries, and this guard takes it for all there is",
            theirs.map_or(DEFAULT_SHARD, |theirs| &theirs.name)
        ),
        (Some(ours), Some(theirs)) if ours.name != theirs.name => format!(
            "it is shard {}, and this guard's map has it as shard {}",
            theirs.name, ours.name
        ),
        (Some(ours), theirs) => {
            let none = BTreeMap::new();
            let theirs = theirs.map_or(&none, |theirs| &theirs.subscriptions);
            let ours = &ours.subscriptions;
            let all: BTreeSet<&Arc<str>> = ours.keys().chain(theirs.keys()).collect();
            let in_map = |map: &BTreeMap<Arc<str>, Arc<str>>, id| {
                let name = map.get(id).map(|name| &**name);
                name.unwrap_or(DEFAULT_SHARD).to_owned()
            };
            let differing = all
                .into_iter()
                .filter(|id| ours.get(*id) != theirs.get(*id));
            let mut words = differing.map(|id| {
                let (here, there) = (in_map(ours, id), in_map(theirs, id));
                format!("{id} (here {here}, there {there})")
            });
            let mut some: Vec<String> = words.by_ref().take(NAMED).collect();
            if let more @ 1.. = words.count() {
                some.push(format!("and {more} more"));
            }
            format!(
                "it was set up with another map, in which these subscriptions are elsewhere: {}",
                some.join(", ")
            )
        }
    };
    Some(said)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const A: &str = "0b7a1f7e-0000-4000-8000-00000000000a";
    const B: &str = "0b7a1f7e-0000-4000-8000-00000000000b";

    fn map(shards: &[(&'static str, &[&'static str])]) -> Result<ShardMap, ShardMapError> {
        ShardMap::new(shards.iter().map(|(name, ids)| (*name, ids.to_vec())))
    }

    #[rstest]
    #[case::named(&format!("/subscriptions/{A}/resourceGroups/rg"), 1)]
    #[case::in_any_case(&format!("/SUBSCRIPTIONS/{}", A.to_uppercase()), 1)]
    #[case::inside(&format!("/subscriptions/{B}/resourceGroups/rg/providers/P.Q/t/n#User/u"), 2)]
    #[case::of_another("/subscriptions/0b7a1f7e-0000-4000-8000-00000000000c", 0)]
    #[case::of_none("/providers/Microsoft.Management/managementGroups/mg", 0)]
    fn a_shard_follows_from_the_arm_id(#[case] identity: &str, #[case] shard: usize) {
        let map = map(&[("one", &[A]), ("two", &[B])]).unwrap();
        let identity: Identity = identity.parse().unwrap();
        assert_eq!(map.shard_of(&identity), shard);
        for above in identity.ancestors() {
            assert_eq!(map.shard_of(&above), shard, "{above}");
        }
    }

    #[rstest]
    #[case::no_name(&[("One", &[A][..])], "no name of a shard")]
    #[case::the_default(&[("default", &[A][..])], "default is taken")]
    #[case::a_name_twice(&[("one", &[A][..]), ("one", &[B][..])], "no name of a shard")]
    #[case::nothing(&[("one", &[][..])], "has no subscriptions")]
    #[case::no_id(&[("one", &["production"][..])], "is no subscription")]
    #[case::twice(&[("one", &[A][..]), ("two", &[A][..])], "in shard one and in shard two")]
    fn what_makes_no_map_says_why(
        #[case] shards: &[(&'static str, &[&'static str])],
        #[case] words: &str,
    ) {
        let error = map(shards).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn what_a_shard_says_of_itself_is_read_again() {
        let map = map(&[("one", &[A]), ("two", &[B])]).unwrap();
        for note in map.notes() {
            assert_eq!(note.to_string().parse(), Ok(note));
        }
        for text in ["", "One", "one x", " one"] {
            assert!(text.parse::<ShardNote>().is_err(), "{text}");
        }
    }

    #[test]
    fn maps_that_differ_are_told_by_what_differs() {
        let note = |shards: &[(&'static str, &[&'static str])], shard| {
            map(shards).unwrap().notes().nth(shard)
        };
        let ours = note(&[("one", &[A]), ("two", &[B])], 0);
        let same = note(&[("two", &[B]), ("one", &[A])], 0);
        assert_eq!(shard_difference(ours.as_ref(), same.as_ref()), None);
        assert_eq!(shard_difference(None, None), None);
        let theirs = note(&[("one", &[A, B])], 0);
        let told = shard_difference(ours.as_ref(), theirs.as_ref()).unwrap();
        assert!(
            told.ends_with(&format!(": {B} (here two, there one)")),
            "{told}"
        );
        let told = shard_difference(ours.as_ref(), None).unwrap();
        assert!(
            told.contains(&format!("{A} (here one, there default)")),
            "{told}"
        );
        let told = shard_difference(None, ours.as_ref()).unwrap();
        assert!(told.contains("takes it for all there is"), "{told}");
        let other = note(&[("one", &[A]), ("two", &[B])], 1);
        let told = shard_difference(ours.as_ref(), other.as_ref()).unwrap();
        assert!(told.contains("it is shard one"), "{told}");
    }
}
