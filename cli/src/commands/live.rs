//! netscope live: one loop that draws, samples and listens to keys and signals.

use std::{
    collections::VecDeque,
    fs::File,
    io::{IsTerminal, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::bail;

use crate::{
    args::{AttachArgs, LiveArgs, Sources, TargetArgs},
    collect::Collector,
    findings::DeclaredLoad,
    model::{Model, Peaks},
    sample::Sample,
    view::{
        json, text,
        tui::{Action, Screen, Snapshot, Theme, terminal},
    },
};

use super::{
    demo::Demo, guard::Guard, interrupts::Interrupts, output, own::OwnUsage, progress::Progress, report,
    session,
};

/// Time between two samples.
const TICK: Duration = Duration::from_secs(1);
/// For how long of each tick the kernel times the probes' runs.
const TIMED: Duration = Duration::from_millis(25);
/// Longest wait for a key, so that signals are seen soon.
const KEY_WAIT: Duration = Duration::from_millis(50);
/// Samples of the longest window.
const HISTORY: usize = 62;

impl From<AttachArgs> for LiveArgs {
    fn from(arguments: AttachArgs) -> Self {
        Self {
            target: TargetArgs { pid: Some(arguments.pid), port: None },
            demo: None,
            window: arguments.window,
            r#for: arguments.r#for,
            sources: arguments.sources,
        }
    }
}

/// Whether to use colours on an output that is, or is not, a terminal (https://no-color.org).
#[must_use]
pub fn colours(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Runs the command.
///
/// # Errors
/// The target or the demo cannot be opened, or the terminal not be used.
pub fn run(mut arguments: LiveArgs) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::block()?;
    let mut demo = arguments.demo.as_ref().map(Demo::start).transpose()?;
    if let Some(demo) = &demo {
        arguments.target.pid = Some(demo.pid());
    }
    let mut collector = session::open(&arguments.sources.trees, &arguments.target)?;
    let end = arguments.r#for.map(|time| Instant::now() + time);
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return plain(&arguments, &mut collector, &mut interrupts, demo.as_mut(), end);
    }
    let live = Live::new(collector, arguments.window);
    live.run(&arguments.sources, &mut interrupts, demo.as_mut(), end)?;
    Ok(ExitCode::SUCCESS)
}

/// Without a terminal: a report in text after each window.
fn plain(
    arguments: &LiveArgs,
    collector: &mut Collector,
    interrupts: &mut Interrupts,
    mut demo: Option<&mut Demo>,
    end: Option<Instant>,
) -> anyhow::Result<ExitCode> {
    collector.start_probes(&session::kernel_options(&arguments.sources));
    let mut first = collector.sample();
    for notice in collector.take_notices() {
        output::complain(&notice);
    }
    output::complain(&format!("no terminal: a report in text every {:?}", arguments.window));
    loop {
        let left = end.map_or(arguments.window, |end| end.saturating_duration_since(Instant::now()));
        let time = left.min(arguments.window);
        let (last, peaks) = report::watch(collector, interrupts, Progress::of(time), time, &first);
        let model = Model::between(&first, &last, &peaks);
        let assessment = session::judge(&model, &DeclaredLoad::default());
        output::print(&text::render(&model, &assessment, text::Style { colour: false }))?;
        first = last;
        if interrupts.requested() || end.is_some_and(|end| Instant::now() >= end) {
            return Ok(ExitCode::SUCCESS);
        }
        if demo.as_deref_mut().is_some_and(|demo| !demo.is_running()) {
            bail!("the demo has ended by itself; `netscope serve` and `netscope load` run its parts by hand");
        }
        for notice in collector.take_notices() {
            output::complain(&notice);
        }
    }
}

/// The state of the loop.
struct Live {
    collector: Collector,
    history: VecDeque<Sample>,
    window: Duration,
    screen: Screen,
    own: OwnUsage,
}

impl Live {
    fn new(collector: Collector, window: Duration) -> Self {
        let mut screen = Screen::new(Theme { colour: colours(true), unicode: locale_is_utf8() });
        screen.set_window(u32::try_from(window.as_secs()).unwrap_or(60).clamp(1, 60));
        Self { collector, history: VecDeque::new(), window, screen, own: OwnUsage::default() }
    }

    fn run(
        mut self,
        sources: &Sources,
        interrupts: &mut Interrupts,
        mut demo: Option<&mut Demo>,
        end: Option<Instant>,
    ) -> anyhow::Result<()> {
        let _guard = Guard::start()?;
        let mut terminal = terminal::enter()?;
        // The first frame needs no probes, which take a moment to load.
        let mut snapshot = self.tick();
        self.screen.draw(terminal.terminal(), &snapshot)?;
        self.collector.start_probes(&session::kernel_options(sources));
        self.history.clear();
        let mut next = Instant::now();
        loop {
            let now = Instant::now();
            if now >= next {
                snapshot = self.tick();
                next = now + TICK;
                for notice in self.collector.take_notices() {
                    self.screen.set_message(notice);
                }
                if demo.as_deref_mut().is_some_and(|demo| !demo.is_running()) {
                    self.screen.set_message("the demo has ended; press q to leave".to_owned());
                }
                self.screen.draw(terminal.terminal(), &snapshot)?;
                self.collector.time_runs(true);
            } else if next.saturating_duration_since(now) < TICK.saturating_sub(TIMED) {
                self.collector.time_runs(false);
            }
            if interrupts.requested() || end.is_some_and(|end| now >= end) {
                return Ok(());
            }
            let wait = next.saturating_duration_since(now).min(KEY_WAIT);
            let Some(event) = terminal::next_event(wait)? else { continue };
            match self.screen.handle(&event) {
                Action::None => continue,
                Action::Quit => return Ok(()),
                Action::SelectProcess(pid) => {
                    self.collector.select(&self.sharing(pid));
                    self.history.clear();
                    next = Instant::now();
                }
                Action::WindowChanged(seconds) => {
                    self.window = Duration::from_secs(u64::from(seconds));
                    snapshot = self.snapshot();
                }
                Action::WriteReport => {
                    let message = write_report(self.screen.shown(&snapshot));
                    self.screen.set_message(message);
                }
                Action::Redraw => {}
            }
            self.screen.draw(terminal.terminal(), &snapshot)?;
        }
    }

    /// The process and all that hold a listener together with it: connections that another worker takes would
    /// otherwise be missed.
    fn sharing(&self, pid: i32) -> Vec<i32> {
        let listeners = self.history.back().and_then(|sample| sample.namespace.listeners.value());
        let shared = listeners.into_iter().flatten().filter(|listener| listener.pids.contains(&pid));
        let mut pids: Vec<i32> =
            shared.flat_map(|listener| listener.pids.iter().copied()).chain([pid]).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Takes a sample and computes what is shown.
    fn tick(&mut self) -> Snapshot {
        let sample = self.collector.sample();
        self.history.push_back(sample);
        while self.history.len() > HISTORY {
            self.history.pop_front();
        }
        self.snapshot()
    }

    /// The newest sample against the oldest one inside the window.
    fn snapshot(&mut self) -> Snapshot {
        let window = u64::try_from(self.window.as_nanos()).unwrap_or(u64::MAX);
        let newest = self.history.back().map_or(0, |sample| sample.monotonic_ns);
        // Half a tick of tolerance: samples are never exactly a second apart.
        let tolerance = u64::try_from(TICK.as_nanos() / 2).unwrap_or(0);
        let inside: Vec<&Sample> = self
            .history
            .iter()
            .filter(|sample| newest.saturating_sub(sample.monotonic_ns) <= window.saturating_add(tolerance))
            .collect();
        let model = match (inside.first(), inside.last()) {
            (Some(first), Some(last)) if inside.len() > 1 => {
                Model::between(first, last, &Peaks::over(inside.iter().copied()))
            }
            (_, Some(last)) => Model::at(last),
            (_, None) => Model::at(&self.collector.sample()),
        };
        let assessment = session::judge(&model, &DeclaredLoad::default());
        let unix_ms = inside.last().map_or(0, |sample| sample.unix_ms);
        Snapshot { own: self.own.measure(), model, assessment, unix_ms }
    }
}

/// Writes the report beside the user, and says where.
fn write_report(snapshot: &Snapshot) -> String {
    let path = format!("netscope-report-{}.json", snapshot.unix_ms);
    let written = json::to_json(&snapshot.model, &snapshot.assessment)
        .map_err(|error| error.to_string())
        .and_then(|report| write_new(&path, &(report + "\n")).map_err(|error| error.to_string()));
    match written {
        Ok(()) => format!("report written to {path}"),
        Err(error) => format!("cannot write {path}: {error}"),
    }
}

/// Never through a link that somebody else left in a directory for all.
fn write_new(path: &str, text: &str) -> std::io::Result<()> {
    File::create_new(path)?.write_all(text.as_bytes())
}

/// Whether the locale's character set is UTF-8 (setlocale(3): LC_ALL before LC_CTYPE before LANG).
fn locale_is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    set.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}
