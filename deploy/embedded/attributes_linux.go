package embedded

import "syscall"

// childAttributes put the engine into a process group of its own, so that Ctrl-C reaches us first and we stop it in order, and
// let the kernel end it if we die without a word.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
