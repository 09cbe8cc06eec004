//! The prompt on a terminal: a line that can be edited, its history, and names that complete
//! themselves, for the console of `kresd` and for `kresctl`.
//!
//! It waits for keys, so it has a thread or a program to itself. What commands mean is known by
//! whoever answers: a [`Backend`].

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{History, MemHistory};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper};

/// Lines that are kept for later.
const HISTORY_LINES: usize = 1000;
/// A history file that is longer is begun anew with its end.
const HISTORY_BYTES_MAX: u64 = 1024 * 1024;

/// How the prompt's own questions begin.
pub(crate) const OWN: &str = "return __control.";

/// Who answers.
pub(crate) trait Backend {
    /// Runs a command: the text of the answer, or of the error. Nothing: there is nobody any more.
    fn run(&mut self, command: &str) -> Option<Result<String, String>>;
    /// An interrupt was typed (Ctrl-C).
    fn interrupt(&mut self);
}

/// A call of one of the functions that processes have for prompts, with a text.
pub(crate) fn call(function: &str, text: &str) -> String {
    let mut literal = String::new();
    for letter in text.chars() {
        match letter {
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\0' => literal.push_str("\\0"),
            '\'' | '\\' => literal.extend(['\\', letter]),
            other => literal.push(other),
        }
    }
    format!("{OWN}{function}('{literal}')")
}

/// What the editor asks while a line is typed.
struct Assistant<B>(RefCell<B>);

impl<B: Backend> Assistant<B> {
    fn ask(&self, function: &str, text: &str) -> Option<String> {
        self.0.borrow_mut().run(&call(function, text))?.ok()
    }
}

impl<B: Backend> Completer for Assistant<B> {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..at).unwrap_or_default();
        let Some(answer) = self.ask("complete", typed) else { return Ok((at, Vec::new())) };
        let mut lines = answer.lines();
        let from = lines.next().and_then(|number| number.parse().ok()).unwrap_or(at);
        Ok((from, lines.map(str::to_owned).collect()))
    }
}

impl<B: Backend> Validator for Assistant<B> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        // An empty line ends a chunk, complete or not.
        let ended = text.is_empty() || text.ends_with('\n');
        let open = !ended && self.ask("incomplete", text).is_some_and(|answer| answer == "yes");
        Ok(if open { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl<B: Backend> Highlighter for Assistant<B> {}

impl<B: Backend> Hinter for Assistant<B> {
    type Hint = String;
}

impl<B: Backend> Helper for Assistant<B> {}

/// Where lines are kept between sessions: `kres/history` in the user's state directory.
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Some(state?.join("kres/history"))
}

/// The lines of earlier sessions; a line feed within one is written as an escape.
fn load(history: &mut MemHistory, file: &PathBuf) {
    let Ok(text) = fs::read_to_string(file) else { return };
    let lines: Vec<&str> = text.lines().collect();
    for line in lines.iter().skip(lines.len().saturating_sub(HISTORY_LINES)) {
        let line = line.replace("\\n", "\n").replace("\\\n", "\\n");
        let _without = history.add(&line);
    }
    if text.len() as u64 > HISTORY_BYTES_MAX {
        let kept = lines.iter().skip(lines.len().saturating_sub(HISTORY_LINES));
        let kept: Vec<&str> = kept.copied().collect();
        let _without = fs::write(file, kept.join("\n") + "\n");
    }
}

/// Adds a line to those of earlier sessions. Where none can be written there is no history.
fn keep(file: &PathBuf, line: &str) {
    let directory = file.parent().unwrap_or(file);
    let _there_already = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    let written = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(file);
    let escaped = line.replace("\\n", "\\\\n").replace('\n', "\\n");
    let _without = written.and_then(|mut file| writeln!(file, "{escaped}"));
}

/// Reads commands and prints answers until the end of input, or until nobody answers any more.
pub(crate) fn converse<B: Backend>(backend: B) -> rustyline::Result<()> {
    let config = Config::builder()
        .max_history_size(HISTORY_LINES)?
        .history_ignore_space(true)
        .completion_type(rustyline::CompletionType::List)
        .build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::with_history(config, history)?;
    let file = history_file();
    if let Some(file) = &file {
        load(editor.history_mut(), file);
    }
    editor.set_helper(Some(Assistant(RefCell::new(backend))));
    let mut out = std::io::stdout();
    loop {
        let line = match editor.readline("> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                let Some(assistant) = editor.helper() else { return Ok(()) };
                assistant.0.borrow_mut().interrupt();
                return Ok(());
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(ReadlineError::Signal(_)) => continue,
            Err(error) => return Err(error),
        };
        let line = line.trim_end_matches('\n');
        if line.is_empty() {
            continue;
        }
        if editor.add_history_entry(line)?
            && let Some(file) = &file
        {
            keep(file, line);
        }
        let Some(assistant) = editor.helper() else { return Ok(()) };
        let Some(answer) = assistant.0.borrow_mut().run(line) else { return Ok(()) };
        let text = answer.unwrap_or_else(|text| text);
        let _nobody = writeln!(out, "{text}");
    }
}
