//! `cargo run --release --example simulate -- --days 300`: whole days of the daemon against the simulated exchange, in
//! virtual time, on all cores, while people, the network and the exchange do what they do.
//!
//! Each day has a seed, which is all of it. The first one that fails is told again, to see that it is the same, and made
//! small: the fewest accounts, acts and hours in which it still fails. What was done is counted, and a run of some days
//! fails too if something was never done. It stands beside the tests because it is made of their modules.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_collect,
    clippy::needless_pass_by_value,
    unreachable_pub,
    missing_docs,
    reason = "it shares the world of the tests, and does not need all of it"
)]

mod chaos;
#[path = "../cluster.rs"]
mod cluster;
mod world;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

use chaos::plan::{Part, Plan, Size};
use chaos::schedule::NAMES;
use chaos::{Failed, Tally, extent, shrink, tell};

/// Whole days of the daemon against the simulated exchange.
#[derive(Parser)]
struct Options {
    /// How many days.
    #[arg(long, default_value_t = 1)]
    days: u64,
    /// The seed of the first one; the others follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many accounts each has.
    #[arg(long, default_value_t = NAMES.len(), value_parser = accounts)]
    accounts: usize,
    /// How many hours each has.
    #[arg(long, default_value_t = 24)]
    hours: u64,
    /// On so many threads; without it, on all cores.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Write what happened into the README's table.
    #[arg(long)]
    readme: bool,
    /// Of a day made small: only these accounts, by their numbers, such as `0,3`.
    #[arg(long, value_parser = numbers)]
    only: Option<Numbers>,
    /// Of a day made small: only these acts, by their numbers; `none` for none.
    #[arg(long, value_parser = numbers)]
    acts: Option<Numbers>,
    /// Of a day made small: no longer wait between two acts, in seconds.
    #[arg(long)]
    gap: Option<u64>,
}

/// A type of its own, for clap takes a set for an option that may be given several times.
#[derive(Debug, Clone)]
struct Numbers(BTreeSet<usize>);

fn main() -> ExitCode {
    // What fails is told at the end, once, and small.
    std::panic::set_hook(Box::new(|panic| PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()))));
    let options = Options::parse();
    let (began, run) = (Instant::now(), Run::new(&options));
    let threads =
        options.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| run.work())).collect();
        let mut told = Instant::now();
        while workers.iter().any(|worker| !worker.is_finished()) {
            thread::sleep(Duration::from_millis(50));
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                run.progress(began, threads);
            }
        }
    });
    let done = run.done.into_inner().expect("no thread panicked");
    if let Some(plan) = done.failed {
        make_small(&plan);
        return ExitCode::FAILURE;
    }
    println!("{}", done.tally);
    #[expect(clippy::cast_precision_loss, reason = "a day has fewer milliseconds than that")]
    let each = done.spent.as_secs_f64() / done.days.max(1) as f64;
    println!(
        "{} days of {} hours and {} accounts held, in {} s on {threads} threads: {each:.2} s of one core each",
        done.days,
        options.hours,
        options.accounts,
        began.elapsed().as_secs()
    );
    let missing = done.tally.missing_of_all();
    if options.days >= MANY && !missing.is_empty() {
        println!("but that says little, for none of this happened: {missing:?}");
        return ExitCode::FAILURE;
    }
    if options.readme && !write_readme(&done.tally.table(done.days, options.accounts)) {
        eprintln!("README.md lacks the two markers of the table, or cannot be written");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Whether the table stands in the README now.
fn write_readme(table: &str) -> bool {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let Ok(readme) = std::fs::read_to_string(path) else { return false };
    let Some((before, rest)) = readme.split_once(BEGIN) else { return false };
    let Some((_, after)) = rest.split_once(END) else { return false };
    std::fs::write(path, format!("{before}{BEGIN}\n\n{table}\n{END}{after}")).is_ok()
}

/// All days of a run, and how far they are.
struct Run {
    seeds: std::ops::Range<u64>,
    size: Size,
    part: Part,
    next: AtomicU64,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    days: u64,
    spent: Duration,
    tally: Tally,
    failed: Option<Plan>,
}

impl Run {
    fn new(options: &Options) -> Run {
        let Options { days, seed, accounts, hours, threads: _, readme: _, only, acts, gap } = options;
        let set = |numbers: &Option<Numbers>| numbers.clone().map(|Numbers(numbers)| numbers);
        Run {
            seeds: *seed..seed.saturating_add(*days),
            size: Size::Long { accounts: *accounts, hours: *hours },
            part: Part { accounts: set(only), acts: set(acts), gap: gap.map(Duration::from_secs) },
            next: AtomicU64::new(*seed),
            done: Mutex::default(),
        }
    }

    /// Tells one day after the other until there is none left, or one has failed.
    fn work(&self) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if !self.seeds.contains(&seed) || self.done.lock().expect("no panic").failed.is_some() {
                return;
            }
            let plan = Plan { part: self.part.clone(), ..Plan::whole(seed, self.size) };
            let began = on_a_core();
            let told = tell(&plan);
            let mut done = self.done.lock().expect("no panic");
            match told {
                Ok(legacy) => {
                    done.days += 1;
                    done.spent += on_a_core().saturating_sub(began);
                    done.tally.add(&legacy.tally);
                }
                // Of two that fail at the same time the first one counts.
                Err(_) if done.failed.as_ref().is_none_or(|failed| seed < failed.seed) => {
                    done.failed = Some(plan);
                }
                Err(_) => {}
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "it is shown to a human")]
    fn progress(&self, began: Instant, threads: usize) {
        let done = self.done.lock().expect("no panic");
        let all = self.seeds.end - self.seeds.start;
        let each = began.elapsed().as_secs_f64() / done.days as f64;
        let rest = if done.days > 0 {
            format!(", about {:.0} s more", each * (all - done.days) as f64)
        } else {
            String::new()
        };
        eprintln!("{} of {all} days on {threads} threads{rest}", done.days);
    }
}

