//! A laboratory of several clones and a remote.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::lab::TestLab;

/// A laboratory whose repository has a bare remote, `origin`, and clones of it beside.
pub struct Net {
    /// The laboratory; its repository is the clone `lab`.
    pub lab: TestLab,
    /// What Git may fetch from: `file`, or also `http` from a server of the test's own.
    pub protocols: &'static str,
}

impl Net {
    pub fn new() -> Self {
        let lab = TestLab::with_commit();
        lab.git(["clone", "--quiet", "--bare", ".", "../remote.git"]);
        let net = Self { lab, protocols: "file" };
        let url = net.url();
        net.git("lab", &["remote", "add", "origin", &url]);
        net.git("lab", &["fetch", "--quiet", "origin"]);
        net
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.folder("remote.git").display())
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        self.lab.path().parent().expect("it was made in a folder").join(name)
    }

    /// Makes another clone.
    pub fn clone(&self, name: &str) {
        let url = self.url();
        self.git("lab", &["clone", "--quiet", &url, &format!("../{name}")]);
    }

    /// Copies a clone with all that is in it.
    pub fn copy(&self, from: &str, to: &str) {
        let mut command = self.lab.command(["cp", "-r", ".", &format!("../{to}")]);
        command.current_dir(self.folder(from));
        assert!(command.output().expect("cp starts").status.success());
    }

    pub fn output(&self, clone: &str, mut command: Command) -> Output {
        command.env("GIT_ALLOW_PROTOCOL", self.protocols);
        command.current_dir(self.folder(clone)).output().expect("it can be started")
    }

    #[track_caller]
    pub fn git(&self, clone: &str, words: &[&str]) -> String {
        let mut command = self.lab.command(["git"]);
        command.args(words);
        let output = self.output(clone, command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {words:?} in {clone}:\n{said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What git exp answers: its exit status, standard output and standard error.
    pub fn exp(&self, clone: &str, words: &[&str]) -> (i32, String, String) {
        let output = self.output(clone, self.lab.exp_command(words));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().expect("it exits"), text(&output.stdout), text(&output.stderr))
    }

    #[track_caller]
    pub fn exp_ok(&self, clone: &str, words: &[&str]) -> String {
        let (status, out, said) = self.exp(clone, words);
        assert_eq!(status, 0, "git exp {words:?} in {clone}:\n{out}{said}");
        out
    }

    /// Records a run with this label.
    #[track_caller]
    pub fn record(&self, clone: &str, label: &str) {
        self.exp_ok(clone, &["run", "--label", label, "--", "echo", label]);
    }

    /// The labels of all runs that a clone knows, sorted.
    #[track_caller]
    pub fn labels(&self, clone: &str) -> Vec<String> {
        let mut labels: Vec<String> =
            self.json(clone, &["runs"]).iter().map(|run| run["label"].as_str().unwrap().to_owned()).collect();
        labels.sort();
        labels
    }

    #[track_caller]
    pub fn json(&self, clone: &str, words: &[&str]) -> Vec<Value> {
        let words: Vec<&str> = ["--json"].into_iter().chain(words.iter().copied()).collect();
        let (_, out, said) = self.exp(clone, &words);
        let objects = serde_json::Deserializer::from_str(&out).into_iter();
        objects.map(|it| it.unwrap_or_else(|error| panic!("{error}: {out}{said}"))).collect()
    }

    pub fn writer(&self, clone: &str) -> String {
        self.git(clone, &["config", "exp.writer"])
    }

    /// Puts a commit with these files on a log of the remote, on top of `parent`; gives the commit.
    pub fn forge(
        &self,
        name: &str,
        parent: Option<&str>,
        file: &str,
        content: &[u8],
        message: &str,
    ) -> String {
        let path = self.folder("forged");
        std::fs::write(&path, content).expect("the folder is ours");
        let blob = self.git("remote.git", &["hash-object", "-w", &path.to_string_lossy()]);
        let mut command = self.lab.command(["git", "mktree"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.current_dir(self.folder("remote.git")).spawn().expect("git starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut pipe, format!("100644 blob {blob}\t{file}\n").as_bytes())
            .expect("written");
        drop(pipe);
        let tree = child.wait_with_output().expect("it ends").stdout;
        let tree = String::from_utf8_lossy(&tree).trim().to_owned();
        let mut words = vec!["commit-tree", &tree, "-m", message];
        if let Some(parent) = parent {
            words.extend(["-p", parent]);
        }
        let commit = self.git("remote.git", &words);
        self.git("remote.git", &["update-ref", &format!("refs/exp/log/{name}"), &commit]);
        commit
    }
}
