//! Who aso-guard is for the storage account, by the variables of the environment that Azure's own
//! tools take.

use std::collections::BTreeMap;
use std::time::Duration;

use object_store::RetryConfig;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::HttpConnector;

use super::place::{ContainerUrl, is_secondary};

/// Where an account's key, endpoint and signature stand in one text.
const CONNECTION_STRING: &str = "AZURE_STORAGE_CONNECTION_STRING";
/// The endpoint of the account's blobs, where it is none of Azure's public cloud.
const ENDPOINT: &str = "AZURE_STORAGE_BLOB_ENDPOINT";
const KEY: &str = "AZURE_STORAGE_KEY";
const SIGNATURE: &str = "AZURE_STORAGE_SAS_TOKEN";
const CLIENT_ID: &str = "AZURE_CLIENT_ID";
const TENANT_ID: &str = "AZURE_TENANT_ID";
const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";

/// Who asks where the environment names no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The machine's managed identity.
    ManagedIdentity,
    /// Whoever is logged in to the Azure CLI.
    AzureCli,
}

/// Variables of the environment, by name.
pub type Environment = BTreeMap<String, String>;

/// Why the environment gives no way to an account. No message repeats a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// A variable is not what it has to be.
    #[error("{variable}: {why}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The library does not take it.
    #[error("{0}")]
    Other(String),
}

/// An account's endpoint, and what to build its credential from.
#[derive(Debug)]
pub(super) struct Access {
    /// Without a slash at its end.
    pub(super) endpoint: String,
    pub(super) builder: MicrosoftAzureBuilder,
}

/// How to reach a container's account.
///
/// # Errors
/// A variable is not what it has to be.
pub(super) fn access(
    place: &ContainerUrl,
    environment: &Environment,
    fallback: Fallback,
    connector: impl HttpConnector,
) -> Result<Access, CredentialError> {
    let said = Said::of(place, environment)?;
    let endpoint = said.endpoint.unwrap_or_else(|| place.endpoint());
    check_endpoint(&endpoint, said.endpoint_from)?;
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(place.account())
        .with_container_name(place.container())
        .with_endpoint(endpoint.clone())
        .with_http_connector(connector)
        // The caller has one deadline for all it does.
        .with_retry(RetryConfig {
            max_retries: 0,
            retry_timeout: Duration::from_secs(5),
            ..RetryConfig::default()
        });
    for (key, value) in said.settings {
        builder = builder.with_config(key, value);
    }
    let kind = said.kind.unwrap_or(match fallback {
        Fallback::ManagedIdentity => "managed_identity",
        Fallback::AzureCli => "azure_cli",
    });
    let builder = builder.with_credential_type(kind);
    Ok(Access { endpoint, builder })
}

/// What the environment says.
#[derive(Default)]
struct Said {
    endpoint: Option<String>,
    endpoint_from: &'static str,
    kind: Option<&'static str>,
    settings: Vec<(AzureConfigKey, String)>,
}

impl Said {
    fn of(place: &ContainerUrl, environment: &Environment) -> Result<Self, CredentialError> {
        let get = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let mut said = Self::default();
        if let Some(text) = get(CONNECTION_STRING) {
            said.connection_string(place, text)?;
        }
        if let Some(endpoint) = get(ENDPOINT) {
            said.endpoint = Some(endpoint.trim_end_matches('/').to_owned());
            said.endpoint_from = ENDPOINT;
        }
        for (name, key) in [
            (CLIENT_ID, AzureConfigKey::ClientId),
            (TENANT_ID, AzureConfigKey::AuthorityId),
            (AUTHORITY_HOST, AzureConfigKey::AuthorityHost),
        ] {
            let value = get(name).map(|value| value.trim_end_matches('/').to_owned());
            said.settings.extend(value.map(|value| (key, value)));
        }
        for (name, key, kind) in [
            (KEY, AzureConfigKey::AccessKey, "access_key"),
            (SIGNATURE, AzureConfigKey::SasKey, "sas_token"),
            (
                TOKEN_FILE,
                AzureConfigKey::FederatedTokenFile,
                "workload_identity",
            ),
            (CLIENT_SECRET, AzureConfigKey::ClientSecret, "client_secret"),
        ] {
            if let (None, Some(value)) = (said.kind, get(name)) {
                said.kind = Some(kind);
                said.settings.push((key, value.clone()));
            }
        }
        let needs_client = matches!(said.kind, Some("workload_identity" | "client_secret"));
        for variable in [CLIENT_ID, TENANT_ID] {
            if needs_client && get(variable).is_none() {
                let why = "it is not set, and the credential needs it".to_owned();
                return Err(CredentialError::Variable { variable, why });
            }
        }
        Ok(said)
    }

    fn connection_string(
        &mut self,
        place: &ContainerUrl,
        text: &str,
    ) -> Result<(), CredentialError> {
        let wrong = |why: String| CredentialError::Variable {
            variable: CONNECTION_STRING,
            why,
        };
        let parts: BTreeMap<&str, &str> = text
            .split(';')
            .filter_map(|part| part.trim().split_once('='))
            .collect();
        if let Some(account) = parts.get("AccountName")
            && *account != place.account()
        {
            return Err(wrong(format!(
                "it is of the account {account}, not of {place}"
            )));
        }
        self.endpoint_from = CONNECTION_STRING;
        self.endpoint = parts
            .get("BlobEndpoint")
            .map(|endpoint| endpoint.trim_end_matches('/').to_owned());
        if let (None, Some(suffix)) = (&self.endpoint, parts.get("EndpointSuffix")) {
            self.endpoint = Some(format!("https://{}.blob.{suffix}", place.account()));
        }
        for (part, key, kind) in [
            ("AccountKey", AzureConfigKey::AccessKey, "access_key"),
            ("SharedAccessSignature", AzureConfigKey::SasKey, "sas_token"),
        ] {
            if let (None, Some(value)) = (self.kind, parts.get(part)) {
                self.kind = Some(kind);
                self.settings.push((key, (*value).to_owned()));
            }
        }
        if self.kind.is_none() {
            return Err(wrong(
                "it has no AccountKey and no SharedAccessSignature".to_owned(),
            ));
        }
        Ok(())
    }
}

