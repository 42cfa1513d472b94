// SPDX-License-Identifier: Apache-2.0
//! theirs - the published crates at work on what we wrote: JSON lines in, JSON lines out. It judges nothing; theirs.py
//! does. Whatever a crate refuses is told on stderr with its line, and ends it with 1.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine as _};
use cellos_host_telemetry::keepalive::KeepAlive;
use cellos_host_telemetry::listener::VsockUdsListener;
use cellos_host_telemetry::probes::{
    build_host_probe_envelope, cgroup::CgroupProbe, nftables::NftCounterRow,
    tap_link::TapLinkProbe, HostProbe, ProbeContext, ProbeReading,
};
use cellos_host_telemetry::sign_outbound::{
    host_stamp_and_sign, SigningKeyMaterial, SigningOutcome,
};
use cellos_host_telemetry::{sign_outbound, GuestDeclaration, HostStamp};
use cellos_projector::audit_doc::render_audit_doc;
use cellos_projector::event_decode::{decode_event, EventVerifierConfig};
use serde_json::{json, Value};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: theirs events | render | readings | stamped | receive BASE CELL RUN SPEC | probe KIND WHAT";

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    Ok(value[key].as_str().ok_or(format!("no text {key}"))?)
}

/// Each line of stdin, one line out for each.
fn each(work: impl Fn(&str) -> Result<String>) -> Result<()> {
    for (i, line) in std::io::stdin().lock().lines().enumerate() {
        println!(
            "{}",
            work(&line?).map_err(|e| format!("line {}: {e}", i + 1))?
        );
    }
    Ok(())
}

/// The environment gives Ed25519 keys to the crate itself; those of HMAC it leaves to its caller.
fn verifier() -> Result<EventVerifierConfig> {
    let mut config = EventVerifierConfig::from_env()?;
    if let Ok(path) = std::env::var("CELLOS_EVENT_VERIFY_HMAC_KEYS_PATH") {
        let named: HashMap<String, String> = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let mut keys = HashMap::new();
        for (kid, key) in named {
            keys.insert(kid, URL_SAFE_NO_PAD.decode(key.trim_end_matches('='))?);
        }
        config.hmac_keys = Arc::new(keys);
    }
    Ok(config)
}

/// A reading as their type, and the event that they make of it.
fn reading(line: &str) -> Result<String> {
    let event: Value = serde_json::from_str(line)?;
    let data = &event["data"];
    let read: ProbeReading = serde_json::from_value(data.clone())?;
    if let Some(rows) = read.output.get("rows") {
        serde_json::from_value::<Vec<NftCounterRow>>(rows.clone())?;
    }
    let whose = ProbeContext::new(
        text(data, "cellId")?,
        text(data, "runId")?,
        text(data, "specSignatureHash")?,
    );
    Ok(serde_json::to_string(&build_host_probe_envelope(
        &whose, &read,
    )?)?)
}

/// What their host would have made of a declaration of ours: stamped, and signed if the environment has a key.
fn stamped(line: &str, keys: &SigningKeyMaterial) -> Result<String> {
    let event: Value = serde_json::from_str(line)?;
    let (guest, host) = (&event["data"]["guest"], &event["data"]["host"]);
    let at: SystemTime = text(host, "hostReceivedAt")?
        .parse::<chrono::DateTime<chrono::Utc>>()?
        .into();
    let both = sign_outbound::StampedDeclaration {
        guest: GuestDeclaration {
            probe_source: text(guest, "probeSource")?.into(),
            guest_pid: guest["guestPid"]
                .as_u64()
                .ok_or("no guestPid")?
                .try_into()?,
            guest_comm: text(guest, "guestComm")?.into(),
            guest_monotonic_ns: guest["guestMonotonicNs"]
                .as_u64()
                .ok_or("no guestMonotonicNs")?,
        },
        host: HostStamp {
            cell_id: text(host, "cellId")?.into(),
            run_id: text(host, "runId")?.into(),
            host_received_at: at,
            spec_signature_hash: text(host, "specSignatureHash")?.into(),
        },
    };
    let made = host_stamp_and_sign(
        &both,
        text(&event, "id")?,
        text(&event, "source")?,
        text(&event, "type")?,
        keys,
    )?;
    Ok(match made {
        SigningOutcome::Unsigned(event) => serde_json::to_string(&event)?,
        SigningOutcome::Signed(envelope) => serde_json::to_string(&envelope)?,
    })
}

/// Frames of one connection, until its end.
async fn receive(base: &str, cell: &str, run: &str, spec: &str) -> Result<()> {
    let listener = VsockUdsListener::bind_for_cell(Path::new(base))?;
    let stamp = HostStamp {
        cell_id: cell.into(),
        run_id: run.into(),
        host_received_at: UNIX_EPOCH,
        spec_signature_hash: spec.into(),
    };
    let keepalive = KeepAlive::new(Duration::from_secs(3600));
    let mut stream = listener.accept().await?;
    while let Some(d) = stream.recv_stamped(&stamp, &keepalive).await? {
        let at = chrono::DateTime::<chrono::Utc>::from(d.host_received_at);
        println!(
            "{}",
            json!({
                "cell_id": d.cell_id, "run_id": d.run_id, "spec_signature_hash": d.spec_signature_hash,
                "host_received_at": at.to_rfc3339(), "probe_source": d.probe_source, "guest_pid": d.guest_pid,
                "guest_comm": d.guest_comm, "guest_monotonic_ns": d.guest_monotonic_ns,
            })
        );
    }
    Ok(())
}

/// Their own probe, beside ours.
async fn probe(kind: &str, what: &str) -> Result<()> {
    let probe: Box<dyn HostProbe> = match kind {
        "cgroup" => Box::new(CgroupProbe::new(what)),
        "tap_link" => Box::new(TapLinkProbe::new(what)),
        _ => return Err(USAGE.into()),
    };
    println!(
        "{}",
        serde_json::to_string(&probe.read(&ProbeContext::new("c", "r", "s")).await?)?
    );
    Ok(())
}

async fn run(args: &[&str]) -> Result<()> {
    match args {
        ["events"] => {
            let config = verifier()?;
            each(|line| {
                Ok(serde_json::to_string(&decode_event(
                    line.as_bytes(),
                    &config,
                )?)?)
            })
        }
        ["render"] => {
            each(|line| Ok(json!(render_audit_doc(&serde_json::from_str(line)?)).to_string()))
        }
        ["readings"] => each(reading),
        ["stamped"] => {
            let keys = SigningKeyMaterial::from_env()?;
            each(|line| stamped(line, &keys))
        }
        ["receive", base, cell, run, spec] => receive(base, cell, run, spec).await,
        ["probe", kind, what] => probe(kind, what).await,
        _ => Err(USAGE.into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let Err(e) = run(&args).await {
        eprintln!("theirs: {e}");
        std::process::exit(1);
    }
}
