//! The words of every refusal, as a person sees them.

use std::fmt::Write as _;

use jiff::SignedDuration;
use rstest::rstest;

use super::super::refusal::Dependent;
use super::super::testing::{account, account_copy, at, copy, group, reservation};
use super::*;
use crate::object::ObjectName;

/// How a copy can stand in the way of one that would go live.
const LIVE: [Hold; 3] = [Hold::Live, PENDING, Hold::Deleting];
/// How a copy can stand in the way of a delete.
const HOLDS: [Hold; 5] = [Hold::Live, PENDING, Hold::Deleting, Hold::Parked, ARRIVING];
const PENDING: Hold = Hold::Pending(Timestamp::UNIX_EPOCH);
const ARRIVING: Hold = Hold::Arriving(Timestamp::UNIX_EPOCH);

fn holder(place: &str, hold: Hold) -> Holder {
    let hold = match hold {
        Hold::Pending(_) => Hold::Pending(at(90)),
        Hold::Arriving(_) => Hold::Arriving(at(90)),
        hold => hold,
    };
    Holder {
        copy: copy(place),
        hold,
        since: at(0),
        by: "alice".to_owned(),
    }
}

/// Every member but the forgotten one was heard from.
fn heard() -> Heartbeats {
    let heard = |name: &str| (copy(name).member, Some(LastHeard::since(at(0), at(12))));
    let forgotten = (copy("gone").member, None);
    ["b", "c", "d"]
        .map(heard)
        .into_iter()
        .chain([forgotten])
        .collect()
}

/// What `kubectl` prints of a refusal, in enforce mode and in audit mode.
fn message(refusal: &Refusal, action: Action, from: &CopyRef, heard: Option<Heartbeats>) -> String {
    let words = refusal.words(&RefusedRequest {
        copy: from,
        action,
        heard: &heard.unwrap_or_default(),
        registry: " --context hub",
    });
    let warnings = words.warnings();
    let longest = warnings[1..]
        .iter()
        .filter(|line| !line.contains("kubectl") && !line.contains("aso-guard"));
    let longest = longest.map(String::len).max();
    let two_objects = matches!(
        refusal,
        Refusal::WakesChild { .. } | Refusal::ChildRefused { .. }
    );
    let first = if two_objects { 190 } else { 120 };
    assert!(
        warnings[0].len() <= first && longest <= Some(160),
        "{warnings:#?}"
    );
    format!("{}\nWarning: {}\n", words.message(), warnings[0])
}

fn snapshot(name: &str, cases: impl IntoIterator<Item = (String, String)>) {
    let text = cases
        .into_iter()
        .fold(String::new(), |mut all, (title, text)| {
            let _ = write!(all, "## {title}\n{text}\n");
            all
        });
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, text) });
}

#[test]
fn another_copy_is_live() {
    let actions = [Action::Create, Action::Activate, Action::Rename];
    let cases = actions.into_iter().flat_map(|action| {
        LIVE.into_iter().map(move |hold| {
            let refusal = Refusal::LiveElsewhere {
                identity: group(),
                holder: holder("b", hold),
                assumed: false,
            };
            let text = message(&refusal, action, &copy("a"), Some(heard()));
            (format!("{action:?}, {}", word(hold)), text)
        })
    });
    snapshot("live_elsewhere", cases);
}

#[test]
fn another_copy_is_live_in_the_same_cluster_and_by_a_guess() {
    let refusal = Refusal::LiveElsewhere {
        identity: account(),
        holder: Holder {
            copy: account_copy("a/other"),
            by: String::new(),
            ..holder("a", Hold::Live)
        },
        assumed: true,
    };
    let text = message(&refusal, Action::Create, &account_copy("a"), None);
    snapshot("live_here_assumed", [("Create, assumed".to_owned(), text)]);
}

#[test]
fn a_stale_resource_id() {
    let cases = LIVE.map(|hold| {
        let refusal = Refusal::ForeignResourceId {
            named: group(),
            computed: "/subscriptions/s/resourceGroups/ours".parse().unwrap(),
            holder: holder("b", hold),
        };
        let text = message(&refusal, Action::Create, &copy("a"), Some(heard()));
        (word(hold), text)
    });
    snapshot("foreign_resource_id", cases);
}

#[test]
fn an_ancestor_is_being_deleted() {
    let cases = [Action::Create, Action::Activate].map(|action| {
        let refusal = Refusal::AncestorDeleting {
            identity: account(),
            ancestor: group(),
            holder: holder("b", Hold::Deleting),
        };
        let text = message(&refusal, action, &account_copy("a"), Some(heard()));
        (format!("{action:?}"), text)
    });
    snapshot("ancestor_deleting", cases);
}

