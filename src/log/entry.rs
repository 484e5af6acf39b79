//! Entries to stored bytes and back.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::wire;
use crate::domain::brief::{Brief, Budget};
use crate::domain::criterion::Criterion;
use crate::domain::decision::{BaselineMove, Decision, Evidence, Look, Opinion, Review, Ruling};
use crate::domain::entry::{Body, Entry, FileEntry, FileList, Identity, Note, NoteSort, Registration};
use crate::domain::id::{EntryId, Nonce, ObjectName, Writer};
use crate::domain::idea::{Idea, Rating};
use crate::domain::issue::{IssueAct, IssueEvent, Post};
use crate::domain::metric::{Better, Kind, Value};
use crate::domain::reproduction::{self, Judgement, Reproduction, Surrounding, Target};
use crate::domain::rule_override::RuleOverride;
use crate::domain::run::{
    Code, Exit, Input, LargeFile, Load, Malformed, Membership, Pair, PairSide, Run, Status, Truncated,
};
use crate::domain::smoke::Smoke;
use crate::domain::statistics::Interval;
use crate::domain::topic::{Closing, EvaluationPin, Phase, Topic};
use crate::domain::verdict::Outcome;
use crate::domain::withdrawal::{Dropped, Part, Results, Withdrawal, Withdrawn};

/// An entry that has no identity yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The clone that appends it.
    pub writer: Writer,
    /// What makes it unlike any other.
    pub nonce: Nonce,
    /// When it is appended.
    pub time: Timestamp,
    /// Who appends it.
    pub by: Identity,
    /// The entries it takes the place of.
    pub replaces: Vec<EntryId>,
    /// The entry it answers.
    pub answers: Option<EntryId>,
    /// The tips of others' logs that were seen since the last entry.
    pub seen: BTreeMap<Writer, ObjectName>,
    /// What it says.
    pub body: Body,
}

