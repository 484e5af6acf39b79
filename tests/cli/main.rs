//! The program as a user meets it: one module per command, one test binary for all.
#![allow(clippy::disallowed_methods, reason = "tests start programs and look at files")]

#[path = "../lab/mod.rs"]
mod lab;

mod actions;
mod bad_input;
mod bench;
mod budget;
mod check;
mod compare;
mod connection;
mod datasets;
mod decide;
mod documents;
mod evaluation;
mod export;
mod file_rules;
mod fsck;
mod gate;
mod github;
mod handoff;
mod help;
mod hostile;
mod http;
mod ideas;
mod logbook;
mod net;
mod pairs;
mod posting;
mod privacy;
mod purge;
mod repositories;
mod repro;
mod run;
mod schedules;
mod seal;
mod secrets;
mod story;
mod survival;
mod sync;
mod topic;
