//! `git exp`: an experiment tracker whose only database is the Git repository you already have.

pub mod cli;
pub mod commands;
pub mod config;
pub mod context;
pub mod domain;
pub mod error;
pub mod git;
pub mod github;
pub mod log;
pub mod render;
pub mod runner;
pub mod workload;
