//! Finding claims, a bounded part of the registry at a time: one page costs the registry the
//! same whether it holds a hundred claims or a million.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::arm::{Identity, folded};
use crate::claim::{ClaimState, CopyRef, MemberName, Record};
use crate::registry::{ClaimScope, CopyFilter, Cursor, ReadOnlyRegistry, RegistryError, Versioned};

use super::order::ClaimOrder;
use super::query::{Query, link};

/// How many claims one page shows.
pub(super) const ROWS: usize = 50;
/// How many parts of the registry one page reads at most, while it finds fewer than [`ROWS`].
const PARTS: usize = 10;
/// After how long it stops reading more.
const PATIENCE: Duration = Duration::from_secs(4);

/// Which claims are meant; all that is not empty has to hold.
#[derive(Clone, Debug, Default)]
pub(super) struct ClaimSearch {
    /// The beginning of an ARM ID where it starts with a slash; else a part of an ARM ID or of
    /// an object's name.
    pub(super) text: String,
    /// A copy's member.
    pub(super) member: String,
    /// The same copy's namespace.
    pub(super) namespace: String,
    /// The claim's state, as [`ClaimState::as_str`] has it, in any case.
    pub(super) state: String,
    /// The resource's subscription.
    pub(super) subscription: String,
    /// The resource group that it is, or is in.
    pub(super) group: String,
    /// In which order each page is shown; the registry's own without.
    pub(super) order: Option<ClaimOrder>,
}

/// What one page found.
#[derive(Debug, Default)]
pub(super) struct SearchPage {
    pub(super) claims: Vec<Versioned<Record>>,
    /// How many claims were looked at so far, those of the pages before included.
    pub(super) looked_at: usize,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<ContinueToken>,
}

/// A place in the registry, for the next page to go on from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ContinueToken {
    looked_at: usize,
    /// How many of the part's claims are behind.
    skip: usize,
    /// Which part; the first where there is none.
    part: Option<Cursor>,
}

/// `120.20.TOKEN`
impl fmt::Display for ContinueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.part.as_ref().map_or("", Cursor::as_str);
        write!(f, "{}.{}.{token}", self.looked_at, self.skip)
    }
}

impl FromStr for ContinueToken {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '.');
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        let (looked_at, skip) = (number().ok_or(())?, number().ok_or(())?);
        let token = parts.next().filter(|token| !token.is_empty());
        Ok(Self {
            looked_at,
            skip,
            part: token.map(|token| Cursor::new(token.to_owned())),
        })
    }
}

impl ClaimSearch {
    /// What an address asks for.
    pub(super) fn of(query: &Query) -> Self {
        Self {
            text: query.get("q").to_owned(),
            member: query.get("member").to_owned(),
            namespace: query.get("namespace").to_owned(),
            state: query.get("state").to_owned(),
            subscription: query.get("subscription").to_owned(),
            group: query.get("group").to_owned(),
            order: ClaimOrder::of(query.get("sort")),
        }
    }

    /// The address of the list, from this place on.
    pub(super) fn link(&self, at: Option<&ContinueToken>) -> String {
        let at = at.map(ContinueToken::to_string).unwrap_or_default();
        let order = self.order.map(ClaimOrder::word).unwrap_or_default();
        link(
            "/claims",
            &[
                ("q", &self.text),
                ("member", &self.member),
                ("namespace", &self.namespace),
                ("state", &self.state),
                ("subscription", &self.subscription),
                ("group", &self.group),
                ("sort", &order),
                ("at", &at),
            ],
        )
    }

    /// Whether anything is asked for in particular.
    pub(super) fn is_narrowed(&self) -> bool {
        let Self {
            text,
            member,
            namespace,
            state,
            subscription,
            group,
            order: _,
        } = self;
        [text, member, namespace, state, subscription, group]
            .iter()
            .any(|one| !one.is_empty())
    }

