//! Stores that speak the S3 protocol.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use crate::exclusive_completion::Connections;
use crate::object_artifacts::ObjectStoreArtifacts;
use crate::s3_settings::{Credentials, S3Settings};
use crate::store_error::StoreError;
use crate::uri::ArtifactUri;

/// Requests that a store takes at once; with the parts of large files there may be more.
const REQUESTS_AT_ONCE: NonZeroUsize = NonZeroUsize::new(16).expect("it is not zero");
/// After it a server that does not even take a connection is out of reach.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time of one request, which sends or brings 16 MiB (of enormous files some more).
const REQUEST: Duration = Duration::from_secs(300);
/// How often, and how long, a request is repeated that may yet succeed.
const RETRIES: usize = 5;
const RETRY_TIME: Duration = Duration::from_secs(60);

/// Opens `s3://bucket/prefix/` or `s3://profile@bucket/prefix/` with the settings of the
/// environment; see [`S3Settings`].
///
/// # Errors
/// If there are no credentials, or a setting is wrong.
pub(crate) fn open(root: &ArtifactUri) -> Result<ObjectStoreArtifacts, StoreError> {
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    open_with(root, &S3Settings::read(root, &environment)?, &Patience::default())
}

/// How long a server is waited for.
struct Patience {
    connect: Duration,
    request: Duration,
    backoff: BackoffConfig,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: CONNECT, request: REQUEST, backoff: BackoffConfig::default() }
    }
}

fn open_with(
    root: &ArtifactUri,
    settings: &S3Settings,
    patience: &Patience,
) -> Result<ObjectStoreArtifacts, StoreError> {
    // The process may have one already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = match &settings.credentials {
        Credentials::Key { id, secret, token } => {
            let builder = AmazonS3Builder::new()
                .with_access_key_id(id.expose())
                .with_secret_access_key(secret.expose());
            match token {
                Some(token) => builder.with_token(token.expose()),
                None => builder,
            }
        }
        // Where credentials come from a service, the environment says which one.
        Credentials::Service => AmazonS3Builder::from_env(),
    };
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let is_plain = settings.endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
    let options = ClientOptions::new()
        .with_allow_http(is_plain)
        .with_connect_timeout(patience.connect)
        .with_timeout(patience.request);
    let store = builder
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        // Servers of other makers mostly know buckets by path only.
        .with_virtual_hosted_style_request(settings.endpoint.is_none())
        .with_client_options(options)
        .with_http_connector(Connections)
        .with_retry(RetryConfig {
            backoff: patience.backoff.clone(),
            max_retries: RETRIES,
            retry_timeout: RETRY_TIME,
        })
        .build()
        .map_err(|error| StoreError::Object {
            action: "open",
            place: root.to_string(),
            source: Box::new(error),
        })?;
    let prefix = root.unquoted_path();
    let store = ObjectStoreArtifacts::new(Arc::new(store), root.clone(), &prefix);
    Ok(store.with_requests_at_once(REQUESTS_AT_ONCE).with_writer(uuid::Uuid::new_v4()))
}

#[cfg(test)]
#[path = "../../tests/kit/object_server.rs"]
mod object_server;

