//! Sends a file of any size as one message that is never assembled: the receiver reads it as it
//! comes, in little memory.
//!
//! ```sh
//! cargo run --example stream_file -- receive parcel copy.bin &
//! cargo run --example stream_file -- send parcel original.bin
//! ```

use std::env::args;
use std::error::Error;
use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use hqq_std::{AdvancedLink, AdvancedOptions, Incoming, LinkOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = args().skip(1).collect();
    let [action, name, path] = arguments.as_slice() else {
        return Err("give send or receive, the region's name, and a file".into());
    };
    match action.as_str() {
        "send" => send(name, path),
        "receive" => receive(name, path),
        _ => Err("the first argument is send or receive".into()),
    }
}

fn send(name: &str, path: &str) -> Result<(), Box<dyn Error>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let link = AdvancedLink::open(name, &LinkOptions::new(), AdvancedOptions::new())?;
    link.negotiate(Instant::now().checked_add(Duration::from_secs(10)))?;
    let sent = link.send_stream(file, Some(len))?;
    println!("{sent} bytes sent");
    // Leaving is fine as soon as everything is in the ring; this waits until it was taken out.
    if !link.wait_drained(None) {
        return Err("the receiver left before it had everything".into());
    }
    Ok(())
}

fn receive(name: &str, path: &str) -> Result<(), Box<dyn Error>> {
    let link = AdvancedLink::create(name, &LinkOptions::new(), AdvancedOptions::new())?;
    let result = receive_over(&link, path);
    hqq_std::unlink(name)?;
    result
}

fn receive_over(link: &AdvancedLink, path: &str) -> Result<(), Box<dyn Error>> {
    link.wait_for_negotiation(None)?;
    let Incoming::Plain { mut body, .. } = link.receive_stream(None)? else {
        return Err("a request came where a file was expected".into());
    };
    let mut file = File::create(path)?;
    let received = io::copy(&mut body, &mut file)?;
    println!("{received} bytes received");
    Ok(())
}
