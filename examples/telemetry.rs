//! The library's spans in OpenTelemetry, a report of slow searches, and the times of all calls.
//!
//! Lode speaks to `tracing` and brings no subscriber: the program chooses where its spans go. Here they are printed; an exporter of
//! the OpenTelemetry protocol takes the place of the one for the terminal.

use lodedb::{Options, Record, Schema, field};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::time::Duration;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let exporter = opentelemetry_stdout::SpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("notes"));
    // Searches, commits and merges are spans of the level `debug`; `info` has optimize, compact, backup and verify.
    let levels = Targets::new().with_target("lodedb", tracing::Level::DEBUG);
    let subscriber = tracing_subscriber::registry().with(levels).with(layer);

    tracing::subscriber::with_default(subscriber, work)?;
    provider.shutdown()?;
    Ok(())
}

fn work() -> Result<(), lodedb::Error> {
    // So short here that one is sure to be seen.
    let slow = Duration::from_nanos(1);
    let options = Options::new().slow_search(slow, |search| println!("slow: {search}"));
    let db = options.open(":memory:")?;
    let notes = db.collection("notes", Schema::new(2))?;
    notes.upsert((1..=1_000i64).map(|n| Record::new(n as u64).vector([n as f32, 1.0]).field("n", n)))?;
    notes.search().vector([3.0, 1.0]).filter(field("n").gt(500)).k(5).run()?;

    let stats = db.stats()?;
    println!("searches: {}", stats.search_latency);
    println!("commits: {}", stats.commit_latency);
    Ok(())
}
