//! A model of how entries are written and travel, checked in every order in which things can happen.
//!
//! `protocol` says what commands do, in steps between which any other may run, or the power fail. Here stand what must hold in
//! every state that can be reached, and for each safeguard of the protocol a test that the model misses it when it is gone.

mod protocol;

use std::collections::BTreeSet;
use std::thread::available_parallelism;

use protocol::{Entry, FORGED, Job, Mutation, Pull, Push, Refs, Repository, State};
use stateright::{Checker, HasDiscoveries, Model, Property};

/// What happens, and how often at most.
#[derive(Clone, Debug)]
struct Protocol {
    repositories: Vec<Repository>,
    /// How many entries are made, those included that are there at the beginning.
    entries: u8,
    /// In how many clones entries are made.
    appenders: usize,
    /// How many processes the first clone runs at once; the others run one.
    processes: usize,
    crashes: u8,
    collections: u8,
    /// How often the remote shortens or forges a log.
    rewinds: u8,
    /// Whether anything is pushed and pulled.
    is_connected: bool,
    mutation: Mutation,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Append(usize, usize),
    Push(usize, usize),
    Pull(usize, usize),
    /// A process goes on; `is_stale` where it reads refs as they were before they were packed.
    Step {
        place: usize,
        slot: usize,
        is_stale: bool,
    },
    Kill(usize, usize),
    CutPower(usize),
    BeginCollection(usize),
    EndCollection(usize),
    Tend(usize),
    Shorten(u8),
    Forge(u8),
}

impl Protocol {
    /// Whether two processes of a clone, or one and a `git gc`, may get between each other's steps.
    fn is_fine(&self) -> bool {
        self.processes > 1 || self.collections > 0
    }

