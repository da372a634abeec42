//! Processes whose standard error is read by lines, and directories that go with a test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long a test waits for anything before it says that it does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory that no other test has; a drop removes it.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// One in another directory than that for temporary files.
    pub(crate) fn below(parent: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringmq-bridge-test-{}-{count}", std::process::id());
        let path = parent.join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("the temporary directory is writable");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A child. A drop kills it, and prints what it said if the test failed.
pub(crate) struct Process {
    child: Child,
    name: String,
    said: Arc<Mutex<Vec<String>>>,
    lines: Receiver<String>,
}

impl Process {
    /// Starts it. Variables that stand for settings of ringmq are not passed on.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("RINGMQ_") {
                command.env_remove(variable);
            }
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let stderr = child.stderr.take().expect("is piped");
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let (sender, lines) = mpsc::channel();
        let keep = said.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                keep.lock().expect("no holder panics").push(line.clone());
                // The test may be over.
                let _ = sender.send(line);
            }
        });
        Self { child, name, said, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of standard error that contains `text`.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("{}: waiting for {text:?}: {error}", self.name),
            }
        }
    }

    /// Returns when it has said a text, now or before.
    #[track_caller]
    pub(crate) fn wait_until_said(&self, text: &str) {
        while self.times_said(text) == 0 {
            let said = self.lines.recv_timeout(PATIENCE);
            said.unwrap_or_else(|error| panic!("{}: waiting for {text:?}: {error}", self.name));
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// How often it has said a text so far.
    pub(crate) fn times_said(&self, text: &str) -> usize {
        let said = self.said.lock().expect("no holder panics");
        said.iter().filter(|line| line.contains(text)).count()
    }

    /// SIGKILL, and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// SIGTERM or another signal.
    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(status.expect("kill is there").success(), "{} takes {name}", self.name);
    }

    /// SIGTERM; its exit code.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for its end; its exit code.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        // Its standard error ends with it.
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} should have ended", self.name),
            }
        }
        self.child.wait().expect("it is ours").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let said = self.said.lock().map(|said| said.join("\n  ")).unwrap_or_default();
            eprintln!("{} said:\n  {said}", self.name);
        }
    }
}
