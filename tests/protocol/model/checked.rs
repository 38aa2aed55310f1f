//! The model as the checker takes it.

use stateright::{Model, Property};

use super::coverage::Tally;
use super::places::Place;
use super::rules::Rules;
use super::steps::Step;
use super::world::World;

/// The protocol within bounds.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub rules: Rules,
    /// The copies that there may be.
    pub places: &'static [Place],
    /// How many observers each cluster has.
    pub replicas: usize,
    /// Where it begins.
    pub begins: Vec<World>,
    /// What was come across.
    pub tally: Tally,
}

/// I1.
pub const CONFLICT: &str = "no resource has two live copies";
/// I2.
pub const HARM: &str = "no delete takes what others depend on";
/// What both rest on.
pub const COVER: &str = "the claims cover the truth";
/// Nothing is stuck.
pub const REST: &str = "what is live nowhere can be claimed";
/// What transfers are for.
pub const PROTECT: &str = "an open transfer protects what it moves";
/// What must always hold.
pub const PROPERTIES: [&str; 5] = [CONFLICT, HARM, COVER, REST, PROTECT];
/// The bounds are wide enough to mean something.
pub const MOVE: &str = "a resource moves";
/// The bounds are wide enough to mean something.
pub const DELETE: &str = "a resource is deleted";

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        self.begins.clone()
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        world.steps(self, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let next = world.after(&self.rules, step);
        self.tally.add(next.noted);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always = Property::<Self>::always;
        let sometimes = Property::<Self>::sometimes;
        let mut all = vec![
            always(CONFLICT, |_, world| world.has_no_conflict()),
            always(HARM, |_, world| world.takes_nothing_from_others()),
            always(COVER, |_, world| world.claims_cover_the_truth()),
            always(REST, |model, world| {
                world.comes_to_rest(&model.rules, model.places, &model.tally)
            }),
            always(PROTECT, |_, world| world.what_is_moved_is_protected()),
            sometimes(DELETE, |_, world| world.has_deleted()),
        ];
        if self.places.contains(&Place::ParentB) {
            all.push(sometimes(MOVE, |_, world| world.has_moved()));
        }
        all
    }
}
