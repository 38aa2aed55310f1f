//! What may stand in the way of a transfer.

use std::collections::{BTreeMap, BTreeSet};

use crate::object::ObjectKey;

/// What kind of thing stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObstacleKind {
    /// A cluster is not the member that it is taken for, or is not heard from.
    Member,
    /// The target has no such namespace.
    Namespace,
    /// The target does not serve the kind, or not in a version that the source has.
    Kind,
    /// No sign of ASO at the target.
    Aso,
    /// The target would not take the copy.
    Untaken,
    /// The copy would stand for another resource.
    Identity,
    /// An owner is neither moved nor at the target.
    Owner,
    /// Something that is not moved belongs to a copy that is.
    ChildrenLeft,
    /// The name is taken at the target, by a copy of another resource.
    NameTaken,
    /// It is live somewhere else.
    Elsewhere,
    /// It is being deleted.
    Deleting,
    /// Another transfer moves it.
    OtherTransfer,
    /// A cluster does not give a kind.
    Unread,
    /// The guard of the source has not registered the copy.
    Unregistered,
    /// Nobody can tell which resource an object stands for.
    Unresolved,
    /// A secret or a ConfigMap that the copy reads is not at the target.
    Reference,
    /// A tool will put back what is changed.
    Tool,
    /// Something is stated in the copy that the source did not state.
    Stated,
    /// It is parked already, in the source or in the target.
    Parked,
    /// ASO writes a secret or a ConfigMap for it.
    Written,
    /// What the copy leaves out, for it makes sense in one cluster only.
    LeftOut,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObstacleSeverity {
    /// Nothing is begun before it is out of the way.
    Blocks,
    /// Somebody should know.
    Warns,
    /// It is only told.
    Notes,
}

impl ObstacleSeverity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Warns => "warns",
            Self::Notes => "notes",
        }
    }
}

impl ObstacleKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Namespace => "namespace",
            Self::Kind => "kind",
            Self::Aso => "aso",
            Self::Untaken => "untaken",
            Self::Identity => "identity",
            Self::Owner => "owner",
            Self::ChildrenLeft => "children-left",
            Self::NameTaken => "name-taken",
            Self::Elsewhere => "elsewhere",
            Self::Deleting => "deleting",
            Self::OtherTransfer => "other-transfer",
            Self::Unread => "unread",
            Self::Unregistered => "unregistered",
            Self::Unresolved => "unresolved",
            Self::Reference => "reference",
            Self::Tool => "tool",
            Self::Stated => "stated",
            Self::Parked => "parked",
            Self::Written => "written",
            Self::LeftOut => "left-out",
        }
    }

    fn weight(self) -> ObstacleSeverity {
        match self {
            Self::Aso | Self::Stated | Self::Parked | Self::Unresolved | Self::Written => {
                ObstacleSeverity::Warns
            }
            Self::LeftOut => ObstacleSeverity::Notes,
            _ => ObstacleSeverity::Blocks,
        }
    }
}

/// Something that stands in the way, or that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Obstacle {
    /// How much it matters.
    pub weight: ObstacleSeverity,
    /// What kind of thing it is.
    pub rule: ObstacleKind,
    /// What it is, for a person.
    pub words: String,
    /// What to do about it.
    pub advice: Option<String>,
    /// The objects that it is about; none where it is about all.
    pub objects: Vec<String>,
}

/// Obstacles, with those of many objects put together.
#[derive(Default)]
pub struct Obstacles {
    found: BTreeMap<(ObstacleSeverity, ObstacleKind, String, Option<String>), Vec<String>>,
    accepted: BTreeSet<ObstacleKind>,
}

impl Obstacles {
    /// Those that a person accepts do not block.
    pub fn accepting(accepted: impl IntoIterator<Item = ObstacleKind>) -> Self {
        Self {
            accepted: accepted.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Adds one.
    pub fn add(&mut self, rule: ObstacleKind, about: Option<&ObjectKey>, words: String) {
        self.put(rule, rule.weight(), about, words, None);
    }

    /// The same, with what to do about it.
    pub fn advise(&mut self, rule: ObstacleKind, about: &ObjectKey, words: String, advice: String) {
        self.put(rule, rule.weight(), Some(about), words, Some(advice));
    }

    /// The same, of another weight than its rule's.
    pub fn put(
        &mut self,
        rule: ObstacleKind,
        weight: ObstacleSeverity,
        about: Option<&ObjectKey>,
        words: String,
        advice: Option<String>,
    ) {
        let weight = match weight {
            ObstacleSeverity::Blocks if self.accepted.contains(&rule) => ObstacleSeverity::Warns,
            weight => weight,
        };
        let objects = self.found.entry((weight, rule, words, advice)).or_default();
        objects.extend(about.map(|key| format!("{}/{}", key.kind, key.name)));
    }

    /// All of them, those that block first.
    pub fn list(self) -> Vec<Obstacle> {
        let found = self.found.into_iter();
        let obstacle = |((weight, rule, words, advice), objects)| Obstacle {
            weight,
            rule,
            words,
            advice,
            objects,
        };
        found.map(obstacle).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("resources.azure.com", "ResourceGroup", "team", name)
    }

    #[test]
    fn what_many_objects_have_in_common_is_said_once() {
        let mut found = Obstacles::default();
        for name in ["a", "b"] {
            found.add(ObstacleKind::Parked, Some(&key(name)), "same".to_owned());
        }
        found.add(ObstacleKind::Kind, Some(&key("c")), "other".to_owned());
        let list = found.list();
        let counts: Vec<(ObstacleSeverity, usize)> = list
            .iter()
            .map(|one| (one.weight, one.objects.len()))
            .collect();
        assert_eq!(
            counts,
            [(ObstacleSeverity::Blocks, 1), (ObstacleSeverity::Warns, 2)]
        );
    }

    #[test]
    fn what_is_accepted_does_not_block() {
        let mut found = Obstacles::accepting([ObstacleKind::Tool]);
        for rule in [ObstacleKind::Tool, ObstacleKind::Identity] {
            found.add(rule, Some(&key("a")), "why".to_owned());
        }
        let blocking = found.list().into_iter();
        let blocking = blocking.filter(|one| one.weight == ObstacleSeverity::Blocks);
        let rules: Vec<ObstacleKind> = blocking.map(|one| one.rule).collect();
        assert_eq!(rules, [ObstacleKind::Identity]);
    }
}
