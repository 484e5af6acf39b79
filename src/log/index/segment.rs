//! A file of index rows: a header that says where each column lies, then the columns.
//!
//! ```text
//! "gitexpi1"  length of the header (u64 LE)  BLAKE3 of the header (32)  header (JSON)  columns …
//! ```
//!
//! All numbers are little-endian. Each column carries its own BLAKE3, checked when it is read: a query reads only the
//! columns it needs, and what a power cut tore is found and rebuilt from the log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::rows::{MISSING, Numbers, Rows, Texts};

const MAGIC: &[u8; 8] = b"gitexpi1";
const PREAMBLE: usize = 8 + 8 + 32;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    rows: usize,
    columns: Vec<Column>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Column {
    name: String,
    form: Form,
    /// Bytes from the end of the header.
    offset: u64,
    length: u64,
    hash: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Form {
    /// As many bytes for each row.
    Fixed,
    /// A `f64` for each row, [`MISSING`] where there is none.
    DenseNumbers,
    /// The rows (`u32`), then the values (`f64`), for the rows that have one.
    SparseNumbers,
    /// The number of strings (`u32`), the end of each (`u32`), the strings, then a `u32` for each row: 0 for none, else
    /// one more than the string's index.
    DenseTexts,
    /// The strings as above, then the rows (`u32`), then the strings' indices (`u32`).
    SparseTexts,
}

/// A column of texts, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct TextColumn {
    /// For each row 0 for none, else one more than the string's index.
    pub ids: Vec<u32>,
    /// The distinct strings.
    pub strings: Vec<String>,
}

impl TextColumn {
    /// The text of `row`, if it has one.
    pub fn get(&self, row: usize) -> Option<&str> {
        let id = *self.ids.get(row)? as usize;
        id.checked_sub(1).and_then(|index| self.strings.get(index)).map(String::as_str)
    }
}

/// Rows of the index, in a file or in memory.
#[derive(Debug)]
pub enum Segment {
    /// In a file.
    Stored(Stored),
    /// In memory, because they are too few or too new for a file.
    Recent(Rows),
}

/// Rows in a file.
#[derive(Debug)]
pub struct Stored {
    file: File,
    header: Header,
    body: u64,
}

impl Segment {
    /// Opens a file of rows.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut preamble = [0; PREAMBLE];
        file.read_exact(&mut preamble)?;
        let length = u64::from_le_bytes(preamble[8..16].try_into().expect("eight bytes"));
        if &preamble[..8] != MAGIC || length > file.metadata()?.len() {
            return Err(damaged("it is no index file"));
        }
        let mut header = vec![0; usize::try_from(length).map_err(|_| damaged("its header is too long"))?];
        file.read_exact(&mut header)?;
        if blake3::hash(&header).as_bytes() != &preamble[16..48] {
            return Err(damaged("its header is damaged"));
        }
        let header: Header =
            serde_json::from_slice(&header).map_err(|_| damaged("its header cannot be read"))?;
        Ok(Self::Stored(Stored { file, header, body: PREAMBLE as u64 + length }))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Stored(stored) => stored.header.rows,
            Self::Recent(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The IDs of the entries, 32 bytes each.
    pub fn entries(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Stored(stored) => stored.fixed("entry"),
            Self::Recent(rows) => Ok(rows.entries.as_flattened().to_vec()),
        }
    }

