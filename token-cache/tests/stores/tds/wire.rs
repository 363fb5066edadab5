//! TDS on the wire, after Microsoft's [MS-TDS]: packets, the messages of a client
//! taken apart, the tokens of an answer put together.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TABULAR_RESULT: u8 = 0x04;
const END_OF_MESSAGE: u8 = 0x01;
/// What a packet may hold beside its head, before anything else is agreed.
const MOST_IN_PACKET: usize = 4_096 - 8;

/// What a client sends.
#[derive(Debug)]
pub(super) enum Message {
    PreLogin,
    Login { user: String, password: String },
    Batch(String),
    Call(Call),
    Attention,
}

/// A call of `sp_executesql`.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) statement: String,
    pub(super) parameters: Vec<Parameter>,
}

#[derive(Debug)]
pub(super) enum Parameter {
    Text(String),
    Bytes(Vec<u8>),
    Number(Option<i64>),
    /// Milliseconds since the Unix epoch.
    Time(Option<i64>),
}

/// A connection in packets.
pub(super) struct Packets(TcpStream);

impl Packets {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(stream)
    }

    /// A whole message; `None` when the connection ends.
    pub(super) async fn read(&mut self) -> Option<Message> {
        let mut payload = Vec::new();
        loop {
            let mut head = [0; 8];
            self.0.read_exact(&mut head).await.ok()?;
            let length = usize::from(u16::from_be_bytes([head[2], head[3]])).checked_sub(8)?;
            let start = payload.len();
            payload.resize(start + length, 0);
            self.0.read_exact(&mut payload[start..]).await.ok()?;
            if head[1] & END_OF_MESSAGE != 0 {
                return Some(parse(head[0], &payload));
            }
        }
    }

    pub(super) async fn write(&mut self, tokens: &[u8]) -> bool {
        self.write_raw(&packet(tokens)).await
    }

    pub(super) async fn write_raw(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Waits until the client hangs up or says something.
    pub(super) async fn ended(&mut self) {
        let _ = self.0.peek(&mut [0]).await;
    }
}

/// Tokens in packets.
pub(super) fn packet(tokens: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let count = tokens.len().div_ceil(MOST_IN_PACKET).max(1);
    for number in 0..count {
        let start = number * MOST_IN_PACKET;
        let part = &tokens[start..tokens.len().min(start + MOST_IN_PACKET)];
        let status = if number + 1 == count {
            END_OF_MESSAGE
        } else {
            0
        };
        bytes.extend([TABULAR_RESULT, status]);
        bytes.extend(u16::try_from(part.len() + 8).unwrap().to_be_bytes());
        bytes.extend([0, 0, 1, 0]);
        bytes.extend(part);
    }
    bytes
}

fn parse(kind: u8, payload: &[u8]) -> Message {
    match kind {
        0x12 => Message::PreLogin,
        0x10 => login(payload),
        0x01 => Message::Batch(utf16(after_headers(payload))),
        0x03 => Message::Call(call(&mut Reader(after_headers(payload)))),
        0x06 => Message::Attention,
        other => panic!("a message of kind {other:#x}"),
    }
}

fn after_headers(payload: &[u8]) -> &[u8] {
    let length = u32::from_le_bytes(payload[..4].try_into().unwrap());
    &payload[usize::try_from(length).unwrap()..]
}

fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16(&units).unwrap()
}

fn login(payload: &[u8]) -> Message {
    let at =
        |offset: usize| usize::from(u16::from_le_bytes([payload[offset], payload[offset + 1]]));
    let field = |offset: usize| &payload[at(offset)..at(offset) + 2 * at(offset + 2)];
    // Passwords go with their halves swapped and some bits turned.
    let plain = |byte: &u8| (byte ^ 0xA5).rotate_right(4);
    let password: Vec<u8> = field(44).iter().map(plain).collect();
    Message::Login {
        user: utf16(field(40)),
        password: utf16(&password),
    }
}

/// Takes bytes from the front.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take(2).try_into().unwrap())
    }

    /// A value in chunks, as `(max)` types are.
    fn chunks(&mut self) -> Vec<u8> {
        self.take(8);
        let mut value = Vec::new();
        loop {
            let length = u32::from_le_bytes(self.take(4).try_into().unwrap());
            if length == 0 {
                return value;
            }
            value.extend(self.take(usize::try_from(length).unwrap()));
        }
    }

    /// A value of a type whose longest length is told; 0xFFFF is `(max)`.
    fn sized(&mut self, longest: u16) -> Vec<u8> {
        if longest == 0xFFFF {
            return self.chunks();
        }
        let length = self.u16();
        self.take(usize::from(length)).to_vec()
    }
}

