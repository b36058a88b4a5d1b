//! A network of a test's own: a hub with the database and the exchange, and hosts, each with a cable to either.
//!
//! All of it are namespaces that end with the test, so nothing of it is seen outside. Its addresses are such as are loopback's
//! elsewhere, for with no others do posmoded and the simulator speak in the clear; in here they belong to the cables. A cable
//! that is cut drops what is sent in both directions and tells nobody, as a switch does that lost its way.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::cluster::{Cluster, Place};

/// What a host is connected with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cable {
    Database,
    Exchange,
}

/// The middle of the network, with a cluster of PostgreSQL in it.
pub(super) struct Hub {
    namespaces: Namespaces,
    pub(super) cluster: &'static Cluster,
    hosts: AtomicU8,
}

/// Where a host is in the network.
pub(super) struct Port {
    namespaces: Namespaces,
    number: u8,
}

/// Namespaces that are there as long as we are.
struct Namespaces(Child);

/// Why there can be no such network here.
pub(super) enum Missing {
    /// This machine does not allow it.
    Denied(String),
    /// A program is not there.
    Program(String),
}

impl Hub {
    pub(super) fn begin() -> Result<Hub, Missing> {
        for program in ["/usr/bin/unshare", "/usr/bin/nsenter"] {
            if !Path::new(program).is_file() {
                return Err(Missing::Program(format!("there is no {program} here (util-linux)")));
            }
        }
        if !PATHS.split(':').any(|directory| Path::new(directory).join("bridge").is_file()) {
            return Err(Missing::Program("there is no `ip` and no `bridge` here (iproute2)".to_owned()));
        }
        let denied = |why: String| Missing::Denied(format!("no networks may be made here: {why}"));
        let namespaces = Namespaces::begin().map_err(denied)?;
        namespaces.run(LOOPBACK).map_err(denied)?;
        for cable in [Cable::Database, Cable::Exchange] {
            let (name, address) = (cable.name(), cable.address(HUB));
            // With an address of its own: it would take that of a port, and lose it with that.
            let bridge = format!("ip link add name {name} address 02:00:00:00:00:01 type bridge");
            let routed = routed(name, address);
            namespaces.run(&format!("{bridge} && {routed}")).map_err(denied)?;
        }
        let network = (Cable::Database.address(HUB).to_string(), "127.1.0.0/16".to_owned());
        let place = Place { through: namespaces.entered(), network: Some(network) };
        let cluster = Cluster::begin_at(place).map_err(Missing::Program)?;
        Ok(Hub { namespaces, cluster: Box::leak(Box::new(cluster)), hosts: AtomicU8::new(0) })
    }

    /// A listener for the exchange.
    pub(super) fn listen(&self) -> TcpListener {
        let network = fs::File::open(format!("/proc/{}/ns/net", self.namespaces.pid())).unwrap();
        // A socket stays in the network in which it was made; the thread that goes there does nothing else.
        let there = std::thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            TcpListener::bind((Cable::Exchange.address(HUB), 0)).unwrap()
        });
        there.join().unwrap()
    }

    /// A port for one more host.
    pub(super) fn port(&self) -> Port {
        let number = self.hosts.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(number < HUB, "as many hosts as there are addresses");
        let namespaces = Namespaces::begin().unwrap();
        namespaces.run(LOOPBACK).unwrap();
        for cable in [Cable::Database, Cable::Exchange] {
            let (name, there) = (cable.name(), namespaces.pid());
            let here = format!("{name}{number}");
            let laid = format!(
                "ip link add name {here} type veth peer name {name} netns {there} && ip link set dev {here} master {name} up"
            );
            self.namespaces.run(&laid).unwrap();
            namespaces.run(&routed(name, cable.address(number))).unwrap();
        }
        Port { namespaces, number }
    }

    /// Cuts a host's cable.
    pub(super) fn cut(&self, port: &Port, cable: Cable) {
        self.switch(port, cable, "disabled");
    }

    /// Mends it.
    pub(super) fn mend(&self, port: &Port, cable: Cable) {
        self.switch(port, cable, "forwarding");
    }

    fn switch(&self, port: &Port, cable: Cable, state: &str) {
        let set = format!("bridge link set dev {}{} state {state}", cable.name(), port.number);
        self.namespaces.run(&set).unwrap();
    }

    /// Runs a shell command in the hub.
    pub(super) fn run(&self, script: &str) {
        self.namespaces.run(script).unwrap();
    }

    /// A file as the hub sees it.
    pub(super) fn inside(&self, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.namespaces.pid())).join(path.strip_prefix("/").unwrap())
    }
}

impl Port {
    /// Where the exchange sees this host.
    pub(super) fn address(&self) -> IpAddr {
        Cable::Exchange.address(self.number).into()
    }

    /// What starts a program on this host, where it is started.
    pub(super) fn entered(&self) -> Vec<String> {
        self.namespaces.entered().into_iter().filter(|word| word != "--mount").collect()
    }
}

impl Cable {
    /// Of the bridge in the hub and of the host's own end.
    fn name(self) -> &'static str {
        match self {
            Cable::Database => "db",
            Cable::Exchange => "ex",
        }
    }

    fn address(self, number: u8) -> Ipv4Addr {
        match self {
            Cable::Database => Ipv4Addr::new(127, 1, 0, number),
            Cable::Exchange => Ipv4Addr::new(127, 2, 0, number),
        }
    }
}

impl Namespaces {
    fn begin() -> Result<Namespaces, String> {
        let mut holder = Command::new("/usr/bin/unshare");
        holder.args(["--net", "--mount", "sh", "-c", "echo made; exec cat >/dev/null"]);
        holder.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = holder.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        if said.is_empty() {
            let output = holder.wait_with_output().unwrap();
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(Namespaces(holder))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn entered(&self) -> Vec<String> {
        let there = self.pid().to_string();
        ["/usr/bin/nsenter", "--net", "--mount", "--target", &there, "--"].map(str::to_owned).to_vec()
    }

    fn run(&self, script: &str) -> Result<(), String> {
        let entered = self.entered();
        let mut command = Command::new(&entered[0]);
        command.args(&entered[1..]).args(["sh", "-c", script]).env("PATH", PATHS).stdin(Stdio::null());
        let output = command.output().unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{script}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // It ends once nobody can write to it any more.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Gives an interface its address, and lets that be routed like others.
fn routed(name: &str, address: Ipv4Addr) -> String {
    format!(
        "echo 1 >/proc/sys/net/ipv4/conf/{name}/route_localnet && ip link set dev {name} up \
         && ip address add {address}/24 scope global dev {name}"
    )
}

/// Of all addresses that are usually loopback's, one is left to it.
const LOOPBACK: &str =
    "ip link set dev lo up && ip address del 127.0.0.1/8 dev lo && ip address add 127.0.0.1/32 dev lo";
/// The last part of the hub's addresses.
const HUB: u8 = 254;
pub(super) const PATHS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
