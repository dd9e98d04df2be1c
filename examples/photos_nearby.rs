//! Photographs by what they show, where and when they were taken: a vector, a place and a time in one search.
//!
//! The vectors are made up here; a model that looks at pictures would give them.

use lodedb::{Database, DateTime, GeoPoint, Metric, Record, Schema, field};

const TOWNS: [(&str, f64, f64); 4] = [
    ("Almadén", 38.775, -4.848),
    ("Idrija", 46.002, 14.030),
    ("Freiberg", 50.918, 13.342),
    ("Falun", 60.602, 15.633),
];
const SUBJECTS: [&str; 4] = ["headframe", "furnace", "church", "street"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Database::open(":memory:")?;
    let photos = db.collection("photos", Schema::new(4).metric(Metric::Cosine))?;
    photos
        .upsert((0..4_000).map(photo).collect::<Option<Vec<_>>>().ok_or("a place or time that is none")?)?;

    // What looks like a furnace, at most three kilometers from the middle of Idrija, since 2020.
    let (_, lat, lon) = TOWNS[1];
    let center = GeoPoint::new(lat, lon).ok_or("not a place")?;
    let since: DateTime = "2020-01-01T00:00:00Z".parse()?;
    let nearby = field("place").within_radius(center, 3_000.0).and(field("taken").ge(since));
    println!("{} photographs pass: {nearby}", photos.count(nearby.clone())?);
    for hit in photos.search().vector(look(1, 0.0)).filter(nearby).k(3).run()? {
        let fields = hit.fields()?;
        println!(
            "  {} {:.3} {} {}",
            hit.id(),
            hit.score(),
            fields["subject"].as_str().unwrap_or_default(),
            fields["taken"]
        );
    }

    // How many of each subject there are between the Alps and the Baltic.
    let corners =
        (GeoPoint::new(47.0, 5.0).ok_or("not a place")?, GeoPoint::new(54.0, 25.0).ok_or("not a place")?);
    let between = field("place").within_box(corners.0, corners.1);
    for (subject, count) in photos.facets("subject", between)? {
        println!("{count} of a {}", subject.as_str().unwrap_or_default());
    }
    Ok(())
}

/// The photograph with this number: of some subject, within a few kilometers of some town.
fn photo(number: u64) -> Option<Record> {
    let chance = |salt: u64| {
        let mixed = (number * 31 + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 40) as f64 / (1 << 24) as f64
    };
    let (town, lat, lon) = TOWNS[number as usize % TOWNS.len()];
    let subject = number as usize / TOWNS.len() % SUBJECTS.len();
    let place = GeoPoint::new(lat + 0.1 * (chance(1) - 0.5), lon + 0.1 * (chance(2) - 0.5))?;
    let (year, month) = (2015 + (chance(3) * 10.0) as u32, 1 + (chance(4) * 12.0) as u32);
    let taken: DateTime = format!("{year}-{month:02}-15T12:00:00Z").parse().ok()?;
    let record = Record::new(number).vector(look(subject, chance(5) as f32));
    Some(
        record
            .field("place", place)
            .field("taken", taken)
            .field("town", town)
            .field("subject", SUBJECTS[subject]),
    )
}

/// What a model might make of a picture of a subject, more or less clear.
fn look(subject: usize, blur: f32) -> [f32; 4] {
    let mut vector = [0.3 * blur; 4];
    vector[subject] = 1.0;
    vector
}
