//! What is found in a source by what was trained on the others.

use std::collections::BTreeMap;

use crate::State;
use crate::corpora::{Corpora, Sample, Source};
use crate::inspect::injection::Injection;
use crate::inspect::injection::model::Model;
use crate::request::Judged;
use crate::train::Weights;

/// What is printed.
pub(crate) struct Options {
    pub(crate) show: usize,
    pub(crate) constructs: bool,
    pub(crate) only: Option<String>,
}

/// What was found in a source, in percent: at 0.5 % false positives, and by constructs alone.
#[derive(serde::Serialize)]
pub(crate) struct Fold {
    name: &'static str,
    found: f64,
    rules: f64,
    attacks: usize,
}

/// Sources that are left out together: what sqlmap makes is in two of them.
const FOLDS: [(&str, &[Source]); 7] = [
    ("sqlmap-made", &[Source::Params, Source::ModSec]),
    ("payload lists", &[Source::Lists]),
    ("gotestwaf", &[Source::GoTestWaf]),
    ("vulnbank", &[Source::Vulnbank]),
    ("core rule set", &[Source::Crs]),
    ("WAD-MCA", &[Source::Wad]),
    ("scanners", &[Source::Scanners]),
];

pub(crate) fn sizes(corpora: &Corpora) {
    let mut counts: BTreeMap<(Source, bool), usize> = BTreeMap::new();
    for sample in &corpora.samples {
        *counts.entry((sample.source, sample.is_attack)).or_default() += 1;
    }
    for ((source, is_attack), count) in counts {
        println!("{source:?}: {count} {}", if is_attack { "attacks" } else { "legitimate" });
    }
}

/// One line for each fold: the share found at 0.3, 0.5 and 1 % false positives.
pub(crate) fn print(
    corpora: &Corpora,
    state: &mut State,
    options: &Options,
    wants: &dyn Fn(&Sample) -> bool,
) -> Vec<Fold> {
    let mut folds = Vec::new();
    let samples = &corpora.samples;
    println!("\n{:<16}{:>8}{:>8}{:>8}{:>8}{:>8}", "left out", "rules", "0.3 %", "0.5 %", "1 %", "of");
    for (name, left_out) in FOLDS {
        if options.only.as_ref().is_some_and(|only| only != name && only != "traffic") {
            continue;
        }
        let model = if options.constructs {
            Model::silent()
        } else {
            let weights = state.train(samples, &|sample| wants(sample) && !left_out.contains(&sample.source));
            Model::parse(&weights.file(0.0, &[0; 16])).unwrap_or_else(Model::silent)
        };
        state.injection = Injection::with(model);
        let legitimate = judged(samples, state, &|sample| sample.source == Source::Traffic);
        let attacks = judged(samples, state, &|sample| {
            let is_meant = name != "sqlmap-made" || sample.class == "sqli";
            sample.is_attack && left_out.contains(&sample.source) && is_meant
        });
        folds.push(line(name, &legitimate, &attacks));
        if options.show > 0 {
            classes(&legitimate, &attacks);
            show(options, &legitimate, &attacks);
        }
    }
    folds
}

fn judged<'c>(
    samples: &'c [Sample],
    state: &mut State,
    wants: &dyn Fn(&Sample) -> bool,
) -> Vec<(&'c Sample, Judged)> {
    let State { injection, buffers } = state;
    samples
        .iter()
        .filter(|sample| wants(sample))
        .map(|sample| (sample, Judged::of(&sample.request, injection, buffers)))
        .collect()
}

fn line(name: &'static str, legitimate: &[(&Sample, Judged)], attacks: &[(&Sample, Judged)]) -> Fold {
    let share = |threshold: f32| {
        let found = attacks.iter().filter(|(_, judged)| judged.is_told(threshold)).count();
        100.0 * found as f64 / attacks.len().max(1) as f64
    };
    let at = |rate: f64| share(cut(legitimate, rate));
    println!(
        "{name:<16}{:>8.2}{:>8.2}{:>8.2}{:>8.2}{:>8}",
        share(f32::INFINITY),
        at(0.003),
        at(0.005),
        at(0.01),
        attacks.len()
    );
    let hard = rate(legitimate, f32::INFINITY);
    println!(
        "    false positives of rules alone: {:.3} %; thresholds {:.2} {:.2}",
        hard * 100.0,
        cut(legitimate, 0.005),
        cut(legitimate, 0.009)
    );
    Fold { name, found: at(0.005), rules: share(f32::INFINITY), attacks: attacks.len() }
}

