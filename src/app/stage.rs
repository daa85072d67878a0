//! The stage on which everything stands: the baseplate, its light and floor, and where the cloud floats.

use super::{
    document::{Document, template_changed},
    lego::{self, geometry::Solid},
    settings::Settings,
    theme::{self, rgb},
};
use crate::engine::template::Template;
use bevy::{
    asset::RenderAssetUsages,
    image::{ImageAddressMode, ImageFilterMode, ImageSampler, ImageSamplerDescriptor},
    light::{CascadeShadowConfigBuilder, DirectionalLightShadowMap, NotShadowCaster},
    math::Affine2,
    mesh::{Indices, PrimitiveTopology},
    prelude::*,
    render::render_resource::{Extent3d, TextureDimension, TextureFormat},
};
use std::f32::consts::{PI, TAU};

/// World units per stud; one unit is 10 cm.
pub const STUD: f32 = 0.2;

/// Studs between the outermost bricks and the plate's edge: room for links that turn round.
const MARGIN: f32 = 2.0;
/// Thickness and corner radius of the plate, in studs.
const THICKNESS: f32 = 0.4;
const EDGE_RADIUS: f32 = 0.12;
const PLATE_COLOR: Color = rgb(0x222933);

/// Where the key light and the rim light come from.
const KEY_FROM: Vec3 = vec3(-0.65, 1.0, 0.75);
const RIM_FROM: Vec3 = vec3(0.6, 0.5, -0.8);
const KEY_COLOR: Color = rgb(0xFFF3E2);
const RIM_COLOR: Color = rgb(0x8FB4FF);
const AMBIENT_COLOR: Color = rgb(0xDCE6FF);
/// Light as a share of what makes a surface that faces it look exactly as its colour says.
const KEY_LIGHT: f32 = 0.95;
const RIM_LIGHT: f32 = 0.3;
const AMBIENT_LIGHT: f32 = 0.18;
/// What Bevy's default exposure makes of a luminance, in 1/(cd/m²).
const EXPOSURE: f32 = 0.001;

/// Systems that update the layout of the stage. They run before the systems of everything that stands on it.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub struct StageSystems;

/// Where the plate and the cloud are. Recomputed when a template is opened.
#[derive(Resource, Clone, Debug, PartialEq)]
pub struct Stage {
    /// Middle of the plate's top.
    pub plate_center: Vec3,
    /// Half extents of the plate along x and z.
    pub plate_half: Vec2,
    /// Middle of the cloud.
    pub cloud_center: Vec3,
    /// Most points are within this distance of the middle.
    pub cloud_radius: f32,
}

/// The baseplate.
#[derive(Component)]
pub struct Plate;

/// The floor under the plate, which fades into the background.
#[derive(Component)]
struct Floor;

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<Stage>()
        .insert_resource(GlobalAmbientLight {
            color: AMBIENT_COLOR,
            brightness: AMBIENT_LIGHT / EXPOSURE,
            ..default()
        })
        .insert_resource(DirectionalLightShadowMap { size: 4096 })
        .add_systems(Startup, (light_stage, build_stage))
        .add_systems(
            Update,
            (
                lay_out_stage.run_if(template_changed),
                resize_plate.run_if(resource_changed::<Stage>),
            )
                .chain()
                .in_set(StageSystems),
        );
}

/// The point of the plate's top at a position in studs: along the flow, towards the viewer.
pub fn world_from_studs(position: [f32; 2]) -> Vec3 {
    vec3(position[0], 0.0, position[1]) * STUD
}

/// The stud nearest to a point.
pub fn studs_from_world(point: Vec3) -> [f32; 2] {
    // Adding zero turns -0 into 0, which scene files show.
    [(point.x / STUD).round() + 0.0, (point.z / STUD).round() + 0.0]
}

