//! Signing, with a secret shared with the exchange (HMAC-SHA256) or an RSA private key (`SHA256withRSA`, PKCS#1 v1.5).
//!
//! No text of either is ever shown; the error for an unusable key says what is wrong and what to do.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// What signs an account's requests.
#[derive(Clone)]
pub(super) enum Signer {
    /// A secret that the exchange knows, too.
    Hmac(SecretString),
    /// A private key; the exchange knows its public half.
    Rsa(Arc<RsaKeyPair>),
}

impl Signer {
    /// Parses the key in a PEM, PKCS#1 or PKCS#8; the error says what is wrong and what to do.
    pub(super) fn rsa(pem: &SecretString) -> Result<Signer, String> {
        let pem = pem.expose_secret();
        if pem.contains("ENCRYPTED") {
            return Err(
                "rsa_private_key is encrypted, and nobody is there to type its password: write the key \
                        without one, as `openssl pkey -in KEY -out PLAIN` makes it"
                    .to_owned(),
            );
        }
        // The text of a PEM error may hold lines of the file, so it is dropped.
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| no_key(pem))?;
        let der = Zeroizing::new(der);
        let pair = match &*der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(_) | _ => return Err(NOT_RSA.to_owned()),
        };
        let pair = pair.map_err(|rejected| refused(&rejected.to_string()))?;
        let signer = Signer::Rsa(Arc::new(pair));
        // A key with inconsistent parts fails at its first signature.
        if signer.sign("").is_empty() { Err(refused("InconsistentComponents")) } else { Ok(signer) }
    }

    /// Base64 of the signature of `prehash`.
    pub(super) fn sign(&self, prehash: &str) -> String {
        match self {
            Signer::Hmac(secret) => {
                #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
                    .expect("a key of any length");
                mac.update(prehash.as_bytes());
                STANDARD.encode(mac.finalize().into_bytes())
            }
            Signer::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let random = SystemRandom::new();
                match pair.sign(&RSA_PKCS1_SHA256, &random, prehash.as_bytes(), &mut signature) {
                    Ok(()) => STANDARD.encode(signature),
                    // Without random numbers there is no signature; the exchange refuses a request without one.
                    Err(_) => String::new(),
                }
            }
        }
    }
}

/// Why a text holds no private key, and what to do.
fn no_key(text: &str) -> String {
    if text.contains("PUBLIC KEY") {
        "rsa_private_key is a public key: that one is for Bitget, the private one it was made with belongs here"
            .to_owned()
    } else if text.contains("-----BEGIN") && !text.contains("-----END") {
        "rsa_private_key is cut off: it must reach to its line `-----END ... PRIVATE KEY-----`".to_owned()
    } else {
        format!("rsa_private_key is no private key in PEM: {HOW_TO_WRITE_IT}")
    }
}

/// How a private key is written into the file.
pub(super) const HOW_TO_WRITE_IT: &str = "write `rsa_private_key: |` and below it, indented by two spaces, the lines from `-----BEGIN ... PRIVATE KEY-----` to \
     `-----END ... PRIVATE KEY-----`";

/// What ring's word for a rejected key means, and what to do.
fn refused(word: &str) -> String {
    match word {
        "TooSmall" => {
            format!("rsa_private_key has fewer than 2048 bits, which is not safe any more: {MAKE_ONE}")
        }
        "TooLarge" => format!("rsa_private_key has more than 4096 bits: {MAKE_ONE}"),
        "WrongAlgorithm" => NOT_RSA.to_owned(),
        "VersionNotSupported" => format!("rsa_private_key has more than two primes: {MAKE_ONE}"),
        _ => format!("rsa_private_key is damaged, or of an unusual make: copy it again, or {MAKE_ONE}"),
    }
}

const NOT_RSA: &str =
    "rsa_private_key is a key, but no RSA key: use the one whose public half Bitget was given";
const MAKE_ONE: &str =
    "make a key of 2048 bits (`openssl genrsa -out KEY 2048`) and give its public half to Bitget";

#[cfg(test)]
pub(in crate::exchange) mod tests {
    use std::process::Command;

