//! A screen that is only memory, with a real pointer and a real keyboard, so that the window is tested as
//! people use it.

use super::window::picture::Picture;
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

/// An X server on a display that was free. It ends with this value.
pub(crate) struct Xvfb {
    server: Child,
    display: String,
    /// Holds the server's frame buffer as a file.
    frame_buffer: tempfile::TempDir,
}

impl Xvfb {
    /// Starts a server with one screen.
    ///
    /// # Panics
    /// When Xvfb is not installed or does not start.
    pub(crate) fn start(width: u32, height: u32) -> Self {
        let frame_buffer = tempfile::tempdir().expect("a folder");
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-nolisten", "tcp", "-noreset", "-screen", "0"])
            .arg(format!("{width}x{height}x24"))
            .arg("-fbdir")
            .arg(frame_buffer.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb starts; where it is missing: apt-get install xvfb xdotool");
        let mut line = String::new();
        let stdout = server.stdout.take().expect("is piped");
        BufReader::new(stdout).read_line(&mut line).expect("Xvfb says its display");
        let number: u32 = line.trim().parse().expect("Xvfb says its display");
        Self { server, display: format!(":{number}"), frame_buffer }
    }

    /// The value of `DISPLAY` for programs that are to appear on this screen.
    pub(crate) fn display(&self) -> &str {
        &self.display
    }

    /// Moves the pointer.
    pub(crate) fn point_at(&self, [x, y]: [f64; 2]) {
        self.xdotool(&["mousemove", "--sync", &round(x), &round(y)]);
    }

    /// Presses the main button and lets it go.
    pub(crate) fn click(&self, place: [f64; 2]) {
        self.point_at(place);
        // Long enough for a frame in which the pointer is there and the button is not yet down.
        thread::sleep(Duration::from_millis(400));
        self.xdotool(&["mousedown", "1"]);
        thread::sleep(Duration::from_millis(200));
        self.xdotool(&["mouseup", "1"]);
    }

    /// Drags from one place to another, in small moves as a hand does.
    pub(crate) fn drag(&self, from: [f64; 2], to: [f64; 2]) {
        const MOVES: u32 = 12;
        self.point_at(from);
        thread::sleep(Duration::from_millis(400));
        self.xdotool(&["mousedown", "1"]);
        thread::sleep(Duration::from_millis(200));
        for step in 1..=MOVES {
            let share = f64::from(step) / f64::from(MOVES);
            self.point_at([0, 1].map(|axis| from[axis] + (to[axis] - from[axis]) * share));
            thread::sleep(Duration::from_millis(60));
        }
        thread::sleep(Duration::from_millis(400));
        self.xdotool(&["mouseup", "1"]);
    }

    /// Presses a key, such as `ctrl+s`, in the window under the pointer.
    pub(crate) fn press_key(&self, key: &str) {
        self.xdotool(&["key", key]);
    }

    /// Gives a window the keyboard, which a window manager would do.
    pub(crate) fn focus(&self, title: &str) {
        self.xdotool(&["search", "--sync", "--name", title, "windowfocus", "--sync"]);
    }

    /// What the screen shows.
    pub(crate) fn picture(&self) -> Picture {
        let path: PathBuf = self.frame_buffer.path().join("Xvfb_screen0");
        Picture::from_xwd(&std::fs::read(path).expect("the frame buffer is a file"))
    }

    fn xdotool(&self, arguments: &[&str]) {
        let Output { status, stderr, .. } = Command::new("xdotool")
            .args(arguments)
            .env("DISPLAY", &self.display)
            .output()
            .expect("xdotool starts; where it is missing: apt-get install xdotool");
        assert!(status.success(), "xdotool {arguments:?}: {}", String::from_utf8_lossy(&stderr));
    }
}

fn round(value: f64) -> String {
    format!("{}", value.round() as i64)
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        // Nothing is left to do about a server that cannot be ended.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
