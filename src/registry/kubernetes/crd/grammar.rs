//! What the fields of the registry's objects may hold: what every aso-guard can read, and no
//! more. API servers hold everybody to it, administrators too, by the CRDs' schemas.
//!
//! [`arm`](crate::arm), [`claim`](crate::claim) and `convert` read by the same rules; the tests below
//! hold both to the same cases, and `tests/e2e/grammar.rs` holds a real API server to them.

mod member;

use std::fmt::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    ValidationRule,
};

use crate::arm::id::MAX_LEN;
use crate::claim::{MAX_HISTORY, MAX_IN_FLIGHT, MAX_REASON};
use crate::object::text::UNPRINTABLE;
use crate::transfer;

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
enum FieldGrammar {
    /// A time in UTC, as aso-guard writes it. Others' years are beyond what it can read.
    Time,
    /// An identity.
    Identity,
    /// A DNS label.
    Label,
    /// A DNS subdomain.
    Subdomain,
    /// A kind of Kubernetes.
    Kind,
    /// A text that can be seen, of at most so many characters.
    Text(usize),
    /// The same, and there is something to be seen in it.
    Said(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number that fits into 32 bits.
    Count,
    /// A list of at most so many.
    Short(usize),
    /// Numbers by these words.
    Counts(&'static [&'static str]),
}

use member::MEMBER;

use FieldGrammar::{
    Count, Counts, Identity, Kind, Label, Said, Short, Subdomain, Text, Time, Word,
};

const TRUTH: FieldGrammar = Word(&["True", "False"]);
/// Texts that only people read, made of names that can be seen.
const PROSE: FieldGrammar = Text(1_000_000);
const NAME: FieldGrammar = Text(256);
const ID: FieldGrammar = Text(128);
const REASON: usize = MAX_REASON + 1;
/// Those of a resource, and of the registry itself.
const CLAIM_STATE: FieldGrammar = Word(&[
    "Live",
    "Pending",
    "Parked",
    "Deleting",
    "Conflict",
    "Free",
    "Whole",
    "Rebuilding",
]);
const EPOCH_STATE: FieldGrammar = Word(&["Awaited", "Enrolled", "Forgotten"]);
const CLAIM_ACTION: FieldGrammar = Word(&[
    "create",
    "update",
    "delete",
    "delete-with-namespace",
    "delete-with-kind",
    "release",
    "park",
    "failover",
    "failover-undo",
]);
const TRANSFER_ACTION: FieldGrammar = Word(&["start", "undo", "finish"]);

/// All three have conditions.
const CONDITIONS: &[(&str, FieldGrammar)] = &[
    ("status.conditions", Short(8)),
    ("status.conditions.type", ID),
    ("status.conditions.status", TRUTH),
    ("status.conditions.reason", ID),
    ("status.conditions.message", PROSE),
    ("status.conditions.lastTransitionTime", Time),
];

const CLAIM: &[(&str, FieldGrammar)] = &[
    ("spec.identity", Identity),
    ("status.resource", PROSE),
    ("status.state", CLAIM_STATE),
    ("status.holder", PROSE),
    ("status.parkedIn", PROSE),
    ("status.lastHeard", Time),
    ("status.copies.member", Label),
    ("status.copies.namespace", Label),
    ("status.copies.group", Subdomain),
    ("status.copies.kind", Kind),
    ("status.copies.name", Subdomain),
    ("status.copies.since", Time),
    ("status.copies.by", NAME),
    ("status.copies.newcomer", Count),
    ("status.copies.stored.uid", ID),
    (
        "status.copies.stored.policy",
        Word(&["manage", "skip", "detach-on-delete"]),
    ),
    ("status.copies.acquiring", Short(MAX_IN_FLIGHT)),
    ("status.copies.acquiring.request", ID),
    ("status.copies.acquiring.uid", ID),
    ("status.copies.acquiring.resourceVersion", ID),
    ("status.copies.acquiring.deadline", Time),
    ("status.copies.arriving", Short(MAX_IN_FLIGHT)),
    ("status.copies.arriving.request", ID),
    ("status.copies.arriving.uid", ID),
    ("status.copies.arriving.resourceVersion", ID),
    ("status.copies.arriving.deadline", Time),
    ("status.copies.renaming", Short(MAX_IN_FLIGHT)),
    ("status.copies.renaming.request", ID),
    ("status.copies.renaming.uid", ID),
    ("status.copies.renaming.resourceVersion", ID),
    ("status.copies.renaming.deadline", Time),
    // Read as far as it can be: an identity's rules would cost an API server too much here.
    ("status.copies.renaming.to", Text(MAX_LEN)),
    ("status.copies.deleting", Short(MAX_IN_FLIGHT)),
    ("status.copies.deleting.request", ID),
    ("status.copies.deleting.uid", ID),
    ("status.copies.deleting.resourceVersion", ID),
    ("status.copies.deleting.deadline", Time),
    ("status.transfer.name", Label),
    ("status.transfer.from.member", Label),
    ("status.transfer.from.namespace", Label),
    ("status.transfer.to.member", Label),
    ("status.transfer.to.namespace", Label),
    ("status.epoch.round", Count),
    ("status.epoch.members", Short(1000)),
    ("status.epoch.members.name", Label),
    ("status.epoch.members.state", EPOCH_STATE),
    ("status.epoch.shard", PROSE),
    ("status.epoch.migration", PROSE),
    ("status.history", Short(MAX_HISTORY)),
    ("status.history.at", Time),
    ("status.history.by", NAME),
    ("status.history.action", CLAIM_ACTION),
    ("status.history.deed", CLAIM_ACTION),
    ("status.history.why", Said(REASON)),
    ("status.history.refusal", ID),
    ("status.history.against", ID),
    ("status.history.member", Label),
    ("status.history.namespace", Label),
    ("status.history.group", Subdomain),
    ("status.history.kind", Kind),
    ("status.history.name", Subdomain),
];