#[test]
fn peers_depend_on_what_would_be_deleted() {
    let one = HOLDS.map(|hold| (word(hold), vec![holder("b", hold)]));
    let places = ["b", "b/two", "c", "d", "e"];
    let many = places.map(|place| holder(place, Hold::Parked)).to_vec();
    let mixed = vec![holder("b", Hold::Parked), holder("c", Hold::Live)];
    let more = [
        ("five parked".to_owned(), many),
        ("parked and live".to_owned(), mixed),
    ];
    let cases = one.into_iter().chain(more).flat_map(|(title, peers)| {
        let identity = group();
        let delete = Refusal::PeersDepend {
            identity: identity.clone(),
            peers: peers.clone(),
        };
        let wake = Refusal::WakesDelete { identity, peers };
        let message = |refusal, action| message(refusal, action, &copy("a"), Some(heard()));
        [
            (format!("Delete, {title}"), message(&delete, Action::Delete)),
            (format!("Wake, {title}"), message(&wake, Action::Activate)),
            (
                format!("Move away, {title}"),
                message(&wake, Action::MoveAway),
            ),
        ]
    });
    snapshot("peers_depend", cases);
}

#[test]
fn a_transfer_is_crossed() {
    let actions = [Action::Create, Action::Activate, Action::Rename];
    let cases = actions.map(|action| {
        let refusal = Refusal::ReservedElsewhere {
            identity: group(),
            reservation: reservation(),
        };
        let text = message(&refusal, action, &copy("c"), None);
        (format!("{action:?}"), text)
    });
    snapshot("reserved_elsewhere", cases);
}

#[test]
fn a_transfer_depends_on_what_would_be_deleted() {
    let actions = [Action::Delete, Action::Activate, Action::Rename];
    let cases = actions.into_iter().flat_map(|action| {
        [group(), account()].map(|moved| {
            let title = format!("{action:?}, {}", moved.last_pair());
            let refusal = Refusal::TransferDepends {
                identity: group(),
                moved,
                reservation: reservation(),
            };
            (title, message(&refusal, action, &copy("a"), None))
        })
    });
    snapshot("transfer_depends", cases);
}

#[test]
fn children_depend_on_what_would_be_deleted() {
    let child = |place: &str, hold| Dependent {
        identity: account(),
        holder: Holder {
            copy: account_copy(place),
            ..holder(place, hold)
        },
    };
    let one = HOLDS.map(|hold| (word(hold), vec![child("b", hold)]));
    let many: Vec<_> = ["a/other", "b", "c", "d"]
        .map(|place| child(place, Hold::Live))
        .into();
    let cases = one.into_iter().chain([("four".to_owned(), many)]);
    let cases = cases.map(|(title, children)| {
        let identity = group();
        let refusal = Refusal::ChildrenDepend { identity, children };
        (
            title,
            message(&refusal, Action::Delete, &copy("a"), Some(heard())),
        )
    });
    snapshot("children_depend", cases);
}

/// Nobody is there who could park anything.
#[test]
fn a_forgotten_cluster_is_in_the_way() {
    let live = [Hold::Live, PENDING].map(|hold| Refusal::LiveElsewhere {
        identity: group(),
        holder: holder("gone", hold),
        assumed: false,
    });
    let peers = Refusal::PeersDepend {
        identity: group(),
        peers: vec![holder("gone", Hold::Parked), holder("b", Hold::Parked)],
    };
    let cases = live.into_iter().map(|refusal| (Action::Create, refusal));
    let cases = cases.chain([(Action::Delete, peers)]);
    let cases = cases.map(|(action, refusal)| {
        let text = message(&refusal, action, &copy("a"), Some(heard()));
        (format!("{action:?}"), text)
    });
    snapshot("of_a_forgotten_cluster", cases);
}

/// A command for a cluster that may be gone is not all there is to try.
#[test]
fn a_silent_cluster_is_in_the_way() {
    let silent = LastHeard::since(at(0), at(27 * 3600));
    let heard = Heartbeats::from([(copy("b").member, Some(silent))]);
    let live = Refusal::LiveElsewhere {
        identity: group(),
        holder: holder("b", Hold::Live),
        assumed: false,
    };
    let parked = Refusal::PeersDepend {
        identity: group(),
        peers: vec![holder("b", Hold::Parked)],
    };
    let cases = [(Action::Create, live), (Action::Delete, parked)];
    let cases = cases.map(|(action, refusal)| {
        let text = message(&refusal, action, &copy("a"), Some(heard.clone()));
        (format!("{action:?}"), text)
    });
    snapshot("of_a_silent_cluster", cases);
}

#[test]
fn live_children_would_go_along() {
    let children = ["one", "two", "three", "four"].map(|name| CopyRef {
        object: ObjectName {
            name: name.into(),
            ..ObjectName::clone(&account_copy("a").object)
        }
        .into(),
        ..account_copy("a")
    });
    let cases = [1, 4].map(|count| {
        let children = children[..count].to_vec();
        let refusal = Refusal::TakesLiveChildren { children };
        let text = message(&refusal, Action::Delete, &copy("a"), None);
        (format!("{count}"), text)
    });
    snapshot("takes_live_children", cases);
}

