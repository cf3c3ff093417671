//! Calls the methods of the example `rpc_server`, several at a time.

use std::env::args;
use std::error::Error;
use std::time::{Duration, Instant};

use hqq_std::advanced::error::CallError;
use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let name = args().nth(1).ok_or("give the region's name")?;
    let text = args().nth(2).unwrap_or_else(|| "hello".to_owned());
    let link = AdvancedLink::open(&name, &LinkOptions::new(), AdvancedOptions::new())?;
    link.negotiate(Instant::now().checked_add(Duration::from_secs(5)))?;

    // Both are on their way at once, and may be answered in any order.
    let length = link.start_call(1, text.as_bytes())?;
    let shouted = link.start_call(2, text.as_bytes())?;
    let shouted = shouted.wait_timeout(Duration::from_secs(5))?;
    let length = length.wait_timeout(Duration::from_secs(5))?;
    println!(
        "{} ({} bytes)",
        String::from_utf8_lossy(&shouted),
        String::from_utf8_lossy(&length)
    );

    // A handler's refusal has a status and says why.
    match link.call(2, &[0xff, 0xfe]) {
        Err(CallError::Response { status, body }) => {
            println!("status {status}: {}", String::from_utf8_lossy(&body));
        }
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}
