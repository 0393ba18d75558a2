//! Regions, their relations and their pixels against `lsst.sphgeom`, on generated pairs.
//!
//! `QBB_SKY_SEED` and `QBB_SKY_PAIRS` choose other pairs and more of them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use qbb_dimensions::sphere::{RangeSet, Region, SkyPixelization, UnitVector3d};
use serde::Deserialize;

use crate::kit::{kit, python};

/// Pairs related when nothing else is asked for.
const PAIRS: &str = "40000";
/// Bounds pass through sines and arc tangents, whose last bits depend on the C library.
const ROUNDING: f64 = 4e-15;

#[derive(Deserialize)]
struct Group {
    family: String,
    regions: Vec<String>,
    /// For each pair a character: "0" plus 8 times the overlap (2 for unknown) plus the
    /// relationship; a space where lsst.sphgeom fails.
    relations: String,
    /// Bounding circle and box.
    bounds: Vec<[Option<String>; 2]>,
    /// A direction, and for each region whether it holds it.
    points: Vec<(String, String)>,
    searches: Vec<Search>,
    /// System, level, direction, index, polygon.
    pixels: Vec<(String, u8, String, u64, String)>,
}

/// Region, system, level, largest number of ranges, envelope and interior; `None` where
/// lsst.sphgeom fails.
type Search = (usize, String, u8, usize, Option<Ranges>, Option<Ranges>);
type Ranges = Vec<(u64, u64)>;

/// What was compared and what differed.
#[derive(Default)]
struct Tally {
    pairs: usize,
    searches: usize,
    wrong: Vec<String>,
}

#[test]
fn the_sky_is_that_of_sphgeom() {
    let from_environment =
        |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    let (seed, pairs) =
        (from_environment("QBB_SKY_SEED", "11"), from_environment("QBB_SKY_PAIRS", PAIRS));
    let mut child = Command::new(python())
        .arg(kit().join("stream_sky_cases.py"))
        .args(["--seed", &seed, "--pairs", &pairs])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter can be run");
    let mut tally = Tally::default();
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for line in lines {
        let line = line.expect("text");
        tally.judge(&serde_json::from_str(&line).expect("a group of regions"));
    }
    assert!(child.wait().expect("the script ends").success());
    let Tally { pairs, searches, wrong } = tally;
    assert!(pairs > 10_000 && searches > 100);
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} differences, {searches} searches, {pairs} pairs:\n{shown}");
}

impl Tally {
    fn judge(&mut self, group: &Group) {
        let regions: Vec<Region> = group.regions.iter().map(|text| region(text)).collect();
        self.relate(group, &regions);
        for (i, region) in regions.iter().enumerate() {
            let [circle, lon_lat_box] = &group.bounds[i];
            let bounds = [
                (Region::Circle(region.bounding_circle()), circle),
                (Region::Box(region.bounding_box()), lon_lat_box),
            ];
            for (found, expected) in bounds {
                let expected = expected.as_deref().map(unhex);
                if expected.is_some_and(|expected| !nearly_equal(&found.encode(), &expected)) {
                    self.differs(group, format!("bounds {found:?} of {}", group.regions[i]));
                }
            }
            if region.encode() != unhex(&group.regions[i]) {
                self.differs(group, format!("encoding of {}", group.regions[i]));
            }
        }
        for (point, inside) in &group.points {
            for (i, expected) in inside.bytes().enumerate() {
                if regions[i].contains(&direction(point)) != (expected == b'1') {
                    self.differs(group, format!("{} contains {point}", group.regions[i]));
                }
            }
        }
        for search in &group.searches {
            self.search(group, &regions, search);
        }
        for (system, level, point, index, polygon) in &group.pixels {
            let pixelization = SkyPixelization::new(system, *level).expect("supported");
            let found = pixelization.index(&direction(point));
            if found != *index {
                self.differs(group, format!("{system}{level} {point}: {found}, not {index}"));
            }
            let found = Region::ConvexPolygon(pixelization.pixel(*index).expect("a pixel"));
            if !same_outline(&found, &region(polygon)) {
                self.differs(group, format!("{system}{level} pixel {index}: {found:?}"));
            }
        }
    }

