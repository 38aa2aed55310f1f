//! The lab: real Kubernetes control planes on this machine, with aso-guard in front of them.
//!
//! Shared by the end-to-end tests and by the playground. From the ground up:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`reaper`] | leaves nothing running, however this process ends |
//! | [`process`], [`ports`], [`wait`], [`http`] | one process, a port for it, waiting for it, asking it |
//! | [`go`], [`binaries`] | etcd, kube-apiserver, kube-controller-manager and Helm, built once |
//! | [`azurite`] | Azure Blob Storage, as Microsoft's emulator has it, installed once |
//! | [`pki`], [`kubeconfig`] | who may talk to whom |
//! | [`control_plane`] | one cluster |
//! | [`object`], [`crds`] | what is put into it: any object, ASO's kinds |
//! | [`kubectl`], [`verdict`] | putting it there, and what the API server says to that |
//! | [`hub`] | what the members share, and who they are there |
//! | [`account`] | who aso-guard is for the API server, with the chart's roles |
//! | [`guard`], [`service`], [`webhook`] | aso-guard: its replicas, their one address, its registration |
//! | [`yes`] | a webhook that says yes to everything |
//! | [`world`] | the whole lab: clusters `a` and `b`, and a hub |
//! | [`azure`], [`aso_controller`] | ASO itself, and the Azure that it writes to |
//! | [`thief`] | what a stolen credential of a member is tried on |
//! | [`timeline`] | the order of events |
//! | [`aso`], [`story`], [`report`] | what a test tells: who does what, and what there is to see when it fails |

#![allow(
    dead_code,
    unreachable_pub,
    reason = "the tests and the playground each use their part of the lab"
)]
#![allow(
    clippy::panic,
    reason = "what a story expects of the guard fails its test otherwise"
)]

pub mod account;
pub mod aso;
pub mod aso_controller;
pub mod azure;
pub mod azurite;
pub mod binaries;
pub mod control_plane;
pub mod crds;
pub mod go;
pub mod guard;
pub mod http;
pub mod hub;
pub mod kubeconfig;
pub mod kubectl;
pub mod object;
pub mod pki;
pub mod ports;
pub mod process;
pub mod reaper;
pub mod report;
pub mod service;
pub mod story;
pub mod thief;
pub mod timeline;
pub mod verdict;
pub mod wait;
pub mod webhook;
pub mod world;
pub mod yes;
