//! A certificate authority of its own and one certificate for loopback, made at start and never written with their keys.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What the simulator shows over https: a certificate for `127.0.0.1` and `localhost`, signed by an authority that
/// exists for this one run.
#[derive(Clone)]
pub struct Identity {
    ca_pem: String,
    config: Arc<ServerConfig>,
}

impl Identity {
    /// Makes an authority and a certificate.
    pub fn new() -> Result<Self, TlsError> {
        Self::showing(&leaf("localhost")?)
    }

    /// The same, with something about the certificate that no client may accept.
    pub fn flawed(flaw: Flaw) -> Result<Self, TlsError> {
        let leaf = match flaw {
            Flaw::Expired => {
                let mut leaf = leaf("localhost")?;
                leaf.not_after = rcgen::date_time_ymd(2001, 9, 9);
                leaf
            }
            Flaw::NotYet => {
                let mut leaf = leaf("localhost")?;
                leaf.not_before = rcgen::date_time_ymd(4000, 1, 1);
                leaf
            }
            Flaw::OtherHost => {
                let mut leaf = leaf("elsewhere.example")?;
                leaf.subject_alt_names.retain(|name| !matches!(name, SanType::IpAddress(_)));
                leaf
            }
        };
        Self::showing(&leaf)
    }

    fn showing(leaf: &CertificateParams) -> Result<Self, TlsError> {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "bitget-sim test authority");
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

        let leaf_key = KeyPair::generate()?;
        let leaf = leaf.signed_by(&leaf_key, &ca)?;

        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        Ok(Self { ca_pem: ca.pem(), config: Arc::new(config) })
    }

    /// The same, over which only HTTP/1.1 is spoken; without it the client chooses, by ALPN.
    #[must_use]
    pub fn without_http2(self) -> Self {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        Self { config: Arc::new(config), ..self }
    }

    /// The authority's certificate, in PEM, for clients to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The certificate, its key and the versions of HTTP, for a server to speak TLS with.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// The versions of HTTP, as ALPN names them.
pub(crate) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// What may be wrong with a certificate whose authority is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It was good until 2001.
    Expired,
    /// It is good from the year 4000 on.
    NotYet,
    /// It is for another host.
    OtherHost,
}

/// A certificate for a host and for loopback, not signed yet.
fn leaf(host: &str) -> Result<CertificateParams, TlsError> {
    let mut leaf = CertificateParams::new(vec![host.to_owned()])?;
    leaf.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    // Without this extension a strict client, such as a recent Python, trusts nothing.
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.distinguished_name.push(DnType::CommonName, "bitget-sim");
    Ok(leaf)
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("ca_pem", &self.ca_pem).finish_non_exhaustive()
    }
}

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate itself.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// What rustls makes of it.
    #[error("cannot use the certificate that was made")]
    Config(#[from] rustls::Error),
}
