//! `nas-navigator template group` and `ungroup`: bricks that belong together.

use super::{clean, keep_and_save, read_file};
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
    /// What the group is called.
    title: String,
    /// Ids of the nodes that join it, and leave the groups that they are in.
    #[arg(value_name = "ID", required_unless_present = "collapsed")]
    nodes: Vec<String>,
    /// Whether the group is drawn as one brick.
    #[arg(long, value_name = "BOOL")]
    collapsed: Option<bool>,
}

/// Arguments of `template ungroup`.
#[derive(Debug, Args)]
pub(super) struct UngroupArgs {
    /// Scene file; as it was it is kept as FILE.bak.
    file: String,
    /// What the group is called.
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

/// The groups, one a line.
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
    let group = Edit::Group { title, nodes: ids(&args.nodes) };
    edit(&args.file, &[Some(group), collapsed].into_iter().flatten().collect::<Vec<_>>(), json)
}

/// Takes nodes out of a group.
pub(super) fn ungroup(args: &UngroupArgs, json: bool) -> Result<ExitCode> {
    let nodes = ids(&args.nodes);
    edit(&args.file, &[Edit::Ungroup { title: args.title.clone(), nodes }], json)
}

fn ids(ids: &[String]) -> Vec<NodeId> {
    ids.iter().map(NodeId::new).collect()
}

fn edit(file: &str, edits: &[Edit], json: bool) -> Result<ExitCode> {
    let (path, name, template) = read_file(file)?;
    let edited = template.edited(edits)?;
    keep_and_save(&path, None, &edited)?;
    if json {
        output::json(&reports(&edited.layout))?;
    } else {
        let count = counted(edited.layout.groups.len(), "group", "groups");
        output::data(&format!("{}{name}: {count}\n", lines(&edited.layout)))?;
    }
    Ok(ExitCode::SUCCESS)
}
