//! Issues: where a topic is shown to others, what was posted there, and when more is due.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;

use super::id::{EntryId, TopicName, Writer};
use super::metric::words;

/// How many heartbeats a day are posted at most, where nothing is said.
const HEARTBEATS_A_DAY: u32 = 4;
/// How far apart heartbeats may be: more often nobody reads them, less often nobody misses them.
pub const HEARTBEAT: RangeInclusive<Duration> = Duration::from_mins(10)..=Duration::from_hours(30 * 24);
/// The most heartbeats that fit into a day.
pub const MOST_HEARTBEATS_A_DAY: u32 = 144;
/// What an issue is labelled, where nothing is said.
const LABEL: &str = "experiment";
const DAY: Duration = Duration::from_hours(24);

/// Something that was posted about a topic, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueEvent {
    /// The topic.
    pub topic: TopicName,
    /// What was done.
    pub act: IssueAct,
    /// What a comment is for.
    pub post: Option<Post>,
    /// What the comment is about, as the tag of a seal; of what was opened, the experiment that a pull request is of; of what was closed or
    /// opened again, the entry that closed the topic.
    pub about: Option<String>,
    /// The repository that has the issue, as `github.com/owner/name`.
    pub repository: String,
    /// The issue's number; absent before it is opened.
    pub number: Option<u64>,
    /// The comment's number.
    pub comment: Option<u64>,
    /// As whom it is posted on GitHub; absent where that is not known.
    pub login: Option<String>,
    /// Where a person finds it; absent as long as it is only intended.
    pub url: Option<String>,
    /// How many entries of each log it takes into account.
    pub seen: BTreeMap<Writer, u64>,
}

impl IssueEvent {
    /// That this is done in this repository, and nothing more is known.
    pub fn of(topic: TopicName, act: IssueAct, repository: String) -> Self {
        Self {
            topic,
            act,
            post: None,
            about: None,
            repository,
            number: None,
            comment: None,
            login: None,
            url: None,
            seen: BTreeMap::new(),
        }
    }

    /// Whether whoever reads a logbook wants to know: that the issue was opened, closed, or opened again.
    pub fn is_told(&self) -> bool {
        self.url.is_some() && matches!(self.act, IssueAct::Opened | IssueAct::Closed | IssueAct::Reopened)
    }

    /// What it says, as `commented (update): https://…`.
    pub fn said(&self) -> String {
        let post = self.post.map(|post| format!(" ({post})")).unwrap_or_default();
        match &self.url {
            Some(url) => format!("{}{post}: {url}", self.act),
            None => format!("to be {}{post} in {}", self.act, self.repository),
        }
    }
}

/// What was done to an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IssueAct {
    /// It was opened.
    Opened,
    /// A comment was written.
    Commented,
    /// Its text was brought up to date.
    Synced,
    /// It was closed.
    Closed,
    /// It was opened again, as its topic was.
    Reopened,
}

words!(IssueAct {
    Opened = "opened",
    Commented = "commented",
    Synced = "synced",
    Closed = "closed",
    Reopened = "reopened",
});

/// What a comment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Post {
    /// What is new.
    Update,
    /// That work goes on.
    Heartbeat,
    /// What was sealed.
    Seal,
    /// What it all came to.
    Summary,
}

words!(Post { Update = "update", Heartbeat = "heartbeat", Seal = "seal", Summary = "summary" });

/// An issue event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueEventOf {
    /// Its entry.
    pub entry: EntryId,
    /// Who wrote it.
    pub writer: Writer,
    /// When.
    pub time: Timestamp,
    /// The entry that said it was intended.
    pub answers: Option<EntryId>,
    /// What it says.
    pub event: IssueEvent,
}

/// The issue of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueLink<'a> {
    /// The repository that has it.
    pub repository: &'a str,
    /// Its number.
    pub number: u64,
    /// Where a person finds it.
    pub url: &'a str,
}

/// The issue that was opened first in `events`, which are oldest first.
pub fn link(events: &[IssueEventOf]) -> Option<IssueLink<'_>> {
    events.iter().find_map(|it| {
        let event = &it.event;
        // What is about something was opened for that: a pull request.
        let url = event.url.as_deref().filter(|_| event.act == IssueAct::Opened && event.about.is_none())?;
        Some(IssueLink { repository: &event.repository, number: event.number?, url })
    })
}

impl IssueLink<'_> {
    /// Whether it is in this repository: neither case nor port tells two apart.
    pub fn is_in(&self, repository: &str) -> bool {
        let plain = |text: &str| {
            let text = text.to_lowercase();
            let (place, path) = text.split_once('/').unwrap_or((&text, ""));
            let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
            format!("{host}/{path}")
        };
        plain(self.repository) == plain(repository)
    }
}

