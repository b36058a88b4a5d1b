//! Why no answer came: one plain sentence that says what to do, and whose fault it was, the proxy's or somebody else's.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use super::address::{BaseUrl, Proxy, Unusable};

/// Why a request got no answer, or no whole one.
pub(super) fn say(error: reqwest::Error, base: &BaseUrl, proxy: Option<&Proxy>) -> String {
    let (timeout, connecting) = (error.is_timeout(), error.is_connect());
    let error = error.without_url();
    if let Some(proxy) = proxy
        && let Some(say) = at_the_proxy(&error, base, proxy)
    {
        return say;
    }
    let place =
        proxy.map_or_else(|| base.to_string(), |proxy| format!("{base}, asked through the proxy {proxy},"));
    if let Some(say) = find::<rustls::Error>(&error).and_then(at_the_certificate) {
        return format!("{place} could not be asked: {say}");
    }
    let what = match (timeout, connecting) {
        (true, _) => "did not answer in time",
        (false, true) => "could not be asked",
        (false, false) => "gave no whole answer",
    };
    format!("{place} {what}: {}", chain(&error))
}

/// Why a proxy let nothing through that answers 407, by CONNECT or in its answer to a request in the clear.
pub(super) fn say_unknown_to(proxy: &Proxy) -> String {
    let known = if proxy.names_user() {
        "does not accept the user name and the password that it was given (HTTP 407): mend them in --proxy"
    } else {
        "wants a user name and a password (HTTP 407): write --proxy http://USER:PASSWORD@HOST:PORT, best as the variable \
         POSMODED_PROXY, for everybody on this host can read a command line"
    };
    format!("the proxy {proxy} {known}")
}

/// Why TLS could not be set up.
pub(super) fn say_no_tls(error: &reqwest::Error) -> Unusable {
    Unusable(match find::<rustls::Error>(error) {
        Some(rustls::Error::General(_)) => "this host has no root certificates, so that nobody's certificate can be believed: install the \
             package ca-certificates, or name a file with roots (PEM) with --ca FILE; SSL_CERT_FILE and SSL_CERT_DIR, where \
             they are set, stand in for those of the system"
            .to_owned(),
        Some(rustls::Error::InvalidCertificate(_)) => {
            format!("a certificate in the file of --ca cannot be used: {}", chain(error))
        }
        _ => format!("TLS cannot be set up: {}", chain(error)),
    })
}

/// Why the proxy opened no way; `None` if it was not the proxy. What hyper-util says of it is told by its words alone, for its
/// type is not public; a test holds them.
fn at_the_proxy(error: &reqwest::Error, base: &BaseUrl, proxy: &Proxy) -> Option<String> {
    let mut behind: Option<&(dyn Error + 'static)> = Some(error);
    let mut last = behind;
    while let Some(error) = behind {
        last = behind;
        let Some(what) = error.to_string().strip_prefix("tunnel error: ").map(str::to_owned) else {
            behind = error.source();
            continue;
        };
        let because = error.source().map_or_else(|| what.clone(), chain);
        return Some(match what.as_str() {
            "proxy authorization required" => say_unknown_to(proxy),
            "unsuccessful" => format!(
                "the proxy {proxy} did not open a way to {}: see that it allows CONNECT to there and knows the name; why it \
                 did not, its own log says",
                base.authority()
            ),
            "failed to create underlying connection" => unreached(proxy, &because),
            _ => format!(
                "the proxy {proxy} broke off before a way to {} was open: {because}",
                base.authority()
            ),
        });
    }
    // In the clear there is no CONNECT: the proxy is all that is connected to.
    let told = last.map(ToString::to_string).unwrap_or_default();
    (base.is_plain() && error.is_connect()).then(|| unreached(proxy, &told))
}

fn unreached(proxy: &Proxy, because: &str) -> String {
    format!("the proxy {proxy} cannot be reached: {because}; check --proxy")
}

/// What to do about a certificate that is not believed.
fn at_the_certificate(error: &rustls::Error) -> Option<String> {
    let rustls::Error::InvalidCertificate(fault) = error else { return None };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's list of faults is open")]
    let remedy = match fault {
        // The second is of a root that has another's name, such as its own new edition.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody whom this host trusts has signed its certificate: install or update the package ca-certificates; if \
             something on the way inspects TLS, name its root certificate with --ca FILE"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate is over by this host's clock: see whether that is right (timedatectl); if it is, wait until the \
             certificate is renewed, or find out who answers in its place"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet by this host's clock: see whether that is right (timedatectl)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is another host's: check --base-url, or find out who answers in its place"
        }
        _ => return None,
    };
    Some(format!("{remedy} ({error})"))
}

/// The first error of a kind among an error and its sources; also one that an I/O error holds.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(held) = held
            && let Some(found) = find(held as &(dyn Error + 'static))
        {
            return Some(found);
        }
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error and its sources, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut behind = error.source();
    while let Some(source) = behind {
        let next = source.to_string();
        if !told.ends_with(&next) {
            told = format!("{told}: {next}");
        }
        behind = source.source();
    }
    told
}