#[test]
fn a_child_is_in_the_way() {
    let child = account_copy("a");
    let wakes = |refusal| Refusal::WakesChild {
        child: child.clone(),
        refusal: Box::new(refusal),
    };
    let refused = |refusal| Refusal::ChildRefused {
        child: child.clone(),
        refusal: Box::new(refusal),
    };
    let peer = Holder {
        copy: account_copy("b"),
        ..holder("b", Hold::Live)
    };
    let live = Refusal::LiveElsewhere {
        identity: account(),
        holder: peer.clone(),
        assumed: true,
    };
    let deleting = Refusal::AncestorDeleting {
        identity: account(),
        ancestor: group(),
        holder: holder("b", Hold::Deleting),
    };
    let parked = Refusal::PeersDepend {
        identity: account(),
        peers: vec![Holder {
            hold: Hold::Parked,
            ..peer.clone()
        }],
    };
    let inside = Refusal::ChildrenDepend {
        identity: account(),
        children: vec![Dependent {
            identity: account(),
            holder: peer,
        }],
    };
    let message = |refusal, action| message(&refusal, action, &copy("a"), Some(heard()));
    let cases = [
        ("waits, live", message(wakes(live.clone()), Action::Create)),
        ("is renamed, live", message(wakes(live), Action::Rename)),
        ("waits, deleting", message(wakes(deleting), Action::Create)),
        ("goes too, peers", message(refused(parked), Action::Delete)),
        (
            "goes too, children",
            message(refused(inside), Action::Delete),
        ),
    ];
    let cases = cases.map(|(title, text)| (title.to_owned(), text));
    snapshot("of_a_child", cases);
}

fn word(hold: Hold) -> String {
    match hold {
        Hold::Pending(_) => "Pending".to_owned(),
        Hold::Arriving(_) => "Arriving".to_owned(),
        hold => format!("{hold:?}"),
    }
}

#[test]
fn a_users_name_cannot_break_a_line() {
    let refusal = Refusal::LiveElsewhere {
        identity: group(),
        holder: Holder {
            by: "mallory\nAllowed: yes\u{7f}".to_owned(),
            ..holder("b", Hold::Live)
        },
        assumed: false,
    };
    let text = message(&refusal, Action::Create, &copy("a"), None);
    assert!(
        text.contains("by mallory\u{fffd}Allowed: yes\u{fffd})"),
        "{text}"
    );
}

#[rstest]
#[case(-3, "last heard from just now")]
#[case(1, "last heard from just now")]
#[case(119, "last heard from 119 s ago")]
#[case(120, "last heard from 2 min ago")]
#[case(7200, "not heard from for 2 h")]
#[case(172_799, "not heard from for 47 h")]
#[case(172_800, "not heard from for 2 days")]
fn silence_in_words(#[case] seconds: i64, #[case] words: &str) {
    let now = at(0) + SignedDuration::from_secs(seconds);
    assert_eq!(LastHeard::since(at(0), now).words(), words);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of refusals")]
fn every_refusal_has_a_token_and_names_who_stands_in_the_way() {
    let (identity, first) = (group(), holder("b", Hold::Live));
    let peers = vec![first.clone(), holder("c", Hold::Live)];
    let child = Dependent {
        identity: account(),
        holder: first.clone(),
    };
    let refusals = [
        (
            Refusal::LiveElsewhere {
                identity: identity.clone(),
                holder: first.clone(),
                assumed: false,
            },
            "LiveElsewhere",
        ),
        (
            Refusal::ForeignResourceId {
                named: identity.clone(),
                computed: account(),
                holder: first.clone(),
            },
            "ForeignResourceId",
        ),
        (
            Refusal::AncestorDeleting {
                identity: account(),
                ancestor: identity.clone(),
                holder: first.clone(),
            },
            "AncestorDeleting",
        ),
        (
            Refusal::PeersDepend {
                identity: identity.clone(),
                peers: peers.clone(),
            },
            "PeersDepend",
        ),
        (
            Refusal::ChildrenDepend {
                identity: identity.clone(),
                children: vec![child],
            },
            "ChildrenDepend",
        ),
        (
            Refusal::WakesDelete {
                identity: identity.clone(),
                peers: peers.clone(),
            },
            "WakesDelete",
        ),
        (
            Refusal::WakesChild {
                child: account_copy("a"),
                refusal: Box::new(Refusal::PeersDepend {
                    identity: identity.clone(),
                    peers: peers.clone(),
                }),
            },
            "WakesChild",
        ),
        (
            Refusal::ChildRefused {
                child: account_copy("a"),
                refusal: Box::new(Refusal::PeersDepend { identity, peers }),
            },
            "ChildRefused",
        ),
    ];
    for (refusal, token) in refusals {
        assert_eq!(refusal.reason().as_str(), token);
        assert_eq!(refusal.holders()[0], &first, "{token}");
    }
}
