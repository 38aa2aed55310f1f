//! aso-guard: a validating admission webhook for Azure Service Operator v2 (ASO).
//!
//! One Azure resource, one live reconciler.
//!
//! # Where things are
//!
//! Arrows point downwards only: a module uses those of its row's third column, which stand below
//! it in this table, and no other. `x..` is x and all that x may use.
//!
//! What is pure has no async, no I/O, no clock and no environment; time is an argument. So the
//! protocol can be driven by a property test or a model checker as it is, and the server and the
//! observer are thin shells around it. `tests/architecture` reads this table and checks all of it.
//!
//! | module | what it is | may use | pure |
//! | --- | --- | --- | --- |
//! | [`cli`] | the command line: one file or folder per subcommand | webhook_controller.. doctor.. board.. check.. driver.. failover.. | |
//! | [`driver`] | moving resources between places, by the four steps | cluster.. | |
//! | [`failover`] | a cluster that is lost, rebuilt, or goes by another name | registry.. | |
//! | [`board`] | the registry as pages for a browser, read-only | registry.. | view |
//! | [`webhook_controller`] | keeps this cluster's webhook configuration in step, and the guard's own certificates | admission server telemetry object api_server | plan |
//! | [`doctor`] | whether a guard does what it is there for, and what to do where it does not | admission.. | checks facts finding |
//! | [`admission`] | `AdmissionReview` in, verdict out; the webhook's registration | cluster.. | |
//! | [`cluster`] | what is known of this cluster; the observer | registry.. resolve.. protection | |
//! | [`protection`] | what must not be deleted or made live in a namespace, by what the claims say | claim arm policy object | all |
//! | [`registry`] | where claims are kept: `memory:`, `kubernetes:`, and the CRDs; the steps of a transfer on any of them | transfer.. telemetry api_server | |
//! | [`transfer`] | the record of a declared move, how far it is by the claims, and what is next for each resource | claim arm policy object | all |
//! | [`check`] | several clusters against each other, by their manifests | claim.. | all |
//! | [`claim`] | the claim protocol and its words | resolve.. | all |
//! | [`resolve`] | from an object to its resource and effective policy: what to look up next, and how fresh it has to be | arm policy object | all |
//! | [`arm`] | from an object to the ARM ID it stands for | object | all |
//! | [`policy`] | the effective reconcile policy | | all |
//! | [`telemetry`] | logs; what is counted of calls; notices and the Events made of them | object api_server | |
//! | [`object`] | the facts of an object, and reading them | | all |
//! | [`api_server`] | calls of an API server: each within its time, lists page by page, the kinds it serves | | |
//! | [`server`] | HTTPS, certificates, probes, the way out | | |

#![warn(clippy::too_many_lines)]

pub mod admission;
pub mod api_server;
pub mod arm;
pub mod board;
pub mod check;
pub mod claim;
pub mod cli;
pub mod cluster;
pub mod doctor;
pub mod driver;
pub mod failover;
pub mod object;
pub mod policy;
pub mod protection;
pub mod registry;
pub mod resolve;
pub mod server;
pub mod telemetry;
pub mod transfer;
pub mod webhook_controller;
