//! `git exp pr`

use clap::{Args, Subcommand};
use serde_json::json;

use super::comparing::compared_aside;
use super::github::{address, connect, explained, glance, holds};
use super::handoff::{Place, handoff};
use super::issue_fields::{links, rendered};
use super::issue_subject::Subjects;
use super::issue_update::breaches;
use super::posting::{Ours, hand_on, intend, link_or, take_in};
use super::standing::{again, measured_code, standings};
use super::{Answer, deciding, remotes, selection};
use crate::context::Context;
use crate::domain::decision::Decision;
use crate::domain::entry::Body;
use crate::domain::id::EntryId;
use crate::domain::issue::{self, IssueAct, IssueEvent};
use crate::domain::verdict::Outcome;
use crate::error::Error;
use crate::git::Oid;
use crate::github::NewPull;
use crate::log::{Lock, layout};
use crate::render::comparison::ComparisonFields;
use crate::render::issue::{mark, posted, pull_mark, title, unwritten_mark};
use crate::render::logbook::TopicFields;
use crate::render::text::{command_line, harmless};

/// Hand an experiment that beats the best to people, as a pull request
///
/// Its text has the comparison, the brief and how to reproduce it. It is opened once, whatever fails or is killed, and whichever clone asks.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git exp pr open MOE-HC-004 --dry-run     print what would be posted
  git exp pr open MOE-HC-004               open it, from exp/MOE-HC-004 to the main branch

Exit status: 0 done, or it was open already; 1 something is to be in order first; 2 the request is wrong; 3 GitHub or the way there failed; 4 there is nothing to compare.

JSON: one git-exp/pull-request/1 object.")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Open the pull request of an experiment that was accepted and is the best of its topic
    Open(Open),
}

#[derive(Args, Debug)]
struct Open {
    /// The experiment; that of the current branch when left out
    experiment: Option<String>,

    /// The branch to merge into; the main branch when left out
    #[arg(long, value_name = "BRANCH")]
    base: Option<String>,

    /// Open it as a draft
    #[arg(long)]
    draft: bool,

    /// Open it though it was not accepted, is not shown to be better, or is not the best
    #[arg(long)]
    force: bool,

    /// The remote that is on GitHub
    #[arg(long, value_name = "NAME")]
    remote: Option<String>,