    fn processes(&self, place: usize) -> usize {
        if place == 0 { self.processes } else { 1 }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let made = self.repositories.iter().flat_map(Repository::entries).max().map_or(0, |it| it + 1);
        vec![State {
            repositories: self.repositories.clone(),
            remote_log: Refs::new(),
            remote_data: Refs::new(),
            made,
            named: 0,
            crashes: self.crashes,
            collections: self.collections,
            rewinds: self.rewinds,
            is_shrunk: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (place, repository) in state.repositories.iter().enumerate() {
            // Which of two equal processes is which makes no difference.
            let free = repository.jobs[..self.processes(place)].iter().position(Option::is_none);
            if let Some(slot) = free {
                if state.made < self.entries && place < self.appenders {
                    actions.push(Action::Append(place, slot));
                }
                if self.is_connected {
                    actions.extend([Action::Push(place, slot), Action::Pull(place, slot)]);
                }
            }
            for slot in (0..self.processes(place)).filter(|slot| repository.jobs[*slot].is_some()) {
                if state.can_step(place, slot, self.mutation) {
                    actions.push(Action::Step { place, slot, is_stale: false });
                    if repository.is_packing() {
                        actions.push(Action::Step { place, slot, is_stale: true });
                    }
                }
                if state.crashes > 0 {
                    actions.push(Action::Kill(place, slot));
                }
            }
            if state.crashes > 0 && !repository.is_idle() {
                actions.push(Action::CutPower(place));
            }
            match repository.is_packing() {
                true => actions.push(Action::EndCollection(place)),
                false if state.collections > 0 => actions.push(Action::BeginCollection(place)),
                false => {}
            }
            if self.collections > 0 && repository.is_idle() && !repository.is_packing() {
                actions.push(Action::Tend(place));
            }
        }
        if state.rewinds > 0 {
            for writer in state.remote_log.keys() {
                actions.extend([Action::Shorten(*writer), Action::Forge(*writer)]);
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let mut start = |place: usize, slot: usize, job| state.repositories[place].jobs[slot] = Some(job);
        match action {
            Action::Append(place, slot) => state.begin_append(place, slot),
            Action::Push(place, slot) => start(place, slot, Job::Push { at: Push::Begun }),
            Action::Pull(place, slot) => start(place, slot, Job::Pull { at: Pull::Begun }),
            Action::Step { place, slot, is_stale } if self.is_fine() => {
                state.step(place, slot, is_stale, self.mutation);
            }
            Action::Step { place, slot, .. } => state.stride(place, slot, self.mutation),
            Action::Kill(place, slot) => {
                state.kill(place, slot);
                state.crashes -= 1;
            }
            Action::CutPower(place) => {
                state.cut_power(place);
                state.crashes -= 1;
            }
            Action::BeginCollection(place) => {
                state.begin_collection(place);
                state.collections -= 1;
            }
            Action::EndCollection(place) => state.end_collection(place),
            Action::Tend(place) => state.tend(place),
            Action::Shorten(writer) => {
                let chain = state.remote_log.get_mut(&writer)?;
                chain.pop();
                if chain.is_empty() {
                    state.remote_log.remove(&writer);
                }
                state.rewinds -= 1;
            }
            Action::Forge(writer) => {
                *state.remote_log.get_mut(&writer)?.last_mut()? = FORGED + state.rewinds;
                state.rewinds -= 1;
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("an acknowledged entry is shown and can be read", |_, state: &State| {
                state.repositories.iter().all(|it| {
                    let entries = it.entries();
                    it.acknowledged.iter().all(|entry| entries.contains(entry) && it.can_read(*entry))
                })
            }),
            Property::always("what was shown once is always shown", |_, state: &State| {
                state.repositories.iter().all(|it| it.shown.is_subset(&it.entries()))
            }),
            Property::always("what was seen of a log only grows", |_, state: &State| !state.is_shrunk),
            Property::always(
                "an entry that was appended here has its data",
                |model: &Self, state: &State| {
                    state.repositories.iter().all(|it| {
                        let data: BTreeSet<Entry> = it.data.values().flatten().copied().collect();
                        // One that nobody was told of loses it where its process died in the middle of a `git gc`.
                        let own: BTreeSet<Entry> = match model.collections {
                            0 => it.log.get(&it.writer).into_iter().flatten().copied().collect(),
                            _ => it.acknowledged.clone(),
                        };
                        own.is_subset(&data)
                    })
                },
            ),
            Property::always("an index that was kept is the one built anew", |_, state: &State| {
                state.repositories.iter().all(|it| it.opened().entries == it.entries())
            }),
            Property::always("an honest remote is not suspected", |model: &Self, state: &State| {
                model.rewinds > 0 || state.repositories.iter().all(|it| !it.is_alarmed)
            }),
            Property::always("a name is given up to a copy only", |model: &Self, state: &State| {
                let writers: BTreeSet<_> = model.repositories.iter().map(|it| it.writer).collect();
                writers.len() < model.repositories.len() || state.named == 0
            }),
            Property::always("all that exchanged everything show the same", |model: &Self, state: &State| {
                if !model.is_connected
                    || model.rewinds > 0
                    || !state.repositories.iter().all(Repository::is_idle)
                {
                    return true;
                }
                let shown: BTreeSet<Entry> =
                    state.repositories.iter().flat_map(Repository::entries).collect();
                let settled = state.settled(model.mutation);
                let is_same = settled.repositories.iter().all(|it| it.entries() == shown);
                is_same && settled.has_pushed_logs() && settled.has_pushed_data()
            }),
        ]
    }
}

/// One clone, two processes at once, with `git gc --prune=now`, kills and power cuts.
fn writing(mutation: Mutation) -> Protocol {
    Protocol {
        repositories: vec![Repository::of(1)],
        entries: 3,
        appenders: 1,
        processes: 2,
        crashes: 1,
        collections: 1,
        rewinds: 0,
        is_connected: false,
        mutation,
    }
}

/// A clone, a copy of it with its `.git`, and one of somebody else.
fn travelling(mutation: Mutation) -> Protocol {
    Protocol {
        repositories: vec![Repository::with(1, vec![0]), Repository::with(1, vec![0])],
        entries: 3,
        appenders: 2,
        processes: 1,
        crashes: 0,
        collections: 0,
        rewinds: 0,
        is_connected: true,
        mutation,
    }
}

/// A clone and a copy of it, one of whose processes is killed or loses its power.
fn interrupted(mutation: Mutation) -> Protocol {
    Protocol {
        repositories: vec![Repository::with(1, vec![0]), Repository::with(1, vec![0])],
        entries: 2,
        crashes: 1,
        ..travelling(mutation)
    }
}

/// Two clones that run two processes each.
fn crowded(mutation: Mutation) -> Protocol {
    Protocol {
        repositories: vec![Repository::with(1, vec![0]), Repository::of(2)],
        entries: 2,
        appenders: 1,
        processes: 2,
        crashes: 0,
        ..travelling(mutation)
    }
}

/// Two clones and a remote that shortens and forges logs.
fn betrayed(mutation: Mutation) -> Protocol {
    Protocol {
        repositories: vec![Repository::with(1, vec![0]), Repository::of(2)],
        entries: 2,
        appenders: 1,
        rewinds: 1,
        ..travelling(mutation)
    }
}

fn explored(protocol: Protocol, end: HasDiscoveries) -> impl Checker<Protocol> {
    let threads = available_parallelism().map_or(1, usize::from);
    protocol.checker().threads(threads).finish_when(end).spawn_bfs().join()
}

/// Every state that can be reached is right; gives how many there are.
#[track_caller]
fn holds(protocol: Protocol) -> usize {
    let checker = explored(protocol, HasDiscoveries::AnyFailures);
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        let last = path.last_state().clone();
        panic!("not so: {property}: after {:#?}\nthere is {last:#?}", path.into_actions());
    }
    checker.unique_state_count()
}

/// Without a safeguard, a state is reached in which `property` does not hold.
#[track_caller]
fn misses(protocol: Protocol, property: &'static str) {
    let checker = explored(protocol, HasDiscoveries::AnyOf([property].into()));
    let is_found = checker.discovery(property).is_some();
    assert!(is_found, "no counter-example among {} states", checker.unique_state_count());
}

#[test]
fn entries_survive_processes_at_once_prunes_and_power_cuts() {
    holds(writing(Mutation::None));
}

#[test]
fn entries_travel_between_clones_and_copies_and_none_is_lost() {
    let states = holds(travelling(Mutation::None));
    assert!(states >= 50_000, "{states} states");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it may take is for whoever starts it to say")]
fn entries_outlive_whatever_dies_in_the_middle() {
    // An append more makes ten times as many states, which take some minutes.
    let entries = std::env::var("GIT_EXP_MODEL_ENTRIES").ok().and_then(|it| it.parse().ok());
    let protocol = interrupted(Mutation::None);
    let states = holds(Protocol { entries: entries.unwrap_or(protocol.entries), ..protocol });
    assert!(states >= 100_000, "{states} states");
}

#[test]
fn processes_at_once_in_one_clone_do_not_disturb_each_other() {
    holds(crowded(Mutation::None));
}

#[test]
fn a_remote_that_shortens_and_forges_takes_nothing_away() {
    holds(betrayed(Mutation::None));
}

#[test]
fn without_the_lock_entries_are_lost_while_refs_are_packed() {
    misses(writing(Mutation::AppendsWithoutLock), "an acknowledged entry is shown and can be read");
}

#[test]
fn without_the_noted_ends_entries_are_lost_while_refs_are_packed() {
    misses(writing(Mutation::AppendsWithoutEnds), "an acknowledged entry is shown and can be read");
}

#[test]
fn without_the_journal_a_prune_or_a_power_cut_takes_entries() {
    misses(writing(Mutation::AppendsWithoutJournal), "an acknowledged entry is shown and can be read");
}

#[test]
fn a_log_that_moves_first_names_data_that_is_not_there() {
    misses(
        Protocol { collections: 0, ..writing(Mutation::LogMovesFirst) },
        "an entry that was appended here has its data",
    );
}

#[test]
fn what_was_seen_would_shrink_if_it_followed_the_remote() {
    misses(betrayed(Mutation::SeenIsForced), "what was seen of a log only grows");
}

#[test]
fn a_copy_that_takes_the_other_log_loses_its_own_entries() {
    misses(travelling(Mutation::DivergedIsReset), "an acknowledged entry is shown and can be read");
}

#[test]
fn a_copy_that_keeps_its_name_never_gets_its_entries_out() {
    misses(travelling(Mutation::DivergedIsTold), "all that exchanged everything show the same");
}

#[test]
fn what_was_listed_before_the_lock_makes_an_honest_remote_suspect() {
    misses(crowded(Mutation::ListsBeforeLock), "an honest remote is not suspected");
}

#[test]
fn data_that_goes_without_its_log_shuts_a_copy_out() {
    misses(travelling(Mutation::DataIsPushedFirst), "all that exchanged everything show the same");
}

#[test]
fn data_that_no_log_names_shuts_a_copy_out() {
    let protocol = Protocol { entries: 3, ..interrupted(Mutation::UnrecordedDataIsPushed) };
    misses(protocol, "all that exchanged everything show the same");
}

#[test]
fn what_a_push_notes_while_a_fetch_asks_makes_an_honest_remote_suspect() {
    misses(crowded(Mutation::TracksWhileFetching), "an honest remote is not suspected");
}

#[test]
fn a_clone_that_gives_way_to_a_forged_log_loses_its_name() {
    misses(betrayed(Mutation::ForgedIsGivenWayTo), "a name is given up to a copy only");
}
