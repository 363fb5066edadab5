//! What is wrong with a scenario although each value is fine: a run that could
//! not do what the file asks for fails here, not at its end.

use std::time::Duration;

use super::plan::{
    CachePlan, Fault, Flow, IdpPlan, InstanceFault, ProviderPlan, TwinPlan, WhenFull,
};
use super::problem::{Problem, Problems, did_you_mean, quoted};
use super::sections::{Draft, FleetDraft, MAX_COUNT, StartDraft, TrafficDraft};
use super::units::show_duration;
use super::yaml::{Node, Value};
use crate::engine::past;
use crate::gate::threshold::{self, Context, Statistic, Threshold};
use crate::theory::BUFFER;

/// Reads the thresholds and checks what spans sections. Also the twin, whose
/// thresholds must be among them.
pub(super) fn check(draft: &Draft, problems: &mut Problems) -> (Vec<Threshold>, Option<TwinPlan>) {
    concurrency(draft, problems);
    faults(draft, problems);
    members(draft, problems);
    stationary(draft, problems);
    sessions(draft, problems);
    if let (Some(warmup), Some(duration)) = (draft.warmup, draft.duration)
        && warmup >= duration
    {
        problems.add_with_hint(
            draft.warmup_span,
            "the warm-up takes the whole run",
            format!(
                "write less than the duration, which is {}",
                show_duration(duration)
            ),
        );
    }
    let context = context(draft);
    let mut thresholds = Vec::new();
    for (text, node) in &draft.thresholds {
        if let Some(threshold) = read_threshold(text, node, &context, problems) {
            enough_samples(&threshold, node, draft, problems);
            thresholds.push(threshold);
        }
    }
    let twin = twin(draft, problems);
    (thresholds, twin)
}

/// Were every acquisition to ask the provider, as all do at a cold start, this
/// many would be in flight (Little's law); and what is due at once is under way
/// at once. Where arrivals wait for room none is lost, and a narrow pool may be
/// what the scenario is about.
fn concurrency(draft: &Draft, problems: &mut Problems) {
    let (Some(max_in_flight), Some(traffic)) = (draft.max_in_flight, &draft.traffic) else {
        return;
    };
    if draft.when_full == Some(WhenFull::Queue) {
        return;
    }
    for entry in traffic {
        if let Some(calls) = entry.at_once()
            && calls > max_in_flight as u64
        {
            problems.add_with_hint(
                entry.load_span,
                format!(
                    "{calls} calls at once are above `max_in_flight`, which is {max_in_flight}"
                ),
                format!("write `max_in_flight: {calls}` or more"),
            );
        }
    }
    let Some(IdpPlan::Embedded(idp)) = &draft.idp else {
        return;
    };
    let total: f64 = traffic.iter().filter_map(TrafficDraft::peak).sum();
    let median = idp.latency.token.median();
    let in_flight = total * median.as_secs_f64();
    if in_flight > max_in_flight as f64 {
        problems.add_with_hint(
            draft.max_in_flight_span,
            format!(
                "{} arrivals a second at a median latency of {} are {in_flight:.0} in flight, above `max_in_flight`, \
                 which is {max_in_flight}",
                (total * 1e3).round() / 1e3,
                show_duration(median),
            ),
            format!("write `max_in_flight: {:.0}` or more, or offer less", in_flight.ceil() * 2.0),
        );
    }
}

/// A fault that strikes nothing would make a run look sturdier than it is.
fn faults(draft: &Draft, problems: &mut Problems) {
    for written in &draft.faults {
        if let Some(duration) = draft.duration
            && written.fault.at >= duration
        {
            problems.add_with_hint(
                written.at_span,
                format!(
                    "the run is over after `{}`, before this begins",
                    show_duration(duration)
                ),
                "write an earlier time, or a longer `duration`",
            );
        }
        let missing = match &written.fault.what {
            Fault::L2(_) if draft.cache.as_ref().is_some_and(|cache| cache.l2.is_none()) => Some((
                "the cache has no L2 that could fail".to_owned(),
                "write an `l2` in `cache`",
            )),
            Fault::Idp(_) | Fault::Network(_) | Fault::Keys(_)
                if matches!(draft.idp, Some(IdpPlan::External { .. })) =>
            {
                Some((
                    "a provider that runs elsewhere has faults of its own".to_owned(),
                    "set them by its admin API, or leave `url` and `ca` out",
                ))
            }
            Fault::KeyRingSwap(_)
                if draft.cache.as_ref().is_some_and(|cache| !cache.is_sealed()) =>
            {
                Some((
                    "nothing is encrypted, so there is no key ring to swap".to_owned(),
                    "write `encryption: true` in `cache`",
                ))
            }
            Fault::Instances(InstanceFault::Restart { instance }) => {
                let most = draft.fleet.as_ref().map(FleetDraft::most_instances);
                most.filter(|most| instance >= most).map(|most| {
                    (
                        format!("there is no instance {instance}, the last is {}", most - 1),
                        "instances are counted from 0",
                    )
                })
            }
            Fault::Clock(step) => beyond(step.instances, draft),
            Fault::L2(fault) => beyond(fault.instances, draft),
            _ => None,
        };
        if let Some((message, hint)) = missing {
            problems.add_with_hint(written.kind_span, message, hint);
        }
    }
}