/// What a surface reflects by its normal, as the lights below would light it: for what is drawn unlit.
pub fn diffuse_light(normal: Vec3) -> LinearRgba {
    let lamp = |from: Vec3, share: f32| share * normal.dot(from.normalize()).max(0.0);
    AMBIENT_COLOR.to_linear() * AMBIENT_LIGHT
        + KEY_COLOR.to_linear() * lamp(KEY_FROM, KEY_LIGHT)
        + RIM_COLOR.to_linear() * lamp(RIM_FROM, RIM_LIGHT)
}

impl Default for Stage {
    fn default() -> Self {
        Self::around(vec2(-15.0, -6.0), vec2(15.0, 6.0))
    }
}

impl Stage {
    /// The stage for a template.
    pub fn new(template: &Template) -> Self {
        let mut bounds = None;
        for node in &template.network.nodes {
            let center = Vec2::from(template.position(&node.id));
            let half = lego::footprint(node) / 2.0;
            let (low, high) = bounds.unwrap_or((center, center));
            bounds = Some((low.min(center - half), high.max(center + half)));
        }
        bounds.map_or_else(Self::default, |(low, high)| Self::around(low, high))
    }

    /// The stage for bricks within a rectangle, in studs. The plate has a whole number of studs.
    fn around(low: Vec2, high: Vec2) -> Self {
        let low = (low - MARGIN + 0.5).floor() - 0.5;
        let high = (high + MARGIN - 0.5).ceil() + 0.5;
        let plate_center = world_from_studs(((low + high) / 2.0).to_array());
        let plate_half = (high - low) / 2.0 * STUD;
        let cloud_radius = (plate_half.x * 0.42).max(1.6);
        // Above and behind, but no farther than needed: nothing of it hangs over the plate or below it.
        let cloud_center =
            plate_center + vec3(0.0, 0.25 + cloud_radius, -plate_half.y - cloud_radius);
        Self { plate_center, plate_half, cloud_center, cloud_radius }
    }

    /// The point of the plate nearest to `point` at which a brick with the given footprint (studs) stands
    /// on the plate with all of it.
    pub fn keep_on_plate(&self, point: Vec3, footprint: Vec2) -> Vec3 {
        let room = (self.plate_half - footprint / 2.0 * STUD).max(Vec2::ZERO);
        let offset = (point - self.plate_center).xz().clamp(-room, room);
        self.plate_center + vec3(offset.x, 0.0, offset.y)
    }
}

fn lay_out_stage(document: Res<Document>, mut stage: ResMut<Stage>) {
    stage.set_if_neq(Stage::new(document.template()));
}

fn light_stage(mut commands: Commands, settings: Res<Settings>) {
    commands.spawn((
        Name::new("Key light"),
        DirectionalLight {
            color: KEY_COLOR,
            illuminance: KEY_LIGHT * PI / EXPOSURE,
            shadow_maps_enabled: !settings.low_quality,
            ..default()
        },
        CascadeShadowConfigBuilder { num_cascades: 1, maximum_distance: 60.0, ..default() }.build(),
        Transform::from_translation(KEY_FROM).looking_at(Vec3::ZERO, Vec3::Y),
    ));
    commands.spawn((
        Name::new("Rim light"),
        DirectionalLight { color: RIM_COLOR, illuminance: RIM_LIGHT * PI / EXPOSURE, ..default() },
        Transform::from_translation(RIM_FROM).looking_at(Vec3::ZERO, Vec3::Y),
    ));
}

fn build_stage(
    mut commands: Commands,
    settings: Res<Settings>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut images: ResMut<Assets<Image>>,
) {
    commands.spawn((
        Name::new("Plate"),
        Plate,
        Pickable::default(),
        Mesh3d(meshes.add(Rectangle::default())),
        MeshMaterial3d(materials.add(StandardMaterial {
            base_color_texture: Some(images.add(stud_tile())),
            uv_transform: Affine2::from_translation(Vec2::splat(0.5))
                * Affine2::from_scale(Vec2::splat(1.0 / STUD)),
            perceptual_roughness: 0.9,
            reflectance: 0.2,
            unlit: settings.low_quality,
            ..default()
        })),
    ));
    commands.spawn((
        Name::new("Floor"),
        Floor,
        NotShadowCaster,
        Mesh3d(meshes.add(floor_mesh())),
        MeshMaterial3d(materials.add(StandardMaterial { unlit: true, ..default() })),
    ));
}