    /// The nonces of the entries, 16 bytes each.
    pub fn nonces(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Stored(stored) => stored.fixed("nonce"),
            Self::Recent(rows) => Ok(rows.nonces.as_flattened().to_vec()),
        }
    }

    /// The object names of the commits, one after the other.
    pub fn commits(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Stored(stored) => stored.fixed("commit"),
            Self::Recent(rows) => Ok(rows.commits.clone()),
        }
    }

    /// The object names of the blobs, one after the other.
    pub fn blobs(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Stored(stored) => stored.fixed("blob"),
            Self::Recent(rows) => Ok(rows.blobs.clone()),
        }
    }

    /// The numbers of this name, one for each row, [`MISSING`] where there is none; `None` where no row has one.
    pub fn numbers(&mut self, name: &str) -> io::Result<Option<Vec<f64>>> {
        match self {
            Self::Stored(stored) => stored.numbers(name),
            Self::Recent(rows) => Ok(rows.numbers.get(name).map(|column| {
                spread(&column.rows, column.values.iter().copied(), rows.entries.len(), MISSING)
            })),
        }
    }

    /// The texts of this name; `None` where no row has one.
    pub fn texts(&mut self, name: &str) -> io::Result<Option<TextColumn>> {
        match self {
            Self::Stored(stored) => stored.texts(name),
            Self::Recent(rows) => Ok(rows.texts.get(name).map(|column| TextColumn {
                ids: spread(&column.rows, column.values.iter().map(|value| value + 1), rows.entries.len(), 0),
                strings: column.strings.clone(),
            })),
        }
    }

    /// The names of all columns of numbers and texts.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Stored(stored) => stored
                .header
                .columns
                .iter()
                .filter(|column| column.form != Form::Fixed)
                .map(|column| column.name.as_str())
                .collect(),
            Self::Recent(rows) => rows.numbers.keys().chain(rows.texts.keys()).map(String::as_str).collect(),
        }
    }
}

impl Stored {
    fn column(&mut self, name: &str, accept: &[Form]) -> io::Result<Option<(Form, Vec<u8>)>> {
        let Some(column) =
            self.header.columns.iter().find(|column| column.name == name && accept.contains(&column.form))
        else {
            return Ok(None);
        };
        let length = usize::try_from(column.length).map_err(|_| damaged("a column is too long"))?;
        self.file.seek(SeekFrom::Start(self.body + column.offset))?;
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes)?;
        if blake3::hash(&bytes).to_hex().as_str() != column.hash {
            return Err(damaged("a column is damaged"));
        }
        Ok(Some((column.form, bytes)))
    }

    fn fixed(&mut self, name: &str) -> io::Result<Vec<u8>> {
        match self.column(name, &[Form::Fixed])? {
            Some((_, bytes)) => Ok(bytes),
            None => Err(damaged("a column is not there")),
        }
    }

    fn numbers(&mut self, name: &str) -> io::Result<Option<Vec<f64>>> {
        let rows = self.header.rows;
        let Some((form, bytes)) = self.column(name, &[Form::DenseNumbers, Form::SparseNumbers])? else {
            return Ok(None);
        };
        if form == Form::DenseNumbers {
            return Ok(Some(read_f64(&bytes)));
        }
        let count = bytes.len() / 12;
        let (at, values) = bytes.split_at(count * 4);
        Ok(Some(spread(&read_u32(at), read_f64(values), rows, MISSING)))
    }

    fn texts(&mut self, name: &str) -> io::Result<Option<TextColumn>> {
        let rows = self.header.rows;
        let Some((form, bytes)) = self.column(name, &[Form::DenseTexts, Form::SparseTexts])? else {
            return Ok(None);
        };
        let cut = |from: usize, length: usize| {
            bytes.get(from..from + length).ok_or_else(|| damaged("a column is too short"))
        };
        let count = read_u32(cut(0, 4)?)[0] as usize;
        let ends = read_u32(cut(4, count * 4)?);
        let base = 4 + count * 4;
        let mut strings = Vec::with_capacity(count);
        let mut start = 0;
        for end in ends.iter().map(|&end| end as usize) {
            let text = cut(base + start, end.checked_sub(start).ok_or_else(|| damaged("a column is torn"))?)?;
            strings.push(String::from_utf8(text.to_vec()).map_err(|_| damaged("a column is torn"))?);
            start = end;
        }
        let rest = read_u32(&bytes[base + start..]);
        let ids = if form == Form::DenseTexts {
            rest
        } else {
            let (at, values) = rest.split_at(rest.len() / 2);
            spread(at, values.iter().map(|value| value + 1), rows, 0)
        };
        Ok(Some(TextColumn { ids, strings }))
    }
}

pub(super) fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

fn read_f64(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect()
}

fn read_u32(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect()
}

fn spread<T: Clone>(at: &[u32], values: impl IntoIterator<Item = T>, rows: usize, missing: T) -> Vec<T> {
    let mut dense = vec![missing; rows];
    for (&row, value) in at.iter().zip(values) {
        if let Some(place) = dense.get_mut(row as usize) {
            *place = value;
        }
    }
    dense
}

