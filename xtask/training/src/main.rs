//! Trains the recognition of injection on corpora, writes its weights, and prints what it finds in each source when it was
//! trained on the others.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool of developers, over corpora that they chose"
)]
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "the rooms of the daemon are included, and only a part of them is used"
)]

mod corpora;
mod cost;
mod crs;
mod gotestwaf;
mod inspect;
mod made;
mod request;
mod stress;
mod tables;
mod train;
#[path = "../../../sensor/src/values/mod.rs"]
mod values;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use sha2::{Digest as _, Sha256};

use corpora::{Corpora, Sample, Source};
use inspect::injection::Injection;
use inspect::injection::model::Model;
use train::{Example, Weights, runs_of};
use values::{Buffers, Value};

/// Trains the recognition of injection.
#[derive(Parser)]
struct Cli {
    /// Directory with the corpora, unpacked.
    directory: PathBuf,
    /// Root of the project.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// Write the weights.
    #[arg(long)]
    write: bool,
    /// Print legitimate requests that are told, and attacks that are not, of each source: this many.
    #[arg(long, default_value_t = 0)]
    show: usize,
    /// Judge constructs alone.
    #[arg(long)]
    constructs: bool,
    /// Also train on corpora that may not be used for shipped weights, to see what that costs.
    #[arg(long)]
    everything: bool,
    /// Print what inspection costs per request, and nothing else.
    #[arg(long)]
    cost: bool,
    /// Judge texts with the weights that are committed, and nothing else: lines of JSON with `family` and `text`.
    #[arg(long)]
    texts: Option<PathBuf>,
    /// Also write what was found in each source to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only this source in what is shown.
    #[arg(long)]
    only: Option<String>,
}

/// The order of training.
const SEED: u64 = 19;

fn main() -> Result<()> {
    let cli = Cli::parse();
    if cli.cost {
        cost::print();
        return Ok(());
    }
    if let Some(texts) = &cli.texts {
        return stress::print(texts, cli.show);
    }
    let corpora = Corpora::read(&cli.directory, &cli.root)?;
    let mut state = State::new();
    let wants = |sample: &Sample| cli.everything || sample.source.is_licensed();
    tables::sizes(&corpora);
    let folds = tables::print(&corpora, &mut state, &cli.options(), &wants);
    if let Some(file) = &cli.json {
        fs::write(file, serde_json::to_string(&folds)?)?;
    }
    if cli.write {
        write(&corpora, &mut state, &cli)?;
    }
    Ok(())
}

impl Cli {
    fn options(&self) -> tables::Options {
        tables::Options { show: self.show, constructs: self.constructs, only: self.only.clone() }
    }
}

/// What reads samples.
pub(crate) struct State {
    injection: Injection,
    buffers: Buffers,
}

impl State {
    fn new() -> Self {
        Self { injection: Injection::with(Model::silent()), buffers: Buffers::default() }
    }

    /// Weights that are trained on the samples that are wanted.
    pub(crate) fn train(&mut self, samples: &[Sample], wants: &dyn Fn(&Sample) -> bool) -> Weights {
        let mut examples = Vec::new();
        let mut counts = std::collections::BTreeMap::new();
        let mut sources = Vec::new();
        for sample in samples.iter().filter(|sample| wants(sample)) {
            let Self { injection, buffers } = self;
            sample.request.values(buffers, &mut |value: &Value<'_>| {
                let Some(tokens) = injection.tokens_of(value) else { return };
                // Short ones say nothing.
                if tokens.len() < 4 && sample.is_attack {
                    return;
                }
                let runs = runs_of(tokens);
                // Of a request of many values only some are the attack: those that a construct tells, to be sure.
                let is_one = matches!(sample.source, Source::Params | Source::Lists | Source::GoTestWaf);
                if sample.is_attack && !is_one && injection.verdict(value).rules.is_empty() {
                    return;
                }
                examples.push(Example { runs, is_attack: sample.is_attack, weight: 1.0 });
                sources.push((sample.source, sample.class.clone(), sample.is_attack));
                *counts.entry((sample.source, sample.class.clone(), sample.is_attack)).or_insert(0_u32) += 1;
            });
        }
        weigh(&mut examples, &sources, &counts);
        Weights::train(&examples, SEED)
    }
}

type Group = (Source, String, bool);

/// Sources weigh as the root of their size, classes are balanced, prose counts a quarter.
fn weigh(examples: &mut [Example], groups: &[Group], counts: &std::collections::BTreeMap<Group, u32>) {
    let mut sums = [0.0_f32; 2];
    for (example, group) in examples.iter_mut().zip(groups) {
        let count = counts.get(group).copied().unwrap_or(1) as f32;
        let share = if matches!(group.1.as_str(), "prose" | "html") { 0.25 } else { 1.0 };
        example.weight = (300.0 / count).sqrt().min(1.0) * share;
        sums[usize::from(example.is_attack)] += example.weight;
    }
    let most = sums[0].max(sums[1]);
    for example in examples.iter_mut() {
        example.weight *= most / sums[usize::from(example.is_attack)].max(1.0);
    }
}

/// Trains on all that may be used, and writes weights whose threshold is 0.
fn write(corpora: &Corpora, state: &mut State, cli: &Cli) -> Result<()> {
    let weights = state.train(&corpora.samples, &|sample| sample.source.is_licensed());
    let mut hash = Sha256::new();
    let mut hashes =
        String::from("# SHA-256 of the corpora that the weights were trained on, and of the lexicon.\n");
    for (path, bytes) in &corpora.files {
        let name = path.strip_prefix(&cli.directory).unwrap_or(path);
        let digest = Sha256::digest(bytes);
        hash.update(digest);
        hashes.push_str(&format!("{}  {}\n", hex(&digest), name.display()));
    }
    let lexicon = Sha256::digest(inspect::injection::LEXICON);
    hash.update(lexicon);
    hashes.push_str(&format!("{}  lexicon.txt\n", hex(&lexicon)));
    let digest = hash.finalize();
    let mut data = [0_u8; 16];
    data.copy_from_slice(&digest[..16]);
    let threshold = tables::threshold(corpora, state, &weights);
    let file = weights.file(threshold, &data);
    hashes.push_str(&format!("{}  weights.bin\n", hex(&Sha256::digest(&file))));
    let folder = cli.root.join("sensor/src/inspect/injection");
    fs::write(folder.join("weights.bin"), file).context("the weights cannot be written")?;
    fs::write(folder.join("corpora.sha256"), hashes)?;
    println!("written: weights.bin, with the threshold at {threshold:.2} logits of what was trained");
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
