//! `nas-navigator template group` and `ungroup`: bricks that belong together.

use super::{clean, keep_and_save, read_file, stamps::nodes_of};
use crate::{
    cli::output,
    engine::template::{Edit, Group, Layout, NodeId},
    format::counted,
};
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `template group`.
#[derive(Debug, Args)]
pub(super) struct GroupArgs {
    /// Scene file; as it was it is kept as FILE.bak.
    file: String,
    /// The title of the group.
    title: String,
    /// Ids of the nodes that join it, and leave the groups that they are in.
    #[arg(value_name = "ID", required_unless_present = "collapsed")]
    nodes: Vec<String>,
    /// Whether the group counts as one brick; kept in the file, the window does not do so yet.
    #[arg(long, value_name = "BOOL")]
    collapsed: Option<bool>,
}

/// Arguments of `template ungroup`.
#[derive(Debug, Args)]
pub(super) struct UngroupArgs {
    /// Scene file; as it was it is kept as FILE.bak.
    file: String,
    /// The title of the group.
    title: String,
    /// Ids of the nodes that leave it; all of them where this is left out.
    #[arg(value_name = "ID")]
    nodes: Vec<String>,
}

/// A group, as reports have it.
#[derive(Debug, Serialize)]
pub(super) struct GroupReport<'a> {
    title: &'a str,
    members: Vec<&'a NodeId>,
    collapsed: bool,
}

impl<'a> From<&'a Group> for GroupReport<'a> {
    fn from(Group { title, members, collapsed }: &'a Group) -> Self {
        Self { title, members: members.iter().collect(), collapsed: *collapsed }
    }
}

/// The groups, as reports have them.
pub(super) fn reports(layout: &Layout) -> Vec<GroupReport<'_>> {
    layout.groups.iter().map(Into::into).collect()
}

/// The groups, one per line.
pub(super) fn lines(layout: &Layout) -> String {
    let line = |Group { title, members, collapsed }: &Group| {
        let members: Vec<_> = members.iter().map(NodeId::as_str).collect();
        let collapsed = if *collapsed { ", collapsed" } else { "" };
        clean(&format!("group {title}: {}{collapsed}\n", members.join(", ")))
    };
    layout.groups.iter().map(line).collect()
}

/// Puts nodes into a group.
pub(super) fn group(args: &GroupArgs, json: bool) -> Result<ExitCode> {
    let title = args.title.clone();
    let collapsed =
        args.collapsed.map(|collapsed| Edit::SetCollapsed { title: title.clone(), collapsed });
    let group = |nodes| [Some(Edit::Group { title, nodes }), collapsed];
    edit(&args.file, &args.nodes, |nodes| group(nodes).into_iter().flatten().collect(), json)
}

/// Takes nodes out of a group.
pub(super) fn ungroup(args: &UngroupArgs, json: bool) -> Result<ExitCode> {
    let title = args.title.clone();
    edit(&args.file, &args.nodes, |nodes| vec![Edit::Ungroup { title, nodes }], json)
}

/// Makes edits of nodes with these ids, and tells the groups that there are then.
fn edit(
    file: &str,
    ids: &[String],
    edits: impl FnOnce(Vec<NodeId>) -> Vec<Edit>,
    json: bool,
) -> Result<ExitCode> {
    let (path, name, _, template) = read_file(file)?;
    let nodes = nodes_of(&template, &name, ids, "the list")?;
    let edited = template.edited(&edits(nodes))?;
    keep_and_save(&path, None, &edited)?;
    if json {
        output::json(&reports(&edited.layout))?;
    } else {
        let count = counted(edited.layout.groups.len(), "group", "groups");
        output::data(&format!("{}{name}: {count}\n", lines(&edited.layout)))?;
    }
    Ok(ExitCode::SUCCESS)
}