/// The bytes that are stored for `draft` with `files`, for ever, and the identity they give it.
pub fn encode(draft: Draft, files: Option<FileList>) -> (Vec<u8>, Entry) {
    let entry = wire::Entry {
        schema: wire::SCHEMA.to_owned(),
        kind: draft.body.kind().to_owned(),
        writer: draft.writer.to_string(),
        nonce: draft.nonce.to_hex(),
        time: draft.time.to_string(),
        by: wire::Identity { name: draft.by.name.clone(), email: draft.by.email.clone() },
        replaces: draft.replaces.iter().map(EntryId::to_hex).collect(),
        answers: draft.answers.as_ref().map(EntryId::to_hex),
        seen: draft.seen.iter().map(|(writer, tip)| (writer.to_string(), tip.to_string())).collect(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        files: files.as_ref().map(|list| wire::Files {
            tree: list.tree.to_string(),
            list: list
                .files
                .iter()
                .map(|file| wire::File((&file.name).into(), file.bytes, file.blake3.clone()))
                .collect(),
        }),
        body: encode_body(&draft.body),
    };
    let bytes = serde_json::to_vec(&entry).expect("an entry holds nothing that JSON cannot");
    let id = EntryId(*blake3::hash(&bytes).as_bytes());
    let entry = Entry {
        id,
        writer: draft.writer,
        nonce: draft.nonce,
        time: draft.time,
        by: draft.by,
        replaces: draft.replaces,
        answers: draft.answers,
        files,
        body: draft.body,
    };
    (bytes, entry)
}

fn encode_body(body: &Body) -> Box<RawValue> {
    let raw = match body {
        Body::Topic(topic) => serde_json::value::to_raw_value(&encode_topic(topic)),
        Body::Brief(registration) => serde_json::value::to_raw_value(&encode_brief(registration)),
        Body::Run(run) => serde_json::value::to_raw_value(&encode_run(run)),
        Body::Note(note) => serde_json::value::to_raw_value(&encode_note(note)),
        Body::Decision(ruling) => serde_json::value::to_raw_value(&encode_decision(ruling)),
        Body::Baseline(it) => serde_json::value::to_raw_value(&encode_baseline(it)),
        Body::Review(review) => serde_json::value::to_raw_value(&encode_review(review)),
        Body::Look(look) => serde_json::value::to_raw_value(&encode_look(look)),
        Body::Idea(idea) => serde_json::value::to_raw_value(&encode_idea(idea)),
        Body::Rating(rating) => serde_json::value::to_raw_value(&encode_rating(rating)),
        Body::Override(it) => serde_json::value::to_raw_value(&encode_override(it)),
        Body::Smoke(smoke) => serde_json::value::to_raw_value(&encode_smoke(smoke)),
        Body::Reproduction(it) => serde_json::value::to_raw_value(&encode_reproduction(it)),
        Body::Withdrawal(it) => serde_json::value::to_raw_value(&encode_withdrawal(it)),
        Body::Issue(it) => serde_json::value::to_raw_value(&encode_issue(it)),
        Body::Unreadable { problem, .. } => serde_json::value::to_raw_value(problem),
    };
    raw.expect("an entry holds nothing that JSON cannot")
}

/// The entry that `bytes` hold; whatever is wrong with them, its ID is that of the bytes.
///
/// `fallback_writer` names the log it was read from, for an entry too damaged to name its own.
pub fn decode(bytes: &[u8], fallback_writer: &Writer) -> Entry {
    let id = EntryId(*blake3::hash(bytes).as_bytes());
    decode_as(bytes, id).unwrap_or_else(|(kind, problem)| Entry {
        id,
        writer: fallback_writer.clone(),
        nonce: Nonce([0; 16]),
        time: Timestamp::UNIX_EPOCH,
        by: Identity::default(),
        replaces: Vec::new(),
        answers: None,
        files: None,
        body: Body::Unreadable { kind, problem },
    })
}

type Problem = (Option<String>, String);

fn decode_as(bytes: &[u8], id: EntryId) -> Result<Entry, Problem> {
    let entry: wire::Entry<&RawValue> =
        serde_json::from_slice(bytes).map_err(|error| (None, format!("it is not an entry: {error}")))?;
    let kind = entry.kind;
    let wrong = |problem: String| (Some(kind.clone()), problem);
    let body = if entry.schema == wire::SCHEMA {
        decode_body(&kind, entry.body).map_err(wrong)?
    } else {
        Body::Unreadable {
            kind: Some(kind.clone()),
            problem: format!("its schema `{}` is not known to this version", entry.schema),
        }
    };
    let files = entry
        .files
        .map(|files| {
            Ok::<_, String>(FileList {
                tree: parse(&files.tree)?,
                files: files
                    .list
                    .into_iter()
                    .map(|wire::File(name, bytes, blake3)| FileEntry { name: name.into(), bytes, blake3 })
                    .collect(),
            })
        })
        .transpose()
        .map_err(wrong)?;
    Ok(Entry {
        id,
        writer: parse(&entry.writer).map_err(wrong)?,
        nonce: parse(&entry.nonce).map_err(wrong)?,
        time: parse(&entry.time).map_err(wrong)?,
        by: Identity { name: entry.by.name, email: entry.by.email },
        replaces: entry.replaces.iter().map(|id| parse(id)).collect::<Result<_, _>>().map_err(wrong)?,
        answers: entry.answers.as_deref().map(parse).transpose().map_err(wrong)?,
        files,
        body,
    })
}

fn decode_body(kind: &str, raw: &RawValue) -> Result<Body, String> {
    fn read<'a, T: serde::Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
        serde_json::from_str(raw.get()).map_err(|error| error.to_string())
    }
    match kind {
        "topic" => decode_topic(read(raw)?).map(Body::Topic),
        "brief" => decode_brief(read(raw)?).map(Body::Brief),
        "run" => decode_run(read(raw)?).map(|run| Body::Run(Box::new(run))),
        "note" => decode_note(read(raw)?).map(Body::Note),
        "decision" => decode_decision(read(raw)?).map(Body::Decision),
        "baseline" => decode_baseline(read(raw)?).map(Body::Baseline),
        "review" => decode_review(read(raw)?).map(Body::Review),
        "look" => decode_look(read(raw)?).map(Body::Look),
        "idea" => decode_idea(read(raw)?).map(Body::Idea),
        "rating" => decode_rating(read(raw)?).map(Body::Rating),
        "override" => decode_override(read(raw)?).map(Body::Override),
        "smoke" => decode_smoke(read(raw)?).map(Body::Smoke),
        "reproduction" => decode_reproduction(read(raw)?).map(|it| Body::Reproduction(Box::new(it))),
        "withdrawal" => decode_withdrawal(read(raw)?).map(Body::Withdrawal),
        "issue" => decode_issue(read(raw)?).map(Body::Issue),
        _ => Ok(Body::Unreadable {
            kind: Some(kind.to_owned()),
            problem: format!("its kind `{kind}` is not known to this version"),
        }),
    }
}

fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}

fn word<T>(from_word: impl Fn(&str) -> Option<T>, text: &str) -> Result<T, String> {
    from_word(text).ok_or_else(|| format!("`{text}` is not a word known here"))
}

