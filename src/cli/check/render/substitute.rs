//! Flux's `postBuild` substitution.

use std::collections::BTreeMap;

/// The variables of a Flux Kustomization.
pub(in crate::cli::check) type Variables = BTreeMap<String, String>;

/// A text with its `${…}` filled in, as Flux does it. What nothing sets is left as it is, so that
/// it is told of.
pub(in crate::cli::check) fn substitute(text: &str, variables: &Variables) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        let Some(end) = from.find('}') else { break };
        let (variable, after) = from.split_at(end + 1);
        rest = after;
        if let Some(before) = before.strip_suffix('$') {
            // `$${VAR}` stands for `${VAR}`.
            filled.extend([before, variable]);
            continue;
        }
        filled.push_str(before);
        match value(&variable[2..end], variables) {
            Some(value) => filled.push_str(value),
            None => filled.push_str(variable),
        }
    }
    filled.push_str(rest);
    filled
}

/// `VAR`, `VAR:=default`, `VAR:-default`, `VAR=default`, `VAR-default`.
fn value<'a>(inner: &'a str, variables: &'a Variables) -> Option<&'a str> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = inner.find(|c| !is_inner(c)).unwrap_or(inner.len());
    let (name, default) = inner.split_at(name);
    let set = variables.get(name).map(String::as_str);
    let or_empty = [":=", ":-"]
        .iter()
        .find_map(|sign| default.strip_prefix(sign));
    let or_unset = ["=", "-"]
        .iter()
        .find_map(|sign| default.strip_prefix(sign));
    match (set, or_empty, or_unset) {
        (set, Some(default), _) => Some(set.filter(|set| !set.is_empty()).unwrap_or(default)),
        (set, None, Some(default)) => Some(set.unwrap_or(default)),
        (set, None, None) => set.filter(|_| default.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("rg-${ENV}", "rg-prod")]
    #[case("${ENV}-${ENV}", "prod-prod")]
    #[case("${NONE}", "${NONE}")]
    #[case("${NONE:=dev}", "dev")]
    #[case("${NONE:-dev}", "dev")]
    #[case("${EMPTY:=dev}", "dev")]
    #[case("${EMPTY=dev}", "")]
    #[case("${ENV:=dev}", "prod")]
    #[case("$${ENV}", "${ENV}")]
    #[case("$ENV ${ENV", "$ENV ${ENV")]
    #[case("${ENV^^}", "${ENV^^}")]
    fn variables_are_filled_in_as_flux_does(#[case] text: &str, #[case] filled: &str) {
        let set = [("ENV", "prod"), ("EMPTY", "")];
        let variables = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(substitute(text, &variables.into()), filled);
    }
}
