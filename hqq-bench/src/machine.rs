//! The machine that figures come from.

use std::fs;

use rustix::system::uname;
use rustix::thread::sched_getaffinity;
use serde::Serialize;

/// What there is to know of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: u32,
    pub(crate) memory_gib: f64,
    pub(crate) system: String,
    pub(crate) compiler: &'static str,
    /// Processes that wanted to run, over one, five and fifteen minutes before.
    pub(crate) load: String,
}

impl Machine {
    /// This one, now. What the system does not tell is left empty.
    pub(crate) fn find() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key));
            let value = line.and_then(|line| line.split_once(':'));
            value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let processor = read("/proc/cpuinfo");
        let family = ["cpu family", "model\t"].map(|key| field(&processor, key));
        let [family, model] = family;
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory = memory.trim_end_matches(" kB").parse().unwrap_or(0.0);
        let name = uname();
        let [system, release] = [name.sysname(), name.release()].map(|text| text.to_string_lossy());
        let load = read("/proc/loadavg");
        Self {
            processor: format!(
                "{} (family {family}, model {model})",
                field(&processor, "model name")
            ),
            cores: sched_getaffinity(None).map_or(0, |cores| cores.count()),
            memory_gib: (memory / 1024.0 / 1024.0_f64).round(),
            system: format!("{system} {release}"),
            compiler: env!("HQQ_BENCH_COMPILER"),
            load: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
        }
    }
}
