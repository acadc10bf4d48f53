//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps a Ctrl-C on the terminal from the command: it is ended when the run is over.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
