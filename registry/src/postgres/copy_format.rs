//! Rows as `COPY … TO STDOUT (FORMAT binary)` sends them.
//!
//! A signature, a header, then for each row the number of fields (two bytes), and for each field
//! its length (four bytes, −1 for null) and its bytes; −1 fields end the rows. All numbers have
//! their highest byte first. Pieces of the stream may end anywhere.

pub(super) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags and the length of what extends the header.
const HEADER: usize = 19;
/// Flags of this bit and above change the format.
const CRITICAL_FLAGS: u32 = 1 << 16;

/// Where a field's value lies in its row; `None` is null.
pub(super) type Field = Option<(u32, u32)>;

/// Why a stream is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CopyError {
    #[error("the copied rows do not begin with their signature")]
    Signature,
    #[error("the copied rows are in an unknown format (flags {0:#x})")]
    Flags(u32),
    #[error("a row has {found} fields instead of {expected}")]
    Width { found: i16, expected: usize },
    #[error("a field has length {0}")]
    Length(i32),
    #[error("something follows after the end of the copied rows")]
    Trailing,
    #[error("the copied rows end too early")]
    Truncated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Rows,
    End,
}

/// Takes a stream apart, piece by piece. Nothing is allocated for a row that lies in one piece.
pub(super) struct CopyDecoder {
    state: State,
    columns: usize,
    /// The beginning of a row whose end has not come yet.
    pending: Vec<u8>,
    fields: Vec<Field>,
}

/// What stands at the beginning of some bytes.
enum Step {
    /// So many bytes, and if they are a row, its fields are known.
    Taken { bytes: usize, is_row: bool },
    /// More bytes are needed.
    Incomplete,
}

impl CopyDecoder {
    /// For rows of so many columns.
    pub(super) fn new(columns: usize) -> Self {
        Self { state: State::Header, columns, pending: Vec::new(), fields: Vec::new() }
    }

    /// Takes the next piece, and hands each row that it completes to `take`.
    pub(super) fn feed<E: From<CopyError>>(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(&[u8], &[Field]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.pending.is_empty() {
            let rest = self.take_rows(piece, &mut take)?;
            self.pending.extend_from_slice(rest);
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.pending);
        bytes.extend_from_slice(piece);
        let left = self.take_rows(&bytes, &mut take)?.len();
        bytes.drain(..bytes.len() - left);
        self.pending = bytes;
        Ok(())
    }

    /// Checks that the stream has ended where it should.
    pub(super) fn finish(&self) -> Result<(), CopyError> {
        let ended = self.state == State::End && self.pending.is_empty();
        if ended { Ok(()) } else { Err(CopyError::Truncated) }
    }

    fn take_rows<'b, E: From<CopyError>>(
        &mut self,
        mut bytes: &'b [u8],
        take: &mut impl FnMut(&[u8], &[Field]) -> Result<(), E>,
    ) -> Result<&'b [u8], E> {
        while !bytes.is_empty() {
            match self.step(bytes)? {
                Step::Incomplete => break,
                Step::Taken { bytes: length, is_row } => {
                    if is_row {
                        take(bytes, &self.fields)?;
                    }
                    bytes = &bytes[length..];
                }
            }
        }
        Ok(bytes)
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Step, CopyError> {
        match self.state {
            State::End => Err(CopyError::Trailing),
            State::Header => {
                let Some(extension) = number(bytes, HEADER - 4) else {
                    return Ok(Step::Incomplete);
                };
                if !bytes.starts_with(SIGNATURE) {
                    return Err(CopyError::Signature);
                }
                let flags = number(bytes, SIGNATURE.len()).unwrap_or_default() as u32;
                if flags >= CRITICAL_FLAGS {
                    return Err(CopyError::Flags(flags));
                }
                let extension =
                    usize::try_from(extension).map_err(|_| CopyError::Length(extension))?;
                if bytes.len() - HEADER < extension {
                    return Ok(Step::Incomplete);
                }
                self.state = State::Rows;
                Ok(Step::Taken { bytes: HEADER + extension, is_row: false })
            }
            State::Rows => {
                let Some(&[high, low]) = bytes.first_chunk() else { return Ok(Step::Incomplete) };
                let found = i16::from_be_bytes([high, low]);
                if found == -1 {
                    self.state = State::End;
                    return Ok(Step::Taken { bytes: 2, is_row: false });
                }
                if usize::try_from(found).ok() != Some(self.columns) {
                    return Err(CopyError::Width { found, expected: self.columns });
                }
                self.fields.clear();
                let mut at = 2;
                for _ in 0..self.columns {
                    let Some(length) = number(bytes, at) else { return Ok(Step::Incomplete) };
                    at += 4;
                    let Ok(length) = usize::try_from(length) else {
                        if length != -1 {
                            return Err(CopyError::Length(length));
                        }
                        self.fields.push(None);
                        continue;
                    };
                    if bytes.len() - at < length {
                        return Ok(Step::Incomplete);
                    }
                    // A message of the server is shorter than 4 GiB, and so is what came of it.
                    self.fields.push(Some((at as u32, length as u32)));
                    at += length;
                }
                Ok(Step::Taken { bytes: at, is_row: true })
            }
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Row = Vec<Option<Vec<u8>>>;

    fn encode(rows: &[Row]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 2, 7, 7]);
        for row in rows {
            bytes.extend((row.len() as i16).to_be_bytes());
            for field in row {
                match field {
                    None => bytes.extend((-1i32).to_be_bytes()),
                    Some(value) => {
                        bytes.extend((value.len() as i32).to_be_bytes());
                        bytes.extend(value);
                    }
                }
            }
        }
        bytes.extend((-1i16).to_be_bytes());
        bytes
    }

