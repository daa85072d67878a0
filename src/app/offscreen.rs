//! Where the program draws: in a window, or into an image where there is no display. Everything that
//! could make Bevy panic for want of a display or a graphics driver is found out here, beforehand.
//!
//! Off-screen, the world still has its primary window, which is not shown: cameras, panels and picking
//! work as they do on a screen, and only the finished picture goes into the [`Canvas`].

use super::{
    pace::{self, Pace},
    theme,
};
use crate::{quiet::quietly, signals};
use bevy::{
    app::{PluginsState, TerminalCtrlCHandlerPlugin},
    camera::NormalizedRenderTarget,
    log::LogPlugin,
    prelude::*,
    render::{
        Render, RenderApp, RenderPlugin, RenderSystems,
        camera::{ExtractedCamera, sort_cameras},
        render_resource::TextureFormat,
        renderer::initialize_renderer,
        settings::{Backends, RenderCreation, RenderResources, WgpuSettings},
    },
    window::{ExitCondition, RequestRedraw, WindowResolution},
    winit::{EventLoopProxyWrapper, WinitPlugin, WinitSettings, WinitUserEvent},
};
use bevy_egui::EguiGlobalSettings;
use std::{
    ffi::OsStr,
    time::{Duration, Instant},
};
use thiserror::Error;

/// The size of the window, or of the pictures, when none is asked for: logical pixels.
pub const DEFAULT_SIZE: UVec2 = UVec2::new(1600, 900);

/// Why nothing can be drawn.
#[derive(Debug, Error)]
pub enum DisplayError {
    /// There is no screen and no tour that could do without.
    #[error(
        "no display: set DISPLAY, or run a tour with --tour FILE --shots DIR --exit, or use the train \
         and search commands"
    )]
    NoDisplay,
    /// `DISPLAY` names a screen, but no display server answers there.
    #[error(
        "the display {display} does not answer: correct DISPLAY, or run a tour with --tour FILE --shots \
         DIR --exit, or use the train and search commands"
    )]
    NoAnswer {
        /// The value of `DISPLAY`.
        display: String,
    },
    /// No graphics driver, not even one in software.
    #[error(
        "no graphics driver answers ({reason}): install one (in software: the package \
         mesa-vulkan-drivers), or use the train and search commands, which need none"
    )]
    NoAdapter {
        /// The message of the graphics library.
        reason: String,
    },
    /// The screen answers but lets no window be opened.
    #[error("no window could be opened ({reason}): check that DISPLAY and XAUTHORITY are yours")]
    NoWindow {
        /// The message of the window library.
        reason: String,
    },
}

/// Where the picture goes.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Into a window.
    Window,
    /// Into the [`Canvas`], which only screenshots show.
    Offscreen,
}

/// The image that cameras draw into when there is no window.
#[derive(Resource, Clone, Debug)]
pub struct Canvas(pub Handle<Image>);

/// An app that can draw and has no content yet.
pub struct Screen {
    /// The app, with Bevy's plugins.
    pub app: App,
    /// Where it draws.
    pub output: Output,
    /// Name of the graphics adapter, for the log.
    pub adapter: String,
    /// Whether pictures are computed by the processor, so that quality has to be low.
    pub software: bool,
}

/// Decides where to draw: in a window if `display` (the value of `DISPLAY`) answers, else off-screen if
/// the program runs a tour. Without a tour, a program without a display could not be controlled.
///
/// # Errors
/// When there is neither a display nor a tour.
pub fn output_plan(display: Option<&OsStr>, tour: bool) -> Result<Output, DisplayError> {
    // Elsewhere than on X11 there is always a desktop, or winit says that there is none.
    if !cfg!(all(unix, not(target_vendor = "apple"), not(target_os = "android"))) {
        return Ok(Output::Window);
    }
    match display.filter(|display| !display.is_empty()) {
        Some(display) if x11_answers(display) => Ok(Output::Window),
        _ if tour => Ok(Output::Offscreen),
        Some(display) => {
            Err(DisplayError::NoAnswer { display: display.to_string_lossy().into_owned() })
        }
        None => Err(DisplayError::NoDisplay),
    }
}

/// Builds an app that draws in a window, or off-screen when there is no display and the program runs a `tour`, at
/// `size` logical pixels.
///
/// # Errors
/// When there is no display, no graphics driver, or no window can be opened.
pub fn open(size: UVec2, tour: bool) -> Result<Screen, DisplayError> {
    let output = output_plan(std::env::var_os("DISPLAY").as_deref(), tour)?;
    let resources = find_adapter()?;
    let info = &resources.2;
    let adapter = format!("{} ({:?})", info.name, info.backend);
    // The type of this field has no name here: Bevy does not pass it on.
    let software = format!("{:?}", info.device_type) == "Cpu";

    let app = match output {
        Output::Window => quietly(|| window_app(size, resources))
            .map_err(|reason| DisplayError::NoWindow { reason })?,
        Output::Offscreen => offscreen_app(size, resources),
    };
    Ok(Screen { app, output, adapter, software })
}