fn encode_budget(budget: &Budget) -> wire::Budget {
    wire::Budget {
        wall_seconds: budget.wall_seconds,
        accelerator_seconds: budget.accelerator_seconds,
        runs: budget.runs,
    }
}

fn decode_budget(budget: &wire::Budget) -> Budget {
    Budget {
        wall_seconds: budget.wall_seconds,
        accelerator_seconds: budget.accelerator_seconds,
        runs: budget.runs,
    }
}

fn encode_criteria(criteria: &[Criterion]) -> Vec<String> {
    criteria.iter().map(Criterion::to_string).collect()
}

fn decode_criteria(criteria: &[String]) -> Result<Vec<Criterion>, String> {
    criteria.iter().map(|text| parse(text)).collect()
}

fn encode_topic(topic: &Topic) -> wire::Topic {
    wire::Topic {
        topic: topic.name.to_string(),
        prefix: topic.prefix.as_ref().map(ToString::to_string),
        goal: topic.goal.clone(),
        accept: encode_criteria(&topic.accept),
        guard: encode_criteria(&topic.guard),
        budget: encode_budget(&topic.budget),
        baselines: topic.baselines.clone(),
        stop: topic.stop.clone(),
        scope: topic.scope.clone(),
        links: topic.links.clone(),
        problem: topic.problem.clone(),
        constraints: topic.constraints.clone(),
        success: topic.success.clone(),
        hypotheses: topic.hypotheses.clone(),
        matrix: topic.matrix.clone(),
        code: topic.code.clone(),
        phases: topic.phases.iter().map(encode_phase).collect(),
        no_guard: topic.no_guard.clone(),
        trials: topic.trials,
        evaluation: topic
            .evaluation
            .as_ref()
            .map(|pin| wire::EvaluationPin { paths: pin.paths.clone(), digest: pin.digest.clone() }),
        closing: topic.closing.as_ref().map(encode_closing),
    }
}

fn decode_topic(topic: wire::Topic) -> Result<Topic, String> {
    Ok(Topic {
        name: parse(&topic.topic)?,
        prefix: topic.prefix.as_deref().map(parse).transpose()?,
        goal: topic.goal,
        accept: decode_criteria(&topic.accept)?,
        guard: decode_criteria(&topic.guard)?,
        budget: decode_budget(&topic.budget),
        baselines: topic.baselines,
        stop: topic.stop,
        scope: topic.scope,
        links: topic.links,
        problem: topic.problem,
        constraints: topic.constraints,
        success: topic.success,
        hypotheses: topic.hypotheses,
        matrix: topic.matrix,
        code: topic.code,
        phases: topic
            .phases
            .into_iter()
            .map(|it| Phase { name: it.name, goal: it.goal, until: it.until })
            .collect(),
        no_guard: topic.no_guard,
        trials: topic.trials,
        evaluation: topic.evaluation.map(|pin| EvaluationPin { paths: pin.paths, digest: pin.digest }),
        closing: topic.closing.map(|it| Closing {
            worked: it.worked,
            failed: it.failed,
            limits: it.limits,
            next: it.next,
            retrospective: it.retrospective,
        }),
    })
}

fn encode_phase(phase: &Phase) -> wire::Phase {
    wire::Phase { name: phase.name.clone(), goal: phase.goal.clone(), until: phase.until.clone() }
}

fn encode_closing(closing: &Closing) -> wire::Closing {
    wire::Closing {
        worked: closing.worked.clone(),
        failed: closing.failed.clone(),
        limits: closing.limits.clone(),
        next: closing.next.clone(),
        retrospective: closing.retrospective.clone(),
    }
}

fn encode_idea(idea: &Idea) -> wire::Idea {
    wire::Idea {
        number: idea.number,
        first: idea.first.as_ref().map(EntryId::to_hex),
        topic: idea.topic.as_ref().map(ToString::to_string),
        title: idea.title.clone(),
        hypothesis: idea.hypothesis.clone(),
        mechanism: idea.mechanism.clone(),
        sources: idea.sources.clone(),
        effect: idea.effect.as_ref().map(ToString::to_string),
        cost_seconds: idea.cost_seconds,
        dropped: idea.dropped.clone(),
    }
}

fn decode_idea(idea: wire::Idea) -> Result<Idea, String> {
    Ok(Idea {
        number: idea.number,
        first: idea.first.as_deref().map(parse).transpose()?,
        topic: idea.topic.as_deref().map(parse).transpose()?,
        title: idea.title,
        hypothesis: idea.hypothesis,
        mechanism: idea.mechanism,
        sources: idea.sources,
        effect: idea.effect.as_deref().map(parse).transpose()?,
        cost_seconds: idea.cost_seconds,
        dropped: idea.dropped,
    })
}

