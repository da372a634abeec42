//! A table of PostgreSQL, written by COPY. The cursor moves in the same transaction, so each
//! message is in the table exactly once.
//!
//! The cursor is the position of the last message in the table. A message that was sent before
//! (DUP) and is not after it is in the table already; so is one of a batch whose COMMIT has no
//! answer, if the cursor has moved. The transaction moves the cursor from the value that this
//! bridge has read. If another transaction, such as a late one of an earlier run, has moved it
//! meanwhile, nothing is written and the cursor is read again.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls, Statement};

use super::postgres_row::{HEADER, Rows, TRAILER};
use super::postgres_tls::Tls;
use super::{Refused, Trouble, Written, is_there};
use crate::config::{PostgresTarget, PostgresTls};
use crate::flow::{Batch, Position};
use crate::limits::{CONNECT_TIMEOUT, WRITE_TIMEOUT};
use crate::shown::shortened;
use crate::tls::{Verify, client_config};
use crate::value::Values;

/// A table.
pub struct PostgresSink {
    target: PostgresTarget,
    name: String,
    open: Option<Open>,
    /// The rows of a batch.
    rows: Vec<u8>,
    /// For each row its end, the place of its message, and the cursor after it.
    ends: Vec<(usize, usize, Option<Position>)>,
    /// Whether the last COMMIT has no answer.
    in_doubt: bool,
}

/// A connection, with information from the server.
struct Open {
    client: Client,
    rows: Rows,
    copy: Statement,
    move_cursor: Statement,
    cursor: Option<Position>,
}

/// The reason why rows were not written.
enum Fault {
    /// A row is refused: one given by its number in the COPY, or an unknown one.
    Row(Option<usize>, String),
    /// The cursor was moved by another transaction.
    Moved,
    /// An error of the connection or the server.
    Trouble(Trouble),
}

impl PostgresSink {
    /// A sink for this table; `name` is the name of its cursor.
    pub fn new(target: PostgresTarget, name: &str) -> Self {
        Self {
            target,
            name: name.to_owned(),
            open: None,
            rows: Vec::new(),
            ends: Vec::new(),
            in_doubt: false,
        }
    }

    /// Writes rows up to the first refused message, and returns that with them: its dead letter
    /// must be sent before the cursor passes it.
    pub(super) async fn write(&mut self, batch: &Batch) -> Result<Written, Trouble> {
        if self.open.is_none() {
            let opening = timeout(CONNECT_TIMEOUT, self.open());
            let opened = opening.await.map_err(|_| Trouble::again("it does not answer"))?;
            self.open = Some(opened?);
        }
        let written = timeout(WRITE_TIMEOUT, self.write_front(batch)).await;
        let written = written.unwrap_or_else(|_| Err(Trouble::again("it does not answer")));
        // After an error of a batch that had been sent, its COMMIT may have been executed.
        self.in_doubt = written.is_err();
        if written.is_err() {
            self.open = None;
        }
        written
    }

    async fn write_front(&mut self, batch: &Batch) -> Result<Written, Trouble> {
        let open = self.open.as_mut().expect("the caller has opened it");
        let (done, refused) = lay_out(batch, open, self.in_doubt, &mut self.rows, &mut self.ends);
        let mut range = 0..self.ends.len();
        loop {
            let cursor = range.end.checked_sub(1).and_then(|last| self.ends[last].2);
            let rows = rows_of(&self.rows, &self.ends, &range);
            match copy(open, &self.name, rows, cursor).await {
                Ok(()) => break,
                Err(Fault::Moved) => {
                    open.cursor = read_cursor(&open.client, &self.target, &self.name).await?;
                    return Box::pin(self.write_front(batch)).await;
                }
                Err(Fault::Row(None, says)) if range.len() == 1 => {
                    return Ok(refusal(self.ends[0].1, says));
                }
                Err(Fault::Row(Some(0), says)) => return Ok(refusal(self.ends[0].1, says)),
                Err(Fault::Row(Some(line), _)) => range.end = line.min(range.end - 1),
                Err(Fault::Row(None, _)) => range.end = range.len() / 2,
                Err(Fault::Trouble(trouble)) => return Err(trouble),
            }
        }
        if range.end < self.ends.len() {
            // The next attempt begins at the row that stopped this one.
            return Ok(Written { done: self.ends[range.end].1, refused: Vec::new() });
        }
        Ok(Written { done, refused })
    }

