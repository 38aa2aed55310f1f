//! Calls of Blob Storage on one container: read, write and delete a blob, list blobs.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use object_store::azure::{AzureAuthorizer, AzureCredentialProvider};
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::Uuid;

use crate::api_server::{CALL_TIMEOUT, PAGE_TIMEOUT};
use crate::object::text::{causes, printable};
use crate::registry::{PutOutcome, RecordVersion, RegistryError};

use super::failure::{Meaning, meaning, retry_after};
use super::listing::{self, Listing};
use super::writing::{Found, Step, Tried, Writing, pause};

const METADATA: &str = "x-ms-meta-";
/// The metadata that names the request which wrote a blob.
const REQUEST: HeaderName = HeaderName::from_static("x-ms-meta-request");
const BLOB_TYPE: HeaderName = HeaderName::from_static("x-ms-blob-type");
const DELETE_SNAPSHOTS: HeaderName = HeaderName::from_static("x-ms-delete-snapshots");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");
/// How often a read is made again to which no answer came: what cannot be reached is to be known
/// soon.
const LOST_READS: u32 = 2;
/// How long it is looked what became of a write whose answer was lost.
const READ_BACK: Duration = Duration::from_secs(2);
/// The longest text of a server that is repeated, in characters.
const WORDS: usize = 200;

/// A container, and who asks it.
pub(super) struct Container {
    pub(super) http: HttpClient,
    pub(super) credentials: AzureCredentialProvider,
    pub(super) account: String,
    /// The container's URL, without a slash at its end.
    pub(super) base: String,
    /// What the registry is called in messages.
    pub(super) name: String,
}

/// A blob as it was read.
pub(super) struct Blob {
    pub(super) content: Bytes,
    pub(super) version: RecordVersion,
    /// Which request wrote it.
    request: Option<String>,
}

/// One call.
#[derive(Clone)]
struct Call {
    method: Method,
    /// What follows the container's URL.
    rest: String,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer, whatever it says.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// Why a call has no answer.
enum NoAnswer {
    /// It was not made.
    Unsent(String),
    /// It was made, or it may have been.
    Lost(String),
}

impl Call {
    fn new(method: Method, rest: String) -> Self {
        Self {
            method,
            rest,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    fn of_blob(method: Method, blob: &str) -> Self {
        Self::new(method, format!("/{blob}"))
    }

    /// Only while the blob is what is expected.
    fn expecting(mut self, expected: Option<&RecordVersion>) -> Result<Self, String> {
        match expected {
            Some(version) => self.headers.insert(IF_MATCH, value(version.as_str())?),
            None => self
                .headers
                .insert(IF_NONE_MATCH, HeaderValue::from_static("*")),
        };
        Ok(self)
    }
}

fn value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("{text:?} is no value of a header"))
}

impl Answer {
    fn meaning(&self) -> Meaning {
        meaning(
            self.status,
            self.text(&ERROR_CODE),
            retry_after(&self.headers),
        )
    }

    fn text(&self, name: &HeaderName) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    fn version(&self) -> RecordVersion {
        RecordVersion::new(self.text(&ETAG))
    }

    fn request(&self) -> Option<String> {
        let request = self.headers.get(REQUEST)?.to_str().ok()?;
        Some(request.to_owned())
    }

    /// The status, and Azure's word for what is wrong.
    fn words(&self) -> String {
        let code = printable(self.text(&ERROR_CODE), WORDS);
        format!("{} {code}", self.status.as_u16())
            .trim_end()
            .to_owned()
    }
}

impl Container {
    /// A blob; `None` where there is none.
    pub(super) async fn get(&self, blob: &str) -> Result<Option<Blob>, RegistryError> {
        let call = Call::of_blob(Method::GET, blob);
        let answer = self.read(&call, CALL_TIMEOUT).await?;
        Ok(answer.map(|answer| Blob {
            version: answer.version(),
            request: answer.request(),
            content: answer.body,
        }))
    }

    /// A page of the blobs whose names begin with a prefix, at most so many.
    pub(super) async fn list(
        &self,
        prefix: &str,
        marker: Option<&str>,
        most: u32,
    ) -> Result<Listing, RegistryError> {
        let call = Call::new(
            Method::GET,
            format!("?{}", list_query(prefix, marker, most)),
        );
        let Some(answer) = self.read(&call, PAGE_TIMEOUT).await? else {
            return Err(self.unavailable("a list was answered as if it were a blob".to_owned()));
        };
        listing::read(&answer.body)
            .map_err(|why| self.unavailable(format!("a list of blobs cannot be read: {why}")))
    }