/// The events that were intended by `writer` and are not known to be done.
pub fn pending<'a>(events: &'a [IssueEventOf], writer: &Writer) -> Vec<&'a IssueEventOf> {
    let is_done = |entry: EntryId| events.iter().any(|it| it.answers == Some(entry));
    events.iter().filter(|it| it.event.url.is_none() && it.writer == *writer && !is_done(it.entry)).collect()
}

/// Where a post about `about` is, when one of `events` says that it was made, whoever made it.
pub fn posted<'a>(events: &'a [IssueEventOf], post: Post, about: &str) -> Option<&'a str> {
    let mut of =
        events.iter().filter(|it| it.event.post == Some(post) && it.event.about.as_deref() == Some(about));
    of.find_map(|it| it.event.url.as_deref())
}

/// The closings of the topic with which the issue was closed and after which it was not opened again: the entries of them.
///
/// They are told apart by what they are about, and not by time, since clocks differ.
pub fn closings(events: &[IssueEventOf]) -> BTreeSet<&str> {
    let about = |is_it: fn(&IssueEvent) -> bool| {
        let events = events.iter().filter(move |it| it.event.url.is_some() && is_it(&it.event));
        events.filter_map(|it| it.event.about.as_deref()).collect::<BTreeSet<_>>()
    };
    let closed = about(|event| event.act == IssueAct::Closed || event.post == Some(Post::Summary));
    let reopened = about(|event| event.act == IssueAct::Reopened);
    closed.difference(&reopened).copied().collect()
}

/// How many entries of each log the updates among `events` take into account.
pub fn seen(events: &[IssueEventOf]) -> BTreeMap<Writer, u64> {
    let mut seen = BTreeMap::new();
    for it in events.iter().filter(|it| it.event.post == Some(Post::Update) && it.event.url.is_some()) {
        join(&mut seen, &it.event.seen);
    }
    seen
}

/// Takes what `more` has seen into `seen`.
pub fn join(seen: &mut BTreeMap<Writer, u64>, more: &BTreeMap<Writer, u64>) {
    for (writer, count) in more {
        let known = seen.entry(writer.clone()).or_default();
        *known = (*known).max(*count);
    }
}

/// How issues are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssueRules {
    /// How long it may be silent on an issue while work goes on; without it there are no heartbeats.
    pub heartbeat: Option<Duration>,
    /// How many heartbeats a day at most; none where it is 0.
    pub heartbeats_a_day: Option<u32>,
    /// What issues are labelled.
    pub labels: Option<Vec<String>>,
}

impl IssueRules {
    /// What issues are labelled.
    pub fn labels(&self) -> Vec<String> {
        self.labels.clone().unwrap_or_else(|| vec![LABEL.to_owned()])
    }
}

/// What it depends on whether a heartbeat is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// When the latest comment was written, by whomever.
    pub last_comment: Option<Timestamp>,
    /// When the latest post of ours was written, or the issue opened.
    pub last_post: Option<Timestamp>,
    /// When the latest run or decision was recorded.
    pub last_work: Option<Timestamp>,
    /// When heartbeats were posted.
    pub heartbeats: Vec<Timestamp>,
}

/// Why no heartbeat is due now; `None` where one is.
pub fn not_due(rules: &IssueRules, pulse: &Pulse, now: Timestamp) -> Option<String> {
    let Some(interval) = rules.heartbeat else {
        return Some("the topic does not ask for heartbeats".to_owned());
    };
    if pulse.last_work.is_none_or(|work| pulse.last_post.is_some_and(|post| work <= post)) {
        return Some("there was no run and no decision since the last post".to_owned());
    }
    let since = |time: Timestamp| Duration::try_from(now.duration_since(time)).unwrap_or_default();
    let latest = pulse.last_comment.max(pulse.last_post);
    if let Some(silent) = latest.map(since).filter(|silent| *silent < interval) {
        let (silent, interval) = (in_words(silent), in_words(interval));
        return Some(format!("the last comment is {silent} old, and it is to be {interval}"));
    }
    let cap = rules.heartbeats_a_day.unwrap_or(HEARTBEATS_A_DAY);
    if cap == 0 {
        return Some("`heartbeats-a-day` is 0, which turns them off".to_owned());
    }
    let today = pulse.heartbeats.iter().filter(|time| since(**time) < DAY).count();
    (today >= cap as usize).then(|| format!("{today} were posted within a day, and at most {cap} are"))
}

