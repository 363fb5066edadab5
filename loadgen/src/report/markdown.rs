//! The report as GitHub Markdown, for job summaries and comments on pull
//! requests: the verdict first, what failed next, the rest folded away.

use super::escape::{comment_word, markdown};
use super::model::{Report, ThresholdResult, ThresholdVerdict, Verdict};
use super::number::{bytes, count, microseconds};
use crate::gate::threshold::show;

/// No text is longer: it fits a comment, with room for what a bot adds.
pub const MOST_BYTES: usize = 20_000;

/// The hidden line by which a bot finds its earlier comment on this scenario.
pub fn marker(name: &str) -> String {
    format!("<!-- loadgen:run:{} -->", comment_word(name))
}

/// Renders `report`.
pub fn render(report: &Report) -> String {
    let mut out = Capped::default();
    let name = &report.scenario.name;
    out.push(&marker(name));
    out.push(&format!(
        "### {} {}: {}\n",
        symbol(report.verdict),
        report.verdict.word(),
        markdown(name)
    ));
    for reason in report.reasons.iter().take(8) {
        out.push(&format!("- {}", markdown(reason)));
    }
    if report.reasons.len() > 8 {
        out.push(&format!("- and {} more", report.reasons.len() - 8));
    }
    out.push("");
    five_numbers(&mut out, report);
    let (passed, failed): (Vec<_>, Vec<_>) = report
        .thresholds
        .iter()
        .partition(|threshold| threshold.verdict == ThresholdVerdict::Pass);
    if !failed.is_empty() {
        out.push("#### Thresholds that do not hold\n");
        table(&mut out, &failed);
    }
    sources(&mut out, report);
    if !passed.is_empty() {
        out.push(&format!(
            "<details><summary>{} held</summary>\n",
            counted(passed.len(), "threshold")
        ));
        table(&mut out, &passed);
        out.close("</details>\n");
    }
    out.close(&rerun(report));
    out.text
}

fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅",
        Verdict::Fail => "❌",
        Verdict::Invalid | Verdict::Interrupted => "⚠️",
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn five_numbers(out: &mut Capped, report: &Report) {
    let totals = &report.totals;
    let time = &totals.durations.total;
    let per_thousand = report
        .ledger
        .server_side
        .filter(|_| totals.acquisitions > 0)
        .map(|calls| calls as f64 * 1_000.0 / totals.acquisitions as f64);
    let of_each = |total: u64, entries: u64| match entries {
        0 => "–".to_owned(),
        entries => bytes(total / entries),
    };
    out.push("| hit ratio | provider calls / 1000 | p50 | p99 | max | errors | bytes / L1 entry |");
    out.push("|---:|---:|---:|---:|---:|---:|---:|");
    let times = [time.p50_us, time.p99_us, time.max_us].map(|value| match time.count {
        0 => "–".to_owned(),
        _ => microseconds(value),
    });
    out.push(&format!(
        "| {} | {} | {} | {} | {} |\n",
        totals
            .hit_ratio
            .map_or_else(|| "–".to_owned(), |ratio| format!("{:.2} %", ratio * 100.0)),
        per_thousand.map_or_else(|| "–".to_owned(), |calls| format!("{calls:.1}")),
        times.join(" | "),
        count(totals.errors),
        of_each(report.cache.l1.bytes, report.cache.l1.entries),
    ));
}

fn table(out: &mut Capped, thresholds: &[&ThresholdResult]) {
    out.push("| | threshold | measured | limit | line |");
    out.push("|---|---|---:|---:|---:|");
    for (index, threshold) in thresholds.iter().enumerate() {
        let verdict = match threshold.verdict {
            ThresholdVerdict::Pass => "held",
            ThresholdVerdict::Fail => "**failed**",
            ThresholdVerdict::NoData => "**no data**",
        };
        let shown = |value: Option<f64>| {
            value.map_or_else(
                || "–".to_owned(),
                |value| markdown(&show(threshold.unit, value)),
            )
        };
        let row = format!(
            "| {verdict} | <code>{}</code> | {} | {} | {} |",
            markdown(&threshold.expression),
            shown(threshold.measured),
            shown(threshold.limit),
            threshold.line
        );
        if !out.push(&row) {
            out.close(&format!(
                "| | and {} more | | | |",
                thresholds.len() - index
            ));
            break;
        }
    }
    out.close("");
}

fn sources(out: &mut Capped, report: &Report) {
    out.push("<details><summary>Where tokens came from, and why not from the cache</summary>\n");
    out.push("| flow | acquisitions | hit ratio | cache | provider | coalesced | errors |");
    out.push("|---|---:|---:|---:|---:|---:|---:|");
    let flows = report
        .flows
        .iter()
        .map(|flow| (flow.name.as_str(), &flow.acquisitions));
    for (name, of) in flows.chain([("all", &report.totals)]) {
        let row = format!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            markdown(name),
            count(of.acquisitions),
            of.hit_ratio
                .map_or_else(|| "–".to_owned(), |ratio| format!("{:.2} %", ratio * 100.0)),
            count(of.token_source.cache),
            count(of.token_source.identity_provider),
            count(of.coalesced),
            count(of.errors)
        );
        if !out.push(&row) {
            break;
        }
    }
    out.close("");
    let reason = report.totals.cache_refresh_reason;
    let reasons = [
        ("no cached access token", reason.no_cached_access_token),
        ("expired", reason.expired),
        ("forced or claims", reason.force_refresh_or_claims),
        ("proactively refreshed", reason.proactively_refreshed),
        ("cache disabled", reason.cache_disabled),
    ];
    let told: Vec<String> = reasons
        .into_iter()
        .filter(|(_, times)| *times > 0)
        .map(|(word, times)| format!("{word} {}", count(times)))
        .collect();
    if !told.is_empty() {
        out.close(&format!("Refresh reasons: {}.\n", told.join(", ")));
    }
    out.close("</details>\n");
}

fn rerun(report: &Report) -> String {
    let mode = report.mode.as_str();
    let mut overrides = String::new();
    for change in &report.scenario.overrides {
        overrides.push_str(" --set ");
        overrides.push_str(&markdown(change));
    }
    let overrides = if overrides.len() > 1_000 {
        " --set …".to_owned()
    } else {
        overrides
    };
    format!(
        "{} time, seed {}, {:.1} s, scenario <code>{}</code>. Again: <code>loadgen run {} --mode {mode} --seed {}{overrides}</code>",
        mode,
        report.seed,
        report.duration_s,
        report.scenario.hash.get(..12).unwrap_or_default(),
        clipped(&markdown(&report.scenario.file)),
        report.seed
    )
}

fn clipped(text: &str) -> String {
    if text.len() <= 1_000 {
        text.to_owned()
    } else {
        "…".to_owned()
    }
}

/// Text that never grows beyond what a comment holds.
#[derive(Default)]
struct Capped {
    text: String,
}

impl Capped {
    /// Adds a line, unless too little room would be left for what closes the text.
    fn push(&mut self, line: &str) -> bool {
        let fits = self.text.len() + line.len() < MOST_BYTES - 5_000;
        if fits {
            self.close(line);
        }
        fits
    }

    /// Adds a line that must stand there; there are few, and they are short.
    fn close(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}
