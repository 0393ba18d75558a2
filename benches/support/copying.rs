//! The floor of whatever inserts into PostgreSQL: a bare binary `COPY` of the same rows into the same
//! tables, with their indexes and foreign keys, in one transaction.

use std::pin::pin;
use std::time::Instant;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_postgres::{Client, NoTls};

use super::Result;

/// Connects, and has the connection driven.
async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Tables of datasets of a registry, in the order of their foreign keys.
pub async fn dataset_tables(url: &str, schema: &str) -> Result<Vec<String>> {
    let client = connect(url).await?;
    let sql = "SELECT tablename FROM pg_catalog.pg_tables \
               WHERE schemaname = $1 AND (tablename LIKE 'dataset\\_tags\\_%' \
               OR tablename LIKE 'dataset\\_calibs\\_%') ORDER BY 1";
    let rows = client.query(sql, &[&schema]).await?;
    let tags = rows.iter().map(|row| row.get::<_, String>(0));
    let others = ["dataset_location", "file_datastore_records"].map(str::to_owned);
    Ok(std::iter::once("dataset".to_owned()).chain(tags).chain(others).collect())
}

/// Copies the datasets of a registry into another one that has all that they refer to, and returns
/// the seconds that it took, reading not included.
pub async fn copy(url: &str, tables: &[String], from: &str, into: &str) -> Result<f64> {
    let client = connect(url).await?;
    // Collections may contain what is in them because summaries say so.
    for table in ["collection_summary_dataset_type", "collection_summary_instrument"] {
        let sql = format!(
            "INSERT INTO {into}.{table} SELECT * FROM {from}.{table} ON CONFLICT DO NOTHING"
        );
        client.batch_execute(&sql).await?;
    }
    let mut rows = Vec::new();
    for table in tables {
        let sql = format!("COPY {from}.{table} TO STDOUT (FORMAT binary)");
        let mut stream = pin!(client.copy_out(&sql).await?);
        let mut pieces = Vec::new();
        while let Some(piece) = stream.next().await {
            pieces.push(piece?);
        }
        rows.push(pieces);
    }
    let start = Instant::now();
    client.batch_execute("BEGIN").await?;
    for (table, pieces) in tables.iter().zip(rows) {
        let sql = format!("COPY {into}.{table} FROM STDIN (FORMAT binary)");
        let mut sink = pin!(client.copy_in(&sql).await?);
        for piece in pieces {
            sink.send(piece).await?;
        }
        sink.finish().await?;
    }
    client.batch_execute("COMMIT").await?;
    Ok(start.elapsed().as_secs_f64())
}

/// Removes all datasets from a registry, which has everything that they refer to then.
#[allow(dead_code, reason = "each benchmark uses its part")]
pub async fn clear(url: &str, schema: &str) -> Result<()> {
    let client = connect(url).await?;
    let tables = format!("{schema}.dataset, {schema}.file_datastore_records");
    Ok(client.batch_execute(&format!("TRUNCATE {tables} CASCADE")).await?)
}
