//! Brings the points to the screen: one quad and one material for all of them, a buffer with a record a
//! point, and a tiny second buffer for what changes with every move of the pointer.

use super::{
    super::{document::Focus, stage::Stage, theme},
    Cloud, CloudSystems, Scores,
    points::{self, PointRecord},
};
use crate::engine::candidate::CandidateId;
use bevy::{
    asset::{RenderAssetUsages, uuid_handle},
    camera::visibility::NoFrustumCulling,
    color::ColorToComponents,
    light::{NotShadowCaster, NotShadowReceiver},
    mesh::{Indices, MeshTag, PrimitiveTopology},
    prelude::*,
    reflect::TypePath,
    render::{render_resource::AsBindGroup, storage::ShaderBuffer},
    shader::{Shader, ShaderRef},
    window::RequestRedraw,
};

const SHADER: Handle<Shader> = uuid_handle!("5a1d9a53-6a1c-4b0e-9a55-4d0f8f9f2c61");

/// No candidate, in the shader.
const NONE: u32 = u32::MAX;

/// How far best, selected and hovered points are drawn in front of where they are, as a share of the
/// cloud's radius, so that a dense cloud does not hide them.
const FORWARD: f32 = 1.2;

pub(super) fn plugin(app: &mut App) {
    // The shader is part of the program, which therefore runs from any folder.
    let shader = Shader::from_wgsl(
        include_str!("../../../assets/shaders/points.wgsl"),
        "shaders/points.wgsl",
    );
    if let Err(error) = app.world_mut().resource_mut::<Assets<Shader>>().insert(&SHADER, shader) {
        error!("the points cannot be drawn: {error}");
    }
    app.add_plugins(MaterialPlugin::<PointMaterial>::default())
        .add_systems(Startup, create_look)
        .add_systems(
            PostUpdate,
            (upload_points.run_if(resource_changed::<Cloud>), upload_highlights, request_settling)
                .chain()
                .in_set(CloudSystems)
                .after(super::style_points),
        );
}

/// The material of all points.
#[derive(Asset, TypePath, AsBindGroup, Clone, Debug)]
pub(super) struct PointMaterial {
    #[storage(0, read_only, visibility(vertex))]
    points: Handle<ShaderBuffer>,
    #[storage(1, read_only)]
    highlights: Handle<ShaderBuffer>,
}

impl Material for PointMaterial {
    fn vertex_shader() -> ShaderRef {
        SHADER.into()
    }

    fn fragment_shader() -> ShaderRef {
        SHADER.into()
    }

    fn enable_prepass() -> bool {
        false
    }

    fn enable_shadows() -> bool {
        false
    }
}

/// The data that all points share.
#[derive(Resource)]
pub(super) struct PointLook {
    quad: Handle<Mesh>,
    material: Handle<PointMaterial>,
    points: Handle<ShaderBuffer>,
    highlights: Handle<ShaderBuffer>,
    /// Frames that must still be drawn because a buffer was replaced.
    settling: u8,
}

impl PointLook {
    /// What makes an entity visible as the point of candidate `id`.
    ///
    /// The shader moves the quad, so the mesh's own bounds say nothing. Without bounds there is no
    /// culling on the CPU, and mesh picking, which needs them, leaves points to our own backend.
    pub(super) fn bundle(&self, id: CandidateId) -> impl Bundle {
        (
            Mesh3d(self.quad.clone()),
            MeshMaterial3d(self.material.clone()),
            MeshTag(id.0),
            NoFrustumCulling,
            NotShadowCaster,
            NotShadowReceiver,
        )
    }
}

