//! Several writes that happen together or not at all, over two collections.

use lodedb::{Database, Error, Record, Schema};

fn main() -> Result<(), Error> {
    let db = Database::open(":memory:")?;
    let stock = db.collection("stock", Schema::new(2))?;
    let sold = db.collection("sold", Schema::new(2))?;
    stock.insert([Record::new("opal").vector([0.2, 0.8]), Record::new("ruby").vector([0.9, 0.1])])?;

    // The opal changes collections: nobody ever sees it in both, or in none.
    let mut tx = db.transaction()?;
    let opal = tx.collection("stock")?.get("opal")?.ok_or(Error::RecordNotFound { id: "opal".into() })?;
    tx.collection("stock")?.delete(["opal"])?;
    tx.collection("sold")?.insert([opal.field("price", 120)])?;
    tx.commit()?;
    println!("in stock: {}, sold: {}", stock.len()?, sold.len()?);

    // A transaction that is dropped leaves no trace.
    let mut tx = db.transaction()?;
    tx.collection("stock")?.delete(["ruby"])?;
    drop(tx);
    println!("the ruby is still here: {}", stock.contains("ruby")?);
    Ok(())
}
