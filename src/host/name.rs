//! What this host is called, asked anew each time: a host may be named after its boot, and renamed while it runs.

/// Where the name of this host comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostName {
    /// The operator says it.
    Given(String),
    /// The kernel has it, as `hostname` prints it.
    Kernel,
}

impl HostName {
    /// The name now. Where the kernel has none, what it writes instead, which no file can say.
    pub fn now(&self) -> String {
        match self {
            HostName::Given(name) => name.clone(),
            // Not from /proc: a service may see only its own processes there.
            HostName::Kernel => match rustix::system::uname().nodename().to_string_lossy().as_ref() {
                "" => "(none)".to_owned(),
                name => name.to_owned(),
            },
        }
    }
}
