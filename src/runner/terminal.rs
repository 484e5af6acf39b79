//! The terminal, which belongs to one process group at a time: to the command while it runs.

use nix::sys::signal::{SigSet, SigmaskHow, Signal as Masked};
use rustix::process::{Pid, Signal};
use rustix::termios::{OptionalActions, Termios};
use rustix::{process, stdio, termios};

/// The terminal on standard input, shared between this process's group and the command's.
#[derive(Debug)]
pub(super) struct Terminal {
    own: Pid,
    command: Pid,
    modes: Option<Termios>,
}

impl Terminal {
    /// Gives the terminal to the command's group, if there is a terminal and it is ours; remembers its modes.
    pub(super) fn hand_over(command: Pid) -> Option<Self> {
        if !termios::isatty(stdio::stdin()) {
            return None;
        }
        let terminal =
            Self { own: process::getpgrp(), command, modes: termios::tcgetattr(stdio::stdin()).ok() };
        if Self::holder() == Some(terminal.own) {
            Self::give_to(command);
        }
        Some(terminal)
    }

    /// Whether the command's group has the terminal.
    pub(super) fn is_with_command(&self) -> bool {
        Self::holder() == Some(self.command)
    }

    fn holder() -> Option<Pid> {
        termios::tcgetpgrp(stdio::stdin()).ok()
    }

    fn give_to(group: Pid) {
        // Who is in the background and changes the terminal's owner is stopped, unless the signal for it is blocked.
        let mut set = SigSet::empty();
        set.add(Masked::SIGTTOU);
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK);
        // A terminal that went away meanwhile needs no owner.
        let _ = termios::tcsetpgrp(stdio::stdin(), group);
        if let Ok(before) = before {
            let _ = before.thread_set_mask();
        }
    }

    /// Does for a command that was stopped what a shell expects: stops with it, and goes on with it.
    pub(super) fn follow_stop(&self, signal: Option<i32>) {
        let wanted_terminal = signal == Some(Signal::TTIN.as_raw()) || signal == Some(Signal::TTOU.as_raw());
        // A command that was stopped just before it got the terminal, or that was brought to the foreground, only has to go on.
        let is_ours = Self::holder() == Some(self.own) || self.is_with_command();
        if !(wanted_terminal && is_ours) {
            if self.is_with_command() {
                Self::give_to(self.own);
            }
            // Our whole group stops, `git` included, as it would have if the command were in it.
            let _ = process::kill_current_process_group(Signal::TSTP);
        }
        if Self::holder() == Some(self.own) {
            Self::give_to(self.command);
        }
        let _ = process::kill_process_group(self.command, Signal::CONT);
    }

    /// Takes the terminal back, and undoes what a command that died left of its modes.
    pub(super) fn take_back(&self, died: bool) {
        if !self.is_with_command() {
            return;
        }
        Self::give_to(self.own);
        if let Some(modes) = self.modes.as_ref().filter(|_| died) {
            let _ = termios::tcsetattr(stdio::stdin(), OptionalActions::Drain, modes);
        }
    }
}
