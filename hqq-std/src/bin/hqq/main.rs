//! The `hqq` command: regions and links from a shell. One file a command; this one only parses.

#![allow(unreachable_pub, reason = "a program: `pub` is for its other modules")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod call;
mod create;
#[cfg(feature = "defmt")]
mod defmt;
mod demo;
mod doctor;
mod echo;
mod failure;
mod input;
mod inspect;
mod large;
mod ls;
mod open;
mod output;
mod ping;
mod progress;
mod recv;
mod rm;
mod rtt;
mod send;
mod serve;
mod signals;
mod spool;
mod stall;
mod stats;
mod top;
mod view;

/// Message passing through shared memory: make regions, look into them, move data through them.
#[derive(Parser)]
#[command(name = "hqq", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Create(create::Args),
    Ls(ls::Args),
    Inspect(inspect::Args),
    Stats(stats::Args),
    Top(top::Args),
    Doctor(doctor::Args),
    Send(send::Args),
    Recv(recv::Args),
    Echo(echo::Args),
    Ping(ping::Args),
    Serve(serve::Args),
    Call(call::Args),
    #[cfg(feature = "defmt")]
    Defmt(defmt::Args),
    Rm(rm::Args),
    #[command(name = "demo-peer", hide = true)]
    DemoPeer(demo::peer::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = signals::install(open::remove_created).and_then(|()| match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Create(args) => create::run(args),
        Command::Ls(args) => ls::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Stats(args) => stats::run(args),
        Command::Top(args) => top::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Send(args) => send::run(args),
        Command::Recv(args) => recv::run(args),
        Command::Echo(args) => echo::run(args),
        Command::Ping(args) => ping::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Call(args) => call::run(args),
        #[cfg(feature = "defmt")]
        Command::Defmt(args) => defmt::run(args),
        Command::Rm(args) => rm::run(args),
        Command::DemoPeer(args) => demo::peer::run(args),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