    use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    /// The output of openssl, or `None` if it cannot be run; the test then reports that it is skipped.
    pub(in crate::exchange) fn openssl(args: &[&str]) -> Option<Vec<u8>> {
        match Command::new("openssl").args(args).output() {
            Ok(done) => {
                assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
                Some(done.stdout)
            }
            Err(error) => {
                #[expect(clippy::print_stderr, reason = "whoever reads the test's output must know")]
                {
                    eprintln!("skipped: test keys are made by openssl, which cannot be run here ({error})");
                }
                None
            }
        }
    }

    pub(in crate::exchange) fn generated(bits: &str) -> Option<String> {
        let bits = format!("rsa_keygen_bits:{bits}");
        Some(String::from_utf8(openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", &bits])?).unwrap())
    }

    fn refusal(pem: &str) -> String {
        let Err(said) = Signer::rsa(&pem.to_owned().into()) else { panic!("that is no key to take") };
        let body = pem.lines().filter(|line| line.len() > 20 && !line.starts_with("--"));
        for line in body {
            assert!(!said.contains(line), "nothing of the key is shown");
        }
        said
    }

    #[test]
    fn openssl_signs_the_same_with_the_same_key_in_both_of_its_forms() {
        let Some(pkcs8) = generated("2048") else { return };
        let dir = tempfile::tempdir().unwrap();
        let (key, data) = (dir.path().join("key"), dir.path().join("data"));
        std::fs::write(&key, &pkcs8).unwrap();
        let key = key.to_str().unwrap();
        let pkcs1 = String::from_utf8(openssl(&["rsa", "-traditional", "-in", key]).unwrap()).unwrap();
        assert!(
            pkcs8.starts_with("-----BEGIN PRIVATE KEY") && pkcs1.starts_with("-----BEGIN RSA PRIVATE KEY")
        );
        let prehash = r#"1659076670000POST/api/v2/mix/account/set-position-mode{"productType":"USDT-FUTURES","posMode":"hedge_mode"}"#;
        std::fs::write(&data, prehash).unwrap();
        let theirs = openssl(&["dgst", "-sha256", "-sign", key, data.to_str().unwrap()]).unwrap();
        for pem in [pkcs8, pkcs1] {
            let signer = Signer::rsa(&pem.into()).unwrap();
            assert_eq!(signer.sign(prehash), STANDARD.encode(&theirs));
            let Signer::Rsa(pair) = &signer else { panic!("an RSA key") };
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
            public.verify(prehash.as_bytes(), &theirs).unwrap();
            assert!(public.verify(b"another", &theirs).is_err());
        }
    }

    #[test]
    fn a_key_that_cannot_be_used_says_why_and_what_to_do() {
        for bits in ["1024", "1536"] {
            let Some(small) = generated(bits) else { return };
            assert_eq!(
                refusal(&small),
                "rsa_private_key has fewer than 2048 bits, which is not safe any more: make a key of 2048 bits \
                 (`openssl genrsa -out KEY 2048`) and give its public half to Bitget"
            );
        }
        let good = generated("2048").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, &good).unwrap();
        let key = path.to_str().unwrap();
        let from_openssl = |args: &[&str]| String::from_utf8(openssl(args).unwrap()).unwrap();
        let encrypted = [
            from_openssl(&["pkey", "-in", key, "-aes256", "-passout", "pass:test-password"]),
            from_openssl(&["rsa", "-traditional", "-in", key, "-aes256", "-passout", "pass:test-password"]),
        ];
        for pem in encrypted {
            assert!(refusal(&pem).starts_with("rsa_private_key is encrypted, "), "{}", refusal(&pem));
        }
        let public = from_openssl(&["pkey", "-in", key, "-pubout"]);
        assert!(refusal(&public).starts_with("rsa_private_key is a public key: "));
        let curve =
            from_openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        assert_eq!(refusal(&curve), NOT_RSA);
        assert!(refusal(&good[..good.len() / 2]).starts_with("rsa_private_key is cut off: "));
        let other =
            if good.contains('A') { good.replacen('A', "B", 40) } else { good.replacen('B', "A", 40) };
        assert!(refusal(&other).starts_with("rsa_private_key is "));
        assert!(refusal(&good.replace('\n', " ")).starts_with("rsa_private_key is "));
    }

    #[test]
    fn what_is_no_pem_is_told_how_to_write_one() {
        for text in ["", "hidden", "-----BEGIN NONSENSE-----\nAAAA\n-----END NONSENSE-----\n"] {
            assert!(refusal(text).starts_with("rsa_private_key is no private key in PEM: write `"), "{text}");
        }
    }
}
