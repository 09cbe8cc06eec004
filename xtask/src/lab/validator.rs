//! A second opinion: `delv`, BIND's validating client, asks the resolver for everything and checks it
//! by itself.

use std::fs;

use anyhow::{Context, Result, bail};

use super::{ADDRESS, Lab};

/// What `delv` makes of an answer and of its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    Secure,
    Insecure,
    /// Bogus, or no answer.
    Failed,
}

impl Lab {
    /// Lets `delv` ask and check, from the root's key down, for instance `www.example.com A`.
    pub fn judge(&self, question: &str) -> Result<Judgement> {
        let anchors = self.folder().join("anchors");
        if !anchors.exists() {
            fs::write(&anchors, self.anchors())?;
        }
        let mut command = self.command("delv");
        command.arg(format!("@{ADDRESS}")).arg("-a").arg(&anchors).arg("+root=.");
        command.args(question.split_whitespace());
        let output = command.output().context("cannot start delv (package bind9-dnsutils)")?;
        let said = [output.stdout, output.stderr].concat();
        Judgement::read(&String::from_utf8_lossy(&said)).with_context(|| format!("delv {question}"))
    }

    /// The root's key as BIND's programs want to have it.
    pub fn anchors(&self) -> String {
        let words: Vec<&str> = self.root_ds().split_whitespace().collect();
        let [.., tag, algorithm, kind, digest] = words.as_slice() else { return String::new() };
        format!("trust-anchors {{ . static-ds {tag} {algorithm} {kind} \"{digest}\"; }};\n")
    }
}

impl Judgement {
    fn read(said: &str) -> Result<Judgement> {
        if said.contains("fully validated") {
            // Each part of an answer has its own line.
            return Ok(match said.contains("unsigned answer") {
                true => Judgement::Insecure,
                false => Judgement::Secure,
            });
        }
        if said.contains("unsigned answer") {
            return Ok(Judgement::Insecure);
        }
        if said.contains("resolution failed") {
            return Ok(Judgement::Failed);
        }
        bail!("it said: {said}")
    }
}