fn encode_rating(rating: &Rating) -> wire::Rating {
    wire::Rating { idea: rating.idea.to_hex(), score: rating.score, critique: rating.critique.clone() }
}

fn decode_rating(rating: wire::Rating) -> Result<Rating, String> {
    Ok(Rating { idea: parse(&rating.idea)?, score: rating.score, critique: rating.critique })
}

fn encode_override(it: &RuleOverride) -> wire::Override {
    wire::Override {
        rule: it.rule.clone(),
        paths: it.paths.clone(),
        commit: it.commit.as_ref().map(ToString::to_string),
        experiment: it.experiment.as_ref().map(ToString::to_string),
        registration: it.registration.as_ref().map(EntryId::to_hex),
        topic: it.topic.as_ref().map(ToString::to_string),
        because: it.because.clone(),
    }
}

fn decode_override(it: wire::Override) -> Result<RuleOverride, String> {
    Ok(RuleOverride {
        rule: it.rule,
        paths: it.paths,
        commit: it.commit.as_deref().map(parse).transpose()?,
        experiment: it.experiment.as_deref().map(parse).transpose()?,
        registration: it.registration.as_deref().map(parse).transpose()?,
        topic: it.topic.as_deref().map(parse).transpose()?,
        because: it.because,
    })
}

fn encode_smoke(smoke: &Smoke) -> wire::Smoke {
    wire::Smoke {
        experiment: smoke.experiment.to_string(),
        registration: smoke.registration.as_ref().map(EntryId::to_hex),
        commit: smoke.commit.to_string(),
        tree: smoke.tree.to_string(),
        command: smoke.command.clone(),
        passed: smoke.passed,
        exit: smoke.exit,
        wall_seconds: wire::Number(smoke.wall_seconds),
        reason: smoke.reason.clone(),
        hardware: smoke.hardware.clone(),
    }
}

fn decode_smoke(smoke: wire::Smoke) -> Result<Smoke, String> {
    Ok(Smoke {
        experiment: parse(&smoke.experiment)?,
        registration: smoke.registration.as_deref().map(parse).transpose()?,
        commit: parse(&smoke.commit)?,
        tree: parse(&smoke.tree)?,
        command: smoke.command,
        passed: smoke.passed,
        exit: smoke.exit,
        wall_seconds: smoke.wall_seconds.0,
        reason: smoke.reason,
        hardware: smoke.hardware,
    })
}

fn encode_reproduction(it: &Reproduction) -> wire::Reproduction {
    let (run, seal) = match &it.target {
        Target::Run(id) => (Some(id.to_hex()), None),
        Target::Seal { tag, object, manifest } => {
            let (tag, manifest) = (tag.clone(), manifest.clone());
            (None, Some(wire::ReproducedSeal { tag, object: object.to_string(), manifest }))
        }
    };
    wire::Reproduction {
        experiment: it.experiment.to_string(),
        registration: it.registration.as_ref().map(EntryId::to_hex),
        run,
        seal,
        commit: it.commit.to_string(),
        baseline: it.baseline.as_ref().map(ToString::to_string),
        outcome: it.outcome.word().to_owned(),
        reasons: it.reasons.clone(),
        trials: it.trials,
        metrics: it.metrics.iter().map(encode_judgement).collect(),
        differences: it
            .differences
            .iter()
            .map(|it| wire::Surrounding {
                axis: it.axis.clone(),
                name: it.name.clone(),
                recorded: it.recorded.clone(),
                here: it.here.clone(),
            })
            .collect(),
        hardware: it.hardware.clone(),
        wall_seconds: wire::Number(it.wall_seconds),
    }
}

fn encode_judgement(it: &Judgement) -> wire::ReproducedMetric {
    wire::ReproducedMetric {
        name: it.name.clone(),
        case: it.case.clone(),
        side: it.side.map(|side| side.word().to_owned()),
        rule: it.rule.word().to_owned(),
        outcome: it.outcome.map(|outcome| outcome.word().to_owned()),
        unit: it.unit.clone(),
        recorded: it.recorded.map(wire::Number),
        here: it.here.map(wire::Number),
        bounds: it.bounds.map(|it| [wire::Number(it.low), wire::Number(it.high)]),
        margin: it.margin.map(wire::Number),
        why: it.why.clone(),
    }
}

