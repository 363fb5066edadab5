//! The report for people: 80 columns, plain text, what is wrong first.

mod theory;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::gate::threshold::show;

use super::model::{
    Acquisitions, Distribution, Durations, Generator, Mode, Report, ThresholdResult,
    ThresholdVerdict,
};
use super::number::{bytes, count, microseconds};

/// No line is longer, names and messages apart.
const WIDTH: usize = 80;

/// Renders `report`.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_all(&mut text, report);
    // Names are free text, and no command to a terminal.
    text.replace(
        |letter: char| letter.is_control() && letter != '\n',
        "\u{fffd}",
    )
}

fn write_all(out: &mut String, report: &Report) -> fmt::Result {
    header(out, report)?;
    sources(out, report)?;
    theory::write(out, report)?;
    durations(out, report)?;
    load(out, report)?;
    evidence(out, report)?;
    thresholds(out, &report.thresholds)
}

fn header(out: &mut String, report: &Report) -> fmt::Result {
    let verdict = report.verdict.word();
    let title = format!(
        "{} ({}, seed {}, {:.1} s)",
        report.scenario.name,
        match report.mode {
            Mode::Real => "real time",
            Mode::Virtual => "virtual time",
            Mode::Model => "model of an ideal cache",
        },
        report.seed,
        report.duration_s
    );
    writeln!(out, "{verdict}  {title}")?;
    for reason in &report.reasons {
        writeln!(out, "  - {reason}")?;
    }
    for change in &report.scenario.overrides {
        writeln!(out, "  --set {change}")?;
    }
    for (name, value) in &report.environment {
        writeln!(out, "  {name}: {value}")?;
    }
    Ok(())
}

fn sources(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(out, "\nWHERE TOKENS CAME FROM")?;
    writeln!(
        out,
        "  {:<20}{:>13}{:>10}{:>9}{:>8}{:>10}{:>8}",
        "flow", "acquisitions", "hit ratio", "cache", "idp", "coalesced", "errors"
    )?;
    for (name, numbers) in rows(report) {
        writeln!(
            out,
            "  {:<20}{:>13}{:>10}{:>9}{:>8}{:>10}{:>8}",
            clip(name, 20),
            count(numbers.acquisitions),
            numbers
                .hit_ratio
                .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.4}")),
            count(numbers.token_source.cache),
            count(numbers.token_source.identity_provider),
            count(numbers.coalesced),
            count(numbers.errors),
        )?;
    }
    let level = report.totals.cache_level;
    write!(
        out,
        "\n  {:<22}l1 {}   l2 {}   none {}",
        "cache level",
        count(level.l1),
        count(level.l2),
        count(level.none)
    )?;
    // Sessions alone have it.
    if level.unknown > 0 {
        write!(out, "   unknown {}", count(level.unknown))?;
    }
    writeln!(out)?;
    let reason = report.totals.cache_refresh_reason;
    let reasons = [
        ("not_applicable", reason.not_applicable),
        ("no_cached_access_token", reason.no_cached_access_token),
        ("expired", reason.expired),
        ("force_refresh_or_claims", reason.force_refresh_or_claims),
        ("proactively_refreshed", reason.proactively_refreshed),
        ("cache_disabled", reason.cache_disabled),
    ];
    let reasons = reasons.into_iter().filter(|(_, times)| *times > 0);
    list(
        out,
        "refresh reason",
        reasons.map(|(word, times)| format!("{word} {}", count(times))),
    )?;
    if report.totals.background_refreshes > 0 {
        let behind = count(report.totals.background_refreshes);
        writeln!(out, "  {:<22}{behind}", "background refreshes")?;
    }
    list(out, "errors", counted(&report.totals.errors_by_kind))
}

fn durations(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(out, "\nHOW LONG IT TOOK")?;
    let part = |out: &mut String, title: &str, pick: fn(&Durations) -> &Distribution| {
        distribution_header(out, title)?;
        rows(report)
            .try_for_each(|(name, numbers)| distribution(out, name, pick(&numbers.durations)))
    };
    part(out, "total", |durations| &durations.total)?;
    part(out, "in cache", |durations| &durations.cache)?;
    part(out, "in http", |durations| &durations.http)
}

