//! `git exp`: an experiment tracker whose only database is the Git repository you already have.

pub mod config;
pub mod domain;
pub mod git;
pub mod log;
pub mod render;
