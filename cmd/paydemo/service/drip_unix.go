//go:build unix

package service

import "syscall"

// reserve returns memory outside of the Go heap, as a leak in a C library has it: what of it is written to is resident, and
// nothing else moves with it, so that resident memory grows by exactly that.
func reserve(size int) ([]byte, error) {
	return syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}

func release(block []byte) error { return syscall.Munmap(block) }
