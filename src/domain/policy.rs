//! Roles and policy: who may do what, and whose review is needed first.
//!
//! Identities are what Git says. They prove nothing unless commits are signed, so a policy guards against mistakes, not
//! against malice.

use std::collections::BTreeMap;

use super::decision::Opinion;
use super::entry::Identity;
use super::file_rules::FileRules;
use super::id::ObjectName;
use super::issue::IssueRules;
use super::smoke::Gate;
use super::state::ReviewOf;

/// Who has which role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(pub BTreeMap<String, Vec<String>>);

/// Who may do what, by roles; what is absent is open to everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who may accept an experiment.
    pub may_accept: Option<Vec<String>>,
    /// Who may amend what a brief promises after its first run.
    pub may_amend: Option<Vec<String>>,
    /// Who may move a named baseline.
    pub may_move_baseline: Option<Vec<String>>,
    /// Who may go against the numbers, or set a rule about files aside.
    pub may_override: Option<Vec<String>>,
    /// Who must have approved the code before it runs; nobody where empty.
    pub review_before_run: Vec<String>,
    /// Who must have approved an experiment before it is accepted; nobody where empty.
    pub review_before_accept: Vec<String>,
}

/// What a team agreed on: its roles, what they may do, what may become of which files, and what comes before a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Who has which role.
    pub roles: Roles,
    /// Who may do what.
    pub policy: Policy,
    /// What may become of which files.
    pub files: FileRules,
    /// What must have passed before code runs.
    pub gate: Gate,
    /// How issues are kept.
    pub issue: IssueRules,
}

/// What is to be accepted.
#[derive(Clone, Debug)]
pub struct Acceptance<'a> {
    /// Who wants to accept it.
    pub by: &'a Identity,
    /// Those who answer for the experiment.
    pub owners: &'a Owners,
    /// Its reviews, oldest first.
    pub reviews: &'a [ReviewOf],
    /// What the numbers say, where the decision goes against them.
    pub against: Option<&'a str>,
}

/// Those who answer for an experiment: the owner that its brief names, and whoever registered it under that name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    named: Option<String>,
    registrar: Option<Identity>,
}

impl Roles {
    /// Whether a person has a role.
    pub fn has(&self, person: &Identity, role: &str) -> bool {
        self.0.get(role).is_some_and(|members| members.iter().any(|member| is_called(person, member)))
    }

    /// Whether a person has one of several roles.
    pub fn has_any(&self, person: &Identity, roles: &[String]) -> bool {
        roles.iter().any(|role| self.has(person, role))
    }

    /// Whether `word` means a person: by a role, by the address or by the name.
    pub fn mean(&self, word: &str, person: &Identity) -> bool {
        self.has(person, word) || is_called(person, word)
    }

    fn are_held(&self, role: &str) -> bool {
        self.0.get(role).is_some_and(|members| !members.is_empty())
    }
}

/// The reviews that approve and that their writers did not take back since, oldest first.
pub fn approving(reviews: &[ReviewOf]) -> impl Iterator<Item = &ReviewOf> {
    // Whoever reviews again takes back what was said before.
    let latest = reviews.iter().enumerate().filter(|(place, review)| {
        !reviews[place + 1..].iter().any(|later| is_same_person(&later.by, &review.by))
    });
    latest.map(|(_, review)| review).filter(|review| review.review.opinion == Opinion::Approve)
}

/// Whether `text` names a person: by the address, by the name, or as `Name <address>`; ignoring case.
fn is_called(person: &Identity, text: &str) -> bool {
    let text = text.trim();
    let address = text.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>'));
    let is = |known: &str, text: &str| !text.is_empty() && known.trim().to_lowercase() == text.to_lowercase();
    match address {
        Some(address) => is(&person.email, address.trim()),
        None => is(&person.email, text) || is(&person.name, text),
    }
}

