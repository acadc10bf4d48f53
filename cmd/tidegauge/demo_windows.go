package main

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps a Ctrl-C on the console from the command: it is ended when the run is over.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