fn decode_reproduction(it: wire::Reproduction) -> Result<Reproduction, String> {
    let target = match (it.run, it.seal) {
        (Some(run), None) => Target::Run(parse(&run)?),
        (None, Some(seal)) => {
            Target::Seal { tag: seal.tag, object: parse(&seal.object)?, manifest: seal.manifest }
        }
        _ => return Err("it names neither a run nor a seal, or both".to_owned()),
    };
    let metrics = it.metrics.into_iter().map(|it| {
        Ok::<_, String>(Judgement {
            name: it.name,
            case: it.case,
            side: it.side.as_deref().map(|text| word(PairSide::from_word, text)).transpose()?,
            rule: word(reproduction::Rule::from_word, &it.rule)?,
            outcome: it
                .outcome
                .as_deref()
                .map(|text| word(reproduction::Outcome::from_word, text))
                .transpose()?,
            unit: it.unit,
            recorded: it.recorded.map(|it| it.0),
            here: it.here.map(|it| it.0),
            bounds: it.bounds.map(|[low, high]| Interval { low: low.0, high: high.0 }),
            margin: it.margin.map(|it| it.0),
            why: it.why,
        })
    });
    Ok(Reproduction {
        experiment: parse(&it.experiment)?,
        registration: it.registration.as_deref().map(parse).transpose()?,
        target,
        commit: parse(&it.commit)?,
        baseline: it.baseline.as_deref().map(parse).transpose()?,
        outcome: word(reproduction::Outcome::from_word, &it.outcome)?,
        reasons: it.reasons,
        trials: it.trials,
        metrics: metrics.collect::<Result<_, _>>()?,
        differences: it
            .differences
            .into_iter()
            .map(|it| Surrounding { axis: it.axis, name: it.name, recorded: it.recorded, here: it.here })
            .collect(),
        hardware: it.hardware,
        wall_seconds: it.wall_seconds.0,
    })
}

fn encode_withdrawal(it: &Withdrawal) -> wire::Withdrawal {
    wire::Withdrawal {
        entries: it
            .entries
            .iter()
            .map(|one| wire::Withdrawn {
                entry: one.entry.to_hex(),
                kind: one.kind.clone(),
                experiment: one.experiment.as_ref().map(ToString::to_string),
                registration: one.registration.as_ref().map(EntryId::to_hex),
            })
            .collect(),
        results: it.results.word().to_owned(),
        gone: it.gone.iter().map(|part| part.word().to_owned()).collect(),
        because: it.because.clone(),
        refs: it
            .refs
            .iter()
            .map(|one| wire::Dropped { name: one.name.clone(), was: one.was.to_string() })
            .collect(),
    }
}

fn decode_withdrawal(it: wire::Withdrawal) -> Result<Withdrawal, String> {
    let entries = it.entries.into_iter().map(|one| {
        Ok(Withdrawn {
            entry: parse(&one.entry)?,
            kind: one.kind,
            experiment: one.experiment.as_deref().map(parse).transpose()?,
            registration: one.registration.as_deref().map(parse).transpose()?,
        })
    });
    let refs = it.refs.into_iter().map(|one| Ok(Dropped { was: parse(&one.was)?, name: one.name }));
    Ok(Withdrawal {
        entries: entries.collect::<Result<_, String>>()?,
        results: word(Results::from_word, &it.results)?,
        gone: it.gone.iter().map(|text| word(Part::from_word, text)).collect::<Result<_, _>>()?,
        because: it.because,
        refs: refs.collect::<Result<_, String>>()?,
    })
}

fn encode_issue(it: &IssueEvent) -> wire::Issue {
    wire::Issue {
        topic: it.topic.to_string(),
        act: it.act.word().to_owned(),
        post: it.post.map(|post| post.word().to_owned()),
        about: it.about.clone(),
        repository: it.repository.clone(),
        number: it.number,
        comment: it.comment,
        login: it.login.clone(),
        url: it.url.clone(),
        seen: it.seen.iter().map(|(writer, count)| (writer.to_string(), *count)).collect(),
    }
}

fn decode_issue(it: wire::Issue) -> Result<IssueEvent, String> {
    Ok(IssueEvent {
        topic: parse(&it.topic)?,
        act: word(IssueAct::from_word, &it.act)?,
        post: it.post.as_deref().map(|text| word(Post::from_word, text)).transpose()?,
        about: it.about,
        repository: it.repository,
        number: it.number,
        comment: it.comment,
        login: it.login,
        url: it.url,
        seen: it
            .seen
            .into_iter()
            .map(|(writer, count)| Ok((parse(&writer)?, count)))
            .collect::<Result<_, String>>()?,
    })
}

