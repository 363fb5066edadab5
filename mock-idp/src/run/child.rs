//! The program itself: started, sent the signals that we are, and waited for.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::RunError;

/// Runs a program to its end, with these variables beside its surroundings'; its exit code, or
/// 128 and the number of the signal that ended it.
///
/// # Errors
///
/// A program that cannot be run.
pub(crate) async fn run(
    program: &[OsString],
    variables: Vec<(&'static str, OsString)>,
) -> Result<ExitCode, RunError> {
    let (name, arguments) = program.split_first().unzip();
    let name = name.cloned().unwrap_or_default();
    let failed = |source| RunError::Program {
        program: name.to_string_lossy().into_owned(),
        source,
    };
    let mut signals = signals().map_err(failed)?;
    let mut child = Command::new(&name)
        .args(arguments.unwrap_or_default())
        .envs(variables)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    loop {
        tokio::select! {
            status = child.wait() => return status.map(exit_code).map_err(failed),
            Some(signal) = signals.recv() => pass_on(&child, signal),
        }
    }
}

/// The signals that are the program's. What a terminal sends has reached the program too, so the
/// keyboard's are passed on only where no terminal is.
fn signals() -> io::Result<mpsc::Receiver<Signal>> {
    let (sender, receiver) = mpsc::channel(16);
    let keyboards = [
        (SignalKind::interrupt(), Signal::INT),
        (SignalKind::quit(), Signal::QUIT),
    ];
    let others = [
        (SignalKind::terminate(), Signal::TERM),
        (SignalKind::hangup(), Signal::HUP),
        (SignalKind::user_defined1(), Signal::USR1),
        (SignalKind::user_defined2(), Signal::USR2),
    ];
    let is_terminal = io::stdin().is_terminal();
    for (kind, number) in keyboards.into_iter().chain(others) {
        let mut stream = signal(kind)?;
        let passed_on = !is_terminal || others.iter().any(|(other, _)| *other == kind);
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if passed_on && sender.send(number).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(receiver)
}

fn pass_on(child: &Child, signal: Signal) {
    // A child without an id has ended, and is about to be noticed.
    let Some(pid) = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
    else {
        return;
    };
    if let Err(error) = kill_process(pid, signal) {
        tracing::debug!(%error, ?signal, "signal not passed on");
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
