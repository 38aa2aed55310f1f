//! How far a check goes, and what came of it.

use std::fmt;
use std::time::{Duration, Instant};

use aso_guard::policy::Policy;
use stateright::{Checker, HasDiscoveries, Model};

use super::checked::Protocol;
use super::coverage::Tally;
use super::places::Place::{self, ChildA, ChildB, ParentA, ParentB, PastedB};
use super::rules::Rules;
use super::steps::Step;
use super::transfers::Transfers;
use super::world::{Budget, World};

/// One copy of the resource.
pub const ALONE: &[Place] = &[ParentA];
/// The resource alone, in two clusters.
pub const TWO: &[Place] = &[ParentA, ParentB];
/// The resource in one cluster, its child in the other.
pub const FAMILY: &[Place] = &[ParentA, ChildB];
/// The resource in both, its child in one.
pub const ALL: &[Place] = &[ParentA, ParentB, ChildB];
/// The resource in one, its child in both: garbage in one of them.
pub const CHILDREN: &[Place] = &[ParentA, ChildA, ChildB];

/// The resource in one cluster, and in the other an object that was pasted with its ID.
pub const PASTED: &[Place] = &[ParentA, PastedB];

/// How far a check goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// What it is called.
    pub name: &'static str,
    /// The copies that there may be.
    pub places: &'static [Place],
    /// Those that are there at the start, known to their observers.
    pub begin: &'static [(Place, Policy)],
    /// The policies that the namespace of the first of them has had, the one that it has first;
    /// empty where the copy has its own.
    pub namespace: &'static [Policy],
    /// The resource that may be moved by a transfer, with what is inside; its number.
    pub moved: Option<usize>,
    /// How many are at a step of its life together.
    pub together: usize,
    /// What has happened since, step by step.
    pub story: &'static [Step],
    /// How many looks the observers of one cluster are at together.
    pub replicas: usize,
    /// How often what may happen.
    pub left: Budget,
}

/// What came of a check.
#[derive(Clone, Debug)]
pub struct Explored {
    pub states: usize,
    pub different: usize,
    pub depth: usize,
    pub took: Duration,
    /// What was found of the properties: violations of those that must always hold,
    /// examples of those that must be seen to happen, by the steps that lead there.
    pub found: Vec<(&'static str, String)>,
}

impl Bounds {
    /// The protocol within these bounds.
    pub fn protocol(&self, rules: Rules) -> Protocol {
        let begin = self.begin.iter();
        let world = begin.fold(World::empty(self.left), |world, &(place, policy)| {
            world.with(place, policy)
        });
        let world = world.inheriting(self.namespace);
        let world = if self.left.losses > 0 {
            world.losing(self.places)
        } else {
            world
        };
        let world = World {
            transfers: self.moved.map(|moved| Transfers::of(moved, self.together)),
            ..world
        };
        let mut protocol = Protocol {
            rules: Rules::ALL,
            places: self.places,
            replicas: self.replicas,
            begins: Vec::new(),
            tally: Tally::default(),
        };
        let world = world.after_all(&protocol, self.story);
        protocol
            .begins
            .push(world.expect("a story that can happen"));
        Protocol { rules, ..protocol }
    }
}

/// Asks, acts, ticks, faults and adoptions.
pub const fn budget(asks: u16, acts: u16, ticks: u16, faults: u16, adoptions: u16) -> Budget {
    Budget {
        asks,
        acts,
        ticks,
        faults,
        adoptions,
        forced: 0,
        moves: 0,
        operations: 0,
        fences: 0,
        losses: 0,
        recalls: 0,
    }
}

/// The same, and so many asks that are let through whatever they come to.
pub const fn with_force(left: Budget, forced: u16) -> Budget {
    Budget { forced, ..left }
}

/// The same, and so many steps of a transfer's life.
pub const fn with_moves(left: Budget, moves: u16) -> Budget {
    Budget { moves, ..left }
}

/// The same, and so many operations in Azure.
pub const fn with_operations(left: Budget, operations: u16) -> Budget {
    Budget { operations, ..left }
}

/// The same, and a cluster is fenced or no more so often.
pub const fn with_fences(left: Budget, fences: u16) -> Budget {
    Budget { fences, ..left }
}

/// The same, and so many times that the registry loses what it knew.
pub const fn with_losses(left: Budget, losses: u16) -> Budget {
    Budget { losses, ..left }
}

/// The same, and so many looks that begin from what their replicas wrote.
pub const fn with_recalls(left: Budget, recalls: u16) -> Budget {
    Budget { recalls, ..left }
}

/// Explores breadth first, until all is seen or what is looked for is found.
/// Only one thread finds the shortest way.
pub fn explore(
    protocol: Protocol,
    until: HasDiscoveries,
    threads: usize,
    patience: Duration,
) -> Explored {
    let begun = Instant::now();
    let checker = protocol.checker().threads(threads).finish_when(until);
    let checker = checker.timeout(patience).spawn_bfs().join();
    let found = checker.discoveries().into_iter();
    Explored {
        states: checker.state_count(),
        different: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: begun.elapsed(),
        found: found
            .map(|(property, path)| (property, format!("{:?}", path.into_actions())))
            .collect(),
    }
}

impl Explored {
    /// The steps that lead to what was found of a property.
    pub fn path(&self, property: &str) -> Option<&str> {
        let mut found = self.found.iter();
        let (_, path) = found.find(|(name, _)| *name == property)?;
        Some(path)
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} states, {} of them different, up to {} steps deep, in {:.1} s",
            self.states,
            self.different,
            self.depth,
            self.took.as_secs_f32(),
        )
    }
}
