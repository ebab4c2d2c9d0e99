//! When a principal's week is more than sharing, and how sure that is.

use super::company::Credit;
use super::origin::Origin;
use super::sizes::Crowd;
use super::{Ask, Day, Known, Who, key};
use crate::detect::Severity;

/// Thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Strangers in a week.
    pub(crate) strangers: u32,
    /// Refused objects in a week.
    pub(crate) refused: u32,
    /// Multiple of what is usual.
    pub(crate) times_usual: u32,
    /// Functions of roles that one is refused in a week.
    pub(crate) functions: u32,
    /// Days until something is usual.
    pub(crate) learn: Day,
}

/// Multiples of a limit that need no second day, and that are an attack without further signs.
const AT_ONCE: u32 = 3;
const ATTACK: u32 = 2;
/// Multiples that are an attack without further signs by one of many who do the same.
const IN_COMPANY: u32 = 6;
/// Days until something is usual under a new template, where other templates were learned.
const NEW: Day = 2;
/// The multiple of its own habit that is too much of a principal that roams.
const HABIT: u32 = 3;
/// Until the same is told again, in days.
const AGAIN: Day = 7;

/// Why a week is judged as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was given objects of strangers.
    Strangers,
    /// It was refused objects.
    Refused,
}

/// Something to be told of a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) why: Why,
    pub(crate) severity: Severity,
    /// In percent.
    pub(crate) confidence: u8,
    /// In a week.
    pub(crate) strangers: u32,
    pub(crate) refused: u32,
    pub(crate) of_others: u32,
    /// Objects of strangers, since the count was zero.
    pub(crate) objects: u32,
    /// Days of the week with some.
    pub(crate) days: u32,
    pub(crate) usual: u32,
    pub(crate) limit: u32,
    pub(crate) is_sequence: bool,
    pub(crate) polluted: u32,
    /// Whether it uses what few others use, as its fellows do.
    pub(crate) has_role: bool,
    /// Others with many strangers that share its program, its network or its first day, and whether honest people share
    /// that seldom.
    pub(crate) mates: u32,
    pub(crate) is_alike: bool,
    /// Whether it is news, rather than more of what was told.
    pub(crate) is_new: bool,
}

impl Known {
    /// Judges a principal under a template after another stranger or refusal.
    pub(super) fn judge(&mut self, ask: &Ask, by: (Who, Origin), day: Day) -> Option<Case> {
        let limits = self.limits;
        let (who, _) = by;
        let key = key(who, ask.template);
        let hash = self.pairs.hash(&key);
        let pair = self.pairs.get(hash, &key, ask.now)?;
        let (strangers, refused) = (pair.strangers.sum(), pair.refused.sum());
        if strangers < limits.strangers && refused < limits.refused {
            return None;
        }
        let hash = self.templates.hash(&ask.template);
        let template = self.templates.get(hash, &ask.template, ask.now)?;
        let is_young = self.first.is_none_or(|first| day.saturating_sub(first) < limits.learn);
        // A new template of a site whose people are known needs less.
        if !template.is_learned(day, if is_young { limits.learn } else { NEW }) {
            // Whoever does it from the first day does it as a rule.
            if is_young && strangers >= limits.strangers {
                self.set_apart(ask, who, strangers);
            } else if is_young {
                pair.refused_habit = pair.refused_habit.max(u16::try_from(refused).unwrap_or(u16::MAX));
            }
            return None;
        }
        let case = Case {
            why: Why::Strangers,
            severity: Severity::Medium,
            confidence: 70,
            strangers,
            refused,
            of_others: pair.of_others.sum(),
            objects: pair.objects,
            days: pair.strangers.days(),
            usual: 0,
            limit: 0,
            is_sequence: pair.is_sequence(),
            polluted: pair.polluted.into(),
            has_role: false,
            mates: 0,
            is_alike: false,
            is_new: true,
        };
        let refused_days = pair.refused.days();
        let habit = u32::from(pair.refused_habit).saturating_mul(HABIT);
        let case = self.of_strangers(ask, by, case, day).or_else(|| {
            let case = Case { days: refused_days, ..case };
            self.of_refusals(ask, case, habit)
        })?;
        self.told(ask, who, case, day)
    }

