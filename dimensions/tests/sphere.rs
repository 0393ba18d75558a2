//! Regions and pixels against the answers of `lsst.sphgeom`.
//!
//! The fixtures are written by `tests/kit/make_sphere_fixtures.py`. The ignored test reads a folder
//! of larger ones, made with another seed.

use std::path::{Path, PathBuf};

use qbb_dimensions::sphere::{
    ConvexPolygon, HtmPixelization, IndexRange, RangeSet, Region, UnitVector3d,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Codec {
    regions: Vec<Stored>,
    rewritten: Vec<(String, String)>,
    refused: Vec<String>,
}

#[derive(Deserialize)]
struct Stored {
    bytes: String,
    circle: String,
    #[serde(rename = "box")]
    lon_lat_box: String,
    points: Vec<(String, u8)>,
}

#[derive(Deserialize)]
struct Group {
    family: String,
    regions: Vec<String>,
    /// First region, second region, overlap (1, 0 or −1 for unknown), relationship bits.
    pairs: Vec<(usize, usize, i8, u8)>,
}

#[derive(Deserialize)]
struct Htm {
    regions: Vec<String>,
    /// Region, level, largest number of ranges (0: any), envelope, interior.
    searches: Vec<(usize, u8, usize, Ranges, Ranges)>,
    /// Components, level, index.
    points: Vec<(String, u8, u64)>,
    /// Level, index, encoded polygon.
    pixels: Vec<(u8, u64, String)>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ranges {
    Listed(Vec<(u64, u64)>),
    Summary(usize, String),
}

impl Ranges {
    fn agrees_with(&self, found: &RangeSet) -> bool {
        match self {
            Self::Listed(ranges) => {
                found.as_slice().iter().map(|r| (r.begin, r.end)).eq(ranges.iter().copied())
            }
            Self::Summary(count, checksum) => {
                found.as_slice().len() == *count
                    && format!("{:016x}", fnv1a(found.as_slice())) == *checksum
            }
        }
    }
}

/// 64-bit FNV-1a of the bounds as little-endian integers.
fn fnv1a(ranges: &[IndexRange]) -> u64 {
    let numbers = ranges.iter().flat_map(|r| [r.begin, r.end]);
    numbers.flat_map(u64::to_le_bytes).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: &u8| (*c as char).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes().chunks(2).map(|pair| 16 * digit(&pair[0]) + digit(&pair[1])).collect()
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect()
}

fn region(hex: &str) -> Region {
    Region::decode(&unhex(hex)).unwrap_or_else(|error| panic!("{hex}: {error}"))
}

/// A direction from components that are normalised already.
///
/// Normalising them again could change the last bit, so they travel as a vertex.
fn direction(hex: &str) -> UnitVector3d {
    let Region::ConvexPolygon(polygon) = region(&format!("70{hex}{hex}{hex}")) else {
        unreachable!("the type byte is that of a polygon")
    };
    polygon.vertices()[0]
}

fn read<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> T {
    let path = folder.join(name);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// Panics with the number of disagreements and the first few of them.
fn report(what: &str, checked: usize, wrong: &[String]) {
    assert!(checked > 0, "no {what} in the fixtures");
    assert!(
        wrong.is_empty(),
        "{} of {checked} {what} differ:\n{}",
        wrong.len(),
        wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n")
    );
}

/// Bounds pass through sines and arc tangents, whose last bit depends on the C library.
fn nearly_equal(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (doubles(&a[1..]), doubles(&b[1..]));
    a.len() == b.len()
        && a.iter().zip(&b).all(|(x, y)| (x - y).abs() <= 4e-15 || (x.is_nan() && y.is_nan()))
}

fn check_codec(folder: &Path) {
    let codec: Codec = read(folder, "sphere_codec.json");
    let (mut wrong, mut points) = (Vec::new(), 0);
    for stored in &codec.regions {
        let bytes = unhex(&stored.bytes);
        let region = Region::decode(&bytes).expect("a region");
        if region.encode() != bytes {
            wrong.push(format!("{} is encoded differently", stored.bytes));
        }
        let circle = Region::Circle(region.bounding_circle()).encode();
        if !nearly_equal(&circle, &unhex(&stored.circle)) {
            wrong.push(format!("{} has another bounding circle", stored.bytes));
        }
        let lon_lat_box = Region::Box(region.bounding_box()).encode();
        if !nearly_equal(&lon_lat_box, &unhex(&stored.lon_lat_box)) {
            wrong.push(format!("{} has another bounding box", stored.bytes));
        }
        for (point, inside) in &stored.points {
            points += 1;
            if region.contains(&direction(point)) != (*inside == 1) {
                wrong.push(format!("{} contains {point}: not {inside}", stored.bytes));
            }
        }
    }
    report("regions and points", codec.regions.len() + points, &wrong);
    for (bytes, expected) in &codec.rewritten {
        assert_eq!(region(bytes).encode(), unhex(expected), "{bytes}");
    }
    for bytes in &codec.refused {
        assert!(Region::decode(&unhex(bytes)).is_err(), "{bytes}");
    }
}

fn check_pairs(folder: &Path) {
    let groups: Vec<Group> = read(folder, "sphere_pairs.json");
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for group in &groups {
        let regions: Vec<Region> = group.regions.iter().map(|hex| region(hex)).collect();
        for &(i, j, overlap, relationship) in &group.pairs {
            checked += 1;
            let (a, b) = (&regions[i], &regions[j]);
            let found = a.overlaps(b).map_or(-1, i8::from);
            let bits = a.relate(b).bits();
            if (found, bits) != (overlap, relationship) {
                wrong.push(format!(
                    "{}: {} and {}: overlap {found}, not {overlap}; relationship {bits}, not {relationship}",
                    group.family, group.regions[i], group.regions[j]
                ));
            }
        }
    }
    report("pairs", checked, &wrong);
}

fn check_searches(folder: &Path) {
    let htm: Htm = read(folder, "sphere_htm.json");
    let regions: Vec<Region> = htm.regions.iter().map(|hex| region(hex)).collect();
    let (mut wrong, mut found) = (Vec::new(), RangeSet::new());
    for (number, level, most, envelope, interior) in &htm.searches {
        let pixelization = HtmPixelization::new(*level).expect("a level");
        let most = (*most > 0).then_some(*most);
        pixelization.envelope_into(&regions[*number], most, &mut found);
        let case = || format!("{} at level {level} with {most:?} ranges", htm.regions[*number]);
        if !envelope.agrees_with(&found) {
            wrong.push(format!("envelope of {}: {found:?}", case()));
        }
        let found = pixelization.interior(&regions[*number], most);
        if !interior.agrees_with(&found) {
            wrong.push(format!("interior of {}: {found:?}", case()));
        }
    }
    report("searches", htm.searches.len(), &wrong);
}

fn check_pixels(folder: &Path) {
    let htm: Htm = read(folder, "sphere_htm.json");
    let mut wrong = Vec::new();
    for (point, level, index) in &htm.points {
        let pixelization = HtmPixelization::new(*level).expect("a level");
        let found = pixelization.index(&direction(point));
        if found != *index {
            wrong.push(format!("index of {point} at level {level}: {found}, not {index}"));
        }
    }
    for (level, index, bytes) in &htm.pixels {
        let pixelization = HtmPixelization::new(*level).expect("a level");
        let pixel: ConvexPolygon = pixelization.pixel(*index).expect("a pixel");
        if Region::ConvexPolygon(pixel).encode() != unhex(bytes) {
            wrong.push(format!("pixel {index} at level {level}"));
        }
    }
    report("points and pixels", htm.points.len() + htm.pixels.len(), &wrong);
}

#[test]
fn regions_are_read_written_and_bounded_alike() {
    check_codec(&committed());
}

#[test]
fn pairs_of_regions_relate_alike() {
    check_pairs(&committed());
}

#[test]
fn envelopes_and_interiors_are_the_same_pixels() {
    check_searches(&committed());
}

#[test]
fn directions_and_pixels_have_the_same_indexes() {
    check_pixels(&committed());
}

#[test]
#[ignore = "reads fixtures of another seed from the folder in QBB_SPHERE_FIXTURES"]
fn further_fixtures_agree() {
    let folder = PathBuf::from(std::env::var_os("QBB_SPHERE_FIXTURES").expect("a folder"));
    check_codec(&folder);
    check_pairs(&folder);
    check_searches(&folder);
    check_pixels(&folder);
}
