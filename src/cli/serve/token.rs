//! The token by which this guard asks the hub, and when it expires.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use kube::config::AuthInfo;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

/// Where the hub's token is: in the kubeconfig, or in a file that somebody renews.
#[derive(Default)]
pub(super) struct HubToken {
    /// When the one in the kubeconfig expires, which is read at the start only.
    stated: Option<Timestamp>,
    file: Option<PathBuf>,
}

impl HubToken {
    /// The token by which the hub is asked, where there is a hub.
    pub(super) fn of(hub: Option<&kube::Config>) -> Self {
        hub.map_or_else(Self::default, |hub| Self::of_user(&hub.auth_info))
    }

    /// The token of a kubeconfig's user. There may be none: a client certificate, or a program
    /// that fetches one for each call.
    fn of_user(user: &AuthInfo) -> Self {
        let token = user.token.as_ref().map(|token| token.expose_secret());
        Self {
            stated: token.and_then(expiry),
            file: user.token_file.as_ref().map(PathBuf::from),
        }
    }

    /// When it expires; `None` where it does not, or does not say.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        match &self.file {
            Some(file) => expiry(&fs::read_to_string(file).ok()?),
            None => self.stated,
        }
    }
}

/// The time in a JWT after which it is refused. Nothing is verified: the hub does that. `None` for
/// a token that is no JWT, and for one without such a time.
fn expiry(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: Option<f64>,
    }
    let payload = token.trim().split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds are enough")]
    let seconds = claims.exp? as i64;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rstest::rstest;

    use super::*;

    /// A JWT with this payload.
    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[rstest]
    #[case::of_a_token_request(jwt(r#"{"iss":"x","exp":1767225600}"#), Some(1_767_225_600))]
    #[case::with_a_fraction(jwt(r#"{"exp":1767225600.9}"#), Some(1_767_225_600))]
    #[case::of_a_secret_which_never_ends(jwt(r#"{"iss":"x"}"#), None)]
    #[case::opaque("kubeconfig-u-abc123:secret".to_owned(), None)]
    #[case::no_json("a.e30x.c".to_owned(), None)]
    #[case::beyond_all_time(jwt(r#"{"exp":1e300}"#), None)]
    #[case::empty(String::new(), None)]
    fn what_a_token_says(#[case] token: String, #[case] expires: Option<i64>) {
        let expires = expires.map(|at| Timestamp::from_second(at).unwrap());
        assert_eq!(expiry(&token), expires);
    }

    #[test]
    fn a_file_is_read_anew() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let user = AuthInfo {
            token_file: Some(file.path().display().to_string()),
            ..AuthInfo::default()
        };
        let token = HubToken::of_user(&user);
        assert_eq!(token.expires(), None);
        writeln!(file, "{}", jwt(r#"{"exp":7}"#)).unwrap();
        assert_eq!(token.expires(), Timestamp::from_second(7).ok());
    }
}
