//! What an expression asks for: parsed, so that nothing hides from the checks.

use promql_parser::label::MatchOp;
use promql_parser::parser::{self, Expr, VectorSelector};

/// One selector in an expression.
#[derive(Debug)]
pub(crate) struct Selector {
    pub(crate) name: String,
    /// Label, operator, value.
    pub(crate) matchers: Vec<(String, String, String)>,
    /// The range as written, `[5m]`.
    pub(crate) range_s: Option<u64>,
    /// The functions around it, innermost last.
    pub(crate) inside: Vec<String>,
}

/// Dashboard variables stand for themselves in strings, and for these lengths
/// in ranges.
pub(crate) const RATE_INTERVAL_S: u64 = 61;
pub(crate) const RANGE_S: u64 = 3_601;

/// An expression of a dashboard as Prometheus would get it.
pub(crate) fn filled_in(expr: &str) -> String {
    expr.replace("$__rate_interval", &format!("{RATE_INTERVAL_S}s"))
        .replace("$__range", &format!("{RANGE_S}s"))
        .replace("$__interval", "15s")
}

/// Every selector of `expr`.
pub(crate) fn selectors(expr: &str) -> Vec<Selector> {
    let parsed = parser::parse(&filled_in(expr)).unwrap_or_else(|error| panic!("{expr}: {error}"));
    let mut found = Vec::new();
    walk(&parsed, &mut Vec::new(), &mut found);
    assert!(!found.is_empty(), "{expr} asks for nothing");
    found
}

fn walk(expr: &Expr, inside: &mut Vec<String>, found: &mut Vec<Selector>) {
    match expr {
        Expr::Aggregate(aggregate) => walk(&aggregate.expr, inside, found),
        Expr::Unary(unary) => walk(&unary.expr, inside, found),
        Expr::Binary(binary) => {
            walk(&binary.lhs, inside, found);
            walk(&binary.rhs, inside, found);
        }
        Expr::Paren(paren) => walk(&paren.expr, inside, found),
        Expr::Subquery(subquery) => walk(&subquery.expr, inside, found),
        Expr::Call(call) => {
            inside.push(call.func.name.to_owned());
            for argument in &call.args.args {
                walk(argument, inside, found);
            }
            inside.pop();
        }
        Expr::VectorSelector(vector) => found.push(selector(vector, None, inside)),
        Expr::MatrixSelector(matrix) => {
            found.push(selector(&matrix.vs, Some(matrix.range.as_secs()), inside));
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

fn selector(vector: &VectorSelector, range_s: Option<u64>, inside: &[String]) -> Selector {
    let matchers = vector.matchers.matchers.iter().map(|matcher| {
        let op = match &matcher.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Re(_) => "=~",
            MatchOp::NotRe(_) => "!~",
        };
        (matcher.name.clone(), op.to_owned(), matcher.value.clone())
    });
    Selector {
        name: vector.name.clone().unwrap_or_default(),
        matchers: matchers.collect(),
        range_s,
        inside: inside.to_vec(),
    }
}
