//! Text that a tool, or a person, still has to fill in.

/// A part of a text that is to be replaced before it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placeholder<'a> {
    /// The part.
    pub(super) text: &'a str,
    filled_by: Filler,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filler {
    /// Flux's `postBuild`, envsubst, clusterctl.
    Variables,
    Helm,
    /// A pipeline's own replacing of tokens, or kustomize's `vars`.
    Pipeline,
    Person,
}

/// What begins and ends each form, in the order in which they are looked for.
const FORMS: [(&str, &str, Filler); 6] = [
    ("{{", "}}", Filler::Helm),
    ("${", "}", Filler::Variables),
    ("#{", "}", Filler::Pipeline),
    ("$(", ")", Filler::Pipeline),
    ("__", "__", Filler::Pipeline),
    ("<", ">", Filler::Person),
];
/// Containers of a storage account whose real names begin with a dollar sign.
const REAL_NAMES: [&str; 3] = ["web", "root", "logs"];

/// The first placeholder in a text.
pub(super) fn find(text: &str) -> Option<Placeholder<'_>> {
    let formed = FORMS.into_iter().find_map(|(begin, end, filled_by)| {
        let from = text.find(begin)?;
        let inner = &text[from + begin.len()..];
        let length = inner.find(end).filter(|&length| length > 0)?;
        // `__x__` is a name like another; what pipelines replace is in capitals.
        if begin == "__" && inner[..length].contains(|c: char| c.is_ascii_lowercase()) {
            return None;
        }
        let to = from + begin.len() + length + end.len();
        let text = &text[from..to];
        Some(Placeholder { text, filled_by })
    });
    formed.or_else(|| bare_variable(text))
}

/// `$NAME`, as envsubst takes it.
fn bare_variable(text: &str) -> Option<Placeholder<'_>> {
    let from = text.find('$')?;
    let name = &text[from + 1..];
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = name.find(|c| !is_inner(c)).unwrap_or(name.len());
    let name = &name[..length];
    let is_variable = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !REAL_NAMES.contains(&name);
    is_variable.then_some(Placeholder {
        text: &text[from..=from + length],
        filled_by: Filler::Variables,
    })
}

impl Placeholder<'_> {
    /// Who fills it in.
    pub(super) fn who(self) -> &'static str {
        match self.filled_by {
            Filler::Variables => "Flux (postBuild), envsubst or clusterctl fills in",
            Filler::Helm => "Helm renders",
            Filler::Pipeline => "a pipeline fills in",
            Filler::Person => "somebody has to fill in",
        }
    }

    /// What to run first, for a file.
    pub(super) fn how(self, file: &str) -> String {
        use crate::object::text::quoted;
        let directory = file.rsplit_once('/').map_or(".", |(above, _)| above);
        match self.filled_by {
            Filler::Variables => format!(
                "Check what is applied: kubectl kustomize {} | flux envsubst --strict | \
                 aso-guard check --cluster NAME=-; or --cluster NAME=flux:PATH.",
                quoted(directory)
            ),
            Filler::Helm => {
                let chart = file.split_once("templates/").map_or(directory, |(above, _)| {
                    above.strip_suffix('/').unwrap_or(above)
                });
                let chart = if chart.is_empty() { "." } else { chart };
                format!(
                    "Render it first: helm template NAME {} | aso-guard check --cluster NAME=-; \
                     or --cluster NAME=helm:PATH.",
                    quoted(chart)
                )
            }
            Filler::Pipeline => {
                "Fill it in first, as the pipeline does (envsubst, kubectl kustomize), and check that."
                    .to_owned()
            }
            Filler::Person => "Put the real value in its place.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("rg-${ENVIRONMENT}", Some("${ENVIRONMENT}"))]
    #[case("${VAR:=x}-rg", Some("${VAR:=x}"))]
    #[case("$(VAR)", Some("$(VAR)"))]
    #[case("{{ .Values.name }}", Some("{{ .Values.name }}"))]
    #[case("<resource-group>", Some("<resource-group>"))]
    #[case("#{rg}#", Some("#{rg}"))]
    #[case("__RG__", Some("__RG__"))]
    #[case(
        "/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/x",
        Some("$AZURE_SUBSCRIPTION_ID")
    )]
    #[case("rg-$env", Some("$env"))]
    #[case("$web", None)]
    #[case("$root", None)]
    #[case("$logs", None)]
    #[case("a$", None)]
    #[case("$5", None)]
    #[case("__init__", None)]
    #[case("rg_a-(b).c", None)]
    #[case("a < b", None)]
    #[case("${", None)]
    #[case("${}", None)]
    fn what_is_to_be_filled_in_is_seen(#[case] text: &str, #[case] found: Option<&str>) {
        assert_eq!(find(text).map(|found| found.text), found);
    }

    #[rstest]
    #[case(
        "rg-${A}",
        "clusters/a/x.yaml",
        "kubectl kustomize clusters/a | flux envsubst"
    )]
    #[case("rg-${A}", "x.yaml", "kubectl kustomize . |")]
    #[case(
        "{{ .x }}",
        "charts/shop/templates/rg.yaml",
        "helm template NAME charts/shop |"
    )]
    #[case("{{ .x }}", "templates/rg.yaml", "helm template NAME . |")]
    #[case("<rg>", "x.yaml", "Put the real value")]
    fn what_to_run_first_is_said(#[case] text: &str, #[case] file: &str, #[case] words: &str) {
        let said = find(text).unwrap().how(file);
        assert!(said.contains(words), "{said}");
    }
}