fn load(out: &mut String, report: &Report) -> fmt::Result {
    let load = &report.load;
    writeln!(out, "\nLOAD")?;
    writeln!(
        out,
        "  offered {} = started {} + dropped {}",
        count(load.offered),
        count(load.started),
        count(load.dropped)
    )?;
    writeln!(
        out,
        "  started {} = ok {} + error {} + timeout {} + censored {}",
        count(load.started),
        count(load.ok),
        count(load.error),
        count(load.timeout),
        count(load.censored)
    )?;
    distribution_header(out, "operations")?;
    distribution(out, "generator lag", &load.lag)?;
    if !load.queued.is_empty() {
        distribution(out, "wait for room", &load.queued)?;
    }
    distribution(out, "service time", &load.service)?;
    distribution(out, "response time", &load.response)?;
    if !load.closed_loops.is_empty() {
        writeln!(
            out,
            "  closed loop: {}. Its users wait for answers; response times are not\n  \
             comparable with those of a load that comes regardless.",
            load.closed_loops.join(", ")
        )?;
    }
    generator(out, load.generator)?;
    for of in &load.popularity {
        let planned = of
            .planned_top_10_share
            .filter(|_| of.members > 10)
            .map_or_else(String::new, |share| {
                format!(", by the scenario {:.1} %", share * 100.0)
            });
        let shown = format!(
            "{} of {} drawn; ten draw {:.1} %{planned}",
            count(of.drawn),
            count(of.members),
            of.top_10_share * 100.0
        );
        writeln!(out, "  {:<22}{shown}", of.group)?;
    }
    Ok(())
}

/// What the machine let the generator have; nothing in simulated time.
fn generator(out: &mut String, generator: Generator) -> fmt::Result {
    let share = |share: Option<f64>| {
        share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
    };
    if generator == Generator::default() {
        return Ok(());
    }
    writeln!(
        out,
        "  {:<22}own {}, taken by the host {}; longest pause {}",
        "processor time",
        share(generator.cpu_share),
        share(generator.steal_share),
        microseconds(generator.longest_pause_us)
    )
}

fn evidence(out: &mut String, report: &Report) -> fmt::Result {
    let idp = &report.idp;
    writeln!(out, "\nIDENTITY PROVIDER")?;
    writeln!(
        out,
        "  {:<22}{}, of which {} redundant",
        "token requests",
        count(idp.token_requests),
        count(idp.redundant_token_requests)
    )?;
    list(out, "by grant", counted(&idp.by_grant))?;
    list(out, "by status", counted(&idp.by_status))?;
    let ledger = report.ledger;
    writeln!(
        out,
        "  {:<22}client side {}, server side {}: {}{}",
        "ledgers",
        count(ledger.client_side),
        ledger
            .server_side
            .map_or_else(|| "not read".to_owned(), count),
        if ledger.balanced {
            "balanced"
        } else {
            "NOT BALANCED"
        },
        match ledger.unsettled {
            0 => String::new(),
            unsettled => format!(" ({} unsettled)", count(unsettled)),
        }
    )?;
    let oracle = report.oracle;
    let findings = [
        ("checked", oracle.checked),
        ("wrong", oracle.wrong_token),
        ("expired", oracle.expired_served),
        ("under-scoped", oracle.under_scoped),
        ("not issued", oracle.not_issued),
    ];
    let findings = findings.map(|(word, times)| format!("{word} {}", count(times)));
    list(out, "oracle", findings.into_iter())?;
    if let Some(rate) = oracle.wrong_rate_below {
        let percent = rate * 100.0;
        writeln!(
            out,
            "  {:<22}with 95 % confidence below {percent:.2} % of tokens are wrong",
            ""
        )?;
    }
    for violation in &report.violations {
        writeln!(
            out,
            "  - {} in {}, {:.3} s after the start, from {}: {}",
            violation.kind, violation.flow, violation.at_s, violation.token_source, violation.why
        )?;
    }
    let (l1, l2) = (report.cache.l1, report.cache.l2);
    writeln!(out, "\nCACHE AT THE END")?;
    writeln!(
        out,
        "  {:<22}{} partitions, {}, {} evicted",
        "l1, all instances",
        count(l1.entries),
        bytes(l1.bytes),
        count(l1.evictions)
    )?;
    writeln!(
        out,
        "  {:<22}{} entries, {}",
        "l2",
        count(l2.entries),
        bytes(l2.bytes)
    )?;
    let operations = [
        ("get", l2.operations.get),
        ("set", l2.operations.set),
        ("refresh", l2.operations.refresh),
        ("remove", l2.operations.remove),
        ("failed", l2.errors),
        ("refused", l2.refused),
        ("evicted", l2.evictions),
    ];
    let operations = operations.map(|(word, times)| format!("{word} {}", count(times)));
    list(out, "l2 operations", operations.into_iter())?;
    let cookies = report.cache.cookies;
    if cookies.limit_bytes == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "  {:<22}largest {} of {} that browsers keep, set {}, refused {}",
        "session cookies",
        bytes(cookies.largest_bytes),
        bytes(cookies.limit_bytes),
        count(cookies.set),
        count(cookies.refused)
    )
}

