//! A report as one page with plots, which needs nothing else.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::plot::{Axis, Line, colour, dashed, draw};
use super::table::{short, time};
use super::{Figure, Latencies, Report};
use crate::bulk::BULK;
use crate::error::BenchError;
use crate::suite::Plot;

const STYLE: &str = include_str!("page.css");

impl Report {
    /// The page.
    ///
    /// # Errors
    /// [`BenchError::Plot`].
    pub(crate) fn html(&self) -> Result<String, BenchError> {
        let mut page = String::new();
        let machine = &self.machine;
        page += "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">";
        page +=
            "<meta name=\"viewport\" content=\"width=device-width\"><title>HQQ, measured</title>";
        let _ = write!(page, "<style>{STYLE}</style></head><body><main>");
        let _ = write!(
            page,
            "<header><h1>HQQ, measured</h1><p>{}, {} cores, {} GiB · {} · {} · load before the run \
             {}</p><p class=\"sum\">{}.</p></header>",
            escape(&machine.processor),
            machine.cores,
            machine.memory_gib,
            escape(&machine.system),
            escape(machine.compiler),
            escape(&machine.load),
            self.sum(),
        );
        self.goals_tables(&mut page);
        self.plots(&mut page)?;
        self.others_table(&mut page);
        self.heats_table(&mut page);
        page += "<footer>Two processes, each pinned to a core, take turns round by round; a ratio is the \
                 median over the rounds of a figure by the one it is compared with in the same round, the \
                 spread its quartiles. A goal is met when the lower quartile meets it. \
                 Of both processes: cpu, processor time an operation; switches, changes of the running thread \
                 an operation; peak, the most memory that either has had for the row: what the row shares, \
                 and what it grew by. Of operations that were timed one by one, reading the clock is in each \
                 time.</footer>";
        page += "</main></body></html>\n";
        Ok(page)
    }