fn call(reader: &mut Reader<'_>) -> Call {
    assert_eq!(reader.u16(), 0xFFFF, "a procedure by number");
    assert_eq!(reader.u16(), 10, "sp_executesql");
    reader.u16();
    let mut parameters = Vec::new();
    while !reader.0.is_empty() {
        let name_length = usize::from(reader.byte());
        reader.take(2 * name_length);
        reader.byte();
        parameters.push(parameter(reader));
    }
    let mut parameters = parameters.into_iter();
    let Some(Parameter::Text(statement)) = parameters.next() else {
        panic!("a statement comes first");
    };
    let Some(Parameter::Text(declared)) = parameters.next() else {
        panic!("what the parameters are comes second");
    };
    let parameters: Vec<Parameter> = parameters.collect();
    assert_eq!(
        declared.matches("@P").count(),
        parameters.len(),
        "{declared}"
    );
    Call {
        statement,
        parameters,
    }
}

fn parameter(reader: &mut Reader<'_>) -> Parameter {
    match reader.byte() {
        // A null without a type: how the client sends a time that is none.
        0x1F => Parameter::Time(None),
        0xE7 => {
            let longest = reader.u16();
            reader.take(5);
            Parameter::Text(utf16(&reader.sized(longest)))
        }
        0xA5 => {
            let longest = reader.u16();
            Parameter::Bytes(reader.sized(longest))
        }
        0x26 => {
            reader.byte();
            let length = usize::from(reader.byte());
            let mut number = [0; 8];
            number[..length].copy_from_slice(reader.take(length));
            Parameter::Number((length > 0).then(|| i64::from_le_bytes(number)))
        }
        0x2B => {
            assert_eq!(reader.byte(), 7, "seven digits of a second");
            let length = usize::from(reader.byte());
            let value = reader.take(length);
            Parameter::Time((length > 0).then(|| unix_ms(value)))
        }
        other => panic!("a parameter of type {other:#x}"),
    }
}

/// 100 ns since midnight in five bytes, days since the year 1 in three, minutes
/// of offset in two.
fn unix_ms(value: &[u8]) -> i64 {
    let number = |bytes: &[u8]| {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        i64::from_le_bytes(wide)
    };
    assert_eq!(value.len(), 10);
    assert_eq!(&value[8..], [0, 0], "at UTC");
    (number(&value[5..8]) - 719_162) * 86_400_000 + number(&value[..5]) / 10_000
}

fn b_varchar(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = u8::try_from(units.len() / 2).unwrap();
    [&[length][..], &units].concat()
}

/// Version, no encryption, one result at a time.
pub(super) fn pre_login() -> Vec<u8> {
    let options = [0, 0, 16, 0, 6, 1, 0, 22, 0, 1, 4, 0, 23, 0, 1, 0xFF];
    [&options[..], &[15, 0, 0, 0, 0, 0], &[2], &[0]].concat()
}

pub(super) fn login_ack() -> Vec<u8> {
    let mut body = vec![1, 0x74, 0, 0, 4];
    body.extend(b_varchar("token-cache tests"));
    body.extend([15, 0, 0, 0]);
    let length = u16::try_from(body.len()).unwrap().to_le_bytes();
    [&[0xAD][..], &length, &body, &done(0)].concat()
}

pub(super) fn error(number: u32, class: u8, message: &str) -> Vec<u8> {
    let units: Vec<u8> = message.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut body = number.to_le_bytes().to_vec();
    body.extend([1, class]);
    body.extend(u16::try_from(units.len() / 2).unwrap().to_le_bytes());
    body.extend(units);
    body.extend(b_varchar("tests"));
    body.extend(b_varchar(""));
    body.extend(1_u32.to_le_bytes());
    let length = u16::try_from(body.len()).unwrap().to_le_bytes();
    [&[0xAA][..], &length, &body, &done(0x02)].concat()
}

fn done_token(token: u8, status: u16, rows: u64) -> Vec<u8> {
    [
        &[token][..],
        &status.to_le_bytes(),
        &[0, 0],
        &rows.to_le_bytes(),
    ]
    .concat()
}

pub(super) fn done(status: u16) -> Vec<u8> {
    done_token(0xFD, status, 0)
}

pub(super) fn attention_ack() -> Vec<u8> {
    done(0x20)
}

/// The end of a statement within a call: more follows, rows were counted.
pub(super) fn done_in_proc(changed: bool) -> Vec<u8> {
    done_token(0xFF, 0x11, u64::from(changed))
}

/// The end of a call: its return value, then no more.
pub(super) fn done_proc() -> Vec<u8> {
    [&[0x79, 0, 0, 0, 0][..], &done_token(0xFE, 0, 0)].concat()
}

/// A result of one column `Value varbinary(max)` and at most one row.
pub(super) fn result(value: Option<&[u8]>) -> Vec<u8> {
    let mut tokens = vec![0x81, 1, 0];
    tokens.extend([0, 0, 0, 0, 0x08, 0, 0xA5, 0xFF, 0xFF]);
    tokens.extend(b_varchar("Value"));
    if let Some(value) = value {
        tokens.push(0xD1);
        tokens.extend((value.len() as u64).to_le_bytes());
        for chunk in value.chunks(8_000) {
            tokens.extend(u32::try_from(chunk.len()).unwrap().to_le_bytes());
            tokens.extend(chunk);
        }
        tokens.extend([0; 4]);
    }
    tokens.extend(done_in_proc(value.is_some()));
    tokens.extend(done_proc());
    tokens
}