fn check_endpoint(endpoint: &str, from: &'static str) -> Result<(), CredentialError> {
    let wrong = |why: &str| CredentialError::Variable {
        variable: from,
        why: why.to_owned(),
    };
    let uri: http::Uri = endpoint
        .parse()
        .map_err(|_| wrong("its endpoint is no URL"))?;
    let host = uri.host().unwrap_or_default();
    let is_here = ["127.0.0.1", "[::1]", "localhost"].contains(&host);
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_here => {}
        _ => {
            return Err(wrong(
                "its endpoint has to begin with https:// (http:// only on this machine itself)",
            ));
        }
    }
    if is_secondary(&uri) {
        return Err(wrong(
            "its endpoint is the account's copy in another region, which lags behind: a stale read \
             lets a resource go live twice",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::transport::Transport;
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        variables.iter().map(own).collect()
    }

    fn found(variables: &[(&str, &str)]) -> Result<Access, CredentialError> {
        // As `main` does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let place = "azure://fleet/claims".parse().unwrap();
        let transport = Transport::new().unwrap();
        access(
            &place,
            &environment(variables),
            Fallback::ManagedIdentity,
            transport,
        )
    }

    const KEYED: &str = "AccountName=fleet;AccountKey=c2VjcmV0;";

    #[rstest]
    #[case::nothing(&[], "managed_identity")]
    #[case::empty(&[(KEY, "")], "managed_identity")]
    #[case::a_key(&[(KEY, "c2VjcmV0")], "access_key")]
    #[case::a_signature(&[(SIGNATURE, "sv=1&sig=c2VjcmV0")], "sas_token")]
    #[case::a_connection_string(&[(CONNECTION_STRING, KEYED), (TOKEN_FILE, "/t")], "access_key")]
    #[case::a_signed_connection_string(
        &[(CONNECTION_STRING, "BlobEndpoint=https://fleet.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=c2VjcmV0")],
        "sas_token"
    )]
    #[case::workload_identity(
        &[(CLIENT_ID, "c"), (TENANT_ID, "t"), (TOKEN_FILE, "/t"), (AUTHORITY_HOST, "https://login.microsoftonline.us/")],
        "workload_identity"
    )]
    #[case::a_secret(&[(CLIENT_ID, "c"), (TENANT_ID, "t"), (CLIENT_SECRET, "s")], "client_secret")]
    fn the_environment_names_a_credential(#[case] variables: &[(&str, &str)], #[case] kind: &str) {
        let mut variables = variables.to_vec();
        if kind == "access_key" && variables.len() > 1 {
            variables.extend([(CLIENT_ID, "c"), (TENANT_ID, "t")]);
        }
        let access = found(&variables).unwrap();
        let chosen = access
            .builder
            .get_config_value(&AzureConfigKey::CredentialType);
        assert_eq!(chosen.as_deref(), Some(kind));
        access.builder.build().unwrap();
    }

    #[rstest]
    #[case::public(&[], "https://fleet.blob.core.windows.net")]
    #[case::stated(&[(ENDPOINT, "https://fleet.privatelink.example/")], "https://fleet.privatelink.example")]
    #[case::by_suffix(
        &[(CONNECTION_STRING, "AccountName=fleet;AccountKey=c2VjcmV0;EndpointSuffix=core.usgovcloudapi.net")],
        "https://fleet.blob.core.usgovcloudapi.net"
    )]
    #[case::here(
        &[(CONNECTION_STRING, "AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:10000/fleet;")],
        "http://127.0.0.1:10000/fleet"
    )]
    fn the_endpoint_is_stated_or_azures(
        #[case] variables: &[(&str, &str)],
        #[case] endpoint: &str,
    ) {
        assert_eq!(found(variables).unwrap().endpoint, endpoint);
    }

    #[rstest]
    #[case::another_account(&[(CONNECTION_STRING, "AccountName=other;AccountKey=c2VjcmV0")], "other")]
    #[case::no_key(&[(CONNECTION_STRING, "AccountName=fleet")], "AccountKey")]
    #[case::in_the_clear(&[(ENDPOINT, "http://fleet.blob.core.windows.net")], "https://")]
    #[case::lagging(&[(ENDPOINT, "https://fleet-secondary.blob.core.windows.net")], "stale")]
    #[case::lagging_by_path(
        &[(CONNECTION_STRING, "AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:1/fleet-secondary")],
        "stale"
    )]
    #[case::no_client(&[(TOKEN_FILE, "/t")], CLIENT_ID)]
    fn what_leads_nowhere_is_told_without_secrets(
        #[case] variables: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        let error = found(variables).unwrap_err().to_string();
        assert!(
            error.contains(expected) && !error.contains("c2VjcmV0"),
            "{error}"
        );
    }

    #[test]
    fn a_key_that_is_none_is_not_repeated() {
        let access = found(&[(KEY, "!not base64!")]).unwrap();
        let error = access.builder.build().unwrap_err().to_string();
        assert!(!error.contains("not base64!"), "{error}");
    }
}