/// Looks for a graphics driver and opens it.
fn find_adapter() -> Result<RenderResources, DisplayError> {
    let settings = WgpuSettings::default();
    let allowed = settings
        .backends
        .ok_or_else(|| DisplayError::NoAdapter { reason: "WGPU_BACKEND allows none".to_owned() })?;
    // Bevy itself would choose in the same way, also before there is a window, but panic.
    let try_open = |backends| {
        quietly(|| bevy::tasks::block_on(initialize_renderer(backends, None, &settings)))
    };
    // OpenGL last: where there is no screen, merely looking for it makes its libraries complain.
    let first = allowed & Backends::PRIMARY;
    let found = if first.is_empty() { Err(String::new()) } else { try_open(first) };
    found.or_else(|_| try_open(allowed)).map_err(|reason| {
        // What follows the first sentence is advice for developers.
        let reason = reason.split('!').next().unwrap_or_default().to_owned();
        DisplayError::NoAdapter { reason }
    })
}

/// Bevy with a window, redrawn only when there is a reason.
fn window_app(size: UVec2, resources: RenderResources) -> App {
    let mut app = App::new();
    let plugins = DefaultPlugins.set(WindowPlugin {
        primary_window: Some(window(size)),
        // The panels ask first whether edits may be lost.
        close_when_requested: false,
        ..default()
    });
    app.insert_resource(WinitSettings {
        focused_mode: pace::IDLE.update_mode(),
        unfocused_mode: pace::IDLE.update_mode(),
    });
    add_common(&mut app, plugins.build(), resources, Output::Window);
    app.add_systems(Startup, wake_on_interrupt);
    app
}

/// Bevy without a window: the same world, a picture instead of a screen.
fn offscreen_app(size: UVec2, resources: RenderResources) -> App {
    let mut app = App::new();
    let plugins = DefaultPlugins
        .set(WindowPlugin {
            primary_window: Some(window(size)),
            // This window has no close button.
            exit_condition: ExitCondition::DontExit,
            ..default()
        })
        .disable::<WinitPlugin>();
    add_common(&mut app, plugins, resources, Output::Offscreen);

    // The format that Bevy's cameras fall back to for a target they cannot see, as is the case here.
    let canvas = Image::new_target_texture(size.x, size.y, TextureFormat::Rgba8UnormSrgb, None);
    let canvas = Canvas(app.world_mut().resource_mut::<Assets<Image>>().add(canvas));
    if let Some(render) = app.get_sub_app_mut(RenderApp) {
        render.insert_resource(canvas.clone()).add_systems(
            Render,
            draw_on_canvas.in_set(RenderSystems::CreateViews).before(sort_cameras),
        );
    }
    app.insert_resource(canvas)
        .add_systems(Startup, (close_input_methods, exit_on_interrupt))
        .set_runner(run_offscreen);
    app
}

fn window(size: UVec2) -> Window {
    Window {
        title: "NAS-Navigator".to_owned(),
        name: Some("nas-navigator".to_owned()),
        resolution: WindowResolution::new(size.x, size.y),
        ..default()
    }
}

fn add_common(
    app: &mut App,
    plugins: bevy::app::PluginGroupBuilder,
    resources: RenderResources,
    output: Output,
) {
    // A failing system is reported; it does not take the program down in the middle of a show.
    app.set_error_handler(bevy::ecs::error::error)
        .insert_resource(output)
        .insert_resource(ClearColor(theme::BACKGROUND))
        .add_plugins(
            plugins
                .set(RenderPlugin {
                    render_creation: RenderCreation::Manual(resources),
                    ..default()
                })
                // The command line has set up the log, and one handler of Ctrl+C and other signals, which also
                // wakes an idle window, replaces Bevy's.
                .disable::<LogPlugin>()
                .disable::<TerminalCtrlCHandlerPlugin>(),
        )
        .add_systems(Update, TerminalCtrlCHandlerPlugin::exit_on_flag);
}

/// Ends the program on Ctrl+C and other signals, also when the window is idle and would not draw another frame.
fn wake_on_interrupt(proxy: Res<EventLoopProxyWrapper>) {
    let proxy = (**proxy).clone();
    let installed = signals::listen(move |_| {
        TerminalCtrlCHandlerPlugin::gracefully_exit();
        // It fails when the event loop has ended; then there is nothing to wake.
        let _ = proxy.send_event(WinitUserEvent::WakeUp);
    });
    if let Err(error) = installed {
        debug!("signals keep their handlers: {error}");
    }
}

fn exit_on_interrupt() {
    if let Err(error) = signals::listen(|_| TerminalCtrlCHandlerPlugin::gracefully_exit()) {
        debug!("signals keep their handlers: {error}");
    }
}

/// Input methods belong to the window system.
fn close_input_methods(settings: Option<ResMut<EguiGlobalSettings>>) {
    if let Some(mut settings) = settings {
        settings.enable_ime = false;
    }
}

