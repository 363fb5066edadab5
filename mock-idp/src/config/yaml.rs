//! YAML text as a value, and where in the text each part of it stands. JSON is YAML.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Map, Number, Value};

use super::file::Problem;

/// How deep values may nest; the files here nest six deep.
const MOST_DEPTH: usize = 32;

/// Parts of a file; a directory of ten thousand users has fewer.
const MOST_PARTS: usize = 1_000_000;

/// A line and a column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl From<Marker> for Place {
    fn from(marker: Marker) -> Self {
        Self {
            line: marker.line().max(1),
            column: marker.col() + 1,
        }
    }
}

/// A document and the places of its parts, by paths such as `rules[0].fault`.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) value: Value,
    places: HashMap<String, Place>,
}

impl Document {
    /// Reads a text that holds one document.
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        let mut reader = Reader {
            parser: Parser::new_from_str(text),
            places: HashMap::new(),
        };
        let mut value = None;
        loop {
            let (event, span) = reader.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart
                | Event::Nothing
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                _ if value.is_some() => {
                    return Err(problem(span.start, "a second document begins here"));
                }
                event => value = Some(reader.value(event, span, "", 0)?),
            }
        }
        Ok(Self {
            value: match value {
                // A file in which everything is commented out says nothing, and that is fine.
                None | Some(Value::Null) => Value::Object(Map::new()),
                Some(value) => value,
            },
            places: reader.places,
        })
    }

    /// Where the part of this path stands, or else the part around it.
    pub(super) fn place_of(&self, path: &str) -> Option<Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return Some(*place);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

struct Reader<'text> {
    parser: Parser<'text, StrInput<'text>>,
    places: HashMap<String, Place>,
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<(Event<'text>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(problem(*error.marker(), error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn value(
        &mut self,
        event: Event<'text>,
        span: Span,
        path: &str,
        depth: usize,
    ) -> Result<Value, Problem> {
        if depth > MOST_DEPTH || self.places.len() > MOST_PARTS {
            return Err(problem(span.start, "there is more than any file needs"));
        }
        self.places.insert(path.to_owned(), span.start.into());
        match event {
            Event::Scalar(text, style, _, None) => Ok(scalar(&text, style)),
            Event::SequenceStart(_, None) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => {
                            let path = format!("{path}[{}]", items.len());
                            items.push(self.value(event, span, &path, depth + 1)?);
                        }
                    }
                }
                Ok(Value::Array(items))
            }
            Event::MappingStart(_, None) => self.mapping(path, depth),
            Event::Alias(_) => Err(problem(span.start, "aliases are not read; write it out")),
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                Err(problem(span.start, "tags have no meaning here"))
            }
            _ => Err(problem(
                span.start,
                "this is no value; is it indented right?",
            )),
        }
    }

    fn mapping(&mut self, path: &str, depth: usize) -> Result<Value, Problem> {
        let mut members = Map::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Object(members)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(problem(span.start, "a key must be a word")),
            };
            let path = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            let at = span.start;
            let (event, span) = self.next()?;
            let value = self.value(event, span, &path, depth + 1)?;
            self.places.insert(path, at.into());
            if members.contains_key(&key) {
                return Err(problem(at, format!("`{key}` stands here twice")));
            }
            members.insert(key, value);
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => match text.parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(text.to_owned()),
        },
    }
}

fn problem(at: Marker, what: impl Into<String>) -> Problem {
    Problem::at(Some(at.into()), "", what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_and_json_are_read_alike() {
        let yaml = "a: 1\nb:\n  - x: 30s\n  - \"1\"\nc: {d: true, e: ~, f: -1.5}\n";
        let expected = json!({ "a": 1, "b": [{ "x": "30s" }, "1"],
            "c": { "d": true, "e": null, "f": -1.5 } });
        let document = Document::read(yaml).unwrap();
        assert_eq!(document.value, expected);
        let json = serde_json::to_string_pretty(&expected).unwrap();
        assert_eq!(Document::read(&json).unwrap().value, expected);
        for (path, line) in [
            ("a", 1),
            ("b[0].x", 3),
            ("b[1]", 4),
            ("b[1].none", 4),
            ("c.d", 5),
        ] {
            assert_eq!(document.place_of(path).unwrap().line, line, "{path}");
        }
    }

    #[test]
    fn what_is_no_single_plain_document_is_refused_where_it_stands() {
        for (text, line) in [
            ("a: 1\na: 2", 2),
            ("a: *x", 1),
            ("a: !b c", 1),
            ("a: 1\n---\nb: 2", 3),
            ("a:\n  - [", 2),
            ("[a]: 1", 1),
        ] {
            let problem = Document::read(text).unwrap_err();
            let place = problem.place.map(|place| place.line);
            assert!(
                place.is_some_and(|found| found >= line),
                "{text}: {problem}"
            );
        }
        assert!(Document::read(&"[".repeat(10_000)).is_err());
        assert_eq!(Document::read("# nothing\n").unwrap().value, json!({}));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-z_]{1,8}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_json_document_is_read_as_it_was_written(value in values()) {
            let wrapped = json!({ "a": value });
            let text = serde_json::to_string(&wrapped).unwrap();
            prop_assert_eq!(Document::read(&text).unwrap().value, wrapped);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(?s).{0,200}|[\\[\\]{}:,&*!|>'\"%@`#\n a-c-]{0,80}") {
            if let Ok(document) = Document::read(&text) {
                let _ = document.place_of("a.b[0].c");
            }
        }
    }
}
