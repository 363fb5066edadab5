//! `loadgen completions SHELL` and `loadgen man`: what shells and readers of
//! manuals want, made from the command line's own definition.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Failure;

/// The completion script of a shell.
pub fn completions(shell: Shell) -> String {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "loadgen", &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The manual: the program's page and one for each verb, one after the other.
///
/// # Errors
///
/// A [`Failure`] when a page cannot be rendered.
pub fn manual() -> Result<String, Failure> {
    let mut out = Vec::new();
    let mut command = Cli::command().name("loadgen");
    command.build();
    let mut pages = vec![command.clone()];
    pages.extend(command.get_subcommands().cloned());
    for page in pages {
        clap_mangen::Man::new(page)
            .render(&mut out)
            .map_err(|error| Failure::internal(format!("the manual has no form: {error}")))?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_every_verb() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let script = completions(shell);
            for verb in [
                "run", "validate", "report", "compare", "gate", "merge", "doctor",
            ] {
                assert!(script.contains(verb), "{shell}: {verb}");
            }
        }
    }

    #[test]
    fn the_manual_has_a_page_for_each_verb_with_its_exit_codes() {
        let manual = manual().unwrap();
        assert!(manual.matches(".TH").count() >= 9, "{manual}");
        assert!(manual.contains("gate failed: a threshold"));
    }
}