fn create_look(
    mut commands: Commands,
    mut meshes: ResMut<Assets<Mesh>>,
    mut buffers: ResMut<Assets<ShaderBuffer>>,
    mut materials: ResMut<Assets<PointMaterial>>,
) {
    let corners = vec![[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]];
    let quad = Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::RENDER_WORLD)
        .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, corners)
        .with_inserted_indices(Indices::U16(vec![0, 1, 2, 0, 2, 3]));
    let mut bytes = Vec::new();
    points::pack(&[], &mut bytes);
    let points = buffers.add(ShaderBuffer::new(&bytes, RenderAssetUsages::default()));
    let highlights = buffers
        .add(ShaderBuffer::new(&Highlights::default().bytes(), RenderAssetUsages::default()));
    commands.insert_resource(PointLook {
        quad: meshes.add(quad),
        material: materials
            .add(PointMaterial { points: points.clone(), highlights: highlights.clone() }),
        points,
        highlights,
        settling: 0,
    });
}

fn upload_points(
    cloud: Res<Cloud>,
    look: Option<ResMut<PointLook>>,
    mut buffers: ResMut<Assets<ShaderBuffer>>,
    mut materials: ResMut<Assets<PointMaterial>>,
) {
    let Some(mut look) = look else { return };
    let room =
        buffers.get(&look.points).and_then(|buffer| buffer.data.as_ref()).map_or(0, Vec::len);
    if cloud.records.len() * PointRecord::SIZE <= room {
        if let Some(mut buffer) = buffers.get_mut(&look.points)
            && let Some(bytes) = &mut buffer.data
        {
            points::pack(&cloud.records, bytes);
        }
        return;
    }
    // A buffer of another size is another buffer on the GPU, and the material must be bound to it. A new
    // handle makes sure that the material is not prepared before the buffer is there.
    let mut bytes = Vec::new();
    points::pack(&cloud.records, &mut bytes);
    look.points = buffers.add(ShaderBuffer::new(&bytes, RenderAssetUsages::default()));
    if let Some(mut material) = materials.get_mut(&look.material) {
        material.points = look.points.clone();
    }
    look.settling = 3;
}

/// The material is bound to a new buffer one frame after the buffer has reached the GPU.
fn request_settling(look: Option<ResMut<PointLook>>, mut redraw: MessageWriter<RequestRedraw>) {
    if let Some(mut look) = look
        && look.settling > 0
    {
        look.settling -= 1;
        redraw.write(RequestRedraw);
    }
}

fn upload_highlights(
    focus: Res<Focus>,
    scores: Res<Scores>,
    stage: Res<Stage>,
    look: Option<Res<PointLook>>,
    mut buffers: ResMut<Assets<ShaderBuffer>>,
) {
    let Some(look) = look else { return };
    let id = |candidate: Option<CandidateId>| candidate.map_or(NONE, |id| id.0);
    let bytes = Highlights {
        hovered: id(focus.hovered_candidate()),
        selected: id(focus.selected_candidate),
        best: id(scores.best),
        forward: stage.cloud_radius * FORWARD,
    }
    .bytes();
    if buffers.get(&look.highlights).is_some_and(|buffer| buffer.data.as_deref() == Some(&bytes)) {
        return;
    }
    if let Some(mut buffer) = buffers.get_mut(&look.highlights) {
        buffer.data = Some(bytes.to_vec());
    }
}

/// Which points stand out, and how.
struct Highlights {
    hovered: u32,
    selected: u32,
    best: u32,
    /// See [`FORWARD`]; in world units.
    forward: f32,
}

impl Default for Highlights {
    fn default() -> Self {
        Self { hovered: NONE, selected: NONE, best: NONE, forward: 0.0 }
    }
}

impl Highlights {
    /// The layout of the WGSL struct.
    fn bytes(&self) -> [u8; 48] {
        let color = |color: Color| color.to_linear().to_f32_array_no_alpha().map(f32::to_bits);
        let words = [self.hovered, self.selected, self.best, self.forward.to_bits()]
            .into_iter()
            .chain(color(theme::BACKGROUND))
            .chain([0])
            .chain(color(theme::ACCENT));
        let mut bytes = [0; 48];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}