    /// Writes a blob, if it is what is expected.
    pub(super) async fn put(
        &self,
        blob: &str,
        content: Bytes,
        metadata: &[(&'static str, String)],
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let mut writing = Writing::new(Uuid::new_v4().to_string(), expected);
        let call = put_call(blob, content, metadata, &writing, expected);
        let call = call.map_err(|why| self.unavailable(why))?;
        let deadline = Instant::now() + CALL_TIMEOUT;
        let mut step = self.try_put(&call, &mut writing, deadline).await?;
        loop {
            step = match step {
                (Step::Stored(version), _) => return Ok(PutOutcome::Stored(Some(version))),
                (Step::Conflict, _) => return Ok(PutOutcome::Conflict),
                (Step::Unknown, why) => return Err(self.unavailable(why)),
                (Step::Read, why) => {
                    let found = timeout(READ_BACK, self.get(blob)).await;
                    let Ok(Ok(found)) = found else {
                        return Err(self.unavailable(why));
                    };
                    let found = found.map(|found| Found {
                        version: found.version,
                        request: found.request,
                    });
                    (writing.read(found.as_ref()), why)
                }
                (Step::TryAgain(wait), why) => {
                    self.wait(wait, deadline, &why).await?;
                    self.try_put(&call, &mut writing, deadline).await?
                }
            };
        }
    }

    /// One try of a put, and what happened, for a person.
    async fn try_put(
        &self,
        call: &Call,
        writing: &mut Writing,
        deadline: Instant,
    ) -> Result<(Step, String), RegistryError> {
        let answer = match self.send(call, deadline).await {
            Ok(answer) => answer,
            Err(NoAnswer::Unsent(why)) => return Err(self.unavailable(why)),
            Err(NoAnswer::Lost(why)) => return Ok((writing.tried(Tried::Unanswered), why)),
        };
        let tried = match answer.meaning() {
            Meaning::Done => Tried::Stored(answer.version()),
            Meaning::Conflict | Meaning::Missing => Tried::Conflict,
            Meaning::Busy(wait) => Tried::Busy(wait),
            other => return Err(self.error(&other, &answer)),
        };
        Ok((writing.tried(tried), answer.words()))
    }

    /// Writes an empty blob, whatever there is, so that it has another version.
    pub(super) async fn touch(&self, blob: &str) -> Result<(), RegistryError> {
        let mut call = Call::of_blob(Method::PUT, blob);
        let block = HeaderValue::from_static("BlockBlob");
        call.headers.insert(BLOB_TYPE, block);
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
        self.read(&call, CALL_TIMEOUT).await.map(drop)
    }

    /// Deletes a blob, and its snapshots, if it is of the expected version. It is not repeated: a
    /// blob that is gone does not say who deleted it.
    pub(super) async fn delete(
        &self,
        blob: &str,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        let call = Call::of_blob(Method::DELETE, blob).expecting(Some(expected));
        let mut call = call.map_err(|why| self.unavailable(why))?;
        call.headers
            .insert(DELETE_SNAPSHOTS, HeaderValue::from_static("include"));
        let answer = match self.send(&call, Instant::now() + CALL_TIMEOUT).await {
            Ok(answer) => answer,
            Err(NoAnswer::Unsent(why) | NoAnswer::Lost(why)) => return Err(self.unavailable(why)),
        };
        match answer.meaning() {
            Meaning::Done => Ok(PutOutcome::Stored(None)),
            Meaning::Conflict | Meaning::Missing => Ok(PutOutcome::Conflict),
            other => Err(self.error(&other, &answer)),
        }
    }

    /// Makes a call that may be made twice: again where the server was busy, for as long as
    /// `limit`, and a few times where no answer came. `None` where there is no such blob.
    async fn read(&self, call: &Call, limit: Duration) -> Result<Option<Answer>, RegistryError> {
        let deadline = Instant::now() + limit;
        let (mut busy, mut lost) = (0, 0);
        loop {
            let answer = match self.send(call, deadline).await {
                Ok(answer) => answer,
                Err(NoAnswer::Lost(why)) if lost < LOST_READS => {
                    lost += 1;
                    self.wait(pause(lost, None), deadline, &why).await?;
                    continue;
                }
                Err(NoAnswer::Unsent(why) | NoAnswer::Lost(why)) => {
                    return Err(self.unavailable(why));
                }
            };
            match answer.meaning() {
                Meaning::Done => return Ok(Some(answer)),
                Meaning::Missing => return Ok(None),
                Meaning::Busy(wait) => {
                    busy += 1;
                    let wait = pause(busy, wait);
                    self.wait(wait, deadline, &answer.words()).await?;
                }
                other => return Err(self.error(&other, &answer)),
            }
        }
    }

    /// Waits as the server wishes, unless that is longer than there is time for.
    async fn wait(
        &self,
        wait: Duration,
        deadline: Instant,
        why: &str,
    ) -> Result<(), RegistryError> {
        if Instant::now() + wait >= deadline {
            return Err(self.unavailable(format!(
                "{why}, and there is no time to ask again in {wait:?}"
            )));
        }
        sleep(wait).await;
        Ok(())
    }

    async fn send(&self, call: &Call, deadline: Instant) -> Result<Answer, NoAnswer> {
        let late = || "no answer in time".to_owned();
        let signed = timeout_at(deadline, self.signed(call)).await;
        let signed = signed
            .unwrap_or_else(|_| Err(late()))
            .map_err(NoAnswer::Unsent)?;
        let made = async {
            let answer = self.http.execute(signed).await;
            let (head, body) = answer.map_err(|error| causes(&error))?.into_parts();
            let body = body.bytes().await.map_err(|error| causes(&error))?;
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        let made = timeout_at(deadline, made).await;
        made.unwrap_or_else(|_| Err(late())).map_err(NoAnswer::Lost)
    }

    async fn signed(&self, call: &Call) -> Result<HttpRequest, String> {
        let credential = self.credentials.get_credential().await;
        let credential =
            credential.map_err(|error| format!("no credential: {}", causes(&error)))?;
        let uri: Result<Uri, _> = format!("{}{}", self.base, call.rest).parse();
        let mut request = HttpRequest::new(HttpRequestBody::from(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri.map_err(|error| error.to_string())?;
        request.headers_mut().clone_from(&call.headers);
        let authorizer = AzureAuthorizer::new(&credential, &self.account);
        authorizer
            .try_authorize(&mut request)
            .map_err(|error| causes(&error))?;
        Ok(request)
    }

    fn unavailable(&self, why: String) -> RegistryError {
        RegistryError::Unavailable {
            registry: self.name.clone(),
            why,
        }
    }

    fn error(&self, meaning: &Meaning, answer: &Answer) -> RegistryError {
        let words = answer.words();
        match meaning {
            Meaning::Forbidden(advice) => RegistryError::Forbidden {
                registry: self.name.clone(),
                why: format!("{words}: {advice}"),
            },
            Meaning::Trouble(advice) => self.unavailable(format!("{words}: {advice}")),
            Meaning::Done | Meaning::Missing | Meaning::Conflict | Meaning::Busy(_) => {
                self.unavailable(words)
            }
        }
    }
}

fn list_query(prefix: &str, marker: Option<&str>, most: u32) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("restype", "container"),
        ("comp", "list"),
        ("include", "metadata"),
    ]);
    query.append_pair("prefix", prefix);
    query.append_pair("maxresults", &most.to_string());
    query.extend_pairs(marker.map(|marker| ("marker", marker)));
    query.finish()
}

fn put_call(
    blob: &str,
    content: Bytes,
    metadata: &[(&'static str, String)],
    writing: &Writing,
    expected: Option<&RecordVersion>,
) -> Result<Call, String> {
    let mut call = Call::of_blob(Method::PUT, blob).expecting(expected)?;
    let headers = &mut call.headers;
    headers.insert(BLOB_TYPE, HeaderValue::from_static("BlockBlob"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(content.len()));
    headers.insert(REQUEST, value(writing.request())?);
    for (key, text) in metadata {
        let name = HeaderName::try_from(format!("{METADATA}{key}"));
        headers.insert(name.map_err(|error| error.to_string())?, value(text)?);
    }
    call.body = content;
    Ok(call)
}