    /// The claims from a place on: at most [`ROWS`], fewer where much had to be looked through.
    /// The one whose whole ARM ID was given comes first.
    ///
    /// # Errors
    /// The registry did not answer.
    pub(super) async fn page(
        &self,
        registry: &ReadOnlyRegistry,
        at: Option<ContinueToken>,
    ) -> Result<SearchPage, RegistryError> {
        let mut found = SearchPage::default();
        let Some(scope) = self.scope() else {
            return Ok(found);
        };
        let exact = match &at {
            None => self.exact(registry).await?,
            Some(_) => None,
        };
        let exact_identity = self.whole();
        found.claims.extend(exact);
        let mut place = at.unwrap_or_default();
        let began = Instant::now();
        for _ in 0..PARTS {
            let mut part = registry.claims_page(&scope, place.part.as_ref()).await?;
            let order = |a: &Versioned<Record>, b: &Versioned<Record>| {
                a.record.identity.cmp(&b.record.identity)
            };
            part.claims.sort_by(order);
            found.looked_at = place.looked_at;
            let rest = part.claims.into_iter().enumerate().skip(place.skip);
            for (at, known) in rest {
                let is_exact = exact_identity.as_ref() == Some(&known.record.identity);
                if self.covers(&known.record) && !is_exact {
                    if found.claims.len() >= ROWS {
                        found.next = Some(ContinueToken {
                            looked_at: found.looked_at,
                            skip: at,
                            part: place.part,
                        });
                        return Ok(found);
                    }
                    found.claims.push(known);
                }
                found.looked_at += 1;
            }
            let Some(next) = part.next else {
                return Ok(found);
            };
            place = ContinueToken {
                looked_at: found.looked_at,
                skip: 0,
                part: Some(next),
            };
            if found.claims.len() >= ROWS || began.elapsed() >= PATIENCE {
                break;
            }
        }
        found.next = Some(place);
        Ok(found)
    }

    /// The identity that was given whole: as text, or as a subscription with a group.
    fn whole(&self) -> Option<Identity> {
        let given = self.text.parse().ok();
        given.or_else(|| self.container().filter(|_| !self.group.is_empty()))
    }

    /// The subscription, or the group in it, that was chosen.
    fn container(&self) -> Option<Identity> {
        let Self {
            subscription,
            group,
            ..
        } = self;
        match (subscription.is_empty(), group.is_empty()) {
            (true, _) => None,
            (false, true) => format!("/subscriptions/{subscription}").parse().ok(),
            (false, false) => format!("/subscriptions/{subscription}/resourceGroups/{group}")
                .parse()
                .ok(),
        }
    }

    /// The claim whose ARM ID was given whole.
    async fn exact(
        &self,
        registry: &ReadOnlyRegistry,
    ) -> Result<Option<Versioned<Record>>, RegistryError> {
        let Some(identity) = self.whole() else {
            return Ok(None);
        };
        let known = registry.claim(&identity).await?;
        Ok(known.filter(|known| self.covers(&known.record)))
    }

    /// The least that the registry has to be asked for; `None` where nothing can be meant.
    fn scope(&self) -> Option<ClaimScope> {
        let member = match self.member.as_str() {
            "" => None,
            name => Some(name.parse::<MemberName>().ok()?),
        };
        let above = self.above().or_else(|| self.container());
        let in_group = above
            .as_ref()
            .is_some_and(|above| above.resource_group().is_some());
        let conflict = ClaimState::Conflict.as_str();
        Some(match (above, member) {
            _ if self.state.eq_ignore_ascii_case(conflict) => ClaimScope::InConflict,
            (Some(above), _) if in_group => ClaimScope::Below(above),
            (_, Some(member)) => ClaimScope::Of(member, CopyFilter::AnyCopy),
            (Some(above), None) => ClaimScope::Below(above),
            (None, None) => ClaimScope::All,
        })
    }

    /// What all that begins with the text is inside of.
    fn above(&self) -> Option<Identity> {
        let mut cuts = self.text.rmatch_indices('/').map(|(at, _)| at);
        cuts.find_map(|at| self.text[..at].parse().ok())
    }

    /// Whether a record is meant.
    fn covers(&self, record: &Record) -> bool {
        let text = folded(&self.text);
        let key = record.identity.key();
        let named = |copy: &CopyRef| copy.object.name.to_ascii_lowercase().contains(&text);
        let of_text = if text.starts_with('/') {
            key.starts_with(&text)
        } else {
            key.contains(&text) || record.copies.keys().any(named)
        };
        let of_state =
            self.state.is_empty() || self.state.eq_ignore_ascii_case(record.state().as_str());
        let of_place = |copy: &CopyRef| {
            (self.member.is_empty() || copy.member.as_str() == self.member)
                && (self.namespace.is_empty() || *copy.object.namespace == *self.namespace)
        };
        let anywhere = self.member.is_empty() && self.namespace.is_empty();
        let is = |wanted: &str, part: Option<&str>| {
            wanted.is_empty() || part.is_some_and(|part| folded(part) == folded(wanted))
        };
        let of_container = is(&self.subscription, record.identity.subscription())
            && is(&self.group, record.identity.resource_group());
        of_text && of_state && of_container && (anywhere || record.copies.keys().any(of_place))
    }
}
