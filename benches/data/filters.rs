//! Filters on real data with their exact answers, and the columns of fields that they ask for.

use super::data::{Dataset, read_npy, read_npy_bytes};
use lodedb::{Filter, Hit, Metric, field};

/// Filters of the sets: those on a number of 0 to 999 that has nothing to do with the vectors, by the first one that does not
/// pass, and those on the category that the query has or another one.
const NAMES: [(&str, Option<i64>); 8] = [
    ("u_1", Some(1)),
    ("u_10", Some(10)),
    ("u_50", Some(50)),
    ("u_100", Some(100)),
    ("u_500", Some(500)),
    ("u_900", Some(900)),
    ("cat_own", None),
    ("cat_other", None),
];

/// What some queries ask for with a filter, and the answers.
pub(crate) struct FilterAnswers {
    pub(crate) name: &'static str,
    /// Rows of the queries.
    pub(crate) queries: Vec<usize>,
    asked: Asked,
    /// The ten nearest that pass, with their distances; fewer where fewer pass.
    nearest: Vec<Vec<(u64, f32)>>,
}

enum Asked {
    Nothing,
    Below(i64),
    /// For each query, its category.
    Category(Vec<i64>),
}

impl Dataset {
    /// A column of fields, a number for each row.
    pub(crate) fn column(&self, name: &str) -> Vec<f32> {
        let archive = std::fs::read(self.folder.join("meta.npz")).expect("the columns of the set");
        read_npy_bytes(&member(&archive, &format!("{name}.npy")), name).1
    }

    /// The filters with their answers.
    pub(crate) fn filters(&self) -> Vec<FilterAnswers> {
        let read = |file: String| read_npy(&self.folder.join(file));
        let queries: Vec<usize> = read("filt_qidx.npy".into()).1.iter().map(|row| *row as usize).collect();
        let filter = |(name, below): (&'static str, Option<i64>)| {
            let asked = match below {
                Some(below) => Asked::Below(below),
                None => {
                    let values = read(format!("filt_{name}_values.npy")).1;
                    Asked::Category(values.into_iter().map(|value| value as i64).collect())
                }
            };
            let (most, ids) = read(format!("filt_{name}_ids.npy"));
            let distances = read(format!("filt_{name}_dist.npy")).1;
            let rows = ids.chunks(most).zip(distances.chunks(most));
            let nearest = rows.map(|(ids, distances)| nearest(ids, distances, self.metric)).collect();
            FilterAnswers { name, queries: queries.clone(), asked, nearest }
        };
        NAMES.into_iter().map(filter).collect()
    }

    /// The same queries without a filter.
    pub(crate) fn unfiltered(&self, queries: &[usize]) -> FilterAnswers {
        let (most, distances) = read_npy(&self.folder.join("gt_dist.npy"));
        let of = |query: &usize| {
            let ids: Vec<f32> = self.nearest[*query][..10].iter().map(|id| *id as f32).collect();
            nearest(&ids, &distances[query * most..][..10], self.metric)
        };
        let nearest = queries.iter().map(of).collect();
        FilterAnswers { name: "no filter", queries: queries.to_vec(), asked: Asked::Nothing, nearest }
    }
}

/// The rows that there are, with distances as the metric has them: the files have squared ones.
fn nearest(ids: &[f32], distances: &[f32], metric: Metric) -> Vec<(u64, f32)> {
    let distance = |distance: f32| if metric == Metric::L2 { distance.sqrt() } else { distance };
    let rows = ids.iter().zip(distances).filter(|(id, _)| **id >= 0.0);
    rows.map(|(id, found)| (*id as u64, distance(*found))).collect()
}

impl FilterAnswers {
    /// What query `at` asks for.
    pub(crate) fn filter(&self, at: usize) -> Option<Filter> {
        match &self.asked {
            Asked::Nothing => None,
            Asked::Below(below) => Some(field("u1000").lt(*below)),
            Asked::Category(values) => Some(field("category").eq(values[at])),
        }
    }

    /// The share of the true nearest that was found, or others as near.
    pub(crate) fn recall(&self, found: &[Vec<Hit>], metric: Metric) -> f64 {
        let near = if metric == Metric::L2 { 1e-3 } else { 1e-5 };
        let mut shares = 0.0;
        for (found, nearest) in found.iter().zip(&self.nearest) {
            let Some((_, last)) = nearest.last() else {
                shares += 1.0;
                continue;
            };
            let good = found.iter().filter(|hit| hit.distance() <= last + near).count();
            shares += good.min(nearest.len()) as f64 / nearest.len() as f64;
        }
        shares / self.queries.len() as f64
    }

    /// How many queries got fewer hits than there are.
    pub(crate) fn short(&self, found: &[Vec<Hit>]) -> usize {
        found.iter().zip(&self.nearest).filter(|(found, nearest)| found.len() < nearest.len()).count()
    }
}

/// A file in a zip archive, stored or deflated.
fn member(archive: &[u8], name: &str) -> Vec<u8> {
    let u16_at = |at: usize| usize::from(u16::from_le_bytes([archive[at], archive[at + 1]]));
    let u32_at = |at: usize| u16_at(at) | u16_at(at + 2) << 16;
    let end = archive.windows(4).rposition(|window| window == b"PK\x05\x06").expect("the end of an archive");
    let mut entry = u32_at(end + 16);
    for _ in 0..u16_at(end + 10) {
        let (method, packed) = (u16_at(entry + 10), u32_at(entry + 20));
        let (name_len, header) = (u16_at(entry + 28), u32_at(entry + 42));
        if &archive[entry + 46..][..name_len] == name.as_bytes() {
            let data = header + 30 + u16_at(header + 26) + u16_at(header + 28);
            let packed = &archive[data..][..packed];
            return match method {
                0 => packed.to_vec(),
                _ => miniz_oxide::inflate::decompress_to_vec(packed).expect("deflated data"),
            };
        }
        entry += 46 + name_len + u16_at(entry + 30) + u16_at(entry + 32);
    }
    panic!("no column {name}")
}
