//! Where the settings of object stores come from: the places in which the middleware's clients look.

use std::fmt;

use crate::store_error::StoreError;
use crate::uri::ArtifactUri;

/// Region where none is set.
const REGION: &str = "us-east-1";

/// What it takes to open a bucket.
///
/// | setting | from, the first that is there |
/// |---|---|
/// | endpoint | `LSST_RESOURCES_S3_PROFILE_<profile>`, `S3_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`; else Amazon |
/// | credentials | `LSST_RESOURCES_S3_PROFILE_<profile>`; for places without profile `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; the section of the profile, of `AWS_PROFILE`, or `default`, in the file that `AWS_SHARED_CREDENTIALS_FILE` names, or `~/.aws/credentials`; a service that the environment names |
/// | region | `AWS_DEFAULT_REGION`, `AWS_REGION` |
///
/// The profile is what stands before `@` in `s3://profile@bucket/`.
#[derive(Debug, Clone)]
pub(crate) struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// The server; Amazon's if there is none.
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// Who asks.
    pub credentials: Credentials,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Credentials {
    /// Somebody with a key.
    Key {
        /// Name of the key.
        id: Secret,
        /// The key.
        secret: Secret,
        /// Of a key that ends.
        token: Option<Secret>,
    },
    /// Whoever a service of the platform says.
    Service,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl S3Settings {
    /// Reads the settings for a place with the variables that `environment` knows.
    ///
    /// # Errors
    /// If a setting is wrong, or there are no credentials.
    pub fn read(
        root: &ArtifactUri,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, StoreError> {
        let (profile, bucket) = match root.authority().split_once('@') {
            Some((profile, bucket)) => (Some(profile), bucket),
            None => (None, root.authority()),
        };
        let wrong = |setting: &str, reason| StoreError::Setting {
            root: root.to_string(),
            setting: setting.to_owned(),
            reason,
        };
        if bucket.is_empty() {
            return Err(wrong("the place", "it names no bucket; write s3://BUCKET/PREFIX/"));
        }
        let first = |names: &[&str]| names.iter().find_map(|name| environment(name));
        let mut settings = Self {
            bucket: bucket.to_owned(),
            endpoint: first(&["S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]),
            region: first(&["AWS_DEFAULT_REGION", "AWS_REGION"]).unwrap_or_else(|| REGION.into()),
            credentials: Credentials::Service,
        };
        let mut found = None;
        if let Some(profile) = profile {
            let name = format!("LSST_RESOURCES_S3_PROFILE_{profile}");
            if let Some(value) = environment(&name) {
                let (endpoint, key) = of_profile(&value).ok_or_else(|| {
                    wrong(&name, "write https://KEY:SECRET@HOST, or https://HOST")
                })?;
                settings.endpoint = Some(endpoint);
                found = key;
            }
        } else if let (Some(id), Some(secret)) =
            (environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"))
        {
            let token = environment("AWS_SESSION_TOKEN").map(Secret);
            found = Some(Credentials::Key { id: Secret(id), secret: Secret(secret), token });
        }
        if found.is_none() {
            let section = profile.map(str::to_owned).or_else(|| environment("AWS_PROFILE"));
            let file = environment("AWS_SHARED_CREDENTIALS_FILE")
                .or_else(|| Some(format!("{}/.aws/credentials", environment("HOME")?)));
            let text = file.and_then(|file| std::fs::read_to_string(file).ok());
            found = text.and_then(|text| of_file(&text, section.as_deref().unwrap_or("default")));
        }
        let services = [
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ];
        settings.credentials = match found {
            Some(found) => found,
            None if first(&services).is_some() => Credentials::Service,
            None => return Err(StoreError::NoCredentials { root: root.to_string() }),
        };
        if let Some(endpoint) = &settings.endpoint
            && !(endpoint.starts_with("http://") || endpoint.starts_with("https://"))
        {
            return Err(wrong("S3_ENDPOINT_URL", "it must begin with https:// or http://"));
        }
        Ok(settings)
    }
}

/// Server and credentials in `https://KEY:SECRET@HOST`, where both are percent-encoded.
fn of_profile(value: &str) -> Option<(String, Option<Credentials>)> {
    let (scheme, rest) = value.split_once("://")?;
    let Some((user, host)) = rest.rsplit_once('@') else {
        return Some((value.to_owned(), None));
    };
    let (id, secret) = user.split_once(':')?;
    let decoded = |text: &str| Secret(crate::uri_text::unquote(text));
    let key = Credentials::Key { id: decoded(id), secret: decoded(secret), token: None };
    Some((format!("{scheme}://{host}"), Some(key)))
}

/// Credentials in a section of a file of them.
fn of_file(text: &str, section: &str) -> Option<Credentials> {
    let (mut inside, mut id, mut secret, mut token) = (false, None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name.trim() == section;
        } else if let (true, Some((name, value))) = (inside, line.split_once('=')) {
            let value = Some(Secret(value.trim().to_owned()));
            match name.trim() {
                "aws_access_key_id" => id = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
    }
    Some(Credentials::Key { id: id?, secret: secret?, token })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(place: &str, variables: &[(&str, &str)]) -> Result<S3Settings, StoreError> {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        S3Settings::read(&ArtifactUri::parse(place).unwrap(), &find)
    }

    fn key(settings: &S3Settings) -> (&str, &str, Option<&str>) {
        match &settings.credentials {
            Credentials::Key { id, secret, token } => {
                (id.expose(), secret.expose(), token.as_ref().map(Secret::expose))
            }
            Credentials::Service => panic!("no key"),
        }
    }

    const KEY: [(&str, &str); 2] =
        [("AWS_ACCESS_KEY_ID", "name"), ("AWS_SECRET_ACCESS_KEY", "hush/+")];

    #[test]
    fn settings_come_from_where_the_middleware_looks() {
        let plain = read("s3://bucket/a/", &KEY).unwrap();
        assert_eq!((plain.bucket.as_str(), plain.region.as_str()), ("bucket", REGION));
        assert_eq!((plain.endpoint.as_deref(), key(&plain)), (None, ("name", "hush/+", None)));
        let more = [("S3_ENDPOINT_URL", "http://h:1"), ("AWS_DEFAULT_REGION", "r"), KEY[0], KEY[1]];
        let set = read("s3://bucket/", &more).unwrap();
        assert_eq!((set.endpoint.as_deref(), set.region.as_str()), (Some("http://h:1"), "r"));
        let profile = ("LSST_RESOURCES_S3_PROFILE_mine", "https://a:b%2Fc@host:9000");
        let named = read("s3://mine@bucket/x/", &[profile, KEY[0], KEY[1]]).unwrap();
        assert_eq!(
            (named.endpoint.as_deref(), named.bucket.as_str()),
            (Some("https://host:9000"), "bucket")
        );
        assert_eq!(key(&named), ("a", "b/c", None));
    }

    #[test]
    fn credentials_come_from_the_file_of_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials");
        let text = "[default]\naws_access_key_id=d\naws_secret_access_key = ds\n# no\n[mine]\n\
                    aws_access_key_id = m\naws_secret_access_key = m=s\naws_session_token = t\n";
        fs_err::write(&file, text).unwrap();
        let file = ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap());
        assert_eq!(key(&read("s3://b/", &[file]).unwrap()), ("d", "ds", None));
        let mine = ("m", "m=s", Some("t"));
        assert_eq!(key(&read("s3://b/", &[file, ("AWS_PROFILE", "mine")]).unwrap()), mine);
        assert_eq!(key(&read("s3://mine@b/", &[file, KEY[0], KEY[1]]).unwrap()), mine);
        let other = read("s3://other@b/", &[file, KEY[0], KEY[1]]).unwrap_err();
        assert!(matches!(other, StoreError::NoCredentials { .. }), "{other}");
        let service = read("s3://b/", &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/x")]).unwrap();
        assert!(matches!(service.credentials, Credentials::Service));
    }

    #[test]
    fn mistakes_are_told_and_secrets_are_not() {
        let error = read("s3://bucket/x/", &[KEY[0]]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("s3://bucket/x/") && text.contains("AWS_ACCESS_KEY_ID"), "{text}");
        assert!(read("s3:///x/", &KEY).unwrap_err().to_string().contains("bucket"));
        let endpoint = [("S3_ENDPOINT_URL", "host:9000"), KEY[0], KEY[1]];
        assert!(read("s3://b/", &endpoint).unwrap_err().to_string().contains("S3_ENDPOINT_URL"));
        let profile = ("LSST_RESOURCES_S3_PROFILE_p", "hush@host");
        let error = read("s3://p@b/", &[profile]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        let shown = format!("{:?}", read("s3://bucket/x/", &KEY).unwrap());
        assert!(!shown.contains("hush") && !shown.contains("name\""), "{shown}");
    }
}
