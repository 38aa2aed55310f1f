//! The webhook from outside: AdmissionReviews in, verdicts out.
//!
//! | module | what it shows |
//! | --- | --- |
//! | [`create`], [`update`], [`delete`] | the verdicts, request by request |
//! | [`surroundings`] | namespaces and CRDs |
//! | [`arrive`] | CREATE of a parked copy |
//! | [`children`] | what goes with an owner, and what its change makes of its children |
//! | [`inherited`] | copies that their namespace parks, while it changes |
//! | [`owners`] | a child on its way while its owner gets another name |
//! | [`modes`] | audit, unresolved objects, policies that ASO does not know |
//! | [`shown`] | what slipped past, found and shown by the observer; newcomers parked |
//! | [`transfers`] | what an open transfer allows, and what not |
//! | [`messages`] | all refusals and warnings, as `docs/messages.md` has them |
//! | [`notices`] | the Events made of verdicts |
//! | [`namespace_modes`] | modes of namespaces, and what is exempt |
//! | [`break_glass`] | refusals that are overridden |
//! | [`fenced`] | a cluster that was declared lost, and is there |
//! | [`protect`] | what somebody said is not to be deleted |
//! | [`sharded`] | claims in two shards, and trouble in one of them |
//! | [`trouble`] | a registry or an API server that fails, hangs or loses answers |
//! | [`crowd`] | more requests at once than a slow registry can be asked about |
//! | [`stale`] | a replica whose watches are behind |
//! | [`apart`] | an object that cannot be looked at, and the others |
//! | [`unread`] | a kind that the API server does not give, and the others |
//! | [`round_trips`] | how often the registry is asked |
//! | [`hostile`], [`fields`], [`names`] | bad input, over real TLS |
//! | [`fuzz`] | input that nobody thought of; `tests/properties` has more |

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is all tests, though few of its functions are marked so"
)]

mod answer;
#[path = "../../fuzz/src/answer.rs"]
mod answered;
mod apart;
mod arrive;
mod break_glass;
mod children;
mod create;
mod crowd;
mod delete;
mod fenced;
mod fields;
mod fuzz;
mod hostile;
mod inherited;
mod messages;
mod modes;
mod moving;
mod names;
mod namespace_modes;
mod notices;
mod object;
mod owners;
mod protect;
mod rebuilding;
mod round_trips;
mod server;
mod settled;
mod sharded;
mod shown;
#[path = "../properties/slips.rs"]
mod slips;
mod stale;
mod surroundings;
mod tampered;
mod transfers;
mod trouble;
mod unread;
mod unresolved;
mod update;
mod world;
