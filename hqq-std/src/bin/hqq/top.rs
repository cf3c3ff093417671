//! `hqq top`: regions, live, in a terminal.

mod screen;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use crate::failure::Failure;
use crate::output;
use crate::signals;
use crate::stats::{pause, seconds, to_text};
use crate::view::{Look, View};

/// Watch regions live: rates, fill, waits, members, latency; q, Esc or Ctrl-C ends it
///
/// Reads the regions' files and nothing else: whoever uses them is not disturbed.
#[derive(clap::Args)]
pub struct Args {
    /// The region's name (/dev/shm/NAME); all regions without it
    name: Option<String>,
    /// How often to look, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    interval: Duration,
    /// Print what the first screen would show, and end
    #[arg(long)]
    once: bool,
    /// Print one JSON object for each look, or with --once for one
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    if let Some(name) = &args.name {
        // That there is none is said before anything is drawn.
        Look::at(name)?;
    }
    if args.once || args.json {
        return print(&args);
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "this is no terminal: use --once, or --json, or `hqq stats`".to_owned(),
        ));
    }
    let mut terminal = ratatui::try_init()
        .map_err(|error| Failure::Failed(format!("cannot use the terminal: {error}")))?;
    let result = watch(&args, &mut terminal);
    ratatui::restore();
    result
}

/// What was seen of each region, the last time.
#[derive(Default)]
struct Watched(Vec<(String, Look)>);

impl Watched {
    /// Looks again; regions that are gone, or cannot be read, are left out.
    fn look(&mut self, args: &Args) -> Result<Vec<View>, Failure> {
        let names = match &args.name {
            Some(name) => vec![name.clone()],
            None => hqq_std::list()
                .map_err(|error| Failure::Failed(format!("cannot list regions: {error}")))?
                .iter()
                .map(|name| name.as_str().to_owned())
                .collect(),
        };
        let before = std::mem::take(&mut self.0);
        let mut views = Vec::new();
        for name in names {
            let Ok(now) = Look::at(&name) else {
                continue;
            };
            let earlier = before.iter().find(|(other, _)| *other == name);
            views.push(View::new(&name, &now, earlier.map(|(_, look)| look)));
            self.0.push((name, now));
        }
        Ok(views)
    }
}

fn print(args: &Args) -> Result<(), Failure> {
    let mut watched = Watched::default();
    watched.look(args)?;
    loop {
        pause(args.interval)?;
        let views = watched.look(args)?;
        if args.json {
            output::json(&serde_json::json!({ "regions": views }))?;
        } else {
            for view in &views {
                output::text(&to_text(view))?;
            }
        }
        if args.once {
            return Ok(());
        }
    }
}

fn watch(args: &Args, terminal: &mut DefaultTerminal) -> Result<(), Failure> {
    let failed = |error| Failure::Failed(format!("cannot use the terminal: {error}"));
    let mut watched = Watched::default();
    loop {
        let views = watched.look(args)?;
        let alone = args.name.is_some();
        terminal
            .draw(|frame| screen::draw(frame, &views, alone))
            .map_err(failed)?;
        let next = Instant::now() + args.interval;
        loop {
            signals::check()?;
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if !event::poll(left.min(signals::SLICE)).map_err(failed)? {
                continue;
            }
            match event::read().map_err(failed)? {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    let control = key.modifiers.contains(KeyModifiers::CONTROL);
                    match key.code {
                        KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                        KeyCode::Char('c') if control => return Ok(()),
                        _ => {}
                    }
                }
                // Drawn anew at once.
                Event::Resize(..) => break,
                _ => {}
            }
        }
    }
}