const TRANSFER: &[(&str, FieldGrammar)] = &[
    ("spec.from.member", Label),
    ("spec.from.namespace", Label),
    ("spec.to.member", Label),
    ("spec.to.namespace", Label),
    ("spec.resources.below.", Identity),
    ("spec.resources.resourceGroups.", Said(90)),
    ("spec.resources.kinds.", Said(200)),
    ("spec.resources.labels", Text(1000)),
    (
        "status.state",
        Word(&[
            "Opening", "Open", "Undoing", "Closing", "Finished", "Undone",
        ]),
    ),
    ("status.from", ID),
    ("status.to", ID),
    ("status.selection", PROSE),
    (
        "status.phase",
        Word(&["Opening", "Open", "Closing", "Finished"]),
    ),
    ("status.covered", Count),
    ("status.done", ID),
    ("status.progress", PROSE),
    (
        "status.counts",
        Counts(&[
            "live", "busy", "parked", "coming", "moved", "done", "waiting", "conflict", "deleting",
            "lost",
        ]),
    ),
    ("status.counted", Time),
    ("status.history", Short(transfer::MAX_HISTORY)),
    ("status.history.at", Time),
    ("status.history.by", NAME),
    ("status.history.action", TRANSFER_ACTION),
    ("status.history.deed", TRANSFER_ACTION),
    ("status.history.why", Text(REASON)),
    ("status.history.unfinished", Count),
];

/// A time; the format checks the day. Members of today read the years up to 9999.
const TIME: &str = "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z$";
const LABEL: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
const SUBDOMAIN: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";
const KIND: &str = "^[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$";

/// The unprintable characters as what stands between the brackets of a pattern's class.
fn unprintable() -> String {
    let mut class = String::new();
    for (from, to) in UNPRINTABLE {
        // Writing to a String cannot fail.
        let _ = write!(
            class,
            r"\x{{{:x}}}-\x{{{:x}}}",
            u32::from(from),
            u32::from(to)
        );
    }
    class
}

/// A word in any case. A pattern's own way to ignore case takes other letters than ASCII's
/// for the same, such as `ſ` for `s`.
fn in_any_case(word: &str) -> String {
    word.chars().fold(String::new(), |mut pattern, c| {
        let (lower, upper) = (c.to_ascii_lowercase(), c.to_ascii_uppercase());
        let _ = write!(pattern, "[{lower}{upper}]");
        pattern
    })
}

/// Any segment but `providers`, which begins another provider and is no type.
fn a_type() -> String {
    let word = "providers";
    let (one, long) = (SEGMENT_CHARACTER, word.len());
    let mut ways = vec![
        format!("{one}{{1,{}}}", long - 1),
        format!("{one}{{{},}}", long + 1),
    ];
    for (at, c) in word.char_indices() {
        let (lower, upper) = (c, c.to_ascii_uppercase());
        ways.push(format!(
            "{one}{{{at}}}[^/#{lower}{upper}]{one}{{{}}}",
            long - at - 1
        ));
    }
    format!("({})", ways.join("|"))
}

/// Any character of a segment; what else it may not be is a matter of its own.
const SEGMENT_CHARACTER: &str = "[^/#]";

/// What holds of every identity, as patterns: each, and whether it has to match.
fn identity() -> [(String, bool); 2] {
    let segment = format!("{SEGMENT_CHARACTER}+");
    let [subscriptions, groups, tenants, providers] =
        ["subscriptions", "resourceGroups", "tenants", "providers"].map(in_any_case);
    let provider = format!("/{providers}/{segment}(/{}/{segment})+", a_type());
    let arm = format!(
        "/{subscriptions}/{segment}(/{groups}/{segment})?({provider})*|(/{tenants}/{segment})?({provider})+"
    );
    let structure = format!("^({arm})(#[A-Za-z0-9]+/[^/]+)?$");
    // No blanks at the ends of a name, no `.` or `..`, and nothing that means something in a path.
    let slips = format!(
        r"[{}]|/ | /| $|^[^#]*( #|[?%\\]|/[.][.]?#)|/[.][.]?(/|$)",
        unprintable()
    );
    [(structure, true), (slips, false)]
}

