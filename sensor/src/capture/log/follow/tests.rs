//! Files that are written, renamed, emptied and removed under a follower.

use std::collections::HashMap;
use std::io::Write as _;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A server that writes a log, and whoever reads it.
struct Scene {
    directory: TempDir,
    file: File,
    written: Vec<String>,
    read: Vec<String>,
    refused: usize,
    follower: Option<Follower>,
    kept: Vec<Position>,
    now: Duration,
    rotations: usize,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = opened(&directory.path().join("access.log"));
        let mut scene = Self {
            directory,
            file,
            written: Vec::new(),
            read: Vec::new(),
            refused: 0,
            follower: None,
            kept: Vec::new(),
            now: Duration::from_secs(1),
            rotations: 0,
        };
        scene.start();
        scene
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("access.log")
    }

    fn start(&mut self) {
        self.follower = Some(Follower::new(&self.path(), Some(&self.kept), self.now));
    }

    fn stop(&mut self) {
        self.kept = self.follower.take().unwrap().positions();
    }

    fn write(&mut self, count: usize) {
        for _ in 0..count {
            let line = format!("line {} {}", self.written.len(), "x".repeat(self.written.len() % 97));
            writeln!(self.file, "{line}").unwrap();
            self.written.push(line);
        }
    }

    fn rotate(&mut self, late: usize) {
        self.rotations += 1;
        fs::rename(self.path(), self.directory.path().join(format!("access.log.{}", self.rotations)))
            .unwrap();
        self.write(late);
        self.file = opened(&self.path());
    }

    fn truncate(&mut self) {
        self.file.set_len(0).unwrap();
    }

    fn step(&mut self) -> bool {
        let mut buffer = vec![0; CHUNK];
        self.now += Duration::from_millis(1);
        let step = self.follower.as_mut().unwrap().step(&mut buffer, self.now);
        match step {
            Some(Step::Lines(from, length)) => {
                let text = str::from_utf8(&buffer[from..from + length]).unwrap();
                assert!(text.is_empty() || text.ends_with('\n'));
                self.read.extend(text.lines().map(str::to_owned));
            }
            Some(Step::Refused) => self.refused += 1,
            Some(Step::Skipped) | None => {}
        }
        step.is_some()
    }

    fn read_all(&mut self) {
        while self.step() {}
    }

    fn turns(&self) -> Turns {
        self.follower.as_ref().unwrap().turns()
    }

    /// Every line was read once. Those of a renamed file may come after some of the new one.
    fn check(&self) {
        let mut times: HashMap<&str, u32> = HashMap::new();
        for line in &self.read {
            *times.entry(line).or_default() += 1;
        }
        let of = |line: &String| times.get(line.as_str()).copied().unwrap_or_default();
        let wrong = self.written.iter().filter(|line| of(line) != 1);
        let wrong: Vec<(String, u32)> =
            wrong.map(|line| (line[..line.len().min(12)].to_owned(), of(line))).take(4).collect();
        assert!(wrong.is_empty() && self.read.len() == self.written.len(), "{wrong:?}");
    }
}

fn opened(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).unwrap()
}

#[test]
fn a_log_that_is_new_is_read_from_its_end_and_one_that_comes_later_from_its_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    fs::write(&old, "old\nunfin").unwrap();
    let mut buffer = vec![0; CHUNK];
    let mut read = |follower: &mut Follower| match follower.step(&mut buffer, Duration::ZERO) {
        Some(Step::Lines(from, length)) => String::from_utf8(buffer[from..from + length].to_vec()).unwrap(),
        other => format!("{other:?}"),
    };
    let [mut of_old, mut of_new] = [&old, &new].map(|path| Follower::new(path, None, Duration::ZERO));
    assert_eq!(of_new.trouble().unwrap().0, ErrorKind::NotFound);
    assert_eq!((read(&mut of_old), read(&mut of_new)), ("None".to_owned(), "None".to_owned()));
    opened(&old).write_all(b"ished\n").unwrap();
    opened(&new).write_all(b"first\n").unwrap();
    assert_eq!((read(&mut of_old), read(&mut of_new)), ("unfinished\n".to_owned(), "first\n".to_owned()));
    assert_eq!((of_new.trouble(), of_old.unread()), (None, 0));
}

