//! The connections over which an API server is watched: few, each with many watches.
//!
//! They speak HTTP/2 where the API server does. Calls whose answer somebody waits for go over
//! others, which carry one call at a time: what holds up a connection of watches, a lost packet
//! or a list that is long, holds up none of those.

use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt as _};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

/// How many connections there are at most.
const CONNECTIONS: usize = 8;
/// How many watches each carries at most. API servers allow 100 calls at a time on one connection,
/// and older ones 250; one more would wait for another to end, and a watch does not.
const WATCHES: usize = 80;
/// A connection on which nothing came for so long is asked for a sign of life, and given up
/// without one: as often as Kubernetes' own clients do.
const SILENCE: Duration = Duration::from_secs(30);
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// How much of one list may have come that was not read yet, and of all those on one connection.
const UNREAD: u32 = 256 * 1024;
const UNREAD_OF_ALL: u32 = 1024 * 1024;

/// Clients for watches, each with a connection of its own.
pub struct WatchConnections {
    clients: Vec<Client>,
    places: WatchPlaces,
}

/// How many watches each connection carries.
struct WatchPlaces([Arc<()>; CONNECTIONS]);

/// One watch's place on a connection. Dropping it gives it back.
#[derive(Debug)]
pub struct WatchPlace {
    _counted: Arc<()>,
}

impl WatchConnections {
    /// Connections to the API server of this configuration, made when they are needed.
    ///
    /// # Errors
    /// The configuration is not one by which a client can be made.
    pub fn new(config: &Config) -> kube::Result<Self> {
        let clients = (0..CONNECTIONS).map(|_| client(config));
        Ok(Self {
            clients: clients.collect::<kube::Result<_>>()?,
            places: WatchPlaces(Default::default()),
        })
    }

    /// The client for one more watch; `None` where there is no room.
    pub fn place(&self) -> Option<(Client, WatchPlace)> {
        let (connection, place) = self.places.free()?;
        Some((self.clients.get(connection)?.clone(), place))
    }
}

impl WatchPlaces {
    /// The next place, on the connection that carries the fewest.
    fn free(&self) -> Option<(usize, WatchPlace)> {
        let watches = |one: &Arc<()>| Arc::strong_count(one) - 1;
        let connections = self.0.iter().enumerate();
        let (connection, counted) = connections.min_by_key(|(_, one)| watches(one))?;
        let place = || WatchPlace {
            _counted: counted.clone(),
        };
        (watches(counted) < WATCHES).then(|| (connection, place()))
    }
}

/// A client that speaks HTTP/2 with an API server that does.
fn client(config: &Config) -> kube::Result<Client> {
    if config.proxy_url.is_some() {
        return Client::try_from(config.clone());
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http();
    if let Some(name) = config.tls_server_name.clone() {
        let name = name
            .try_into()
            .map_err(|error| kube::Error::Service(Box::new(error)))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let connector = builder.enable_all_versions().wrap_connector(connector);
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(SILENCE)
        .http2_keep_alive_timeout(SIGN_OF_LIFE)
        .http2_initial_stream_window_size(UNREAD)
        .http2_initial_connection_window_size(UNREAD_OF_ALL)
        .build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_are_spread_and_no_connection_carries_too_many() {
        let places = WatchPlaces(Default::default());
        let mut taken: Vec<_> = std::iter::from_fn(|| places.free()).collect();
        assert_eq!(taken.len(), CONNECTIONS * WATCHES);
        let (left, place) = taken.remove(CONNECTIONS + 3);
        assert!(places.free().is_none());
        drop(place);
        assert_eq!(places.free().map(|(connection, _)| connection), Some(left));
    }
}
