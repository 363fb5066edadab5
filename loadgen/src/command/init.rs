//! `loadgen init`: a commented scenario to start from.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::exit::{Exit, Failure};

/// What `loadgen init` was asked.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where to write the scenario; to stdout when left out. A file that is there
    /// is not overwritten.
    file: Option<PathBuf>,
    /// What to start from.
    #[arg(long, default_value = "minimal", value_enum)]
    template: Template,
}

/// What a scenario can start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Template {
    /// As short as can be.
    Minimal,
    /// A service that asks in its own name, for many tenants.
    Daemon,
    /// Users who sign in, and four instances with a shared L2.
    WebApp,
    /// Everyone wants one token at once.
    Stampede,
}

impl Template {
    /// The text of it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Minimal => include_str!("init/minimal.yaml"),
            Self::Daemon => include_str!("init/daemon.yaml"),
            Self::WebApp => include_str!("init/web-app.yaml"),
            Self::Stampede => include_str!("init/stampede.yaml"),
        }
    }
}

impl InitArgs {
    /// Writes the template.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when the file is there already or cannot be written.
    pub fn execute(&self) -> Result<(String, Exit), Failure> {
        let Some(file) = &self.file else {
            return Ok((self.template.text().to_owned(), Exit::Pass));
        };
        write(file, self.template.text())?;
        let shown = file.display();
        Ok((
            format!("wrote {shown}; next: loadgen explain {shown}, loadgen run {shown}\n"),
            Exit::Pass,
        ))
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| {
            Failure::environment(
                format!("`{}` cannot be written: {error}", file.display()),
                "name a file that is not there yet",
            )
        })
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::scenario::Overrides;
    use crate::scenario::load::parse;

    #[test]
    fn every_template_is_a_scenario_with_thresholds() {
        for template in Template::value_variants() {
            let text = template.text();
            let plan = parse(
                Path::new("new.yaml"),
                text.as_bytes(),
                &Overrides::default(),
            )
            .unwrap_or_else(|error| panic!("{template:?}: {error}"));
            assert!(plan.thresholds.len() >= 2, "{template:?}");
            assert!(text.starts_with("# Question: "), "{template:?}");
        }
    }

    #[test]
    fn a_file_that_is_there_is_kept() {
        let name = format!("loadgen-init-{}.yaml", uuid::Uuid::new_v4());
        let file = std::env::temp_dir().join(name);
        write(&file, "mine").unwrap();
        assert!(write(&file, "theirs").is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        std::fs::remove_file(&file).unwrap();
    }
}
