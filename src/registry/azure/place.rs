//! `azure://<account>/<container>`: which container.

use std::fmt;
use std::str::FromStr;

/// The end of an account's host in Azure's public cloud.
const PUBLIC: &str = "blob.core.windows.net";
/// The end of the name by which an account's copy in another region is read.
const SECONDARY: &str = "-secondary";

/// A container of a storage account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerUrl {
    /// The account's name, or the whole host in another cloud.
    host: String,
    /// The container's name.
    container: String,
}

/// Why a text names no container that claims can be kept in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerUrlError {
    /// It is none.
    #[error(
        "{0:?} is no container: use azure://<account>/<container>, or \
         azure://<account>.<the cloud's blob endpoint>/<container>. An account's name is 3 to 24 \
         lower-case letters and digits, a container's 3 to 63 of these and single dashes"
    )]
    Malformed(String),
    /// It is the account's copy in another region.
    #[error(
        "{0:?} is the account's copy in another region, which lags behind: a stale read lets a \
         resource go live twice. Use the account itself, without {SECONDARY}"
    )]
    Secondary(String),
}

impl ContainerUrl {
    /// The account's name.
    pub fn account(&self) -> &str {
        self.host.split('.').next().unwrap_or(&self.host)
    }

    /// The container's name.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// Where Azure serves the account's blobs, where nobody says otherwise.
    pub fn endpoint(&self) -> String {
        match self.host.split_once('.') {
            Some(_) => format!("https://{}", self.host),
            None => format!("https://{}.{PUBLIC}", self.host),
        }
    }
}

impl FromStr for ContainerUrl {
    type Err = ContainerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ContainerUrlError::Malformed(without_secrets(text));
        let rest = text.strip_prefix("azure://").ok_or_else(malformed)?;
        let (host, container) = rest.split_once('/').ok_or_else(malformed)?;
        let (account, suffix) = match host.split_once('.') {
            Some((account, suffix)) => (account, Some(suffix)),
            None => (host, None),
        };
        if account.ends_with(SECONDARY) {
            return Err(ContainerUrlError::Secondary(text.to_owned()));
        }
        let is_low = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_account = (3..=24).contains(&account.len()) && account.chars().all(is_low);
        let is_label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| is_low(c) || c == '-')
        };
        let is_host =
            suffix.is_none_or(|suffix| suffix.contains('.') && suffix.split('.').all(is_label));
        let is_container =
            (3..=63).contains(&container.len()) && is_label(container) && !container.contains("--");
        if !is_account || !is_host || !is_container {
            return Err(malformed());
        }
        Ok(Self {
            host: host.to_owned(),
            container: container.to_owned(),
        })
    }
}

impl fmt::Display for ContainerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "azure://{}/{}", self.host, self.container)
    }
}

/// A text that was taken for a URL, without what may be a token or a password in it.
fn without_secrets(text: &str) -> String {
    let (shown, hidden) = text.split_once('?').unwrap_or((text, ""));
    match shown.rsplit_once('@') {
        Some((_, shown)) => format!("azure://…@{shown}"),
        None if hidden.is_empty() => shown.to_owned(),
        None => format!("{shown}?…"),
    }
}

/// Whether the endpoint of an account is the one of its copy in another region.
pub(super) fn is_secondary(endpoint: &http::Uri) -> bool {
    let first = |text: &str| text.split(['.', '/']).next().unwrap_or_default().to_owned();
    let host = first(endpoint.host().unwrap_or_default());
    let path = first(endpoint.path().trim_start_matches('/'));
    host.ends_with(SECONDARY) || path.ends_with(SECONDARY)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("azure://fleet/claims", "fleet", "https://fleet.blob.core.windows.net")]
    #[case(
        "azure://fleet.blob.core.chinacloudapi.cn/claims-1",
        "fleet",
        "https://fleet.blob.core.chinacloudapi.cn"
    )]
    fn a_container_has_an_account_and_an_endpoint(
        #[case] text: &str,
        #[case] account: &str,
        #[case] endpoint: &str,
    ) {
        let url: ContainerUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), text);
        assert_eq!((url.account(), &*url.endpoint()), (account, endpoint));
    }

    #[rstest]
    #[case("azure://fleet")]
    #[case("azure://fleet/")]
    #[case("azure://fleet/a/b")]
    #[case("azure://Fleet/claims")]
    #[case("azure://fl/claims")]
    #[case("azure://fleet/cl--aims")]
    #[case("azure://fleet/-claims")]
    #[case("azure://fleet.x/claims")]
    #[case("azure:fleet/claims")]
    fn anything_else_is_none(#[case] text: &str) {
        let error = text.parse::<ContainerUrl>().unwrap_err();
        assert_eq!(error, ContainerUrlError::Malformed(text.to_owned()));
    }

    #[rstest]
    #[case("azure://user:secret@fleet/claims")]
    #[case("azure://fleet/claims?sv=2026&sig=secret")]
    fn what_may_be_a_secret_is_not_repeated(#[case] text: &str) {
        let error = text.parse::<ContainerUrl>().unwrap_err().to_string();
        assert!(
            error.contains("fleet/claims") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn a_lagging_copy_is_refused() {
        for text in [
            "azure://fleet-secondary/claims",
            "azure://fleet-secondary.blob.core.windows.net/claims",
        ] {
            let error = text.parse::<ContainerUrl>().unwrap_err();
            assert_eq!(error, ContainerUrlError::Secondary(text.to_owned()));
        }
        for (endpoint, lags) in [
            ("https://fleet-secondary.blob.core.windows.net/", true),
            ("http://127.0.0.1:10000/devstoreaccount1-secondary", true),
            ("http://127.0.0.1:10000/devstoreaccount1", false),
        ] {
            assert_eq!(is_secondary(&endpoint.parse().unwrap()), lags, "{endpoint}");
        }
    }
}