/// Fits plate and floor to the stage.
fn resize_plate(
    stage: Res<Stage>,
    settings: Res<Settings>,
    mut meshes: ResMut<Assets<Mesh>>,
    plate: Single<&mut Mesh3d, With<Plate>>,
    floor: Single<&mut Transform, With<Floor>>,
) {
    let mut plate = plate.into_inner();
    plate.0 = meshes.add(plate_mesh(&stage, settings.low_quality));
    let mut floor = floor.into_inner();
    floor.translation = stage.plate_center - Vec3::Y * (THICKNESS + EDGE_RADIUS + 0.1) * STUD;
    floor.scale = Vec3::splat(2.6 * stage.plate_half.length());
}

/// The slab of the plate, in world space, so that its studs are where bricks snap to.
fn plate_mesh(stage: &Stage, unlit: bool) -> Mesh {
    let radius = EDGE_RADIUS * STUD;
    let core = stage.plate_half - radius;
    let profile = [
        vec2(core.y, -THICKNESS * STUD),
        vec2(core.y, -radius),
        vec2(-core.y, -radius),
        vec2(-core.y, -THICKNESS * STUD),
    ];
    let mut solid = Solid::default();
    solid.rounded_prism(&profile, core.x, radius, |normal| {
        if unlit { diffuse_light(normal) } else { LinearRgba::WHITE }
    });
    solid.translated(stage.plate_center).into_mesh()
}

/// A disc of radius 1 that is lightest in the middle and ends in the colour of the background.
fn floor_mesh() -> Mesh {
    const RINGS: u32 = 12;
    const SECTORS: u32 = 64;
    let (mut positions, mut colors, mut indices) = (Vec::new(), Vec::new(), Vec::new());
    for ring in 0..=RINGS {
        let radius = ring as f32 / RINGS as f32;
        let share = EaseFunction::SmoothStep.sample_clamped(radius);
        let color = theme::BACKGROUND_LOW.mix(&theme::BACKGROUND, share).to_linear().to_f32_array();
        for sector in 0..SECTORS {
            let (sin, cos) = (TAU * sector as f32 / SECTORS as f32).sin_cos();
            positions.push([radius * cos, 0.0, radius * sin]);
            colors.push(color);
            if ring > 0 {
                let next = (sector + 1) % SECTORS;
                let [inner, outer] = [(ring - 1) * SECTORS, ring * SECTORS];
                indices.extend([inner + sector, inner + next, outer + sector]);
                indices.extend([outer + sector, inner + next, outer + next]);
            }
        }
    }
    let normals = vec![[0.0, 1.0, 0.0]; positions.len()];
    Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::default())
        .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, positions)
        .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, normals)
        .with_inserted_attribute(Mesh::ATTRIBUTE_COLOR, colors)
        .with_inserted_indices(Indices::U32(indices))
}

