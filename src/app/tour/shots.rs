//! Pictures of the window or of the canvas, as PNG files that are there in full or not at all.

use crate::{
    app::offscreen::Canvas,
    engine::files::{self, WriteError},
};
use bevy::{
    image::ImageFormat,
    prelude::*,
    render::view::screenshot::{Screenshot, ScreenshotCaptured},
    tasks::{AsyncComputeTaskPool, Task, futures::check_ready},
};
use std::{
    io::Cursor,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Why a picture could not be kept.
#[derive(Debug, Error)]
pub(super) enum ShotError {
    #[error("the picture cannot be turned into a PNG: {0}")]
    Encode(String),
    #[error("cannot create the folder {}: {source}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The picture that is being taken.
#[derive(Resource, Default)]
pub(super) struct Shutter {
    entity: Option<Entity>,
    writing: Option<Task<Result<(), ShotError>>>,
}

impl Shutter {
    /// Takes a picture of the next frame and writes it to `path`; one that is still waiting is given up.
    pub(super) fn release(
        &mut self,
        commands: &mut Commands,
        canvas: Option<&Canvas>,
        path: PathBuf,
    ) {
        if let Some(entity) = self.entity.take() {
            commands.entity(entity).try_despawn();
        }
        self.writing = None;
        let screenshot = match canvas {
            Some(canvas) => Screenshot::image(canvas.0.clone()),
            None => Screenshot::primary_window(),
        };
        let write = move |captured: On<ScreenshotCaptured>, mut shutter: ResMut<Shutter>| {
            let (image, path) = (captured.image.clone(), path.clone());
            let write = async move { write_png(image, &path) };
            shutter.writing = Some(AsyncComputeTaskPool::get().spawn(write));
        };
        self.entity =
            Some(commands.spawn((Name::new("Screenshot"), screenshot)).observe(write).id());
    }

    /// The outcome, once the file is written.
    pub(super) fn outcome(&mut self) -> Option<Result<(), ShotError>> {
        let outcome = check_ready(self.writing.as_mut()?)?;
        // Bevy removes the entity of a picture that it has taken.
        (self.writing, self.entity) = (None, None);
        Some(outcome)
    }
}

fn write_png(image: Image, path: &Path) -> Result<(), ShotError> {
    // The alpha of the picture says nothing that can be seen.
    let picture =
        image.try_into_dynamic().map_err(|error| ShotError::Encode(error.to_string()))?.to_rgb8();
    let format = ImageFormat::Png
        .as_image_crate_format()
        .ok_or_else(|| ShotError::Encode("this build cannot write them".to_owned()))?;
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).map_err(|error| ShotError::Encode(error.to_string()))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|source| ShotError::Folder { path: folder.to_owned(), source })?;
    }
    Ok(files::write_atomic(path, bytes.get_ref())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::messages::keep_each;
    use bevy::{
        asset::RenderAssetUsages,
        render::render_resource::{Extent3d, TextureDimension, TextureFormat},
    };

    fn picture() -> Image {
        let size = Extent3d { width: 2, height: 1, depth_or_array_layers: 1 };
        let bytes = vec![255, 0, 0, 255, 0, 0, 255, 0];
        let format = TextureFormat::Rgba8UnormSrgb;
        Image::new(size, TextureDimension::D2, bytes, format, RenderAssetUsages::MAIN_WORLD)
    }

    #[test]
    fn a_picture_becomes_a_png_in_a_folder_that_is_made_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/shots/01.png");
        write_png(picture(), &path).expect("is written");
        let bytes = std::fs::read(&path).expect("is there");
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    }

    #[test]
    fn pictures_are_refused_in_these_words() {
        let system = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        keep_each!(
            ShotError,
            Encode("this format has no colours".to_owned()),
            Folder { path: "shots".into(), source: system() },
            Write(WriteError::new("shots/01.png".as_ref(), system())),
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "x").expect("is written");
        let error = write_png(picture(), &file.join("01.png")).expect_err("is a file");
        assert!(error.to_string().contains("file"), "{error}");
    }
}
