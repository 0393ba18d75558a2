//! `.qg` files taken apart and put together again, independently of the crate.

use std::io::{Read as _, Write as _};

use camino::Utf8Path;
use serde_json::Value;
use zip::write::SimpleFileOptions;

/// Members of an archive, unpacked with its dictionary; blocks of quanta in their order.
pub struct Members {
    pub members: Vec<(String, Vec<u8>)>,
    pub dictionary: Vec<u8>,
}

impl Members {
    pub fn read(path: &Utf8Path) -> Self {
        let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
        let mut members = Vec::new();
        for position in 0..archive.len() {
            let mut member = archive.by_index(position).unwrap();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            members.push((member.name().unwrap().into_owned(), bytes));
        }
        let dictionary = members.iter().find(|(name, _)| name == "compression_dict");
        let dictionary = dictionary.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
        Self { members, dictionary }
    }

    pub fn unpack(&self, frame: &[u8]) -> Vec<u8> {
        zstd::bulk::Decompressor::with_dictionary(&self.dictionary)
            .unwrap()
            .decompress(frame, 1 << 26)
            .unwrap()
    }

    pub fn member(&self, name: &str) -> &[u8] {
        &self.members.iter().find(|(other, _)| other == name).unwrap().1
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.unpack(self.member(name))).unwrap()
    }

    /// Payloads of the blocks of quanta.
    pub fn blocks(&self) -> Vec<Vec<u8>> {
        let mut rest = self.member("quantum_datasets.mb");
        let mut blocks = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize;
            blocks.push(self.unpack(&rest[8..8 + length]));
            rest = &rest[8 + length..];
        }
        blocks
    }

    pub fn quanta(&self) -> Vec<Value> {
        self.blocks().iter().map(|block| serde_json::from_slice(block).unwrap()).collect()
    }

    /// Replaces a member.
    pub fn set(&mut self, name: &str, bytes: Vec<u8>) {
        self.members.iter_mut().find(|(other, _)| other == name).unwrap().1 = bytes;
    }

    pub fn write(&self, path: &Utf8Path, method: zip::CompressionMethod) {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
        for (name, bytes) in &self.members {
            zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    }
}
