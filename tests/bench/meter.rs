//! What the kernel says of a process's CPU, finely.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// The CPU time of a process, in nanoseconds where the kernel's count by ticks would be too coarse for a short window.
#[derive(Debug)]
pub(crate) struct Meter {
    process: String,
    /// Of every thread that was ever seen, those that have ended too.
    threads: BTreeMap<String, u64>,
}

impl Meter {
    /// Of a process by its number, or `self`.
    pub(crate) fn of(process: &str) -> Meter {
        Meter { process: process.to_owned(), threads: BTreeMap::new() }
    }

    /// What it took so far. A thread that ends loses what it took since the last reading, so read often.
    pub(crate) fn read(&mut self) -> anyhow::Result<Duration> {
        for thread in fs::read_dir(format!("/proc/{}/task", self.process))? {
            let thread = thread?;
            // It may end while we read.
            let Ok(told) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
            let taken = told.split(' ').next().context("no time")?.parse()?;
            self.threads.insert(thread.file_name().to_string_lossy().into_owned(), taken);
        }
        Ok(Duration::from_nanos(self.threads.values().sum()))
    }
}
