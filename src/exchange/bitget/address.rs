//! Where requests go: the exchange's base URL, and the proxy on the way to it, if there is one.
//!
//! Pure: reads no environment. The name and the password in a proxy's URL are in no text that leaves here.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

/// The exchange's base URL: `https://HOST[:PORT]`, or `http://` to loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// A base URL or a certificate that cannot be used: one sentence that says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub(super) String);

/// A proxy that is asked by CONNECT: `http://[USER:PASSWORD@]HOST:PORT`. Neither `Display` nor `Debug` shows who asks it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Url);

impl Unusable {
    /// No client can be made, whatever is to be asked.
    pub fn no_client() -> Unusable {
        Unusable("no client can be made that messages could be sent with".to_owned())
    }
}

impl BaseUrl {
    /// Whether it is on this host.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Whether requests are in the clear, which loopback alone may be.
    pub(super) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// The host and the port that are connected to.
    pub(super) fn authority(&self) -> String {
        authority(&self.0)
    }

    /// What to say where the environment names a proxy, which is not used; `None` on loopback, or where it names none for
    /// this host. `variable` looks a variable up.
    pub fn proxy_passed_over(&self, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
        let set = |name: &&str| variable(name).filter(|value| !value.trim().is_empty());
        let (name, value) = PROXY_VARIABLES.iter().find_map(|name| Some((name, set(name)?)))?;
        let spared = NO_PROXY_VARIABLES.iter().find_map(set).is_some_and(|list| self.is_listed(&list));
        if self.is_loopback() || spared {
            return None;
        }
        let value = value.trim();
        let proxy: Option<Proxy> =
            if value.contains("://") { value.parse().ok() } else { format!("http://{value}").parse().ok() };
        let typed = match proxy {
            Some(proxy) if proxy.names_user() => {
                format!("`--proxy http://USER:PASSWORD@{}`", authority(&proxy.0))
            }
            Some(proxy) => format!("`--proxy {proxy}`"),
            None => "`--proxy http://HOST:PORT`, the one kind that there is,".to_owned(),
        };
        Some(format!(
            "{name} is set, and posmoded does not go by it: {self} is asked directly. To ask through a proxy, type {typed} or \
             put it into the variable POSMODED_PROXY."
        ))
    }

    /// Whether a list such as `NO_PROXY` names this host or a domain that it is in.
    fn is_listed(&self, list: &str) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        list.split(',').map(|entry| entry.trim().trim_start_matches('.')).any(|entry| {
            let before = host.strip_suffix(entry);
            entry == "*"
                || (!entry.is_empty()
                    && before.is_some_and(|before| before.is_empty() || before.ends_with('.')))
        })
    }
}

impl Proxy {
    /// Whether it is on this host.
    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Whether it is told who asks.
    pub(super) fn names_user(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }

