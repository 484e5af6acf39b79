//! The statistics against scipy and statsmodels, against simulation, and against what must always hold.
#![allow(clippy::disallowed_methods, reason = "a test measures how long a comparison takes")]

#[path = "statistics/calibration.rs"]
mod calibration;
#[path = "statistics/noise.rs"]
mod noise;
#[path = "statistics/properties.rs"]
mod properties;
#[path = "statistics/reference.rs"]
mod reference;
#[path = "statistics/repetition.rs"]
mod repetition;
#[path = "statistics/worked_example.rs"]
mod worked_example;
