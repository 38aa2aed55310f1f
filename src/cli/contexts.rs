//! Which contexts of a kubeconfig are meant.

use std::path::Path;
use std::time::Duration;

use kube::Client;
use kube::config::Kubeconfig;

use crate::claim::MemberName;
use crate::cli::client::{config_of, context_names, read_kubeconfig};

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A context, and what its cluster is called here.
pub(super) struct ClusterContext {
    pub(super) name: String,
    pub(super) member: MemberName,
    pub(super) kubeconfig: Kubeconfig,
}

impl ClusterContext {
    /// That it is called otherwise here, where it is.
    pub(super) fn renamed(&self) -> Option<String> {
        let (name, member) = (&self.name, &self.member);
        (name != member.as_str()).then(|| format!("context {name} is called {member} here"))
    }
}

impl ClusterContext {
    /// How to reach its API server.
    ///
    /// # Errors
    /// The kubeconfig says nothing that can be used.
    pub(super) async fn client(&self) -> Result<Client, String> {
        let mut config = config_of(&self.kubeconfig, None, Some(&self.name)).await?;
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        Client::try_from(config).map_err(|error| error.to_string())
    }
}

/// The contexts that are meant: those named, else all.
///
/// # Errors
/// There is no kubeconfig, or a context is not in it; for a person, a line each.
pub(super) fn choose(path: Option<&Path>, named: &[String]) -> Result<Vec<ClusterContext>, String> {
    let kubeconfig = read_kubeconfig(path)?;
    let all: Vec<String> = kubeconfig
        .contexts
        .iter()
        .map(|one| one.name.clone())
        .collect();
    let missing: Vec<&String> = named.iter().filter(|name| !all.contains(name)).collect();
    if !missing.is_empty() {
        let lines = missing
            .iter()
            .map(|name| format!("--context: there is no context {name}"));
        let lines: Vec<String> = lines.collect();
        return Err(format!(
            "{}; the kubeconfig has {}",
            lines.join("\n  "),
            context_names(&kubeconfig)
        ));
    }
    let mut wanted = if named.is_empty() {
        all
    } else {
        named.to_vec()
    };
    wanted.dedup();
    if wanted.is_empty() {
        return Err("the kubeconfig has no contexts".to_owned());
    }
    let mut chosen: Vec<ClusterContext> = Vec::new();
    for name in wanted {
        let taken = |member: &MemberName| chosen.iter().any(|one| one.member == *member);
        let Some(member) = member_name(&name, taken) else {
            return Err(format!("context {name:?} has no name that can be shown"));
        };
        chosen.push(ClusterContext {
            name,
            member,
            kubeconfig: kubeconfig.clone(),
        });
    }
    Ok(chosen)
}

/// A name like that of a context, which may hold anything.
fn member_name(context: &str, taken: impl Fn(&MemberName) -> bool) -> Option<MemberName> {
    let plain = |c: char| {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() { c } else { '-' }
    };
    let name: String = context.chars().map(plain).take(58).collect();
    let name = match name.trim_matches('-') {
        "" => "cluster",
        name => name,
    };
    let numbered = (2..1000).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .filter_map(|name| name.parse().ok())
        .find(|member| !taken(member))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a", "a")]
    #[case("admin@Prod_West", "admin-prod-west")]
    #[case("arn:aws:eks/x", "arn-aws-eks-x")]
    #[case("@@@", "cluster")]
    #[case("taken", "taken-2")]
    fn contexts_get_names_like_theirs(#[case] context: &str, #[case] name: &str) {
        let taken = |member: &MemberName| member.as_str() == "taken";
        assert_eq!(member_name(context, taken).unwrap().as_str(), name);
    }

    #[test]
    fn a_context_that_is_not_there_is_named_with_those_that_are() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        let text = "apiVersion: v1\nkind: Config\ncontexts:\n- name: a\n  context: {cluster: a, user: a}\n";
        std::fs::write(&path, text).unwrap();
        let error = choose(Some(&path), &["b".to_owned()]).err().unwrap();
        assert_eq!(
            error,
            "--context: there is no context b; the kubeconfig has a"
        );
        assert_eq!(choose(Some(&path), &[]).ok().unwrap().len(), 1);
    }
}