    /// With the name and the password.
    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for BaseUrl {
    type Err = Unusable;

    fn from_str(text: &str) -> Result<BaseUrl, Unusable> {
        let unusable = |what: &str| Unusable(format!("{what}: write it like https://api.bitget.com"));
        let url = Url::parse(text).map_err(|_| unusable("the base URL is no URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(unusable("the base URL holds a user name or a password"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(unusable("the base URL names no host"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(unusable("the base URL has more than a host and a port"));
        }
        let base = BaseUrl(url);
        match base.0.scheme() {
            "https" => Ok(base),
            "http" if base.is_loopback() => Ok(base),
            "http" => Err(unusable("plain http is for loopback only")),
            _ => Err(unusable("the base URL is neither https nor http")),
        }
    }
}

impl FromStr for Proxy {
    type Err = Unusable;

    /// Its errors quote nothing, for the text may hold a password.
    fn from_str(text: &str) -> Result<Proxy, Unusable> {
        let unusable = |what: &str| {
            Unusable(format!(
                "{what}: write it like http://proxy.example:3128 or http://USER:PASSWORD@proxy.example:3128"
            ))
        };
        let url = Url::parse(text).map_err(|_| {
            unusable("the proxy is no URL (a password's `@`, `:`, `/`, `?` and `#` are written %40, %3A, %2F, %3F and %23)")
        })?;
        if url.scheme() != "http" {
            return Err(unusable(
                "the proxy's URL does not begin with http://, the one way in which a proxy is asked",
            ));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(unusable("the proxy's URL names no host"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(unusable(
                "the proxy's URL has more than a host and a port (a password's `/`, `?` and `#` are written %2F, %3F and %23)",
            ));
        }
        Ok(Proxy(url))
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "http://{}", authority(&self.0))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Proxy({self})")
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Whether a URL leads to this host.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn authority(url: &Url) -> String {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    format!("{host}:{port}")
}

/// What names a proxy to other programs, the most likely first.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];
const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_and_a_base_url_is_a_host_and_nothing_more() {
        let good = [
            "https://api.bitget.com",
            "https://venue.example:8443/",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost",
        ];
        for text in good {
            assert!(text.parse::<BaseUrl>().is_ok(), "{text}");
        }
        let bad = [
            "api.bitget.com",
            "",
            "http://api.bitget.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "https://name:word@api.bitget.com",
            "https://api.bitget.com/v2",
            "https://api.bitget.com/?a=b",
            "ftp://127.0.0.1",
        ];
        let told: Vec<String> =
            bad.map(|text| format!("{text}: {}", text.parse::<BaseUrl>().unwrap_err())).to_vec();
        expect_test::expect![[r"
            api.bitget.com: the base URL is no URL: write it like https://api.bitget.com
            : the base URL is no URL: write it like https://api.bitget.com
            http://api.bitget.com: plain http is for loopback only: write it like https://api.bitget.com
            http://127.0.0.1.example.com: plain http is for loopback only: write it like https://api.bitget.com
            http://localhost.example.com: plain http is for loopback only: write it like https://api.bitget.com
            http://10.0.0.1: plain http is for loopback only: write it like https://api.bitget.com
            https://name:word@api.bitget.com: the base URL holds a user name or a password: write it like https://api.bitget.com
            https://api.bitget.com/v2: the base URL has more than a host and a port: write it like https://api.bitget.com
            https://api.bitget.com/?a=b: the base URL has more than a host and a port: write it like https://api.bitget.com
            ftp://127.0.0.1: the base URL is neither https nor http: write it like https://api.bitget.com"]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn f59_a_proxy_is_named_by_its_host_and_port_and_never_by_its_password() {
        let good = [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("http://proxy.example", "http://proxy.example:80"),
            ("http://[::1]:3128/", "http://[::1]:3128"),
            ("http://desk:hid%40den@10.0.0.1:3128", "http://10.0.0.1:3128"),
            ("HTTP://desk@proxy.example:3128", "http://proxy.example:3128"),
        ];
        for (text, shown) in good {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!((proxy.to_string(), format!("{proxy:?}")), (shown.into(), format!("Proxy({shown})")));
            assert_eq!(proxy.names_user(), text.contains('@'), "{text}");
        }
        let bad = [
            "",
            "proxy.example",
            "proxy.example:3128",
            "desk:hidden@proxy.example:3128",
            "http://",
            "http://desk:hid/den@proxy.example:3128",
            "http://desk:hid#den@proxy.example:3128",
            "http://proxy.example:3128/hidden",
            "https://desk:hidden@proxy.example:3128",
            "socks5://desk:hidden@proxy.example:1080",
        ];
        let told = bad.map(|text| text.parse::<Proxy>().unwrap_err().to_string());
        assert!(!told.iter().any(|told| told.contains("hid") || told.contains("desk")), "{told:#?}");
        assert!(
            told.iter().all(|told| told.contains("write it like http://proxy.example:3128")),
            "{told:#?}"
        );
    }

    #[test]
    fn f59_variables_that_name_a_proxy_are_told_with_what_to_type_where_they_would_have_mattered() {
        let told = |base: &str, variables: &[(&str, &str)]| {
            let base: BaseUrl = base.parse().unwrap();
            let find = |name: &str| variables.iter().find(|(set, _)| *set == name);
            base.proxy_passed_over(|name| find(name).map(|(_, value)| (*value).to_owned()))
        };
        let base = "https://api.bitget.com";
        let set: [&[(&str, &str)]; 8] = [
            &[("HTTPS_PROXY", "http://proxy.example:3128")],
            &[("http_proxy", "proxy.example:3128"), ("NO_PROXY", "localhost,127.0.0.1,get.com, .example")],
            &[("ALL_PROXY", "http://desk:hidden@proxy.example:3128/")],
            &[("all_proxy", "socks5h://desk:hidden@proxy.example:1080")],
            &[("HTTPS_PROXY", ""), ("https_proxy", "desk:hidden")],
            &[("HTTPS_PROXY", "http://proxy.example:3128"), ("no_proxy", "localhost, .bitget.com")],
            &[("HTTPS_PROXY", "http://proxy.example:3128"), ("NO_PROXY", "*")],
            &[("HTTPS_PROXY", " "), ("FTP_PROXY", "http://proxy.example:3128")],
        ];
        let all: Vec<String> =
            set.iter().map(|set| told(base, set).unwrap_or_else(|| "-".to_owned())).collect();
        assert!(!all.iter().any(|told| told.contains("hidden")), "{all:#?}");
        expect_test::expect![[r#"
            HTTPS_PROXY is set, and posmoded does not go by it: https://api.bitget.com is asked directly. To ask through a proxy, type `--proxy http://proxy.example:3128` or put it into the variable POSMODED_PROXY.
            http_proxy is set, and posmoded does not go by it: https://api.bitget.com is asked directly. To ask through a proxy, type `--proxy http://proxy.example:3128` or put it into the variable POSMODED_PROXY.
            ALL_PROXY is set, and posmoded does not go by it: https://api.bitget.com is asked directly. To ask through a proxy, type `--proxy http://USER:PASSWORD@proxy.example:3128` or put it into the variable POSMODED_PROXY.
            all_proxy is set, and posmoded does not go by it: https://api.bitget.com is asked directly. To ask through a proxy, type `--proxy http://HOST:PORT`, the one kind that there is, or put it into the variable POSMODED_PROXY.
            https_proxy is set, and posmoded does not go by it: https://api.bitget.com is asked directly. To ask through a proxy, type `--proxy http://HOST:PORT`, the one kind that there is, or put it into the variable POSMODED_PROXY.
            -
            -
            -"#]].assert_eq(&all.join("\n"));
        for loopback in ["http://127.0.0.1:1", "https://localhost:1", "https://[::1]:1"] {
            assert_eq!(told(loopback, set[0]), None, "{loopback}");
        }
    }
}
