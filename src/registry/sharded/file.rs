//! The file that says which registries there are, and which of them keeps which subscriptions.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::claim::{ShardMap, ShardMapError};
use crate::registry::{RegistryUrl, RegistryUrlError};

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardsFile {
    /// Which shard keeps what.
    pub map: ShardMap,
    /// Where the shards are, in the order of the map: the first is the default.
    pub urls: Vec<RegistryUrl>,
}

/// Why a file says nothing of shards.
#[derive(Debug, thiserror::Error)]
pub enum ShardsFileError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not of the form that it has to have.
    #[error("{0}")]
    Form(#[from] serde_yaml::Error),
    /// Its shards make no map.
    #[error(transparent)]
    Map(#[from] ShardMapError),
    /// A registry of it is none.
    #[error("shard {0}: {1}")]
    Url(String, RegistryUrlError),
    /// There is no such shard.
    #[error("the file has no shard {0}; it has {1}")]
    NoShard(String, String),
    /// A shard is to be one of several itself, or the same as another one.
    #[error("shard {0}: {1} is a file of shards, or another shard's registry")]
    Nested(String, RegistryUrl),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenShards {
    default: String,
    #[serde(default)]
    shards: BTreeMap<String, WrittenShard>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenShard {
    registry: String,
    subscriptions: Vec<String>,
}

impl ShardsFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or does not say what it should.
    pub fn read(path: &Path) -> Result<Self, ShardsFileError> {
        let text = std::fs::read_to_string(path).map_err(|error| ShardsFileError::Unread {
            path: path.to_owned(),
            error,
        })?;
        Self::parse(&text)
    }

    /// Where a shard is.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn url_of(&self, shard: &str) -> Result<&RegistryUrl, ShardsFileError> {
        let mut all = self.map.names().iter().zip(&self.urls);
        let found = all.find(|(name, _)| &***name == shard);
        found.map(|(_, url)| url).ok_or_else(|| {
            let names: Vec<&str> = self.map.names().iter().map(|name| &**name).collect();
            ShardsFileError::NoShard(shard.to_owned(), names.join(", "))
        })
    }

    /// Reads its text.
    ///
    /// # Errors
    /// It does not say what it should.
    pub fn parse(text: &str) -> Result<Self, ShardsFileError> {
        let written: WrittenShards = serde_yaml::from_str(text)?;
        let shards = written.shards.iter();
        let map = ShardMap::new(shards.clone().map(|(name, shard)| {
            let subscriptions = shard.subscriptions.iter().map(String::as_str);
            (name.as_str(), subscriptions.collect())
        }))?;
        let default = std::iter::once(&written.default);
        let texts = default.chain(shards.map(|(_, shard)| &shard.registry));
        let mut urls = Vec::new();
        for (name, text) in map.names().iter().zip(texts) {
            let url: RegistryUrl = text
                .parse()
                .map_err(|error| ShardsFileError::Url(name.to_string(), error))?;
            if matches!(url, RegistryUrl::Shards { .. }) || urls.contains(&url) {
                return Err(ShardsFileError::Nested(name.to_string(), url));
            }
            urls.push(url);
        }
        Ok(Self { map, urls })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TEXT: &str = "
default: kubernetes:/etc/hub/kubeconfig
shards:
  one:
    registry: azure://fleetone/claims
    subscriptions: [0b7a1f7e-0000-4000-8000-00000000000a]
";

    #[test]
    fn a_file_says_where_the_shards_are() {
        let file = ShardsFile::parse(TEXT).unwrap();
        let urls: Vec<String> = file.urls.iter().map(ToString::to_string).collect();
        assert_eq!(
            urls,
            ["kubernetes:/etc/hub/kubeconfig", "azure://fleetone/claims"]
        );
        let names: Vec<&str> = file.map.names().iter().map(|name| &**name).collect();
        assert_eq!(names, ["default", "one"]);
    }

    #[rstest]
    #[case::no_default("shards: {}", "missing field `default`")]
    #[case::a_word_too_many(&format!("{TEXT}zone: 1"), "unknown field `zone`")]
    #[case::no_url(&TEXT.replace("azure://fleetone/claims", "blob"), "shard one: \"blob\" is no registry")]
    #[case::nested(&TEXT.replace("azure://fleetone/claims", "shards:x.yaml"), "shard one: shards:x.yaml")]
    #[case::one_twice(&TEXT.replace("kubernetes:/etc/hub/kubeconfig", "azure://fleetone/claims"), "another shard's registry")]
    #[case::no_map(&TEXT.replace("0b7a1f7e-0000-4000-8000-00000000000a", "production"), "is no subscription")]
    fn a_file_that_says_nothing_says_why(#[case] text: &str, #[case] words: &str) {
        let error = ShardsFile::parse(text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
