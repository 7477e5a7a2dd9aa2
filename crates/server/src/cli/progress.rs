//! What a command shows at a terminal while it works.
//!
//! Everything is drawn on standard error, and only if that is a terminal.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that takes less time shows no spinner.
const DELAY: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);
const SPINNER: &str = "{spinner} {msg} ({elapsed})";
const BAR: &str = "{bar:40} {percent:>3} %  {msg}  {eta} left";

/// A spinner or a bar. It is removed when dropped: drop it before anything else is printed.
pub(super) struct Progress {
    bar: ProgressBar,
    /// The thread that shows the spinner after a while, until the channel is closed.
    waiting: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Shows nothing before [`Progress::show_bar`].
    pub(super) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), waiting: None }
    }

    /// Shows `what` and the time that has passed, if the work takes more than a second.
    pub(super) fn spinner(what: &str) -> Self {
        match io::stderr().is_terminal() {
            true => Self::spinner_at(ProgressDrawTarget::stderr(), DELAY, what),
            false => Self::hidden(),
        }
    }

    fn spinner_at(target: ProgressDrawTarget, delay: Duration, what: &str) -> Self {
        let mut progress = Self::hidden().with_style(SPINNER);
        progress.bar.set_message(what.to_owned());
        let (running, ended) = mpsc::channel();
        let bar = progress.bar.clone();
        let show = move || {
            if ended.recv_timeout(delay) == Err(RecvTimeoutError::Timeout) {
                bar.set_draw_target(target);
                bar.enable_steady_tick(TICK);
            }
        };
        // Without another thread, nothing is shown.
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(show);
        progress.waiting = thread.ok().map(|thread| (running, thread));
        progress
    }

    fn with_style(self, template: &str) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self
    }

    /// A bar that [`Progress::show_bar`] shows.
    pub(super) fn bar() -> Self {
        Self::hidden().with_style(BAR)
    }

    /// Shows the bar, of `length` steps.
    pub(super) fn show_bar(&self, length: u64) {
        self.bar.set_length(length);
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
    }

    /// The number of steps that are done.
    pub(super) fn set_position(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// What has been done so far.
    pub(super) fn set_message(&self, text: String) {
        self.bar.set_message(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((running, thread)) = self.waiting.take() {
            drop(running);
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;

    /// A terminal that remembers what was written.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl Screen {
        fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }

        fn push(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn target(&self) -> ProgressDrawTarget {
            ProgressDrawTarget::term_like(Box::new(self.clone()))
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.push(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.push(text)
        }
        fn clear_line(&self) -> io::Result<()> {
            self.push("<clear>")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_spinner_appears_after_a_while_and_is_removed() {
        let screen = Screen::default();
        let progress = Progress::spinner_at(screen.target(), Duration::ZERO, "ending sessions");
        while !screen.text().contains("ending sessions") {
            thread::yield_now();
        }
        progress.set_message("ended 7 sessions".to_owned());
        while !screen.text().contains("ended 7 sessions") {
            thread::yield_now();
        }
        drop(progress);
        assert!(screen.text().ends_with("<clear>"), "{:?}", screen.text());
    }

    #[test]
    fn short_work_shows_nothing() {
        let screen = Screen::default();
        let day = Duration::from_secs(86_400);
        drop(Progress::spinner_at(screen.target(), day, "ending sessions"));
        assert_eq!(screen.text(), "");
    }
}
