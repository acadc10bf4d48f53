//go:build !linux && !darwin

package main

import "errors"

func readKeys(int) (restore func(), err error) {
	return nil, errors.New("keys are not read on this system")
}
