//! Running programs without traffic, and what only tests set.

use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions, Xdp};

use super::error::KernelError;
use super::load::Dataplane;

impl Dataplane {
    /// Runs a program on a frame without sending anything (`BPF_PROG_TEST_RUN`); returns its action and the
    /// mean time of a run in nanoseconds.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn run(&self, program: &'static str, frame: &[u8], repeat: u32) -> Result<(u32, u64), KernelError> {
        let found = self.ebpf.program(program).ok_or(KernelError::NoMap(program))?;
        let xdp: &Xdp = found.try_into().map_err(KernelError::program(program))?;
        let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::default() };
        let result = xdp.test_run(options).map_err(KernelError::program(program))?;
        Ok((result.return_value, u64::try_from(result.duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Runs a program at tc on a frame, which appears to leave by the loopback interface; for tests.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn run_at_tc(&self, program: &'static str, frame: &[u8]) -> Result<(), KernelError> {
        let found = self.ebpf.program(program).ok_or(KernelError::NoMap(program))?;
        let classifier: &SchedClassifier = found.try_into().map_err(KernelError::program(program))?;
        let options = TestRunOptions { data_in: Some(frame), repeat: 1, ..TestRunOptions::default() };
        classifier.test_run(options).map_err(KernelError::program(program))?;
        Ok(())
    }

    /// For tests: the interface of a counter slot; 0 for none.
    pub fn set_served(&self, slot: usize, ifindex: u32) {
        self.settings.set_interface(slot, ifindex);
    }

    /// For tests: the interface that counts as the loopback interface; 0 for none.
    pub fn set_loopback(&self, ifindex: u32) {
        self.settings.set_loopback(ifindex);
    }

    /// For tests, with [`LoadOptions::fixed_clock`]: the tick that the program sees.
    pub fn set_tick(&self, tick: u64) {
        self.settings.set_fixed_tick(tick);
    }
}