impl Owners {
    /// Those who answer for an experiment whose brief names `owner`, and that `registrar` registered.
    ///
    /// A brief names its owner by name only, so that whoever registered it under that name is known by the address too.
    pub fn new(owner: Option<&str>, registrar: &Identity) -> Self {
        let is_registrar = owner.is_none_or(|owner| is_called(registrar, owner));
        Self { named: owner.map(str::to_owned), registrar: is_registrar.then(|| registrar.clone()) }
    }

    /// Whether a person is one of them.
    pub fn include(&self, person: &Identity) -> bool {
        let is_registrar = self.registrar.as_ref().is_some_and(|known| {
            is_called(person, &known.email) || (known.email.is_empty() && is_called(person, &known.name))
        });
        is_registrar || self.named.as_deref().is_some_and(|owner| is_called(person, owner))
    }
}

impl Rules {
    /// Everything that stands against accepting an experiment.
    pub fn breaches_of_acceptance(&self, acceptance: &Acceptance<'_>) -> Vec<String> {
        let mut breaches = Vec::new();
        let by = acceptance.by;
        breaches.extend(self.not_allowed(by, "accept", "accept", self.policy.may_accept.as_deref()));
        breaches.extend(self.no_review(
            "before-accept",
            &self.policy.review_before_accept,
            acceptance.owners,
            acceptance.reviews,
            None,
        ));
        if let Some(against) = acceptance.against {
            breaches.extend(self.against(by, against));
        }
        breaches
    }

    /// Everything that stands against amending, after the first run, what a brief promises.
    pub fn breaches_of_amendment(&self, by: &Identity) -> Vec<String> {
        let roles = self.policy.may_amend.as_deref();
        self.not_allowed(by, "amend a brief after its first run", "amend", roles).into_iter().collect()
    }

    /// Everything that stands against moving a named baseline; `without` says what evidence is missing.
    pub fn breaches_of_move(&self, by: &Identity, without: Option<&str>) -> Vec<String> {
        let mut breaches = Vec::new();
        let roles = self.policy.may_move_baseline.as_deref();
        breaches.extend(self.not_allowed(by, "move a baseline", "move-baseline", roles));
        if let Some(without) = without {
            breaches.extend(self.against(by, without));
        }
        breaches
    }

    /// What stands against setting a rule about files aside.
    pub fn breach_of_override(&self, by: &Identity) -> Option<String> {
        let roles = self.overriders()?;
        (!self.roles.has_any(by, &roles)).then(|| {
            format!("{} may not set a rule aside: `may-override` is for {}", person(by), listed(&roles))
        })
    }

    /// The roles that may set a rule about files aside; `None` where anybody may.
    ///
    /// A team that says nothing leaves it to its lead and its manager, where it has any.
    pub fn overriders(&self) -> Option<Vec<String>> {
        if let Some(roles) = &self.policy.may_override {
            return Some(roles.clone());
        }
        let held = ["lead", "manager"].into_iter().filter(|role| self.roles.are_held(role));
        let held: Vec<String> = held.map(str::to_owned).collect();
        (!held.is_empty()).then_some(held)
    }

    /// Everything that stands against running the code at `commit`; absent where the code has changes beyond its commit.
    pub fn breaches_of_run(
        &self,
        owners: &Owners,
        reviews: &[ReviewOf],
        commit: Option<&ObjectName>,
    ) -> Vec<String> {
        let roles = &self.policy.review_before_run;
        if roles.is_empty() {
            return Vec::new();
        }
        let mut breaches = Vec::new();
        if commit.is_none() {
            breaches.push("the worktree has changes that nobody can have reviewed".to_owned());
        }
        breaches.extend(self.no_review("before-run", roles, owners, reviews, commit));
        breaches
    }

    /// Whether a review by this person is one that a policy asks for.
    pub fn counts(&self, person: &Identity, owners: &Owners) -> bool {
        let asked = [self.policy.review_before_run.as_slice(), &self.policy.review_before_accept].concat();
        self.roles.has_any(person, &asked) && !owners.include(person)
    }

    /// Whether any review is asked for.
    pub fn asks_for_reviews(&self) -> bool {
        !(self.policy.review_before_run.is_empty() && self.policy.review_before_accept.is_empty())
    }