    fn plots(&self, page: &mut String) -> Result<(), BenchError> {
        *page += "<section class=plots>";
        let mut groups: Vec<(&str, bool)> = Vec::new();
        for latencies in &self.latencies {
            let group = (latencies.area, latencies.peer);
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        for (area, peer) in groups {
            let all = self.latencies.iter();
            let of_group = all.filter(|of| of.area == area && of.peer == peer);
            let lines = of_group.map(percentiles).collect();
            let title = match area {
                "rtt" if peer => "Round trips over what could be used instead",
                "rtt" => "Round trips: how long each of them took",
                "advanced" => "Calls: how long each of them took",
                "format1" => "Round trips over format 1: how long each of them took",
                "park" => "Round trips of processes that sleep or share a core",
                _ => "How long each operation took",
            };
            one(page, title, lines, NINES, LATENCY)?;
        }
        if let Some(figures) = self.figures.get(&Plot::Cost) {
            bars(page, "Cost of a message of 64 bytes, one way", figures);
        }
        let plots = [
            (
                Plot::Size,
                "Throughput against the size of a message",
                BYTES,
                RATE,
            ),
            (
                Plot::Threads,
                "Throughput against threads on either side, two cores",
                THREADS,
                MILLIONS,
            ),
            (
                Plot::Depth,
                "Cost of 64 bytes against the buffers in a ring",
                COUNT,
                COST,
            ),
            (
                Plot::Geometry,
                "64 MiB through buffers of different sizes",
                BYTES,
                GIGABYTES,
            ),
        ];
        for (plot, title, x, y) in plots {
            if let Some(figures) = self.figures.get(&plot) {
                one(page, title, lines(plot, figures), x, y)?;
            }
        }
        *page += "</section>";
        Ok(())
    }
}

const NINES: Axis = Axis {
    title: "percentile",
    place: |percentile| -(1.0 - percentile / 100.0).log10(),
    label: nines,
    whole: true,
    also: Some(std::f64::consts::LOG10_2),
};
const LATENCY: Axis = Axis {
    title: "time of a round trip",
    place: f64::log10,
    label: |place| time(10_f64.powf(place)),
    whole: true,
    also: None,
};
const BYTES: Axis = Axis {
    title: "bytes",
    place: f64::log2,
    label: |place| bytes(place.exp2()),
    whole: true,
    also: None,
};
const RATE: Axis = Axis {
    title: "bytes a second",
    place: f64::log10,
    label: |place| rate(10_f64.powf(place)),
    whole: true,
    also: None,
};
const THREADS: Axis = Axis {
    title: "threads that send, and as many that receive",
    place: |threads| threads,
    label: short_count,
    whole: true,
    also: None,
};
const MILLIONS: Axis = Axis {
    title: "million messages a second",
    place: |rate| rate,
    label: short,
    whole: false,
    also: None,
};
const COUNT: Axis = Axis {
    title: "buffers",
    place: f64::log2,
    label: |place| short_count(place.exp2()),
    whole: true,
    also: None,
};
const COST: Axis = Axis {
    title: "nanoseconds a message",
    place: |value| value,
    label: short,
    whole: false,
    also: None,
};
const GIGABYTES: Axis = Axis {
    title: "GB/s",
    place: |value| value,
    label: short,
    whole: false,
    also: None,
};

fn nines(place: f64) -> String {
    // The median is not at a whole place.
    if (place - std::f64::consts::LOG10_2).abs() < 1e-6 {
        return "p50".to_owned();
    }
    match place.round() as i32 {
        0 => "p0".to_owned(),
        1 => "p90".to_owned(),
        2 => "p99".to_owned(),
        3 => "p99.9".to_owned(),
        4 => "p99.99".to_owned(),
        _ => String::new(),
    }
}

fn short_count(count: f64) -> String {
    format!("{count:.0}")
}

fn bytes(bytes: f64) -> String {
    match bytes {
        1_048_576.0.. => format!("{:.0} MiB", bytes / 1_048_576.0),
        1024.0.. => format!("{:.0} KiB", bytes / 1024.0),
        _ => format!("{bytes:.0} B"),
    }
}

fn rate(rate: f64) -> String {
    match rate {
        1e9.. => format!("{:.0} GB/s", rate / 1e9),
        1e6.. => format!("{:.0} MB/s", rate / 1e6),
        _ => format!("{:.0} kB/s", rate / 1e3),
    }
}

/// From the median to p99.99.
fn percentiles(latencies: &Latencies) -> Line {
    let histogram: &Histogram<u64> = &latencies.histogram;
    let steps = 0..=120;
    let points = steps.map(|step| {
        let place = 2_f64.log10() + (4.0 - 2_f64.log10()) * f64::from(step) / 120.0;
        let percentile = 100.0 * (1.0 - 10_f64.powf(-place));
        (percentile, histogram.value_at_percentile(percentile) as f64)
    });
    let shown = latencies.shown();
    Line {
        name: format!(
            "{}: median {}, p99 {}, p99.99 {}",
            latencies.name, shown[0], shown[1], shown[2]
        ),
        points: points.collect(),
    }
}

/// The series of a plot, each by x.
fn lines(plot: Plot, figures: &[Figure]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for figure in figures {
        let x = figure.x as f64;
        let y = match plot {
            Plot::Size => x * 1e9 / figure.value,
            Plot::Geometry => BULK as f64 / figure.value,
            Plot::Threads => 1e3 / figure.value,
            Plot::Depth | Plot::Cost => figure.value,
        };
        match lines.iter_mut().find(|line| line.name == figure.series) {
            Some(line) => line.points.push((x, y)),
            None => lines.push(Line {
                name: figure.series.to_owned(),
                points: vec![(x, y)],
            }),
        }
    }
    for line in &mut lines {
        line.points
            .sort_by(|one, other| one.0.total_cmp(&other.0).then(other.1.total_cmp(&one.1)));
        if plot == Plot::Geometry {
            // Of as long buffers in other numbers the fastest.
            line.points.dedup_by_key(|point| point.0);
        }
    }
    lines
}

/// A plot with its legend.
fn one(
    page: &mut String,
    title: &str,
    lines: Vec<Line>,
    x: Axis,
    y: Axis,
) -> Result<(), BenchError> {
    if lines.is_empty() {
        return Ok(());
    }
    let _ = write!(
        page,
        "<figure><figcaption>{}</figcaption>{}<ul>",
        escape(title),
        draw(&lines, x, y)?
    );
    for (index, line) in lines.iter().enumerate() {
        let (red, green, blue) = colour(index);
        let name = escape(&line.name);
        let class = if dashed(index) { " class=dashed" } else { "" };
        let _ = write!(
            page,
            "<li><i{class} style=\"background-color:rgb({red},{green},{blue})\"></i>{name}</li>"
        );
    }
    *page += "</ul></figure>";
    Ok(())
}

/// Bars, the shortest first, on a scale of powers of ten.
fn bars(page: &mut String, title: &str, figures: &[Figure]) {
    let mut sorted = figures.to_vec();
    sorted.sort_by(|one, other| one.value.total_cmp(&other.value));
    let most = sorted.last().map_or(1.0, |last| last.value.log10());
    let _ = write!(
        page,
        "<figure><figcaption>{} <small>(logarithmic)</small></figcaption><div class=bars>",
        escape(title)
    );
    for figure in sorted {
        // From a nanosecond on.
        let width = (figure.value.log10() / most * 100.0).clamp(1.0, 100.0);
        let ours = if figure.series.starts_with("HQQ") {
            " class=ours"
        } else {
            ""
        };
        let _ = write!(
            page,
            "<span>{}</span><div{ours}><i style=\"width:{width:.1}%\"></i><b>{}</b></div>",
            escape(figure.series),
            time(figure.value)
        );
    }
    *page += "</div></figure>";
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_geometries_with_as_long_buffers_the_fastest_is_drawn() {
        let figure = |x, value| Figure {
            series: "copies",
            x,
            value,
        };
        let bulk = BULK as f64;
        let figures = [
            figure(128, bulk / 3.0),
            figure(64, bulk),
            figure(64, bulk / 2.0),
        ];
        let drawn = lines(Plot::Geometry, &figures);
        assert_eq!(drawn.len(), 1);
        assert_eq!(drawn[0].points, [(64.0, 2.0), (128.0, 3.0)]);
    }
}