    /// Print what would be posted, and post nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Runs the command.
pub fn run(context: &mut Context, arguments: Arguments) -> Result<Answer, Error> {
    let Action::Open(wanted) = arguments.action;
    open(context, &wanted)
}

fn open(context: &mut Context, wanted: &Open) -> Result<Answer, Error> {
    let _lock = Lock::of_posts(context.log.folders())?;
    let (name, topic) = {
        let mut index = context.log.index()?;
        let state = context.log.state(&mut index)?;
        let (experiment, _) = deciding::registered(context, &state, wanted.experiment.as_deref())?;
        (experiment.name(), experiment.topic().map(ToString::to_string))
    };
    let topic = topic.ok_or_else(|| {
        Error::request(format!("`{name}` belongs to no topic, so it is the best of nothing"))
            .hint("a pull request can be opened by hand; `git exp compare --markdown` makes its table")
    })?;
    let mut subjects = Subjects::read(context, Some(&topic))?;
    let there = address(context, wanted.remote.as_deref())?;
    let remote = remotes::named(context, wanted.remote.as_deref())?;
    let about = name.clone();
    let opened = |it: &&issue::IssueEventOf| {
        it.event.act == IssueAct::Opened && it.event.about.as_deref() == Some(&about)
    };
    let known = |events: &[issue::IssueEventOf]| {
        events.iter().filter(opened).find(|it| it.event.url.is_some()).map(|it| it.event.clone())
    };
    let opened_already = |number, url| {
        let why = Some(format!("the pull request of {name} is open already, or was"));
        Shown { experiment: &name, number, url, why, text: None }
    };
    if let Some(known) = known(&subjects.topic().issue) {
        return opened_already(known.number, known.url).show(context);
    }
    let base = match &wanted.base {
        Some(base) => base.strip_prefix("refs/heads/").unwrap_or(base).to_owned(),
        None => context.main_branch_name(),
    };
    let found = links(context, &remote, &there, &subjects.research, subjects.topic())?;
    let Subjects { index, research, name: topic_name, .. } = &mut subjects;
    let topic = &research.state.topics[&*topic_name];
    let experiment = selection::experiment(&research.state, &name)?;
    let registered = experiment.registered.as_ref().expect("it was looked up as a registered one");
    let branch = layout::experiment_branch(&experiment.id);
    let tip = deciding::commit_of(context, experiment)?.and_then(|tip| Oid::from_hex(tip.as_str()));
    let tip = tip.ok_or_else(|| {
        Error::request(format!("the branch of `{name}` is not here"))
            .hint(format!("git fetch {remote} {branch}"))
    })?;
    let full = format!("refs/heads/{branch}");
    let onto = format!("refs/heads/{base}");
    let there_now = context.repo.refs_of_remote(&remote, &[&full, &onto])?;
    let pushed = |name: &String| there_now.iter().find(|(known, _)| known == name).map(|(_, oid)| *oid);
    check_base(context, &remote, (&base, pushed(&onto)), (&branch, tip))?;
    let said = compared_aside(context, index, &research.state, &name, |comparison| {
        (comparison.outcome, ComparisonFields::from(comparison))
    });
    let (outcome, now) = said?;
    let found_now = standings(context, index, research);
    let best = handoff(context, index, research, topic, &found_now, Place::Anywhere)?.best;
    let comparison = found_now.get(&name).and_then(|it| it.as_ref().ok()).unwrap_or(&now);
    let is_best = best.as_ref().is_some_and(|best| best.name == name);
    let mut against = Vec::new();
    if !wanted.force {
        if experiment.decision() != Some(Decision::Accepted) {
            against.push(format!("{name} is not accepted: git exp decide {name} accept --because \"…\""));
        }
        if outcome != Outcome::Accept {
            against.push(format!("its numbers say `{outcome}`: git exp compare {name}"));
        }
        if let Some(best) = best.filter(|best| best.name != name) {
            against.push(format!("the best of {topic_name} is {}, not {name}", best.name));
        }
        let measured =
            measured_code(research, experiment, Some(comparison)).filter(|oid| context.repo.has_object(*oid));
        if let Some(measured) = measured
            && context.repo.read_commit(measured)?.tree != context.repo.read_commit(tip)?.tree
        {
            let (ran, tip) = (&measured.to_hex()[..8], &tip.to_hex()[..8]);
            against.push(format!(
                "what was compared is {ran}, and {branch} is at {tip}, which is other code: compare what is committed, or commit what was compared"
            ));
        }
        against.extend(breaches(context, index, research, topic_name, &found, &[experiment])?);
    }
    if pushed(&full) != Some(tip) {
        against.push(format!("{branch} was not pushed as it is: git push {remote} {branch}"));
    }
    if !against.is_empty() {
        return deciding::refuse(context, "open a pull request of", &name, &against);
    }
    let brief = &registered.current.brief;
    let fields = research.fields(experiment);
    let page = there.page();
    let again = again(context, index, research, experiment, Some(comparison)).unwrap_or_default();
    let reproduce = format!("git fetch {} {branch}\n{again}", command_line(&[&page]));
    let made = json!({
        "topic": TopicFields::new(&topic.topic, topic.opened),
        "is_best": is_best,
        "experiment": fields,
        "comparison": comparison,
        "reproduce": reproduce,
        "branch": branch,
        "commit": format!("{page}/commit/{tip}"),
        "links": found.there,
        "issue": issue::link(&topic.issue).map(|it| it.url),
    });
    let text = rendered(context, topic, "pull-request.md", made)?;
    let change = brief.change.as_deref().or(brief.hypothesis.as_deref()).unwrap_or_default();
    let heading = title(&format!("{name}: {change}"));
    let pull_mark = pull_mark(&registered.entry);
    let marks =
        |entry: Option<&EntryId>| format!("{pull_mark}\n{}\n", entry.map_or_else(unwritten_mark, mark));
    let rest = format!("the rest is in the log: `git exp show {name}`");
    let text_of = |entry: Option<&EntryId>| posted(&text, &marks(entry), &rest);
    if wanted.dry_run {
        let there = glance(context, wanted.remote.as_deref()).and_then(|connection| {
            let ours = Ours::of(&connection, &topic.issue);
            connection.github.pull_with(&|it| ours.opened(it, &pull_mark)).ok()?
        });
        if let Some(pull) = there {
            let url = Some(link_or(&pull.html_url, || format!("{page}/pull/{}", pull.number)));
            return opened_already(Some(pull.number), url).show(context);
        }
        let text = format!("{heading}\n\n{}", text_of(None));
        return Shown { experiment: &name, number: None, url: None, why: None, text: Some(&text) }
            .show(context);
    }
    let connection = connect(context, wanted.remote.as_deref())?;
    let claim = connection.claim(topic_name.as_str())?;
    let mut events = topic.issue.clone();
    if take_in(context, &connection)? {
        let state = context.log.state(&mut context.log.index()?)?;
        events = state.topics.get(&*topic_name).map(|it| it.issue.clone()).unwrap_or_default();
        if let Some(known) = known(&events) {
            return opened_already(known.number, known.url).show(context);
        }
    }
    let event = IssueEvent {
        about: Some(name.clone()),
        login: connection.login.clone(),
        ..IssueEvent::of(topic_name.clone(), IssueAct::Opened, there.repository())
    };
    let intended = intend(context, &connection, &events, &event)?;
    let text = text_of(Some(&intended));
    let ours = Ours::of(&connection, &events);
    let new = NewPull { title: &heading, text: &text, head: &branch, base: &base, is_draft: wanted.draft };
    let pull = connection
        .github
        .pull_once(&|it| ours.opened(it, &pull_mark), &new, &|| holds(claim.as_ref()))
        .map_err(|error| explained(&error))?;
    let url = link_or(&pull.html_url, || format!("{page}/pull/{}", pull.number));
    let done = IssueEvent { number: Some(pull.number), url: Some(url.clone()), ..event };
    context.append_answer(Body::Issue(done), Some(intended))?;
    hand_on(context, &connection);
    let number = Some(pull.number);
    Shown { experiment: &name, number, url: Some(url), why: None, text: None }.show(context)
}

/// Refuses a branch that GitHub could not merge `head` into, or that it makes no sense to; `there` is where the remote has it.
fn check_base(
    context: &Context,
    remote: &str,
    (base, there): (&str, Option<Oid>),
    (head, tip): (&str, Oid),
) -> Result<(), Error> {
    let shown = harmless(base);
    let main = context.main_branch_name();
    let instead = |error: Error| match base == main {
        true => error.hint("name the branch to merge into: --base <branch>"),
        false => error.hint(format!("leave `--base` out for `{}`", harmless(&main))),
    };
    if base == head {
        let error = Error::request(format!("`{shown}` is the branch that would be merged"));
        return Err(instead(error.because("a branch is not merged into itself")));
    }
    let Some(there) = there else {
        return Err(instead(Error::request(format!("the remote `{remote}` has no branch `{shown}`"))));
    };
    let mut known = vec![there];
    if !context.repo.has_object(there) {
        // It went on since it was fetched, and what it once was tells as much.
        let names = [format!("refs/remotes/{remote}/{base}"), format!("refs/heads/{base}")];
        known = names
            .iter()
            .filter_map(|name| context.repo.read_ref(name).transpose())
            .collect::<Result<_, _>>()?;
    }
    if known.is_empty() {
        let name = command_line(&[base]);
        return Err(Error::request(format!("cannot tell whether `{head}` fits `{shown}`"))
            .because("its commits are not here")
            .hint(format!("git fetch {remote} {name}")));
    }
    for commit in known {
        match context.repo.merge_base(commit, tip)? {
            Some(met) if met == tip => {
                return Err(instead(
                    Error::request(format!("there is nothing to merge into `{shown}`"))
                        .because(format!("it has all that `{head}` has")),
                ));
            }
            Some(_) => return Ok(()),
            None => {}
        }
    }
    if context.repo.is_shallow() {
        // Where they met may have been cut off.
        return Ok(());
    }
    Err(instead(
        Error::request(format!("`{head}` cannot be merged into `{shown}`"))
            .because("the two have no commit in common"),
    ))
}

/// What came of it.
struct Shown<'a> {
    experiment: &'a str,
    number: Option<u64>,
    url: Option<String>,
    /// Why nothing was posted, where nothing was.
    why: Option<String>,
    /// What would be posted, where that was asked for.
    text: Option<&'a str>,
}

impl Shown<'_> {
    fn show(self, context: &mut Context) -> Result<Answer, Error> {
        if context.output.json {
            context.output.object(&json!({
                "schema": "git-exp/pull-request/1",
                "experiment": self.experiment,
                "number": self.number,
                "url": self.url,
                "posted": self.why.is_none() && self.text.is_none(),
                "why": self.why,
                "text": self.text,
            }))?;
            return Ok(Answer::Yes);
        }
        let url = self.url.as_deref().map(harmless).unwrap_or_default();
        match (self.text, &self.why) {
            (Some(text), _) => context.output.text(text)?,
            (None, Some(why)) => context.output.line(&format!("{}: {url}", harmless(why)))?,
            (None, None) => context.output.line(&format!("opened: {url}"))?,
        }
        Ok(Answer::Yes)
    }
}
