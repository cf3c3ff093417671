//! A private region for each client: `handoff serve SOCKET` answers one client of the same user,
//! `handoff ask SOCKET TEXT` is one.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::time::Duration;

    use hqq_std::LinkOptions;
    use hqq_std::handoff::{Allow, Connector, HandoffError, Listener};

    const PATIENCE: Duration = Duration::from_secs(10);

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["serve", socket] => {
            let listener = Listener::bind(socket, Allow::same_user())?;
            let guest = loop {
                match listener.accept(None) {
                    Ok(guest) => break guest,
                    Err(error @ HandoffError::Unauthorised { .. }) => println!("{error}"),
                    Err(error) => return Err(error.into()),
                }
            };
            println!("let in: {}", guest.credentials());
            let options = LinkOptions::new().count(16).size(4096);
            let mut link = guest.make_region(&options, PATIENCE)?;
            link.set_read_timeout(Some(PATIENCE))?;
            let question = link.recv_vec()?;
            let answer = String::from_utf8_lossy(&question).to_uppercase();
            link.send(answer.as_bytes())?;
            link.wait_drained(Some(PATIENCE))?;
        }
        ["ask", socket, text] => {
            let connector = Connector::new(Allow::same_user());
            let mut link = connector.connect(socket, &LinkOptions::new(), PATIENCE)?;
            link.set_read_timeout(Some(PATIENCE))?;
            link.send(text.as_bytes())?;
            println!("{}", String::from_utf8_lossy(&link.recv_vec()?));
        }
        _ => return Err("usage: handoff serve SOCKET | handoff ask SOCKET TEXT".into()),
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("memory cannot be sealed on this system");
}
