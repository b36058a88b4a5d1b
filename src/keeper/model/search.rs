//! Visits every reachable state once, breadth first; finds the shortest way to a broken invariant; and checks that from
//! every state a way without faults leads to in sync, and stays there.
//!
//! States are stored as 64-bit fingerprints: among a million, the chance that two share one is 1 in 30 million.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::invariants::{Broken, Invariant, Unwatched, is_converged};
use super::keeper::{decide, most_urgent};
use super::moves::{Move, after, moves};
use super::mutation::Mutation;
use super::world::World;
use crate::protocol::{Look, Reason, Record, Step, Withdrawn};

/// The result of a search.
pub(super) struct Outcome {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// What the keeper did at least once.
    pub(super) acts: BTreeSet<&'static str>,
    /// The first invariant found broken, with the shortest way to it.
    pub(super) broken: Option<Counterexample>,
}

/// How an invariant was broken.
pub(super) struct Counterexample {
    pub(super) invariant: Invariant,
    /// The moves from the start, one a line, and what broke.
    pub(super) story: String,
    /// How many moves these are.
    pub(super) steps: usize,
    /// The state before it broke.
    pub(super) world: World,
}

/// Searches all states that can be reached from `start`, until an invariant is broken.
pub(super) fn search(start: &World, mutation: Mutation, unwatched: Unwatched) -> Outcome {
    let mut graph = Graph::new(start, mutation, unwatched);
    let mut queue = VecDeque::from([(0, start.clone())]);
    while let Some((id, world)) = queue.pop_front() {
        for step in moves(&world, mutation) {
            graph.transitions += 1;
            if let Move::Act { by, target } = step {
                graph.acts.insert(name(&decide(&world.seen_by(by), target, mutation)));
            }
            let stays = |reached: &World| {
                unwatched == Some(Invariant::Converges)
                    || step.is_fault()
                    || !is_converged(&world)
                    || is_converged(reached)
            };
            match after(&world, step, mutation, unwatched) {
                Ok(reached) if stays(&reached) => queue.extend(graph.arrive(id, step, reached)),
                Ok(_) => {
                    return graph.outcome(Some((id, Some(step), not_converging("it does not stay in sync"))));
                }
                Err(broken) => return graph.outcome(Some((id, Some(step), broken))),
            }
        }
    }
    let stuck = graph.first_without_a_way().filter(|_| unwatched != Some(Invariant::Converges));
    graph.outcome(
        stuck.map(|id| (id, None, not_converging("no way without faults leads from here to in sync"))),
    )
}

fn not_converging(how: &str) -> Broken {
    Broken { invariant: Invariant::Converges, how: how.to_owned() }
}

type Id = u32;

/// The states reached so far, with what is needed to print a story and to walk backwards.
struct Graph<'a> {
    start: &'a World,
    mutation: Mutation,
    unwatched: Unwatched,
    known: HashMap<u64, Id>,
    /// The state and the move by which each state was first reached; `None` for the start.
    came_from: Vec<Option<(Id, Move)>>,
    converged: Vec<Id>,
    /// The transitions without faults, backwards: (to, from).
    backwards: Vec<(Id, Id)>,
    transitions: usize,
    acts: BTreeSet<&'static str>,
}

