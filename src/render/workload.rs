//! Workloads as a table and as JSON.

use serde::Serialize;

use super::Canvas;
use super::table::{Align, Cell, Table};
use crate::workload::Workload;

/// A workload and where it is from.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The file it is from, or `preset`.
    pub source: String,
    /// The workload, or what is wrong with it.
    pub workload: Result<Workload, String>,
}

/// Workloads as a table, in the order in which they are given.
pub fn table(listed: &[Listed], canvas: &Canvas) -> String {
    let mut table = Table::new([
        ("workload", Align::Left),
        ("kind", Align::Left),
        ("from", Align::Left),
        ("what", Align::Left),
    ]);
    for it in listed {
        let (kind, what) = match &it.workload {
            Ok(workload) => (workload.task.kind(), workload.description.clone()),
            Err(problem) => ("–", format!("cannot be read: {problem}")),
        };
        table.push(vec![Cell::new(&it.name), Cell::new(kind), Cell::new(&it.source), Cell::new(what)]);
    }
    table.render(canvas.style, canvas.width)
}

/// A workload as JSON; without `workload` where it cannot be read.
#[derive(Serialize)]
pub struct WorkloadJson<'a> {
    schema: &'static str,
    name: &'a str,
    source: &'a str,
    kind: Option<&'static str>,
    description: Option<&'a str>,
    workload: Option<&'a Workload>,
    problem: Option<&'a str>,
}

impl<'a> From<&'a Listed> for WorkloadJson<'a> {
    fn from(listed: &'a Listed) -> Self {
        let workload = listed.workload.as_ref().ok();
        Self {
            schema: "git-exp/workload/1",
            name: &listed.name,
            source: &listed.source,
            kind: workload.map(|it| it.task.kind()),
            description: workload.map(|it| it.description.as_str()),
            workload,
            problem: listed.workload.as_ref().err().map(String::as_str),
        }
    }
}
