//! The container of native files, written a second time from the specification, to make files that
//! are wrong in one place and right in all others.

use camino::Utf8Path;

pub struct Section {
    pub kind: u16,
    pub index: u16,
    pub packed: bool,
    /// Unpacked bytes.
    pub content: Vec<u8>,
}

pub struct Container {
    pub minor: u16,
    pub sections: Vec<Section>,
}

fn number<const N: usize>(bytes: &[u8]) -> u64 {
    let mut array = [0; 8];
    array[..N].copy_from_slice(&bytes[..N]);
    u64::from_le_bytes(array)
}

impl Container {
    pub fn read(path: &Utf8Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let count = number::<4>(&bytes[12..]) as usize;
        let sections = (0..count)
            .map(|position| {
                let entry = &bytes[64 * (1 + position)..][..64];
                let begin = number::<8>(&entry[8..]) as usize;
                let stored = &bytes[begin..][..number::<8>(&entry[16..]) as usize];
                let unpacked = number::<8>(&entry[24..]) as usize;
                let packed = entry[4] == 1;
                let content = match packed {
                    true => zstd::bulk::decompress(stored, unpacked).unwrap(),
                    false => stored.to_vec(),
                };
                let (kind, index) = (number::<2>(entry) as u16, number::<2>(&entry[2..]) as u16);
                Section { kind, index, packed, content }
            })
            .collect();
        Self { minor: number::<2>(&bytes[10..]) as u16, sections }
    }

    pub fn write(&self, path: &Utf8Path) {
        let mut table = Vec::new();
        let mut body = Vec::new();
        let begin = 64 * (1 + self.sections.len());
        for section in &self.sections {
            let stored = match section.packed {
                true => zstd::bulk::compress(&section.content, 1).unwrap(),
                false => section.content.clone(),
            };
            body.resize((begin + body.len()).next_multiple_of(64) - begin, 0);
            table.extend(section.kind.to_le_bytes());
            table.extend(section.index.to_le_bytes());
            table.extend(u32::from(section.packed).to_le_bytes());
            for value in [begin + body.len(), stored.len(), section.content.len()] {
                table.extend((value as u64).to_le_bytes());
            }
            table.extend(blake3::hash(&stored).as_bytes());
            body.extend(stored);
        }
        let mut header = b"\x89QBB\r\n\x1a\n\x01\x00".to_vec();
        header.extend(self.minor.to_le_bytes());
        header.extend((self.sections.len() as u32).to_le_bytes());
        header.extend(((begin + body.len()) as u64).to_le_bytes());
        header.resize(32, 0);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&header).update(&table);
        header.extend(hasher.finalize().as_bytes());
        std::fs::write(path, [header, table, body].concat()).unwrap();
    }
}