/// Writes `rows` to `file`.
pub(super) fn write(rows: &Rows, file: &mut File) -> io::Result<()> {
    let mut body = Vec::new();
    let mut columns = Vec::new();
    let mut add = |name: &str, form: Form, bytes: &[u8]| {
        columns.push(Column {
            name: name.to_owned(),
            form,
            offset: body.len() as u64,
            length: bytes.len() as u64,
            hash: blake3::hash(bytes).to_hex().to_string(),
        });
        body.extend_from_slice(bytes);
    };
    add("entry", Form::Fixed, rows.entries.as_flattened());
    add("nonce", Form::Fixed, rows.nonces.as_flattened());
    add("commit", Form::Fixed, &rows.commits);
    add("blob", Form::Fixed, &rows.blobs);
    for (name, column) in &rows.numbers {
        let (form, bytes) = encode_numbers(column, rows.len());
        add(name, form, &bytes);
    }
    for (name, column) in &rows.texts {
        let (form, bytes) = encode_texts(column, rows.len());
        add(name, form, &bytes);
    }
    let header = serde_json::to_vec(&Header { rows: rows.len(), columns })?;
    file.write_all(MAGIC)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(blake3::hash(&header).as_bytes())?;
    file.write_all(&header)?;
    file.write_all(&body)
}

fn encode_numbers(column: &Numbers, rows: usize) -> (Form, Vec<u8>) {
    if column.rows.len() * 2 > rows {
        let dense = spread(&column.rows, column.values.iter().copied(), rows, MISSING);
        (Form::DenseNumbers, dense.iter().flat_map(|value| value.to_le_bytes()).collect())
    } else {
        let at = column.rows.iter().flat_map(|row| row.to_le_bytes());
        (Form::SparseNumbers, at.chain(column.values.iter().flat_map(|value| value.to_le_bytes())).collect())
    }
}

fn encode_texts(column: &Texts, rows: usize) -> (Form, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut put = |value: usize| {
        bytes.extend_from_slice(&u32::try_from(value).expect("less than 4 GiB of text").to_le_bytes());
    };
    put(column.strings.len());
    let mut end = 0;
    for text in &column.strings {
        end += text.len();
        put(end);
    }
    for text in &column.strings {
        bytes.extend_from_slice(text.as_bytes());
    }
    if column.rows.len() * 2 > rows {
        let dense = spread(&column.rows, column.values.iter().map(|value| value + 1), rows, 0);
        bytes.extend(dense.iter().flat_map(|id| id.to_le_bytes()));
        (Form::DenseTexts, bytes)
    } else {
        bytes.extend(column.rows.iter().flat_map(|row| row.to_le_bytes()));
        bytes.extend(column.values.iter().flat_map(|value| value.to_le_bytes()));
        (Form::SparseTexts, bytes)
    }
}

/// Appends the rows of `segment` to `rows`, to make one file of several.
pub(super) fn append(rows: &mut Rows, segment: &mut Segment) -> io::Result<()> {
    let base = u32::try_from(rows.len()).expect("fewer than four thousand million entries");
    let names: Vec<String> = segment.names().into_iter().map(ToOwned::to_owned).collect();
    rows.entries.extend_from_slice(segment.entries()?.as_chunks::<32>().0);
    rows.nonces.extend_from_slice(segment.nonces()?.as_chunks::<16>().0);
    rows.commits.extend(segment.commits()?);
    rows.blobs.extend(segment.blobs()?);
    for name in names {
        if let Some(values) = segment.numbers(&name)? {
            let column = rows.numbers.entry(name.clone()).or_default();
            for (row, value) in (base..).zip(values) {
                if !super::rows::is_missing(value) {
                    column.rows.push(row);
                    column.values.push(value);
                }
            }
        }
        if let Some(texts) = segment.texts(&name)? {
            for (row, index) in (base..).zip(0..texts.ids.len()) {
                if let Some(text) = texts.get(index) {
                    rows.text(row, &name, text);
                }
            }
        }
    }
    Ok(())
}