    /// Whether a week has too many strangers, and how bad that is.
    fn of_strangers(&mut self, ask: &Ask, by: (Who, Origin), mut case: Case, day: Day) -> Option<Case> {
        let limits = self.limits;
        let (who, _) = by;
        let (hash, key) = (self.templates.hash(&ask.template), key(who, ask.template));
        let template = self.templates.get(hash, &ask.template, ask.now)?;
        let active = template.active();
        case.usual = template.strangers.usual(active);
        let usual_refused = template.refused.usual(active);
        let habit = u32::from(self.people.roams(who, ask.now)).saturating_mul(HABIT);
        case.limit = limits.strangers.max(case.usual.saturating_mul(limits.times_usual)).max(habit);
        if case.strangers < case.limit || !template.is_private() {
            return None;
        }
        let sizes = template.strangers;
        let pair = self.pairs.hash(&key);
        if !self.pairs.get(pair, &key, ask.now)?.is_due(case.strangers, ask.now) {
            return None;
        }
        let company = self.company(ask, by, case.limit);
        let crowd = sizes.crowd(case.limit, active, company.of_roles);
        let hash = self.pairs.hash(&key);
        let pair = self.pairs.get(hash, &key, ask.now)?;
        let has_signs = pair.has_signs(case.strangers, usual_refused) && !company.are_signs_common();
        // Many, and more on the way: not they, but the application changed.
        if crowd == Crowd::Wide && !has_signs {
            return None;
        }
        if pair.crossed == 0 {
            pair.crossed = day;
        }
        let is_first_day = pair.crossed == day;
        let is_far = case.strangers >= case.limit.saturating_mul(AT_ONCE);
        if is_first_day && !has_signs && !is_far {
            return None;
        }
        let credit = self.credit(ask, by, case.strangers);
        case.is_alike = self.is_alike(by, (&company, day), credit != Credit::None);
        if credit == Credit::Roams && !case.is_alike {
            self.set_apart(ask, who, case.strangers);
            return None;
        }
        case.mates = company.mates;
        case.has_role = credit != Credit::None && !case.is_alike;
        let attack = if crowd == Crowd::Few { ATTACK } else { IN_COMPANY };
        let is_attack = case.strangers >= case.limit.saturating_mul(attack) && !case.has_role;
        if has_signs || case.is_alike || is_attack {
            (case.severity, case.confidence) = (Severity::High, if is_attack { 80 } else { 90 });
        }
        Some(case)
    }

    /// Whether a week has too many refusals.
    fn of_refusals(&mut self, ask: &Ask, mut case: Case, habit: u32) -> Option<Case> {
        let limits = self.limits;
        let hash = self.templates.hash(&ask.template);
        let template = self.templates.get(hash, &ask.template, ask.now)?;
        let active = template.active();
        case.usual = template.refused.usual(active);
        case.limit = limits.refused.max(case.usual.saturating_mul(limits.times_usual)).max(habit);
        if case.refused < case.limit || template.refused.crowd(case.limit, active, 0) == Crowd::Wide {
            return None;
        }
        case.why = Why::Refused;
        if case.is_sequence || case.of_others.saturating_mul(2) >= case.refused {
            (case.severity, case.confidence) = (Severity::High, 85);
        }
        Some(case)
    }

    /// Marks a case as told; news, unless it was told of late.
    fn told(&mut self, ask: &Ask, who: Who, mut case: Case, day: Day) -> Option<Case> {
        let key = key(who, ask.template);
        let hash = self.pairs.hash(&key);
        let pair = self.pairs.get(hash, &key, ask.now)?;
        let severity = case.severity as u8;
        let is_lately = pair.severity > 0 && day.saturating_sub(pair.told) < AGAIN;
        case.is_new = !is_lately || severity > pair.severity;
        if case.is_new {
            (pair.told, pair.severity) = (day, severity);
        }
        Some(case)
    }

    /// A principal that roams owns nothing from now on, and does not say what is usual.
    fn set_apart(&mut self, ask: &Ask, who: Who, strangers: u32) {
        self.people.let_roam(who, strangers, ask.now);
        let key = key(who, ask.template);
        let (pair, template) = (self.pairs.hash(&key), self.templates.hash(&ask.template));
        if let Some(pair) = self.pairs.get(pair, &key, ask.now)
            && let Some(template) = self.templates.get(template, &ask.template, ask.now)
            && !std::mem::replace(&mut pair.apart, true)
        {
            template.strangers.moved(pair.strangers.sum(), 0);
        }
    }
}