/// Tells a day that failed once more, then as little of it as still fails, and says how to tell that again.
fn make_small(whole: &Plan) {
    let seed = whole.seed;
    println!("the day with seed {seed} fails; it is told once more: {}", command(whole));
    let first = told_by_itself(whole);
    let Some((failed, _)) = &first else {
        println!("the second time it did not fail: a story depends on something beside its seed");
        return;
    };
    println!("it fails again: {}", failed.why.lines().next().unwrap_or_default());
    let small = if whole.part == Part::default() { smaller(whole, failed) } else { whole.clone() };
    match told_by_itself(&small).or(first) {
        Some((failed, panics)) => {
            println!("{}\n\nwhat panicked:\n{}\n", failed.why, panics.join("\n"));
            println!("what was done:\n{}\nthe last lines:\n{}\n", failed.acts, failed.last(LINES));
        }
        None => println!("told once more it does not fail: a story depends on something beside its plan"),
    }
    println!("told once more by: {}", command(&small));
}

/// As little of it as still fails alike.
fn smaller(whole: &Plan, failed: &Failed) -> Plan {
    let (accounts, acts) = extent(whole);
    let (began, mut stories) = (Instant::now(), 0);
    let small = shrink::smallest(whole, accounts, acts, &mut |plan| {
        if began.elapsed() > MAKING_SMALL {
            return false;
        }
        stories += 1;
        let fails = told_by_itself(plan).is_some_and(|(smaller, _)| smaller.rule() == failed.rule());
        if fails {
            let count = |part: &Option<BTreeSet<usize>>| part.as_ref().map_or(0, BTreeSet::len);
            let (accounts, acts) = (count(&plan.part.accounts), count(&plan.part.acts));
            eprintln!("it still fails with {acts} acts and {accounts} accounts");
        }
        fails
    });
    println!("made small in {} s, {stories} stories:\n", began.elapsed().as_secs());
    small
}

/// How long this thread has run, without the time in which others had its core.
fn on_a_core() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// A story that fails, and everything that panicked in it.
fn told_by_itself(plan: &Plan) -> Option<(Failed, Vec<String>)> {
    PANICS.take();
    tell(plan).err().map(|failed| (failed, PANICS.take()))
}

/// What tells this story.
fn command(plan: &Plan) -> String {
    let Plan { seed, size, part: Part { accounts, acts, gap } } = plan;
    let mut flags = vec![format!("--seed {seed}")];
    if let Size::Long { accounts, hours } = size {
        flags.push(format!("--accounts {accounts} --hours {hours}"));
    }
    for (flag, numbers) in [("only", accounts), ("acts", acts)] {
        if let Some(numbers) = numbers {
            let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
            let numbers = if numbers.is_empty() { NONE.to_owned() } else { numbers.join(",") };
            flags.push(format!("--{flag} {numbers}"));
        }
    }
    flags.extend(gap.map(|gap| format!("--gap {}", gap.as_secs())));
    format!("cargo run --release --example simulate -- {}", flags.join(" "))
}

fn accounts(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=NAMES.len()).contains(count));
    count.ok_or_else(|| format!("from 1 to {}", NAMES.len()))
}

fn numbers(text: &str) -> Result<Numbers, String> {
    if text == NONE {
        return Ok(Numbers(BTreeSet::new()));
    }
    let numbers: Result<BTreeSet<usize>, _> = text.split(',').map(str::parse).collect();
    numbers.map(Numbers).map_err(|_| "numbers with commas between them".to_owned())
}

thread_local! {
    /// What panicked in the stories of this thread, keepers too.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

const BEGIN: &str =
    "<!-- reliability: begin, written by `cargo run --release --example simulate -- --days 300 --readme` -->";
const END: &str = "<!-- reliability: end -->";
const NONE: &str = "none";
/// How often it is said how far it is.
const PROGRESS: Duration = Duration::from_secs(10);
/// How long a story is made smaller at most.
const MAKING_SMALL: Duration = Duration::from_secs(600);
/// In so many days everything happens.
const MANY: u64 = 20;
/// How many lines are shown of a story that fails.
const LINES: usize = 60;