    async fn connect(&self) -> Result<Client, Trouble> {
        let mut config: Config = self.target.url.0.parse().map_err(trouble)?;
        let verify = match self.target.tls {
            PostgresTls::Disable => None,
            PostgresTls::Prefer | PostgresTls::Require => Some(Verify::Nothing),
            PostgresTls::VerifyCa => Some(Verify::Chain),
            PostgresTls::VerifyFull => Some(Verify::Full),
        };
        config.ssl_mode(match self.target.tls {
            PostgresTls::Disable => SslMode::Disable,
            PostgresTls::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        });
        let has_socket = |host: &Host| matches!(host, Host::Unix(_));
        let verify = verify.filter(|_| !config.get_hosts().iter().all(has_socket));
        let Some(verify) = verify else {
            config.ssl_mode(SslMode::Disable);
            let (client, connection) = config.connect(NoTls).await.map_err(trouble)?;
            tokio::spawn(connection.map(drop));
            return Ok(client);
        };
        let tls = client_config(&self.target.files, verify);
        let tls = Tls(Arc::new(tls.map_err(|error| Trouble::again(error.to_string()))?));
        let (client, connection) = config.connect(tls).await.map_err(trouble)?;
        // It ends with its client; the calls report the error.
        tokio::spawn(connection.map(drop));
        Ok(client)
    }

    async fn open(&self) -> Result<Open, Trouble> {
        let client = self.connect().await?;
        let PostgresTarget { table, columns, cursor_table, .. } = &self.target;
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(", ");
        let asked = client.prepare(&format!("SELECT {names} FROM {table}")).await;
        let types = asked.map_err(trouble)?.columns().iter().map(|c| c.type_().clone()).collect();
        let values = Values::new(columns.iter().map(|(_, template)| template.clone()).collect());
        let rows = Rows { values, types, missing: self.target.missing };
        rows.check().map_err(Trouble::Never)?;
        let make = format!(
            "CREATE TABLE IF NOT EXISTS {cursor_table} (name text PRIMARY KEY, epoch bigint NOT \
             NULL, number bigint NOT NULL)"
        );
        // Without the right to create it, the table may exist nevertheless.
        if let Err(error) = client.batch_execute(&make).await
            && error.code() != Some(&SqlState::INSUFFICIENT_PRIVILEGE)
        {
            return Err(trouble(error));
        }
        let begin =
            format!("INSERT INTO {cursor_table} VALUES ($1, 0, -1) ON CONFLICT (name) DO NOTHING");
        client.execute(&begin, &[&self.name]).await.map_err(trouble)?;
        let copy = format!("COPY {table} ({names}) FROM STDIN (FORMAT binary)");
        let copy = client.prepare(&copy).await.map_err(trouble)?;
        let moves = format!(
            "UPDATE {cursor_table} SET epoch = $2, number = $3 WHERE name = $1 AND epoch = $4 AND \
             number = $5"
        );
        let move_cursor = client.prepare(&moves).await.map_err(trouble)?;
        let cursor = read_cursor(&client, &self.target, &self.name).await?;
        Ok(Open { client, rows, copy, move_cursor, cursor })
    }
}

/// Prepares the rows of a batch's front: all up to the first refused messages, and these. Returns
/// the number of messages.
fn lay_out(
    batch: &Batch,
    open: &Open,
    in_doubt: bool,
    rows: &mut Vec<u8>,
    ends: &mut Vec<(usize, usize, Option<Position>)>,
) -> (usize, Vec<Refused>) {
    rows.clear();
    ends.clear();
    let mut cursor = open.cursor;
    let mut refused: Vec<Refused> = Vec::new();
    for (at, message) in batch.iter() {
        if is_there(&message, open.cursor, in_doubt) {
            continue;
        }
        let start = rows.len();
        match open.rows.put(&message, rows) {
            Ok(()) if refused.is_empty() => {
                if message.qos > 0 {
                    cursor = Some(message.position);
                }
                ends.push((rows.len(), at, cursor));
            }
            Ok(()) => {
                rows.truncate(start);
                return (at, refused);
            }
            Err(reason) => {
                rows.truncate(start);
                refused.push(Refused { at, reason });
            }
        }
    }
    (batch.len(), refused)
}