/// The share of legitimate requests that are told, on average over families of sites.
fn rate(legitimate: &[(&Sample, Judged)], threshold: f32) -> f64 {
    let mut families: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (sample, judged) in legitimate {
        let (all, told) = families.entry(sample.class.as_str()).or_default();
        *all += 1;
        *told += usize::from(judged.is_told(threshold));
    }
    let count = families.len().max(1) as f64;
    families.values().map(|(all, told)| *told as f64 / *all as f64).sum::<f64>() / count
}

/// The lowest threshold at which no more than this share is told.
fn cut(legitimate: &[(&Sample, Judged)], most: f64) -> f32 {
    let mut scores: Vec<f32> =
        legitimate.iter().map(|(_, judged)| judged.score).filter(|score| score.is_finite()).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let mut best = f32::INFINITY;
    for score in scores {
        let next = score + 1e-4;
        if rate(legitimate, next) > most {
            break;
        }
        best = next;
    }
    best
}

/// The threshold of shipped weights: that of 0.5 %.
pub(crate) fn threshold(corpora: &Corpora, state: &mut State, weights: &Weights) -> f32 {
    let model = Model::parse(&weights.file(0.0, &[0; 16])).unwrap_or_else(Model::silent);
    state.injection = Injection::with(model);
    let legitimate = judged(&corpora.samples, state, &|sample| sample.source == Source::Traffic);
    let (alert, evidence) = (cut(&legitimate, 0.005), cut(&legitimate, 0.009));
    println!("evidence is {:.2} logits below the alert", alert - evidence);
    alert
}

fn classes(legitimate: &[(&Sample, Judged)], attacks: &[(&Sample, Judged)]) {
    let threshold = cut(legitimate, 0.005);
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (sample, judged) in attacks {
        let (all, told) = counts.entry(sample.class.as_str()).or_default();
        *all += 1;
        *told += usize::from(judged.is_told(threshold));
    }
    for (class, (all, told)) in counts {
        println!("        {class}: {:.1} % of {all}", 100.0 * told as f64 / all as f64);
    }
}

fn show(options: &Options, legitimate: &[(&Sample, Judged)], attacks: &[(&Sample, Judged)]) {
    let threshold = cut(legitimate, 0.005);
    if options.only.as_deref() == Some("traffic") {
        for (sample, judged) in legitimate.iter().filter(|(_, judged)| !judged.rules.is_empty()) {
            println!("  rule: {} {:?} {}", sample.class, judged.rules, judged.worst);
        }
        let mut told: Vec<_> =
            legitimate.iter().filter(|(_, judged)| judged.is_told(threshold - 4.0)).collect();
        told.sort_by(|a, b| b.1.score.total_cmp(&a.1.score));
        for (sample, judged) in
            told.into_iter().filter(|(_, judged)| judged.rules.is_empty()).take(options.show)
        {
            println!("  told: {} {:?} {:.2} {}", sample.class, judged.rules, judged.score, judged.worst);
        }
        return;
    }
    let missed: Vec<_> = attacks.iter().filter(|(_, judged)| !judged.is_told(threshold)).collect();
    let step = (missed.len() / options.show).max(1);
    for (sample, judged) in missed.iter().step_by(step) {
        let request = &sample.request;
        let text = if request.query.is_empty() { &request.body } else { &request.query };
        let text = if text.is_empty() { &request.path } else { text };
        let text = String::from_utf8_lossy(text.get(..160).unwrap_or(text)).into_owned();
        println!(
            "  missed: {} {:.2} {text} | {}",
            sample.class,
            judged.score,
            judged.worst.get(..100).unwrap_or(&judged.worst)
        );
    }
}