fn encode_brief(registration: &Registration) -> wire::Brief {
    let brief = &registration.brief;
    wire::Brief {
        experiment: registration.experiment.to_string(),
        registration: registration.registration.as_ref().map(EntryId::to_hex),
        topic: registration.topic.as_ref().map(ToString::to_string),
        from: registration.from.as_ref().map(EntryId::to_hex),
        start: registration.start.as_ref().map(ToString::to_string),
        hypothesis: brief.hypothesis.clone(),
        change: brief.change.clone(),
        baseline: brief.baseline.clone(),
        accept: encode_criteria(&brief.accept),
        guard: encode_criteria(&brief.guard),
        no_guard: brief.no_guard.clone(),
        trials: brief.trials,
        budget: encode_budget(&brief.budget),
        owner: brief.owner.clone(),
        notes: brief.notes.clone(),
        dataset: brief.dataset.clone(),
        paths: brief.paths.clone(),
        looks: brief.looks.clone(),
        idea: registration.idea.as_ref().map(EntryId::to_hex),
    }
}

fn decode_brief(brief: wire::Brief) -> Result<Registration, String> {
    Ok(Registration {
        experiment: parse(&brief.experiment)?,
        registration: brief.registration.as_deref().map(parse).transpose()?,
        topic: brief.topic.as_deref().map(parse).transpose()?,
        from: brief.from.as_deref().map(parse).transpose()?,
        start: brief.start.as_deref().map(parse).transpose()?,
        idea: brief.idea.as_deref().map(parse).transpose()?,
        brief: Brief {
            hypothesis: brief.hypothesis,
            change: brief.change,
            baseline: brief.baseline,
            accept: decode_criteria(&brief.accept)?,
            guard: decode_criteria(&brief.guard)?,
            no_guard: brief.no_guard,
            trials: brief.trials,
            budget: decode_budget(&brief.budget),
            owner: brief.owner,
            notes: brief.notes,
            dataset: brief.dataset,
            paths: brief.paths,
            looks: brief.looks,
        },
    })
}

fn encode_note(note: &Note) -> wire::Note {
    wire::Note {
        experiment: note.experiment.as_ref().map(ToString::to_string),
        topic: note.topic.as_ref().map(ToString::to_string),
        registration: note.registration.as_ref().map(EntryId::to_hex),
        sort: note.sort.map(|sort| sort.word().to_owned()),
        source: note.source.clone(),
        text: note.text.clone(),
    }
}

fn decode_note(note: wire::Note) -> Result<Note, String> {
    Ok(Note {
        experiment: note.experiment.as_deref().map(parse).transpose()?,
        registration: note.registration.as_deref().map(parse).transpose()?,
        topic: note.topic.as_deref().map(parse).transpose()?,
        sort: note.sort.as_deref().map(|text| word(NoteSort::from_word, text)).transpose()?,
        source: note.source,
        text: note.text,
    })
}

fn encode_evidence(evidence: &Evidence) -> wire::Evidence {
    wire::Evidence {
        baseline: evidence.baseline.clone(),
        outcome: evidence.outcome.word().to_owned(),
        confidence: evidence.confidence.clone(),
        summary: evidence.summary.clone(),
    }
}

fn decode_evidence(evidence: wire::Evidence) -> Result<Evidence, String> {
    Ok(Evidence {
        baseline: evidence.baseline,
        outcome: word(Outcome::from_word, &evidence.outcome)?,
        confidence: evidence.confidence,
        summary: evidence.summary,
    })
}

fn encode_decision(ruling: &Ruling) -> wire::Decision {
    wire::Decision {
        experiment: ruling.experiment.to_string(),
        registration: ruling.registration.to_hex(),
        decision: ruling.decision.word().to_owned(),
        because: ruling.because.clone(),
        next: ruling.next.clone(),
        evidence: ruling.evidence.as_ref().map(encode_evidence),
    }
}

fn decode_decision(ruling: wire::Decision) -> Result<Ruling, String> {
    Ok(Ruling {
        experiment: parse(&ruling.experiment)?,
        registration: parse(&ruling.registration)?,
        decision: word(Decision::from_word, &ruling.decision)?,
        because: ruling.because,
        next: ruling.next,
        evidence: ruling.evidence.map(decode_evidence).transpose()?,
    })
}

fn encode_baseline(it: &BaselineMove) -> wire::Baseline {
    wire::Baseline {
        topic: it.topic.to_string(),
        name: it.name.clone(),
        from: it.from.clone(),
        to: it.to.clone(),
        commit: it.commit.clone(),
        because: it.because.clone(),
        evidence: it.evidence.as_ref().map(encode_evidence),
    }
}

fn decode_baseline(it: wire::Baseline) -> Result<BaselineMove, String> {
    Ok(BaselineMove {
        topic: parse(&it.topic)?,
        name: it.name,
        from: it.from,
        to: it.to,
        commit: it.commit,
        because: it.because,
        evidence: it.evidence.map(decode_evidence).transpose()?,
    })
}