/// The picture of one stud in faint relief, to be repeated over the plate, with all its smaller copies so
/// that it neither flickers nor shows a pattern from afar.
fn stud_tile() -> Image {
    const SIZE: u32 = 64;
    let color = PLATE_COLOR.to_srgba();
    let mut level: Vec<f32> = (0..SIZE * SIZE)
        .map(|pixel| {
            stud_relief(vec2((pixel % SIZE) as f32, (pixel / SIZE) as f32) / SIZE as f32 - 0.5)
        })
        .collect();
    let mut data = Vec::new();
    let mut size = SIZE;
    loop {
        data.extend(level.iter().flat_map(|relief| {
            let [r, g, b] =
                [color.red, color.green, color.blue].map(|c| (c * relief * 255.0).round() as u8);
            [r, g, b, 255]
        }));
        if size == 1 {
            break;
        }
        let at = |x: u32, y: u32| level[(y * size + x) as usize];
        level = (0..size * size / 4)
            .map(|pixel| (2 * (pixel % (size / 2)), 2 * (pixel / (size / 2))))
            .map(|(x, y)| (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0)
            .collect();
        size /= 2;
    }
    let extent = Extent3d { width: SIZE, height: SIZE, depth_or_array_layers: 1 };
    let usage = RenderAssetUsages::RENDER_WORLD;
    let mut image =
        Image::new_uninit(extent, TextureDimension::D2, TextureFormat::Rgba8UnormSrgb, usage);
    image.texture_descriptor.mip_level_count = SIZE.ilog2() + 1;
    image.data = Some(data);
    image.sampler = ImageSampler::Descriptor(ImageSamplerDescriptor {
        address_mode_u: ImageAddressMode::Repeat,
        address_mode_v: ImageAddressMode::Repeat,
        mag_filter: ImageFilterMode::Linear,
        min_filter: ImageFilterMode::Linear,
        mipmap_filter: ImageFilterMode::Linear,
        anisotropy_clamp: 4,
        ..default()
    });
    image
}

/// Brightness of the plate at an offset from the middle of a stud (studs to the right, towards the viewer):
/// the stud's edge catches the key light on one side and lies in shade on the other.
fn stud_relief(offset: Vec2) -> f32 {
    const RADIUS: f32 = 0.31;
    const SOFTNESS: f32 = 0.045;
    let distance = offset.length();
    let edge = (-((distance - RADIUS) / SOFTNESS).powi(2)).exp();
    let lit = offset.normalize_or_zero().dot(KEY_FROM.xz().normalize());
    let top = if distance < RADIUS { 0.03 } else { 0.0 };
    1.0 + top + 0.22 * edge * lit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template::presets;

    #[test]
    fn studs_to_world_and_back_is_the_same_for_whole_studs() {
        for position in [[0.0, 0.0], [-35.0, 12.0], [3.0, -7.0]] {
            assert_eq!(studs_from_world(world_from_studs(position)), position);
        }
    }

    #[test]
    fn a_point_snaps_to_the_nearest_stud_without_negative_zeros() {
        assert_eq!(studs_from_world(vec3(0.29, 5.0, -0.31)), [1.0, -2.0]);
        assert!(
            studs_from_world(vec3(-0.01, 0.0, -0.01)).iter().all(|stud| stud.is_sign_positive())
        );
    }

    #[test]
    fn the_plate_has_whole_studs_and_carries_every_brick() {
        for preset in presets() {
            let template = preset.template().expect("presets are right");
            let stage = Stage::new(&template);
            let studs = 2.0 * stage.plate_half / STUD;
            assert!((studs - studs.round()).abs().max_element() < 1e-3, "{studs}");
            for node in &template.network.nodes {
                let place = world_from_studs(template.position(&node.id));
                let kept = stage.keep_on_plate(place, lego::footprint(node));
                assert!(kept.abs_diff_eq(place, 1e-4), "{} of {}", node.id, preset.name);
            }
        }
    }

    #[test]
    fn the_cloud_floats_above_and_behind_the_plate() {
        let stage = Stage::default();
        assert!(stage.cloud_center.y > stage.cloud_radius);
        assert!(stage.cloud_center.z < stage.plate_center.z - stage.plate_half.y);
    }

    #[test]
    fn a_point_beside_the_plate_is_brought_back_onto_it() {
        let stage = Stage::default();
        let kept = stage.keep_on_plate(vec3(100.0, 3.0, 0.0), vec2(5.0, 3.0));
        let edge = stage.plate_center.x + stage.plate_half.x - 2.5 * STUD;
        assert!((kept.x - edge).abs() < 1e-5 && kept.y == 0.0, "{kept}");
    }

    #[test]
    fn the_stud_tile_holds_all_of_its_levels() {
        let image = stud_tile();
        let pixels: u32 = (0..=6).map(|level| 4u32.pow(level)).sum();
        assert_eq!(image.data.map(|data| data.len()), Some(4 * pixels as usize));
        assert_eq!(image.texture_descriptor.mip_level_count, 7);
    }
}