/// A duration in whole minutes, as `5 h 30 min`.
fn in_words(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_795_219_200 + hour * 3600).expect("the time is right")
    }

    fn rules() -> IssueRules {
        IssueRules { heartbeat: Some(Duration::from_hours(6)), ..IssueRules::default() }
    }

    fn pulse(comment: i64, post: i64, work: i64, heartbeats: &[i64]) -> Pulse {
        Pulse {
            last_comment: Some(at(comment)),
            last_post: Some(at(post)),
            last_work: Some(at(work)),
            heartbeats: heartbeats.iter().map(|hour| at(*hour)).collect(),
        }
    }

    #[test]
    fn a_heartbeat_is_due_after_a_silence_in_which_something_happened() {
        assert_eq!(not_due(&rules(), &pulse(0, 0, 3, &[]), at(6)), None);
        let why = |pulse: &Pulse, hour| not_due(&rules(), pulse, at(hour)).expect("it is not due");
        assert_eq!(why(&pulse(0, 0, 3, &[]), 5), "the last comment is 5 h old, and it is to be 6 h");
        assert_eq!(why(&pulse(0, 4, 4, &[]), 20), "there was no run and no decision since the last post");
        // A comment of somebody else is one, too.
        assert_eq!(why(&pulse(8, 0, 3, &[]), 10), "the last comment is 2 h old, and it is to be 6 h");
        let nothing = Pulse { last_work: None, ..pulse(0, 0, 0, &[]) };
        assert_eq!(why(&nothing, 20), "there was no run and no decision since the last post");
    }

    #[test]
    fn heartbeats_have_a_daily_cap() {
        let many = pulse(18, 18, 20, &[0, 6, 12, 18]);
        assert_eq!(not_due(&rules(), &many, at(24)), None);
        let capped = IssueRules { heartbeats_a_day: Some(3), ..rules() };
        assert_eq!(
            not_due(&capped, &many, at(24)),
            Some("3 were posted within a day, and at most 3 are".to_owned())
        );
        assert!(not_due(&IssueRules::default(), &many, at(24)).is_some());
        let off = IssueRules { heartbeats_a_day: Some(0), ..rules() };
        let why = "`heartbeats-a-day` is 0, which turns them off";
        assert_eq!(not_due(&off, &pulse(0, 0, 3, &[]), at(6)).as_deref(), Some(why));
    }

    fn event(entry: u8, answers: Option<u8>, act: IssueAct, url: Option<&str>) -> IssueEventOf {
        let writer: Writer = "0f0e0d0c".parse().expect("the name is right");
        IssueEventOf {
            entry: EntryId([entry; 32]),
            writer: writer.clone(),
            time: at(0),
            answers: answers.map(|byte| EntryId([byte; 32])),
            event: IssueEvent {
                topic: "moe".parse().expect("the name is right"),
                act,
                post: (act == IssueAct::Commented).then_some(Post::Update),
                about: None,
                repository: "github.com/octo/moe".to_owned(),
                number: Some(7),
                comment: None,
                login: None,
                url: url.map(str::to_owned),
                seen: BTreeMap::from([(writer, u64::from(entry))]),
            },
        }
    }

    #[test]
    fn an_issue_is_in_one_repository_however_that_is_written() {
        let link = IssueLink { repository: "github.com/Octo/moe", number: 7, url: "" };
        assert!(link.is_in("GitHub.com:443/octo/MoE"));
        assert!(!link.is_in("github.com/octo/moe2") && !link.is_in("ghe.example.org/octo/moe"));
    }

    #[test]
    fn an_issue_is_to_be_opened_again_once_for_each_time_that_it_was_closed() {
        let about = |entry, act, about: &str| {
            let mut event = event(entry, None, act, Some("https://github.com/octo/moe/issues/7"));
            event.event.about = Some(about.to_owned());
            event
        };
        let mut events = vec![about(1, IssueAct::Opened, "MOE-001"), about(2, IssueAct::Closed, "aa")];
        assert_eq!(closings(&events), BTreeSet::from(["aa"]));
        // Whoever opened it again has a clock that is behind.
        events.insert(0, about(3, IssueAct::Reopened, "aa"));
        assert_eq!(closings(&events), BTreeSet::new());
        events.push(about(4, IssueAct::Commented, "bb"));
        assert_eq!(closings(&events), BTreeSet::new(), "an update about it is no closing");
        events[3].event.post = Some(Post::Summary);
        assert_eq!(closings(&events), BTreeSet::from(["bb"]));
    }

    #[test]
    fn what_was_intended_is_pending_until_it_is_known_to_be_done() {
        let mut events = vec![
            event(1, None, IssueAct::Opened, None),
            event(2, Some(1), IssueAct::Opened, Some("https://github.com/octo/moe/issues/7")),
            event(3, None, IssueAct::Commented, None),
        ];
        let writer = events[0].writer.clone();
        assert_eq!(link(&events).map(|it| it.number), Some(7));
        assert_eq!(
            pending(&events, &writer).iter().map(|it| it.entry).collect::<Vec<_>>(),
            [EntryId([3; 32])]
        );
        assert_eq!(
            pending(&events, &"aabbccdd".parse().expect("the name is right")),
            Vec::<&IssueEventOf>::new()
        );
        assert_eq!(seen(&events), BTreeMap::new());
        events.push(event(4, Some(3), IssueAct::Commented, Some("https://github.com/octo/moe/issues/7#c")));
        assert_eq!(pending(&events, &writer), Vec::<&IssueEventOf>::new());
        assert_eq!(seen(&events), BTreeMap::from([(writer, 4)]));
    }
}
