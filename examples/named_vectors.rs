//! Several vectors a record, each with its own size, metric and stored type.

use lodedb::{Database, Dtype, Metric, Record, Schema, Vector, VectorSchema};

fn main() -> Result<(), lodedb::Error> {
    let db = Database::open(":memory:")?;
    let photos = db.collection(
        "photos",
        Schema::named([
            VectorSchema::new("caption", 3).dtype(Dtype::F16),
            VectorSchema::new("colour", 3).metric(Metric::L2),
            VectorSchema::new("fingerprint", 16).metric(Metric::Hamming).dtype(Dtype::Binary),
        ]),
    )?;
    let photo = |id: &str, caption: [f32; 3], colour: [f32; 3], bits: [u8; 2]| {
        Record::new(id)
            .named_vector("caption", caption)
            .named_vector("colour", colour)
            .named_vector("fingerprint", Vector::Bits(bits.to_vec()))
    };
    photos.upsert([
        photo("sluice", [0.9, 0.1, 0.0], [120.0, 90.0, 60.0], [0b1010_1010, 0x0f]),
        photo("nugget", [0.7, 0.6, 0.1], [212.0, 175.0, 55.0], [0b1010_1000, 0x0e]),
        photo("harbour", [0.0, 0.1, 0.9], [40.0, 80.0, 140.0], [0b0101_0101, 0xf0]),
    ])?;

    let by_caption = photos.search().named_vector("caption", [0.8, 0.5, 0.0]).k(1).run()?;
    println!("caption nearest: {} (cosine {:.3})", by_caption[0].id(), by_caption[0].score());

    let by_colour = photos.search().named_vector("colour", [50.0, 80.0, 130.0]).k(1).run()?;
    println!("colour nearest: {} ({:.1} away)", by_colour[0].id(), by_colour[0].distance());

    let same =
        photos.search().named_vector("fingerprint", Vector::Bits(vec![0b1010_1010, 0x0e])).k(3).run()?;
    for hit in same {
        println!("{} differs in {} of 16 bits", hit.id(), hit.distance());
    }
    Ok(())
}