    fn not_allowed(&self, by: &Identity, what: &str, key: &str, roles: Option<&[String]>) -> Option<String> {
        let roles = roles?;
        (!self.roles.has_any(by, roles))
            .then(|| format!("{} may not {what}: `may-{key}` is for {}", person(by), listed(roles)))
    }

    fn against(&self, by: &Identity, what: &str) -> Option<String> {
        let roles = self.policy.may_override.as_deref()?;
        (!self.roles.has_any(by, roles)).then(|| {
            format!(
                "{} may not go against the numbers ({what}): `may-override` is for {}",
                person(by),
                listed(roles)
            )
        })
    }

    /// What is missing where no approving review counts: of anything, or of `commit` alone.
    fn no_review(
        &self,
        key: &str,
        roles: &[String],
        owners: &Owners,
        reviews: &[ReviewOf],
        commit: Option<&ObjectName>,
    ) -> Option<String> {
        if roles.is_empty() {
            return None;
        }
        let approving: Vec<&ReviewOf> = approving(reviews)
            .filter(|review| self.roles.has_any(&review.by, roles) && !owners.include(&review.by))
            .collect();
        let wanted = format!("an approving review, by {} and not by the owner", listed(roles));
        match commit {
            None if approving.is_empty() => Some(format!("`review-{key}` asks for {wanted}")),
            Some(commit) if !approving.iter().any(|it| it.review.commit.as_ref() == Some(commit)) => {
                let earlier = approving.last().and_then(|it| it.review.commit.as_ref());
                let earlier = earlier
                    .map(|earlier| format!("; what was approved is {}", earlier.short()))
                    .unwrap_or_default();
                Some(format!("`review-{key}` asks for {wanted}, of the commit {}{earlier}", commit.short()))
            }
            _ => None,
        }
    }
}

/// Whether two names are those of one person: by the address, or by the name where there is none.
pub fn is_same_person(a: &Identity, b: &Identity) -> bool {
    if a.email.is_empty() { a.name == b.name } else { a.email.eq_ignore_ascii_case(&b.email) }
}

/// A person, as messages name one.
pub fn person(by: &Identity) -> String {
    if by.email.is_empty() { by.name.clone() } else { format!("{} <{}>", by.name, by.email) }
}

