//! `git exp`: an experiment tracker whose only database is the Git repository you already have.

pub mod domain;
pub mod runner;