fn encode_review(review: &Review) -> wire::Review {
    wire::Review {
        experiment: review.experiment.to_string(),
        registration: review.registration.to_hex(),
        opinion: review.opinion.word().to_owned(),
        because: review.because.clone(),
        commit: review.commit.as_ref().map(ToString::to_string),
    }
}

fn decode_review(review: wire::Review) -> Result<Review, String> {
    Ok(Review {
        experiment: parse(&review.experiment)?,
        registration: parse(&review.registration)?,
        opinion: word(Opinion::from_word, &review.opinion)?,
        because: review.because,
        commit: review.commit.as_deref().map(parse).transpose()?,
    })
}

fn encode_look(look: &Look) -> wire::Look {
    wire::Look {
        experiment: look.experiment.to_string(),
        registration: look.registration.to_hex(),
        baseline: look.baseline.clone(),
        baseline_name: look.baseline_name.clone(),
        trials: look.trials,
        planned: look.planned,
        newest: [look.newest.0.to_hex(), look.newest.1.to_hex()],
        outcome: look.outcome.word().to_owned(),
    }
}

fn decode_look(look: wire::Look) -> Result<Look, String> {
    Ok(Look {
        experiment: parse(&look.experiment)?,
        registration: parse(&look.registration)?,
        newest: (parse(&look.newest[0])?, parse(&look.newest[1])?),
        outcome: word(Outcome::from_word, &look.outcome)?,
        baseline: look.baseline,
        baseline_name: look.baseline_name,
        trials: look.trials,
        planned: look.planned,
    })
}

/// The stored form of a run, also used for one that is still under way.
pub(super) fn encode_run(run: &Run) -> wire::Run {
    let (exit, signal) = match run.exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(signal) => (None, Some(signal)),
        Exit::Unknown => (None, None),
    };
    wire::Run {
        experiment: run.membership.experiment.to_string(),
        registration: run.membership.registration.as_ref().map(EntryId::to_hex),
        brief: run.membership.brief.as_ref().map(EntryId::to_hex),
        status: run.status.word().to_owned(),
        exit,
        signal,
        reason: run.reason.clone(),
        argv: run.argv.iter().map(wire::Text::from).collect(),
        directory: (!run.directory.0.is_empty()).then(|| (&run.directory).into()),
        code: wire::Code {
            commit: run.code.commit.to_string(),
            tree: run.code.tree.to_string(),
            base: run.code.base.as_ref().map(ToString::to_string),
            branch: run.code.branch.clone(),
            inexact: run.code.inexact.clone(),
            others: run.code.others.clone(),
        },
        group: run.group.to_hex(),
        trial: run.trial,
        trials: run.trials,
        seed: run.seed.map(wire::Whole),
        params: run.params.clone(),
        changed_params: run.changed_params.clone(),
        label: run.label.clone(),
        started: run.started.to_string(),
        wall_seconds: wire::Number(run.wall_seconds),
        metrics: run.metrics.iter().map(|(name, value)| (name.clone(), encode_value(value))).collect(),
        inputs: run
            .inputs
            .iter()
            .map(|input| wire::Input {
                name: input.name.clone(),
                shape: input.shape.clone(),
                dtype: input.dtype.clone(),
                device: input.device.clone(),
                more: input.more.clone(),
            })
            .collect(),
        malformed: (run.malformed.count > 0).then(|| wire::Malformed {
            count: run.malformed.count,
            examples: run.malformed.examples.clone(),
        }),
        hardware: run.hardware.clone(),
        boot: run.boot.clone(),
        load: run.load.load_average,
        accelerator_processes: run.load.accelerator_processes.clone(),
        truncated: run
            .truncated
            .iter()
            .map(|part| wire::Truncated {
                stream: part.stream.clone(),
                bytes: part.bytes,
                blake3: part.blake3.clone(),
            })
            .collect(),
        large: run
            .large
            .iter()
            .map(|file| wire::LargeFile {
                path: (&file.path).into(),
                bytes: file.bytes,
                blake3: file.blake3.clone(),
            })
            .collect(),
        remarks: run.remarks.clone(),
        pair: run.pair.map(|pair| wire::Pair {
            number: pair.number,
            side: pair.side.word().to_owned(),
            first: pair.first,
        }),
        confirms: run.confirms,
        accelerators: run.accelerators,
        evaluation: run.evaluation.clone(),
        evaluation_changed: run.evaluation_changed,
    }
}

