//! What can be wrong with a registration, in words.

use std::fmt;

use super::super::{
    CRD_WEBHOOK, DELETE_WEBHOOK, MODE_WEBHOOK, NAMESPACE_WEBHOOK, NO_ENFORCER, PARKED_WEBHOOK,
    WRITE_WEBHOOK,
};

/// Something that API servers do not ask about, or not reliably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The webhook's name; empty where it is about all of them.
    pub webhook: String,
    /// What is wrong with it.
    pub what: Weakness,
}

/// What can be wrong with a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// The webhook is not there.
    Missing,
    /// Requests go through while no guard answers, where they are to be refused.
    Ignores,
    /// Its rules leave something out.
    Rules(String),
    /// It selects too few namespaces.
    Namespaces,
    /// It selects too few objects.
    Objects,
    /// A condition that is none of the guard's, by its name.
    Condition(String),
    /// Objects of other versions than those that its rules name are not asked about.
    MatchPolicy,
    /// API servers give the guard less time than was chosen, in seconds.
    Timeout(i32),
    /// It leads somewhere else, to this.
    Target(String),
    /// It trusts no certificate.
    NoCa,
    /// AKS rewrites the configuration.
    Enforced,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.webhook;
        match &self.what {
            Weakness::Missing => write!(
                f,
                "{name} is not there: the guard does not see {}",
                about(name)
            ),
            Weakness::Ignores => write!(
                f,
                "{name}: failurePolicy is Ignore: while no guard answers, everything goes through"
            ),
            Weakness::Rules(left_out) => write!(f, "{name}: its rules leave out {left_out}"),
            Weakness::Namespaces => write!(
                f,
                "{name}: its namespaceSelector leaves out more than the namespaces that are exempt"
            ),
            Weakness::Objects => write!(f, "{name}: its objectSelector leaves out objects"),
            Weakness::Condition(condition) => write!(
                f,
                "{name}: its matchCondition {condition} is none of the guard's"
            ),
            Weakness::MatchPolicy => write!(
                f,
                "{name}: matchPolicy is Exact: other versions of a kind go past it"
            ),
            Weakness::Timeout(seconds) => write!(
                f,
                "{name}: timeoutSeconds is {seconds}, less than was installed"
            ),
            Weakness::Target(target) => {
                write!(f, "{name}: it leads to {target}, not to where the guard is")
            }
            Weakness::NoCa => write!(
                f,
                "{name}: its caBundle is empty, so API servers trust no guard"
            ),
            Weakness::Enforced => write!(
                f,
                "the annotation {NO_ENFORCER} is not \"true\": AKS may narrow the webhooks"
            ),
        }
    }
}

/// What a webhook is asked about.
fn about(name: &str) -> &'static str {
    match name {
        WRITE_WEBHOOK => "creates and updates",
        PARKED_WEBHOOK => "creates of parked copies",
        DELETE_WEBHOOK => "deletes",
        NAMESPACE_WEBHOOK => "namespaces with ASO's objects",
        MODE_WEBHOOK => "modes of namespaces",
        CRD_WEBHOOK => "deletes of ASO's CRDs",
        _ => "something",
    }
}
