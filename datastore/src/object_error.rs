//! What object stores answer, sorted by what a person can do about it.

use std::error::Error;

use crate::store_error::StoreError;
use crate::uri::ArtifactUri;

/// The error of a request about `place`, which is below `root`.
///
/// Of the store's own answer only its code is taken: the rest may repeat what was sent.
pub(crate) fn sorted(
    action: &'static str,
    place: String,
    root: &ArtifactUri,
    error: object_store::Error,
) -> StoreError {
    use object_store::Error as E;
    let code = code_in(&error);
    match error {
        E::NotFound { .. } if code.as_deref() == Some("NoSuchBucket") => {
            StoreError::NoBucket { root: root.to_string(), bucket: root.authority().to_owned() }
        }
        E::NotFound { .. } => StoreError::NotFound { place },
        E::AlreadyExists { .. } => StoreError::AlreadyExists { place },
        // The end of an upload in parts has a condition that the store does not tell from others.
        E::Precondition { .. } if action == "write" => StoreError::AlreadyExists { place },
        E::Precondition { .. } => StoreError::Changed { place },
        // Below a file there is nothing.
        ref error if action != "write" && is_not_a_folder(error) => StoreError::NotFound { place },
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            let code = code.unwrap_or_else(|| "no reason given".to_owned());
            StoreError::Refused { action, place, code }
        }
        ref error if is_unanswered(error) => {
            let reason = last_cause(error);
            StoreError::OutOfReach { action, place, reason }
        }
        source => match (status_in(&source), code) {
            (Some(status), code) if status.starts_with('5') => {
                let status =
                    code.map_or_else(|| status.clone(), |code| format!("{status}, {code}"));
                StoreError::Failing { action, place, status }
            }
            (_, Some(code)) => StoreError::Object { action, place, source: code.into() },
            (Some(status), None) => {
                let source = format!("the object store answers {status}").into();
                StoreError::Object { action, place, source }
            }
            (None, None) => StoreError::Object { action, place, source: Box::new(source) },
        },
    }
}

/// The status of a store's answer, such as `500 Internal Server Error`. What it says besides may
/// repeat what was sent.
fn status_in(error: &object_store::Error) -> Option<String> {
    let text = error.to_string();
    let (_, rest) = text.split_once("status code: ")?;
    let status = rest.split(':').next().unwrap_or(rest).trim();
    (status.len() < 60 && status.starts_with(|first: char| first.is_ascii_digit()))
        .then(|| status.to_owned())
}

/// What stands in `<Code>` of a store's answer.
fn code_in(error: &object_store::Error) -> Option<String> {
    let text = error.to_string();
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code.trim().to_owned())
}

/// All errors behind an error, beginning with itself.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn last_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, |cause| cause.to_string())
}

/// Whether some error behind this one is that a file stands where a folder should be.
fn is_not_a_folder(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::NotADirectory)
}

/// Whether a request had no answer.
#[cfg(feature = "s3")]
fn is_unanswered(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|error| error.is::<object_store::client::HttpError>())
}

/// Without a network all requests have one.
#[cfg(not(feature = "s3"))]
fn is_unanswered(_: &(dyn Error + 'static)) -> bool {
    false
}