fn refusal(at: usize, reason: String) -> Written {
    Written { done: at + 1, refused: vec![Refused { at, reason }] }
}

/// The bytes of the first rows.
fn rows_of(
    rows: &[u8],
    ends: &[(usize, usize, Option<Position>)],
    range: &Range<usize>,
) -> Option<Bytes> {
    let end = ends.get(range.end.checked_sub(1)?)?.0;
    Some(Bytes::from([HEADER, &rows[..end], TRAILER].concat()))
}

/// Writes rows and moves the cursor, in one transaction.
async fn copy(
    open: &mut Open,
    name: &str,
    rows: Option<Bytes>,
    cursor: Option<Position>,
) -> Result<(), Fault> {
    let Some(rows) = rows else { return Ok(()) };
    let transaction = open.client.transaction().await.map_err(fault)?;
    let sink = transaction.copy_in(&open.copy).await.map_err(fault)?;
    let mut sink = std::pin::pin!(sink);
    sink.send(rows).await.map_err(fault)?;
    sink.finish().await.map_err(fault)?;
    let (from_epoch, from_number) = stored(open.cursor);
    let (epoch, number) = stored(cursor);
    let moved = transaction
        .execute(&open.move_cursor, &[&name, &epoch, &number, &from_epoch, &from_number])
        .await
        .map_err(fault)?;
    if moved != 1 {
        transaction.rollback().await.map_err(fault)?;
        return Err(Fault::Moved);
    }
    transaction.commit().await.map_err(fault)?;
    open.cursor = cursor;
    Ok(())
}

/// The cursor in the form of the table.
fn stored(cursor: Option<Position>) -> (i64, i64) {
    cursor.map_or((0, -1), |at| {
        (at.epoch.cast_signed(), i64::try_from(at.number).unwrap_or(i64::MAX))
    })
}

async fn read_cursor(
    client: &Client,
    target: &PostgresTarget,
    name: &str,
) -> Result<Option<Position>, Trouble> {
    let ask = format!("SELECT epoch, number FROM {} WHERE name = $1", target.cursor_table);
    let row = client.query_one(&ask, &[&name]).await.map_err(trouble)?;
    let (epoch, number): (i64, i64) = (row.get(0), row.get(1));
    let position = |number| Position { epoch: epoch.cast_unsigned(), number };
    Ok(u64::try_from(number).ok().map(position))
}

fn fault(error: Error) -> Fault {
    let class = error.code().map_or("", |code| &code.code()[..2]);
    // Data exceptions and violated constraints concern a row, which the server usually names.
    if matches!(class, "22" | "23") {
        let context = error.as_db_error().and_then(|error| error.where_()).unwrap_or_default();
        return Fault::Row(copy_line(context), told(&error));
    }
    Fault::Trouble(trouble(error))
}

/// The row's number, from 0, in a context such as `COPY telemetry, line 13, column v`.
fn copy_line(context: &str) -> Option<usize> {
    let line = context.lines().find(|line| line.starts_with("COPY "))?;
    let (_, behind) = line.split_once(", line ")?;
    let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
    behind[..end].parse::<usize>().ok()?.checked_sub(1)
}

#[expect(clippy::needless_pass_by_value, reason = "it ends here, and callers map with it")]
fn trouble(error: Error) -> Trouble {
    let class = error.code().map_or("", |code| &code.code()[..2]);
    let says = told(&error);
    match class {
        // Login, database, table and rights.
        "28" | "3D" | "3F" | "42" => Trouble::Never(says),
        _ => Trouble::again(says),
    }
}

fn told(error: &Error) -> String {
    let says = match error.as_db_error() {
        Some(error) => match error.detail() {
            Some(detail) => format!("{} ({}): {detail}", error.message(), error.code().code()),
            None => format!("{} ({})", error.message(), error.code().code()),
        },
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    };
    shortened(&says)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The server's context names the row.
    #[test]
    fn lines_are_read() {
        for (context, line) in [
            ("COPY telemetry, line 13, column v", Some(12)),
            ("COPY a, line 1", Some(0)),
            ("PL/pgSQL function f() line 3 at RAISE\nCOPY a, line 7", Some(6)),
            ("SQL statement", None),
            ("", None),
        ] {
            assert_eq!(copy_line(context), line, "{context}");
        }
    }
}
