//! One interpreter with its recording process, and the two checks that the tests speak in.

use std::path::Path;
use std::rc::Rc;

use lua::Interpreter;

use crate::recording::RecordingHost;

/// An interpreter in a directory of its own.
pub(crate) struct World {
    pub(crate) host: Rc<RecordingHost>,
    pub(crate) lua: Interpreter,
    directory: tempfile::TempDir,
}

impl World {
    /// Nothing is loaded but the language.
    pub(crate) fn new() -> Self {
        Self::with_natives(&[])
    }

    /// The same in a program that brings these modules.
    pub(crate) fn with_natives(natives: &[&'static str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let host = Rc::new(RecordingHost::new(directory.path()));
        host.natives.borrow_mut().extend(natives);
        let lua = Interpreter::new(host.clone()).unwrap();
        Self { host, lua, directory }
    }

    /// As a started process is: defaults loaded, a cache open.
    pub(crate) fn ready() -> Self {
        let world = Self::new();
        world.lua.load_defaults().unwrap();
        assert_eq!(world.eval("cache.size = 20*MB"), "");
        world.host.take_calls();
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file into the directory.
    pub(crate) fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs a configuration; the error is its text with the directory taken out.
    pub(crate) fn configure(&self, text: &str) -> Result<(), String> {
        let path = self.write("config", text);
        let directory = format!("{}/", self.path().display());
        self.lua.run_config(&path).map_err(|error| error.to_string().replace(&directory, ""))
    }

    /// What a command answers, good or bad.
    pub(crate) fn eval(&self, line: &str) -> String {
        let answer = self.lua.eval_line(line.as_bytes());
        String::from_utf8(answer.unwrap_or_else(|error| error)).unwrap()
    }

    /// The message of a command that must fail.
    #[track_caller]
    pub(crate) fn eval_error(&self, line: &str) -> String {
        match self.lua.eval_line(line.as_bytes()) {
            Ok(text) => {
                panic!("{line}: expected an error, got {}", String::from_utf8_lossy(&text))
            }
            Err(error) => String::from_utf8(error).unwrap(),
        }
    }

    /// Lets `ms` pass, running what is due.
    pub(crate) fn pass(&self, ms: u64) {
        let end = self.host.now.get() + ms;
        while let Some(deadline) = self.lua.next_deadline().filter(|deadline| *deadline <= end) {
            self.host.now.set(deadline.max(self.host.now.get()));
            self.lua.handle_deadline();
        }
        self.host.now.set(end);
    }
}

/// Each line in turn: `command => answer`.
#[track_caller]
pub(crate) fn check_console(world: &World, script: &[(&str, &str)]) {
    for (line, expected) in script {
        assert_eq!(world.eval(line), *expected, "{line}");
    }
}

/// Each line in turn: the command fails, and its message contains the words.
#[track_caller]
pub(crate) fn check_refused(world: &World, script: &[(&str, &str)]) {
    for (line, words) in script {
        let error = world.eval_error(line);
        assert!(error.contains(words), "{line}: expected '{words}' in: {error}");
    }
}