/// What has to be seen in a text that says something.
fn said() -> String {
    let unprintable = unprintable();
    format!("^[^{unprintable}]*[^{unprintable} ][^{unprintable}]*$")
}

fn rule(rule: String, message: &str) -> ValidationRule {
    ValidationRule {
        rule,
        message: Some(message.to_owned()),
        ..ValidationRule::default()
    }
}

fn list_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    words.join(", ")
}

impl FieldGrammar {
    /// Writes it into a schema.
    fn tighten(self, schema: &mut JSONSchemaProps) {
        let shorten = |schema: &mut JSONSchemaProps, longest: usize| {
            let longest = i64::try_from(longest).unwrap_or(i64::MAX);
            let known = schema.max_length.unwrap_or(longest);
            schema.max_length = Some(known.min(longest));
        };
        let pattern = |schema: &mut JSONSchemaProps, longest, pattern: String| {
            shorten(schema, longest);
            schema.pattern = Some(pattern);
        };
        match self {
            Time => pattern(schema, 30, TIME.to_owned()),
            Label => pattern(schema, 63, LABEL.to_owned()),
            Subdomain => pattern(schema, 253, SUBDOMAIN.to_owned()),
            Kind => pattern(schema, 63, KIND.to_owned()),
            Text(longest) => pattern(schema, longest, format!("^[^{}]*$", unprintable())),
            Said(longest) => pattern(schema, longest, said()),
            Identity => {
                shorten(schema, MAX_LEN);
                let rules = identity().map(|(pattern, matches)| {
                    let not = if matches { "" } else { "!" };
                    let cel = format!("{not}self.matches(r'{pattern}')");
                    rule(cel, "this is no ARM ID that aso-guard can read")
                });
                schema.x_kubernetes_validations = Some(rules.into());
            }
            Word(words) => {
                let words = words.iter().map(|word| JSON((*word).into()));
                schema.enum_ = Some(words.collect());
            }
            Count => schema.maximum = Some(u32::MAX.into()),
            Short(most) => schema.max_items = i64::try_from(most).ok(),
            Counts(words) => {
                if let Some(JSONSchemaPropsOrBool::Schema(one)) = &mut schema.additional_properties
                {
                    Count.tighten(one);
                }
                schema.max_properties = i64::try_from(words.len()).ok();
                let known = format!("self.all(word, word in [{}])", list_of(words));
                let message = "this counts what aso-guard does not know";
                schema.x_kubernetes_validations = Some(vec![rule(known, message)]);
            }
        }
    }
}

/// The schema of a field; lists are passed through, and a dot at the end means what is in one.
fn field<'a>(schema: &'a mut JSONSchemaProps, path: &str) -> Option<&'a mut JSONSchemaProps> {
    let Some((first, rest)) = path.split_once('.') else {
        return schema.properties.as_mut()?.get_mut(path);
    };
    let found = schema.properties.as_mut()?.get_mut(first)?;
    let next = match found.items {
        None => found,
        Some(_) => match found.items.as_mut()? {
            JSONSchemaPropsOrArray::Schema(item) => item,
            JSONSchemaPropsOrArray::Schemas(_) => return None,
        },
    };
    if rest.is_empty() {
        return Some(next);
    }
    field(next, rest)
}

/// The fields of a kind, and what they may hold.
fn fields(kind: &str) -> impl Iterator<Item = &'static (&'static str, FieldGrammar)> {
    let own = match kind {
        "Claim" => CLAIM,
        "Member" => MEMBER,
        _ => TRANSFER,
    };
    own.iter().chain(CONDITIONS)
}

/// Writes into a CRD what its fields may hold.
pub(super) fn tighten(crd: &mut CustomResourceDefinition) {
    let kind = crd.spec.names.kind.clone();
    let is_claim = kind == "Claim";
    let versions = crd.spec.versions.iter_mut();
    let schemas =
        versions.filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    for schema in schemas {
        for (path, shape) in fields(&kind) {
            if let Some(found) = field(schema, path) {
                shape.tighten(found);
            }
        }
        if is_claim {
            // What no member wrote has none, and says nothing.
            schema
                .required
                .get_or_insert_default()
                .push("status".to_owned());
        } else {
            let named = format!("self.metadata.name.matches('{LABEL}')");
            let message = "the name has to be 1 to 63 lower-case letters, digits and dashes";
            let rules = schema.x_kubernetes_validations.get_or_insert_default();
            rules.push(rule(named, message));
        }
    }
}

#[cfg(test)]
mod tests;