/// Sends what was meant for the window to the canvas.
fn draw_on_canvas(canvas: Res<Canvas>, mut cameras: Query<&mut ExtractedCamera>) {
    for mut camera in &mut cameras {
        if let Some(NormalizedRenderTarget::Window(_)) = camera.target {
            camera.target = Some(NormalizedRenderTarget::Image(canvas.0.clone().into()));
        }
    }
}

/// Runs an app without a window: at once again when a redraw is requested, else at the [`Pace`] that the
/// app keeps, but never slower than a quarter of a second, since no event could wake it.
fn run_offscreen(mut app: App) -> AppExit {
    const LONGEST: Duration = Duration::from_millis(250);
    while app.plugins_state() == PluginsState::Adding {
        bevy::tasks::tick_global_task_pools_on_main_thread();
    }
    app.finish();
    app.cleanup();
    let mut requests = app.world().resource::<Messages<RequestRedraw>>().get_cursor();
    loop {
        let begun = Instant::now();
        app.update();
        if let Some(exit) = app.should_exit() {
            return exit;
        }
        let world = app.world();
        let redraw = requests.read(world.resource::<Messages<RequestRedraw>>()).count() > 0;
        if !redraw {
            let wait =
                world.get_resource::<Pace>().map_or(LONGEST, |pace| pace.wait().min(LONGEST));
            std::thread::sleep(wait.saturating_sub(begun.elapsed()));
        }
    }
}

/// Whether an X server listens where `display` points: `:0`, `host:0.0`, `unix:0`.
#[cfg(unix)]
fn x11_answers(display: &OsStr) -> bool {
    use std::{
        net::{TcpStream, ToSocketAddrs},
        os::unix::net::UnixStream,
    };
    let Some((host, number)) = display.to_str().and_then(|display| display.rsplit_once(':')) else {
        return false;
    };
    let number = number.split_once('.').map_or(number, |(number, _)| number);
    let Ok(number) = number.parse::<u16>() else { return false };
    let path = format!("/tmp/.X11-unix/X{number}");
    match host {
        "" | "unix" => {
            #[cfg(target_os = "linux")]
            {
                use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
                // Linux servers also listen on a name that is no file.
                let address = SocketAddr::from_abstract_name(&path);
                if address.is_ok_and(|address| UnixStream::connect_addr(&address).is_ok()) {
                    return true;
                }
            }
            UnixStream::connect(path).is_ok()
        }
        host => {
            let Some(port) = number.checked_add(6000) else { return false };
            let host = host.trim_start_matches('[').trim_end_matches(']');
            (host, port).to_socket_addrs().is_ok_and(|mut addresses| {
                addresses.any(|address| {
                    TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
                })
            })
        }
    }
}

#[cfg(not(unix))]
fn x11_answers(_display: &OsStr) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::messages::keep_each;
    use std::net::TcpListener;

    #[test]
    fn displays_are_refused_in_these_words() {
        let reason = || "no adapter found".to_owned();
        keep_each!(
            DisplayError,
            NoDisplay,
            NoAnswer { display: ":7".to_owned() },
            NoAdapter { reason: reason() },
            NoWindow { reason: "not authorised".to_owned() },
        );
    }

    fn plan(display: Option<&str>, tour: bool) -> Result<Output, DisplayError> {
        output_plan(display.map(OsStr::new), tour)
    }

    #[cfg(all(unix, not(target_vendor = "apple")))]
    #[test]
    fn without_a_display_only_a_tour_can_run_and_it_does_off_screen() {
        assert_eq!(plan(None, true).expect("a tour needs no display"), Output::Offscreen);
        assert_eq!(plan(Some(""), true).expect("a tour needs no display"), Output::Offscreen);
        let message = plan(None, false).expect_err("it could not be controlled").to_string();
        assert!(message.contains("DISPLAY") && message.contains("--tour"), "{message}");
    }

    #[cfg(all(unix, not(target_vendor = "apple")))]
    #[test]
    fn a_display_that_does_not_answer_is_named() {
        for dead in [":64000", "unix:64000.0", "nonsense", ":x"] {
            assert_eq!(plan(Some(dead), true).expect("a tour needs no display"), Output::Offscreen);
            let message =
                plan(Some(dead), false).expect_err("no display server listens").to_string();
            assert!(message.contains(dead), "{message}");
        }
    }

    #[cfg(all(unix, not(target_vendor = "apple")))]
    #[test]
    fn a_display_that_answers_gets_a_window() {
        // X11 over TCP: display N is port 6000 + N.
        let (server, number) = (0..1000)
            .map(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a port"))
            .find_map(|server| {
                let port = server.local_addr().expect("an address").port();
                port.checked_sub(6000).map(|number| (server, number))
            })
            .expect("a port above 6000");
        let display = format!("127.0.0.1:{number}.0");
        assert_eq!(plan(Some(&display), true).expect("it listens"), Output::Window);
        drop(server);
    }

    #[test]
    fn a_panic_becomes_its_text() {
        let error = quietly(|| -> () { panic!("no {}\ndriver", "good") }).expect_err("it panics");
        assert_eq!(error, "no good driver");
    }
}
