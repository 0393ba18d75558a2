//! Encryption, with certificates looked at as far as `sslmode` says.

use std::sync::Arc;

use camino::Utf8Path;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::settings::{TlsSettings, Verification};

/// Makes what encrypts connections; the error says what is wrong with a file.
pub(super) fn connector(settings: &TlsSettings) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let broken = |error: Error| error.to_string();
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(broken)?;
    let authorities = settings.roots.as_deref().map(roots).transpose()?;
    let config = match (settings.verification, authorities) {
        (Verification::Host, Some(roots)) => config.with_root_certificates(roots),
        (Verification::Authority, Some(roots)) => {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(|error| error.to_string())?;
            config.dangerous().with_custom_certificate_verifier(Arc::new(LenientVerifier {
                provider,
                authorities: Some(verifier),
            }))
        }
        _ => config.dangerous().with_custom_certificate_verifier(Arc::new(LenientVerifier {
            provider,
            authorities: None,
        })),
    };
    let config = match &settings.identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificates = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("no private key can be read from {key}: {error}"))?;
            config.with_client_auth_cert(certificates, key).map_err(broken)?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn certificates(path: &Utf8Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = |error| format!("no certificates can be read from {path}: {error}");
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(read)?
        .collect::<Result<_, _>>()
        .map_err(read)?;
    if found.is_empty() { Err(format!("{path} holds no certificates")) } else { Ok(found) }
}

fn roots(path: &Utf8Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| format!("a certificate in {path} cannot be used: {error}"))?;
    }
    Ok(roots)
}

/// Accepts certificates for other hosts, or any: `verify-ca` and `require` do not ask who the
/// server is, and `prefer` would talk to it without encryption.
#[derive(Debug)]
struct LenientVerifier {
    provider: Arc<CryptoProvider>,
    /// Who must have signed the certificate.
    authorities: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for LenientVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The name is looked at last, so all else was right.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