impl<'a> Graph<'a> {
    fn new(start: &'a World, mutation: Mutation, unwatched: Unwatched) -> Graph<'a> {
        let known = HashMap::from([(fingerprint(start), 0)]);
        Graph {
            start,
            mutation,
            unwatched,
            known,
            came_from: vec![None],
            converged: Vec::new(),
            backwards: Vec::new(),
            transitions: 0,
            acts: BTreeSet::new(),
        }
    }

    /// Stores a transition; returns the state if it is a new one.
    fn arrive(&mut self, from: Id, step: Move, world: World) -> Option<(Id, World)> {
        let new = Id::try_from(self.came_from.len()).expect("so many states fit no memory");
        let id = *self.known.entry(fingerprint(&world)).or_insert(new);
        if !step.is_fault() {
            self.backwards.push((id, from));
        }
        if id != new {
            return None;
        }
        self.came_from.push(Some((from, step)));
        if is_converged(&world) {
            self.converged.push(id);
        }
        Some((id, world))
    }

    /// The state nearest to the start from which no transitions without faults lead to a converged one.
    fn first_without_a_way(&mut self) -> Option<Id> {
        self.backwards.sort_unstable();
        let mut has_a_way = vec![false; self.came_from.len()];
        let mut todo = self.converged.clone();
        while let Some(id) = todo.pop() {
            if std::mem::replace(&mut has_a_way[id as usize], true) {
                continue;
            }
            let first = self.backwards.partition_point(|(to, _)| *to < id);
            let into = self.backwards[first..].iter().take_while(|(to, _)| *to == id);
            todo.extend(into.map(|(_, from)| *from).filter(|from| !has_a_way[*from as usize]));
        }
        has_a_way.iter().position(|way| !way).and_then(|id| Id::try_from(id).ok())
    }

    fn outcome(&self, broken: Option<(Id, Option<Move>, Broken)>) -> Outcome {
        let broken = broken.map(|(at, last, broken)| self.story(at, last, &broken));
        Outcome {
            states: self.came_from.len(),
            transitions: self.transitions,
            acts: self.acts.clone(),
            broken,
        }
    }

    /// The way to a state, line by line, found by walking it again.
    fn story(&self, at: Id, last: Option<Move>, broken: &Broken) -> Counterexample {
        let mut way = Vec::new();
        let mut id = at;
        while let Some((from, step)) = self.came_from[id as usize] {
            way.push(step);
            id = from;
        }
        let mut world = self.start.clone();
        let mut lines = Vec::new();
        for step in way.into_iter().rev() {
            lines.push(tell(&world, step, self.mutation));
            world = after(&world, step, self.mutation, self.unwatched).expect("it was walked before");
        }
        lines.extend(last.map(|step| tell(&world, step, self.mutation)));
        let steps = lines.len();
        lines.push(broken.to_string());
        Counterexample { invariant: broken.invariant, story: lines.join("\n"), steps, world }
    }
}

/// One line of a story: what happens, and what the keeper had decided.
fn tell(world: &World, step: Move, mutation: Mutation) -> String {
    match step {
        Move::Act { by, target } | Move::LoseLook { by, target } | Move::LookOddly { by, target, odd: _ } => {
            format!("  {step}: {:?}", decide(&world.seen_by(by), target, mutation))
        }
        Move::Wait => {
            let rests = world.processes().iter().map(|who| most_urgent(&world.seen_by(*who), mutation).1);
            format!("  {step}: {:?}", rests.collect::<Vec<_>>())
        }
        Move::Receive { .. }
        | Move::Handle { .. }
        | Move::Close { .. }
        | Move::Mend
        | Move::Backup { .. }
        | Move::LoseAnswer { .. }
        | Move::AnswerOddly { .. }
        | Move::Stall(_)
        | Move::Assign
        | Move::See { .. }
        | Move::Stop { .. }
        | Move::Continue { .. }
        | Move::Doubt
        | Move::Surface
        | Move::Vanish
        | Move::FailOver
        | Move::Kill { .. }
        | Move::Restore { .. }
        | Move::Reject
        | Move::Edit { .. }
        | Move::Flip { .. }
        | Move::Open { .. } => format!("  {step}"),
    }
}

/// Two processes are alike: which of them sees the world makes no difference.
fn fingerprint(world: &World) -> u64 {
    let prints = world.processes().iter().map(|who| {
        let mut hasher = DefaultHasher::new();
        world.seen_by(*who).hash(&mut hasher);
        hasher.finish()
    });
    prints.min().expect("there is a process")
}

/// What a step is, without its particulars.
fn name(step: &Step) -> &'static str {
    match step {
        Step::LookAtHost => "look at the host",
        Step::Look(Look::Clock) => "look at the clock",
        Step::Look(Look::Kind) => "look at the kind",
        Step::Look(Look::Account) => "look at the account",
        Step::Look(Look::Mode) => "look at the mode",
        Step::Look(Look::List(_)) => "look at a list",
        Step::Look(Look::Open(_)) => "look at what is open",
        Step::Note(_) => "note",
        Step::Send => "send",
        Step::Withdraw(Withdrawn::Revision) => "withdraw: revision",
        Step::Withdraw(Withdrawn::Elsewhere) => "withdraw: elsewhere",
        Step::Withdraw(Withdrawn::Forbidden(Reason::File)) => "withdraw: file",
        Step::Withdraw(Withdrawn::Forbidden(Reason::Window)) => "withdraw: window",
        Step::Withdraw(Withdrawn::Forbidden(_)) => "withdraw: forbidden",
        Step::Withdraw(Withdrawn::Requirement) => "withdraw: requirement",
        Step::Withdraw(Withdrawn::TooLate) => "withdraw: too late",
        Step::Withdraw(Withdrawn::Stopping) => "withdraw: stopping",
        Step::Withdraw(Withdrawn::SharedKey) => "withdraw: shared key",
        Step::Withdraw(Withdrawn::WrongAccount) => "withdraw: wrong account",
        Step::Record(Record::Applied(_)) => "record: applied",
        Step::Record(Record::Confirmed) => "record: confirmed",
        Step::Record(Record::Unconfirmed) => "record: unconfirmed",
        Step::Record(Record::Refused(_)) => "record: refused",
        Step::Record(Record::NotSent(_)) => "record: not sent",
        Step::Record(Record::Resolved { took_effect: true }) => "record: took effect",
        Step::Record(Record::Resolved { took_effect: false }) => "record: no effect",
        Step::Record(Record::Late(_)) => "record: late",
        Step::Record(Record::NotClosed(_)) => "record: not closed",
        Step::Rest(_) => "rest",
    }
}