#[test]
fn a_line_that_is_too_long_is_refused_once_and_the_next_is_read() {
    for length in [MAX_LINE + 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
        let mut scene = Scene::new();
        scene.file.write_all(&vec![b'x'; length]).unwrap();
        scene.read_all();
        // A restart within the line.
        scene.stop();
        scene.start();
        scene.file.write_all(b"x\n").unwrap();
        scene.write(3);
        scene.read_all();
        scene.check();
        assert_eq!(scene.refused, 1, "{length}");
    }
}

#[test]
fn what_is_lost_is_told() {
    // Emptied before it was read, though it was seen.
    let mut scene = Scene::new();
    scene.write(1);
    scene.read_all();
    write!(scene.file, "seen, but not whole").unwrap();
    scene.read_all();
    scene.truncate();
    scene.write(1);
    scene.read_all();
    assert_eq!(scene.turns(), Turns { truncations: 1, gaps: 1, rotations: 0 });
    scene.check();
    // Removed while nobody looked.
    scene.stop();
    fs::remove_file(scene.path()).unwrap();
    let lost = scene.written.len();
    scene.write(2);
    scene.written.truncate(lost);
    scene.file = opened(&scene.path());
    scene.write(2);
    scene.start();
    scene.read_all();
    scene.check();
    assert_eq!(scene.turns().gaps, 1);
}

#[test]
fn a_line_that_nobody_will_finish_is_refused() {
    let mut scene = Scene::new();
    scene.write(1);
    write!(scene.file, "half").unwrap();
    scene.rotate(0);
    scene.write(1);
    scene.read_all();
    assert_eq!(scene.refused, 0, "it may still be finished");
    scene.now += GRACE;
    scene.read_all();
    scene.check();
    assert_eq!((scene.refused, scene.follower.as_ref().unwrap().positions().len()), (1, 1));
}

#[test]
fn only_regular_files_are_logs() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [pipe.as_path(), directory.path()] {
        let follower = Follower::new(path, None, Duration::ZERO);
        assert_eq!(follower.trouble().unwrap().1, "it is not a regular file");
    }
}

#[derive(Clone, Debug)]
enum Act {
    Write(usize),
    /// With lines that are still written to the renamed file.
    Rotate(usize),
    /// After everything was read.
    CopyTruncate,
    Step,
    ReadAll,
    Stop,
    Start,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => prop_oneof![1_usize..5, Just(2_000)].prop_map(Act::Write),
        2 => (0_usize..3).prop_map(Act::Rotate),
        1 => Just(Act::CopyTruncate),
        4 => Just(Act::Step),
        2 => Just(Act::ReadAll),
        2 => Just(Act::Stop),
        2 => Just(Act::Start),
    ];
    prop::collection::vec(act, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// However a server writes and rotates, and the reader stops and starts: every line is read, and once.
    #[test]
    fn every_line_is_read_once(acts in acts()) {
        let mut scene = Scene::new();
        let truncates = acts.iter().any(|act| matches!(act, Act::CopyTruncate));
        for act in acts {
            let runs = scene.follower.is_some();
            match act {
                Act::Write(count) => scene.write(count),
                // More at a time than are open at once would be found later; names have an order up to nine.
                Act::Rotate(late) if scene.rotations < 6 => scene.rotate(late),
                Act::CopyTruncate if runs => {
                    scene.read_all();
                    scene.truncate();
                }
                Act::Step if runs => { scene.step(); }
                Act::ReadAll if runs => scene.read_all(),
                Act::Stop if runs => scene.stop(),
                Act::Start if !runs => scene.start(),
                Act::Rotate(_) | Act::CopyTruncate | Act::Step | Act::ReadAll | Act::Stop | Act::Start => {}
            }
        }
        if scene.follower.is_none() {
            scene.start();
        }
        scene.read_all();
        scene.check();
        // A start cannot know whether the file was read to its end before it was emptied.
        prop_assert!(truncates || scene.turns().gaps == 0);
    }
}