fn listed(roles: &[String]) -> String {
    match roles {
        [] => "nobody".to_owned(),
        [one] => format!("the role `{one}`"),
        several => format!("the roles `{}`", several.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::decision::Review;
    use crate::domain::id::EntryId;

    fn person_of(name: &str) -> Identity {
        Identity { name: name.to_owned(), email: format!("{}@example.org", name.to_lowercase()) }
    }

    fn rules(policy: Policy) -> Rules {
        let roles = [
            ("lead", "Lead@Example.org"),
            ("reviewer", "Reviewer"),
            ("reviewer2", "Owen <owen@example.org>"),
        ];
        let roles = roles.map(|(role, member)| (role.to_owned(), vec![member.to_owned()]));
        Rules { roles: Roles(roles.into()), policy, ..Rules::default() }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn commit(digit: char) -> ObjectName {
        digit.to_string().repeat(40).parse().expect("the name is right")
    }

    fn review(by: &str, opinion: Opinion, digit: char) -> ReviewOf {
        ReviewOf {
            entry: EntryId([0; 32]),
            time: jiff::Timestamp::UNIX_EPOCH,
            by: person_of(by),
            review: Review {
                experiment: "A-001".parse().expect("an ID"),
                registration: EntryId([1; 32]),
                opinion,
                because: "it is sound".to_owned(),
                commit: Some(commit(digit)),
            },
        }
    }

    fn owners() -> Owners {
        Owners::new(Some("Owen"), &person_of("Owen"))
    }

    #[test]
    fn every_breach_is_named_at_once() {
        let rules = rules(Policy {
            may_accept: Some(words(&["lead"])),
            may_override: Some(words(&["lead", "manager"])),
            review_before_accept: words(&["reviewer"]),
            ..Policy::default()
        });
        let (owner, by) = (owners(), person_of("Owen"));
        let acceptance = Acceptance { by: &by, owners: &owner, reviews: &[], against: Some("unclear") };
        insta::assert_snapshot!(rules.breaches_of_acceptance(&acceptance).join("\n"), @"
        Owen <owen@example.org> may not accept: `may-accept` is for the role `lead`
        `review-before-accept` asks for an approving review, by the role `reviewer` and not by the owner
        Owen <owen@example.org> may not go against the numbers (unclear): `may-override` is for the roles `lead`, `manager`
        ");
    }

    #[test]
    fn a_team_that_says_nothing_leaves_overrides_to_its_lead_and_manager() {
        let all = rules(Policy::default());
        assert_eq!(all.breach_of_override(&person_of("Lead")), None);
        insta::assert_snapshot!(all.breach_of_override(&person_of("Owen")).unwrap(), @"Owen <owen@example.org> may not set a rule aside: `may-override` is for the role `lead`");
        assert_eq!(Rules::default().breach_of_override(&person_of("Owen")), None, "nobody leads");
        let named = rules(Policy { may_override: Some(words(&["reviewer"])), ..Policy::default() });
        assert!(named.breach_of_override(&person_of("Lead")).is_some());
        assert_eq!(named.breach_of_override(&person_of("Reviewer")), None);
        let nobody = rules(Policy { may_override: Some(Vec::new()), ..Policy::default() });
        assert!(nobody.breach_of_override(&person_of("Lead")).is_some());
    }

    #[test]
    fn an_address_is_matched_ignoring_case_and_so_is_a_name() {
        let rules = rules(Policy::default());
        assert!(rules.roles.has(&person_of("Lead"), "lead"));
        assert!(rules.roles.has(&person_of("REVIEWER"), "reviewer"));
        assert!(rules.roles.has(&person_of("Owen"), "reviewer2"));
        assert!(!rules.roles.has(&person_of("Lead"), "reviewer"));
        assert!(!rules.roles.has(&Identity::default(), "lead"));
    }

    #[test]
    fn a_review_counts_by_somebody_else_with_the_role_who_did_not_take_it_back() {
        let rules =
            rules(Policy { review_before_accept: words(&["reviewer", "reviewer2"]), ..Policy::default() });
        let (owner, by) = (owners(), person_of("Lead"));
        let breaches = |reviews: &[ReviewOf]| {
            rules
                .breaches_of_acceptance(&Acceptance { by: &by, owners: &owner, reviews, against: None })
                .len()
        };
        assert_eq!(breaches(&[review("Reviewer", Opinion::Approve, 'a')]), 0);
        assert_eq!(breaches(&[review("Owen", Opinion::Approve, 'a')]), 1, "it is their own");
        assert_eq!(breaches(&[review("Lead", Opinion::Approve, 'a')]), 1, "another role");
        assert_eq!(
            breaches(&[review("Reviewer", Opinion::Approve, 'a'), review("Reviewer", Opinion::Reject, 'a')]),
            1
        );
        assert_eq!(
            breaches(&[review("Reviewer", Opinion::Reject, 'a'), review("Reviewer", Opinion::Approve, 'a')]),
            0
        );
    }

    #[test]
    fn code_that_changed_after_the_review_needs_another_one() {
        let rules = rules(Policy { review_before_run: words(&["reviewer"]), ..Policy::default() });
        let reviews = [review("Reviewer", Opinion::Approve, 'a')];
        assert!(rules.breaches_of_run(&owners(), &reviews, Some(&commit('a'))).is_empty());
        insta::assert_snapshot!(rules.breaches_of_run(&owners(), &reviews, Some(&commit('b'))).join("\n"), @"`review-before-run` asks for an approving review, by the role `reviewer` and not by the owner, of the commit bbbbbbbb; what was approved is aaaaaaaa");
        insta::assert_snapshot!(rules.breaches_of_run(&owners(), &reviews, None).join("\n"), @"the worktree has changes that nobody can have reviewed");
    }

    #[test]
    fn whoever_registered_under_the_owners_name_is_the_owner_by_any_name() {
        let alias = Identity { name: "O.".to_owned(), email: "OWEN@example.org".to_owned() };
        assert!(owners().include(&alias));
        let registered_for = Owners::new(Some("Another"), &person_of("Owen"));
        assert!(!registered_for.include(&alias));
        assert!(registered_for.include(&person_of("Another")));
    }

    fn some_roles() -> impl Strategy<Value = Option<Vec<String>>> {
        let role = prop::sample::select(vec!["lead", "manager", "reviewer"]).prop_map(str::to_owned);
        prop::option::of(prop::collection::vec(role, 0..3))
    }

    fn some_reviews() -> impl Strategy<Value = Vec<ReviewOf>> {
        let one = (
            prop::sample::select(vec!["Reviewer", "Lead", "Owen"]),
            any::<bool>(),
            prop::sample::select(vec!['a', 'b']),
        );
        prop::collection::vec(one, 0..5).prop_map(|all| {
            let opinion = |approves| if approves { Opinion::Approve } else { Opinion::Reject };
            all.into_iter().map(|(by, approves, digit)| review(by, opinion(approves), digit)).collect()
        })
    }

    proptest! {
        #[test]
        fn without_a_policy_everybody_may_do_everything(
            name in "[A-Za-z]{0,8}", reviews in some_reviews(), against in prop::option::of("[a-z]{1,5}"),
        ) {
            let (rules, by, owner) = (rules(Policy::default()), person_of(&name), owners());
            let against = against.as_deref();
            let acceptance = Acceptance { by: &by, owners: &owner, reviews: &reviews, against };
            prop_assert!(rules.breaches_of_acceptance(&acceptance).is_empty());
            prop_assert!(rules.breaches_of_amendment(&by).is_empty());
            prop_assert!(rules.breaches_of_move(&by, against).is_empty());
            prop_assert!(rules.breaches_of_run(&owner, &reviews, None).is_empty());
        }

        #[test]
        fn breaches_of_several_rules_are_those_of_each_alone(
            may_accept in some_roles(), may_override in some_roles(), asks in any::<bool>(),
            reviews in some_reviews(), against in prop::option::of("[a-z]{1,5}"),
            name in prop::sample::select(vec!["Reviewer", "Lead", "Owen", "Another"]),
        ) {
            let review_before_accept = if asks { words(&["reviewer"]) } else { Vec::new() };
            let all = Policy { may_accept, may_override, review_before_accept, ..Policy::default() };
            let alone = [
                Policy { may_accept: all.may_accept.clone(), ..Policy::default() },
                Policy { review_before_accept: all.review_before_accept.clone(), ..Policy::default() },
                Policy { may_override: all.may_override.clone(), ..Policy::default() },
            ];
            let (by, owner) = (person_of(name), owners());
            let acceptance =
                Acceptance { by: &by, owners: &owner, reviews: &reviews, against: against.as_deref() };
            let apart: Vec<String> =
                alone.into_iter().flat_map(|policy| rules(policy).breaches_of_acceptance(&acceptance)).collect();
            prop_assert_eq!(rules(all).breaches_of_acceptance(&acceptance), apart);
        }

        #[test]
        fn more_people_in_a_role_never_forbid_more(reviews in some_reviews(), by in prop::sample::select(vec!["Reviewer", "Lead", "Another"])) {
            let policy = Policy { may_accept: Some(words(&["lead"])), review_before_accept: words(&["reviewer"]), ..Policy::default() };
            let (by, owner) = (person_of(by), owners());
            let acceptance = Acceptance { by: &by, owners: &owner, reviews: &reviews, against: None };
            let few = rules(policy);
            let mut many = few.clone();
            for members in many.roles.0.values_mut() {
                members.extend(words(&["Another", "lead@example.org"]));
            }
            prop_assert!(many.breaches_of_acceptance(&acceptance).len() <= few.breaches_of_acceptance(&acceptance).len());
        }
    }
}