    fn decode(columns: usize, pieces: &[&[u8]]) -> Result<Vec<Row>, CopyError> {
        let mut decoder = CopyDecoder::new(columns);
        let mut rows = Vec::new();
        for piece in pieces {
            decoder.feed(piece, |bytes, fields| {
                let value = |field: &Field| {
                    field.map(|(at, length)| bytes[at as usize..(at + length) as usize].to_vec())
                };
                rows.push(fields.iter().map(value).collect());
                Ok::<(), CopyError>(())
            })?;
        }
        decoder.finish()?;
        Ok(rows)
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let field = prop::option::of(prop::collection::vec(any::<u8>(), 0..6));
        prop::collection::vec(prop::collection::vec(field, 3), 0..8)
    }

    proptest! {
        #[test]
        fn rows_come_out_wherever_pieces_end(rows in rows(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let bytes = encode(&rows);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(decode(3, &pieces), Ok(rows));
        }

        #[test]
        fn nothing_makes_it_panic(rows in rows(), at in any::<prop::sample::Index>(), byte in any::<u8>(), columns in 2usize..4) {
            let mut bytes = encode(&rows);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(columns, &[&bytes]);
            let _ = decode(columns, &[&bytes[..at]]);
        }
    }

    #[test]
    fn streams_that_are_wrong_are_refused() {
        let good = encode(&[vec![Some(vec![1]), None]]);
        assert!(decode(2, &[&good]).is_ok());
        assert_eq!(decode(3, &[&good]), Err(CopyError::Width { found: 2, expected: 3 }));
        assert_eq!(decode(2, &[&good[..good.len() - 1]]), Err(CopyError::Truncated));
        assert_eq!(decode(2, &[&good, &[0]]), Err(CopyError::Trailing));
        assert_eq!(decode(2, &[]), Err(CopyError::Truncated));
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            decode(2, &[&bytes])
        };
        assert_eq!(with(0, b'p'), Err(CopyError::Signature));
        assert_eq!(with(12, 1), Err(CopyError::Flags(1 << 16)));
        assert_eq!(with(15, 0x80), Err(CopyError::Length(i32::MIN + 2)));
        assert_eq!(with(23, 0x80), Err(CopyError::Length(i32::MIN + 1)));
    }
}
