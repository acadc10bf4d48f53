//go:build !linux && !darwin

package health

func (r *Reading) system() {}
