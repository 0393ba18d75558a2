//! Address files of `.qg`: where the blocks of quanta and datasets stand.

use uuid::Uuid;

/// An address file with the same number of addresses in each row.
pub(super) struct Addresses<'a> {
    int_size: usize,
    per_row: usize,
    rows: &'a [u8],
}

/// Where a block stands in the multi-block file: offset of its length, and size with that length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub offset: u64,
    pub size: u64,
}

impl Address {
    /// There is no block.
    pub(super) const NOWHERE: Self = Self { offset: 0, size: 0 };
}

/// An address file under construction. All its numbers must fit its integers.
pub(super) struct AddressRows {
    int_size: usize,
    row: u64,
    /// What has been written and not taken away.
    pub bytes: Vec<u8>,
}

impl AddressRows {
    /// The header of a file of `rows` rows with `per_row` addresses each.
    pub(super) fn new(int_size: usize, rows: usize, per_row: usize) -> Self {
        let mut file = Self { int_size, row: 0, bytes: vec![int_size as u8] };
        file.number(rows as u64);
        file.number(per_row as u64);
        file
    }

    /// The next row; rows come in the order of their UUIDs.
    pub(super) fn push(&mut self, id: &[u8; 16], addresses: &[Address]) {
        self.bytes.extend(id);
        self.number(self.row);
        self.row += 1;
        for address in addresses {
            self.number(address.offset);
            self.number(address.size);
        }
    }

    fn number(&mut self, number: u64) {
        let digits = number.to_be_bytes();
        self.bytes.extend(&digits[digits.len() - self.int_size..]);
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, &byte| (value << 8) | u64::from(byte))
}

impl<'a> Addresses<'a> {
    /// Checks the header of the file, which must have as many addresses in a row as given.
    ///
    /// # Errors
    /// If it does not fit the graph's header, or the file has another length than it says.
    pub(super) fn new(bytes: &'a [u8], int_size: usize, per_row: usize) -> Result<Self, String> {
        let header = 1 + 2 * int_size;
        let Some((head, rows)) = bytes.split_at_checked(header) else {
            return Err(format!("it ends after {} bytes", bytes.len()));
        };
        if usize::from(head[0]) != int_size {
            return Err(format!("int_size is {} at offset 0, not {int_size}", head[0]));
        }
        let (count, addresses) = (number(&head[1..1 + int_size]), number(&head[1 + int_size..]));
        if addresses != per_row as u64 {
            return Err(format!("{addresses} addresses in a row at offset {}", 1 + int_size));
        }
        let addresses = Self { int_size, per_row, rows };
        if count.checked_mul(addresses.row_size() as u64) != Some(rows.len() as u64) {
            return Err(format!("{count} rows at offset 1, but {} bytes of them", rows.len()));
        }
        Ok(addresses)
    }

    fn row_size(&self) -> usize {
        16 + (1 + 2 * self.per_row) * self.int_size
    }

    fn row(&self, row: usize) -> &[u8] {
        &self.rows[row * self.row_size()..(row + 1) * self.row_size()]
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len() / self.row_size()
    }

    /// The first address of a row.
    pub(super) fn find(&self, id: Uuid) -> Option<Address> {
        self.find_all(id)?.into_iter().next()
    }

    /// All addresses of a row.
    pub(super) fn find_all(&self, id: Uuid) -> Option<Vec<Address>> {
        let (wanted, rows) = (id.as_bytes().as_slice(), self.len());
        let (mut begin, mut end) = (0, rows);
        while begin < end {
            let middle = begin + (end - begin) / 2;
            if &self.row(middle)[..16] < wanted {
                begin = middle + 1;
            } else {
                end = middle;
            }
        }
        let is_it = |&row: &usize| &self.row(row)[..16] == wanted;
        // The middleware accepts files that are not sorted as long as they are small.
        let row = Some(begin).filter(|row| *row < rows).filter(is_it);
        let row = row.or_else(|| (0..rows).find(is_it))?;
        let numbers = &self.row(row)[16 + self.int_size..];
        let pairs = numbers.chunks_exact(2 * self.int_size);
        let pairs = pairs.map(|pair| pair.split_at(self.int_size));
        let address = |(offset, size)| Address { offset: number(offset), size: number(size) };
        Some(pairs.map(address).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(int_size: usize, rows: &[(u8, u64, u64)]) -> Vec<u8> {
        let mut file = AddressRows::new(int_size, rows.len(), 1);
        for &(id, offset, size) in rows {
            file.push(&[id; 16], &[Address { offset, size }]);
        }
        file.bytes
    }

    #[test]
    fn a_file_is_header_and_numbered_rows() {
        let bytes = file(8, &[(1, 9, 3), (2, 0, 9)]);
        assert_eq!(bytes[..17], [8, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(bytes[17..33], [1; 16]);
        assert_eq!(bytes[40], 0, "row index");
        assert_eq!(bytes[48], 9, "offset");
        assert_eq!(bytes[57 + 23], 1, "row index of the second");
        assert_eq!(file(2, &[(7, 258, 3)])[5 + 16..], [0, 0, 1, 2, 0, 3]);
    }

    #[test]
    fn rows_are_found_sorted_or_not() {
        let find = |bytes: &[u8], int_size, id| {
            let addresses = Addresses::new(bytes, int_size, 1).unwrap();
            addresses.find(Uuid::from_bytes([id; 16])).map(|a| (a.offset, a.size))
        };
        for int_size in [2, 8] {
            let bytes = file(int_size, &[(1, 0, 9), (5, 9, 300), (9, 309, 4)]);
            assert_eq!(find(&bytes, int_size, 5), Some((9, 300)));
            assert_eq!(find(&bytes, int_size, 9), Some((309, 4)));
            assert_eq!(find(&bytes, int_size, 2), None);
        }
        let unsorted = file(4, &[(9, 0, 9), (5, 9, 7), (1, 16, 5)]);
        assert_eq!(find(&unsorted, 4, 1), Some((16, 5)));
        assert_eq!(find(&file(8, &[]), 8, 1), None);
    }

    #[test]
    fn headers_that_do_not_fit_are_refused() {
        let bytes = file(8, &[(1, 0, 9)]);
        let error = |bytes: &[u8], int_size| Addresses::new(bytes, int_size, 1).err().unwrap();
        assert_eq!(error(&bytes, 4), "int_size is 8 at offset 0, not 4");
        assert_eq!(error(&bytes[..40], 8), "1 rows at offset 1, but 23 bytes of them");
        assert_eq!(error(&bytes[..3], 8), "it ends after 3 bytes");
    }
}