/// More instances than there are cannot all be struck.
fn beyond(instances: Option<usize>, draft: &Draft) -> Option<(String, &'static str)> {
    let (first, most) = (instances?, draft.fleet.as_ref()?.most_instances());
    (first > most).then(|| {
        (
            format!("there are no {first} instances, at most {most}"),
            "write how many of them it happens to, or leave `instances` out",
        )
    })
}

/// A population may grow, but not beyond what can be told apart; and what is
/// said of one application must be of one there is.
fn members(draft: &Draft, problems: &mut Problems) {
    let (Some(population), Some(duration)) = (&draft.population, draft.duration) else {
        return;
    };
    for (name, group) in [
        ("tenants", population.tenants),
        ("users", population.users),
        ("resources", population.resources),
    ] {
        let most = group.count + group.joined_by(duration);
        if most > MAX_COUNT {
            problems.add_with_hint(
                draft.population_span,
                format!("by the end of the run there are {most} {name}, more than {MAX_COUNT}"),
                "write a slower `growth`, or a shorter `duration`",
            );
        }
    }
}

/// A cache that belongs to a session needs somebody who has one.
fn sessions(draft: &Draft, problems: &mut Problems) {
    if !draft.cache.as_ref().is_some_and(CachePlan::is_by_session) {
        return;
    }
    for entry in draft.traffic.as_deref().unwrap_or_default() {
        let why = match entry.flow {
            Some(Flow::ClientCredentials | Flow::ManagedIdentity) => {
                "an application's own tokens belong to no user's session"
            }
            Some(Flow::OnBehalfOf | Flow::LongRunningObo) => {
                "a web API is called with a token, and has no session with the user's browser"
            }
            Some(Flow::Silent) if entry.comes_in_visits() => {
                problems.add_with_hint(
                    entry.load_span,
                    "users of the flow `silent` sign in before the run, and each visit has a \
                     session of its own",
                    "write `flow: authorization_code`, or a `rate`",
                );
                continue;
            }
            _ => continue,
        };
        problems.add_with_hint(
            entry.flow_span,
            why,
            "write `provider: distributed` in `cache`, or one of the flows \
             `authorization_code`, `silent` and `refresh_token`",
        );
    }
    if !matches!(draft.start, None | Some(StartDraft::Cold)) {
        problems.add_with_hint(
            draft.start_span,
            "sessions begin with the run: what is in one of another run is not known",
            "write `start: cold`, or another `provider` in `cache`",
        );
    }
}

/// A stationary start needs a law to draw from, and a key for each draw.
fn stationary(draft: &Draft, problems: &mut Problems) {
    if draft.start != Some(StartDraft::Stationary) {
        return;
    }
    for entry in draft.traffic.as_deref().unwrap_or_default() {
        if !entry.can_be_stationary() {
            problems.add_with_hint(
                entry.load_span,
                "what a cache holds of such calls after a long time is not known",
                "with `start: stationary` write `client_credentials` or `authorization_code` at \
                 a `rate`, without values or dictionaries of the application's own",
            );
        }
    }
    if let Some(IdpPlan::Embedded(idp)) = &draft.idp {
        let varies = idp.refresh_in.is_some()
            || !idp.lifetime_jitter.is_zero()
            || !idp.application_lifetimes.is_empty();
        let timeout = draft.acquire_timeout.unwrap_or_default();
        if varies || idp.expires_in <= BUFFER + timeout {
            problems.add_with_hint(
                draft.start_span,
                "a stationary start is for tokens that all last equally long, and longer than \
                 five minutes and `acquire_timeout`",
                "write `start: cold`, or leave `refresh_in`, `jitter` and lifetimes by \
                 application out",
            );
        }
    }
    if let (Some(population), Some(fleet)) = (&draft.population, &draft.fleet) {
        let all = past::keys(
            population.tenants.count,
            population.users.count,
            population.applications.count,
            population.resources.count,
            fleet.fleet.instances as u64,
        );
        if all > past::MOST_KEYS {
            problems.add_with_hint(
                draft.start_span,
                format!(
                    "a stationary start fills at most {} keys, and the population has {all}",
                    past::MOST_KEYS
                ),
                "write `start: cold`, or fewer members",
            );
        }
    }
}

