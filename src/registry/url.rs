//! `--registry`: which registry, in one word.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::azure::{ContainerUrl, ContainerUrlError};

/// Where a registry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryUrl {
    /// `memory:`: in this process, gone with it.
    Memory,
    /// `kubernetes:[kubeconfig][#context]`: in the member's own API server, or in a hub's.
    Kubernetes {
        /// The hub's kubeconfig; `None` for the member's own API server.
        kubeconfig: Option<PathBuf>,
        /// The context in it; `None` for its current one.
        context: Option<String>,
    },
    /// `azure://<account>/<container>`: in Azure Blob Storage.
    Azure(ContainerUrl),
    /// `shards:<file>[#shard]`: in several, by the map of subscriptions in the file; or in one of
    /// them.
    Shards {
        /// The file.
        file: PathBuf,
        /// The shard; `None` for all of them together.
        shard: Option<String>,
    },
}

/// Why a text is not the URL of a registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryUrlError {
    /// It begins like none.
    #[error(
        "{0:?} is no registry: use kubernetes: (this cluster), \
         kubernetes:<kubeconfig>[#context] (a hub), azure://<account>/<container> (Azure Blob \
         Storage), shards:<file> (several of them) or memory:"
    )]
    Other(String),
    /// It is to be a container, and is none.
    #[error(transparent)]
    Container(#[from] ContainerUrlError),
}

impl FromStr for RegistryUrl {
    type Err = RegistryUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || RegistryUrlError::Other(text.to_owned());
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("kubernetes", rest)) => {
                let (path, context) = match rest.split_once('#') {
                    Some((_, "")) => return Err(wrong()),
                    Some((path, context)) => (path, Some(context.to_owned())),
                    None => (rest, None),
                };
                Ok(Self::Kubernetes {
                    kubeconfig: (!path.is_empty()).then(|| path.into()),
                    context,
                })
            }
            Some(("azure", _)) => Ok(Self::Azure(text.parse()?)),
            Some(("shards", rest)) => {
                let (file, shard) = match rest.split_once('#') {
                    Some((file, shard)) => (file, Some(shard.to_owned())),
                    None => (rest, None),
                };
                if file.is_empty() || shard.as_deref() == Some("") {
                    return Err(wrong());
                }
                let file = file.into();
                Ok(Self::Shards { file, shard })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Azure(place) => place.fmt(f),
            Self::Shards { file, shard } => {
                write!(f, "shards:{}", file.display())?;
                shard.iter().try_for_each(|shard| write!(f, "#{shard}"))
            }
            Self::Kubernetes {
                kubeconfig,
                context,
            } => {
                f.write_str("kubernetes:")?;
                if let Some(path) = kubeconfig {
                    write!(f, "{}", path.display())?;
                }
                context
                    .iter()
                    .try_for_each(|context| write!(f, "#{context}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("memory:")]
    #[case("kubernetes:")]
    #[case("kubernetes:/etc/hub/kubeconfig")]
    #[case("kubernetes:/etc/hub/kubeconfig#hub")]
    #[case("kubernetes:#hub")]
    #[case("azure://fleet/claims")]
    #[case("shards:/etc/aso-guard/shards.yaml")]
    #[case("shards:shards.yaml#europe")]
    fn what_is_taken_prints_the_same(#[case] text: &str) {
        let url: RegistryUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), text);
    }

    #[rstest]
    #[case("")]
    #[case("memory")]
    #[case("memory:x")]
    #[case("shards:")]
    #[case("shards:shards.yaml#")]
    #[case("kubernetes:/x#")]
    #[case("https://hub")]
    fn what_is_not_taken_says_what_is(#[case] text: &str) {
        let error = text.parse::<RegistryUrl>().unwrap_err().to_string();
        assert!(
            error.contains("kubernetes:<kubeconfig>[#context]"),
            "{error}"
        );
    }
}
