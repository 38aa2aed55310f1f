//! How a member keeps what it remembers of its registry.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::claim::{Epoch, Memory, Remembered};
use crate::cluster::ClusterError;

use super::{EnrolmentError, RegistryEpoch};

/// Where a member keeps what it remembers of its registry: not in the registry.
#[async_trait]
pub trait EpochMemory: Send + Sync {
    /// What was kept. [`Memory::Unavailable`] where it may not be read, or cannot be.
    ///
    /// # Errors
    /// The cluster's API server did not answer.
    async fn recall(&self) -> Result<Memory, ClusterError>;

    /// Keeps this in place of what was kept.
    ///
    /// # Errors
    /// It may not be kept, or the cluster's API server did not answer.
    async fn remember(&self, remembered: &Remembered) -> Result<(), ClusterError>;
}

/// Keeps nothing: for a registry that lives and dies with the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessMemory;

#[async_trait]
impl EpochMemory for ProcessMemory {
    async fn recall(&self) -> Result<Memory, ClusterError> {
        Ok(Memory::Fresh)
    }

    async fn remember(&self, _: &Remembered) -> Result<(), ClusterError> {
        Ok(())
    }
}

impl RegistryEpoch {
    /// What the member remembers, as it is known here or kept.
    pub(super) async fn recall(&self) -> Result<Memory, EnrolmentError> {
        let (known, is_of_now) = {
            let state = self.state.lock();
            (state.memory.clone(), state.remembers_what_it_saw())
        };
        let mut memory = match known {
            Some(memory) if is_of_now => memory,
            // In another epoch, another replica may have brought the copies in.
            Some(memory) => match self.memory.recall().await {
                Ok(kept @ Memory::Known(_)) => kept,
                _ => memory,
            },
            None => self.memory.recall().await?,
        };
        let state = &mut *self.state.lock();
        if let Memory::Known(remembered) = &mut memory {
            if state.memory.is_none() {
                state.kept_writes = remembered.writes;
            }
            if state
                .seen
                .as_ref()
                .is_some_and(|(seen, _)| *seen == remembered.epoch)
            {
                remembered.writes = remembered.writes.max(state.writes);
            }
        }
        state.memory = Some(memory.clone());
        Ok(memory)
    }
}

/// What is remembered, as it is written down.
#[derive(Serialize, Deserialize)]
struct WrittenMemory {
    epoch: Arc<str>,
    round: u32,
    writes: u32,
    companions: Vec<String>,
}

/// What is remembered, as text.
pub fn written(remembered: &Remembered) -> String {
    let companions = remembered.companions.iter();
    let written = WrittenMemory {
        epoch: remembered.epoch.id.clone(),
        round: remembered.epoch.round,
        writes: remembered.writes,
        companions: companions.map(ToString::to_string).collect(),
    };
    // Texts and numbers can always be written.
    serde_json::to_string(&written).unwrap_or_default()
}

/// What a text says; what cannot be read is not taken for a first start.
pub fn read(text: Option<&str>) -> Memory {
    let Some(text) = text else {
        return Memory::Fresh;
    };
    let Ok(written) = serde_json::from_str::<WrittenMemory>(text) else {
        return Memory::Unavailable;
    };
    let companions: Result<_, _> = written.companions.iter().map(|one| one.parse()).collect();
    companions.map_or(Memory::Unavailable, |companions| {
        Memory::Known(Remembered {
            epoch: Epoch {
                id: written.epoch,
                round: written.round,
            },
            writes: written.writes,
            companions,
        })
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let remembered = Remembered {
            epoch: Epoch {
                id: "8e1b4b8a".into(),
                round: 3,
            },
            writes: 17,
            companions: ["b", "c"].map(|name| name.parse().unwrap()).into(),
        };
        let text = written(&remembered);
        assert_eq!(read(Some(&text)), Memory::Known(remembered));
    }

    #[rstest]
    #[case::nothing(None, Memory::Fresh)]
    #[case::no_json(Some("E1"), Memory::Unavailable)]
    #[case::no_name(
        Some(r#"{"epoch": "e", "round": 0, "writes": 1, "companions": ["B "]}"#),
        Memory::Unavailable
    )]
    fn what_cannot_be_read_is_no_first_start(#[case] text: Option<&str>, #[case] memory: Memory) {
        assert_eq!(read(text), memory);
    }
}