fn thresholds(out: &mut String, thresholds: &[ThresholdResult]) -> fmt::Result {
    if thresholds.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nTHRESHOLDS")?;
    let mut sorted: Vec<_> = thresholds.iter().collect();
    sorted.sort_by_key(|result| result.verdict == ThresholdVerdict::Pass);
    for result in sorted {
        let verdict = match result.verdict {
            ThresholdVerdict::Pass => "pass",
            ThresholdVerdict::Fail => "FAIL",
            ThresholdVerdict::NoData => "NO DATA",
        };
        let measured = result
            .measured
            .map_or_else(|| "-".to_owned(), |value| show(result.unit, value));
        writeln!(out, "  {verdict:<8}{:<52}{measured:>18}", result.expression)?;
    }
    Ok(())
}

fn counted(counts: &BTreeMap<String, u64>) -> impl Iterator<Item = String> {
    counts
        .iter()
        .map(|(word, times)| format!("{word} {}", count(*times)))
}

/// A title and its items, over as many lines as they need; nothing for none.
fn list(out: &mut String, title: &str, items: impl Iterator<Item = String>) -> fmt::Result {
    const INDENT: usize = 24;
    let mut line = format!("  {title:<22}");
    let mut is_empty = true;
    for item in items {
        if !is_empty {
            if line.chars().count() + 3 + item.chars().count() > WIDTH {
                writeln!(out, "{line}")?;
                line = " ".repeat(INDENT);
            } else {
                line.push_str("   ");
            }
        }
        is_empty = false;
        line.push_str(&item);
    }
    if is_empty {
        Ok(())
    } else {
        writeln!(out, "{line}")
    }
}

/// Each flow, and all together where there are several.
fn rows(report: &Report) -> impl Iterator<Item = (&str, &Acquisitions)> {
    let flows = report
        .flows
        .iter()
        .map(|flow| (flow.name.as_str(), &flow.acquisitions));
    let all = (report.flows.len() > 1).then_some(("all", &report.totals));
    flows.chain(all)
}

fn distribution_header(out: &mut String, title: &str) -> fmt::Result {
    writeln!(
        out,
        "  {title:<22}{:>9}{:>11}{:>11}{:>11}{:>11}",
        "count", "p50", "p90", "p99", "max"
    )
}

fn distribution(out: &mut String, name: &str, times: &Distribution) -> fmt::Result {
    let shown = |time: f64| {
        if times.count == 0 {
            "-".to_owned()
        } else {
            microseconds(time)
        }
    };
    writeln!(
        out,
        "    {:<20}{:>9}{:>11}{:>11}{:>11}{:>11}",
        clip(name, 20),
        count(times.count),
        shown(times.p50_us),
        shown(times.p90_us),
        shown(times.p99_us),
        shown(times.max_us)
    )
}

fn clip(name: &str, width: usize) -> String {
    if name.chars().count() < width {
        return name.to_owned();
    }
    let kept: String = name.chars().take(width - 2).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests;