fn encode_value(value: &Value) -> wire::Metric {
    wire::Metric {
        value: value.value.map(wire::Number),
        unit: value.unit.clone(),
        better: value.better.map(|better| better.word().to_owned()),
        kind: value.kind.map(|kind| kind.word().to_owned()),
        n: value.points,
        definition: value.definition.clone(),
        cases: value.cases.iter().map(|(case, value)| (case.clone(), wire::Number(*value))).collect(),
    }
}

fn decode_value(value: wire::Metric) -> Result<Value, String> {
    Ok(Value {
        value: value.value.map(|number| number.0),
        cases: value.cases.into_iter().map(|(case, number)| (case, number.0)).collect(),
        unit: value.unit,
        better: value.better.as_deref().map(|text| word(Better::from_word, text)).transpose()?,
        kind: value.kind.as_deref().map(|text| word(Kind::from_word, text)).transpose()?,
        points: value.n,
        definition: value.definition,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is what an option is mapped by")]
fn decode_pair(pair: wire::Pair) -> Result<Pair, String> {
    Ok(Pair { number: pair.number, side: word(PairSide::from_word, &pair.side)?, first: pair.first })
}

/// The run whose stored form is `run`.
pub(super) fn decode_run(run: wire::Run) -> Result<Run, String> {
    let metrics = run
        .metrics
        .into_iter()
        .map(|(name, value)| Ok((name, decode_value(value)?)))
        .collect::<Result<BTreeMap<_, _>, String>>()?;
    let malformed = run
        .malformed
        .map_or_else(Malformed::default, |it| Malformed { count: it.count, examples: it.examples });
    Ok(Run {
        membership: Membership {
            experiment: parse(&run.experiment)?,
            registration: run.registration.as_deref().map(parse).transpose()?,
            brief: run.brief.as_deref().map(parse).transpose()?,
        },
        status: word(Status::from_word, &run.status)?,
        exit: match (run.exit, run.signal) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Unknown,
        },
        reason: run.reason,
        argv: run.argv.into_iter().map(Into::into).collect(),
        directory: run.directory.map(Into::into).unwrap_or_default(),
        code: Code {
            commit: parse(&run.code.commit)?,
            tree: parse(&run.code.tree)?,
            base: run.code.base.as_deref().map(parse).transpose()?,
            branch: run.code.branch,
            inexact: run.code.inexact,
            others: run.code.others,
        },
        group: parse(&run.group)?,
        trial: run.trial,
        trials: run.trials,
        pair: run.pair.map(decode_pair).transpose()?,
        confirms: run.confirms,
        seed: run.seed.map(|seed| seed.0),
        params: run.params,
        changed_params: run.changed_params,
        label: run.label,
        started: parse(&run.started)?,
        wall_seconds: run.wall_seconds.0,
        accelerators: run.accelerators,
        evaluation: run.evaluation,
        evaluation_changed: run.evaluation_changed,
        metrics,
        inputs: run
            .inputs
            .into_iter()
            .map(|input| Input {
                name: input.name,
                shape: input.shape,
                dtype: input.dtype,
                device: input.device,
                more: input.more,
            })
            .collect(),
        malformed,
        hardware: run.hardware,
        boot: run.boot,
        load: Load { load_average: run.load, accelerator_processes: run.accelerator_processes },
        truncated: run
            .truncated
            .into_iter()
            .map(|part| Truncated { stream: part.stream, bytes: part.bytes, blake3: part.blake3 })
            .collect(),
        large: run
            .large
            .into_iter()
            .map(|file| LargeFile { path: file.path.into(), bytes: file.bytes, blake3: file.blake3 })
            .collect(),
        remarks: run.remarks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::difference::tests::a_run;

    fn stored(run: &Run) -> String {
        serde_json::to_string(&encode_run(run)).expect("a run holds nothing that JSON cannot")
    }

    #[test]
    fn the_pair_of_a_run_survives() {
        let pair = Pair { number: 3, side: PairSide::Candidate, first: true };
        let run = Run { pair: Some(pair), ..a_run() };
        let text = stored(&run);
        assert!(text.ends_with(r#""pair":{"number":3,"side":"candidate","first":true}}"#), "{text}");
        let read =
            decode_run(serde_json::from_str(&text).expect("it was just written")).expect("it is a run");
        assert_eq!(read, run);
    }

    #[test]
    fn a_run_outside_of_pairs_is_stored_as_before_there_were_any() {
        let text = stored(&a_run());
        assert!(!text.contains("pair"), "{text}");
        let read =
            decode_run(serde_json::from_str(&text).expect("it was just written")).expect("it is a run");
        assert_eq!(read.pair, None);
    }
}