#[cfg(test)]
#[path = "s3_answers_tests.rs"]
mod answers_tests;

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use camino::Utf8PathBuf;

    use super::*;
    use crate::artifact::{ArtifactPath, ArtifactStore as _, IfExists, PutOptions};
    use crate::conformance::check_store;

    fn store(endpoint: &str, place: &str) -> ObjectStoreArtifacts {
        let root = ArtifactUri::parse(place).unwrap().into_folder();
        let variables = [
            ("S3_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", "kit"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
        ];
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
        };
        let patience = Patience::default();
        open_with(&root, &S3Settings::read(&root, &find).unwrap(), &patience).unwrap()
    }

    #[test]
    fn a_server_conforms() {
        let server = object_server::object_server();
        let store = store(&server.endpoint, &format!("s3://{}/conforming/a%20b", server.bucket));
        check_store(&store);
        store.probe().unwrap();
        assert!(store.list("").unwrap().is_empty());
        assert!(!format!("{store:?}").contains("hush"));
    }

    #[test]
    fn many_are_deleted_with_few_requests_and_large_ones_sent_in_parts() {
        let server = object_server::object_server();
        let store = store(&server.endpoint, &format!("s3://{}/many", server.bucket));
        let folder = tempfile::tempdir().unwrap();
        let file = Utf8PathBuf::from_path_buf(folder.path().join("large")).unwrap();
        fs_err::write(&file, vec![7; (16 << 20) + 1]).unwrap();
        let path = |name: &str| ArtifactPath::plain(name).unwrap();
        let placing = crate::outside_file::Placing::Copy;
        let placed = store.place(&path("large"), &file, placing, false, PutOptions::default());
        assert_eq!(placed.unwrap().size, store.size(&path("large")).unwrap());
        assert!(store.holds_copy(&path("large"), &file).unwrap());
        let names: Vec<ArtifactPath> = (0..5).map(|n| path(&format!("a&b/{n} <x>"))).collect();
        for name in &names {
            store.put(name, b"x", PutOptions::default()).unwrap();
        }
        let deleted = store.delete_many(&[names, vec![path("large")]].concat());
        assert!(deleted.iter().all(|result| matches!(result, Ok(true))), "{deleted:?}");
        assert!(store.list("").unwrap().is_empty());
    }

    #[test]
    fn what_another_has_put_in_a_place_is_told_from_what_was_there() {
        let server = object_server::object_server();
        let place = format!("s3://{}/identity", server.bucket);
        let [one, other] = [store(&server.endpoint, &place), store(&server.endpoint, &place)];
        let path = ArtifactPath::plain("x").unwrap();
        assert_eq!(one.identity(&path), None);
        one.put(&path, b"x", PutOptions::default()).unwrap();
        assert_eq!(one.identity(&path), one.own_identity(&path));
        other.put(&path, b"x", PutOptions::default()).unwrap();
        assert_ne!(one.identity(&path), one.own_identity(&path));
        assert_eq!(one.identity(&path), other.own_identity(&path));
        assert!(one.delete(&path).unwrap());
    }

    #[test]
    fn large_files_replace_nothing_and_objects_are_compared_by_checksum() {
        let server = object_server::object_server();
        let place = format!("s3://{}/large", server.bucket);
        let [one, other] = [store(&server.endpoint, &place), store(&server.endpoint, &place)];
        let folder = tempfile::tempdir().unwrap();
        let file = Utf8PathBuf::from_path_buf(folder.path().join("x")).unwrap();
        fs_err::write(&file, vec![7; 5 << 20]).unwrap();
        let (path, put) = (ArtifactPath::plain("x").unwrap(), PutOptions::default());
        let digits = crate::checksum_of_file(&file).unwrap();
        let send = |announced: &str, if_exists| {
            let mut opened = std::fs::File::open(&file).unwrap();
            let options = PutOptions { if_exists, ..put };
            other.put_parts("x", &mut opened, &file, 5 << 20, announced, options)
        };
        // A file that has changed since it was looked at is not sent.
        let changed = send("another", IfExists::Fail).unwrap_err();
        assert!(matches!(changed, StoreError::Changed { .. }), "{changed}");
        assert!(!one.exists(&path).unwrap());
        // Whoever has come meanwhile is found out when all parts are there.
        one.put(&path, b"mine", put).unwrap();
        let exists = send(&digits, IfExists::Fail).unwrap_err();
        assert!(matches!(exists, StoreError::AlreadyExists { .. }), "{exists}");
        assert_eq!(one.get(&path).unwrap(), b"mine");
        assert!(!one.holds_copy(&path, &file).unwrap());
        send(&digits, IfExists::Replace).unwrap();
        assert!(one.holds_copy(&path, &file).unwrap());
        assert_eq!(one.checksum(&path).unwrap(), digits);
        let found = one.look("x").unwrap();
        assert_eq!(ObjectStoreArtifacts::checksum_of(&found), Some(&*digits));
        one.delete(&path).unwrap();
        send(&digits, IfExists::Fail).unwrap();
        assert!(one.delete(&path).unwrap());
    }

    #[test]
    fn what_a_server_refuses_is_told_without_what_it_says() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let body = "<Error><Code>SignatureDoesNotMatch</Code><Signed>hush</Signed></Error>";
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let head = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length:";
            write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
        });
        let refused = store(&endpoint, "s3://bucket/x").get(&ArtifactPath::plain("y").unwrap());
        server.join().unwrap();
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("s3://bucket/x/y") && text.contains("SignatureDoesNotMatch"),
            "{text}"
        );
    }

    #[test]
    fn missing_buckets_and_servers_are_told() {
        let server = object_server::object_server();
        let error = store(&server.endpoint, "s3://no-such-bucket/x").probe().unwrap_err();
        assert!(
            matches!(&error, StoreError::NoBucket { bucket, .. } if bucket == "no-such-bucket")
        );
        // Nobody listens where somebody just has stopped to.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = store(&endpoint, "s3://bucket/x").probe().unwrap_err();
        assert!(matches!(error, StoreError::OutOfReach { .. }), "{error}");
        assert!(error.to_string().contains("S3_ENDPOINT_URL"), "{error}");
    }
}