/// A twin proves something only by a threshold it is known to break.
fn twin(draft: &Draft, problems: &mut Problems) -> Option<TwinPlan> {
    let twin = draft.twin.as_ref().ok()?.as_ref()?;
    let known = || draft.thresholds.iter().map(|(text, _)| text.as_str());
    for (named, node) in &twin.breaks {
        if !known().any(|text| text == named) {
            let hint = match did_you_mean(named, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write one of `thresholds` as it stands there".to_owned(),
            };
            problems.add_with_hint(
                node.span,
                format!("{} is not one of `thresholds`", quoted(named)),
                hint,
            );
        }
    }
    if twin.breaks.is_empty() {
        problems.add(twin.breaks_span, "a twin breaks a threshold at least");
    }
    Some(TwinPlan {
        why: twin.why.clone(),
        breaks: twin.breaks.iter().map(|(text, _)| text.clone()).collect(),
    })
}

fn context(draft: &Draft) -> Context {
    let names =
        |traffic: &Vec<TrafficDraft>| traffic.iter().map(|entry| entry.name.clone()).collect();
    Context {
        flows: draft.traffic.as_ref().and_then(names),
        has_l1: draft.cache.as_ref().map(|cache| cache.l1.is_some()),
        // Sessions that no L2 keeps are in each instance's own store.
        has_l2: draft
            .cache
            .as_ref()
            .map(|cache| cache.l2.is_some() || cache.provider == ProviderPlan::Session),
        has_cookies: draft
            .cache
            .as_ref()
            .map(|cache| cache.provider == ProviderPlan::SessionCookie),
        is_by_session: draft.cache.as_ref().map(CachePlan::is_by_session),
        has_warmup: Some(draft.warmup.is_some()),
    }
}

fn read_threshold(
    text: &str,
    node: &Node,
    context: &Context,
    problems: &mut Problems,
) -> Option<Threshold> {
    // A text that does not stand in the file as it is (a folded or escaped one)
    // has no places inside: its problems point at its beginning.
    let verbatim_at = match &node.value {
        Value::Scalar(scalar) => scalar.verbatim_at,
        Value::Sequence(_) | Value::Mapping(_) => None,
    };
    match threshold::parse(text, node.span.line, node.span.column, context) {
        Ok(threshold) => Some(threshold),
        Err(error) => {
            let span = match verbatim_at {
                Some(start) => node.span.part(start + error.offset, error.length),
                None => node.span,
            };
            problems.push(Problem {
                span,
                message: error.message,
                hint: Some(error.hint),
            });
            None
        }
    }
}

/// A quantile needs samples beyond it. What a run will have is known before it
/// starts; for distributions only some acquisitions feed, this is the most.
fn enough_samples(threshold: &Threshold, node: &Node, draft: &Draft, problems: &mut Problems) {
    let Some(statistic) = threshold.subject.statistic else {
        return;
    };
    let Some(duration) = draft.duration else {
        return;
    };
    let expected = match &threshold.subject.flow {
        None => draft.traffic.as_ref().and_then(|traffic| {
            traffic
                .iter()
                .map(|entry| entry.expected_arrivals(duration))
                .sum()
        }),
        Some(name) => flow_arrivals(draft, name, duration),
    };
    let (Some(expected), needed) = (expected, statistic.samples_needed()) else {
        return;
    };
    if expected >= needed as f64 {
        return;
    }
    let factor: f64 = needed as f64 / expected.max(1e-9);
    let enough = Duration::try_from_secs_f64((duration.as_secs_f64() * factor).ceil())
        .unwrap_or(Duration::MAX);
    let smaller = Statistic::ALL
        .into_iter()
        .filter(|other| other.samples_needed() > 1 && other.samples_needed() as f64 <= expected)
        .max_by_key(|other| other.samples_needed());
    problems.add_with_hint(
        node.span,
        format!(
            "`{}` needs {needed} samples to mean anything, and this run has about {expected:.0}",
            statistic.as_str()
        ),
        match smaller {
            Some(smaller) => format!(
                "use `{}`, or a duration of `{}`",
                smaller.as_str(),
                show_duration(enough)
            ),
            None => format!("use `max`, or a duration of `{}`", show_duration(enough)),
        },
    );
}

fn flow_arrivals(draft: &Draft, name: &str, duration: Duration) -> Option<f64> {
    let mut traffic = draft.traffic.as_ref()?.iter();
    let entry = traffic.find(|entry| entry.name.as_deref() == Some(name))?;
    entry.expected_arrivals(duration)
}