    fn relate(&mut self, group: &Group, regions: &[Region]) {
        let pairs = (0..regions.len()).flat_map(|i| (0..regions.len()).map(move |j| (i, j)));
        for ((i, j), expected) in pairs.zip(group.relations.bytes()) {
            self.pairs += 1;
            let (a, b) = (&regions[i], &regions[j]);
            let overlap = a.overlaps(b).map_or(2, u8::from);
            let found = b'0' + 8 * overlap + a.relate(b).bits();
            if expected != b' ' && found != expected {
                let (found, expected) = (found - b'0', expected - b'0');
                let (a, b) = (&group.regions[i], &group.regions[j]);
                self.differs(group, format!("{a} and {b}: {found}, not {expected}"));
            }
        }
    }

    fn search(&mut self, group: &Group, regions: &[Region], search: &Search) {
        let (number, system, level, most, envelope, interior) = search;
        self.searches += 1;
        let pixelization = SkyPixelization::new(system, *level).expect("supported");
        let region = &regions[*number];
        let most = (*most > 0).then_some(*most);
        let name = format!("{system}{level} of {} in {most:?}", group.regions[*number]);
        if let Some(expected) = envelope {
            let found = pixelization.envelope(region, most);
            if !same_pixels(&found, expected) {
                let message = format!("envelope {name}: {found:?}, not {expected:?}");
                self.differs(group, message);
            }
        } else if pixelization.refusal(region).is_none() {
            self.differs(group, format!("envelope {name} must be refused"));
        }
        if let Some(expected) = interior {
            let found = pixelization.interior(region, most);
            if !same_pixels(&found, expected) {
                let message = format!("interior {name}: {found:?}, not {expected:?}");
                self.differs(group, message);
            }
        }
    }

    fn differs(&mut self, group: &Group, message: String) {
        self.wrong.push(format!("{}: {message}", group.family));
    }
}

fn same_pixels(found: &RangeSet, expected: &[(u64, u64)]) -> bool {
    found.as_slice().iter().map(|r| (r.begin, r.end)).eq(expected.iter().copied())
}

/// Whether each vertex of one polygon is a vertex of the other, or at least on its boundary: a
/// HEALPix pixel has points in a row, of which rounding decides whether they are vertices.
fn same_outline(a: &Region, b: &Region) -> bool {
    let (Region::ConvexPolygon(a), Region::ConvexPolygon(b)) = (a, b) else { return false };
    let near = |v: &UnitVector3d, w: &UnitVector3d| {
        (v.x() - w.x()).abs().max((v.y() - w.y()).abs()).max((v.z() - w.z()).abs()) <= ROUNDING
    };
    let on_boundary = |v: &UnitVector3d, of: &[UnitVector3d]| {
        of.iter().any(|w| near(v, w))
            || of.iter().zip(of.iter().cycle().skip(1)).any(|(p, q)| height(v, p, q) <= ROUNDING)
    };
    a.vertices().iter().all(|v| on_boundary(v, b.vertices()))
        && b.vertices().iter().all(|v| on_boundary(v, a.vertices()))
}

/// Distance of a direction from the plane through two others and the center, small angles only.
fn height(v: &UnitVector3d, p: &UnitVector3d, q: &UnitVector3d) -> f64 {
    let (dx, dy, dz) = (q.x() - p.x(), q.y() - p.y(), q.z() - p.z());
    let normal = [p.y() * dz - p.z() * dy, p.z() * dx - p.x() * dz, p.x() * dy - p.y() * dx];
    let length = normal.iter().map(|c| c * c).sum::<f64>().sqrt();
    (normal[0] * (v.x() - p.x()) + normal[1] * (v.y() - p.y()) + normal[2] * (v.z() - p.z())).abs()
        / length
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: &u8| (*c as char).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes().chunks(2).map(|pair| 16 * digit(&pair[0]) + digit(&pair[1])).collect()
}

fn region(text: &str) -> Region {
    Region::decode(&unhex(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A direction bit for bit: it travels as a vertex, because normalising it could change it.
fn direction(text: &str) -> UnitVector3d {
    let Region::ConvexPolygon(polygon) = region(&format!("70{text}{text}{text}")) else {
        unreachable!("the type byte is that of a polygon")
    };
    polygon.vertices()[0]
}

fn nearly_equal(a: &[u8], b: &[u8]) -> bool {
    let doubles = |bytes: &[u8]| -> Vec<f64> {
        bytes[1..].as_chunks::<8>().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect()
    };
    let (a, b) = (doubles(a), doubles(b));
    a.len() == b.len()
        && a.iter().zip(&b).all(|(x, y)| (x - y).abs() <= ROUNDING || (x.is_nan() && y.is_nan()))
}
