//! Answers calls in a region that this program creates: method 1 counts bytes, method 2 shouts.
//!
//! ```sh
//! cargo run --example rpc_server -- lobby &
//! cargo run --example rpc_client -- lobby "hello there"
//! ```

use std::env::args;
use std::error::Error;

use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions, Refusal, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let name = args().nth(1).ok_or("give the region's name")?;
    let link = AdvancedLink::create(&name, &LinkOptions::new(), AdvancedOptions::new())?;
    let result = serve(&link);
    hqq_std::unlink(&name)?;
    result
}

fn serve(link: &AdvancedLink) -> Result<(), Box<dyn Error>> {
    // The client asks; what both can do is known then.
    let agreement = link.wait_for_negotiation(None)?;
    println!("a client came: {agreement:?}");
    Server::new()
        .threads(2)
        .method(1, |request| {
            Ok(request.body().len().to_string().into_bytes())
        })
        .method(2, |request| match std::str::from_utf8(request.body()) {
            Ok(text) => Ok(text.to_uppercase().into_bytes()),
            Err(error) => Err(Refusal {
                status: 22,
                body: error.to_string().into_bytes(),
            }),
        })
        // Until the client has left.
        .serve(link)?;
    println!("{} requests answered", link.stats().responses_sent);
    Ok(())
}
