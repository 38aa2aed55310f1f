//! What the guard is at over a request: the product's machines, and which call comes next.

use aso_guard::claim::{
    Arrival, ArrivalAnswer, ArrivalCall, Attempt, Intent, PolicyScan, Refusal, RegistryAnswer,
    RegistryCall, RequestUid,
};

use super::places::Place;

/// The machine that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Course {
    /// Calls on claims, for one copy after the other.
    Attempts(Vec<(Place, Attempt<()>)>),
    /// What is parked by nothing of its own is registered, and then judged.
    Arrival(Arrival<()>),
    /// A change of the namespace's policy is registered, and then what it wakes is looked for.
    PolicyScan(PolicyScan),
}

impl Course {
    /// One attempt on what the copy here stands for.
    pub fn attempt(place: Place, attempt: Attempt<()>) -> Self {
        Self::Attempts(vec![(place, attempt)])
    }

    /// Taking back what a request wrote for these copies.
    pub fn taking_back(places: &[Place], request: &RequestUid) -> Self {
        let back = places.iter().map(|&place| {
            let aim = Intent::TakeBack(place.copy().clone(), request.clone());
            (place, Attempt::new(aim, place.identities()))
        });
        Self::Attempts(back.collect())
    }

    /// The attempt that is under way.
    pub fn current(&self) -> Option<&(Place, Attempt<()>)> {
        let Self::Attempts(attempts) = self else {
            return None;
        };
        attempts.iter().find(|(_, one)| one.call().is_some())
    }

    /// The call on a claim that comes next, if it is one.
    pub fn claim_call(&self) -> Option<RegistryCall<'_, ()>> {
        match self {
            Self::Attempts(_) => self.current()?.1.call(),
            Self::Arrival(arrival) => match arrival.call()? {
                ArrivalCall::Claim(call) => Some(call),
                ArrivalCall::Changes | ArrivalCall::Inherited => None,
            },
            Self::PolicyScan(_) => None,
        }
    }

    /// Takes what came of a call on a claim.
    pub fn answer(&mut self, answer: RegistryAnswer<()>) {
        match self {
            Self::Attempts(attempts) => {
                let mut left = attempts.iter_mut().filter(|(_, one)| one.call().is_some());
                if let Some((_, attempt)) = left.next() {
                    attempt.answer(answer);
                }
            }
            Self::Arrival(arrival) => arrival.answer(ArrivalAnswer::Claim(answer)),
            Self::PolicyScan(_) => {}
        }
    }

    /// Whether there is no call left to make.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Attempts(_) => self.current().is_none(),
            Self::Arrival(arrival) => arrival.call().is_none(),
            Self::PolicyScan(scan) => scan.call().is_none(),
        }
    }

    /// Why the request is refused, as far as that is known.
    pub fn refusal(&self) -> Option<Refusal> {
        let Self::Attempts(attempts) = self else {
            return None;
        };
        attempts.iter().find_map(|(_, one)| one.outcome().err())
    }

    /// The copies that it writes of in claims.
    pub fn places(&self) -> Vec<Place> {
        match self {
            Self::Attempts(attempts) => attempts.iter().map(|(place, _)| *place).collect(),
            Self::Arrival(_) | Self::PolicyScan(_) => Vec::new(),
        }
    }
}
