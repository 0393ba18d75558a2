//! What becomes of answers that servers should not give.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::Utf8PathBuf;

use super::*;
use crate::artifact::{ArtifactPath, ArtifactStore as _, IfExists, PutOptions};

/// A server that answers the requests of one store by their number, and remembers them.
struct Server {
    store: ObjectStoreArtifacts,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Ends with the process. Whoever gets no answer is kept waiting.
    fn new(answer: impl Fn(usize) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = requests.clone();
        std::thread::spawn(move || {
            let mut waiting = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request(&mut stream));
                    seen.len() - 1
                };
                match answer(number) {
                    Some(answer) => drop(stream.write_all(answer.as_bytes())),
                    None => waiting.push(stream),
                }
            }
        });
        let root = ArtifactUri::parse("s3://bucket/x/").unwrap();
        let variables =
            [("S3_ENDPOINT_URL", &*endpoint), ("AWS_ACCESS_KEY_ID", "k"), (KEY, "hush")];
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
        };
        let patience = Patience {
            request: Duration::from_millis(150),
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(1),
                max_backoff: Duration::from_millis(2),
                base: 1.1,
            },
            ..Patience::default()
        };
        let settings = S3Settings::read(&root, &find).unwrap();
        let store = open_with(&root, &settings, &patience).unwrap();
        Self { store, requests }
    }

    fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Fetches an object into a file.
    fn fetch(&self) -> Result<String, StoreError> {
        let folder = tempfile::tempdir().unwrap();
        let file = Utf8PathBuf::from_path_buf(folder.path().join("y")).unwrap();
        self.store.fetch(&path(), &file)?;
        Ok(fs_err::read_to_string(file).unwrap())
    }
}

const KEY: &str = "AWS_SECRET_ACCESS_KEY";

fn path() -> ArtifactPath {
    ArtifactPath::plain("y").unwrap()
}

/// The head of a request; its body is passed over.
fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    head
}

fn answer(status: &str, headers: &str, length: usize, body: &str) -> Option<String> {
    let date = "Last-Modified: Tue, 01 Jul 2025 00:00:00 GMT";
    Some(format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{date}\r\n{headers}Content-Length: {length}\r\n\r\n\
         {body}"
    ))
}

/// The first five of ten bytes, which is not all that was announced.
fn half() -> Option<String> {
    answer("200 OK", "ETag: \"a\"\r\n", 10, "01234")
}

/// The other five, of an object that may be another one.
fn rest(tag: &str, body: &str) -> Option<String> {
    let headers = format!("ETag: \"{tag}\"\r\nContent-Range: bytes 5-9/10\r\n");
    answer("206 Partial Content", &headers, 5, body)
}

#[test]
fn what_breaks_off_goes_on_from_there() {
    let server = Server::new(|number| match number {
        0 => half(),
        1 => rest("a", "567"),
        _ => {
            let range = "ETag: \"a\"\r\nContent-Range: bytes 8-9/10\r\n";
            answer("206 Partial Content", range, 2, "89")
        }
    });
    assert_eq!(server.fetch().unwrap(), "0123456789");
    let ranges: Vec<bool> = (server.requests.lock().unwrap().iter())
        .map(|request| request.contains("range: bytes="))
        .collect();
    assert_eq!(ranges, [false, true, true]);
}

#[test]
fn parts_are_never_taken_for_the_whole() {
    // For ever half of it; the rest of another object.
    let always = |number| if number == 0 { half() } else { rest("a", "") };
    let other = |number| if number == 0 { half() } else { rest("b", "56789") };
    for server in [Server::new(always), Server::new(other)] {
        let error = server.fetch().unwrap_err();
        assert!(error.to_string().contains("s3://bucket/x/y"), "{error}");
        assert!((2..=1 + RETRIES).contains(&server.asked()), "{}", server.asked());
    }
    // Sizes that are announced are not believed.
    let server = Server::new(|_| answer("200 OK", "ETag: \"a\"\r\n", 1 << 60, "01234"));
    server.store.get(&path()).unwrap_err();
}

#[test]
fn failures_of_the_server_end_and_tell_nothing_that_was_sent() {
    for (status, body, told) in [
        ("500 Internal Server Error", "signature hush", "500 Internal Server Error)"),
        ("503 Slow Down", "<Error><Code>SlowDown</Code>hush</Error>", "SlowDown"),
    ] {
        let server = Server::new(move |_| answer(status, "", body.len(), body));
        let options = PutOptions { durable: false, if_exists: IfExists::Fail };
        let errors = [
            server.fetch().unwrap_err(),
            server.store.put(&path(), b"x", options).unwrap_err(),
            server.store.list("").unwrap_err(),
        ];
        assert_eq!(server.asked(), errors.len() * (1 + RETRIES));
        for error in errors {
            assert!(matches!(error, StoreError::Failing { .. }), "{error:?}");
            assert!(error.to_string().contains(told), "{error}");
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        }
    }
    // Who may not is not asked again; neither is one whose status means nothing here.
    for (status, refused) in [("403 Forbidden", true), ("418 Teapot", false)] {
        let server = Server::new(move |_| answer(status, "", 4, "hush"));
        let error = server.store.get(&path()).unwrap_err();
        assert_eq!((matches!(error, StoreError::Refused { .. }), server.asked()), (refused, 1));
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}

#[test]
fn who_gives_no_answer_is_waited_for_and_asked_again_for_a_while() {
    let server = Server::new(|_| None);
    let error = server.fetch().unwrap_err();
    assert!(matches!(error, StoreError::OutOfReach { .. }), "{error:?}");
    assert_eq!(server.asked(), 1 + RETRIES);
    // Whether what has had no answer was written cannot be told, so a condition is not asked twice.
    let options = PutOptions { durable: false, if_exists: IfExists::Fail };
    let error = server.store.put(&path(), b"x", options).unwrap_err();
    assert!(matches!(error, StoreError::OutOfReach { .. }), "{error:?}");
    assert_eq!(server.asked(), 2 + RETRIES);
}
